//! Whatever leaves a person's store is told in the audit, on disk, before it leaves: power goes right after an answer, or
//! in the middle of it, and the audit has it.

use std::io::ErrorKind;

use bytes::Bytes;
use runtime_store::testing::SimDisk;
use runtime_testkit::{Disks, World};
use runtime_user::{
    ANSWERS_UNTOLD_MAX, Answer, AuditLine, AuditRead, Body, CONSOLE, Call, CallError, RunOutcome, UserId,
};
use serde_json::json;

/// 2024-03-04, a Monday.
const FIRST_DAY: u32 = 19_786;
const NOW: f64 = (FIRST_DAY + 3) as f64 * 86_400.0 + 43_200.0;
const READER: &str = "datastreams-get";
const STREAM: &str = "background/location";

/// More than an answer has that comes as a whole.
const READINGS: usize = 8_000;

/// A world with somebody who has many readings, and their disk.
fn lived() -> (World, UserId, SimDisk) {
    let disks = Disks::default();
    let world = disks.world();
    let user = world.person("Ada");
    let local = json!({ "year": 2024, "month": 3, "day": 6, "hour": 12, "minute": 0, "second": 0, "weekday": 2,
        "timezone": "UTC" });
    let reading = |at: usize| {
        let ts = NOW - 86_400.0 + at as f64;
        json!({ "metadata": { "key": STREAM, "write_ts": ts, "platform": "android" },
            "data": { "ts": ts, "latitude": 46.5, "longitude": 6.5, "accuracy": 10.0, "altitude": 300.0,
                "loc": { "type": "Point", "coordinates": [6.5, 46.5] }, "local_dt": local, "fmt_time": "noon" } })
    };
    let dump = json!((0..READINGS).map(reading).collect::<Vec<_>>()).to_string();
    let imported = world.runtime.diaries().import(user, dump.as_bytes(), NOW).expect("imported");
    assert_eq!(imported.taken_in, READINGS);
    (world, user, disks.of(user))
}

/// Power goes: whatever was not on disk by now is lost, and the host comes back.
fn power_goes(world: &World, user: UserId, disk: &SimDisk) {
    disk.die_at(disk.points());
    // A thread that answered may hold the person for a moment longer.
    while !world.runtime.open_people().close(user) {
        std::thread::yield_now();
    }
    disk.revive(7);
}

fn lines(world: &World, user: UserId, cell: &str) -> Vec<AuditLine> {
    world.runtime.person(user).expect("open").audit(None, Some(cell)).expect("an audit")
}

fn query(to: f64) -> String {
    json!({ "key_list": [STREAM], "key_time": "metadata.write_ts", "start_time": 0, "end_time": to })
        .to_string()
}

fn read(world: &World, user: UserId, to: f64) -> Result<usize, CallError> {
    let path = "datastreams/find_entries";
    let answered = world.call(user, path, "timestamp", query(to).as_bytes(), NOW)?;
    Ok(answered.json()["phone_data"].as_array().expect("entries").len())
}

#[test]
fn attack_95_reads_right_before_a_power_cut_are_told_each() {
    let (world, user, disk) = lived();
    let mut got = Vec::new();
    for round in 0..5 {
        got.push(read(&world, user, NOW + f64::from(round)).expect("an answer") as u64);
    }
    power_goes(&world, user, &disk);
    let told = lines(&world, user, READER);
    let seen: Vec<_> = told.iter().map(|line| (line.reads[0].to, line.reads[0].names.clone())).collect();
    let want: Vec<_> = (0..5).map(|round| (Some(NOW + f64::from(round)), vec![STREAM.to_owned()])).collect();
    assert_eq!(seen, want);
    assert_eq!(got, [READINGS as u64; 5]);
    // Each says how many, or that it had begun.
    for (line, got) in told.iter().zip(got) {
        assert!(line.entries_read == got || line.outcome == RunOutcome::Begun, "{line:?}");
    }
}

