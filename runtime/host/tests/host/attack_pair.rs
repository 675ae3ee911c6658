//! Attacks on a pairing, each tried over real TCP and TLS against a host that serves: what the attacker gets, and that
//! nothing has changed. The numbers are those of the specification's list.

use crate::support::cloud;
use crate::support::folder;
use crate::support::impostor;
mod keys;
mod middle;
use crate::support::pairing;
use crate::support::phone;
mod proofs;
mod steps;
mod windows;
