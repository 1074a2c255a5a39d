//! Names of Avi objects. Source: L7 objects, §1.2 and §2; L4 and network, A2.
//!
//! Two installations agree on an object by its name alone, so every formula
//! here is upstream's. Hosts and paths are copied as they are; in EVH mode most
//! names are hashed ([`Names::encode`]).

use std::sync::Arc;

use ako_avi_types::NAME_LIMIT;

use crate::checksum::{hash, sha1_hex};
use crate::config::{Config, ShardSize};
use crate::resource::Protocol;

/// The suffix of everything that belongs to a dedicated virtual service.
pub const DEDICATED: &str = "-L7-dedicated";

/// Makes names for one configuration.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    config: &'a Config,
    shards: ShardSize,
    passthrough_shards: u32,
    /// `<AviInfraSetting>-` in the names of what such a setting places, else empty.
    infix: &'a str,
    /// What the names of a host's pools, pool groups and policy sets end with, if upstream's
    /// are taken by another host; else empty.
    apart: &'a str,
}

impl<'a> Names<'a> {
    /// The names of an instance with this configuration.
    pub fn new(config: &'a Config) -> Self {
        Self {
            config,
            shards: config.shard_size,
            passthrough_shards: config.passthrough_shards,
            infix: "",
            apart: "",
        }
    }

    /// The same where hosts share so many virtual services, those with passthrough so many, and
    /// names have this in them: the name of an AviInfraSetting and a dash, or nothing.
    #[must_use]
    pub fn placed(self, shards: ShardSize, passthrough_shards: u32, infix: &'a str) -> Self {
        Self { shards, passthrough_shards, infix, ..self }
    }

    /// The same for a host whose names are taken by another one.
    #[must_use]
    pub fn apart(self, apart: &'a str) -> Self {
        Self { apart, ..self }
    }

    /// What such names end with; an empty text takes no memory.
    fn end(self) -> String {
        if self.apart.is_empty() { String::new() } else { format!("-{}", self.apart) }
    }

    /// `<cluster>--`, the start of every name.
    pub fn prefix(&self) -> String {
        self.config.name_prefix()
    }

    /// What the CRD operator makes of a custom resource. Source: Custom resources, §9.2.
    pub fn of_custom_resource(&self, namespace: &str, name: &str) -> String {
        self.hashed(&format!("{namespace}-{name}"))
    }

    /// The start of the names of what is a host's own.
    fn start(&self) -> String {
        format!("{}{}", self.prefix(), self.infix)
    }

    /// In EVH mode the hash of a name, otherwise the name itself.
    pub fn encode(&self, plain: &str) -> String {
        if self.config.evh { self.hashed(plain) } else { plain.to_owned() }
    }

    /// Secondary instances carry their namespace in the names of shared
    /// virtual services.
    fn instance(self) -> String {
        if self.config.primary { String::new() } else { format!("{}-", self.config.operator_namespace) }
    }

    /// The start of the names that no other instance uses: those of shared
    /// virtual services.
    pub fn shared_prefix(&self) -> String {
        format!("{}{}Shared-", self.prefix(), self.instance())
    }

    /// The shared virtual service that serves a host, or `None` if hosts have
    /// their own.
    pub fn shared_vs(&self, host: &str, namespace: &str) -> Option<String> {
        let (prefix, instance) = (self.prefix(), self.instance());
        if self.config.shares_by_namespace() {
            return Some(format!("{prefix}{instance}Shared-L7-EVH-{}NS-{namespace}", self.infix));
        }
        let ShardSize::Shared(size) = self.shards else { return None };
        let evh = if self.config.evh { "EVH-" } else { "" };
        Some(format!("{prefix}{instance}Shared-L7-{evh}{}{}", self.infix, bucket(host, size)))
    }

    /// The virtual service that is a host's own.
    pub fn dedicated_vs(&self, host: &str) -> String {
        let plain = format!("{}{host}{DEDICATED}", self.start());
        if self.config.evh { format!("{}-EVH", self.encode(&plain)) } else { plain }
    }

    /// The virtual service that passes a host's TLS through.
    pub fn passthrough_vs(&self, host: &str) -> String {
        let (prefix, instance) = (self.prefix(), self.instance());
        let shard = bucket(host, self.passthrough_shards);
        format!("{prefix}{instance}Shared-Passthrough-{}{shard}", self.infix)
    }

