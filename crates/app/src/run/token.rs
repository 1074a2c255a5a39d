//! Keeps the authentication token valid. Source: configuration, §2.4.

use std::sync::Arc;
use std::time::Duration;

use ako_avi_io::Secret as AviSecret;
use ako_avi_types::Failure;
use ako_elect::WritePermit;
use ako_kube_io::{CREDENTIALS_SECRET, Standing, WallClock};
use anyhow::Context as _;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tracing::{error, info};

use super::connection::Connection;
use super::settings::Settings;

/// How often to look at the token.
const PERIOD: Duration = Duration::from_hours(12);
/// When to look again after a failure.
const RETRY: Duration = Duration::from_mins(5);

/// Looks at the token every twelve hours, if there is one and this process
/// leads: the others find the new one in the Secret.
pub(super) async fn keep_fresh(
    client: &kube::Client,
    connection: &Arc<Connection>,
    settings: watch::Receiver<Settings>,
    mut standing: watch::Receiver<Standing>,
    wall: &WallClock,
) {
    loop {
        let Ok(permit) = standing.wait_for(Standing::leads).await.map(|standing| standing.permit) else {
            return;
        };
        let current = settings.borrow().clone();
        let mut wait = PERIOD;
        if !current.credentials.token.is_empty()
            && let Some(permit) = permit
            && let Err(error) = refresh(client, connection, &current, &permit, wall()).await
        {
            error!(
                error = format!("{error:#}"),
                "the authentication token could not be renewed; trying again"
            );
            wait = RETRY;
        }
        tokio::time::sleep(wait).await;
    }
}

/// Gets a new token if the present one ends soon, stores it, and only then
/// takes the old one away.
async fn refresh(
    client: &kube::Client,
    connection: &Connection,
    settings: &Settings,
    permit: &WritePermit,
    now: jiff::Timestamp,
) -> anyhow::Result<()> {
    let token = settings.credentials.token.reveal();
    let refreshed = connection.writer.refresh_token(permit, token, now).await;
    let Some(new) = refreshed.map_err(|failure: Failure| anyhow::anyhow!("{failure}"))? else {
        return Ok(());
    };
    let (AviSecret::Token(text) | AviSecret::Password(text)) = &new.secret;
    let secrets: Api<Secret> = Api::namespaced(client.clone(), &settings.config.operator_namespace);
    let patch = json!({ "stringData": { "authtoken": &**text } });
    let stored = secrets.patch(CREDENTIALS_SECRET, &PatchParams::default(), &Patch::Merge(&patch)).await;
    stored.context("the new token cannot be stored in Secret avi-secret")?;
    info!(expires = new.expires_at, "the authentication token was renewed");
    if let Some(old) = &new.replaces {
        connection.writer.revoke_token(permit, old).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    }
    Ok(())
}
