//! Whether what a rule refers to on the Avi Controller is there, and is what the rule needs.
//! Source: Custom resources, §1.3.

use ako_avi_types::{Brief, Kind, Referred, go_json};
use ako_core::Look;

use crate::context::Context;
use crate::rules::verdict::Verdict;
use crate::view::View;

/// What an object has to be, to be of use to a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wants {
    /// It has to be there.
    Any,
    /// It has to be of this type.
    Type(&'static str),
    /// It has to be of one of these types.
    OneOf(&'static [&'static str]),
    /// As a network profile it has to be for this protocol.
    NetworkType(&'static str),
    /// It must not bear the label of another cluster, if this one puts its own there.
    OurLabel,
}

/// What is found of one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// It is as it should be.
    Fine,
    /// It is not, for this reason.
    Wrong(String),
    /// It was not answered yet, or the controller does not tell. What refers to it is taken to be
    /// right, and nothing is said of it: that it cannot be known is nobody's mistake.
    NotKnown,
}

/// Looks at one reference.
pub(crate) fn check(context: &Context, view: &View<'_>, referred: Referred, wants: Wants) -> Found {
    let what = format!("{} \"{}\"", referred.kind, referred.name);
    match view.look_up(referred) {
        Look::NotAsked | Look::Unreadable(_) => Found::NotKnown,
        Look::Missing => Found::Wrong(format!("{what} not found on controller")),
        Look::Found(brief) => match mistake(context, brief, wants) {
            Some(mistake) => Found::Wrong(format!("{what} {mistake}")),
            None => Found::Fine,
        },
    }
}

/// What is wrong with an object that is there.
fn mistake(context: &Context, brief: &Brief, wants: Wants) -> Option<String> {
    if brief.created_by.as_ref() == Some(&context.owner) {
        return Some("Invalid operation, object referred is created by current AKO instance".to_owned());
    }
    match wants {
        Wants::Type(wanted) if brief.object_type.as_deref() != Some(wanted) => {
            Some(format!("found on controller is invalid, must be of type: {wanted}"))
        }
        Wants::OneOf(wanted)
            if !brief.object_type.as_deref().is_some_and(|found| wanted.contains(&found)) =>
        {
            Some(format!("found on controller is invalid, must be of type: {}", wanted.join(" or ")))
        }
        Wants::NetworkType(wanted) if brief.object_type.as_deref() != Some(wanted) => {
            Some(format!("found on controller is invalid, must be of type: {wanted} for L4 SSL support"))
        }
        Wants::OurLabel if context.bears_another_label(&brief.labels) => {
            let labels = go_json::marshal(&brief.labels);
            Some(format!("found on controller is invalid, mismatched labels: {labels}"))
        }
        Wants::Any | Wants::Type(_) | Wants::OneOf(_) | Wants::NetworkType(_) | Wants::OurLabel => None,
    }
}

/// The references of a rule, and what is found of them in the order in which they are looked at.
#[derive(Clone, Debug, Default)]
pub(crate) struct References {
    wrong: Vec<String>,
    is_unknown: bool,
}

impl References {
    /// Looks at one more, by name.
    pub(crate) fn check(
        &mut self,
        context: &Context,
        view: &View<'_>,
        (kind, name): (Kind, &str),
        wants: Wants,
    ) {
        self.add(check(context, view, Referred::named(kind, context.placement.tenant.clone(), name), wants));
    }

    /// Takes in what was found of one.
    pub(crate) fn add(&mut self, found: Found) {
        match found {
            Found::Fine => {}
            Found::NotKnown => self.is_unknown = true,
            // Two fields may name the same object.
            Found::Wrong(why) if self.wrong.contains(&why) => {}
            Found::Wrong(why) => self.wrong.push(why),
        }
    }

    /// Takes in what else is wrong.
    pub(crate) fn mistake(&mut self, why: String) {
        self.add(Found::Wrong(why));
    }

    /// What follows for a rule that is right but for them.
    pub(crate) fn verdict(self) -> Verdict {
        if self.wrong.is_empty() && self.is_unknown { Verdict::NotKnown } else { Verdict::of(&self.wrong) }
    }
}

#[cfg(test)]
mod tests {
    use ako_core::facts::{Answers, SharedTenants};
    use ako_core::{Config, Facts, Snapshot};

    use super::*;

    #[test]
    fn a_profile_has_to_be_of_the_type_that_is_wanted() {
        let config = Config::default();
        let facts = Facts::of(&config, &Answers::default(), SharedTenants::default());
        let context = Context::new(config, facts);
        let profile = |name: &str| Referred::named(Kind::ApplicationProfile, "admin", name);
        let mut snapshot = Snapshot::default();
        for (name, object_type) in [("web", Some("APPLICATION_PROFILE_TYPE_HTTP")), ("bare", None)] {
            let brief = Brief { object_type: object_type.map(Into::into), ..Brief::default() };
            snapshot.learn(&profile(name), Look::Found(brief));
        }
        let view = View::new(&context.config, &snapshot);
        let check = |name, wanted| check(&context, &view, profile(name), Wants::Type(wanted));
        assert_eq!(check("web", "APPLICATION_PROFILE_TYPE_HTTP"), Found::Fine);
        let wrong = |name: &str| {
            let must = "found on controller is invalid, must be of type: APPLICATION_PROFILE_TYPE_L4";
            Found::Wrong(format!("applicationprofile \"{name}\" {must}"))
        };
        assert_eq!(check("web", "APPLICATION_PROFILE_TYPE_L4"), wrong("web"));
        assert_eq!(check("bare", "APPLICATION_PROFILE_TYPE_L4"), wrong("bare"));
        assert_eq!(check("unknown", "APPLICATION_PROFILE_TYPE_L4"), Found::NotKnown);
    }
}
