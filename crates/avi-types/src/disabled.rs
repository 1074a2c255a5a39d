//! What somebody disabled on the controller and nobody asked for. That is no difference, as a field
//! that is not sent is the controller's to default, and yet nothing is served by it.

use std::fmt;

use crate::object::Object;
use crate::pool::Pool;

/// What of an object is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// All of it.
    Whole,
    /// So many servers of a pool.
    Servers(usize),
}

impl fmt::Display for Disabled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("it is"),
            Self::Servers(1) => f.write_str("1 server of it is"),
            Self::Servers(count) => write!(f, "{count} servers of it are"),
        }
    }
}

impl Object {
    /// What of an observed version is disabled that is not to be.
    pub fn disabled_unasked(&self, observed: &Self) -> Option<Disabled> {
        let is_off =
            |wanted: Option<bool>, observed: Option<bool>| observed == Some(false) && wanted != Some(false);
        match (self, observed) {
            (Self::VirtualService(wanted), Self::VirtualService(observed)) => {
                is_off(wanted.enabled(), observed.enabled()).then_some(Disabled::Whole)
            }
            (Self::Pool(wanted), Self::Pool(observed)) => {
                if is_off(wanted.enabled(), observed.enabled()) {
                    return Some(Disabled::Whole);
                }
                let servers = disabled_servers(wanted, observed).len();
                (servers > 0).then_some(Disabled::Servers(servers))
            }
            _ => None,
        }
    }

    /// The same object that says of what is disabled unasked that it is enabled; `None` if
    /// nothing is.
    pub fn enabling(&self, observed: &Self) -> Option<Self> {
        self.disabled_unasked(observed)?;
        let mut enabled = self.clone();
        match (&mut enabled, observed) {
            (Self::VirtualService(service), _) => service.shaped_mut().enabled = Some(true),
            (Self::Pool(pool), Self::Pool(observed)) => {
                for at in disabled_servers(pool, observed) {
                    pool.servers[at].enabled = Some(true);
                }
                if observed.enabled() == Some(false) {
                    pool.shaped.get_or_insert_default().enabled = Some(true);
                }
            }
            _ => {}
        }
        Some(enabled)
    }
}

/// Which of the wanted servers are disabled in an observed pool, and not to be.
fn disabled_servers(wanted: &Pool, observed: &Pool) -> Vec<usize> {
    let mut off = observed.servers.iter().filter(|server| server.enabled == Some(false)).peekable();
    if off.peek().is_none() {
        return Vec::new();
    }
    let off: Vec<_> = off.collect();
    let servers = wanted.servers.iter().enumerate();
    let is_off = |at: &usize| off.iter().any(|off| off.is_at(&wanted.servers[*at]));
    servers.filter(|(_, server)| server.enabled != Some(false)).map(|(at, _)| at).filter(is_off).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kind::Kind;

    fn read(kind: Kind, body: Value) -> Object {
        Object::read(kind, body).unwrap()
    }

    /// A pool with two servers, each with this `enabled`; `None` if it says nothing.
    fn pool(enabled: Option<bool>, servers: [Option<bool>; 2]) -> Object {
        let servers = servers.into_iter().zip([1, 2]).map(|(enabled, n)| {
            json!({"ip": {"addr": format!("10.0.0.{n}"), "type": "V4"}, "port": 80, "enabled": enabled})
        });
        read(Kind::Pool, json!({"name": "p", "enabled": enabled, "servers": servers.collect::<Vec<_>>()}))
    }

    #[test]
    fn what_was_disabled_by_hand_is_found_and_can_be_enabled() {
        let unsaid = [None, None];
        let wanted = pool(None, unsaid);
        for (observed, expected) in [
            (pool(Some(true), [Some(true), Some(true)]), None),
            (pool(Some(true), [Some(true), Some(false)]), Some(Disabled::Servers(1))),
            (pool(Some(false), [Some(true), Some(false)]), Some(Disabled::Whole)),
        ] {
            assert_eq!(wanted.differences(&observed), [], "a field that is not sent");
            assert_eq!(wanted.disabled_unasked(&observed), expected);
            let enabling = wanted.enabling(&observed);
            assert_eq!(enabling.is_some(), expected.is_some());
            let Some(enabling) = enabling else { continue };
            assert!(!enabling.differences(&observed).is_empty());
            assert_eq!(enabling.differences(&pool(Some(true), [Some(true), Some(true)])), []);
        }
        let service =
            |enabled: Option<bool>| read(Kind::VirtualService, json!({"name": "v", "enabled": enabled}));
        let off = service(Some(false));
        assert_eq!(service(None).disabled_unasked(&off), Some(Disabled::Whole));
        assert_eq!(service(None).enabling(&off), Some(service(Some(true))));
        // A rule asked for it.
        assert_eq!(off.disabled_unasked(&off), None);
        assert_eq!(pool(Some(false), unsaid).disabled_unasked(&pool(Some(false), unsaid)), None);
        assert_eq!(
            pool(None, [Some(false), None]).disabled_unasked(&pool(Some(true), [Some(false), Some(true)])),
            None,
            "it is leaving"
        );
    }
}
