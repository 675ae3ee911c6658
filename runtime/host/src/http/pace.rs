//! Whether a peer is fast enough: a minimum rate, averaged over a window, in place of a time limit for the whole.
//!
//! A slow link that makes progress gets all the time that its size needs; a peer that moves a byte now and then does
//! not. The clock counts only while the peer is waited for, together with the bytes that moved meanwhile.

use std::time::Duration;

use tokio::time::Instant;

/// The minimum rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second. At least 1.
    pub bytes_per_s_min: u64,
    /// The window over which it is averaged, ms.
    pub window_ms: u64,
}

impl Rate {
    fn window(self) -> Duration {
        Duration::from_millis(self.window_ms)
    }

    /// How long a peer may take to receive `bytes` that were given at once.
    pub(crate) fn time_to_take(self, bytes: u64) -> Duration {
        self.window().saturating_add(self.time_for(bytes))
    }

    /// How long `bytes` may take.
    pub(crate) fn time_for(self, bytes: u64) -> Duration {
        let micros = u128::from(bytes) * 1_000_000 / u128::from(self.bytes_per_s_min.max(1));
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

/// How much time a peer has left.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: Rate,
    /// Since when the peer is waited for; `None` while it is not.
    since: Option<Instant>,
    left: Duration,
}

impl Pace {
    pub fn new(rate: Rate) -> Self {
        Self { rate, since: None, left: rate.window() }
    }

    /// The peer is waited for from now on, if it was not already; returns the deadline.
    pub fn wait(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now) + self.left
    }

    /// `bytes` have moved: the peer has time for as many more, up to a window's worth.
    pub fn moved(&mut self, bytes: u64) {
        let waited = self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
        let left = self.left.saturating_sub(waited).saturating_add(self.rate.time_for(bytes));
        self.left = left.min(self.rate.window());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RATE: Rate = Rate { bytes_per_s_min: 1_000, window_ms: 60_000 };

    /// When a peer is cut off that moves `bytes` at once after each pause, of `total` bytes; `None`: it gets to the
    /// end.
    fn ended_after(bytes: u64, every: Duration, total: u64) -> Option<Duration> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let (begun, mut pace, mut moved) = (Instant::now(), Pace::new(RATE), 0);
            while moved < total {
                let due = pace.wait();
                tokio::time::sleep(every).await;
                if Instant::now() > due {
                    return Some(begun.elapsed());
                }
                moved += bytes;
                pace.moved(bytes);
            }
            None
        })
    }

    #[test]
    fn a_slow_link_that_moves_has_all_the_time_that_its_size_needs() {
        let second = Duration::from_secs(1);
        assert_eq!(ended_after(8_000, second, 3_500_000), None);
        assert_eq!(ended_after(1_001, second, 64 << 20), None, "18 hours");
        // Bursts, as on a radio link.
        assert_eq!(ended_after(50_000, 45 * second, 3_500_000), None);
    }

    #[test]
    fn who_drips_ends_within_the_window() {
        for (bytes, every) in [(1, 15), (100, 1), (999, 2)] {
            let ended = ended_after(bytes, Duration::from_secs(every), 1 << 30).expect("ends");
            assert!(ended <= Duration::from_secs(125), "{bytes} bytes every {every} s: {ended:?}");
        }
        let after_a_burst = {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            runtime.expect("a runtime").block_on(async {
                let mut pace = Pace::new(RATE);
                pace.moved(100 << 20);
                pace.wait() - Instant::now()
            })
        };
        assert_eq!(
            after_a_burst,
            Duration::from_secs(60),
            "what was fast earlier buys no more than a window"
        );
    }

    proptest! {
        #[test]
        fn whoever_keeps_the_rate_over_every_window_is_never_ended(
            steps in proptest::collection::vec(1_u64..30, 1..40),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
            let kept = runtime.expect("a runtime").block_on(async {
                let mut pace = Pace::new(RATE);
                for seconds in steps {
                    let due = pace.wait();
                    tokio::time::sleep(Duration::from_secs(seconds)).await;
                    if Instant::now() > due {
                        return false;
                    }
                    pace.moved(seconds * 1_000);
                }
                true
            });
            prop_assert!(kept);
        }
    }
}
