//! The data that passes between a cell and its host is counted and checked.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::*;
use runtime_sandbox::*;

#[test]
fn a_query_crosses_as_it_was_meant() {
    // keys: one string "a/b" at 300; field start-ts; from 1.5, no end; descending; with invalid.
    let body = format!(
        r#"(i32.store (i32.const 320) (i32.const 300)) (i32.store (i32.const 324) (i32.const 3))
           (call $find (i32.const 2) (i32.const 320) (i32.const 1) (i32.const 2) (i32.const 1) (f64.const 1.5)
             (i32.const 0) (f64.const 0) (i32.const 1) (i32.const 1) (i32.const 256)) {}"#,
        answer_failure(256)
    );
    let wasm = |key: &str| endpoint_with(FIND, &format!(r#"(data (i32.const 300) "{key}")"#), &body);
    let recorder = Recorder::default();
    call(&wasm("a/b"), recorder.clone(), Limits::endpoint()).unwrap();
    let query = Query {
        area: Area::Errors,
        keys: vec!["a/b".parse().unwrap()],
        field: TimeField::StartTs,
        start: 1.5,
        end: f64::INFINITY,
        order: Order::Descending,
        with_invalid: true,
    };
    assert_eq!(recorder.did(), [Did::Find(query), Did::Drop(101)]);
    let refused = call(&wasm("a b"), recorder, Limits::endpoint()).unwrap();
    assert_eq!(refused.status, 301);
    assert!(String::from_utf8(refused.body).unwrap().starts_with("key 0 of the query: a stream key is"));
}

#[test]
fn a_bound_that_is_not_a_number_is_refused() {
    let body = format!(
        "(call $find (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 6) (i32.const 1) (f64.const nan)
           (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 256)) {}",
        answer_failure(256)
    );
    let response = call(&endpoint_with(FIND, "", &body), Recorder::default(), Limits::endpoint()).unwrap();
    assert_eq!(response.status, 301);
}

#[test]
fn reading_ends_at_its_budget_and_the_cell_may_say_so() {
    let body = format!(
        "{FIND_ALL}
         (loop $more
           (global.set $top (i32.const 65536))
           (call $page (i32.load (i32.const 260)) (i32.const 65536) (i32.const 272))
           (br_if $more (i32.eqz (i32.load8_u (i32.const 272)))))
         {}",
        answer_failure(272)
    );
    let limits = Limits { read_bytes: 1 << 20, ..Limits::endpoint() };
    let wasm = endpoint_with(FIND, "", &body);
    let mut instance = prepare(&wasm).endpoint(Box::new(Recorder::default()), limits).unwrap();
    let response = instance.handle(request()).unwrap();
    assert_eq!((response.status, &response.body[..]), (302, &b"bytes read: the limit is 1048576"[..]));
    assert_eq!(instance.usage().read_bytes, 1 << 20);
}

#[test]
fn a_page_is_clamped_to_what_the_contract_allows() {
    let body = format!(
        "{FIND_ALL} (call $page (i32.load (i32.const 260)) (i32.const 1) (i32.const 272))
         (i32.store16 (i32.const 68) (i32.shr_u (i32.load (i32.const 280)) (i32.const 4)))"
    );
    let response = call(&endpoint_with(FIND, "", &body), Recorder::default(), Limits::endpoint()).unwrap();
    assert_eq!(response.status, 4096 >> 4);
}

#[test]
fn writing_ends_at_its_budget() {
    let body = format!(
        "(loop $more
           (call $insert (i32.const 0) (i32.const 60000) (i32.const 256))
           (br_if $more (i32.eqz (i32.load8_u (i32.const 256)))))
         {}",
        answer_failure(256)
    );
    let limits = Limits { written_bytes: 200_000, ..Limits::endpoint() };
    let recorder = Recorder::default();
    let response = call(&endpoint_with(INSERT, "", &body), recorder.clone(), limits).unwrap();
    assert_eq!(response.body, b"bytes written: the limit is 200000");
    assert_eq!(recorder.did().len(), 3);
}

#[test]
fn log_lines_are_bounded_in_number_and_length_and_cannot_forge_others() {
    let body = "(loop $more
         (call $log (i32.const 2) (i32.const 300) (i32.const 600))
         (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 70))))";
    let data = format!(r#"(data (i32.const 300) "a\nb{}")"#, "c".repeat(600));
    let recorder = Recorder::default();
    let mut instance = prepare(&endpoint_with(LOG, &data, body))
        .endpoint(Box::new(recorder.clone()), Limits::endpoint())
        .unwrap();
    instance.handle(request()).unwrap();
    let line = Did::Log(LogLevel::Warn, format!("a b{}", "c".repeat(497)));
    assert_eq!(recorder.did(), vec![line; LOG_LINES_MAX as usize]);
    assert_eq!(instance.usage().log_lines_dropped, 6);
}

/// Copies the body to the answer, piece by piece.
fn echo() -> Vec<u8> {
    endpoint_with(
        EXCHANGE,
        "",
        "(call $begin (i32.const 201) (i32.const 16) (i32.const 10) (i32.const 256))
         (loop $more
           (global.set $top (i32.const 65536))
           (call $read (i32.const 1000) (i32.const 256))
           (call $send (i32.load (i32.const 260)) (i32.load (i32.const 264)) (i32.const 272))
           (br_if $more (i32.load (i32.const 264))))",
    )
}

