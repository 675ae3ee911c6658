//! A person's trips by day: how far, how long, how many, by label or mode. The app's dashboard asks for it.
//!
//! The request is `{"start_time":"2024-05-01","end_time":"2024-05-31"}`: days in the trip's own zone, both included, each
//! of which may be only a year or a month. `metric_list` names what is summed and by what, such as
//! `{"distance":["mode_confirm"]}`; without it there are [`ALL`], each by `mode_confirm`.
//!
//! The answer has a list for each metric with a row for each day that has trips: `date`, `nUsers` (1: the answer is about
//! one person), and a member for each group, such as `mode_confirm_bike`.
//!
//! | metric | a group's value |
//! |---|---|
//! | `distance` | m |
//! | `duration` | s |
//! | `count` | trips |
//! | `response_count` | `responded` and `not_responded`: trips with such a label, and without |
//!
//! Groups are `mode_confirm`, `purpose_confirm` and `replaced_mode_confirm` (the label, or `UNLABELED`),
//! `primary_ble_sensed_mode` and `mode` (the label, else the vehicle whose beacon was near, else the mode that was sensed
//! over most of the way, else `UNKNOWN`). Another name of a metric or a group is left out, as the reference does.
//!
//! * The reference answers from totals over all people that a daily job prepares. Here a person's answer is about that
//!   person; totals over people come from studies alone.
//! * Not here: footprints, which need factors of a region that the reference fetches from a network.

mod days;
mod groups;
mod request;

use cells_model::text;
use cells_sdk::{Exchange, Failure, ReadEntries, Request, Response, RunError, read_body};

pub use request::{ALL, BadRequest, SPAN_DAYS_MAX, Wanted};

use days::Days;

/// The largest request, bytes.
pub const METRICS_REQUEST_BYTES_MAX: usize = 1 << 20;
/// The largest answer, bytes.
pub const METRICS_BYTES_MAX: usize = 3 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(
        "days are asked for as `yyyy_mm_dd`; this form of the dashboard's question is no longer answered"
    )]
    TimeType,
    #[error("the request has more than {METRICS_REQUEST_BYTES_MAX} bytes")]
    TooLong,
    #[error(transparent)]
    Request(#[from] BadRequest),
    #[error("the answer would have {0} bytes, over the limit of {METRICS_BYTES_MAX}; ask for fewer days")]
    TooLarge(usize),
    #[error(transparent)]
    Body(#[from] Failure),
    #[error(transparent)]
    Read(#[from] RunError),
}

/// Answers `result/metrics/yyyy_mm_dd`.
pub fn handle<R: ReadEntries + Exchange>(runtime: &mut R, request: &Request) -> Result<Response, String> {
    match answer(runtime, request) {
        Ok(body) => Ok(Response::json(200, body)),
        Err(Refused::Read(error)) => Err(error.into()),
        Err(refused) => Ok(refusal(&refused)),
    }
}

fn answer<R: ReadEntries + Exchange>(runtime: &mut R, request: &Request) -> Result<String, Refused> {
    if request.rest != "yyyy_mm_dd" {
        return Err(Refused::TimeType);
    }
    if request.body_bytes > METRICS_REQUEST_BYTES_MAX as u64 {
        return Err(Refused::TooLong);
    }
    let wanted = Wanted::read(&read_body(runtime, METRICS_REQUEST_BYTES_MAX)?)?;
    let body = Days::of_trips(runtime, &wanted)?.written(&wanted);
    if body.len() > METRICS_BYTES_MAX { Err(Refused::TooLarge(body.len())) } else { Ok(body) }
}

fn refusal(refused: &Refused) -> Response {
    let (status, code) = match refused {
        Refused::TimeType => (404, "unknown_time_type"),
        Refused::TooLong => (413, "request_too_long"),
        Refused::Request(_) => (400, "bad_request"),
        Refused::TooLarge(_) => (413, "answer_too_large"),
        Refused::Body(_) | Refused::Read(_) => (503, "store_unavailable"),
    };
    let message = text::quoted(&refused.to_string());
    Response::json(status, format!(r#"{{"error":{{"code":"{code}","message":{message}}}}}"#))
}

cells_sdk::export_endpoint!(handle);

#[cfg(test)]
mod tests;
