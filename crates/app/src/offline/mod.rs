//! `ako translate`: the translator without a cluster and without a controller.

mod environment;
mod status;

use std::collections::BTreeMap;

use ako_avi_types::{Object, ObjectKey};
use ako_core::config::respelled;
use ako_core::{
    Config, ConfigIssue, Delta, Diagnostic, Program, Resource, ResourceId, ResourceKind, Snapshot,
};
use ako_elect::Moment;
use ako_engine::{Desired, DryRun, Event, Reading, dry_run};
use ako_translate::{Keep, Translator};
use anyhow::{Context as _, bail};
use serde_json::Value;

pub use environment::Environment;

/// What a translation starts from.
#[derive(Clone, Debug)]
pub struct Input {
    /// Which program translates.
    pub program: Program,
    /// The data of ConfigMap `avi-k8s-config`. Keys that start with `$` are not
    /// of the ConfigMap and are left alone.
    pub config: BTreeMap<String, String>,
    /// The namespace of the operator.
    pub namespace: String,
    /// Kubernetes objects, in any order.
    pub objects: Vec<Value>,
    /// What the controller holds beforehand.
    pub environment: Environment,
}

/// What becomes of it.
#[derive(Debug)]
pub struct Output {
    /// The objects that are wanted on the controller.
    pub desired: Desired,
    /// What was read.
    pub snapshot: Snapshot,
    /// What is wrong with the input.
    pub diagnostics: Vec<Diagnostic>,
    /// What is wrong with the configuration, without being fatal.
    pub issues: Vec<ConfigIssue>,
    /// Objects that could not be read, and what else people have to know.
    pub problems: Vec<String>,
    objects: Vec<Value>,
    resources: BTreeMap<ResourceId, Resource>,
    environment: Environment,
}

/// Translates.
///
/// # Errors
/// If the configuration cannot be used. An object that cannot be read costs itself.
pub fn translate(input: Input) -> anyhow::Result<Output> {
    let data = input.config.clone().into_iter().filter(|(key, _)| !key.starts_with('$')).collect();
    let (config, issues) = Config::parse_for(input.program, &input.namespace, &respelled(data));
    // Nobody is called, so nobody's address is needed.
    let (fatal, issues): (Vec<_>, Vec<_>) =
        issues.into_iter().filter(|issue| issue.key != "controllerIP").partition(|issue| issue.fatal);
    if !fatal.is_empty() {
        let texts: Vec<_> = fatal.iter().map(ToString::to_string).collect();
        bail!("the configuration cannot be used:\n  {}", texts.join("\n  "));
    }
    let facts = input.environment.facts(&config).context("environment")?;
    let mut problems = Vec::new();
    if config.delete_config {
        problems.push("deleteConfig is true, so everything of this instance is removed".to_owned());
    }
    let translator = Translator::new(config, facts);
    let mut snapshot = Snapshot::default();
    snapshot.act_by(translator.config(), translator.subdomain());
    let (mut diagnostics, mut resources) = (Vec::new(), BTreeMap::new());
    for (object, order) in input.objects.iter().zip(0..) {
        match ako_kube_types::convert::from_json(&dated(object, order)) {
            Ok(converted) => {
                diagnostics.extend(converted.diagnostics);
                let resource = converted.resource.filter(|it| it.id().kind.is_read_by(input.program));
                if let Some(resource) = resource {
                    // A cluster that has objects of a kind serves it.
                    snapshot.serve(resource.id().kind, true);
                    resources.insert(resource.id(), resource.clone());
                    snapshot.apply(Delta::Apply(resource));
                }
            }
            Err(why) => problems.push(format!("object {} of the files is left out: {why}", order + 1)),
        }
    }
    let mut desired = Desired::of(translator, &snapshot);
    answer(&mut desired, &mut snapshot, &input.environment);
    diagnostics.extend(desired.diagnostics().cloned());
    diagnostics.sort();
    diagnostics.dedup();
    let Input { objects, environment, .. } = input;
    Ok(Output { desired, snapshot, diagnostics, issues, problems, objects, resources, environment })
}

