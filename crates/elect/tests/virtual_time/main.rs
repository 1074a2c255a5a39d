//! Electors in virtual time: scripted scenarios, and random ones.

mod cluster;
mod random;
mod scenarios;
