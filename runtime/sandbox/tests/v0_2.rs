//! Version 0.2 of the contract: arguments are read, and results are set, one by one.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Read;

use common::v0_2::*;
use common::{Did, Recorder, prepare};
use runtime_sandbox::*;

#[test]
fn a_stage_reads_its_arguments_and_sets_its_results() {
    // The mark: now + start + end + seed. The memory: the old one without its first byte.
    let body = r#"(call $start (i32.const 600)) (call $memory (i32.const 640))
        (call $set_mark (f64.add (f64.add (call $now) (f64.load (i32.const 608)))
          (f64.add (call $end) (f64.convert_i64_u (call $seed)))))
        (call $set_memory (i32.add (i32.load (i32.const 640)) (i32.const 1))
          (i32.sub (i32.load (i32.const 644)) (i32.const 1)))
        (call $set_more (i32.load8_u (i32.const 600)))"#;
    let wasm = stage(&format!("{CONTEXT}{STAGE_RUN}"), "", body);
    let end = run_stage(&wasm, Recorder::default(), Limits::stage());
    let processed_through = Some(1_000.5 + 10.0 + 995.5 + 7.0);
    assert_eq!(end.outcome, Ok(Outcome { processed_through, state: b"emory".to_vec(), more: true }));
}

#[test]
fn a_stage_that_sets_nothing_keeps_its_memory_and_its_mark() {
    let end = run_stage(&stage("", "", ""), Recorder::default(), Limits::stage());
    assert_eq!(end.outcome, Ok(Outcome { processed_through: None, state: run().state, more: false }));
}

#[test]
fn what_a_stage_sets_is_checked() {
    let wasm = stage(STAGE_RUN, "", "(call $set_mark (f64.const nan))");
    let end = run_stage(&wasm, Recorder::default(), Limits::stage());
    assert!(matches!(end.outcome, Err(RunError::BadAnswer { .. })), "{:?}", end.outcome);
    let more = "(func (export \"unused\") (drop (memory.grow (i32.const 17))))";
    let body = "(drop (memory.grow (i32.const 17))) (call $set_memory (i32.const 0) (i32.const 1048577))";
    let end = run_stage(&stage(STAGE_RUN, more, body), Recorder::default(), Limits::stage());
    let limit = STAGE_STATE_BYTES_MAX as u64;
    assert!(matches!(end.outcome, Err(RunError::AnswerTooLarge { limit_bytes, .. }) if limit_bytes == limit));
}

#[test]
fn a_cell_gives_up_with_a_code_and_a_text() {
    let body = "(i32.store8 (i32.const 512) (i32.const 1))
        (i32.store (i32.const 516) (i32.const 300)) (i32.store (i32.const 520) (i32.const 7))
        (i32.store (i32.const 524) (i32.const 310)) (i32.store (i32.const 528) (i32.const 6))";
    let data = r#"(data (i32.const 300) "too-few") (data (i32.const 310) "3 days")"#;
    let end = run_stage(&stage("", data, body), Recorder::default(), Limits::stage());
    let Err(RunError::Refused { text, .. }) = end.outcome else { panic!("{:?}", end.outcome) };
    assert_eq!(text, "too-few: 3 days");
}

#[test]
fn a_query_is_put_together_and_may_be_used_again() {
    let data = r#"(data (i32.const 300) "a/b") (data (i32.const 310) "errors")
        (data (i32.const 320) "end-ts") (data (i32.const 330) "later")"#;
    let body = format!(
        "(local.set $i (call $query))
         (i32.store (i32.const 400) (i32.const 300)) (i32.store (i32.const 404) (i32.const 3))
         (call $set_keys (local.get $i) (i32.const 400) (i32.const 1))
         (call $set_area (local.get $i) (i32.const 310) (i32.const 6))
         (call $set_time (local.get $i) (i32.const 320) (i32.const 6))
         (call $set_bounds (local.get $i) (i32.const 1) (f64.const 1.5) (i32.const 0) (f64.const 0))
         (call $set_latest (local.get $i) (i32.const 1)) (call $set_invalid (local.get $i) (i32.const 1))
         (call $find (local.get $i) (i32.const 600)) {} (call $find (local.get $i) (i32.const 600)) {}
         (call $set_time (local.get $i) (i32.const 330) (i32.const 5))
         (call $find (local.get $i) (i32.const 600)) {}",
        give_up(600),
        give_up(600),
        give_up(600)
    );
    let recorder = Recorder::default();
    let end = run_stage(&stage(READ, data, &body), recorder.clone(), Limits::stage());
    let query = Query {
        area: Area::Errors,
        keys: vec!["a/b".parse().unwrap()],
        field: TimeField::EndTs,
        start: 1.5,
        end: f64::INFINITY,
        order: Order::Descending,
        with_invalid: true,
    };
    let asked = [Did::Find(query.clone()), Did::Find(query)];
    assert_eq!(recorder.did()[..2], asked);
    let Err(RunError::Refused { text, .. }) = end.outcome else { panic!("{:?}", end.outcome) };
    assert_eq!(text, "invalid: no time of a query is called `later`");
}