    /// The child virtual service of a host, and its certificate.
    pub fn child_vs(&self, host: &str) -> String {
        self.encode(&format!("{}{host}", self.start()))
    }

    /// The second certificate of a host.
    pub fn alternate_certificate(&self, host: &str) -> String {
        self.encode(&format!("{}{host}-alt", self.start()))
    }

    /// The certificate that signed that of a host.
    pub fn authority_certificate(&self, host: &str) -> String {
        self.encode(&format!("{}{host}-cacert", self.start()))
    }

    /// The certificate that hosts with `enable-tls` share.
    pub fn default_certificate(&self, alternate: bool) -> String {
        let alt = if alternate { "-alt" } else { "" };
        self.encode(&format!("{}router-certs-default{alt}", self.prefix()))
    }

    /// The policy set with a host's path rules, one a namespace.
    pub fn host_policy(&self, namespace: &str, host: &str) -> String {
        self.encode(&format!("{}{namespace}-{host}{}", self.start(), self.end()))
    }

    /// The string group with the pattern of a path of a host, which is the instance's own.
    pub fn string_group(&self, host: &str, path: &str) -> String {
        format!("{}-{}", self.config.owner(), sha1_hex(&format!("{host}{path}")))
    }

    /// The hash of a name, whatever the mode: of what patterns of paths lead to.
    pub fn hashed(&self, plain: &str) -> String {
        format!("{}{}", self.prefix(), sha1_hex(plain))
    }

    /// A pool on a shared SNI virtual service; `service` for Routes, which have several.
    pub fn insecure_pool(&self, path: PathName<'_>, service: Option<&str>) -> String {
        let service = service.map(|service| format!("-{service}")).unwrap_or_default();
        format!(
            "{}{}{}-{}-{}{service}{}",
            self.start(),
            path.host,
            flat(path.path),
            path.namespace,
            path.ingress,
            self.end()
        )
    }

    /// A pool group for a path of a child or dedicated virtual service, before
    /// it is encoded.
    pub fn plain_pool_group(&self, path: PathName<'_>) -> String {
        let dedicated = if self.is_dedicated() { DEDICATED } else { "" };
        format!(
            "{}{}-{}{}-{}{dedicated}{}",
            self.start(),
            path.namespace,
            path.host,
            flat(path.path),
            path.ingress,
            self.end()
        )
    }

    /// A pool of a child or dedicated virtual service, before it is encoded; with its Service
    /// where a path may lead to several, as those of Routes do.
    pub fn plain_pool(&self, path: PathName<'_>, service: &str, is_one_of_several: bool) -> String {
        let dedicated = if self.is_dedicated() { DEDICATED } else { "" };
        let start =
            format!("{}{}-{}{}-{}", self.start(), path.namespace, path.host, flat(path.path), path.ingress);
        let end = self.end();
        if self.config.evh || is_one_of_several {
            format!("{start}-{service}{dedicated}{end}")
        } else if self.config.no_pool_group_for_sni {
            format!("{start}{dedicated}{end}--policy-to-pool")
        } else {
            format!("{start}{dedicated}{end}")
        }
    }

    /// The pool group of a passthrough host.
    pub fn passthrough_pool_group(&self, host: &str) -> String {
        format!("{}{host}", self.start())
    }

    /// A pool of a passthrough host.
    pub fn passthrough_pool(&self, host: &str, service: &str) -> String {
        format!("{}{host}-{service}{}", self.start(), self.end())
    }

    /// The virtual service, VsVip and policy set of a Service, or of the
    /// Services that share a VIP under a key.
    pub fn l4_vs(&self, namespace: &str, service_or_key: &str) -> String {
        self.encode(&format!("{}{namespace}-{service_or_key}", self.prefix()))
    }

    /// The pool of one port of a Service; `key` if it shares a VIP.
    pub fn l4_pool(
        &self,
        namespace: &str,
        service: &str,
        key: Option<&str>,
        protocol: Protocol,
        port: u16,
    ) -> String {
        let key = key.map(|k| format!("-{k}")).unwrap_or_default();
        let plain = format!("{}{namespace}-{service}{key}-{}-{port}", self.prefix(), protocol.as_str());
        self.encode(&plain)
    }

