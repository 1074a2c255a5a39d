//! What all translations of one configuration have in common.

use std::sync::Arc;

use ako_avi_types::{Kind, Marker, ObjectKey, Ref};
use ako_core::checksum::{Checksum, sha1_hex};
use ako_core::config::{IpFamily, ServiceMode, VipNetwork};
use ako_core::name::Names;
use ako_core::resource::Protocol;
use ako_core::{Config, Facts, Key, NamespacedName, Snapshot, annotation};

use crate::contribution::Contribution;
use crate::front::{self, FrontKey, FrontOutput};
use crate::limits::Room;
use crate::unit::{UnitKey, UnitOutput};
use crate::view::View;
use crate::{host, ingress, l4, se_group, shared_vip, static_routes};

/// How many letters of a digest tell the names of two hosts apart.
const APART: usize = 8;

/// Translates for one configuration and one set of facts.
#[derive(Clone, Debug)]
pub struct Translator {
    pub(crate) config: Arc<Config>,
    pub(crate) facts: Arc<Facts>,
    pub(crate) owner: Arc<str>,
    /// The networks that addresses come from, each with its uuid where its name is not enough.
    pub(crate) vip_networks: Vec<VipNetwork>,
    /// The tenant that objects are made in.
    pub(crate) tenant: Arc<str>,
    pub(crate) tenant_ref: Ref,
    pub(crate) cloud_ref: Ref,
    pub(crate) se_group_ref: Ref,
    /// The VRF, or nothing where a tier-1 router takes its place.
    pub(crate) vrf_ref: Option<Ref>,
    /// The VRF, which children name in any case.
    pub(crate) child_vrf_ref: Ref,
    cluster: Arc<str>,
    /// The start of the names that no other instance uses.
    shared_prefix: Arc<str>,
    /// What names end with that upstream's formula would give to two hosts; else empty.
    apart: Arc<str>,
    /// The monitors of TCP, UDP and SCTP pools: thousands of pools share them.
    monitors: [Ref; 3],
}

