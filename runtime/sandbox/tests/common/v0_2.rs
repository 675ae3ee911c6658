//! Cells of version 0.2 as WebAssembly text. What a call returns lies at 512: zeros are "ok, and nothing".

use std::sync::Arc;

use runtime_sandbox::*;

use super::{COMMON, Recorder, component_of, component_of_module, prepare};

/// The arguments and results of stages.
pub const STAGE_RUN: &str = r#"
  (import "cellar:cell/stage-run@0.2.0" "memory" (func $memory (param i32)))
  (import "cellar:cell/stage-run@0.2.0" "set-memory" (func $set_memory (param i32 i32)))
  (import "cellar:cell/stage-run@0.2.0" "set-processed-through" (func $set_mark (param f64)))
  (import "cellar:cell/stage-run@0.2.0" "set-more" (func $set_more (param i32)))"#;
/// The arguments of every kind.
pub const CONTEXT: &str = r#"
  (import "cellar:cell/context@0.2.0" "now" (func $now (result f64)))
  (import "cellar:cell/context@0.2.0" "seed" (func $seed (result i64)))
  (import "cellar:cell/context@0.2.0" "window-start" (func $start (param i32)))
  (import "cellar:cell/context@0.2.0" "window-end" (func $end (result f64)))
  (import "cellar:cell/context@0.2.0" "purpose" (func $purpose (param i32)))
  (import "cellar:cell/context@0.2.0" "grant" (func $grant (param i32)))"#;
/// The head of a request and of its answer.
pub const HEADS: &str = r#"
  (import "cellar:cell/request@0.2.0" "method" (func $method (param i32)))
  (import "cellar:cell/request@0.2.0" "rest" (func $rest (param i32)))
  (import "cellar:cell/request@0.2.0" "query" (func $address_query (param i32)))
  (import "cellar:cell/request@0.2.0" "scope" (func $scope (param i32)))
  (import "cellar:cell/request@0.2.0" "header" (func $header (param i32 i32 i32)))
  (import "cellar:cell/response@0.2.0" "set-status" (func $set_status (param i32)))
  (import "cellar:cell/response@0.2.0" "set-content-type" (func $set_type (param i32 i32)))"#;
/// Reading.
pub const READ: &str = r#"
  (import "cellar:cell/timeseries-read@0.2.0" "[constructor]query" (func $query (result i32)))
  (import "cellar:cell/timeseries-read@0.2.0" "[method]query.set-area" (func $set_area (param i32 i32 i32)))
  (import "cellar:cell/timeseries-read@0.2.0" "[method]query.set-keys" (func $set_keys (param i32 i32 i32)))
  (import "cellar:cell/timeseries-read@0.2.0" "[method]query.set-time" (func $set_time (param i32 i32 i32)))
  (import "cellar:cell/timeseries-read@0.2.0" "[method]query.set-bounds"
    (func $set_bounds (param i32 i32 f64 i32 f64)))
  (import "cellar:cell/timeseries-read@0.2.0" "[method]query.set-latest-first" (func $set_latest (param i32 i32)))
  (import "cellar:cell/timeseries-read@0.2.0" "[method]query.set-with-invalid" (func $set_invalid (param i32 i32)))
  (import "cellar:cell/timeseries-read@0.2.0" "find" (func $find (param i32 i32)))
  (import "cellar:cell/timeseries-read@0.2.0" "find-locations" (func $find_locations (param i32 i32)))
  (import "cellar:cell/timeseries-read@0.2.0" "[method]cursor.next-page" (func $page (param i32 i32 i32 i32)))
  (import "cellar:cell/timeseries-read@0.2.0" "[method]location-cursor.advance"
    (func $advance (param i32 i32 i32)))
  (import "cellar:cell/timeseries-read@0.2.0" "[method]location-cursor.ts" (func $ts (param i32 i32)))"#;
/// A private state.
pub const STATE: &str = r#"
  (import "cellar:cell/state@0.2.0" "get" (func $get (param i32 i32 i32)))
  (import "cellar:cell/state@0.2.0" "put" (func $put (param i32 i32 i32 i32 i32)))
  (import "cellar:cell/state@0.2.0" "delete" (func $delete (param i32 i32 i32)))
  (import "cellar:cell/state@0.2.0" "scan" (func $scan (param i32 i32 i32 i32 i32 i32 i32)))"#;
