//! `cellar export`: a diary leaves in each form, whether a host runs or not.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use crate::support::binary::{CELLAR, Running, cellar, json as verb, program};
use rustix::process::Signal;
use serde_json::{Value, json};

const START: f64 = 1_700_000_000.0;

fn done(args: &[&str]) -> String {
    let output = cellar(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a text")
}

fn id(number: u32) -> Value {
    json!({"$oid": format!("{number:024x}")})
}

fn entry(number: u32, key: &str, mut data: Value) -> Value {
    let schema = schema_of(key);
    complete(&schema, &schema, &mut data);
    json!({"_id": id(number), "metadata": {"key": key, "write_ts": START}, "data": data})
}

/// The schema of a stream: an import sets aside what a stage could not read.
fn schema_of(key: &str) -> Value {
    let (_, name) = key.split_once('/').expect("a key");
    let cells = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cells");
    let folders = ["model/schemas/analysis", "model/schemas/background", "confirmed-objects/schemas"];
    let found = folders.into_iter().chain(["clean-resampling/schemas"]);
    let found =
        found.map(|folder| cells.join(folder).join(format!("{name}.json"))).find(|path| path.exists());
    let text = fs::read_to_string(found.unwrap_or_else(|| panic!("{key} has no schema"))).expect("read");
    serde_json::from_str(&text).expect("JSON")
}

/// Adds the members that the schema requires and the data lack.
fn complete(root: &Value, schema: &Value, data: &mut Value) {
    let schema = resolved(root, schema);
    let depends = schema["dependentRequired"].as_object().into_iter().flatten();
    let depends = depends.filter(|(name, _)| data.get(name).is_some()).map(|(_, required)| required);
    let required: Vec<Value> = [&schema["required"]]
        .into_iter()
        .chain(depends)
        .filter_map(Value::as_array)
        .flatten()
        .cloned()
        .collect();
    for name in required.iter().filter_map(Value::as_str) {
        if data.get(name).is_none() {
            data[name] = sample(root, &schema["properties"][name]);
        }
    }
}

fn resolved<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    match schema["$ref"].as_str() {
        Some(at) => resolved(root, root.pointer(at.trim_start_matches('#')).expect("it is there")),
        None => schema,
    }
}

/// A value of the schema.
fn sample(root: &Value, schema: &Value) -> Value {
    let schema = resolved(root, schema);
    let first = |name: &str| schema[name].as_array().and_then(|all| all.first());
    if let Some(value) = schema.get("const").or_else(|| first("enum")) {
        return value.clone();
    }
    if let Some(schema) = first("anyOf").or_else(|| first("oneOf")) {
        return sample(root, schema);
    }
    match schema["type"].as_str().or_else(|| first("type")?.as_str()) {
        Some("object") => {
            let mut object = json!({});
            complete(root, schema, &mut object);
            object
        }
        Some("array") => {
            let items = schema["prefixItems"].as_array().cloned().unwrap_or_else(|| {
                let least = schema["minItems"].as_u64().unwrap_or(0);
                (0..least).map(|_| schema["items"].clone()).collect()
            });
            items.iter().map(|item| sample(root, item)).collect()
        }
        Some("number" | "integer") => schema.get("minimum").cloned().unwrap_or_else(|| json!(0)),
        Some("boolean") => json!(false),
        Some("string") if schema.get("pattern").is_some() => json!("0".repeat(24)),
        Some("string") => json!(""),
        _ => Value::Null,
    }
}

fn point(longitude: f64) -> Value {
    json!({"type": "Point", "coordinates": [longitude, 47.5]})
}

