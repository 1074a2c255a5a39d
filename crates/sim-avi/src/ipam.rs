//! Allocation of virtual IP addresses from static ranges (Avi REST API contract, §12).

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::defaults::elements;
use crate::kind;
use crate::reference;
use crate::refusal::{Granted, Refusal};
use crate::store::{Fields, Object, Store};

/// An address in a network (or, without IPAM, in a cloud).
type Slot = (Arc<str>, IpAddr);

/// Which addresses are taken.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ipam {
    taken: HashMap<Slot, Arc<str>>,
    /// By VsVip.
    owned: HashMap<Arc<str>, Vec<Slot>>,
    /// By network and beginning of a range: everything in the range below is taken.
    floors: HashMap<Arc<str>, BTreeMap<IpAddr, IpAddr>>,
}

/// The VsVip for which addresses are wanted.
pub(crate) struct Applicant<'a> {
    pub(crate) uuid: &'a Arc<str>,
    pub(crate) cloud: Option<&'a str>,
    /// The full stored object, when it is replaced.
    pub(crate) previous: Option<&'a Fields>,
}

/// A static range and the subnet it belongs to.
#[derive(Clone, Debug)]
struct Range {
    network: Arc<str>,
    begin: IpAddr,
    end: IpAddr,
    subnet: Value,
}

impl Ipam {
    /// Gives every vip of a VsVip its addresses. On refusal nothing is taken.
    pub(crate) fn allocate(
        &mut self,
        store: &Store,
        object: &mut Fields,
        who: &Applicant<'_>,
    ) -> Granted<()> {
        let mut vips = match object.get("vip") {
            Some(Value::Array(vips)) => vips.clone(),
            _ => Vec::new(),
        };
        let mut fresh = Vec::new();
        for vip in vips.iter_mut().filter_map(Value::as_object_mut) {
            let earlier = who.previous.and_then(|previous| {
                elements(previous, "vip").find(|old| old.get("vip_id") == vip.get("vip_id"))
            });
            let outcome = match (who.previous, earlier.and_then(Value::as_object)) {
                (Some(_), Some(earlier)) if is_foreign(store, who.cloud) => keep_all(vip, earlier),
                (Some(previous), None) if elements(previous, "vip").next().is_some() => Err(changed_vip()),
                (_, Some(earlier)) if addresses(earlier).next().is_some() => keep(vip, earlier),
                _ => self.grant(store, vip, who, &mut fresh),
            };
            if let Err(refusal) = outcome {
                for slot in &fresh {
                    self.release(slot);
                }
                return Err(refusal);
            }
        }
        if !vips.is_empty() {
            object.insert("vip".to_owned(), Value::Array(vips));
        }
        Ok(())
    }

    /// Records addresses that a seeded or edited object holds already.
    pub(crate) fn adopt(&mut self, store: &Store, object: &Object) {
        for vip in elements(&object.full, "vip").filter_map(Value::as_object) {
            let ranges = candidates(store, vip, object.cloud.as_deref()).unwrap_or_default();
            for address in addresses(vip) {
                let range = ranges.iter().find(|range| range.begin <= address && address <= range.end);
                if let Some(range) = range {
                    self.take((range.network.clone(), address), &object.uuid);
                }
            }
        }
    }

    /// Frees what a VsVip no longer holds; everything, if it is gone (`None`).
    pub(crate) fn settle(&mut self, uuid: &str, left: Option<&Fields>) {
        let held: Vec<IpAddr> = left
            .into_iter()
            .flat_map(|object| elements(object, "vip"))
            .filter_map(Value::as_object)
            .flat_map(addresses)
            .collect();
        let slots = self.owned.get(uuid).cloned().unwrap_or_default();
        slots.iter().filter(|slot| !held.contains(&slot.1)).for_each(|slot| self.release(slot));
    }

    fn take(&mut self, slot: Slot, owner: &Arc<str>) {
        self.owned.entry(owner.clone()).or_default().push(slot.clone());
        self.taken.insert(slot, owner.clone());
    }

