//! Kubernetes objects, slimmed to what the operator reads, and their conversion to the snapshot.
