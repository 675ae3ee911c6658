//! Whatever a cell does, its run ends with its own error, and other people's requests go on.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, mpsc};

use common::*;
use runtime_sandbox::*;

fn quick() -> Limits {
    Limits { wall_ms: 100, ..Limits::endpoint() }
}

#[test]
fn an_endless_loop_ends_at_its_deadline_while_another_request_is_answered() {
    let wasm = endpoint_with(
        LOG,
        "",
        "(call $log (i32.const 0) (i32.const 32) (i32.const 2)) (loop $ever (br $ever))",
    );
    let (loops, looping) = mpsc::channel();
    let loops = std::sync::Mutex::new(loops);
    let on_log: OnLog = Arc::new(move |_: &str| loops.lock().unwrap().send(()).unwrap());
    let host = Recorder { on_log: Some(on_log), ..Recorder::default() };
    let hostile = prepare(&wasm);
    let hostile = std::thread::spawn(move || {
        hostile.endpoint(Box::new(host), Limits { wall_ms: 2_000, ..Limits::endpoint() })?.handle(request())
    });
    looping.recv().unwrap();
    assert_eq!(call(&endpoint(""), NoHost, Limits::endpoint()).unwrap().body, b"ok");
    assert!(!hostile.is_finished(), "the loop ended before the other request was answered");
    let error = hostile.join().unwrap().unwrap_err();
    assert_eq!(error, RunError::Deadline { cell: CodeDigest::of(&wasm), wall_ms: 2_000 });
}

#[test]
fn a_loop_of_calls_into_the_host_ends_at_its_deadline_too() {
    let wasm = endpoint_with(
        LOG,
        "",
        "(loop $ever (call $log (i32.const 0) (i32.const 32) (i32.const 2)) (br $ever))",
    );
    let mut instance = prepare(&wasm).endpoint(Box::new(Recorder::default()), quick()).unwrap();
    assert!(matches!(instance.handle(request()), Err(RunError::Deadline { wall_ms: 100, .. })));
    assert!(instance.usage().log_lines_dropped > 0);
    assert!(instance.usage().elapsed_us >= 100_000);
}

#[test]
fn a_loop_at_the_start_of_an_instance_ends_at_its_deadline() {
    let wasm = endpoint_with("", "(func $begin (loop $ever (br $ever))) (start $begin)", "");
    let error = prepare(&wasm).endpoint(Box::new(NoHost), quick()).unwrap_err();
    assert!(matches!(error, RunError::Deadline { .. }), "{error}");
}

#[test]
fn a_run_that_was_cancelled_ends_and_says_so() {
    let cancel = Cancel::new();
    let on_log: OnLog = Arc::new({
        let cancel = cancel.clone();
        move |_: &str| cancel.cancel()
    });
    let host = Recorder { on_log: Some(on_log), ..Recorder::default() };
    let wasm = endpoint_with(
        LOG,
        "",
        "(call $log (i32.const 0) (i32.const 32) (i32.const 2)) (loop $ever (br $ever))",
    );
    let instance = prepare(&wasm).endpoint_with(Box::new(host), Limits::endpoint(), Some(cancel));
    assert_eq!(instance.unwrap().handle(request()), Err(RunError::Cancelled { cell: CodeDigest::of(&wasm) }));
}

#[test]
fn a_memory_bomb_is_told_apart_from_other_traps() {
    // As the allocators of real languages do: grow until it fails, then trap.
    let bomb = "(loop $more (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 16))))) unreachable";
    let error = call(&endpoint(bomb), NoHost, Limits::endpoint()).unwrap_err();
    let RunError::OutOfMemory { wanted_bytes, limit_bytes, .. } = error else { panic!("{error}") };
    assert!(limit_bytes == 32 << 20 && wanted_bytes > limit_bytes && wanted_bytes <= limit_bytes + (1 << 20));
}

#[test]
fn a_cell_that_begins_with_too_much_memory_does_not_begin() {
    let wasm = component(
        "endpoint",
        r#"(module (memory (export "memory") 1024) (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
           (func (export "handle") (param i32 i32 f64 i64) (result i32) unreachable))"#,
    );
    let error = prepare(&wasm).endpoint(Box::new(NoHost), Limits::endpoint()).unwrap_err();
    assert!(matches!(error, RunError::OutOfMemory { wanted_bytes: 67_108_864, .. }), "{error}");
}

#[test]
fn a_trap_is_a_trap_and_names_the_cell() {
    let wasm = endpoint("unreachable");
    let error = call(&wasm, NoHost, Limits::endpoint()).unwrap_err();
    assert!(matches!(&error, RunError::Trapped { what, .. } if what.contains("unreachable")), "{error}");
    assert_eq!(error.cell(), CodeDigest::of(&wasm));
    let error = call(&endpoint("(drop (i32.load (i32.const -8)))"), NoHost, Limits::endpoint()).unwrap_err();
    assert!(matches!(&error, RunError::Trapped { what, .. } if what.contains("out of bounds")), "{error}");
    let error =
        call(&endpoint("(drop (i32.div_u (i32.const 1) (local.get $i)))"), NoHost, Limits::endpoint());
    assert!(matches!(&error, Err(RunError::Trapped { .. })), "{error:?}");
}

#[test]
fn endless_recursion_is_a_stack_overflow() {
    let deep = "(func $deep (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))";
    let error =
        call(&endpoint_with("", deep, "(drop (call $deep (i32.const 1)))"), NoHost, Limits::endpoint());
    assert!(matches!(error, Err(RunError::StackOverflow { .. })), "{error:?}");
}

