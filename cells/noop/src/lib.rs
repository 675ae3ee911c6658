//! A cell that does nothing: what a call costs when the cell itself costs nothing.

use cells_sdk::{Request, Response};

/// Answers 200 with an empty body, and calls no interface at all.
pub fn handle<R>(_runtime: &mut R, _request: &Request) -> Result<Response, String> {
    Ok(Response { status: 200, content_type: String::new(), body: Vec::new() })
}

cells_sdk::export_endpoint!(handle);
