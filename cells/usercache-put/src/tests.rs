use super::*;
use crate::properties::{
    an_entry_is_kept_as_json, cuts_change_nothing, split, the_fast_path_agrees_with_the_parser,
};
use cells_sdk::Area;
use cells_sdk::testing::Memory;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: f64 = 1.7e9;

fn put(memory: &mut Memory, body: impl Into<Vec<u8>>) -> (u16, Value) {
    let response = memory.call(handle, "", NOW, body).expect("the runtime does not fail");
    assert_eq!(response.content_type, "application/json");
    (response.status, serde_json::from_slice(&response.body).expect("JSON"))
}

fn entry(key: &str, write_ts: &str, data: &str) -> String {
    format!(r#"{{"metadata":{{"key":"{key}","type":"message","write_ts":{write_ts}}},"data":{data}}}"#)
}

fn batch(entries: &[String]) -> String {
    format!(r#"{{"user":"x","phone_to_server":[{}],"app_version":"1"}}"#, entries.join(","))
}

// Row: "The answer of a put is empty"
#[test]
fn a_batch_is_stored_with_its_bytes() {
    let mut memory = Memory::new();
    let odd = r#"{ "latitude":1.50,  "b":"é\u00e9", "n":1E2 }"#;
    let (status, answer) = put(
        &mut memory,
        batch(&[entry("background/location", "1600000001.0", odd), entry("a/b", "2", "{}")]),
    );
    assert_eq!((status, answer), (200, json!({"stored": 2, "set_aside": 0})));
    let stored = memory.entries(Area::Usercache);
    assert_eq!(stored[0].data, odd);
    assert_eq!(
        stored[0].metadata,
        r#"{"key":"background/location","type":"message","write_ts":1600000001.0}"#
    );
    assert!(memory.entries(Area::Errors).is_empty());
}

// Route: "/usercache/putone"
#[test]
fn one_entry_alone_is_stored_and_an_empty_batch_is_fine() {
    let mut memory = Memory::new();
    let (status, answer) = put(&mut memory, format!(r#"{{"the_entry":{}}}"#, entry("a/b", "2", "{}")));
    assert_eq!((status, answer), (200, json!({"putone": true})));
    assert_eq!(put(&mut memory, batch(&[])), (200, json!({"stored": 0, "set_aside": 0})));
    assert_eq!(memory.entries(Area::Usercache).len(), 1);
}

// Row: "A put of a phone whose configuration"
#[test]
fn a_phone_with_an_older_configuration_gets_the_newer_one_and_no_other_does() {
    let config =
        r#"{ "version":7, "min_app_version":"2.1", "server":{"connectUrl":"https://ada.example/"} }"#;
    let answer = |members: &str, config: &str| {
        let mut memory = Memory::new().with_document(APP_CONFIG, config);
        let (status, answer) = put(&mut memory, format!(r#"{{{members}"phone_to_server":[]}}"#));
        assert_eq!((status, &answer["stored"]), (200, &json!(0)));
        answer.get("deployment_config").map(|config| config["version"].clone())
    };
    for (members, wanted) in [
        (r#""deployment_config_version":6,"app_version":"2.1.0","#, true),
        (r#""deployment_config_version":6,"app_version":"2.10","#, true),
        (r#""deployment_config_version": 6 ,"#, true),
        (r#""app_version":"a.b","deployment_config_version":1,"#, true),
        (r#""deployment_config_version":7,"#, false),
        (r#""deployment_config_version":8,"#, false),
        (r#""deployment_config_version":6,"app_version":"2.0.9","#, false),
        (r#""deployment_config_version":0,"#, false),
        (r#""deployment_config_version":null,"#, false),
        (r#""deployment_config_version":"6","#, false),
        (r#""deployment_config_version":{"a":6},"#, false),
        ("", false),
    ] {
        assert_eq!(answer(members, config), wanted.then(|| json!(7)), "{members}");
    }
    let asks = r#""deployment_config_version":6,"#;
    for config in ["", "[]", "{}", r#"{"version":"7"}"#, "{\"version\":7"] {
        assert_eq!(answer(asks, config), None, "{config}");
    }
}

// Row: "A `write_ts` or `data.ts` from 1e11 on"
// Row: "In keys that contain `stats`"
#[test]
fn times_in_milliseconds_and_dots_in_stats_names_are_corrected() {
    let mut memory = Memory::new();
    let data = r#"{"ts" :1600000002500,"reading":{"x.y":{"z.w":"a.b"}},"name":"a.b"}"#;
    put(
        &mut memory,
        batch(&[entry("stats/client_error", "1600000003000", data), entry("a/b", "1600000003000.5", data)]),
    );
    let stored = memory.entries(Area::Usercache);
    let want = r#"{"ts" :1600000002.5,"reading":{"x_y":{"z_w":"a.b"}},"name":"a.b"}"#;
    assert_eq!(stored[0].data, want);
    assert!(stored[0].metadata.ends_with(r#""write_ts":1600000003.0}"#), "{}", stored[0].metadata);
    assert!(stored[1].data.contains(r#""x.y""#));
    assert!(stored[1].metadata.ends_with(r#""write_ts":1600000003.0005}"#), "{}", stored[1].metadata);
}

// Row: "One malformed entry"
// Row: "NaN, bad UTF-8"
#[test]
fn a_bad_reading_in_a_readable_batch_is_set_aside_with_its_reason() {
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let bad = [
        entry("a/b", "1", r#"{"x":NaN}"#),
        entry("a/b", "2", "[1]"),
        entry("a/b", "3", &format!(r#"{{"x":{deep}}}"#)),
        entry("no key", "4", "{}"),
        r#"{"metadata":{"key":"a/b","type":"message","write_ts":5,"read_ts":Infinity},"data":{}}"#.to_owned(),
        r#"{"metadata":{"key":"a/b","type":"message","write_ts":6}}"#.to_owned(),
        entry("a/b", "7", "null"),
        entry("a/b", "8", "{01:x}"),
        r#"{"metadata":{"key":"a/b","type":"message","write_ts":9,"write_ts":10},"data":{}}"#.to_owned(),
    ];
    let mut memory = Memory::new();
    let mut all = bad.to_vec();
    all.push(entry("a/b", "10", "{}"));
    let (status, answer) = put(&mut memory, batch(&all));
    assert_eq!((status, answer), (200, json!({"stored": 1, "set_aside": bad.len()})));
    let kept = memory.entries(Area::Errors);
    for (stored, at) in kept.iter().zip(1..) {
        assert_eq!(stored.metadata()["write_ts"], f64::from(at), "{stored:?}");
        assert_eq!(stored.extra()["error"]["at"], NOW);
        assert!(stored.extra()["error"]["reason"].as_str().is_some_and(|reason| reason.len() > 5));
    }
    assert_eq!(kept[0].data(), r#"{"x":NaN}"#);
    assert_eq!(kept[1].data(), json!([1]));
    assert_eq!(kept[3].key, "error/unreadable_key");
    assert_eq!(kept[4].data(), bad[4].as_str());
    assert_eq!(kept[5].data(), Value::Null);
}

// Row: "NaN, bad UTF-8"
#[test]
fn bytes_that_are_not_utf_8_are_set_aside() {
    let mut body = batch(&[entry("a/b", "1", r#"{"x":"?"}"#)]).into_bytes();
    let at = body.iter().position(|byte| *byte == b'?').expect("there");
    body[at] = 0xff;
    let mut memory = Memory::new();
    assert_eq!(put(&mut memory, body), (200, json!({"stored": 0, "set_aside": 1})));
    assert_eq!(memory.entries(Area::Errors)[0].data(), "{\"x\":\"\u{fffd}\"}");
}

/// Bytes with something bad in the place of the `?`.
fn with_bad_bytes(template: &str, bad: &[u8]) -> Vec<u8> {
    let at = template.find('?').expect("it says where");
    [&template.as_bytes()[..at], bad, &template.as_bytes()[at + 1..]].concat()
}

#[test]
fn bad_text_anywhere_in_one_entry_sets_that_entry_aside_and_no_other() {
    // Latin-1, a byte that never occurs, an overlong quote, half a character, a surrogate in three bytes, control
    // characters; then what is wrong in ASCII: half of a surrogate pair, no such escape.
    let bad: [&[u8]; 12] = [
        b"\xe9",
        b"\xff",
        b"\xc0\xa2",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\x80",
        b"\x00",
        b"\n",
        b"\\ud800",
        b"\\udc00x",
        b"\\x",
        b"\\u12x",
    ];
    let templates = [
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":1},"data":{"x":"a?b"}}"#,
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":1},"data":{"a?b":1}}"#,
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":1,"z":"a?b"},"data":{}}"#,
        r#"{"metadata":{"key":"a/b?","type":"m","write_ts":1},"data":{}}"#,
        r#"{"metadata":{"key":"a/b","ty?pe":"m","write_ts":1},"data":{}}"#,
        r#"{"meta?data":{"key":"a/b","type":"m","write_ts":1},"data":{}}"#,
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":1},"da?ta":{}}"#,
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":1},"data":{},"more":"?"}"#,
    ];
    for (template, bad) in templates.iter().flat_map(|template| bad.map(|bad| (template, bad))) {
        let odd = with_bad_bytes(template, bad);
        let sound = |at: &str| entry("a/b", at, r#"{"y":"é"}"#).into_bytes();
        let all = [sound("2"), odd.clone(), sound("3")].join(&b","[..]);
        let body = [&b"{\"phone_to_server\":["[..], &all, b"]}"].concat();
        let shown = String::from_utf8_lossy(&odd).into_owned();
        for piece_bytes in [READ_BYTES, 1, 7] {
            let mut memory = Memory::new();
            let handle =
                |memory: &mut Memory, request: &Request| handle(&mut Crumbs(memory, piece_bytes), request);
            let response = memory.call(handle, "", NOW, body.clone()).expect("the runtime does not fail");
            let answer = String::from_utf8_lossy(&response.body).into_owned();
            assert_eq!((response.status, answer.as_str()), (200, r#"{"stored":2,"set_aside":1}"#), "{shown}");
            let kept = memory.entries(Area::Errors);
            assert!(kept[0].extra()["error"]["reason"].is_string(), "{shown}");
        }
    }
}

#[test]
fn malformed_text_between_the_tokens_of_one_entry_sets_that_entry_aside() {
    for odd in [
        r#"{"metadata" {}}"#,
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":NaN},"data":{}}"#,
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":1e999},"data":{}}"#,
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":1},"data":{"x":1e999}}"#,
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":1},"data":{"x":01,,}}"#,
        "{metadata}",
        "undefined",
    ] {
        let mut memory = Memory::new();
        let (status, answer) = put(&mut memory, batch(&[entry("a/b", "2", "{}"), odd.to_owned()]));
        assert_eq!((status, answer), (200, json!({"stored": 1, "set_aside": 1})), "{odd}");
        assert_eq!(memory.entries(Area::Errors)[0].extra()["error"]["at"], NOW, "{odd}");
    }
}

// Row: "A byte order mark before"
#[test]
fn bad_text_beside_the_entries_and_byte_order_marks_are_ignored() {
    let one = entry("a/b", "1", "{}");
    for body in [
        format!("\u{feff}{{\"phone_to_server\":[{one}]}}").into_bytes(),
        format!("\u{feff} \n{{\"phone_to_server\":[\u{feff}{one}]}}").into_bytes(),
        with_bad_bytes(&format!(r#"{{"app":"caf?","phone_to_server":[{one}],"z":{{"a":NaN}}}}"#), b"\xe9"),
        with_bad_bytes(&format!(r#"{{"a?":1,"phone_to_server":[{one}]}}"#), b"\xff"),
        with_bad_bytes(&format!(r#"{{"phone_to_server":[{one}],"z":"?"}}"#), b"\x00"),
    ] {
        let mut memory = Memory::new();
        let shown = String::from_utf8_lossy(&body).into_owned();
        assert_eq!(put(&mut memory, body), (200, json!({"stored": 1, "set_aside": 0})), "{shown}");
    }
}

// Row: "One malformed entry"
#[test]
fn an_entry_without_identity_refuses_the_batch_and_nothing_is_stored() {
    let with = |metadata: &str| format!(r#"{{"metadata":{metadata},"data":{{}}}}"#);
    let bad = [
        "1".to_owned(),
        "null".to_owned(),
        "{}".to_owned(),
        r#"{"data":{}}"#.to_owned(),
        with("[]"),
        with(r#"{"type":"message","write_ts":1}"#),
        with(r#"{"key":"a/b","write_ts":1}"#),
        with(r#"{"key":"a/b","type":"message"}"#),
        with(r#"{"key":"a/b","type":"message","write_ts":"1"}"#),
        with(r#"{"key":7,"type":"message","write_ts":1}"#),
    ];
    for bad in bad {
        let mut memory = Memory::new();
        let (status, answer) = put(&mut memory, batch(&[entry("a/b", "1", "{}"), bad.clone()]));
        assert_eq!((status, &answer["error"]["entry"]), (400, &json!(1)), "{bad}: {answer}");
        assert_eq!(answer["error"]["code"], "entry_without_identity");
        assert!(memory.entries(Area::Usercache).is_empty() && memory.committed_document("profile").is_none());
    }
}

// Row: "One malformed entry"
// Row: "An entry may be as long as its request"
#[test]
fn a_body_that_cannot_be_read_is_refused_with_its_reason() {
    let one = entry("a/b", "1", "{}");
    for (body, code) in [
        (String::new(), "unreadable_body"),
        ("[]".to_owned(), "unreadable_body"),
        (batch(std::slice::from_ref(&one)) + "x", "unreadable_body"),
        (format!(r#"{{"phone_to_server":[{one}]"#), "unreadable_body"),
        (format!(r#"{{"phone_to_server":[{one},]}}"#), "unreadable_body"),
        (format!(r#"{{"phone_to_server":[{one} {one}]}}"#), "unreadable_body"),
        (r#"{"phone_to_server":[{"a":[}]}"#.to_owned(), "unreadable_body"),
        (r#"{"phone_to_server":{}}"#.to_owned(), "not_a_list"),
        (r#"{"phone_to_server":null}"#.to_owned(), "not_a_list"),
        (r#"{"user":"x"}"#.to_owned(), "no_entries"),
        ("{}".to_owned(), "no_entries"),
        (r#"{"phone_to_server":[],"the_entry":{}}"#.to_owned(), "entries_twice"),
        (format!(r#"{{"a":{}"#, "[".repeat(2_000_000)), "unreadable_body"),
    ] {
        let mut memory = Memory::new();
        let (status, answer) = put(&mut memory, body.clone());
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!(code)),
            "{}",
            &body[..body.len().min(90)]
        );
        assert!(memory.entries(Area::Usercache).is_empty());
    }
    let mut memory = Memory::new();
    let long = entry("a/b", "1", &format!(r#"{{"x":"{}"}}"#, "y".repeat(ENTRY_BYTES_MAX)));
    assert_eq!(put(&mut memory, batch(&[long])).0, 413);
}

#[test]
fn escapes_in_the_names_of_members_are_understood() {
    let mut memory = Memory::new();
    let body = format!(r#"{{"phone\u005fto_server":[{}]}}"#, entry("a/b", "1", "{}"));
    assert_eq!(put(&mut memory, body).0, 200);
    assert_eq!(memory.entries(Area::Usercache).len(), 1);
}

// Row: "`last_location_ts` in the profile"
#[test]
fn the_profile_remembers_the_last_location_and_the_last_entry() {
    let mut memory = Memory::new().with_document("profile", r#"{"mode":{},"x":1.50,"last_location_ts":3}"#);
    put(&mut memory, batch(&[entry("a/b", "7", "{}")]));
    let profile =
        |memory: &Memory| String::from_utf8(memory.committed_document("profile").expect("there").to_vec());
    let want = r#"{"last_location_ts":3,"last_phone_data_ts":7.0,"mode":{},"x":1.50}"#;
    assert_eq!(profile(&memory).expect("text"), want, "a batch without locations leaves the last one");
    put(&mut memory, batch(&[entry("background/location", "9", r#"{"ts":8.5}"#), entry("a/b", "8", "{}")]));
    let want = r#"{"last_location_ts":8.5,"last_phone_data_ts":8.0,"mode":{},"x":1.50}"#;
    assert_eq!(profile(&memory).expect("text"), want);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\"\\\\{}\\[\\],:é\n]{0,6}".prop_map(Value::from),
        Just(Value::Null)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\]{0,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_body_cut_anywhere_gives_the_entries_of_the_whole_body(
        entries in prop::collection::vec(json_value(), 0..5), other in json_value(), pretty: bool,
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        let body = json!({"a": other, "phone_to_server": entries, "z": other});
        let body = if pretty { serde_json::to_vec_pretty(&body) } else { serde_json::to_vec(&body) }.expect("plain");
        let (form, found) = split(&body, &cuts).expect("sound");
        prop_assert_eq!(form, Form::Many);
        let found: Vec<Value> = found.iter().map(|(text, _)| serde_json::from_slice(text).expect("JSON")).collect();
        prop_assert_eq!(found, entries);
    }

    #[test]
    fn garbage_never_panics_and_cuts_do_not_change_the_verdict(
        body in r#"(\{"phone_to_server":\[)?[{}\[\]",:\\ a1é]{0,60}(\]\})?"#, cuts in prop::collection::vec(any::<usize>(), 0..6),
    ) {
        cuts_change_nothing(body.as_bytes(), &cuts);
    }

    #[test]
    fn the_stored_part_of_any_entry_is_json(
        bytes in prop_oneof![
            r#"\{"metadata":\{"key":"(a/b|c)","type":"m","write_ts":1[0-9]{0,14}(\.5)?(,"x":(NaN|\{\}|"\\u00))?\},"data":[{}\[\]",:\\ a1é.N]{0,30}\}"#.prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..60),
        ],
    ) {
        an_entry_is_kept_as_json(&bytes);
    }
}

#[test]
fn the_fast_path_reads_usual_entries_and_no_others() {
    let usual = entry("a/b", "1600000000.5", r#"{"ts":1.5,"x":{"ts":2,"y":["é"]}}"#);
    let text = format!("{usual} ,");
    let (length, read) = parse_usual(&text).expect("usual");
    assert_eq!((length, read.data_ts, read.write_ts), (usual.len(), Some(1.5), 1_600_000_000.5));
    let odd = [
        entry("a/b", "1600000000500", "{}"),
        entry("a/b", "1", r#"{"ts":1600000000500}"#),
        entry("a/b", "1", r#"{"ts":NaN}"#),
        entry("a/b", "1", "[]"),
        entry("stats/x", "1", "{}"),
        entry("ab", "1", "{}"),
        entry("a\\/b", "1", "{}"),
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":1}}"#.to_owned(),
        r#"{"metadata":{"key":"a/b","type":"m","write_ts":1,"key":"c/d"},"data":{}}"#.to_owned(),
        entry("a/b", "1", &format!("{{\"x\":{}{}}}", "[".repeat(119), "]".repeat(119))),
        usual[..usual.len() - 1].to_owned(),
    ];
    for odd in odd {
        assert_eq!(parse_usual(&odd), None, "{odd}");
    }
}

#[test]
fn a_batch_gives_the_same_result_whatever_pieces_it_is_read_in() {
    let entries: Vec<_> = (0..40)
        .map(|number| match number % 5 {
            0 => entry("a/b", &format!("{number}"), r#"{"x":NaN}"#),
            1 => entry("stats/x", &format!("{number}"), r#"{"a.b":"é"}"#),
            _ => entry("background/location", &format!("{number}.25"), r#"{"ts":1.5,"y":"é{["}"#),
        })
        .collect();
    let body = batch(&entries);
    let taken = |piece_bytes: u32| {
        let mut memory = Memory::new();
        let handle =
            |memory: &mut Memory, request: &Request| handle(&mut Crumbs(memory, piece_bytes), request);
        let response = memory.call(handle, "", NOW, body.clone()).expect("the runtime does not fail");
        let kept = |area| -> Vec<_> {
            let entries = memory.entries(area).into_iter();
            entries.map(|entry| (entry.metadata.clone(), entry.data.clone())).collect()
        };
        (response, kept(Area::Usercache), kept(Area::Errors))
    };
    let whole = taken(READ_BYTES);
    assert_eq!((whole.1.len(), whole.2.len()), (32, 8));
    for piece_bytes in [1, 7, 100, 333, 1_000] {
        assert_eq!(taken(piece_bytes), whole, "pieces of {piece_bytes} bytes");
    }
}

/// A body that arrives in pieces of so many bytes.
struct Crumbs<'m>(&'m mut Memory, u32);

impl Exchange for Crumbs<'_> {
    fn read(&mut self, _: u32) -> Result<Vec<u8>, Failure> {
        self.0.read(self.1)
    }
    fn begin(&mut self, status: u16, content_type: &str) -> Result<(), Failure> {
        self.0.begin(status, content_type)
    }
    fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.0.write(bytes)
    }
}

impl Usercache for Crumbs<'_> {
    fn put(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.0.put(rows)
    }
    fn take_in(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.0.take_in(rows)
    }
    fn set_aside(&mut self, rows: &Rows) -> Result<(), Failure> {
        self.0.set_aside(rows)
    }
}

impl Documents for Crumbs<'_> {
    fn document(&mut self, name: &str) -> Result<Option<Vec<u8>>, Failure> {
        self.0.document(name)
    }
    fn put_document(&mut self, name: &str, content: &[u8]) -> Result<(), Failure> {
        self.0.put_document(name, content)
    }
}

proptest! {
    #[test]
    fn the_fast_path_agrees_with_the_general_parser(
        text in r#"\{("(a|data)":(1|\{\}),)?"metadata": ?\{("key":"(a/b|a/b|c|stats/x)",)?"type":"m","write_ts":-?1[0-9]{0,12}(\.5|e5|e400)?(,"(x|key|k\\u0065y)":("a/b"|NaN|\{\}|\[1,2\]|"\\u00"))?\} ?,"data":\{("(ts|t)":(-?[1-9][0-9]{0,11}(\.5)?|1e999|"1"|null),){0,3}"x":(1|"[{}\[\]a1é:]{0,9}"|\[\{\}\]|[{}\[\]",:\\ a1é.N]{0,6})\}[, }]{0,3}"#,
    ) {
        the_fast_path_agrees_with_the_parser(text.as_bytes());
    }
}
