//! What a unit adds to a front, and what of it the front carries on the controller.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ako_avi_types::http_policy::HttpRequestRule;
use ako_avi_types::{Kind, Object, PoolGroupMember, Ref};

/// An AviInfraSetting that something is placed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlacedBy {
    /// Its name.
    pub setting: Arc<str>,
    /// Whether that is in the names of what it places.
    pub is_named: bool,
}

/// What a unit adds to a front.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contribution {
    /// The setting that it is to be placed by, if there is one.
    pub placed_by: Option<PlacedBy>,
    /// Names for the VsVip.
    pub fqdns: Vec<Arc<str>>,
    /// SNI: pools of insecure paths.
    pub members: Vec<PoolGroupMember>,
    /// Child virtual services.
    pub children: Vec<Arc<str>>,
    /// Hosts that are redirected to HTTPS.
    pub redirects: Vec<Arc<str>>,
    /// Hosts of which some paths are redirected to HTTPS.
    pub partial_redirects: Vec<(Arc<str>, Paths)>,
    /// SNI: names in several clusters of hosts without TLS, each with the host that requests for it
    /// are led to.
    pub rewrites: Vec<(Arc<str>, Arc<str>)>,
    /// EVH: certificates on the parent.
    pub certificates: Vec<Arc<str>>,
    /// EVH: certificates of the controller on the parent, which are not ours.
    pub certificates_of_controller: Vec<Arc<str>>,
    /// EVH: the profile of TLS with clients.
    pub ssl_profile: Option<Arc<str>>,
    /// EVH: what signed those, where that is given by itself. Nothing refers to them but the
    /// certificates; upstream's checksum covers them.
    pub authorities: Vec<Arc<str>>,
    /// Passthrough: the pool groups of hosts.
    pub pool_groups: Vec<Arc<str>>,
}

/// Some of the paths of a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Paths {
    /// All of them.
    All,
    /// Those that begin with this.
    Under(Arc<str>),
    /// Those that begin with none of these, sorted.
    NotUnder(Vec<Arc<str>>),
}

/// What the objects of a front carry on the controller, in the terms of a contribution.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Carried {
    fqdns: BTreeSet<Arc<str>>,
    /// By the name of the pool.
    members: BTreeMap<Arc<str>, (Option<Arc<str>>, u32)>,
    redirects: BTreeSet<Arc<str>>,
    partial_redirects: BTreeSet<(Arc<str>, Paths)>,
    certificates: BTreeSet<Arc<str>>,
    pool_groups: BTreeSet<Arc<str>>,
}

