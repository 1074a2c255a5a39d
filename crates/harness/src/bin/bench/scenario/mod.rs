//! What is measured.

mod change;
mod handover;
mod instances;
mod live;
mod moves;
mod nodes;
mod profiles;
mod restart;
mod start;
pub(crate) mod translate;

use crate::Arguments;
use crate::report::{Figure, Report};
use crate::stage::Stage;
use crate::translation::Mode;
use crate::world::World;

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Scenario {
    /// Full translation, without anything around it
    Translate,
    /// 300 Ingresses are created while 300 are there
    #[value(name = "live-300")]
    Live300,
    /// The operator starts on a cluster and an empty controller (SNI)
    StartSni,
    /// One EndpointSlice changes, many times
    EndpointChange,
    /// One HostRule changes, many times, where a fifth of the Ingresses has one (EVH)
    RuleChange,
    /// The operator starts again, and nothing changed
    Restart,
    /// The operator starts on a cluster and an empty controller (EVH)
    StartEvh,
    /// The leadership is handed over, many times
    Handover,
    /// The leader is killed, with both timings of the election
    Crash,
    /// A standby takes everything over, and nothing changed
    Takeover,
    /// Ten instances share a cluster and a controller
    Instances,
    /// A namespace of 100 Ingresses goes from one instance to another and back
    Moves,
    /// 5,000 Nodes are created while the operator writes static routes
    Nodes,
    /// The CRD operator starts on 1,000 custom resources and an empty controller
    CrdOperator,
}

impl Scenario {
    /// In the order in which they run: the cluster only grows, and what one
    /// leaves behind is the next one's start.
    pub(crate) const ALL: [Self; 14] = [
        Self::Translate,
        Self::Nodes,
        Self::CrdOperator,
        Self::Instances,
        Self::Moves,
        Self::RuleChange,
        Self::Live300,
        Self::StartSni,
        Self::EndpointChange,
        Self::Restart,
        Self::StartEvh,
        Self::Takeover,
        Self::Handover,
        Self::Crash,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Translate => "translate",
            Self::Live300 => "live-300",
            Self::StartSni => "start-sni",
            Self::EndpointChange => "endpoint-change",
            Self::RuleChange => "rule-change",
            Self::Restart => "restart",
            Self::StartEvh => "start-evh",
            Self::Handover => "handover",
            Self::Crash => "crash",
            Self::Takeover => "takeover",
            Self::Instances => "instances",
            Self::Moves => "moves",
            Self::Nodes => "nodes",
            Self::CrdOperator => "crd-operator",
        }
    }

    /// Whether it needs a cluster that no other scenario sees: what it creates
    /// would be the others' work, too.
    fn is_apart(self) -> bool {
        matches!(self, Self::Instances | Self::Moves | Self::Nodes | Self::RuleChange | Self::CrdOperator)
    }
}

/// Runs scenarios that need a cluster.
pub(crate) async fn run_live(
    scenarios: &[Scenario],
    arguments: &Arguments,
    report: &mut Report,
) -> anyhow::Result<()> {
    run_apart(scenarios, arguments, report).await;
    if scenarios.iter().all(|scenario| scenario.is_apart()) {
        return Ok(());
    }
    let mut stage = Stage::new().await?;
    let mut sizes = arguments.sizes.clone();
    if scenarios.contains(&Scenario::Live300) {
        let name = Scenario::Live300.name();
        report.scenario(name, 2 * live::NUMBER, live::run(&mut stage, arguments).await);
        sizes.retain(|size| *size >= 2 * live::NUMBER);
    }
    for size in sizes {
        let mut runs = Runs { stage: &mut stage, arguments, size, world: None };
        for scenario in scenarios.iter().filter(|s| **s != Scenario::Live300 && !s.is_apart()) {
            report.scenario(scenario.name(), size, runs.run(*scenario).await);
        }
    }
    Ok(())
}

/// Runs scenarios that have a cluster of their own.
async fn run_apart(scenarios: &[Scenario], arguments: &Arguments, report: &mut Report) {
    if scenarios.contains(&Scenario::Nodes) {
        report.scenario(Scenario::Nodes.name(), 0, nodes::run(arguments).await);
    }
    if scenarios.contains(&Scenario::CrdOperator) {
        report.scenario(Scenario::CrdOperator.name(), 0, profiles::run(arguments).await);
    }
    if scenarios.contains(&Scenario::Moves) {
        report.scenario(Scenario::Moves.name(), moves::SIZE, moves::run(arguments).await);
    }
    if scenarios.contains(&Scenario::RuleChange) {
        for size in &arguments.sizes {
            report.scenario(Scenario::RuleChange.name(), *size, change::of_rules(*size, arguments).await);
        }
    }
    if scenarios.contains(&Scenario::Instances) {
        for size in &arguments.sizes {
            report.scenario(Scenario::Instances.name(), *size, instances::run(*size, arguments).await);
        }
    }
}

/// The scenarios at one size.
struct Runs<'a> {
    stage: &'a mut Stage,
    arguments: &'a Arguments,
    size: usize,
    /// What the last scenario left: an operator (SNI) at rest.
    world: Option<World>,
}

impl Runs<'_> {
    async fn run(&mut self, scenario: Scenario) -> anyhow::Result<Vec<Figure>> {
        match scenario {
            Scenario::StartSni => self.start(Mode::Sni).await,
            Scenario::StartEvh => self.start(Mode::Evh).await,
            Scenario::EndpointChange => {
                let world = self.at_rest().await?;
                let figures = change::run(self.stage, &world, self.size, self.arguments.changes).await;
                self.world = Some(world);
                figures
            }
            Scenario::Restart => {
                let mut world = self.at_rest().await?;
                let figures = restart::run(self.stage, &mut world, self.size).await;
                world.keep_log(self.arguments.logs.as_deref(), &format!("restart-{}", self.size))?;
                self.world = Some(world);
                figures
            }
            Scenario::Handover | Scenario::Crash | Scenario::Takeover => {
                self.world = None;
                self.stage.prepare(self.size).await?;
                match scenario {
                    Scenario::Handover => {
                        handover::graceful(self.stage, self.size, self.arguments.handovers).await
                    }
                    Scenario::Crash => handover::crash(self.stage, self.size).await,
                    _ => handover::takeover(self.stage, self.size).await,
                }
            }
            Scenario::Translate
            | Scenario::Live300
            | Scenario::Instances
            | Scenario::Moves
            | Scenario::RuleChange
            | Scenario::CrdOperator
            | Scenario::Nodes => Ok(Vec::new()),
        }
    }

    async fn start(&mut self, mode: Mode) -> anyhow::Result<Vec<Figure>> {
        self.world = None;
        self.stage.prepare(self.size).await?;
        let mut world = World::start(self.stage, mode).await?;
        let figures = start::run(self.stage, &mut world, self.size).await;
        let name = format!("start-{mode:?}-{}", self.size).to_lowercase();
        world.keep_log(self.arguments.logs.as_deref(), &name)?;
        if mode == Mode::Sni && figures.is_ok() {
            self.world = Some(world);
        }
        figures
    }

    /// The operator that the last scenario left, or a new one.
    async fn at_rest(&mut self) -> anyhow::Result<World> {
        if let Some(world) = self.world.take() {
            return Ok(world);
        }
        self.stage.prepare(self.size).await?;
        let mut world = World::start(self.stage, Mode::Sni).await?;
        world.settled(self.stage, self.size).await?;
        Ok(world)
    }
}