#[test]
fn a_page_of_an_unknown_format_is_unsupported_and_the_cursor_stays() {
    let body = |format: u32| {
        format!(
            "(call $find (call $query) (i32.const 600)) {}
             (call $page (i32.load (i32.const 604)) (i32.const {format}) (i32.const 4096) (i32.const 640)) {}
             (call $set_mark (f64.convert_i32_u (i32.load (i32.const 648))))",
            give_up(600),
            give_up(640)
        )
    };
    let ask = |format| {
        let wasm = stage(&format!("{READ}{STAGE_RUN}"), "", &body(format));
        run_stage(&wasm, Recorder::default(), Limits::stage()).outcome
    };
    assert_eq!(ask(PAGE_FORMAT).unwrap().processed_through, Some(4_096.0));
    let Err(RunError::Refused { text, .. }) = ask(2) else { panic!("format 2 was accepted") };
    assert_eq!(text, "unsupported: pages of format 2: this host has 1");
}

#[test]
fn a_cell_fetches_the_columns_that_it_wants_as_often_as_it_wants() {
    let body = format!(
        "(call $find_locations (call $query) (i32.const 600)) {}
         (call $ts (i32.load (i32.const 604)) (i32.const 680))
         (if (i32.load (i32.const 684)) (then unreachable))
         (call $advance (i32.load (i32.const 604)) (i32.const 100000000) (i32.const 640)) {}
         (call $ts (i32.load (i32.const 604)) (i32.const 680)) (call $ts (i32.load (i32.const 604)) (i32.const 688))
         (call $set_mark (f64.add (f64.load (i32.load (i32.const 680))) (f64.convert_i32_u
           (i32.add (i32.load (i32.const 644)) (i32.add (i32.load (i32.const 684)) (i32.load (i32.const 692)))))))",
        give_up(600),
        give_up(640)
    );
    let wasm = stage(&format!("{READ}{STAGE_RUN}"), "", &body);
    let end = run_stage(&wasm, Recorder::default(), Limits::stage());
    // Three rows, told once and fetched twice; the first time is 0.5.
    assert_eq!(end.outcome.unwrap().processed_through, Some(9.5));
    // The names of devices, once.
    let row_bytes = 12 + 5 * 8 + 1 + 2;
    assert_eq!(end.usage.read_bytes, 3 * row_bytes + 5);
}

#[test]
fn a_cell_has_a_private_state() {
    let data = r#"(data (i32.const 300) "trip/1trip/2value")"#;
    let body = format!(
        "(call $put (i32.const 300) (i32.const 6) (i32.const 312) (i32.const 5) (i32.const 600)) {}
         (call $delete (i32.const 306) (i32.const 6) (i32.const 600)) {}
         (call $get (i32.const 300) (i32.const 6) (i32.const 640)) {}
         (call $scan (i32.const 300) (i32.const 5) (i32.const 1) (i32.const 300) (i32.const 6) (i32.const 9)
           (i32.const 680)) {}
         (call $set_memory (i32.load (i32.const 648)) (i32.load (i32.const 652)))
         (call $set_mark (f64.convert_i32_u (i32.load (i32.const 688))))",
        give_up(600),
        give_up(600),
        give_up(640),
        give_up(680)
    );
    let wasm = stage(&format!("{STATE}{STAGE_RUN}"), data, &body);
    let host = with_state(&[("trip/2", "old"), ("trip/3", "c"), ("trip/4", "d"), ("x", "y")]);
    let end = run_stage(&wasm, host.clone(), Limits::stage());
    // Two keys are behind `trip/1`.
    let outcome = end.outcome.unwrap();
    assert_eq!((&outcome.state[..], outcome.processed_through), (&b"value"[..], Some(2.0)));
    let keys: Vec<_> = host.state.lock().unwrap().keys().cloned().collect();
    assert_eq!(keys, ["trip/1", "trip/3", "trip/4", "x"]);
    assert_eq!(end.usage.read_bytes, 5 + 2 * 7);
    assert_eq!(end.usage.written_bytes, 6 + 5 + 6);
    let refused = run_stage(&wasm, NoHost, Limits::stage()).outcome;
    let Err(RunError::Refused { text, .. }) = refused else { panic!("{refused:?}") };
    assert_eq!(text, "denied: the interface state: this host keeps none");
}

