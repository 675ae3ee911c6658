//! A contribution inside its bounds.

use crate::Study;

/// A contribution of another length than the study has numbers. Nothing of it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cell gave {found} numbers; the study has {wanted}")]
pub struct WrongLength {
    /// How many it gave.
    pub found: usize,
    /// How many the study has.
    pub wanted: usize,
}

/// One person's numbers inside the bounds of a study: whole, each within its own bounds, and together within the L1
/// bound. It has no `Debug`, so that no log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Bounded {
    numbers: Vec<i64>,
    is_clamped: bool,
}

impl Bounded {
    /// Brings what a cell gave into the bounds of the study: each number is rounded and clamped; where they are then
    /// together over the L1 bound, all are made smaller by the same factor. NaN, which the sandbox refuses, becomes 0.
    ///
    /// # Errors
    /// [`WrongLength`].
    pub fn of(study: &Study, given: &[f64]) -> Result<Self, WrongLength> {
        let bounds = study.numbers();
        if given.len() != bounds.len() {
            return Err(WrongLength { found: given.len(), wanted: bounds.len() });
        }
        let mut is_clamped = false;
        let clamped = given.iter().zip(bounds).map(|(number, bound)| {
            is_clamped |= !(*number >= bound.lo as f64 && *number <= bound.hi as f64);
            // A cast takes what is beyond 64 bits to their ends, and NaN to 0.
            (number.round() as i64).clamp(bound.lo, bound.hi)
        });
        let mut numbers: Vec<i64> = clamped.collect();
        let norm: i128 = numbers.iter().map(|number| i128::from(number.unsigned_abs())).sum();
        let most = i128::from(study.l1);
        if norm > most {
            is_clamped = true;
            for number in &mut numbers {
                // Towards 0, so that the sum of the absolute values is at most the bound, and 0 is within all bounds.
                let smaller = i128::from(*number) * most / norm;
                *number = i64::try_from(smaller).expect("it is nearer to 0 than a number of 64 bits");
            }
        }
        Ok(Self { numbers, is_clamped })
    }

    /// The numbers.
    pub fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// Whether what the cell gave was outside the bounds.
    pub fn is_clamped(&self) -> bool {
        self.is_clamped
    }

    /// Adds the numbers to sums of the same length. At most 2^33 contributions are added to one sum.
    pub fn add_to(&self, sums: &mut [i64]) {
        for (sum, number) in sums.iter_mut().zip(&self.numbers) {
            *sum = sum.saturating_add(*number);
        }
    }
}
