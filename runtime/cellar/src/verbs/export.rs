//! `cellar export`: a person's diary for other programs.

use std::path::PathBuf;

use runtime_diary::Format;
use serde_json::Value;

use super::{Place, administer};
use runtime_host::admin::Command;
use runtime_program::Failure;
use runtime_program::console;
use runtime_program::when::When;

/// Shown by `--help`.
pub const EXAMPLE: &str = "Example:\n  cellar export --data ~/cellar --user Ada --format gpx --output ada.gpx\n  cellar export --data ~/cellar --user Ada --format csv --from 2024-03-04 --to 2024-03-10";

/// What to write, and where.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Name or id
    #[arg(long, value_name = "USER")]
    user: String,
    /// What other programs read
    #[arg(long, value_enum)]
    format: Form,
    /// Only trips that begin on this day or later: a date, a date with a time (2024-03-04T08:00, with or without an offset), or seconds since 1970
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<When>,
    /// Only trips that begin on this day or earlier
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<When>,
    /// A file that is not there yet; none: print it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A form of the diary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// One feature collection: trips, places, stops, sections (RFC 7946)
    Geojson,
    /// A feature collection within another for each trip, as e-mission shows a day
    Timeline,
    /// A track for each trip (GPX 1.1)
    Gpx,
    /// A line for each trip
    Csv,
}

impl From<Form> for Format {
    fn from(form: Form) -> Self {
        match form {
            Form::Geojson => Self::Geojson,
            Form::Timeline => Self::Timeline,
            Form::Gpx => Self::Gpx,
            Form::Csv => Self::Csv,
        }
    }
}

/// Does it.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(args: Args, as_json: bool) -> Result<(), Failure> {
    let Args { place, user, format, from, to, output } = args;
    let output = output.map(std::path::absolute).transpose();
    let output = output.map_err(|error| Failure::of(&error, "name the file with its whole path"))?;
    let command = Command::ExportDiary { user, format: format.into(), from, to, output };
    let answer = administer(&place, command)?;
    let unread = answer["unread"].as_u64().unwrap_or(0);
    if unread > 0 {
        console::note(format!("cellar: {unread} trips cannot be read and were left out"));
    }
    match answer["text"].as_str() {
        _ if as_json => console::line(&answer),
        Some(text) => console::text(text),
        None => console::line(tell(&answer)),
    }
}

fn tell(answer: &Value) -> String {
    format!("{} trips written to {}", answer["trips"], answer["output"].as_str().unwrap_or("?"))
}
