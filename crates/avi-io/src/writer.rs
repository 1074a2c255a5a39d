//! The one door for writes.

use std::sync::Arc;

use ako_avi_types::{
    Change, ErrorClass, Failure, Meta, Object, ObjectKey, Observed, Operation, SslKeyAndCertificate,
};
use ako_elect::WritePermit;
use serde_json::Value;
use tokio::sync::watch;

use crate::answer::{Reply, redact, unanswered};
use crate::body::{bytes, observed};
use crate::borrowed;
use crate::call::{Call, Resource, Tenant, Verb, segment};
use crate::client::AviClient;
use crate::cluster_claim::ClusterClaim;
use crate::permission::{Leave, Permission, before_sending, no_permit};
use crate::vsvip_update;

/// What a write left behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// The object as the controller holds it now; `None` after a deletion.
    pub observed: Option<Observed>,
}

/// Writes to the controller. Nothing else does.
#[derive(Clone, Debug)]
pub struct Writer {
    pub(crate) client: AviClient,
    /// Whether this process leads and does not hand over.
    pub(crate) leads: watch::Receiver<bool>,
    /// The claim of the cluster to its name, without which nothing is written.
    pub(crate) claim: Option<ClusterClaim>,
}

impl Writer {
    /// A writer that sends through a client while `leads` says that this process
    /// leads and does not hand over.
    pub fn new(client: AviClient, leads: watch::Receiver<bool>) -> Self {
        Self { client, leads, claim: None }
    }

    /// The same writer, which writes only where the cluster has its name.
    #[must_use]
    pub fn claiming(self, claim: ClusterClaim) -> Self {
        Self { claim: Some(claim), ..self }
    }

    /// Carries out one operation.
    ///
    /// The permit is checked when the connection is ready, immediately before
    /// the request is handed over, and again for a replay; the request may take
    /// no longer than what is left of it. Once the leader hands over, what was not
    /// handed over to a connection fails at once, wherever it waits. Deleting what does not exist succeeds;
    /// what was changed since it was read is not deleted.
    ///
    /// # Errors
    /// [`ErrorClass::NoPermit`] and [`ErrorClass::Retry`]: nothing was executed.
    /// [`ErrorClass::Unknown`]: it may have been; read the object first. All
    /// others are the controller's refusal.
    pub async fn send(&self, permit: &WritePermit, operation: &Operation) -> Result<Written, Failure> {
        self.send_under(permit, operation).await
    }

    pub(crate) async fn send_under(
        &self,
        permission: &dyn Permission,
        operation: &Operation,
    ) -> Result<Written, Failure> {
        let mut result = self.carry_out(permission, operation).await;
        if let (Err(failure), Change::Create(object) | Change::Update(_, object)) =
            (&mut result, &operation.change)
        {
            redact(&mut failure.message, &object.secrets());
        }
        result
    }

    async fn carry_out(
        &self,
        permission: &dyn Permission,
        operation: &Operation,
    ) -> Result<Written, Failure> {
        let Operation { key, change } = operation;
        let leave = Leave::new(permission, &self.leads);
        match change {
            Change::Create(object) => {
                let reply = self.mutate(key, None, Verb::Post(leave, bytes(&object.body()))).await?;
                written(key, object, &reply, None)
            }
            Change::Update(meta, object) => {
                let body = bytes(&self.update_body(key, meta, object, leave).await?);
                let put = || Verb::Put(leave, body.clone());
                let reply = match self.mutate(key, Some(meta), put()).await {
                    Err(failure) if borrowed::is_others_tenant(key, &failure) => {
                        let key = ObjectKey { tenant: borrowed::ADMIN.into(), ..key.clone() };
                        self.mutate(&key, Some(meta), put()).await?
                    }
                    result => result?,
                };
                written(key, object, &reply, Some(meta))
            }
            Change::Delete(meta) => match self.delete(key, meta, leave).await {
                Ok(_) => Ok(Written { observed: None }),
                Err(failure) if failure.status == Some(404) => Ok(Written { observed: None }),
                Err(failure) => Err(failure),
            },
        }
    }