#[test]
fn a_stack_that_the_cell_keeps_in_its_memory_overflows_as_one() {
    // What Rust's compiler makes: frames of 4 KiB taken off a pointer that starts at 64 KiB, and no check.
    let deep = r#"(global $stack (mut i32) (i32.const 65536))
      (func $deep (param i32) (result i32)
        (global.set $stack (i32.sub (global.get $stack) (i32.const 512)))
        (i32.store (global.get $stack) (local.get 0))
        (i32.add (i32.load (global.get $stack)) (call $deep (i32.const 1))))"#;
    let error =
        call(&endpoint_with("", deep, "(drop (call $deep (i32.const 1)))"), NoHost, Limits::endpoint());
    assert!(matches!(error, Err(RunError::StackOverflow { .. })), "{error:?}");
}

#[test]
fn an_answer_over_its_limit_is_not_passed_on() {
    let answer = |bytes: u32| {
        format!(
            "(i32.store (i32.const 84) (i32.const {bytes})) (i32.store (i32.const 80) (i32.const 1024))
             (drop (memory.grow (i32.const 256)))"
        )
    };
    let limit = ANSWER_BYTES_MAX as u32;
    let call = |bytes| call(&endpoint(&answer(bytes)), NoHost, Limits::endpoint());
    assert_eq!(call(limit).unwrap().body.len(), ANSWER_BYTES_MAX);
    for too_large in [limit + 1, 3 * limit] {
        let error = call(too_large).unwrap_err();
        assert!(
            matches!(error, RunError::AnswerTooLarge { limit_bytes: 4_194_304, .. }),
            "{too_large}: {error}"
        );
    }
}

#[test]
fn a_huge_string_out_of_the_cell_ends_the_run_and_fills_no_memory() {
    let wasm = endpoint_with(
        LOG,
        "",
        "(drop (memory.grow (i32.const 256))) (call $log (i32.const 0) (i32.const 0) (i32.const 16777216))",
    );
    let recorder = Recorder::default();
    let error = call(&wasm, recorder.clone(), Limits::endpoint()).unwrap_err();
    let limit_bytes = Limits::endpoint().call_bytes;
    assert!(matches!(error, RunError::OverBudget { limit_bytes: l, .. } if l == limit_bytes), "{error}");
    assert_eq!(recorder.did(), []);
}

#[test]
fn an_answer_that_means_nothing_is_not_passed_on() {
    for (store, why) in [
        ("(i32.store16 (i32.const 68) (i32.const 99))", "the status 99"),
        ("(i32.store8 (i32.const 20) (i32.const 10))", "a content type"),
    ] {
        let error = call(&endpoint(store), NoHost, Limits::endpoint()).unwrap_err();
        assert!(matches!(&error, RunError::BadAnswer { what, .. } if what.contains(why)), "{error}");
    }
    let not_utf8 = call(&endpoint("(i32.store8 (i32.const 20) (i32.const 255))"), NoHost, Limits::endpoint());
    assert!(matches!(not_utf8, Err(RunError::Trapped { .. })), "{not_utf8:?}");
}

#[test]
fn a_cells_own_refusal_carries_its_words() {
    let words = "(i32.store8 (i32.const 64) (i32.const 1)) (i32.store (i32.const 68) (i32.const 16))
                 (i32.store (i32.const 72) (i32.const 10))";
    let error = call(&endpoint(words), NoHost, Limits::endpoint()).unwrap_err();
    assert!(matches!(&error, RunError::Refused { text, .. } if text == "text/plain"), "{error}");
}

#[test]
fn cursors_are_bounded_and_given_back_even_if_a_cell_forgets_them() {
    let body = format!(
        "(loop $more {FIND_ALL} (br_if $more (i32.eqz (i32.load8_u (i32.const 256))))) {}",
        answer_failure(256)
    );
    let recorder = Recorder::default();
    let response = call(&endpoint_with(FIND, "", &body), recorder.clone(), Limits::endpoint()).unwrap();
    assert_eq!(response.status, 302);
    assert_eq!(String::from_utf8(response.body).unwrap(), "open cursors: the limit is 16");
    let did = recorder.did();
    assert_eq!(did.iter().filter(|did| matches!(did, Did::Find(_))).count(), CURSORS_MAX);
    assert_eq!(did.iter().filter(|did| matches!(did, Did::Drop(_))).count(), CURSORS_MAX);
}

#[test]
fn after_any_error_the_instance_is_gone_and_its_slot_is_free() {
    let small = Sandbox::start(SandboxSettings { slots: 1 }).unwrap();
    let wasm = endpoint("(if (i32.eq (local.get $rest_bytes) (i32.const 9)) (then unreachable))");
    let native = Box::leak(compile_native(&wasm).unwrap().into_boxed_slice());
    let code = CellCode::from_embedded(&small, native, CodeDigest::of(&wasm)).unwrap();
    let prepared = small.prepare(&code, Interfaces::NONE).unwrap();
    for _ in 0..20 {
        let mut instance = prepared.endpoint(Box::new(NoHost), Limits::endpoint()).unwrap();
        let impatient = Limits { wall_ms: 1, ..Limits::endpoint() };
        let second = prepared.endpoint(Box::new(NoHost), impatient);
        assert!(matches!(second, Err(RunError::NoSlot { slots: 1, .. })));
        assert!(matches!(instance.handle(request()), Err(RunError::Trapped { .. })));
        assert!(!instance.is_alive());
        assert!(matches!(instance.handle(request()), Err(RunError::Ended { .. })));
        assert_eq!(small.slots_free(), 1);
    }
}
