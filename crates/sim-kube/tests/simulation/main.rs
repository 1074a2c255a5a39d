//! The operator's side of the API against the simulator, on paused time.

#![cfg(test)]

mod election;
mod faults;
mod operator;
mod permissions;
mod scale;
