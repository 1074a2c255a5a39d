//! What stays on the controller as it is, as rules or AviInfraSettings are rejected
//! (docs/decisions/023 and 024). How it is to be is told by the controller alone, so of it only
//! that can be judged that nothing is taken from it.

use std::collections::{BTreeMap, BTreeSet};

use ako_app::offline::Output;
use ako_translate::Keep;
use serde_json::Value;

/// The type and the key of an object.
type Key = (String, String);

/// What a translation leaves as it is.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// The hosts of which nothing is asked for: all of it stays.
    hosts: BTreeSet<String>,
    /// These, and those of which the virtual service stays, wherever it is, and the name with it: the
    /// rest of them is asked for.
    names: BTreeSet<String>,
    /// The objects of which something is kept.
    objects: BTreeMap<Key, Keep>,
}

/// The objects of a controller that stay there, and those of them that stay as they are.
pub(crate) struct Staying {
    standing: BTreeSet<Key>,
    untouched: BTreeSet<Key>,
}

impl Kept {
    pub(crate) fn of(output: &Output) -> Self {
        let names: BTreeSet<_> = output.desired.left_alone().map(ToString::to_string).collect();
        let asked: BTreeSet<_> =
            objects(&output.avi()).flat_map(|(_, object)| marked_hosts(object)).collect();
        let kept = output.desired.all_kept().map(|(key, keep)| {
            let path = format!("{}/{}", key.tenant, key.name);
            ((key.kind.segment().to_owned(), path), *keep)
        });
        let mut found = Self { hosts: names.difference(&asked).cloned().collect(), names, ..Self::default() };
        kept.for_each(|(key, keep)| found.keep_more(key, keep));
        found
    }

    /// Of several rules the strictest counts.
    fn keep_more(&mut self, key: Key, keep: Keep) {
        let known = self.objects.entry(key).or_insert(keep);
        *known = keep.max(*known);
    }

    /// All of that and more.
    pub(crate) fn extend(&mut self, other: Self) {
        self.hosts.extend(other.hosts);
        self.names.extend(other.names);
        other.objects.into_iter().for_each(|(key, keep)| self.keep_more(key, keep));
    }

    /// Whether a host stays wherever it is.
    pub(crate) fn leaves_alone(&self, host: &str) -> bool {
        self.names.contains(host)
    }

