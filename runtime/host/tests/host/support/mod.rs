//! What several files of tests need.

pub mod acme;
pub mod browser;
pub mod caller;
pub mod certified;
pub mod cloud;
pub mod fake;
pub mod folder;
pub mod frames;
pub mod gate;
pub mod impostor;
pub mod middle;
pub mod pairing;
pub mod phone;
pub mod sockets;
pub mod trackers;
pub mod wire;
pub mod witness;
