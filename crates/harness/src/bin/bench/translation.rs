//! The translator by itself: what the operator should come to.

use std::collections::BTreeMap;

use ako_core::facts::{Answers, SharedTenants};
use ako_core::{Config, Delta, Facts, Snapshot};
use ako_engine::Desired;
use ako_translate::Translator;
use anyhow::bail;
use serde_json::Value;

use crate::population::{Application, frame};

/// How hosts become virtual services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Hosts share parent virtual services.
    Sni,
    /// Each host is a child virtual service.
    Evh,
}

/// The configuration that all scenarios run with.
pub(crate) fn configuration(mode: Mode) -> BTreeMap<String, String> {
    let evh = if mode == Mode::Evh { "true" } else { "false" };
    let data = [
        ("clusterName", "c1"),
        ("vipNetworkList", r#"[{"networkName":"vip-net"}]"#),
        ("disableStaticRouteSync", "true"),
        ("logLevel", "INFO"),
        ("enableEVH", evh),
        // Each start waits for the end of the leadership before it.
        ("leaseDuration", "3s"),
        ("renewDeadline", "2s"),
        ("retryPeriod", "500ms"),
    ];
    data.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A cluster of so many applications, ready to be translated.
pub(crate) struct Translation {
    translator: Translator,
    snapshot: Snapshot,
}

impl Translation {
    pub(crate) fn new(mode: Mode, size: usize) -> anyhow::Result<Self> {
        let (config, issues) = Config::parse("avi-system", &configuration(mode));
        // Nobody is called, so nobody's address is needed.
        if let Some(fatal) = issues.iter().find(|issue| issue.fatal && issue.key != "controllerIP") {
            bail!("the configuration of the benchmark cannot be used: {fatal}");
        }
        let answers = Answers { dns_domains: vec!["avi.internal".into()], ..Answers::default() };
        let facts = Facts::of(&config, &answers, SharedTenants::default());
        let translator = Translator::new(config, facts);
        let mut snapshot = Snapshot::default();
        snapshot.act_by(translator.config(), translator.subdomain());
        let applications = (0..size).map(Application);
        let objects = applications.flat_map(|a| [a.service(), a.slice(), a.ingress()]);
        for object in frame().into_iter().chain(objects) {
            apply(&mut snapshot, &object)?;
        }
        Ok(Self { translator, snapshot })
    }

    /// Translates everything.
    pub(crate) fn run(&self) -> Desired {
        Desired::of(self.translator.clone(), &self.snapshot)
    }
}

fn apply(snapshot: &mut Snapshot, object: &Value) -> anyhow::Result<()> {
    let converted = ako_kube_types::convert::from_json(object).map_err(anyhow::Error::msg)?;
    if let Some(resource) = converted.resource {
        snapshot.apply(Delta::Apply(resource));
    }
    Ok(())
}
