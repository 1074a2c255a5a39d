//! What has to be there in the cluster.

use ako_core::ResourceKind;
use ako_kube_io::{Asker, Rule, missing_rules, needed_rules};
use kube::Client;

use super::Place;
use super::report::{About, Report};
use crate::run::permissions::WAY_OUT;
use crate::run::settings::Settings;
use crate::run::settings_reader;

/// How many missing rules are named.
const NAMED: usize = 10;

/// A client that the API server answers.
pub(super) async fn client(place: &Place, report: &mut Report) -> Option<Client> {
    let client = match ako_kube_io::client(place.cluster.kubeconfig.as_deref()).await {
        Ok(client) => client,
        Err(error) => {
            report.failed(About::Kubeconfig, error.to_string(), "give one by --kubeconfig or KUBECONFIG");
            return None;
        }
    };
    report.ok(About::Kubeconfig, "it can be read");
    match ako_kube_io::kubernetes_version(&client).await {
        Ok(version) if version.is_known() => {
            report.ok(About::ApiServer, format!("Kubernetes {version} answers"));
        }
        Ok(version) => {
            let found = format!("Kubernetes {version} answers, on which this operator was never tried");
            report.warning(About::ApiServer, found, "see the README for the versions that were");
        }
        Err(error) => {
            report.failed(
                About::ApiServer,
                error.to_string(),
                "see that it runs, and that the kubeconfig is for it",
            );
            return None;
        }
    }
    Some(client)
}

/// The configuration and the credentials.
pub(super) async fn settings(place: &Place, client: &Client, report: &mut Report) -> Option<Settings> {
    let namespace = &place.cluster.namespace;
    match settings_reader::read_once(client, place.program, namespace).await {
        Ok(settings) => {
            report.ok(About::Configuration, format!("ConfigMap {namespace}/avi-k8s-config can be used"));
            for issue in &settings.issues {
                report.warning(About::Configuration, issue.to_string(), "");
            }
            Some(settings)
        }
        Err(error) => {
            let way_out = "install the chart into this namespace, or correct the values that are named; \
                           --namespace says where it is";
            report.failed(About::Configuration, format!("{error:#}"), way_out);
            None
        }
    }
}

/// The RBAC rules of the operator.
pub(super) async fn permissions(
    place: &Place,
    client: &Client,
    settings: Option<&Settings>,
    report: &mut Report,
) {
    let Some(Rules { who, needed, missing }) = rules(place, client, settings, report).await else { return };
    if missing.is_empty() {
        return report.ok(About::Permissions, format!("{who} has all {needed} rules that it needs"));
    }
    let named: Vec<_> = missing.iter().take(NAMED).map(|rule| format!("\"{rule}\"")).collect();
    let more = missing.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let found = format!("{who} lacks {}{more}", named.join(", "));
    if missing.iter().any(|rule| rule.purpose.is_essential()) {
        report.failed(About::Permissions, found, WAY_OUT);
    } else {
        report.warning(About::Permissions, found, WAY_OUT);
    }
}

/// The same before a takeover: what is missing comes with the chart.
pub(super) async fn permissions_to_come(
    place: &Place,
    client: &Client,
    settings: Option<&Settings>,
    report: &mut Report,
) {
    let Some(Rules { who, needed, missing }) = rules(place, client, settings, report).await else { return };
    let lacks = missing.len();
    let found = format!("of {needed} rules that it needs, {who} lacks {lacks}, which the chart brings");
    report.ok(About::Permissions, found);
}

/// What an operator may do.
struct Rules {
    /// Who it is, for people.
    who: String,
    /// How many rules it needs.
    needed: usize,
    missing: Vec<Rule>,
}

/// The rules of the operator, if the API server tells; if not, that is noted.
async fn rules(
    place: &Place,
    client: &Client,
    settings: Option<&Settings>,
    report: &mut Report,
) -> Option<Rules> {
    let namespace = &place.cluster.namespace;
    let (kinds, token) = match settings {
        Some(settings) => (ResourceKind::read_with(&settings.config), !settings.credentials.token.is_empty()),
        None => (ResourceKind::always(), false),
    };
    let rules = needed_rules(place.program, namespace, &kinds, token);
    let (asker, who) = match &place.account {
        Some(name) => {
            let asker = Asker::Account { namespace: namespace.clone(), name: name.clone() };
            (asker, format!("ServiceAccount {namespace}/{name}"))
        }
        None => (Asker::Me, "this process".to_owned()),
    };
    match missing_rules(client, &asker, &rules).await {
        Ok(missing) => Some(Rules { who, needed: rules.len(), missing }),
        Err(why) => {
            let found = format!("the API server does not say which rules {who} has: {why}");
            let way_out = "run this as somebody who may create SubjectAccessReviews";
            report.warning(About::Permissions, found, way_out);
            None
        }
    }
}
