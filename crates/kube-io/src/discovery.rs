//! Which kinds the API server has.

use std::time::Duration;

use kube::Client;

use crate::error::{code_of, describe};

/// The group of OpenShift's Routes.
const ROUTES: &str = "/apis/route.openshift.io/v1";
/// How long an answer may take…
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// …and how long after a failure comes the next question.
const AGAIN: Duration = Duration::from_secs(2);

/// Whether the cluster has OpenShift Routes. Asks until that is known.
pub async fn routes_served(client: &Client) -> bool {
    let mut complained = false;
    loop {
        let problem = match tokio::time::timeout(ANSWER_WITHIN, ask(client)).await {
            Ok(Ok(served)) => return served,
            Ok(Err(error)) => describe(&error),
            Err(_) => "no answer".to_owned(),
        };
        if !std::mem::replace(&mut complained, true) {
            tracing::warn!("GET {ROUTES}: {problem}; until it is answered, nothing of layer 7 is removed");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn ask(client: &Client) -> kube::Result<bool> {
    let request = http::Request::get(ROUTES).body(Vec::new()).map_err(kube::Error::HttpError)?;
    match client.request_text(request).await {
        Ok(_) => Ok(true),
        Err(error) if code_of(&error) == Some(404) => Ok(false),
        Err(error) => Err(error),
    }
}
