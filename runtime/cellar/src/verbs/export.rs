//! `cellar export`: a person's diary for other programs.

use std::path::PathBuf;

use runtime_diary::Format;

use super::{Options, Who, administer, show};
use runtime_host::admin::{DiaryExported, ExportDiary};
use runtime_program::Failure;
use runtime_program::console;
use runtime_program::when::When;

/// The example that `--help` shows.
pub const EXAMPLE: &str = "Example:\n  cellar export Ada --format gpx --output ada.gpx\n  cellar export Ada --format csv --from 2024-03-04 --to 2024-03-10";

/// The options of an export.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    who: Who,
    /// The format of the file
    #[arg(long, value_enum)]
    format: Form,
    /// Only trips that begin on this day or later: a date, a date with a time (2024-03-04T08:00, with or without an offset), or seconds since 1970
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<When>,
    /// Only trips that begin on this day or earlier
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<When>,
    /// A file that does not exist yet; without it the diary is printed
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
    /// One track for each trip (GPX 1.1)
    Gpx,
    /// One folder for each trip, one track for each section (KML 2.2)
    Kml,
    /// One line for each trip
    Csv,
}

impl From<Form> for Format {
    fn from(form: Form) -> Self {
        match form {
            Form::Geojson => Self::Geojson,
            Form::Timeline => Self::Timeline,
            Form::Gpx => Self::Gpx,
            Form::Kml => Self::Kml,
            Form::Csv => Self::Csv,
        }
    }
}

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(args: Args, options: &Options) -> Result<(), Failure> {
    let Args { who, format, from, to, output } = args;
    let output = output.map(std::path::absolute).transpose();
    let output = output.map_err(|error| Failure::of(&error, "name the file with its whole path"))?;
    let ask = ExportDiary { person: who.name(), format: format.into(), from, to, output };
    let exported = administer(options, ask)?;
    if exported.unread > 0 {
        console::note(format!("cellar: {} trips cannot be read and were left out", exported.unread));
    }
    match &exported.text {
        Some(text) if !options.json => console::text(text),
        _ => show(options, &exported, tell),
    }
}

fn tell(exported: &DiaryExported) -> String {
    let output = exported.output.as_deref().unwrap_or_else(|| "-".as_ref());
    format!("{} trips written to {}", exported.trips, output.display())
}
