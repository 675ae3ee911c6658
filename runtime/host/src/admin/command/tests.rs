//! Every command and every answer can be sent through the socket, with the members that scripts read.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;

/// A point of P-256, in base64url.
const POINT: &str = "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU";
const USER: &str = "9db1675c-ff54-0eee-b1f8-581151615136";

/// Checks one command with its answers, and returns its name.
fn check<A: Ask>(command: Value, answers: &[Value]) -> String {
    let read: Command = serde_json::from_value(command.clone()).expect("a command");
    assert_eq!(serde_json::to_value(&read).expect("JSON"), command);
    let mut with_more = command.clone();
    with_more["more"] = 1.into();
    assert!(
        serde_json::from_value::<Command>(with_more).is_err(),
        "{command} takes a member that it does not know"
    );
    for answer in answers {
        let line = json!({ "Ok": answer }).to_string();
        let read: Result<A::Answer, Failure> = serde_json::from_str(&line).expect("an answer");
        let Ok(read) = read else { panic!("{line} is no failure") };
        assert_eq!(as_json(&read).expect("JSON"), *answer);
    }
    command["command"].as_str().expect("a name").to_owned()
}

fn of_people() -> Vec<String> {
    let line = json!({ "id": USER, "name": "Ada", "created_ts": 1.5, "suspended": false, "tokens": 1 });
    let mut shown = line.clone();
    shown["streams"] = json!([{ "area": "timeseries", "key": "background/location", "entries": 3 }]);
    shown["bytes_on_disk"] = 4096.into();
    vec![
        check::<AddPerson>(
            json!({ "command": "add", "name": "Ada", "unattended": true }),
            &[
                json!({ "id": USER, "name": "Ada" }),
                json!({ "id": USER, "name": "Ada", "connect": "cellar://x" }),
            ],
        ),
        check::<ListPeople>(json!({ "command": "list" }), &[json!([line.clone()])]),
        check::<ShowHost>(
            json!({ "command": "host-status" }),
            &[
                json!({ "version": "0.1.0", "since_ts": 1.5, "people": 3, "suspended": 1, "damaged": 0, "stores_open": 2,
                "clock_doubt": null, "memory_bytes": 4096, "load": [0.5, 0.25, 0.125], "processors": 2,
                "disk_free_bytes": 1024, "certificates": null }),
                json!({ "version": "0.1.0", "since_ts": 1.5, "people": 3, "suspended": 1, "damaged": 0, "stores_open": 2,
                "clock_doubt": null, "memory_bytes": null, "load": null, "processors": 2, "disk_free_bytes": null,
                "certificates": { "names": 3, "certified": 2, "first_ends_ts": 2.5, "failing": 1, "failure": "odd",
                    "next_try_ts": 3.5 } }),
            ],
        ),
        check::<ShowPerson>(json!({ "command": "show", "person": "Ada" }), &[line, shown]),
        check::<SuspendPerson>(
            json!({ "command": "suspend", "person": "Ada", "suspended": true }),
            &[json!({ "id": USER, "suspended": true })],
        ),
        check::<MakeToken>(
            json!({ "command": "token", "person": "Ada", "revoke_others": false, "study": ["a", "b"] }),
            &[
                json!({ "id": USER, "token": "nrelop_a_b_c", "own": "https://x.example/" }),
                json!({ "id": USER, "connect": "cellar://x", "waits": true, "own": null }),
            ],
        ),
        check::<SetAppConfig>(
            json!({ "command": "app-config", "person": "Ada", "config": { "version": 3 } }),
            &[json!({ "id": USER, "version": 3 }), json!({ "id": USER, "version": null })],
        ),
        check::<ErasePerson>(
            json!({ "command": "erase", "person": "Ada" }),
            &[json!({ "id": USER, "erased": true, "receipt": {
                "user": "9d", "slots": 2, "slots_sha256": null, "keyring_sha256": "00", "bytes": 7 } })],
        ),
        check::<ForgetSpan>(
            json!({ "command": "forget", "person": "Ada", "from": "2024-03-05", "to": "1709636400", "keys": ["a/b"] }),
            &[json!({ "id": USER, "from": 0.0, "to": 1.7e308, "removed": 3 })],
        ),
        check::<PreviewForget>(
            json!({ "command": "forget-preview", "person": "Ada", "from": "2024-03-05", "to": "2024-03-06", "keys": [] }),
            &[json!({ "id": USER, "from": 0.5, "to": 1.5, "entries": 3,
                "streams": [{ "area": "usercache", "key": "a/b", "entries": 3 }] })],
        ),
    ]
}

