//! One object of any kind that the operator writes, as a whole or in part.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::body::Body;
use crate::change::{self, FieldChange};
use crate::kind::Kind;
use crate::loss::Losses;
use crate::marker::Marker;
use crate::metadata::ServiceMetadata;
use crate::reference::Ref;
use crate::table::for_each_kind;

/// The longest name that Avi takes, in bytes.
pub const NAME_LIMIT: usize = 255;

/// What identifies an object for us: its kind, tenant and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// Its kind. First, so that sorted keys are in order of creation.
    pub kind: Kind,
    /// The tenant's name.
    pub tenant: Arc<str>,
    /// The object's name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// The key of an object.
    pub fn new(kind: Kind, tenant: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind, tenant: tenant.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.tenant, self.name)
    }
}

macro_rules! objects {
    (
        borrowed { $($borrowed:ident $_bp:literal $_bm:literal $lent:ident :: $part:ident;)* }
        written { $($written:ident $_wp:literal $_wm:literal $module:ident :: $body:ident;)* }
        profiles { $($profile:ident $_pp:literal $_pm:literal $of:ident :: $made:ident;)* }
        referred { $($_referred:tt)* }
    ) => {
        /// An object's body.
        #[allow(clippy::large_enum_variant, reason = "bodies live behind an Arc")]
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(untagged)]
        #[allow(missing_docs)]
        pub enum Object {
            $($written(crate::$module::$body),)*
            $($profile(crate::$of::$made),)*
            $(#[doc = "Borrowed: our part of it."] $borrowed(crate::$lent::$part),)*
        }

        impl Object {
            /// Reads an object that the controller sent. Fields that we never write
            /// are dropped.
            ///
            /// # Errors
            /// If the kind is not one that we write, or a field that we know has
            /// another type.
            pub fn read(kind: Kind, body: Value) -> Result<Self, serde_json::Error> {
                let mut object = match kind {
                    $(Kind::$written => Self::$written(serde_json::from_value(body)?),)*
                    $(Kind::$profile => Self::$profile(serde_json::from_value(body)?),)*
                    $(Kind::$borrowed => Self::$borrowed(serde_json::from_value(body)?),)*
                    other => {
                        let message = format!("{other} is not a kind that is written");
                        return Err(serde::de::Error::custom(message));
                    }
                };
                object.normalise();
                Ok(object)
            }

            /// Its kind.
            pub fn kind(&self) -> Kind {
                match self {
                    $(Self::$written(_) => Kind::$written,)*
                    $(Self::$profile(_) => Kind::$profile,)*
                    $(Self::$borrowed(_) => Kind::$borrowed,)*
                }
            }
        }

        impl Kind {
            /// Whether objects of this kind carry a `created_by` field.
            pub fn has_created_by(self) -> bool {
                match self {
                    $(Kind::$written => crate::$module::$body::HAS_CREATED_BY,)*
                    $(Kind::$profile => crate::$of::$made::HAS_CREATED_BY,)*
                    $(Kind::$borrowed => crate::$lent::$part::HAS_CREATED_BY,)*
                    _ => true,
                }
            }

            /// Whether objects of this kind belong to a cloud, so that lists of them
            /// can be filtered by it.
            pub fn has_cloud(self) -> bool {
                match self {
                    $(Kind::$written => crate::$module::$body::HAS_CLOUD,)*
                    $(Kind::$profile => crate::$of::$made::HAS_CLOUD,)*
                    $(Kind::$borrowed => crate::$lent::$part::HAS_CLOUD,)*
                    _ => false,
                }
            }
        }
    };
}

for_each_kind!(objects);

/// Asks the body of an object, whatever its kind.
macro_rules! each {
    ($object:tt, $x:tt => $value:expr) => {
        for_each_kind!(each_kind, $object, $x, { $value })
    };
}

macro_rules! each_kind {
    (
        $object:tt $x:tt $value:tt
        borrowed { $($borrowed:ident $_bp:literal $_bm:literal $_l:ident :: $_p:ident;)* }
        written { $($written:ident $_wp:literal $_wm:literal $_m:ident :: $_b:ident;)* }
        profiles { $($profile:ident $_pp:literal $_pm:literal $_o:ident :: $_d:ident;)* }
        referred { $($_referred:tt)* }
    ) => {
        match $object {
            $(Object::$written($x) => $value,)*
            $(Object::$profile($x) => $value,)*
            $(Object::$borrowed($x) => $value,)*
        }
    };
}

/// Asks the bodies of two objects of one kind; there is a value for those of two kinds.
macro_rules! both {
    ($objects:tt, $x:tt, $y:tt => $value:expr, else $otherwise:expr) => {
        for_each_kind!(both_of_a_kind, $objects, $x, $y, { $value }, { $otherwise })
    };
}

