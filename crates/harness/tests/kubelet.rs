//! Pods that run as processes, on a real control plane with its controller manager.

#![cfg(test)]

use std::net::SocketAddr;
use std::time::Duration;

use ako_harness::control_plane::ControlPlane;
use ako_harness::kubelet::{BRIDGE_ADDRESS, Image, Images, Kubelet, in_namespaces};
use ako_harness::{cluster, eventually, visitor};
use futures::{AsyncBufReadExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::{Api, AttachParams, DeleteParams, ListParams, LogParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const SOON: Duration = Duration::from_secs(30);
const PROGRAM: &str = "/usr/local/bin/pod_program";

#[test]
fn pods_run_as_a_cluster_would_run_them() {
    in_namespaces("pods_run_as_a_cluster_would_run_them", async {
        let builder = ControlPlane::builder().controller_manager().reachable_at(BRIDGE_ADDRESS);
        let Some(plane) = builder.start().await? else { return Ok(()) };
        let program = Image::program(PROGRAM, env!("CARGO_BIN_EXE_pod_program")).args(&["serve", "8080"]);
        let root = extracted_root()?;
        let extracted =
            Image::extracted(root.path()).entrypoint(&[PROGRAM]).args(&["serve", "8080"]).user(1000);
        let images = Images::default().with("pod-program:", program).with("extracted:", extracted);
        let kubelet = Kubelet::start(&plane, images).await?;
        let client = plane.client().await?;
        let stage = |namespace: &'static str| Stage {
            client: client.clone(),
            plane: &plane,
            kubelet: &kubelet,
            namespace,
        };
        tokio::join!(
            stateful_set(stage("stateful")),
            deployment(stage("deployed")),
            unknown_image(stage("unknown")),
            liveness_and_grace(stage("liveness")),
            init_and_missing(stage("init")),
            extracted_image(stage("extracted")),
            logs_and_exec(stage("served")),
        );
        let last = stage("last");
        last.apply("v1", "Pod", "last", json!({"spec": {"containers": [server(&json!({}))]}})).await;
        let address = last.pod("last", is_ready).await.status.unwrap().pod_ip.unwrap();
        drop(kubelet);
        let address = format!("{address}:8080").parse::<SocketAddr>()?;
        eventually(SOON, async || match visitor::get(address, "pod", "/healthy").await {
            Ok(_) => Err("a Pod answers after its kubelet is gone"),
            Err(_) => Ok(()),
        })
        .await
    })
    .unwrap();
}

/// A folder as an image is extracted into one: the program, what it is linked with, a file.
fn extracted_root() -> anyhow::Result<TempDir> {
    let root = tempfile::tempdir()?;
    let copy = |from: &str, to: &str| {
        let to = root.path().join(to.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap())?;
        std::fs::copy(from, to)
    };
    copy(env!("CARGO_BIN_EXE_pod_program"), PROGRAM)?;
    // This test is linked with the same libraries; the linker is looked for in one of these.
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    let mapped = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
    for library in mapped.filter(|path| path.contains(".so")) {
        let name = library.rsplit('/').next().unwrap();
        copy(library, &format!("/lib64/{name}"))?;
    }
    std::os::unix::fs::symlink("lib64", root.path().join("lib"))?;
    std::fs::write(root.path().join("marker"), "of the image")?;
    Ok(root)
}

async fn extracted_image(stage: Stage<'_>) {
    let container = server(&json!({"image": "extracted:1"}));
    stage.apply("v1", "Pod", "boxed", json!({"spec": {"containers": [container]}})).await;
    let pod = stage.pod("boxed", is_ready).await;
    for (path, text) in [
        ("/file?/marker", "of the image"),
        ("/file?/etc/passwd", "no file"),
        ("/file?/etc/hosts", "boxed"),
        ("/write?/own", "written"),
    ] {
        let answer = stage.page(&pod, path).await;
        assert!(answer.contains(text), "{path}: {answer}");
    }
    // Nothing else is in there that could be of help.
    let (code, out, _) = stage.kubectl("exec boxed -- pod_program check no-such-note").await;
    assert_eq!((code, out.as_str()), (1, ""));
}

/// A namespace of a scenario of its own.
struct Stage<'a> {
    client: Client,
    plane: &'a ControlPlane,
    kubelet: &'a Kubelet,
    namespace: &'static str,
}

