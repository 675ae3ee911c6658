//! Which components are admitted, and under which grant.

#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use runtime_sandbox::*;

/// A component whose only import is a function of an interface with that name.
fn importing(name: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
             (import "{name}" (instance $i (export "f" (func))))
             (core func $f (canon lower (func $i "f")))
             (core module $m (import "" "f" (func)) (func (export "handle")))
             (core instance $c (instantiate $m (with "" (instance (export "f" (func $f))))))
             (func (export "handle") (canon lift (core func $c "handle"))))"#
    ))
    .unwrap()
}

#[test]
fn an_import_outside_the_contract_is_refused_by_its_name_before_compiling() {
    for name in ["wasi:cli/environment@0.2.0", "cellar:cell/clock@0.1.0", "other:cell/log@0.1.0"] {
        let refusal = Refusal::ForeignImport { name: name.to_owned() };
        assert_eq!(admit(&importing(name)), Err(refusal.clone()));
        assert_eq!(compile_native(&importing(name)), Err(refusal));
    }
    let message = admit(&importing("wasi:cli/environment@0.2.0")).unwrap_err().to_string();
    assert_eq!(message, "imports `wasi:cli/environment@0.2.0`, which is outside cellar:cell");
    let function = wat::parse_str(r#"(component (import "cellar:cell/log@0.1.0" (func)))"#).unwrap();
    assert!(matches!(admit(&function), Err(Refusal::ForeignImport { .. })));
    let resource = wat::parse_str(r#"(component (import "request" (type (sub resource))))"#).unwrap();
    assert!(matches!(admit(&resource), Err(Refusal::ForeignImport { .. })));
}

#[test]
fn a_function_of_another_type_than_the_contracts_does_not_load() {
    let wasm = importing("cellar:cell/log@0.1.0");
    assert!(admit(&wasm).is_ok());
    let native = Box::leak(compile_native(&wasm).unwrap().into_boxed_slice());
    let error = CellCode::from_embedded(sandbox(), native, CodeDigest::of(&wasm)).unwrap_err();
    assert!(matches!(error, LoadError::Refused { source: Refusal::Invalid { .. }, .. }), "{error:?}");
}

#[test]
fn an_interface_that_is_not_granted_is_refused_by_its_name() {
    let wasm = endpoint_with(
        &format!("{LOG}{EXCHANGE}"),
        "",
        "(call $log (i32.const 0) (i32.const 0) (i32.const 0)) (call $read (i32.const 0) (i32.const 0))",
    );
    let code = load(&wasm);
    assert_eq!(code.imports(), [Interface::Log, Interface::Exchange].into_iter().collect());
    let error = sandbox().prepare(&code, Interfaces::NONE.with(Interface::Log)).unwrap_err();
    assert!(matches!(error, PrepareError::NotGranted { interface: Interface::Exchange, .. }));
    let words = format!("cell {} imports `exchange`, which is not granted", code.digest().short());
    assert_eq!(error.to_string(), words);
    assert!(sandbox().prepare(&code, code.imports()).is_ok());
}

#[test]
fn a_component_is_of_exactly_one_world() {
    let empty = wat::parse_str("(component)").unwrap();
    assert_eq!(admit(&empty), Err(Refusal::NoWorld { found: "nothing".to_owned() }));
    let both = wat::parse_str(
        r#"(component (core module $m (func (export "f"))) (core instance $i (instantiate $m))
             (func $f (canon lift (core func $i "f"))) (export "handle" (func $f)) (export "run" (func $f)))"#,
    );
    let both = admit(&both.unwrap()).unwrap_err();
    assert_eq!(
        both.to_string(),
        "exports `handle`, `run`; a cell exports exactly one of `cellar:cell/stage`, `/endpoint`, `/contribution`, or of \
         `handle`, `run` (version 0.1)"
    );
    let endpoint = endpoint("");
    assert_eq!(admit(&endpoint).unwrap().world, World::Endpoint);
    let error = prepare(&endpoint).stage(Box::new(NoHost), Limits::stage(), None).unwrap_err();
    assert!(matches!(error, RunError::WrongWorld { is: World::Endpoint, wanted: World::Stage, .. }));
}

#[test]
fn a_component_that_no_slot_can_hold_does_not_load() {
    let module = |inside: &str| {
        format!(
            r#"(module {inside} (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)
               (func (export "handle") (param i32 i32 f64 i64) (result i32) unreachable))"#
        )
    };
    for (inside, wanted) in [
        (r#"(memory (export "memory") 4097)"#, "268500992"),
        (r#"(memory (export "memory") 1) (table 64001 funcref)"#, "64001"),
    ] {
        let wasm = component("endpoint", &module(inside));
        let native = Box::leak(compile_native(&wasm).unwrap().into_boxed_slice());
        let error = CellCode::from_embedded(sandbox(), native, CodeDigest::of(&wasm)).unwrap_err();
        let LoadError::Refused { source: Refusal::TooDemanding { why }, .. } = error else {
            panic!("{error:?}")
        };
        assert!(why.contains(wanted), "{why}");
    }
}

#[test]
fn proposals_that_cells_do_not_need_are_off() {
    for (name, inside) in [
        ("memory64", r#"(memory i64 1)"#),
        ("threads", "(memory 1 1 shared)"),
        ("tail calls", "(func $f return_call $f)"),
        ("relaxed simd", "(func (param v128) local.get 0 i32x4.relaxed_trunc_f32x4_s drop)"),
        ("exceptions", "(tag $t)"),
        ("gc", "(type (struct))"),
    ] {
        let wasm = wat::parse_str(format!("(component (core module {inside}) {HANDLE})")).unwrap();
        let refused = compile_native(&wasm);
        assert!(matches!(refused, Err(Refusal::Invalid { .. })), "{name}: {}", refused.is_ok());
    }
}

const HANDLE: &str = r#"(core module $m (func (export "f"))) (core instance $i (instantiate $m))
    (func $f (canon lift (core func $i "f"))) (export "handle" (func $f))"#;

#[test]
fn native_code_of_another_engine_or_damaged_is_refused_with_the_remedy() {
    let wasm = endpoint("(drop (i32.const 77))");
    let digest = CodeDigest::of(&wasm);
    let other = wasmtime::Engine::default().precompile_component(&wasm).unwrap();
    let error = CellCode::from_embedded(sandbox(), Box::leak(other.into_boxed_slice()), digest).unwrap_err();
    assert!(matches!(error, LoadError::OtherEngine { .. }));
    assert!(error.to_string().contains("cargo xtask cells"), "{error}");
    let error = CellCode::from_embedded(sandbox(), b"", digest).unwrap_err();
    assert!(matches!(error, LoadError::Damaged { .. }));
    let error = CellCode::from_embedded(sandbox(), Box::leak(wasm.into_boxed_slice()), digest).unwrap_err();
    assert!(matches!(error, LoadError::Damaged { .. }));
}

#[test]
fn one_compiled_component_serves_everybody() {
    let wasm = endpoint("(drop (i32.const 78))");
    let (first, second) = (load(&wasm), CellCode::loaded(sandbox(), CodeDigest::of(&wasm)).unwrap());
    drop(first);
    assert_eq!(second.digest(), CodeDigest::of(&wasm));
    drop(second);
    assert!(CellCode::loaded(sandbox(), CodeDigest::of(&wasm)).is_none(), "unused code is freed");
}