    fn release(&mut self, slot: &Slot) {
        if let Some(owner) = self.taken.remove(slot)
            && let Some(owned) = self.owned.get_mut(&owner)
        {
            owned.retain(|other| other != slot);
            if owned.is_empty() {
                self.owned.remove(&owner);
            }
        }
        for (begin, floor) in self.floors.get_mut(&slot.0).into_iter().flatten() {
            if *begin <= slot.1 && slot.1 < *floor {
                *floor = slot.1;
            }
        }
    }

    fn grant(
        &mut self,
        store: &Store,
        vip: &mut Fields,
        who: &Applicant<'_>,
        fresh: &mut Vec<Slot>,
    ) -> Granted<()> {
        let automatic = vip.get("auto_allocate_ip").and_then(Value::as_bool) == Some(true);
        let ranges = candidates(store, vip, who.cloud)?;
        let families =
            vip.get("auto_allocate_ip_type").and_then(Value::as_str).unwrap_or("V4_ONLY").to_owned();
        let only_v6_given = vip.contains_key("ip6_address") && !vip.contains_key("ip_address");
        let mut used = None;
        for (key, v6) in [("ip_address", false), ("ip6_address", true)] {
            let wanted = if v6 { families != "V4_ONLY" } else { families != "V6_ONLY" && !only_v6_given };
            let ranges: Vec<_> = ranges.iter().filter(|range| range.begin.is_ipv6() == v6).collect();
            let slot = match given_address(vip, key) {
                Some(address) => {
                    if let Some((network, subnet)) = self.prefer(&ranges, address, automatic)? {
                        used.get_or_insert((network.clone(), subnet));
                        Some((network, address))
                    } else {
                        None
                    }
                }
                None if automatic && wanted => {
                    let (network, address, subnet) = self.lowest_free(&ranges)?;
                    let family = if v6 { "V6" } else { "V4" };
                    vip.insert(key.to_owned(), json!({ "addr": address.to_string(), "type": family }));
                    used.get_or_insert((network.clone(), subnet));
                    Some((network, address))
                }
                None => None,
            };
            if let Some(slot) = slot {
                self.take(slot.clone(), who.uuid);
                fresh.push(slot);
            }
        }
        if let Some((network, subnet)) = used {
            describe(store, vip, &network, &subnet);
        }
        Ok(())
    }

    /// A fixed address: in a range it must be free; outside of all ranges it is
    /// refused when an allocation was asked for, and not managed otherwise.
    fn prefer(
        &self,
        ranges: &[&Range],
        address: IpAddr,
        automatic: bool,
    ) -> Granted<Option<(Arc<str>, Value)>> {
        let Some(range) = ranges.iter().find(|range| range.begin <= address && address <= range.end) else {
            if automatic {
                let error = format!("IP address {address} is in no static range; No available free IPs");
                return Err(Refusal::invalid(error));
            }
            return Ok(None);
        };
        if self.taken.contains_key(&(range.network.clone(), address)) {
            let error = format!("IP address {address} is already in use; No available free IPs");
            return Err(Refusal::invalid(error));
        }
        Ok(Some((range.network.clone(), range.subnet.clone())))
    }

    fn lowest_free(&mut self, ranges: &[&Range]) -> Granted<(Arc<str>, IpAddr, Value)> {
        for range in ranges {
            let floors = self.floors.entry(range.network.clone()).or_default();
            let floor = floors.entry(range.begin).or_insert(range.begin);
            let mut next = Some(*floor);
            while let Some(address) = next.filter(|address| *address <= range.end) {
                if !self.taken.contains_key(&(range.network.clone(), address)) {
                    *floor = address;
                    return Ok((range.network.clone(), address, range.subnet.clone()));
                }
                next = successor(address);
            }
            *floor = range.end;
        }
        Err(Refusal::invalid("No available free IPs"))
    }
}

