//! From Avi objects to a plan.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use serde_json::{Map, Value};

use super::host_table::HostTable;
use super::http_policy::{PolicySet, TextMatch};
use super::identity::Identity;
use super::limits::{MOST_LISTENERS, WIDEST_RANGE};
use super::loopback::Loopback;
use super::objects::{Objects, address, is_on, list, port, text, texts};
use super::plan::{
    Application, Front, Hosting, Passthrough, Place, Plan, Service, Site, Transport, VirtualService,
};
use super::pool::{Credit, Member, Pool, PoolGroup, Server, ServerState, Target};
use super::server_tls::{ServerTls, ServerTlsFields};
use super::traffic::Meter;
use crate::store::Object;

/// What outlives changes of the plan: counters, health, whose turn it is. It is dropped
/// with the objects.
#[derive(Debug, Default)]
pub(super) struct Memory {
    meters: HashMap<Arc<str>, Arc<Meter>>,
    servers: HashMap<(Arc<str>, String), Arc<ServerState>>,
    turns: HashMap<Arc<str>, Arc<AtomicUsize>>,
    credit: HashMap<Arc<str>, Arc<Credit>>,
    /// By the PEM texts, as reading keys is expensive.
    identities: HashMap<String, Arc<Identity>>,
    server_tls: HashMap<ServerTlsFields, Arc<ServerTls>>,
}

/// What was known under a key, or something new; it is kept for the next time.
fn recall<K: Hash + Eq, V: Default>(
    old: &HashMap<K, Arc<V>>,
    new: &mut HashMap<K, Arc<V>>,
    key: K,
) -> Arc<V> {
    let known = old.get(&key).cloned().unwrap_or_default();
    new.entry(key).or_insert(known).clone()
}

/// Makes a plan. `memory` is what the last one left, and then what this one leaves.
pub(super) fn compile(objects: &Objects, loopback: &Loopback, memory: &mut Memory) -> Plan {
    let mut compiler = Compiler {
        objects,
        loopback,
        old: std::mem::take(memory),
        new: Memory::default(),
        plan: Plan::default(),
        pools: HashMap::new(),
        groups: HashMap::new(),
    };
    let children = objects.children();
    for object in objects.virtual_services() {
        if object.full.get("type").is_none_or(|kind| kind != "VS_TYPE_VH_CHILD") {
            let own = children.get(&*object.uuid).map_or(&[][..], Vec::as_slice);
            compiler.virtual_service(object, own);
        }
    }
    compiler.plan.pools = compiler.pools.into_iter().collect();
    *memory = compiler.new;
    compiler.plan
}

struct Compiler<'a> {
    objects: &'a Objects,
    loopback: &'a Loopback,
    old: Memory,
    new: Memory,
    plan: Plan,
    pools: HashMap<Arc<str>, Arc<Pool>>,
    groups: HashMap<Arc<str>, Arc<PoolGroup>>,
}

/// A port of a virtual service, before it is known who answers there.
struct Opening {
    place: Place,
    secure: bool,
}