/// Two trips of one section, an hour apart.
fn diary() -> Value {
    let mut entries = Vec::new();
    for (number, start) in [(100, START), (200, START + 3_600.0)] {
        let end = start + 60.0;
        let trip = json!({
            "start_ts": start, "end_ts": end, "start_fmt_time": format!("from {start}"), "end_fmt_time": "?",
            "start_place": id(number + 1), "end_place": id(number + 2), "cleaned_trip": id(number + 3),
            "distance": 500.0, "duration": 60.0, "user_input": {"mode_confirm": "bike"},
        });
        let section = json!({"trip_id": id(number + 3), "start_ts": start, "end_ts": end, "sensed_mode": 1});
        entries.extend([
            entry(number, "analysis/confirmed_trip", trip),
            entry(number + 1, "analysis/confirmed_place", json!({"exit_ts": start, "location": point(8.5)})),
            entry(number + 2, "analysis/confirmed_place", json!({"enter_ts": end, "location": point(8.6)})),
            entry(number + 4, "analysis/cleaned_section", section),
            entry(number + 5, "analysis/recreated_location", json!({"ts": start, "loc": point(8.5)})),
            entry(number + 6, "analysis/recreated_location", json!({"ts": end, "loc": point(8.6)})),
        ]);
    }
    entries.into()
}

#[test]
fn a_diary_leaves_in_each_form_with_and_without_a_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, dump) = (at("data"), at("dump.json"));
    fs::write(&dump, diary().to_string()).expect("written");
    done(&["user", "add", "--data", &data, "Ada", "--unattended"]);
    done(&["user", "import", "--data", &data, "--into", "Ada", &dump]);
    let export = |more: &[&str]| done(&[&["export", "--data", &data, "Ada", "--format"], more].concat());

    let alone = export(&["csv"]);
    assert_eq!(alone.lines().count(), 3, "{alone}");
    assert!(alone.lines().nth(1).expect("a trip").contains("8.6,500,60,"), "{alone}");
    let shown: Value = serde_json::from_str(&export(&["geojson"])).expect("JSON");
    assert_eq!(shown["features"].as_array().map(Vec::len), Some(8));
    let later = export(&["gpx", "--from", &(START + 1.0).to_string(), "--to", "2023-11-15T00:00:00Z"]);
    assert_eq!((later.matches("<trk>").count(), later.matches("<trkpt").count()), (1, 2), "{later}");

    let mut host = program(CELLAR);
    host.args(["serve", "--data", &data, "--listen", "127.0.0.1:0"]);
    let mut host = Running::start(host.stdout(Stdio::piped()).stderr(Stdio::null()));
    let mut line = String::new();
    BufReader::new(host.stdout.take().expect("piped")).read_line(&mut line).expect("it is ready");
    let file = at("diary.csv");
    let told = export(&["csv", "--output", &file]);
    assert_eq!(told.trim_end(), format!("2 trips written to {file}"));
    assert_eq!(fs::read_to_string(&file).expect("there"), alone, "a host gives what a verb alone gives");
    assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    assert_eq!(export(&["csv"]), alone);
    let again = cellar(&["export", "--data", &data, "Ada", "--format", "csv", "--output", &file]);
    assert_eq!(again.status.code(), Some(1));
    let words = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(words.contains("File exists") && words.contains("name a new file"), "{words}");
    host.stop(Signal::TERM);
}

#[test]
fn a_day_is_the_persons_own_day_and_of_utc_where_no_phone_told_its_zone() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data").to_str().expect("UTF-8").to_owned();
    // Both trips are on the evening of the 14th in UTC.
    for (name, zone, day, other, midnight) in [
        ("Ada", Some("Asia/Kolkata"), "2023-11-15", "2023-11-14", 1_699_986_600.0),
        ("Bert", Some("America/New_York"), "2023-11-14", "2023-11-15", 1_699_938_000.0),
        ("Cleo", None, "2023-11-14", "2023-11-15", 1_699_920_000.0),
        ("Dora", Some("Mars/Olympus"), "2023-11-14", "2023-11-15", 1_699_920_000.0),
    ] {
        let mut entries = diary();
        if let Some(zone) = zone {
            let fix = json!({"latitude": 47.5, "longitude": 8.5, "ts": START});
            let mut fix = entry(900, "background/location", fix);
            fix["metadata"]["time_zone"] = json!(zone);
            entries.as_array_mut().expect("entries").push(fix);
        }
        let dump = folder.path().join(format!("{name}.json")).to_str().expect("UTF-8").to_owned();
        fs::write(&dump, entries.to_string()).expect("written");
        done(&["user", "add", "--data", &data, name, "--unattended"]);
        done(&["user", "import", "--data", &data, "--into", name, &dump]);
        let trips = |from: &str, to: &str| {
            let all = ["export", "--data", &data, name, "--format", "csv", "--from", from, "--to", to];
            done(&all).lines().count() - 1
        };
        assert_eq!((trips(day, day), trips(other, other)), (2, 0), "{name}");
        assert_eq!(trips("2023-11-14T23:00Z", "2023-11-14T23:13:20Z"), 1, "{name}: an offset is exact");
        assert_eq!(trips(" 2023-11-14T22:00+00:00\n", "2023-11-14 23Z"), 1, "{name}");
        let forget = ["user", "forget", "--json", "--data", &data, name, "--from", day, "--to", day];
        let told: Value = serde_json::from_str(&done(&forget)).expect("JSON");
        assert_eq!(told["from"], midnight, "{name}");
        assert!(told["to"].as_f64().is_some_and(|to| to < midnight + 86_400.0 && to > midnight + 86_399.9));
        done(&["pipeline", "reset", "--data", &data, name, "--from", day]);
    }
    let span = ["export", "--data", &data, "Ada", "--format", "csv", "--from", "2023-11-15", "--to"];
    let turned = cellar(&[&span[..], &["2023-11-14"]].concat());
    assert_eq!(turned.status.code(), Some(1));
    let none = cellar(&[&span[..], &["last week"]].concat());
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("2024-03-05T08:00"), "the forms are named");
}

