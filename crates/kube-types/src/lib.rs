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

pub mod convert;
mod endpoint_slice;
mod finding;
mod ingress;
mod ingress_class;
mod instance;
mod metadata;
mod namespace;
mod node;
mod pod;
mod secret;
mod service;
mod subnet;
mod syntax;

pub use convert::{Convert, Converted};
pub use endpoint_slice::EndpointSlice;
pub use finding::{MAX_FINDINGS, MAX_MESSAGE};
pub use ingress::Ingress;
pub use ingress_class::IngressClass;
pub use instance::{ConfigMap, StatefulSet};
pub use namespace::Namespace;
pub use node::Node;
pub use pod::Pod;
pub use secret::Secret;
pub use service::Service;
pub use subnet::{BlockAffinity, CiliumNode, HostSubnet};

/// Implements [`kube::Resource`] for one of our types.
macro_rules! kubernetes_resource {
    ($type:ident, $group:literal, $plural:literal, $scope:ident) => {
        kubernetes_resource!($type, $group, "v1", $plural, $scope);
    };
    ($type:ident, $group:literal, $version:literal, $plural:literal, $scope:ident) => {
        impl kube::Resource for $type {
            type DynamicType = ();
            type Scope = kube::core::$scope;

            fn kind((): &()) -> std::borrow::Cow<'_, str> {
                stringify!($type).into()
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
    };
}
use kubernetes_resource;
