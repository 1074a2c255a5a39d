//! What comes out of a translation.

use std::sync::Arc;

use ako_avi_types::{Kind, Object, ObjectKey};
use ako_core::{Diagnostic, Key, NamespacedName, Reason, ResourceId, Stored};

use crate::context::Context;
use crate::contribution::Contribution;
use crate::front::FrontKey;
use crate::statement::{Binding, Statement, What};
use crate::unit::service_id;
use crate::view::View;

/// What comes out of a unit or a front.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// Its own objects.
    pub objects: Vec<Arc<Object>>,
    /// What it adds to fronts; a front adds nothing to others.
    pub contributions: Vec<(FrontKey, Contribution)>,
    /// What it says of Kubernetes objects.
    pub statements: Vec<Statement>,
    /// What is wrong with its input.
    pub diagnostics: Vec<Diagnostic>,
    /// Everything that it looked at, sorted.
    pub reads: Vec<Key>,
    /// The rules and the settings that it is to go by, sorted. Of those that cannot be used, what they
    /// gave stays.
    pub rules: Vec<ResourceId>,
    /// Hosts for which what is on the controller stays as it is, as how it is to be cannot be told.
    /// Whatever AviInfraSetting placed it: the one that is asked for now need not be the one it was
    /// made with.
    pub left_alone: Vec<Arc<str>>,
    /// What of its objects stays as it is, as how that is to be cannot be told.
    pub kept: Vec<(ObjectKey, Keep)>,
    /// Whether it cannot be told what all of its objects are: none that it had is given up.
    pub is_partial: bool,
    /// The oldest object that asks for a unit, and when it was created: of two units that ask
    /// for one name the older one has it.
    pub age: Option<(i64, ResourceId)>,
}

/// What of an object that is there stays as it is, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keep {
    /// Where it is placed; what is new is placed as the configuration says.
    Place,
    /// What rules gave it; what is new is made without that.
    Shape,
    /// All but the servers of pools; what is new is made without what cannot be told.
    AllButServers,
    /// All of it; and it is not made while another virtual service serves its host, whose sign-in it
    /// would be a way around.
    All,
    /// All of it, and it is not made: how it is to be cannot be told.
    AsIs,
}

impl Output {
    /// Adds an object, unless Avi would not take its name; then whoever asked
    /// for it is told. Answers whether it was added.
    pub(crate) fn add(&mut self, object: Object, source: &ResourceId) -> bool {
        let (kind, name) = (object.kind(), object.name().clone());
        if !ako_core::name::fits(&name) {
            let message = format!(
                "the Avi {kind} would be called {name:?}, which is {} bytes long and Avi takes 255: \
                 use shorter names, hosts or paths",
                name.len()
            );
            self.tell(source, Reason::NameTooLong, message);
            return false;
        }
        let same = |o: &Arc<Object>| o.kind() == kind && *o.name() == name && o.tenant() == object.tenant();
        if self.objects.iter().any(same) {
            let message = format!("two paths lead to the same Avi {kind} {name:?}; the first is served");
            self.tell(source, Reason::DuplicateHostPath, message);
            return false;
        }
        let mut object = object;
        object.normalise();
        self.objects.push(Arc::new(object));
        true
    }

    /// Whether the unit has an object of that name already.
    pub(crate) fn has(&self, context: &Context, kind: Kind, name: &str) -> bool {
        self.objects
            .iter()
            .any(|o| o.kind() == kind && **o.name() == *name && o.tenant() == Some(&context.placement.tenant))
    }

    /// The output with what was looked at for it.
    pub(crate) fn finish(mut self, view: View<'_>) -> Self {
        self.reads = view.into_reads();
        self.diagnostics.sort();
        self.rules.sort();
        self.rules.dedup();
        self.shrink();
        self
    }

    /// Gives back what memory was taken in advance: there are many of these,
    /// and they stay.
    fn shrink(&mut self) {
        self.objects.shrink_to_fit();
        self.contributions.shrink_to_fit();
        for (_, contribution) in &mut self.contributions {
            contribution.members.shrink_to_fit();
        }
        self.statements.shrink_to_fit();
        self.reads.shrink_to_fit();
        self.rules.shrink_to_fit();
        self.left_alone.shrink_to_fit();
        self.kept.shrink_to_fit();
    }

    /// The Kubernetes objects that its addresses are published on.
    pub fn served(&self) -> impl Iterator<Item = &ResourceId> {
        let addresses = self.statements.iter().filter(|statement| statement.what.binding().is_some());
        addresses.map(|statement| &statement.object)
    }

    /// Remembers a rule or a setting that it is to go by.
    pub(crate) fn goes_by<T: Stored>(&mut self, name: &NamespacedName) {
        self.rules.push(ResourceId { kind: T::KIND, name: name.clone() });
    }

    /// Asks for node ports of a Service's pods.
    pub(crate) fn request_node_ports(&mut self, service: &NamespacedName) {
        let statement = Statement { object: service_id(service), what: What::NodePorts };
        if !self.statements.contains(&statement) {
            self.statements.push(statement);
        }
    }

    /// Publishes the addresses of a virtual service on an object.
    pub(crate) fn bind(&mut self, object: ResourceId, binding: Binding) {
        self.statements.push(Statement { object, what: What::Address(binding) });
    }

    pub(crate) fn tell(&mut self, object: &ResourceId, reason: Reason, message: impl Into<Arc<str>>) {
        let diagnostic = Diagnostic { object: object.clone(), reason, message: message.into() };
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }
}
