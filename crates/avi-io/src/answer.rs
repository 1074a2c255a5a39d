//! What comes back: replies, and failures made of them.

use std::time::Duration;

use ako_avi_types::{ErrorClass, Failure};
use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

/// The most characters of the controller's words that an error carries.
pub const MAX_MESSAGE: usize = 2_000;

/// The longest pause that the controller can ask for.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// A reply that arrived whole.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// Whether it says that the session is over. Nothing was executed then.
    /// Source: Avi REST API contract, §1.3 and §14.1.
    pub(crate) fn ends_session(&self) -> bool {
        let status = self.status.as_u16();
        matches!(status, 401 | 419) && ErrorClass::of(status, &self.message()) == ErrorClass::Session
    }

    /// The failure that its status means.
    pub(crate) fn failure(&self) -> Failure {
        let message = self.message();
        let status = self.status.as_u16();
        Failure {
            class: ErrorClass::of(status, &message),
            status: Some(status),
            message,
            retry_after_ms: retry_after(&self.headers),
        }
    }

    /// Its body as JSON. The class of the failure is the caller's: for a read
    /// it is harmless, after a write the effect is in doubt.
    pub(crate) fn json(&self, class: ErrorClass) -> Result<Value, Failure> {
        serde_json::from_slice(&self.body).map_err(|e| {
            let position = format!("line {}, column {}", e.line(), e.column());
            Failure {
                class,
                status: Some(self.status.as_u16()),
                message: format!("the controller's answer is not JSON ({position})"),
                retry_after_ms: None,
            }
        })
    }

    /// The controller's words: `{"error": …, "obj_name": …}`, or the body as it
    /// is, or the name of the status. Source: Avi REST API contract, §5.
    fn message(&self) -> String {
        let text = match serde_json::from_slice::<Value>(&self.body) {
            Ok(Value::Object(fields)) => described(&fields),
            Ok(Value::String(text)) => Some(text),
            _ => None,
        };
        let text = text.unwrap_or_else(|| String::from_utf8_lossy(&self.body).trim().to_owned());
        if text.is_empty() {
            return self.status.canonical_reason().unwrap_or("no explanation").to_owned();
        }
        cut(&without_pem(&text))
    }
}

fn described(fields: &serde_json::Map<String, Value>) -> Option<String> {
    let spelled = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let error = ["error", "detail", "message"].into_iter().find_map(|k| fields.get(k)).map(spelled)?;
    Some(match fields.get("obj_name").map(spelled) {
        Some(name) if !name.is_empty() && !error.contains(&name) => format!("{error} ({name})"),
        _ => error,
    })
}

/// Takes secrets that were sent out of the controller's words, which may quote them: as they are, as
/// they stand in JSON, and the beginning of one where the text is cut.
pub(crate) fn redact(message: &mut String, secrets: &[&str]) {
    let is_cut = message.chars().count() >= MAX_MESSAGE;
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        let quoted = Value::from(*secret).to_string();
        for form in [quoted.trim_matches('"'), secret] {
            *message = message.replace(form, "[redacted]");
            let mut beginnings = form.char_indices().rev().map(|(end, _)| &form[..end]);
            if is_cut && let Some(beginning) = beginnings.find(|start| message.ends_with(start)) {
                message.truncate(message.len() - beginning.len());
            }
        }
    }
}

/// Cuts a text to [`MAX_MESSAGE`] characters.
pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

/// Leaves out PEM blocks: an answer may quote the certificate and key that it
/// complains about.
fn without_pem(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("-----BEGIN") {
        out.push_str(&rest[..start]);
        out.push_str("[PEM]");
        let after_end = rest[start..].find("-----END").and_then(|end| {
            let label = start + end + "-----END".len();
            rest[label..].find("-----").map(|closing| label + closing + "-----".len())
        });
        match after_end {
            Some(end) => rest = &rest[end..],
            None => return out,
        }
    }
    out.push_str(rest);
    out
}

/// The pause asked for, in milliseconds. Only seconds are read: a date would
/// depend on two clocks agreeing.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let seconds: u64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(seconds.min(MAX_RETRY_AFTER.as_secs()) * 1000)
}

/// A failure without an answer.
pub(crate) fn unanswered(class: ErrorClass, message: impl Into<String>) -> Failure {
    Failure { class, status: None, message: cut(&message.into()), retry_after_ms: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &str) -> Reply {
        Reply {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    #[test]
    fn secrets_are_in_no_message() {
        for (text, secret, shown) in [
            ("invalid hunter2.", "hunter2", "invalid [redacted]."),
            (r#"{"client_secret":"a\"b"}"#, r#"a"b"#, r#"{"client_secret":"[redacted]"}"#),
            ("nothing", "", "nothing"),
        ] {
            let mut message = text.to_owned();
            redact(&mut message, &[secret]);
            assert_eq!(message, shown);
        }
        let mut message = cut(&format!("{}hunter2", ".".repeat(MAX_MESSAGE - 4)));
        redact(&mut message, &["hunter2"]);
        assert!(message.ends_with('.') && message.len() == MAX_MESSAGE - 4);
    }

    #[test]
    fn error_bodies_of_any_shape_are_read() {
        for (body, message) in [
            (r#"{"error":"bad","obj_name":"p1"}"#, "bad (p1)"),
            (r#"{"error":"p1 is bad","obj_name":"p1"}"#, "p1 is bad"),
            (r#"{"error":{"a":1}}"#, r#"{"a":1}"#),
            ("CSRF token missing or incorrect.", "CSRF token missing or incorrect."),
            ("<html>502</html>", "<html>502</html>"),
            ("", "Bad Request"),
        ] {
            assert_eq!(reply(400, body).failure().message, message);
        }
        assert_eq!(reply(500, &"é".repeat(5000)).failure().message.chars().count(), MAX_MESSAGE);
    }

    #[test]
    fn keys_that_an_answer_quotes_are_left_out() {
        let body = "bad: -----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY----- at 3";
        assert_eq!(reply(400, body).failure().message, "bad: [PEM] at 3");
        assert_eq!(reply(400, "-----BEGIN PRIVATE KEY-----\nc2Vj").failure().message, "[PEM]");
    }

    #[test]
    fn a_pause_is_read_in_seconds_and_bounded() {
        let with = |value: &str| {
            let mut r = reply(429, "");
            r.headers.insert(RETRY_AFTER, value.parse().unwrap());
            r.failure().retry_after_ms
        };
        assert_eq!(with("7"), Some(7000));
        assert_eq!(with("99999999"), Some(3_600_000));
        assert_eq!(with("Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
