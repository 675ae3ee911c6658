//! Where a person has travelled, as points: the heatmap of older apps. `{"lnglat":[[longitude,latitude],…]}`, by time.
//!
//! The request is a JSON object, the same for both time types:
//!
//! * `start_time`, `end_time`: closed bounds, s since 1970-01-01T00:00:00Z; absent or `null`: none. Or
//!   `from_local_date`, `to_local_date`: parts of the local time, each bounded by itself.
//! * `modes`: names of sensed modes, such as `["BICYCLING","WALKING"]`; absent or `null`: all.
//! * `sel_region`: `{"geometry":…}`, a `Polygon` or a `MultiPolygon`; absent or `null`: everywhere.
//!
//! * The points are one person's own, whoever asks: the reference has closed the form for everybody.
//! * Memory: a page of entries, and a piece of the answer.

mod region;
mod request;

use cells_model::page::{BadPage, Page};
use cells_model::text;
use cells_sdk::{
    EntrySource, Exchange, Failure, Query, ReadEntries, Request, Response, TimeField, read_body,
};

pub use region::{REGION_POSITIONS_MAX, Region};
pub use request::{BadRequest, Wanted};

/// The largest request, bytes.
pub const HEATMAP_REQUEST_BYTES_MAX: usize = 1 << 20;
/// An answer that is shorter than this is sent at once, and a longer one in pieces of this size, bytes.
const PIECE_BYTES: usize = 256 << 10;
const PAGE_BYTES: u32 = 1 << 20;
const POINTS: &str = "analysis/recreated_location";
const OPENING: &[u8] = br#"{"lnglat":["#;
const CLOSING: &[u8] = b"]}";

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("points are asked for by `timestamp` or by `local_date`")]
    TimeType,
    #[error("the request has more than {HEATMAP_REQUEST_BYTES_MAX} bytes")]
    TooLong,
    #[error(transparent)]
    Request(#[from] BadRequest),
    #[error(transparent)]
    Runtime(#[from] Failure),
}

/// Answers `result/heatmap/pop.route/timestamp` and `…/local_date`.
pub fn handle<R: ReadEntries + Exchange>(runtime: &mut R, request: &Request) -> Result<Response, String> {
    let wanted = match wanted(runtime, request) {
        Ok(wanted) => wanted,
        Err(refused) => return Ok(refusal(&refused)),
    };
    let mut answer = Answer { held: OPENING.to_vec(), begun: false, first: true };
    match answer.give(runtime, &wanted) {
        Ok(()) => {
            answer.held.extend_from_slice(CLOSING);
            Ok(Response::json(200, answer.held))
        }
        // Once the answer has begun, its status is sent: only a broken answer informs the caller.
        Err(failure) if answer.begun => Err(failure.to_string()),
        Err(failure) => Ok(refusal(&Refused::Runtime(failure))),
    }
}

fn wanted<R: Exchange>(runtime: &mut R, request: &Request) -> Result<Wanted, Refused> {
    if !matches!(request.rest.as_str(), "timestamp" | "local_date") {
        return Err(Refused::TimeType);
    }
    if request.body_bytes > HEATMAP_REQUEST_BYTES_MAX as u64 {
        return Err(Refused::TooLong);
    }
    Ok(Wanted::read(&read_body(runtime, HEATMAP_REQUEST_BYTES_MAX)?)?)
}

/// An answer while it is written.
struct Answer {
    /// The part that has not been sent yet.
    held: Vec<u8>,
    begun: bool,
    first: bool,
}

impl Answer {
    fn give<R: ReadEntries + Exchange>(&mut self, runtime: &mut R, wanted: &Wanted) -> Result<(), Failure> {
        let query = Query::of(&[POINTS], TimeField::DataTs).between(wanted.start, wanted.end);
        let mut cursor = runtime.find(&query)?;
        loop {
            let bytes = cursor.next_page(PAGE_BYTES)?;
            if bytes.is_empty() {
                return Ok(());
            }
            let page = Page::read(&bytes).map_err(|bad: BadPage| Failure::Invalid(bad.to_string()))?;
            for entry in page.entries() {
                if let Some(place) = wanted.place_of(entry.data) {
                    self.add(place);
                }
            }
            if self.held.len() >= PIECE_BYTES {
                self.send(runtime)?;
            }
        }
    }

    fn add(&mut self, [longitude, latitude]: [f64; 2]) {
        if !std::mem::take(&mut self.first) {
            self.held.push(b',');
        }
        // A number is written with its point, as the reference does.
        self.held.extend_from_slice(format!("[{longitude:?},{latitude:?}]").as_bytes());
    }

    fn send<R: Exchange>(&mut self, runtime: &mut R) -> Result<(), Failure> {
        if !self.begun {
            runtime.begin(200, "application/json")?;
            self.begun = true;
        }
        runtime.write(&self.held)?;
        self.held.clear();
        Ok(())
    }
}

fn refusal(refused: &Refused) -> Response {
    let (status, code) = match refused {
        Refused::TimeType => (404, "unknown_time_type"),
        Refused::TooLong => (413, "request_too_long"),
        Refused::Request(_) => (400, "bad_request"),
        Refused::Runtime(_) => (503, "store_unavailable"),
    };
    let message = text::quoted(&refused.to_string());
    Response::json(status, format!(r#"{{"error":{{"code":"{code}","message":{message}}}}}"#))
}

cells_sdk::export_endpoint!(handle);

#[cfg(test)]
mod tests;