/// Whether addresses come from another system, so that the Controller does not change a vip
/// that has one.
fn is_foreign(store: &Store, cloud: Option<&str>) -> bool {
    let cloud = cloud.and_then(|uuid| store.get(uuid));
    let profile = cloud.and_then(|cloud| store.get(reference::field(&cloud.full, "ipam_provider_ref")?));
    let of_type = profile.and_then(|profile| profile.full.get("type")?.as_str());
    matches!(of_type, Some("IPAMDNS_TYPE_INFOBLOX" | "IPAMDNS_TYPE_CUSTOM"))
}

/// A vip of a foreign IPAM has to be sent as it is held.
fn keep_all(vip: &Fields, earlier: &Fields) -> Granted<()> {
    let is_held = |(key, value): (&String, &Value)| earlier.get(key) == Some(value);
    let has_all = ["ip_address", "ip6_address", "ipam_network_subnet"]
        .into_iter()
        .all(|key| vip.get(key) == earlier.get(key));
    if has_all && vip.iter().all(is_held) {
        return Ok(());
    }
    Err(Refusal::invalid("Updating a VIP is not supported with this IPAM profile"))
}

fn changed_vip() -> Refusal {
    Refusal::invalid("Changing an existing VIP's vip_id is not supported")
}

/// What a vip keeps as long as it exists.
const KEPT: &[&str] = &["ip_address", "ip6_address", "floating_ip", "discovered_networks"];

/// A vip that stays keeps its addresses, whatever the new body leaves out.
fn keep(vip: &mut Fields, earlier: &Fields) -> Granted<()> {
    for key in ["ip_address", "ip6_address"] {
        let (given, held) = (given_address(vip, key), given_address(earlier, key));
        if given.is_some() && held.is_some() && given != held {
            let error = "Changing the IP address of an existing VIP is not supported. \
                         If a new preferred IP is needed, please recreate the VIP";
            return Err(Refusal::invalid(error));
        }
    }
    for key in KEPT {
        if let Some(value) = earlier.get(*key) {
            vip.insert((*key).to_owned(), value.clone());
        }
    }
    // Another network is stored as asked for, but the address stays where it is.
    let network = |vip: &Fields| vip.get("ipam_network_subnet")?.get("network_ref").cloned();
    if network(vip).is_none_or(|asked| network(earlier) == Some(asked))
        && let Some(subnet) = earlier.get("ipam_network_subnet")
    {
        vip.insert("ipam_network_subnet".to_owned(), subnet.clone());
    }
    Ok(())
}

fn given_address(vip: &Fields, key: &str) -> Option<IpAddr> {
    vip.get(key)?.get("addr")?.as_str()?.parse().ok()
}

/// The addresses of a vip.
fn addresses(vip: &Fields) -> impl Iterator<Item = IpAddr> {
    ["ip_address", "ip6_address"].into_iter().filter_map(|key| given_address(vip, key))
}

/// Records where the addresses came from, and the floating address of a public vip.
fn describe(store: &Store, vip: &mut Fields, network: &Arc<str>, subnet: &Value) {
    if let Some(network) = store.get(network).filter(|object| object.kind.path == "network") {
        let link = reference::internal(network.kind, &network.uuid);
        let mut chosen = match vip.remove("ipam_network_subnet") {
            Some(Value::Object(fields)) => fields,
            _ => Fields::new(),
        };
        chosen.entry("network_ref").or_insert_with(|| link.clone().into());
        let six = subnet["ip_addr"]["type"] == "V6";
        chosen.entry(if six { "subnet6" } else { "subnet" }).or_insert_with(|| subnet.clone());
        vip.insert("ipam_network_subnet".to_owned(), Value::Object(chosen));
        let list = if six { "subnet6" } else { "subnet" };
        vip.insert("discovered_networks".to_owned(), json!([{ "network_ref": link, list: [subnet] }]));
    }
    let floating = vip.get("auto_allocate_floating_ip").and_then(Value::as_bool) == Some(true);
    if let (true, Some(IpAddr::V4(address))) = (floating, given_address(vip, "ip_address")) {
        let [.., high, low] = address.octets();
        let public = Ipv4Addr::new(35, 250, high, low);
        vip.insert("floating_ip".to_owned(), json!({ "addr": public.to_string(), "type": "V4" }));
    }
}

