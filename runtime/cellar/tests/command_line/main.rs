//! The binary as people and scripts start it. One program for all of it: each program links the engine, which takes long.

mod cells;
mod clock;
mod conformance;
mod disk;
mod export;
mod import;
mod kept;
mod languages;
mod map;
mod memory;
mod options;
mod page;
mod pairing;
mod passkey;
mod private;
mod researcher;
mod studies;
mod support;
mod surroundings;
mod trial;
mod verbs;
mod whole;
