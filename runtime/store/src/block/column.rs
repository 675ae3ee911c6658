//! The values of one hole of one shape, over all rows of that shape.

use std::collections::HashMap;
use std::rc::Rc;

use cells_json::text::number;

use super::BadBlock;
use super::bytes::{Reader, put_planes, put_varint, width_of};
use super::decimal::{DIGITS_MAX, Decimal, POWERS, to_double};
use super::numbers::{Known, OWN_SCALE, put_integers, read_integers};
use super::scan::{DIGITS, RAW, SCALAR};

/// All values have the same count of digits behind the point.
const FIXED: u8 = 0;
/// Zeros at the end are left out, and the point with them: `1.5`, `2`.
const STRIPPED: u8 = 1;
/// Zeros at the end are left out, but one digit stays: `1.5`, `2.0`.
const STRIPPED_TO_ONE: u8 = 2;
/// One byte for each value: how many digits are behind the point, or that the value is odd and kept as a string.
const EACH: u8 = 3;
/// Few different texts, and one byte for each value that says which.
const DICTIONARY: u8 = 4;
/// One text for each value.
const TEXTS: u8 = 5;
/// The same texts as those of an earlier column.
const COPY: u8 = 6;

/// In place of a count of digits: the value is kept as a string.
pub(super) const ODD: u8 = 255;

/// A column as it is read.
#[derive(Debug, Clone)]
pub(super) enum Column<'b> {
    /// Decimals of one scale; zeros at their ends are left out down to `least` digits behind the point.
    Decimals { values: Rc<[i64]>, scale: u8, least: u8 },
    /// Decimals whose digits behind the point are `digits`; where that is [`ODD`], the value counts in `odd`.
    Each { values: Rc<[i64]>, scale: u8, digits: &'b [u8], odd: Texts<'b> },
    /// Digits of a written time.
    Digits { values: Rc<[i64]> },
    /// A byte a row says which text.
    Dictionary { index: &'b [u8], texts: Texts<'b> },
    /// One text a row.
    Texts(Texts<'b>),
}

/// A run of texts: where each begins in a section, and where the last one ends.
#[derive(Debug, Clone)]
pub(super) struct Texts<'b> {
    /// The section and the padding behind it.
    pub section: &'b [u8],
    pub starts: Rc<[u32]>,
}

impl<'b> Texts<'b> {
    pub fn get(&self, at: usize) -> &'b [u8] {
        &self.section[self.starts[at] as usize..self.starts[at + 1] as usize]
    }

    pub fn len(&self) -> usize {
        self.starts.len() - 1
    }
}

fn put_texts(out: &mut Vec<u8>, texts: &[&[u8]]) {
    let lengths: Vec<u64> = texts.iter().map(|text| text.len() as u64).collect();
    let width = width_of(lengths.iter().copied());
    out.push(width as u8);
    put_planes(out, &lengths, width);
    texts.iter().for_each(|text| out.extend_from_slice(text));
}

fn read_texts<'b>(reader: &mut Reader<'b>, count: usize, section: &'b [u8]) -> Result<Texts<'b>, BadBlock> {
    let width = usize::from(reader.u8()?);
    if width > 4 {
        return Err(BadBlock::Broken("a text longer than 4 GiB"));
    }
    let lengths = reader.planes(count, width)?;
    let first = reader.position() as u64;
    let mut at = first;
    let mut starts = Vec::with_capacity(count + 1);
    starts.push(first as u32);
    for length in lengths {
        at += length;
        // Wrong where it does not fit; the next line then finds too few bytes.
        starts.push(at as u32);
    }
    reader.take((at - first) as usize)?;
    Ok(Texts { section, starts: starts.into() })
}

/// Writes the columns of one shape, one after the other.
#[derive(Debug, Default)]
pub(super) struct ColumnWriter<'a> {
    known: Vec<Known<Vec<i64>>>,
    scalars: Vec<Vec<&'a [u8]>>,
}

