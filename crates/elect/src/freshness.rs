//! Whether what a process knows of the cluster may be acted on to take something
//! away.
//!
//! The election decides who *may* write; it knows nothing of what the writer
//! *believes*. A watch can be silent for minutes while the record is renewed on
//! another connection, and a new leader that acts on caches of before its grant
//! deletes what it has never heard of. So each source of knowledge is proven,
//! again and again, to be as new as a moment: a read that went past every cache
//! began then, and what is known is at least as new as its answer.
//!
//! A deletion, or a change that takes something away, needs every source that
//! asks for it to be proven
//! - since the grant of this leadership: nothing of before decides, and
//! - within the bound: while it leads, silence ends the right as well.
//!
//! What is added needs no proof.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::moment::Moment;
use crate::mutant::Mutant;

/// What is proven of each source, and since when this process leads.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Freshness<S: Ord> {
    /// How long a proof counts.
    bound: Duration,
    granted: Option<Moment>,
    proven: BTreeMap<S, Moment>,
    /// The mistake that the model check asks for.
    mutant: Option<Mutant>,
}

impl<S: Ord> Freshness<S> {
    /// Nothing is proven, and this process does not lead.
    pub fn new(bound: Duration) -> Self {
        Self { bound, granted: None, proven: BTreeMap::new(), mutant: None }
    }

    /// How long a proof counts from now on.
    pub fn set_bound(&mut self, bound: Duration) {
        self.bound = bound;
    }

    /// This process leads since then, or does not any more.
    pub fn lead(&mut self, since: Option<Moment>) {
        self.granted = since;
    }

    /// What is known of a source is at least as new as the cluster was then.
    pub fn prove(&mut self, source: S, at: Moment) {
        let proven = self.proven.entry(source).or_insert(at);
        *proven = at.max(*proven);
    }

    /// A source is not what it was proven to be: it is to be proven anew.
    pub fn doubt(&mut self, source: &S) {
        self.proven.remove(source);
    }

    /// Until when something may be taken away that these sources ask for, if it
    /// may be now.
    pub fn until<'a>(&self, sources: impl IntoIterator<Item = &'a S>, now: Moment) -> Option<Moment>
    where
        S: 'a,
    {
        let mut until: Option<Moment> = None;
        for source in sources {
            let end = self.end(source, now)?;
            let newest = self.broken(Mutant::NewestProofDecides);
            until = Some(until.map_or(end, |until| if newest { until.max(end) } else { until.min(end) }));
        }
        until
    }

    /// Whether a source counts as it is known.
    pub fn is_proven(&self, source: &S, now: Moment) -> bool {
        self.end(source, now).is_some()
    }

    /// The moment that a source was last proven to be as new as.
    pub fn proven(&self, source: &S) -> Option<Moment> {
        self.proven.get(source).copied()
    }

    fn end(&self, source: &S, now: Moment) -> Option<Moment> {
        let granted = self.granted?;
        let is_since = |at: Moment| at >= granted || self.broken(Mutant::ProofOfBeforeTheGrant);
        let proven = self.proven(source).filter(|at| is_since(*at))?;
        let bound = if self.broken(Mutant::ProofThatDoesNotAge) { Duration::MAX } else { self.bound };
        Some(proven + bound).filter(|end| now < *end)
    }

    fn broken(&self, mutant: Mutant) -> bool {
        cfg!(feature = "model") && self.mutant == Some(mutant)
    }
}

/// What only the model check needs.
#[cfg(feature = "model")]
impl<S: Ord> Freshness<S> {
    /// The same with a mistake in it.
    #[must_use]
    pub fn mutated(self, mutant: Option<Mutant>) -> Self {
        Self { mutant, ..self }
    }

    /// Moves the process's clock on to `now` by moving every moment that is
    /// remembered back. Once the bound is over it makes no difference how long
    /// ago something was.
    pub fn rebase(&mut self, by: Duration, now: Moment) {
        for moment in self.granted.iter_mut().chain(self.proven.values_mut()) {
            *moment = moment.rebased(by);
            if now.since(*moment) >= self.bound {
                *moment = Moment::default();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(15);

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    fn leading(since: u64) -> Freshness<char> {
        let mut freshness = Freshness::new(BOUND);
        freshness.lead(Some(at(since)));
        freshness
    }

    #[test]
    fn what_was_known_before_the_grant_takes_nothing_away() {
        let mut freshness = leading(100);
        freshness.prove('a', at(99));
        assert_eq!(freshness.until(&['a'], at(100)), None);
        freshness.prove('a', at(100));
        assert_eq!(freshness.until(&['a'], at(101)), Some(at(115)));
        freshness.lead(Some(at(102)));
        assert_eq!(freshness.until(&['a'], at(102)), None);
    }

    #[test]
    fn silence_ends_the_right() {
        let mut freshness = leading(0);
        freshness.prove('a', at(10));
        assert_eq!(freshness.until(&['a'], at(24)), Some(at(25)));
        assert_eq!(freshness.until(&['a'], at(25)), None);
    }

    #[test]
    fn every_source_counts_and_the_oldest_proof_most() {
        let mut freshness = leading(0);
        freshness.prove('a', at(10));
        assert_eq!(freshness.until(&['a', 'b'], at(11)), None);
        freshness.prove('b', at(12));
        assert_eq!(freshness.until(&['a', 'b'], at(12)), Some(at(25)));
        assert_eq!(freshness.until(&['b'], at(12)), Some(at(27)));
        assert_eq!(freshness.until(&[], at(12)), None, "nothing asks for it");
        freshness.doubt(&'b');
        assert_eq!(freshness.until(&['a', 'b'], at(12)), None);
    }

    #[test]
    fn an_older_proof_that_comes_later_changes_nothing() {
        let mut freshness = leading(0);
        freshness.prove('a', at(10));
        freshness.prove('a', at(5));
        assert_eq!(freshness.proven(&'a'), Some(at(10)));
    }

    #[test]
    fn who_does_not_lead_takes_nothing_away() {
        let mut freshness = leading(0);
        freshness.prove('a', at(10));
        freshness.lead(None);
        assert_eq!(freshness.until(&['a'], at(10)), None);
    }
}
