//! What an instance claims by its configuration.
//! Source: leadership protocol and instance verdicts, §6.

use std::net::Ipv6Addr;
use std::sync::Arc;

use crate::CONTROLLER_NAME;
use crate::config::Config;
use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::service::{Service, ServiceType};
use crate::kinds::table;
use crate::owner::owner;
use crate::scope::Scope;
use crate::service_mode::ServiceMode;

/// What an instance claims, according to its configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The namespace that it runs in, which is its name.
    pub namespace: Arc<str>,
    /// When its ConfigMap was created, in seconds since the epoch.
    pub created: i64,
    /// `controllerIP`, in one spelling for one controller.
    pub controller: Arc<str>,
    /// The uuid of that controller, as far as the instance says it.
    pub controller_id: Option<Arc<str>>,
    /// `cloudName`
    pub cloud: Arc<str>,
    /// `clusterName`
    pub cluster: Arc<str>,
    /// `primaryInstance`
    pub primary: bool,
    /// `serviceType`
    pub service_mode: ServiceMode,
    /// The namespaces that it serves.
    pub scope: Scope,
    /// Which Services it serves, and in which tenant.
    pub services: ServiceRule,
}

/// Which Services of type LoadBalancer an instance serves. Source: L4 and network, A3.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceRule {
    /// `layer7Only`: none.
    pub none: bool,
    /// `defaultLBController`: those without a class, too.
    pub without_class: bool,
    /// `tenantName`, where their namespace has no other.
    pub tenant: Arc<str>,
    /// `dedicatedTenantMode`: none in another tenant.
    pub dedicated_tenant: bool,
}

impl ServiceRule {
    /// That of a configuration.
    pub fn of(config: &Config) -> Self {
        Self {
            none: config.layer7_only,
            without_class: config.default_lb_controller,
            tenant: config.tenant.clone(),
            dedicated_tenant: config.dedicated_tenant,
        }
    }

    /// Whether a Service is served.
    pub fn serves(&self, service: &Service) -> bool {
        let asked = match &service.class {
            Some(class) => &**class == CONTROLLER_NAME,
            None => self.without_class,
        };
        service.service_type == ServiceType::LoadBalancer && asked && !self.none
    }
}

impl Claim {
    /// The name of the ConfigMap that makes a claim.
    pub const CONFIG_MAP: &'static str = table::CONFIG_MAP;

    /// The claim of a configuration.
    pub fn of(config: &Config, created: i64) -> Self {
        Self {
            namespace: config.operator_namespace.clone(),
            created,
            controller: controller(&config.controller_host),
            controller_id: None,
            cloud: config.cloud_name.clone(),
            cluster: config.cluster_name.clone(),
            primary: config.primary,
            service_mode: config.service_mode,
            scope: config.scope.clone(),
            services: ServiceRule::of(config),
        }
    }

    /// `created_by` of what the instance owns.
    pub fn owner(&self) -> String {
        owner(&self.cluster, self.primary, &self.namespace)
    }

    /// Whether two claims of one instance lead to the same objects; which
    /// namespaces it serves may change at any time.
    pub(crate) fn acts_like(&self, other: &Self) -> bool {
        let (scope, services) = (self.scope.clone(), self.services.clone());
        let (created, controller_id) = (self.created, self.controller_id.clone());
        let other = Self { created, controller_id, scope, services, ..other.clone() };
        *self == other
    }

    /// Whether two instances use one controller, however they spell it. If one of them does
    /// not say which one it is, they may.
    pub fn same_controller(&self, other: &Self) -> bool {
        let may_be_one = match (&self.controller_id, &other.controller_id) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        self.controller == other.controller || may_be_one
    }

    /// Whether both look after objects in the same place.
    pub fn same_cloud(&self, other: &Self) -> bool {
        self.same_controller(other) && self.cloud == other.cloud
    }
}

/// A controller's address without what goes without saying: `https`, port 443,
/// the brackets of an IPv6 address.
fn controller(address: &str) -> Arc<str> {
    let address = address.trim().to_ascii_lowercase();
    let address = address.strip_prefix("https://").unwrap_or(&address).trim_end_matches('/');
    let has_port = address.parse::<Ipv6Addr>().is_err();
    let host = address.strip_suffix(":443").filter(|_| has_port).unwrap_or(address);
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inside.unwrap_or(host).into()
}

impl Kept for Claim {
    fn id(&self) -> NamespacedName {
        NamespacedName::new(self.namespace.clone(), Self::CONFIG_MAP)
    }
}

#[cfg(test)]
mod tests {
    use super::controller;

    #[test]
    fn a_controller_has_one_spelling() {
        for (one, other) in [
            ("c", "c:443"),
            ("C.example.com", "https://c.example.com:443/"),
            ("10.0.0.1", "10.0.0.1:443"),
            ("[2001:db8::443]", "2001:db8::443"),
            ("[2001:db8::1]:443", "2001:db8::1"),
        ] {
            assert_eq!(controller(one), controller(other));
        }
        for (one, other) in [("c", "c:8443"), ("c", "http://c"), ("2001:db8::443", "2001:db8:"), ("a", "b")] {
            assert_ne!(controller(one), controller(other));
        }
    }
}
