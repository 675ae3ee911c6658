//! The random numbers ("lots") with which artificial points are drawn.
//!
//! The reference draws them from one stream of the Mersenne Twister MT19937, seeded with [`SEED`] when its process
//! starts. So the numbers for a section depend on how many the sections before it used; [`Lots`] can therefore be
//! resumed where it stopped ([`Lots::resume`]), without drawing everything again.
//!
//! * A lot is one number from 0 to 1, made of 53 bits of two 32-bit words of the generator.

use std::fmt;

use rand_mt::Mt;

/// The seed of the reference's pipeline.
pub const SEED: u32 = 61_297_777;
/// This many words determine all that follow.
pub const TAIL_WORDS: usize = 624;

/// A stream of lots with its position. The generator is created when the first lot is drawn.
#[derive(Clone)]
pub struct Lots {
    generator: Option<Mt>,
    drawn: u64,
    /// The last words, one place for each; the oldest stands at `next` once all places are taken.
    tail: Vec<u32>,
    next: usize,
}

impl fmt::Debug for Lots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lots").field("drawn", &self.drawn).finish_non_exhaustive()
    }
}

impl Lots {
    /// The stream after its first `drawn` lots. The time for the next lot grows with their number, some 5 ns a lot.
    pub fn behind(drawn: u64) -> Self {
        Self { generator: None, drawn, tail: Vec::new(), next: 0 }
    }

    /// The same where the last [`TAIL_WORDS`] words before are known; then the next lot takes as long as any.
    pub fn resume(drawn: u64, tail: [u32; TAIL_WORDS]) -> Self {
        Self { tail: tail.to_vec(), ..Self::behind(drawn) }
    }

    /// How many lots were drawn since the beginning of the stream.
    pub fn drawn(&self) -> u64 {
        self.drawn
    }

    /// The argument for [`Self::resume`]; `None` where it is unknown, or too few were drawn.
    pub fn tail(&self) -> Option<[u32; TAIL_WORDS]> {
        let (newer, older) = self.tail.split_at_checked(self.next)?;
        [older, newer].concat().try_into().ok()
    }

    /// A number from `low` up to `high`, evenly spread.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.draw()
    }

    fn draw(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        self.drawn += 1;
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    fn word(&mut self) -> u32 {
        let generator = match &mut self.generator {
            Some(generator) => generator,
            None => {
                *self = self.begun();
                self.generator.as_mut().expect("begun streams have one")
            }
        };
        let word = generator.next_u32();
        if self.tail.len() < TAIL_WORDS {
            self.tail.push(word);
        } else {
            self.tail[self.next] = word;
            self.next = (self.next + 1) % TAIL_WORDS;
        }
        word
    }

    /// The same place of the stream with a generator.
    fn begun(&self) -> Self {
        if let Some(tail) = self.tail() {
            return Self { generator: Some(Mt::from(tail)), ..self.clone() };
        }
        let mut lots = Self { generator: Some(Mt::new(SEED)), ..Self::behind(0) };
        while lots.drawn < self.drawn {
            lots.draw();
        }
        lots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.random.seed(61297777); numpy.random.uniform(0, 1, 4)`
    const FIRST_LOTS: [f64; 4] =
        [0.03339202119520168, 0.8344344079568791, 0.11520095648922934, 0.8373133417997021];

    // Row: "Points are made up in an iPhone's silences"
    #[test]
    fn random_numbers_are_those_of_numpy() {
        let mut lots = Lots::behind(0);
        assert_eq!(FIRST_LOTS.map(|_| lots.between(0.0, 1.0)), FIRST_LOTS);
    }

    #[test]
    fn a_resumed_stream_continues_as_if_it_had_not_stopped() {
        for drawn in [0, 1, 311, 312, 313, 624, 1000] {
            let mut whole = Lots::behind(0);
            for _ in 0..drawn {
                whole.between(0.0, 1.0);
            }
            assert_eq!(whole.tail().is_some(), drawn >= 312);
            let mut others = vec![Lots::behind(drawn)];
            others.extend(whole.tail().map(|tail| Lots::resume(drawn, tail)));
            for _ in 0..2000 {
                let lot = whole.between(0.0, 100.0);
                others
                    .iter_mut()
                    .for_each(|other| assert_eq!(other.between(0.0, 100.0), lot, "behind {drawn}"));
            }
            others
                .iter()
                .for_each(|other| assert_eq!((other.drawn(), other.tail()), (drawn + 2000, whole.tail())));
        }
    }
}
