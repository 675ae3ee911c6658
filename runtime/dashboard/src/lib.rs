//! The owner's page, served to a browser on this machine alone, and its calls carried to the owner's own runtime.
//!
//! ```text
//! browser ── GET /, /assets/… ─────────▶ the page: nothing of anybody's
//!         ── GET /map.pmtiles, a range ▶ `door`, then a part of the file that was given with `--map`
//!         ── POST /api/enter, code ────▶ `door`: a code counts once; a cookie, and a token that the page keeps
//!         ── POST /api/ask, command ───▶ `door`, then a [`Carrier`] ── pinned connection ──▶ the owner's runtime
//! ```
//!
//! * Invariants: nothing of a person leaves before the door has seen Host, Origin, cookie and token of the request; only
//!   sockets on the loopback listen; the page asks no other server for anything, and its policy forbids it to, but for one
//!   tile server that the owner has allowed.
//! * Not here: what a command may do (`runtime/host`, `port`), and what the page shows (the folder `page`).

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod assets;
mod carrier;
mod door;
mod files;
mod headers;
mod launch;
mod listen;
mod paired;
mod server;

pub use assets::is_built;
pub use carrier::{About, Carried, Carrier, NotCarried, Waiting, Way};
pub use door::{Door, Link};
pub use files::page_file;
pub use launch::show_in_browser;
pub use listen::{Listening, NoPort};
pub use paired::{Paired, PairedError};
pub use server::{API_BODY_BYTES_MAX, CONNECTIONS_MAX, Server};
