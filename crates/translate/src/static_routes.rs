//! Static routes: to the pods of a node by way of the node.
//! Source: L4 and network, B4–B6.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::sync::Arc;

use ako_avi_types::pool::Subnet;
use ako_avi_types::{IpAddress, Kind, Label, Object, Ref, Referred, StaticRoute, VrfContext};
use ako_core::facts::has_tier1_vrf;
use ako_core::resource::{AviInfraSetting, Node, NodeSubnets};
use ako_core::{Look, Reason, ResourceId, ResourceKind, Stored as _, annotation};

use crate::context::Context;
use crate::endpoints::address_of_family;
use crate::output::Output;
use crate::unit::node_id;
use crate::view::View;

/// Where a node's pods are, and how to get there.
struct Candidate<'a> {
    node: &'a Node,
    route: StaticRoute,
}

/// The VRFs with all routes of the cluster. If they are not this instance's to
/// write, no VRF is wanted, and so each is left exactly as it is.
pub(crate) fn translate(context: &Context, view: &View<'_>, out: &mut Output) {
    if !context.config.needs_routes(context.facts.cloud)
        || !view.owns_routes(&context.config.operator_namespace)
    {
        return;
    }
    let subnets = SubnetsOfNodes::new(context, view);
    let mut routes = BTreeMap::new();
    for node in view.all::<Node>().filter(|_| !context.config.delete_config) {
        for (network, candidate) in of_node(context, &subnets, node, out) {
            settle(&mut routes, network, candidate, out);
        }
    }
    let routes: Vec<_> = routes.into_values().map(|candidate| candidate.route).collect();
    for (name, tenant) in vrfs(context, view, out) {
        let vrf = VrfContext {
            name,
            tenant_ref: Some(Ref::named(Kind::Tenant, tenant)),
            cloud_ref: Some(context.cloud_ref.clone()),
            cluster: context.config.cluster_name.clone(),
            static_routes: routes.clone(),
            tier1_router: None,
        };
        let mut vrf = Object::VrfContext(vrf);
        vrf.normalise();
        out.objects.push(Arc::new(vrf));
    }
}

/// The VRFs that the routes are for, by name, each with its tenant: that of the configuration, and
/// those that NSX-T maps to the tier-1 routers of AviInfraSettings, rejected or not, as what is
/// placed there stays.
fn vrfs(context: &Context, view: &View<'_>, out: &mut Output) -> BTreeMap<Arc<str>, Arc<str>> {
    let Context { config, facts, .. } = context;
    let mut vrfs = BTreeMap::from([(facts.vrf.clone(), facts.vrf_tenant.clone())]);
    if !has_tier1_vrf(config, facts.cloud) {
        return vrfs;
    }
    for setting in view.all::<AviInfraSetting>() {
        let Some(router) = setting.t1lr.as_ref().filter(|router| **router != config.tier1_router) else {
            continue;
        };
        match view.look_up(Referred::vrf_of_tier1(config.tenant.clone(), router.clone())) {
            Look::Found(vrf) => {
                let tenant = vrf.tenant.clone().unwrap_or_else(|| config.tenant.clone());
                vrfs.entry(vrf.name.clone()).or_insert(tenant);
            }
            Look::Missing => {
                let message = format!(
                    "no VRF of cloud {:?} is that of tier-1 router {router}, so that no static routes to pods are written                      for it: correct nsxSettings.t1lr, or map the router in the cloud",
                    &*config.cloud_name
                );
                let setting = ResourceId { kind: AviInfraSetting::KIND, name: setting.id.clone() };
                out.tell(&setting, Reason::SettingNotApplied, message);
            }
            Look::NotAsked | Look::Unreadable(_) => out.is_partial = true,
        }
    }
    vrfs
}

/// Of two nodes with the same subnet the younger has it: a node that was
/// replaced is still listed for a while, and its pods are gone.
fn settle<'a>(
    routes: &mut BTreeMap<Network, Candidate<'a>>,
    network: Network,
    candidate: Candidate<'a>,
    out: &mut Output,
) {
    let mut entry = match routes.entry(network) {
        Entry::Vacant(free) => {
            free.insert(candidate);
            return;
        }
        Entry::Occupied(entry) => entry,
    };
    // Nodes come by name, so that of two of the same age the first name wins.
    let loser = if candidate.node.meta.created > entry.get().node.meta.created {
        entry.insert(candidate)
    } else {
        candidate
    };
    let winner = entry.get();
    if winner.node.name == loser.node.name {
        return;
    }
    let message = format!(
        "{}/{} is node {:?}'s, which is younger or comes first by name, and a subnet has one route: if this \
         node is gone, delete it, else give one of them another subnet",
        loser.route.prefix.ip_addr.addr, loser.route.prefix.mask, &*winner.node.name
    );
    out.tell(&node_id(&loser.node.name), Reason::DuplicateRoute, message);
}

