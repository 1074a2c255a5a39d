//! The preflight.

use ako_core::ResourceKind;
use ako_kube_io::missing_permissions;

use crate::fake::Fake;

#[tokio::test(start_paused = true)]
async fn each_missing_rule_is_named() {
    // The fake server forbids patches.
    let missing = missing_permissions(&Fake::new().client(), "avi", &ResourceKind::ALL.into()).await.unwrap();
    let missing: Vec<_> = missing.iter().map(ToString::to_string).collect();
    let expected = [
        "patch services (group core) in the cluster",
        "patch services/status (group core) in the cluster",
        "patch ingresses (group networking.k8s.io) in the cluster",
        "patch ingresses/status (group networking.k8s.io) in the cluster",
        "patch pods (group core) in namespace avi",
        "patch statefulsets (group apps) in namespace avi",
    ];
    assert_eq!(missing, expected);
}
