//! How many calls run at a time.
//!
//! The controller is a shared system whose capacity we do not know. The limit
//! grows by one for every round of good answers and shrinks by a factor when
//! answers are refused, missing or slow (AIMD). Waiting is first come, first
//! served; writes go before reads, but never starve them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ako_avi_types::{ErrorClass, Failure};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::answer::unanswered;

/// The most calls that may wait; further ones fail with [`ErrorClass::Busy`].
pub const MAX_WAITING: usize = 32_768;
/// The limit at the start.
pub const START: usize = 16;
/// The limit never falls below this.
pub const MIN: usize = 1;

/// How many writes may pass waiting reads in a row.
const WRITES_IN_A_ROW: u32 = 8;
/// What the limit shrinks to when the controller refuses or does not answer.
const OVERLOAD_FACTOR: f64 = 0.5;
/// What the limit shrinks to when answers take long.
const SLOW_FACTOR: f64 = 0.9;
/// An answer is slow if it takes so many times the usual…
const SLOW_RATIO: f64 = 4.0;
/// …and longer than this: small times vary for many reasons.
const SLOW_FLOOR: Duration = Duration::from_secs(1);

/// Whether a call changes something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precedence {
    Write,
    Read,
}

/// How a call ended, as far as the controller's load shows in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Strain {
    /// An answer, whatever it says.
    Answered,
    /// 429, 503 or no answer in time.
    Overloaded,
    /// It tells nothing: not sent, cut short by us, connection lost.
    Silent,
}

/// The limit and who waits for it.
#[derive(Clone)]
pub(crate) struct Limiter {
    state: Arc<Mutex<State>>,
}

struct State {
    limit: f64,
    max: usize,
    in_flight: usize,
    writes: VecDeque<oneshot::Sender<Slot>>,
    reads: VecDeque<oneshot::Sender<Slot>>,
    writes_in_a_row: u32,
    /// Counts decreases: calls that began before the last one say nothing new.
    round: u64,
    usual_write: Usual,
    usual_read: Usual,
}

/// The usual time of an answer: follows shorter times fast and longer ones
/// slowly.
#[derive(Clone, Copy, Default)]
struct Usual(Option<f64>);

impl Usual {
    /// Takes a time in and says whether it was slow.
    fn is_slow(&mut self, took: Duration) -> bool {
        let seconds = took.as_secs_f64();
        let usual = self.0.unwrap_or(seconds);
        let weight = if seconds < usual { 0.5 } else { 1.0 / 64.0 };
        self.0 = Some(usual + (seconds - usual) * weight);
        took > SLOW_FLOOR && seconds > usual * SLOW_RATIO
    }
}

/// The right to run one call; released when dropped.
pub(crate) struct Slot {
    state: Arc<Mutex<State>>,
    precedence: Precedence,
    round: u64,
    since: Instant,
    strain: Strain,
}

impl Slot {
    /// Tells how the call ended.
    pub(crate) fn report(&mut self, strain: Strain) {
        self.strain = strain;
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.in_flight -= 1;
        state.learn(self.strain, self.precedence, self.round, self.since.elapsed());
        drop(state);
        admit(&self.state);
    }
}