#[test]
fn an_answer_can_be_sent_in_pieces_as_its_request_is_read() {
    let recorder = Recorder::default();
    recorder.body.lock().unwrap().extend((0..2_500_u32).map(|i| i as u8));
    let mut instance = prepare(&echo()).endpoint(Box::new(recorder.clone()), Limits::endpoint()).unwrap();
    let last = instance.handle(request()).unwrap();
    assert_eq!(last.body, b"ok");
    let did = recorder.did();
    assert_eq!(did[0], Did::Begin(201, "text/plain".to_owned()));
    let pieces: Vec<_> =
        did.iter().filter_map(|did| if let Did::Write(piece) = did { Some(piece) } else { None }).collect();
    assert_eq!(pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>(), [1000, 1000, 500, 0]);
    assert_eq!(instance.usage().body_bytes, 2_500);
    assert_eq!(instance.usage().output_bytes, 2_500);
}

#[test]
fn an_answer_never_overtakes_the_commit_it_depends_on() {
    let imports = format!("{EXCHANGE}{INSERT}");
    let insert = "(call $insert (i32.const 0) (i32.const 9) (i32.const 256))";
    let begin = "(call $begin (i32.const 200) (i32.const 16) (i32.const 10) (i32.const 288))";
    let late = format!("{insert} {begin} {}", answer_failure(288));
    let response =
        call(&endpoint_with(&imports, "", &late), Recorder::default(), Limits::endpoint()).unwrap();
    assert_eq!(response.status, 301);
    assert!(String::from_utf8_lossy(&response.body).contains("waits for the commit"));
    let recorder = Recorder::default();
    call(&endpoint_with(&imports, "", &format!("{begin} {insert}")), recorder.clone(), Limits::endpoint())
        .unwrap();
    assert_eq!(recorder.did().len(), 1, "{:?}", recorder.did());
    let unbegun = format!("(call $send (i32.const 0) (i32.const 4) (i32.const 256)) {}", answer_failure(256));
    let response =
        call(&endpoint_with(EXCHANGE, "", &unbegun), Recorder::default(), Limits::endpoint()).unwrap();
    assert_eq!(response.status, 301);
}

/// A caller that takes 30 ms for every piece.
struct Slow(Recorder);

impl Slow {
    fn wait() {
        let (_never, receiver) = std::sync::mpsc::channel::<()>();
        let _ = receiver.recv_timeout(Duration::from_millis(30));
    }
}

macro_rules! pass_on {
    ($($name:ident($($arg:ident: $kind:ty),*) -> $answer:ty;)*) => {
        $(fn $name(&mut self, $($arg: $kind),*) -> $answer { self.0.$name($($arg),*) })*
    };
}

impl CellHost for Slow {
    pass_on! {
        find(query: Query) -> Result<u32, Failure>;
        find_ids(keys: Vec<StreamKey>, ids: &[u8]) -> Result<u32, Failure>;
        next_page(cursor: u32, bytes_max: u32) -> Result<Vec<u8>, Failure>;
        count(query: Query) -> Result<u64, Failure>;
        find_locations(query: Query) -> Result<u32, Failure>;
        next_rows(cursor: u32, rows_max: u32) -> Result<LocationRows, Failure>;
        drop_cursor(cursor: u32) -> ();
        insert(rows: &[u8]) -> Result<Vec<u8>, Failure>;
        replace(rows: &[u8]) -> Result<(), Failure>;
        delete(ids: &[u8]) -> Result<(), Failure>;
        mark_invalid(ids: &[u8]) -> Result<(), Failure>;
        put(rows: &[u8]) -> Result<(), Failure>;
        take_in(rows: &[u8]) -> Result<(), Failure>;
        set_aside(rows: &[u8]) -> Result<(), Failure>;
        document_get(name: &str) -> Result<Option<Vec<u8>>, Failure>;
        document_put(name: &str, content: &[u8]) -> Result<(), Failure>;
        log(level: LogLevel, text: &str) -> ();
        read_body(bytes_max: u32) -> Result<Vec<u8>, Failure>;
        begin(status: u16, content_type: &str) -> Result<(), Failure>;
    }
    fn write(&mut self, bytes: Vec<u8>) -> Result<(), Failure> {
        // Blocks like a full channel to a slow caller.
        Self::wait();
        self.0.write(bytes)
    }
}

#[test]
fn waiting_for_a_slow_caller_does_not_count_against_the_cell_until_it_is_too_slow() {
    let recorder = Recorder::default();
    recorder.body.lock().unwrap().resize(9_000, 1);
    let limits = Limits { wall_ms: 100, ..Limits::endpoint() };
    let mut instance = prepare(&echo()).endpoint(Box::new(Slow(recorder.clone())), limits).unwrap();
    instance.handle(request()).unwrap();
    assert!(instance.usage().waited_us >= 270_000, "{:?}", instance.usage());

    let limits = Limits { wall_ms: 2_000, waiting_ms: 70, ..Limits::endpoint() };
    recorder.did.lock().unwrap().clear();
    recorder.body.lock().unwrap().resize(9_000, 1);
    let host = Slow(recorder.clone());
    prepare(&echo()).endpoint(Box::new(host), limits).unwrap().handle(request()).unwrap();
    let pieces = recorder.did().iter().filter(|did| matches!(did, Did::Write(_))).count();
    assert!((1..=3).contains(&pieces), "{pieces} pieces went out");
}

