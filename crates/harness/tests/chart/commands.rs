//! helm's commands, as they are typed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;

use ako_harness::helm::Helm;
use serde_json::{Value, json};

use crate::objects::{Objects, copy_of_chart, least, with};
use crate::values::{json_of, of_ako};

#[test]
fn nothing_is_found_by_lint() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let printed = helm.run(&Helm::chart(), &["lint", "--strict", "."]).unwrap().unwrap();
    assert!(printed.contains("1 chart(s) linted, 0 chart(s) failed"), "{printed}");
}

#[test]
fn the_chart_shows_its_dependency() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let shown = helm.run(&Helm::chart(), &["show", "chart", "."]).unwrap().unwrap();
    let chart: Value = serde_saphyr::from_str(&shown).unwrap();
    assert_eq!((&chart["name"], &chart["type"]), (&json!("ako"), &json!("application")));
    let dependency = &chart["dependencies"][0];
    assert_eq!(dependency["name"], "ako-crd-operator");
    assert_eq!(dependency["condition"], "ako-crd-operator.enabled");
    assert_eq!(dependency["version"], chart["version"]);
}

/// Answers one request on loopback with a file; its address.
fn serve_once(file: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let address = format!("http://{}/{name}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let body = fs::read(file).unwrap();
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())
            .unwrap();
        stream.write_all(&body).unwrap();
    });
    address
}

/// From the package to what is installed; no registry is asked.
#[test]
fn a_package_can_be_pulled_completed_and_rendered() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let folder = tempfile::tempdir().unwrap();
    let chart = copy_of_chart(&folder.path().join("source"));
    helm.run(folder.path(), &["package", chart.to_str().unwrap()]).unwrap().unwrap();
    let package = format!("ako-{}.tgz", env!("CARGO_PKG_VERSION"));
    let shown = helm.run(folder.path(), &["show", "chart", &package]).unwrap().unwrap();
    assert!(shown.contains("ako-crd-operator"), "{shown}");
    let address = serve_once(folder.path().join(&package));
    helm.run(folder.path(), &["pull", &address, "--untar", "--untardir", "pulled"]).unwrap().unwrap();
    let ako = folder.path().join("pulled/ako");
    helm.run(&ako, &["dependency", "build"]).unwrap().unwrap();
    assert!(ako.join("charts/ako-crd-operator/Chart.yaml").is_file());
    let rendered = helm.template(&ako, "avi-system", &least(), &[]).unwrap().unwrap();
    Objects::read(&rendered).get("StatefulSet", "ako");
}

/// The two instances of the documentation.
#[test]
fn the_documented_instances_are_rendered() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let common = "template . --generate-name -f values.yaml --set ControllerSettings.controllerHost=10.10.10.10 \
                  --set avicredentials.username=admin --set avicredentials.password=secret";
    let render = |more: &str| {
        let arguments: Vec<_> = common.split_whitespace().chain(more.split_whitespace()).collect();
        Objects::read(&helm.run(&Helm::chart(), &arguments).unwrap().unwrap())
    };
    let primary = render(
        "--set AKOSettings.namespaceSelector.labelKey=app --set AKOSettings.namespaceSelector.labelValue=migrate \
         --set AKOSettings.primaryInstance=true --namespace=avi-system",
    );
    let secondary = render(
        "--set AKOSettings.namespaceSelector.labelKey=key --set AKOSettings.namespaceSelector.labelValue=value2 \
         --set AKOSettings.primaryInstance=false --namespace=blue",
    );
    assert_eq!(primary.data()["nsSyncLabelValue"], "migrate");
    assert_eq!(secondary.data()["nsSyncLabelValue"], "value2");
    let subject =
        |objects: &Objects, name| objects.get("ClusterRoleBinding", name)["subjects"][0]["namespace"].clone();
    assert_eq!(subject(&primary, "ako-crb"), "avi-system");
    assert_eq!(subject(&secondary, "ako-crb-blue"), "blue");
    for (kind, name) in [("ClusterRole", "ako-cr"), ("IngressClass", "avi-lb")] {
        assert!(primary.find(kind, name).is_some() && secondary.find(kind, name).is_none(), "{kind}");
    }
    let secret = primary.get("Secret", "avi-secret");
    assert_eq!(secret["data"], json!({"username": "YWRtaW4=", "password": "c2VjcmV0"}));
}

