//! Keeps asking which RBAC rules the operator lacks, and tells about them: on
//! the pages, in the log and as an Event. What is missing is asked for again
//! every few seconds, so that a replica leads soon after the rule was added.

use ako_core::ResourceKind;
use std::time::Duration;

use ako_kube_io::{Asker, EventWriter, Rule, Standing, missing_rules, needed_rules};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::publishing;
use super::settings::Settings;
use super::state::Startup;

/// How often missing rules are asked for again.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How often all rules are asked for: some may have been taken away.
const ASK_ALL: Duration = Duration::from_mins(10);

/// What to do about missing rules.
pub(crate) const WAY_OUT: &str = "add it to a Role or ClusterRole that is bound to the operator's service account; \
     it takes effect within seconds, without a restart";

/// Asks which rules are missing.
pub(crate) struct Permissions {
    client: kube::Client,
    startup: Startup,
    events: EventWriter,
    settings: watch::Receiver<Settings>,
    standing: watch::Receiver<Standing>,
    missing: Vec<Rule>,
    /// It was said that nobody answers.
    complained: bool,
}

impl Permissions {
    pub(crate) fn new(
        client: kube::Client,
        startup: Startup,
        events: EventWriter,
        settings: watch::Receiver<Settings>,
        standing: watch::Receiver<Standing>,
    ) -> Self {
        Self { client, startup, events, settings, standing, missing: Vec::new(), complained: false }
    }

    /// Asks for all rules now and then, and for those that are missing soon
    /// again.
    pub(crate) async fn run(mut self) {
        let mut all_asked: Option<Instant> = None;
        loop {
            let asks_all = all_asked.is_none_or(|at| at.elapsed() >= ASK_ALL);
            let needed = needed(&self.settings.borrow_and_update());
            let rules = if asks_all { needed.clone() } else { self.missing.clone() };
            let wait = match missing_rules(&self.client, &Asker::Me, &rules).await {
                Ok(missing) => {
                    self.complained = false;
                    if asks_all {
                        all_asked = Some(Instant::now());
                    }
                    self.take(missing);
                    if self.missing.is_empty() { ASK_ALL } else { ASK_AGAIN }
                }
                Err(problem) => {
                    if !std::mem::replace(&mut self.complained, true) {
                        warn!(
                            problem,
                            "the API server does not say which permissions are missing; trying again"
                        );
                    }
                    ASK_AGAIN
                }
            };
            if self.rest(wait, &needed).await {
                all_asked = None;
            }
        }
    }

    /// Waits; not as long if other rules are needed, or if this replica ceases
    /// to lead, which may be for the lack of a rule. Answers whether all rules
    /// are to be asked for.
    async fn rest(&mut self, wait: Duration, needed: &[Rule]) -> bool {
        let led = self.standing.borrow_and_update().leads();
        let changed = self.settings.wait_for(|settings| self::needed(settings) != *needed);
        let lost = async {
            if !led || self.standing.wait_for(|standing| !standing.leads()).await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => false,
            Ok(_) = changed => true,
            () = lost => true,
        }
    }

    /// Tells what is missing now that was not, and the other way round.
    fn take(&mut self, missing: Vec<Rule>) {
        if missing == self.missing {
            return;
        }
        for rule in missing.iter().filter(|rule| !self.missing.contains(rule)) {
            if rule.purpose.is_essential() {
                error!(%rule, "a permission is missing, so this replica is not ready: {WAY_OUT}");
            } else {
                warn!(%rule, "a permission is missing: {WAY_OUT}");
            }
        }
        for rule in self.missing.iter().filter(|rule| !missing.contains(rule)) {
            info!(%rule, "the permission is there now");
        }
        if missing.is_empty() {
            publishing::tell_own_pod(&self.events, "PermissionsGranted", "no permission is missing any more");
        } else {
            publishing::warn_of(&self.events, "PermissionsMissing", &described(&missing));
        }
        self.startup.lacks(missing.clone());
        self.missing = missing;
    }
}

