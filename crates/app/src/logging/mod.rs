//! Structured logs whose level can be changed while running: on standard error, or in a file and
//! warnings on standard error. Source: Configuration, lifecycle and HA, "Logs".

mod file;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use ako_core::config::LogLevel;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

use file::{Rotated, Told};

/// How many lines may wait for the volume; what comes on top is dropped.
const WAITING: usize = 10_000;

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
pub struct LogControl {
    level: Option<reload::Handle<EnvFilter, Registry>>,
    /// While it is held, what waits for the volume is written.
    _file: Option<Arc<WorkerGuard>>,
}

/// Where the log goes that is not only for standard error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFile(PathBuf);

impl LogFile {
    /// What the environment says: with `USE_PVC=true` it is
    /// `<LOG_FILE_PATH>/<POD_NAME>.<LOG_FILE_NAME>.<time>`, the time of the start in seconds.
    pub fn of_environment(started: i64) -> Option<Self> {
        Self::of(|name| std::env::var(name).ok().filter(|value| !value.is_empty()), started)
    }

    fn of(environment: impl Fn(&str) -> Option<String>, started: i64) -> Option<Self> {
        environment("USE_PVC").filter(|used| used == "true")?;
        let folder = environment("LOG_FILE_PATH").unwrap_or_else(|| "/log".to_owned());
        let pod = environment("POD_NAME").unwrap_or_else(|| "ako-0".to_owned());
        let name = environment("LOG_FILE_NAME").unwrap_or_else(|| "avi.log".to_owned());
        Some(Self(PathBuf::from(folder).join(format!("{pod}.{name}.{started}"))))
    }

    /// Writes to it from a thread of its own, so that a slow volume holds nobody up.
    fn open(self) -> (NonBlocking, WorkerGuard) {
        let counter = Arc::new(OnceLock::<ErrorCounter>::new());
        let known = counter.clone();
        let dropped = move || known.get().map_or(0, ErrorCounter::dropped_lines);
        let writer = Told::new(Rotated::new(self.0), std::io::stderr(), dropped);
        let builder = NonBlockingBuilder::default().lossy(true).buffered_lines_limit(WAITING);
        let (writer, guard) = builder.finish(writer);
        // It is the first one.
        let _ = counter.set(writer.error_counter());
        (writer, guard)
    }
}

/// Starts logging to standard error; with a file all goes there, and standard error gets warnings
/// only. Until the configuration is read, the level is INFO.
///
/// # Errors
/// If the process logs already.
pub fn start(format: LogFormat, file: Option<LogFile>) -> anyhow::Result<LogControl> {
    let (filter, level) = reload::Layer::new(filter(LogLevel::Info));
    let shown = if file.is_some() { LevelFilter::WARN } else { LevelFilter::TRACE };
    let standard_error = lines(format, std::io::stderr, std::io::stderr().is_terminal()).with_filter(shown);
    let (in_file, guard) = match file.map(LogFile::open) {
        Some((writer, guard)) => (Some(lines(format, writer, false)), Some(Arc::new(guard))),
        None => (None, None),
    };
    tracing_subscriber::registry().with(filter).with(standard_error).with(in_file).try_init()?;
    Ok(LogControl { level: Some(level), _file: guard })
}

/// A layer that writes lines of a format.
fn lines<S, W>(format: LogFormat, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'w> tracing_subscriber::fmt::MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => lines.with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}

impl LogControl {
    /// Sets the level.
    pub fn set(&self, level: LogLevel) {
        if let Some(handle) = &self.level {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_called_as_akos() {
        let of = |set: &[(&str, &str)]| {
            let value =
                |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
            LogFile::of(value, 1_700_000_000).map(|file| file.0.display().to_string())
        };
        let all = [
            ("USE_PVC", "true"),
            ("LOG_FILE_PATH", "/logs"),
            ("LOG_FILE_NAME", "a.log"),
            ("POD_NAME", "ako-1"),
        ];
        assert_eq!(of(&all).as_deref(), Some("/logs/ako-1.a.log.1700000000"));
        assert_eq!(of(&all[..1]).as_deref(), Some("/log/ako-0.avi.log.1700000000"));
        assert_eq!(of(&all[1..]), None);
    }
}
