//! Deletion: at once, when the finalizers are done, or after a while.
//! Source: Kubernetes documentation, "Finalizers", "Pod Lifecycle", "Namespaces".

use std::time::Duration;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::update::is_over;
use super::{Answer, Outcome};
use crate::call::{Call, Target};
use crate::cluster::{Cluster, text};
use crate::listing;
use crate::resource::Resource;
use crate::status::{Granted, Refusal};
use crate::store::Stored;
use std::sync::Arc;

/// Namespaces that are always there.
const PERMANENT: [&str; 3] = ["default", "kube-system", "kube-public"];

/// What a deletion asks for.
struct DeleteOptions {
    grace: Option<i64>,
    uid: String,
    version: String,
    dry_run: bool,
}

impl DeleteOptions {
    fn read(call: &Call) -> Granted<Self> {
        let body = if call.body.is_empty() { Value::Object(Map::new()) } else { call.object()? };
        let preconditions = &body["preconditions"];
        let named = body["dryRun"].as_array().is_some_and(|list| list.iter().any(|one| one == "All"));
        Ok(Self {
            grace: body["gracePeriodSeconds"]
                .as_i64()
                .or_else(|| call.query("gracePeriodSeconds").parse().ok()),
            uid: text(preconditions, "uid").to_owned(),
            version: text(preconditions, "resourceVersion").to_owned(),
            dry_run: named || call.dry_run(),
        })
    }

    fn check(&self, resource: &Resource, stored: &Stored) -> Granted<()> {
        let uid = text(&stored.value["metadata"], "uid");
        if !self.uid.is_empty() && self.uid != uid {
            let why = format!(
                "the UID in the precondition ({}) does not match the UID in record ({uid}). The object might \
                 have been deleted and then recreated",
                self.uid
            );
            return Err(Refusal::conflict_of_kind(resource, stored.name(), &why));
        }
        if !self.version.is_empty() && self.version != stored.revision.to_string() {
            let why = format!(
                "the ResourceVersion in the precondition ({}) does not match the ResourceVersion in record ({}). \
                 The object might have been modified",
                self.version, stored.revision
            );
            return Err(Refusal::conflict_of_kind(resource, stored.name(), &why));
        }
        Ok(())
    }
}

impl Cluster {
    pub(super) fn delete(&mut self, call: &Call, target: &Target) -> Granted<Outcome> {
        let options = DeleteOptions::read(call)?;
        self.delete_one(target, &options)
    }

    fn delete_one(&mut self, target: &Target, options: &DeleteOptions) -> Granted<Outcome> {
        let resource = &target.resource;
        let stored = self.get(resource, &target.namespace, &target.name)?;
        options.check(resource, &stored)?;
        if resource.is("", "Namespace") && PERMANENT.contains(&stored.name()) {
            let why = "this namespace may not be deleted";
            return Err(Refusal::forbidden_object(resource, stored.name(), why));
        }
        let last = self.begin_deletion(resource, &stored, options.grace, options.dry_run);
        let waits =
            self.store.get(&resource.key(), stored.namespace(), stored.name()).is_some() && !options.dry_run;
        let whole = waits
            || (resource.group.is_empty() && matches!(&*resource.kind, "Pod" | "Service" | "ServiceAccount"));
        if whole {
            return Ok(Outcome::object(StatusCode::OK, Self::in_version(resource, &last), Vec::new()));
        }
        Ok(Outcome::value(StatusCode::OK, success(resource, &stored)))
    }

    pub(super) fn delete_collection(&mut self, call: &Call, target: &Target) -> Granted<Outcome> {
        if !target.resource.verbs().contains(&"deletecollection") {
            return Err(Refusal::method_not_allowed());
        }
        let options = DeleteOptions::read(call)?;
        let listing = listing::list(self, call, target, None)?;
        for stored in &listing.objects {
            let one = Target {
                namespace: stored.namespace().to_owned(),
                name: stored.name().to_owned(),
                ..target.clone()
            };
            self.delete_one(&one, &options)?;
        }
        let list = listing.render(&target.resource, call, self);
        let list: Value = serde_json::from_slice(&list).unwrap_or_default();
        Ok(Outcome { status: StatusCode::OK, answer: Answer::Value(list), warnings: Vec::new() })
    }

    /// Deletes an object, or marks it as one to be deleted; answers its last state.
    pub(crate) fn begin_deletion(
        &mut self,
        resource: &Resource,
        stored: &Arc<Stored>,
        grace: Option<i64>,
        dry_run: bool,
    ) -> Arc<Stored> {
        let mut new = stored.value.clone();
        let marked = new["metadata"]["deletionTimestamp"].is_string();
        // Without kubelets of their own, Pods end at once where controllers are on.
        let seconds = if self.controllers { 0 } else { grace_of(resource, &new, grace) };
        let earlier = new["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
        if !marked {
            let delay = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
            new["metadata"]["deletionTimestamp"] = self.clock.printed_after(delay).into();
            new["metadata"]["deletionGracePeriodSeconds"] = seconds.into();
            if let Some(generation) = new["metadata"]["generation"].as_i64() {
                new["metadata"]["generation"] = (generation + 1).into();
            }
            if resource.is("", "Namespace") {
                new["status"]["phase"] = "Terminating".into();
                super::remove(&mut new["metadata"], "deletionGracePeriodSeconds");
            }
        } else if grace.is_some() && seconds < earlier {
            new["metadata"]["deletionGracePeriodSeconds"] = seconds.into();
        }
        if dry_run {
            return Arc::new(Stored::new(new, stored.revision));
        }
        if is_over(resource, &new) {
            // Only Pods are marked before they go.
            let marked = resource.is("", "Pod");
            let last = if marked { Arc::new(Stored::new(new, stored.revision)) } else { stored.clone() };
            self.take_out(resource, stored);
            return last;
        }
        if new == stored.value {
            return stored.clone();
        }
        let last = self.store.put(&resource.key(), new);
        self.settle(resource, &last, false);
        last
    }

    /// Takes an object out of the store and lets go of what it had.
    pub(super) fn take_out(&mut self, resource: &Resource, stored: &Arc<Stored>) {
        let Some(last) = self.store.remove(&resource.key(), stored.namespace(), stored.name()) else {
            return;
        };
        if resource.is("", "Service") {
            self.addresses.release(&last.value);
        }
        self.settle(resource, &last, true);
    }
}

/// Only Pods that run somewhere are given time.
fn grace_of(resource: &Resource, object: &Value, asked: Option<i64>) -> i64 {
    if !resource.is("", "Pod") || text(&object["spec"], "nodeName").is_empty() {
        return 0;
    }
    let own = object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    asked.unwrap_or(own).max(0)
}

fn success(resource: &Resource, stored: &Stored) -> Value {
    let mut details = Map::new();
    let uid = text(&stored.value["metadata"], "uid");
    for (key, value) in
        [("name", stored.name()), ("group", &resource.group), ("kind", &resource.plural), ("uid", uid)]
    {
        if !value.is_empty() {
            details.insert(key.to_owned(), value.into());
        }
    }
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
