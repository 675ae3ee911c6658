//! Nothing is silent: every reading that a phone put is visible, or the owner's report says what became of it and why;
//! and a retry judges readings again without losing, doubling or inventing any.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use handshake::encoding::DeviceId;
use runtime_simulator::{Person, Phone, simulate_day};
use runtime_store::testing::{MemoryDisk, Parts, SimDisk, TestEngine};
use runtime_store::{Options, Store};
use runtime_testkit::{Random, World, seeds};
use runtime_user::{
    Answer, Area, Body, Call, ErrorsReport, Fate, Retried, Selection, Stamp, TestStores, UserId,
};
use serde_json::{Value, json};

/// 2024-03-04, a Monday.
const FIRST_DAY: u32 = 19_786;
/// When uploads begin, s.
const NOON_AFTER: f64 = (FIRST_DAY + 2) as f64 * 86_400.0 + 43_200.0;
/// The moment of entries whose phone's clock is ahead of the host's, s.
const DATED_AHEAD: f64 = NOON_AFTER + 10.0 * 86_400.0;
const POINTS: &str = "background/filtered_location";
const MADE: [&str; 3] = ["segmentation/", "analysis/", "inference/"];

fn paired(number: u8) -> Stamp {
    Stamp::of_device(DeviceId([number; 16]))
}

fn token() -> Stamp {
    Stamp::of_token("0123456789ABCDEFGHJKMNPQRSTVWXYZ012345").expect("a token")
}

fn day(person: u64, phone: Phone) -> Vec<Value> {
    let day = simulate_day(&Person::invent(person, phone).plan(FIRST_DAY), person);
    day.entries.iter().map(|entry| serde_json::from_str(entry).expect("JSON")).collect()
}

fn is_point(entry: &Value) -> bool {
    ["background/location", POINTS].contains(&entry["metadata"]["key"].as_str().unwrap_or_default())
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    /// Half of a surrogate pair: can be mended.
    HalfPair,
    /// A control character within a text: can be mended.
    Control,
    NotANumber,
    NotUtf8,
    KeyTwice,
    TooDeep,
    NoData,
    DataIsAList,
    KeyOfNoStream,
    UnknownKey,
    UnknownPlatform,
    UnknownZone,
    UnknownType,
    Ahead,
    DecadesBehind,
    NeverSet,
    Nowhere,
    NoAccuracy,
    /// Taken in; a stage may leave it out.
    OutOfOrder,
    /// Taken in; a stage may leave it out.
    WrittenLate,
    DatedAhead,
    Document,
}

const FAULTS: [Fault; 22] = [
    Fault::HalfPair,
    Fault::Control,
    Fault::NotANumber,
    Fault::NotUtf8,
    Fault::KeyTwice,
    Fault::TooDeep,
    Fault::NoData,
    Fault::DataIsAList,
    Fault::KeyOfNoStream,
    Fault::UnknownKey,
    Fault::UnknownPlatform,
    Fault::UnknownZone,
    Fault::UnknownType,
    Fault::Ahead,
    Fault::DecadesBehind,
    Fault::NeverSet,
    Fault::Nowhere,
    Fault::NoAccuracy,
    Fault::OutOfOrder,
    Fault::WrittenLate,
    Fault::DatedAhead,
    Fault::Document,
];

impl Fault {
    /// What the report must say of it: its fate, and a part of the reason. `None`: it is taken in.
    fn expected(self) -> Option<(Fate, &'static str)> {
        let reason = match self {
            Self::HalfPair | Self::Control | Self::NotANumber | Self::KeyTwice => "it cannot be read",
            Self::NotUtf8 => "not utf-8",
            Self::TooDeep => "levels deep",
            Self::NoData => "no data",
            Self::DataIsAList => "data is not an object",
            Self::KeyOfNoStream => "family/name",
            Self::UnknownKey => "no cell knows",
            Self::UnknownPlatform => "neither android nor ios",
            Self::UnknownZone => "local time",
            Self::UnknownType => "none that a phone sends",
            Self::Ahead => "more than an hour after",
            Self::DecadesBehind => "more than 30 days before",
            Self::NeverSet => "clock was not set",
            Self::Nowhere => "0 degrees north",
            Self::NoAccuracy => "accuracy is negative",
            Self::OutOfOrder | Self::WrittenLate => return None,
            Self::DatedAhead => return Some((Fate::Waiting, "ahead of the host's clock")),
            Self::Document => return Some((Fate::Waiting, "document for a phone")),
        };
        Some((Fate::SetAside, reason))
    }

