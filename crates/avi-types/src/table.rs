//! The table of kinds of Avi objects.

/// Calls a macro with arguments and the table of kinds. A row has: kind, path segment and the model's name as
/// Avi's error texts spell it; those that are written have a body ([`Body`](crate::body::Body))
/// as well.
///
/// A new kind that is written is a row here, in `written` or `profiles`, and a module with its body;
/// one that is only referred to is a row in `referred`.
macro_rules! for_each_kind {
    ($then:ident $(, $argument:tt)*) => {
        $then! {
            $($argument)*
            // They belong to the administrator and hold a part that is ours. They come first:
            // traffic takes the routes that they hold.
            borrowed {
                ServiceEngineGroup "serviceenginegroup" "ServiceEngineGroup" service_engine_group::ServiceEngineGroup;
                VrfContext "vrfcontext" "VrfContext" vrf_context::VrfContext;
            }
            // They are created and deleted. Each may refer to those before it: creating in this
            // order never meets a missing reference, and deleting in the reverse order never a
            // remaining one.
            written {
                SslKeyAndCertificate "sslkeyandcertificate" "SSLKeyAndCertificate" certificate::SslKeyAndCertificate;
                PkiProfile "pkiprofile" "PKIProfile" pki_profile::PkiProfile;
                VsVip "vsvip" "VsVip" vsvip::VsVip;
                Pool "pool" "Pool" pool::Pool;
                PoolGroup "poolgroup" "PoolGroup" pool_group::PoolGroup;
                StringGroup "stringgroup" "StringGroup" string_group::StringGroup;
                HttpPolicySet "httppolicyset" "HTTPPolicySet" http_policy::HttpPolicySet;
                L4PolicySet "l4policyset" "L4PolicySet" l4_policy::L4PolicySet;
                VsDataScriptSet "vsdatascriptset" "VSDataScriptSet" datascript::VsDataScriptSet;
                VirtualService "virtualservice" "VirtualService" virtual_service::VirtualService;
            }
            // The CRD operator creates and deletes them, one for each custom resource; the operator
            // itself refers to them. They refer to nothing that is written.
            profiles {
                HealthMonitor "healthmonitor" "HealthMonitor" health_monitor::HealthMonitor;
                ApplicationProfile "applicationprofile" "ApplicationProfile" application_profile::ApplicationProfile;
            }
            referred {
                Tenant "tenant" "Tenant";
                Cloud "cloud" "Cloud";
                Network "network" "Network";
                VimgrNwRuntime "vimgrnwruntime" "VIMgrNWRuntime";
                IpamDnsProviderProfile "ipamdnsproviderprofile" "IpamDnsProviderProfile";
                NetworkProfile "networkprofile" "NetworkProfile";
                SslProfile "sslprofile" "SSLProfile";
                AnalyticsProfile "analyticsprofile" "AnalyticsProfile";
                ErrorPageProfile "errorpageprofile" "ErrorPageProfile";
                ProtocolParser "protocolparser" "ProtocolParser";
                ApplicationPersistenceProfile "applicationpersistenceprofile" "ApplicationPersistenceProfile";
                WafPolicy "wafpolicy" "WafPolicy";
                IcapProfile "icapprofile" "IcapProfile";
                SsoPolicy "ssopolicy" "SSOPolicy";
                AuthProfile "authprofile" "AuthProfile";
                NetworkSecurityPolicy "networksecuritypolicy" "NetworkSecurityPolicy";
                SecurityPolicy "securitypolicy" "SecurityPolicy";
                BotDetectionPolicy "botdetectionpolicy" "BotDetectionPolicy";
                TrafficCloneProfile "trafficcloneprofile" "TrafficCloneProfile";
            }
        }
    };
}
pub(crate) use for_each_kind;
