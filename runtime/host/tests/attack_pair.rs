//! Attacks on a pairing, each tried over real TCP and TLS against a host that serves: what the attacker gets, and that
//! nothing has changed. The numbers are those of the specification's list.

#![allow(clippy::unwrap_used, reason = "what is not there has failed a test already")]

#[path = "support/cloud.rs"]
mod cloud;
#[path = "support/folder.rs"]
mod folder;
#[path = "support/impostor.rs"]
mod impostor;
#[path = "attack_pair/keys.rs"]
mod keys;
#[path = "attack_pair/middle.rs"]
mod middle;
#[path = "support/pairing.rs"]
mod pairing;
#[path = "support/phone.rs"]
mod phone;
#[path = "attack_pair/proofs.rs"]
mod proofs;
#[path = "attack_pair/steps.rs"]
mod steps;
#[path = "attack_pair/windows.rs"]
mod windows;
