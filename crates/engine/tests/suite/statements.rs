//! What units say of an object, and what comes of it.

use std::sync::Arc;

use ako_avi_types::{Kind, ObjectKey};
use ako_core::NamespacedName;
use ako_core::resource::{Condition, Part, Told, Truth};
use ako_engine::{Programmed, tell};
use ako_translate::{State, What};
use proptest::collection::vec;
use proptest::prelude::*;

fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        Just(Part::Whole),
        prop::sample::select(vec!["http", "https"]).prop_map(|name| Part::Listener(name.into())),
        prop::sample::select(vec![None, Some("http")])
            .prop_map(|section| Part::Parent(NamespacedName::new("red", "gateway"), section.map(Arc::from))),
    ]
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(Kind::Pool, "admin", name)
}

fn state() -> impl Strategy<Value = State> {
    let truth = prop::sample::select(vec![Truth::True, Truth::Unknown, Truth::False]);
    let reason = prop::sample::select(vec!["Accepted", "Conflict"]);
    let keys = vec(prop::sample::select(vec!["there", "coming", "refused"]), 0..3);
    prop_oneof![
        (truth, reason, "[ab]?").prop_map(|(truth, reason, text)| State::Known(truth, reason, text.into())),
        keys.prop_map(|names| State::WhenProgrammed(names.into_iter().map(key).collect())),
    ]
}

fn what() -> impl Strategy<Value = What> {
    let kind = prop::sample::select(vec!["Accepted", "Programmed"]);
    prop_oneof![
        (part(), kind, state(), 0..3i64).prop_map(|(part, kind, state, generation)| What::Condition {
            part,
            kind,
            state,
            generation
        }),
        (prop::sample::select(vec!["status", "error"]), "[ab]")
            .prop_map(|(name, text)| What::Field(name, text.into())),
        part().prop_map(What::Count),
    ]
}

/// What becomes of objects, by their names.
fn programmed(keys: &[ObjectKey]) -> Programmed {
    let has = |name: &str| keys.iter().any(|key| *key.name == *name);
    match (has("refused"), has("coming")) {
        (true, _) => Programmed::Refused("no such network".into()),
        (_, true) => Programmed::Pending,
        _ => Programmed::Yes,
    }
}

fn told(statements: &[What]) -> Told {
    tell(statements, &programmed).map(|told| *told).unwrap_or_default()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_does_not_matter_who_says_something_first(
        (statements, shuffled) in vec(what(), 0..12).prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
    ) {
        prop_assert_eq!(told(&statements), told(&shuffled));
        let has_counts = statements.iter().any(|what| matches!(what, What::Count(_)));
        let twice = [statements.clone(), statements.clone()].concat();
        // Who says the same again changes nothing, but for what is counted.
        prop_assert!(has_counts || told(&statements) == told(&twice));
    }
}

fn condition(state: State) -> Condition {
    let what = What::Condition { part: Part::Whole, kind: "Programmed", state, generation: 7 };
    told(&[what]).conditions.into_values().next().unwrap()
}

#[test]
fn a_condition_is_true_once_all_of_it_is_on_the_controller() {
    let when =
        |names: &[&str]| condition(State::WhenProgrammed(names.iter().map(|name| key(name)).collect()));
    assert_eq!((when(&["there"]).status, &*when(&["there"]).reason), (Truth::True, "Programmed"));
    assert_eq!((when(&["there", "coming"]).status, &*when(&["coming"]).reason), (Truth::Unknown, "Pending"));
    let refused = when(&["coming", "refused"]);
    assert_eq!((refused.status, &*refused.reason, refused.generation), (Truth::False, "Refused", 7));
    assert!(refused.message.contains("no such network"));
}

#[test]
fn of_two_that_differ_the_worse_one_is_told() {
    let say = |status, generation| What::Condition {
        part: Part::Whole,
        kind: "Accepted",
        state: State::Known(status, "Reason", "".into()),
        generation,
    };
    let worst = |statements: &[What]| {
        told(statements).conditions.into_values().map(|c| (c.status, c.generation)).next().unwrap()
    };
    assert_eq!(worst(&[say(Truth::True, 2), say(Truth::False, 2)]), (Truth::False, 2));
    assert_eq!(worst(&[say(Truth::Unknown, 2), say(Truth::True, 2)]), (Truth::Unknown, 2));
    // What was found out of an older generation is not told of a newer one.
    assert_eq!(worst(&[say(Truth::True, 2), say(Truth::True, 1)]), (Truth::True, 1));
}

#[test]
fn each_that_belongs_to_a_part_counts() {
    let part = Part::Listener("http".into());
    let counted = told(&[What::Count(part.clone()), What::Count(part.clone())]).counts;
    assert_eq!(counted.get(&part), Some(&2));
    assert_eq!(tell(&[What::NodePorts], &programmed), None, "nothing is told");
}