/// Begins a read whose answer comes in pieces, and takes the first.
fn first_piece(world: &World, user: UserId) -> (Bytes, runtime_user::PieceReceiver) {
    world.block_on(async {
        for _ in 0..2 {
            let target =
                world.runtime.catalogue().target("datastreams/find_entries/timestamp").expect("a cell");
            let body = Body::from_chunks(vec![Bytes::from(query(NOW))]);
            let call = Call { target, now: NOW, head: runtime_user::Head::default(), body, device: None };
            if let Answer::Pieces { mut pieces, .. } =
                world.runtime.call(user, call).await.expect("an answer")
            {
                let piece = pieces.recv().await.expect("a piece").expect("sound");
                return (piece, pieces);
            }
        }
        panic!("an answer of many entries comes in pieces")
    })
}

#[test]
fn attack_95_an_answer_that_power_cuts_off_after_its_first_piece_is_told() {
    let (world, user, disk) = lived();
    let (piece, pieces) = first_piece(&world, user);
    assert!(!piece.is_empty());
    // At this moment, before the run has ended or anything else was written.
    let stolen = disk.content("data.redb");
    drop(pieces);
    power_goes(&world, user, &disk);
    let told = lines(&world, user, READER);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&*told[0].reads[0].names, told[0].reads[0].to), (&[STREAM.to_owned()][..], Some(NOW)));
    assert!(!stolen.is_empty());
}

#[test]
fn a_reader_that_leaves_half_way_has_one_line_which_says_how_it_ended() {
    let (world, user, _) = lived();
    let (_, pieces) = first_piece(&world, user);
    drop(pieces);
    let ended = || {
        let told = lines(&world, user, READER);
        assert_eq!(told.len(), 1, "{told:?}");
        told[0].outcome != RunOutcome::Begun && told[0].entries_read > 0
    };
    let begun = std::time::Instant::now();
    while !ended() {
        assert!(begun.elapsed().as_secs() < 60, "the run never ended");
        std::thread::yield_now();
    }
}

#[test]
fn attack_95_a_disk_that_takes_no_lines_lets_few_answers_leave_and_all_are_told_once_it_does() {
    let (world, user, disk) = lived();
    disk.refuse_from(disk.points(), ErrorKind::StorageFull);
    for number in 0..ANSWERS_UNTOLD_MAX {
        let answered = read(&world, user, NOW).unwrap_or_else(|error| panic!("answer {number}: {error}"));
        assert!(answered > 0);
    }
    for _ in 0..3 {
        let refused = read(&world, user, NOW).expect_err("no more leave");
        assert_eq!((refused.status(), refused.code()), (503, "disk-full"), "{refused}");
    }
    disk.heal();
    assert!(read(&world, user, NOW).expect("an answer") > 0);
    let told = lines(&world, user, READER);
    let left = told.iter().filter(|line| line.outcome != RunOutcome::Stopped).count();
    assert!(left > ANSWERS_UNTOLD_MAX, "{left} of {}", told.len());
    let withheld: Vec<_> = told.iter().filter(|line| line.outcome == RunOutcome::Stopped).collect();
    assert_eq!(withheld.len(), 3);
    assert!(withheld[0].reason.as_deref().is_some_and(|why| why.contains("64 answers")), "{withheld:?}");
}

#[test]
fn attack_95_what_the_console_and_the_hosts_own_routes_show_is_told_first() {
    let (world, user, disk) = lived();
    let person = world.runtime.person(user).expect("open");
    let read = AuditRead { entries: 7, ..AuditRead::new("export", Vec::new()) };
    drop(person.console_begins("export", vec![read], NOW).expect("told"));
    person.tell_route("/profile/get", &["profile"], None, NOW).expect("told");
    drop(person);
    power_goes(&world, user, &disk);
    let told = lines(&world, user, "export");
    assert_eq!(
        (told.len(), told[0].outcome, told[0].device.as_deref()),
        (1, RunOutcome::Begun, Some(CONSOLE))
    );
    assert_eq!((told[0].entries_read, told[0].reads[0].what.as_str()), (7, "export"));
    let told = lines(&world, user, "/profile/get");
    assert_eq!((told.len(), &*told[0].reads[0].names), (1, &["profile".to_owned()][..]));
}
