//! Who may talk to the Controller: log-in, sessions, CSRF, user tokens (Avi REST
//! API contract, §1).

use std::collections::HashMap;
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use rand::distr::{Alphanumeric, SampleString};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::listing::Query;
use crate::refusal::{Granted, Refusal};
use crate::role::Role;
use crate::store::Fields;

/// Live sessions at most; the one that is idle for longest makes room.
const MOST_SESSIONS: usize = 1000;
/// User tokens at most; the oldest makes room.
const MOST_TOKENS: usize = 100;
/// How long a token lives if its creator does not say.
const TOKEN_HOURS: i64 = 24;

/// The account that may log in.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) username: String,
    pub(crate) password: String,
    /// Its roles; without them it may do everything.
    pub(crate) roles: Option<Vec<Role>>,
}

#[derive(Clone, Debug)]
struct Session {
    csrf: String,
    last_used: Instant,
}

/// An authentication token of the account (§1.4).
#[derive(Clone, Debug)]
struct Token {
    uuid: String,
    secret: String,
    expires: Timestamp,
}

/// The cookies of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pass {
    pub(crate) id: String,
    pub(crate) csrf: String,
}

impl Pass {
    /// `Set-Cookie` values; a log-in sets the CSRF cookie too, later replies only
    /// extend the session.
    pub(crate) fn cookies(&self, login: bool, secure: bool) -> Vec<String> {
        let secure = if secure { "; Secure" } else { "" };
        let session = |name| format!("{name}={}; HttpOnly; Max-Age=86400; Path=/{secure}", self.id);
        let csrf = login.then(|| format!("csrftoken={}; Max-Age=31449600; Path=/{secure}", self.csrf));
        csrf.into_iter().chain([session("avi-sessionid"), session("sessionid")]).collect()
    }
}

/// All sessions and tokens.
#[derive(Debug)]
pub(crate) struct Gate {
    account: Account,
    idle: Duration,
    sessions: HashMap<String, Session>,
    tokens: Vec<Token>,
}

fn random() -> String {
    Alphanumeric.sample_string(&mut rand::rng(), 32)
}

impl Gate {
    pub(crate) fn new(account: Account, idle: Duration) -> Self {
        Self { account, idle, sessions: HashMap::new(), tokens: Vec::new() }
    }

    pub(crate) fn username(&self) -> &str {
        &self.account.username
    }

    pub(crate) fn roles(&self) -> Option<&[Role]> {
        self.account.roles.as_deref()
    }

    pub(crate) fn set_roles(&mut self, roles: Option<Vec<Role>>) {
        self.account.roles = roles;
    }

    pub(crate) fn set_password(&mut self, password: &str) {
        password.clone_into(&mut self.account.password);
    }

    /// Opens a session for `{username, password}` or `{username, token}`.
    pub(crate) fn login(&mut self, credentials: &Query, clock: &Clock) -> Granted<Pass> {
        let given = |key: &str| credentials.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        let now = clock.now();
        let by_password = given("password") == Some(&self.account.password);
        let by_token = given("token").is_some_and(|secret| {
            self.tokens.iter().any(|token| token.secret == *secret && token.expires > now)
        });
        if given("username") != Some(&self.account.username) || !(by_password || by_token) {
            return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Invalid credentials"));
        }
        self.drop_idle();
        if self.sessions.len() >= MOST_SESSIONS {
            let idlest = self.sessions.iter().min_by_key(|(_, session)| session.last_used);
            if let Some(id) = idlest.map(|(id, _)| id.clone()) {
                self.sessions.remove(&id);
            }
        }
        let pass = Pass { id: random(), csrf: random() };
        let session = Session { csrf: pass.csrf.clone(), last_used: Instant::now() };
        self.sessions.insert(pass.id.clone(), session);
        Ok(pass)
    }

    /// Finds the session of a request, extends it and checks the CSRF header of writes.
    pub(crate) fn admit(&mut self, method: &Method, headers: &HeaderMap) -> Granted<Pass> {
        self.drop_idle();
        let id = session_id(headers);
        let session = id.as_ref().and_then(|id| self.sessions.get_mut(id));
        let (Some(id), Some(session)) = (id, session) else {
            return Err(Refusal::new(
                StatusCode::UNAUTHORIZED,
                "Not authenticated: session is missing or expired",
            ));
        };
        let token = headers.get("x-csrftoken").and_then(|value| value.to_str().ok());
        if *method != Method::GET && *method != Method::HEAD && token != Some(&session.csrf) {
            let text = "CSRF token missing or incorrect.";
            return Err(Refusal { plain: true, ..Refusal::new(StatusCode::UNAUTHORIZED, text) });
        }
        session.last_used = Instant::now();
        Ok(Pass { id, csrf: session.csrf.clone() })
    }

    fn drop_idle(&mut self) {
        let idle = self.idle;
        self.sessions.retain(|_, session| session.last_used.elapsed() < idle);
    }

    pub(crate) fn end(&mut self, id: &str) {
        self.sessions.remove(id);
    }

    pub(crate) fn end_all(&mut self) {
        self.sessions.clear();
    }

    pub(crate) fn live(&self) -> usize {
        self.sessions.len()
    }

    /// `POST /api/user-token {"hours": "240"}`; the secret is shown only here.
    pub(crate) fn create_token(&mut self, body: &Fields, clock: &Clock) -> Granted<Value> {
        let hours = match body.get("hours") {
            None => Some(TOKEN_HOURS),
            Some(Value::String(text)) => text.parse().ok(),
            Some(other) => other.as_i64(),
        };
        let seconds =
            hours.filter(|hours| (1..=24 * 365).contains(hours)).map(|hours| hours.unsigned_abs() * 3600);
        let seconds = seconds.ok_or_else(|| Refusal::invalid("hours must be a number from 1 to 8760"))?;
        let expires = clock.after(Duration::from_secs(seconds));
        if self.tokens.len() >= MOST_TOKENS {
            self.tokens.remove(0);
        }
        let token = Token { uuid: format!("token-{}", uuid::Uuid::new_v4()), secret: random(), expires };
        let reply = token_view(&token);
        self.tokens.push(token);
        Ok(reply)
    }

    pub(crate) fn tokens(&self) -> Value {
        let results: Vec<Value> = self.tokens.iter().map(token_view).collect();
        json!({ "count": results.len(), "results": results })
    }

    pub(crate) fn delete_token(&mut self, uuid: &str) -> Granted<()> {
        let before = self.tokens.len();
        self.tokens.retain(|token| token.uuid != uuid);
        if self.tokens.len() == before {
            return Err(Refusal::new(StatusCode::NOT_FOUND, "UserToken object not found!"));
        }
        Ok(())
    }
}

fn token_view(token: &Token) -> Value {
    json!({ "uuid": token.uuid, "token": token.secret, "expires_at": token.expires.to_string() })
}

/// The session id among the cookies; a real client sends it under both names.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let id = pairs.find(|(name, _)| matches!(*name, "sessionid" | "avi-sessionid"));
    id.map(|(_, value)| value.trim_matches('"').to_owned())
}
