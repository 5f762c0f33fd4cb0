//! Waiting for a condition. What lives here: the one place where a story polls.

use std::fmt::Display;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// How long a condition may take that has no bound of its own. Long, for slow machines: only a failing
/// test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(10);

/// Tries until `attempt` succeeds and returns what it gives; panics after [`PATIENCE`] with the last
/// error.
pub async fn eventually<T, E: Display>(
    what: &str,
    attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    within(PATIENCE, what, attempt).await
}

/// [`eventually`] with a bound of one's own.
pub async fn within<T, E: Display>(
    bound: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let deadline = Instant::now() + bound;
    let mut last = "the first attempt did not end".to_owned();
    loop {
        match timeout_at(deadline, attempt()).await {
            Ok(Ok(value)) => return value,
            Ok(Err(error)) => last = error.to_string(),
            Err(_) => {}
        }
        assert!(
            Instant::now() < deadline,
            "not within {bound:?}: {what}; last: {last}"
        );
        sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn a_condition_that_comes_true_ends_the_wait() {
        let mut tries = 0;
        let value = eventually("three tries", async || {
            tries += 1;
            if tries == 3 {
                Ok(tries)
            } else {
                Err("too few")
            }
        })
        .await;
        assert_eq!(value, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "the moon is square; last: it is round")]
    async fn a_condition_that_never_comes_true_fails_with_the_last_error() {
        within(SHORT, "the moon is square", async || {
            Err::<(), _>("it is round")
        })
        .await;
    }

    #[tokio::test]
    #[should_panic(expected = "the first attempt did not end")]
    async fn an_attempt_that_hangs_does_not_hang_the_test() {
        let hangs = async || std::future::pending::<Result<(), &str>>().await;
        within(SHORT, "an answer", hangs).await;
    }
}
