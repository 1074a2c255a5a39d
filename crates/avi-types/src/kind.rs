//! The types of Avi objects that the operator reads, writes or refers to.

use std::fmt;

macro_rules! kinds {
    ($($variant:ident $path:literal $model:literal,)*) => {
        /// A type of Avi object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`/api/", $path, "`")] $variant,)*
        }

        impl Kind {
            /// Every kind, in the order of their declaration.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant),*];

            /// The path segment after `/api/`, as in `/api/<segment>?name=…`.
            pub fn segment(self) -> &'static str {
                match self { $(Kind::$variant => $path,)* }
            }

            /// The model's name as Avi's error texts spell it (`VsVip object not found!`).
            pub fn model(self) -> &'static str {
                match self { $(Kind::$variant => $model,)* }
            }

            /// The kind of a path segment; Avi compares them without regard to case.
            pub fn from_segment(segment: &str) -> Option<Kind> {
                $(if segment.eq_ignore_ascii_case($path) { return Some(Kind::$variant); })*
                None
            }
        }
    };
}

// Those that the operator borrows come first: traffic takes the routes that they
// hold. Then those that it creates, in the order in which one may refer to those
// before it: creating in this order never meets a missing reference, and
// deleting in the reverse order never a remaining one.
kinds! {
    ServiceEngineGroup "serviceenginegroup" "ServiceEngineGroup",
    VrfContext "vrfcontext" "VrfContext",
    SslKeyAndCertificate "sslkeyandcertificate" "SSLKeyAndCertificate",
    VsVip "vsvip" "VsVip",
    Pool "pool" "Pool",
    PoolGroup "poolgroup" "PoolGroup",
    HttpPolicySet "httppolicyset" "HTTPPolicySet",
    L4PolicySet "l4policyset" "L4PolicySet",
    VsDataScriptSet "vsdatascriptset" "VSDataScriptSet",
    VirtualService "virtualservice" "VirtualService",
    Tenant "tenant" "Tenant",
    Cloud "cloud" "Cloud",
    Network "network" "Network",
    VimgrNwRuntime "vimgrnwruntime" "VIMgrNWRuntime",
    IpamDnsProviderProfile "ipamdnsproviderprofile" "IpamDnsProviderProfile",
    ApplicationProfile "applicationprofile" "ApplicationProfile",
    NetworkProfile "networkprofile" "NetworkProfile",
    HealthMonitor "healthmonitor" "HealthMonitor",
    SslProfile "sslprofile" "SSLProfile",
    PkiProfile "pkiprofile" "PKIProfile",
    AnalyticsProfile "analyticsprofile" "AnalyticsProfile",
    ErrorPageProfile "errorpageprofile" "ErrorPageProfile",
    ProtocolParser "protocolparser" "ProtocolParser",
    StringGroup "stringgroup" "StringGroup",
    ApplicationPersistenceProfile "applicationpersistenceprofile" "ApplicationPersistenceProfile",
}

impl Kind {
    /// The kinds that the operator creates and deletes, in order of creation.
    pub const WRITTEN: &'static [Kind] = &[
        Kind::SslKeyAndCertificate,
        Kind::VsVip,
        Kind::Pool,
        Kind::PoolGroup,
        Kind::HttpPolicySet,
        Kind::L4PolicySet,
        Kind::VsDataScriptSet,
        Kind::VirtualService,
    ];

    /// The kinds of objects that belong to the administrator and hold a part
    /// that is ours: they are changed, and never created or deleted.
    pub const BORROWED: &'static [Kind] = &[Kind::ServiceEngineGroup, Kind::VrfContext];

    /// Whether objects of this kind are [`Kind::BORROWED`].
    pub fn is_borrowed(self) -> bool {
        Self::BORROWED.contains(&self)
    }

    /// Whether objects of this kind carry a `created_by` field.
    ///
    /// A VsVip has none: its owner is the virtual service that refers to it.
    pub fn has_created_by(self) -> bool {
        self != Kind::VsVip && !self.is_borrowed()
    }

    /// Whether objects of this kind belong to a cloud, so that lists of them
    /// can be filtered by it.
    pub fn has_cloud(self) -> bool {
        self.is_borrowed()
            || matches!(self, Kind::VsVip | Kind::Pool | Kind::PoolGroup | Kind::VirtualService)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.segment())
    }
}
