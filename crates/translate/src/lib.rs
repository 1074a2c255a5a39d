//! Cluster snapshot to desired Avi objects and statuses.
