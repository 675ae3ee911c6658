//! How precisely a cell is shown places and times.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A word that names no precision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such precision: places are exact, 100m, 1km or 10km, times exact, hour or day")]
pub struct BadPrecision;

/// How precisely places are shown. A larger value is coarser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Place {
    /// As they are stored.
    #[default]
    #[serde(rename = "exact")]
    Exact,
    /// The centre of a cell of 100 m.
    #[serde(rename = "100m")]
    Hundred,
    /// The centre of a cell of 1 km.
    #[serde(rename = "1km")]
    Kilometre,
    /// The centre of a cell of 10 km.
    #[serde(rename = "10km")]
    TenKilometres,
}

impl Place {
    /// Every value, the finest first.
    pub const ALL: [Self; 4] = [Self::Exact, Self::Hundred, Self::Kilometre, Self::TenKilometres];

    /// The size of a cell, m; `None`: exact.
    pub fn metres(self) -> Option<f64> {
        match self {
            Self::Exact => None,
            Self::Hundred => Some(100.0),
            Self::Kilometre => Some(1_000.0),
            Self::TenKilometres => Some(10_000.0),
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Hundred => "100m",
            Self::Kilometre => "1km",
            Self::TenKilometres => "10km",
        }
    }
}

/// How precisely times are shown. A larger value is coarser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Time {
    /// As they are stored.
    #[default]
    Exact,
    /// The start of the hour of UTC.
    Hour,
    /// The start of the day of UTC.
    Day,
}

impl Time {
    /// Every value, the finest first.
    pub const ALL: [Self; 3] = [Self::Exact, Self::Hour, Self::Day];

    /// The length of a grain, s; `None`: exact.
    pub fn seconds(self) -> Option<f64> {
        match self {
            Self::Exact => None,
            Self::Hour => Some(3_600.0),
            Self::Day => Some(86_400.0),
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The start of the grain that holds a moment, s; a moment that is exact, infinite or not a number stays.
    pub fn floor(self, moment: f64) -> f64 {
        match self.seconds() {
            // The remainder is exact, and so is the difference: both are multiples of the moment's last place.
            Some(grain) if moment.is_finite() => moment - moment.rem_euclid(grain) + 0.0,
            _ => moment,
        }
    }

    /// The first start of a grain that is not before a moment, s.
    pub fn ceil(self, moment: f64) -> f64 {
        let floor = self.floor(moment);
        match self.seconds() {
            Some(grain) if floor < moment => floor + grain,
            _ => floor,
        }
    }

    /// The window of a run over whole grains, s, both closed: of windows that follow one another, each grain is in
    /// exactly one. `None`: none is in this one.
    pub fn window(self, start: f64, end: f64) -> Option<(f64, f64)> {
        if self == Self::Exact {
            return Some((start, end));
        }
        let (start, end) = (self.floor(start), self.floor(end).next_down());
        (start <= end).then_some((start, end))
    }

    /// The last moment before the first start of a grain that is behind `moment`, s: with a grain, the end of the grain
    /// that holds the moment.
    pub fn end_of(self, moment: f64) -> f64 {
        match self.seconds() {
            Some(grain) if moment.is_finite() => (self.floor(moment) + grain).next_down(),
            _ => moment,
        }
    }
}

impl FromStr for Place {
    type Err = BadPrecision;
    fn from_str(text: &str) -> Result<Self, BadPrecision> {
        Self::ALL.into_iter().find(|place| place.as_str() == text).ok_or(BadPrecision)
    }
}

impl FromStr for Time {
    type Err = BadPrecision;
    fn from_str(text: &str) -> Result<Self, BadPrecision> {
        Self::ALL.into_iter().find(|time| time.as_str() == text).ok_or(BadPrecision)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_words_of_a_document_are_those_of_a_command() {
        for place in Place::ALL {
            assert_eq!(serde_json::to_value(place).expect("a word"), place.as_str());
            assert_eq!(place.as_str().parse(), Ok(place));
        }
        for time in Time::ALL {
            assert_eq!(serde_json::to_value(time).expect("a word"), time.as_str());
            assert_eq!(time.as_str().parse(), Ok(time));
        }
        assert_eq!("1 km".parse::<Place>(), Err(BadPrecision));
    }

    proptest! {
        #[test]
        fn a_grain_holds_its_moments(moment in -1e11_f64..1e11, time in prop::sample::select(&Time::ALL[..])) {
            let (floor, ceil, end) = (time.floor(moment), time.ceil(moment), time.end_of(moment));
            prop_assert!(floor <= moment && moment <= ceil && moment <= end);
            prop_assert_eq!(time.floor(floor), floor);
            prop_assert!(floor != 0.0 || time == Time::Exact || floor.is_sign_positive());
            prop_assert_eq!(time.floor(end), floor);
            prop_assert_eq!(time.ceil(ceil), ceil);
            if let Some(grain) = time.seconds() {
                prop_assert_eq!(floor.rem_euclid(grain), 0.0);
                prop_assert!(ceil - floor <= grain);
                prop_assert_eq!(time.floor(end.next_up()), floor + grain);
            }
        }
    }
}