/// How far an import has come.
fn progress(whole: bool) -> Value {
    let mut progress = json!({
        "records": 6, "resumed": 1, "points": 2, "others": 1, "duplicates": 1, "set_aside": 1, "refused": 1,
        "bytes": [10, 20], "formats": ["a.gpx: gpx"], "columns": ["latitude from lat"], "ended": whole,
        "faults": [{ "file": "a.gpx", "at": 5, "why": "it has no time", "text": "x" }],
    });
    if whole {
        progress["span"] = json!([1.0, 2.0]);
    }
    progress
}

/// A roster of somebody without devices.
fn roster() -> handshake::roster::Roster {
    handshake::roster::Roster {
        user: runtime_user::UserId([1; 16]),
        version: 1,
        previous: handshake::encoding::Digest32([0; 32]),
        at_ms: 5,
        author: handshake::roster::Author::Nobody,
        unattended: true,
        generation: 1,
        inbox: None,
        phrase: None,
        devices: Vec::new(),
        tokens: Vec::new(),
    }
}

fn signed() -> handshake::roster::Signed {
    handshake::roster::Signed::by_nobody(roster()).expect("sound")
}

fn of_owners() -> Vec<String> {
    let status = json!({
        "id": USER, "store": "unlocked", "until_ms": 5, "keys": "phone-unlocked", "recovery_phrase": true,
        "recovery_from_ms": null, "waiting_uploads": 2, "waiting_bytes": 10, "clock_doubt": "it is 1970",
        "set_aside": 1, "arrivals": {
            "streams": [{ "key": "a/b", "last_ts": 1.0, "last_days": 2, "total": 3 }],
            "missing": [{ "what": "no location", "meaning": "no trip can be found" }],
        },
    });
    let locked = json!({
        "id": USER, "store": "locked", "until_ms": null, "keys": "lease", "recovery_phrase": false,
        "recovery_from_ms": 7, "waiting_uploads": 0, "waiting_bytes": 0, "clock_doubt": null, "set_aside": null,
        "arrivals": null,
    });
    let of_person = |command: &str| json!({ "command": command, "person": "Ada" });
    let device = json!({
        "id": "00", "name": "Pixel", "platform": "android", "status": "active", "key": "p256", "scopes": ["profile"],
        "enrolled_ms": 1, "last_seen_ms": 2,
    });
    let window = "AAECAwQFBgc";
    let key = serde_json::to_value(handshake::secret::Secret::new([7; 32])).expect("JSON");
    vec![
        check::<PersonStatus>(of_person("status"), &[status.clone(), locked.clone()]),
        check::<WatchPerson>(
            json!({ "command": "watch", "person": "Ada", "since": "1.2.u.3", "wait_ms": 25_000 }),
            &[json!({ "id": USER, "mark": "1.2.u.4", "changed": true })],
        ),
        check::<ShowWebAddress>(
            of_person("web-address"),
            &[json!({ "id": "9d", "address": "https://abc.cellar.example:8443/" })],
        ),
        check::<LockPerson>(of_person("lock"), std::slice::from_ref(&locked)),
        check::<SetKeys>(
            json!({ "command": "keys", "person": "Ada", "mode": "lease" }),
            std::slice::from_ref(&locked),
        ),
        check::<CheckPhrase>(
            json!({ "command": "phrase-check", "person": "Ada", "phrase": POINT }),
            &[json!({ "id": USER, "opens": true })],
        ),
        check::<BeginRecovery>(
            of_person("recover-begin"),
            &[
                json!({ "id": "9d", "slot": "AA", "from_ms": null }),
                json!({ "id": "9d", "slot": null, "from_ms": 1 }),
            ],
        ),
        check::<EndRecovery>(
            json!({ "command": "recover-end", "person": "Ada", "generation": 1, "key": key }),
            &[status],
        ),
        check::<ShowUnsigned>(
            of_person("roster-unsigned"),
            &[
                json!({ "roster": null, "changes": [] }),
                json!({ "roster": roster(), "changes": ["a phrase"] }),
            ],
        ),
        check::<SignByPhrase>(
            json!({ "command": "roster-sign", "person": "Ada", "signed": signed() }),
            &[json!({ "version": 3 })],
        ),
        check::<OpenPairing>(
            json!({ "command": "pair-open", "person": "Ada", "lifetime_ms": 5, "typed": true, "admin": false,
                "recovery": null }),
            &[
                json!({ "id": USER, "window": window, "qr": "UPC1:x", "code": "7K3M", "address": "x:1", "until_ms": 3 }),
            ],
        ),
        check::<CheckPairing>(
            json!({ "command": "pair-check", "person": "Ada", "lifetime_ms": null, "typed": true }),
            &[json!({ "id": USER, "address": "x:1" })],
        ),
        check::<ShowPairing>(
            of_person("pair-status"),
            &[
                Value::Null,
                json!({ "window": window, "state": "claimed", "bad": 0, "challenges": 1,
                    "claim": { "name": "Pixel", "platform": "android", "digits": "482913" } }),
            ],
        ),
        check::<AnswerPairing>(
            json!({ "command": "pair-answer", "person": "Ada", "digits": "482913" }),
            &[
                json!({ "window": window, "approved": false }),
                json!({ "window": window, "approved": true, "name": "Pixel" }),
            ],
        ),
        check::<ListDevices>(of_person("device-list"), &[json!([device])]),
        check::<RenameDevice>(
            json!({ "command": "device-rename", "person": "Ada", "device": "00", "name": "old" }),
            &[json!({ "device": "00", "name": "old" })],
        ),
        check::<RevokeDevice>(
            json!({ "command": "device-revoke", "person": "Ada", "device": "00" }),
            &[json!({ "device": "00", "revoked": true })],
        ),
        check::<AddReceiver>(
            json!({ "command": "receiver-add", "person": "Ada", "app": "owntracks", "name": "phone",
                "time_zone": "Europe/Berlin", "base": null }),
            &[
                json!({ "id": USER, "receiver": "receiver-00", "app": "gpslogger", "name": "phone",
                    "address": "https://x/r/a", "link": "https://x/r/a?lat=%LAT", "settings": "log_customurl_enabled=true" }),
                json!({ "id": USER, "receiver": "receiver-00", "app": "overland", "name": "phone",
                    "address": "https://x/r/a", "link": "overland://setup?url=a", "waits": true }),
            ],
        ),
        check::<ListReceivers>(
            of_person("receiver-list"),
            &[json!([{ "receiver": "receiver-00", "app": "traccar", "name": "phone", "time_zone": null,
                "status": "waiting", "added_ms": 1, "first_seen_ms": null, "last_seen_ms": null }])],
        ),
        check::<RevokeReceiver>(
            json!({ "command": "receiver-revoke", "person": "Ada", "receiver": "phone" }),
            &[json!({ "receiver": "receiver-00", "revoked": true })],
        ),
        check::<RelabelDevice>(
            json!({ "command": "device-relabel", "person": "Ada", "device": "00" }),
            &[json!({ "device": "00", "announced": true })],
        ),
    ]
}

