//! The real kubectl against the simulator, over TLS.

#![cfg(test)]

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use ako_sim_kube::{Options, Running, SimKube, Tls};
use tempfile::TempDir;

/// Where `cargo xtask assets` puts the programs, as the harness looks for them.
const FOLDER: &str = "ako-rs/control-plane-v1.36.3";

fn kubectl_path() -> Option<PathBuf> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("KUBEBUILDER_ASSETS").or_else(|| {
        let cache = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
        Some(cache.join(FOLDER))
    })?;
    Some(folder.join("kubectl")).filter(|path| path.is_file())
}

struct Kubectl {
    program: PathBuf,
    folder: TempDir,
    _running: Running,
    sim: SimKube,
}

impl Kubectl {
    /// None, with a line that says so, where kubectl was not built.
    async fn start() -> Option<Self> {
        let Some(program) = kubectl_path() else {
            eprintln!("SKIPPED: no kubectl; `cargo xtask assets` builds it");
            return None;
        };
        let sim = SimKube::new(Options::default());
        let running = sim.serve(([127, 0, 0, 1], 0).into(), Tls::SelfSigned).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        running.write_kubeconfig(&folder.path().join("kubeconfig")).unwrap();
        Some(Self { program, folder, _running: running, sim })
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    async fn output(&self, args: &[&str]) -> Output {
        tokio::process::Command::new(&self.program)
            .args(args)
            .env("KUBECONFIG", self.folder().join("kubeconfig"))
            .env("HOME", self.folder())
            .env("EDITOR", "sed -i s/number:.80/number:\\ 81/")
            .current_dir(self.folder())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap()
    }

    async fn run(&self, args: &str) -> String {
        let words: Vec<&str> = args.split_whitespace().collect();
        let output = self.output(&words).await;
        let (told, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "kubectl {args}\n{told}{complained}");
        told.into_owned()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder().join(name), text).unwrap();
    }
}

const INGRESS: &str = r"
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: web
spec:
  ingressClassName: avi
  rules:
  - host: web.example.com
    http:
      paths:
      - path: /
        pathType: Prefix
        backend:
          service:
            name: web
            port:
              number: 80
";

const SERVICE: &str = r"
apiVersion: v1
kind: Service
metadata:
  name: web
spec:
  type: LoadBalancer
  selector:
    app: web
  ports:
  - port: 80
    targetPort: 8080
";

const CONFIG_MAP: &str = r"
apiVersion: v1
kind: ConfigMap
metadata:
  name: NAME
data:
  a: b
";

const STATEFUL_SET: &str = r"
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: ako
spec:
  serviceName: ako
  replicas: 2
  selector:
    matchLabels:
      app: ako
  template:
    metadata:
      labels:
        app: ako
    spec:
      containers:
      - name: ako
        image: ako-rs:1
";

#[tokio::test]
async fn ingresses() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.write("ingress.yaml", INGRESS);
    assert_eq!(kubectl.run("apply -f ingress.yaml").await, "ingress.networking.k8s.io/web created\n");
    assert_eq!(kubectl.run("apply -f ingress.yaml").await, "ingress.networking.k8s.io/web unchanged\n");
    let printed = kubectl.run("get ingress").await;
    assert!(printed.starts_with("NAME   CLASS   HOSTS             ADDRESS   PORTS   AGE\nweb "), "{printed}");
    assert_eq!(kubectl.run("edit ingress web").await, "ingress.networking.k8s.io/web edited\n");
    let edited = kubectl.sim.get("networking.k8s.io", "ingresses", "default", "web").unwrap();
    let backend = &edited["spec"]["rules"][0]["http"]["paths"][0]["backend"];
    assert_eq!(backend["service"]["port"]["number"], 81);
    let difference = kubectl.output(&["diff", "-f", "ingress.yaml"]).await;
    assert_eq!(difference.status.code(), Some(1), "{}", String::from_utf8_lossy(&difference.stderr));
    assert!(String::from_utf8_lossy(&difference.stdout).contains("number: 80"));
    let status = r#"{"status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}}"#;
    kubectl.run(&format!("patch ingress web --subresource=status --type=merge -p {status}")).await;
    assert!(kubectl.run("get ingress web").await.contains("1.2.3.4"));
    kubectl
        .run("wait --for=jsonpath={.status.loadBalancer.ingress[0].ip}=1.2.3.4 ingress/web --timeout=10s")
        .await;
    let described = kubectl.run("describe ingress web").await;
    assert!(described.contains("web.example.com"), "{described}");
    kubectl.run("annotate ingress web a.example/b=c").await;
    kubectl.run("label ingress web tier=front").await;
    assert!(kubectl.run("get ingress -l tier=front -o name").await.contains("web"));
    let conflict =
        kubectl.output(&["apply", "--server-side", "-f", "ingress.yaml", "--field-manager=other"]).await;
    assert!(!conflict.status.success());
    assert!(String::from_utf8_lossy(&conflict.stderr).contains("conflict"));
    let forced =
        kubectl.run("apply --server-side --force-conflicts -f ingress.yaml --field-manager=other").await;
    assert_eq!(forced, "ingress.networking.k8s.io/web serverside-applied\n");
    assert_eq!(
        kubectl.run("delete ingress web").await,
        "ingress.networking.k8s.io \"web\" deleted from default namespace\n"
    );
    kubectl.write("bad.yaml", &INGRESS.replace("pathType: Prefix", "pathType: Prefix\n        foo: bar"));
    let refused = kubectl.output(&["apply", "-f", "bad.yaml"]).await;
    let complained = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(complained.contains("unknown field \"spec.rules[0].http.paths[0].foo\""), "{complained}");
}

