//! What may happen, and what has to hold.

use ako_elect::{Event, Mutant, Timing};
use stateright::{Model, Property};

use crate::process::{Call, Process, TICK};
use crate::world::{Faults, World};

/// L1 of the protocol.
pub(crate) const ONE_LEADER: &str = "L1: one valid permit at most";
/// L2 of the protocol.
pub(crate) const NO_SUPERSEDED_WRITE: &str = "L2: no write after another's permit";
/// L3 and L4 of the protocol.
pub(crate) const RECOVERS: &str = "L3, L4: a leader and a repaired controller in time";

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
    pub(crate) mutant: Option<Mutant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Happening {
    Pass,
    Serve(usize),
    Answer(usize),
    Lose(usize),
    Late(usize),
    Send(usize),
    Commit(usize),
    End(usize),
    CommitOrphan(usize),
    CommitZombie,
    Observe(usize),
    Start(usize, bool),
    Crash(usize),
    Stop(usize),
    Pause(usize),
    Resume(usize),
    Drift(usize),
    Delete,
    Edit(bool),
    Restore,
    Outage,
    OutageOver,
}

/// What may happen to a process that runs.
fn happenings_of(world: &World, index: usize, process: &Process, out: &mut Vec<Happening>) {
    let faults = &world.faults;
    if faults.crashes > 0 {
        out.push(Happening::Crash(index));
    }
    if let Some(write) = process.write
        && !write.committed
    {
        out.push(Happening::Commit(index));
    }
    if let Some(Call::Sent(_)) = process.call
        && !world.outage
    {
        out.push(Happening::Serve(index));
    }
    if process.paused {
        out.push(Happening::Resume(index));
        return;
    }
    if let Some(Call::Read(_) | Call::Written(_)) = process.call {
        out.push(Happening::Answer(index));
    }
    if process.call.is_some() && (faults.losses > 0 || world.outage) {
        out.push(Happening::Lose(index));
    }
    match process.write {
        Some(_) => out.push(Happening::End(index)),
        None if process.permitted().is_some() && !process.draining => out.push(Happening::Send(index)),
        None => {}
    }
    if world.damaged && process.permitted().is_some() {
        out.push(Happening::Observe(index));
    }
    if faults.pauses > 0 {
        out.push(Happening::Pause(index));
    }
    if faults.stops > 0 {
        out.push(Happening::Stop(index));
    }
    if faults.drifts > 0 {
        out.push(Happening::Drift(index));
    }
}

/// What may happen to everything else.
fn happenings_outside(world: &World, out: &mut Vec<Happening>) {
    let faults = &world.faults;
    out.extend((0..world.late.len()).map(Happening::Late));
    out.extend((0..world.orphans.len()).map(Happening::CommitOrphan));
    if world.zombies > 0 {
        out.push(Happening::CommitZombie);
    }
    if world.record.is_some() {
        if faults.deletions > 0 {
            out.push(Happening::Delete);
        }
        if faults.edits > 0 {
            out.extend([Happening::Edit(false), Happening::Edit(true)]);
        }
    } else if faults.restores > 0 && world.backup.is_some() {
        out.push(Happening::Restore);
    }
    if world.outage {
        out.push(Happening::OutageOver);
    } else if faults.outages > 0 {
        out.push(Happening::Outage);
    }
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
            self.settle(&mut world);
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
    fn settle(&self, world: &mut World) {
        for _ in 0..8 {
            for index in 0..world.processes.len() {
                for happening in [Happening::Serve(index), Happening::Answer(index), Happening::End(index)] {
                    let call = world.processes[index].as_ref().and_then(|process| process.call.as_ref());
                    let is_sent = matches!(call, Some(Call::Sent(_)));
                    if is_sent || !matches!(happening, Happening::Serve(_)) {
                        self.happen(world, happening);
                    }
                }
            }
        }
    }
}

impl Model for Check {
    type State = World;
    type Action = Happening;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.processes, self.faults)]
    }

    fn actions(&self, world: &World, out: &mut Vec<Happening>) {
        if world.faults.delays > 0 || !world.is_waiting() {
            out.push(Happening::Pass);
        }
        for (index, process) in world.processes.iter().enumerate() {
            match process {
                Some(process) => happenings_of(world, index, process, out),
                // Processes start in order; it makes no difference otherwise.
                None if world.nonces[index] == 0 => {
                    let is_next = index == 0 || world.nonces[index - 1] > 0;
                    out.extend(is_next.then_some(Happening::Start(index, false)));
                }
                None if world.faults.starts > 0 => {
                    out.extend([Happening::Start(index, false), Happening::Start(index, true)]);
                }
                None => {}
            }
        }
        happenings_outside(world, out);
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
        if self.recovery {
            properties.push(Property::always(RECOVERS, |check: &Check, world| check.recovers(world)));
        }
        properties
    }
}