/// A line for the owner.
pub const INFO: &str = r#"(import "cellar:cell/log@0.2.0" "info" (func $info (param i32 i32)))"#;

fn cell(kind: &str, world: &str, function: &str, imports: &str, more: &str, body: &str) -> Vec<u8> {
    let core = format!(
        r#"(module {imports} {COMMON} {more}
             (func (export "cellar:cell/{kind}@0.2.0#{function}") (result i32)
               (local $i i32) (local $j i32) {body} (i32.const 512)))"#
    );
    component_of("0.2", world, &core)
}

/// A stage whose `run` does `body`.
pub fn stage(imports: &str, more: &str, body: &str) -> Vec<u8> {
    cell("stage", "stage-all", "run", imports, more, body)
}

/// An endpoint whose `handle` does `body`.
pub fn endpoint(imports: &str, more: &str, body: &str) -> Vec<u8> {
    cell("endpoint", "endpoint-all", "handle", imports, more, body)
}

/// A contribution whose `contribute` does `body`.
pub fn contribution(imports: &str, more: &str, body: &str) -> Vec<u8> {
    cell("contribution", "contribution-cell", "contribute", imports, more, body)
}

/// Gives up with the failure in the result at `result`, if there is one.
pub fn give_up(result: u32) -> String {
    format!(
        "(if (i32.load8_u (i32.const {result})) (then
           (i32.store8 (i32.const 512) (i32.const 1))
           (memory.copy (i32.const 516) (i32.const {}) (i32.const 16))
           (return (i32.const 512))))",
        result + 4
    )
}

/// The window of a test.
pub fn run() -> Run {
    Run { now: 1_000.5, start: Some(10.0), end: 995.5, seed: 7, state: b"memory".to_vec() }
}

/// One run of a stage in a fresh instance.
pub fn run_stage(wasm: &[u8], host: impl CellHost, limits: Limits) -> StageEnd {
    prepare(wasm).stage(Box::new(host), limits, None).unwrap().run(run())
}

/// One contribution of a fresh instance.
pub fn contribute(wasm: &[u8]) -> ContributionEnd {
    let prepared = prepare(wasm);
    let host = Box::new(Recorder::default());
    prepared.contribution(host, Limits::contribution(), None).unwrap().contribute(run())
}

/// A host with a state.
pub fn with_state(rows: &[(&str, &str)]) -> Recorder {
    let rows = rows.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
    Recorder { state: Arc::new(std::sync::Mutex::new(rows.collect())), ..Recorder::default() }
}

/// A valid stage that takes seconds to compile: many functions of many operations each.
pub fn slow_to_compile() -> Vec<u8> {
    use wasm_encoder::*;
    const FUNCTIONS: u32 = 200;
    let mut types = TypeSection::new();
    types.ty().function([ValType::I32], [ValType::I32]);
    types.ty().function([], [ValType::I32]);
    let mut body = Function::new([]);
    for _ in 0..3_000 {
        body.instructions()
            .local_get(0)
            .i32_const(17)
            .i32_add()
            .local_get(0)
            .i32_const(5)
            .i32_rotl()
            .i32_mul();
        body.instructions().local_set(0);
    }
    body.instructions().local_get(0).end();
    let mut run = Function::new([]);
    run.instructions().i32_const(512).end();
    let (mut functions, mut code, mut exports) =
        (FunctionSection::new(), CodeSection::new(), ExportSection::new());
    for number in 0..FUNCTIONS {
        functions.function(0);
        code.function(&body);
        // What is exported is compiled.
        exports.export(&format!("f{number}"), ExportKind::Func, number);
    }
    functions.function(1);
    code.function(&run);
    exports.export("cellar:cell/stage@0.2.0#run", ExportKind::Func, FUNCTIONS);
    exports.export("memory", ExportKind::Memory, 0);
    let mut memories = MemorySection::new();
    memories.memory(MemoryType {
        minimum: 1,
        maximum: None,
        memory64: false,
        shared: false,
        page_size_log2: None,
    });
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports).section(&code);
    component_of_module("0.2", "stage-all", module.finish())
}