#[test]
fn keys_and_values_of_a_state_have_sizes() {
    let put = |key: usize, value: usize| {
        let body = format!(
            "(drop (memory.grow (i32.const 9)))
             (call $put (i32.const 1024) (i32.const {key}) (i32.const 1024) (i32.const {value}) (i32.const 600)) {}",
            give_up(600)
        );
        run_stage(&stage(STATE, "", &body), Recorder::default(), Limits::stage()).outcome
    };
    assert!(put(STATE_KEY_BYTES_MAX, STATE_VALUE_BYTES_MAX).is_ok());
    for (key, value) in [(0, 1), (STATE_KEY_BYTES_MAX + 1, 1), (1, STATE_VALUE_BYTES_MAX + 1)] {
        assert!(matches!(put(key, value), Err(RunError::Refused { .. })), "{key} {value}");
    }
}

/// Answers with what a getter of a request returns.
fn answer_of(getter: &str) -> Vec<u8> {
    let data = r#"(data (i32.const 300) "if-none-match") (data (i32.const 320) "authorization")
        (data (i32.const 340) "text/csv")"#;
    let body = format!(
        "{getter} (i32.store (i32.const 516) (i32.load (i32.const 604)))
         (i32.store (i32.const 520) (i32.load (i32.const 608)))
         (call $set_status (i32.const 201)) (call $set_type (i32.const 340) (i32.const 8))"
    );
    endpoint(HEADS, data, &body)
}

