//! A trip joined with the entries that belong to it.

use cells_model::EntryId;
use cells_model::background::MotionType;
use cells_model::inference::PredictedMode;
use runtime_types::TimeField;

use crate::source::entries;
use crate::{Entry, Source};

const TRIP: &str = "analysis/confirmed_trip";
const STOP: &str = "analysis/cleaned_stop";
const SECTION: &str = "analysis/cleaned_section";
const INFERRED_SECTION: &str = "analysis/inferred_section";
const POINT: &str = "analysis/recreated_location";
const FILTERED: &str = "background/filtered_location";
const INCIDENT: &str = "manual/incident";
/// Places are read by the ids that trips name.
const PLACE: &str = "analysis/confirmed_place";

/// The streams that a diary is made of.
pub const STREAMS: [&str; 8] = [TRIP, PLACE, STOP, SECTION, INFERRED_SECTION, POINT, FILTERED, INCIDENT];

/// A confirmed trip.
#[derive(Debug, Clone, PartialEq)]
pub struct Trip {
    /// The confirmed trip itself.
    pub entry: Entry,
    /// s
    pub start_ts: f64,
    /// s
    pub end_ts: f64,
    /// The confirmed place where it began.
    pub start_place: Option<Entry>,
    /// The confirmed place where it ended.
    pub end_place: Option<Entry>,
    /// Its cleaned stops, by time.
    pub stops: Vec<Entry>,
    /// Its sections, by time.
    pub sections: Vec<Section>,
    /// What the owner has reported on the way, by time.
    pub incidents: Vec<Entry>,
}

/// A part of a trip that was travelled in one way.
#[derive(Debug, Clone, PartialEq)]
pub struct Section {
    /// The cleaned section.
    pub entry: Entry,
    /// The mode of travel.
    pub mode: Mode,
    /// Its points, by time.
    pub points: Vec<Fix>,
}

/// One point of a section.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fix {
    /// s
    pub ts: f64,
    /// Longitude, latitude, degrees.
    pub coordinates: [f64; 2],
    /// m
    pub altitude: Option<f64>,
}

/// How a section was travelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The mode that the phone's sensors reported.
    Sensed(MotionType),
    /// The mode that was inferred.
    Inferred(PredictedMode),
}

/// Which modes are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modes {
    /// Those of the sensors.
    Sensed,
    /// Those that were inferred; those of the sensors where none was inferred.
    Inferred,
}

impl Mode {
    /// Such as `WALKING`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sensed(mode) => mode.name(),
            Self::Inferred(mode) => mode.name(),
        }
    }
}

/// The trips that begin between the two moments, s, both included, in their order.
pub(crate) fn ids<S: Source>(source: &mut S, from: f64, to: f64) -> Result<Vec<EntryId>, S::Error> {
    let mut ids = Vec::new();
    source.between(TRIP, TimeField::StartTs, from, to, &mut |id, _| ids.push(id))?;
    Ok(ids)
}

impl Trip {
    /// Reads a confirmed trip and what belongs to it; `None` where no entry has that id, or the trip has no times.
    ///
    /// # Errors
    /// The error of the source.
    pub fn read<S: Source>(source: &mut S, id: EntryId, modes: Modes) -> Result<Option<Self>, S::Error> {
        let data = source.with_id(id)?;
        let Some(entry) = data.and_then(|data| Entry::read(id, &data)) else { return Ok(None) };
        let (Some(start_ts), Some(end_ts)) = (entry.number("start_ts"), entry.number("end_ts")) else {
            return Ok(None);
        };
        let span = [start_ts, end_ts];
        let start_place = place(source, &entry, "start_place")?;
        let end_place = place(source, &entry, "end_place")?;
        let cleaned = entry.id_of("cleaned_trip").unwrap_or(id);
        let mut stops = entries(source, STOP, TimeField::EnterTs, span)?;
        stops.retain(|stop| stop.id_of("trip_id") == Some(cleaned));
        let sections = sections(source, cleaned, span, modes)?;
        let on_the_way = [
            start_place.as_ref().and_then(|place| place.number("exit_ts")).unwrap_or(start_ts),
            end_place.as_ref().and_then(|place| place.number("enter_ts")).unwrap_or(end_ts),
        ];
        let incidents = entries(source, INCIDENT, TimeField::DataTs, on_the_way)?;
        Ok(Some(Self { entry, start_ts, end_ts, start_place, end_place, stops, sections, incidents }))
    }
}

fn place<S: Source>(source: &mut S, trip: &Entry, name: &str) -> Result<Option<Entry>, S::Error> {
    let Some(id) = trip.id_of(name) else { return Ok(None) };
    Ok(source.with_id(id)?.and_then(|data| Entry::read(id, &data)))
}

fn sections<S: Source>(
    source: &mut S,
    trip: EntryId,
    span: [f64; 2],
    modes: Modes,
) -> Result<Vec<Section>, S::Error> {
    let mut cleaned = entries(source, SECTION, TimeField::StartTs, span)?;
    cleaned.retain(|section| section.id_of("trip_id") == Some(trip));
    let inferred = match modes {
        Modes::Inferred => entries(source, INFERRED_SECTION, TimeField::StartTs, span)?,
        Modes::Sensed => Vec::new(),
    };
    let mut sections = Vec::with_capacity(cleaned.len());
    for entry in cleaned {
        let inferred = inferred.iter().find(|inferred| inferred.id_of("cleaned_section") == Some(entry.id));
        let mode = match inferred {
            Some(inferred) => {
                let known = number(inferred).and_then(PredictedMode::from_number);
                Mode::Inferred(known.unwrap_or(PredictedMode::Unknown))
            }
            None => {
                let known = number(&entry).and_then(MotionType::from_number);
                Mode::Sensed(known.unwrap_or(MotionType::Unknown))
            }
        };
        let points = points(source, &entry)?;
        sections.push(Section { entry, mode, points });
    }
    Ok(sections)
}

fn number(section: &Entry) -> Option<i64> {
    section.data.get("sensed_mode")?.as_i64()
}

/// The points of a section's span. Where cleaning has moved the end of the section beyond the last of them, the reading
/// at the end closes the gap.
fn points<S: Source>(source: &mut S, section: &Entry) -> Result<Vec<Fix>, S::Error> {
    let (Some(start), Some(end)) = (section.number("start_ts"), section.number("end_ts")) else {
        return Ok(Vec::new());
    };
    let found = entries(source, POINT, TimeField::DataTs, [start, end])?;
    let mut points: Vec<Fix> = found.iter().filter_map(Fix::read).collect();
    if let (Some(last), Some(wanted)) = (points.last(), section.coordinates("end_loc"))
        && last.coordinates.map(to_ten_metres) != wanted.map(to_ten_metres)
    {
        let mut reading = None;
        source.at(FILTERED, end, &mut |id, data| {
            reading = reading.or_else(|| Fix::read(&Entry::read(id, data)?));
        })?;
        points.extend(reading);
    }
    Ok(points)
}

/// Rounds to four decimals; a half goes to the even neighbour, judged by the exact value of the double.
fn to_ten_metres(degrees: f64) -> f64 {
    format!("{degrees:.4}").parse().expect("a formatted number is a number")
}

impl Fix {
    fn read(entry: &Entry) -> Option<Self> {
        Some(Self {
            ts: entry.number("ts")?,
            coordinates: entry.coordinates("loc")?,
            altitude: entry.number("altitude"),
        })
    }
}
