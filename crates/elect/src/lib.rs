//! Leadership and the permit that every write to Avi needs.
