//! Changes of the custom resources of the CRD operator and of what they name, and what happens to its
//! replicas.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::{Event, FAULTS_FOR, LONGEST_PAUSE_MS, Script, a_moment_later};
use crate::profiles::{MOST, NAMESPACES, OTHER_TENANT, Profile};
use crate::rules::Form;
use crate::step::Step;

/// How many of the events are about the replicas.
const ABOUT_REPLICAS: f64 = 0.3;
/// In how many ways a custom resource can be right, and how many can be wrong.
const WAYS: usize = 4;
/// What makes its draws others than those of the rest of a seed.
const APART: u64 = 0xC4D;

/// What happens to the CRD operator, if it is there.
pub(super) fn draw(script: &Script, seed: u64) -> Vec<Event> {
    let mut members = script.setup.members().iter();
    let crd_operator = script.setup.crd_operator();
    let found = crd_operator.and_then(|crd_operator| members.position(|member| member == crd_operator));
    let Some(instance) = found else { return Vec::new() };
    let mut rng = StdRng::seed_from_u64(seed ^ APART);
    let (mut events, mut at) = (Vec::new(), Duration::ZERO);
    while at < FAULTS_FOR {
        at += Duration::from_millis(rng.random_range(0..LONGEST_PAUSE_MS));
        let later = a_moment_later(at, &mut rng);
        let (now, then) = if rng.random_bool(ABOUT_REPLICAS) {
            about_replicas(&mut rng, script, instance)
        } else {
            change(&mut rng)
        };
        events.push(Event { at, instance, step: now });
        events.extend(then.map(|step| Event { at: later, instance, step }));
    }
    events
}

/// Of all that may happen what is about replicas.
fn about_replicas(rng: &mut StdRng, script: &Script, instance: usize) -> (Step, Option<Step>) {
    loop {
        let drawn = Step::draw(rng, script, instance);
        if drawn.0.is_about_replicas() {
            return drawn;
        }
    }
}

/// A change of the cluster, or by hand on the controller.
fn change(rng: &mut StdRng) -> (Step, Option<Step>) {
    let profile = Profile::ALL[rng.random_range(0..Profile::ALL.len())];
    let number = rng.random_range(0..MOST);
    match rng.random_range(0..20) {
        0..11 => (Step::Profile(profile, number, form(rng)), None),
        11..13 => (Step::SignIn(NAMESPACES[rng.random_range(0..NAMESPACES.len())], form(rng)), None),
        13..15 => (Step::Rent(rng.random_bool(0.5).then_some(OTHER_TENANT)), None),
        15..18 => {
            let ends = rng.random_bool(0.7).then_some(Step::Refer(profile, number, false));
            (Step::Refer(profile, number, true), ends)
        }
        18 => (Step::Edit(rng.random_range(0..1_000)), None),
        _ => (Step::Remove(rng.random_range(0..1_000)), None),
    }
}

fn form(rng: &mut StdRng) -> Form {
    match rng.random_range(0..10) {
        0..5 => Form::Right(rng.random_range(0..WAYS)),
        5..7 => Form::Wrong(rng.random_range(0..WAYS)),
        _ => Form::Gone,
    }
}
