//! The leadership record: the one object that decides who leads.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::permit::Epoch;

/// The name of the ConfigMap that holds the record.
pub const RECORD_NAME: &str = "ako-leadership";

/// Recorded durations are believed up to this; nobody may configure more.
pub const LONGEST_LEASE: Duration = Duration::from_mins(3);

const HOLDER: &str = "holder";
const EPOCH: &str = "epoch";
const DURATION_SECONDS: &str = "durationSeconds";
const RENEWAL: &str = "renewal";
const RELEASED: &str = "released";

macro_rules! opaque {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: &str) -> Self {
                Self(text.into())
            }

            /// The text as it was given.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque! {
    /// The API server's uid of an object: another one is another object, even
    /// of the same name.
    Uid
}
opaque! {
    /// The API server's version of an object: opaque, only equal or not.
    ResourceVersion
}
opaque! {
    /// Who leads, as the record names it: `<pod name>_<pod uid>_<nonce>`, or
    /// empty. No two processes have the same one, because of the nonce.
    Holder
}

impl Holder {
    /// Nobody.
    pub fn nobody() -> Self {
        Self::new("")
    }

    /// The identity of one process: the nonce is random and made at its start,
    /// so that it does not take itself for its predecessor in the same pod.
    pub fn of(pod: &str, pod_uid: &str, nonce: &str) -> Self {
        Self::new(&format!("{pod}_{pod_uid}_{nonce}"))
    }

    /// Whether it is nobody.
    pub fn is_nobody(&self) -> bool {
        self.0.is_empty()
    }

    /// The name of the holder's pod.
    pub fn pod(&self) -> &str {
        self.0.split('_').next().unwrap_or_default()
    }

    /// What tells this process from every other one.
    pub fn nonce(&self) -> &str {
        self.0.rsplit('_').next().unwrap_or_default()
    }

    /// Everything but the nonce.
    #[cfg(feature = "model")]
    pub(crate) fn pod_and_uid(&self) -> &str {
        self.0.rsplit_once('_').map_or(&self.0, |(pod, _)| pod)
    }
}

/// One exact state of the record in the API server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    /// Which object.
    pub uid: Uid,
    /// Which state of it.
    pub resource_version: ResourceVersion,
}

/// A holder's note that it writes no more: which leadership it gave up.
///
/// It names the object, so that a record that comes back from a backup says
/// nothing about who leads now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Release {
    /// The record that it was noted in.
    pub uid: Uid,
    /// The leadership that ended.
    pub epoch: Epoch,
}

/// What the record says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    /// Who leads, or led last.
    pub holder: Holder,
    /// Which leadership that is, or was.
    pub epoch: Epoch,
    /// How long others must see the record unchanged before they take over.
    pub duration: Duration,
    /// Counts renewals, so that each one changes the record.
    pub renewal: u64,
    /// The leadership that ended cleanly, if the last one did.
    pub released: Option<Release>,
}

impl Record {
    /// A record that nobody holds and that grants nothing.
    pub(crate) fn unheld(epoch: Epoch, duration: Duration) -> Self {
        Self { holder: Holder::nobody(), epoch, duration, renewal: 0, released: None }
    }

    /// The record as the data of a ConfigMap.
    pub fn to_data(&self) -> BTreeMap<String, String> {
        let seconds = self.duration.as_secs() + u64::from(self.duration.subsec_nanos() > 0);
        let mut data = BTreeMap::from([
            (HOLDER.to_owned(), self.holder.to_string()),
            (EPOCH.to_owned(), self.epoch.to_string()),
            (DURATION_SECONDS.to_owned(), seconds.to_string()),
            (RENEWAL.to_owned(), self.renewal.to_string()),
        ]);
        if let Some(release) = &self.released {
            data.insert(RELEASED.to_owned(), format!("{} {}", release.epoch, release.uid));
        }
        data
    }

    /// Reads the data of a ConfigMap. What is missing or makes no sense is
    /// taken for nothing: nobody, no release, epoch 0, a duration of zero
    /// (candidates wait for their own then).
    pub fn from_data(data: &BTreeMap<String, String>) -> Self {
        let text = |key: &str| data.get(key).map_or("", |value| value.trim());
        let number = |key: &str| text(key).parse::<u64>().unwrap_or(0);
        let released = text(RELEASED)
            .split_once(' ')
            .and_then(|(epoch, uid)| Some(Release { uid: Uid::new(uid), epoch: Epoch(epoch.parse().ok()?) }));
        Self {
            holder: Holder::new(text(HOLDER)),
            epoch: Epoch(number(EPOCH)),
            duration: Duration::from_secs(number(DURATION_SECONDS)),
            renewal: number(RENEWAL),
            released,
        }
    }
}

/// The record as a quorum read, or the answer to a write, showed it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    /// The state of the object.
    pub version: Version,
    /// What it says.
    pub record: Record,
}

impl Observed {
    /// Whether the leadership that it names has ended cleanly. An empty holder
    /// proves nothing: anyone can clear a field.
    pub fn is_released(&self) -> bool {
        self.record
            .released
            .as_ref()
            .is_some_and(|release| release.uid == self.version.uid && release.epoch == self.record.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            holder: Holder::of("ako-0", "uid-1", "n1"),
            epoch: Epoch(7),
            duration: Duration::from_secs(15),
            renewal: 42,
            released: Some(Release { uid: Uid::new("r1"), epoch: Epoch(7) }),
        }
    }

    fn at(uid: &str, record: Record) -> Observed {
        Observed {
            version: Version { uid: Uid::new(uid), resource_version: ResourceVersion::new("1") },
            record,
        }
    }

    #[test]
    fn data_and_back() {
        assert_eq!(Record::from_data(&record().to_data()), record());
        let unheld = Record::unheld(Epoch(0), Duration::from_secs(15));
        assert_eq!(Record::from_data(&unheld.to_data()), unheld);
        assert_eq!(record().to_data()["released"], "7 r1");
    }

    #[test]
    fn nonsense_is_nothing() {
        let cleared = Record::from_data(&BTreeMap::new());
        assert_eq!(cleared, Record::unheld(Epoch(0), Duration::ZERO));
        let data = [("epoch", "-3"), ("durationSeconds", "soon"), ("released", "0"), ("renewal", "1e9")];
        let data = data.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        assert_eq!(Record::from_data(&data), cleared);
        assert!(!at("r1", cleared).is_released(), "cleared is not released");
    }

    #[test]
    fn a_part_of_a_second_is_recorded_as_a_whole_one() {
        let record = Record { duration: Duration::from_millis(5100), ..record() };
        assert_eq!(record.to_data()["durationSeconds"], "6");
    }

    #[test]
    fn a_release_counts_for_its_object_and_epoch_only() {
        assert!(at("r1", record()).is_released());
        assert!(!at("r2", record()).is_released(), "restored from a backup");
        assert!(!at("r1", Record { epoch: Epoch(8), ..record() }).is_released());
    }

    #[test]
    fn a_holder_names_its_pod() {
        assert_eq!(record().holder.pod(), "ako-0");
        assert!(Holder::nobody().is_nobody());
    }
}