fn of_data() -> Vec<String> {
    let report = json!({
        "stage": "TRIP_SEGMENTATION", "cell": "trip-segmentation", "off": false, "runs": 1, "elapsed_us": 2, "cpu_us": 3,
        "cell_us_max": 4, "memory_bytes_max": 5, "read_bytes_max": 6, "written_bytes_max": 7, "entries_read": 8,
        "entries_written": 9, "last_processed_ts": 1.5, "failure": null,
    });
    let mut failed = report.clone();
    (failed["failure"], failed["retry_at"], failed["set_aside"]) = ("odd".into(), 2.5.into(), 3.into());
    let keeping = json!({ "elapsed_us": 1, "cpu_us": 1 });
    let failure = json!({ "at": 1.0, "reason": "odd", "attempts": 2 });
    let selection = json!({ "reason": "time zone", "stream": null });
    vec![
        check::<RunPipeline>(
            json!({ "command": "pipeline-run", "person": "Ada" }),
            &[
                json!({ "stages": [report.clone()], "keeping": keeping }),
                json!({ "rewinds": [report], "stages": [failed], "keeping": keeping, "clock_doubt": "it is 1970" }),
            ],
        ),
        check::<ShowPipeline>(
            json!({ "command": "pipeline-status", "person": "Ada" }),
            &[
                json!({ "stages": [], "rewind": null, "pending": null, "waiting": [], "clock_doubt": null }),
                json!({
                    "stages": [{ "stage": "A", "cell": "a", "off": true, "retry_at": 3.0, "state": {
                        "last_processed_ts": 1.0, "last_ts_run": null, "failure": failure } }],
                    "rewind": { "from": 1.0, "again": { "A": 2.0 }, "failure": failure, "retry_at": null },
                    "pending": { "running": true, "due": 1.0 },
                    "waiting": [{ "key": "a/b", "reason": "dated-ahead", "count": 1, "first_ts": 1.0, "last_ts": 2.0 }],
                    "clock_doubt": "it is 1970",
                }),
            ],
        ),
        check::<ResetPipeline>(
            json!({ "command": "pipeline-reset", "person": "Ada", "from": "2024-03-05" }),
            &[json!({ "id": USER, "from": null, "removed": 3 }), json!({ "id": USER, "from": 1.5 })],
        ),
        check::<ListErrors>(
            json!({ "command": "errors", "person": "Ada", "selection": selection, "list": true }),
            &[json!({
                "id": USER, "groups": [{ "fate": "set-aside", "key": "a/b", "reason": "odd", "count": 1,
                    "first_ts": null, "last_ts": 1.0 }],
                "ignored": 1, "replaced": 2, "uploads_aside": 3, "said": [{ "cell": "a", "at": 1.0, "text": "b" }],
                "entries": [{ "fate": "waiting", "id": "00", "key": "a/b", "reason": "soon", "at": 1.0,
                    "metadata": { "key": "a/b" }, "data": { "x": [1.5, "é"] } }],
            })],
        ),
        check::<RetryErrors>(
            json!({ "command": "retry-errors", "person": "Ada", "selection": selection }),
            &[json!({ "id": USER, "put_back": 1, "still_unreadable": 2, "shown_again": 3 })],
        ),
        check::<ShowAudit>(
            json!({ "command": "audit", "person": "Ada", "since": "2024-03-05", "cell": "diary", "entry": "65e5a1",
                "verify": true }),
            &[json!({ "id": USER, "runs": [{
                "ts": 1.0, "cell": "diary", "digest": "01", "device": "token-00", "outcome": "done", "reads": [
                    { "what": "find", "area": "timeseries", "names": ["a/b"], "from": 0.0, "times": 2, "entries": 7 },
                ], "reads_untold": 2, "entries_read": 7, "bytes_read": 1, "bytes_written": 0, "elapsed_us": 5 }],
                "entry": { "key": "analysis/cleaned_trip", "write_ts": 1.0, "made": true },
                "chain": { "lines": 3, "before": 1, "broken": "line 2 is missing" } })],
        ),
        check::<ExportPerson>(
            json!({ "command": "export", "person": "Ada", "output": "/a.json" }),
            &[json!({ "id": USER, "output": "/a.json", "entries": { "audit": 1, "timeseries": 2 } })],
        ),
        check::<ExportDiary>(
            json!({ "command": "export-diary", "person": "Ada", "format": "gpx", "from": null, "to": "2024-03-05",
                "output": null }),
            &[
                json!({ "id": USER, "output": null, "text": "<gpx/>", "trips": 1, "unread": 0 }),
                json!({ "id": USER, "output": "/a.gpx", "trips": 1, "unread": 2 }),
            ],
        ),
        check::<ShowDays>(
            json!({ "command": "days", "person": "Ada", "from": "2024-03-05", "to": "2024-03-06" }),
            &[json!({ "id": USER, "zone": "UTC", "days": [{ "date": "2024-03-05", "locations": 3 }],
                "untracked": [{ "start_ts": 1.5, "end_ts": 2.5 }] })],
        ),
        check::<ShowHeat>(
            json!({ "command": "heat-map", "person": "Ada", "from": null, "to": "2024-03-05",
                "inside": { "west": 8.0, "south": 47.0, "east": 9.0, "north": 48.0 }, "side": 64 }),
            &[
                json!({ "id": USER, "locations": 3, "west": 8.5, "south": 47.25, "step": 0.25, "columns": 2, "rows": 1,
                "cells": [[0, 0, 1], [1, 0, 2]] }),
            ],
        ),
        check::<ShowPlaces>(
            json!({ "command": "places", "person": "Ada" }),
            &[json!({ "id": USER, "places": [{ "name": "Work", "longitude": 8.5, "latitude": 47.25 }] })],
        ),
        check::<BeginParcel>(
            json!({ "command": "parcel-begin", "person": "Ada", "name": "a.gpx", "bytes": 9 }),
            &[json!({ "id": USER, "parcel": "x", "part_bytes": 32_768 })],
        ),
        check::<AddParcel>(
            json!({ "command": "parcel-add", "person": "Ada", "parcel": "x", "at": 0, "part": "PGdweC8+" }),
            &[json!({ "id": USER, "received": 6 })],
        ),
        check::<EndParcel>(
            json!({ "command": "parcel-end", "person": "Ada", "parcel": "x" }),
            &[json!({ "id": USER })],
        ),
        check::<BeginImport>(
            json!({ "command": "import-begin", "person": "Ada", "files": ["/a.gpx", { "parcel": "x" }], "format": "gpx", "zone": null, "dry_run": true }),
            &[json!({ "id": USER, "zone": "UTC", "progress": progress(false) })],
        ),
        check::<StepImport>(
            json!({ "command": "import-step", "person": "Ada" }),
            &[json!({ "id": USER, "progress": progress(true) })],
        ),
        check::<EndImport>(json!({ "command": "import-end", "person": "Ada" }), &[json!({ "id": USER })]),
        check::<ImportPerson>(
            json!({ "command": "import", "into": null, "input": "/a.json" }),
            &[
                json!({ "id": USER, "entries": { "timeseries": 2, "errors": 1 }, "set_aside": 1 }),
                json!({ "id": USER, "name": "Ada", "entries": {}, "set_aside": 0, "connect": "cellar://x" }),
            ],
        ),
    ]
}

