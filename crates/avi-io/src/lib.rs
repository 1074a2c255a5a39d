//! The Avi Controller client: sessions, reads, and the one door for writes.
