//! What several files of tests need.

pub mod binary;
pub mod browser;
#[allow(dead_code, reason = "the tests of the host use the rest")]
#[path = "../../../../host/tests/host/support/cloud.rs"]
pub mod cloud;
pub mod packages;
pub mod remains;