fn of_cells() -> Vec<String> {
    let wants =
        json!({ "purpose": "x", "streams": [{ "area": "timeseries", "key": "a/b" }], "leaves": "none" });
    let consent = json!({ "version": 1, "cell": "c", "name": "modes", "publisher": "p", "digest": "ab".repeat(32),
        "cell-version": 2, "chain": 0, "purpose": "x",
        "streams": [{ "area": "timeseries", "key": "a/b", "place": "1km", "time": "exact" }],
        "leaves": "none", "epoch": 1, "state": "active", "granted": 1.5, "asked": wants });
    let shown = json!({ "id": "c", "name": "modes", "title": "Modes", "publisher": "p", "version": 2,
        "digest": "ab".repeat(32), "bytes": 9, "world": "stage", "state": "active", "words": ["It reads."],
        "consent": consent });
    let mut absent = shown.clone();
    absent["trouble"] = "the package is not on this host".into();
    let all = json!({ "only": [], "on": null, "from": null, "to": null, "place": null, "time": null, "without": [],
        "expires": null, "purpose": null });
    let some = json!({ "only": ["a/b"], "on": "a/b", "from": "2026-01-01", "to": "1709636400", "place": "10km",
        "time": "day", "without": ["c"], "expires": "2027-01-01", "purpose": "mine" });
    vec![
        check::<InstallCell>(
            json!({ "command": "cell-install", "person": "Ada", "package": "/a.wasm", "narrower": some, "agreed": true }),
            &[shown.clone(), absent],
        ),
        check::<UpdateCell>(
            json!({ "command": "cell-update", "person": "Ada", "package": { "parcel": "x" }, "agreed": true }),
            std::slice::from_ref(&shown),
        ),
        check::<ListCells>(json!({ "command": "cell-list", "person": "Ada" }), &[json!([shown.clone()])]),
        check::<ShowCell>(
            json!({ "command": "cell-show", "person": "Ada", "cell": "modes" }),
            &[json!({ "cell": shown.clone(), "runs": [] })],
        ),
        check::<PreviewCell>(
            json!({ "command": "cell-preview", "person": "Ada", "cell": "modes", "each": 2 }),
            &[json!({ "cell": "c", "streams": [{ "key": "a/b", "entries": 7, "newest": [
                { "id": "00", "metadata": "{}", "data": "{\"latitude\":47.0", "cut": true }] }] })],
        ),
        check::<ChangeCell>(
            json!({ "command": "cell-change", "person": "Ada", "cell": "modes", "change": { "narrow": all } }),
            &[shown],
        ),
        check::<RemoveCell>(
            json!({ "command": "cell-remove", "person": "Ada", "cell": "modes", "with_output": true }),
            &[json!({ "cell": "modes", "entries": 3 })],
        ),
    ]
}

