//! An Avi Controller as far as the engine can see it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ako_avi_types::{
    Brief, Change, ErrorClass, Failure, IpAddress, Kind, Meta, Object, ObjectKey, Observed, Operation,
    PrivateKey, Ref, Referred,
};

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It is answered with this and not executed.
    Refused(ErrorClass),
    /// It is executed, and the answer gets lost.
    AnswerLost,
    /// It gets lost.
    CallLost,
}

type Matcher = Box<dyn Fn(&Operation) -> bool>;

#[derive(Clone, Debug)]
struct Stored {
    uuid: Arc<str>,
    modified: u64,
    body: Object,
}

#[derive(Default)]
pub(crate) struct Fake {
    objects: BTreeMap<ObjectKey, Stored>,
    clock: u64,
    addresses: u8,
    faults: Vec<(Matcher, Fault, usize)>,
    /// How many writes were asked for.
    pub(crate) calls: usize,
    /// Every write that took effect.
    pub(crate) writes: Vec<String>,
    /// Calls that were refused because of references: the engine should have
    /// known.
    pub(crate) premature: Vec<String>,
    /// Changes every body that is written, as some controllers do.
    pub(crate) meddle: Option<fn(&mut Object)>,
    /// Whether readings fail.
    pub(crate) unreadable: bool,
    /// What others have on the controller.
    pub(crate) others: BTreeMap<Referred, Brief>,
    /// How looks at that fail, if they do.
    pub(crate) look_fault: Option<ErrorClass>,
    /// What was looked up, in that order.
    pub(crate) looked_up: Vec<Referred>,
}

impl Fake {
    /// The next so many writes that match go wrong.
    pub(crate) fn fail(
        &mut self,
        times: usize,
        fault: Fault,
        matcher: impl Fn(&Operation) -> bool + 'static,
    ) {
        self.faults.push((Box::new(matcher), fault, times));
    }

