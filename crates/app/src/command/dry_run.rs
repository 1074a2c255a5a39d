//! A dry run, for people and for scripts.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use ako_avi_types::FieldChange;
use ako_engine::{Action, DryRun, Pending, Planned};
use serde_json::{Value, json};

use super::status::not_done;
use crate::admin::state::{departure, held, unproven};

/// The most objects that are named because they are not as they are wanted.
const SHOWN: usize = 50;

/// For people: the changes, and then what is not changed, and why.
pub(super) fn text(run: &DryRun) -> String {
    let mut out = String::new();
    if run.writes.is_empty() {
        out.push_str("no changes\n");
    } else {
        run.writes.iter().for_each(|planned| _ = writeln!(out, "{planned}"));
        let count = |wanted: fn(&Action) -> bool| run.writes.iter().filter(|w| wanted(&w.action)).count();
        let _ = writeln!(
            out,
            "\n{} to create, {} to update, {} to delete",
            count(|action| matches!(action, Action::Create)),
            count(|action| matches!(action, Action::Update(_))),
            count(|action| matches!(action, Action::Delete)),
        );
    }
    if let Some((by, contest)) = &run.barred {
        let _ = writeln!(
            out,
            "\nBARRED: this instance writes nothing, because of the instance in {by}: {}",
            contest.as_str()
        );
    }
    run.conflicts.iter().for_each(|conflict| _ = writeln!(out, "\nCONFLICT: {conflict}"));
    // What is held is moot where nothing is written at all.
    if run.barred.is_none() {
        not_done(&as_json(run), &mut out);
        still_pending(run, &mut out);
    }
    out
}

/// What is not as it is wanted in the end, but for what was told to be held.
fn still_pending(run: &DryRun, out: &mut String) {
    let held: BTreeSet<_> = run.held.iter().flat_map(|held| &held.examples).collect();
    let others: Vec<_> = run.pending.iter().filter(|pending| !held.contains(&pending.key)).collect();
    if others.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nNOT DONE: these objects are not as they are wanted:");
    for Pending { key, state, .. } in others.iter().take(SHOWN) {
        let _ = writeln!(out, "  {key} ({state})");
    }
    if others.len() > SHOWN {
        let _ = writeln!(out, "  and {} more", others.len() - SHOWN);
    }
}

/// For scripts. What is not changed is called as it is in `ako status`.
pub(super) fn as_json(run: &DryRun) -> Value {
    let barred = run.barred.as_ref();
    json!({
        "changes": run.writes.iter().map(planned).collect::<Vec<_>>(),
        "barred": barred.map(|(by, contest)| json!({"by": by, "contest": contest.as_str()})),
        "conflicts": run.conflicts.iter().map(|conflict| json!({
            "contest": conflict.contest.as_str(),
            "with": conflict.with,
            "namespaces": conflict.namespaces,
            "message": conflict.message,
        })).collect::<Vec<_>>(),
        "held": run.held.as_ref().map(held),
        "unproven": run.unproven.as_ref().map(unproven),
        "awaited": run.awaited,
        "handed_over": run.departures.iter().map(departure).collect::<Vec<_>>(),
        "pending": run.pending.iter().map(|pending| json!({
            "object": pending.key.to_string(),
            "state": pending.state,
            "reason": pending.reason,
        })).collect::<Vec<_>>(),
    })
}

fn planned(planned: &Planned) -> Value {
    let (action, fields) = match &planned.action {
        Action::Create => ("create", Vec::new()),
        Action::Delete => ("delete", Vec::new()),
        Action::Update(changes) => {
            let field = |c: &FieldChange| json!({"path": c.path, "from": c.observed, "to": c.wanted});
            ("update", changes.iter().map(field).collect())
        }
    };
    json!({
        "action": action,
        "kind": planned.key.kind.segment(),
        "tenant": planned.key.tenant,
        "name": planned.key.name,
        "fields": fields,
        "reason": planned.reason,
    })
}

#[cfg(test)]
mod tests {
    use ako_avi_types::{Kind, ObjectKey};
    use ako_core::{Conflict, Contest};
    use ako_elect::Moment;
    use ako_engine::Held;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(Kind::Pool, "admin", name)
    }

    fn pending(name: &str, state: &str) -> Pending {
        Pending {
            key: key(name),
            state: state.to_owned(),
            since: Moment::default(),
            failure: None,
            refused: false,
            reason: None,
        }
    }

    fn nothing() -> DryRun {
        DryRun {
            writes: Vec::new(),
            barred: None,
            conflicts: Vec::new(),
            held: None,
            unproven: None,
            awaited: Vec::new(),
            departures: Vec::new(),
            pending: Vec::new(),
            unanswered: BTreeSet::new(),
            is_complete: true,
        }
    }

    #[test]
    fn nothing_to_do_is_one_line() {
        assert_eq!(text(&nothing()), "no changes\n");
        assert_eq!(as_json(&nothing())["changes"], json!([]));
    }

    #[test]
    fn what_is_held_is_told_after_the_changes_and_named_once() {
        let change = FieldChange { path: "f".into(), observed: None, wanted: Some("1".into()) };
        let action = Action::Update(vec![change]);
        let run = DryRun {
            writes: vec![Planned { key: key("new"), action, reason: "ingress red/a".into() }],
            held: Some(Held { count: 1, of: 3, examples: vec![key("old")], digest: "ab12".into() }),
            pending: vec![pending("old", "held by the deletion guard"), pending("late", "queued")],
            awaited: vec!["red".into()],
            departures: vec![("pink".into(), "blue".into())],
            ..nothing()
        };
        let shown = text(&run);
        for part in [
            "~ update pool admin/new  (ingress red/a)\n    f: (absent) -> 1\n",
            "\n0 to create, 1 to update, 0 to delete\n\nHELD: 1 deletions and losses of 3 observed objects",
            "\nWAITING: namespace red is not served by this instance yet",
            "\nWAITING: namespace pink for the instance in blue to take it over",
            "\nNOT DONE: these objects are not as they are wanted:\n  pool admin/late (queued)\n",
        ] {
            assert!(shown.contains(part), "{part:?} in {shown}");
        }
        assert_eq!(shown.matches("pool admin/old").count(), 1, "{shown}");
        let json = as_json(&run);
        assert_eq!(json["changes"][0]["fields"][0], json!({"path": "f", "from": null, "to": "1"}));
        assert_eq!(
            (&json["held"]["digest"], &json["handed_over"][0]["to"]),
            (&json!("ab12"), &json!("blue"))
        );
    }

    #[test]
    fn who_is_barred_is_told_why_and_nothing_else() {
        let conflict = Conflict {
            contest: Contest::Owner,
            with: "avi-system".into(),
            refused: true,
            namespaces: Vec::new(),
            message: "the way out".into(),
        };
        let run = DryRun {
            barred: Some(("avi-system".into(), Contest::Owner)),
            conflicts: vec![conflict],
            held: Some(Held { count: 1, of: 3, examples: vec![key("old")], digest: "ab12".into() }),
            pending: vec![pending("old", "queued")],
            ..nothing()
        };
        let shown = "no changes\n\nBARRED: this instance writes nothing, because of the instance in avi-system: \
                     SameOwner\n\nCONFLICT: SameOwner: the way out\n";
        assert_eq!(text(&run), shown);
        assert_eq!(as_json(&run)["barred"], json!({"by": "avi-system", "contest": "SameOwner"}));
    }
}
