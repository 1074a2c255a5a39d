//! What was said recently, so that it is not said again.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// How long something that was said is not said again.
pub const REPEAT_WINDOW: Duration = Duration::from_mins(10);

/// How many things that were said are remembered; the oldest is forgotten, and
/// may be said again.
pub const RECENT_LIMIT: usize = 2048;

/// A memory of what was said.
#[derive(Debug)]
pub(crate) struct Recent<K> {
    said: BTreeMap<K, Said>,
    order: VecDeque<(Instant, K)>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    at: Instant,
    repeats: u32,
}

impl<K: Ord + Clone> Recent<K> {
    /// Nothing was said yet.
    pub(crate) fn new() -> Self {
        Self { said: BTreeMap::new(), order: VecDeque::new() }
    }

    /// If something is to be said now, how often it was not since it was said
    /// last; `None` if it is not to be said.
    pub(crate) fn admit(&mut self, what: &K, now: Instant) -> Option<u32> {
        let mut unsaid = 0;
        if let Some(said) = self.said.get_mut(what) {
            if now.duration_since(said.at) < REPEAT_WINDOW {
                said.repeats = said.repeats.saturating_add(1);
                return None;
            }
            unsaid = said.repeats;
        }
        self.said.insert(what.clone(), Said { at: now, repeats: 0 });
        self.order.push_back((now, what.clone()));
        while self.order.len() > RECENT_LIMIT {
            self.forget_oldest();
        }
        Some(unsaid)
    }

    /// It was not said after all.
    pub(crate) fn forget(&mut self, what: &K) {
        self.said.remove(what);
    }

    fn forget_oldest(&mut self) {
        let Some((at, what)) = self.order.pop_front() else { return };
        // It may have been said again since.
        if self.said.get(&what).is_some_and(|said| said.at == at) {
            self.said.remove(&what);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn repeats_are_counted_until_the_window_is_over() {
        let mut recent = Recent::new();
        let start = Instant::now();
        assert_eq!(recent.admit(&1, start), Some(0));
        assert_eq!(recent.admit(&1, start), None);
        assert_eq!(recent.admit(&2, start), Some(0));
        assert_eq!(recent.admit(&1, start + REPEAT_WINDOW), Some(1));
        assert_eq!(recent.admit(&1, start + REPEAT_WINDOW), None);
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_bounded() {
        let mut recent = Recent::new();
        let start = Instant::now();
        for what in 0..=RECENT_LIMIT {
            assert_eq!(recent.admit(&what, start), Some(0));
        }
        assert_eq!(recent.said.len(), RECENT_LIMIT);
        assert_eq!(recent.admit(&0, start), Some(0));
        assert_eq!(recent.admit(&RECENT_LIMIT, start), None);
    }
}
