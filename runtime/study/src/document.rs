//! The document: what a study asks for.

use std::collections::BTreeSet;

use jiff::Timestamp;
use runtime_manifest::{PURPOSE_CHARS_MAX, TITLE_CHARS_MAX, is_package_name};
use runtime_package::CellId;
use runtime_types::{StreamKey, is_visible};
use serde::{Deserialize, Serialize};

use crate::aggregators::{AggregatorToml, aggregators};
use crate::{
    Aggregator, BOUND_MAX, BadStudy, EPSILON_MICRO_MAX, EPSILON_MICRO_MIN, ETHICS_CHARS_MAX, Epoch,
    EpochLength, NUMBERS_MAX, PROOF_BITS_MAX, SMALLEST_GROUP_MAX, SMALLEST_GROUP_MIN, STUDY_BYTES_MAX,
    STUDY_STREAMS_MAX, error_bar, error_bar_of_two,
};

/// The versions of the form: 1 has no aggregators, 2 has two.
const VERSIONS: std::ops::RangeInclusive<u32> = 1..=2;
/// Longest name of a number, bytes.
const NUMBER_NAME_BYTES_MAX: usize = 40;
/// 1970-01-01 and 2200-01-01, s.
const MOMENTS_S: std::ops::Range<i64> = 0..7_258_118_400;
const MICRO: f64 = 1e6;

/// Who adds the contributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answered {
    /// The host of the people who have joined, which they all trust. It is the one way of version 1.
    OneHost,
    /// Two aggregators, each of which sees shares that tell nothing without the other's. It is the one way of version 2.
    TwoAggregators,
}

/// A number of each contribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Number {
    /// What it is called in the answer.
    pub name: String,
    /// The least that it may be, at most 0.
    pub lo: i64,
    /// The most that it may be, at least 0.
    pub hi: i64,
}

