//! Components from elsewhere that ask for more than they get. The numbers are those of docs/threat-model.md.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::v0_2::*;
use common::{Recorder, component_of, prepare};
use runtime_sandbox::*;

/// A component that imports and exports instances of these names.
fn naming(imports: &[&str], exports: &[&str]) -> Vec<u8> {
    let imports = imports.iter().map(|name| format!(r#"(import "{name}" (instance (export "f" (func))))"#));
    let exports = exports.iter().map(|name| format!(r#"(export "{name}" (instance $e))"#));
    let text = format!(
        r#"(component {} (core module $m (func (export "f"))) (core instance $i (instantiate $m))
             (func $f (canon lift (core func $i "f"))) (instance $e (export "f" (func $f))) {})"#,
        imports.collect::<String>(),
        exports.collect::<String>(),
    );
    wat::parse_str(text).unwrap()
}

#[test]
fn attack_130_a_component_that_imports_more_than_its_kind_may_have_is_refused_by_the_name() {
    let foreign = |name: &str| Refusal::ForeignImport { name: name.to_owned() };
    let not_in = |name: &str, world| Refusal::NotInWorld { name: name.to_owned(), world };
    let write = "cellar:cell/timeseries-write@0.2.0";
    let (request, exchange) = ("cellar:cell/request@0.2.0", "cellar:cell/exchange@0.2.0");
    for (kind, import, refusal) in [
        ("contribution", write, not_in(write, World::Contribution)),
        ("contribution", exchange, not_in(exchange, World::Contribution)),
        ("contribution", "cellar:cell/state@0.2.0", not_in("cellar:cell/state@0.2.0", World::Contribution)),
        (
            "contribution",
            "cellar:cell/documents@0.2.0",
            not_in("cellar:cell/documents@0.2.0", World::Contribution),
        ),
        ("stage", exchange, not_in(exchange, World::Stage)),
        ("stage", request, not_in(request, World::Stage)),
        ("endpoint", "cellar:cell/stage-run@0.2.0", not_in("cellar:cell/stage-run@0.2.0", World::Endpoint)),
        ("stage", "wasi:random/random@0.2.0", foreign("wasi:random/random@0.2.0")),
        ("stage", "cellar:cell/clock@0.2.0", foreign("cellar:cell/clock@0.2.0")),
        ("stage", "cellar:cell/stage@0.2.0", foreign("cellar:cell/stage@0.2.0")),
    ] {
        let wasm = naming(&[import], &[&format!("cellar:cell/{kind}@0.2.0")]);
        assert_eq!(admit(&wasm), Err(refusal.clone()), "{kind} {import}");
        assert_eq!(compile_native(&wasm), Err(refusal), "{kind} {import}");
    }
    // What a contribution may import it may have, and nothing else is asked of the owner.
    let reads = naming(&["cellar:cell/timeseries-read@0.2.0"], &["cellar:cell/contribution@0.2.0"]);
    assert_eq!(admit(&reads).unwrap().imports, Interfaces::NONE.with(Interface::TimeseriesRead));
}

#[test]
fn attack_131_a_component_for_a_version_that_this_host_does_not_have_is_told_which_it_needs() {
    for (imports, exports, name, needed) in [
        (&["cellar:cell/log@0.3.0"][..], &["cellar:cell/stage@0.3.0"][..], "cellar:cell/log@0.3.0", "0.3.0"),
        (&[], &["cellar:cell/stage@0.3.0"], "cellar:cell/stage@0.3.0", "0.3.0"),
        (&[], &["cellar:cell/endpoint@0.2.1"], "cellar:cell/endpoint@0.2.1", "0.2.1"),
        (&["cellar:cell/types@1.0.0"], &["cellar:cell/stage@0.2.0"], "cellar:cell/types@1.0.0", "1.0.0"),
        (
            &["cellar:cell/unheard-of@0.2.7"],
            &["cellar:cell/stage@0.2.7"],
            "cellar:cell/unheard-of@0.2.7",
            "0.2.7",
        ),
    ] {
        let refusal = admit(&naming(imports, exports)).unwrap_err();
        let here = "0.1.0 and 0.2.0".to_owned();
        let (name, needed) = (name.to_owned(), needed.to_owned());
        let words = format!(
            "names `{name}` and needs version {needed} of the contract, of which this host has {here}: update the \
             host, or build the cell for one of these"
        );
        assert_eq!(refusal.to_string(), words);
        assert_eq!(refusal, Refusal::OtherVersion { name, needed, here });
    }
    let mixed = naming(&["cellar:cell/log@0.1.0"], &["cellar:cell/stage@0.2.0"]);
    let name = "cellar:cell/log@0.1.0".to_owned();
    assert_eq!(admit(&mixed), Err(Refusal::MixedVersions { name, version: Version::V0_2 }));
    let both = naming(&[], &["cellar:cell/stage@0.2.0", "cellar:cell/contribution@0.2.0"]);
    assert!(matches!(admit(&both), Err(Refusal::NoWorld { .. })));
    // 0.1 has no state; a cell of 0.1 cannot name one of 0.2 either.
    let state = naming(&["cellar:cell/state@0.1.0"], &[]);
    assert!(matches!(admit(&state), Err(Refusal::ForeignImport { .. })));
}

#[test]
fn attack_131_functions_of_another_type_behind_the_right_names_do_not_load() {
    let wasm = naming(&["cellar:cell/context@0.2.0"], &["cellar:cell/stage@0.2.0"]);
    assert!(admit(&wasm).is_ok());
    let native = Box::leak(compile_native(&wasm).unwrap().into_boxed_slice());
    let error = CellCode::from_embedded(common::sandbox(), native, CodeDigest::of(&wasm)).unwrap_err();
    assert!(matches!(error, LoadError::Refused { source: Refusal::Invalid { .. }, .. }), "{error:?}");
}

fn compiler(limits: CompileLimits) -> Compiler {
    let program = env!("CARGO_BIN_EXE_cellar-cell-compiler");
    Compiler::new(program, Vec::<String>::new()).with_limits(limits)
}

#[test]
fn attack_132_bombs_for_the_compiler_end_with_their_true_reason() {
    let limits = CompileLimits { cpu_s: 1, address_bytes: 512 << 20, wall_s: 60 };
    // A type that has 2^40 parts, in a line each.
    let parts: String = (1..40).map(|n| format!("(type $t{n} (tuple $t{0} $t{0}))", n - 1)).collect();
    let wide = wat::parse_str(format!(
        r#"(component (type $t0 (tuple u64 u64)) {parts} (core module $m (func (export "f")))
             (core instance $i (instantiate $m)) (func $f (canon lift (core func $i "f")))
             (instance $stage (export "run" (func $f))) (export "cellar:cell/stage@0.2.0" (instance $stage)))"#
    ));
    let refused = compiler(limits).compile(&wide.unwrap()).unwrap_err();
    assert!(matches!(refused, CompileError::Refused(Refusal::Invalid { .. })), "{refused:?}");
    // Code that takes long, and more memory than there is.
    let slow = slow_to_compile();
    let error = compiler(limits).compile(&slow).unwrap_err();
    assert!(matches!(error, CompileError::CpuLimit { cpu_s: 1 }), "{error}");
    let tight = CompileLimits { address_bytes: 64 << 20, cpu_s: 30, wall_s: 60 };
    let error = compiler(tight).compile(&slow).unwrap_err();
    assert_eq!(error.to_string(), "compiling needs more than 67108864 bytes of address space");
    // After all of that another cell is compiled as ever.
    compiler(limits).compile(&stage("", "", "")).unwrap();
}

#[test]
fn attack_132_native_code_that_is_exchanged_on_disk_is_not_loaded_and_none_lies_there_without_its_mac() {
    let folder = tempfile::tempdir().unwrap();
    let cache = NativeCache::open(folder.path(), &[9; 32]).unwrap();
    let (mine, other) = (
        stage("", "", "(i32.store (i32.const 900) (i32.const 1321))"),
        stage("", "", "(i32.store (i32.const 900) (i32.const 1322))"),
    );
    for wasm in [&mine, &other] {
        drop(CellCode::load(common::sandbox(), &cache, &compiler(CompileLimits::default()), wasm).unwrap());
    }
    let file = |wasm: &[u8], end: &str| {
        folder.path().join(engine_hash()).join(format!("{}.{end}", CodeDigest::of(wasm)))
    };
    let files = std::fs::read_dir(folder.path().join(engine_hash())).unwrap().count();
    assert_eq!(files, 4, "code and MAC of each, and neither a component nor half of anything");
    std::fs::copy(file(&other, "cwasm"), file(&mine, "cwasm")).unwrap();
    assert!(cache.load(common::sandbox(), CodeDigest::of(&mine)).unwrap().is_none());
    std::fs::copy(file(&other, "mac"), file(&mine, "mac")).unwrap();
    assert!(cache.load(common::sandbox(), CodeDigest::of(&mine)).unwrap().is_none());
}

#[test]
fn attack_133_queries_and_cursors_without_end_end_the_run() {
    let endless = stage(READ, "", "(loop $more (drop (call $query)) (br $more))");
    let end = run_stage(&endless, Recorder::default(), Limits::stage());
    assert!(matches!(end.outcome, Err(RunError::Trapped { .. })), "{:?}", end.outcome);
    // Sixteen cursors over columns may stand at once, and no cursor holds more rows than the limit.
    let body = format!(
        "(loop $more
           (call $find_locations (call $query) (i32.const 600)) {}
           (call $advance (i32.load (i32.const 604)) (i32.const -1) (i32.const 640)) {}
           (br $more))",
        give_up(600),
        give_up(640)
    );
    let end = run_stage(&stage(READ, "", &body), Recorder::default(), Limits::stage());
    let Err(RunError::Refused { text, .. }) = end.outcome else { panic!("{:?}", end.outcome) };
    assert_eq!(text, "over-budget: open cursors: the limit is 16");
}

#[test]
fn attack_133_a_query_of_an_earlier_call_is_nothing_to_a_warm_instance() {
    // The first call leaves a query in a global; the second uses it.
    let body = format!(
        "(if (i32.eqz (global.get $kept)) (then (global.set $kept (i32.add (call $query) (i32.const 1))))
           (else (call $find (i32.sub (global.get $kept) (i32.const 1)) (i32.const 600)) {}))",
        give_up(600)
    );
    let wasm = endpoint(READ, "(global $kept (mut i32) (i32.const 0))", &body);
    let mut instance = prepare(&wasm).endpoint(Box::new(Recorder::default()), Limits::endpoint()).unwrap();
    assert!(instance.handle(common::request()).is_ok());
    instance.rebind(Box::new(Recorder::default()), Limits::endpoint()).unwrap();
    let Err(RunError::Refused { text, .. }) = instance.handle(common::request()) else {
        panic!("it was found")
    };
    assert_eq!(text, "invalid: a query of an earlier call");
}