fn of_studies() -> Vec<String> {
    let epoch = json!({ "index": 0, "from_s": 0, "until_s": 86400, "state": "open" });
    let study = json!({ "id": "ab".repeat(32), "name": "modes", "title": "Modes", "publisher": "p",
        "digest": "cd".repeat(32), "words": ["It reads."], "epsilon_micro": 500_000, "epochs": [epoch] });
    let mut counted = study.clone();
    counted["people"] = 3.into();
    let charge = json!({ "study": "ab".repeat(32), "epoch": 0, "micro": 500_000, "spent": true });
    let budget = json!({ "limit_micro": 4_000_000, "left_micro": 3_500_000, "charges": [charge] });
    let offer = json!({ "study": study, "joined": true, "budget": budget });
    let answer = json!({ "study": "ab".repeat(32), "name": "modes", "epoch": 0, "from-s": 0, "until-s": 86400,
        "smallest-group": 20, "epsilon-micro": 500_000, "scale": 600.5, "error-bar": 1798, "confidence-percent": 95,
        "totals": [{ "name": "walking", "total": -3 }] });
    vec![
        check::<PublishStudy>(
            json!({ "command": "study-publish", "study": "/s.toml", "package": "/a.wasm" }),
            std::slice::from_ref(&study),
        ),
        check::<JoinStudy>(
            json!({ "command": "study-join", "person": "Ada", "study": "/s.toml", "agreed": true }),
            std::slice::from_ref(&offer),
        ),
        check::<LeaveStudy>(
            json!({ "command": "study-leave", "person": "Ada", "study": "modes" }),
            std::slice::from_ref(&offer),
        ),
        check::<ShowStudies>(
            json!({ "command": "study-status", "study": "modes", "person": "Ada" }),
            &[json!({ "studies": [counted], "budget": budget }), json!({ "studies": [] })],
        ),
        check::<StudyResult>(json!({ "command": "study-result", "study": "modes", "epoch": 0 }), &[answer]),
        check::<SendStudy>(
            json!({ "command": "study-send", "study": "modes", "epoch": 0 }),
            &[
                json!({ "study": "ab".repeat(32), "epoch": 0, "counted": 3, "refused": 0, "open": 1, "why": "broken" }),
            ],
        ),
    ]
}

