//! The objects of each kind, and by what they are found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domains::Domains;
use crate::id::{Named, NamespacedName};
use crate::index::Index;
use crate::kinds;
use crate::kinds::kept::Kept;
use crate::kinds::key::Key;
use crate::kinds::meta::ObjectMeta;
use crate::kinds::published::Published;
use crate::kinds::table::{ResourceId, ResourceKind};
use crate::resource::Resource;

/// The objects of a kind.
#[derive(Clone, Debug)]
pub(crate) struct Store<T> {
    objects: BTreeMap<NamespacedName, Arc<T>>,
    found: Index<Key, NamespacedName>,
}

impl<T> Default for Store<T> {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), found: Index::default() }
    }
}

impl<T: Stored> Store<T> {
    pub(crate) fn get(&self, namespace: &str, name: &str) -> Option<&Arc<T>> {
        self.objects.get(&(namespace, name) as &dyn Named)
    }

    /// All, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<T>> + Clone {
        self.objects.values()
    }

    /// Those of a namespace, by name.
    pub(crate) fn of_namespace<'a>(&'a self, namespace: &'a str) -> impl Iterator<Item = &'a Arc<T>> {
        let start = NamespacedName::new(namespace, "");
        let objects = self.objects.range(start..).take_while(|(id, _)| *id.namespace == *namespace);
        objects.map(|(_, object)| object)
    }

    /// Those that are found under a key, by name.
    pub(crate) fn under(&self, key: &Key) -> impl Iterator<Item = &Arc<T>> + Clone + use<'_, T> {
        self.found.get(key).iter().filter_map(|id| self.objects.get(id))
    }

    /// The keys that something is found under.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.found.keys()
    }

    /// Takes a version over. Answers whether it is news.
    pub(crate) fn put(&mut self, object: T, domains: &Domains, touched: &mut BTreeSet<Key>) -> bool {
        let id = object.id();
        let old = self.objects.get(&id).cloned();
        if old.as_deref() == Some(&object) {
            return false;
        }
        if !old.as_deref().is_some_and(|old| old.looks_like(&object)) {
            if let Some(old) = &old {
                self.lose(old, &id, domains, touched);
            }
            self.find(&object, &id, domains, touched);
            touched.insert(Key::All(T::KIND));
        }
        touched.insert(Key::One(T::KIND, id.clone()));
        self.objects.insert(id, Arc::new(object));
        true
    }

    pub(crate) fn remove(
        &mut self,
        id: &NamespacedName,
        domains: &Domains,
        touched: &mut BTreeSet<Key>,
    ) -> Option<Arc<T>> {
        let old = self.objects.remove(id)?;
        self.lose(&old, id, domains, touched);
        touched.extend([Key::All(T::KIND), Key::One(T::KIND, id.clone())]);
        Some(old)
    }

    /// The domains change, under which some may be found.
    pub(crate) fn move_to(&mut self, from: &Domains, to: &Domains, touched: &mut BTreeSet<Key>) {
        let keys = |object: &T, domains: &Domains| {
            let mut keys = BTreeSet::new();
            object.found_under(domains, &mut |key| {
                keys.insert(key);
            });
            keys
        };
        for (id, object) in &self.objects {
            let (before, after) = (keys(object, from), keys(object, to));
            for key in before.difference(&after) {
                self.found.remove(key, id);
            }
            for key in after.difference(&before) {
                self.found.insert(key.clone(), id.clone());
            }
            touched.extend(before.symmetric_difference(&after).cloned());
        }
    }

    /// The keys under which whoever depends on an object read it.
    fn keys_of(&self, id: &NamespacedName, domains: &Domains) -> BTreeSet<Key> {
        let mut keys = BTreeSet::from([Key::One(T::KIND, id.clone())]);
        if let Some(object) = self.objects.get(id) {
            keys.insert(Key::All(T::KIND));
            object.found_under(domains, &mut |key| {
                keys.insert(key);
            });
        }
        keys
    }

    fn find(&mut self, object: &T, id: &NamespacedName, domains: &Domains, touched: &mut BTreeSet<Key>) {
        object.found_under(domains, &mut |key| {
            self.found.insert(key.clone(), id.clone());
            touched.insert(key);
        });
    }

    fn lose(&mut self, object: &T, id: &NamespacedName, domains: &Domains, touched: &mut BTreeSet<Key>) {
        object.found_under(domains, &mut |key| {
            self.found.remove(&key, id);
            touched.insert(key);
        });
    }

    /// Those on which something was published, by name.
    fn published(&self) -> impl Iterator<Item = ResourceId> {
        let objects = self.objects.iter().map_while(|(name, object)| Some((name, object.published()?)));
        let published = objects.filter(|(_, published)| !published.is_empty());
        published.map(|(name, _)| ResourceId { kind: T::KIND, name: name.clone() })
    }

    fn ids(&self) -> Vec<ResourceId> {
        self.objects.keys().map(|name| ResourceId { kind: T::KIND, name: name.clone() }).collect()
    }
}

