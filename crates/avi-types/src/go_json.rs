//! JSON as Go's `encoding/json` writes it.
//!
//! Checksums are hashes of such text, so it has to agree to the byte: no
//! spaces, fields in order of declaration, and `<`, `>`, `&`, U+2028 and U+2029
//! escaped.

use serde::Serialize;

/// `json.Marshal(value)`.
pub fn marshal(value: &impl Serialize) -> String {
    // Writing to memory fails only for maps with keys that are not strings,
    // which no type of ours has.
    let text = serde_json::to_string(value).unwrap_or_default();
    if !text.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return text;
    }
    // None of these has a meaning in JSON outside of strings.
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn escapes_what_go_escapes() {
        assert_eq!(super::marshal(&["<a&b>", "é"]), "[\"\\u003ca\\u0026b\\u003e\",\"é\"]");
        assert_eq!(super::marshal(&Option::<u8>::None), "null");
    }
}