#[test]
fn every_command_and_its_answer_survive_the_socket() {
    let checked: Vec<String> = [of_people(), of_owners(), of_data(), of_cells(), of_studies()].concat();
    assert_eq!(checked.iter().collect::<BTreeSet<_>>().len(), checked.len(), "checked twice: {checked:?}");
    let names = BTreeSet::from_iter(Command::NAMES.iter().map(|name| (*name).to_owned()));
    assert_eq!(BTreeSet::from_iter(checked), names, "a command of the table is not checked");
}

#[test]
fn each_command_has_a_name_of_its_own() {
    let names: BTreeSet<&str> = Command::NAMES.iter().copied().collect();
    assert_eq!(names.len(), Command::NAMES.len());
}

/// What the page reads and programs are written by.
const OPENAPI: &str = include_str!("../../../../../docs/openapi.json");

/// A command of the page with its answer, as the file shows them.
fn check_shown(name: &str, command: Value, answer: &Value) {
    let answers = std::slice::from_ref(answer);
    let checked = match name {
        "status" => check::<PersonStatus>(command, answers),
        "pipeline-status" => check::<ShowPipeline>(command, answers),
        "show" => check::<ShowPerson>(command, answers),
        "audit" => check::<ShowAudit>(command, answers),
        "cell-list" => check::<ListCells>(command, answers),
        "cell-show" => check::<ShowCell>(command, answers),
        "export-diary" => check::<ExportDiary>(command, answers),
        "device-list" => check::<ListDevices>(command, answers),
        "receiver-list" => check::<ListReceivers>(command, answers),
        "receiver-add" => check::<AddReceiver>(command, answers),
        "receiver-revoke" => check::<RevokeReceiver>(command, answers),
        "watch" => check::<WatchPerson>(command, answers),
        "days" => check::<ShowDays>(command, answers),
        "heat-map" => check::<ShowHeat>(command, answers),
        "places" => check::<ShowPlaces>(command, answers),
        "forget-preview" => check::<PreviewForget>(command, answers),
        "cell-preview" => check::<PreviewCell>(command, answers),
        "study-status" => check::<ShowStudies>(command, answers),
        "pair-open" => check::<OpenPairing>(command, answers),
        "pair-status" => check::<ShowPairing>(command, answers),
        "pair-answer" => check::<AnswerPairing>(command, answers),
        "erase" => check::<ErasePerson>(command, answers),
        "lock" => check::<LockPerson>(command, answers),
        "cell-change" => check::<ChangeCell>(command, answers),
        "device-rename" => check::<RenameDevice>(command, answers),
        "device-revoke" => check::<RevokeDevice>(command, answers),
        "cell-remove" => check::<RemoveCell>(command, answers),
        "cell-install" => check::<InstallCell>(command, answers),
        "cell-update" => check::<UpdateCell>(command, answers),
        "parcel-begin" => check::<BeginParcel>(command, answers),
        "parcel-add" => check::<AddParcel>(command, answers),
        "parcel-end" => check::<EndParcel>(command, answers),
        "import-begin" => check::<BeginImport>(command, answers),
        "import-step" => check::<StepImport>(command, answers),
        "import-end" => check::<EndImport>(command, answers),
        "phrase-check" => check::<CheckPhrase>(command, answers),
        "forget" => check::<ForgetSpan>(command, answers),
        "keys" => check::<SetKeys>(command, answers),
        name => panic!("{name} has no type here"),
    };
    assert_eq!(checked, name);
}

