//! Changes of keys, devices and people that stop at any operation on a file, that come together, and files that are
//! damaged.

#![allow(clippy::unwrap_used, reason = "what is not there has failed a test already")]

mod attack_changes;
mod attack_damage;
mod attack_erase;
mod attack_lease;
mod attack_together;
pub(crate) mod support;