#[test]
fn an_archive_has_everything_and_the_diary_in_every_form_and_gives_the_person_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, elsewhere, dump, archive) = (at("data"), at("elsewhere"), at("dump.json"), at("ada.zip"));
    let mut entries = diary();
    for (number, minutes) in [(900, 0.0), (901, 1.0)] {
        let fix = json!({"latitude": 47.5 + minutes, "longitude": 8.5, "ts": START + 60.0 * minutes, "accuracy": 5});
        entries.as_array_mut().expect("entries").push(entry(number, "background/location", fix));
    }
    fs::write(&dump, entries.to_string()).expect("written");
    done(&["user", "add", "--data", &data, "Ada", "--unattended"]);
    done(&["user", "import", "--data", &data, "--into", "Ada", &dump]);
    let diary_of = |data: &str, format: &str| done(&["export", "--data", data, "Ada", "--format", format]);
    let exported = verb(&["user", "export", "--data", &data, "Ada", "--output", &archive]);
    let timeseries = exported["entries"]["timeseries"].as_u64().expect("a number");
    assert_eq!(fs::metadata(&archive).expect("there").permissions().mode() & 0o777, 0o600);

    // The very files that the other commands write.
    let mut zip = zip::ZipArchive::new(fs::File::open(&archive).expect("there")).expect("a zip");
    let mut file =
        |name: &str| std::io::read_to_string(zip.by_name(name).expect("it is in it")).expect("text");
    for format in ["geojson", "gpx", "kml", "csv"] {
        assert_eq!(file(&format!("diary.{format}")), diary_of(&data, format), "{format}");
    }
    let digests = file("sha256sums");
    for line in digests.lines() {
        let (wanted, name) = line.split_once("  ").expect("a digest and a name");
        let digest = ring::digest::digest(&ring::digest::SHA256, file(name).as_bytes());
        let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(digest, wanted, "{name}");
    }
    assert_eq!(digests.lines().count(), 5);

    let imported = verb(&["user", "import", "--data", &elsewhere, &archive]);
    assert_eq!(imported["entries"]["timeseries"], timeseries);
    assert_eq!(diary_of(&elsewhere, "geojson"), diary_of(&data, "geojson"));

    // Another person takes what phones said, once, and computes the rest.
    done(&["user", "add", "--data", &data, "Bob", "--unattended"]);
    for stored in [2, 0] {
        let taken = verb(&["import", "--data", &data, "Bob", &archive]);
        let progress = &taken["progress"];
        assert_eq!((&progress["refused"], &progress["others"]), (&json!(0), &json!(stored)), "{taken}");
    }
    // What was changed on the way is not taken for what it says.
    let mut bytes = fs::read(&archive).expect("read");
    bytes[200] ^= 1;
    fs::write(&archive, bytes).expect("written");
    let refused = cellar(&["user", "import", "--data", &at("third"), &archive]);
    assert_eq!(refused.status.code(), Some(1), "{}", String::from_utf8_lossy(&refused.stdout));
}