/// Lets the environment answer for the controller.
fn answer(desired: &mut Desired, snapshot: &mut Snapshot, environment: &Environment) {
    let cloud = desired.translator().config().cloud_name.clone();
    desired.answering(snapshot, &|referred| environment.look(referred, &cloud));
}

/// Gives an object without a creation time one, so that of two objects in a
/// file the first one is the older. Generators write `null` where there is none.
fn dated(object: &Value, order: u32) -> Value {
    let mut object = object.clone();
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        let (minutes, seconds) = (order / 60, order % 60);
        let (hours, minutes) = (minutes / 60, minutes % 60);
        let time = format!("1970-01-{:02}T{:02}:{minutes:02}:{seconds:02}Z", hours / 24 % 31 + 1, hours % 24);
        let created = metadata.entry("creationTimestamp").or_insert(Value::Null);
        if created.is_null() {
            *created = Value::String(time);
        }
    }
    object
}

impl Output {
    /// Takes a change of the cluster over.
    pub fn apply(&mut self, delta: Delta) {
        let touched = self.snapshot.apply(delta);
        self.desired.update(&self.snapshot, &touched);
        answer(&mut self.desired, &mut self.snapshot, &self.environment);
    }

    /// The wanted objects in canonical form.
    pub fn avi(&self) -> Value {
        // What stays as it is, whatever that is, is not shown.
        let kept: BTreeMap<_, _> = self.desired.all_kept().collect();
        let objects = self.desired.objects().filter(|(key, _)| kept.get(key) != Some(&&Keep::AsIs));
        let bodies = objects.map(|(key, object)| (key, self.body(key, object)));
        // What is borrowed is shown if it holds something of anybody's.
        let is_empty = |body: &Value| {
            let part = ["static_routes", "labels"].iter().find_map(|field| body[*field].as_array());
            part.is_none_or(Vec::is_empty)
        };
        let bodies = bodies.filter(|(key, body)| !(key.kind.is_borrowed() && is_empty(body)));
        let mut objects = crate::canonical::objects(bodies);
        self.name_networks(&mut objects);
        objects
    }

    /// References to networks in canonical form.
    fn name_networks(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Some(canonical) = self.environment.canonical(text) {
                    *text = canonical;
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.name_networks(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.name_networks(value)),
            _ => {}
        }
    }

    /// An object as it would be on the controller.
    fn body(&self, key: &ObjectKey, object: &Object) -> Value {
        match self.environment.object(key).filter(|_| key.kind.is_borrowed()) {
            // What is another cluster's stays as it is.
            Some(before) => object.lent_to(before.clone()).unwrap_or_else(|_| before.clone()),
            None => object.body(),
        }
    }

    /// What the operator would write on an empty controller.
    pub fn dry_run(&self) -> DryRun {
        let of = |kind: ResourceKind| self.resources.values().filter(move |r| r.id().kind == kind).cloned();
        let list = |kind: ResourceKind| Event::Cluster(Delta::Reset(kind, of(kind).collect()));
        let kinds = ResourceKind::ALL.into_iter().filter(|kind| self.snapshot.is_served(*kind));
        let served = kinds.map(|kind| Event::Served(kind, true));
        let cluster = served.chain(ResourceKind::ALL.into_iter().map(list));
        let empty = Reading { started: Moment::default(), objects: Vec::new() };
        dry_run(self.desired.translator().clone(), cluster, empty, self.snapshot.catalogue())
    }

    /// The statuses that would be written, in canonical form. What only a
    /// controller can tell is shown as `<auto>` (addresses) and
    /// `virtualservice-UUID`.
    pub fn status(&self) -> Value {
        status::render(&self.desired, &self.objects)
    }
}
