//! Cells as WebAssembly text, and a host that records what they do.

#![allow(dead_code)]

pub mod v0_2;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use runtime_sandbox::*;
use runtime_types::EntryId;
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// One sandbox for all tests of a program.
pub fn sandbox() -> &'static Arc<Sandbox> {
    static SANDBOX: OnceLock<Arc<Sandbox>> = OnceLock::new();
    SANDBOX.get_or_init(|| Sandbox::start(SandboxSettings { slots: 64 }).unwrap())
}

/// A core module as a component of `world` of version 0.1.
pub fn component(world: &str, core: &str) -> Vec<u8> {
    component_of("0.1", world, core)
}

/// A core module as a component of `world`.
pub fn component_of(version: &str, world: &str, core: &str) -> Vec<u8> {
    component_of_module(version, world, wat::parse_str(core).unwrap())
}

/// The same of a module's bytes.
pub fn component_of_module(version: &str, world: &str, mut module: Vec<u8>) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wit").join(version);
    let mut resolve = wit_parser::Resolve::default();
    let (package, _) = resolve.push_path(folder).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// The common part of every test cell: a memory of 64 KiB pages, an allocator that never frees, and an answer at 64:
/// `ok`, 200, `text/plain`, the body `ok`.
pub const COMMON: &str = r#"
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 65536))
  (func $allocate (export "cabi_realloc") (param $old i32) (param $was i32) (param $align i32) (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
      (br_if $fits (i32.ne (i32.const -1) (memory.grow (i32.add (i32.const 1) (i32.shr_u (local.get $size) (i32.const 16))))))
      unreachable)
    (local.get $at))
  (data (i32.const 16) "text/plain")
  (data (i32.const 32) "ok")
  (data (i32.const 64) "\00\00\00\00\c8\00\00\00\10\00\00\00\0a\00\00\00\20\00\00\00\02\00\00\00")
"#;

/// An endpoint whose `handle` does `body` and then answers `ok`, unless `body` leaves another address.
pub fn endpoint_with(imports: &str, more: &str, body: &str) -> Vec<u8> {
    component(
        "endpoint",
        &format!(
            r#"(module {imports} {COMMON} {more}
               (func (export "handle") (param $rest i32) (param $rest_bytes i32) (param $now f64) (param $body_bytes i64) (result i32)
                 (local $i i32) (local $j i32)
                 {body}
                 (i32.const 64)))"#
        ),
    )
}

/// An endpoint without imports.
pub fn endpoint(body: &str) -> Vec<u8> {
    endpoint_with("", "", body)
}

/// Compiles and loads a component as the build does for cells in the binary.
pub fn load(wasm: &[u8]) -> CellCode {
    let native = compile_native(wasm).unwrap();
    CellCode::from_embedded(sandbox(), Box::leak(native.into_boxed_slice()), CodeDigest::of(wasm)).unwrap()
}

/// Loads and links with every interface granted.
pub fn prepare(wasm: &[u8]) -> Prepared {
    sandbox().prepare(&load(wasm), Interfaces::all()).unwrap()
}

/// A fresh instance, one call.
pub fn call(wasm: &[u8], host: impl CellHost, limits: Limits) -> Result<Response, RunError> {
    prepare(wasm).endpoint(Box::new(host), limits)?.handle(request())
}

pub fn request() -> Request {
    Request { rest: "timestamp".to_owned(), now: 1_000_000.5, body_bytes: 0 }
}

/// The actions of a cell, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Did {
    Find(Query),
    FindIds(Vec<String>, Vec<u8>),
    Drop(u32),
    Insert(Vec<u8>),
    Put(Vec<u8>),
    Document(String, Vec<u8>),
    Log(LogLevel, String),
    Begin(u16, String),
    Write(Vec<u8>),
}

/// A test's callback for log lines of a cell.
pub type OnLog = Arc<dyn Fn(&str) + Send + Sync>;