/// The routes to a node's subnets. What is wrong with the node is told in one
/// finding.
fn of_node<'a>(
    context: &Context,
    subnets: &SubnetsOfNodes<'_>,
    node: &'a Node,
    out: &mut Output,
) -> Vec<(Network, Candidate<'a>)> {
    let mut routes = Vec::new();
    let mut troubles = Vec::new();
    let hops = [false, true].map(|ipv6| address_of_family(node, ipv6).filter(|_| context.uses_family(ipv6)));
    let cidrs = subnets.of(node).unwrap_or_else(|trouble| {
        troubles.push(trouble);
        Vec::new()
    });
    if hops == [None, None] {
        let family = if context.uses_family(true) { "" } else { " IPv4" };
        troubles.push(format!("it has no{family} address: neither its CNI nor an InternalIP tells one"));
    }
    for (cidr, index) in cidrs.into_iter().zip(0_usize..) {
        let Some((address, mask)) = parsed(cidr) else {
            troubles
                .push(format!("{cidr:?} is no subnet (as in 10.244.1.0/24): correct it {}", subnets.place));
            continue;
        };
        // A family without an address of the node is skipped, as upstream does.
        let Some(hop) = hops[usize::from(address.is_ipv6())] else { continue };
        let text = cidr.split('/').next().unwrap_or_default().trim();
        let route = StaticRoute {
            prefix: Subnet { ip_addr: IpAddress::new(text), mask },
            next_hop: IpAddress::new(hop.clone()),
            route_id: format!("{}-{}-{index}", context.config.cluster_name, identity(node)).into(),
            labels: vec![Label::of_cluster(context.config.cluster_name.clone())],
        };
        routes.push((network(address, mask), Candidate { node, route }));
    }
    if !troubles.is_empty() {
        let message = format!("no route to (all of) its pods: {}", troubles.join("; "));
        out.tell(&node_id(&node.name), Reason::NoRoute, message);
    }
    routes
}

/// What tells a node from others; only files have nodes without a uid.
fn identity(node: &Node) -> &str {
    if node.meta.uid.is_empty() { &node.name } else { &node.meta.uid }
}

/// A subnet without what is behind its prefix, so that equal ones are found
/// however they are written.
type Network = (IpAddr, u8);

fn parsed(cidr: &str) -> Option<(IpAddr, u8)> {
    let (address, mask) = cidr.trim().split_once('/')?;
    let (address, mask) = (address.parse::<IpAddr>().ok()?, mask.parse::<u8>().ok()?);
    (mask <= if address.is_ipv6() { 128 } else { 32 }).then_some((address, mask))
}

fn network(address: IpAddr, mask: u8) -> Network {
    let address = match address {
        IpAddr::V4(ip) => {
            let kept = u32::MAX.checked_shl(32 - u32::from(mask)).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & kept).into())
        }
        IpAddr::V6(ip) => {
            let kept = u128::MAX.checked_shl(128 - u32::from(mask)).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & kept).into())
        }
    };
    (address, mask)
}

type ByNode<'a> = BTreeMap<&'a str, Vec<&'a Arc<str>>>;

/// Where the subnets of nodes are told, depending on the CNI.
struct SubnetsOfNodes<'a> {
    cni: &'a str,
    /// What the CNI's own objects say, by node.
    own: Option<(ResourceKind, ByNode<'a>)>,
    /// Where to correct them, for people.
    place: &'static str,
}

impl<'a> SubnetsOfNodes<'a> {
    fn new(context: &'a Context, view: &View<'a>) -> Self {
        let cni = &*context.config.cni;
        let own = ResourceKind::of_subnets(&context.config).map(|kind| {
            let mut by_node = ByNode::new();
            for NodeSubnets { node, cidrs, .. } in view.subnets(kind) {
                by_node.entry(node).or_default().extend(cidrs);
            }
            (kind, by_node)
        });
        let place = match (&own, cni) {
            (Some(_), _) => "in the objects of its CNI",
            (None, "ovn-kubernetes") => "in annotation k8s.ovn.org/node-subnets",
            (None, _) => "in annotation ako.vmware.com/pod-cidrs or spec.podCIDRs",
        };
        Self { cni, own, place }
    }

    /// The subnets of a node, or why there are none.
    fn of<'n>(&'n self, node: &'n Node) -> Result<Vec<&'n str>, String> {
        let cidrs: Vec<&Arc<str>> = match (&self.own, self.cni) {
            (Some((kind, by_node)), _) => {
                let cidrs = by_node.get(&*node.name).cloned().unwrap_or_default();
                // Calico gives a node its first block with its first pod.
                if cidrs.is_empty() && *kind != ResourceKind::BlockAffinity {
                    return Err(format!(
                        "no {} tells its subnets: does {:?} run on it, with an IPAM of its own? \
                         Else leave cniPlugin empty",
                        kind.as_str(),
                        self.cni
                    ));
                }
                cidrs
            }
            (None, "ovn-kubernetes") => match &node.ovn_cidrs {
                Some(cidrs) if !cidrs.is_empty() => cidrs.iter().collect(),
                _ => {
                    let key = annotation::OVN_SUBNETS;
                    return Err(format!(
                        "annotation {key} tells no default subnet: does OVN-Kubernetes run on it?"
                    ));
                }
            },
            (None, cni) => {
                let cidrs = node.annotated_cidrs.as_ref().unwrap_or(&node.pod_cidrs);
                if cidrs.is_empty() {
                    let key = annotation::POD_CIDRS;
                    return Err(format!(
                        "neither annotation {key} nor spec.podCIDRs tells its subnets: set one, or cniPlugin \
                         (now {cni:?}) if the CNI keeps them elsewhere"
                    ));
                }
                cidrs.iter().collect()
            }
        };
        Ok(cidrs.into_iter().map(|cidr| &**cidr).collect())
    }
}
