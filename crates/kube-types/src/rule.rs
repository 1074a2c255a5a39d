//! What the wire forms of AKO's rules have in common: how what is wrong with one is found, and
//! their status.
//!
//! The doc comments of their fields are the descriptions in the CustomResourceDefinitions.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::sync::Arc;

use ako_core::kinds::rule as kept;
use ako_core::resource::{Part, Published, Told};
use ako_core::{Diagnostic, Reason, ResourceId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::finding::Findings;
use crate::status::{WireCondition, conditions_for, conditions_of};

/// A text, if there is one. An empty one is an absent one, as in AKO.
pub(crate) fn text(text: Option<String>) -> Option<Arc<str>> {
    text.filter(|text| !text.is_empty()).map(Into::into)
}

/// A list of texts.
pub(crate) fn texts(list: Option<Vec<String>>) -> Vec<Arc<str>> {
    list.into_iter().flatten().map(Into::into).collect()
}

/// The words of a closed set, as a schema lists them.
pub(crate) fn words<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(word, _)| *word).collect()
}

/// What is wrong with a rule in itself.
pub(crate) struct Checks {
    findings: Findings,
}

impl Checks {
    /// Of a rule of which nothing is known yet.
    pub(crate) fn of(rule: ResourceId) -> Self {
        Self { findings: Findings::about(rule) }
    }

    /// A part of it, to be checked.
    pub(crate) fn at(&mut self, path: &str) -> Place<'_> {
        Place { path: path.to_owned(), findings: &mut self.findings }
    }

    /// Why the rule must not be applied, if it must not, and what there is to be told.
    pub(crate) fn finish(self) -> (Option<Arc<str>>, Vec<Diagnostic>) {
        let found = self.findings.into_diagnostics();
        let messages: Vec<_> = found.iter().map(|diagnostic| &*diagnostic.message).collect();
        ((!found.is_empty()).then(|| messages.join("; ").into()), found)
    }
}

/// A part of a rule that is being checked.
pub(crate) struct Place<'a> {
    path: String,
    findings: &'a mut Findings,
}

impl Place<'_> {
    /// A part of the part: a field, or an entry of a list.
    pub(crate) fn at(&mut self, part: impl Display) -> Place<'_> {
        Place { path: format!("{}.{part}", self.path), findings: self.findings }
    }

    /// The entries of a list, each read by itself.
    pub(crate) fn each<W, T>(
        &mut self,
        field: &str,
        list: Option<Vec<W>>,
        read: impl Fn(W, &mut Place<'_>) -> T,
    ) -> Vec<T> {
        let entries = list.into_iter().flatten().enumerate();
        entries.map(|(index, entry)| read(entry, &mut self.at(format_args!("{field}[{index}]")))).collect()
    }

    /// Something is wrong with it.
    pub(crate) fn say(&mut self, what: impl AsRef<str>) {
        self.findings.add(Reason::InvalidRule, what);
    }

    /// Something is wrong with a field.
    fn wrong(&mut self, field: &str, what: impl Display) {
        let text = format!("{}.{field} {what}", self.path);
        self.say(text);
    }

    /// A field that has to be there.
    pub(crate) fn required<T>(&mut self, field: &str, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.wrong(field, "is missing");
        }
        value
    }

    /// A text that has to be there; empty if it is not.
    pub(crate) fn required_text(&mut self, field: &str, value: Option<String>) -> Arc<str> {
        self.required(field, text(value)).unwrap_or_default()
    }

    /// One of a closed set of words.
    pub(crate) fn one_of<T: Copy>(
        &mut self,
        field: &str,
        value: Option<String>,
        table: &[(&'static str, T)],
    ) -> Option<T> {
        let value = text(value)?;
        let found = table.iter().find(|(word, _)| *word == &*value).map(|(_, known)| *known);
        if found.is_none() {
            self.wrong(field, format_args!("is {value:?}, and not one of {}", words(table).join(", ")));
        }
        found
    }

    /// One of a closed set of words that are passed on as they are.
    pub(crate) fn word(
        &mut self,
        field: &str,
        value: Option<String>,
        known: &[&'static str],
    ) -> Option<Arc<str>> {
        let table: Vec<_> = known.iter().map(|word| (*word, *word)).collect();
        self.one_of(field, value, &table).map(Into::into)
    }

    /// A number within bounds.
    pub(crate) fn number<T: TryFrom<i64>>(
        &mut self,
        field: &str,
        value: Option<i64>,
        bounds: RangeInclusive<i64>,
    ) -> Option<T> {
        let value = value?;
        let found =
            Some(value).filter(|value| bounds.contains(value)).and_then(|value| value.try_into().ok());
        if found.is_none() {
            let (least, most) = bounds.into_inner();
            self.wrong(field, format_args!("is {value}, and not from {least} to {most}"));
        }
        found
    }

    /// A number within bounds that has to be there; zero if it is not.
    pub(crate) fn required_number<T: TryFrom<i64> + Default>(
        &mut self,
        field: &str,
        value: Option<i64>,
        bounds: RangeInclusive<i64>,
    ) -> T {
        let value = self.required(field, value);
        self.number(field, value, bounds).unwrap_or_default()
    }
}

/// All port numbers.
pub(crate) const PORTS: RangeInclusive<i64> = 1..=65535;

/// What is hashed to choose a server, in the words of the Avi API.
pub(crate) const HASHES: [&str; 6] = [
    "LB_ALGORITHM_CONSISTENT_HASH_CALLID",
    "LB_ALGORITHM_CONSISTENT_HASH_SOURCE_IP_ADDRESS",
    "LB_ALGORITHM_CONSISTENT_HASH_SOURCE_IP_ADDRESS_AND_PORT",
    "LB_ALGORITHM_CONSISTENT_HASH_URI",
    "LB_ALGORITHM_CONSISTENT_HASH_CUSTOM_HEADER",
    "LB_ALGORITHM_CONSISTENT_HASH_CUSTOM_STRING",
];

/// How many log entries are left out when there are many.
pub(crate) const THROTTLES: [(&str, kept::Throttle); 4] = [
    ("LOW", kept::Throttle::Low),
    ("MEDIUM", kept::Throttle::Medium),
    ("HIGH", kept::Throttle::High),
    ("DISABLED", kept::Throttle::Disabled),
];

/// What is recorded of the requests.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AnalyticsPolicy {
    /// Whether all headers of a request are logged.
    #[schemars(extend("default" = false))]
    log_all_headers: Option<bool>,
    /// Whether every request is logged, and not only those that are out of the ordinary.
    full_client_logs: Option<FullClientLogs>,
}

/// Whether every request is logged.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct FullClientLogs {
    /// Whether every request is logged.
    #[schemars(extend("default" = false))]
    enabled: Option<bool>,
    /// How many logs are left out when there are many: LOW keeps the most of them, DISABLED
    /// leaves out none.
    #[schemars(extend("enum" = words(&THROTTLES), "default" = "HIGH"))]
    throttle: Option<String>,
    /// For how many minutes every request is logged; 0 is without end.
    #[schemars(extend("default" = 0))]
    duration: Option<i64>,
}

