//! Looking things up by host name.

use std::collections::HashMap;

/// Host names and wildcards (`*.x`), each with something behind it. A name is looked up
/// exactly first, then under its closest wildcard. Case does not matter.
#[derive(Clone, Debug)]
pub(super) struct HostTable<T> {
    exact: HashMap<String, T>,
    /// By what follows the asterisk: `.x`.
    wildcards: HashMap<String, T>,
}

impl<T> Default for HostTable<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcards: HashMap::new() }
    }
}

impl<T> HostTable<T> {
    /// What is behind a name or wildcard, made if there is nothing yet.
    pub(super) fn entry_or_insert_with(&mut self, host: &str, make: impl FnOnce() -> T) -> &mut T {
        let host = host.to_ascii_lowercase();
        match host.strip_prefix('*') {
            Some(suffix) => self.wildcards.entry(suffix.to_owned()).or_insert_with(make),
            None => self.exact.entry(host).or_insert_with(make),
        }
    }

    pub(super) fn get(&self, host: &str) -> Option<&T> {
        let host = host.to_ascii_lowercase();
        let suffixes = host.match_indices('.').map(|(dot, _)| &host[dot..]);
        self.exact
            .get(&host)
            .or_else(|| suffixes.filter(|suffix| *suffix != host).find_map(|s| self.wildcards.get(s)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_come_before_wildcards() {
        let mut table = HostTable::default();
        for host in ["a.x.com", "*.x.com", "*.com"] {
            table.entry_or_insert_with(host, || host);
        }
        assert_eq!(table.get("A.x.com"), Some(&"a.x.com"));
        assert_eq!(table.get("b.X.com"), Some(&"*.x.com"));
        assert_eq!(table.get("x.com"), Some(&"*.com"));
        assert_eq!(table.get("x.org"), None);
        assert_eq!(table.get(".com"), None);
    }
}