#[test]
fn an_endpoint_reads_the_head_of_its_request_and_sets_that_of_its_answer() {
    let head = RequestHead {
        method: "GET".to_owned(),
        query: "a=1&b".to_owned(),
        headers: [("authorization", "secret"), ("if-none-match", "\"7\"")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
        scope: "datastreams:read".to_owned(),
    };
    for (getter, wanted) in [
        ("(call $method (i32.const 604))", "GET"),
        ("(call $rest (i32.const 604))", "timestamp"),
        ("(call $address_query (i32.const 604))", "a=1&b"),
        ("(call $scope (i32.const 604))", "datastreams:read"),
        ("(call $header (i32.const 300) (i32.const 13) (i32.const 600))", "\"7\""),
        ("(call $header (i32.const 320) (i32.const 13) (i32.const 600))", ""),
    ] {
        let host = Recorder { head: head.clone(), ..Recorder::default() };
        let response = common::call(&answer_of(getter), host, Limits::endpoint()).unwrap();
        assert_eq!((response.status, response.content_type.as_str()), (201, "text/csv"));
        assert_eq!(String::from_utf8(response.body).unwrap(), wanted, "{getter}");
    }
}

#[test]
fn what_one_call_of_a_warm_instance_sets_is_not_in_the_next() {
    // The first byte of the rest says whether to set a status.
    let body = "(call $rest (i32.const 604))
        (if (i32.eq (i32.load8_u (i32.load (i32.const 604))) (i32.const 116)) (then (call $set_status (i32.const 404))))";
    let wasm = endpoint(HEADS, "", body);
    let mut instance = prepare(&wasm).endpoint(Box::new(NoHost), Limits::endpoint()).unwrap();
    assert_eq!(instance.handle(common::request()).unwrap().status, 404);
    instance.rebind(Box::new(NoHost), Limits::endpoint()).unwrap();
    let request = Request { rest: "x".to_owned(), ..common::request() };
    assert_eq!(instance.handle(request).unwrap().status, 200);
}

#[test]
fn a_status_that_is_none_is_refused_when_the_cell_has_returned() {
    let wasm = endpoint(HEADS, "", "(call $set_status (i32.const 99))");
    let answer = common::call(&wasm, NoHost, Limits::endpoint());
    assert!(matches!(answer, Err(RunError::BadAnswer { .. })), "{answer:?}");
}

#[test]
fn a_cell_can_read_what_the_owner_has_agreed_to() {
    let granted = Granted {
        area: Area::Timeseries,
        streams: "background/*".to_owned(),
        since: Some(5.0),
        until: None,
        place_precision_m: 1_000.0,
        time_precision_s: 3_600.0,
        left_out: vec!["speed".to_owned()],
    };
    let terms = Terms { purpose: "a study".to_owned(), reads: vec![granted] };
    // A line has 72 bytes: area, streams, since (16), until (16), two precisions, left out.
    let body = r#"(call $purpose (i32.const 600)) (call $grant (i32.const 608))
        (call $set_memory (i32.load (i32.const 600)) (i32.load (i32.const 604)))
        (local.set $i (i32.load (i32.const 608)))
        (call $set_mark (f64.add (f64.load (i32.add (local.get $i) (i32.const 24)))
          (f64.add (f64.load (i32.add (local.get $i) (i32.const 48))) (f64.load (i32.add (local.get $i) (i32.const 56))))))"#;
    let wasm = stage(&format!("{CONTEXT}{STAGE_RUN}"), "", body);
    let end = run_stage(&wasm, Recorder { terms, ..Recorder::default() }, Limits::stage());
    let outcome = end.outcome.unwrap();
    assert_eq!((&outcome.state[..], outcome.processed_through), (&b"a study"[..], Some(4_605.0)));
}

#[test]
fn a_contribution_is_a_bounded_list_of_numbers() {
    let give = |count: usize, bits: &str| {
        let body = format!(
            "(drop (memory.grow (i32.const 1))) (f64.store (i32.const 65544) (f64.const {bits}))
             (i32.store (i32.const 516) (i32.const 65536)) (i32.store (i32.const 520) (i32.const {count}))"
        );
        contribute(&contribution("", "", &body)).numbers
    };
    assert_eq!(give(3, "2.5"), Ok(vec![0.0, 2.5, 0.0]));
    assert_eq!(give(CONTRIBUTION_NUMBERS_MAX, "inf").unwrap().len(), CONTRIBUTION_NUMBERS_MAX);
    assert!(matches!(give(2, "nan"), Err(RunError::BadAnswer { .. })));
    let limit = 8 * CONTRIBUTION_NUMBERS_MAX as u64;
    let too_many = give(CONTRIBUTION_NUMBERS_MAX + 1, "1");
    assert!(matches!(too_many, Err(RunError::AnswerTooLarge { limit_bytes, .. }) if limit_bytes == limit));
}

#[test]
fn a_cell_that_was_built_for_0_1_runs_beside_cells_of_0_2() {
    // The stage `template`, built with the SDK of version 0.1.
    let packed = &include_bytes!("fixtures/template-0.1.wasm.gz")[..];
    let mut old = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut old).unwrap();
    let admitted = admit(&old).unwrap();
    assert_eq!((admitted.version, admitted.world), (Version::V0_1, World::Stage));
    let old = prepare(&old);
    let new = prepare(&stage(INFO, "", "(call $info (i32.const 16) (i32.const 10))"));
    let answers = prepare(&answer_of("(call $rest (i32.const 604))"));
    let recorder = Recorder::default();
    let limits = Limits { read_bytes: 10_000, ..Limits::stage() };
    let start = |cell: &Prepared| cell.stage(Box::new(recorder.clone()), limits, None).unwrap();
    for _ in 0..2 {
        let mut endpoint = answers.endpoint(Box::new(NoHost), Limits::endpoint()).unwrap();
        let (old, new) = (start(&old), start(&new));
        assert_eq!(endpoint.handle(common::request()).unwrap().body, b"timestamp");
        assert!(new.run(run()).outcome.is_ok());
        // The recorder's rows have no end, so the old cell reads until its budget is spent, and says so.
        let Err(RunError::Refused { text, .. }) = old.run(Run { state: Vec::new(), ..run() }).outcome else {
            panic!("the end of rows without end")
        };
        assert!(text.ends_with("bytes read: the limit is 10000"), "{text}");
    }
    assert!(recorder.did().contains(&Did::Log(LogLevel::Info, "text/plain".to_owned())));
}
