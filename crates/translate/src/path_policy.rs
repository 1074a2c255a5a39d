//! HTTP policy sets: which path leads where, and redirects to HTTPS.
//! Source: L7 objects, §3.4, §4.2.

use std::cmp::Reverse;
use std::sync::Arc;

use ako_avi_types::http_policy::{
    HostHeaderMatch, HttpMatch, HttpRequestPolicy, HttpRequestRule, HttpSecurityPolicy, PathMatch,
    RedirectAction, SwitchingAction,
};
use ako_avi_types::l4_policy::PortMatch;
use ako_avi_types::{HttpPolicySet, Kind, Marker, Ref, go_json};
use ako_core::checksum::hash;
use ako_core::resource::PathType;
use serde::Serialize;

use crate::context::Translator;

/// One path and where it leads.
#[derive(Clone, Debug)]
pub(crate) struct Switch {
    pub(crate) path: Arc<str>,
    pub(crate) path_type: PathType,
    /// What upstream's map calls it: as the pool group, even if there is none.
    pub(crate) map_name: String,
    pub(crate) target: Target,
    pub(crate) ingress: Arc<str>,
    pub(crate) service_port: u16,
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    PoolGroup(String),
    Pool(String),
}

/// The policy set of a host's paths in one namespace.
pub(crate) fn switching(
    t: &Translator,
    name: &str,
    mut switches: Vec<Switch>,
    markers: Vec<Marker>,
) -> HttpPolicySet {
    // The longest path first, as it is the most specific; a path-less rule last.
    switches.sort_by(|a, b| (Reverse(a.path.len()), &a.path).cmp(&(Reverse(b.path.len()), &b.path)));
    let mut checksum = t.checksum().markers(&markers);
    for switch in &switches {
        checksum = checksum.number(switch_checksum(switch));
    }
    let rules = switches.iter().zip(0..).map(|(switch, index)| switching_rule(name, index, switch)).collect();
    envelope(t, name, rules, checksum.finish(), markers)
}

/// The policy set that sends HTTP requests for hosts to HTTPS.
pub(crate) fn redirect(
    t: &Translator,
    name: &str,
    mut hosts: Vec<Arc<str>>,
    markers: Vec<Marker>,
) -> HttpPolicySet {
    hosts.sort();
    let checksum = t.checksum().markers(&markers).text(&go_json::marshal(&hosts));
    let rule = HttpRequestRule {
        name: format!("{name}-0").into(),
        index: 0,
        enable: true,
        matches: HttpMatch {
            path: None,
            host_hdr: Some(HostHeaderMatch { match_criteria: "HDR_EQUALS".into(), value: hosts }),
            vs_port: Some(PortMatch { match_criteria: "IS_IN".into(), ports: vec![80] }),
        },
        switching_action: None,
        redirect_action: Some(RedirectAction {
            port: 443,
            protocol: "HTTPS".into(),
            status_code: "HTTP_REDIRECT_STATUS_CODE_302".into(),
        }),
    };
    envelope(t, name, vec![rule], checksum.finish(), markers)
}

fn envelope(
    t: &Translator,
    name: &str,
    rules: Vec<HttpRequestRule>,
    checksum: Arc<str>,
    markers: Vec<Marker>,
) -> HttpPolicySet {
    HttpPolicySet {
        name: name.into(),
        cloud_config_cksum: Some(checksum),
        created_by: Some(t.owner.clone()),
        tenant_ref: Some(t.tenant_ref.clone()),
        http_request_policy: HttpRequestPolicy { rules },
        http_security_policy: HttpSecurityPolicy::default(),
        markers,
    }
}

fn criteria(path_type: PathType) -> &'static str {
    match path_type {
        PathType::Exact => "EQUALS",
        PathType::Prefix | PathType::ImplementationSpecific => "BEGINS_WITH",
    }
}

fn switching_rule(set: &str, index: u32, switch: &Switch) -> HttpRequestRule {
    let path = (!switch.path.is_empty()).then(|| PathMatch {
        match_criteria: criteria(switch.path_type).into(),
        match_case: "SENSITIVE".into(),
        match_str: vec![switch.path.clone()],
    });
    let action = match &switch.target {
        Target::PoolGroup(group) => SwitchingAction {
            action: "HTTP_SWITCHING_SELECT_POOLGROUP".into(),
            pool_group_ref: Some(Ref::named(Kind::PoolGroup, group.as_str())),
            pool_ref: None,
        },
        Target::Pool(pool) => SwitchingAction {
            action: "HTTP_SWITCHING_SELECT_POOL".into(),
            pool_group_ref: None,
            pool_ref: Some(Ref::named(Kind::Pool, pool.as_str())),
        },
    };
    HttpRequestRule {
        name: format!("{set}-{index}").into(),
        index,
        enable: true,
        matches: HttpMatch { path, ..HttpMatch::default() },
        switching_action: Some(action),
        redirect_action: None,
    }
}

/// An entry of the switching map as upstream's checksum spells it.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SwitchText<'a> {
    name: &'a str,
    checksum: u32,
    host: Option<()>,
    path: Option<[&'a str; 1]>,
    port: u16,
    pool: &'a str,
    pool_group: &'a str,
    match_criteria: &'a str,
    protocol: &'a str,
    ing_name: &'a str,
    match_case: &'a str,
    string_group_refs: Option<()>,
    svc_port: u16,
}

/// Upstream hashes an entry twice: the second time with the first hash in it.
fn switch_checksum(switch: &Switch) -> u32 {
    let (pool, pool_group) = match &switch.target {
        Target::PoolGroup(group) => ("", group.as_str()),
        Target::Pool(pool) => (pool.as_str(), ""),
    };
    let text = |checksum| {
        go_json::marshal(&SwitchText {
            name: &switch.map_name,
            checksum,
            host: None,
            path: (!switch.path.is_empty()).then_some([&*switch.path]),
            port: 0,
            pool,
            pool_group,
            match_criteria: criteria(switch.path_type),
            protocol: "",
            ing_name: &switch.ingress,
            match_case: "",
            string_group_refs: None,
            svc_port: switch.service_port,
        })
    };
    hash(&text(hash(&text(0))))
}
