//! Objects without references to what cannot exist, and with what they must
//! not lose.

use std::sync::Arc;

use crate::http_policy::HttpRequestRule;
use crate::object::Object;
use crate::pool_group::PoolGroupMember;
use crate::reference::Ref;
use crate::virtual_service::HttpPolicyAttachment;
use crate::vsvip::DnsInfo;

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
            Object::SslKeyAndCertificate(_)
            | Object::VsVip(_)
            | Object::Pool(_)
            | Object::L4PolicySet(_)
            | Object::ServiceEngineGroup(_)
            | Object::VrfContext(_) => {}
        }
        let left = reduced.references().into_iter().any(is_missing);
        (!left).then(|| Arc::new(reduced))
    }

    /// The same object with what an older version of it has besides, as far as
    /// `is_kept` names the reference, or `is_kept_host` the host. Only what
    /// many hosts share loses one host's part, so only that is kept.
    #[must_use]
    pub fn keeping(
        &self,
        old: &Object,
        is_kept: &dyn Fn(&Ref) -> bool,
        is_kept_host: &dyn Fn(&str) -> bool,
    ) -> Object {
        let mut kept = self.clone();
        match (&mut kept, old) {
            (Object::PoolGroup(new), Object::PoolGroup(old)) => {
                let same = |a: &PoolGroupMember, b: &PoolGroupMember| a.pool_ref.matches(&b.pool_ref);
                keep(&mut new.members, &old.members, |member| is_kept(&member.pool_ref), same);
            }
            (Object::VsDataScriptSet(new), Object::VsDataScriptSet(old)) => {
                keep(&mut new.pool_group_refs, &old.pool_group_refs, is_kept, Ref::matches);
            }
            (Object::VsVip(new), Object::VsVip(old)) => {
                let same = |a: &DnsInfo, b: &DnsInfo| a.fqdn == b.fqdn;
                keep(&mut new.dns_info, &old.dns_info, |name| is_kept_host(&name.fqdn), same);
            }
            (Object::HttpPolicySet(new), Object::HttpPolicySet(old)) => {
                let (new, old) = (&mut new.http_request_policy.rules, &old.http_request_policy.rules);
                for (new, old) in new.iter_mut().zip(old) {
                    if let (Some(new), Some(old)) = (&mut new.matches.host_hdr, &old.matches.host_hdr) {
                        keep(&mut new.value, &old.value, |host| is_kept_host(host), PartialEq::eq);
                    }
                }
            }
            (Object::VirtualService(new), Object::VirtualService(old)) => {
                let (certificates, policies) = (&old.ssl_key_and_certificate_refs, &old.http_policies);
                keep(&mut new.ssl_key_and_certificate_refs, certificates, is_kept, Ref::matches);
                let same = |a: &HttpPolicyAttachment, b: &HttpPolicyAttachment| {
                    a.http_policy_set_ref.matches(&b.http_policy_set_ref)
                };
                keep(&mut new.http_policies, policies, |policy| is_kept(&policy.http_policy_set_ref), same);
            }
            _ => {}
        }
        // Neither checksum is that of the mixture; the old one says that there
        // is something left to do.
        if let (Some(new), Some(old)) = (kept.checksum_mut(), old.clone().checksum_mut()) {
            new.clone_from(old);
        }
        kept.normalise();
        kept
    }

    fn checksum_mut(&mut self) -> Option<&mut Option<Arc<str>>> {
        match self {
            Object::VsVip(x) => Some(&mut x.vsvip_cloud_config_cksum),
            Object::Pool(x) => Some(&mut x.cloud_config_cksum),
            Object::PoolGroup(x) => Some(&mut x.cloud_config_cksum),
            Object::HttpPolicySet(x) => Some(&mut x.cloud_config_cksum),
            Object::VirtualService(x) => Some(&mut x.cloud_config_cksum),
            Object::SslKeyAndCertificate(_)
            | Object::L4PolicySet(_)
            | Object::VsDataScriptSet(_)
            | Object::ServiceEngineGroup(_)
            | Object::VrfContext(_) => None,
        }
    }

    /// The hosts that the object says it serves.
    pub fn hostnames(&self) -> impl Iterator<Item = &Arc<str>> {
        let metadata = match self {
            Object::Pool(pool) => pool.service_metadata.as_ref(),
            Object::VirtualService(service) => service.service_metadata.as_ref(),
            _ => None,
        };
        metadata.and_then(|metadata| metadata.hostnames.as_ref()).into_iter().flatten()
    }
}

fn keep<T: Clone>(
    new: &mut Vec<T>,
    old: &[T],
    is_kept: impl Fn(&T) -> bool,
    is_same: impl Fn(&T, &T) -> bool,
) {
    let is_there = |item: &T| new.iter().any(|other| is_same(item, other));
    let lost: Vec<_> = old.iter().filter(|item| is_kept(item) && !is_there(item)).cloned().collect();
    new.extend(lost);
}

fn rule_targets(rule: &HttpRequestRule) -> impl Iterator<Item = &Ref> {
    rule.switching_action.iter().flat_map(|action| action.pool_group_ref.iter().chain(&action.pool_ref))
}
