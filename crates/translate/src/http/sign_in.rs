//! What SSORules make of the virtual services of hosts, in EVH mode.
//! Source: Custom resources, §7.

use ako_avi_types::metadata::CrdStatus;
use ako_avi_types::virtual_service as avi;
use ako_avi_types::{Kind, Ref, go_json};
use ako_core::kinds::sso_rule::{
    AccessToken, AcsType, AppSettings, Oauth, OauthSettings, ResourceServer, Saml, SignIn,
};
use ako_core::resource::SsoRule;
use serde_json::{Map, Value, json};

use crate::rules::sso_rule::{self, NamedSecret};
use crate::view::View;
use crate::virtual_service::Draft;

/// Makes people sign in at a virtual service, and the checksum cover that.
pub(crate) fn shape(view: &View<'_>, rule: &SsoRule, draft: &mut Draft) {
    let policy = Ref::named(Kind::SsoPolicy, rule.sso_policy.clone());
    let fields = match &rule.sign_in {
        Some(SignIn::Oauth(config)) => oauth(view, rule, config),
        Some(SignIn::Saml(config)) => saml(config),
        None => return,
    };
    draft.covered.generated.extend([go_json::marshal(&fields), policy.plain()]);
    let sign_in = Some(avi::SignIn::new(fields));
    let shaped = draft.body.shaped_mut();
    shaped.sso_policy_ref = Some(policy);
    if matches!(rule.sign_in, Some(SignIn::Saml(_))) {
        shaped.saml_sp_config = sign_in;
    } else {
        shaped.oauth_vs_config = sign_in;
    }
    if let Some(metadata) = &mut draft.body.service_metadata {
        metadata.crd_status =
            CrdStatus { kind: "SSORule".into(), value: rule.id.to_string().into(), status: "ACTIVE".into() };
    }
}

/// An object of those fields that are there.
fn object<const N: usize>(fields: [(&str, Option<Value>); N]) -> Value {
    let there = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

fn text(text: Option<&std::sync::Arc<str>>) -> Option<Value> {
    text.map(|text| json!(&**text))
}

fn oauth(view: &View<'_>, rule: &SsoRule, config: &Oauth) -> Value {
    let settings: Vec<_> =
        config.settings.iter().map(|settings| oauth_settings(view, rule, settings)).collect();
    object([
        ("cookie_name", text(config.cookie_name.as_ref())),
        ("cookie_timeout", Some(json!(config.cookie_timeout))),
        ("logout_uri", text(config.logout_uri.as_ref())),
        ("oauth_settings", Some(json!(settings))),
        ("post_logout_redirect_uri", text(config.post_logout_redirect_uri.as_ref())),
        ("redirect_uri", text(config.redirect_uri.as_ref())),
    ])
}

fn oauth_settings(view: &View<'_>, rule: &SsoRule, settings: &OauthSettings) -> Value {
    let profile = Ref::named(Kind::AuthProfile, settings.auth_profile.clone()).plain();
    object([
        ("app_settings", settings.app.as_ref().map(|app| app_settings(view, rule, app))),
        ("auth_profile_ref", Some(json!(profile))),
        (
            "resource_server",
            settings.resource_server.as_ref().map(|server| resource_server(view, rule, server)),
        ),
    ])
}

/// A secret in plain text, as the controller needs it. That it is there was found out before.
fn secret(view: &View<'_>, rule: &SsoRule, named: &NamedSecret<'_>) -> Option<Value> {
    sso_rule::secret_of(view, rule, named).ok().map(|secret| json!(&**secret.reveal()))
}

fn app_settings(view: &View<'_>, rule: &SsoRule, app: &AppSettings) -> Value {
    let scopes: Vec<_> = app.scopes.iter().map(|scope| json!(&**scope)).collect();
    let oidc = app.oidc.map(|oidc| {
        object([
            ("oidc_enable", oidc.enable.map(Value::Bool)),
            ("profile", Some(json!(oidc.profile))),
            ("userinfo", oidc.userinfo.map(Value::Bool)),
        ])
    });
    object([
        ("client_id", Some(json!(&*app.client_id))),
        ("client_secret", secret(view, rule, &NamedSecret::of_client(&app.client_secret))),
        ("oidc_config", oidc),
        ("scopes", (!scopes.is_empty()).then(|| json!(scopes))),
    ])
}

fn resource_server(view: &View<'_>, rule: &SsoRule, server: &ResourceServer) -> Value {
    match &server.access {
        AccessToken::Jwt { audience } => json!({
            "access_type": "ACCESS_TOKEN_TYPE_JWT",
            "jwt_params": { "audience": &**audience },
        }),
        AccessToken::Opaque { server_id, server_secret } => object([
            ("access_type", Some(json!("ACCESS_TOKEN_TYPE_OPAQUE"))),
            ("introspection_data_timeout", Some(json!(server.introspection_data_timeout))),
            (
                "opaque_token_params",
                Some(object([
                    ("server_id", Some(json!(&**server_id))),
                    ("server_secret", secret(view, rule, &NamedSecret::of_server(server_secret))),
                ])),
            ),
        ]),
    }
}

fn saml(config: &Saml) -> Value {
    let (acs, index) = match config.acs {
        AcsType::Url => ("SAML_AUTHN_REQ_ACS_TYPE_URL", None),
        AcsType::Index => ("SAML_AUTHN_REQ_ACS_TYPE_INDEX", config.acs_index),
        AcsType::None => ("SAML_AUTHN_REQ_ACS_TYPE_NONE", None),
    };
    let certificate = config.signing_certificate.clone();
    let certificate = certificate.map(|name| json!(Ref::named(Kind::SslKeyAndCertificate, name).plain()));
    object([
        ("acs_index", index.map(|index| json!(index))),
        ("authn_req_acs_type", Some(json!(acs))),
        ("cookie_name", text(config.cookie_name.as_ref())),
        ("cookie_timeout", Some(json!(config.cookie_timeout))),
        ("entity_id", Some(json!(&*config.entity_id))),
        ("signing_ssl_key_and_certificate_ref", certificate),
        ("single_signon_url", Some(json!(&*config.single_sign_on_url))),
        ("use_idp_session_timeout", config.use_idp_session_timeout.map(Value::Bool)),
    ])
}
