//! Answers with the moment of the request: an endpoint by which tests see that a trial finds answers which do not repeat.

use cells_sdk::{Query, ReadEntries, Request, Response, RunError, TimeField};

/// Says when it was asked, and how many fixes there are.
pub fn handle<R: ReadEntries>(runtime: &mut R, request: &Request) -> Result<Response, RunError> {
    let fixes = runtime.count(&Query::of(&["background/filtered_location"], TimeField::Position))?;
    Ok(Response::json(200, format!(r#"{{"now":{},"fixes":{fixes}}}"#, request.now)))
}

cells_sdk::export_endpoint!(handle);
