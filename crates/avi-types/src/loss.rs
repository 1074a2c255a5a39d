//! What a change takes away from what is served.

use std::collections::BTreeSet;
use std::sync::Arc;

/// What an object serves by now and would not any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Servers of a pool that would get no new connections.
    pub servers: usize,
    /// How many get some now.
    pub of_servers: usize,
    /// Hosts, on a virtual service, its names or its rules.
    pub hosts: BTreeSet<Arc<str>>,
    /// References to what it is served by: pools, policies, certificates.
    pub references: usize,
    /// Ports that are listened on.
    pub ports: usize,
    /// Static routes of ours.
    pub routes: usize,
    /// What protects it and goes without a replacement: a policy of a rule, sign-in, TLS with its
    /// servers.
    pub protections: usize,
}

impl Losses {
    /// Whether nothing is taken away.
    pub fn is_empty(&self) -> bool {
        let Self { servers, of_servers: _, hosts, references, ports, routes, protections } = self;
        servers + hosts.len() + references + ports + routes + protections == 0
    }

    /// Whether a pool loses more servers than it keeps.
    pub fn is_most_of_a_pool(&self) -> bool {
        self.servers * 2 > self.of_servers
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use crate::kind::Kind;
    use crate::object::Object;

    fn read(kind: Kind, body: Value) -> Object {
        Object::read(kind, body).unwrap()
    }

    fn pool(servers: &[(&str, bool)]) -> Object {
        let servers = servers.iter().map(
            |(addr, enabled)| json!({"ip": {"addr": addr, "type": "V4"}, "port": 80, "enabled": enabled}),
        );
        read(Kind::Pool, json!({"name": "p", "servers": servers.collect::<Vec<_>>()}))
    }

    #[test]
    fn a_server_that_goes_or_is_disabled_is_a_loss() {
        let old = pool(&[("10.0.0.1", true), ("10.0.0.2", true), ("10.0.0.3", false)]);
        let new = pool(&[("10.0.0.2", false), ("10.0.0.4", true)]);
        let losses = new.losses(&old);
        assert_eq!((losses.servers, losses.of_servers), (2, 2));
        assert!(losses.is_most_of_a_pool());
        assert!(old.losses(&old).is_empty());
        // One that got no connections is not missed.
        assert!(pool(&[("10.0.0.1", true), ("10.0.0.2", true)]).losses(&old).is_empty());
        let kept = new.keeping_everything(&old).unwrap();
        let all = pool(&[("10.0.0.1", true), ("10.0.0.2", true), ("10.0.0.4", true)]);
        assert_eq!(kept.differences(&all), []);
    }

    #[test]
    fn what_protects_is_a_loss_unless_something_else_takes_its_place() {
        let service = |waf: &str, sign_in: &str| {
            let body = json!({"name": "s", "waf_policy_ref": waf, "sso_policy_ref": sign_in});
            read(Kind::VirtualService, body)
        };
        let none = read(Kind::VirtualService, json!({"name": "s"}));
        let [strict, lax] = ["strict", "lax"]
            .map(|name| service(&format!("/api/wafpolicy?name={name}"), "/api/ssopolicy?name=s"));
        assert_eq!((none.losses(&strict).protections, lax.losses(&strict).protections), (2, 0));
        let kept = none.keeping_everything(&strict).unwrap();
        assert_eq!((kept.losses(&strict).is_empty(), kept.differences(&strict)), (true, Vec::new()));
        let encrypted = |profile: &str| {
            let profile = format!("/api/sslprofile?name={profile}");
            read(Kind::Pool, json!({"name": "p", "sni_enabled": true, "ssl_profile_ref": profile}))
        };
        let plain = read(Kind::Pool, json!({"name": "p"}));
        assert_eq!(encrypted("b").losses(&encrypted("a")).protections, 0);
        let encrypted = encrypted("a");
        assert_eq!(plain.losses(&encrypted).protections, 1);
        let kept = plain.keeping_everything(&encrypted).unwrap();
        assert_eq!(kept.differences(&encrypted), []);
    }

    #[test]
    fn a_member_of_a_group_is_the_same_whatever_its_weight_and_its_spelling() {
        let group = |members: &[(&str, u32)]| {
            let members = members.iter().map(|(pool, ratio)| json!({"pool_ref": pool, "ratio": ratio}));
            read(Kind::PoolGroup, json!({"name": "g", "members": members.collect::<Vec<_>>()}))
        };
        let old = group(&[("https://c/api/pool/pool-1#a", 10), ("https://c/api/pool/pool-2#b", 10)]);
        let new = group(&[("/api/pool?name=a", 90)]);
        assert_eq!(new.losses(&old).references, 1);
        let Some(Object::PoolGroup(kept)) = new.keeping_everything(&old) else { panic!("no group") };
        let kept: Vec<_> =
            kept.members.iter().map(|member| (member.pool_ref.name.clone(), member.ratio)).collect();
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert!(kept.contains(&(Some("a".into()), 90)), "{kept:?}");
    }

    #[test]
    fn hosts_and_ports_are_losses() {
        let vip = |hosts: &[&str]| {
            let names = hosts.iter().map(|host| json!({"fqdn": host}));
            read(Kind::VsVip, json!({"name": "v", "dns_info": names.collect::<Vec<_>>()}))
        };
        let losses = vip(&["b"]).losses(&vip(&["a", "b"]));
        assert_eq!(losses.hosts, BTreeSet::from(["a".into()]));
        let service = |ports: &[u16]| {
            let ports = ports.iter().map(|port| json!({"port": port}));
            read(Kind::VirtualService, json!({"name": "s", "services": ports.collect::<Vec<_>>()}))
        };
        let (new, old) = (service(&[443]), service(&[80, 443]));
        assert_eq!(new.losses(&old).ports, 1);
        assert_eq!(new.keeping_everything(&old), None, "a port is not kept, so the change waits as a whole");
    }
}
