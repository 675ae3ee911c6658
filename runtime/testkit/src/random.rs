//! Seeds, and the random numbers that follow from them.

/// A small generator, so that a run can be repeated from its seed.
pub struct Random(pub u64);

impl Random {
    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }

    /// Shuffles the items.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

/// The seeds that a test tries; there are more of them where `CELLAR_LONG` is set.
pub fn seeds() -> std::ops::Range<u64> {
    if std::env::var_os("CELLAR_LONG").is_some() { 0..60 } else { 0..6 }
}
