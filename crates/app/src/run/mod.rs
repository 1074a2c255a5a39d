//! The parts of a running operator: the driver, and the tasks that tell it what they see.

pub(crate) mod attempt;
pub(crate) mod clock;
pub(crate) mod cluster_name;
pub(crate) mod conflicts;
pub(crate) mod connection;
pub(crate) mod driver;
pub(crate) mod explain;
pub(crate) mod history;
pub(crate) mod input;
pub(crate) mod latency;
pub(crate) mod leading;
pub(crate) mod login;
pub(crate) mod observation;
pub(crate) mod permissions;
pub(crate) mod publishing;
pub(crate) mod removal;
pub(crate) mod report;
pub(crate) mod settings;
pub(crate) mod settings_reader;
pub(crate) mod state;
pub(crate) mod statuses;
pub(crate) mod surroundings;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod token;
