//! What the operator's log, in JSON lines, says about times.

use jiff::Timestamp;
use serde_json::Value;

const SETTLED: &str = "everything is as it is wanted";

/// When the operator last came to rest.
pub(crate) fn last_settled(log: &str) -> Option<Timestamp> {
    time_of_last(log, SETTLED)
}

fn time_of_last(log: &str, message: &str) -> Option<Timestamp> {
    let line = log.lines().rev().find(|line| line.contains(message))?;
    let line: Value = serde_json::from_str(line).ok()?;
    line["timestamp"].as_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rest_counts() {
        let log = concat!(
            r#"{"timestamp":"2025-01-01T00:00:01Z","message":"everything is as it is wanted"}"#,
            "\nnot JSON\n",
            r#"{"timestamp":"2025-01-01T00:00:02.5Z","message":"everything is as it is wanted"}"#,
            "\n",
            r#"{"timestamp":"2025-01-01T00:00:03Z","message":"the controller was read"}"#,
        );
        assert_eq!(last_settled(log), "2025-01-01T00:00:02.5Z".parse().ok());
        assert_eq!(last_settled(""), None);
    }
}
