//! Follows whether the controller accepts the login, and tells when that
//! changes: without a login nothing is programmed, and whoever runs the operator
//! has to mend it, not whoever wrote an Ingress.

use ako_avi_io::Login;
use ako_avi_types::Failure;
use ako_kube_io::{CREDENTIALS_SECRET, EventWriter};
use tokio::sync::watch;
use tracing::{error, info};

use super::publishing;
use super::state::Startup;

/// Follows the logins, for ever.
pub(crate) async fn follow(mut login: watch::Receiver<Login>, startup: Startup, events: EventWriter) {
    login.mark_changed();
    while login.changed().await.is_ok() {
        let login = login.borrow_and_update().clone();
        let was_refused = startup.login_refused().is_some();
        match login {
            Login::None => {}
            Login::Accepted => {
                startup.set_login_refused(None);
                if was_refused {
                    info!("the Avi Controller accepts the login again");
                    publishing::tell_own_pod(
                        &events,
                        "ControllerLoginAccepted",
                        "the Avi Controller accepts the login again",
                    );
                }
            }
            Login::Refused(failure) => {
                let (_, namespace) = startup.identity();
                let why = described(&failure, &namespace);
                startup.set_login_refused(Some(why.clone()));
                if !was_refused {
                    error!("{why}");
                    publishing::warn_of(&events, "ControllerLoginRefused", &why);
                }
            }
        }
    }
    // The client is gone: nobody logs in any more.
    std::future::pending::<()>().await;
}

/// What is wrong, and the way out.
fn described(failure: &Failure, namespace: &str) -> String {
    format!(
        "the Avi Controller refuses the login, so nothing is programmed: {failure}. Correct username and \
         password, or authtoken, in Secret {namespace}/{CREDENTIALS_SECRET}; no restart is needed"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use ako_avi_types::ErrorClass;
    use ako_sim_kube::SimKube;
    use k8s_openapi::api::core::v1::ObjectReference;

    use super::*;

    fn refused(retry_after_ms: u64) -> Login {
        let message = "login as admin: Invalid credentials".to_owned();
        let retry_after_ms = Some(retry_after_ms);
        Login::Refused(Failure { class: ErrorClass::Login, status: Some(401), message, retry_after_ms })
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_login_is_told_once_and_once_when_it_is_right_again() {
        let sim = SimKube::new(ako_sim_kube::Options::default());
        let startup = Startup::new("ako-0", "avi-system", super::super::clock::wall_time());
        startup.running();
        let pod = Some(ObjectReference::default());
        let events = EventWriter::new(sim.client(), pod, Arc::new(jiff::Timestamp::now));
        let (login, followed) = watch::channel(Login::Accepted);
        let task = tokio::spawn(follow(followed, startup.clone(), events.clone()));
        let turn = || tokio::time::sleep(Duration::from_millis(1));
        turn().await;
        assert_eq!(startup.controller().0, "CONNECTED");
        assert_eq!(events.counts().queued, 0, "a login that is accepted from the start is no news");
        for attempt in 1..5 {
            login.send_replace(refused(500 * attempt));
            turn().await;
            // What was under way under the former session may still end well.
            startup.controller_answered();
            assert_eq!((startup.controller().0, startup.is_connected()), ("DISCONNECTED", false));
            assert_eq!(events.counts().queued + events.counts().repeated, 1, "one Event for all attempts");
        }
        let why = startup.login_refused().unwrap_or_default();
        assert!(why.contains("Secret avi-system/avi-secret") && why.contains("Invalid credentials"), "{why}");
        login.send_replace(Login::Accepted);
        turn().await;
        assert_eq!((startup.controller().0, startup.login_refused()), ("CONNECTED", None));
        assert_eq!(events.counts().queued, 2);
        task.abort();
    }
}
