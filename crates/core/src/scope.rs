//! Which namespaces an instance serves.
//! Source: configuration, §5.3; Kubernetes, "Labels and Selectors".

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// What is to be true of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Requirement {
    Exists(Arc<str>),
    Absent(Arc<str>),
    /// It has one of these values.
    In(Arc<str>, BTreeSet<Arc<str>>),
    /// It has none of these values, or is not there.
    NotIn(Arc<str>, BTreeSet<Arc<str>>),
}

impl Requirement {
    /// A label with one value.
    pub fn equals(key: impl Into<Arc<str>>, value: impl Into<Arc<str>>) -> Self {
        Self::In(key.into(), BTreeSet::from([value.into()]))
    }

    fn is_met(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        match self {
            Self::Exists(key) => labels.contains_key(key),
            Self::Absent(key) => !labels.contains_key(key),
            Self::In(key, values) => labels.get(key).is_some_and(|value| values.contains(value)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|value| !values.contains(value)),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |values: &BTreeSet<Arc<str>>| values.iter().map(|v| &**v).collect::<Vec<_>>().join(",");
        match self {
            Self::Exists(key) => f.write_str(key),
            Self::Absent(key) => write!(f, "!{key}"),
            Self::In(key, values) if values.len() == 1 => write!(f, "{key}={}", list(values)),
            Self::In(key, values) => write!(f, "{key} in ({})", list(values)),
            Self::NotIn(key, values) if values.len() == 1 => write!(f, "{key}!={}", list(values)),
            Self::NotIn(key, values) => write!(f, "{key} notin ({})", list(values)),
        }
    }
}

/// The namespaces that an instance asks for: those whose labels meet every
/// requirement, but for the blocked ones. No requirement means all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// All have to be met.
    pub requirements: Vec<Requirement>,
    /// Never served, whatever their labels.
    pub blocked: BTreeSet<Arc<str>>,
    /// Part of it cannot be read, so this may be more than is meant.
    pub is_unreadable: bool,
}

impl Scope {
    /// Whether a namespace is asked for; one without an object has no labels.
    pub fn accepts(&self, namespace: &str, labels: Option<&BTreeMap<Arc<str>, Arc<str>>>) -> bool {
        let none = BTreeMap::new();
        let labels = labels.unwrap_or(&none);
        !self.blocked.contains(namespace) && self.requirements.iter().all(|r| r.is_met(labels))
    }

    /// What both ask for. It counts as unreadable where the other one does.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let mut requirements = self.requirements.clone();
        requirements.extend(other.requirements.iter().filter(|r| !self.requirements.contains(r)).cloned());
        let blocked = self.blocked.union(&other.blocked).cloned().collect();
        Self { requirements, blocked, is_unreadable: other.is_unreadable }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_unreadable {
            f.write_str("a selector that cannot be read: what nobody else selects of ")?;
        }
        if self.requirements.is_empty() {
            f.write_str("all namespaces")?;
        }
        for (i, requirement) in self.requirements.iter().enumerate() {
            write!(f, "{}{requirement}", if i == 0 { "" } else { "," })?;
        }
        if self.blocked.is_empty() {
            return Ok(());
        }
        let blocked: Vec<_> = self.blocked.iter().map(|namespace| &**namespace).collect();
        write!(f, ", but not {}", blocked.join(", "))
    }
}

/// Parses a selector as `kubectl get -l` takes it: `a`, `!a`, `a=b`, `a==b`,
/// `a!=b`, `a in (b,c)` and `a notin (b,c)`, separated by commas.
///
/// # Errors
/// What is wrong with which part.
pub fn parse_selector(text: &str) -> Result<Vec<Requirement>, String> {
    parts(text)?.into_iter().map(requirement).collect()
}

/// Cuts at the commas outside of parentheses.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' if !inside => inside = true,
            ')' if inside => inside = false,
            '(' | ')' => return Err(format!("{text:?} has a parenthesis without its partner")),
            ',' if !inside => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if inside {
        return Err(format!("{text:?} has a parenthesis without its partner"));
    }
    parts.push(text[start..].trim());
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, String> {
    if let Some((head, list)) = part.split_once('(') {
        return set_requirement(part, head.trim(), list);
    }
    if let Some(name) = part.strip_prefix('!') {
        return Ok(Requirement::Absent(key(part, name)?));
    }
    if let Some((name, wanted)) = part.split_once("!=") {
        return Ok(Requirement::NotIn(key(part, name)?, BTreeSet::from([value(part, wanted)?])));
    }
    if let Some((name, wanted)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Ok(Requirement::In(key(part, name)?, BTreeSet::from([value(part, wanted)?])));
    }
    Ok(Requirement::Exists(key(part, part)?))
}

