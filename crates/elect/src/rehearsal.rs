//! Permits for the tests of other crates.

use crate::elector::{Elector, Identity};
use crate::event::{Action, Event};
use crate::moment::Moment;
use crate::permit::{Epoch, WritePermit};
use crate::record::{Holder, Observed, Record, Release, ResourceVersion, Uid, Version};
use crate::timing::Timing;

/// A permit that does not end, for tests of what is written rather than when.
///
/// A process that uses this in earnest writes beside the leader.
pub fn endless() -> WritePermit {
    WritePermit::until(Epoch(1), Moment::from_millis(u64::MAX))
}

/// The permit of a process that took over by a request sent at `sent`: it ends
/// `timing.renew()` later. It is got the way every permit is got: an elector
/// takes a record over that its last holder gave up.
///
/// For tests: a process that uses this in earnest writes beside the leader.
/// Nothing if the elector refuses, which it has no reason to.
pub fn permit(sent: Moment, timing: Timing) -> Option<WritePermit> {
    let uid = Uid::new("rehearsal");
    let version = |number: &str| Version { uid: uid.clone(), resource_version: ResourceVersion::new(number) };
    let released = Record {
        released: Some(Release { uid: uid.clone(), epoch: Epoch(1) }),
        ..Record::unheld(Epoch(1), timing.lease())
    };
    let me = Identity { holder: Holder::of("rehearsal-0", "pod", "nonce"), ordinal: 0 };
    let mut elector = Elector::new(me, timing, sent);
    for event in [Event::Warm(true), Event::ControllerReachable(true)] {
        elector.step(&event, sent);
    }
    let read = Event::RecordRead(Ok(Some(Observed { version: version("1"), record: released })));
    let asked = elector.step(&read, sent);
    let record = asked.into_iter().find_map(|action| match action {
        Action::Update { record, .. } => Some(record),
        _ => None,
    })?;
    let written = Event::WriteDone(Ok(Observed { version: version("2"), record }));
    elector.step(&written, sent).into_iter().find_map(|action| match action {
        Action::Granted(permit) => Some(permit),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn it_ends_when_it_should() {
        let permit = permit(Moment::from_millis(500), Timing::fast()).unwrap();
        assert_eq!(permit.remaining(Moment::from_millis(500)), Some(Duration::from_secs(4)));
        assert_eq!(permit.remaining(Moment::from_millis(4500)), None);
    }
}
