//! A column's integers: as small differences in byte planes, or computed from another column.

use super::BadBlock;
use super::bytes::{Reader, put_planes, put_varint, unzigzag, width_of, zigzag};
use super::decimal::POWERS;

/// Integers of an earlier column of the same shape, from which later ones may be computed.
#[derive(Debug, Clone)]
pub(super) struct Known<V> {
    pub values: V,
    /// Digits behind the point; [`OWN_SCALE`] where rows differ.
    pub scale: u8,
}

/// In place of a scale: each value has a scale to itself.
pub(super) const OWN_SCALE: u8 = 255;

const PLANES: u8 = 0;
const SAME: u8 = 1;
const SECOND: u8 = 2;
const MINUTE: u8 = 3;
const HOUR: u8 = 4;
/// `FRACTION + n`: n digits behind the point, 1 to 9.
const FRACTION: u8 = 0x10;

/// Zones differ from UTC by multiples of this, s.
const ZONE_STEP: i64 = 900;
const DAY: i64 = 86_400;

/// Writes integers in the cheapest of the known ways.
pub(super) fn put_integers(out: &mut Vec<u8>, values: &[i64], known: &[Known<Vec<i64>>]) {
    if let Some(same) = known.iter().position(|known| known.values == values) {
        out.push(SAME);
        put_varint(out, same as u64);
    } else if let Some((tag, of, zone)) = find_clock(values, known) {
        out.push(tag);
        put_varint(out, of as u64);
        put_varint(out, (zone / ZONE_STEP) as u64);
    } else {
        out.push(PLANES);
        put_differences(out, values);
    }
}

/// Reads what [`put_integers`] wrote.
pub(super) fn read_integers<V: AsRef<[i64]>>(
    reader: &mut Reader<'_>,
    rows: usize,
    known: &[Known<V>],
) -> Result<Vec<i64>, BadBlock> {
    let tag = reader.u8()?;
    if tag == PLANES {
        return read_differences(reader, rows);
    }
    let of = reader.count("columns before one made of them", known.len())?;
    let source = known.get(of).ok_or(BadBlock::Broken("a column made of a later one"))?;
    if tag == SAME {
        return Ok(source.values.as_ref().to_vec());
    }
    let zone = reader.count("steps of a time zone", (DAY / ZONE_STEP) as usize)? as i64 * ZONE_STEP;
    let clock =
        Clock::new(tag, source.scale, zone).ok_or(BadBlock::Broken("a column made in no known way"))?;
    Ok(source.values.as_ref().iter().map(|time| clock.read(*time)).collect())
}

/// What a clock shows at a time that another column holds.
#[derive(Debug, Clone, Copy)]
struct Clock {
    tag: u8,
    /// A second, in units of the time.
    second: i64,
    zone: i64,
    /// The number that a fraction is divided by and multiplied with.
    cut: i64,
    grown: i64,
}

impl Clock {
    fn new(tag: u8, scale: u8, zone: i64) -> Option<Self> {
        let second = *POWERS.get(usize::from(scale))?;
        let (mut cut, mut grown) = (1, 1);
        match tag {
            SECOND | MINUTE | HOUR => {}
            0x11..=0x19 => {
                let digits = tag - FRACTION;
                cut = POWERS[usize::from(scale.saturating_sub(digits))];
                grown = POWERS[usize::from(digits.saturating_sub(scale))];
            }
            _ => return None,
        }
        Some(Self { tag, second, zone, cut, grown })
    }

    #[inline]
    fn read(&self, time: i64) -> i64 {
        // Times before 1970 are rare, and the general division is slow.
        let of = |value: i64, by: i64| {
            if value >= 0 { (value as u64 / by as u64) as i64 } else { value.div_euclid(by) }
        };
        let seconds = || of(time, self.second).wrapping_add(self.zone);
        match self.tag {
            SECOND => seconds().rem_euclid(60),
            MINUTE => seconds().div_euclid(60).rem_euclid(60),
            HOUR => seconds().div_euclid(3600).rem_euclid(24),
            // A fraction is below 10^18 and grows only as far as 10^9.
            _ => time.rem_euclid(self.second) / self.cut * self.grown,
        }
    }
}

/// The part of a clock, the column it reads and the zone's offset, s, which give exactly these values.
fn find_clock(values: &[i64], known: &[Known<Vec<i64>>]) -> Option<(u8, usize, i64)> {
    let most = *values.iter().max()?;
    // Too few rows to be worth the cost, or values that no clock shows.
    if values.len() < 8 || most >= POWERS[9] || values.iter().any(|value| *value < 0) {
        return None;
    }
    let shows = |tag: u8, of: usize, zone: i64| {
        let clock = Clock::new(tag, known[of].scale, zone)?;
        let all = known[of].values.iter().zip(values).all(|(time, value)| clock.read(*time) == *value);
        all.then_some((tag, of, zone))
    };
    // Only a column that counts seconds since 1970 and differs from row to row can be a time.
    let is_time = |known: &Known<Vec<i64>>| {
        POWERS.get(usize::from(known.scale)).is_some_and(|second| known.values[0] / second > 100_000_000)
    };
    known.iter().enumerate().filter(|(_, known)| is_time(known)).find_map(|(of, _)| {
        let fractions = (1..=9).filter(|digits| *digits >= 3 && most < POWERS[*digits as usize]);
        let zones = || (0..DAY / ZONE_STEP).map(|step| step * ZONE_STEP);
        let small = most < 60;
        let clocks = small
            .then(|| {
                shows(SECOND, of, 0).or_else(|| zones().take(4).find_map(|zone| shows(MINUTE, of, zone)))
            })
            .flatten()
            .or_else(|| (most < 24).then(|| zones().find_map(|zone| shows(HOUR, of, zone))).flatten());
        clocks.or_else(|| fractions.into_iter().find_map(|digits| shows(FRACTION + digits, of, 0)))
    })
}