impl<'a> ColumnWriter<'a> {
    pub fn put(&mut self, out: &mut Vec<u8>, mark: u8, values: Vec<&'a [u8]>) {
        match mark {
            RAW => put_texts(out, &values),
            SCALAR => self.put_scalars(out, values),
            _ => {
                let digits =
                    |text: &&[u8]| text.iter().fold(0, |value, byte| value * 10 + i64::from(byte - b'0'));
                self.put_known(out, values.iter().map(digits).collect(), 0);
            }
        }
    }

    fn put_known(&mut self, out: &mut Vec<u8>, values: Vec<i64>, scale: u8) {
        put_integers(out, &values, &self.known);
        self.known.push(Known { values, scale });
    }

    fn put_scalars(&mut self, out: &mut Vec<u8>, values: Vec<&'a [u8]>) {
        if let Some(earlier) = self.scalars.iter().position(|earlier| *earlier == values) {
            out.push(COPY);
            put_varint(out, earlier as u64);
        } else if !self.put_decimals(out, &values) {
            put_strings(out, &values);
        }
        self.scalars.push(values);
    }

    /// `false`: too few of the values are plain decimals, or so few differ that a dictionary is smaller.
    fn put_decimals(&mut self, out: &mut Vec<u8>, texts: &[&[u8]]) -> bool {
        let decimals: Vec<Option<Decimal>> = texts.iter().map(|text| Decimal::parse(text)).collect();
        let plain = || decimals.iter().flatten();
        let odd = decimals.len() - plain().count();
        let Some(first) = plain().next() else { return false };
        if odd * 8 > decimals.len() || dictionary_is_smaller(texts, &decimals) {
            return false;
        }
        let scale = plain().map(|decimal| decimal.scale).max().expect("there is a first");
        let common = fill(&decimals, *first, |decimal| at_scale(decimal, scale));
        let form = common.as_ref().filter(|_| odd == 0).and_then(|values| form_of(values, &decimals, scale));
        match (common, form) {
            (Some(values), Some(form)) => {
                out.push(form);
                out.push(scale);
                self.put_known(out, values, scale);
            }
            (common, _) => {
                let scale = if common.is_some() { scale } else { OWN_SCALE };
                let own = || fill(&decimals, *first, |decimal| Some(decimal.mantissa));
                let values = common.or_else(own).expect("a mantissa is what it is");
                out.push(EACH);
                out.push(scale);
                self.put_known(out, values, scale);
                out.extend(decimals.iter().map(|decimal| decimal.map_or(ODD, |decimal| decimal.scale)));
                let odd: Vec<&[u8]> = texts
                    .iter()
                    .zip(&decimals)
                    .filter(|(_, plain)| plain.is_none())
                    .map(|(text, _)| *text)
                    .collect();
                put_texts(out, &odd);
            }
        }
        true
    }
}

/// A value a row; an odd row repeats the one before, which costs least.
fn fill(
    decimals: &[Option<Decimal>],
    first: Decimal,
    value_of: impl Fn(Decimal) -> Option<i64>,
) -> Option<Vec<i64>> {
    let mut last = value_of(first)?;
    decimals
        .iter()
        .map(|decimal| {
            if let Some(decimal) = decimal {
                last = value_of(*decimal)?;
            }
            Some(last)
        })
        .collect()
}

fn at_scale(decimal: Decimal, scale: u8) -> Option<i64> {
    let grown = decimal.mantissa.checked_mul(POWERS[usize::from(scale - decimal.scale)])?;
    (grown.unsigned_abs() < 1 << 62).then_some(grown)
}

fn form_of(values: &[i64], decimals: &[Option<Decimal>], scale: u8) -> Option<u8> {
    let all = |holds: &dyn Fn(i64, u8) -> bool| {
        values.iter().zip(decimals.iter().flatten()).all(|(value, decimal)| holds(*value, decimal.scale))
    };
    let stripped = |value: i64, least: u8| {
        let mut digits = scale;
        while digits > least && value % POWERS[usize::from(scale - digits) + 1] == 0 {
            digits -= 1;
        }
        digits
    };
    if all(&|_, digits| digits == scale) {
        Some(FIXED)
    } else if all(&|value, digits| digits == stripped(value, 0)) {
        Some(STRIPPED)
    } else if all(&|value, digits| digits == stripped(value, 1)) {
        Some(STRIPPED_TO_ONE)
    } else {
        None
    }
}

