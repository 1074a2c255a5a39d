//! Cases, one of which is wrong if the code is.

use std::collections::BTreeMap;
use std::sync::Arc;

use ako_core::contest::NAMED;
use ako_core::resource::Namespace;
use ako_core::{Authority, Claim, Config, Conflict, Installation, Instances};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    #[serde(rename = "case")]
    name: String,
    /// By namespace.
    instances: BTreeMap<Arc<str>, Instance>,
    /// Labels by namespace.
    #[serde(default)]
    namespaces: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Arc<str>>>,
    /// By instance: what it has, and what is said.
    verdict: BTreeMap<Arc<str>, String>,
}

#[derive(Deserialize)]
struct Instance {
    created: i64,
    #[serde(default)]
    ako: bool,
    /// Why it does not count, perhaps.
    #[serde(default)]
    is: Is,
    /// The uuid of its controller; `unknown` if it does not say it. Otherwise each spelling is
    /// another one's.
    id: Option<Arc<str>>,
    /// What differs from the usual in its ConfigMap.
    #[serde(default)]
    config: BTreeMap<String, String>,
    /// What its ConfigMap said when it started, if something else. The verdict
    /// is its own then.
    started_with: Option<BTreeMap<String, String>>,
}

#[derive(Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Is {
    #[default]
    Installed,
    /// Its ServiceAccount may not do the work of an operator.
    Refused,
    /// Its StatefulSet is scaled to zero.
    Idle,
    /// Its StatefulSet is gone.
    Gone,
}

impl Instance {
    fn claim(&self, namespace: &str, config: &BTreeMap<String, String>) -> Claim {
        let usual = [("clusterName", "c1"), ("controllerIP", "avi")].map(|(k, v)| (k.into(), v.into()));
        let data = usual.into_iter().chain(config.clone()).collect();
        let claim = Claim::of(&Config::parse(namespace, &data).0, self.created);
        let id = self.id.clone().or_else(|| Some(claim.controller.clone()));
        Claim { controller_id: id.filter(|id| **id != *"unknown"), ..claim }
    }
}

impl Case {
    fn instances(&self, me: &str) -> Instances {
        let claims: Vec<_> = self.instances.iter().map(|(ns, i)| i.claim(ns, &i.config)).collect();
        let own = &self.instances[me];
        // What a running instance knows of itself lacks the age.
        let own = own.claim(me, own.started_with.as_ref().unwrap_or(&own.config));
        let own = Claim { created: i64::MAX, ..own };
        let installation = |(namespace, instance): (&Arc<str>, &Instance)| {
            (
                namespace.clone(),
                Installation {
                    controller_id: instance.claim(namespace, &instance.config).controller_id,
                    is_ours: !instance.ako,
                    authority: if instance.is == Is::Refused {
                        Authority::Refused
                    } else {
                        Authority::Granted
                    },
                    is_idle: instance.is == Is::Idle,
                    ..Installation::new(namespace.clone())
                },
            )
        };
        Instances::of(
            &claims,
            &self.instances.iter().filter(|(_, i)| i.is != Is::Gone).map(installation).collect(),
            Some(&own),
        )
    }

    fn namespaces(&self) -> Vec<Namespace> {
        let namespace = |(name, labels): (&Arc<str>, &BTreeMap<_, _>)| Namespace {
            name: name.clone(),
            labels: labels.clone(),
            ..Namespace::default()
        };
        self.namespaces.iter().map(namespace).collect()
    }

    fn verdict(&self, me: &Arc<str>) -> (String, Vec<Conflict>) {
        let (instances, namespaces) = (self.instances(me), self.namespaces());
        let mut parts = Vec::new();
        if let Some((by, why)) = instances.barred(me) {
            parts.push(format!("barred: {} of {by}", why.as_str()));
        }
        if instances.owns_routes(me) {
            parts.push("routes".to_owned());
        }
        let served = namespaces.iter().filter(|n| instances.owner_of(&n.name, Some(&n.labels)) == Some(me));
        let conflicts = instances.conflicts(me, &namespaces);
        let list = |of: &dyn Fn(&&Conflict) -> bool| -> Vec<String> {
            let listed = conflicts.iter().filter(of);
            listed.map(|c| format!("{} of {}", c.contest.as_str(), c.with)).collect()
        };
        for (word, items) in [
            ("serves", served.map(|n| n.name.to_string()).collect()),
            ("refuses", list(&|c| c.refused)),
            ("keeps", list(&|c| !c.refused && !c.contest.is_note())),
            ("notes", list(&|c| c.contest.is_note())),
        ] {
            if !items.is_empty() {
                parts.push(format!("{word}: {}", items.join(", ")));
            }
        }
        (parts.join("; "), conflicts)
    }
}

fn cases() -> Vec<Case> {
    serde_saphyr::from_str(include_str!("../../testdata/instances.yaml")).unwrap()
}

#[test]
fn every_case_has_its_verdict() {
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        for me in case.instances.keys() {
            let (verdict, conflicts) = case.verdict(me);
            let expected = case.verdict.get(me).cloned().unwrap_or_default();
            if verdict != expected {
                wrong.push(format!(
                    "{}\n    {me}: {verdict}\n  but expected\n    {me}: {expected}",
                    case.name
                ));
            }
            for conflict in &conflicts {
                assert!(
                    conflict.message.contains(&*conflict.with),
                    "{conflict} does not name {}",
                    conflict.with
                );
                assert!(conflict.message.len() < 500 && conflict.namespaces.len() <= NAMED, "{conflict}");
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let barred = |case: &&Case| case.verdict.values().any(|v| v.contains("barred") || v.contains("refuses"));
    let refusals = cases.iter().filter(barred).count();
    assert!(cases.len() >= 20 && refusals * 2 >= cases.len(), "{refusals} of {} refuse", cases.len());
}

#[test]
fn what_is_said_names_the_other_the_object_and_the_way_out() {
    let cases = cases();
    let mut said = BTreeMap::new();
    for case in &cases {
        for me in case.instances.keys() {
            for conflict in case.verdict(me).1 {
                said.entry(conflict.contest).or_insert_with(|| conflict.message.clone());
            }
        }
    }
    let said: Vec<_> =
        said.iter().map(|(contest, message)| format!("{}: {message}\n", contest.as_str())).collect();
    assert_eq!(said.concat(), include_str!("../../testdata/conflicts.txt"));
}