#[test]
fn attack_134_scans_and_writes_of_a_state_without_end_are_ended_by_a_budget_or_the_clock() {
    let scan = format!(
        "(loop $more
           (global.set $top (i32.const 65536))
           (call $scan (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const -1)
             (i32.const 600)) {}
           (br $more))",
        give_up(600)
    );
    let limits = Limits { read_bytes: 1 << 20, wall_ms: 2_000, ..Limits::stage() };
    let host = with_state(&[("a", "some value"), ("b", "another")]);
    let end = run_stage(&stage(STATE, "", &scan), host, limits);
    let Err(RunError::Refused { text, .. }) = end.outcome else { panic!("{:?}", end.outcome) };
    assert_eq!(text, "over-budget: bytes read: the limit is 1048576");
    // An empty state costs no bytes: then it is the clock.
    let limits = Limits { wall_ms: 60, ..Limits::stage() };
    let end = run_stage(&stage(STATE, "", &scan), Recorder::default(), limits);
    assert!(matches!(end.outcome, Err(RunError::Deadline { wall_ms: 60, .. })), "{:?}", end.outcome);
    assert!(Duration::from_micros(end.usage.elapsed_us) < Duration::from_secs(2));
    let write = format!(
        "(drop (memory.grow (i32.const 4)))
         (loop $more
           (call $put (i32.const 16) (i32.const 4) (i32.const 65536) (i32.const 200000) (i32.const 600)) {}
           (br $more))",
        give_up(600)
    );
    let end = run_stage(&stage(STATE, "", &write), Recorder::default(), Limits::stage());
    let Err(RunError::Refused { text, .. }) = end.outcome else { panic!("{:?}", end.outcome) };
    assert_eq!(text, format!("over-budget: bytes written: the limit is {}", Limits::stage().written_bytes));
}

#[test]
fn an_author_names_a_world_of_their_own() {
    // What docs/formats/contract.md shows: a world that includes a narrow one imports what it names, and no more.
    let core = format!(
        r#"(module {INFO} {} (func (export "cellar:cell/stage@0.2.0#run") (result i32)
             (call $info (i32.const 16) (i32.const 10)) (i32.const 512)))"#,
        common::COMMON
    );
    let imports = admit(&component_of("0.2", "stage-all", &core)).unwrap().imports;
    assert_eq!(imports, Interfaces::NONE.with(Interface::Log));
}