    pub(crate) fn heal(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn keys(&self) -> BTreeSet<ObjectKey> {
        self.objects.keys().cloned().collect()
    }

    pub(crate) fn names(&self, kind: Kind) -> Vec<String> {
        self.objects.keys().filter(|key| key.kind == kind).map(|key| key.name.to_string()).collect()
    }

    /// The pools that a virtual service leads to.
    pub(crate) fn served_pools(&self) -> BTreeSet<ObjectKey> {
        let services = self.objects.keys().filter(|key| key.kind == Kind::VirtualService);
        let (mut left, mut seen): (Vec<_>, BTreeSet<ObjectKey>) =
            (services.cloned().collect(), BTreeSet::new());
        while let Some(key) = left.pop() {
            let Some(stored) = self.objects.get(&key).filter(|_| !seen.contains(&key)) else { continue };
            let target = |reference: &Ref| {
                let (kind, name) = (reference.kind?, reference.name.clone()?);
                Some(ObjectKey { kind, tenant: key.tenant.clone(), name })
            };
            left.extend(stored.body.references().into_iter().filter_map(target));
            seen.insert(key);
        }
        seen.into_iter().filter(|key| key.kind == Kind::Pool).collect()
    }

    pub(crate) fn get(&self, key: &ObjectKey) -> Option<&Object> {
        self.objects.get(key).map(|stored| &stored.body)
    }

    /// The version of an object, as its readers know it.
    pub(crate) fn version(&self, key: &ObjectKey) -> Option<Arc<str>> {
        self.objects.get(key).map(|stored| stored.modified.to_string().into())
    }

    /// The owners of the virtual services with these uuids.
    pub(crate) fn owners(&self, uuids: &BTreeSet<Arc<str>>) -> BTreeSet<Arc<str>> {
        let observed = self.observe(|_| true);
        let meant = observed.iter().filter(|(_, observed)| uuids.contains(&observed.meta.uuid));
        meant.filter_map(|(_, observed)| observed.body.created_by().cloned()).collect()
    }

    pub(crate) fn find(&self, kind: Kind, part: &str) -> ObjectKey {
        let mut found = self.objects.keys().filter(|key| key.kind == kind && key.name.contains(part));
        found.next().unwrap_or_else(|| panic!("no {kind} like {part}")).clone()
    }

    /// Somebody else changes an object, or puts one there.
    pub(crate) fn edit(&mut self, body: Object) {
        self.clock += 1;
        let uuid = format!("{}-{}", body.kind(), self.clock).into();
        let modified = self.clock;
        let key = body.key();
        let uuid = self.objects.get(&key).map_or(uuid, |stored| stored.uuid.clone());
        self.objects.insert(key, Stored { uuid, modified, body });
    }

    /// The administrator puts an empty VRF and an SE group without label there.
    pub(crate) fn lend(&mut self) -> [ObjectKey; 2] {
        [(Kind::ServiceEngineGroup, "Default-Group"), (Kind::VrfContext, "global")].map(|(kind, name)| {
            let body = serde_json::json!({"name": name, "tenant_ref": "/api/tenant?name=admin"});
            self.edit(Object::read(kind, body).unwrap());
            ObjectKey::new(kind, "admin", name)
        })
    }

    /// Somebody else deletes an object.
    pub(crate) fn remove(&mut self, key: &ObjectKey) {
        self.objects.remove(key).unwrap();
    }

    /// Everything that says it is ours.
    pub(crate) fn observe(&self, is_owner: impl Fn(&str) -> bool) -> Vec<(ObjectKey, Observed)> {
        let ours = |stored: &&Stored| stored.body.created_by().is_none_or(|by| is_owner(by));
        let ours = self.objects.iter().filter(|(_, stored)| ours(stored));
        ours.map(|(key, stored)| (key.clone(), observed(stored))).collect()
    }

    pub(crate) fn read(&self, key: &ObjectKey) -> Result<Option<Observed>, Failure> {
        if self.unreadable {
            return Err(failure(ErrorClass::Retry, "unreadable"));
        }
        Ok(self.objects.get(key).map(observed))
    }

    pub(crate) fn look_up(&mut self, referred: &Referred) -> Result<Option<Brief>, Failure> {
        self.looked_up.push(referred.clone());
        match self.look_fault {
            Some(class) => Err(failure(class, "as told")),
            None => Ok(self.others.get(referred).cloned()),
        }
    }

    /// Executes a write, or not.
    pub(crate) fn send(&mut self, operation: &Operation) -> Result<Option<Observed>, Failure> {
        self.calls += 1;
        let found = self.faults.iter_mut().find(|(matches, _, times)| *times > 0 && matches(operation));
        let fault = found.map(|(_, fault, times)| {
            *times -= 1;
            *fault
        });
        match fault {
            Some(Fault::Refused(class)) => Err(failure(class, "as told")),
            Some(Fault::CallLost) => Err(failure(ErrorClass::Unknown, "lost")),
            Some(Fault::AnswerLost) => {
                let _ = self.execute(operation);
                Err(failure(ErrorClass::Unknown, "lost"))
            }
            None => self.execute(operation),
        }
    }

    fn execute(&mut self, operation: &Operation) -> Result<Option<Observed>, Failure> {
        let key = &operation.key;
        match &operation.change {
            Change::Delete(_) if !self.objects.contains_key(key) => return Ok(None),
            _ if key.kind.is_borrowed() && operation.verb() != "update" => panic!("{operation}"),
            // The controller takes no version; whoever sends compares it before.
            Change::Delete(meta)
                if meta.last_modified.as_deref() != Some(&*self.objects[key].modified.to_string()) =>
            {
                return Err(failure(ErrorClass::Conflict, "was changed since it was read"));
            }
            Change::Delete(_) => {
                if let Some(referrer) = self.referrer(key) {
                    self.premature.push(format!("{operation}: {referrer} refers to it"));
                    return Err(failure(ErrorClass::InUse, "Cannot delete, object is referred by"));
                }
                self.objects.remove(key);
            }
            Change::Create(_) if self.objects.contains_key(key) => {
                return Err(failure(ErrorClass::Conflict, "already exists"));
            }
            Change::Create(body) => self.store(operation, body)?,
            Change::Update(meta, body) => {
                let Some(stored) = self.objects.get(key) else {
                    return Err(failure(ErrorClass::Gone, "object not found!"));
                };
                if meta.last_modified.as_deref() != Some(&*stored.modified.to_string()) {
                    return Err(failure(ErrorClass::Conflict, "Need to reload object data"));
                }
                self.store(operation, body)?;
            }
        }
        self.writes.push(operation.to_string());
        Ok(self.objects.get(key).map(observed))
    }

    fn store(&mut self, operation: &Operation, body: &Object) -> Result<(), Failure> {
        let missing = body.references().into_iter().find(|r| !self.is_there(&target(body, r)));
        if let Some(missing) = missing {
            self.premature.push(format!("{operation}: {missing} is missing"));
            return Err(failure(ErrorClass::Gone, "object not found!"));
        }
        let mut body = body.clone();
        if body.kind().is_borrowed() {
            let there = self.objects[&operation.key].body.clone();
            let after = body.lent_to(there.body()).map_err(|why| failure(ErrorClass::Conflict, &why))?;
            body = Object::read(operation.key.kind, after).unwrap();
            // What is only read is in no body of ours.
            if let (Object::VrfContext(vrf), Object::VrfContext(there)) = (&mut body, there) {
                vrf.tier1_router = there.tier1_router;
            }
        }
        if let Object::VsVip(vip) = &mut body {
            let known = match self.objects.get(&operation.key).map(|stored| &stored.body) {
                Some(Object::VsVip(old)) => old.vip.first().and_then(|vip| vip.ip_address.clone()),
                _ => None,
            };
            for vip in vip.vip.iter_mut().filter(|vip| vip.ip_address.is_none()) {
                self.addresses += 1;
                let new = IpAddress::new(format!("192.0.2.{}", self.addresses));
                vip.ip_address = Some(known.clone().unwrap_or(new));
            }
        }
        if let Some(meddle) = self.meddle {
            meddle(&mut body);
        }
        self.edit(body);
        Ok(())
    }

    /// Whether somebody has an object.
    pub(crate) fn is_there(&self, key: &ObjectKey) -> bool {
        let named = Referred::named(key.kind, key.tenant.clone(), key.name.clone());
        self.objects.contains_key(key) || self.others.contains_key(&named)
    }

    /// What refers to an object.
    pub(crate) fn referrer(&self, key: &ObjectKey) -> Option<&ObjectKey> {
        let refers =
            |stored: &Stored| stored.body.references().into_iter().any(|r| target(&stored.body, r) == *key);
        self.objects.iter().find(|(_, stored)| refers(stored)).map(|(key, _)| key)
    }

    /// References that lead nowhere: there must never be any.
    pub(crate) fn dangling(&self) -> Vec<String> {
        let references = |stored: &Stored| -> Vec<ObjectKey> {
            stored.body.references().into_iter().map(|r| target(&stored.body, r)).collect()
        };
        let all = self.objects.iter().flat_map(|(key, stored)| {
            references(stored).into_iter().map(move |target| (key.clone(), target))
        });
        let dangling = all.filter(|(_, target)| !self.is_there(target));
        dangling.map(|(key, target)| format!("{key} refers to {target}")).collect()
    }
}

fn target(body: &Object, reference: &ako_avi_types::Ref) -> ObjectKey {
    ObjectKey {
        kind: reference.kind.unwrap(),
        tenant: body.key().tenant,
        name: reference.name.clone().unwrap(),
    }
}

fn observed(stored: &Stored) -> Observed {
    let mut body = stored.body.clone();
    if let Object::SslKeyAndCertificate(certificate) = &mut body {
        certificate.key = PrivateKey::new("<sensitive>");
    }
    let last_modified = Some(stored.modified.to_string().into());
    Observed { meta: Meta { uuid: stored.uuid.clone(), last_modified }, body: Arc::new(body) }
}

pub(crate) fn failure(class: ErrorClass, message: &str) -> Failure {
    Failure { class, status: None, message: message.to_owned(), retry_after_ms: None }
}
