//! The upkeep of the token that logs us in.
//!
//! In turn: [`Writer::refresh_token`], the caller stores the new token, then
//! [`Writer::revoke_token`] with the old one. A crash in between leaves one
//! token too many, never none. Source: Avi REST API contract, §1.4.

use std::sync::Arc;

use ako_avi_types::{ErrorClass, Failure};
use ako_elect::WritePermit;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use crate::answer::unanswered;
use crate::body::bytes;
use crate::call::{Call, Resource, Tenant, Verb, segment};
use crate::credentials::Secret;
use crate::permission::Leave;
use crate::writer::Writer;

/// A token with this much time left is not renewed.
pub const ENOUGH: SignedDuration = SignedDuration::from_hours(120);
/// How long a new token is valid, in hours.
const VALIDITY_HOURS: &str = "240";

/// A token that was made. Its `Debug` does not show the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// The token, to be stored and given to the client.
    pub secret: Secret,
    /// Its uuid.
    pub uuid: Arc<str>,
    /// When it ends, as the controller spells it.
    pub expires_at: String,
    /// The uuid of the token that it replaces, to be revoked once the new one
    /// is stored; `None` if the controller does not know that.
    pub replaces: Option<Arc<str>>,
}

/// A token as `/api/user-token` tells it.
#[derive(Clone, Deserialize)]
struct Issued {
    #[serde(default)]
    token: String,
    uuid: Arc<str>,
    #[serde(default)]
    expires_at: String,
}

/// Whether a token has to be replaced.
#[derive(Debug, PartialEq, Eq)]
enum Renewal {
    NotDue,
    Due { replaces: Option<Arc<str>> },
}

/// Decides from the controller's tokens. One that it does not list, or whose
/// end cannot be read, is due.
fn renewal(tokens: &[Issued], current: &str, now: Timestamp) -> Renewal {
    let Some(known) = tokens.iter().find(|t| t.token == current) else {
        return Renewal::Due { replaces: None };
    };
    let left = known.expires_at.parse::<Timestamp>().map(|end| end.duration_since(now));
    match left {
        Ok(left) if left > ENOUGH => Renewal::NotDue,
        _ => Renewal::Due { replaces: Some(known.uuid.clone()) },
    }
}

impl Writer {
    /// Makes a new token if the current one ends soon; `None` if it does not.
    ///
    /// # Errors
    /// As [`Writer::send`].
    pub async fn refresh_token(
        &self,
        permit: &WritePermit,
        current: &str,
        now: Timestamp,
    ) -> Result<Option<NewToken>, Failure> {
        let tenant = Tenant::named("admin");
        let listed = self.client.list_resource(Resource::UserToken, &tenant, &[], |body| body).await?;
        let tokens: Vec<Issued> = listed.into_iter().filter_map(|t| serde_json::from_value(t).ok()).collect();
        let Renewal::Due { replaces } = renewal(&tokens, current, now) else { return Ok(None) };
        let verb = Verb::Post(Leave::new(permit, &self.leads), bytes(&json!({"hours": VALIDITY_HOURS})));
        let target = Resource::UserToken.path();
        let reply = self.client.send(&Call { verb, resource: Resource::UserToken, target, tenant }).await?;
        // The error of the JSON would quote the token.
        let made = serde_json::from_value::<Issued>(reply.json(ErrorClass::Unknown)?).ok();
        let made = made
            .filter(|made| !made.token.is_empty())
            .ok_or_else(|| unanswered(ErrorClass::Unknown, "the controller's answer holds no new token"))?;
        Ok(Some(NewToken {
            secret: Secret::Token(made.token.into()),
            uuid: made.uuid,
            expires_at: made.expires_at,
            replaces,
        }))
    }

    /// Revokes a token; one that does not exist is revoked.
    ///
    /// # Errors
    /// As [`Writer::send`].
    pub async fn revoke_token(&self, permit: &WritePermit, uuid: &str) -> Result<(), Failure> {
        let target = format!("{}/{}", Resource::UserToken.path(), segment(uuid));
        let (verb, tenant) = (Verb::Delete(Leave::new(permit, &self.leads)), Tenant::named("admin"));
        match self.client.send(&Call { verb, resource: Resource::UserToken, target, tenant }).await {
            Err(failure) if failure.status != Some(404) => Err(failure),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(expires_at: &str) -> [Issued; 1] {
        [Issued { token: "t".into(), uuid: "u".into(), expires_at: expires_at.into() }]
    }

    #[test]
    fn a_token_is_renewed_when_its_end_is_near_or_unknown() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let due = Renewal::Due { replaces: Some("u".into()) };
        assert_eq!(renewal(&issued("2026-01-06T00:00:01+00:00"), "t", now), Renewal::NotDue);
        assert_eq!(renewal(&issued("2026-01-06T00:00:00+00:00"), "t", now), due);
        assert_eq!(renewal(&issued("soon"), "t", now), due);
        assert_eq!(renewal(&issued("2027-01-01T00:00:00Z"), "x", now), Renewal::Due { replaces: None });
    }
}
