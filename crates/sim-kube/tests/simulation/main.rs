//! The operator's side of the API against the simulator, on paused time.

mod faults;
mod operator;
mod permissions;
mod scale;
