//! Who may serve a host: the Ingresses or Routes that name it, sorted out.
//! Source: L7 objects, §5.

use std::collections::BTreeSet;
use std::sync::Arc;

use ako_core::Reason;
use ako_core::config::FqdnReuse;
use ako_core::hostname;
use ako_core::resource::PathType;

use crate::claimant::{self, Claimant};
use crate::context::Context;
use crate::http::asked::{Asked, Security};
use crate::http::{ingress, route, rule_fields};
use crate::output::Output;
use crate::placement::Chosen;
use crate::rules::host_rule;
use crate::rules::infra_setting::{self, Unusable};
use crate::statement::{Statement, What};
use crate::view::View;

/// One claim to a host.
#[derive(Clone, Debug)]
pub(crate) struct HostClaim<'a> {
    pub(crate) by: Claimant<'a>,
    /// The tenant of its namespace.
    pub(crate) tenant: Arc<str>,
    /// The setting that it is to be placed by, if it asks for one.
    pub(crate) place: Result<Option<Chosen<'a>>, Unusable>,
    pub(crate) asked: Asked<'a>,
}

impl HostClaim<'_> {
    /// The name of the setting that it is to be placed by, and whether that is in the names of
    /// what is made for it.
    fn asked_setting(&self) -> Option<(&Arc<str>, bool)> {
        match &self.place {
            Ok(chosen) => chosen.as_ref().map(|chosen| (&chosen.setting.id.name, chosen.is_named)),
            Err(unusable) => Some((&unusable.name, unusable.is_named)),
        }
    }

    /// The name of the setting that it is to be placed by.
    pub(crate) fn setting(&self) -> Option<&Arc<str>> {
        self.asked_setting().map(|(name, _)| name)
    }

    /// The setting whose name is in the names of what is made for it.
    pub(crate) fn named_setting(&self) -> Option<&Arc<str>> {
        self.asked_setting().filter(|(_, is_named)| *is_named).map(|(name, _)| name)
    }

    /// Leaves what is there for it as it is, as the setting that it is to be placed by cannot be
    /// used: elsewhere it would have another address.
    pub(crate) fn leave_alone(&self, host: &Arc<str>, unusable: &Unusable, out: &mut Output) {
        leave_alone(host, self.by, (Reason::SettingNotApplied, &unusable.why), out);
    }

    pub(crate) fn namespace(&self) -> &Arc<str> {
        &self.by.name().namespace
    }

    /// Whether TLS is to end at the virtual service.
    pub(crate) fn asks_for_tls(&self) -> bool {
        matches!(self.asked.security, Security::Secure(_))
    }
}

/// A host that is ours, and the claims to it that are to be served.
#[derive(Debug)]
pub(crate) struct Claimed<'a> {
    /// To whom the host belongs.
    pub(crate) oldest: Claimant<'a>,
    /// Oldest first; none if all were refused.
    pub(crate) claims: Vec<HostClaim<'a>>,
}

/// Who may serve a host; `None` if it is not ours.
pub(crate) fn of_host<'a>(
    context: &Context,
    view: &View<'a>,
    host: &Arc<str>,
    out: &mut Output,
) -> Option<Claimed<'a>> {
    ingress::tell_all_at(view, host, out);
    let named = claimant::naming(view, host);
    let claimants: Vec<_> =
        named.iter().copied().filter(|claimant| view.serves(&claimant.name().namespace)).collect();
    let oldest = *claimants.first()?;
    out.age = Some((oldest.created(), oldest.id()));
    if let Err((reason, message)) = may_be_ours(context, view, host, &named, oldest, out) {
        for claimant in claimants {
            claimant.refuse(host, reason, message.clone(), out);
        }
        return None;
    }
    let mut taken = BTreeSet::new();
    let mut claims = Vec::new();
    for claimant in claimants {
        if may_use(context, view, host, claimant, oldest, out) {
            claims.extend(claim(context, view, host, claimant, &mut taken, out));
        }
    }
    // Upstream makes nothing for Routes that it refuses.
    if claims.is_empty() && oldest.is_route() {
        return None;
    }
    Some(Claimed { oldest, claims })
}

