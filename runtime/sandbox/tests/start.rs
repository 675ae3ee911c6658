//! A sandbox starts where it can, and otherwise reports why it cannot.

#![allow(clippy::unwrap_used)]

mod common;

use std::process::Command;

use common::*;
use runtime_sandbox::*;
use rustix::process::{Resource, Rlimit, setrlimit};

const ADDRESS_BYTES: &str = "TEST_ADDRESS_BYTES";

/// Runs one test of this program in a process whose address space is limited.
fn within(address_bytes: u64, test: &str) {
    let program = std::env::current_exe().unwrap();
    let child =
        Command::new(program).args(["--exact", test]).env(ADDRESS_BYTES, address_bytes.to_string()).output();
    let child = child.unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

/// In the child: applies the limit. In the parent: `false`.
fn limited() -> bool {
    let Some(bytes) = std::env::var_os(ADDRESS_BYTES) else { return false };
    let bytes = bytes.to_str().unwrap().parse().unwrap();
    setrlimit(Resource::As, Rlimit { current: Some(bytes), maximum: Some(bytes) }).unwrap();
    true
}

#[test]
fn where_address_space_is_short_fewer_cells_run_at_once() {
    if !limited() {
        return within(300 << 30, "where_address_space_is_short_fewer_cells_run_at_once");
    }
    let sandbox = Sandbox::start(SandboxSettings { slots: 256 }).unwrap();
    assert!((16..=64).contains(&sandbox.slots()), "{} slots", sandbox.slots());
    let wasm = endpoint("");
    let native = Box::leak(compile_native(&wasm).unwrap().into_boxed_slice());
    let code = CellCode::from_embedded(&sandbox, native, CodeDigest::of(&wasm)).unwrap();
    let prepared = sandbox.prepare(&code, Interfaces::NONE).unwrap();
    let all: Vec<_> = (0..sandbox.slots())
        .map(|_| prepared.endpoint(Box::new(NoHost), Limits::endpoint()).unwrap())
        .collect();
    assert_eq!((all.len(), sandbox.slots_free()), (sandbox.slots() as usize, 0));
}

#[test]
fn where_there_is_no_address_space_the_error_names_the_remedy() {
    if !limited() {
        return within(8 << 30, "where_there_is_no_address_space_the_error_names_the_remedy");
    }
    let error = Sandbox::start(SandboxSettings::default()).unwrap_err();
    assert!(error.to_string().contains("ulimit -v"), "{error}");
}

#[test]
fn code_of_one_sandbox_is_not_run_by_another() {
    let code = load(&endpoint("(drop (i32.const 3))"));
    let other = Sandbox::start(SandboxSettings { slots: 1 }).unwrap();
    let error = other.prepare(&code, Interfaces::all()).unwrap_err();
    assert!(matches!(error, PrepareError::OtherSandbox { cell } if cell == code.digest()));
}

#[test]
fn what_threads_share_and_pass_on_they_may() {
    fn shared<T: Send + Sync>() {}
    fn passed<T: Send>() {}
    shared::<Sandbox>();
    shared::<Prepared>();
    shared::<CellCode>();
    shared::<NativeCache>();
    shared::<WorkerPool>();
    passed::<EndpointInstance>();
    passed::<StageInstance>();
}
