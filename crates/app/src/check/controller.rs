//! What has to be there on the Avi Controller.

use ako_avi_io::{Endpoint, Scheme};
use ako_avi_types::{ErrorClass, Failure, Kind, ObjectKey};
use ako_core::Facts;
use kube::Client;
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::watch;

use super::report::{About, Report};
use super::{WITHIN, role};
use crate::run::clock;
use crate::run::connection::{self, Connection};
use crate::run::settings::Settings;

/// Asks the controller for everything that the configuration names.
pub(super) async fn check(client: &Client, settings: &Settings, report: &mut Report) {
    let host = &settings.config.controller_host;
    let endpoint = match Endpoint::parse(host) {
        Ok(endpoint) => endpoint,
        Err(error) => {
            return report.failed(
                About::Address,
                error.to_string(),
                "set controllerIP to <host> or <host>:<port>",
            );
        }
    };
    if !is_reachable(&endpoint, report).await {
        return;
    }
    // Nobody leads here: nothing is written.
    let (_, leads) = watch::channel(false);
    let uid = ako_kube_io::cluster_uid(client).await.ok().flatten();
    let connection = match connection::connect(settings, uid, clock::boot_time(), None, leads) {
        Ok(connection) => connection,
        Err(error) => {
            return report.failed(
                About::Tls,
                format!("{error:#}"),
                "correct certificateAuthorityData in Secret avi-secret",
            );
        }
    };
    certificate(settings, &connection, report);
    if !may_log_in(settings, &connection, report).await {
        return;
    }
    role::check(settings, &connection, report).await;
    match tokio::time::timeout(WITHIN * 3, connection.translator(&settings.config)).await {
        Ok(Ok(translator)) => {
            found(settings, translator.facts(), report);
            look_up(&connection, settings, translator.facts(), report).await;
        }
        Ok(Err(failure)) => report.failed(About::Controller, failure.to_string(), ""),
        Err(_) => report.failed(About::Controller, "it takes too long to answer", "see how busy it is"),
    }
}

/// Whether the name of the controller leads to something that accepts connections.
async fn is_reachable(endpoint: &Endpoint, report: &mut Report) -> bool {
    let (host, port) = (&*endpoint.host, endpoint.port);
    let addresses: Vec<_> = match tokio::time::timeout(WITHIN, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            let found = format!("{host} has no address: {error}");
            report.failed(About::Dns, found, "correct controllerIP, or the DNS of the cluster's nodes");
            return false;
        }
        Err(_) => {
            report.failed(
                About::Dns,
                format!("nobody says in time what the address of {host} is"),
                "see to the DNS",
            );
            return false;
        }
    };
    let shown: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
    report.ok(About::Dns, format!("{host} is {}", shown.join(", ")));
    match tokio::time::timeout(WITHIN, TcpStream::connect(&*addresses)).await {
        Ok(Ok(_)) => {
            report.ok(About::Connection, format!("port {port} accepts connections"));
            return true;
        }
        Ok(Err(error)) => {
            let found = format!("port {port} of {host} does not accept connections: {error}");
            report.failed(
                About::Connection,
                found,
                "see that the controller runs, and that nothing blocks the way to it",
            );
        }
        Err(_) => {
            let found = format!("port {port} of {host} does not answer");
            report.failed(
                About::Connection,
                found,
                "see that no firewall or network policy blocks the way to it",
            );
        }
    }
    false
}

/// How the controller's certificate is judged.
fn certificate(settings: &Settings, connection: &Connection, report: &mut Report) {
    match (connection.client.endpoint().scheme, &settings.credentials.ca) {
        (Scheme::Http, _) => report.warning(
            About::Tls,
            "there is none: whoever is on the way reads the password",
            "take http:// out of controllerIP",
        ),
        (Scheme::Https, Some(_)) => {
            report.ok(About::Tls, "the certificate is verified with the authority in Secret avi-secret");
        }
        (Scheme::Https, None) => report.warning(
            About::Tls,
            "the certificate is not verified: the controller may be anybody who answers at its address",
            "put certificateAuthorityData into Secret avi-secret (avicredentials.certificateAuthorityData)",
        ),
    }
}

/// Whether the controller accepts the credentials.
async fn may_log_in(settings: &Settings, connection: &Connection, report: &mut Report) -> bool {
    let user = &settings.credentials.username;
    let failure = match tokio::time::timeout(WITHIN, connection.client.log_in()).await {
        Ok(Ok(())) => {
            report.ok(About::Login, format!("the controller accepts {user}"));
            return true;
        }
        Ok(Err(failure)) => failure,
        Err(_) => Failure {
            class: ErrorClass::Unknown,
            status: None,
            message: "no answer in time".to_owned(),
            retry_after_ms: None,
        },
    };
    let way_out = if failure.class == ErrorClass::Login {
        "correct username and password (or authtoken) in Secret avi-secret"
    } else {
        "see that this is an Avi Controller that is up, and, where its certificate is verified, that it is its own"
    };
    report.failed(About::Login, format!("{user} cannot log in: {failure}"), way_out);
    false
}

/// What the controller has of what is configured.
fn found(settings: &Settings, facts: &Facts, report: &mut Report) {
    let config = &settings.config;
    report.ok(About::Controller, format!("it is up; its cluster is {}", facts.cluster_uuid));
    report.ok(About::Tenant, format!("{} is there", config.tenant));
    let domains = if facts.subdomains.is_empty() { "none".to_owned() } else { facts.subdomains.join(", ") };
    report.ok(
        About::Cloud,
        format!("{} is there ({:?}); its DNS domains: {domains}", config.cloud_name, facts.cloud),
    );
    let networks: Vec<_> = config.vip_networks.iter().map(|network| network.key().to_string()).collect();
    let networks = if networks.is_empty() { "none is configured".to_owned() } else { networks.join(", ") };
    report.ok(About::Networks, format!("for VIPs: {networks}"));
}

/// Looks for what the facts name without having been asked for: they tell where it is only if the
/// operator writes to it.
async fn look_up(connection: &Connection, settings: &Settings, facts: &Facts, report: &mut Report) {
    let config = &settings.config;
    let named = [
        (About::Vrf, Kind::VrfContext, &facts.vrf, "vrfName"),
        (About::SeGroup, Kind::ServiceEngineGroup, &config.se_group, "serviceEngineGroupName"),
    ];
    for (about, kind, name, setting) in named {
        let key = ObjectKey::new(kind, config.tenant.clone(), name.clone());
        match connection.read(&key, &config.cloud_name).await {
            Ok(Some(_)) => report.ok(about, format!("{name} is there")),
            Ok(None) => {
                let found = format!("{name} does not exist in cloud {}", config.cloud_name);
                report.failed(about, found, &format!("set {setting} to one that does, or make it"));
            }
            Err(failure) => report.failed(about, format!("{name} cannot be read: {failure}"), ""),
        }
    }
}