/// Whether so few numbers differ that their texts and a small index take less than their digits.
fn dictionary_is_smaller(texts: &[&[u8]], decimals: &[Option<Decimal>]) -> bool {
    const DIFFERENT_MAX: usize = 16;
    let mut different: Vec<&[u8]> = Vec::with_capacity(DIFFERENT_MAX);
    for text in texts {
        if !different.contains(text) {
            if different.len() == DIFFERENT_MAX {
                return false;
            }
            different.push(text);
        }
    }
    let most = decimals.iter().flatten().map(|decimal| decimal.mantissa.unsigned_abs()).max().unwrap_or(0);
    let wide = most > 255 || decimals.iter().any(|decimal| decimal.is_none_or(|decimal| decimal.scale > 0));
    wide && different.len() * 4 <= texts.len()
}

fn put_strings(out: &mut Vec<u8>, values: &[&[u8]]) {
    let mut different = Vec::new();
    let mut numbers: HashMap<&[u8], u8> = HashMap::new();
    let mut index = Vec::with_capacity(values.len());
    for value in values {
        let fresh = different.len();
        let number = *numbers.entry(value).or_insert(fresh as u8);
        if usize::from(number) == fresh {
            different.push(*value);
        }
        if different.len() > 255 || different.len() * 2 > values.len() {
            out.push(TEXTS);
            return put_texts(out, values);
        }
        index.push(number);
    }
    out.push(DICTIONARY);
    out.push(different.len() as u8);
    put_texts(out, &different);
    out.extend_from_slice(&index);
}

/// Reads the columns of one shape in the order they were written.
#[derive(Debug, Default)]
pub(super) struct ColumnReader<'b> {
    known: Vec<Known<Rc<[i64]>>>,
    scalars: Vec<Column<'b>>,
}

impl<'b> ColumnReader<'b> {
    /// `section` is what `reader` walks, and the padding behind it.
    pub fn read(
        &mut self,
        reader: &mut Reader<'b>,
        section: &'b [u8],
        mark: u8,
        rows: usize,
    ) -> Result<Column<'b>, BadBlock> {
        match mark {
            RAW => read_texts(reader, rows, section).map(Column::Texts),
            SCALAR => {
                let column = self.read_scalars(reader, section, rows)?;
                self.scalars.push(column.clone());
                Ok(column)
            }
            _ => Ok(Column::Digits { values: self.read_known(reader, rows, 0)? }),
        }
    }

    fn read_known(&mut self, reader: &mut Reader<'b>, rows: usize, scale: u8) -> Result<Rc<[i64]>, BadBlock> {
        let values: Rc<[i64]> = read_integers(reader, rows, &self.known)?.into();
        self.known.push(Known { values: Rc::clone(&values), scale });
        Ok(values)
    }

    fn read_scalars(
        &mut self,
        reader: &mut Reader<'b>,
        section: &'b [u8],
        rows: usize,
    ) -> Result<Column<'b>, BadBlock> {
        let tag = reader.u8()?;
        match tag {
            FIXED | STRIPPED | STRIPPED_TO_ONE => {
                let scale = reader.u8()?;
                if usize::from(scale) > DIGITS_MAX {
                    return Err(BadBlock::Broken("decimals of too many digits"));
                }
                let values = self.read_known(reader, rows, scale)?;
                let least = if tag == FIXED { scale } else { scale.min(tag - STRIPPED) };
                Ok(Column::Decimals { values, scale, least })
            }
            EACH => self.read_each(reader, section, rows),
            DICTIONARY => {
                let count = usize::from(reader.u8()?);
                let texts = read_texts(reader, count, section)?;
                let index = reader.take(rows)?;
                if index.iter().any(|number| usize::from(*number) >= count) {
                    return Err(BadBlock::Broken("a text that is not in the dictionary"));
                }
                Ok(Column::Dictionary { index, texts })
            }
            TEXTS => read_texts(reader, rows, section).map(Column::Texts),
            COPY => {
                let earlier = reader.count("columns before a copy", self.scalars.len())?;
                self.scalars.get(earlier).cloned().ok_or(BadBlock::Broken("a copy of a later column"))
            }
            _ => Err(BadBlock::Broken("a column written in no known way")),
        }
    }

    fn read_each(
        &mut self,
        reader: &mut Reader<'b>,
        section: &'b [u8],
        rows: usize,
    ) -> Result<Column<'b>, BadBlock> {
        let scale = reader.u8()?;
        let values = self.read_known(reader, rows, scale)?;
        let digits = reader.take(rows)?;
        let most = if scale == OWN_SCALE { DIGITS_MAX as u8 } else { scale };
        if usize::from(most) > DIGITS_MAX || digits.iter().any(|digits| *digits > most && *digits != ODD) {
            return Err(BadBlock::Broken("decimals of too many digits"));
        }
        let mut count = 0;
        let values = values.iter().zip(digits).map(|(value, digits)| {
            let odd = *digits == ODD;
            count += i64::from(odd);
            if odd { count - 1 } else { *value }
        });
        let values = values.collect();
        Ok(Column::Each { values, scale, digits, odd: read_texts(reader, count as usize, section)? })
    }
}

