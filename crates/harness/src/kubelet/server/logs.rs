//! `GET /containerLogs/{namespace}/{pod}/{container}`: what `kubectl logs` prints.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};

use super::super::runs::{Directory, Runs};
use super::{Answer, Refusal, is_true, parameters};

/// What is read of a log at once.
const PIECE: u64 = 64 << 10;
/// How often a log that is followed is looked at.
const TICK: Duration = Duration::from_millis(50);

/// What of a log is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wanted {
    follow: bool,
    previous: bool,
    tail_lines: Option<u64>,
    limit_bytes: Option<u64>,
}

pub(super) fn answer(
    request: &Request<Incoming>,
    pods: &Directory,
    [namespace, pod, container]: [&str; 3],
) -> Result<Answer, Refusal> {
    let wanted = Wanted::read(&parameters(request))?;
    let runs = pods.find(namespace, pod).ok_or_else(|| Refusal::no_pod(namespace, pod))?;
    let run = runs.of(container).ok_or_else(|| {
        Refusal::bad(format!("container \"{container}\" in pod \"{pod}\" is waiting to start"))
    })?;
    let (from, to) = match run.previous {
        _ if !wanted.previous => (run.from, None),
        Some(previous) => (previous, Some(run.from)),
        None => {
            let why = format!("previous terminated container \"{container}\" in pod \"{pod}\" not found");
            return Err(Refusal::bad(why));
        }
    };
    let path = runs.log(container);
    let now = to.unwrap_or_else(|| runs.written(container));
    let from = match wanted.tail_lines {
        None => from,
        Some(lines) => tail(&path, from, now, lines).map_err(|error| Refusal::bad(error.to_string()))?,
    };
    let follows = wanted.follow && !wanted.previous;
    let to = if follows { u64::MAX } else { now };
    let to = wanted.limit_bytes.map_or(to, |limit| to.min(from.saturating_add(limit)));
    let reader = Reader {
        path,
        at: from,
        to,
        follows: follows.then(|| Follows { runs, container: container.to_owned(), began: run.from }),
    };
    let pieces = stream::try_unfold(reader, async |mut reader: Reader| {
        let piece = reader.next().await?;
        Ok(piece.map(|piece| (Frame::data(piece), reader)))
    });
    Ok(Response::new(StreamBody::new(pieces).boxed_unsync()))
}

impl Wanted {
    fn read(parameters: &[(String, String)]) -> Result<Self, Refusal> {
        let mut wanted = Self::default();
        for (name, value) in parameters {
            let number = || {
                value.parse().map_err(|_| Refusal::bad(format!("{name} is no number of its kind: {value}")))
            };
            match name.as_str() {
                "follow" => wanted.follow = is_true(value),
                "previous" => wanted.previous = is_true(value),
                "tailLines" => wanted.tail_lines = Some(number()?),
                "limitBytes" => wanted.limit_bytes = Some(number()?),
                "stream" if value == "All" => {}
                // Programs write to the log by themselves: nobody knows when, nor by which stream.
                _ => return Err(Refusal::bad(format!("this kubelet serves no logs with {name}={value}"))),
            }
        }
        Ok(wanted)
    }
}

/// Where the last lines between two places of a log begin.
fn tail(path: &PathBuf, from: u64, to: u64, lines: u64) -> std::io::Result<u64> {
    let open = || -> std::io::Result<_> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        Ok(BufReader::new(file.take(to.saturating_sub(from))))
    };
    let (mut all, mut counted) = (0_u64, open()?);
    while counted.skip_until(b'\n')? > 0 {
        all += 1;
    }
    let (mut at, mut skipped) = (from, open()?);
    for _ in 0..all.saturating_sub(lines) {
        at += skipped.skip_until(b'\n')? as u64;
    }
    Ok(at)
}

/// Reads a log piece by piece.
struct Reader {
    path: PathBuf,
    at: u64,
    to: u64,
    follows: Option<Follows>,
}

/// The run whose end is waited for.
struct Follows {
    runs: Arc<Runs>,
    container: String,
    began: u64,
}

impl Reader {
    /// The next piece; none at the end.
    async fn next(&mut self) -> std::io::Result<Option<Bytes>> {
        loop {
            // Asked first: what it wrote until its end is there then.
            let is_over = self.follows.as_ref().is_none_or(Follows::is_over);
            let piece = self.read()?;
            if !piece.is_empty() {
                self.at += piece.len() as u64;
                return Ok(Some(piece));
            }
            if is_over || self.at >= self.to {
                return Ok(None);
            }
            tokio::time::sleep(TICK).await;
        }
    }

    fn read(&self) -> std::io::Result<Bytes> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.at))?;
        let mut piece = Vec::new();
        file.take(self.to.saturating_sub(self.at).min(PIECE)).read_to_end(&mut piece)?;
        Ok(piece.into())
    }
}

impl Follows {
    fn is_over(&self) -> bool {
        let run = self.runs.of(&self.container);
        run.is_none_or(|run| run.target.is_none() || run.from != self.began)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_served_is_refused_by_its_name() {
        let read = |parameters: &[(&str, &str)]| {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            Wanted::read(&parameters.iter().map(owned).collect::<Vec<_>>()).map_err(|refusal| refusal.1)
        };
        let wanted = Wanted { tail_lines: Some(3), limit_bytes: Some(9), follow: true, previous: false };
        assert_eq!(read(&[("follow", "true"), ("tailLines", "3"), ("limitBytes", "9")]).unwrap(), wanted);
        assert!(read(&[("timestamps", "true")]).unwrap_err().contains("timestamps=true"));
        assert!(read(&[("tailLines", "-1")]).unwrap_err().contains("tailLines"));
    }

    #[test]
    fn the_last_lines_are_found_between_two_places() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        std::fs::write(&log, "before\none\ntwo\nthree").unwrap();
        for (lines, at) in [(0, 20), (1, 15), (2, 11), (3, 7), (9, 7)] {
            assert_eq!(tail(&log, 7, 20, lines).unwrap(), at, "{lines}");
        }
        assert_eq!(tail(&log, 7, 15, 1).unwrap(), 11);
    }
}
