//! Who may do what.

use ako_core::{Program, ResourceKind};
use ako_kube_io::{Asker, missing_rules, needed_rules};
use ako_sim_kube::{Account, Authorization, Options, SimKube};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::operator::apply;

fn sim() -> SimKube {
    let alice = Account {
        token: "alice-token".to_owned(),
        name: "alice".to_owned(),
        groups: vec!["devs".to_owned()],
    };
    SimKube::new(Options {
        authorization: Authorization::Rbac,
        accounts: vec![Account::admin(), alice],
        ..Options::default()
    })
}

fn said(error: kube::Error) -> (u16, String) {
    match error {
        kube::Error::Api(status) => (status.code, status.message),
        other => panic!("{other}"),
    }
}

#[tokio::test(start_paused = true)]
async fn roles_and_bindings() {
    let sim = sim();
    let alice = sim.client_as("alice-token", "alice/1");
    let maps: Api<ConfigMap> = Api::default_namespaced(alice.clone());
    let refused = said(maps.list(&ListParams::default()).await.unwrap_err());
    let message = "configmaps is forbidden: User \"alice\" cannot list resource \"configmaps\" in API group \"\" in \
                   the namespace \"default\"";
    assert_eq!(refused, (403, message.to_owned()));
    let rules = needed_rules(Program::Operator, "default", &ResourceKind::always(), true);
    assert_eq!(missing_rules(&alice, &Asker::Me, &rules).await.unwrap(), rules);
    apply(
        &sim,
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": "reader", "namespace": "default"},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list"]}]}),
    )
    .await;
    apply(
        &sim,
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "devs", "namespace": "default"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": [{"kind": "Group", "name": "devs", "apiGroup": "rbac.authorization.k8s.io"}]}),
    )
    .await;
    maps.list(&ListParams::default()).await.unwrap();
    let secrets: Api<Secret> = Api::default_namespaced(alice);
    assert_eq!(said(secrets.list(&ListParams::default()).await.unwrap_err()).0, 403);
    let stranger: Api<ConfigMap> = Api::default_namespaced(sim.client_as("wrong", "stranger/1"));
    let refused = said(stranger.list(&ListParams::default()).await.unwrap_err());
    assert_eq!(refused, (401, "Unauthorized".to_owned()));
}