/// The ranges a vip may draw from: of the network it names, else of the cloud's
/// usable networks, narrowed to the subnets it names.
fn candidates(store: &Store, vip: &Fields, cloud: Option<&str>) -> Granted<Vec<Range>> {
    let asked = vip.get("ipam_network_subnet").and_then(Value::as_object);
    let mut ranges = match asked.and_then(|asked| reference::field(asked, "network_ref")) {
        Some(uuid) => {
            let network = store.get(uuid).filter(|object| object.kind.path == "network");
            let network = network.ok_or_else(|| Refusal::invalid("Network object not found!"))?;
            ranges_of(network)
        }
        None => networks_of_cloud(store, cloud),
    };
    for (key, v6) in [("subnet", false), ("subnet6", true)] {
        if let Some(subnet) = asked.and_then(|asked| asked.get(key)) {
            ranges.retain(|range| {
                range.begin.is_ipv6() != v6 || range.subnet["ip_addr"]["addr"] == subnet["ip_addr"]["addr"]
            });
        }
    }
    Ok(ranges)
}

/// The ranges of the cloud's IPAM profile. A public cloud without one hands out
/// addresses of its own, here 10.250.0.0/16.
fn networks_of_cloud(store: &Store, cloud: Option<&str>) -> Vec<Range> {
    let Some(cloud) = cloud.and_then(|uuid| store.get(uuid)) else { return Vec::new() };
    let profile = reference::field(&cloud.full, "ipam_provider_ref").and_then(|uuid| store.get(uuid));
    let Some(profile) = profile else {
        let vtype = cloud.full.get("vtype").and_then(Value::as_str).unwrap_or("CLOUD_NONE");
        let private = matches!(vtype, "CLOUD_NONE" | "CLOUD_VCENTER");
        let own = Range {
            network: cloud.uuid.clone(),
            begin: IpAddr::V4(Ipv4Addr::new(10, 250, 0, 10)),
            end: IpAddr::V4(Ipv4Addr::new(10, 250, 255, 246)),
            subnet: json!({ "ip_addr": { "addr": "10.250.0.0", "type": "V4" }, "mask": 16 }),
        };
        return if private { Vec::new() } else { vec![own] };
    };
    let mut networks = Vec::new();
    if let Some(internal) = profile.full.get("internal_profile") {
        reference::each(internal, &mut |_, text| networks.extend(reference::uuid(text)));
    }
    let network = kind::find("network");
    let found = networks.into_iter().filter_map(|uuid| store.get(uuid));
    found.filter(|object| Some(object.kind) == network).flat_map(|object| ranges_of(object)).collect()
}

/// The static ranges of a network that vips may use.
fn ranges_of(network: &Object) -> Vec<Range> {
    let mut ranges = Vec::new();
    for subnet in elements(&network.full, "configured_subnets") {
        let list = |key: &str| subnet.get(key).and_then(Value::as_array).into_iter().flatten();
        let typed = list("static_ip_ranges").filter(|range| {
            matches!(range["type"].as_str(), None | Some("STATIC_IPS_FOR_VIP" | "STATIC_IPS_FOR_VIP_AND_SE"))
        });
        for range in typed.map(|range| &range["range"]).chain(list("static_ranges")) {
            let address = |key: &str| range[key]["addr"].as_str().and_then(|text| text.parse().ok());
            if let (Some(begin), Some(end)) = (address("begin"), address("end")) {
                let (network, subnet) = (network.uuid.clone(), subnet["prefix"].clone());
                ranges.push(Range { network, begin, end, subnet });
            }
        }
    }
    ranges
}

fn successor(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => u32::from(address).checked_add(1).map(|next| Ipv4Addr::from(next).into()),
        IpAddr::V6(address) => u128::from(address).checked_add(1).map(|next| Ipv6Addr::from(next).into()),
    }
}