impl Translator {
    /// A translator.
    pub fn new(config: Config, facts: Facts) -> Self {
        let child_vrf_ref = Ref::named(Kind::VrfContext, facts.vrf.clone());
        let vrf_ref = config.tier1_router.is_empty().then(|| child_vrf_ref.clone());
        Self {
            owner: config.owner().into(),
            vip_networks: config.vip_networks.iter().map(|network| identified(network, &facts)).collect(),
            tenant: config.tenant.clone(),
            tenant_ref: Ref::named(Kind::Tenant, config.tenant.clone()),
            cloud_ref: Ref::named(Kind::Cloud, config.cloud_name.clone()),
            se_group_ref: Ref::named(Kind::ServiceEngineGroup, config.se_group.clone()),
            vrf_ref,
            child_vrf_ref,
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
        if self.tenant == *tenant {
            return self.clone();
        }
        let tenant_ref = Ref::named(Kind::Tenant, tenant.clone());
        Self { tenant: tenant.clone(), tenant_ref, ..self.clone() }
    }

    /// The tenant of a namespace: the one that its annotation names, else that
    /// of the configuration; an error where objects in it would not be seen.
    /// Source: L4 and network, C.
    pub(crate) fn tenant_of(&self, view: &View<'_>, namespace: &str) -> Result<Arc<str>, String> {
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

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The facts.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The start of the names that no other instance uses: those of shared
    /// virtual services.
    pub fn shared_prefix(&self) -> &str {
        &self.shared_prefix
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
    pub fn subdomain(&self) -> Option<Arc<str>> {
        self.facts.subdomain(&self.config.default_domain).cloned()
    }

    /// Translates one unit. A unit that nothing asks for yields nothing but its
    /// read-set.
    pub fn unit(&self, snapshot: &Snapshot, key: &UnitKey) -> UnitOutput {
        let view = View::new(snapshot);
        let mut out = UnitOutput::default();
        match key {
            UnitKey::ServiceEngineGroup => se_group::translate(self, &view, &mut out),
            UnitKey::StaticRoutes => static_routes::translate(self, &view, &mut out),
            UnitKey::Host(name) => host::translate(self, &view, name, &mut out),
            UnitKey::Service(id) => l4::translate(self, &view, id, &mut out),
            UnitKey::SharedVip(key) => shared_vip::translate(self, &view, key, &mut out),
            UnitKey::Ingress(id) => ingress::translate(&view, id, &mut out),
        }
        view.note(own_key(key));
        out.reads = view.into_reads();
        out.diagnostics.sort();
        out.shrink();
        out
    }

    /// The same with names of its own for what a host's paths are made of: upstream's are
    /// those of another host. What has no other name is called as always.
    pub fn unit_apart(&self, snapshot: &Snapshot, key: &UnitKey) -> UnitOutput {
        let mut apart = sha1_hex(&key.to_string());
        apart.truncate(APART);
        Self { apart: apart.into(), ..self.clone() }.unit(snapshot, key)
    }

    /// Assembles one front from what units contribute to it, in order of the
    /// units. A front without contributions is an empty virtual service.
    pub fn front<'a>(
        &self,
        key: &FrontKey,
        parts: impl IntoIterator<Item = &'a Contribution>,
    ) -> FrontOutput {
        front::assemble(&self.in_tenant(&key.tenant), key, parts)
    }

    /// The room on a front.
    pub fn room(&self, key: &FrontKey) -> Room {
        front::room(&self.in_tenant(&key.tenant), key)
    }

    /// The front that a virtual service's name stands for, if it is one of
    /// ours: how fronts are recognised that nothing contributes to any more.
    pub fn front_of(&self, vs: &ObjectKey) -> Option<FrontKey> {
        front::recognise(self, vs)
    }

    /// Every unit of a snapshot.
    pub fn units(&self, snapshot: &Snapshot) -> Vec<UnitKey> {
        let hosts = snapshot.hosts().map(|h| UnitKey::Host(h.clone()));
        let services = snapshot.services().map(|s| UnitKey::Service(s.id.clone()));
        let shared = snapshot.shared_vip_keys().map(|k| UnitKey::SharedVip(k.clone()));
        let standing = UnitKey::STANDING.iter().filter_map(UnitKey::born_of);
        let without_host = snapshot.ingresses_without_host().map(|i| UnitKey::Ingress(i.id.clone()));
        standing.chain(hosts).chain(services).chain(shared).chain(without_host).collect()
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

    pub(crate) fn names(&self) -> Names<'_> {
        Names::new(&self.config).apart(&self.apart)
    }

    pub(crate) fn checksum(&self) -> Checksum {
        Checksum::of_cluster(&self.cluster)
    }

    /// The markers of an object: the cluster's first, then the given ones that
    /// have values.
    pub(crate) fn markers(&self, fields: Vec<(&'static str, Vec<Arc<str>>)>) -> Vec<Marker> {
        let cluster = Marker { key: "clustername".into(), values: vec![self.cluster.clone()] };
        let others = fields.into_iter().filter_map(|(key, values)| ako_core::name::marker(key, values));
        std::iter::once(cluster).chain(others).collect()
    }

    pub(crate) fn key(&self, kind: Kind, name: impl Into<Arc<str>>) -> ObjectKey {
        ObjectKey::new(kind, self.tenant.clone(), name)
    }

    /// Whether Services are to be annotated for the node ports of their pods.
    pub(crate) fn requests_node_ports(&self) -> bool {
        self.config.service_mode == ServiceMode::NodePortLocal && self.config.auto_annotate
    }

    /// A tier-1 router, if the cloud is configured with one.
    pub(crate) fn tier1(&self) -> Option<Arc<str>> {
        Some(self.config.tier1_router.clone()).filter(|router| !router.is_empty())
    }
}

/// The key under which a unit is found even before it looked at anything.
fn own_key(unit: &UnitKey) -> Key {
    match unit {
        UnitKey::ServiceEngineGroup => Key::Instances,
        UnitKey::StaticRoutes => Key::Nodes,
        UnitKey::Host(host) => Key::Host(host.clone()),
        UnitKey::Service(id) => Key::Service(id.clone()),
        UnitKey::SharedVip(key) => Key::SharedVip(NamespacedName::clone(key)),
        UnitKey::Ingress(id) => Key::Ingress(id.clone()),
    }
}

/// A network with its uuid where others of its name exist. Source: L4 and network, B9.
fn identified(network: &VipNetwork, facts: &Facts) -> VipNetwork {
    let found = network.uuid.is_empty().then(|| facts.vip_networks.get(&network.name)).flatten();
    VipNetwork { uuid: found.unwrap_or(&network.uuid).clone(), ..network.clone() }
}
