//! Keeps the authentication token valid. Source: configuration, §2.4.
//!
//! A token that nobody uses is a key that lies about: none is made without the
//! permission to store it, and one that cannot be stored is revoked.

use std::sync::Arc;
use std::time::Duration;

use ako_avi_io::{NewToken, Secret as AviSecret};
use ako_core::secret::Redacted;
use ako_elect::WritePermit;
use ako_kube_io::{
    Asker, CREDENTIALS_SECRET, ClusterWriter, ErrorClass, Standing, WallClock, missing_rules, token_rules,
};
use anyhow::{Context as _, anyhow, bail};
use tokio::sync::watch;
use tracing::{error, info};

use super::connection::Connection;
use super::permissions;
use super::settings::Settings;

/// How often to look at the token.
const PERIOD: Duration = Duration::from_hours(12);
/// When to look again after a failure; doubled with each...
const FIRST_RETRY: Duration = Duration::from_mins(5);
/// ...up to this.
const LAST_RETRY: Duration = Duration::from_hours(6);
/// What looks after the token.
pub(crate) struct Upkeep {
    /// Asks for permissions.
    client: kube::Client,
    /// Stores the token.
    writer: ClusterWriter,
    connection: Arc<Connection>,
    settings: watch::Receiver<Settings>,
    standing: watch::Receiver<Standing>,
    wall: WallClock,
    unstored: Option<Unstored>,
}

/// A token that was made and of which it is not known whether it is stored.
struct Unstored {
    new: NewToken,
    /// What was in the Secret then.
    instead_of: Redacted,
}

impl Upkeep {
    pub(crate) fn new(
        client: kube::Client,
        writer: ClusterWriter,
        connection: Arc<Connection>,
        settings: watch::Receiver<Settings>,
        standing: watch::Receiver<Standing>,
        wall: WallClock,
    ) -> Self {
        Self { client, writer, connection, settings, standing, wall, unstored: None }
    }

