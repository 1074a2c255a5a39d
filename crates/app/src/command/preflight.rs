//! `ako preflight`.

use std::process::ExitCode;

use ako_core::Program;
use ako_engine::{Action, DryRun};
use serde_json::json;

use super::dry_run::{as_json, text};
use super::{Format, plan, stdout};
use crate::check::{Outcome, Place, Report, check_before};
use crate::cluster::Cluster;

/// Exit code where nothing fails, and something has to be looked at first.
const LOOK_FIRST: u8 = 3;

/// Arguments of `ako preflight`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    cluster: Cluster,
    /// The ServiceAccount of the operator.
    #[arg(long, default_value = "ako-sa")]
    service_account: String,
    /// How to print.
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let place = Place {
        program: Program::Operator,
        cluster: arguments.cluster.clone(),
        account: Some(arguments.service_account.clone()),
        pod: String::new(),
        port: 0,
        is_here: false,
    };
    let report = check_before(&place).await;
    let is_text = arguments.output == Format::Text;
    if is_text {
        stdout::print(&report.text())?;
    }
    if report.outcome() == Outcome::Failed {
        if is_text {
            stdout::line(
                "\nNot ready: what would be written is found out when the checks with \u{2718} are in order.",
            )?;
        } else {
            stdout::json(&json!({"checks": report.checks, "plan": null}))?;
        }
        return Ok(ExitCode::FAILURE);
    }
    let (run, name_taken) = plan::rehearse(&arguments.cluster, Program::Operator).await?;
    let doubts = doubts(&report, &run, name_taken);
    if is_text {
        stdout::line(&format!("\nWhat the first leader would write:\n{}", text(&run)))?;
        for doubt in &doubts {
            stdout::line(&format!("! {doubt}"))?;
        }
        stdout::line(if doubts.is_empty() { "Ready." } else { "Look at these first." })?;
    } else {
        let mut plan = as_json(&run);
        plan["doubts"] = json!(doubts);
        stdout::json(&json!({"checks": report.checks, "plan": plan}))?;
    }
    Ok(if doubts.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(LOOK_FIRST) })
}

/// What has to be looked at before a takeover, in sentences.
fn doubts(report: &Report, run: &DryRun, name_taken: Option<String>) -> Vec<String> {
    let mut doubts: Vec<String> = name_taken.into_iter().collect();
    let warned = report.checks.iter().filter(|check| check.outcome == Outcome::Warning);
    let names: Vec<_> = warned.map(|check| check.about.name()).collect();
    if !names.is_empty() {
        doubts.push(format!("not in order: {}", names.join(", ")));
    }
    let deletions = run.writes.iter().filter(|planned| matches!(planned.action, Action::Delete)).count();
    if deletions > 0 {
        doubts.push(format!(
            "{deletions} objects would be deleted: AKO left them behind, or this operator does not serve what they are for"
        ));
    }
    if let Some(held) = &run.held {
        doubts.push(format!("the deletion guard would hold {} deletions and losses", held.count));
    }
    if run.barred.is_some() || !run.conflicts.is_empty() {
        doubts.push("other instances of this cluster claim the same".to_owned());
    }
    doubts
}

#[cfg(test)]
mod tests {
    use ako_avi_types::{Kind, ObjectKey};
    use ako_engine::Planned;

    use super::*;
    use crate::check::About;

    #[test]
    fn what_speaks_against_a_takeover_is_named() {
        let planned = |action| Planned {
            key: ObjectKey::new(Kind::Pool, "admin", "c1--p"),
            action,
            reason: String::new(),
        };
        let mut report = Report::default();
        report.ok(About::Login, "it works");
        let mut run = DryRun { writes: vec![planned(Action::Create)], ..DryRun::default() };
        assert_eq!(doubts(&report, &run, None), Vec::<String>::new());
        run.writes.push(planned(Action::Delete));
        report.warning(About::Tls, "it is not verified", "");
        let found = doubts(&report, &run, Some("the name is taken".to_owned()));
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found[0].contains("taken")
                && found[1].contains("not in order: TLS")
                && found[2].contains("1 objects")
        );
    }
}