    /// Deletes what is still as it was read. The controller takes no version
    /// with a `DELETE`, so it is compared here: somebody may have taken the
    /// object over.
    async fn delete(&self, key: &ObjectKey, meta: &Meta, leave: Leave<'_>) -> Result<Reply, Failure> {
        self.read_unchanged(key, meta, leave).await?;
        self.mutate(key, Some(meta), Verb::Delete(leave)).await
    }

    /// The whole body of a `PUT`, with the version that it replaces.
    async fn update_body(
        &self,
        key: &ObjectKey,
        meta: &Meta,
        object: &Object,
        leave: Leave<'_>,
    ) -> Result<Value, Failure> {
        let mut body = object.body();
        if matches!(object, Object::VsVip(_)) {
            // What is read anew bears the newest version, which the wanted body is not about.
            let read = self.read_unchanged(key, meta, leave).await?;
            return Ok(vsvip_update::onto(read, body));
        }
        if key.kind.is_borrowed() {
            let read = self.read_before(key, meta, leave).await?;
            return object.lent_to(read).map_err(|why| {
                unanswered(ErrorClass::Conflict, format!("{key} was changed since it was read: {why}"))
            });
        }
        if let (Some(fields), Some(version)) = (body.as_object_mut(), &meta.last_modified) {
            fields.insert("_last_modified".into(), Value::from(&**version));
        }
        Ok(body)
    }

    /// Reads an object that is to be written, if it is still as it was read before.
    async fn read_unchanged(&self, key: &ObjectKey, meta: &Meta, leave: Leave<'_>) -> Result<Value, Failure> {
        let body = self.read_before(key, meta, leave).await?;
        let version = body.get("_last_modified").and_then(Value::as_str);
        if meta.last_modified.as_deref() == version {
            Ok(body)
        } else {
            Err(unanswered(ErrorClass::Conflict, format!("{key} was changed since it was read")))
        }
    }

    /// Reads an object that is to be written.
    async fn read_before(&self, key: &ObjectKey, meta: &Meta, leave: Leave<'_>) -> Result<Value, Failure> {
        let tenant = Tenant::Named(key.tenant.clone());
        let reading = self.client.get_object(key.kind, &tenant, &meta.uuid);
        before_sending(Some(leave), reading, no_permit).await
    }

    async fn mutate(&self, key: &ObjectKey, meta: Option<&Meta>, verb: Verb<'_>) -> Result<Reply, Failure> {
        if let (Some(claim), Some(leave)) = (&self.claim, verb.leave()) {
            claim.hold(&key.tenant, leave).await?;
        }
        let resource = Resource::Kind(key.kind);
        let target = match meta {
            Some(meta) => format!("{}/{}", resource.path(), segment(&meta.uuid)),
            None => resource.path(),
        };
        let tenant = Tenant::Named(key.tenant.clone());
        self.client.send(&Call { verb, resource, target, tenant }).await
    }
}

/// What the reply to a `POST` or `PUT` says. The write took effect, so a reply
/// that cannot be read leaves the object in doubt.
fn written(key: &ObjectKey, sent: &Object, reply: &Reply, meta: Option<&Meta>) -> Result<Written, Failure> {
    let mut body = reply.json(ErrorClass::Unknown)?;
    if let (Some(fields), Some(meta)) = (body.as_object_mut(), meta) {
        fields.entry("uuid").or_insert_with(|| Value::from(&*meta.uuid));
    }
    let mut observed = observed(key.kind, body).map_err(|why| {
        unanswered(ErrorClass::Unknown, format!("the answer to a write of {key} cannot be read: {why}"))
    })?;
    if let (Object::SslKeyAndCertificate(sent), Object::SslKeyAndCertificate(got)) = (sent, &*observed.body) {
        observed.body = Arc::new(Object::SslKeyAndCertificate(with_certificate(sent, got)));
    }
    Ok(Written { observed: Some(observed) })
}

/// Replies leave the PEM text out: what was sent is what is stored.
/// Source: Avi REST API contract, §4.
fn with_certificate(sent: &SslKeyAndCertificate, got: &SslKeyAndCertificate) -> SslKeyAndCertificate {
    let mut object = got.clone();
    if !object.certificate.certificate.starts_with("-----BEGIN") {
        object.certificate = sent.certificate.clone();
    }
    object
}
