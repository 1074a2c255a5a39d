//! SSORules. Source: Custom resources, §7.

use std::sync::Arc;

use crate::domains::Domains;
use crate::id::NamespacedName;
use crate::kinds::kept::Kept;
use crate::kinds::key::Key;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;

/// An SSORule: how people sign in at a host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SsoRule {
    /// Its name.
    pub id: NamespacedName,
    /// What else is known of it as an object.
    pub meta: ObjectMeta,
    /// What is wrong with it in itself, whatever else there is; such a rule must not be applied,
    /// not by half either.
    pub invalid: Option<Arc<str>>,
    /// `fqdn`; empty only if it is invalid.
    pub fqdn: Arc<str>,
    /// `ssoPolicyRef`; empty only if it is invalid.
    pub sso_policy: Arc<str>,
    /// How; absent only if it is invalid.
    pub sign_in: Option<SignIn>,
    /// What was published on the object.
    pub published: Published,
}

/// How people sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignIn {
    /// `oauthVsConfig`
    Oauth(Oauth),
    /// `samlSpConfig`
    Saml(Saml),
}

/// By OAuth and OpenID Connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Oauth {
    /// `cookieName`
    pub cookie_name: Option<Arc<str>>,
    /// `cookieTimeout`, in minutes.
    pub cookie_timeout: u16,
    /// `logoutURI`
    pub logout_uri: Option<Arc<str>>,
    /// `redirectURI`
    pub redirect_uri: Option<Arc<str>>,
    /// `postLogoutRedirectURI`
    pub post_logout_redirect_uri: Option<Arc<str>>,
    /// `oauthSettings`
    pub settings: Vec<OauthSettings>,
}

/// Who says who somebody is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OauthSettings {
    /// `authProfileRef`
    pub auth_profile: Arc<str>,
    /// `appSettings`
    pub app: Option<AppSettings>,
    /// `resourceServer`
    pub resource_server: Option<ResourceServer>,
}

/// As what the virtual service is known to the authorization server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppSettings {
    /// `clientID`
    pub client_id: Arc<str>,
    /// `clientSecret`: the name of a Secret of the rule's namespace.
    pub client_secret: Arc<str>,
    /// `scopes`
    pub scopes: Vec<Arc<str>>,
    /// `oidcConfig`
    pub oidc: Option<Oidc>,
}

/// What is asked for by OpenID Connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Oidc {
    /// `oidcEnable`
    pub enable: Option<bool>,
    /// `profile`
    pub profile: bool,
    /// `userinfo`
    pub userinfo: Option<bool>,
}

/// How access tokens are checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceServer {
    /// `accessType`, with its parameters.
    pub access: AccessToken,
    /// `introspectionDataTimeout`, in minutes.
    pub introspection_data_timeout: u16,
}

/// What access tokens are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessToken {
    /// They say what they are for.
    Jwt {
        /// `jwtParams.audience`
        audience: Arc<str>,
    },
    /// A server says what they are for.
    Opaque {
        /// `opaqueTokenParams.serverID`
        server_id: Arc<str>,
        /// `opaqueTokenParams.serverSecret`: the name of a Secret of the rule's namespace.
        server_secret: Arc<str>,
    },
}

/// By SAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saml {
    /// `authnReqAcsType`
    pub acs: AcsType,
    /// `acsIndex`; counts only with [`AcsType::Index`].
    pub acs_index: Option<u8>,
    /// `entityID`
    pub entity_id: Arc<str>,
    /// `singleSignonURL`
    pub single_sign_on_url: Arc<str>,
    /// `cookieName`
    pub cookie_name: Option<Arc<str>>,
    /// `cookieTimeout`, in minutes.
    pub cookie_timeout: u16,
    /// `signingSslKeyAndCertificateRef`
    pub signing_certificate: Option<Arc<str>>,
    /// `useIdpSessionTimeout`
    pub use_idp_session_timeout: Option<bool>,
}

/// How a request for authentication says where the answer is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum AcsType {
    Url,
    Index,
    None,
}

impl Kept for SsoRule {
    const HAS_STATUS: bool = true;

    fn id(&self) -> NamespacedName {
        self.id.clone()
    }

    fn meta(&self) -> Option<&ObjectMeta> {
        Some(&self.meta)
    }

    fn published(&self) -> Option<&Published> {
        Some(&self.published)
    }

    fn found_under(&self, _domains: &Domains, say: &mut dyn FnMut(Key)) {
        say(Key::rule_of(&self.fqdn));
    }

    /// What was published on it changes nothing for its host.
    fn looks_like(&self, other: &Self) -> bool {
        Self { published: other.published.clone(), ..self.clone() } == *other
    }
}
