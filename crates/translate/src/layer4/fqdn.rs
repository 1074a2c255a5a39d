//! The names of LoadBalancer Services. Source: L4 and network, A5.

use std::sync::Arc;

use ako_core::config::AutoFqdn;
use ako_core::hostname::{self, LABEL_LIMIT};
use ako_core::resource::Service;
use ako_core::{Reason, annotation};

use crate::context::Context;
use crate::output::Output;
use crate::unit::service_id;

/// What is left of a namespace where even the service's name fills a label.
const NAMESPACE_LIMIT: usize = 48;

/// The names of a Service: those that it asks for, or a generated one.
pub(crate) fn of_service(context: &Context, service: &Service, out: &mut Output) -> Vec<Arc<str>> {
    if context.config.auto_fqdn == AutoFqdn::Disabled {
        return Vec::new();
    }
    let asked = service.annotations.get(annotation::EXTERNAL_DNS).filter(|names| !names.is_empty());
    match asked.map(|names| listed(names, service, out)).filter(|names| !names.is_empty()) {
        Some(names) => names,
        None => generated(context, service).into_iter().collect(),
    }
}

/// The names of a list, as annotation [`annotation::EXTERNAL_DNS`] has it: separated by
/// commas, in any case, perhaps with a final dot. What is no name is told and left out.
fn listed(names: &str, service: &Service, out: &mut Output) -> Vec<Arc<str>> {
    let mut listed: Vec<Arc<str>> = Vec::new();
    for written in names.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        let name = written.strip_suffix('.').unwrap_or(written).to_lowercase();
        if !hostname::is_dns_name(&name) {
            let message = format!(
                "annotation {}: {written:?} is no DNS name without wildcards, so it is left out: correct it",
                annotation::EXTERNAL_DNS
            );
            out.tell(&service_id(&service.id), Reason::InvalidRule, message);
        } else if !listed.iter().any(|known| **known == *name) {
            listed.push(name.into());
        }
    }
    listed
}

fn generated(context: &Context, service: &Service) -> Option<Arc<str>> {
    let domain = context.subdomain()?;
    let name = as_label(&service.id.name, 's');
    let namespace = as_label(&service.id.namespace, 'n');
    if context.config.auto_fqdn == AutoFqdn::Flat {
        Some(format!("{}.{domain}", flat_label(&name, &namespace)).into())
    } else {
        Some(format!("{name}.{namespace}.{domain}").into())
    }
}

/// A name with a letter in front, where that makes a DNS label of it.
fn as_label(name: &str, prefix: char) -> String {
    let prefixed = format!("{prefix}{name}");
    if !is_label(name) && is_label(&prefixed) { prefixed } else { name.to_owned() }
}

/// `^[a-z]([-a-z0-9]*[a-z0-9])?$`, at most 63 bytes.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    text.len() <= LABEL_LIMIT
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(inner)
        && !text.ends_with('-')
}

/// `<service>-<namespace>`, cut to the length of a label.
fn flat_label(name: &str, namespace: &str) -> String {
    let room = |other: &str| LABEL_LIMIT.saturating_sub(other.len() + 1);
    if name.len() + 1 + namespace.len() <= LABEL_LIMIT {
        return format!("{name}-{namespace}");
    }
    if room(namespace) > 0 {
        return format!("{}-{namespace}", cut(name, room(namespace)));
    }
    let keep = if room(name) > 0 { room(name) } else { NAMESPACE_LIMIT };
    let namespace = cut(namespace, keep).trim_end_matches('-');
    let name = cut(name, room(namespace));
    format!("{name}-{namespace}")
}

/// The start of a text; Kubernetes names are ASCII.
fn cut(text: &str, length: usize) -> &str {
    text.get(..length).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_names_fit_a_label() {
        assert_eq!(flat_label("web", "red"), "web-red");
        let long = "a".repeat(60);
        assert_eq!(flat_label(&long, "red").len(), LABEL_LIMIT);
        assert_eq!(flat_label("web", &"n".repeat(63)), format!("web-{}", "n".repeat(59)));
        assert!(flat_label(&"a".repeat(63), &"n".repeat(63)).len() <= LABEL_LIMIT);
    }

    #[test]
    fn names_become_labels() {
        assert_eq!(as_label("7up", 's'), "s7up");
        assert_eq!(as_label("web", 's'), "web");
    }
}