fn set_requirement(part: &str, head: &str, list: &str) -> Result<Requirement, String> {
    let list = list.strip_suffix(')').ok_or_else(|| format!("{part:?} goes on after its list"))?;
    let values = list.split(',').map(|wanted| value(part, wanted)).collect::<Result<BTreeSet<_>, _>>()?;
    let words: Vec<_> = head.split_whitespace().collect();
    match words[..] {
        [name, "in"] => Ok(Requirement::In(key(part, name)?, values)),
        [name, "notin"] => Ok(Requirement::NotIn(key(part, name)?, values)),
        _ => Err(format!("{part:?} is neither `key in (…)` nor `key notin (…)`")),
    }
}

/// A label's key: a name, after a DNS subdomain and a slash if it has a prefix.
fn key(part: &str, text: &str) -> Result<Arc<str>, String> {
    let text = text.trim();
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    let prefix_fits = prefix.is_none_or(|prefix| {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        !prefix.is_empty() && prefix.len() <= 253 && prefix.chars().all(fits)
    });
    if prefix_fits && !name.is_empty() && is_name(name) {
        Ok(text.into())
    } else {
        Err(format!("{part:?}: {text:?} is no key of a label"))
    }
}

fn value(part: &str, text: &str) -> Result<Arc<str>, String> {
    let text = text.trim();
    if is_name(text) { Ok(text.into()) } else { Err(format!("{part:?}: {text:?} is no value of a label")) }
}

/// At most 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends;
/// may be empty.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63 && text.chars().all(fits) && ends(text.chars().next()) && ends(text.chars().last())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        let scope = Scope { requirements: parse_selector(selector).unwrap(), ..Scope::default() };
        scope.accepts("ns", Some(&labels))
    }

    #[test]
    fn every_form_of_a_requirement() {
        let prod = [("env", "prod"), ("team.example.com/name", "shop")];
        for yes in [
            "env",
            "!tier",
            "env=prod",
            "env == prod",
            "env!=test",
            "tier!=web",
            "env in (prod, stage)",
            "env notin (test),team.example.com/name = shop",
            "tier notin (web)",
        ] {
            assert!(accepts(yes, &prod), "{yes}");
        }
        for no in
            ["tier", "!env", "env=test", "env!=prod", "env in (test)", "env notin (prod)", "env,tier=web"]
        {
            assert!(!accepts(no, &prod), "{no}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for bad in
            ["", "a,", "a in b", "a in (b", "a in (b) c", "a near (b)", "a=b=c", "-a", "a/b/c", "a=(b)"]
        {
            assert!(parse_selector(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn two_scopes_have_in_common_what_both_accept() {
        let scope = |selector, blocked: &str| Scope {
            requirements: parse_selector(selector).unwrap(),
            blocked: BTreeSet::from([blocked.into()]),
            is_unreadable: false,
        };
        let (one, other) = (scope("team in (a,b),env", "x"), scope("env,team in (b,c)", "y"));
        let both = one.and(&other);
        for (namespace, team) in ["x", "y", "z"].into_iter().flat_map(|n| ["a", "b", "c"].map(|t| (n, t))) {
            let labels = BTreeMap::from([("team".into(), team.into()), ("env".into(), "prod".into())]);
            let by_each = one.accepts(namespace, Some(&labels)) && other.accepts(namespace, Some(&labels));
            assert_eq!(both.accepts(namespace, Some(&labels)), by_each, "{namespace} of {team}");
        }
        assert_eq!(both.to_string(), "team in (a,b),env,team in (b,c), but not x, y");
        assert_eq!(one.and(&one), one);
    }

    #[test]
    fn blocking_wins_and_no_requirement_means_all() {
        let scope = Scope { blocked: BTreeSet::from(["kube-system".into()]), ..Scope::default() };
        assert!(scope.accepts("a", None) && !scope.accepts("kube-system", None));
        assert_eq!(scope.to_string(), "all namespaces, but not kube-system");
        let requirements = parse_selector("a=b,c in (e,d),!f").unwrap();
        assert_eq!(Scope { requirements, ..Scope::default() }.to_string(), "a=b,c in (d,e),!f");
    }
}