/// Every value of AKO's chart, with the defaults that it has there.
#[test]
fn a_values_file_of_ako_can_be_used_as_it_is() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let mut values = json!({
        "image": {"repository": "projects.packages.broadcom.com/ako/ako", "pullSecrets": []},
        "GatewayAPI": {"image": {"repository": "projects.packages.broadcom.com/ako/ako-gateway-api"}},
        "tolerations": [],
        "avicredentials": {"username": null, "password": null, "authtoken": null, "certificateAuthorityData": null},
    });
    for (path, default) in of_ako() {
        values = with(values, path, json_of(default));
    }
    let values = with(values, "ControllerSettings.controllerHost", json!("10.10.10.10"));
    let networks = json!([{"networkName": "vip-net"}]);
    let values = with(values, "NetworkSettings.vipNetworkList", networks);
    assert_eq!(Objects::of(&helm, &values).data(), Objects::of(&helm, &least()).data());
}

#[test]
fn without_credentials_there_is_no_secret() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    assert!(Objects::of(&helm, &least()).find("Secret", "avi-secret").is_none());
    let values = with(
        least(),
        "avicredentials",
        json!({"username": "a", "authtoken": "t", "certificateAuthorityData": "pem"}),
    );
    let secret = Objects::of(&helm, &values).get("Secret", "avi-secret")["data"].clone();
    assert_eq!(secret, json!({"username": "YQ==", "authtoken": "dA==", "certificateAuthorityData": "cGVt"}));
}

/// helm prints its notes only against a cluster, so they are put into an object here.
fn notes(helm: &Helm, values: &Value) -> String {
    let folder = tempfile::tempdir().unwrap();
    let chart = copy_of_chart(folder.path());
    let shown =
        "kind: Shown\nmetadata: {name: notes}\ntext: {{ include \"ako/templates/NOTES.txt\" . | toJson }}\n";
    fs::write(chart.join("templates/shown.yaml"), shown).unwrap();
    let rendered = helm.template(&chart, "avi-system", values, &[]).unwrap().unwrap();
    Objects::read(&rendered).get("Shown", "notes")["text"].as_str().unwrap().to_owned()
}

#[test]
fn the_notes_name_what_has_no_effect_and_what_is_missing() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let said = notes(&helm, &least());
    for words in ["ako status", "Secret avi-secret", "exec ako-crd-operator-0", "AKOSettings.clusterName"] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    for words in ["vipNetworkList", "GatewayAPI", "image.repository"] {
        assert!(!said.contains(words), "{said}");
    }
    let values = json!({
        "ControllerSettings": {"controllerHost": "10.10.10.10"},
        "image": {"repository": "projects.packages.broadcom.com/ako/ako"},
        "AKOSettings": {
            "vipPerNamespace": "true", "enableEndpointSlice": false,
            "namespaceSelector": {"labelKey": "app"}, "deleteConfig": "true",
        },
        "L7Settings": {"fqdnReusePolicy": "Strict"},
        "featureGates": {"GatewayAPI": true},
        "GatewayAPI": {"image": {"repository": "gateway"}},
        "akoGatewayLogFile": "gw.log", "persistentVolumeClaim": "logs", "logFile": "my.log",
        "rbac": {"pspEnable": true}, "avicredentials": {"username": "a", "password": "p"},
    });
    let said = notes(&helm, &values);
    for words in [
        "NetworkSettings.vipNetworkList",
        "image.repository is projects.packages.broadcom.com/ako/ako",
        "AKOSettings.vipPerNamespace",
        "AKOSettings.enableEndpointSlice",
        "labelKey",
        "AKOSettings.deleteConfig",
        "L7Settings.fqdnReusePolicy",
        "featureGates.GatewayAPI",
        "GatewayAPI.image",
        "akoGatewayLogFile",
        "rbac.pspEnable",
        "certificateAuthorityData",
    ] {
        assert!(said.contains(words), "{words} is not in\n{said}");
    }
    assert!(!said.contains("Secret avi-secret") && !said.contains("set both"), "{said}");
}

#[test]
fn the_notes_say_that_there_are_two_images() {
    let Some(helm) = Helm::find_or_skip().unwrap() else { return };
    let own = with(least(), "image", json!({"repository": "registry.example.com/ako"}));
    let said = notes(&helm, &own);
    assert!(said.contains("container.image.repository is still ghcr.io/ako-rs/ako: set both"), "{said}");
    let image = "ako-crd-operator.controllerManager.container.image";
    let both = with(own.clone(), image, json!({"repository": "registry.example.com/ako"}));
    assert!(!notes(&helm, &both).contains("set both"));
    let none = with(own, "ako-crd-operator", json!({"enabled": false}));
    assert!(!notes(&helm, &none).contains("ako-crd-operator"));
}
