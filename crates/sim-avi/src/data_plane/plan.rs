//! What the data plane serves: one service for each address and port.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use serde::Serialize;

use super::host_table::HostTable;
use super::http_policy::{HeaderEdit, PolicySet, Question, TextMatch, Verdict, judge};
use super::identity::Identity;
use super::pool::{Pool, PoolGroup, Target};
use super::traffic::Meter;

/// How a listener is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// Where a service is to be found, in the addresses of the Avi objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) vip: Ipv4Addr,
    pub(super) port: u16,
    pub(super) transport: Transport,
}

/// All that is served at one instant.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) services: BTreeMap<Place, Arc<Service>>,
    /// Every virtual service by uuid, listening or not.
    pub(super) virtual_services: BTreeMap<Arc<str>, VirtualService>,
    /// By uuid.
    pub(super) pools: BTreeMap<Arc<str>, Arc<Pool>>,
    /// What cannot be served as the objects say, one line each.
    pub(super) problems: Vec<String>,
}

/// A virtual service as it is counted and reported.
#[derive(Debug)]
pub(super) struct VirtualService {
    pub(super) label: Arc<str>,
    pub(super) meter: Arc<Meter>,
    pub(super) enabled: bool,
    pub(super) targets: Vec<Target>,
}

/// One port of a virtual service.
#[derive(Debug)]
pub(super) struct Service {
    /// `<tenant>/<name>` of the virtual service.
    pub(super) label: Arc<str>,
    pub(super) meter: Arc<Meter>,
    /// The port that clients mean.
    pub(super) port: u16,
    /// Whether TLS ends here.
    pub(super) secure: bool,
    pub(super) application: Application,
}

/// What is done with connections.
#[derive(Debug)]
pub(super) enum Application {
    Http(Arc<Front>),
    Passthrough(Passthrough),
    /// Bytes or datagrams go to a server. A certificate is there where TLS ends.
    Layer4(Option<Target>, Vec<Arc<Identity>>),
}

impl Service {
    /// The certificates for a server name, the best first; `None` refuses the handshake.
    pub(super) fn identities(&self, name: &str) -> Option<Vec<Arc<Identity>>> {
        let front = match &self.application {
            Application::Http(front) => front,
            Application::Layer4(_, identities) => return Some(ranked(identities, name)),
            Application::Passthrough(_) => return None,
        };
        if let Hosting::Sni(children) = &front.hosting
            && let Some(child) = children.get(name)
        {
            return child.open.then(|| child.identities.clone());
        }
        Some(ranked(&front.site.identities, name))
    }
}

/// Certificates for the name first, then the others.
fn ranked(identities: &[Arc<Identity>], name: &str) -> Vec<Arc<Identity>> {
    let mut ranked = identities.to_vec();
    ranked.sort_by_key(|identity| !identity.is_for(name));
    ranked
}

/// A virtual service for HTTP, and its children.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) site: Arc<Site>,
    pub(super) hosting: Hosting,
}

/// How the children of a virtual service are found.
#[derive(Debug)]
pub(super) enum Hosting {
    /// There are none.
    None,
    /// By the server name of the TLS handshake.
    Sni(HostTable<Arc<Site>>),
    /// By the host header and the path.
    Enhanced(HostTable<Vec<(TextMatch, Arc<Site>)>>),
}

/// A virtual service that answers HTTP.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) label: Arc<str>,
    pub(super) meter: Arc<Meter>,
    /// Whether it is enabled.
    pub(super) open: bool,
    pub(super) identities: Vec<Arc<Identity>>,
    pub(super) policies: Vec<PolicySet>,
    /// The pool group in which the datascript chooses by host and path.
    pub(super) labelled: Option<Arc<PoolGroup>>,
    /// Where requests go that no rule is about.
    pub(super) default: Option<Target>,
}

/// What becomes of a request.
#[derive(Debug)]
pub(super) enum Decision {
    /// The connection is closed without an answer.
    Close,
    /// It is answered at once, and maybe sent elsewhere.
    Answer(http::StatusCode, Option<String>),
    /// Nothing is said about it: 404.
    Unknown,
    /// Its pool does not exist: 503.
    Nowhere,
    Forward(Arc<Pool>, Vec<HeaderEdit>),
}

impl Front {
    /// The virtual service that a request is for: a child, else the parent.
    pub(super) fn site(&self, server_name: Option<&str>, question: &Question<'_>) -> &Arc<Site> {
        let child = match &self.hosting {
            Hosting::None => None,
            Hosting::Sni(children) => server_name.and_then(|name| children.get(name)),
            Hosting::Enhanced(children) => children.get(question.host).and_then(|rules| {
                let fitting = rules.iter().filter_map(|(path, site)| Some((path.fits(question.path)?, site)));
                fitting.max_by_key(|(fit, _)| *fit).map(|(_, site)| site)
            }),
        };
        child.unwrap_or(&self.site)
    }
}

impl Site {
    /// Policies first, then the datascript, then the pool of the virtual service.
    pub(super) fn decide(&self, question: &Question<'_>) -> Decision {
        if !self.open {
            return Decision::Close;
        }
        let (selected, edits) = match judge(&self.policies, question) {
            Verdict::Close => return Decision::Close,
            Verdict::Answer(status, location) => return Decision::Answer(status, location),
            Verdict::Pass(selected, edits) => (selected, edits),
        };
        if let (None, Some(group)) = (&selected, &self.labelled) {
            let wanted = format!("{}{}", question.host, question.path).to_lowercase();
            return match group.choose_by_label(&wanted) {
                Some(pool) => Decision::Forward(pool, edits),
                None => Decision::Unknown,
            };
        }
        match selected.as_ref().or(self.default.as_ref()) {
            None => Decision::Unknown,
            Some(target) => target.choose().map_or(Decision::Nowhere, |pool| Decision::Forward(pool, edits)),
        }
    }
}

/// The recognised datascript that sends TLS on by its server name.
#[derive(Debug)]
pub(super) struct Passthrough {
    /// What the script puts before the server name, if it can be read from it.
    pub(super) prefix: Option<String>,
    pub(super) groups: Vec<Arc<PoolGroup>>,
}

impl Passthrough {
    /// The pool group that is called after a server name.
    pub(super) fn group(&self, server_name: &str) -> Option<&Arc<PoolGroup>> {
        let is_its = |name: &str| match (&self.prefix, name.strip_suffix(server_name)) {
            (_, None) => false,
            (Some(prefix), Some(before)) => before == prefix,
            // The cluster's name ends in two dashes, and no host can come before.
            (None, Some(before)) => before.ends_with('-') && !before.contains('.'),
        };
        let mut fitting: Vec<_> = self.groups.iter().filter(|group| is_its(&group.name)).collect();
        fitting.sort_by_key(|group| group.name.len());
        fitting.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(name: &str) -> Arc<PoolGroup> {
        Arc::new(PoolGroup { name: name.into(), members: Vec::new(), credit: Arc::default() })
    }

    #[test]
    fn groups_are_found_by_server_name() {
        let groups = vec![group("c1--a.foo.com"), group("c1--foo.com")];
        for prefix in [Some("c1--".to_owned()), None] {
            let script = Passthrough { prefix, groups: groups.clone() };
            let found = |name: &str| script.group(name).map(|group| group.name.to_string());
            assert_eq!(found("foo.com").as_deref(), Some("c1--foo.com"));
            assert_eq!(found("a.foo.com").as_deref(), Some("c1--a.foo.com"));
            assert_eq!(found("com"), None);
            assert_eq!(found("b.foo.com"), None);
        }
    }
}
