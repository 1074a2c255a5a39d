//! What every happening does, and what has to hold.

use ako_elect::{Event, Mutant, Timing};
use stateright::{Model, Property};

use crate::happening::{Happening, happenings};
use crate::process::{Call, TICK};
use crate::view::Cluster;
use crate::world::{Faults, World};

/// L1 of the protocol.
pub(crate) const ONE_LEADER: &str = "L1: one valid permit at most";
/// L2 of the protocol.
pub(crate) const NO_SUPERSEDED_WRITE: &str = "L2: no write after another's permit";
/// L3 and L4 of the protocol.
pub(crate) const RECOVERS: &str = "L3, L4: a leader and a repaired controller in time";
/// L5 of the protocol.
pub(crate) const NO_STALE_DELETION: &str = "L5: no deletion on a stale view";

/// One configuration to check.
#[derive(Clone, Debug)]
pub(crate) struct Check {
    pub(crate) processes: usize,
    pub(crate) timing: Timing,
    pub(crate) faults: Faults,
    /// The highest epoch that is looked at.
    pub(crate) epochs: u64,
    /// From every state: if nothing goes wrong any more, does it recover?
    pub(crate) recovery: bool,
    /// How many sources decide about a deletion. With none there are other
    /// writes instead.
    pub(crate) sources: usize,
    pub(crate) mutant: Option<Mutant>,
}

impl Check {
    fn happen(&self, world: &mut World, happening: Happening) {
        match happening {
            Happening::Pass => world.pass(),
            Happening::Drift(index) => {
                world.faults.drifts -= 1;
                world.pass_for(index);
            }
            Happening::Late(index) => {
                let request = world.late.remove(index);
                world.execute(request, self.mutant);
            }
            Happening::CommitOrphan(index) => {
                let (writer, _) = world.orphans.remove(index);
                world.commit(writer + world.processes.len());
            }
            Happening::CommitZombie => {
                world.zombies -= 1;
                world.damaged = true;
            }
            Happening::Observe(_) => world.damaged = false,
            Happening::Start(index, new_pod) => {
                world.faults.starts -= u8::from(world.nonces[index] > 0);
                world.start(index, new_pod, self.timing, self.mutant);
            }
            Happening::Crash(index) => {
                world.faults.crashes -= 1;
                world.crash(index);
            }
            Happening::Stop(index) => {
                world.faults.stops -= 1;
                world.tell(index, &Event::StopRequested);
            }
            Happening::Delete => {
                world.delete();
                world.faults.deletions -= 1;
            }
            Happening::Edit(nonsense) => {
                world.faults.edits -= 1;
                world.edit(nonsense);
            }
            Happening::Restore => {
                world.faults.restores -= 1;
                if let Some(record) = world.backup.take() {
                    world.put(record);
                }
            }
            Happening::Outage | Happening::OutageOver => {
                world.faults.outages -= u8::from(!world.outage);
                world.outage = !world.outage;
            }
            Happening::Lose(index) => {
                world.faults.losses -= u8::from(!world.outage);
                world.lose(index);
                world.bury(index);
            }
            Happening::Change(source) => {
                world.faults.changes -= 1;
                world.cluster.iter_mut().for_each(|cluster| cluster.change(source));
            }
            Happening::Settle(reversed) => self.settle(world, reversed),
            Happening::View(step) => world.step(step, self.mutant),
            Happening::Send(index) => world.send_write(index, self.mutant),
            _ => self.happen_to(world, happening),
        }
    }

    /// What concerns one process that runs.
    fn happen_to(&self, world: &mut World, happening: Happening) {
        let (Happening::Serve(index)
        | Happening::Answer(index)
        | Happening::Commit(index)
        | Happening::End(index)
        | Happening::Pause(index)
        | Happening::Resume(index)) = happening
        else {
            return;
        };
        let Some(mut process) = world.processes[index].take() else { return };
        match happening {
            Happening::Serve(_) => {
                // The versions it knows are in use while the server looks for
                // a new one.
                world.processes[index] = Some(process.clone());
                if let Some(Call::Sent(request)) = process.call.take() {
                    process.call = Some(world.execute(request, self.mutant));
                }
            }
            Happening::Answer(_) => process.take_answer(),
            Happening::End(_) => process.end_write(),
            Happening::Pause(_) => {
                world.faults.pauses -= 1;
                process.paused = true;
            }
            Happening::Resume(_) => {
                process.paused = false;
                process.wake(false);
            }
            _ => {
                if let Some(write) = &mut process.write {
                    write.committed = true;
                }
                world.commit(index);
            }
        }
        world.processes[index] = Some(process);
        world.bury(index);
    }

