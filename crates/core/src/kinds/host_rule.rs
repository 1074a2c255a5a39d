//! HostRules. Source: Custom resources, §3.

use std::sync::Arc;

use crate::domains::Domains;
use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::key::{Key, Place};
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;
use crate::kinds::rule::{AnalyticsPolicy, HttpPolicy};

/// What the names of shared virtual services have in them; a host has it not.
const SHARED: &str = "Shared-";

/// A HostRule: what the virtual service of a host has, beyond what Ingresses and Routes can say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostRule {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// What is wrong with it in itself, whatever else there is; such a rule must not be applied,
    /// not by half either.
    pub invalid: Option<Arc<str>>,
    /// `fqdn`; empty only if it is invalid.
    pub fqdn: Arc<str>,
    /// `fqdnType`
    pub fqdn_type: FqdnType,
    /// `aliases`
    pub aliases: Vec<Arc<str>>,
    /// `enableVirtualHost`; absent leaves the virtual service enabled.
    pub enable_virtual_host: Option<bool>,
    /// `applicationProfile`
    pub application_profile: Option<Arc<str>>,
    /// `analyticsProfile`
    pub analytics_profile: Option<Arc<str>>,
    /// `errorPageProfile`
    pub error_page_profile: Option<Arc<str>>,
    /// `wafPolicy`
    pub waf_policy: Option<Arc<str>>,
    /// `icapProfile`: one at most.
    pub icap_profile: Option<Arc<str>>,
    /// `datascripts`
    pub datascripts: Vec<Arc<str>>,
    /// `networkSecurityPolicy`
    pub network_security_policy: Option<Arc<str>>,
    /// `l7Rule`: the name of an L7Rule of the same namespace.
    pub l7_rule: Option<Arc<str>>,
    /// `applicationRootPath`
    pub application_root_path: Option<Arc<str>>,
    /// `useRegex`
    pub use_regex: bool,
    /// `httpPolicy`
    pub http_policy: Option<HttpPolicy>,
    /// `gslb`
    pub gslb: Option<Gslb>,
    /// `tls`
    pub tls: Option<HostTls>,
    /// `analyticsPolicy`
    pub analytics_policy: Option<AnalyticsPolicy>,
    /// `tcpSettings`
    pub tcp_settings: Option<TcpSettings>,
    /// What was published on the object.
    pub published: Published,
}

/// How the fqdn of a [`HostRule`] is compared with hosts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FqdnType {
    /// The host is it.
    #[default]
    Exact,
    /// The host ends with what stands after its asterisk.
    Wildcard,
    /// The host contains it.
    Contains,
}

/// The name that a host has in several clusters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gslb {
    /// `fqdn`
    pub fqdn: Option<Arc<str>>,
    /// `includeAliases`: only who makes the names of several clusters reads it.
    pub include_aliases: bool,
}

/// How TLS ends at a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostTls {
    /// `sslKeyCertificate`
    pub certificate: Certificate,
    /// `sslKeyCertificate.alternateCertificate`
    pub alternate: Option<Certificate>,
    /// `sslProfile`
    pub ssl_profile: Option<Arc<str>>,
    /// `termination`
    pub termination: Option<Termination>,
}

/// A certificate with its key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// `name`: of a Secret of the rule's namespace, or of an object of the controller.
    pub name: Arc<str>,
    /// `type`
    pub source: CertificateSource,
}

/// Where a certificate is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertificateSource {
    /// On the controller.
    #[default]
    Ref,
    /// In a Secret.
    Secret,
}

/// Where TLS ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// At the virtual service.
    Edge,
}

/// The ports and the address of a virtual service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpSettings {
    /// `loadBalancerIP`: an address of either family.
    pub load_balancer_ip: Option<Arc<str>>,
    /// `listeners`
    pub listeners: Vec<HostListener>,
}

/// A port of a virtual service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostListener {
    /// `port`; the API does not ask for one.
    pub port: Option<u16>,
    /// `enableSSL`
    pub enable_ssl: bool,
}

impl HostRule {
    /// Whether it is about shared virtual services, and not about hosts.
    pub fn is_about_shared(&self) -> bool {
        self.fqdn.contains(SHARED)
    }
}

impl Kept for HostRule {
    const HAS_STATUS: bool = true;

    fn id(&self) -> NamespacedName {
        self.id.clone()
    }

    fn meta(&self) -> Option<&ObjectMeta> {
        Some(&self.meta)
    }

    fn published(&self) -> Option<&Published> {
        Some(&self.published)
    }

    fn found_under(&self, _domains: &Domains, say: &mut dyn FnMut(Key)) {
        if self.fqdn_type == FqdnType::Exact && !self.is_about_shared() {
            say(Key::rule_of(&self.fqdn));
        } else {
            say(Key::patterns());
        }
        let gslb = self.gslb.iter().filter_map(|gslb| gslb.fqdn.as_ref());
        for alias in self.aliases.iter().chain(gslb) {
            say(Key::Under(Place::Alias, NamespacedName::cluster(alias.clone())));
        }
    }

    /// What was published on it changes nothing for its hosts.
    fn looks_like(&self, other: &Self) -> bool {
        Self { published: other.published.clone(), ..self.clone() } == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(rule: &HostRule) -> Vec<Key> {
        let mut keys = Vec::new();
        rule.found_under(&Domains::default(), &mut |key| keys.push(key));
        keys
    }

    #[test]
    fn a_rule_is_found_under_its_host_or_among_the_patterns_and_under_its_other_names() {
        let rule = |fqdn: &str, fqdn_type| HostRule { fqdn: fqdn.into(), fqdn_type, ..HostRule::default() };
        let host = Key::rule_of(&"a.com".into());
        assert_eq!(keys(&rule("a.com", FqdnType::Exact)), [host]);
        for (fqdn, fqdn_type) in [
            ("*.com", FqdnType::Wildcard),
            ("a.com", FqdnType::Contains),
            ("c--Shared-L7-0", FqdnType::Contains),
            ("c--Shared-L7-0.admin.com", FqdnType::Exact),
        ] {
            assert_eq!(keys(&rule(fqdn, fqdn_type)), [Key::patterns()], "{fqdn}");
        }
        let gslb = Some(Gslb { fqdn: Some("gs.com".into()), include_aliases: false });
        let named = HostRule { aliases: vec!["b.com".into()], gslb, ..rule("a.com", FqdnType::Exact) };
        let alias = |name: &str| Key::Under(Place::Alias, NamespacedName::cluster(name));
        assert_eq!(keys(&named)[1..], [alias("b.com"), alias("gs.com")]);
    }

    #[test]
    fn its_own_status_is_no_difference_but_its_generation_is() {
        let published = Published { node_ports: Some("x".into()), ..Published::default() };
        let written = HostRule { published, ..HostRule::default() };
        assert!(HostRule::default().looks_like(&written));
        let meta = ObjectMeta { generation: 2, ..ObjectMeta::default() };
        assert!(!HostRule::default().looks_like(&HostRule { meta, ..HostRule::default() }));
    }
}
