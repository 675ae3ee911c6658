//! What is asked for.

use cells_local_dates::LocalDates;
use cells_model::background::MotionType;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::Region;
use crate::region::BadRegion;

/// Why a request cannot be answered.
#[derive(Debug, thiserror::Error)]
pub enum BadRequest {
    /// It is no JSON object of the documented members.
    #[error("the request is not what this path takes: {0}")]
    Json(#[from] serde_json::Error),
    /// Only one of the two, or they name different parts.
    #[error("`from_local_date` and `to_local_date` must be given together and name the same parts")]
    Dates,
    /// A mode that no sensor tells.
    #[error("`modes` has a name that is not one of {}", known())]
    Mode,
    /// The region is none.
    #[error(transparent)]
    Region(#[from] BadRegion),
}

fn known() -> String {
    MotionType::ALL.iter().map(|mode| mode.name()).collect::<Vec<_>>().join(", ")
}

#[derive(Deserialize)]
struct Body {
    start_time: Option<f64>,
    end_time: Option<f64>,
    from_local_date: Option<Map<String, Value>>,
    to_local_date: Option<Map<String, Value>>,
    modes: Option<Vec<String>>,
    sel_region: Option<Selected>,
}

#[derive(Deserialize)]
struct Selected {
    geometry: Value,
}

/// The members of a point that count.
#[derive(Deserialize)]
struct Point {
    loc: Location,
    mode: Option<i64>,
}

#[derive(Deserialize)]
struct Location {
    coordinates: [f64; 2],
}

/// A request that can be answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Wanted {
    /// Closed bounds of time, s.
    pub(crate) start: Option<f64>,
    pub(crate) end: Option<f64>,
    dates: Option<LocalDates>,
    modes: Option<Vec<i64>>,
    region: Option<Region>,
}

impl Wanted {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`BadRequest`].
    pub fn read(body: &[u8]) -> Result<Self, BadRequest> {
        let Body { start_time, end_time, from_local_date, to_local_date, modes, sel_region } =
            serde_json::from_slice(body)?;
        let dates = match (from_local_date, to_local_date) {
            (None, None) => None,
            (Some(from), Some(to)) => Some(LocalDates::between(&from, &to).ok_or(BadRequest::Dates)?),
            _ => return Err(BadRequest::Dates),
        };
        // Dates are bounds of their own, as in the reference.
        let (start, end) = if dates.is_none() { (start_time, end_time) } else { (None, None) };
        let number = |name: String| {
            let known = MotionType::from_name(&name).ok_or(BadRequest::Mode)?;
            Ok::<_, BadRequest>(i64::from(known.number()))
        };
        let modes = modes.map(|names| names.into_iter().map(number).collect()).transpose()?;
        let region = sel_region.map(|selected| Region::read(&selected.geometry)).transpose()?;
        Ok(Self { start, end, dates, modes, region })
    }

    /// The place of a point, longitude and latitude, if it is wanted. A point that cannot be read is not.
    pub(crate) fn place_of(&self, data: &str) -> Option<[f64; 2]> {
        if !self.dates.as_ref().is_none_or(|dates| dates.has(data, "local_dt")) {
            return None;
        }
        let Point { loc: Location { coordinates }, mode } = serde_json::from_str(data).ok()?;
        let is_wanted = |modes: &Vec<i64>| mode.is_some_and(|mode| modes.contains(&mode));
        let fits = self.modes.as_ref().is_none_or(is_wanted)
            && self.region.as_ref().is_none_or(|region| region.has(coordinates));
        fits.then_some(coordinates)
    }
}
