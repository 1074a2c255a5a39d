//! The clock that permits to write are judged by.

use std::sync::Arc;

use ako_elect::Moment;

/// Tells the time that permits are judged by.
pub type Clock = Arc<dyn Fn() -> Moment + Send + Sync>;
