//! Server-side apply, and who owns which fields.
//! Source: Kubernetes documentation, "Server-Side Apply"; the field sets follow
//! structured-merge-diff v6.

mod compare;
mod field_set;
mod managed;
mod merge;

pub(crate) use managed::{Writer, apply, track_update};
