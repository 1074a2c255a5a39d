//! `ako explain`, asked of an operator that runs.

use serde_json::{Value, json};

use crate::rules::{rule, with_rules};
use crate::world::{World, ingress, pod};

/// Asks until the answer has all of these, and ends with this exit code.
async fn told(world: &World, object: &str, exit: i32, wanted: &[&str]) -> String {
    world
        .eventually(async || {
            let (code, text) = world.ask(&["explain", object]).await;
            let lacks = wanted.iter().find(|part| !text.contains(**part));
            match lacks {
                None if code == Some(exit) => Ok(text),
                _ => Err(format!("{code:?}, lacks {lacks:?}: {text}")),
            }
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_of_an_object_is_told() {
    let mut world = with_rules(42, &[("enableEVH", "true")]).await;
    world.serve("web", "ClusterIP", &[pod("web", 42, 1)]).await;
    let shop = ingress("shop", "shop.avi.internal", &[("/", "Prefix", "web")]);
    let virtualhost = json!({"fqdn": "shop.avi.internal", "aliases": ["alias.avi.internal"]});
    let host_rule = rule("HostRule", "v1beta1", &json!({ "virtualhost": virtualhost }));
    world.apply(&[shop, host_rule]).await;
    let served = [
        "\nhost shop.avi.internal\n",
        "  its addresses are published on Ingress default/shop\n",
        "  it goes by HostRule default/rule: Accepted\n",
        "  it is on shared virtual service c1--Shared-L7-EVH-",
        "  in sync  pool-",
        "\nshared virtual service c1--Shared-L7-EVH-",
    ];
    let text = told(&world, "ingress/shop", 0, &served).await;
    assert!(!text.contains("Findings"), "{text}");
    // Whatever it is made of leads there.
    for object in ["host/shop.avi.internal", "svc/default/web", "hostrule/rule", "EndpointSlice/web-1"] {
        told(&world, object, 0, &["\nhost shop.avi.internal\n", "default/rule: Accepted"]).await;
    }
    told(&world, "hostrule/rule", 0, &["HostRule default/rule\n  Accepted\n"]).await;

    // A rule that is wrong, and a pool that the controller refuses.
    let tls = json!({"type": "reencrypt", "sslProfile": "gone"});
    let paths = json!([{"target": "/", "tls": tls}]);
    let http_rule = rule("HTTPRule", "v1beta1", &json!({"fqdn": "shop.avi.internal", "paths": paths}));
    world.apply(&[http_rule]).await;
    let wrong = ["it goes by HTTPRule default/rule: Rejected (", "\nFindings:\n", "RuleNotApplied"];
    told(&world, "ingress/shop", 3, &wrong).await;
    world.refuse_pools_of("c1--");
    world.apply(&[ingress("refused", "refused.avi.internal", &[("/", "Prefix", "web")])]).await;
    told(&world, "ingress/refused", 3, &["refused by the controller: ", "not to our taste"]).await;

    // What is not there, and what is not known.
    told(&world, "ingress/nobody", 1, &["Ingress nobody is not there, and nothing that is served"]).await;
    told(&world, "deployment/web", 1, &["deployment is none of the kinds that are read"]).await;
    let (code, text) = world.ask(&["explain", "service/web", "-o", "json"]).await;
    let value: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((code, &value["object"]), (Some(3), &json!("Service default/web")));
}
