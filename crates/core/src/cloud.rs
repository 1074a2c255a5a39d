//! Kinds of clouds, and what differs between them. Source: L4 and network, B2.

/// The type of a cloud, as far as it makes a difference.
/// Source: L4 and network, B2.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum CloudType {
    VCenter,
    /// No-access.
    #[default]
    None,
    /// With an overlay, or what we know nothing of.
    NsxT,
    NsxTVlan,
    Aws,
    Azure,
    OpenStack,
    Gcp,
    /// Linux server and others: no code of their own.
    Other,
}

impl CloudType {
    /// From the cloud's `vtype`, and the `tz_type` of its transport zone if it
    /// has one.
    pub fn parse(vtype: &str, transport_zone: Option<&str>) -> Self {
        match vtype {
            "CLOUD_VCENTER" | "" => Self::VCenter,
            "CLOUD_NONE" => Self::None,
            "CLOUD_NSXT" if transport_zone == Some("VLAN") => Self::NsxTVlan,
            "CLOUD_NSXT" => Self::NsxT,
            "CLOUD_AWS" => Self::Aws,
            "CLOUD_AZURE" => Self::Azure,
            "CLOUD_OPENSTACK" => Self::OpenStack,
            "CLOUD_GCP" => Self::Gcp,
            _ => Self::Other,
        }
    }

    /// Whether VIPs are built one a network, by the network's own id.
    pub fn vip_per_network(self) -> bool {
        matches!(self, Self::Aws | Self::Azure | Self::OpenStack)
    }

    /// Whether the cloud is a public one.
    pub fn is_public(self) -> bool {
        self.vip_per_network() || self == Self::Gcp
    }

    /// Whether the cloud is one of NSX-T.
    pub fn is_nsx_t(self) -> bool {
        matches!(self, Self::NsxT | Self::NsxTVlan)
    }

    /// Whether IPv6 addresses can be used.
    pub fn supports_ipv6(self) -> bool {
        matches!(self, Self::VCenter | Self::None) || self.is_nsx_t()
    }

    /// Whether Avi has to be told in which networks the servers of pools are. On NSX-T VLAN
    /// clouds it is not, as the recordings show. Source: L4 and network, B8.
    pub fn places_pools(self) -> bool {
        self == Self::VCenter
    }

    /// Whether it has to be told so where an AviInfraSetting names the networks.
    /// Source: L4 and network, B8.
    pub fn places_pools_of_settings(self) -> bool {
        matches!(self, Self::VCenter | Self::NsxTVlan)
    }
}