/// What a study asks for. Its values keep the limits of this package.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// Its short name.
    pub name: String,
    /// What it calls itself.
    pub title: String,
    /// For what it is.
    pub purpose: String,
    /// The reference of the committee that has approved it.
    pub ethics: String,
    /// Whom to ask.
    pub contact: Option<String>,
    /// The cell that computes the contributions.
    pub cell: CellId,
    /// SHA-256 of the cell's package, 64 hex digits.
    pub digest: String,
    /// The streams that the cell reads, sorted.
    pub streams: Vec<String>,
    /// The first moment whose data count, s.
    pub from_s: i64,
    /// The first moment whose data no longer count, s.
    pub until_s: i64,
    /// How long an epoch is.
    pub epoch: EpochLength,
    /// What an epoch costs each person, millionths of ε.
    pub epsilon_micro: u64,
    /// The most that one person's numbers together count.
    pub l1: i64,
    /// Over fewer people than this nothing is answered.
    pub smallest_group: u64,
    /// Who adds the contributions.
    pub answered: Answered,
    aggregators: Option<[Aggregator; 2]>,
    numbers: Vec<Number>,
    epochs: Vec<Epoch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct StudyToml {
    version: u32,
    name: String,
    title: String,
    purpose: String,
    ethics: String,
    contact: Option<String>,
    cell: CellId,
    digest: String,
    streams: Vec<String>,
    from: toml::value::Datetime,
    until: toml::value::Datetime,
    epoch: EpochLength,
    epsilon: f64,
    #[serde(default)]
    delta: f64,
    l1: i64,
    smallest_group: u64,
    answered: Answered,
    aggregators: Option<Vec<AggregatorToml>>,
    numbers: Vec<NumbersToml>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NumbersToml {
    name: String,
    lo: i64,
    hi: i64,
    /// How many numbers of that kind follow one another.
    times: Option<usize>,
}

impl Study {
    /// Reads a document without its signature.
    ///
    /// # Errors
    /// [`BadStudy`]: the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, BadStudy> {
        if text.len() > STUDY_BYTES_MAX {
            return Err(BadStudy::TooLong { bytes: text.len() });
        }
        let toml: StudyToml =
            toml::from_str(text).map_err(|error| BadStudy::Form { why: form(&error, text) })?;
        if !VERSIONS.contains(&toml.version) {
            return Err(BadStudy::Version { found: toml.version });
        }
        toml.check_texts()?;
        let epsilon_micro = micro_of(toml.epsilon)?;
        // Not a number is not 0 either.
        if toml.delta != 0.0 {
            return Err(BadStudy::Delta);
        }
        if !(SMALLEST_GROUP_MIN..=SMALLEST_GROUP_MAX).contains(&toml.smallest_group) {
            return Err(BadStudy::SmallestGroup);
        }
        let streams = streams(&toml.streams)?;
        let numbers = numbers(&toml.numbers)?;
        let reach: i64 = numbers.iter().map(|number| number.hi.max(-number.lo)).sum();
        let most = reach.min(BOUND_MAX);
        if !(1..=most).contains(&toml.l1) {
            return Err(BadStudy::L1 { most });
        }
        let aggregators = aggregators(toml.version, toml.answered, toml.aggregators.as_deref())?;
        if aggregators.is_some() {
            check_provable(&numbers, toml.l1)?;
        }
        let (from_s, until_s) = (moment("from", &toml.from)?, moment("until", &toml.until)?);
        Ok(Self {
            epochs: toml.epoch.between(from_s, until_s)?,
            name: toml.name,
            title: toml.title,
            purpose: toml.purpose,
            ethics: toml.ethics,
            contact: toml.contact,
            cell: toml.cell,
            digest: toml.digest,
            streams,
            from_s,
            until_s,
            epoch: toml.epoch,
            epsilon_micro,
            l1: toml.l1,
            smallest_group: toml.smallest_group,
            answered: toml.answered,
            aggregators,
            numbers,
        })
    }

    /// The numbers of each contribution, in their order.
    pub fn numbers(&self) -> &[Number] {
        &self.numbers
    }

    /// The epochs, the earliest first.
    pub fn epochs(&self) -> &[Epoch] {
        &self.epochs
    }

    /// The epoch with that number.
    pub fn epoch_at(&self, index: u32) -> Option<&Epoch> {
        self.epochs.get(usize::try_from(index).ok()?)
    }

    /// The two aggregators, of a study that has them: the leader, and the helper.
    pub fn aggregators(&self) -> Option<&[Aggregator; 2]> {
        self.aggregators.as_ref()
    }

    /// The scale of the noise of each total: the L1 bound divided by ε. The gate may draw from a scale that is larger by
    /// what its proof needs for rounding. With two aggregators it is that of the noise which each of them adds, and twice
    /// as large: they know who contributes, so what one person's numbers may change is measured from any numbers to any
    /// others.
    pub fn scale(&self) -> f64 {
        let one = self.l1 as f64 / (self.epsilon_micro as f64 / MICRO);
        match self.answered {
            Answered::OneHost => one,
            Answered::TwoAggregators => 2.0 * one,
        }
    }

    /// How far a total may be from the sum, in at least [`crate::CONFIDENCE_PERCENT`] of a hundred cases.
    pub fn error_bar(&self) -> u64 {
        match self.answered {
            Answered::OneHost => error_bar(self.scale()),
            Answered::TwoAggregators => error_bar_of_two(self.scale()),
        }
    }
}

impl StudyToml {
    fn check_texts(&self) -> Result<(), BadStudy> {
        if !is_package_name(&self.name) {
            return Err(BadStudy::Name);
        }
        text("title", &self.title, TITLE_CHARS_MAX)?;
        text("purpose", &self.purpose, PURPOSE_CHARS_MAX)?;
        text("ethics", &self.ethics, ETHICS_CHARS_MAX)?;
        self.contact.as_deref().map_or(Ok(()), |contact| text("contact", contact, ETHICS_CHARS_MAX))?;
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if self.digest.len() != 64 || !self.digest.bytes().all(is_hex) {
            return Err(BadStudy::Digest);
        }
        Ok(())
    }
}