/// Differences from the least value, from the value before, or from the difference before: the smallest of these.
fn put_differences(out: &mut Vec<u8>, values: &[i64]) {
    let least = *values.iter().min().expect("a column has rows");
    let orders = [
        values.iter().map(|value| value.wrapping_sub(least) as u64).collect::<Vec<_>>(),
        values.windows(2).map(|pair| zigzag(pair[1].wrapping_sub(pair[0]))).collect(),
        values
            .windows(3)
            .map(|three| {
                let (before, after) = (three[1].wrapping_sub(three[0]), three[2].wrapping_sub(three[1]));
                zigzag(after.wrapping_sub(before))
            })
            .collect(),
    ];
    let bits =
        |values: &Vec<u64>| values.iter().map(|value| u64::from(64 - value.leading_zeros())).sum::<u64>();
    let offered = if values.len() < 3 { 1 } else { 3 };
    let order = (0..offered).min_by_key(|order| bits(&orders[*order])).expect("at least one is offered");
    let differences = &orders[order];
    let width = width_of(differences.iter().copied());
    out.push((order << 4 | width) as u8);
    put_varint(out, zigzag(if order == 0 { least } else { values[0] }));
    if order == 2 {
        put_varint(out, zigzag(values[1].wrapping_sub(values[0])));
    }
    put_planes(out, differences, width);
}

fn read_differences(reader: &mut Reader<'_>, rows: usize) -> Result<Vec<i64>, BadBlock> {
    let form = reader.u8()?;
    let (order, width) = (usize::from(form >> 4), usize::from(form & 15));
    if order > 2 || order >= rows {
        return Err(BadBlock::Broken("differences of an order that the rows do not have"));
    }
    let mut value = unzigzag(reader.varint()?);
    let mut step = if order == 2 { unzigzag(reader.varint()?) } else { 0 };
    let mut values = Vec::with_capacity(rows);
    if order > 0 {
        values.push(value);
    }
    if order == 2 {
        value = value.wrapping_add(step);
        values.push(value);
    }
    let differences = reader.planes(rows - order, width)?;
    match order {
        0 => values.extend(differences.iter().map(|difference| value.wrapping_add(*difference as i64))),
        1 => values.extend(differences.iter().map(|difference| {
            value = value.wrapping_add(unzigzag(*difference));
            value
        })),
        _ => values.extend(differences.iter().map(|difference| {
            step = step.wrapping_add(unzigzag(*difference));
            value = value.wrapping_add(step);
            value
        })),
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_back(bytes: &[u8], rows: usize, known: &[Known<Vec<i64>>]) -> Vec<i64> {
        let mut reader = Reader::new(bytes);
        let values = read_integers(&mut reader, rows, known).expect("what was written");
        assert!(reader.rest().is_empty());
        values
    }

    #[test]
    fn a_clocks_hands_cost_a_few_bytes() {
        // 100 times in ms from 2016-08-05T11:49:40.507Z, 61.234 s apart, seen 7 h west of Greenwich.
        let times: Vec<i64> = (0..100).map(|row| 1_470_397_780_507 + row * 61_234).collect();
        let known = [Known { values: times.clone(), scale: 3 }];
        let local = |time: &i64| time / 1000 - 7 * 3600;
        let hands: [Vec<i64>; 4] = [
            times.iter().map(|time| local(time) % 60).collect(),
            times.iter().map(|time| local(time) / 60 % 60).collect(),
            times.iter().map(|time| local(time) / 3600 % 24).collect(),
            times.iter().map(|time| time % 1000 * 1000).collect(),
        ];
        for hand in hands {
            let mut bytes = Vec::new();
            put_integers(&mut bytes, &hand, &known);
            assert!(bytes.len() <= 3, "{} bytes", bytes.len());
            assert_eq!(read_back(&bytes, 100, &known), hand);
        }
    }

    proptest! {
        #[test]
        fn integers_come_back(values in prop::collection::vec(prop_oneof![any::<i64>(), -300..300_i64], 1..40)) {
            let mut bytes = Vec::new();
            put_integers(&mut bytes, &values, &[]);
            prop_assert_eq!(read_back(&bytes, values.len(), &[]), values);
        }
    }
}