#[tokio::test]
async fn services_and_config_maps() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.write("service.yaml", SERVICE);
    kubectl.run("create -f service.yaml").await;
    let printed = kubectl.run("get services").await;
    assert!(printed.contains("kubernetes   ClusterIP      10.96.0.1"), "{printed}");
    assert!(printed.contains("<pending>"), "{printed}");
    let described = kubectl.run("describe service web").await;
    assert!(described.contains("LoadBalancer") && described.contains("8080/TCP"), "{described}");
    kubectl.run(r#"patch service web -p {"spec":{"ports":[{"port":80,"targetPort":9090}]}}"#).await;
    kubectl.write("settings.yaml", &CONFIG_MAP.replace("NAME", "settings"));
    kubectl.run("create -f settings.yaml").await;
    assert_eq!(kubectl.run("get configmap settings -o jsonpath={.data.a}").await, "b");
    kubectl
        .run(r#"patch configmap settings --type=json -p [{"op":"replace","path":"/data/a","value":"c"}]"#)
        .await;
    kubectl.write(
        "secret.json",
        r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"s"},"stringData":{"a":"b"}}"#,
    );
    kubectl.run("create -f secret.json").await;
    assert!(kubectl.run("get secrets").await.contains("Opaque"));
    kubectl.write("team.json", r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"team"}}"#);
    kubectl.run("create -f team.json").await;
    kubectl.write("inside.yaml", &CONFIG_MAP.replace("NAME", "inside"));
    kubectl.run("create -n team -f inside.yaml").await;
    kubectl.run("delete namespace team --timeout=20s").await;
    assert!(kubectl.sim.get("", "configmaps", "team", "inside").is_none());
    kubectl.run("delete configmap settings").await;
    kubectl.run("delete service --all").await;
    let resources = kubectl.run("api-resources").await;
    for kind in ["Ingress", "EndpointSlice", "StatefulSet", "Lease", "CustomResourceDefinition"] {
        assert!(resources.contains(kind), "{resources}");
    }
    assert!(kubectl.run("version").await.contains("Server Version: v1.36.3"));
}

#[tokio::test]
async fn stateful_sets() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.write("set.yaml", STATEFUL_SET);
    kubectl.run("apply --server-side -f set.yaml").await;
    kubectl.run("rollout status statefulset/ako --timeout=20s").await;
    assert!(kubectl.run("get statefulset ako").await.contains("2/2"));
    kubectl.run("wait --for=condition=Ready pod/ako-1 --timeout=20s").await;
    kubectl.run("scale statefulset ako --replicas=1").await;
    assert!(kubectl.sim.get("", "pods", "default", "ako-1").is_none());
    assert!(kubectl.run("get pods").await.contains("ako-0   1/1     Running"));
    kubectl.run("set image statefulset/ako ako=ako-rs:2").await;
    let pod = kubectl.sim.get("", "pods", "default", "ako-0").unwrap();
    assert_eq!(pod["spec"]["containers"][0]["image"], "ako-rs:2");
    kubectl.run("delete pod ako-0").await;
    assert!(kubectl.sim.get("", "pods", "default", "ako-0").is_some());
    assert!(kubectl.run("describe statefulset ako").await.contains("ako-rs:2"));
    assert!(kubectl.run("get all").await.contains("statefulset.apps/ako"));
    kubectl.run("events").await;
    kubectl.run("delete statefulset ako").await;
    assert!(kubectl.sim.get("", "pods", "default", "ako-0").is_none());
}