impl Limiter {
    pub(crate) fn new(max: usize) -> Self {
        let max = max.max(MIN);
        #[allow(clippy::cast_precision_loss)] // a few dozen
        let limit = START.min(max) as f64;
        let state = State {
            limit,
            max,
            in_flight: 0,
            writes: VecDeque::new(),
            reads: VecDeque::new(),
            writes_in_a_row: 0,
            round: 0,
            usual_write: Usual::default(),
            usual_read: Usual::default(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Waits for the right to run one call.
    pub(crate) async fn acquire(&self, precedence: Precedence) -> Result<Slot, Failure> {
        let turn = {
            let mut state = lock(&self.state);
            if state.writes.len() + state.reads.len() >= MAX_WAITING {
                return Err(unanswered(ErrorClass::Busy, "too many calls wait for the controller"));
            }
            let (granted, turn) = oneshot::channel();
            match precedence {
                Precedence::Write => state.writes.push_back(granted),
                Precedence::Read => state.reads.push_back(granted),
            }
            turn
        };
        admit(&self.state);
        let closed = |_| unanswered(ErrorClass::Retry, "the client is being closed");
        let mut slot = turn.await.map_err(closed)?;
        slot.since = Instant::now();
        Ok(slot)
    }

    /// How many calls may run at a time now.
    pub(crate) fn limit(&self) -> usize {
        lock(&self.state).whole_limit()
    }

    /// How many calls wait.
    pub(crate) fn waiting(&self) -> usize {
        let state = lock(&self.state);
        let open = |queue: &VecDeque<oneshot::Sender<Slot>>| queue.iter().filter(|w| !w.is_closed()).count();
        open(&state.writes) + open(&state.reads)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets in who may go in. The slots are sent without the lock: one whose waiter
/// is gone comes back by being dropped.
fn admit(shared: &Arc<Mutex<State>>) {
    loop {
        let mut state = lock(shared);
        let Some((waiter, precedence)) = state.next() else { return };
        state.in_flight += 1;
        let round = state.round;
        drop(state);
        let (since, strain) = (Instant::now(), Strain::Silent);
        let _ = waiter.send(Slot { state: shared.clone(), precedence, round, since, strain });
    }
}

impl State {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between MIN and max
    fn whole_limit(&self) -> usize {
        self.limit as usize
    }

    fn next(&mut self) -> Option<(oneshot::Sender<Slot>, Precedence)> {
        if self.in_flight >= self.whole_limit() {
            return None;
        }
        while self.writes.front().is_some_and(oneshot::Sender::is_closed) {
            self.writes.pop_front();
        }
        while self.reads.front().is_some_and(oneshot::Sender::is_closed) {
            self.reads.pop_front();
        }
        let yielding = self.writes_in_a_row >= WRITES_IN_A_ROW && !self.reads.is_empty();
        if !yielding && let Some(write) = self.writes.pop_front() {
            self.writes_in_a_row = if self.reads.is_empty() { 0 } else { self.writes_in_a_row + 1 };
            return Some((write, Precedence::Write));
        }
        self.writes_in_a_row = 0;
        self.reads.pop_front().map(|read| (read, Precedence::Read))
    }

    fn learn(&mut self, strain: Strain, precedence: Precedence, round: u64, took: Duration) {
        let slow = strain == Strain::Answered
            && match precedence {
                Precedence::Write => self.usual_write.is_slow(took),
                Precedence::Read => self.usual_read.is_slow(took),
            };
        match strain {
            Strain::Silent => {}
            Strain::Overloaded => self.shrink(OVERLOAD_FACTOR, round),
            Strain::Answered if slow => self.shrink(SLOW_FACTOR, round),
            Strain::Answered => self.grow(),
        }
    }

    fn shrink(&mut self, factor: f64, round: u64) {
        if round == self.round {
            self.round += 1;
            #[allow(clippy::cast_precision_loss)] // 1
            let least = MIN as f64;
            self.limit = (self.limit * factor).max(least);
        }
    }

    /// Grows only under load: an idle controller proves nothing.
    fn grow(&mut self) {
        let used = (self.in_flight + 1) * 2 >= self.whole_limit();
        if used {
            #[allow(clippy::cast_precision_loss)] // a few dozen
            let most = self.max as f64;
            self.limit = (self.limit + 1.0 / self.limit).min(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn take(limiter: &Limiter, precedence: Precedence) -> Slot {
        limiter.acquire(precedence).await.unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_halves_the_limit_once_a_round() {
        let limiter = Limiter::new(48);
        let mut slots = Vec::new();
        for _ in 0..4 {
            slots.push(take(&limiter, Precedence::Read).await);
        }
        for mut slot in slots {
            slot.report(Strain::Overloaded);
        }
        assert_eq!(limiter.limit(), 8);
        for _ in 0..10 {
            take(&limiter, Precedence::Read).await.report(Strain::Overloaded);
        }
        assert_eq!(limiter.limit(), MIN);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_under_load_raise_the_limit_to_its_maximum() {
        let limiter = Limiter::new(20);
        for _ in 0..200 {
            let mut slots = Vec::new();
            for _ in 0..limiter.limit() {
                slots.push(take(&limiter, Precedence::Read).await);
            }
            for slot in &mut slots {
                slot.report(Strain::Answered);
            }
        }
        assert_eq!(limiter.limit(), 20);
    }

    #[tokio::test(start_paused = true)]
    async fn slow_answers_lower_the_limit() {
        let limiter = Limiter::new(48);
        take(&limiter, Precedence::Write).await.report(Strain::Answered);
        let mut slot = take(&limiter, Precedence::Write).await;
        tokio::time::advance(Duration::from_secs(5)).await;
        slot.report(Strain::Answered);
        drop(slot);
        assert_eq!(limiter.limit(), 14);
    }

    #[test]
    fn an_answer_is_slow_beyond_a_second_and_four_times_the_usual() {
        let after = |usual: f64, seconds: f64| Usual(Some(usual)).is_slow(Duration::from_secs_f64(seconds));
        assert!(!after(1.0, 4.0) && after(1.0, 4.1));
        assert!(!after(0.125, 1.0) && after(0.125, 1.1), "what takes no second is not slow");
        assert!(!Usual::default().is_slow(Duration::from_mins(1)), "nothing is usual yet");
    }

    #[test]
    fn the_usual_time_falls_fast_and_rises_slowly() {
        let mut usual = Usual(Some(2.0));
        usual.is_slow(Duration::from_secs(1));
        assert_eq!(usual.0, Some(1.5));
        usual.is_slow(Duration::from_millis(2_140));
        assert_eq!(usual.0, Some(1.51));
    }

    #[tokio::test(start_paused = true)]
    async fn writes_pass_reads_but_do_not_starve_them() {
        let limiter = Limiter::new(1);
        let held = take(&limiter, Precedence::Read).await;
        let (order, mut seen) = tokio::sync::mpsc::channel(64);
        for i in 0..20 {
            let precedence = if i == 0 { Precedence::Read } else { Precedence::Write };
            let (limiter, order) = (limiter.clone(), order.clone());
            tokio::spawn(async move {
                let _slot = take(&limiter, precedence).await;
                order.send(i).await.unwrap();
            });
            tokio::task::yield_now().await;
        }
        drop((held, order));
        let mut got = Vec::new();
        while let Some(i) = seen.recv().await {
            got.push(i);
        }
        let expected: Vec<_> = (1..=8).chain([0]).chain(9..20).collect();
        assert_eq!(got, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_waiter_that_leaves_does_not_keep_its_turn() {
        let limiter = Limiter::new(1);
        let held = take(&limiter, Precedence::Read).await;
        let left = tokio::spawn({
            let limiter = limiter.clone();
            async move { take(&limiter, Precedence::Read).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(limiter.waiting(), 1);
        left.abort();
        let _ = left.await;
        drop(held);
        drop(take(&limiter, Precedence::Write).await);
        assert_eq!(limiter.waiting(), 0);
    }
}