impl Stage<'_> {
    fn pods(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    async fn apply(&self, api_version: &str, kind: &str, name: &str, spec: Value) {
        let mut object = json!({
            "apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": self.namespace},
        });
        object.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        cluster::apply(&self.client, &object).await.unwrap();
    }

    /// Waits until a Pod is as it should be.
    async fn pod(&self, name: &str, fits: impl Fn(&Pod) -> bool) -> Pod {
        let pods = self.pods();
        let wait = eventually(SOON, async || match pods.get_opt(name).await {
            Ok(Some(pod)) if fits(&pod) => Ok(pod),
            Ok(pod) => Err(format!("{name} is {}", json!(pod.and_then(|pod| pod.status)))),
            Err(error) => Err(error.to_string()),
        });
        wait.await.unwrap_or_else(|error| {
            panic!("{}: {error:#}\n{}", self.namespace, self.kubelet.logs(self.namespace, name, "main"))
        })
    }

    async fn page(&self, pod: &Pod, path: &str) -> String {
        let address = format!("{}:8080", pod.status.as_ref().unwrap().pod_ip.as_ref().unwrap());
        visitor::get(address.parse::<SocketAddr>().unwrap(), "pod", path).await.unwrap()
    }

    /// Its exit code, and what it prints.
    async fn kubectl(&self, command: &str) -> (i32, String, String) {
        let arguments: Vec<_> = ["-n", self.namespace].into_iter().chain(command.split(' ')).collect();
        let output = self.plane.kubectl(&arguments).await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    async fn logged(&self, name: &str, text: &str) {
        let wait = eventually(SOON, async || match self.kubelet.logs(self.namespace, name, "main") {
            log if log.contains(text) => Ok(()),
            log => Err(format!("no {text:?} in {log:?}")),
        });
        wait.await.unwrap();
    }
}

fn is_ready(pod: &Pod) -> bool {
    let mut conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

fn main_status(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

fn waits_for(pod: &Pod, reason: &str) -> Option<String> {
    let waiting = main_status(pod)?.state.as_ref()?.waiting.as_ref()?;
    (waiting.reason.as_deref() == Some(reason)).then(|| waiting.message.clone().unwrap_or_default())
}

/// The server, with changes to its container.
fn server(changes: &Value) -> Value {
    let mut container = json!({
        "name": "main", "image": "pod-program:1", "ports": [{"name": "http", "containerPort": 8080}],
        "readinessProbe": {"httpGet": {"path": "/healthy", "port": "http"}, "periodSeconds": 1},
    });
    container.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    container
}

fn workload(replicas: usize, template: &Value) -> Value {
    let labels = json!({"app": "sample"});
    json!({"spec": {
        "replicas": replicas, "serviceName": "sample", "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": template},
    }})
}

fn stateful_template(version: &str) -> Value {
    let container = server(&json!({
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "VERSION", "value": version},
        ],
        "envFrom": [{"secretRef": {"name": "absent", "optional": true}}],
        "volumeMounts": [
            {"name": "settings", "mountPath": "/etc/settings", "readOnly": true},
            {"name": "notes", "mountPath": "/notes"},
        ],
        "startupProbe": {"tcpSocket": {"port": 8080}, "periodSeconds": 1, "failureThreshold": 30},
        "livenessProbe": {"exec": {"command": [PROGRAM, "check", ""]}, "timeoutSeconds": 5},
        "lifecycle": {"preStop": {"exec": {"command": [PROGRAM, "note", "the hook"]}}},
        "securityContext": {"readOnlyRootFilesystem": true, "runAsUser": 65532},
    }));
    json!({
        "terminationGracePeriodSeconds": 20, "containers": [container],
        "volumes": [{"name": "settings", "configMap": {"name": "settings"}}, {"name": "notes", "emptyDir": {}}],
    })
}