const DEFINITION: &str = r"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: hostrules.ako.vmware.com
spec:
  group: ako.vmware.com
  scope: Namespaced
  names: {kind: HostRule, plural: hostrules, singular: hostrule, shortNames: [hr]}
  versions:
  - name: v1beta1
    served: true
    storage: true
    additionalPrinterColumns: [{name: Host, type: string, jsonPath: .spec.fqdn}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec: {type: object, required: [fqdn], properties: {fqdn: {type: string}}}
";

/// `kubectl create <kind>` sends protobuf.
#[tokio::test]
async fn generators_and_access_reviews() {
    let Some(kubectl) = Kubectl::start().await else { return };
    for (command, told) in [
        ("create configmap settings --from-literal=a=b", "configmap/settings created\n"),
        ("create secret generic key --from-literal=a=b", "secret/key created\n"),
        ("create namespace team", "namespace/team created\n"),
        ("create service loadbalancer web --tcp=80:8080", "service/web created\n"),
        (
            "create ingress shop --class=avi --rule=shop.example.com/*=web:80",
            "ingress.networking.k8s.io/shop created\n",
        ),
        ("auth can-i create ingresses", "yes\n"),
    ] {
        assert_eq!(kubectl.run(command).await, told, "{command}");
    }
    assert_eq!(kubectl.run("get configmap settings -o jsonpath={.data}").await, r#"{"a":"b"}"#);
    assert_eq!(kubectl.run("get secret key -o jsonpath={.data.a}").await, "Yg==");
    assert_eq!(kubectl.run("get service web -o jsonpath={.spec.ports[0].targetPort}").await, "8080");
    let rule = kubectl.sim.get("networking.k8s.io", "ingresses", "default", "shop").unwrap();
    assert_eq!(rule["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["number"], 80);
    assert_eq!(rule["spec"]["rules"][0]["host"], "shop.example.com");
    let refused = kubectl.output(&["create", "deployment", "web", "--image=web"]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("unknown format"), "{refused:?}");
}

#[tokio::test]
async fn custom_resources_leases_and_watches() {
    let Some(kubectl) = Kubectl::start().await else { return };
    kubectl.write("definition.yaml", DEFINITION);
    kubectl.run("apply -f definition.yaml").await;
    kubectl.run("wait --for=condition=Established crd/hostrules.ako.vmware.com --timeout=20s").await;
    let rule = |spec: &str| {
        format!(
            r#"{{"apiVersion":"ako.vmware.com/v1beta1","kind":"HostRule","metadata":{{"name":"shop"}},"spec":{spec}}}"#
        )
    };
    kubectl.write("rule.json", &rule(r#"{"fqdn":"shop.example.com"}"#));
    kubectl.run("create -f rule.json").await;
    assert!(kubectl.run("get hr").await.contains("shop.example.com"));
    kubectl.write("rule.json", &rule(r#"{"fqdn":"other.example.com"}"#));
    assert_eq!(kubectl.run("replace -f rule.json").await, "hostrule.ako.vmware.com/shop replaced\n");
    assert!(kubectl.run("describe hostrule shop").await.contains("other.example.com"));
    kubectl.write("rule.json", &rule(r#"{"fqdn":7}"#));
    let refused = kubectl.output(&["apply", "-f", "rule.json"]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("spec.fqdn"), "{refused:?}");

    let lease = r#"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"l"},"spec":{"holderIdentity":"ako-0"}}"#;
    kubectl.write("lease.json", lease);
    kubectl.run("create -f lease.json").await;
    assert!(kubectl.run("get lease").await.contains("ako-0"));
    assert!(kubectl.run("describe lease l").await.contains("ako-0"));
    // A watch that ends when the server ends it.
    let watched = kubectl.run("get lease -w --request-timeout=1s -o name").await;
    assert!(watched.contains("lease.coordination.k8s.io/l"), "{watched}");

    kubectl.run("delete lease -l none=there").await;
    kubectl.run("delete lease l --wait").await;
    kubectl.run("wait --for=delete lease/l --timeout=10s").await;
    kubectl.run("delete crd hostrules.ako.vmware.com").await;
    assert!(!kubectl.run("api-resources").await.contains("HostRule"));
}
