//! SSORule, ako.vmware.com/v1alpha2. Source: Custom resources, §7.

use ako_core::kinds::sso_rule::{self as kept, AccessToken, AcsType, SignIn};
use ako_core::resource::Published;
use ako_core::{Resource, ResourceId, ResourceKind};
use kube::core::ObjectMeta;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::convert::{Convert, Converted, Stamp};
use crate::metadata;
use crate::rule::{self, Checks, Place, text, texts, words};

/// An SSORule, ako.vmware.com/v1alpha2.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SSORule {
    #[serde(default, deserialize_with = "metadata::slim::<SSORule, _>")]
    pub(crate) metadata: ObjectMeta,
    spec: Option<Spec>,
    status: Option<rule::RuleStatus>,
}

/// What access tokens are.
#[derive(Clone, Copy)]
enum Access {
    Jwt,
    Opaque,
}

const ACCESS_TYPES: [(&str, Access); 2] =
    [("ACCESS_TOKEN_TYPE_JWT", Access::Jwt), ("ACCESS_TOKEN_TYPE_OPAQUE", Access::Opaque)];
const ACS_TYPES: [(&str, AcsType); 3] = [
    ("SAML_AUTHN_REQ_ACS_TYPE_URL", AcsType::Url),
    ("SAML_AUTHN_REQ_ACS_TYPE_INDEX", AcsType::Index),
    ("SAML_AUTHN_REQ_ACS_TYPE_NONE", AcsType::None),
];

const NEEDS_JWT: &str = "Access Type is ACCESS_TOKEN_TYPE_JWT, but Jwt Params have not been specified";
const NEEDS_OPAQUE: &str =
    "Access Type is ACCESS_TOKEN_TYPE_OPAQUE, but Opaque Token Params have not been specified";

/// How people sign in at a host: by OAuth, or by SAML.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = json!([{"required": ["oauthVsConfig"]}, {"required": ["samlSpConfig"]}])))]
pub(crate) struct Spec {
    /// The host.
    #[schemars(required)]
    fqdn: Option<String>,
    /// The SSO policy on the Avi Controller, in the tenant of the namespace.
    #[schemars(required)]
    sso_policy_ref: Option<String>,
    /// That people sign in by OAuth.
    oauth_vs_config: Option<OauthConfig>,
    /// That people sign in by SAML.
    saml_sp_config: Option<Saml>,
}

/// That people sign in by OAuth.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OauthConfig {
    /// The name of the cookie that shows that somebody has signed in.
    cookie_name: Option<String>,
    /// For how many minutes the cookie counts.
    #[schemars(range(min = 1, max = 1440), extend("default" = 60))]
    cookie_timeout: Option<i64>,
    /// Where people sign out.
    #[serde(rename = "logoutURI")]
    logout_uri: Option<String>,
    /// Where people come back to after they have signed in.
    #[serde(rename = "redirectURI")]
    redirect_uri: Option<String>,
    /// Where people come to after they have signed out.
    #[serde(rename = "postLogoutRedirectURI")]
    post_logout_redirect_uri: Option<String>,
    /// The authorization servers.
    oauth_settings: Option<Vec<OauthSettings>>,
}

/// An authorization server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OauthSettings {
    /// The auth profile on the Avi Controller, in the tenant of the namespace.
    #[schemars(required)]
    auth_profile_ref: Option<String>,
    /// As what the virtual service is known to the server.
    app_settings: Option<AppSettings>,
    /// How access tokens are checked.
    resource_server: Option<ResourceServer>,
}

/// As what the virtual service is known to the authorization server.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct AppSettings {
    /// The client's id.
    #[schemars(required)]
    #[serde(rename = "clientID")]
    client_id: Option<String>,
    /// The name of a Secret of the same namespace, with the client's secret under key
    /// clientSecret.
    #[schemars(required)]
    client_secret: Option<String>,
    /// The scopes that are asked for.
    scopes: Option<Vec<String>>,
    /// What is asked for by OpenID Connect.
    oidc_config: Option<OidcConfig>,
}