#[test]
fn a_warm_instance_serves_the_next_call_with_a_new_host_and_new_budgets() {
    // Counts its calls in memory; opens a cursor at the first call and uses it at the second.
    let body = format!(
        "(i32.store (i32.const 512) (i32.add (i32.const 1) (i32.load (i32.const 512))))
         (if (i32.eq (i32.const 1) (i32.load (i32.const 512))) (then {FIND_ALL}) (else
           (call $page (i32.load (i32.const 260)) (i32.const 4096) (i32.const 272)) {}))",
        answer_failure(272)
    );
    let (first, second) = (Recorder::default(), Recorder::default());
    let prepared = prepare(&endpoint_with(FIND, "", &body));
    let mut instance = prepared.endpoint(Box::new(first.clone()), Limits::endpoint()).unwrap();
    assert_eq!(instance.handle(request()).unwrap().status, 200);
    let host: Box<dyn std::any::Any> = instance.unbind();
    assert!(host.downcast::<Recorder>().is_ok(), "the host comes back as what it was");
    assert_eq!(first.did().last(), Some(&Did::Drop(101)), "the cursor that the cell kept was freed");

    instance.rebind(Box::new(second.clone()), Limits::endpoint()).unwrap();
    let response = instance.handle(request()).unwrap();
    assert_eq!((response.status, &response.body[..]), (301, &b"a cursor of an earlier call"[..]));
    assert_eq!((second.did(), instance.usage().read_bytes), (vec![], 0));
}

#[test]
fn a_warm_instances_clock_begins_anew() {
    let spin = "(loop $more (br_if $more (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000000))))";
    let prepared = prepare(&endpoint(spin));
    let limits = Limits { wall_ms: 200, ..Limits::endpoint() };
    let mut instance = prepared.endpoint(Box::new(NoHost), limits).unwrap();
    let started = std::time::Instant::now();
    while started.elapsed() < Duration::from_millis(400) {
        instance.rebind(Box::new(NoHost), limits).unwrap();
        instance.handle(request()).unwrap();
    }
}

#[test]
fn a_stage_gets_its_window_and_leaves_its_outcome_and_host() {
    // Writes one row whose bytes are the state it got; returns its end as its mark, and 2 bytes of state.
    let core = format!(
        r#"(module {INSERT} {COMMON}
          (func (export "run") (param $now f64) (param $has i32) (param $start f64) (param $end f64) (param $seed i64)
              (param $state i32) (param $state_bytes i32) (result i32)
            (call $insert (local.get $state) (local.get $state_bytes) (i32.const 256))
            (i32.store8 (i32.const 512) (i32.const 0)) (i32.store8 (i32.const 520) (i32.const 1))
            (f64.store (i32.const 528) (local.get $end))
            (i32.store (i32.const 536) (i32.const 32)) (i32.store (i32.const 540) (i32.const 2))
            (i32.store8 (i32.const 544) (i32.const 1))
            (i32.const 512)))"#
    );
    let wasm = component("stage", &core);
    let run = Run { now: 100.0, start: None, end: 95.0, seed: 7, state: b"before".to_vec() };
    let recorder = Recorder::default();
    let prepared = prepare(&wasm);
    assert_eq!(prepared.world(), World::Stage);
    let end = prepared.stage(Box::new(recorder.clone()), Limits::stage(), None).unwrap().run(run);
    let outcome = Outcome { processed_through: Some(95.0), state: b"ok".to_vec(), more: true };
    assert_eq!(end.outcome, Ok(outcome));
    assert_eq!(recorder.did(), [Did::Insert(b"before".to_vec())]);
    assert_eq!(end.usage.written_bytes, 6);
    let host: Box<dyn std::any::Any> = end.host;
    assert!(host.downcast::<Recorder>().is_ok());
}

#[test]
fn people_at_work_at_the_same_time_do_not_meet() {
    let prepared = prepare(&echo());
    let threads: Vec<_> = (0..4_u8)
        .map(|person| {
            let prepared = prepared.clone();
            std::thread::spawn(move || {
                for _ in 0..50 {
                    let recorder =
                        Recorder { body: Arc::new(vec![person; 3_000].into()), ..Recorder::default() };
                    let mut instance =
                        prepared.endpoint(Box::new(recorder.clone()), Limits::endpoint()).unwrap();
                    instance.handle(request()).unwrap();
                    let bytes: Vec<u8> = recorder
                        .did()
                        .iter()
                        .flat_map(|did| if let Did::Write(piece) = did { piece.clone() } else { vec![] })
                        .collect();
                    assert_eq!(bytes, vec![person; 3_000]);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}
