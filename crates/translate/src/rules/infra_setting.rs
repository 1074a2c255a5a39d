//! AviInfraSettings: where what refers to them is placed. Source: Custom resources, §2.

use std::sync::Arc;

use ako_avi_types::{Kind, Label, Referred};
use ako_core::resource::{AviInfraSetting, InfraNetwork, IngressClass, Service};
use ako_core::{Look, NamespacedName, Reason, ResourceId, Stored as _, annotation};

use crate::claimant::{self, Claimant};
use crate::context::Context;
use crate::output::Output;
use crate::placement::Chosen;
use crate::rules::reference::{self, References, Wants};
use crate::rules::verdict::Verdict;
use crate::view::View;

/// A setting that something is to be placed by, and that cannot be used.
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Whether that would be in the names of what it places.
    pub(crate) is_named: bool,
    /// Why, and what to do.
    pub(crate) why: String,
}

/// A setting by its name, and who names it.
struct Asked<'a> {
    name: &'a Arc<str>,
    is_named: bool,
    by: String,
}

pub(crate) fn translate(context: &Context, view: &View<'_>, id: &NamespacedName, out: &mut Output) {
    let Some(setting) = view.get::<AviInfraSetting>(id) else { return };
    let rule = ResourceId { kind: AviInfraSetting::KIND, name: id.clone() };
    let verdict = verdict(context, view, setting);
    if !verdict.is_rejected() {
        tell_undone(context, view, setting, &rule, out);
        tell_ambiguous(context, view, setting, &rule, out);
    }
    let own = &context.config.operator_namespace;
    match view.writer_of_cluster_statuses().filter(|writer| *writer != own) {
        None => verdict.say(&rule, setting.meta.generation, out),
        // It has one status, and what is right on one controller may not be on another.
        Some(writer) => {
            if let Verdict::Rejected(why) = verdict {
                let message = format!(
                    "the instance of namespace {own} cannot use it ({why}); its status is written by the instance of \
                     namespace {writer}"
                );
                out.tell(&rule, Reason::SettingNotApplied, message);
            }
        }
    }
}

/// Tells of networks that are named as others are.
fn tell_ambiguous(
    context: &Context,
    view: &View<'_>,
    setting: &AviInfraSetting,
    rule: &ResourceId,
    out: &mut Output,
) {
    if context.facts.cloud.vip_per_network() {
        return;
    }
    for (name, uuid) in setting.network.iter().flat_map(networks) {
        let look = view.look_up(network(context, name, uuid));
        if matches!(look, Look::Found(brief) if brief.has_namesakes) {
            let message = format!(
                "several networks of the cloud are called {name:?}, and the controller chooses among them: name the one \
                 that is meant by networkUUID"
            );
            out.tell(rule, Reason::SettingNotApplied, message);
        }
    }
}

/// Tells what service engines need for the static routes of this cluster and do not get of a
/// setting: only those of the configuration do.
fn tell_undone(
    context: &Context,
    view: &View<'_>,
    setting: &AviInfraSetting,
    rule: &ResourceId,
    out: &mut Output,
) {
    let Context { config, facts, .. } = context;
    if !config.needs_routes(facts.cloud) {
        return;
    }
    let label = Label::of_cluster(config.cluster_name.clone());
    if let Some(group) = setting.se_group.as_ref().filter(|group| **group != config.se_group) {
        let group = Referred::named(Kind::ServiceEngineGroup, config.tenant.clone(), group.clone());
        if let Look::Found(brief) = view.look_up(group.clone())
            && !brief.labels.contains(&label)
        {
            let message = format!(
                "SE group {:?} bears no label {}={}, and only that of the configuration gets one: if clusters with the \
                 same pod subnets share the VRF, add that label to the group, before it has service engines",
                &*group.name, label.key, label.value
            );
            out.tell(rule, Reason::SettingNotApplied, message);
        }
    }
}

/// The setting that an Ingress or a Route is placed by: that of its class, or that its annotation
/// names, else that of its namespace, if there is any.
pub(crate) fn of_claimant<'a>(
    context: &Context,
    view: &View<'a>,
    claimant: Claimant<'a>,
) -> Result<Option<Chosen<'a>>, Unusable> {
    let own = match claimant {
        Claimant::Ingress(ingress) => claimant::class_of(view, ingress).and_then(of_class),
        Claimant::Route(route) => route.setting.as_ref().map(|name| of_annotation(name, "its")),
    };
    let asked = own.or_else(|| of_namespace(view, &claimant.name().namespace));
    asked.map(|asked| usable(context, view, &asked)).transpose()
}