    /// Looks at the token every twelve hours, if there is one and this process
    /// leads: the others find the new one in the Secret.
    pub(crate) async fn run(mut self) {
        let mut retry = FIRST_RETRY;
        loop {
            let leads = self.standing.wait_for(Standing::leads).await;
            let Ok(permit) = leads.map(|standing| standing.permit) else { return };
            let current = self.settings.borrow().clone();
            let mut wait = PERIOD;
            if let Some(permit) = permit.filter(|_| !current.credentials.token.is_empty()) {
                match self.refresh(&current, &permit).await {
                    Ok(()) => retry = FIRST_RETRY,
                    Err(error) => {
                        let error = format!("{error:#}");
                        error!(error, "the authentication token could not be renewed; trying again");
                        wait = retry;
                        retry = (retry * 2).min(LAST_RETRY);
                    }
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Gets a new token if the present one ends soon, stores it, and only then
    /// takes the old one away.
    async fn refresh(&mut self, settings: &Settings, permit: &WritePermit) -> anyhow::Result<()> {
        let namespace = &*settings.config.operator_namespace;
        let missing = missing_rules(&self.client, &Asker::Me, &token_rules(namespace)).await;
        let missing = missing.map_err(|why| anyhow!("the permissions cannot be checked: {why}"))?;
        if let Some(rule) = missing.first() {
            bail!("a permission is missing: {rule}: {}", permissions::WAY_OUT);
        }
        let current = &settings.credentials.token;
        let Some(new) = self.new_token(current, permit).await? else { return Ok(()) };
        match self.store(namespace, &new, permit).await {
            Stored::Yes => {}
            Stored::Unknown(why) => {
                // It may be in the Secret by now, so that it is not revoked.
                self.unstored = Some(Unstored { new, instead_of: current.clone() });
                return Err(why);
            }
            Stored::No(why) => {
                self.revoke(permit, &new.uuid).await.context("nor can the new token be revoked")?;
                return Err(why.context("the new token was revoked"));
            }
        }
        info!(expires = new.expires_at, "the authentication token was renewed");
        if let Some(old) = &new.replaces {
            self.revoke(permit, old).await?;
        }
        Ok(())
    }

    /// The token that is to be stored: one that may not have been, unless somebody
    /// stored another one since; or a new one, if the present one ends soon.
    async fn new_token(
        &mut self,
        current: &Redacted,
        permit: &WritePermit,
    ) -> anyhow::Result<Option<NewToken>> {
        if let Some(Unstored { new, instead_of }) = &self.unstored {
            let (AviSecret::Token(text) | AviSecret::Password(text)) = &new.secret;
            if current.reveal() == text || current == instead_of {
                return Ok(self.unstored.take().map(|unstored| unstored.new));
            }
            // Remembered until it is revoked.
            self.revoke(permit, &new.uuid).await.context("an unused token cannot be revoked")?;
            self.unstored = None;
        }
        Ok(self.connection.writer.refresh_token(permit, current.reveal(), (self.wall)()).await?)
    }

    async fn revoke(&self, permit: &WritePermit, uuid: &str) -> anyhow::Result<()> {
        Ok(self.connection.writer.revoke_token(permit, uuid).await?)
    }

    async fn store(&self, namespace: &str, new: &NewToken, permit: &WritePermit) -> Stored {
        let (AviSecret::Token(text) | AviSecret::Password(text)) = &new.secret;
        let what = format!("the new token cannot be stored in Secret {namespace}/{CREDENTIALS_SECRET}");
        match self.writer.store_token(permit, namespace, &Redacted::new(text.to_string())).await {
            Ok(true) => Stored::Yes,
            Ok(false) => Stored::No(anyhow!("there is no such Secret").context(what)),
            Err(error) => {
                let class = error.class();
                let error = anyhow::Error::new(error).context(what);
                match class {
                    // Not sent; neither would be what revokes it.
                    ErrorClass::Fenced | ErrorClass::Retry => Stored::Unknown(error),
                    ErrorClass::Conflict | ErrorClass::Auth | ErrorClass::Rejected | ErrorClass::Bug => {
                        Stored::No(error)
                    }
                }
            }
        }
    }
}

/// Whether a token is in the Secret.
enum Stored {
    Yes,
    /// It is not, and why.
    No(anyhow::Error),
    /// It may be.
    Unknown(anyhow::Error),
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

    use std::net::SocketAddr;

    use ako_core::Config;
    use ako_elect::{Holder, Moment, Phase, rehearsal};
    use ako_kube_io::Credentials;
    use ako_sim_avi::{Options as AviOptions, SimAvi, Tls};
    use ako_sim_kube::{Account, Action, Authorization, Fault, Options, SimKube};
    use serde_json::{Value, json};

    use super::*;
    use crate::run::{connection, testing};

    struct World {
        avi: SimAvi,
        kube: SimKube,
        upkeep: Upkeep,
        settings: Settings,
        _serving: ako_sim_avi::Running,
        leads: watch::Sender<bool>,
    }

    /// A controller, a cluster, and a token that ends soon.
    async fn world() -> World {
        let avi = SimAvi::new(AviOptions::default());
        let serving = avi.serve(SocketAddr::from(([127, 0, 0, 1], 0)), Tls::Off).await.unwrap();
        let ako = Account { token: "ako".to_owned(), name: "ako".to_owned(), groups: Vec::new() };
        let accounts = vec![Account::admin(), ako];
        let kube =
            SimKube::new(Options { authorization: Authorization::Rbac, accounts, ..Options::default() });
        let credentials = Credentials {
            username: "admin".to_owned(),
            password: Redacted::new("admin".to_owned()),
            token: Redacted::new(String::new()),
            ca: None,
        };
        let config = Config {
            operator_namespace: "avi-system".into(),
            controller_host: serving.url().as_str().into(),
            ..Config::default()
        };
        let mut settings = Settings { config, credentials, ..testing::settings() };
        let leads = watch::Sender::new(true);
        let connect = |settings: &Settings| {
            let clock = Arc::new(|| Moment::from_millis(0));
            Arc::new(connection::connect(settings, None, clock, None, leads.subscribe()).unwrap())
        };
        let first = connect(&settings).writer.refresh_token(&rehearsal::endless(), "", now()).await.unwrap();
        let AviSecret::Token(token) = first.unwrap().secret else { panic!("no token") };
        settings.credentials.token = Redacted::new(token.to_string());
        let standing = Standing {
            me: Holder::nobody(),
            phase: Phase::Leading,
            grants: 1,
            permit: Some(rehearsal::endless()),
            holder: Holder::nobody(),
            epoch: 1,
            since: None,
            heard: None,
            finished: false,
        };
        let later: WallClock = Arc::new(|| now() + jiff::SignedDuration::from_hours(200));
        let upkeep = Upkeep::new(
            kube.client_as("ako", "ako/1"),
            ClusterWriter::new(
                kube.client_as("ako", "ako/1"),
                Arc::new(|| Moment::from_millis(0)),
                later.clone(),
                leads.subscribe(),
                "ako-c1",
            ),
            connect(&settings),
            watch::channel(settings.clone()).1,
            watch::channel(standing).1,
            later,
        );
        World { avi, kube, upkeep, settings, _serving: serving, leads }
    }

    fn now() -> jiff::Timestamp {
        jiff::Timestamp::now()
    }

    impl World {
        async fn refresh(&mut self) -> Result<(), String> {
            let refreshed = self.upkeep.refresh(&self.settings, &rehearsal::endless()).await;
            refreshed.map_err(|error| format!("{error:#}"))
        }

        async fn apply(&self, object: Value) {
            ako_harness::cluster::apply(&self.kube.client(), &object).await.unwrap();
        }

        async fn allow(&self) {
            let group = "rbac.authorization.k8s.io";
            let rules = json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["patch"]}]);
            self.apply(json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole",
                "metadata": {"name": "token"}, "rules": rules}))
                .await;
            self.apply(json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding",
                "metadata": {"name": "token"},
                "subjects": [{"kind": "User", "name": "ako", "apiGroup": group}],
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "token"}}))
                .await;
        }

        async fn have_secret(&self) {
            self.apply(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "avi-system"}}))
                .await;
            self.apply(json!({"apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "avi-secret", "namespace": "avi-system"}, "stringData": {"username": "admin"}}))
                .await;
        }

        /// How many tokens were made and revoked, that of the beginning
        /// included.
        fn tokens(&self) -> (usize, usize) {
            let requests = self.avi.requests();
            let of = |method: &str| {
                let of_tokens =
                    requests.iter().filter(|r| r.path.contains("user-token") && r.method == method);
                of_tokens.filter(|r| (200..300).contains(&r.status)).count()
            };
            (of("POST"), of("DELETE"))
        }
    }

    #[tokio::test]
    async fn no_token_is_made_without_the_permission_to_store_it() {
        let mut world = world().await;
        world.have_secret().await;
        for _ in 0..3 {
            let why = world.refresh().await.unwrap_err();
            assert!(why.contains("patch secrets \"avi-secret\""), "{why}");
        }
        assert_eq!(world.tokens(), (1, 0));
        world.allow().await;
        world.refresh().await.unwrap();
        assert_eq!(world.tokens(), (2, 1), "a new one, and the old one is revoked");
        let stored = world.kube.get("", "secrets", "avi-system", "avi-secret").unwrap();
        assert!(stored["data"]["authtoken"].is_string(), "{stored}");
    }

    #[tokio::test]
    async fn a_token_that_cannot_be_stored_is_revoked() {
        let mut world = world().await;
        world.allow().await;
        // There is no such Secret.
        for round in 1..4 {
            let why = world.refresh().await.unwrap_err();
            assert!(why.contains("the new token was revoked"), "{why}");
            assert_eq!(world.tokens(), (1 + round, round));
        }
    }

    #[tokio::test]
    async fn a_token_is_not_stored_while_another_process_may_lead() {
        let mut world = world().await;
        world.have_secret().await;
        world.allow().await;
        let made = world.upkeep.new_token(&world.settings.credentials.token, &rehearsal::endless()).await;
        let made = made.unwrap().unwrap();
        world.leads.send_replace(false);
        let stored = world.upkeep.store("avi-system", &made, &rehearsal::endless()).await;
        assert!(matches!(stored, Stored::Unknown(_)), "it is kept for later, as it cannot be revoked now");
        let secret = world.kube.get("", "secrets", "avi-system", "avi-secret").unwrap();
        assert!(secret["data"]["authtoken"].is_null(), "{secret}");
    }

    #[tokio::test]
    async fn a_token_in_whose_place_somebody_stored_another_one_is_revoked() {
        let mut world = world().await;
        world.have_secret().await;
        world.allow().await;
        world.kube.inject(Fault::new(Action::DropBefore).verb("patch").resource("secrets").times(1));
        world.refresh().await.unwrap_err();
        assert_eq!(world.tokens(), (2, 0));
        world.settings.credentials.token = Redacted::new("another");
        world.avi.inject(ako_sim_avi::Fault::new(ako_sim_avi::Action::DropBefore).method("DELETE").times(1));
        let why = world.refresh().await.unwrap_err();
        assert!(why.contains("an unused token cannot be revoked"), "{why}");
        assert_eq!(world.tokens(), (2, 0));
        world.refresh().await.unwrap();
        assert_eq!(world.tokens(), (3, 1), "the one of another process is not known, so that it is replaced");
    }

    #[tokio::test]
    async fn a_token_that_may_be_stored_is_stored_again_and_not_made_again() {
        let mut world = world().await;
        world.have_secret().await;
        world.allow().await;
        world.kube.inject(Fault::new(Action::DropAfter).verb("patch").resource("secrets").times(1));
        world.refresh().await.unwrap_err();
        assert_eq!(world.tokens(), (2, 0), "it is in the Secret, so that it is not revoked");
        world.refresh().await.unwrap();
        assert_eq!(world.tokens(), (2, 1));
    }
}