async fn stateful_set(stage: Stage<'_>) {
    stage.apply("v1", "ConfigMap", "settings", json!({"data": {"colour": "green"}})).await;
    let reader = json!({"rules": [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get"]}]});
    stage.apply("rbac.authorization.k8s.io/v1", "Role", "reader", reader).await;
    let binding = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": stage.namespace}],
    });
    stage.apply("rbac.authorization.k8s.io/v1", "RoleBinding", "reader", binding).await;
    stage.apply("apps/v1", "StatefulSet", "sample", workload(2, &stateful_template("1"))).await;
    let [first, second] = [stage.pod("sample-0", is_ready).await, stage.pod("sample-1", is_ready).await];

    // What the programs find.
    for (pod, path, text) in [
        (&first, "/env?POD_NAME", "sample-0"),
        (&second, "/env?POD_NAME", "sample-1"),
        (&second, "/env?HOSTNAME", "sample-1"),
        (&first, "/file?/etc/settings/colour", "green"),
        (&first, "/account?default", "stateful/default"),
        (&first, "/write?/notes/own", "written"),
        (&first, "/write?/etc/settings/own", "not written"),
        (&first, "/write?/own", "not written"),
        (&first, "/env?CARGO_MANIFEST_DIR", "no variable"),
    ] {
        let answer = stage.page(pod, path).await;
        assert!(answer.contains(text), "{path}: {answer}");
    }

    crash(&stage, &first).await;
    rolling_update(&stage).await;

    // The last goes first, after its hook; the set waits for it.
    stage.apply("apps/v1", "StatefulSet", "sample", workload(0, &stateful_template("2"))).await;
    let pods = stage.pods();
    let gone = eventually(SOON, async || match pods.list(&ListParams::default()).await {
        Ok(list) if list.items.is_empty() => Ok(()),
        Ok(list) => Err(format!("{:?}", list.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>())),
        Err(error) => Err(error.to_string()),
    });
    gone.await.unwrap();
    stage.logged("sample-0", "terminated after: the hook").await;
}

/// A program that ends comes again in the same Pod.
async fn crash(stage: &Stage<'_>, pod: &Pod) {
    let _ = stage.page(pod, "/crash").await;
    let again = stage
        .pod(&pod.name_any(), |pod| {
            is_ready(pod) && main_status(pod).is_some_and(|status| status.restart_count == 1)
        })
        .await;
    assert_eq!(again.uid(), pod.uid());
    let last = main_status(&again).unwrap().last_state.clone().unwrap().terminated.unwrap();
    assert_eq!((last.exit_code, last.reason.as_deref()), (3, Some("Error")));
    assert!(stage.page(&again, "/env?POD_NAME").await.contains(&pod.name_any()));
}

/// The last replica is replaced first, and the first when the last is ready again.
async fn rolling_update(stage: &Stage<'_>) {
    stage.apply("apps/v1", "StatefulSet", "sample", workload(2, &stateful_template("2"))).await;
    let version = |pod: &Pod| {
        let env = pod.spec.as_ref().unwrap().containers[0].env.clone().unwrap();
        env.into_iter().find(|variable| variable.name == "VERSION").unwrap().value.unwrap()
    };
    let first = stage.pod("sample-0", |pod| is_ready(pod) && version(pod) == "2").await;
    let second = stage.pod("sample-1", |pod| is_ready(pod) && version(pod) == "2").await;
    let started = |pod: &Pod| pod.status.as_ref().unwrap().start_time.clone().unwrap().0;
    assert!(started(&second) <= started(&first), "sample-0 was replaced before sample-1");
    assert!(stage.page(&first, "/env?VERSION").await.contains('2'));
}

async fn deployment(stage: Stage<'_>) {
    stage.apply("apps/v1", "Deployment", "sample", workload_without_service(2)).await;
    let service =
        json!({"spec": {"selector": {"app": "sample"}, "ports": [{"port": 80, "targetPort": "http"}]}});
    stage.apply("v1", "Service", "sample", service).await;
    let slices: Api<k8s_openapi::api::discovery::v1::EndpointSlice> =
        Api::namespaced(stage.client.clone(), stage.namespace);
    let addresses = eventually(SOON, async || {
        let slices = slices.list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let endpoints = slices.items.iter().flat_map(|slice| &slice.endpoints);
        let ready = endpoints.filter(|e| e.conditions.as_ref().is_some_and(|c| c.ready == Some(true)));
        let addresses: Vec<_> = ready.flat_map(|endpoint| endpoint.addresses.clone()).collect();
        if addresses.len() == 2 { Ok(addresses) } else { Err(format!("ready: {addresses:?}")) }
    });
    for address in addresses.await.unwrap() {
        // As the data plane of the simulator finds it, too.
        for address in [address.clone(), address.replacen("10.", "127.", 1)] {
            let address = format!("{address}:8080").parse::<SocketAddr>().unwrap();
            assert!(visitor::get(address, "pod", "/healthy").await.unwrap().contains("healthy"));
        }
    }
    // The names of namespaces can be used again: everything in them ends.
    let namespaces: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(stage.client.clone());
    namespaces.delete(stage.namespace, &DeleteParams::default()).await.unwrap();
    let ended = eventually(SOON, async || match namespaces.get_opt(stage.namespace).await {
        Ok(None) => Ok(()),
        Ok(Some(namespace)) => Err(json!(namespace.status).to_string()),
        Err(error) => Err(error.to_string()),
    });
    ended.await.unwrap();
}

fn workload_without_service(replicas: usize) -> Value {
    let mut workload = workload(replicas, &json!({"containers": [server(&json!({}))]}));
    workload["spec"].as_object_mut().unwrap().remove("serviceName");
    workload
}

async fn unknown_image(stage: Stage<'_>) {
    let spec = json!({"spec": {"containers": [{"name": "main", "image": "nginx:1"}]}});
    stage.apply("v1", "Pod", "stranger", spec).await;
    let pod = stage.pod("stranger", |pod| waits_for(pod, "ErrImagePull").is_some()).await;
    let why = waits_for(&pod, "ErrImagePull").unwrap();
    assert!(why.contains("nginx:1") && why.contains("pod-program:"), "{why}");
    assert_eq!(pod.status.unwrap().phase.as_deref(), Some("Pending"));
    for (command, why) in
        [("logs stranger", "is waiting to start"), ("exec stranger -- id", "is not running")]
    {
        let (code, _, error) = stage.kubectl(command).await;
        assert!(code == 1 && error.contains(why), "{command}: {error}");
    }
    stage.pods().delete("stranger", &DeleteParams::default()).await.unwrap();
    gone(&stage, "stranger").await;
}

/// A program that fails its liveness probe is restarted, and one that does not end is killed.
async fn liveness_and_grace(stage: Stage<'_>) {
    let container = server(&json!({
        "args": ["serve", "8080", "--stay"],
        "livenessProbe": {
            "httpGet": {"path": "/healthy", "port": 8080}, "periodSeconds": 1, "failureThreshold": 2,
        },
    }));
    let spec = json!({"spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}});
    stage.apply("v1", "Pod", "stubborn", spec).await;
    let pod = stage.pod("stubborn", is_ready).await;
    stage.page(&pod, "/fail").await;
    let again = stage
        .pod("stubborn", |pod| {
            is_ready(pod) && main_status(pod).is_some_and(|status| status.restart_count == 1)
        })
        .await;
    let last = main_status(&again).unwrap().last_state.clone().unwrap().terminated.unwrap();
    assert_eq!(last.exit_code, 137, "it stays at SIGTERM");
    assert!(last.message.unwrap().contains("liveness probe failed: GET /healthy answers 503"));
    stage.pods().delete("stubborn", &DeleteParams::default()).await.unwrap();
    gone(&stage, "stubborn").await;
    assert_eq!(
        stage.kubelet.logs(stage.namespace, "stubborn", "main").matches("terminated after").count(),
        2
    );
}

/// Init containers come first; and what is missing is waited for.
async fn init_and_missing(stage: Stage<'_>) {
    let notes = json!([{"name": "notes", "mountPath": "/notes"}]);
    let init = |name: &str, command: &str| {
        json!({
            "name": name, "image": "pod-program:1", "args": [command, "prepared"], "volumeMounts": notes,
        })
    };
    let container = json!({
        "name": "main", "image": "pod-program:1", "command": ["pod_program", "check"], "args": ["$(NOTE)"], "volumeMounts": notes,
        "env": [{"name": "NOTE", "valueFrom": {"configMapKeyRef": {"name": "later", "key": "note"}}}],
    });
    let spec = json!({"spec": {
        "restartPolicy": "Never", "initContainers": [init("first", "note"), init("second", "check")],
        "containers": [container], "volumes": [{"name": "notes", "emptyDir": {}}],
    }});
    stage.apply("v1", "Pod", "task", spec).await;
    let reason = "CreateContainerConfigError";
    let pod = stage.pod("task", |pod| waits_for(pod, reason).is_some()).await;
    assert_eq!(waits_for(&pod, reason).unwrap(), "variable NOTE: there is no key note of a ConfigMap later");
    stage.apply("v1", "ConfigMap", "later", json!({"data": {"note": "prepared"}})).await;
    let is_done =
        |pod: &Pod| pod.status.as_ref().is_some_and(|status| status.phase.as_deref() == Some("Succeeded"));
    stage.pod("task", is_done).await;
}

/// What kubectl shows of a program, and runs beside it.
async fn logs_and_exec(stage: Stage<'_>) {
    let container = server(&json!({
        "env": [{"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "securityContext": {"runAsUser": 65532}, "workingDir": "/tmp",
    }));
    stage.apply("v1", "Pod", "talker", json!({"spec": {"containers": [container]}})).await;
    let pod = stage.pod("talker", is_ready).await;
    let (code, _, error) = stage.kubectl("logs talker --previous").await;
    assert!(code == 1 && error.contains("previous terminated container \"main\""), "{error}");
    crash(&stage, &pod).await;

    // Of the one run, of the other, and of a part.
    for (options, printed) in [
        ("", "serving as talker\n"),
        (" --previous", "serving as talker\n"),
        (" --tail=0", ""),
        (" --limit-bytes=7", "serving"),
    ] {
        let answer = stage.kubectl(&format!("logs talker{options}")).await;
        assert_eq!(answer, (0, printed.to_owned(), String::new()), "{options}");
    }
    let (code, _, error) = stage.kubectl("logs talker --timestamps").await;
    assert!(code == 1 && error.contains("timestamps=true"), "{error}");
    exec(&stage).await;

    // It is followed to its end.
    let params = LogParams { follow: true, ..LogParams::default() };
    let mut lines = stage.pods().log_stream("talker", &params).await.unwrap().lines();
    assert_eq!(lines.next().await.unwrap().unwrap(), "serving as talker");
    stage.pods().delete("talker", &DeleteParams::default()).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap(), "terminated after: ");
    assert!(lines.next().await.is_none());
    gone(&stage, "talker").await;
}

async fn exec(stage: &Stage<'_>) {
    let command =
        "exec talker -- sh -c echo${IFS}$POD_NAME;pwd;id${IFS}-u;cat;echo${IFS}wrong>&2;exit${IFS}7";
    let (code, out, error) = stage.kubectl(command).await;
    assert_eq!((code, out.as_str()), (7, "talker\n/tmp\n65532\n"), "{error}");
    assert!(error.starts_with("wrong\n"), "{error}");
    let terminal = AttachParams::default().tty(true).stderr(false);
    assert!(stage.pods().exec("talker", ["id"], &terminal).await.is_err(), "there are no terminals");
    // What is typed arrives, to its end.
    let params = AttachParams::default().stdin(true).stderr(false);
    // The API server closes the connection on which it refused, which shows when it is used again.
    let started = eventually(SOON, async || {
        stage.pods().exec("talker", ["cat"], &params).await.map_err(|error| error.to_string())
    });
    let mut running = started.await.unwrap();
    let (mut input, mut output) = (running.stdin().unwrap(), running.stdout().unwrap());
    input.write_all(b"typed").await.unwrap();
    input.shutdown().await.unwrap();
    drop(input);
    let mut out = String::new();
    tokio::time::timeout(SOON, output.read_to_string(&mut out)).await.unwrap().unwrap();
    assert_eq!(out, "typed");
}

async fn gone(stage: &Stage<'_>, name: &str) {
    let pods = stage.pods();
    let gone = eventually(SOON, async || match pods.get_opt(name).await {
        Ok(None) => Ok(()),
        Ok(Some(pod)) => Err(json!(pod.status).to_string()),
        Err(error) => Err(error.to_string()),
    });
    gone.await.unwrap();
}
