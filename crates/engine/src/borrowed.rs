//! What is found while running, for people: what keeps borrowed objects from holding our
//! part of them, and statuses that are refused.

use ako_avi_types::{Kind, Object, ObjectKey};
use ako_core::instance::Claim;
use ako_core::{Diagnostic, NamespacedName, Reason, ResourceId, ResourceKind};

use crate::engine::Engine;

impl Engine {
    /// Findings about what is on the controller and not ours to create, which are about
    /// the configuration that names it; and about statuses that the API server refuses.
    pub fn findings(&self) -> Vec<Diagnostic> {
        if !self.is_synced() {
            return Vec::new();
        }
        let found = self.desired.borrowed().filter_map(|(key, wanted)| {
            let (reason, message) = match self.controller.get(key) {
                None if self.missing.contains(key) => (Reason::SharedObjectMissing, missing(key)),
                None => return None,
                Some(observed) => (Reason::LabelledByAnother, taken(key, wanted, &observed.body)?),
            };
            Some(Diagnostic { object: self.configuration(), reason, message: message.into() })
        });
        found.chain(self.kept_addresses()).chain(self.publisher.findings()).collect()
    }

    /// Addresses that are asked for and that the controller will not give, as another system
    /// gave others before.
    fn kept_addresses(&self) -> impl Iterator<Item = Diagnostic> {
        let vsvips = self.desired.objects().filter(|_| self.desired.translator().facts().has_foreign_ipam);
        vsvips.flat_map(|(key, wanted)| {
            let observed = self.controller.get(key).map(|observed| &*observed.body);
            let (Object::VsVip(wanted), Some(Object::VsVip(observed))) = (&**wanted, observed) else {
                return Vec::new();
            };
            let Some(address) = wanted.addresses_unlike(observed).next() else { return Vec::new() };
            let message = format!(
                "the wanted load balancer IP {address} has no effect: the cloud's IPAM profile is of type Infoblox \
                 or Custom, with which the controller does not change an address that it has; delete the Service \
                 and create it anew to get another one"
            );
            let finding = |object: &ResourceId| Diagnostic {
                object: object.clone(),
                reason: Reason::AddressKept,
                message: message.as_str().into(),
            };
            self.desired.bound_to(key).map(finding).collect()
        })
    }

    /// The ConfigMap of this instance.
    pub(crate) fn configuration(&self) -> ResourceId {
        let namespace = self.desired.translator().config().operator_namespace.clone();
        ResourceId { kind: ResourceKind::ConfigMap, name: NamespacedName::new(namespace, Claim::CONFIG_MAP) }
    }
}

fn missing(key: &ObjectKey) -> String {
    let (what, lacking, option, permission) = match key.kind {
        Kind::VrfContext => ("VRF", "no static routes are written", "vrfName", "VRFCONTEXT"),
        _ => ("SE group", "it is not labelled", "serviceEngineGroupName", "SERVICEENGINEGROUP"),
    };
    format!(
        "{what} {:?} does not exist in the cloud, or the account may not read it, so that {lacking}: create it, \
         correct {option}, or grant the account's role PERMISSION_{permission}; disableStaticRouteSync=true if \
         the pods are reached without",
        &*key.name,
    )
}

fn taken(key: &ObjectKey, wanted: &Object, observed: &Object) -> Option<String> {
    let (Object::ServiceEngineGroup(wanted), Object::ServiceEngineGroup(observed)) = (wanted, observed)
    else {
        return None;
    };
    let label = wanted.claimed(observed)?;
    Some(format!(
        "SE group {:?} bears the label {}={}, so that its service engines do not take this cluster's routes: set \
         serviceEngineGroupName to a group of this cluster's own, or remove the label if nobody needs it any more",
        &*key.name, label.key, label.value
    ))
}
