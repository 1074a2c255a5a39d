//! In a StatefulSet of AKO's own chart, or of an operator that keeps one, only the image is replaced:
//! the pods say which rules its role lacks, and go on when somebody adds those that the documents give.

use crate::judges::Since;
use crate::release::{one_leads, rolled_out};
use crate::takeover::ours_since;
use crate::world::World;

/// A name that the images of the operator have.
const IMAGE: &str = concat!("ghcr.io/ako-rs/ako:", env!("CARGO_PKG_VERSION"));

/// Replaces the image by the operator's, with two replicas.
pub(crate) async fn replace(world: &mut World, namespace: &str) {
    let (since, position) = (Since::now(world).await, world.position());
    set(world, namespace, IMAGE).await;
    for pod in ["ako-0", "ako-1"] {
        says_what_its_role_lacks(world, namespace, pod).await;
    }
    let refused =
        world.kubectl(&format!("get events -n {namespace} --field-selector reason=PermissionsMissing")).await;
    assert!(refused.contains("add it to a Role or ClusterRole"), "{refused}");
    let (code, printed) = world.ako(&format!("check --namespace {namespace}")).await;
    assert!(code != Some(0) && printed.contains("ako-sa lacks \"create configmaps"), "{printed}");
    world.done("only the image replaced: the role lacks rules");
    let rules = world.folder().join("rules.yaml");
    std::fs::write(&rules, documented_rules()).unwrap();
    world.kubectl(&format!("apply -f {}", rules.display())).await;
    one_leads(world, namespace).await;
    since.nothing_was_lost(world).await;
    let ours = ours_since(world, position);
    assert!(ours.is_empty(), "the operator wrote to objects that were as they should be: {ours:#?}");
    world.done("with the documented rules one leads");
}

/// Sets AKO's image back.
pub(crate) async fn set_back(world: &mut World, namespace: &str, image: &str) {
    let since = Since::now(world).await;
    set(world, namespace, image).await;
    since.nothing_was_lost(world).await;
    world.done("the image set back");
}

async fn set(world: &World, namespace: &str, image: &str) {
    world.kubectl(&format!("-n {namespace} set image statefulset/ako ako={image}")).await;
    rolled_out(world, namespace, 2).await;
}

async fn says_what_its_role_lacks(world: &World, namespace: &str, pod: &str) {
    world
        .eventually(async || {
            let state = world.state(namespace, pod).await?;
            let log = world.log(namespace, pod);
            let is_said = log.contains("a permission is missing, so this replica is not ready");
            if state["leadership"]["writes"] == false && is_said {
                Ok(())
            } else {
                Err(format!("{pod} does not say what its role lacks: {state:#}\n{log}"))
            }
        })
        .await;
}

/// The YAML under "Replacing AKO" in the documents.
fn documented_rules() -> &'static str {
    let text = include_str!("../../../../docs/operations.md");
    let section = text.split_once("\n## Replacing AKO\n").map_or("", |(_, section)| section);
    let block = section.split_once("```yaml\n").and_then(|(_, rest)| rest.split_once("```"));
    block.map(|(yaml, _)| yaml).unwrap()
}