macro_rules! both_of_a_kind {
    (
        $objects:tt $x:tt $y:tt $value:tt $otherwise:tt
        borrowed { $($borrowed:ident $_bp:literal $_bm:literal $_l:ident :: $_p:ident;)* }
        written { $($written:ident $_wp:literal $_wm:literal $_m:ident :: $_b:ident;)* }
        profiles { $($profile:ident $_pp:literal $_pm:literal $_o:ident :: $_d:ident;)* }
        referred { $($_referred:tt)* }
    ) => {
        match $objects {
            $((Object::$written($x), Object::$written($y)) => $value,)*
            $((Object::$profile($x), Object::$profile($y)) => $value,)*
            $((Object::$borrowed($x), Object::$borrowed($y)) => $value,)*
            _ => $otherwise,
        }
    };
}

impl Object {
    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        each!(self, body => body.name())
    }

    /// Its tenant, if it says; otherwise it is the tenant of the request.
    pub fn tenant(&self) -> Option<&Arc<str>> {
        each!(self, body => body.tenant()).and_then(|tenant| tenant.name.as_ref())
    }

    /// Its key; an object that names no tenant lies in `admin`.
    pub fn key(&self) -> ObjectKey {
        let tenant = self.tenant().cloned().unwrap_or_else(|| "admin".into());
        ObjectKey { kind: self.kind(), tenant, name: self.name().clone() }
    }

    /// Its markers; what is borrowed has none.
    pub fn markers(&self) -> &[Marker] {
        each!(self, body => body.markers())
    }

    /// The kind of Kubernetes object that it was made for, if its markers or its
    /// `service_metadata` name one that this version does not read.
    /// Source: Gateway API, objects; L7 objects, §3.7, §9.
    pub fn unread_kind(&self) -> Option<&'static str> {
        let is_of_gateway =
            |marker: &Marker| marker.key == "GatewayNamespace" || marker.key.starts_with("HTTPRoute");
        if self.markers().iter().any(is_of_gateway) {
            return Some("Gateway");
        }
        self.metadata().and_then(ServiceMetadata::unread_kind)
    }

    /// Its owner; a VsVip has none, nor has what is borrowed.
    pub fn created_by(&self) -> Option<&Arc<str>> {
        each!(self, body => body.created_by())
    }

    /// The hosts that the object says it serves.
    pub fn hostnames(&self) -> impl Iterator<Item = &Arc<str>> {
        self.metadata().and_then(|metadata| metadata.hostnames.as_ref()).into_iter().flatten()
    }

    /// The hosts that its markers or its metadata name.
    pub fn hosts(&self) -> impl Iterator<Item = &Arc<str>> {
        let marked = self.markers().iter().filter(|marker| marker.key == "Host");
        marked.flat_map(|marker| &marker.values).chain(self.hostnames())
    }

    fn metadata(&self) -> Option<&ServiceMetadata> {
        each!(self, body => body.metadata())
    }

    /// The secrets in it, in plain text: nobody is to see them in the controller's words.
    pub fn secrets(&self) -> Vec<&str> {
        each!(self, body => body.secrets())
    }

    /// What it refers to among the kinds that we write.
    pub fn references(&self) -> Vec<&Ref> {
        each!(self, body => body.references())
    }

    /// Sorts the lists whose order means nothing to Avi.
    pub fn normalise(&mut self) {
        each!(self, body => body.normalise());
    }

    /// The request body; of what is borrowed, the part that is ours.
    pub fn body(&self) -> Value {
        // A type of ours always becomes JSON: its keys are strings.
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// What differs on the controller from what is wanted; empty if nothing.
    ///
    /// A field that we do not send is the controller's to default, so it is not
    /// compared; a list that we send empty has to be empty. Private keys are
    /// never given back and are not compared. Of what is borrowed, only our part
    /// is.
    pub fn differences(&self, observed: &Object) -> Vec<FieldChange> {
        both!((self, observed), wanted, observed => wanted.differences(observed), else {
            change::between(&self.body(), &observed.body())
        })
    }

    /// The body of the `PUT` that gives a borrowed object our part, made of what
    /// the controller holds: every other field and entry stays as it is.
    ///
    /// # Errors
    /// Why our part must not be put there.
    pub fn lent_to(&self, read: Value) -> Result<Value, String> {
        each!(self, body => body.onto(read))
    }

    /// The same object without the references that `is_missing` names, so that
    /// one refused object does not keep those that share it from being served.
    /// `None` if it makes no sense without them.
    pub fn without(&self, is_missing: &dyn Fn(&Ref) -> bool) -> Option<Arc<Object>> {
        let mut reduced = self.clone();
        let body = &mut reduced;
        let makes_sense = each!(body, body => body.take_out(is_missing));
        let left = reduced.references().into_iter().any(is_missing);
        (makes_sense && !left).then(|| Arc::new(reduced))
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
        both!((&mut kept, old), new, old => new.keep(old, is_kept, is_kept_host), else {});
        // Neither checksum is that of the mixture; the old one says that there
        // is something left to do.
        if let (Some(new), Some(old)) = (kept.checksum_mut(), old.clone().checksum_mut()) {
            new.clone_from(old);
        }
        kept.normalise();
        kept
    }

    /// The same object where an older version of it is placed. If nothing else differs, it has that
    /// one's checksum, too: there is nothing to write.
    #[must_use]
    pub fn placed_as(&self, old: &Object) -> Object {
        let mut placed = self.clone();
        both!((&mut placed, old), new, old => new.keep_place(old), else {});
        // Its own checksum tells more than the fields: those that are not sent are not compared.
        let is_placed_so = placed.differences(self).is_empty() && self.differences(&placed).is_empty();
        if is_placed_so { placed } else { placed.with_checksum_unless_changed(old) }
    }

    /// The same object with what rules gave an older version of it: of a pool how servers are chosen,
    /// watched and spoken to; of a virtual service what only rules ask for, its ports and profiles,
    /// and what it refers to that is not ours; of a VsVip the addresses. The checksum is as in [`Self::placed_as`].
    #[must_use]
    pub fn shaped_as(&self, old: &Object, is_ours: &dyn Fn(&Ref) -> bool) -> Object {
        let mut shaped = self.clone();
        both!((&mut shaped, old), new, old => new.keep_shape(old, is_ours), else {});
        shaped.normalise();
        shaped.with_checksum_unless_changed(old)
    }

    /// The same object with an older one's checksum, if nothing else differs.
    fn with_checksum_unless_changed(self, old: &Object) -> Self {
        let mut same = self.clone();
        if let (Some(new), Some(old)) = (same.checksum_mut(), old.clone().checksum_mut()) {
            new.clone_from(old);
        }
        if same.differences(old).is_empty() { same } else { self }
    }

    /// The same object with the servers that a newer version of it has, if it is a pool.
    #[must_use]
    pub fn with_servers_of(&self, new: &Object) -> Object {
        let mut changed = self.clone();
        if let (Self::Pool(pool), Self::Pool(new)) = (&mut changed, new) {
            pool.servers.clone_from(&new.servers);
        }
        changed
    }

    fn checksum_mut(&mut self) -> Option<&mut Option<Arc<str>>> {
        each!(self, body => body.checksum_mut())
    }

    /// What writing this object over an observed one takes away.
    pub fn losses(&self, observed: &Object) -> Losses {
        let mut losses = Losses::default();
        both!((self, observed), new, old => new.count_losses(old, &mut losses), else {});
        let kept = self.serving_references();
        let is_lost = |old: &&Ref| !kept.iter().any(|new| new.matches(old));
        losses.references = observed.serving_references().into_iter().filter(is_lost).count();
        let kept = self.served_hosts();
        losses.hosts = observed.served_hosts().into_iter().filter(|host| !kept.contains(host)).collect();
        losses
    }

    /// The same object with everything that an observed one serves by besides;
    /// `None` if that cannot be said in one object.
    pub fn keeping_everything(&self, observed: &Object) -> Option<Object> {
        let mut kept = self.keeping(observed, &|_| true, &|_| true);
        both!((&mut kept, observed), new, old => new.keep_serving(old), else {});
        kept.losses(observed).is_empty().then_some(kept)
    }

    /// The DNS names that it carries, if it is a VsVip.
    pub fn dns_names(&self) -> impl Iterator<Item = &Arc<str>> {
        let infos = if let Self::VsVip(vip) = self { &*vip.dns_info } else { &[] };
        infos.iter().map(|info| &info.fqdn)
    }

    /// The path of the tier-1 router that it is connected to, if it is to one.
    pub fn tier1_router(&self) -> Option<&str> {
        match self {
            Self::Pool(pool) => pool.tier1_lr.as_deref(),
            Self::VsVip(vip) => vip.tier1_lr.as_deref(),
            _ => None,
        }
    }

    /// Whether it is a VsVip that carries a DNS name.
    pub fn has_dns_name(&self, name: &str) -> bool {
        self.dns_names().any(|other| **other == *name)
    }

    /// The references to what traffic passes on its way to a pod.
    fn serving_references(&self) -> Vec<&Ref> {
        let serves = |reference: &&Ref| {
            let kind = reference.kind;
            kind.is_some_and(|kind| Kind::WRITTEN.contains(&kind)) && kind != Some(Kind::VsVip)
        };
        self.references().into_iter().filter(serves).collect()
    }

    /// The hosts that it answers for.
    fn served_hosts(&self) -> BTreeSet<Arc<str>> {
        each!(self, body => body.served_hosts())
    }
}
