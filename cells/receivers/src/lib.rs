//! Keeps what trackers from the shops report: OwnTracks, Overland, Traccar Client and GPSLogger.
//!
//! The segment behind the path names the app ([`App`]). Each app has a module that reads its records; what the entries
//! of the diary need beyond that is made in one place for all of them ([`mod@derive`]). They are one cell and not four,
//! because they have one grant, write the same streams, and share everything but their parsers.
//!
//! An app deletes its copy when it reads the answer that it takes for success, and sends a refused request again for
//! ever. So a record that cannot be used is set aside with a reason, as it was sent, and the request succeeds. Refused
//! is only what the person can change in the app: an encrypted record, whose key this cell does not have.
//!
//! * Invariants: the same request makes the same entries, so a request that is sent again adds nothing; every record is
//!   kept as it was sent, in the entry of its location (`raw`) or among what was set aside.
//! * Units: seconds since 1970, degrees, metres, metres a second.
//! * Not here: who may call (the host knows the path of each device, and answers its rate and its size); which places
//!   and times can be true (`usercache-to-timeseries`); trips.

pub mod derive;
mod fields;
mod gpslogger;
mod overland;
mod owntracks;
mod parameters;
mod reading;
mod traccar;

use cells_model::aside;
use cells_model::rows::{Row, Rows};
use cells_model::{EntryId, text};
use cells_sdk::{Exchange, Failure, Request, RequestHead, Response, Usercache, read_body};

pub use reading::{Battery, BatteryState, NoReading, Reading, Record};

/// The longest body of a request, bytes: a batch of 1,000 points of Overland has 600 KB.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// How much is kept of a body that cannot be separated into records, bytes.
pub const UNREADABLE_BYTES_MAX: usize = 64 << 10;

/// An app whose requests are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum App {
    /// OwnTracks in its HTTP mode.
    OwnTracks,
    /// Overland.
    Overland,
    /// Traccar Client, and whatever speaks the protocol of OsmAnd.
    Traccar,
    /// GPSLogger, with the template that `cellar receiver add` prints.
    GpsLogger,
}

impl App {
    /// Every app, in the order of the documents.
    pub const ALL: [Self; 4] = [Self::OwnTracks, Self::Overland, Self::Traccar, Self::GpsLogger];

    /// The app of that name, as it is written in a path and on the command line.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|app| app.name() == name)
    }

    /// Its name in paths.
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnTracks => "owntracks",
            Self::Overland => "overland",
            Self::Traccar => "traccar",
            Self::GpsLogger => "gpslogger",
        }
    }

    /// The key of what is set aside.
    fn aside_key(self) -> &'static str {
        match self {
            Self::OwnTracks => "receiver/owntracks",
            Self::Overland => "receiver/overland",
            Self::Traccar => "receiver/traccar",
            Self::GpsLogger => "receiver/gpslogger",
        }
    }

    /// The answer that the app takes for success.
    fn accepted(self) -> &'static str {
        match self {
            // A list of messages for the phone.
            Self::OwnTracks => "[]",
            Self::Overland => r#"{"result":"ok"}"#,
            Self::Traccar | Self::GpsLogger => "{}",
        }
    }
}

/// Why a request is refused. Nothing of it is kept, and the app keeps its copy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The person has set a key for encryption in the app.
    #[error(
        "the record is encrypted with a key that only the app has: remove the encryption key in the app's settings; the connection is encrypted already"
    )]
    Encrypted,
    /// The path names no app.
    #[error("no such app")]
    NoApp,
    /// The runtime refused a call.
    #[error(transparent)]
    Runtime(#[from] Failure),
}

/// Answers a request of an app.
///
/// # Errors
/// Where the runtime has not granted what the manifest lists.
pub fn handle<R: Usercache + Exchange + RequestHead>(
    runtime: &mut R,
    request: &Request,
) -> Result<Response, String> {
    match receive(runtime, request) {
        Ok(app) => Ok(Response::json(200, app.accepted())),
        Err(Refused::Runtime(Failure::Denied(what))) => Err(format!("denied: {what}")),
        Err(refused) => Ok(refusal(&refused)),
    }
}

fn refusal(refused: &Refused) -> Response {
    let (status, code) = match refused {
        Refused::Encrypted => (422, "encrypted"),
        Refused::NoApp => (404, "unknown-app"),
        Refused::Runtime(Failure::Invalid(_) | Failure::OverBudget(_)) => (413, "body-too-large"),
        Refused::Runtime(_) => (503, "store-unavailable"),
    };
    let message = text::quoted(&refused.to_string());
    Response::json(status, format!(r#"{{"error":{{"code":"{code}","message":{message}}}}}"#))
}

fn receive<R: Usercache + Exchange + RequestHead>(
    runtime: &mut R,
    request: &Request,
) -> Result<App, Refused> {
    let app = App::named(&request.rest).ok_or(Refused::NoApp)?;
    let body = read_body(runtime, BODY_BYTES_MAX)?;
    let query = runtime.query();
    let (zone, query) = parameters::zone_and_rest(&query);
    let records = records(app, query, &body)?;
    let (mut good, mut bad) = (Rows::new(), Rows::new());
    derive::entries(&records, derive::Source { app, zone: zone.as_deref() }, &mut good);
    for record in &records {
        if let Err(why) = &record.reading {
            set_aside(&mut bad, app, record, why, request.now);
        }
    }
    if !good.is_empty() {
        runtime.put(&good)?;
    }
    if !bad.is_empty() {
        runtime.set_aside(&bad)?;
    }
    Ok(app)
}

/// The records of a request, in its order. None: the request is empty, which some apps send as a test.
///
/// # Errors
/// [`Refused::Encrypted`].
pub fn records<'a>(app: App, query: &'a str, body: &'a [u8]) -> Result<Vec<Record<'a>>, Refused> {
    let Ok(text) = std::str::from_utf8(body) else {
        let lossy = String::from_utf8_lossy(body).into_owned();
        return Ok(vec![Record::unreadable(lossy.into(), NoReading::NotUtf8)]);
    };
    let text = text.trim_ascii();
    match app {
        App::OwnTracks => owntracks::records(text),
        App::Overland => Ok(overland::records(text)),
        App::Traccar => Ok(traccar::records(query, text)),
        App::GpsLogger => Ok(gpslogger::records(query, text)),
    }
}

fn set_aside(bad: &mut Rows, app: App, record: &Record<'_>, why: &NoReading, now: f64) {
    let key = app.aside_key();
    // The moment is none of now: a record that is sent again is recognised.
    let metadata = format!(r#"{{"key":"{key}","type":"unreadable","write_ts":0.0}}"#);
    let (data, kept) = record.as_data();
    let extra = aside::Error { kept, ..aside::Error::new(why, now) }.member();
    bad.push(Row { id: EntryId::NONE, key, metadata: &metadata, data: &data, extra: &extra });
}

cells_sdk::export_endpoint!(handle);

#[cfg(test)]
mod tests;
