//! A child process that cannot outlive this one.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Becomes the program after leaving a watchdog in its process group.
///
/// The watchdog reads from a pipe whose other end only the test process holds.
/// When that process ends, in whichever way, the read returns; the watchdog
/// then kills the program, removes its folder and kills the whole group. The
/// number of the group cannot be somebody else's by then: the watchdog is in it.
const WATCHDOG: &str = r#"
exec 3<&0 </dev/null
( read -r _ <&3
  kill -KILL $$
  [ -z "$1" ] || rm -rf -- "$1"
  kill -KILL 0
) &
exec 3<&-
shift
exec "$@"
"#;

const TAIL_LINES: usize = 60;

/// What to start.
pub(crate) struct Program<'a> {
    /// Names the process in messages and its log file.
    pub(crate) name: &'a str,
    pub(crate) path: &'a Path,
    pub(crate) args: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
    /// The log goes here; a restart appends to it.
    pub(crate) logs: &'a Path,
    /// Removed if the test process dies without cleaning up.
    pub(crate) scratch: Option<&'a Path>,
}

/// A running program, in a process group of its own.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    // Held open: closing it is the watchdog's signal.
    alive: Option<ChildStdin>,
}

impl Process {
    pub(crate) fn start(program: Program<'_>) -> anyhow::Result<Self> {
        let log = program.logs.join(format!("{}.log", program.name));
        let output = append(&log)?;
        let errors = output.try_clone().context("sharing the log file")?;
        let mut child = Command::new("sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .arg(program.scratch.map_or(OsStr::new(""), Path::as_os_str))
            .arg(program.path)
            .args(program.args)
            .envs(program.env)
            .stdin(Stdio::piped())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {}", program.path.display()))?;
        let alive = child.stdin.take();
        Ok(Self { name: program.name.to_owned(), child, log, alive })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal to the program, not to its watchdog.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), signal)
            .with_context(|| format!("sending signal {} to {}", signal.as_raw(), self.name))
    }

    /// How the program ended, if it has.
    pub(crate) fn exit_status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("asking for the state of {}", self.name))
    }

    /// An error, with the end of the log, if the program has ended.
    pub(crate) fn check_running(&mut self) -> anyhow::Result<()> {
        match self.exit_status()? {
            None => Ok(()),
            Some(status) => anyhow::bail!("{} ended ({status}):\n{}", self.name, self.log_tail()),
        }
    }

    /// Kills the whole group and waits for the program's end.
    pub(crate) fn kill(&mut self) {
        // The watchdog keeps the group's number ours until we kill it, once.
        let Some(alive) = self.alive.take() else { return };
        // Errors mean that there is nothing left to kill.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
        // Not before: the watchdog would wake and remove the folder, which the
        // restarted program still needs.
        drop(alive);
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log, TAIL_LINES)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Processes of a process group that run now; the dead that nobody has asked
/// for yet do not count.
pub fn running_in_group(group: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| is_running_member(*pid, group))
        .collect()
}

fn is_running_member(pid: u32, group: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    // `pid (name) state parent group …`, where the name may hold anything.
    let Some((_, fields)) = stat.rsplit_once(')') else { return false };
    let mut fields = fields.split_whitespace();
    let state = fields.next();
    let member = fields.nth(1).and_then(|field| field.parse().ok()) == Some(group);
    member && state != Some("Z") && state != Some("X")
}

fn append(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .with_context(|| format!("opening {}", path.display()))
}

fn tail(path: &Path, lines: usize) -> String {
    let Ok(bytes) = std::fs::read(path) else { return format!("({} cannot be read)", path.display()) };
    let text = String::from_utf8_lossy(&bytes);
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventually;
    use std::time::Duration;

    fn sleeper(folder: &Path, name: &'static str) -> Process {
        let program = Program {
            name,
            path: Path::new("sleep"),
            args: vec!["3600".to_owned()],
            env: Vec::new(),
            logs: folder,
            scratch: None,
        };
        Process::start(program).unwrap()
    }

    #[tokio::test]
    async fn drop_kills_the_program_and_its_watchdog() {
        let folder = tempfile::tempdir().unwrap();
        let process = sleeper(folder.path(), "dropped");
        let group = process.id();
        eventually(Duration::from_secs(5), async || match running_in_group(group).len() {
            2 => Ok(()),
            n => Err(format!("{n} processes")),
        })
        .await
        .unwrap();
        drop(process);
        eventually(Duration::from_secs(5), async || match running_in_group(group).as_slice() {
            [] => Ok(()),
            left => Err(format!("left: {left:?}")),
        })
        .await
        .unwrap();
    }

    #[tokio::test]
    async fn the_end_of_the_pipe_kills_the_group_and_removes_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().join("scratch");
        std::fs::create_dir(&scratch).unwrap();
        let program = Program {
            name: "orphan",
            path: Path::new("sleep"),
            args: vec!["3600".to_owned()],
            env: Vec::new(),
            logs: folder.path(),
            scratch: Some(&scratch),
        };
        let mut process = Process::start(program).unwrap();
        let group = process.id();
        // What the kernel does when the test process dies.
        process.alive = None;
        eventually(Duration::from_secs(5), async || {
            let _ = process.exit_status();
            match (running_in_group(group).as_slice(), scratch.exists()) {
                ([], false) => Ok(()),
                (left, exists) => Err(format!("left: {left:?}, folder there: {exists}")),
            }
        })
        .await
        .unwrap();
    }

    #[test]
    fn the_tail_is_the_end_of_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(&log, 2), "two\nthree");
    }
}
