//! SPDX licence expressions.

/// Licences that ask for no more than their text and names to be kept.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "Unicode-3.0",
    "Zlib",
];

/// Whether an expression can be fulfilled by allowed licences: of `OR` one side
/// is enough, of `AND` both are needed and bind closer.
pub(crate) fn allows(expression: &str) -> bool {
    // Old manifests separate alternatives by a slash.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let allowed = alternatives(&mut words);
    allowed && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn alternatives(words: &mut Words<'_>) -> bool {
    let mut allowed = conjunction(words);
    while words.next_if_eq(&"OR").is_some() {
        allowed |= conjunction(words);
    }
    allowed
}

fn conjunction(words: &mut Words<'_>) -> bool {
    let mut allowed = term(words);
    while words.next_if_eq(&"AND").is_some() {
        allowed &= term(words);
    }
    allowed
}

fn term(words: &mut Words<'_>) -> bool {
    match words.next() {
        Some("(") => {
            let allowed = alternatives(words);
            words.next_if_eq(&")").is_some() && allowed
        }
        Some(licence) => {
            if words.next_if_eq(&"WITH").is_none() {
                return ALLOWED.contains(&licence);
            }
            let exception = words.next().unwrap_or_default();
            ALLOWED.contains(&format!("{licence} WITH {exception}").as_str())
        }
        None => false,
    }
}

#[test]
fn expressions_are_evaluated() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "GPL-3.0 OR MIT",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        "LGPL-2.1 OR MIT AND ISC",
    ] {
        assert!(allows(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT OR ISC) AND GPL-3.0",
        "GPL-3.0 OR LGPL-2.1 AND MIT",
        "(MIT",
        "MIT ISC",
        "ISC WITH something",
    ] {
        assert!(!allows(bad), "{bad}");
    }
}
