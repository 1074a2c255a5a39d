//! Which unit and which front is translated by what.

use std::sync::Arc;

use ako_core::checksum::sha1_hex;
use ako_core::{Config, Facts, Program, Snapshot};

use crate::context::Context;
use crate::contribution::{Contribution, PlacedBy};
use crate::front::FrontKey;
use crate::http::{host, ingress, route, shared_service};
use crate::layer4::{service, shared_vip};
use crate::limits::Room;
use crate::output::Output;
use crate::unit::{PROFILES, RULES, UnitKey};
use crate::view::View;
use crate::{profiles, rules, se_group, static_routes};

/// How many letters of a digest tell the names of two hosts apart.
const APART: usize = 8;

/// Translates for one configuration and one set of facts.
#[derive(Clone, Debug)]
pub struct Translator {
    context: Context,
}

impl Translator {
    /// A translator.
    pub fn new(config: Config, facts: Facts) -> Self {
        Self { context: Context::new(config, facts) }
    }

    /// Whether another one translates everything as this one does.
    pub fn translates_like(&self, other: &Self) -> bool {
        self.facts() == other.facts() && of_translation(self.config()) == of_translation(other.config())
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.context.config
    }

    /// The facts.
    pub fn facts(&self) -> &Facts {
        &self.context.facts
    }

    /// The start of the names that no other instance uses: those of shared
    /// virtual services.
    pub fn shared_prefix(&self) -> &str {
        &self.context.shared_prefix
    }

    /// The sub-domain under which hosts and names are generated.
    pub fn subdomain(&self) -> Option<Arc<str>> {
        self.context.subdomain()
    }

    /// Translates one unit. A unit that nothing asks for yields nothing but its
    /// read-set.
    pub fn unit(&self, snapshot: &Snapshot, key: &UnitKey) -> Output {
        unit(&self.context, snapshot, key)
    }

    /// The same with names of its own for what a host's paths are made of: upstream's are
    /// those of another host. What has no other name is called as always.
    pub fn unit_apart(&self, snapshot: &Snapshot, key: &UnitKey) -> Output {
        let mut apart = sha1_hex(&key.to_string());
        apart.truncate(APART);
        unit(&self.context.apart(apart.into()), snapshot, key)
    }

    /// Translates one front, which a setting may place, with what units contribute to it, in order
    /// of the units. A front without contributions is an empty virtual service.
    pub fn front<'a>(
        &self,
        snapshot: &Snapshot,
        key: &FrontKey,
        placed_by: Option<&PlacedBy>,
        parts: impl IntoIterator<Item = &'a Contribution>,
    ) -> Output {
        let view = View::new(&self.context.config, snapshot);
        let mut out = Output::default();
        let context = self.context.in_tenant(&key.tenant);
        shared_service::translate(&context, &view, key, placed_by, parts, &mut out);
        out.finish(view)
    }

    /// The room on a front.
    pub fn room(&self, key: &FrontKey) -> Room {
        shared_service::room(&self.context.in_tenant(&key.tenant), key)
    }

    /// Every unit of a snapshot.
    pub fn units(&self, snapshot: &Snapshot) -> Vec<UnitKey> {
        if self.config().program == Program::CrdOperator {
            return PROFILES.into_iter().flat_map(|kind| snapshot.ids(kind)).map(UnitKey::Profile).collect();
        }
        let hosts = snapshot.hosts().map(|h| UnitKey::Host(h.clone()));
        let services = snapshot.services().map(|s| UnitKey::Service(s.id.clone()));
        let shared = snapshot.shared_vip_keys().map(|k| UnitKey::SharedVip(k.clone()));
        let standing = UnitKey::STANDING.into_iter();
        let without_host = snapshot.ingresses_without_host().map(|i| UnitKey::Ingress(i.id.clone()));
        let routes = snapshot.routes_without_host().map(|r| UnitKey::Route(r.id.clone()));
        let rules = RULES.into_iter().flat_map(|kind| snapshot.ids(kind)).map(UnitKey::Rule);
        let asking = hosts.chain(services).chain(shared).chain(without_host).chain(routes).chain(rules);
        standing.chain(asking).collect()
    }
}

/// A configuration without what no unit and no front looks at: how the operator runs.
fn of_translation(config: &Config) -> Config {
    let nothing = Config::default();
    Config {
        full_sync_s: nothing.full_sync_s,
        admin_port: nothing.admin_port,
        log_level: nothing.log_level,
        events: nothing.events,
        prometheus: nothing.prometheus,
        guard: nothing.guard,
        repair_disabled: nothing.repair_disabled,
        leader_election: nothing.leader_election,
        ..config.clone()
    }
}

fn unit(context: &Context, snapshot: &Snapshot, key: &UnitKey) -> Output {
    let view = View::new(&context.config, snapshot);
    let mut out = Output::default();
    match key {
        UnitKey::ServiceEngineGroup => se_group::translate(context, &view, &mut out),
        UnitKey::StaticRoutes => static_routes::translate(context, &view, &mut out),
        UnitKey::Host(name) => host::translate(context, &view, name, &mut out),
        UnitKey::Service(id) => service::translate(context, &view, id, &mut out),
        UnitKey::SharedVip(key) => shared_vip::translate(context, &view, key, &mut out),
        UnitKey::Ingress(id) => ingress::translate(&view, id, &mut out),
        UnitKey::Route(id) => route::translate(&view, id, &mut out),
        UnitKey::Profile(id) => profiles::translate(context, &view, id, &mut out),
        UnitKey::Rule(rule) => rules::translate(context, &view, rule, &mut out),
    }
    view.note(key.own_key());
    out.finish(view)
}
