//! The memory and the processor time of a process, as Linux tells them.

use anyhow::Context as _;

/// Memory in MB (10^6 bytes).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: f64,
    /// At most, so far.
    pub(crate) peak: f64,
}

impl Memory {
    /// Of a running process.
    pub(crate) fn of(process: u32) -> anyhow::Result<Self> {
        let path = format!("/proc/{process}/status");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let field = |name| field(&text, name).with_context(|| format!("{path} has no {name}"));
        Ok(Self { resident: field("VmRSS:")?, peak: field("VmHWM:")? })
    }
}

/// Linux counts processor time in these, whatever the machine.
const TICKS_A_SECOND: f64 = 100.0;

/// The seconds that all threads of a running process were on a processor.
pub(crate) fn processor_seconds(process: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{process}/stat");
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    ticks(&text).map(|ticks| f64::from(ticks) / TICKS_A_SECOND).with_context(|| format!("{path}: {text}"))
}

/// `utime` and `stime`. The program's name before them may hold anything.
fn ticks(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    Some(times.next()?.ok()? + times.next()?.ok()?)
}

/// A line such as `VmRSS:     1234 kB`.
fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u32 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(f64::from(kib) * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_in_megabytes() {
        let status = "Name:\tako\nVmHWM:\t   97656 kB\nVmRSS:\t    1000 kB\n";
        assert!((field(status, "VmHWM:").unwrap() - 100.0).abs() < 0.01);
        assert!((field(status, "VmRSS:").unwrap() - 1.024).abs() < 0.01);
        assert!(field(status, "VmSwap:").is_none());
    }

    #[test]
    fn processor_time_is_that_in_user_and_kernel_mode() {
        assert_eq!(ticks("7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0"), Some(200));
        assert_eq!(ticks("7 (ako)"), None);
        assert!(processor_seconds(std::process::id()).unwrap() >= 0.0);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(Memory::of(std::process::id()).unwrap().peak > 0.0);
    }
}