/// The rules that are needed by this configuration.
fn needed(settings: &Settings) -> Vec<Rule> {
    let config = &settings.config;
    needed_rules(
        config.program,
        &config.operator_namespace,
        &ResourceKind::read_with(config),
        !settings.credentials.token.is_empty(),
    )
}

/// All missing rules in one sentence; those that keep the replica from being
/// ready come first, as a long text is cut.
fn described(missing: &[Rule]) -> String {
    let (essential, others): (Vec<_>, Vec<_>) = missing.iter().partition(|rule| rule.purpose.is_essential());
    let rules: Vec<_> = essential.into_iter().chain(others).map(ToString::to_string).collect();
    format!("missing permissions: {}. For each: {WAY_OUT}", rules.join("; "))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ako_core::Config;
    use ako_core::secret::Redacted;
    use ako_elect::{Holder, Phase};
    use ako_kube_io::Credentials;
    use ako_sim_kube::{Account, Authorization, Options, SimKube};
    use serde_json::{Value, json};

    use super::*;
    use crate::run::testing;

    const GROUP: &str = "rbac.authorization.k8s.io";

    fn cluster() -> SimKube {
        let ako = Account { token: "ako".to_owned(), name: "ako".to_owned(), groups: Vec::new() };
        let accounts = vec![Account::admin(), ako];
        SimKube::new(Options { authorization: Authorization::Rbac, accounts, ..Options::default() })
    }

    async fn apply(sim: &SimKube, object: Value) {
        let applied = ako_harness::cluster::apply(&sim.client(), &object).await;
        assert!(applied.is_ok(), "{applied:?}");
    }

    /// Binds a ClusterRole of these rules to the operator.
    async fn allow(sim: &SimKube, name: &str, rules: Value) {
        apply(
            sim,
            json!({"apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRole",
                   "metadata": {"name": name}, "rules": rules}),
        )
        .await;
        let subject = json!({"kind": "User", "name": "ako", "apiGroup": GROUP});
        apply(
            sim,
            json!({"apiVersion": format!("{GROUP}/v1"), "kind": "ClusterRoleBinding",
                   "metadata": {"name": name}, "subjects": [subject],
                   "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}}),
        )
        .await;
    }

    /// What the ClusterRole of AKO's chart allows, as far as it matters here.
    fn rules_of_ako() -> Value {
        json!([
            {"apiGroups": [""], "resources": ["*"], "verbs": ["get", "watch", "list"]},
            {"apiGroups": ["apps"], "resources": ["statefulsets", "statefulsets/status"],
             "verbs": ["get", "watch", "list", "patch", "update"]},
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingresses/status"],
             "verbs": ["get", "watch", "list", "patch", "update"]},
            {"apiGroups": [""], "resources": ["services", "services/status"],
             "verbs": ["get", "watch", "list", "patch", "update"]},
            {"apiGroups": ["networking.k8s.io"], "resources": ["ingressclasses"], "verbs": ["get", "watch", "list"]},
            {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "watch", "list"]},
            {"apiGroups": [""], "resources": ["secrets"],
             "verbs": ["get", "watch", "list", "patch", "update", "create"]},
            {"apiGroups": [""], "resources": ["events"], "verbs": ["create", "patch", "update"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]},
        ])
    }

    fn settings(token: &str) -> Settings {
        let credentials = Credentials {
            username: "u".to_owned(),
            password: Redacted::new("p".to_owned()),
            token: Redacted::new(token.to_owned()),
            ca: None,
        };
        let config = Config { operator_namespace: "avi-system".into(), ..Config::default() };
        Settings { config, credentials, ..testing::settings() }
    }

    struct Operator {
        startup: Startup,
        events: EventWriter,
        settings: watch::Sender<Settings>,
        standing: watch::Sender<Standing>,
        _task: tokio::task::JoinSet<()>,
    }

    fn start(sim: &SimKube) -> Operator {
        let client = sim.client_as("ako", "ako/1");
        let startup = Startup::new("ako-0", "avi-system", super::super::clock::wall_time());
        let pod = k8s_openapi::api::core::v1::ObjectReference::default();
        let events = EventWriter::new(client.clone(), Some(pod), Arc::new(jiff::Timestamp::now));
        let (settings, settings_receiver) = watch::channel(settings(""));
        let (standing, standing_receiver) = watch::channel(standing(Phase::Competing));
        let permissions =
            Permissions::new(client, startup.clone(), events.clone(), settings_receiver, standing_receiver);
        let mut task = tokio::task::JoinSet::new();
        task.spawn(permissions.run());
        Operator { startup, events, settings, standing, _task: task }
    }

    fn standing(phase: Phase) -> Standing {
        let permit = (phase == Phase::Leading).then(ako_elect::rehearsal::endless);
        Standing {
            me: Holder::nobody(),
            phase,
            grants: 0,
            permit,
            holder: Holder::nobody(),
            epoch: 0,
            since: None,
            heard: None,
            finished: false,
        }
    }

    fn missing(operator: &Operator) -> Vec<String> {
        let rules = operator.startup.missing_rules();
        rules.iter().map(|rule| format!("{} {}", rule.verb, rule.full_resource())).collect()
    }

    fn reviews(sim: &SimKube) -> usize {
        let requests = sim.requests();
        requests.iter().filter(|request| request.path.contains("selfsubjectaccessreviews")).count()
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_chart_of_ako_lacks_is_named_until_it_is_there() {
        let sim = cluster();
        allow(&sim, "ako-cr", rules_of_ako()).await;
        let operator = start(&sim);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let lacking = [
            "create configmaps",
            "update configmaps",
            "delete leases",
            "patch pods",
            "create subjectaccessreviews",
        ];
        assert_eq!(missing(&operator), lacking);
        assert_eq!(operator.events.counts().queued, 1, "one Event for all of them");
        tokio::time::sleep(ASK_AGAIN * 3).await;
        assert_eq!(operator.events.counts().queued, 1, "the same is not told again");
        let rest = json!([
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create", "update"]},
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["patch"]},
            {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["delete"]},
            {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
        ]);
        allow(&sim, "ako-rs", rest).await;
        tokio::time::sleep(ASK_AGAIN + Duration::from_secs(1)).await;
        assert_eq!(missing(&operator), [""; 0]);
        assert_eq!(operator.events.counts().queued, 2, "one that all is well again");
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_is_missing_is_asked_for_again_and_rarely_if_nothing_is() {
        let sim = cluster();
        allow(&sim, "ako-cr", rules_of_ako()).await;
        let _operator = start(&sim);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let all = reviews(&sim);
        assert_eq!(all, needed(&settings("")).len());
        tokio::time::sleep(ASK_AGAIN).await;
        assert_eq!(reviews(&sim), all + 5);
        allow(&sim, "everything", json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])).await;
        tokio::time::sleep(ASK_AGAIN).await;
        let settled = reviews(&sim);
        tokio::time::sleep(ASK_ALL.saturating_sub(Duration::from_secs(30))).await;
        assert_eq!(reviews(&sim), settled);
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(reviews(&sim), settled + all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rule_that_goes_with_the_leadership_is_noticed_at_once() {
        let sim = cluster();
        allow(&sim, "ako-cr", json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}])).await;
        let operator = start(&sim);
        operator.standing.send_replace(standing(Phase::Leading));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(missing(&operator), [""; 0]);
        allow(&sim, "ako-cr", rules_of_ako()).await;
        operator.standing.send_replace(standing(Phase::Competing));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(missing(&operator).len(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_needs_a_rule_more() {
        let sim = cluster();
        let mut rules = rules_of_ako();
        rules[6]["verbs"] = json!(["get", "watch", "list"]);
        allow(&sim, "ako-cr", rules).await;
        let operator = start(&sim);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(!missing(&operator).contains(&"patch secrets".to_owned()));
        operator.settings.send_replace(settings("token"));
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(missing(&operator).contains(&"patch secrets".to_owned()));
    }
}
