//! What becomes of requests without TLS for a host that is served with TLS, path by path.
//! Source: OpenShift documentation, "Route configuration"; L7 objects, §3.1.

use std::sync::Arc;

use ako_core::Reason;

use crate::contribution::Paths;
use crate::http::site::Site;
use crate::output::Output;

/// Covers `paths` of a host, and all below, but for what is below one of `others`. The paths
/// that cannot be covered, as Avi matches a path in one way at a time, are answered as well.
///
/// Of two that a request is below the longer one counts, as with pools.
pub(crate) fn covering(paths: &[&Arc<str>], others: &[&Arc<str>]) -> (Vec<Paths>, Vec<Arc<str>>) {
    if paths.is_empty() {
        return (Vec::new(), Vec::new());
    }
    if others.is_empty() {
        return (vec![Paths::All], Vec::new());
    }
    let (mut covered, mut left) = (Vec::new(), Vec::new());
    for path in paths {
        let is_root = path.is_empty() || ***path == *"/";
        let mut below: Vec<_> = others.iter().filter(|other| other.starts_with(&***path)).collect();
        below.sort();
        match (&*below, is_root) {
            ([], _) => covered.push(Paths::Under((*path).clone())),
            (below, true) => {
                covered.push(Paths::NotUnder(below.iter().map(|other| (**other).clone()).collect()));
            }
            (_, false) => left.push((*path).clone()),
        }
    }
    covered.sort();
    covered.dedup();
    (covered, left)
}

/// Tells those whose requests without TLS are served though they asked for something else, as
/// another one is served below their path.
pub(crate) fn tell(site: &Site<'_>, paths: &[Arc<str>], wanted: &str, out: &mut Output) {
    for claim in &site.claims {
        let own = claim.asked.paths.iter().find(|path| paths.contains(&path.path));
        let Some(path) = own.filter(|_| claim.asks_for_tls()) else { continue };
        let message = format!(
            "requests without TLS for {}{} are not {wanted}, as what is below another path of the host is served \
             without TLS: give that one the same insecureEdgeTerminationPolicy",
            site.host, path.path
        );
        out.tell(&claim.by.id(), Reason::UnsupportedField, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(paths: &[&str], others: &[&str]) -> (Vec<Paths>, Vec<Arc<str>>) {
        let texts = |texts: &[&str]| -> Vec<Arc<str>> { texts.iter().map(|text| (*text).into()).collect() };
        let (paths, others) = (texts(paths), texts(others));
        covering(&paths.iter().collect::<Vec<_>>(), &others.iter().collect::<Vec<_>>())
    }

    #[test]
    fn what_is_alone_is_covered_as_a_whole() {
        assert_eq!(of(&["/", "/a"], &[]), (vec![Paths::All], Vec::new()));
        assert_eq!(of(&[], &["/"]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn what_others_have_below_is_left_to_them() {
        let root = Paths::NotUnder(vec!["/a".into(), "/b".into()]);
        assert_eq!(of(&["/"], &["/b", "/a"]), (vec![root.clone()], Vec::new()));
        assert_eq!(of(&["", "/a/x"], &["/a", "/b"]), (vec![Paths::Under("/a/x".into()), root], Vec::new()));
        assert_eq!(of(&["/x"], &["/"]), (vec![Paths::Under("/x".into())], Vec::new()));
    }

    #[test]
    fn what_cannot_be_told_apart_is_said() {
        assert_eq!(of(&["/a"], &["/a/b"]), (Vec::new(), vec!["/a".into()]));
    }
}