/// Whether the host can be served by this instance, and if not, why not.
fn may_be_ours(
    context: &Context,
    view: &View<'_>,
    host: &Arc<str>,
    named: &[Claimant<'_>],
    oldest: Claimant<'_>,
    out: &mut Output,
) -> Result<(), (Reason, String)> {
    if !inside_subdomain(context, host) {
        let message = format!(
            "host {host} is under none of the cloud's DNS domains ({}): use one of them, or add its domain there",
            context.facts.subdomains.join(", ")
        );
        return Err((Reason::HostOutsideSubdomain, message));
    }
    if let Some(rule) = host_rule::holder_of_alias(context, view, host, oldest.age()) {
        let message = format!(
            "host {host} is an alias of {} by HostRule {}, which is older: use another host, or remove the alias",
            rule.fqdn, rule.id
        );
        return Err((Reason::DuplicateHost, message));
    }
    // A host is served by one instance: names and DNS have room for one.
    let rivals =
        named.iter().filter_map(|claimant| Some((claimant, view.rival(&claimant.name().namespace)?)));
    for (rival, instance) in rivals {
        if rival.age() < oldest.age() || !instance.gives_way {
            let message = format!(
                "host {host} is served by the instance of namespace {} for {}: use another host",
                instance.namespace,
                rival.id()
            );
            return Err((Reason::DuplicateHost, message));
        }
        let message = format!(
            "host {host} is asked for by {} of the instance of namespace {}, too; it is served here",
            rival.id(),
            instance.namespace
        );
        out.tell(&oldest.id(), Reason::DuplicateHost, message);
    }
    Ok(())
}

/// Whether a host lies under a domain of the cloud, or the cloud has none.
fn inside_subdomain(context: &Context, host: &str) -> bool {
    let domains = &context.facts.subdomains;
    domains.is_empty() || domains.iter().any(|domain| hostname::is_in_domain(host, domain))
}

/// Whether a claimant may use a host that the oldest one claimed first.
fn may_use(
    context: &Context,
    view: &View<'_>,
    host: &Arc<str>,
    claimant: Claimant<'_>,
    oldest: Claimant<'_>,
    out: &mut Output,
) -> bool {
    let foreign = |owner: Claimant<'_>| owner.name().namespace != claimant.name().namespace;
    if context.config.shares_by_namespace() && foreign(oldest) {
        let message = format!(
            "host {host} has a virtual service in namespace {} already, and each namespace has its own: use another host",
            oldest.name().namespace
        );
        claimant.refuse(host, Reason::DuplicateHost, message, out);
        return false;
    }
    if !context.config.evh || context.config.fqdn_reuse != FqdnReuse::Strict {
        return true;
    }
    // One that names a host of another namespace is refused as a whole.
    let first = |host: &Arc<str>| {
        let mut all = claimant::naming(view, host).into_iter();
        all.find(|other| view.serves(&other.name().namespace))
    };
    let taken =
        claimant.hosts(view).into_iter().find_map(|h| first(&h).filter(|o| foreign(*o)).map(|o| (h, o)));
    if let Some((taken, owner)) = &taken {
        let message = format!(
            "Host {taken} already claimed by {}, and fqdnReusePolicy is Strict: remove the host from this {}",
            owner.name(),
            claimant.id().kind.as_str()
        );
        claimant.refuse(host, Reason::HostAlreadyClaimed, message, out);
    }
    taken.is_none()
}

fn claim<'a>(
    context: &Context,
    view: &View<'a>,
    host: &Arc<str>,
    by: Claimant<'a>,
    taken: &mut BTreeSet<TakenPath>,
    out: &mut Output,
) -> Option<HostClaim<'a>> {
    let place = infra_setting::of_claimant(context, view, by);
    let tenant = context.tenant_of(view, &by.name().namespace);
    let tenant = tenant.map_err(|message| (Reason::TenantNotRead, message));
    let found = tenant.and_then(|tenant| {
        let in_tenant = &context.in_tenant(&tenant);
        let rule = host_rule::of_host(in_tenant, view, host);
        let given = rule.and_then(|rule| rule_fields::certificates(in_tenant, view, rule, host));
        let asked = match by {
            Claimant::Ingress(ingress) => ingress::asks(context, view, host, ingress, given, out),
            Claimant::Route(route) => route::asks(context, view, host, route, given, out),
        };
        asked.map(|asked| (tenant, asked))
    });
    let (tenant, asked) = match found {
        Ok(found) => found,
        Err((reason, message)) => {
            match &place {
                Err(unusable) => leave_alone(host, by, (Reason::SettingNotApplied, &unusable.why), out),
                // Without TLS it would be open to everybody on the way.
                Ok(_) if reason == Reason::RuleNotApplied => leave_alone(host, by, (reason, &message), out),
                Ok(_) => by.refuse(host, reason, message, out),
            }
            return None;
        }
    };
    let mut claim = HostClaim { by, tenant, place, asked };
    let (tenant, setting) = (claim.tenant.clone(), claim.named_setting().cloned());
    claim.asked.paths.retain(|path| {
        let is_first = taken.insert(TakenPath {
            tenant: tenant.clone(),
            setting: setting.clone(),
            path: path.path.clone(),
            is_exact: path.path_type == PathType::Exact,
        });
        if !is_first {
            let older = if by.is_route() { "Route" } else { "Ingress or rule" };
            let message =
                format!("{host}{} is served by an older {older}: remove it from this one", path.path);
            by.refuse(host, Reason::DuplicateHostPath, message, out);
        }
        is_first
    });
    (!claim.asked.paths.is_empty()).then_some(claim)
}

/// A path of a host that somebody has. An exact path is another one than a prefix.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct TakenPath {
    tenant: Arc<str>,
    setting: Option<Arc<str>>,
    path: Arc<str>,
    is_exact: bool,
}

/// Leaves what is there for a claimant as it is, for this reason.
fn leave_alone(host: &Arc<str>, by: Claimant<'_>, (reason, why): (Reason, &str), out: &mut Output) {
    let message = format!(
        "host {host} is not served anew; what is served of it stays as it is and follows no change, not even of its \
         pods, and the virtual service that it shares with others stays where it is: {why}"
    );
    out.tell(&by.id(), reason, message);
    out.left_alone.push(host.clone());
    out.statements.push(Statement { object: by.id(), what: What::AddressStays(host.clone()) });
}