impl<'b> Column<'b> {
    /// The values as numbers, as `text::number` reads each text; NaN where a value is no number.
    pub fn doubles(&self) -> Vec<f64> {
        let of_text = |text: &[u8]| std::str::from_utf8(text).ok().and_then(number).unwrap_or(f64::NAN);
        match self {
            Self::Decimals { values, scale, .. } => {
                values.iter().map(|value| to_double(*value, usize::from(*scale))).collect()
            }
            Self::Each { values, scale, digits, odd } => {
                let double = |(value, digits): (&i64, &u8)| match *digits {
                    ODD => of_text(odd.get(*value as usize)),
                    own => to_double(*value, usize::from(if *scale == OWN_SCALE { own } else { *scale })),
                };
                values.iter().zip(*digits).map(double).collect()
            }
            Self::Digits { values } => values.iter().map(|value| *value as f64).collect(),
            Self::Dictionary { index, texts } => {
                let known: Vec<f64> = (0..texts.len()).map(|at| of_text(texts.get(at))).collect();
                index.iter().map(|number| known[usize::from(*number)]).collect()
            }
            Self::Texts(texts) => (0..texts.len()).map(|at| of_text(texts.get(at))).collect(),
        }
    }

    /// The text of a row's value, where it is kept as a string; numbers are not.
    pub fn text(&self, row: usize) -> Option<&str> {
        let bytes = match self {
            Self::Dictionary { index, texts } => texts.get(usize::from(index[row])),
            Self::Texts(texts) => texts.get(row),
            Self::Each { values, digits, odd, .. } if digits[row] == ODD => odd.get(values[row] as usize),
            Self::Each { .. } | Self::Decimals { .. } | Self::Digits { .. } => return None,
        };
        std::str::from_utf8(bytes).ok()
    }

    /// What `of` returns for each value's text; for numbers it is called with an empty text.
    pub fn kinds(&self, rows: usize, of: impl Fn(&[u8]) -> u8) -> Vec<u8> {
        match self {
            Self::Dictionary { index, texts } => {
                let known: Vec<u8> = (0..texts.len()).map(|at| of(texts.get(at))).collect();
                index.iter().map(|number| known[usize::from(*number)]).collect()
            }
            Self::Texts(texts) => (0..texts.len()).map(|at| of(texts.get(at))).collect(),
            Self::Each { values, digits, odd, .. } => {
                let kind = |(value, digits): (&i64, &u8)| {
                    of(if *digits == ODD { odd.get(*value as usize) } else { b"" })
                };
                values.iter().zip(*digits).map(kind).collect()
            }
            Self::Decimals { .. } | Self::Digits { .. } => vec![of(b""); rows],
        }
    }
}

/// The width of a mark of digits.
pub(super) fn digits_of(mark: u8) -> usize {
    usize::from(mark.saturating_sub(DIGITS)).clamp(1, 15)
}
