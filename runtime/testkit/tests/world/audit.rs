//! Whatever a cell reads, its owner can see: a line for each run, however the run ended.

use runtime_simulator::{Person, Phone, simulate_day};
use runtime_testkit::World;
use runtime_user::{AuditLine, AuditRead, RunOutcome, Stamp, UserId};
use serde_json::json;

const NOW: f64 = 1_709_683_200.0;
/// Behind everything that is put.
const SINCE: f64 = NOW + 10.0;
/// Before it: the day began two days before [`NOW`].
const BEFORE: f64 = NOW - 3.0 * 86_400.0;

fn day(seed: u64) -> Vec<String> {
    simulate_day(&Person::invent(seed, Phone::Android).plan(19_786), seed).entries
}

fn audit(world: &World, user: UserId, since: Option<f64>, cell: Option<&str>) -> Vec<AuditLine> {
    world.runtime.person(user).expect("open").audit(since, cell).expect("an audit")
}

/// The only line of a cell's since [`SINCE`].
fn only(world: &World, user: UserId, cell: &str) -> AuditLine {
    let mut lines = audit(world, user, Some(SINCE), Some(cell));
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

#[test]
fn a_run_that_succeeds_leaves_who_read_what_over_which_span_and_how_many() {
    let world = World::start();
    let user = world.person("Ada");
    let phone = Stamp::of_token("0123456789ABCDEFGHJKMNPQRSTVWXYZ012345").expect("a token");
    world.put_from(user, &phone, &day(1), NOW);
    world.pipeline(user, NOW);
    let put = &audit(&world, user, None, Some("usercache-put"))[0];
    assert_eq!((put.outcome, put.device.as_deref()), (RunOutcome::Done, Some(phone.as_str())));
    assert!(put.bytes_written > 0 && put.ts == NOW);

    let query = json!({ "key_list": ["background/location"], "key_time": "metadata.write_ts",
        "start_time": BEFORE, "end_time": NOW });
    let path = "datastreams/find_entries";
    let answered =
        world.call(user, path, "timestamp", query.to_string().as_bytes(), SINCE).expect("an answer");
    let got = answered.json()["phone_data"].as_array().expect("entries").len() as u64;
    assert!(got > 100, "{got}");
    let line = only(&world, user, "datastreams-get");
    assert_eq!(
        (line.outcome, line.reason.as_deref(), line.device.as_deref()),
        (RunOutcome::Done, None, None)
    );
    assert_eq!(line.digest.len(), 64);
    let of_locations = |area: &str| -> AuditRead {
        let mut reads = line.reads.iter().filter(|read| read.area.as_deref() == Some(area));
        reads.next().unwrap_or_else(|| panic!("{area}: {:?}", line.reads)).clone()
    };
    let read = of_locations("timeseries");
    assert_eq!(
        (read.what.as_str(), read.names.as_slice()),
        ("find", &["background/location".to_owned()][..])
    );
    assert_eq!((read.time.as_deref(), read.from, read.to), (Some("write_ts"), Some(BEFORE), Some(NOW)));
    assert_eq!((line.reads.iter().map(|read| read.entries).sum::<u64>(), line.entries_read), (got, got));

    let stages = audit(&world, user, None, Some("trip-segmentation"));
    assert!(stages.iter().all(|line| line.outcome == RunOutcome::Done && line.device.is_none()));
    assert!(stages.iter().any(|line| line.reads.iter().any(|read| read.entries > 0)), "{stages:?}");
}

#[test]
fn an_endpoint_that_fails_leaves_what_it_read_what_it_said_and_why_it_ended() {
    let world = World::start();
    for (misdeed, outcome, reason) in [
        ("read-and-trap", RunOutcome::Trapped, "trapped"),
        ("endless-loop", RunOutcome::OutOfTime, "ran longer"),
        ("endless-reads", RunOutcome::OutOfTime, "ran longer"),
        ("cursors-never-closed", RunOutcome::GaveUp, "after 16 cursors"),
        ("memory-bomb", RunOutcome::OverLimit, "bytes of memory"),
        ("huge-string", RunOutcome::OverLimit, "limit"),
        ("bad-status", RunOutcome::BadAnswer, "the status"),
    ] {
        let user = world.person(misdeed);
        if misdeed == "read-and-trap" {
            world.put(user, &day(2), NOW);
            world.pipeline(user, NOW);
        }
        world.call(user, "test/hostile", misdeed, b"{}", SINCE).expect_err("it fails");
        let line = only(&world, user, "hostile");
        assert_eq!(line.outcome, outcome, "{misdeed}: {line:?}");
        assert!(line.reason.as_deref().is_some_and(|why| why.contains(reason)), "{misdeed}: {line:?}");
        let reads: u64 = line.reads.iter().map(|read| read.times).sum();
        match misdeed {
            "read-and-trap" => {
                assert_eq!((reads, line.said.as_slice()), (1, &["I have read a page".to_owned()][..]));
                let read = &line.reads[0];
                assert_eq!(
                    (read.area.as_deref(), &read.names, read.from),
                    (Some("timeseries"), &Vec::new(), None)
                );
                assert!(read.entries > 0 && read.entries == line.entries_read, "{line:?}");
            }
            "endless-reads" => assert!(reads > 0 && line.reads.len() == 1, "{line:?}"),
            "cursors-never-closed" => assert!(reads >= 16, "{line:?}"),
            _ => assert_eq!(reads, 0, "{line:?}"),
        }
    }
}

#[test]
fn a_request_that_is_refused_leaves_a_line_only_if_something_was_read() {
    let world = World::start();
    let user = world.person("Ada");
    let refused = world.call(user, "test/hostile", "unheard-of", b"{}", SINCE).expect("an answer");
    assert_eq!(refused.status, 404);
    assert_eq!(audit(&world, user, Some(SINCE), None), []);

    let denied = world.call(user, "test/hostile", "forbidden-document", b"{}", SINCE);
    denied.expect_err("the runtime denies it, and the cell gives up");
    let line = only(&world, user, "hostile");
    assert_eq!(line.outcome, RunOutcome::GaveUp);
    let [read] = &line.reads[..] else { panic!("{line:?}") };
    assert!(read.denied && read.names == ["profile"] && read.what == "document", "{read:?}");
}

#[test]
fn a_stage_that_fails_leaves_what_it_read_and_the_next_run_that_succeeds_another_line() {
    let stage = "[[stage]]\nname = \"HOSTILE\"\ncell = \"hostile-stage\"\n";
    let world = World::with(|settings| settings.pipeline = Some(stage.to_owned()));
    for (deed, outcome) in [
        ("trap", RunOutcome::Trapped),
        ("give-up", RunOutcome::GaveUp),
        ("endless-loop", RunOutcome::OutOfTime),
        ("memory-bomb", RunOutcome::OverLimit),
    ] {
        let user = world.person(deed);
        let import = |deed: &str, at: f64| {
            let entry =
                json!([{ "metadata": { "key": "test/misdeed", "write_ts": at }, "data": { "deed": deed } }]);
            let imported = world.runtime.diaries().import(user, entry.to_string().as_bytes(), NOW);
            assert_eq!(imported.expect("imported").taken_in, 1);
        };
        import(deed, NOW - 60.0);
        let report = world.runtime.pipelines().run(user, SINCE).expect("a run");
        let failure = report.failed().and_then(|stage| stage.failure.clone()).expect("a failure");
        let line = only(&world, user, "hostile-stage");
        assert_eq!((line.outcome, line.reason), (outcome, Some(failure)), "{deed}");
        let [read] = &line.reads[..] else { panic!("{deed}: {:?}", line.reads) };
        assert_eq!((read.names.as_slice(), read.entries), (&["test/misdeed".to_owned()][..], 1), "{deed}");

        import("ok", NOW - 50.0);
        world.pipeline(user, SINCE + 100.0);
        let outcomes: Vec<_> =
            audit(&world, user, Some(SINCE), Some("hostile-stage")).iter().map(|line| line.outcome).collect();
        assert_eq!(outcomes, [outcome, RunOutcome::Done], "{deed}");
    }
}

#[test]
fn what_is_asked_of_the_audit_narrows_it_and_it_is_there_after_a_restart() {
    let world = World::start();
    let user = world.person("Ada");
    world.put(user, &day(3), NOW);
    world.call(user, "test/hostile", "read-and-trap", b"{}", SINCE).expect_err("it traps");
    let world = world.restart(|_| {});
    let cells = |since, cell| -> Vec<String> {
        audit(&world, user, since, cell).into_iter().map(|line| line.cell).collect()
    };
    assert_eq!(cells(None, None), ["usercache-put", "hostile"]);
    assert_eq!(cells(Some(SINCE), None), ["hostile"]);
    assert_eq!(cells(None, Some("usercache-put")), ["usercache-put"]);
    assert_eq!(cells(Some(SINCE + 1.0), None), Vec::<String>::new());
}

#[test]
fn the_lines_of_an_audit_are_a_chain_that_ends_at_the_last_one() {
    let world = World::start();
    let user = world.person("Ada");
    world.put(user, &day(3), NOW);
    world.pipeline(user, NOW);
    let path = "datastreams/find_entries";
    let query = json!({ "key_list": ["background/location"], "key_time": "metadata.write_ts",
        "start_time": BEFORE, "end_time": NOW });
    // From several threads, so that commits with lines meet.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..5 {
                    world
                        .call(user, path, "timestamp", query.to_string().as_bytes(), SINCE)
                        .expect("an answer");
                }
            });
        }
    });
    let person = world.runtime.person(user).expect("open");
    let lines = person.audit(None, None).expect("an audit");
    let chain = person.verify_audit().expect("followed");
    assert_eq!((chain.before, chain.broken.as_deref()), (0, None));
    // A run of several lines is shown as one.
    assert!(chain.lines >= lines.len() as u64 && lines.len() > 20, "{chain:?}, {}", lines.len());
    drop(person);
    // It goes on after the store was closed.
    assert!(world.runtime.open_people().close(user));
    world.call(user, path, "timestamp", query.to_string().as_bytes(), SINCE).expect("an answer");
    let after = world.runtime.person(user).expect("open").verify_audit().expect("followed");
    assert!(after.lines > chain.lines && after.broken.is_none(), "{after:?}");
}