    /// How an object is kept.
    pub(crate) fn keep(&self, kind: &str, key: &str) -> Option<Keep> {
        self.objects.get(&(kind.to_owned(), key.to_owned())).copied()
    }

    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.objects.is_empty()
    }

    /// The objects of a controller that stay there, whatever becomes of them: those that serve hosts
    /// that stay where they are, or of which the virtual service is kept, what leads to them, and
    /// what that refers to, but for what is made for other hosts.
    pub(crate) fn standing(&self, dump: &Value) -> BTreeSet<Key> {
        self.around(dump, &|key, object| {
            let is_whole =
                matches!(self.objects.get(key), Some(Keep::AllButServers | Keep::All | Keep::AsIs));
            is_whole || hosts(object).iter().any(|host| self.names.contains(host))
        })
    }

    /// Those of them that stay as they are.
    pub(crate) fn untouched(&self, dump: &Value) -> BTreeSet<Key> {
        self.around(dump, &|key, object| {
            let is_whole = self.objects.get(key) == Some(&Keep::AllButServers);
            is_whole || hosts(object).iter().any(|host| self.hosts.contains(host))
        })
    }

    /// Both of them.
    pub(crate) fn staying(&self, dump: &Value) -> Staying {
        Staying { standing: self.standing(dump), untouched: self.untouched(dump) }
    }

    fn around(&self, dump: &Value, is_left: &dyn Fn(&Key, &Value) -> bool) -> BTreeSet<Key> {
        if self.is_empty() {
            return BTreeSet::new();
        }
        let all: Vec<(Key, &Value)> = objects(dump).collect();
        let targets: BTreeMap<&Key, BTreeSet<Key>> =
            all.iter().map(|(key, object)| (key, targets(object))).collect();
        let mut found: BTreeSet<Key> =
            all.iter().filter(|(key, object)| is_left(key, object)).map(|(key, _)| key.clone()).collect();
        spread(&mut found, |known| {
            let leads = |(from, to): &(&&Key, &BTreeSet<Key>)| {
                to.iter().any(|to| to.0 != from.0 && known.contains(to))
            };
            targets.iter().filter(leads).map(|(from, _)| (*from).clone()).collect()
        });
        let is_for_others = |key: &Key| {
            let object = all.iter().find(|(other, _)| other == key).map(|(_, object)| *object);
            object.is_some_and(|object| !hosts(object).is_empty() && !is_left(key, object))
        };
        spread(&mut found, |known| {
            let below = known.iter().filter_map(|key| targets.get(key)).flatten();
            below.filter(|to| !is_for_others(to)).cloned().collect()
        });
        found
    }

    /// Whether parts of an object have to stay, or the object as a whole if none are named.
    pub(crate) fn keeps(&self, dump: &Value, kind: &str, key: &str, parts: &BTreeSet<String>) -> bool {
        if self.is_empty() {
            return false;
        }
        if parts.is_empty() {
            return self.standing(dump).contains(&(kind.to_owned(), key.to_owned()));
        }
        let untouched = self.untouched(dump);
        let is_untouched = untouched.contains(&(kind.to_owned(), key.to_owned()));
        let keep = self.keep(kind, key);
        parts.iter().any(|part| {
            self.is_of_untouched(part, &untouched, is_untouched)
                || keep.is_some_and(|keep| keeps(keep, dump, part))
        })
    }

    /// Whether a part is that of a host that is left alone, or leads to what serves one. What is
    /// made up of more than a name may be of several hosts. Only lists have parts for others: what an
    /// object that is touched refers to by itself, a policy of the administrator for instance, it does
    /// for its own sake.
    fn is_of_untouched(&self, part: &str, untouched: &BTreeSet<Key>, is_untouched: bool) -> bool {
        let Some((field, name)) = part.split_once(' ') else { return false };
        let hosts = if field == "dns_info" { &self.names } else { &self.hosts };
        let may_be_for_others = is_untouched || !field.ends_with("_ref");
        // A child leads to its parent for its own sake.
        let may_lead = may_be_for_others && field != "vh_parent_vs_ref";
        let leads = || may_lead && target(name).is_some_and(|to| untouched.contains(&to));
        hosts.contains(name.trim_matches('"')) || leads()
    }

    /// The parts of an object that can be compared with what is asked for.
    pub(crate) fn comparable(
        &self,
        dump: &Value,
        Staying { standing, untouched }: &Staying,
        (kind, key): (&str, &str),
        mut parts: BTreeSet<String>,
    ) -> BTreeSet<String> {
        let keep = self.keep(kind, key);
        let is_untouched = untouched.contains(&(kind.to_owned(), key.to_owned()));
        parts.retain(|part| {
            let is_kept = keep.is_some_and(|keep| keep == Keep::All || keeps(keep, dump, part));
            // What hosts share with one that is left alone has the rules of that one, too.
            let is_mixed = is_untouched && part.contains('{');
            // It stays in its place, as does the parent of a child that stays where it is: both are in
            // one service engine group.
            let is_front = matches!(kind, "virtualservice" | "vsvip");
            let is_placed = is_place(part)
                && (is_untouched || is_front && standing.contains(&(kind.to_owned(), key.to_owned())));
            // Parents hold the certificates of those whose virtual service stays.
            let certifies = part.strip_prefix("ssl_key_and_certificate_refs ").and_then(target);
            let is_certificate = certifies.is_some_and(|certificate| standing.contains(&certificate));
            !(is_kept
                || is_mixed
                || is_placed
                || is_certificate
                || self.is_of_untouched(part, untouched, is_untouched))
        });
        parts
    }
}

