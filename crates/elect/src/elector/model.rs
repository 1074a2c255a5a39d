//! What only the model check needs.

use std::time::Duration;

use super::Elector;
use crate::moment::Moment;
use crate::mutant::Mutant;
use crate::record::Record;

impl Elector {
    pub(super) fn opens_by_mistake(&self, record: &Record) -> bool {
        let released = record.released.as_ref();
        (self.broken(Mutant::EmptyHolderIsReleased) && record.holder.is_nobody())
            || (self.broken(Mutant::SamePodShortcut)
                && record.holder.pod_and_uid() == self.me.holder.pod_and_uid())
            || (self.broken(Mutant::ReleaseOfAnotherObject)
                && released.is_some_and(|release| release.epoch == record.epoch))
    }

    /// The same process with a mistake in it.
    #[must_use]
    pub fn mutated(self, mutant: Option<Mutant>) -> Self {
        Self { mutant, ..self }
    }

    /// Moves the process's clock on to `now` by moving everything it remembers
    /// back; what is past makes no difference by how long it is past.
    pub fn rebase(&mut self, by: Duration, now: Moment) {
        let past = |moment: Moment| if moment <= now { Moment::default() } else { moment };
        for moment in [&mut self.next_read, &mut self.next_write, &mut self.last_read, &mut self.give_up] {
            *moment = past(moment.rebased(by));
        }
        if let Some(seen) = &mut self.seen {
            seen.since = seen.since.rebased(by);
            if now.since(seen.since) >= self.timing.lease() {
                seen.since = Moment::default();
            }
        }
        if let Some(sent) = &mut self.in_flight {
            sent.sent = sent.sent.rebased(by);
            if now.since(sent.sent) >= self.timing.renew() {
                sent.sent = Moment::default();
            }
        }
        self.permit = self.permit.map(|permit| permit.rebased(by));
        self.fitness.rebase(by);
    }
}
