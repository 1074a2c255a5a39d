//! Whose objects of a kind are watched: with `useDefaultSecretsOnly`, and where Routes are served, no
//! Secrets but those of the operator's namespace; by the CRD operator, no Secrets but those that
//! health monitors sign in with.

use std::future::pending;
use std::sync::Arc;

use ako_core::resource::BasicAuth;
use ako_core::{Config, Program, ResourceKind};
use tokio::sync::watch;

/// Whose Secrets are watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SecretsOf {
    /// Those of all namespaces.
    #[default]
    All,
    /// Where the API server has Routes, those of this namespace alone.
    OneWithRoutes(Arc<str>),
    /// Those of all namespaces that health monitors sign in with.
    HealthMonitors,
}

impl SecretsOf {
    /// As a configuration asks for it: the namespace is then the operator's own.
    pub fn configured(config: &Config) -> Self {
        if config.program == Program::CrdOperator {
            Self::HealthMonitors
        } else if config.default_secrets_only {
            Self::OneWithRoutes(config.operator_namespace.clone())
        } else {
            Self::All
        }
    }
}

/// Whose objects are watched, of any kind.
#[derive(Clone, Debug)]
pub(crate) struct Reach {
    secrets: SecretsOf,
    /// Whether the API server has Routes, once that is known.
    has_routes: Arc<watch::Sender<Option<bool>>>,
}

impl Reach {
    pub(crate) fn new(secrets: SecretsOf) -> Self {
        Self { secrets, has_routes: Arc::new(watch::Sender::new(None)) }
    }

    /// Whether the API server has a kind.
    pub(crate) fn served(&self, kind: ResourceKind, served: bool) {
        if kind == ResourceKind::Route {
            self.has_routes.send_replace(Some(served));
        }
    }

    /// The type of objects of a kind that are watched, if there is one.
    pub(crate) fn only_type(&self, kind: ResourceKind) -> Option<&'static str> {
        let is_confined = self.secrets == SecretsOf::HealthMonitors && kind == ResourceKind::Secret;
        is_confined.then_some(BasicAuth::TYPE)
    }

    /// The namespace that a kind may be confined to.
    fn confined_to(&self, kind: ResourceKind) -> Option<&Arc<str>> {
        match &self.secrets {
            SecretsOf::OneWithRoutes(namespace) if kind == ResourceKind::Secret => Some(namespace),
            _ => None,
        }
    }

    /// The only namespace whose objects of a kind are watched, if there is one; waits until that is
    /// known.
    pub(crate) async fn namespace(&self, kind: ResourceKind) -> Option<Arc<str>> {
        let confined = self.confined_to(kind)?.clone();
        let mut has_routes = self.has_routes.subscribe();
        let known = has_routes.wait_for(Option::is_some).await;
        known.is_ok_and(|known| *known == Some(true)).then_some(confined)
    }

    /// Ends when that may have changed.
    pub(crate) fn changed(&self, kind: ResourceKind) -> impl Future<Output = ()> + use<> {
        let is_confined = self.confined_to(kind).is_some();
        let mut has_routes = self.has_routes.subscribe();
        async move {
            if !is_confined || has_routes.changed().await.is_err() {
                pending::<()>().await;
            }
        }
    }
}
