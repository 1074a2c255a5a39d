//! Creation.

use http::StatusCode;
use serde_json::{Value, json};

use super::{Outcome, decode, empty, refuse_if_any, remove, validate};
use crate::apply::track_update;
use crate::call::{Call, Target};
use crate::cluster::{Cluster, text};
use crate::kinds;
use crate::resource::Resource;
use crate::status::{Granted, Refusal};
use crate::store::Stored;
use std::sync::Arc;

impl Cluster {
    /// Creates what the body describes.
    pub(super) fn create(&mut self, call: &Call, target: &Target, body: Value) -> Granted<Outcome> {
        self.create_as(call, target, body, false)
    }

    /// Creates an object; `applied` tells that its `managedFields` are complete.
    pub(super) fn create_as(
        &mut self,
        call: &Call,
        target: &Target,
        mut object: Value,
        applied: bool,
    ) -> Granted<Outcome> {
        let resource = &target.resource;
        let warnings = decode(resource, &mut object, call)?;
        self.identify(target, &mut object)?;
        kinds::set_defaults(resource, &mut object);
        if !applied {
            remove(&mut object["metadata"], "managedFields");
            let writer = self.writer(call, target);
            track_update(resource, &writer, &empty(resource), &mut object);
        }
        let stored = self.insert(resource, object, call.dry_run())?;
        Ok(Outcome::object(StatusCode::CREATED, stored, warnings))
    }

    /// Where the object belongs, and its name.
    fn identify(&mut self, target: &Target, object: &mut Value) -> Granted<()> {
        let resource = &target.resource;
        let metadata = &mut object["metadata"];
        if !matches!(text(metadata, "resourceVersion"), "" | "0") {
            return Err(Refusal::unexpected("resourceVersion should not be set on objects to be created"));
        }
        if resource.namespaced {
            let given = text(metadata, "namespace");
            if !given.is_empty() && given != target.namespace {
                return Err(Refusal::bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request",
                ));
            }
            metadata["namespace"] = target.namespace.as_str().into();
        } else {
            remove(metadata, "namespace");
        }
        let prefix = text(metadata, "generateName").to_owned();
        if text(metadata, "name").is_empty() && !prefix.is_empty() {
            let prefix: String = prefix.chars().take(58).collect();
            metadata["name"] = format!("{prefix}{}", self.ids.suffix()).into();
        }
        let name = text(metadata, "name").to_owned();
        self.check_namespace(resource, &target.namespace, &name)
    }

    /// Nothing is created in namespaces that are missing or ending.
    fn check_namespace(&self, resource: &Resource, namespace: &str, name: &str) -> Granted<()> {
        if !resource.namespaced {
            return Ok(());
        }
        let Some(found) = self.namespace(namespace) else {
            return match self.built_in("", "namespaces") {
                Some(namespaces) => Err(Refusal::not_found(&namespaces, namespace)),
                None => Ok(()),
            };
        };
        if found.value["metadata"]["deletionTimestamp"].is_null() {
            return Ok(());
        }
        let why =
            format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut refusal = Refusal::forbidden_object(resource, name, &why);
        if let Some(details) = &mut refusal.details {
            details["causes"] = json!([{
                "reason": "NamespaceTerminating",
                "message": format!("namespace {namespace} is being terminated"),
                "field": "metadata.namespace",
            }]);
        }
        Err(refusal)
    }

    /// Gives an object what only the server gives, and keeps it.
    pub(crate) fn insert(
        &mut self,
        resource: &Resource,
        mut object: Value,
        dry_run: bool,
    ) -> Granted<Arc<Stored>> {
        kinds::begin(resource, &mut object);
        if resource.custom.is_some() && resource.status {
            remove(&mut object, "status");
        }
        if resource.is("", "Pod") {
            kinds::workload::admit_pod(&mut object);
        }
        if resource.is("", "Namespace") {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
        }
        let metadata = &mut object["metadata"];
        for field in
            ["deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink", "generation"]
        {
            remove(metadata, field);
        }
        metadata["uid"] = self.ids.uid().into();
        metadata["creationTimestamp"] = self.clock.printed().into();
        if resource.has_generation() {
            metadata["generation"] = 1.into();
        }
        validate(resource, &object, None)?;
        let name = text(&object["metadata"], "name").to_owned();
        let namespace = text(&object["metadata"], "namespace").to_owned();
        let key = resource.key();
        if self.store.get(&key, &namespace, &name).is_some() {
            return Err(Refusal::exists(resource, &name));
        }
        if self.store.len() >= self.most_objects {
            return Err(Refusal::internal("etcdserver: mvcc: database space exceeded"));
        }
        if resource.is("", "Service") {
            let refused = |causes: Vec<_>| refuse_if_any(resource, &name, &causes);
            if let Err(causes) = self.addresses.allocate(&mut object) {
                refused(causes)?;
            }
            if dry_run {
                self.addresses.release(&object);
            }
        }
        if resource.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            self.establish(&mut object)?;
        }
        if dry_run {
            return Ok(Arc::new(Stored::new(object, 0)));
        }
        let stored = self.store.put(&key, object);
        self.settle(resource, &stored, false);
        Ok(stored)
    }
}
