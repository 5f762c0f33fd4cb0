//! Rate limits: a bucket of tokens for each subject, which fills with time and is emptied by requests.
//! Time comes in as an argument, and the number of subjects is bounded.

use std::collections::HashMap;
use std::time::Duration;

/// How often something may be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Times a second, in the long run; more than 0.
    pub per_second: f64,
    /// Times at once; 1 or more.
    pub burst: f64,
}

/// The buckets of all subjects that are not full.
#[derive(Clone, Debug)]
pub struct Limiter {
    rate: Rate,
    most: usize,
    buckets: HashMap<String, Bucket>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Duration,
}

impl Limiter {
    /// Lets each subject do something at `rate`, and remembers `most` of them.
    #[must_use]
    pub fn new(rate: Rate, most: usize) -> Self {
        Self {
            rate,
            most,
            buckets: HashMap::new(),
        }
    }

    /// Takes a token of `subject` at the time `now`, counted from any moment that does not change.
    ///
    /// # Errors
    /// How long until there is one.
    pub fn take(&mut self, subject: &str, now: Duration) -> Result<(), Duration> {
        if !self.buckets.contains_key(subject) {
            self.make_room(now);
        }
        let full = Bucket {
            tokens: self.rate.burst,
            at: now,
        };
        let bucket = self.buckets.entry(subject.to_owned()).or_insert(full);
        bucket.fill(self.rate, now);
        if bucket.tokens < 1.0 {
            let missing = (1.0 - bucket.tokens) / self.rate.per_second;
            return Err(Duration::try_from_secs_f64(missing).unwrap_or(Duration::MAX));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// A full bucket says nothing that a missing one does not. Where none is full, the fullest go: who
    /// has asked most stays remembered.
    fn make_room(&mut self, now: Duration) {
        if self.buckets.len() < self.most {
            return;
        }
        let rate = self.rate;
        self.buckets.retain(|_, bucket| {
            bucket.fill(rate, now);
            bucket.tokens < rate.burst
        });
        while self.buckets.len() >= self.most {
            let fullest = self.buckets.iter();
            let fullest = fullest.max_by(|(_, a), (_, b)| a.tokens.total_cmp(&b.tokens));
            let Some(subject) = fullest.map(|(subject, _)| subject.clone()) else {
                return;
            };
            self.buckets.remove(&subject);
        }
    }
}

impl Bucket {
    fn fill(&mut self, rate: Rate, now: Duration) {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + passed * rate.per_second).min(rate.burst);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate {
        per_second: 2.0,
        burst: 3.0,
    };

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_burst_is_let_through_and_then_what_fills() {
        let mut limiter = Limiter::new(RATE, 10);
        for _ in 0..3 {
            assert_eq!(limiter.take("a", ms(0)), Ok(()));
        }
        assert_eq!(limiter.take("a", ms(0)), Err(ms(500)));
        assert_eq!(limiter.take("a", ms(400)), Err(ms(100)));
        assert_eq!(limiter.take("a", ms(500)), Ok(()));
        assert_eq!(limiter.take("a", ms(500)), Err(ms(500)));
    }

    #[test]
    fn subjects_do_not_take_from_one_another() {
        let mut limiter = Limiter::new(RATE, 10);
        while limiter.take("a", ms(0)).is_ok() {}
        assert_eq!(limiter.take("b", ms(0)), Ok(()));
    }

    #[test]
    fn with_many_subjects_who_asks_most_stays_limited() {
        let mut limiter = Limiter::new(RATE, 10);
        while limiter.take("a", ms(0)).is_ok() {}
        for other in 0..1_000 {
            assert_eq!(limiter.take(&other.to_string(), ms(0)), Ok(()));
            assert!(limiter.buckets.len() <= 10);
        }
        assert!(limiter.take("a", ms(0)).is_err());
    }

    #[test]
    fn a_clock_that_goes_back_gives_nothing_away() {
        let mut limiter = Limiter::new(RATE, 10);
        while limiter.take("a", ms(10_000)).is_ok() {}
        assert!(limiter.take("a", ms(0)).is_err());
        assert_eq!(limiter.take("a", ms(10_000)), Err(ms(500)));
    }

    proptest! {
        #[test]
        fn no_more_passes_than_burst_and_rate_allow(steps in prop::collection::vec(0u64..1_000, 1..200)) {
            let mut limiter = Limiter::new(RATE, 10);
            let (mut now, mut passed) = (0, 0.0);
            for step in steps {
                now += step;
                if limiter.take("a", ms(now)).is_ok() {
                    passed += 1.0;
                }
                let most = RATE.burst + ms(now).as_secs_f64() * RATE.per_second;
                prop_assert!(passed <= most + 1e-6);
            }
        }
    }
}
