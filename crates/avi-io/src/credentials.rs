//! Who we are to the controller.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

/// What proves the identity. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The password of the account.
    Password(Arc<str>),
    /// A token made by `/api/user-token`.
    Token(Arc<str>),
}

impl Secret {
    /// The text that must not be seen.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Password(text) | Self::Token(text) => text,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "Password([redacted])",
            Self::Token(_) => "Token([redacted])",
        })
    }
}

/// An account and its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The account's name.
    pub username: Arc<str>,
    /// Its secret.
    pub secret: Secret,
}

impl Credentials {
    /// The body of `POST /login`. Source: Avi REST API contract, §1.1.
    pub(crate) fn login_body(&self) -> Value {
        let kind = match self.secret {
            Secret::Password(_) => "password",
            Secret::Token(_) => "token",
        };
        json!({"username": &*self.username, kind: self.secret.text()})
    }
}
