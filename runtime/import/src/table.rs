//! Tables with a heading: the columns are guessed from their names, and the guess is told.
//!
//! A table of trips has the columns of a place twice, with `start_` and `end_` before their names: a row has two fixes.

use std::io::BufRead;

use csv::{ByteRecord, ReaderBuilder};

use crate::{Fix, Format, Item, ReadError, Reading, Refused, Takes, moment, number};

/// The longest row, bytes; the library holds one row.
const ROW_BYTES_MAX: u64 = 1 << 20;
/// How many m/s a km/h is.
const M_PER_S_A_KM_PER_H: f64 = 1.0 / 3.6;
/// How many m/s a knot is.
const M_PER_S_A_KNOT: f64 = 1852.0 / 3600.0;

/// What a column can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Latitude,
    Longitude,
    Time,
    Date,
    Altitude,
    Accuracy,
    Speed,
    Heading,
}

impl Column {
    const ALL: [Self; 8] = [
        Self::Latitude,
        Self::Longitude,
        Self::Time,
        Self::Date,
        Self::Altitude,
        Self::Accuracy,
        Self::Speed,
        Self::Heading,
    ];

    /// The names that it has in files, the surest first.
    const fn names(self) -> &'static [&'static str] {
        match self {
            Self::Latitude => &["latitude", "lat", "y", "latitude_deg", "gps_lat", "breitengrad"],
            Self::Longitude => {
                &["longitude", "lon", "lng", "long", "x", "longitude_deg", "gps_lon", "längengrad"]
            }
            Self::Time => &[
                "timestamp",
                "fixtime",
                "datetime",
                "date_time",
                "ts",
                "tst",
                "recorded_at",
                "utc",
                "utc_datetime",
                "time",
                "date time",
                "zeit",
            ],
            Self::Date => &["date", "utc_date", "day", "datum"],
            Self::Altitude => &["altitude", "ele", "elevation", "alt", "altitude_m", "height", "höhe"],
            Self::Accuracy => &["accuracy", "horizontal_accuracy", "acc", "accuracy_m", "precision"],
            Self::Speed => &[
                "speed",
                "speed_mps",
                "velocity",
                "sensed_speed",
                "speed_kmh",
                "speed_km_h",
                "speed_knots",
                "vel",
            ],
            Self::Heading => &["heading", "bearing", "course", "direction", "cog"],
        }
    }

    const fn told(self) -> &'static str {
        match self {
            Self::Latitude => "latitude",
            Self::Longitude => "longitude",
            Self::Time => "time",
            Self::Date => "date",
            Self::Altitude => "altitude (m)",
            Self::Accuracy => "accuracy (m)",
            Self::Speed => "speed",
            Self::Heading => "heading",
        }
    }
}

/// Where the columns are, and how their values are read.
struct Columns {
    places: [Option<usize>; Column::ALL.len()],
    speed_factor: f64,
    told: String,
}

fn plain_name(name: &str) -> String {
    let name = name.trim().trim_matches(['"', '\u{feff}']).to_lowercase();
    // `speed (km/h)` is `speed_km_h`.
    let letters = name.chars().map(|letter| if letter.is_alphanumeric() { letter } else { '_' });
    let name: String = letters.collect();
    let parts: Vec<&str> = name.split('_').filter(|part| !part.is_empty()).collect();
    parts.join("_")
}

/// What stands before the names of the columns for both ends of a trip.
const ENDS: [&str; 2] = ["start_", "end_"];

impl Columns {
    /// The columns of a place, or those of both ends of a trip.
    fn guess_all(heading: &[String]) -> Option<Vec<Self>> {
        let of_end = |end: &str| Self::guess(heading, end);
        of_end("").map(|columns| vec![columns]).or_else(|| ENDS.into_iter().map(of_end).collect())
    }

    /// The columns whose names begin with `end`.
    fn guess(heading: &[String], end: &str) -> Option<Self> {
        let own = |name: &String| plain_name(name).strip_prefix(end).map(str::to_owned).unwrap_or_default();
        let names: Vec<String> = heading.iter().map(own).collect();
        let find = |column: Column| {
            column.names().iter().find_map(|known| names.iter().position(|name| *name == plain_name(known)))
        };
        let places = Column::ALL.map(find);
        let place = |column: Column| places[column as usize];
        place(Column::Latitude)?;
        place(Column::Longitude)?;
        place(Column::Time).or(place(Column::Date))?;
        let of_traccar =
            names.iter().any(|name| name == "fixtime") && names.iter().any(|name| name == "deviceid");
        let speed = place(Column::Speed).map_or("", |place| names[place].as_str());
        let (speed_factor, unit) = match speed {
            _ if of_traccar => (M_PER_S_A_KNOT, "knots"),
            "speed_kmh" | "speed_km_h" | "vel" => (M_PER_S_A_KM_PER_H, "km/h"),
            "speed_knots" => (M_PER_S_A_KNOT, "knots"),
            _ => (1.0, "m/s"),
        };
        let mut told = String::new();
        for column in Column::ALL {
            let Some(place) = place(column) else { continue };
            let unit = if column == Column::Speed { format!(" ({unit})") } else { String::new() };
            let comma = if told.is_empty() { "" } else { ", " };
            told.push_str(&format!("{comma}{}{unit} from \"{}\"", column.told(), heading[place].trim()));
        }
        Some(Self { places, speed_factor, told })
    }

