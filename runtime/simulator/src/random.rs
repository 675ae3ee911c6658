//! Repeatable randomness: the same seed gives the same draws on every machine and with every compiler.
//!
//! Numbers come from ChaCha8; the conversion to ranges and bell curves is written here, since a library's distributions
//! may draw differently after an update.

use chacha20::ChaCha8Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// A stream of draws.
pub(crate) struct Random(ChaCha8Rng);

impl Random {
    /// Streams of one seed are independent; `purpose` names the stream.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(purpose);
        Self(rng)
    }

    /// Uniform in [0, 1).
    fn unit(&mut self) -> f64 {
        f64::from(self.0.next_u32()) / 4_294_967_296.0
    }

    /// Uniform between the two.
    pub(crate) fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Uniform among 0..n; n is at least 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }

    /// True in `share` of the draws.
    pub(crate) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// A bell curve of mean 0 and deviation 1, cut at 6: the sum of twelve uniform draws of 16 bits.
    pub(crate) fn bell(&mut self) -> f64 {
        let mut sum = 0u64;
        for _ in 0..3 {
            let bits = self.0.next_u64();
            sum += (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
        }
        sum as f64 / 65_536.0 - 6.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_and_a_purpose_name_one_stream_for_ever() {
        let mut first = Random::new(7, 1);
        let drawn = [first.below(1000), first.below(1000), first.below(1000)];
        let mut again = Random::new(7, 1);
        assert_eq!(drawn, [again.below(1000), again.below(1000), again.below(1000)]);
        let mut other = Random::new(7, 2);
        assert_ne!(drawn, [other.below(1000), other.below(1000), other.below(1000)]);
    }

    #[test]
    fn the_bell_has_mean_0_and_deviation_1() {
        let mut random = Random::new(1, 0);
        let draws: Vec<f64> = (0..20_000).map(|_| random.bell()).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let spread = draws.iter().map(|draw| (draw - mean) * (draw - mean)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.03 && (spread - 1.0).abs() < 0.05, "seed 1: mean {mean}, variance {spread}");
    }
}
