//! Tests that every engine must pass, and tests that break disks and keys on purpose. A failure names its seed.

mod attacks;
mod conformance;
mod flips;
mod healing;
mod kill;
mod lab;
mod model;
mod power;
mod random;
mod rotation;
mod scenes;