#[test]
fn the_openapi_file_has_every_command_of_the_page_with_its_members_its_scope_and_its_answer() {
    let file: Value = serde_json::from_str(OPENAPI).expect("JSON");
    let post = &file["paths"]["/owner/ask"]["post"];
    let requests = &post["requestBody"]["content"]["application/json"]["examples"];
    let answers = &post["responses"]["200"]["content"]["application/json"]["examples"];
    let devices = DEVICE_COMMANDS.map(|(name, _)| name);
    let names = || devices.iter().chain(&CONSOLE_COMMANDS).copied();
    let shown: BTreeSet<&str> = requests.as_object().expect("examples").keys().map(String::as_str).collect();
    assert_eq!(shown, names().collect());
    for name in names() {
        let schema = &file["components"]["schemas"][name];
        let mut command = requests[name]["value"].clone();
        let read = Command::of_person(command.to_string().as_bytes(), "Ada").expect("a command");
        assert_eq!(schema["x-scope"], json!(read.scope().map(|scope| scope.to_string())), "{name}");
        let members: BTreeSet<&String> = command.as_object().expect("an object").keys().collect();
        let known: BTreeSet<&String> = schema["properties"].as_object().expect("properties").keys().collect();
        assert_eq!(members, known, "{name}");
        let required: Vec<&str> =
            schema["required"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
        for member in members {
            let mut less = command.clone();
            less.as_object_mut().expect("an object").remove(member);
            let reads = Command::of_person(less.to_string().as_bytes(), "Ada").is_ok();
            assert_eq!(reads, !required.contains(&member.as_str()), "{name} without {member}");
        }
        command["person"] = "Ada".into();
        check_shown(name, command, &answers[name]["value"]["Ok"]);
    }
}