impl Carried {
    /// What the objects of one front carry, as they are on the controller.
    pub fn by<'a>(objects: impl IntoIterator<Item = &'a Object>) -> Self {
        let mut carried = Self::default();
        for object in objects {
            match object {
                Object::VsVip(vip) => {
                    carried.fqdns.extend(vip.dns_info.iter().map(|name| name.fqdn.clone()));
                }
                Object::PoolGroup(group) => {
                    let member = |member: &PoolGroupMember| {
                        let name = member.pool_ref.name.clone()?;
                        Some((name, (member.priority_label.clone(), member.ratio)))
                    };
                    carried.members.extend(group.members.iter().filter_map(member));
                }
                Object::HttpPolicySet(set) => {
                    let rules = set.http_request_policy.rules.iter();
                    for rule in rules.filter(|rule| rule.redirect_action.is_some()) {
                        match partly(rule) {
                            Some(paths) => carried
                                .partial_redirects
                                .extend(redirected(rule).map(|host| (host, paths.clone()))),
                            None => carried.redirects.extend(redirected(rule)),
                        }
                    }
                }
                Object::VirtualService(vs) => {
                    carried.certificates.extend(names(&vs.ssl_key_and_certificate_refs));
                }
                Object::VsDataScriptSet(set) => carried.pool_groups.extend(names(&set.pool_group_refs)),
                _ => {}
            }
        }
        carried
    }

    /// What of a contribution is carried; of a pool that has another label or weight, those
    /// that it has there. Child virtual services are no part of any object of the front.
    #[must_use]
    pub fn part_of(&self, contribution: &Contribution) -> Contribution {
        let kept = |wanted: &[Arc<str>], carried: &BTreeSet<Arc<str>>| -> Vec<Arc<str>> {
            wanted.iter().filter(|name| carried.contains(*name)).cloned().collect()
        };
        let member = |wanted: &PoolGroupMember| {
            let (priority_label, ratio) = self.members.get(wanted.pool_ref.name.as_ref()?)?.clone();
            Some(PoolGroupMember { priority_label, ratio, ..wanted.clone() })
        };
        Contribution {
            placed_by: contribution.placed_by.clone(),
            fqdns: kept(&contribution.fqdns, &self.fqdns),
            members: contribution.members.iter().filter_map(member).collect(),
            children: contribution.children.clone(),
            redirects: kept(&contribution.redirects, &self.redirects),
            partial_redirects: contribution
                .partial_redirects
                .iter()
                .filter(|redirect| self.partial_redirects.contains(redirect))
                .cloned()
                .collect(),
            certificates: kept(&contribution.certificates, &self.certificates),
            rewrites: contribution.rewrites.clone(),
            authorities: contribution.authorities.clone(),
            certificates_of_controller: kept(&contribution.certificates_of_controller, &self.certificates),
            ssl_profile: contribution.ssl_profile.clone(),
            pool_groups: kept(&contribution.pool_groups, &self.pool_groups),
        }
    }

    /// Whether the front's object of a kind has in it what belongs there of a contribution.
    pub fn has(&self, kind: Kind, contribution: &Contribution) -> bool {
        let part = self.part_of(contribution);
        match kind {
            Kind::VsVip => part.fqdns == contribution.fqdns,
            Kind::PoolGroup => part.members == contribution.members,
            Kind::HttpPolicySet => {
                part.redirects == contribution.redirects
                    && part.partial_redirects == contribution.partial_redirects
            }
            Kind::VirtualService => {
                part.certificates == contribution.certificates
                    && part.certificates_of_controller == contribution.certificates_of_controller
            }
            Kind::VsDataScriptSet => part.pool_groups == contribution.pool_groups,
            _ => true,
        }
    }

    /// Whether enough of a contribution is carried for people to be served by it: of its
    /// names, of its pools and of its certificates something, where it has such.
    pub fn serves(&self, contribution: &Contribution) -> bool {
        let part = self.part_of(contribution);
        let has_some = |wanted: usize, carried: usize| wanted == 0 || carried > 0;
        has_some(contribution.fqdns.len(), part.fqdns.len())
            && has_some(contribution.members.len(), part.members.len())
            && has_some(contribution.certificates.len(), part.certificates.len())
            && has_some(contribution.pool_groups.len(), part.pool_groups.len())
    }
}

fn names(references: &[Ref]) -> impl Iterator<Item = Arc<str>> {
    references.iter().filter_map(|reference| reference.name.clone())
}

/// The paths that a rule is about, if it is not about all.
fn partly(rule: &HttpRequestRule) -> Option<Paths> {
    let path = rule.matches.path.as_ref()?;
    match &*path.match_criteria {
        "BEGINS_WITH" => path.match_str.first().cloned().map(Paths::Under),
        _ => Some(Paths::NotUnder(path.match_str.clone())),
    }
}

/// The hosts of a redirect; a wildcard is matched by the end of the host.
fn redirected(rule: &HttpRequestRule) -> impl Iterator<Item = Arc<str>> {
    let hosts = rule.matches.host_hdr.iter();
    hosts.flat_map(|hosts| {
        let is_end = hosts.match_criteria.ends_with("ENDS_WITH");
        hosts.value.iter().map(move |host| if is_end { format!("*{host}").into() } else { host.clone() })
    })
}