/// What is asked for by OpenID Connect.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct OidcConfig {
    /// Whether OpenID Connect is used.
    oidc_enable: Option<bool>,
    /// Whether the person's profile is asked for.
    #[schemars(extend("default" = true))]
    profile: Option<bool>,
    /// Whether the server is asked about the person.
    userinfo: Option<bool>,
}

/// How access tokens are checked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = json!([{"required": ["jwtParams"]}, {"required": ["opaqueTokenParams"]}]),
    "x-kubernetes-validations" = json!([
        {"rule": "self.accessType != 'ACCESS_TOKEN_TYPE_JWT' || has(self.jwtParams)", "message": NEEDS_JWT},
        {"rule": "self.accessType != 'ACCESS_TOKEN_TYPE_OPAQUE' || has(self.opaqueTokenParams)",
            "message": NEEDS_OPAQUE},
    ])))]
struct ResourceServer {
    /// What they are: JWT, they say what they are for; OPAQUE, a server says it.
    #[schemars(required, extend("enum" = words(&ACCESS_TYPES)))]
    access_type: Option<String>,
    /// For how many minutes the word of the server counts; only with ACCESS_TOKEN_TYPE_OPAQUE.
    #[schemars(range(min = 0, max = 1440), extend("default" = 0))]
    introspection_data_timeout: Option<i64>,
    /// What a JWT has to say.
    jwt_params: Option<Jwt>,
    /// Which server is asked.
    opaque_token_params: Option<Opaque>,
}

/// What a JWT has to say.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
struct Jwt {
    /// For whom it is.
    #[schemars(required)]
    audience: Option<String>,
}

/// Which server is asked.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Opaque {
    /// As what the virtual service is known to the server.
    #[schemars(required)]
    #[serde(rename = "serverID")]
    server_id: Option<String>,
    /// The name of a Secret of the same namespace, with the secret for the server under key
    /// serverSecret.
    #[schemars(required)]
    server_secret: Option<String>,
}

/// That people sign in by SAML.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Saml {
    /// How a request for authentication says where the answer is to go: by URL, by INDEX, or not
    /// (NONE).
    #[schemars(required, extend("enum" = words(&ACS_TYPES)))]
    authn_req_acs_type: Option<String>,
    /// The index; only with SAML_AUTHN_REQ_ACS_TYPE_INDEX.
    #[schemars(range(min = 0, max = 64))]
    acs_index: Option<i64>,
    /// As what the virtual service is known to the identity provider.
    #[schemars(required)]
    #[serde(rename = "entityID")]
    entity_id: Option<String>,
    /// Where people come back to after they have signed in.
    #[schemars(required)]
    #[serde(rename = "singleSignonURL")]
    single_signon_url: Option<String>,
    /// The name of the cookie that shows that somebody has signed in.
    cookie_name: Option<String>,
    /// For how many minutes the cookie counts.
    #[schemars(range(min = 1, max = 1440), extend("default" = 60))]
    cookie_timeout: Option<i64>,
    /// The certificate with its key on the Avi Controller by which requests are signed.
    signing_ssl_key_and_certificate_ref: Option<String>,
    /// Whether people are signed in for as long as the identity provider says.
    use_idp_session_timeout: Option<bool>,
}

impl Convert for SSORule {
    fn status(wanted: &Published, current: &Published, stamp: &Stamp<'_>) -> Value {
        rule::status(wanted, current, stamp.now)
    }

    fn convert(self) -> Converted {
        let id = metadata::namespaced_name(&self.metadata);
        let mut checks = Checks::of(ResourceId { kind: ResourceKind::SSORule, name: id.clone() });
        let spec = self.spec.unwrap_or_default();
        let at = &mut checks.at("spec");
        let fqdn = at.required_text("fqdn", spec.fqdn);
        let sso_policy = at.required_text("ssoPolicyRef", spec.sso_policy_ref);
        let sign_in = sign_in(spec.oauth_vs_config, spec.saml_sp_config, at);
        let (invalid, diagnostics) = checks.finish();
        let meta = metadata::kept(&self.metadata);
        let published = rule::published(self.status);
        let rule = kept::SsoRule { id, meta, invalid, fqdn, sso_policy, sign_in, published };
        Converted { resource: Some(Resource::SSORule(rule)), diagnostics }
    }
}

