//! The arguments and results of one call, for a cell that reads and sets them one by one (version 0.2).

use crate::{Outcome, Request, Response, Run};

/// What the getters return.
#[derive(Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) now: f64,
    pub(crate) start: Option<f64>,
    pub(crate) end: f64,
    pub(crate) seed: u64,
    /// Of a stage.
    pub(crate) memory: Vec<u8>,
    /// Of a request.
    pub(crate) rest: String,
    /// Of a request.
    pub(crate) body_bytes: u64,
}

impl From<Run> for Arguments {
    fn from(run: Run) -> Self {
        let Run { now, start, end, seed, state } = run;
        Self { now, start, end, seed, memory: state, ..Self::default() }
    }
}

impl From<Request> for Arguments {
    fn from(request: Request) -> Self {
        let Request { rest, now, body_bytes } = request;
        Self { now, end: now, rest, body_bytes, ..Self::default() }
    }
}

/// What the setters have set.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) processed_through: Option<f64>,
    pub(crate) memory: Option<Vec<u8>>,
    pub(crate) more: bool,
}

impl Default for Results {
    fn default() -> Self {
        Self { status: 200, content_type: String::new(), processed_through: None, memory: None, more: false }
    }
}

impl Results {
    /// A stage that set no memory keeps the one that it was given.
    pub(crate) fn outcome(self, arguments: Arguments) -> Outcome {
        let Self { processed_through, memory, more, .. } = self;
        Outcome { processed_through, state: memory.unwrap_or(arguments.memory), more }
    }

    pub(crate) fn response(self, body: Vec<u8>) -> Response {
        Response { status: self.status, content_type: self.content_type, body }
    }
}