    /// Whether only a point can have it, or others are taken in with it: some streams' unknown zones are replaced.
    fn is_of_points(self) -> bool {
        use Fault::{
            Ahead, DecadesBehind, NeverSet, NoAccuracy, Nowhere, OutOfOrder, UnknownZone, WrittenLate,
        };
        [Ahead, DecadesBehind, NeverSet, NoAccuracy, Nowhere, OutOfOrder, UnknownZone, WrittenLate]
            .contains(&self)
    }

    /// Whether a retry takes the entry in.
    fn can_be_mended(self) -> bool {
        [Self::HalfPair, Self::Control, Self::NotUtf8].contains(&self)
    }

    /// The bytes of an entry that has it. `number` tells entries with the same fault apart.
    fn in_entry(self, entry: &Value, number: usize) -> Vec<u8> {
        let mut entry = entry.clone();
        let moved = |entry: &mut Value, by_s: f64| {
            entry["data"]["ts"] = (entry["data"]["ts"].as_f64().expect("a time") + by_s).into();
        };
        match self {
            Self::NoData => drop(entry.as_object_mut().expect("an entry").remove("data")),
            Self::DataIsAList => entry["data"] = json!([number]),
            Self::KeyOfNoStream => entry["metadata"]["key"] = "nowhere".into(),
            Self::UnknownKey => entry["metadata"]["key"] = "background/nobody_knows".into(),
            Self::UnknownPlatform => entry["metadata"]["platform"] = "typewriter".into(),
            Self::UnknownZone => entry["metadata"]["time_zone"] = "Mars/Olympus".into(),
            Self::UnknownType => entry["metadata"]["type"] = "gossip".into(),
            // Never alike: a clock that is set wrong moves all by the same.
            Self::Ahead => moved(&mut entry, 7_200.0 + 1_000.0 * (number % 70) as f64),
            Self::DecadesBehind => moved(&mut entry, -30.0 * 365.0 * 86_400.0),
            Self::NeverSet => entry["metadata"]["write_ts"] = (1_000.5 + number as f64).into(),
            Self::Nowhere => {
                (entry["data"]["latitude"], entry["data"]["longitude"]) = (0.0.into(), 0.0.into());
            }
            Self::NoAccuracy => entry["data"]["accuracy"] = (-1.0).into(),
            Self::OutOfOrder => moved(&mut entry, -300.0),
            Self::WrittenLate => {
                let write_ts = entry["metadata"]["write_ts"].as_f64().expect("a time");
                entry["metadata"]["write_ts"] = (write_ts + 1_500.0).into();
            }
            Self::DatedAhead => {
                let write_ts = DATED_AHEAD + number as f64;
                entry["metadata"]["write_ts"] = write_ts.into();
                if is_point(&entry) {
                    entry["data"]["ts"] = (write_ts - 0.5).into();
                }
            }
            Self::Document => entry["metadata"]["type"] = "document".into(),
            _ => {}
        }
        let text = entry.to_string();
        let noted = |note: &str| text.replacen(r#""data":{"#, &format!(r#""data":{{"note":{note},"#), 1);
        match self {
            Self::HalfPair => noted(r#""\ud800""#).into_bytes(),
            Self::Control => noted("\"a\u{1}b\"").into_bytes(),
            Self::NotANumber => noted("NaN").into_bytes(),
            Self::TooDeep => noted(&format!("{}{}", "[".repeat(130), "]".repeat(130))).into_bytes(),
            Self::KeyTwice => text.replacen(r#""key":"#, r#""key":"a/b","key":"#, 1).into_bytes(),
            Self::NotUtf8 => {
                let mut bytes = noted("\"#\"").into_bytes();
                let at = bytes.iter().position(|byte| *byte == b'#').expect("the note");
                bytes[at] = 0xff;
                bytes
            }
            _ => text.into_bytes(),
        }
    }
}

/// Puts entries as that device does; answers how many the cell says that it stored and set aside.
fn upload(world: &World, user: UserId, device: &Stamp, entries: &[Vec<u8>], now: f64) -> (u16, u64) {
    let body = [br#"{"user":"x","phone_to_server":["#.to_vec(), entries.join(&b','), b"]}".to_vec()].concat();
    let answered = world.block_on(async {
        let body = Body::from_chunks(vec![Bytes::from(body)]);
        let target = world.runtime.catalogue().target("usercache/put").expect("a cell has it");
        world
            .runtime
            .call(
                user,
                Call { target, now, head: runtime_user::Head::default(), body, device: Some(device.clone()) },
            )
            .await
    });
    let Ok(Answer::Whole { status, body, .. }) = answered else { panic!("{answered:?}") };
    let answer: Value = serde_json::from_slice(&body).expect("JSON");
    let count = |name: &str| answer[name].as_u64().unwrap_or_default();
    (status, count("stored") + count("set_aside"))
}

fn put(world: &World, user: UserId, device: &Stamp, entries: &[Vec<u8>], now: f64) {
    assert_eq!(upload(world, user, device, entries, now), (200, entries.len() as u64));
}

/// How many readings lie where, told by reading every one of them.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Kept {
    visible: u64,
    hidden: u64,
    aside: u64,
    waiting: u64,
}

fn kept(world: &World, user: UserId) -> Kept {
    kept_of(world, user, |_| true)
}

fn kept_of(world: &World, user: UserId, is_meant: impl Fn(&str) -> bool) -> Kept {
    let mut kept = Kept::default();
    let areas = [Area::Timeseries, Area::Usercache, Area::Errors];
    let read = world.runtime.person(user).expect("open").each_entry(&areas, |area, text| {
        let entry: Value = serde_json::from_str(text).expect("an entry is JSON");
        let key = entry["metadata"]["key"].as_str().unwrap_or_default();
        match area {
            _ if !is_meant(key) => {}
            Area::Errors => kept.aside += 1,
            Area::Usercache => kept.waiting += 1,
            _ if MADE.iter().any(|family| key.starts_with(family)) => {}
            _ if entry["invalid"] == true => kept.hidden += 1,
            _ => kept.visible += 1,
        }
        Ok(())
    });
    read.expect("entries are read");
    kept
}

fn report(world: &World, user: UserId, now: f64) -> ErrorsReport {
    world.runtime.diaries().errors(user, &Selection::default(), false, now).expect("a report")
}

fn total(report: &ErrorsReport, fate: Fate, reason: &str) -> u64 {
    let is_meant = |group: &&runtime_user::Group| {
        group.fate == fate && group.reason.to_lowercase().contains(&reason.to_lowercase())
    };
    report.groups.iter().filter(is_meant).map(|group| group.count).sum()
}

/// The counts of a report, by what they are of.
fn groups(report: &ErrorsReport) -> BTreeMap<(Fate, String, String), u64> {
    let named = |group: &runtime_user::Group| (group.fate, group.key.clone(), group.reason.clone());
    report.groups.iter().map(|group| (named(group), group.count)).collect()
}

/// Every one of the readings that were put is somewhere, and the report says the same as what is stored.
fn assert_accounted(world: &World, user: UserId, sent: u64, now: f64, what: &str) -> ErrorsReport {
    let report = report(world, user, now);
    let found = kept(world, user);
    let Kept { visible, hidden, aside, waiting } = found;
    let told = visible + hidden + aside + waiting + report.ignored + report.replaced;
    let (ignored, replaced) = (report.ignored, report.replaced);
    assert_eq!(told, sent, "{what}: {found:?}, {ignored} ignored, {replaced} replaced");
    for (fate, count) in [(Fate::SetAside, aside), (Fate::MarkedInvalid, hidden), (Fate::Waiting, waiting)] {
        assert_eq!(total(&report, fate, ""), count, "{what}: {fate:?} of {:?}", report.groups);
    }
    assert!(total(&report, Fate::PassedOver, "") <= visible, "{what}");
    let reasonless = report.groups.iter().find(|group| group.reason.trim().is_empty() || group.count == 0);
    assert_eq!(reasonless, None, "{what}");
    report
}

/// The list of the report has what its groups count, each with the reason of its group.
fn assert_listed(world: &World, user: UserId, report: &ErrorsReport, now: f64, what: &str) {
    let listed = world.runtime.diaries().errors(user, &Selection::default(), true, now).expect("a report");
    assert_eq!(groups(&listed), groups(report), "{what}");
    let mut counts = BTreeMap::new();
    for entry in listed.entries.expect("the list was asked for") {
        *counts.entry((entry.fate, entry.key, entry.reason)).or_insert(0) += 1;
    }
    assert_eq!(counts, groups(report), "{what}");
}

/// One upload.
struct Upload {
    device: Stamp,
    entries: Vec<Vec<u8>>,
}

/// Two phones' day with faults of all kinds, and what the report must say of it.
struct Wild {
    uploads: Vec<Upload>,
    ignored: u64,
    replaced: u64,
    faults: BTreeMap<Fault, u64>,
}

fn wild(seed: u64) -> Wild {
    let mut random = Random(seed);
    let second = if seed.is_multiple_of(2) { paired(2) } else { token() };
    let mut wild = Wild { uploads: Vec::new(), ignored: 0, replaced: 0, faults: BTreeMap::new() };
    let (mut again, mut number) = (Vec::new(), 0);
    for (device, phone) in [(token(), Phone::Android), (second, Phone::Ios)] {
        let day = day(seed + 1 + (phone == Phone::Ios) as u64, phone);
        let points: Vec<usize> = (0..day.len()).filter(|at| day[*at]["metadata"]["key"] == POINTS).collect();
        let last: Vec<usize> = points.iter().rev().take(4).map(|at| number + 1 + at).collect();
        let mut rest = &day[..];
        while !rest.is_empty() {
            let (some, more) = rest.split_at((150 + random.below(400)).min(rest.len()));
            rest = more;
            let mut entries = Vec::new();
            for entry in some {
                number += 1;
                let fault = Some(FAULTS[random.below(FAULTS.len())])
                    .filter(|fault| is_point(entry) || !fault.is_of_points())
                    .filter(|_| random.below(8) == 0)
                    // Where none is written behind them, such points are in order, and passed over.
                    .or_else(|| last.contains(&number).then_some(Fault::WrittenLate));
                let bytes = fault
                    .map_or_else(|| entry.to_string().into_bytes(), |fault| fault.in_entry(entry, number));
                if let Some(fault) = fault {
                    *wild.faults.entry(fault).or_default() += 1;
                }
                entries.push(bytes.clone());
                match random.below(40) {
                    // The very same at once, or in another upload, or through the other device.
                    0 => entries.push(bytes),
                    1 => again.push((device.clone(), bytes)),
                    2 => again.push((paired(3), bytes)),
                    // Another one of the same name takes its place.
                    3 if fault.is_none() => {
                        let mut other = entry.clone();
                        other["data"]["a_note"] = number.into();
                        entries.push(other.to_string().into_bytes());
                        wild.replaced += 1;
                        continue;
                    }
                    _ => continue,
                }
                wild.ignored += 1;
            }
            wild.uploads.push(Upload { device: device.clone(), entries });
        }
    }
    random.shuffle(&mut wild.uploads);
    random.shuffle(&mut again);
    for (device, entry) in again {
        wild.uploads.push(Upload { device, entries: vec![entry] });
    }
    wild
}

/// The report says of every fault what it must say, and nothing else is set aside.
fn assert_as_expected(wild: &Wild, told: &ErrorsReport, what: &str) {
    assert_eq!((told.ignored, told.replaced), (wild.ignored, wild.replaced), "{what}");
    let mut expected: BTreeMap<(Fate, &str), u64> = BTreeMap::new();
    for (fault, count) in &wild.faults {
        if let Some(of) = fault.expected() {
            *expected.entry(of).or_default() += count;
        }
    }
    for ((fate, reason), count) in &expected {
        assert_eq!(total(told, *fate, reason), *count, "{what}: {reason:?} in {:?}", told.groups);
    }
    for fate in [Fate::SetAside, Fate::Waiting] {
        let of_fate = expected.iter().filter(|((of, _), _)| *of == fate);
        let count: u64 = of_fate.map(|(_, count)| count).sum();
        assert_eq!(total(told, fate, ""), count, "{what}: {fate:?} in {:?}", told.groups);
    }
}

/// Whoever reads the points gets the visible ones, and those that wait but for documents.
fn assert_shown(world: &World, user: UserId, told: &ErrorsReport, what: &str) {
    let shown = world.entries(user, &[POINTS]).len() as u64;
    let waiting = told.groups.iter().filter(|group| {
        group.fate == Fate::Waiting && group.key == POINTS && !group.reason.contains("document")
    });
    let waiting: u64 = waiting.map(|group| group.count).sum();
    assert_eq!(shown, kept_of(world, user, |key| key == POINTS).visible + waiting, "{what}");
}

#[test]
fn every_reading_that_was_put_is_visible_or_the_report_says_what_became_of_it() {
    let world = World::start();
    let mut fates = BTreeMap::new();
    for seed in seeds() {
        let what = format!("seed {seed}");
        println!("{what}");
        let (wild, mut random) = (wild(seed), Random(seed));
        let user = world.person("somebody");
        let (mut sent, mut now) = (0, NOON_AFTER);
        for Upload { device, entries } in &wild.uploads {
            now += 60.0;
            put(&world, user, device, entries, now);
            sent += entries.len() as u64;
            if random.below(4) == 0 {
                assert_accounted(&world, user, sent, now, &format!("{what}, before a run at {now}"));
                world.pipeline(user, now);
                assert_accounted(&world, user, sent, now, &format!("{what}, after a run at {now}"));
            }
        }
        // What is refused as a whole counts nowhere: the phone keeps it.
        let nameless = [wild.uploads[0].entries[0].clone(), b"{}".to_vec()];
        assert_eq!(upload(&world, user, &token(), &nameless, now).0, 400, "{what}");
        world.pipeline(user, now);
        let told = assert_accounted(&world, user, sent, now, &format!("{what}, at the end"));
        assert_listed(&world, user, &told, now, &what);
        assert_as_expected(&wild, &told, &what);
        assert_shown(&world, user, &told, &what);
        for group in &told.groups {
            *fates.entry(group.fate).or_insert(0) += group.count;
        }

        // In time, what was dated ahead is taken in, and only documents wait.
        let then = DATED_AHEAD + 86_400.0;
        world.pipeline(user, then);
        let told = assert_accounted(&world, user, sent, then, &format!("{what}, ten days later"));
        let documents = wild.faults.get(&Fault::Document).copied().unwrap_or_default();
        assert_eq!(total(&told, Fate::Waiting, ""), documents, "{what}: {:?}", told.groups);
    }
    println!("{fates:?}");
    assert_eq!(fates.len(), 4, "the days show only {fates:?}");
}

/// A phone's day of which about every tenth reading has a fault, one after the other.
fn faulty_day(seed: u64) -> (Vec<Vec<u8>>, BTreeMap<Fault, u64>) {
    let (mut faults, mut order, mut last) = (BTreeMap::new(), FAULTS.iter().cycle().copied().peekable(), 0);
    let entries = day(seed, Phone::Android);
    let faulty = entries.iter().enumerate().map(|(number, entry)| {
        let is_due = |fault: &Fault| number >= last + 10 && (is_point(entry) || !fault.is_of_points());
        let Some(fault) = order.next_if(is_due) else { return entry.to_string().into_bytes() };
        last = number;
        *faults.entry(fault).or_default() += 1;
        fault.in_entry(entry, number)
    });
    (faulty.collect(), faults)
}

/// Somebody whose phone put a faulty day that a run has judged.
fn judged(world: &World, seed: u64) -> (UserId, u64, BTreeMap<Fault, u64>) {
    let user = world.person("somebody");
    let (entries, faults) = faulty_day(seed);
    put(world, user, &paired(1), &entries, NOON_AFTER);
    world.pipeline(user, NOON_AFTER);
    (user, entries.len() as u64, faults)
}

fn retry(world: &World, user: UserId, reason: Option<&str>, stream: Option<&str>) -> Retried {
    let selection = Selection { reason: reason.map(str::to_owned), stream: stream.map(str::to_owned) };
    world.runtime.diaries().retry(user, &selection).expect("a retry")
}

#[test]
fn a_retry_takes_in_what_can_be_understood_and_sets_the_rest_aside_for_the_same_reason() {
    let world = World::start();
    for seed in seeds() {
        println!("seed {seed}");
        let (user, sent, faults) = judged(&world, seed);
        assert!(faults.len() > 10, "seed {seed}: only {faults:?}");
        let before = assert_accounted(&world, user, sent, NOON_AFTER, "before");
        let mended = faults.iter().filter(|(fault, _)| fault.can_be_mended()).map(|(_, count)| count).sum();
        let mut last = before;
        for round in 0..3 {
            let now = NOON_AFTER + 3_600.0 * f64::from(round + 1);
            let aside = total(&last, Fate::SetAside, "");
            let done = retry(&world, user, None, None);
            let what = format!("seed {seed}, round {round}: {done:?}");
            assert_eq!(done.put_back + done.still_unreadable, aside, "{what}");
            assert_eq!(done.shown_again, total(&last, Fate::MarkedInvalid, ""), "{what}");
            let between = assert_accounted(&world, user, sent, now, &what);
            assert_eq!(total(&between, Fate::SetAside, ""), done.still_unreadable, "{what}");
            world.pipeline(user, now);
            let after = assert_accounted(&world, user, sent, now, &what);
            let taken_in = aside - total(&after, Fate::SetAside, "");
            assert_eq!(taken_in, if round == 0 { mended } else { 0 }, "{what}");
            let (had, has) = (groups(&last), groups(&after));
            let odd = has.iter().find(|(group, count)| {
                group.0 == Fate::SetAside && had.get(*group).is_none_or(|before| before < *count)
            });
            assert_eq!(odd, None, "{what}: set aside for a reason that it did not have");
            if round > 0 {
                assert_eq!(has, had, "{what}: another retry changes nothing");
            }
            last = after;
        }
    }
}

#[test]
fn a_retry_moves_what_is_selected_and_nothing_else() {
    let world = World::start();
    let (user, sent, faults) = judged(&world, 3);
    let before = assert_accounted(&world, user, sent, NOON_AFTER, "before");
    for (fault, count) in &faults {
        let Some((Fate::SetAside, reason)) = fault.expected() else { continue };
        // Several faults of the text have one reason.
        if fault.can_be_mended() || reason == "it cannot be read" {
            continue;
        }
        let done = retry(&world, user, Some(&reason.to_uppercase()), None);
        assert_eq!(done.put_back + done.still_unreadable, *count, "{fault:?}: {done:?}");
        assert_eq!(done.shown_again, 0, "{fault:?}");
        let between = assert_accounted(&world, user, sent, NOON_AFTER, reason);
        assert_eq!(total(&between, Fate::SetAside, reason), done.still_unreadable, "{fault:?}");
        let others = |report: &ErrorsReport| {
            let is_other = |((fate, _, why), _): &((Fate, String, String), u64)| {
                *fate == Fate::SetAside && !why.to_lowercase().contains(reason)
            };
            groups(report).into_iter().filter(is_other).collect::<Vec<_>>()
        };
        assert_eq!(others(&between), others(&before), "{fault:?}");
        world.pipeline(user, NOON_AFTER);
        let after = assert_accounted(&world, user, sent, NOON_AFTER, reason);
        assert_eq!(groups(&after), groups(&before), "{fault:?}");
    }
    assert_eq!(retry(&world, user, Some("no such reason"), None), Retried::default());
    assert_eq!(retry(&world, user, None, Some("manual/*")), Retried::default());
    let of_stream = before
        .groups
        .iter()
        .filter(|group| group.fate == Fate::SetAside && group.key == "background/nobody_knows");
    let done = retry(&world, user, None, Some("background/nobody_knows"));
    assert_eq!(done.put_back, of_stream.map(|group| group.count).sum::<u64>());
}

#[test]
fn a_reading_that_is_retried_keeps_the_device_that_brought_it() {
    let world = World::start();
    let user = world.person("somebody");
    let points: Vec<Value> = day(3, Phone::Android).into_iter().filter(is_point).collect();
    let faults = [Fault::HalfPair, Fault::Control, Fault::NotUtf8];
    let entries: Vec<_> = faults.iter().zip(&points).map(|(fault, point)| fault.in_entry(point, 0)).collect();
    put(&world, user, &paired(7), &entries, NOON_AFTER);
    world.pipeline(user, NOON_AFTER);
    assert_eq!(retry(&world, user, None, None).put_back, 3);
    world.pipeline(user, NOON_AFTER + 60.0);
    let found = world.entries(user, &["background/location", POINTS]);
    let devices: Vec<_> = found.iter().map(|entry| entry["metadata"]["device"].as_str()).collect();
    assert_eq!(devices, [Some(paired(7).as_str()); 3]);
}

#[test]
fn readings_of_a_clock_that_is_set_wrong_are_believed_in_a_retry_once_enough_of_them_are_there() {
    let world = World::start();
    let user = world.person("somebody");
    let day: Vec<Value> = day(3, Phone::Android)
        .into_iter()
        .filter(|entry| entry["metadata"]["key"] == POINTS)
        .take(6)
        .collect();
    let ahead: Vec<_> = day.iter().map(|point| Fault::Ahead.in_entry(point, 0)).collect();
    for (number, entry) in ahead.iter().enumerate() {
        let now = NOON_AFTER + 60.0 * number as f64;
        put(&world, user, &token(), std::slice::from_ref(entry), now);
        world.pipeline(user, now);
    }
    assert_eq!(total(&report(&world, user, NOON_AFTER), Fate::SetAside, "more than an hour after"), 6);
    assert_eq!(retry(&world, user, Some("an hour"), None).put_back, 6);
    world.pipeline(user, NOON_AFTER + 3_600.0);
    let told = assert_accounted(&world, user, 6, NOON_AFTER + 3_600.0, "alike");
    assert_eq!(groups(&told), BTreeMap::new());
    assert_eq!(world.entries(user, &[POINTS]).len(), 6);
}

#[test]
fn marks_are_taken_back_and_the_diary_is_made_again_from_there() {
    let world = World::start();
    let mut hidden = 0;
    for seed in seeds() {
        println!("seed {seed}");
        let user = world.person("somebody");
        let mut entries = day(seed, Phone::Android);
        let points: Vec<usize> =
            (0..entries.len()).filter(|at| entries[*at]["metadata"]["key"] == POINTS).collect();
        for at in points.iter().skip(30).step_by(30) {
            let out_of_order = Fault::OutOfOrder.in_entry(&entries[*at], 0);
            entries[*at] = serde_json::from_slice(&out_of_order).expect("JSON");
        }
        let sent = entries.len() as u64;
        let bytes: Vec<_> = entries.iter().map(|entry| entry.to_string().into_bytes()).collect();
        put(&world, user, &token(), &bytes, NOON_AFTER);
        world.pipeline(user, NOON_AFTER);
        let before = assert_accounted(&world, user, sent, NOON_AFTER, "before");
        let marked = total(&before, Fate::MarkedInvalid, "out of step");
        hidden += marked;
        let (diary, now) = (world.canonical(user), NOON_AFTER + 60.0);
        for round in 0..2 {
            let what = format!("seed {seed}, round {round}");
            let done = retry(&world, user, Some("out of step"), None);
            assert_eq!((done.put_back, done.shown_again), (0, marked), "{what}");
            let between = assert_accounted(&world, user, sent, now, &what);
            assert_eq!(total(&between, Fate::MarkedInvalid, "out of step"), 0, "{what}");
            let run = world.pipeline(user, now);
            assert_eq!(run.rewinds.len(), usize::from(marked > 0), "{what}");
            let after = assert_accounted(&world, user, sent, now, &what);
            assert_eq!(groups(&after), groups(&before), "{what}");
            assert!(world.canonical(user) == diary, "{what}: the same readings give another diary");
        }
    }
    assert!(hidden > 5, "only {hidden} were out of step");
}

/// Everybody's disk, by person.
#[derive(Clone, Default)]
struct Disks(Arc<Mutex<std::collections::HashMap<UserId, (MemoryDisk, SimDisk)>>>);

impl Disks {
    fn of(&self, user: UserId) -> (MemoryDisk, SimDisk) {
        self.0.lock().expect("no test panicked here").entry(user).or_default().clone()
    }

    /// A world whose people's stores lie on these disks.
    fn world(&self) -> World {
        let disks = self.clone();
        World::with(move |settings| {
            settings.stores = Some(TestStores(Arc::new(move |user| {
                let (memory, disk) = disks.of(user);
                let is_new = memory.bytes() == 0;
                let parts = Parts { user, data_key: [6; 32], disk, engine: TestEngine::Memory(memory) };
                let open = if is_new { Store::create_on } else { Store::open_on };
                open(parts, &Options::default())
            })));
        })
    }
}

#[test]
fn a_host_that_dies_at_any_moment_of_a_retry_loses_nothing_and_doubles_nothing() {
    const SEED: u64 = 3;
    let disks = Disks::default();
    let world = disks.world();
    let all = Selection::default();
    let (calm, sent, _) = judged(&world, SEED);
    let before = disks.of(calm).0.points();
    world.runtime.diaries().retry(calm, &all).expect("a retry");
    let points = disks.of(calm).0.points() - before;
    assert!(points > 1, "a retry of {points} commits shows nothing");
    world.pipeline(calm, NOON_AFTER + 60.0);
    let want = groups(&assert_accounted(&world, calm, sent, NOON_AFTER, "calm"));
    let mut died = 0;
    for point in 0..points {
        let (user, sent, _) = judged(&world, SEED);
        let (disk, what) = (disks.of(user).0, format!("killed at {point} of {points}"));
        disk.die_at(disk.points() + point);
        let retried = world.runtime.diaries().retry(user, &all);
        died += u64::from(retried.is_err());
        disk.revive();
        while !world.runtime.open_people().close(user) {
            std::thread::yield_now();
        }
        assert_accounted(&world, user, sent, NOON_AFTER, &what);
        world.runtime.diaries().retry(user, &all).expect("a retry");
        assert_accounted(&world, user, sent, NOON_AFTER, &what);
        world.pipeline(user, NOON_AFTER + 60.0);
        let told = assert_accounted(&world, user, sent, NOON_AFTER, &what);
        assert_eq!(groups(&told), want, "{what}");
    }
    assert!(died > 0, "it never died in {points} points");
    println!("{points} points, died at {died} of them");
}
