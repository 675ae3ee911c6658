//! Where the owner's page has its street map from: a PMTiles file that the operator or the owner gives, served by byte
//! ranges; or a tile server that the owner has allowed.
//!
//! * Invariants: one file, opened once, under one path: no part of a request becomes a name of a file. A request gets at
//!   most [`MAP_RANGE_BYTES_MAX`] bytes, and at most [`MAP_READS_MAX`] wait for the disk at one moment. What is allowed of a
//!   tile server is one origin, which cannot say anything else in a header.
//! * Not here: who may ask (`runtime/dashboard`, `door`; `runtime/host`, `port/web`), and what the tiles show (the page,
//!   which reads the file's directories and draws).

mod file;
mod header;
mod range;
mod server;

pub use file::{MAP_PATH, MAP_READS_MAX, MapFile, MapFileError};
pub use header::BadHeader;
pub use range::MAP_RANGE_BYTES_MAX;
pub use server::{Allow, BadTileServer, TileServer};
