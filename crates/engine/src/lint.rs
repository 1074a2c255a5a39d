//! Checks on what is wanted, whatever it was made of.

use std::fmt;

use ako_avi_types::{Kind, NAME_LIMIT, Object, ObjectKey};

use crate::desired::Desired;
use crate::inventory;

/// What is wrong with one wanted object. It is a mistake of ours: no input may
/// lead to it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The object.
    pub key: ObjectKey,
    /// What is wrong.
    pub flaw: Flaw,
}

/// A way in which an object can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flaw {
    /// The object is wanted under a key that is not its own.
    WrongKey,
    /// Its name is empty, or longer than Avi takes.
    BadName,
    /// It refers to an object that is not wanted.
    DanglingReference(ObjectKey),
    /// A host that it names is empty.
    EmptyHost,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.key)?;
        match &self.flaw {
            Flaw::WrongKey => f.write_str("it is another object"),
            Flaw::BadName => write!(f, "the name is {} bytes long", self.key.name.len()),
            Flaw::DanglingReference(target) => write!(f, "refers to {target}, which is not wanted"),
            Flaw::EmptyHost => f.write_str("names an empty host"),
        }
    }
}

/// Finds everything that is wrong with the wanted objects.
pub fn lint(desired: &Desired) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (key, object) in desired.objects() {
        let mut tell = |flaw| findings.push(Finding { key: key.clone(), flaw });
        if object.key() != *key {
            tell(Flaw::WrongKey);
        }
        if key.name.is_empty() || key.name.len() > NAME_LIMIT {
            tell(Flaw::BadName);
        }
        let written = |target: &ObjectKey| Kind::WRITTEN.contains(&target.kind);
        for target in inventory::targets(key, object).into_iter().filter(written) {
            if desired.get(&target).is_none() {
                tell(Flaw::DanglingReference(target));
            }
        }
        if hosts(object).iter().any(|host| host.is_empty()) {
            tell(Flaw::EmptyHost);
        }
    }
    findings
}

fn hosts(object: &Object) -> Vec<&str> {
    let mut hosts: Vec<&str> = object.hostnames().map(|host| &**host).collect();
    match object {
        Object::VsVip(vip) => hosts.extend(vip.dns_info.iter().map(|name| &*name.fqdn)),
        Object::VirtualService(service) => {
            hosts.extend(service.vh_domain_name.iter().map(|host| &**host));
            hosts.extend(service.vh_matches.iter().map(|vh| &*vh.host));
        }
        Object::HttpPolicySet(set) => {
            let headers = set.http_request_policy.rules.iter().filter_map(|r| r.matches.host_hdr.as_ref());
            hosts.extend(headers.flat_map(|header| header.value.iter().map(|host| &**host)));
        }
        _ => {}
    }
    hosts
}
