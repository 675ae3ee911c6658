//! Shares, proofs and noise of one study, by the library prio: Prio3L1BoundSum over its field of 128 bits. The proof
//! covers that each number is from 0 to the study's L1 bound, and that all together are at most that.

use std::io::Cursor;

use prio::codec::{Decode, Encode, ParameterizedDecode};
use prio::dp::distributions::PureDpDiscreteLaplace;
use prio::dp::{DifferentialPrivacyStrategy, PureDpBudget, Rational};
use prio::field::{Field128, FieldElementWithInteger};
use prio::vdaf::prio3::{Prio3L1BoundSum, optimal_chunk_length};
use prio::vdaf::{
    AggregateShare, Aggregator, AggregatorWithNoise, Client, OutputShare, VdafError, VerifyTransition,
};
use runtime_study::{ReportId, SignedStudy};

use crate::error::BadReport;

/// Bytes of a number of a share.
pub const NUMBER_BYTES: usize = 16;
/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 16;
/// Bytes of the key with which proofs are checked.
pub const VERIFY_KEY_BYTES: usize = 32;
/// What the shares of a study are bound to, besides its id, the epoch and the report.
const CONTEXT: &[u8] = b"cellar/study/shares/1\n";

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The first of the study, which hosts ask to count.
    Leader,
    /// The second.
    Helper,
}

type State = <Prio3L1BoundSum as Aggregator<32, 16>>::VerifyState;
type VerifierShare = <Prio3L1BoundSum as Aggregator<32, 16>>::VerifierShare;

/// A sum of shares, or one share: as many numbers of the field as the study has numbers. It has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Sum(Vec<Field128>);

impl Sum {
    /// Adds another one of the same length.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, more)| *sum += *more);
    }

    /// As bytes, [`NUMBER_BYTES`] each.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() * NUMBER_BYTES);
        for number in &self.0 {
            number.encode(&mut bytes).expect("a number of the field has its bytes");
        }
        bytes
    }

    /// From bytes; `None` where they are no numbers of the field.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let chunks = bytes.chunks(NUMBER_BYTES);
        chunks.map(Field128::get_decoded).collect::<Result<_, _>>().ok().map(Self)
    }

    /// How many numbers.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The numbers, of which those in the upper half of the field are below 0.
    pub fn totals(&self) -> Vec<i64> {
        let modulus = Field128::modulus();
        let signed = |number: &Field128| {
            let number = u128::from(*number);
            match number <= modulus / 2 {
                true => i64::try_from(number).unwrap_or(i64::MAX),
                false => i64::try_from(modulus - number).map_or(i64::MIN, |below| -below),
            }
        };
        self.0.iter().map(signed).collect()
    }
}

/// The shares of one contribution. It has no `Debug`.
pub struct Shares {
    /// What both get.
    pub public: Vec<u8>,
    /// The leader's share.
    pub leader: Vec<u8>,
    /// The helper's share.
    pub helper: Vec<u8>,
}

/// To what shares are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The epoch.
    pub epoch: u32,
    /// The report.
    pub id: ReportId,
    /// Drawn for each attempt.
    pub nonce: [u8; NONCE_BYTES],
}

/// A report whose proof is being checked, on one side.
pub struct Checking {
    state: State,
    own: VerifierShare,
    context: Vec<u8>,
}

impl Checking {
    /// What the other one needs for the check: it tells nothing of the numbers.
    pub fn said(&self) -> Vec<u8> {
        encoded(&self.own)
    }
}

/// The scheme of one study.
pub struct Scheme {
    prio: Prio3L1BoundSum,
    study: [u8; 32],
    numbers: usize,
    epsilon_micro: u64,
}

fn encoded(item: &impl Encode) -> Vec<u8> {
    item.get_encoded().expect("what was made here has its bytes")
}

fn bad<E>(_: E) -> BadReport {
    BadReport
}

impl Scheme {
    /// The scheme of a study; `None` if it has no aggregators.
    pub fn of(signed: &SignedStudy) -> Option<Self> {
        let study = signed.study();
        study.aggregators()?;
        let (l1, numbers) = (study.l1.unsigned_abs(), study.numbers().len());
        let bits = (l1.checked_ilog2()? as usize + 1) * (numbers + 1);
        let chunk = optimal_chunk_length(bits);
        let prio = Prio3L1BoundSum::new_l1_bound_sum(2, u128::from(l1), numbers, chunk).ok()?;
        Some(Self { prio, study: signed.id().0, numbers, epsilon_micro: study.epsilon_micro })
    }

    fn context(&self, about: &About) -> Vec<u8> {
        [CONTEXT, &self.study, &about.epoch.to_be_bytes(), &about.id.0].concat()
    }

