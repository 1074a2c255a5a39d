//! A custom resource that the API server may lack, or lose.
//!
//! Where it lacks one, there are no objects of it, and that holds nothing up. When its
//! CustomResourceDefinition is deleted, the server deletes all objects one after the other
//! before it stops serving them. For a watch, that looks as if somebody deleted each of them;
//! yet who deletes a definition seldom means that. So a deletion is handed on only once the
//! kind is known to stay. Otherwise the objects are gone by what a list says, which the
//! deletion guard of the engine judges.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::time::Duration;

use ako_kube_types::Convert;
use kube::api::WatchEvent;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::{Interrupted, Watch, failed};
use crate::discovery::{Availability, availability};
use crate::source_event::SourceEvent;

/// So long after a deletion, the discovery document says if it was one of the kind.
const TOLD_AFTER: Duration = Duration::from_secs(1);
/// A kind that is on its way out is listed this often.
const LIST_LEAVING: Duration = Duration::from_secs(1);
/// The most events that wait to be handed on. After more, a list says what there is.
const MOST_WITHHELD: usize = 10_000;

/// What a watch showed since a deletion, not yet handed on. What is left at the end of the
/// watch, the next one shows again, as it begins before it.
pub(super) struct Withheld<E> {
    events: VecDeque<(Instant, E)>,
}

impl<E> Withheld<E> {
    pub(super) fn new() -> Self {
        Self { events: VecDeque::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// When there is something to be decided; whenever if there is nothing.
    pub(super) fn due(&self) -> Instant {
        self.events.front().map_or_else(Instant::now, |(at, _)| *at + TOLD_AFTER)
    }

    /// Takes an event over.
    pub(super) fn push(&mut self, event: E) -> Result<(), Interrupted> {
        if self.events.len() == MOST_WITHHELD {
            return Err(Interrupted::Expired);
        }
        self.events.push_back((Instant::now(), event));
        Ok(())
    }

    /// Hands out what was shown long enough before the kind was asked for.
    fn ripe(&mut self, asked: Instant) -> Vec<E> {
        let count = self.events.partition_point(|(at, _)| *at + TOLD_AFTER <= asked);
        self.events.drain(..count).map(|(_, event)| event).collect()
    }
}

impl<K> Watch<K>
where
    K: Convert + DeserializeOwned + Clone + Debug + Send + Sync + 'static,
{
    /// Whether an event has to wait: a deletion, and what comes after one.
    pub(super) fn withholds<E>(withheld: &Withheld<WatchEvent<E>>, event: &WatchEvent<E>) -> bool {
        let is_deletion = matches!(event, WatchEvent::Deleted(_));
        K::KIND.may_be_unserved() && (is_deletion || !withheld.is_empty())
    }

    /// Hands on what was withheld, if the kind stays.
    pub(super) async fn hand_on(
        &mut self,
        withheld: &mut Withheld<WatchEvent<DeserializeGuard<K>>>,
    ) -> Result<(), Interrupted> {
        let asked = Instant::now();
        match self.availability().await.map_err(|why| failed(&why))? {
            Availability::Served => {
                for event in withheld.ripe(asked) {
                    self.take(event).await?;
                }
                Ok(())
            }
            Availability::Leaving | Availability::Missing => Err(Interrupted::Unserved),
        }
    }

    /// Whether something failed because the API server does not have the kind.
    pub(super) async fn is_unserved(&self) -> bool {
        K::KIND.may_be_unserved()
            && self.availability().await.is_ok_and(|found| found != Availability::Served)
    }

    /// Waits until the kind is served, and says until then what there is of it.
    pub(super) async fn await_kind(&mut self) -> Result<(), Interrupted> {
        let mut is_empty = false;
        loop {
            let asked = (self.feed.clock)();
            let mut pause = self.heed().period;
            match self.availability().await {
                Ok(Availability::Served) => break,
                Ok(Availability::Leaving) => {
                    self.tell_served(false).await?;
                    pause = LIST_LEAVING;
                    match self.list().await {
                        Err(Interrupted::Closed) => return Err(Interrupted::Closed),
                        Err(Interrupted::Failed { message, .. }) => self.failed(message).await?,
                        _ => {}
                    }
                }
                Ok(Availability::Missing) => {
                    self.tell_served(false).await?;
                    if !std::mem::replace(&mut is_empty, true) {
                        self.tracker.step::<K>(Event::Init);
                        let said = self.tracker.step::<K>(Event::InitDone);
                        self.send(said).await?;
                    }
                    self.recovered().await?;
                    self.send([SourceEvent::Proven { kind: K::KIND, at: asked }]).await?;
                }
                Err(why) => self.failed(why).await?,
            }
            tokio::select! {
                () = sleep(pause) => {}
                Ok(()) = self.feed.demand.changed() => {}
                () = self.feed.events.closed() => return Err(Interrupted::Closed),
            }
        }
        self.version = None;
        self.tell_served(true).await
    }

    async fn availability(&self) -> Result<Availability, String> {
        let spec = K::KIND.spec();
        availability(&self.feed.client, &spec.api_version(), spec.plural).await
    }

    /// Says whether the kind is served, if that is news.
    pub(super) async fn tell_served(&mut self, served: bool) -> Result<(), Interrupted> {
        if !K::KIND.may_be_unserved() || self.served.replace(served) == Some(served) {
            return Ok(());
        }
        self.feed.reach.served(K::KIND, served);
        self.send([SourceEvent::Served { kind: K::KIND, served }]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_what_was_shown_long_enough_before_is_handed_out() {
        let mut withheld = Withheld::new();
        assert!(withheld.push("first").is_ok());
        sleep(TOLD_AFTER / 2).await;
        assert!(withheld.push("second").is_ok());
        assert!(withheld.ripe(Instant::now()).is_empty());
        tokio::time::sleep_until(withheld.due()).await;
        assert_eq!(withheld.ripe(Instant::now()), ["first"]);
        tokio::time::sleep_until(withheld.due()).await;
        assert_eq!(withheld.ripe(Instant::now()), ["second"]);
        assert!(withheld.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_left_to_a_list() {
        let mut withheld = Withheld::new();
        for number in 0..MOST_WITHHELD {
            assert!(withheld.push(number).is_ok());
        }
        assert!(matches!(withheld.push(0), Err(Interrupted::Expired)));
    }
}
