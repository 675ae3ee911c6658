//! Returns a person's entries, as `{"phone_data":[entry,…]}`: raw entries of the timeseries, then those of stages, each
//! by time and id, then those that wait in the usercache.
//!
//! The request is a JSON object, the same for both paths:
//!
//! * `key_list`: keys such as `background/location`; absent or `null`: all. A key without entries answers nothing.
//! * `start_time`, `end_time`: closed bounds, s since 1970-01-01T00:00:00Z; absent or `null`: none. `key_time`: the
//!   time that they bound: `metadata.write_ts` (if absent), `data.ts`, `data.start_ts`, `data.end_ts`,
//!   `data.enter_ts` or `data.exit_ts`.
//! * `from_local_date`, `to_local_date` instead: parts of a local time, such as `{"year":2016,"month":6}`; each part
//!   is bounded by itself, and wraps around where from is above to. `key_local_date`: the local time that they
//!   bound, such as `data.start_local_dt`; `metadata.write_local_dt` if absent.
//! * `max_entries`, and `trunc_method`: which of more entries than that: `first`, `last` (if absent), or `sample`,
//!   every n-th.
//!
//! Entries are sent as the store packs them: where nothing is left out, a whole page at a time.

mod answer;
mod filter;
mod request;

use cells_sdk::{Exchange, Failure, ReadEntries, Request, Response};

pub use filter::DateFilter;
pub use request::{BadRequest, Wanted};

use answer::Answer;

const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Answers `datastreams/get` and `datastreams/find_entries/<time_type>`; the type in the path adds nothing to the body.
pub fn handle<R: ReadEntries + Exchange>(runtime: &mut R, _request: &Request) -> Result<Response, String> {
    let wanted = match read_request(runtime) {
        Ok(wanted) => wanted,
        Err(refused) => return Ok(refusal(&refused)),
    };
    match Answer::new(runtime).give(&wanted) {
        Ok(response) => Ok(response),
        // Once the answer has begun, its status is sent: only a broken answer informs the caller.
        Err((failure, true)) => Err(failure.to_string()),
        Err((failure, false)) => Ok(refusal(&Refused::Runtime(failure))),
    }
}

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Request(#[from] BadRequest),
    #[error("the request has more than {REQUEST_BYTES_MAX} bytes")]
    TooLong,
    #[error(transparent)]
    Runtime(#[from] Failure),
}

fn read_request<R: Exchange>(runtime: &mut R) -> Result<Wanted, Refused> {
    let mut body = Vec::new();
    loop {
        let bytes = runtime.read(1 << 16)?;
        if bytes.is_empty() {
            return Ok(Wanted::read(&body)?);
        }
        if body.len() + bytes.len() > REQUEST_BYTES_MAX {
            return Err(Refused::TooLong);
        }
        body.extend(bytes);
    }
}

fn refusal(refused: &Refused) -> Response {
    let (status, code) = match refused {
        Refused::Request(bad) => (400, bad.code()),
        Refused::TooLong => (413, "request_too_long"),
        Refused::Runtime(Failure::Denied(_)) => (403, "denied"),
        Refused::Runtime(Failure::Invalid(_)) => (400, "bad_request"),
        Refused::Runtime(Failure::OverBudget(_)) => (413, "answer_too_large"),
        Refused::Runtime(Failure::Unavailable) => (503, "store_unavailable"),
    };
    let message = cells_model::text::quoted(&refused.to_string());
    Response::json(status, format!(r#"{{"error":{{"code":"{code}","message":{message}}}}}"#))
}

cells_sdk::export_endpoint!(handle);

#[cfg(test)]
mod tests;