    /// Splits bounded numbers. The randomness is the system's, and different each time.
    ///
    /// # Errors
    /// [`BadReport`]: they are out of bounds.
    pub fn split(&self, about: &About, numbers: &[i64]) -> Result<Shares, BadReport> {
        let numbers: Result<Vec<u128>, _> = numbers.iter().map(|number| u128::try_from(*number)).collect();
        let shared = self.prio.shard(&self.context(about), &numbers.map_err(bad)?, &about.nonce);
        let (public, shares) = shared.map_err(bad)?;
        let [leader, helper] = &shares[..] else { return Err(BadReport) };
        Ok(Shares { public: encoded(&public), leader: encoded(leader), helper: encoded(helper) })
    }

    /// Begins to check a report on one side.
    ///
    /// # Errors
    /// [`BadReport`]: the share does not read.
    pub fn begin(
        &self,
        role: Role,
        verify_key: &[u8; VERIFY_KEY_BYTES],
        about: &About,
        public: &[u8],
        share: &[u8],
    ) -> Result<Checking, BadReport> {
        let index = match role {
            Role::Leader => 0,
            Role::Helper => 1,
        };
        let public = whole(&self.prio, public)?;
        let share = whole(&(&self.prio, index), share)?;
        let context = self.context(about);
        let begun = self.prio.verify_init(verify_key, &context, index, &(), &about.nonce, &public, &share);
        let (state, own) = begun.map_err(bad)?;
        Ok(Checking { state, own, context })
    }

    /// The helper's decision, with what the leader said: what the leader needs to see it, and the share that counts.
    ///
    /// # Errors
    /// [`BadReport`]: the proof does not hold.
    pub fn decide(&self, checking: Checking, leader_said: &[u8]) -> Result<(Vec<u8>, Sum), BadReport> {
        let Checking { state, own, context } = checking;
        let leader: VerifierShare = whole(&state, leader_said)?;
        let decided = self.prio.verifier_shares_to_message(&context, &(), [leader, own]).map_err(bad)?;
        let said = encoded(&decided);
        let share = finished(self.prio.verify_next(&context, state, decided))?;
        Ok((said, share))
    }

    /// The leader's share that counts, with what the helper decided.
    ///
    /// # Errors
    /// [`BadReport`]: the helper decided about something else.
    pub fn finish(&self, checking: Checking, helper_said: &[u8]) -> Result<Sum, BadReport> {
        let Checking { state, context, .. } = checking;
        let decided = whole(&state, helper_said)?;
        finished(self.prio.verify_next(&context, state, decided))
    }

    /// A sum of no shares.
    pub fn nothing(&self) -> Sum {
        Sum(vec![Field128::from(0); self.numbers])
    }

    /// A sum from bytes; `None` where they are none of this study.
    pub fn sum(&self, bytes: &[u8]) -> Option<Sum> {
        Sum::decode(bytes).filter(|sum| sum.len() == self.numbers)
    }

    /// Adds noise that alone keeps the study's ε: discrete Laplace of the scale 2 · l1 / ε for each number.
    ///
    /// # Errors
    /// [`BadReport`]: prio refuses these parameters, which the bounds of a study rule out.
    pub fn add_noise(&self, sum: &mut Sum) -> Result<(), BadReport> {
        let epsilon = Rational::from_unsigned(self.epsilon_micro, 1_000_000_u64).map_err(bad)?;
        let strategy = PureDpDiscreteLaplace::from_budget(PureDpBudget::new(epsilon).map_err(bad)?);
        let mut share = AggregateShare::from(OutputShare::from(std::mem::take(&mut sum.0)));
        // The number of people does not matter for this kind of noise.
        self.prio.add_noise_to_agg_share(&strategy, &(), &mut share, 1).map_err(bad)?;
        sum.0 = share.as_ref().to_vec();
        Ok(())
    }
}

/// Decodes all bytes, and no fewer.
fn whole<P, T: ParameterizedDecode<P>>(parameter: &P, bytes: &[u8]) -> Result<T, BadReport> {
    let mut cursor = Cursor::new(bytes);
    let item = T::decode_with_param(parameter, &mut cursor).map_err(bad)?;
    let is_all = usize::try_from(cursor.position()).is_ok_and(|read| read == bytes.len());
    if is_all { Ok(item) } else { Err(BadReport) }
}

fn finished(next: Result<VerifyTransition<Prio3L1BoundSum, 32, 16>, VdafError>) -> Result<Sum, BadReport> {
    match next.map_err(bad)? {
        VerifyTransition::Finish(share) => Ok(Sum(share.as_ref().to_vec())),
        VerifyTransition::Continue(..) => Err(BadReport),
    }
}