    /// Whether a leader appears, and what zombies did is repaired, within
    /// leaseDuration and two retryPeriods after everything works again.
    fn recovers(&self, world: &World) -> bool {
        let mut world = world.clone();
        world.faults = Faults::default();
        world.outage = false;
        world.late.clear();
        world.orphans.clear();
        // Whatever was on its way arrives.
        world.damaged |= world.zombies > 0;
        for index in 0..world.processes.len() {
            if world.processes[index].is_none() {
                world.start(index, false, self.timing, self.mutant);
            }
            self.happen(&mut world, Happening::Resume(index));
        }
        let units = (self.timing.lease() + self.timing.retry() * 2).as_millis() / TICK.as_millis();
        for _ in 0..=units {
            self.settle(&mut world, false);
            let leader = world.leaders().next();
            if let Some(leader) = leader {
                self.happen(&mut world, Happening::Observe(leader));
                return !world.damaged;
            }
            world.pass();
        }
        false
    }

    /// Everything is answered at once.
    fn settle(&self, world: &mut World, reversed: bool) {
        let count = world.processes.len();
        for turn in 0..8 * count {
            let index = if reversed { count - 1 - turn % count } else { turn % count };
            for happening in [Happening::Serve(index), Happening::Answer(index), Happening::End(index)] {
                let Some(process) = world.processes[index].as_ref().filter(|process| !process.paused) else {
                    break;
                };
                let is_sent = matches!(process.call, Some(Call::Sent(_)));
                if is_sent || !matches!(happening, Happening::Serve(_)) {
                    self.happen(world, happening);
                }
            }
        }
    }
}

impl Model for Check {
    type State = World;
    type Action = Happening;

    fn init_states(&self) -> Vec<World> {
        let world = World::new(self.processes, self.faults);
        if self.sources == 0 {
            return vec![world];
        }
        let judged = |index| World { cluster: Some(Cluster::new(index, self.sources)), ..world.clone() };
        (0..self.processes).map(judged).collect()
    }

    fn actions(&self, world: &World, out: &mut Vec<Happening>) {
        happenings(world, self.mutant, out);
    }

    fn next_state(&self, world: &World, happening: Happening) -> Option<World> {
        let mut next = world.clone();
        self.happen(&mut next, happening);
        Some(next)
    }

    fn within_boundary(&self, world: &World) -> bool {
        world.record.as_ref().is_none_or(|stored| stored.record.epoch.number() <= self.epochs)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(ONE_LEADER, |_, world: &World| world.leaders().count() <= 1),
            Property::always(NO_SUPERSEDED_WRITE, |_, world: &World| !world.superseded),
            Property::sometimes("a leader", |_, world: &World| world.leaders().next().is_some()),
        ];
        if self.epochs > 1 {
            properties.push(Property::sometimes("a second leadership", |_, world: &World| {
                let second = world.record.as_ref().is_some_and(|stored| stored.record.epoch.number() == 2);
                second && world.leaders().next().is_some()
            }));
        }
        if self.sources > 0 {
            properties
                .push(Property::always(NO_STALE_DELETION, |_, world: &World| !world.has_stale_deletion()));
            properties.push(Property::sometimes("a deletion after a change", |_, world: &World| {
                world.deletion().is_some_and(|deletion| deletion.versions.iter().all(|version| *version > 0))
            }));
        }
        if self.recovery {
            properties.push(Property::always(RECOVERS, |check: &Check, world| check.recovers(world)));
        }
        properties
    }
}