    fn fix(&self, row: &ByteRecord) -> Result<Fix, &'static str> {
        let text = |column: Column| {
            let bytes = row.get(self.places[column as usize]?)?;
            std::str::from_utf8(bytes).ok().map(str::trim).filter(|text| !text.is_empty())
        };
        // Tables of some countries have a comma in numbers.
        let of = |column: Column| {
            let text = text(column)?;
            number::plain(text).or_else(|| number::plain(&text.replace(',', ".")))
        };
        let ts = match (text(Column::Date), text(Column::Time)) {
            (Some(date), Some(time)) => moment::seconds(time)
                .filter(|ts| moment::is_a_moment(*ts))
                .or_else(|| moment::seconds(&format!("{date} {time}"))),
            (None, Some(time)) => moment::seconds(time),
            (Some(date), None) => moment::seconds(date),
            (None, None) => None,
        };
        let fix = Fix {
            ts: ts.ok_or("it has no time that reads")?,
            latitude: of(Column::Latitude).ok_or("it has no latitude")?,
            longitude: of(Column::Longitude).ok_or("it has no longitude")?,
            altitude: of(Column::Altitude),
            accuracy: of(Column::Accuracy),
            speed: of(Column::Speed).map(|speed| speed * self.speed_factor),
            heading: of(Column::Heading),
        };
        fix.checked()
    }
}

/// The delimiter of a heading: the one that it has most of.
fn delimiter(line: &str) -> u8 {
    let count = |delimiter: u8| line.bytes().filter(|byte| *byte == delimiter).count();
    [b',', b';', b'\t'].into_iter().rev().max_by_key(|delimiter| count(*delimiter)).unwrap_or(b',')
}

fn names(line: &str) -> Vec<String> {
    line.trim_end().split(char::from(delimiter(line))).map(|name| name.trim_matches('"').to_owned()).collect()
}

/// Whether a line names columns of places and times.
pub fn is_a_heading(line: &str) -> bool {
    Columns::guess_all(&names(line)).is_some()
}

/// Reads a table.
pub fn read(source: &mut dyn BufRead, take: Takes<'_>) -> Result<(), ReadError> {
    let broken = |at: u64, why: &str| ReadError::Broken { format: Format::Csv, at, why: why.to_owned() };
    let mut heading = Vec::new();
    std::io::Read::take(&mut *source, ROW_BYTES_MAX).read_until(b'\n', &mut heading)?;
    let begin = heading.len() as u64;
    let heading = String::from_utf8_lossy(&heading).into_owned();
    let columns = Columns::guess_all(&names(&heading))
        .ok_or_else(|| broken(0, "its first line names no columns for latitude, longitude and time"))?;
    let of_all: Vec<&str> = columns.iter().map(|columns| columns.told.as_str()).collect();
    if take(Item::Columns(of_all.join("; "))).is_break() {
        return Ok(());
    }
    let mut rows = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(&heading))
        .buffer_capacity(1 << 16)
        .from_reader(Rows { source, since: 0 });
    let mut row = ByteRecord::new();
    loop {
        let at = begin + rows.position().byte();
        rows.get_mut().since = 0;
        match rows.read_byte_record(&mut row) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                return Err(match error.into_kind() {
                    csv::ErrorKind::Io(error) => error.into(),
                    _ => broken(at, "a row that does not read"),
                });
            }
        }
        for columns in &columns {
            let item = match columns.fix(&row) {
                Ok(fix) => Item::Reading { reading: Reading::Fix(fix), raw: "" },
                Err(why) => Item::Refused(Refused::new(at, why, &told(&row))),
            };
            if take(item).is_break() {
                return Ok(());
            }
        }
    }
}

fn told(row: &ByteRecord) -> String {
    let fields: Vec<_> = row.iter().map(String::from_utf8_lossy).collect();
    fields.join(",")
}

/// A source in which no row may be endless.
struct Rows<'s> {
    source: &'s mut dyn BufRead,
    since: u64,
}

impl std::io::Read for Rows<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.since > ROW_BYTES_MAX {
            let why = format!("a row has more than {ROW_BYTES_MAX} bytes");
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
        }
        let read = std::io::Read::read(&mut self.source, buffer)?;
        self.since += read as u64;
        Ok(read)
    }
}
