//! HTTP policy sets: which path leads where, and redirects to HTTPS.
//! Source: L7 objects, §3.4, §4.2.

use std::cmp::Reverse;
use std::sync::Arc;

use ako_avi_types::http_policy::{
    Header, HeaderAction, HeaderValue, HostHeaderMatch, HttpMatch, HttpRequestPolicy, HttpRequestRule,
    HttpSecurityPolicy, HttpSecurityRule, PathMatch, PathOfRedirect, PathToken, RedirectAction,
    SecurityAction, SwitchingAction,
};
use ako_avi_types::l4_policy::PortMatch;
use ako_avi_types::{HttpPolicySet, Kind, Marker, Ref, go_json};
use ako_core::checksum::hash;
use ako_core::resource::PathType;
use serde::Serialize;

use crate::context::Context;
use crate::contribution::Paths;

/// A path that matches a pattern, and in which case.
const REGEX: &str = "REGEX_MATCH";
const INSENSITIVE: &str = "INSENSITIVE";
/// Closes the connection.
const CLOSE: &str = "HTTP_SECURITY_ACTION_CLOSE_CONN";

/// One path and where it leads.
#[derive(Clone, Debug)]
pub(crate) struct Switch {
    pub(crate) path: Arc<str>,
    pub(crate) path_type: PathType,
    pub(crate) pattern: Option<Pattern>,
    /// What upstream's map calls it: as the pool group, even if there is none.
    pub(crate) map_name: String,
    pub(crate) target: Target,
    pub(crate) ingress: Arc<str>,
    pub(crate) service_port: u16,
}

/// The path that requests for `/` are redirected to, and that takes its place.
#[derive(Clone, Debug)]
pub(crate) struct RootPath {
    pub(crate) path: Arc<str>,
    /// The ports that are redirected, each with whether TLS is spoken there.
    pub(crate) ports: Vec<(u16, bool)>,
}

/// What is more to a path that is a pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    /// The string group that has it.
    pub(crate) string_group: String,
    /// What the target would be called otherwise, which upstream's checksum covers.
    pub(crate) plain_target: Target,
}

/// Where a path leads.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    PoolGroup(String),
    Pool(String),
}

/// The policy set of a host's paths in one namespace.
pub(crate) fn switching(
    context: &Context,
    name: &str,
    mut switches: Vec<Switch>,
    root: Option<&RootPath>,
    markers: Vec<Marker>,
) -> HttpPolicySet {
    // The longest path first, as it is the most specific, and an exact one before the prefix
    // that it equals; a path-less rule last.
    let place = |s: &Switch| (Reverse(s.path.len()), s.path.clone(), s.path_type != PathType::Exact);
    switches.sort_by_cached_key(place);
    let mut checksum = context.checksum().markers(&markers);
    for switch in &switches {
        checksum = checksum.number(switch_checksum(switch));
    }
    let mut requests: Vec<_> =
        switches.iter().zip(0..).map(|(switch, index)| switching_rule(name, index, switch)).collect();
    for (port, has_tls) in root.iter().flat_map(|root| &root.ports) {
        let index = u32::try_from(requests.len()).unwrap_or(u32::MAX);
        checksum = checksum.text("null");
        requests.extend(root.map(|root| root_redirect(name, index, &root.path, *port, *has_tls)));
    }
    let rules = Rules { requests, refusals: Vec::new() };
    envelope(context, name, rules, checksum.finish(), markers)
}

/// The policy set that sends HTTP requests for hosts to HTTPS, on a virtual service that
/// other hosts share; of those in `partly` only some paths.
///
/// A wildcard is matched by the end of the host, which also matches what lies deeper, and
/// hosts of their own. Those that are [`not_redirected`] are left out.
pub(crate) fn redirect(
    context: &Context,
    name: &str,
    mut hosts: Vec<Arc<str>>,
    partly: &[(Arc<str>, Paths)],
    not_redirected: &[(Arc<str>, Arc<str>)],
    markers: Vec<Marker>,
) -> HttpPolicySet {
    hosts.sort();
    let mut checksum = context.checksum().markers(&markers);
    if !hosts.is_empty() {
        checksum = checksum.text(&go_json::marshal(&hosts));
    }
    for (host, paths) in partly {
        checksum = checksum.text(&go_json::marshal(&[host])).text(&text_of(paths));
    }
    hosts.retain(|host| !not_redirected.iter().any(|(left_out, _)| left_out == host));
    let (wildcards, exact): (Vec<_>, Vec<_>) = hosts.into_iter().partition(|host| host.starts_with('*'));
    let ends = wildcards.iter().map(|host| host.trim_start_matches('*').into()).collect();
    let matches = [("HDR_EQUALS", exact), ("HDR_ENDS_WITH", ends)];
    let whole = matches.into_iter().filter(|(_, value)| !value.is_empty()).map(|(criteria, value)| {
        HttpMatch { host_hdr: Some(host_match(criteria, value)), ..over_http(&Paths::All) }
    });
    let partly = partly.iter().map(|(host, paths)| HttpMatch {
        host_hdr: Some(host_match("HDR_EQUALS", vec![host.clone()])),
        ..over_http(paths)
    });
    let rules = whole.chain(partly).zip(0..).map(|(matches, index)| redirect_rule(name, index, matches));
    envelope(
        context,
        name,
        Rules { requests: rules.collect(), refusals: Vec::new() },
        checksum.finish(),
        markers,
    )
}

