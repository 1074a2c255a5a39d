//! What every unit and front is translated with: the configuration, the facts, and what
//! follows from both once for all.

use std::sync::Arc;

use ako_avi_types::{Kind, Label, Marker, ObjectKey, Ref, Referred};
use ako_core::checksum::Checksum;
use ako_core::config::{IpFamily, ServiceMode};
use ako_core::name::Names;
use ako_core::resource::Protocol;
use ako_core::{CloudType, Config, Facts, Look, annotation};

use crate::placement::{Chosen, Placement};
use crate::view::View;

const HOST_MARKER: &str = "Host";
/// The marker that names an AviInfraSetting. Source: L7 objects, §4.1.
const SETTING_MARKER: &str = "InfrasettingName";

/// One configuration and one set of facts.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    pub(crate) config: Arc<Config>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) owner: Arc<str>,
    pub(crate) cloud_ref: Ref,
    /// Where the objects of what is translated are placed.
    pub(crate) placement: Arc<Placement>,
    cluster: Arc<str>,
    /// The start of the names that no other instance uses.
    pub(crate) shared_prefix: Arc<str>,
    /// What names end with that upstream's formula would give to two hosts; else empty.
    apart: Arc<str>,
    /// The monitors of TCP, UDP and SCTP pools: thousands of pools share them.
    monitors: [Ref; 3],
}

impl Context {
    pub(crate) fn new(config: Config, facts: Facts) -> Self {
        Self {
            owner: config.owner().into(),
            cloud_ref: Ref::named(Kind::Cloud, config.cloud_name.clone()),
            placement: Arc::new(Placement::of_configuration(&config, &facts)),
            cluster: config.cluster_name.clone(),
            apart: Arc::default(),
            shared_prefix: Names::new(&config).shared_prefix().into(),
            monitors: [Protocol::Tcp, Protocol::Udp, Protocol::Sctp]
                .map(|protocol| Ref::named(Kind::HealthMonitor, format!("System-{}", protocol.as_str()))),
            config: Arc::new(config),
            facts: Arc::new(facts),
        }
    }

    /// The same, for objects in another tenant.
    pub(crate) fn in_tenant(&self, tenant: &Arc<str>) -> Self {
        if self.placement.tenant == *tenant {
            return self.clone();
        }
        Self { placement: Arc::new(self.placement.in_tenant(tenant)), ..self.clone() }
    }

    /// The same, for objects that a setting places.
    pub(crate) fn placed(&self, view: &View<'_>, chosen: Option<&Chosen<'_>>) -> Self {
        let Some(Chosen { setting, is_named }) = chosen else { return self.clone() };
        let (config, facts) = (&self.config, &self.facts);
        // vCenter has networks of one name; upstream names them by uuid there.
        let uuid_of = |name: &Arc<str>| {
            let referred = Referred::named(Kind::Network, config.tenant.clone(), name.clone());
            match view.look_up(referred) {
                Look::Found(brief) if !brief.has_namesakes => Some(brief.uuid.clone()),
                _ => None,
            }
        };
        let uuid_of = |name: &Arc<str>| (facts.cloud == CloudType::VCenter).then(|| uuid_of(name)).flatten();
        let placement = self.placement.by(setting, *is_named, config, facts, &uuid_of);
        Self { placement: Arc::new(placement), ..self.clone() }
    }

    /// The tenant of a namespace: the one that its annotation names, else that
    /// of the configuration; an error where objects in it would not be seen.
    /// Source: L4 and network, C.
    pub(crate) fn tenant_of(&self, view: &View<'_>, namespace: &Arc<str>) -> Result<Arc<str>, String> {
        let own = &self.config.tenant;
        let annotated = view.namespace(namespace).and_then(|namespace| namespace.tenant.clone());
        match annotated {
            Some(tenant) if self.config.dedicated_tenant && tenant != *own => Err(format!(
                "namespace {namespace} asks for tenant {tenant}, and with dedicatedTenantMode only tenant {own} is \
                 read: remove its annotation {}, or set dedicatedTenantMode=false",
                annotation::TENANT
            )),
            Some(tenant) => Ok(tenant),
            None => Ok(own.clone()),
        }
    }

    /// Whether the cloud and the configuration use addresses of a family.
    /// Source: L4 and network, B13.
    pub(crate) fn uses_family(&self, ipv6: bool) -> bool {
        let family = match (self.facts.cloud.supports_ipv6(), self.config.ip_family) {
            (false, _) => IpFamily::V4,
            (true, None) => IpFamily::Both,
            (true, Some(family)) => family,
        };
        family != if ipv6 { IpFamily::V4 } else { IpFamily::V6 }
    }

    /// The sub-domain under which hosts and names are generated.
    pub(crate) fn subdomain(&self) -> Option<Arc<str>> {
        self.facts.subdomain(&self.config.default_domain).cloned()
    }

    /// The health monitor of pools of a protocol.
    pub(crate) fn monitor(&self, protocol: Protocol) -> Ref {
        let [tcp, udp, sctp] = &self.monitors;
        match protocol {
            Protocol::Tcp => tcp.clone(),
            Protocol::Udp => udp.clone(),
            Protocol::Sctp => sctp.clone(),
        }
    }

    /// The same with names of its own for what the paths of a host are made of.
    pub(crate) fn apart(&self, by: Arc<str>) -> Self {
        Self { apart: by, ..self.clone() }
    }

    pub(crate) fn names(&self) -> Names<'_> {
        let Placement { shards, passthrough_shards, infix, .. } = &*self.placement;
        Names::new(&self.config).placed(*shards, *passthrough_shards, infix).apart(&self.apart)
    }

    pub(crate) fn checksum(&self) -> Checksum {
        Checksum::of_cluster(&self.cluster)
    }

    /// The markers of an object: the cluster's first, then the given ones that have values. What
    /// is for a host tells the setting that places it, too, if that is in its name.
    pub(crate) fn markers(&self, mut fields: Vec<(&'static str, Vec<Arc<str>>)>) -> Vec<Marker> {
        let cluster = Marker { key: "clustername".into(), values: vec![self.cluster.clone()] };
        if let Some(setting) = &self.placement.named
            && let Some(host) = fields.iter().position(|(key, _)| *key == HOST_MARKER)
        {
            fields.insert(host + 1, (SETTING_MARKER, vec![setting.clone()]));
        }
        let others = fields.into_iter().filter_map(|(key, values)| ako_core::name::marker(key, values));
        std::iter::once(cluster).chain(others).collect()
    }

    pub(crate) fn key(&self, kind: Kind, name: impl Into<Arc<str>>) -> ObjectKey {
        ObjectKey::new(kind, self.placement.tenant.clone(), name)
    }

    /// Whether a Service Engine group with these labels is marked for another cluster, and this
    /// one would have to mark it: its service engines would not take the routes to our pods.
    pub(crate) fn bears_another_label(&self, labels: &[Label]) -> bool {
        let ours = Label::of_cluster(self.cluster.clone());
        self.config.needs_routes(self.facts.cloud) && !labels.is_empty() && !labels.contains(&ours)
    }

    /// Whether Services are to be annotated for the node ports of their pods.
    pub(crate) fn requests_node_ports(&self) -> bool {
        self.config.service_mode == ServiceMode::NodePortLocal && self.config.auto_annotate
    }
}
