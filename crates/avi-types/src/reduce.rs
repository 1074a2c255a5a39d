//! Objects without references to what cannot exist.

use std::sync::Arc;

use crate::http_policy::HttpRequestRule;
use crate::object::Object;
use crate::reference::Ref;

impl Object {
    /// The same object without the references that `is_missing` names, so that
    /// one refused object does not keep those that share it from being served.
    /// `None` if it makes no sense without them.
    pub fn without(&self, is_missing: &dyn Fn(&Ref) -> bool) -> Option<Arc<Object>> {
        let mut reduced = self.clone();
        match &mut reduced {
            Object::PoolGroup(group) => group.members.retain(|member| !is_missing(&member.pool_ref)),
            Object::VsDataScriptSet(set) => set.pool_group_refs.retain(|group| !is_missing(group)),
            Object::HttpPolicySet(set) => {
                let rules = &mut set.http_request_policy.rules;
                rules.retain(|rule| !rule_targets(rule).any(is_missing));
                if rules.is_empty() {
                    return None;
                }
            }
            Object::VirtualService(service) => {
                let certificates = &mut service.ssl_key_and_certificate_refs;
                let had = certificates.len();
                certificates.retain(|certificate| !is_missing(certificate));
                // A parent goes on without a child's certificate; a virtual
                // service whose only certificate it is would serve a wrong one.
                let is_parent = service.vs_type.as_deref() == Some("VS_TYPE_VH_PARENT");
                if certificates.is_empty() && had > 0 && !is_parent {
                    return None;
                }
            }
            Object::SslKeyAndCertificate(_) | Object::VsVip(_) | Object::Pool(_) | Object::L4PolicySet(_) => {
            }
        }
        let left = reduced.references().into_iter().any(is_missing);
        (!left).then(|| Arc::new(reduced))
    }
}

fn rule_targets(rule: &HttpRequestRule) -> impl Iterator<Item = &Ref> {
    rule.switching_action.iter().flat_map(|action| action.pool_group_ref.iter().chain(&action.pool_ref))
}