/// The setting that the pools of a Service are placed by: that of its annotation, else that of its
/// namespace, if there is any.
pub(crate) fn of_service<'a>(
    context: &Context,
    view: &View<'a>,
    service: &'a Service,
) -> Result<Option<Chosen<'a>>, Unusable> {
    let asked = annotated(service).map(|name| of_annotation(name, "its"));
    let asked = asked.or_else(|| of_namespace(view, &service.id.namespace));
    // The names of layer 4 never have it in them.
    asked.map(|asked| usable(context, view, &Asked { is_named: false, ..asked })).transpose()
}

/// The setting that a Service's own annotation names.
pub(crate) fn annotated(service: &Service) -> Option<&Arc<str>> {
    service.annotations.get(annotation::INFRA_SETTING).filter(|name| !name.is_empty())
}

/// A setting that is known by its name alone.
pub(crate) fn by_name<'a>(
    context: &Context,
    view: &View<'a>,
    name: &Arc<str>,
    is_named: bool,
) -> Result<Chosen<'a>, Unusable> {
    usable(context, view, &Asked { name, is_named, by: String::new() })
}

fn of_class(class: &Arc<IngressClass>) -> Option<Asked<'_>> {
    let name = class.setting.as_ref()?;
    Some(Asked { name, is_named: true, by: format!("IngressClass {}", class.name) })
}

fn of_annotation<'a>(name: &'a Arc<str>, whose: &str) -> Asked<'a> {
    Asked { name, is_named: true, by: format!("{whose} annotation {}", annotation::INFRA_SETTING) }
}

fn of_namespace<'a>(view: &View<'a>, namespace: &Arc<str>) -> Option<Asked<'a>> {
    let name = view.namespace(namespace)?.setting.as_ref()?;
    let whose = format!("namespace {namespace}'s");
    Some(Asked { is_named: false, ..of_annotation(name, &whose) })
}

/// The setting, if it is there and right.
fn usable<'a>(context: &Context, view: &View<'a>, asked: &Asked<'_>) -> Result<Chosen<'a>, Unusable> {
    let Asked { name, is_named, by } = asked;
    let unusable = |why: String| Unusable { name: (*name).clone(), is_named: *is_named, why };
    let Some(setting) = view.get::<AviInfraSetting>(&NamespacedName::cluster((*name).clone())) else {
        return Err(unusable(format!(
            "AviInfraSetting {name}, which {by} names, is not there: create it, or remove its name"
        )));
    };
    match verdict(context, view, setting) {
        Verdict::Rejected(why) => Err(unusable(format!(
            "AviInfraSetting {name}, which {by} names, is rejected ({why}): correct it, or remove its name"
        ))),
        Verdict::Accepted | Verdict::NotKnown => Ok(Chosen { setting, is_named: *is_named }),
    }
}

/// Whether a setting is right: first in itself, then by what it refers to. That is looked for in
/// the tenant of the configuration, whoever asks.
pub(crate) fn verdict(context: &Context, view: &View<'_>, setting: &AviInfraSetting) -> Verdict {
    if let Some(invalid) = &setting.invalid {
        return Verdict::Rejected(invalid.clone());
    }
    let context = &context.in_tenant(&context.config.tenant);
    let mut references = References::default();
    // On clouds where VIPs name subnets by the cloud's own ids, Avi need not know of them before.
    if !context.facts.cloud.vip_per_network() {
        for (name, uuid) in setting.network.iter().flat_map(networks) {
            references.add(reference::check(context, view, network(context, name, uuid), Wants::Any));
        }
    }
    if let Some(group) = &setting.se_group {
        references.check(context, view, (Kind::ServiceEngineGroup, group), Wants::OurLabel);
    }
    references.verdict()
}

/// The networks of addresses, then those of nodes, each by its name and its uuid.
fn networks(network: &InfraNetwork) -> impl Iterator<Item = (&str, &str)> {
    let vips = network.vip_networks.iter().map(|network| (&*network.name, &*network.uuid));
    vips.chain(network.node_networks.iter().map(|network| (&*network.name, &*network.uuid)))
}

/// A network as it is looked up: by its uuid, if it is given by that.
fn network(context: &Context, name: &str, uuid: &str) -> Referred {
    let tenant = context.placement.tenant.clone();
    if uuid.is_empty() {
        Referred::named(Kind::Network, tenant, name)
    } else {
        Referred::with_uuid(Kind::Network, tenant, uuid)
    }
}