/// What objects refer to, and what that refers to.
pub(crate) fn below(dump: &Value, from: impl IntoIterator<Item = Key>) -> BTreeSet<Key> {
    let mut found = from.into_iter().collect();
    spread(&mut found, |known| known.iter().flat_map(|(kind, key)| targets(&dump[kind][key])).collect());
    found
}

/// Whether a part of an object is among what is kept of it.
fn keeps(keep: Keep, dump: &Value, part: &str) -> bool {
    let (field, rest) = part.split_once(' ').unwrap_or((part, ""));
    match keep {
        Keep::Place => is_place(part),
        Keep::Shape => match field {
            // The certificates are what the rule says now, and the parent is where the place is.
            "servers"
            | "dns_info"
            | "members"
            | "vip"
            | "ssl_key_and_certificate_refs"
            | "vh_parent_vs_ref"
            | "vsvip_ref" => false,
            "services" => true,
            // What is ours follows what it is for.
            _ => !is_place(part) && target(rest).is_some_and(|(kind, key)| !dump[kind][key].is_object()),
        },
        Keep::AllButServers => field != "servers",
        Keep::All | Keep::AsIs => true,
    }
}

/// Whether a part says where something is.
fn is_place(part: &str) -> bool {
    let field = part.split_once(' ').map_or(part, |(field, _)| field);
    matches!(field, "se_group_ref" | "vrf_context_ref" | "vip" | "network_ref" | "placement_networks")
}

/// What a reference refers to: `/api/pool?name=a`, also as a field of something.
fn target(reference: &str) -> Option<Key> {
    let (_, reference) = reference.split_once("/api/")?;
    let (kind, name) = reference.split('"').next()?.split_once("?name=")?;
    Some((kind.to_owned(), format!("admin/{name}")))
}

fn targets(value: &Value) -> BTreeSet<Key> {
    match value {
        Value::String(text) => target(text).into_iter().collect(),
        Value::Array(values) => values.iter().flat_map(targets).collect(),
        Value::Object(fields) => fields.values().flat_map(targets).collect(),
        _ => BTreeSet::new(),
    }
}

/// The hosts that an object is made for, by its markers, its metadata or its DNS names.
fn hosts(object: &Value) -> BTreeSet<String> {
    let resolved = object["dns_info"].as_array().into_iter().flatten();
    let resolved = resolved.filter_map(|info| info["fqdn"].as_str().map(str::to_owned));
    marked_hosts(object).into_iter().chain(resolved).collect()
}

/// The same without its DNS names.
fn marked_hosts(object: &Value) -> BTreeSet<String> {
    let markers = object["markers"].as_array().into_iter().flatten();
    let marked =
        markers.filter(|marker| marker["key"] == "Host").filter_map(|marker| marker["values"].as_array());
    let named = match &object["service_metadata"] {
        Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
        other => other.clone(),
    };
    let named = named["hostnames"].as_array().into_iter().flatten();
    marked.flatten().chain(named).filter_map(|host| host.as_str().map(str::to_owned)).collect()
}

fn objects(dump: &Value) -> impl Iterator<Item = (Key, &Value)> {
    let kinds = dump.as_object().into_iter().flatten();
    kinds.flat_map(|(kind, objects)| {
        let objects = objects.as_object().into_iter().flatten();
        objects.map(move |(key, object)| ((kind.clone(), key.clone()), object))
    })
}

/// Adds what is next, until there is nothing more.
fn spread(found: &mut BTreeSet<Key>, next: impl Fn(&BTreeSet<Key>) -> Vec<Key>) {
    loop {
        let before = found.len();
        let more = next(found);
        found.extend(more);
        if found.len() == before {
            return;
        }
    }
}
