//! Kubernetes objects, slimmed to what the operator reads, and their conversion
//! to the snapshot.
//!
//! Invariants of this crate:
//! - It does no I/O and reads no clock.
//! - Conversion is total: whatever decodes is converted, bad parts are left out
//!   and named in [`Diagnostic`](ako_core::Diagnostic)s, nothing panics.
//! - What the API server would refuse is treated the same whether it comes from
//!   a watch or from a file.
//! - Secrets show neither in `Debug` nor in diagnostics.
//!
//! Source of the forms: the Kubernetes API reference, v1.33. In all of them a
//! list may be `null`, which is an empty list.

mod application_profile;
pub mod convert;
mod endpoint_slice;
mod finding;
mod health_monitor;
mod host_rule;
mod http_rule;
mod infra_setting;
mod ingress;
mod ingress_class;
mod instance;
mod l4_rule;
mod l7_rule;
mod metadata;
mod namespace;
mod node;
mod pki_profile;
mod pod;
mod profile;
mod route;
mod route_backend_extension;
mod rule;
pub mod schema;
mod secret;
mod service;
mod sso_rule;
pub mod status;
mod subnet;
mod syntax;

pub use application_profile::ApplicationProfile;
pub use convert::{Convert, Converted, Stamp, status_patch};
pub use endpoint_slice::EndpointSlice;
pub use finding::{MAX_FINDINGS, MAX_MESSAGE};
pub use health_monitor::HealthMonitor;
pub use host_rule::HostRule;
pub use http_rule::HTTPRule;
pub use infra_setting::AviInfraSetting;
pub use ingress::Ingress;
pub use ingress_class::IngressClass;
pub use instance::{ConfigMap, StatefulSet};
pub use l4_rule::L4Rule;
pub use l7_rule::L7Rule;
pub use namespace::Namespace;
pub use node::Node;
pub use pki_profile::PKIProfile;
pub use pod::Pod;
pub use route::Route;
pub use route_backend_extension::RouteBackendExtension;
pub use secret::Secret;
pub use service::Service;
pub use sso_rule::SSORule;
pub use subnet::{BlockAffinity, CiliumNode, HostSubnet};

/// Says of each type which kind it is, by the table of kinds.
macro_rules! of_kinds {
    ($($kind:ident $module:ident::$type:ident $group:literal $version:literal $plural:literal $scope:ident $selected:tt $readers:ident $read:tt;)*) => {
        $(
            impl convert::OfKind for $kind {
                const KIND: ako_core::ResourceKind = ako_core::ResourceKind::$kind;
            }

            impl kube::Resource for $kind {
                type DynamicType = ();
                type Scope = scope!($scope);

                fn kind((): &()) -> std::borrow::Cow<'_, str> {
                    stringify!($kind).into()
                }

                fn group((): &()) -> std::borrow::Cow<'_, str> {
                    $group.into()
                }

                fn version((): &()) -> std::borrow::Cow<'_, str> {
                    $version.into()
                }

                fn plural((): &()) -> std::borrow::Cow<'_, str> {
                    $plural.into()
                }

                fn meta(&self) -> &kube::core::ObjectMeta {
                    &self.metadata
                }

                fn meta_mut(&mut self) -> &mut kube::core::ObjectMeta {
                    &mut self.metadata
                }
            }
        )*
    };
}

macro_rules! scope {
    (Cluster) => {
        kube::core::ClusterResourceScope
    };
    (Namespaced) => {
        kube::core::NamespaceResourceScope
    };
}

ako_core::for_each_kind!(of_kinds);
