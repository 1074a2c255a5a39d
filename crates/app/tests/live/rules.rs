//! AKO's rules in the life of an operator: attached, changed, broken, repaired and deleted.

use ako_harness::golden::{self, Case};
use ako_harness::{cluster, eventually};
use serde_json::{Value, json};

use crate::golden_replay::definitions;
use crate::world::{SOON, World, ingress, ingress_class, service};

/// A case on whose controller there is what the rules refer to, in EVH mode.
const ENVIRONMENT: &str = "crd-evh-hostrule-profiles-insecure";

/// A rule in four versions, and what of it shows on the controller.
struct Life {
    kind: &'static str,
    version: &'static str,
    right: Value,
    changed: Value,
    broken: Value,
    shown: fn(&Value) -> Value,
}

impl Life {
    fn of(&self, spec: &Value) -> Value {
        json!({
            "apiVersion": format!("ako.vmware.com/{}", self.version),
            "kind": self.kind,
            "metadata": {"name": "r", "namespace": "default"},
            "spec": spec,
        })
    }

    /// As statuses are listed.
    fn path(&self) -> String {
        format!("{}s/default/r", self.kind.to_lowercase())
    }
}

/// The object of a kind that has this in its markers: in EVH mode, names are hashes.
fn marked(dump: &Value, kind: &str, with: &str) -> Value {
    let mut all = dump[kind].as_object().into_iter().flatten().map(|(_, object)| object);
    all.find(|object| object["markers"].to_string().contains(with)).cloned().unwrap_or_default()
}

/// The virtual service of the host.
fn of_host(dump: &Value) -> Value {
    marked(dump, "virtualservice", "\"foo.com\"")
}

/// By OAuth, with a secret that the controller shows to nobody.
fn oauth(client: &str) -> Value {
    let app = json!({"clientID": client, "clientSecret": "oauth"});
    let settings = json!([{"authProfileRef": "custom-authprofile", "appSettings": app}]);
    json!({
        "fqdn": "foo.com", "ssoPolicyRef": "custom-ssopolicy", "oauthVsConfig": {"oauthSettings": settings},
    })
}

fn saml(policy: &str) -> Value {
    let saml = json!({
        "authnReqAcsType": "SAML_AUTHN_REQ_ACS_TYPE_URL", "entityID": "e",
        "singleSignonURL": "https://foo.com/sso",
    });
    json!({"fqdn": "foo.com", "ssoPolicyRef": policy, "samlSpConfig": saml})
}

fn lives() -> [Life; 4] {
    let host = |mut fields: Value| {
        fields["fqdn"] = json!("foo.com");
        json!({"virtualhost": fields})
    };
    let path = |mut fields: Value| {
        fields["target"] = json!("/");
        json!({"fqdn": "foo.com", "paths": [fields]})
    };
    [
        Life {
            kind: "HostRule",
            version: "v1beta1",
            right: host(json!({"wafPolicy": "custom-waf"})),
            changed: host(json!({"errorPageProfile": "custom-errorpageprofile"})),
            broken: host(json!({"errorPageProfile": "gone", "wafPolicy": "custom-waf"})),
            shown: |dump| {
                let service = of_host(dump);
                json!([service["waf_policy_ref"], service["error_page_profile_ref"]])
            },
        },
        Life {
            kind: "HTTPRule",
            version: "v1beta1",
            right: path(json!({"healthMonitors": ["custom-hm"]})),
            changed: path(json!({"loadBalancerPolicy": {"algorithm": "LB_ALGORITHM_ROUND_ROBIN"}})),
            broken: path(json!({"healthMonitors": ["gone"]})),
            shown: |dump| {
                let pool = marked(dump, "pool", "\"foo.com\"");
                json!([pool["health_monitor_refs"], pool["lb_algorithm"]])
            },
        },
        Life {
            kind: "SSORule",
            version: "v1alpha2",
            right: saml("custom-ssopolicy"),
            changed: oauth("client"),
            broken: saml("gone"),
            shown: |dump| {
                let service = of_host(dump);
                let client = &service["oauth_vs_config"]["oauth_settings"][0]["app_settings"]["client_id"];
                json!([service["saml_sp_config"]["entity_id"], client])
            },
        },
        Life {
            kind: "L4Rule",
            version: "v1alpha2",
            right: json!({"securityPolicyRef": "custom-securitypolicy"}),
            changed: json!({"networkSecurityPolicyRef": "custom-networksecuritypolicy"}),
            broken: json!({"securityPolicyRef": "gone"}),
            shown: |dump| {
                let service = marked(dump, "virtualservice", "\"lb\"");
                json!([service["security_policy_ref"], service["network_security_policy_ref"]])
            },
        },
    ]
}

async fn start() -> Option<(World, Case)> {
    let cases = golden::cases().unwrap();
    let case = cases.into_iter().find(|case| case.name == ENVIRONMENT).expect("a recorded case is missing");
    let mut world = World::start_case(&case).await?;
    cluster::apply_all(&world.client, &definitions()).await.unwrap();
    world.restart_operator().await;
    let mut balancer = service("lb", "LoadBalancer", &["10.244.1.6"]);
    balancer[0]["metadata"]["annotations"] = json!({"ako.vmware.com/l4rule": "r"});
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "oauth", "namespace": "default"},
        "stringData": {"clientSecret": "throw-away"},
    });
    world.apply(&[ingress_class(), secret]).await;
    world.apply(&balancer).await;
    world.apply(&service("web", "ClusterIP", &["10.244.1.5"])).await;
    world.apply(&[ingress("shop", "foo.com", "/", "web")]).await;
    world.published("Ingress", "default", "shop").await;
    world.published("Service", "default", "lb").await;
    world.settled().await;
    Some((world, case))
}

/// Waits until a rule has such a status, and the controller shows it as wanted.
async fn until(world: &World, life: &Life, status: Option<&str>, is_right: impl Fn(&Value) -> bool) {
    let reached = eventually(SOON, async || {
        let statuses = golden::observed_status(&world.client).await.map_err(|error| error.to_string())?;
        let found = &statuses[life.path()]["status"]["status"];
        let shown = (life.shown)(&world.sim.dump());
        let is_said = status.is_none_or(|status| found == status);
        if is_said && is_right(&shown) { Ok(()) } else { Err(format!("{}: {found} {shown}", life.kind)) }
    });
    reached.await.unwrap_or_else(|error| world.fail(&error));
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_attached_changed_broken_repaired_and_deleted() {
    let Some((mut world, _case)) = start().await else { return };
    for life in lives() {
        let without = (life.shown)(&world.sim.dump());
        world.apply(&[life.of(&life.right)]).await;
        until(&world, &life, Some("Accepted"), |shown| *shown != without).await;
        let right = (life.shown)(&world.sim.dump());
        world.apply(&[life.of(&life.changed)]).await;
        until(&world, &life, Some("Accepted"), |shown| *shown != without && *shown != right).await;
        let changed = (life.shown)(&world.sim.dump());
        // What it gave stays while it is broken, whoever looks at it.
        world.apply(&[life.of(&life.broken)]).await;
        until(&world, &life, Some("Rejected"), |shown| *shown == changed).await;
        world.restart_operator().await;
        until(&world, &life, Some("Rejected"), |shown| *shown == changed).await;
        world.apply(&[life.of(&life.right)]).await;
        until(&world, &life, Some("Accepted"), |shown| *shown == right).await;
        world.apply(&[crate::world::deleted(&life.of(&life.right))]).await;
        until(&world, &life, None, |shown| *shown == without).await;
    }
    world.operator.kill();
    cluster::remove_all(&world.client, &definitions()).await.unwrap();
}
