//! Structured logs whose level can be changed while running.

use std::io::IsTerminal as _;

use ako_core::config::LogLevel;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Changes the level of the running process. The default is one of somebody
/// else's log, which stays as it is.
#[derive(Clone, Debug, Default)]
pub struct LogControl(Option<reload::Handle<EnvFilter, Registry>>);

/// Starts logging to standard error. Until the configuration is read, the level
/// is INFO.
///
/// # Errors
/// If the process logs already.
pub fn start(format: LogFormat) -> anyhow::Result<LogControl> {
    let (filter, handle) = reload::Layer::new(filter(LogLevel::Info));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match format {
        LogFormat::Text => registry.with(lines.with_ansi(std::io::stderr().is_terminal())).try_init()?,
        LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init()?,
    }
    Ok(LogControl(Some(handle)))
}

impl LogControl {
    /// Sets the level.
    pub fn set(&self, level: LogLevel) {
        if let Some(handle) = &self.0 {
            // Fails only if logging has ended, and then there is nobody to tell.
            let _ = handle.reload(filter(level));
        }
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    let level = match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    };
    // These log answers that they cannot decode in full, Secrets among them.
    EnvFilter::new(format!(
        "{level},kube_client=error,kube_runtime=error,hyper=warn,rustls=warn,h2=warn,tower=warn"
    ))
}
