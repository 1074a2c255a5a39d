//! The commands of the documents that run in pods or show what pods print, as they are typed:
//! `kubectl exec`, `kubectl logs` and `helm test`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ako_harness::helm::Helm;
use ako_harness::kubelet::in_namespaces;
use ako_sim_avi::{Action, Fault};
use serde_json::json;

use crate::applications::{are_served, deploy};
use crate::judges::Since;
use crate::release::{self, CHART, account, one_leads, rolled_out};
use crate::world::World;

const NAMESPACE: &str = "avi-system";

/// What a command does.
#[derive(Clone, Copy)]
enum Run {
    /// It succeeds, and prints this among other things.
    Prints(&'static str),
    /// The same, in the leader's pod, whichever that is.
    PrintsInLeader(&'static str),
    /// It is for a case that does not exist here, and fails in the leader's pod with these words.
    RefusedInLeader(&'static str),
    /// It is about a secondary instance, or the CRD operator: their own tests run it.
    Elsewhere,
}

/// All of them, in an order in which they can be run.
const KNOWN: [(&str, Run); 12] = [
    ("kubectl -n avi-system exec ako-0 -- ako status", Run::Prints("Served namespaces")),
    ("kubectl -n avi-system exec ako-1 -- ako status", Run::Prints("Served namespaces")),
    (
        "kubectl -n avi-system exec ako-0 -- ako explain ingress/shop",
        Run::Prints("its addresses are published on Ingress red/shop"),
    ),
    ("kubectl -n avi-system exec ako-0 -- ako check", Run::Prints("✔ Conflicts")),
    ("helm -n avi-system test ako", Run::Prints("Succeeded")),
    ("kubectl -n avi-system logs ako-test", Run::Prints("no changes\n")),
    (
        "kubectl -n avi-system exec ako-0 -- ako take-cluster-name --from 1f2e3d4c-…",
        Run::RefusedInLeader("no string group ako-cluster-c1 holds"),
    ),
    (
        "kubectl -n avi-system exec ako-0 -- ako release-deletions --digest 3f0a91c2be47",
        Run::PrintsInLeader("no deletions are held"),
    ),
    ("kubectl -n avi-system exec ako-0 -- ako yield", Run::PrintsInLeader("")),
    ("kubectl -n blue exec ako-0 -- ako status", Run::Elsewhere),
    ("kubectl -n avi-system exec ako-crd-operator-0 -- ako status", Run::Elsewhere),
    (
        "kubectl -n avi-system exec ako-crd-operator-0 -- ako explain healthmonitor/default/my-hm",
        Run::Elsewhere,
    ),
];

#[test]
fn every_documented_command_is_known() {
    let documented: BTreeSet<_> = documents().iter().flat_map(|text| commands_of(text)).collect();
    let known: BTreeSet<_> = KNOWN.iter().map(|(command, _)| (*command).to_owned()).collect();
    assert_eq!(documented, known, "what is documented, and what this test runs");
}

#[test]
fn commands_are_found_in_blocks_and_in_sentences() {
    let text = "Say `kubectl exec`, or `kubectl logs ako-0`.\n```console\n$ kubectl -n a exec b \\\n    -- ako  # c\n\
                $ kubectl get pods\n```\n  helm -n a test b   # d\n";
    assert_eq!(commands_of(text), ["kubectl logs ako-0", "kubectl -n a exec b -- ako", "helm -n a test b"]);
}

#[test]
fn documented_commands_run_in_pods() {
    in_namespaces("documented::documented_commands_run_in_pods", async {
        let Some(mut world) = World::start().await? else { return Ok(()) };
        let notes = install(&mut world).await;
        let since = Since::now(&world).await;
        let of_notes = notes
            .lines()
            .map(typed)
            .filter(|line| ["kubectl ", "helm "].iter().any(|word| line.starts_with(word)));
        for command in of_notes.collect::<Vec<_>>() {
            succeeds(&world, &command, "").await;
        }
        world.done("the commands of the notes");
        for (command, run) in KNOWN {
            runs(&world, command, run).await;
        }
        world.done("the commands of the documents");
        succeeds(&world, "helm -n avi-system test ako --logs", "no changes\n").await;
        fails_without_a_controller(&mut world).await;
        since.nothing_was_written(&world).await;
        fails_with_something_to_write(&mut world).await;
        Ok(())
    })
    .unwrap();
}

/// Two replicas, and no value of which `ako check` has anything to say; the notes that helm printed.
async fn install(world: &mut World) -> String {
    deploy(world, "red", &json!({})).await;
    release::unpack(world, &[]).await;
    std::fs::write(world.folder().join("ako/controller-ca.pem"), world.controller_ca()).unwrap();
    let command = format!(
        "install ako . --namespace {NAMESPACE} --create-namespace -f values.yaml {} \
         --set-file avicredentials.certificateAuthorityData=controller-ca.pem --set replicaCount=2 \
         --set ako-crd-operator.enabled=false",
        account(world)
    );
    let notes = world.helm(CHART, &command).await;
    rolled_out(world, NAMESPACE, 2).await;
    are_served(world, "red").await;
    one_leads(world, NAMESPACE).await;
    world.done("helm install");
    notes
}

async fn runs(world: &World, command: &str, run: Run) {
    match run {
        Run::Prints(words) => succeeds(world, command, words).await,
        Run::PrintsInLeader(words) => succeeds(world, &in_leader(world, command).await, words).await,
        Run::RefusedInLeader(words) => fails(world, &in_leader(world, command).await, words).await,
        Run::Elsewhere => {}
    }
}

async fn in_leader(world: &World, command: &str) -> String {
    command.replace("ako-0", &one_leads(world, NAMESPACE).await)
}

/// Types a command, which succeeds and prints these words.
pub(crate) async fn succeeds(world: &World, command: &str, words: &str) {
    let (succeeded, printed) = world.typed(command).await;
    println!("$ {command}\n{printed}");
    if !succeeded || !printed.contains(words) {
        world.fail(&format!("{command} prints no {words:?}: {printed}")).await;
    }
}

async fn fails(world: &World, command: &str, words: &str) {
    let (succeeded, printed) = world.typed(command).await;
    println!("$ {command}\n{printed}");
    if succeeded || !printed.contains(words) {
        world.fail(&format!("{command} does not fail with {words:?}: {printed}")).await;
    }
}

/// `helm test` says so, and why.
async fn fails_without_a_controller(world: &mut World) {
    world.sim.inject(Fault::new(Action::DropBefore).kind("login"));
    fails(world, "helm -n avi-system test ako --logs", &world.controller()).await;
    world.sim.clear_faults();
    world.done("helm test without a controller");
}

/// What somebody else has changed on the controller is in the log of `helm test`, until the
/// operator puts it right, which the controller does not let it here.
async fn fails_with_something_to_write(world: &mut World) {
    let pool = "c1--shop.red.example.com_-red-shop";
    let refused = Action::Status { status: 503, body: json!({"error": "busy"}), retry_after: None };
    world.sim.inject(Fault::new(refused).method("PUT"));
    assert!(world.sim.edit("pool", "admin", pool, &json!({"servers": []})));
    fails(world, "helm -n avi-system test ako", "pod ako-test failed").await;
    succeeds(world, "kubectl -n avi-system logs ako-test", pool).await;
    world.done("helm test with something to write");
}

/// The documents, and the notes as they are for the release of the documents.
fn documents() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let notes = std::fs::read_to_string(Helm::chart().join("templates/NOTES.txt")).unwrap();
    let notes = notes.replace("{{ .Release.Namespace }}", NAMESPACE).replace("{{ .Release.Name }}", "ako");
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap();
    pages.chain([root.join("README.md")]).map(read).chain([notes]).collect()
}

/// The commands in a document that this is about: lines of their own, and what is between
/// backticks. `kubectl exec` alone is the name of a command.
fn commands_of(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let parts = joined.lines().flat_map(|line| match line.matches('`').count() {
        0 => vec![line],
        _ => line.split('`').skip(1).step_by(2).collect(),
    });
    parts.map(typed).filter(|command| is_about_pods(command)).collect()
}

/// A line as it is typed: without prompt, comment and needless spaces.
fn typed(line: &str) -> String {
    let line = line.trim().trim_start_matches("$ ");
    let command = line.split(" #").next().unwrap_or_default();
    command.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn is_about_pods(command: &str) -> bool {
    let words: Vec<_> = command.split(' ').collect();
    let has = |word| words.contains(&word);
    words.len() > 2
        && match words[0] {
            "kubectl" => has("exec") || has("logs"),
            "helm" => has("test"),
            _ => false,
        }
}
