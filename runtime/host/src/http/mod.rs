//! HTTP/1.1 over TLS on one port: limits first, then routes, then the code that answers behind them.
//!
//! * Invariants: bad input is answered with 4xx and a reason, never with 500; a refused body is not kept; the token of
//!   a caller reaches neither a cell nor a log; every wait for a peer is bounded.
//! * Units: limits end in their unit; times are ms, sizes are bytes.
//! * Not here: what cells do (`runtime/user`), certificates (`runtime/wire`).

pub mod backend;
pub mod body;
pub mod budget;
pub mod guesses;
pub(crate) mod head;
pub mod pace;
pub mod page;
pub mod receivers;
pub mod refusal;
pub(crate) mod reply;
pub mod routes;
pub mod scan;
pub mod server;
pub mod service;
mod utf8;
pub(crate) mod watch;

pub use backend::Backend;
pub use body::BodyLimits;
pub use budget::Budget;
pub use pace::Rate;
pub use refusal::Refusal;
pub use server::{Server, ServerLimits};
pub use service::App;
pub use watch::Patience;
