//! The types of Avi objects that the operator reads, writes or refers to.

use std::fmt;

use crate::table::for_each_kind;

macro_rules! kinds {
    (
        borrowed { $($borrowed:ident $borrowed_path:literal $borrowed_model:literal $_lent:ident :: $_part:ident;)* }
        written { $($written:ident $written_path:literal $written_model:literal $_module:ident :: $_body:ident;)* }
        profiles { $($profile:ident $profile_path:literal $profile_model:literal $_profiles:ident :: $_profile_body:ident;)* }
        referred { $($referred:ident $referred_path:literal $referred_model:literal;)* }
    ) => {
        /// A type of Avi object.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`/api/", $borrowed_path, "`")] $borrowed,)*
            $(#[doc = concat!("`/api/", $written_path, "`")] $written,)*
            $(#[doc = concat!("`/api/", $profile_path, "`")] $profile,)*
            $(#[doc = concat!("`/api/", $referred_path, "`")] $referred,)*
        }

        impl Kind {
            /// Every kind, in the order of their declaration.
            pub const ALL: &'static [Kind] =
                &[$(Kind::$borrowed,)* $(Kind::$written,)* $(Kind::$profile,)* $(Kind::$referred,)*];

            /// The kinds that the operator creates and deletes, in order of creation.
            pub const WRITTEN: &'static [Kind] = &[$(Kind::$written),*];

            /// The kinds that the CRD operator makes of custom resources. The operator itself makes
            /// PKI profiles, too, under names of its own.
            pub const OF_CUSTOM_RESOURCES: &'static [Kind] = &[Kind::PkiProfile, $(Kind::$profile),*];

            /// The kinds of objects that belong to the administrator and hold a part
            /// that is ours: they are changed, and never created or deleted.
            pub const BORROWED: &'static [Kind] = &[$(Kind::$borrowed),*];

            /// The path segment after `/api/`, as in `/api/<segment>?name=…`.
            pub fn segment(self) -> &'static str {
                match self {
                    $(Kind::$borrowed => $borrowed_path,)*
                    $(Kind::$written => $written_path,)*
                    $(Kind::$profile => $profile_path,)*
                    $(Kind::$referred => $referred_path,)*
                }
            }

            /// The model's name as Avi's error texts spell it (`VsVip object not found!`).
            pub fn model(self) -> &'static str {
                match self {
                    $(Kind::$borrowed => $borrowed_model,)*
                    $(Kind::$written => $written_model,)*
                    $(Kind::$profile => $profile_model,)*
                    $(Kind::$referred => $referred_model,)*
                }
            }
        }
    };
}

for_each_kind!(kinds);

impl Kind {
    /// The kind of a path segment; Avi compares them without regard to case.
    pub fn from_segment(segment: &str) -> Option<Kind> {
        Self::ALL.iter().copied().find(|kind| segment.eq_ignore_ascii_case(kind.segment()))
    }

    /// Whether the CRD operator makes objects of this kind: [`Kind::OF_CUSTOM_RESOURCES`].
    pub fn is_made_of_custom_resources(self) -> bool {
        Self::OF_CUSTOM_RESOURCES.contains(&self)
    }

    /// Whether objects of this kind are [`Kind::BORROWED`].
    pub fn is_borrowed(self) -> bool {
        Self::BORROWED.contains(&self)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.segment())
    }
}
