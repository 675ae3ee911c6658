//! Components that are composed of several modules with memories of their own, as interpreters are.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::{Duration, Instant};

use common::{load, prepare, sandbox};
use runtime_sandbox::*;

/// A stage of version 0.2 whose `run` passes a text to a component inside it, between two memories. It has `instances`
/// core instances and `memories` memories in all, at least 4 and 2; one instance is the engine's own adapter.
fn composed(instances: usize, memories: usize) -> Vec<u8> {
    let empty = "(core instance (instantiate $empty))".repeat(instances - 4 - (memories - 2));
    let own = "(core instance (instantiate $own))".repeat(memories - 2);
    let memory = r#"(memory (export "memory") 1)
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))"#;
    let text = format!(
        r#"(component
          (type $types (instance
            (type $record (record (field "code" string) (field "text" string)))
            (export "failure" (type (eq $record)))))
          (import "cellar:cell/types@0.2.0" (instance $types (type $types)))
          (component $inner
            (core module $m {memory} (func (export "length") (param i32 i32) (result i32)
              (if (i32.ne (i32.load8_u (local.get 0)) (i32.const 104)) (then unreachable)) (local.get 1)))
            (core instance $i (instantiate $m))
            (func (export "length") (param "text" string) (result u32)
              (canon lift (core func $i "length") (memory $i "memory") (realloc (func $i "cabi_realloc")))))
          (component $outer
            (import "types" (instance $types (type $types)))
            (alias export $types "failure" (type $failure))
            (import "length" (func $length (param "text" string) (result u32)))
            (core module $empty)
            (core module $own (memory 1))
            {empty} {own}
            (core module $libc {memory} (data (i32.const 16) "hello"))
            (core instance $libc (instantiate $libc))
            (alias core export $libc "memory" (core memory $memory))
            (core func $lowered (canon lower (func $length) (memory $memory)
              (realloc (func $libc "cabi_realloc"))))
            (core module $m (import "" "length" (func $length (param i32 i32) (result i32)))
              (func (export "run") (result i32)
                (if (i32.ne (call $length (i32.const 16) (i32.const 5)) (i32.const 5)) (then unreachable))
                (i32.const 512)))
            (core instance $m (instantiate $m (with "" (instance (export "length" (func $lowered))))))
            (func (export "run") (result (result (error $failure)))
              (canon lift (core func $m "run") (memory $memory))))
          (instance $inner (instantiate $inner))
          (instance $outer (instantiate $outer (with "types" (instance $types))
            (with "length" (func $inner "length"))))
          (export "cellar:cell/stage@0.2.0" (instance $outer)))"#
    );
    wat::parse_str(text).unwrap()
}

fn run(prepared: &Prepared) -> Result<Outcome, RunError> {
    let run = Run { now: 1.0, start: None, end: 1.0, seed: 0, state: Vec::new() };
    prepared.stage(Box::new(NoHost), Limits::stage(), None)?.run(run).outcome
}

fn refused(wasm: &[u8]) -> Refusal {
    let native = Box::leak(compile_native(wasm).unwrap().into_boxed_slice());
    match CellCode::from_embedded(sandbox(), native, CodeDigest::of(wasm)) {
        Err(LoadError::Refused { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_component_with_several_memories_and_many_core_instances_runs() {
    for (instances, memories) in [(4, 2), (64, 3)] {
        let prepared = prepare(&composed(instances, memories));
        for _ in 0..3 {
            assert!(run(&prepared).is_ok(), "{instances} {memories}");
        }
    }
}

#[test]
fn a_component_with_more_than_a_pool_gives_does_not_load() {
    for (instances, memories, number) in [(65, 2, "64"), (10, 4, "3")] {
        let Refusal::TooDemanding { why } = refused(&composed(instances, memories)) else {
            panic!("{memories}")
        };
        assert!(why.contains(&format!("configured maximum of {number}")), "{why}");
    }
}

#[test]
fn composed_components_have_slots_of_their_own_so_that_they_take_none_from_the_others() {
    let sandbox = Sandbox::start(SandboxSettings { slots: 16 }).unwrap();
    assert_eq!((sandbox.slots(), sandbox.composed()), (16, 2));
    let load = |wasm: &[u8]| {
        let native = Box::leak(compile_native(wasm).unwrap().into_boxed_slice());
        let code = CellCode::from_embedded(&sandbox, native, CodeDigest::of(wasm)).unwrap();
        sandbox.prepare(&code, Interfaces::NONE).unwrap()
    };
    let (large, small) = (load(&composed(5, 3)), load(&common::endpoint("(drop (i32.const 131))")));
    let limits = Limits { wall_ms: 20, ..Limits::stage() };
    let start = || large.stage(Box::new(NoHost), limits, None);
    let held = [start().unwrap(), start().unwrap()];
    assert!(matches!(start(), Err(RunError::NoSlot { slots: 2, .. })));
    let ordinary: Vec<_> =
        (0..14).map(|_| small.endpoint(Box::new(NoHost), Limits::endpoint()).unwrap()).collect();
    assert_eq!(sandbox.slots_free(), 0);
    drop(held);
    drop(ordinary);
    assert!(start().is_ok());
    assert_eq!(sandbox.slots_free(), 16);
}

#[test]
fn what_a_fresh_composed_instance_costs_is_told() {
    let (composed, plain) = (prepare(&composed(40, 2)), prepare(&common::v0_2::stage("", "", "")));
    let mut cost = [Duration::MAX; 2];
    for _ in 0..40 {
        for (cell, best) in [&plain, &composed].into_iter().zip(&mut cost) {
            let start = Instant::now();
            run(cell).unwrap();
            *best = start.elapsed().min(*best);
        }
    }
    println!("fresh: ordinary {:?}, 40 core instances and 2 memories {:?}", cost[0], cost[1]);
}

#[test]
fn a_composed_component_is_compiled_by_the_child_too() {
    let wasm = composed(4, 2);
    let folder = tempfile::tempdir().unwrap();
    let cache = NativeCache::open(folder.path(), &[3; 32]).unwrap();
    let compiler = Compiler::new(env!("CARGO_BIN_EXE_cellar-cell-compiler"), Vec::<String>::new());
    let code = CellCode::load(sandbox(), &cache, &compiler, &wasm).unwrap();
    assert_eq!((code.digest(), code.version()), (CodeDigest::of(&wasm), Version::V0_2));
    drop(code);
    let prepared = sandbox().prepare(&load(&wasm), Interfaces::NONE).unwrap();
    assert!(run(&prepared).is_ok());
}
