//! One Kubernetes object of any kind.

pub use ako_avi_types::Spec;

pub use crate::kinds::application_profile::ApplicationProfile;
pub use crate::kinds::claim::Claim;
pub use crate::kinds::endpoint_slice::{Endpoint, EndpointSlice, SlicePort};
pub use crate::kinds::health_monitor::HealthMonitor;
pub use crate::kinds::host_rule::HostRule;
pub use crate::kinds::http_rule::HttpRule;
pub use crate::kinds::infra_setting::{AviInfraSetting, InfraListener, InfraNetwork};
pub use crate::kinds::ingress::{Backend, Ingress, IngressPath, IngressRule, IngressTls, PathType};
pub use crate::kinds::ingress_class::IngressClass;
pub use crate::kinds::installation::Installation;
pub use crate::kinds::l4_rule::L4Rule;
pub use crate::kinds::l7_rule::L7Rule;
pub use crate::kinds::meta::ObjectMeta;
pub use crate::kinds::namespace::Namespace;
pub use crate::kinds::node::Node;
pub use crate::kinds::node_subnets::{BlockAffinity, CiliumNode, HostSubnet, NodeSubnets};
pub use crate::kinds::pki_profile::PkiProfile;
pub use crate::kinds::pod::{NodePort, Pod};
pub use crate::kinds::port::{PortRef, Protocol};
pub use crate::kinds::published::{Hold, Others, Published, PublishedAddress};
pub use crate::kinds::route::{InsecurePolicy, Route, RouteBackend, RouteTls, Termination};
pub use crate::kinds::route_backend_extension::RouteBackendExtension;
pub use crate::kinds::secret::{BasicAuth, Secret};
pub use crate::kinds::service::{Service, ServicePort, ServiceType, UnusedField};
pub use crate::kinds::sso_rule::SsoRule;
pub use crate::kinds::table::{ResourceId, ResourceKind};
pub use crate::kinds::told::{Condition, Part, Told, Truth};

use crate::kinds::kept::Kept;

macro_rules! resources {
    ($($kind:ident $module:ident::$type:ident $group:literal $version:literal $plural:literal $scope:ident $selected:tt $readers:ident $read:tt;)*) => {
        /// One object of any kind.
        #[derive(Clone, Debug, PartialEq)]
        #[allow(missing_docs)]
        pub enum Resource {
            $($kind(crate::kinds::$module::$type),)*
        }

        impl ResourceKind {
            /// Whether anything of such objects is ours to write.
            pub const fn has_status(self) -> bool {
                match self {
                    $(Self::$kind => <crate::kinds::$module::$type as Kept>::HAS_STATUS,)*
                }
            }
        }

        impl Resource {
            /// Its kind and name.
            pub fn id(&self) -> ResourceId {
                match self {
                    $(Self::$kind(kept) => ResourceId { kind: ResourceKind::$kind, name: kept.id() },)*
                }
            }
        }
    };
}
crate::for_each_kind!(resources);