/// What there is a store of.
pub trait Stored: Kept {
    /// The kind that it is kept of.
    const KIND: ResourceKind;

    #[doc(hidden)]
    #[allow(private_interfaces, reason = "only a snapshot has stores")]
    fn store(stores: &Stores) -> &Store<Self>;

    #[doc(hidden)]
    #[allow(private_interfaces, reason = "only a snapshot has stores")]
    fn store_mut(stores: &mut Stores) -> &mut Store<Self>;
}

macro_rules! stores {
    ($($kind:ident $module:ident::$type:ident $group:literal $version:literal $plural:literal $scope:ident $selected:tt $readers:ident $read:tt;)*) => {
        /// A store for each kind.
        #[derive(Clone, Debug, Default)]
        #[allow(non_snake_case, reason = "called as the kinds are")]
        pub(crate) struct Stores {
            $($kind: Store<kinds::$module::$type>,)*
        }

        $(
            #[allow(private_interfaces, reason = "only a snapshot has stores")]
            impl Stored for kinds::$module::$type {
                const KIND: ResourceKind = ResourceKind::$kind;

                fn store(stores: &Stores) -> &Store<Self> {
                    &stores.$kind
                }

                fn store_mut(stores: &mut Stores) -> &mut Store<Self> {
                    &mut stores.$kind
                }
            }
        )*

        impl Stores {
            /// Takes a version over. Answers whether it is news.
            pub(crate) fn put(
                &mut self,
                resource: Resource,
                domains: &Domains,
                touched: &mut BTreeSet<Key>,
            ) -> bool {
                match resource {
                    $(Resource::$kind(object) => self.$kind.put(object, domains, touched),)*
                }
            }

            /// Answers whether it was there.
            pub(crate) fn remove(
                &mut self,
                id: &ResourceId,
                domains: &Domains,
                touched: &mut BTreeSet<Key>,
            ) -> bool {
                match id.kind {
                    $(ResourceKind::$kind => self.$kind.remove(&id.name, domains, touched).is_some(),)*
                }
            }

            /// The domains change.
            pub(crate) fn move_to(
                &mut self,
                from: &Domains,
                to: &Domains,
                touched: &mut BTreeSet<Key>,
            ) {
                $(self.$kind.move_to(from, to, touched);)*
            }

            /// How many objects of a kind there are.
            pub(crate) fn count(&self, kind: ResourceKind) -> usize {
                match kind {
                    $(ResourceKind::$kind => self.$kind.objects.len(),)*
                }
            }

            /// The keys under which whoever depends on an object read it.
            pub(crate) fn keys_of(&self, id: &ResourceId, domains: &Domains) -> BTreeSet<Key> {
                match id.kind {
                    $(ResourceKind::$kind => self.$kind.keys_of(&id.name, domains),)*
                }
            }

            /// Whether an object is there.
            pub(crate) fn contains(&self, id: &ResourceId) -> bool {
                match id.kind {
                    $(ResourceKind::$kind => self.$kind.objects.contains_key(&id.name),)*
                }
            }

            /// What is known of an object beside its name, if that is kept.
            pub(crate) fn meta_of(&self, id: &ResourceId) -> Option<&ObjectMeta> {
                match id.kind {
                    $(ResourceKind::$kind => self.$kind.objects.get(&id.name)?.meta(),)*
                }
            }

            /// What was published on an object, if that is of a kind on which something is.
            pub(crate) fn published_on(&self, id: &ResourceId) -> Option<&Published> {
                match id.kind {
                    $(ResourceKind::$kind => self.$kind.objects.get(&id.name)?.published(),)*
                }
            }

            /// The objects on which something was published.
            pub(crate) fn published(&self) -> impl Iterator<Item = ResourceId> {
                std::iter::empty()$(.chain(self.$kind.published()))*
            }

            /// The names of all objects of a kind.
            pub(crate) fn ids(&self, kind: ResourceKind) -> Vec<ResourceId> {
                match kind {
                    $(ResourceKind::$kind => self.$kind.ids(),)*
                }
            }
        }
    };
}
crate::for_each_kind!(stores);
