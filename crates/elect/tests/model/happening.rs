//! What may happen in each state.

use ako_elect::Mutant;

use crate::process::{Call, Process};
use crate::view::Step;
use crate::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Happening {
    Pass,
    Serve(usize),
    Answer(usize),
    /// Everybody is answered at once, beginning with the last process or the
    /// first.
    Settle(bool),
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
    Change(usize),
    View(Step),
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
        None if world.cluster.is_none() && process.permitted().is_some() && !process.draining => {
            out.push(Happening::Send(index));
        }
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
    if let Some(cluster) = world.cluster.as_ref().filter(|_| faults.changes > 0) {
        out.extend((0..cluster.sources()).map(Happening::Change));
    }
}

/// What may happen at all.
pub(crate) fn happenings(world: &World, mutant: Option<Mutant>, out: &mut Vec<Happening>) {
    let waits = world.is_waiting();
    // In which order requests are answered within one unit of time makes no
    // difference to a view, except for who leads.
    if world.cluster.is_some() && waits && world.faults.delays == 0 {
        out.extend([Happening::Settle(false), Happening::Settle(true)]);
        return;
    }
    if world.faults.delays > 0 || !waits {
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
    out.extend(world.steps(mutant).into_iter().map(Happening::View));
}
