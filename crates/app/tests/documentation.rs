//! The documentation agrees with the code.
#![allow(clippy::unwrap_used, reason = "a missing page should stop the test")]

use ako_core::config::{Support, keys};

#[test]
fn every_key_is_documented_with_what_a_change_does() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/configuration.md")).unwrap();
    for key in keys() {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", key.name)));
        match (key.support, row) {
            (Support::Full, Some(row)) => {
                let word = if key.live { "| live |" } else { "| restart |" };
                assert!(row.contains(word), "{}: the page says otherwise than {word}", key.name);
                assert!(
                    key.env.is_empty() || row.contains(key.env),
                    "{}: {} is not named",
                    key.name,
                    key.env
                );
            }
            (Support::NotYet | Support::Refused, None) => {
                assert!(page.contains(&format!("`{}`", key.name)), "{} is missing", key.name);
            }
            (support, row) => panic!("{}: {support:?}, but the page says {row:?}", key.name),
        }
    }
}