fn text(member: &'static str, text: &str, chars_max: usize) -> Result<(), BadStudy> {
    let sound = text.chars().count() <= chars_max && !text.trim().is_empty() && is_visible(text);
    if sound { Ok(()) } else { Err(BadStudy::Text { member, chars_max }) }
}

/// What TOML says is wrong, with the line, and without parts of the text.
fn form(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let message = error.message().chars().take(200).collect::<String>();
    line.map_or(message.clone(), |line| format!("line {line}: {message}"))
}

fn micro_of(epsilon: f64) -> Result<u64, BadStudy> {
    let micro = (epsilon * MICRO).round();
    // What has more decimals is not the nearest number to what was rounded.
    let exact = epsilon.is_finite() && micro / MICRO == epsilon;
    let micro = micro as u64;
    if exact && (EPSILON_MICRO_MIN..=EPSILON_MICRO_MAX).contains(&micro) {
        Ok(micro)
    } else {
        Err(BadStudy::Epsilon)
    }
}

fn streams(named: &[String]) -> Result<Vec<String>, BadStudy> {
    let keys: BTreeSet<_> = named.iter().cloned().collect();
    let sound = (1..=STUDY_STREAMS_MAX).contains(&named.len())
        && keys.len() == named.len()
        && keys.iter().all(|key| StreamKey::parse(key).is_ok() && !key.contains('*'));
    if sound { Ok(keys.into_iter().collect()) } else { Err(BadStudy::Streams) }
}

fn numbers(named: &[NumbersToml]) -> Result<Vec<Number>, BadStudy> {
    let mut numbers = Vec::new();
    let mut names = BTreeSet::new();
    for (index, NumbersToml { name, lo, hi, times }) in (1..).zip(named) {
        let sound = (-BOUND_MAX..=0).contains(lo) && (0..=BOUND_MAX).contains(hi) && lo < hi;
        if !sound {
            return Err(BadStudy::Bounds { index });
        }
        let count = times.unwrap_or(1);
        if count == 0 || numbers.len().saturating_add(count) > NUMBERS_MAX {
            return Err(BadStudy::Numbers);
        }
        for one in 0..count {
            let name = if times.is_some() { format!("{name}-{one:04}") } else { name.clone() };
            if !is_number_name(&name) || !names.insert(name.clone()) {
                return Err(BadStudy::NumberName { index });
            }
            numbers.push(Number { name, lo: *lo, hi: *hi });
        }
    }
    if numbers.is_empty() { Err(BadStudy::Numbers) } else { Ok(numbers) }
}

/// A proof covers numbers from 0 to the L1 bound, and the L1 bound itself.
fn check_provable(numbers: &[Number], l1: i64) -> Result<(), BadStudy> {
    if let Some(index) = numbers.iter().position(|number| number.lo != 0) {
        return Err(BadStudy::Negative { index: index + 1 });
    }
    let bits = l1.ilog2() as usize + 1;
    let needed = bits * (numbers.len() + 1);
    if needed > PROOF_BITS_MAX { Err(BadStudy::Proof { bits: needed }) } else { Ok(()) }
}

fn is_number_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=NUMBER_NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain)
}

/// A moment in UTC; a day alone is its midnight.
fn moment(member: &'static str, told: &toml::value::Datetime) -> Result<i64, BadStudy> {
    let text = match (told.time, told.offset) {
        (None, None) => format!("{told}T00:00:00Z"),
        _ => told.to_string(),
    };
    let moment = text.parse::<Timestamp>().ok().filter(|moment| moment.subsec_nanosecond() == 0);
    let moment_s = moment.map(Timestamp::as_second).filter(|moment_s| MOMENTS_S.contains(moment_s));
    moment_s.ok_or(BadStudy::Moment { member })
}