/// The wildcards that cannot be redirected, each with a host without TLS that its redirect
/// would catch: better no redirect than one of a host that asked for none.
pub(crate) fn not_redirected(hosts: &[Arc<str>], plain: &[&Arc<str>]) -> Vec<(Arc<str>, Arc<str>)> {
    let wildcards = hosts.iter().filter(|host| host.starts_with('*'));
    let caught = wildcards.filter_map(|wildcard| {
        let end = wildcard.trim_start_matches('*');
        let caught = plain.iter().find(|host| host.ends_with(end))?;
        Some((wildcard.clone(), (*caught).clone()))
    });
    caught.collect()
}

/// The policy set of a host on a virtual service that serves it alone: which requests without
/// TLS are redirected to HTTPS, and which are refused.
pub(crate) fn alone(
    context: &Context,
    name: &str,
    hosts: &[Arc<str>],
    redirected: &[Paths],
    refused: &[Paths],
    markers: Vec<Marker>,
) -> HttpPolicySet {
    let mut checksum = context.checksum().markers(&markers);
    for paths in refused {
        let number = hash(CLOSE).wrapping_add(hash("IS_IN")).wrapping_add(80);
        checksum = checksum.number(number);
        if *paths != Paths::All {
            checksum = checksum.text(&text_of(paths));
        }
    }
    for paths in redirected {
        checksum = checksum.text(&go_json::marshal(&hosts));
        if *paths != Paths::All {
            checksum = checksum.text(&text_of(paths));
        }
    }
    let refusals = refused.iter().zip(0..).map(|(paths, index)| HttpSecurityRule {
        name: format!("{name}-{index}").into(),
        index,
        enable: true,
        matches: over_http(paths),
        action: SecurityAction { action: CLOSE.into() },
    });
    let refusals: Vec<_> = refusals.collect();
    // A wildcard needs no match: what gets here is under it.
    let is_wildcard = hosts.iter().any(|host| host.starts_with('*'));
    let host_hdr = (!is_wildcard).then(|| host_match("HDR_EQUALS", hosts.to_vec()));
    let first = u32::try_from(refusals.len()).unwrap_or(u32::MAX);
    let requests = redirected.iter().zip(first..).map(|(paths, index)| {
        redirect_rule(name, index, HttpMatch { host_hdr: host_hdr.clone(), ..over_http(paths) })
    });
    let rules = Rules { requests: requests.collect(), refusals };
    envelope(context, name, rules, checksum.finish(), markers)
}

/// The policy set that leads requests for names of hosts in several clusters to the hosts.
/// Upstream has a set for each, of which a virtual service takes few.
pub(crate) fn rewrite(
    context: &Context,
    name: &str,
    rewrites: &[(Arc<str>, Arc<str>)],
    markers: Vec<Marker>,
) -> HttpPolicySet {
    let mut checksum = context.checksum().markers(&markers);
    for (source, target) in rewrites {
        checksum = checksum.text(&format!("{source} {target}"));
    }
    let requests = rewrites.iter().zip(0..).map(|((source, target), index)| HttpRequestRule {
        name: format!("{name}-{index}").into(),
        index,
        enable: true,
        matches: HttpMatch {
            host_hdr: Some(host_match("HDR_EQUALS", vec![source.clone()])),
            ..HttpMatch::default()
        },
        switching_action: None,
        redirect_action: None,
        hdr_action: vec![HeaderAction {
            action: "HTTP_REPLACE_HDR".into(),
            hdr: Header { name: "Host".into(), value: HeaderValue { val: target.clone() } },
        }],
    });
    let rules = Rules { requests: requests.collect(), refusals: Vec::new() };
    envelope(context, name, rules, checksum.finish(), markers)
}

/// Some of the paths in the text of our checksum, which upstream has no form for.
fn text_of(paths: &Paths) -> String {
    match paths {
        Paths::All => String::new(),
        Paths::Under(start) => format!("under {start}"),
        Paths::NotUnder(starts) => format!("not under {}", starts.join(" ")),
    }
}