impl Compiler<'_> {
    fn tell(&mut self, problem: String) {
        self.plan.problems.push(problem);
    }

    /// A virtual service that listens itself, and its children.
    fn virtual_service(&mut self, object: &Arc<Object>, children: &[&Arc<Object>]) {
        let label = self.objects.label(object);
        let meter = recall(&self.old.meters, &mut self.new.meters, object.uuid.clone());
        let openings = self.openings(object, &label);
        let mut targets = Vec::new();
        let profile = self.objects.field("applicationprofile", &object.full, "application_profile_ref");
        let profile = profile.map_or("", |profile| text(&profile.full, "type"));
        let script = self.passthrough(object);
        let front = if matches!(profile, "APPLICATION_PROFILE_TYPE_L4" | "APPLICATION_PROFILE_TYPE_SSL") {
            None
        } else {
            Some(Arc::new(self.front(object, children, &mut targets)))
        };
        let enabled = is_open(object);
        for Opening { place, secure } in openings.iter().filter(|_| enabled) {
            let application = match (&front, &script) {
                (Some(front), _) => Application::Http(front.clone()),
                (None, Some((prefix, groups))) => {
                    targets.extend(groups.iter().cloned().map(Target::Group));
                    Application::Passthrough(Passthrough { prefix: prefix.clone(), groups: groups.clone() })
                }
                (None, None) => {
                    let target = self.layer4(object, *place);
                    targets.extend(target.clone());
                    Application::Layer4(target, self.identities(object))
                }
            };
            let (label, meter) = (label.clone(), meter.clone());
            let service = Service { label, meter, port: place.port, secure: *secure, application };
            self.open(*place, service);
        }
        let listed = VirtualService { label, meter, enabled, targets };
        self.plan.virtual_services.insert(object.uuid.clone(), listed);
    }

    fn open(&mut self, place: Place, service: Service) {
        let (vip, port) = (place.vip, place.port);
        if let Some(other) = self.plan.services.get(&place) {
            let taken = format!("{}: {vip}:{port} is {}'s already", service.label, other.label);
            self.tell(taken);
        } else if self.plan.services.len() >= MOST_LISTENERS {
            self.tell(format!("{}: {vip}:{port} is beyond {MOST_LISTENERS} listeners", service.label));
        } else {
            self.plan.services.insert(place, Arc::new(service));
        }
    }

    /// The addresses and ports of a virtual service.
    fn openings(&mut self, object: &Object, label: &str) -> Vec<Opening> {
        let mut openings = Vec::new();
        let vips = self.vips(object, label);
        for service in list(object.full.get("services")).filter_map(Value::as_object) {
            let Some(first) = port(service.get("port")) else { continue };
            let last = port(service.get("port_range_end")).unwrap_or(first).max(first);
            let Some(transport) = self.transport(object, service) else {
                self.tell(format!("{label}: SCTP on port {first} is not simulated"));
                continue;
            };
            if last - first >= WIDEST_RANGE {
                self.tell(format!("{label}: of ports {first}-{last} only {WIDEST_RANGE} are served"));
            }
            let secure = service.get("enable_ssl").and_then(Value::as_bool) == Some(true);
            for port in (first..=last).take(usize::from(WIDEST_RANGE)) {
                openings.extend(
                    vips.iter().map(|vip| Opening { place: Place { vip: *vip, port, transport }, secure }),
                );
            }
        }
        openings
    }

    fn vips(&mut self, object: &Object, label: &str) -> Vec<Ipv4Addr> {
        let Some(vsvip) = self.objects.field("vsvip", &object.full, "vsvip_ref") else {
            self.tell(format!("{label}: it has no VsVip"));
            return Vec::new();
        };
        let mut vips = Vec::new();
        for vip in list(vsvip.full.get("vip")).filter(|vip| is_on(vip.get("enabled"))) {
            match address(vip.get("ip_address")) {
                Some(IpAddr::V4(address)) => vips.push(address),
                _ => self.tell(format!("{label}: a vip has no IPv4 address, others are not simulated")),
            }
        }
        vips
    }

    /// `None` for SCTP.
    fn transport(&self, object: &Object, service: &Map<String, Value>) -> Option<Transport> {
        let of = |fields, key| self.objects.field("networkprofile", fields, key);
        let profile = of(service, "override_network_profile_ref")
            .or_else(|| of(&object.full, "network_profile_ref"))
            .and_then(|profile| profile.full.get("profile")?.get("type")?.as_str())
            .unwrap_or_default();
        match profile {
            name if name.contains("SCTP") => None,
            name if name.contains("UDP") => Some(Transport::Udp),
            _ => Some(Transport::Tcp),
        }
    }

    fn front(&mut self, object: &Arc<Object>, children: &[&Arc<Object>], targets: &mut Vec<Target>) -> Front {
        let site = self.site(object, targets);
        let enhanced = text(&object.full, "vh_type") == "VS_TYPE_VH_ENHANCED";
        let mut by_name = HostTable::default();
        let mut by_match: HostTable<Vec<_>> = HostTable::default();
        for child in children {
            let mut own = Vec::new();
            let site = Arc::new(self.site(child, &mut own));
            for host in texts(child.full.get("vh_domain_name")).filter(|_| !enhanced) {
                by_name.entry_or_insert_with(host, || site.clone());
            }
            for matched in list(child.full.get("vh_matches")).filter(|_| enhanced) {
                let paths = self.paths(matched, &site.label);
                let sites =
                    by_match.entry_or_insert_with(matched["host"].as_str().unwrap_or_default(), Vec::new);
                sites.extend(paths.into_iter().map(|path| (path, site.clone())));
            }
            let listed = VirtualService {
                label: site.label.clone(),
                meter: site.meter.clone(),
                enabled: site.open,
                targets: own,
            };
            self.plan.virtual_services.insert(child.uuid.clone(), listed);
        }
        let hosting = match text(&object.full, "type") {
            "VS_TYPE_VH_PARENT" if enhanced => Hosting::Enhanced(by_match),
            "VS_TYPE_VH_PARENT" => Hosting::Sni(by_name),
            _ => Hosting::None,
        };
        Front { site: Arc::new(site), hosting }
    }

    /// The paths of an entry of `vh_matches`; all if it names none.
    fn paths(&mut self, matched: &Value, label: &str) -> Vec<TextMatch> {
        let everything = serde_json::json!({ "match_criteria": "BEGINS_WITH", "match_str": ["/"] });
        let mut paths = Vec::new();
        let rules: Vec<&Value> = list(matched.get("rules")).collect();
        let wanted = rules.iter().map(|rule| rule["matches"].get("path").unwrap_or(&everything));
        for path in wanted.chain(rules.is_empty().then_some(&everything)) {
            match TextMatch::read(path, "match_str") {
                Ok(path) => paths.push(path),
                Err(why) => self.tell(format!("{label}: {why}")),
            }
        }
        paths
    }

    fn site(&mut self, object: &Object, targets: &mut Vec<Target>) -> Site {
        let objects = self.objects;
        let mut policies = Vec::new();
        for set in objects.attached(object, "http_policies", "http_policy_set_ref", "httppolicyset") {
            let mut problems = Vec::new();
            let mut target = |switch: &Value| {
                let target = self.switch(switch);
                targets.push(target.clone());
                target
            };
            policies.push(PolicySet::read(&set.full, &mut target, |problem| problems.push(problem)));
            self.plan.problems.extend(problems);
        }
        let script = self.script(object, "VS_DATASCRIPT_EVT_HTTP_REQ");
        let labelled = script.and_then(|(_, groups)| groups.into_iter().next());
        targets.extend(labelled.clone().map(Target::Group));
        let default = self.default_target(object);
        targets.extend(default.clone());
        Site {
            label: objects.label(object),
            meter: recall(&self.old.meters, &mut self.new.meters, object.uuid.clone()),
            open: is_open(object),
            identities: self.identities(object),
            policies,
            labelled,
            default,
        }
    }

    /// The script of an attached datascript for an event, and its pool groups.
    fn script(&mut self, object: &Object, event: &str) -> Option<(String, Vec<Arc<PoolGroup>>)> {
        let objects = self.objects;
        for set in objects.attached(object, "vs_datascripts", "vs_datascript_set_ref", "vsdatascriptset") {
            let script = list(set.full.get("datascript")).find(|script| script["evt"] == event);
            if let Some(script) = script {
                let groups = objects.list("poolgroup", &set.full, "pool_group_refs");
                let groups = groups.map(|group| self.group(group)).collect();
                return Some((script["script"].as_str().unwrap_or_default().to_owned(), groups));
            }
        }
        None
    }

    fn passthrough(&mut self, object: &Object) -> Option<(Option<String>, Vec<Arc<PoolGroup>>)> {
        let (script, groups) = self.script(object, "VS_DATASCRIPT_EVT_L4_REQUEST")?;
        Some((literal_prefix(&script), groups))
    }

    fn default_target(&mut self, object: &Object) -> Option<Target> {
        let named = |key| object.full.get(key).is_some_and(|value| value != "");
        if named("pool_group_ref") || named("pool_ref") {
            return Some(self.select(&object.full));
        }
        None
    }

    /// The target of an L4 rule for a port, or that of the virtual service.
    fn layer4(&mut self, object: &Object, place: Place) -> Option<Target> {
        let objects = self.objects;
        let protocol = match place.transport {
            Transport::Tcp => "PROTOCOL_TCP",
            Transport::Udp => "PROTOCOL_UDP",
        };
        for set in objects.attached(object, "l4_policies", "l4_policy_set_ref", "l4policyset") {
            let policy = set.full.get("l4_connection_policy").and_then(|policy| policy.get("rules"));
            let mut rules: Vec<&Value> = list(policy).collect();
            rules.sort_by_key(|rule| rule["index"].as_u64());
            for rule in rules {
                let (ports, wanted) = (&rule["match"]["port"], &rule["match"]["protocol"]);
                let is_in = list(ports.get("ports")).any(|port| *port == place.port);
                let port_fits = ports.is_null() || is_in == (ports["match_criteria"] != "IS_NOT_IN");
                let same = wanted["protocol"] == protocol;
                let protocol_fits = wanted.is_null() || same == (wanted["match_criteria"] != "IS_NOT_IN");
                if port_fits && protocol_fits {
                    return Some(self.switch(&rule["action"]["select_pool"]));
                }
            }
        }
        self.default_target(object)
    }

    /// The target of a switching action.
    fn switch(&mut self, action: &Value) -> Target {
        action.as_object().map_or(Target::Missing, |action| self.select(action))
    }

    fn select(&mut self, fields: &Map<String, Value>) -> Target {
        let objects = self.objects;
        if let Some(group) = objects.field("poolgroup", fields, "pool_group_ref") {
            return Target::Group(self.group(group));
        }
        objects
            .field("pool", fields, "pool_ref")
            .map_or(Target::Missing, |pool| Target::Pool(self.pool(pool)))
    }

    fn group(&mut self, object: &Arc<Object>) -> Arc<PoolGroup> {
        if let Some(known) = self.groups.get(&object.uuid) {
            return known.clone();
        }
        let mut members = Vec::new();
        for member in list(object.full.get("members")) {
            let Some(pool) = self.objects.referred("pool", member.get("pool_ref")) else { continue };
            let ratio = member["ratio"].as_u64().and_then(|ratio| u32::try_from(ratio).ok()).unwrap_or(1);
            let label = member["priority_label"].as_str().filter(|label| !label.is_empty());
            members.push(Member { pool: self.pool(pool), ratio, label: label.map(str::to_owned) });
        }
        let credit = recall(&self.old.credit, &mut self.new.credit, object.uuid.clone());
        if let Ok(mut owed) = credit.lock() {
            owed.retain(|pool, _| members.iter().any(|member| member.pool.label == *pool));
        }
        let group = Arc::new(PoolGroup { name: object.name.clone(), members, credit });
        self.groups.insert(object.uuid.clone(), group.clone());
        group
    }

    fn pool(&mut self, object: &Arc<Object>) -> Arc<Pool> {
        if let Some(known) = self.pools.get(&object.uuid) {
            return known.clone();
        }
        let label = self.objects.label(object);
        let default_port = port(object.full.get("default_server_port")).unwrap_or(80);
        let mut servers = Vec::new();
        for server in list(object.full.get("servers")) {
            let Some(IpAddr::V4(address)) = address(server.get("ip")) else {
                self.tell(format!("{label}: servers without an IPv4 address are not simulated"));
                continue;
            };
            let Some(here) = self.loopback.address(address) else {
                self.tell(format!("{label}: no loopback address is left for {address}"));
                continue;
            };
            let port = port(server.get("port")).unwrap_or(default_port);
            let name = format!("{address}:{port}");
            let key = (object.uuid.clone(), name.clone());
            servers.push(Server {
                label: name,
                address: SocketAddr::from((here, port)),
                enabled: is_on(server.get("enabled")),
                state: recall(&self.old.servers, &mut self.new.servers, key),
            });
        }
        let tls = self.server_tls(object, &label);
        let mut monitors = self.objects.list("healthmonitor", &object.full, "health_monitor_refs");
        let probed = monitors.any(|monitor| text(&monitor.full, "type") == "HEALTH_MONITOR_TCP");
        let turn = recall(&self.old.turns, &mut self.new.turns, object.uuid.clone());
        let pool = Pool { label, enabled: is_on(object.full.get("enabled")), servers, probed, tls, turn };
        let pool = Arc::new(pool);
        self.pools.insert(object.uuid.clone(), pool.clone());
        pool
    }

    /// How the servers of a pool are spoken to by TLS; `None` without an SSL profile.
    fn server_tls(&mut self, pool: &Object, label: &str) -> Option<Result<Arc<ServerTls>, String>> {
        pool.full.get("ssl_profile_ref").filter(|profile| *profile != "")?;
        let flag = |key| pool.full.get(key).and_then(Value::as_bool).unwrap_or_default();
        let profile = self.objects.field("pkiprofile", &pool.full, "pki_profile_ref");
        let fields = ServerTlsFields {
            authorities: profile.map(|profile| authorities(profile)),
            names_sent: flag("sni_enabled"),
            hosts_checked: flag("host_check_enabled"),
            hosts: texts(pool.full.get("domain_name")).map(str::to_owned).collect(),
        };
        let known = self.old.server_tls.get(&fields).or_else(|| self.new.server_tls.get(&fields)).cloned();
        let tls = known.map_or_else(|| ServerTls::new(&fields).map(Arc::new), Ok);
        match &tls {
            Ok(tls) => drop(self.new.server_tls.insert(fields, tls.clone())),
            Err(why) => self.tell(format!("{label}: its servers cannot be spoken to: {why}")),
        }
        Some(tls)
    }

    fn identities(&mut self, object: &Object) -> Vec<Arc<Identity>> {
        let objects = self.objects;
        let mut found = Vec::new();
        for certificate in objects.list("sslkeyandcertificate", &object.full, "ssl_key_and_certificate_refs")
        {
            let key = text(&certificate.full, "key");
            // The certificates of the simulated Controller itself have no key.
            if key.is_empty() {
                continue;
            }
            let chain = list(certificate.full.get("ca_certs"))
                .filter_map(|entry| objects.referred("sslkeyandcertificate", entry.get("ca_ref")));
            let chain: Vec<&str> = chain.filter_map(|authority| pem(authority)).collect();
            let own = pem(certificate).unwrap_or_default();
            let texts = format!("{own}\n{key}\n{}", chain.join("\n"));
            let known = self.old.identities.get(&texts).or_else(|| self.new.identities.get(&texts)).cloned();
            let identity = match known.map_or_else(|| Identity::read(own, key, &chain).map(Arc::new), Ok) {
                Ok(identity) => identity,
                Err(why) => {
                    self.tell(format!("certificate {} cannot be served: {why}", certificate.name));
                    continue;
                }
            };
            self.new.identities.insert(texts, identity.clone());
            found.push(identity);
        }
        found
    }
}

fn is_open(object: &Object) -> bool {
    is_on(object.full.get("enabled")) && is_on(object.full.get("traffic_enabled"))
}

fn pem(certificate: &Object) -> Option<&str> {
    certificate.full.get("certificate")?.get("certificate")?.as_str()
}

/// The certificates of the authorities of a PKI profile.
fn authorities(profile: &Object) -> Vec<String> {
    let entries = list(profile.full.get("ca_certs"));
    entries.filter_map(|entry| entry["certificate"].as_str()).map(str::to_owned).collect()
}

/// The text that a script puts before the server name: `avi.poolgroup.select("<prefix>" .. `
fn literal_prefix(script: &str) -> Option<String> {
    let (_, rest) = script.split_once("avi.poolgroup.select(")?;
    let (literal, rest) = rest.trim_start().strip_prefix('"')?.split_once('"')?;
    rest.trim_start().starts_with("..").then(|| literal.to_owned())
}
