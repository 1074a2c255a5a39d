//! Figures, their targets, and how they are shown.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// What a figure should be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// It is only told.
    None,
    /// A time or a size: a miss is told.
    Below(f64),
    /// A count: a miss is an error.
    AtMost(f64),
    /// A count: anything else is an error.
    Exactly(f64),
}

/// One measured value.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) target: Target,
}

impl Figure {
    /// A figure that is only told.
    pub(crate) fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit, target: Target::None }
    }

    /// A time.
    pub(crate) fn seconds(name: &'static str, value: f64) -> Self {
        Self::new(name, value, "s")
    }

    /// A number of things.
    pub(crate) fn count(name: &'static str, value: u64) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        Self::new(name, value as f64, "")
    }

    pub(crate) fn target(self, target: Target) -> Self {
        Self { target, ..self }
    }

    /// A target that only holds under a condition.
    pub(crate) fn below_if(self, condition: bool, limit: f64) -> Self {
        if condition { self.target(Target::Below(limit)) } else { self }
    }

    fn is_met(&self) -> bool {
        match self.target {
            Target::None => true,
            Target::Below(limit) => self.value < limit,
            Target::AtMost(limit) => self.value <= limit,
            Target::Exactly(wanted) => (self.value - wanted).abs() < 1e-9,
        }
    }

    fn is_wrong(&self) -> bool {
        matches!(self.target, Target::AtMost(_) | Target::Exactly(_)) && !self.is_met()
    }

    fn verdict(&self) -> &'static str {
        match (self.target, self.is_met()) {
            (Target::None, _) => "",
            (_, true) => "met",
            (Target::Below(_), false) => "missed",
            (_, false) => "WRONG",
        }
    }

    fn shown(&self, value: f64) -> String {
        let number = if value.fract().abs() < 1e-9 { format!("{value:.0}") } else { format!("{value:.2}") };
        if self.unit.is_empty() { number } else { format!("{number} {}", self.unit) }
    }

    fn shown_target(&self) -> String {
        match self.target {
            Target::None => String::new(),
            Target::Below(limit) => format!("< {}", self.shown(limit)),
            Target::AtMost(limit) => format!("≤ {}", self.shown(limit)),
            Target::Exactly(wanted) => self.shown(wanted),
        }
    }
}

/// How one scenario went at one size.
#[derive(Debug)]
struct Entry {
    scenario: &'static str,
    size: usize,
    outcome: Result<Vec<Figure>, String>,
}

/// How all scenarios went.
#[derive(Debug, Default)]
pub(crate) struct Report {
    entries: Vec<Entry>,
}

impl Report {
    /// Takes the outcome of a scenario, and shows it at once.
    pub(crate) fn scenario(
        &mut self,
        scenario: &'static str,
        size: usize,
        outcome: anyhow::Result<Vec<Figure>>,
    ) {
        println!("\n{scenario}, {size} Ingresses");
        match &outcome {
            Ok(figures) => {
                for figure in figures {
                    let (value, target) = (figure.shown(figure.value), figure.shown_target());
                    println!("  {:<42} {value:>12}  {target:>10}  {}", figure.name, figure.verdict());
                }
            }
            Err(error) => println!("  could not run: {error:#}"),
        }
        let outcome = outcome.map_err(|error| format!("{error:#}"));
        self.entries.push(Entry { scenario, size, outcome });
    }

    /// Whether everything ran, and all counts are right.
    pub(crate) fn is_right(&self) -> bool {
        self.entries
            .iter()
            .all(|entry| entry.outcome.as_ref().is_ok_and(|figures| !figures.iter().any(Figure::is_wrong)))
    }

    /// The table.
    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(
            "| Scenario | Ingresses | Figure | Measured | Target | Verdict |\n|---|---:|---|---:|---:|---|\n",
        );
        for Entry { scenario, size, outcome } in &self.entries {
            match outcome {
                Ok(figures) => {
                    for figure in figures {
                        let (value, target) = (figure.shown(figure.value), figure.shown_target());
                        let (name, verdict) = (figure.name, figure.verdict());
                        let _ = writeln!(
                            text,
                            "| `{scenario}` | {size} | {name} | {value} | {target} | {verdict} |"
                        );
                    }
                }
                Err(error) => {
                    let error = error.lines().next().unwrap_or_default();
                    let _ = writeln!(text, "| `{scenario}` | {size} | could not run: {error} | | | WRONG |");
                }
            }
        }
        text
    }

    /// All figures.
    pub(crate) fn json(&self) -> Value {
        let figure = |f: &Figure| {
            json!({
                "name": f.name, "value": f.value, "unit": f.unit,
                "target": f.shown_target(), "verdict": f.verdict(),
            })
        };
        let entry = |e: &Entry| match &e.outcome {
            Ok(figures) => json!({
                "scenario": e.scenario, "size": e.size,
                "figures": figures.iter().map(figure).collect::<Vec<_>>(),
            }),
            Err(error) => json!({"scenario": e.scenario, "size": e.size, "error": error}),
        };
        json!({"right": self.is_right(), "scenarios": self.entries.iter().map(entry).collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_time_is_told_and_a_wrong_count_is_an_error() {
        let mut report = Report::default();
        let slow = Figure::seconds("programmed", 4.5).target(Target::Below(4.0));
        report.scenario("start-sni", 10, Ok(vec![slow, Figure::count("reads", 7)]));
        assert!(report.is_right());
        assert!(report.markdown().contains("| programmed | 4.50 s | < 4 s | missed |"));
        report.scenario("restart", 10, Ok(vec![Figure::count("writes", 1).target(Target::Exactly(0.0))]));
        assert!(!report.is_right());
        assert_eq!(report.json()["scenarios"][1]["figures"][0]["verdict"], "WRONG");
    }

    #[test]
    fn what_could_not_run_is_an_error() {
        let mut report = Report::default();
        report.scenario("restart", 10, Err(anyhow::anyhow!("no etcd")));
        assert!(!report.is_right());
        assert!(report.markdown().contains("could not run: no etcd"));
    }
}
