//! How traffic gets to pods. Source: configuration, §1.

/// Where traffic is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ServiceMode {
    ClusterIp,
    NodePort,
    NodePortLocal,
}
