//! The preflight.

use ako_core::{Program, ResourceKind};
use ako_kube_io::{Asker, missing_rules, needed_rules};

use crate::fake::{Definition, Fake};

#[tokio::test(start_paused = true)]
async fn each_missing_rule_is_named() {
    // The fake server forbids patches.
    let rules = needed_rules(Program::Operator, "avi", &ResourceKind::ALL.into(), true);
    let missing = missing_rules(&Fake::new().client(), &Asker::Me, &rules).await.unwrap();
    let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
    let expected = [
        "patch pods (group core) in namespace avi, needed to lead",
        "patch services (group core) in the cluster, needed to write statuses and annotations",
        "patch services/status (group core) in the cluster, needed to write statuses and annotations",
        "patch ingresses (group networking.k8s.io) in the cluster, needed to write statuses and annotations",
        "patch ingresses/status (group networking.k8s.io) in the cluster, needed to write statuses and annotations",
        "patch statefulsets (group apps) in namespace avi, needed to write statuses and annotations",
        "patch secrets \"avi-secret\" (group core) in namespace avi, needed to store a renewed authtoken",
    ];
    assert_eq!(missing, expected);
}

/// Whoever has no use for a kind need not be permitted to read it.
#[tokio::test(start_paused = true)]
async fn a_rule_about_a_kind_that_is_not_there_is_not_missing() {
    let fake = Fake::new();
    let rules = needed_rules(Program::Operator, "avi", &[ResourceKind::BlockAffinity].into(), false);
    let of_kind = async |fake: &Fake| {
        let missing = missing_rules(&fake.client(), &Asker::Me, &rules).await.unwrap();
        missing.iter().filter(|rule| rule.resource == "blockaffinities").count()
    };
    assert_eq!(of_kind(&fake).await, 0);
    fake.define(Definition::Established);
    assert_eq!(of_kind(&fake).await, 2, "list and watch");
}
