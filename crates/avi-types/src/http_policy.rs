//! HTTP policy sets: path switching, redirects and refusals.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::body::{self, Body, named, owned};
use crate::l4_policy::PortMatch;
use crate::marker::Marker;
use crate::reference::Ref;

/// `/api/httppolicyset`. Source: Avi REST API contract, §8.6; L7 objects, §3.4.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpPolicySet {
    /// At most 255 bytes, unique in its tenant.
    pub name: Arc<str>,
    /// Upstream's checksum, a decimal `u32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud_config_cksum: Option<Arc<str>>,
    /// The owner, `ako-<cluster>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_by: Option<Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub tenant_ref: Option<Ref>,
    /// Sent even when empty, as upstream does.
    #[serde(default)]
    pub http_request_policy: HttpRequestPolicy,
    /// Sent even when empty, as upstream does.
    #[serde(default)]
    pub http_security_policy: HttpSecurityPolicy,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub markers: Vec<Marker>,
}

impl Body for HttpPolicySet {
    named!();
    owned!();

    fn checksum_mut(&mut self) -> Option<&mut Option<Arc<str>>> {
        Some(&mut self.cloud_config_cksum)
    }

    fn references(&self) -> Vec<&Ref> {
        self.http_request_policy.rules.iter().flat_map(HttpRequestRule::targets).collect()
    }

    fn normalise(&mut self) {
        let rules = self.http_request_policy.rules.iter_mut();
        rules.filter_map(|rule| rule.matches.host_hdr.as_mut()).for_each(|hosts| hosts.value.sort());
    }

    fn take_out(&mut self, is_missing: &dyn Fn(&Ref) -> bool) -> bool {
        let rules = &mut self.http_request_policy.rules;
        rules.retain(|rule| !rule.targets().any(is_missing));
        !rules.is_empty()
    }

    fn keep(&mut self, old: &Self, _is_kept: &dyn Fn(&Ref) -> bool, is_kept_host: &dyn Fn(&str) -> bool) {
        let (new, old) = (&mut self.http_request_policy.rules, &old.http_request_policy.rules);
        for (new, old) in new.iter_mut().zip(old) {
            if let (Some(new), Some(old)) = (&mut new.matches.host_hdr, &old.matches.host_hdr) {
                body::keep(&mut new.value, &old.value, |host| is_kept_host(host), PartialEq::eq);
            }
        }
    }

    fn served_hosts(&self) -> BTreeSet<Arc<str>> {
        let rules = self.http_request_policy.rules.iter();
        rules
            .filter_map(|rule| rule.matches.host_hdr.as_ref())
            .flat_map(|hosts| &hosts.value)
            .cloned()
            .collect()
    }
}

impl HttpRequestRule {
    /// What requests are switched to.
    fn targets(&self) -> impl Iterator<Item = &Ref> {
        let groups = self.matches.path.iter().flat_map(|path| &path.string_group_refs);
        let actions = self.switching_action.iter();
        groups.chain(actions.flat_map(|action| action.pool_group_ref.iter().chain(&action.pool_ref)))
    }
}

/// Rules for requests, tried in order of their index.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpRequestPolicy {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub rules: Vec<HttpRequestRule>,
}

/// Rules for refusals, tried before those for requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpSecurityPolicy {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[allow(missing_docs)]
    pub rules: Vec<HttpSecurityRule>,
}

/// Switches or redirects the requests that match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpRequestRule {
    /// `<policy set>-<index>`.
    pub name: Arc<str>,
    /// Its place; rules of all kinds in a set share one sequence.
    pub index: u32,
    /// Always true.
    #[serde(default)]
    pub enable: bool,
    /// What it applies to; empty is everything.
    #[serde(rename = "match", default)]
    pub matches: HttpMatch,
    /// Send to a pool or pool group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switching_action: Option<SwitchingAction>,
    /// Answer with a redirect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_action: Option<RedirectAction>,
    /// Change headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hdr_action: Vec<HeaderAction>,
}

/// Refuses the connections that match.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpSecurityRule {
    /// `<policy set>-<index>`.
    pub name: Arc<str>,
    /// Its place.
    pub index: u32,
    /// Always true.
    #[serde(default)]
    pub enable: bool,
    /// What it applies to.
    #[serde(rename = "match", default)]
    pub matches: HttpMatch,
    /// What it does.
    pub action: SecurityAction,
}

/// All of the given parts have to match.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpMatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub path: Option<PathMatch>,
    /// The `Host` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_hdr: Option<HostHeaderMatch>,
    /// The port of the virtual service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vs_port: Option<PortMatch>,
}

/// A path, or a prefix of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathMatch {
    /// `EQUALS`, `BEGINS_WITH`, `DOES_NOT_BEGIN_WITH` or `REGEX_MATCH`.
    pub match_criteria: Arc<str>,
    /// `SENSITIVE` or `INSENSITIVE`.
    #[serde(default)]
    pub match_case: Arc<str>,
    /// The paths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_str: Vec<Arc<str>>,
    /// With `REGEX_MATCH`, where the patterns are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub string_group_refs: Vec<Ref>,
}

/// One of several hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostHeaderMatch {
    /// `HDR_EQUALS`.
    pub match_criteria: Arc<str>,
    /// A set: kept sorted.
    #[serde(default)]
    pub value: Vec<Arc<str>>,
}

/// Sends a request to a pool group or to a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchingAction {
    /// `HTTP_SWITCHING_SELECT_POOLGROUP` or `HTTP_SWITCHING_SELECT_POOL`.
    pub action: Arc<str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub pool_group_ref: Option<Ref>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[allow(missing_docs)]
    pub pool_ref: Option<Ref>,
}

/// Answers with a redirect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RedirectAction {
    /// The port to go to.
    pub port: u16,
    /// `HTTPS` or `HTTP`.
    pub protocol: Arc<str>,
    /// `HTTP_REDIRECT_STATUS_CODE_302`.
    pub status_code: Arc<str>,
    /// Another path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathOfRedirect>,
}

/// A path that is put together of tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathOfRedirect {
    /// `URI_PARAM_TYPE_TOKENIZED`.
    #[serde(rename = "type")]
    pub param_type: Arc<str>,
    #[serde(default)]
    #[allow(missing_docs)]
    pub tokens: Vec<PathToken>,
}

/// A part of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathToken {
    /// `URI_TOKEN_TYPE_STRING`.
    #[serde(rename = "type")]
    pub token_type: Arc<str>,
    /// The text, without a leading slash.
    #[serde(default)]
    pub str_value: Arc<str>,
}

/// Changes a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderAction {
    /// `HTTP_REPLACE_HDR`.
    pub action: Arc<str>,
    #[allow(missing_docs)]
    pub hdr: Header,
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    #[allow(missing_docs)]
    pub name: Arc<str>,
    #[allow(missing_docs)]
    pub value: HeaderValue,
}

/// The value of a header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderValue {
    #[allow(missing_docs)]
    pub val: Arc<str>,
}

/// What an [`HttpSecurityRule`] does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityAction {
    /// `HTTP_SECURITY_ACTION_CLOSE_CONN`.
    pub action: Arc<str>,
}