/// A host that records, returns pages of a fixed size without end, and keeps documents.
#[derive(Clone, Default)]
pub struct Recorder {
    pub did: Arc<Mutex<Vec<Did>>>,
    pub documents: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    pub body: Arc<Mutex<Vec<u8>>>,
    pub on_log: Option<OnLog>,
    pub next: u32,
    pub head: RequestHead,
    pub terms: Terms,
    pub state: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Recorder {
    pub fn did(&self) -> Vec<Did> {
        self.did.lock().unwrap().clone()
    }

    fn note(&self, did: Did) {
        self.did.lock().unwrap().push(did);
    }
}

impl CellHost for Recorder {
    fn find(&mut self, query: Query) -> Result<u32, Failure> {
        self.note(Did::Find(query));
        self.next += 1;
        Ok(100 + self.next)
    }
    fn find_ids(&mut self, keys: Vec<StreamKey>, ids: &[u8]) -> Result<u32, Failure> {
        self.note(Did::FindIds(keys.iter().map(ToString::to_string).collect(), ids.to_vec()));
        self.next += 1;
        Ok(100 + self.next)
    }
    fn next_page(&mut self, _: u32, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        Ok(vec![7; bytes_max as usize])
    }
    fn count(&mut self, _: Query) -> Result<u64, Failure> {
        Ok(42)
    }
    fn find_locations(&mut self, query: Query) -> Result<u32, Failure> {
        self.find(query)
    }
    fn next_rows(&mut self, _: u32, rows_max: u32) -> Result<LocationRows, Failure> {
        let rows = rows_max.min(3) as usize;
        let column = vec![0.5; rows];
        Ok(LocationRows {
            ids: vec![EntryId([1; 12]); rows],
            ts: column.clone(),
            write_ts: column.clone(),
            latitude: column.clone(),
            longitude: column.clone(),
            accuracy: column,
            filter: vec![1; rows],
            device: vec![1; rows],
            devices: vec!["a/ios".to_owned()],
        })
    }
    fn drop_cursor(&mut self, cursor: u32) {
        self.note(Did::Drop(cursor));
    }
    fn insert(&mut self, rows: &[u8]) -> Result<Vec<u8>, Failure> {
        self.note(Did::Insert(rows.to_vec()));
        Ok(vec![9; 12])
    }
    fn replace(&mut self, _: &[u8]) -> Result<(), Failure> {
        Err(Failure::Denied("background/location".to_owned()))
    }
    fn delete(&mut self, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
    fn mark_invalid(&mut self, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
    fn put(&mut self, rows: &[u8]) -> Result<(), Failure> {
        self.note(Did::Put(rows.to_vec()));
        Ok(())
    }
    fn take_in(&mut self, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
    fn set_aside(&mut self, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }
    fn document_get(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.documents.lock().unwrap().get(name).cloned())
    }
    fn document_put(&mut self, name: &str, content: &[u8]) -> Result<(), Failure> {
        self.note(Did::Document(name.to_owned(), content.to_vec()));
        self.documents.lock().unwrap().insert(name.to_owned(), content.to_vec());
        Ok(())
    }
    fn log(&mut self, level: LogLevel, text: &str) {
        self.note(Did::Log(level, text.to_owned()));
        if let Some(on_log) = &self.on_log {
            on_log(text);
        }
    }
    fn read_body(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        let mut body = self.body.lock().unwrap();
        let piece = body.len().min(bytes_max as usize);
        Ok(body.drain(..piece).collect())
    }
    fn begin(&mut self, status: u16, content_type: &str) -> Result<(), Failure> {
        self.note(Did::Begin(status, content_type.to_owned()));
        Ok(())
    }
    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        self.note(Did::Write(bytes));
        Ok(())
    }
    fn request_head(&mut self) -> RequestHead {
        self.head.clone()
    }
    fn terms(&mut self) -> Terms {
        self.terms.clone()
    }
    fn state_get(&mut self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        Ok(self.state.lock().unwrap().get(key).cloned())
    }
    fn state_put(&mut self, key: &str, value: &[u8]) -> Result<(), Failure> {
        self.state.lock().unwrap().insert(key.to_owned(), value.to_vec());
        Ok(())
    }
    fn state_delete(&mut self, key: &str) -> Result<(), Failure> {
        self.state.lock().unwrap().remove(key);
        Ok(())
    }
    fn state_scan(&mut self, prefix: &str, after: Option<&str>, keys_max: u32) -> Result<StateRows, Failure> {
        let state = self.state.lock().unwrap();
        let rows = state.iter().filter(|(key, _)| key.starts_with(prefix));
        let rows = rows.filter(|(key, _)| after.is_none_or(|after| key.as_str() > after));
        Ok(rows.take(keys_max as usize).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

/// Import declarations of the contract 0.1, as the encoder names them.
pub const LOG: &str = r#"(import "cellar:cell/log@0.1.0" "write" (func $log (param i32 i32 i32)))"#;
pub const EXCHANGE: &str = r#"
  (import "cellar:cell/exchange@0.1.0" "read" (func $read (param i32 i32)))
  (import "cellar:cell/exchange@0.1.0" "begin" (func $begin (param i32 i32 i32 i32)))
  (import "cellar:cell/exchange@0.1.0" "write" (func $send (param i32 i32 i32)))"#;
pub const FIND: &str = r#"
  (import "cellar:cell/timeseries-read@0.1.0" "find"
    (func $find (param i32 i32 i32 i32 i32 f64 i32 f64 i32 i32 i32)))
  (import "cellar:cell/timeseries-read@0.1.0" "[method]cursor.next-page" (func $page (param i32 i32 i32)))
  (import "cellar:cell/timeseries-read@0.1.0" "[resource-drop]cursor" (func $drop (param i32)))"#;
pub const INSERT: &str =
    r#"(import "cellar:cell/timeseries-write@0.1.0" "insert" (func $insert (param i32 i32 i32)))"#;

/// Opens a cursor over everything; its result is at 256: 0 and the handle at 260, or 1 and a failure at 260.
pub const FIND_ALL: &str =
    "(call $find (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 0) (f64.const 0)
    (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 256))";

/// Answers with the failure in the result at `result`: its kind (0 denied, 1 invalid, 2 over-budget, 3 unavailable)
/// as the status 300 + kind, and its text as the body; 200 `ok` if there was none.
pub fn answer_failure(result: u32) -> String {
    format!(
        "(if (i32.load8_u (i32.const {result})) (then
           (i32.store16 (i32.const 68) (i32.add (i32.const 300) (i32.load8_u (i32.const {}))))
           (i32.store (i32.const 80) (i32.load (i32.const {})))
           (i32.store (i32.const 84) (i32.load (i32.const {})))))",
        result + 4,
        result + 8,
        result + 12
    )
}
