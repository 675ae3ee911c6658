//! How long until the next try.

use std::time::Duration;

use tokio::time::Instant;

use crate::ORDERS_PER_HOUR_MAX;

/// How often orders are looked at, and how long each of their steps may take.
#[derive(Debug, Clone)]
pub struct Pace {
    /// How often the clock is looked at for what is to be renewed.
    pub look: Duration,
    /// The pause after a first failure; each further one takes twice as long.
    pub first_pause: Duration,
    /// The longest pause after failures.
    pub longest_pause: Duration,
    /// The pause of a name after its certificate was issued, whatever the certificate says.
    pub issued_pause: Duration,
    /// How many orders may begin within an hour.
    pub orders_per_hour: usize,
    /// How long one order may take.
    pub order: Duration,
    /// How long one request to the server may take.
    pub request: Duration,
    /// The pause before the server is asked again how far an order is; each further one takes twice as long.
    pub poll: Duration,
    /// How long a browser's first connection waits for the certificate that it has asked for.
    pub first_wait: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(60),
            first_pause: Duration::from_secs(60),
            longest_pause: Duration::from_secs(6 * 3_600),
            issued_pause: Duration::from_secs(3_600),
            orders_per_hour: ORDERS_PER_HOUR_MAX,
            order: Duration::from_secs(180),
            request: Duration::from_secs(30),
            poll: Duration::from_millis(500),
            first_wait: Duration::from_secs(6),
        }
    }
}

/// Failures in a row, and the pause that they are reason for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// One more failure; the pause is at least `least`.
    pub(crate) fn fail(&mut self, pace: &Pace, least: Duration, now: Instant) {
        let doubled = pace.first_pause.saturating_mul(2_u32.saturating_pow(self.failures));
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + doubled.min(pace.longest_pause).max(least));
    }

    /// The failures are over; another try comes after that time at the earliest.
    pub(crate) fn rest(&mut self, pause: Duration, now: Instant) {
        *self = Self { failures: 0, until: Some(now + pause) };
    }

    /// When the pause ends, if there is one now.
    pub(crate) fn until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// Whether the last try failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_a_success_ends_them() {
        let (pace, now) = (Pace::default(), Instant::now());
        let mut backoff = Backoff::default();
        let mut pauses = Vec::new();
        for _ in 0..40 {
            backoff.fail(&pace, Duration::ZERO, now);
            pauses.push(backoff.until(now).expect("a pause").duration_since(now).as_secs());
        }
        assert_eq!(pauses[..5], [60, 120, 240, 480, 960]);
        assert_eq!(pauses.last(), Some(&(6 * 3_600)));
        backoff.fail(&pace, Duration::from_secs(86_400), now);
        assert_eq!(backoff.until(now), Some(now + Duration::from_secs(86_400)), "the server said so");
        backoff.rest(Duration::ZERO, now);
        assert!(!backoff.has_failed() && backoff.until(now).is_none());
    }
}
