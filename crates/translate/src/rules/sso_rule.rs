//! SSORules: whether one is right, and which one a host goes by. Source: Custom resources, §7.

use std::sync::Arc;

use ako_avi_types::Kind;
use ako_core::kinds::sso_rule::{AccessToken, Oauth, SignIn};
use ako_core::resource::{Secret, SsoRule};
use ako_core::secret::Redacted;
use ako_core::{NamespacedName, Place, Reason, ResourceId, Stored as _};

use crate::context::Context;
use crate::output::Output;
use crate::rules::reference::{References, Wants};
use crate::rules::verdict::{self, Verdict};
use crate::view::View;

/// Which rule a host goes by.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Choice<'a> {
    None,
    /// The one that is right.
    Rule(&'a Arc<SsoRule>),
    /// There are only such as are rejected.
    Rejected,
}

/// A secret that a rule names: the field of the rule, its Secret, and the key in there.
pub(crate) struct NamedSecret<'a> {
    what: &'static str,
    key: &'static str,
    name: &'a Arc<str>,
}

pub(crate) fn translate(context: &Context, view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(rule) = view.get::<SsoRule>(id).filter(|rule| view.heeds(&rule.id.namespace)) else { return };
    let about = ResourceId { kind: SsoRule::KIND, name: id.clone() };
    if !context.config.evh {
        let message = "it has no effect in SNI mode, so everybody gets in: set enableEVH=true, or remove it";
        out.tell(&about, Reason::UnsupportedField, message);
    }
    verdict(context, view, rule).say(&about, rule.meta.generation, out);
}

/// Whether a rule is right: in itself, by what it refers to, and beside older rules.
fn verdict(context: &Context, view: &View<'_>, rule: &SsoRule) -> Verdict {
    let alone = verdict_alone(context, view, rule);
    if alone.is_rejected() {
        return alone;
    }
    let mut older: Vec<_> = of_fqdn(view, &rule.fqdn).filter(|other| age(other) < age(rule)).collect();
    older.sort_by(|a, b| age(a).cmp(&age(b)));
    match older.iter().find(|other| !verdict_alone(context, view, other).is_rejected()) {
        Some(first) => {
            Verdict::Rejected(format!("duplicate fqdn {} found in {}", rule.fqdn, first.id).into())
        }
        None => alone,
    }
}

fn age(rule: &SsoRule) -> (i64, &NamespacedName) {
    (rule.meta.created, &rule.id)
}

/// The rules for a host, but for those of other instances.
fn of_fqdn<'a>(view: &View<'a>, fqdn: &Arc<str>) -> impl Iterator<Item = &'a Arc<SsoRule>> {
    let all = view.under::<SsoRule>(Place::RuleOf, &NamespacedName::cluster(fqdn.clone()));
    all.filter(|rule| view.heeds(&rule.id.namespace))
}

fn verdict_alone(context: &Context, view: &View<'_>, rule: &SsoRule) -> Verdict {
    let context = verdict::in_tenant_of(context, view, &rule.id.namespace, rule.invalid.as_ref());
    let context = match &context {
        Ok(context) => context,
        Err(rejected) => return rejected.clone(),
    };
    let mut references = References::default();
    for secret in secrets(rule) {
        if let Err(mistake) = secret_of(view, rule, &secret) {
            references.mistake(mistake);
        }
    }
    references.check(context, view, (Kind::SsoPolicy, &rule.sso_policy), Wants::Any);
    match &rule.sign_in {
        Some(SignIn::Oauth(oauth)) => {
            for settings in &oauth.settings {
                references.check(context, view, (Kind::AuthProfile, &settings.auth_profile), Wants::Any);
            }
        }
        Some(SignIn::Saml(saml)) => {
            if let Some(name) = &saml.signing_certificate {
                references.check(context, view, (Kind::SslKeyAndCertificate, name), Wants::Any);
            }
        }
        None => {}
    }
    references.verdict()
}

/// The secrets that a rule names.
fn secrets(rule: &SsoRule) -> Vec<NamedSecret<'_>> {
    let Some(SignIn::Oauth(Oauth { settings, .. })) = &rule.sign_in else { return Vec::new() };
    let clients = settings.iter().filter_map(|settings| settings.app.as_ref());
    let clients = clients.map(|app| NamedSecret::of_client(&app.client_secret));
    let servers = settings.iter().filter_map(|settings| settings.resource_server.as_ref());
    let servers = servers.filter_map(|server| match &server.access {
        AccessToken::Opaque { server_secret, .. } => Some(NamedSecret::of_server(server_secret)),
        AccessToken::Jwt { .. } => None,
    });
    clients.chain(servers).collect()
}

impl<'a> NamedSecret<'a> {
    pub(crate) fn of_client(name: &'a Arc<str>) -> Self {
        Self { what: "client", key: "clientSecret", name }
    }

    pub(crate) fn of_server(name: &'a Arc<str>) -> Self {
        Self { what: "server", key: "serverSecret", name }
    }
}

/// A secret that a rule names; an error says why there is none.
pub(crate) fn secret_of<'a>(
    view: &View<'a>,
    rule: &SsoRule,
    named: &NamedSecret<'_>,
) -> Result<&'a Redacted, String> {
    let NamedSecret { what, key, name } = named;
    let id = NamespacedName::new(rule.id.namespace.clone(), (*name).clone());
    if let Some(why) = view.secret_withheld(&id.namespace) {
        return Err(why);
    }
    let Some(secret) = view.get::<Secret>(&id) else {
        return Err(format!("Got error while fetching {name} secret : secret \"{name}\" not found"));
    };
    let held = if *what == "client" { &secret.client_secret } else { &secret.server_secret };
    match held {
        None => Err(format!("{key} field not found in {name} secret")),
        Some(held) if held.is_empty() => Err(format!("specified {what} secret is empty : {name}")),
        Some(held) => Ok(held),
    }
}

/// The rule that a host goes by: the oldest of those of its tenant that are right. One of another
/// tenant has no say here, or its people could take the host from this one's; that is told, to the
/// owners of the host, too.
pub(crate) fn of_host<'a>(
    context: &Context,
    view: &View<'a>,
    host: &Arc<str>,
    claimants: &[ResourceId],
    out: &mut Output,
) -> Choice<'a> {
    let mut own = Vec::new();
    for rule in of_fqdn(view, host) {
        match context.tenant_of(view, &rule.id.namespace) {
            Ok(tenant) if tenant == context.placement.tenant => own.push(rule),
            // Its status says why, where that cannot be told.
            Err(_) => {}
            Ok(tenant) => {
                let message = format!(
                    "SSORule {} does not act on host {host}: it is for tenant {tenant}, by its namespace, and the host is \
                     in tenant {}; write it in a namespace of that tenant",
                    rule.id, context.placement.tenant
                );
                let about = ResourceId { kind: SsoRule::KIND, name: rule.id.clone() };
                for object in claimants.iter().chain([&about]) {
                    out.tell(object, Reason::RuleNotApplied, message.clone());
                }
            }
        }
    }
    own.sort_by(|a, b| age(a).cmp(&age(b)));
    match own.iter().find(|rule| !verdict(context, view, rule).is_rejected()) {
        Some(rule) => {
            out.goes_by::<SsoRule>(&rule.id);
            Choice::Rule(rule)
        }
        None if own.is_empty() => Choice::None,
        None => {
            for rule in own {
                out.goes_by::<SsoRule>(&rule.id);
            }
            Choice::Rejected
        }
    }
}