fn sign_in(oauth: Option<OauthConfig>, saml: Option<Saml>, at: &mut Place<'_>) -> Option<SignIn> {
    match (oauth, saml) {
        (Some(wire), None) => Some(SignIn::Oauth(self::oauth(wire, &mut at.at("oauthVsConfig")))),
        (None, Some(wire)) => Some(SignIn::Saml(self::saml(wire, &mut at.at("samlSpConfig")))),
        _ => {
            at.say("one of oauthVsConfig and samlSpConfig has to be there, and not both");
            None
        }
    }
}

fn oauth(wire: OauthConfig, at: &mut Place<'_>) -> kept::Oauth {
    kept::Oauth {
        cookie_name: text(wire.cookie_name),
        cookie_timeout: at.number("cookieTimeout", wire.cookie_timeout, 1..=1440).unwrap_or(60),
        logout_uri: text(wire.logout_uri),
        redirect_uri: text(wire.redirect_uri),
        post_logout_redirect_uri: text(wire.post_logout_redirect_uri),
        settings: at.each("oauthSettings", wire.oauth_settings, |wire, at| kept::OauthSettings {
            auth_profile: at.required_text("authProfileRef", wire.auth_profile_ref),
            app: wire.app_settings.map(|wire| app_settings(wire, &mut at.at("appSettings"))),
            resource_server: wire
                .resource_server
                .and_then(|wire| resource_server(wire, &mut at.at("resourceServer"))),
        }),
    }
}

fn app_settings(wire: AppSettings, at: &mut Place<'_>) -> kept::AppSettings {
    kept::AppSettings {
        client_id: at.required_text("clientID", wire.client_id),
        client_secret: at.required_text("clientSecret", wire.client_secret),
        scopes: texts(wire.scopes),
        oidc: wire.oidc_config.map(|oidc| kept::Oidc {
            enable: oidc.oidc_enable,
            profile: oidc.profile.unwrap_or(true),
            userinfo: oidc.userinfo,
        }),
    }
}

/// How tokens are checked; `None` if that cannot be understood.
fn resource_server(wire: ResourceServer, at: &mut Place<'_>) -> Option<kept::ResourceServer> {
    if wire.jwt_params.is_some() && wire.opaque_token_params.is_some() {
        at.say("one of jwtParams and opaqueTokenParams has to be there, and not both");
    }
    let timeout = wire.introspection_data_timeout;
    let introspection_data_timeout =
        at.number("introspectionDataTimeout", timeout, 0..=1440).unwrap_or_default();
    let access_type = at.required("accessType", wire.access_type);
    let access = match at.one_of("accessType", access_type, &ACCESS_TYPES)? {
        Access::Jwt => {
            let Some(jwt) = wire.jwt_params else {
                at.say(NEEDS_JWT);
                return None;
            };
            AccessToken::Jwt { audience: at.at("jwtParams").required_text("audience", jwt.audience) }
        }
        Access::Opaque => {
            let Some(opaque) = wire.opaque_token_params else {
                at.say(NEEDS_OPAQUE);
                return None;
            };
            let at = &mut at.at("opaqueTokenParams");
            AccessToken::Opaque {
                server_id: at.required_text("serverID", opaque.server_id),
                server_secret: at.required_text("serverSecret", opaque.server_secret),
            }
        }
    };
    Some(kept::ResourceServer { access, introspection_data_timeout })
}

fn saml(wire: Saml, at: &mut Place<'_>) -> kept::Saml {
    let acs_type = at.required("authnReqAcsType", wire.authn_req_acs_type);
    kept::Saml {
        acs: at.one_of("authnReqAcsType", acs_type, &ACS_TYPES).unwrap_or(AcsType::None),
        acs_index: at.number("acsIndex", wire.acs_index, 0..=64),
        entity_id: at.required_text("entityID", wire.entity_id),
        single_sign_on_url: at.required_text("singleSignonURL", wire.single_signon_url),
        cookie_name: text(wire.cookie_name),
        cookie_timeout: at.number("cookieTimeout", wire.cookie_timeout, 1..=1440).unwrap_or(60),
        signing_certificate: text(wire.signing_ssl_key_and_certificate_ref),
        use_idp_session_timeout: wire.use_idp_session_timeout,
    }
}