    /// Whether every host has a virtual service of its own.
    pub fn is_dedicated(&self) -> bool {
        self.shards == ShardSize::Dedicated && !self.config.shares_by_namespace()
    }
}

/// A path of a host of an Ingress: what the names of its pools are made of.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)]
pub struct PathName<'a> {
    pub namespace: &'a str,
    pub ingress: &'a str,
    pub host: &'a str,
    pub path: &'a str,
}

/// Whether Avi takes a name of that length.
pub fn fits(name: &str) -> bool {
    name.len() <= NAME_LIMIT
}

/// Generated names carry the tenant in a form that DNS takes: runs of other
/// characters become one dash. Source: L7 objects, §1.3.
pub fn dns_label_of_tenant(tenant: &str) -> String {
    let mut out = String::with_capacity(tenant.len());
    for c in tenant.chars() {
        let c = if c.is_ascii_alphanumeric() { c } else { '-' };
        if c != '-' || !out.ends_with('-') {
            out.push(c);
        }
    }
    out.trim_matches('-').to_owned()
}

/// One of the markers, or nothing if it has no values.
pub fn marker(key: &'static str, values: Vec<Arc<str>>) -> Option<ako_avi_types::Marker> {
    (!values.is_empty()).then(|| ako_avi_types::Marker { key: key.into(), values })
}

fn flat(path: &str) -> String {
    path.replace('/', "_")
}

fn bucket(host: &str, size: u32) -> u32 {
    // Sizes are powers of two, at least one.
    hash(host) & (size.max(1) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(evh: bool, shard_size: ShardSize) -> Config {
        Config { cluster_name: "cluster".into(), evh, shard_size, ..Config::default() }
    }

    const SHOP: PathName<'_> = PathName { namespace: "default", ingress: "shop", host: "foo.com", path: "/" };

    #[test]
    fn evh_vectors() {
        let config = config(true, ShardSize::Shared(8));
        let names = Names::new(&config);
        assert_eq!(names.child_vs("foo.com"), "cluster--532fd312059d5096118cb0bc3d1135a36cc4f826");
        assert_eq!(
            names.host_policy("default", "foo.com"),
            "cluster--55aaae53d1d233409164e7b03b646f7284e86d88"
        );
        let pool = names.encode(&names.plain_pool(SHOP, "web", false));
        assert_eq!(pool, "cluster--754d583a15171a0c8b9415580a86b3bce3dc22f2");
        let group = names.encode(&names.plain_pool_group(SHOP));
        assert_eq!(group, "cluster--b63d0f370180acfc4c760929f20ca0b68b2ab066");
        assert_eq!(names.shared_vs("foo.com", "x").as_deref(), Some("cluster--Shared-L7-EVH-0"));
    }

    #[test]
    fn dedicated_vectors() {
        let evh = config(true, ShardSize::Dedicated);
        let expected = "cluster--fc94484f7312a22cfb5bcc517b05649e256c24a8-EVH";
        assert_eq!(Names::new(&evh).dedicated_vs("foo.com"), expected);
        let sni = config(false, ShardSize::Dedicated);
        assert_eq!(Names::new(&sni).dedicated_vs("foo.com"), "cluster--foo.com-L7-dedicated");
        assert_eq!(
            Names::new(&sni).plain_pool(SHOP, "web", false),
            "cluster--default-foo.com_-shop-L7-dedicated"
        );
    }

    #[test]
    fn shards_follow_the_hash() {
        let config = config(false, ShardSize::Shared(4));
        let names = Names::new(&config);
        assert_eq!(names.shared_vs("app.example.com", "x").as_deref(), Some("cluster--Shared-L7-3"));
        assert_eq!(names.shared_vs("api.example.com", "x").as_deref(), Some("cluster--Shared-L7-0"));
    }

    #[test]
    fn a_secondary_instance_has_its_own_shared_names() {
        let config = Config {
            primary: false,
            operator_namespace: "blue".into(),
            cluster_name: "c1".into(),
            ..config(false, ShardSize::Shared(8))
        };
        assert_eq!(Names::new(&config).shared_vs("foo.com", "x").as_deref(), Some("c1--blue-Shared-L7-0"));
    }

    #[test]
    fn tenants_become_labels() {
        assert_eq!(dns_label_of_tenant("my tenant_1"), "my-tenant-1");
        assert_eq!(dns_label_of_tenant("admin"), "admin");
    }
}