/// Matches requests without TLS for some of the paths.
fn over_http(paths: &Paths) -> HttpMatch {
    let path = |criteria: &str, paths: Vec<Arc<str>>| PathMatch {
        match_criteria: criteria.into(),
        match_case: "SENSITIVE".into(),
        match_str: paths,
        string_group_refs: Vec::new(),
    };
    HttpMatch {
        path: match paths {
            Paths::All => None,
            Paths::Under(start) => Some(path("BEGINS_WITH", vec![start.clone()])),
            Paths::NotUnder(starts) => Some(path("DOES_NOT_BEGIN_WITH", starts.clone())),
        },
        host_hdr: None,
        vs_port: Some(PortMatch { match_criteria: "IS_IN".into(), ports: vec![80] }),
    }
}

fn host_match(criteria: &str, value: Vec<Arc<str>>) -> HostHeaderMatch {
    HostHeaderMatch { match_criteria: criteria.into(), value }
}

fn redirect_rule(set: &str, index: u32, matches: HttpMatch) -> HttpRequestRule {
    HttpRequestRule {
        name: format!("{set}-{index}").into(),
        index,
        enable: true,
        matches,
        switching_action: None,
        redirect_action: Some(RedirectAction {
            port: 443,
            protocol: "HTTPS".into(),
            status_code: "HTTP_REDIRECT_STATUS_CODE_302".into(),
            path: None,
        }),
        hdr_action: Vec::new(),
    }
}

/// Redirects requests for `/` on a port.
fn root_redirect(set: &str, index: u32, root: &str, port: u16, has_tls: bool) -> HttpRequestRule {
    let token = PathToken {
        token_type: "URI_TOKEN_TYPE_STRING".into(),
        str_value: root.trim_start_matches('/').into(),
    };
    let matches = HttpMatch {
        path: Some(PathMatch {
            match_criteria: "EQUALS".into(),
            match_case: "SENSITIVE".into(),
            match_str: vec!["/".into()],
            string_group_refs: Vec::new(),
        }),
        host_hdr: None,
        vs_port: Some(PortMatch { match_criteria: "IS_IN".into(), ports: vec![port] }),
    };
    let action = RedirectAction {
        port,
        protocol: if has_tls { "HTTPS" } else { "HTTP" }.into(),
        status_code: "HTTP_REDIRECT_STATUS_CODE_302".into(),
        path: Some(PathOfRedirect { param_type: "URI_PARAM_TYPE_TOKENIZED".into(), tokens: vec![token] }),
    };
    HttpRequestRule { redirect_action: Some(action), ..redirect_rule(set, index, matches) }
}

/// The rules of a policy set.
struct Rules {
    requests: Vec<HttpRequestRule>,
    refusals: Vec<HttpSecurityRule>,
}

fn envelope(
    context: &Context,
    name: &str,
    rules: Rules,
    checksum: Arc<str>,
    markers: Vec<Marker>,
) -> HttpPolicySet {
    HttpPolicySet {
        name: name.into(),
        cloud_config_cksum: Some(checksum),
        created_by: Some(context.owner.clone()),
        tenant_ref: Some(context.placement.tenant_ref.clone()),
        http_request_policy: HttpRequestPolicy { rules: rules.requests },
        http_security_policy: HttpSecurityPolicy { rules: rules.refusals },
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
        match_criteria: if switch.pattern.is_some() { REGEX } else { criteria(switch.path_type) }.into(),
        match_case: if switch.pattern.is_some() { INSENSITIVE } else { "SENSITIVE" }.into(),
        match_str: if switch.pattern.is_some() { Vec::new() } else { vec![switch.path.clone()] },
        string_group_refs: switch.pattern.iter().map(Pattern::reference).collect(),
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
        hdr_action: Vec::new(),
    }
}

impl Pattern {
    fn reference(&self) -> Ref {
        Ref::named(Kind::StringGroup, self.string_group.as_str())
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
    string_group_refs: Option<[String; 1]>,
    svc_port: u16,
}

/// Upstream hashes an entry twice: the second time with the first hash in it. That of a pattern
/// it hashes once more, the first time as if it were none.
fn switch_checksum(switch: &Switch) -> u32 {
    let Some(pattern) = &switch.pattern else {
        let text = |checksum| go_json::marshal(&switch_text(switch, &switch.target, checksum));
        return hash(&text(hash(&text(0))));
    };
    let first = hash(&go_json::marshal(&switch_text(switch, &pattern.plain_target, 0)));
    let text = |checksum| {
        go_json::marshal(&SwitchText {
            match_criteria: REGEX,
            match_case: INSENSITIVE,
            string_group_refs: Some([pattern.reference().plain()]),
            ..switch_text(switch, &switch.target, checksum)
        })
    };
    hash(&text(hash(&text(first))))
}

fn switch_text<'a>(switch: &'a Switch, target: &'a Target, checksum: u32) -> SwitchText<'a> {
    let (pool, pool_group) = match target {
        Target::PoolGroup(group) => ("", group.as_str()),
        Target::Pool(pool) => (pool.as_str(), ""),
    };
    SwitchText {
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
    }
}
