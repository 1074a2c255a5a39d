//! A namespace that two instances select, for a moment.

use std::time::Duration;

use ako_harness::{cluster, eventually};
use serde_json::Value;

use crate::instances::{Instances, PLACES};
use crate::kubernetes::Kubernetes;
use crate::sample::{MARKET, namespace};

/// How long it may take to be noticed.
const NOTICED_WITHIN: Duration = Duration::from_secs(20);

/// Lets two instances select one namespace, prints what the one that gives way
/// says, and takes it back.
pub(crate) async fn show(kubernetes: &Kubernetes, instances: &Instances) -> anyhow::Result<()> {
    let (first, second) = (&PLACES[0], &PLACES[1]);
    println!("\nNamespace {MARKET} is now selected by both {} and {} …", first.namespace, second.namespace);
    cluster::apply(&kubernetes.client, &namespace(MARKET, &[first.label, second.label])).await?;
    let refusal = eventually(NOTICED_WITHIN, async || {
        let state = instances.leader(second.namespace).await.map(|(_, state)| state).unwrap_or_default();
        let conflicts = state["conflicts"].as_array().cloned().unwrap_or_default();
        let refused = conflicts.into_iter().find(|conflict| conflict["refused"] == true);
        refused.ok_or("it was not noticed")
    })
    .await?;
    println!("  {} says: {}", second.namespace, text(&refusal, "message"));
    cluster::apply(&kubernetes.client, &namespace(MARKET, &[second.label])).await?;
    Ok(())
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}