impl AnalyticsPolicy {
    pub(crate) fn convert(self, at: &mut Place<'_>) -> kept::AnalyticsPolicy {
        let at = &mut at.at("fullClientLogs");
        let logs = |logs: FullClientLogs| kept::FullClientLogs {
            enabled: logs.enabled.unwrap_or_default(),
            throttle: at.one_of("throttle", logs.throttle, &THROTTLES).unwrap_or_default(),
            duration: at.number("duration", logs.duration, 0..=i64::from(u32::MAX)).unwrap_or_default(),
        };
        kept::AnalyticsPolicy {
            log_all_headers: self.log_all_headers.unwrap_or_default(),
            full_client_logs: self.full_client_logs.map(logs),
        }
    }
}

/// HTTP policy sets of the Avi Controller.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HttpPolicy {
    /// Whether they replace the policy sets that the operator makes itself.
    overwrite: Option<bool>,
    /// The names of the policy sets, in the order in which they count.
    policy_sets: Option<Vec<String>>,
}

impl From<HttpPolicy> for kept::HttpPolicy {
    fn from(wire: HttpPolicy) -> Self {
        Self { overwrite: wire.overwrite.unwrap_or_default(), policy_sets: texts(wire.policy_sets) }
    }
}

/// What a virtual service takes at most.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PerformanceLimits {
    /// The most connections at a time.
    #[schemars(range(min = 0, max = 65535))]
    max_concurrent_connections: Option<i64>,
    /// The most traffic, in Mbit/s.
    #[schemars(range(min = 0, max = 65535))]
    max_throughput: Option<i64>,
}

impl PerformanceLimits {
    pub(crate) fn convert(self, at: &mut Place<'_>) -> kept::PerformanceLimits {
        let connections = self.max_concurrent_connections;
        kept::PerformanceLimits {
            max_concurrent_connections: at.number("maxConcurrentConnections", connections, 0..=65535),
            max_throughput: at.number("maxThroughput", self.max_throughput, 0..=65535),
        }
    }
}

/// What the operator says of the object.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuleStatus {
    /// Accepted or Rejected; absent until the operator has looked at the object.
    status: Option<String>,
    /// Why the object is rejected; empty if it is not.
    error: Option<String>,
    /// What the operator says of the object, in the form that all of Kubernetes has.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    conditions: Option<Vec<WireCondition>>,
}

/// The fields of a status that hold a text.
const FIELDS: [&str; 2] = ["status", "error"];

/// What was published on a rule.
pub(crate) fn published(status: Option<RuleStatus>) -> Published {
    let status = status.unwrap_or_default();
    let fields = FIELDS.into_iter().zip([status.status, status.error]);
    let fields = fields.filter_map(|(name, text)| Some((name.into(), text?.into()))).collect();
    let conditions = conditions_of(&Part::Whole, status.conditions.unwrap_or_default()).collect();
    Published::telling(Told { conditions, fields, ..Told::default() })
}

/// What of the status of a rule is ours, as a merge patch makes it what is wanted.
pub(crate) fn status(wanted: &Published, current: &Published, now: &str) -> Value {
    let field = |name: &str| wanted.told.as_ref()?.fields.get(name).map(|text| Value::from(&**text));
    let fields = FIELDS.into_iter().map(|name| (name.to_owned(), field(name).into()));
    let mut status: Map<_, _> = fields.collect();
    status.insert("conditions".to_owned(), conditions_for(&Part::Whole, wanted, current, now));
    Value::Object(status)
}
