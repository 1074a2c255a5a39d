//! The documentation agrees with the code.
#![allow(clippy::unwrap_used, reason = "a missing page should stop the test")]

use ako_core::Reason;
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
            (Support::Refused, None) => {
                assert!(page.contains(&format!("`{}`", key.name)), "{} is missing", key.name);
            }
            (support, row) => panic!("{}: {support:?}, but the page says {row:?}", key.name),
        }
    }
}

#[test]
fn every_reason_is_documented_with_its_cause_and_the_way_out() {
    let page =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/operations.md")).unwrap();
    for reason in Reason::ALL {
        let name = format!("`{}`", reason.as_str());
        let is_about = |line: &&str| line.split('|').nth(1).is_some_and(|reasons| reasons.contains(&name));
        let row = page.lines().find(is_about).unwrap_or_else(|| panic!("{name} is missing"));
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        assert!(cells.len() == 5 && !cells[2].is_empty() && !cells[3].is_empty(), "{row}");
    }
}
