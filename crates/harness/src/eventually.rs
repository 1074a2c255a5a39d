use std::fmt::Display;
use std::time::Duration;

use anyhow::bail;
use tokio::time::{Instant, sleep, timeout_at};

const INTERVAL: Duration = Duration::from_millis(50);

/// Polls `condition` until it holds, and returns what it found.
///
/// This is the only timer of the harness that tests wait by. The condition says in its error what
/// is still missing; when `deadline` has passed the last such reason is the
/// error. A poll that itself hangs is cut off at the deadline.
pub async fn eventually<T, E: Display>(
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> Result<T, E>,
) -> anyhow::Result<T> {
    let end = Instant::now() + deadline;
    let mut last = String::from("the condition was never polled to its end");
    loop {
        match timeout_at(end, condition()).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(reason)) => last = reason.to_string(),
            Err(_) => bail!("not within {deadline:?} (the last poll did not return): {last}"),
        }
        if Instant::now() >= end {
            bail!("not within {deadline:?}: {last}");
        }
        sleep(INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn returns_what_the_condition_found() {
        let mut polls = 0;
        let found = eventually(Duration::from_secs(5), async || {
            polls += 1;
            if polls < 3 { Err(format!("only {polls} polls")) } else { Ok("there") }
        })
        .await;
        assert_eq!(found.unwrap(), "there");
        assert_eq!(polls, 3);
    }

    #[tokio::test]
    async fn fails_with_the_last_reason() {
        let error = eventually(Duration::from_millis(120), async || Err::<(), _>("two pods are missing"))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("two pods are missing"), "{error}");
    }

    #[tokio::test]
    async fn cuts_off_a_poll_that_hangs() {
        let error = eventually(Duration::from_millis(120), async || {
            std::future::pending::<Result<(), String>>().await
        })
        .await
        .unwrap_err();
        assert!(error.to_string().contains("did not return"), "{error}");
    }
}
