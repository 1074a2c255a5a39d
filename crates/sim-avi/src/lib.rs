//! A strict Avi Controller simulator for tests and demonstrations.
