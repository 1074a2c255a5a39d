//! Configuration, the slim cluster snapshot, naming, checksums, the desired graph and diagnostics.
