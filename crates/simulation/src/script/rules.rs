//! Changes of AKO's rules, and of what names them.

use rand::Rng as _;
use rand::rngs::StdRng;

use super::Step;
use crate::rules::{Form, Namer, Rule, SERVICES, SETTINGS};
use crate::setup::{LIVELY, Setup};
use crate::workload::MOST;

/// How often there is one, in a script that has rules.
pub(super) const OFTEN: f64 = 0.3;

/// In how many ways a rule can be right, and how many can be wrong.
const WAYS: usize = 4;

/// A change of a rule, or of what names one.
pub(super) fn draw(rng: &mut StdRng, setup: Setup) -> Step {
    let a_setting = |rng: &mut StdRng| rng.random_bool(0.7).then(|| rng.random_range(0..SETTINGS));
    match rng.random_range(0..20) {
        0..12 => {
            let rule = Rule::ALL[rng.random_range(0..Rule::ALL.len())];
            Step::Rule(rule, rng.random_range(0..rule.most()), form(rng))
        }
        12..15 => {
            let path = ["/", "/api"][rng.random_range(0..2)];
            Step::ApplyGold(rng.random_range(0..MOST), path, rng.random_range(0..SETTINGS))
        }
        15..18 => {
            let rule = rng.random_bool(0.7).then(|| rng.random_range(0..SERVICES));
            Step::BalanceBy(rng.random_range(0..3), rule, a_setting(rng))
        }
        18 => Step::Name(Namer::Class, a_setting(rng)),
        _ => {
            let moving = setup.moving();
            let namespace = moving.get(rng.random_range(0..=moving.len())).copied().unwrap_or(LIVELY);
            Step::Name(Namer::Namespace(namespace), a_setting(rng))
        }
    }
}

fn form(rng: &mut StdRng) -> Form {
    match rng.random_range(0..10) {
        0..5 => Form::Right(rng.random_range(0..WAYS)),
        5..9 => Form::Wrong(rng.random_range(0..WAYS)),
        _ => Form::Gone,
    }
}
