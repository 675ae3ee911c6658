//! A person's page: the binary serves it, and a browser looks at all of it where node and Chromium are there.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::binary::{
    CELLAR, Running, Serving, json as verb, pair, parse, program, refused, serve_at, started, text, until,
    within, write_day,
};
use crate::support::browser::{self, Talking, assert_sound_but_marks, look, looked, target};
use crate::support::packages;

/// What a browser would run if the page took a name for a piece of a page.
pub(crate) const SCRIPT: &str = "<img src=x onerror=globalThis.struck=1>";
/// The same as an attribute and as an address.
const MORE: &str = "\"><script>globalThis.struck=1</script>";

/// `cellar open`, and the link that it printed.
pub(super) struct Opened {
    child: Running,
    pub(super) link: String,
    _output: BufReader<ChildStdout>,
}

pub(super) fn open(args: &[&str]) -> Opened {
    open_with(&mut program(CELLAR), args)
}

fn open_with(command: &mut Command, args: &[&str]) -> Opened {
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Running::start(piped.args([&["open", "--json"], args].concat()));
    let mut output = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    let opened = parse(&line);
    let link = opened["link"].as_str().expect("a link").to_owned();
    Opened { child, link, _output: output }
}

impl Opened {
    pub(super) fn stop(self) {
        self.child.stop(Signal::INT);
    }
}

/// A person whose only device may administer, with a day in the diary; and names that attack who reads them.
pub(super) struct Home {
    pub(super) folder: tempfile::TempDir,
    pub(super) host: Serving,
    pub(super) data: String,
    pub(super) state: String,
}

pub(super) fn home() -> Home {
    let folder = tempfile::tempdir().expect("a folder");
    let [data, state, day] = ["data", "phone", "day.json"].map(|name| within(folder.path(), name));
    write_day(Path::new(&day));
    let host = serve_at(&data, "127.0.0.1:0", &[]);
    verb(&["pair", "--data", &data, "owner", "--cancel"]);
    let shown = verb(&["pair", "--data", &data, "owner", "--admin", "--no-phrase", "--detach"]);
    pair(&data, "owner", &state, &["--scan", shown["qr"].as_str().expect("a code")]);
    verb(&["phone", "put", "--state", &state, "--input", &day]);
    verb(&["pipeline", "run", "--data", &data, "owner"]);
    Home { folder, host, data, state }
}

impl Home {
    /// Labels a trip with a script, and names the device like one.
    fn attacked(&self) {
        let trips = verb(&["phone", "sync", "--state", &self.state]);
        let trip = &trips["trips"][0]["data"];
        let label = |key: &str| {
            json!({
                "metadata": {
                    "key": key, "type": "message", "platform": "android", "read_ts": 0,
                    "write_ts": trip["end_ts"].as_f64().expect("a time") + 60.0, "time_zone": "UTC",
                },
                "data": { "start_ts": trip["start_ts"], "end_ts": trip["end_ts"], "label": MORE },
            })
        };
        let file = within(self.folder.path(), "labels.json");
        let labels = json!([label("manual/mode_confirm"), label("manual/purpose_confirm")]);
        fs::write(&file, labels.to_string()).expect("written");
        verb(&["phone", "put", "--state", &self.state, "--input", &file]);
        verb(&["pipeline", "run", "--data", &self.data, "owner"]);
        verb(&["device", "rename", "--data", &self.data, "owner", "phone", SCRIPT]);
    }

    /// Installs a cell; its title is a script if `attacks`. Says so where none can be compiled.
    fn install_cell(&self, attacks: bool) -> bool {
        if !packages::can_compile() {
            return false;
        }
        let title = if attacks { SCRIPT } else { "Share of modes by month" };
        let package = packages::mode_share(self.folder.path(), "modes.wasm", &[("title", title)], "");
        verb(&[
            "cell",
            "install",
            "--data",
            &self.data,
            "owner",
            &package,
            "--yes",
            "--expires",
            "2099-01-01",
        ]);
        verb(&["pipeline", "run", "--data", &self.data, "owner"]);
        true
    }
}

pub(super) fn assert_sound(found: &Value) {
    assert_sound_but_marks(found);
    assert_eq!(found["marks"], 0, "no script ran");
}

#[test]
fn the_page_opens_as_a_device_and_at_the_console_and_its_link_is_a_secret_of_one_use() {
    let home = home();
    let opened = open(&["--state", &home.state]);
    let link = opened.link.clone();
    let (place, code) = link.split_once("/#enter=").expect("a code behind the #");
    assert!(place.starts_with("http://localhost:") && code.len() >= 22, "{place}");
    opened.stop();
    // While a host runs, and as the only process over the folder.
    open(&["owner", "--data", &home.data]).stop();
    assert!(refused(&["open", "nobody", "--data", &home.data]).contains("nobody"));
    let nothing = within(home.folder.path(), "nothing");
    assert!(refused(&["open", "--state", &nothing]).contains("cellar phone pair"));
    let log = home.host.stop();
    assert!(!log.contains(code), "the code is in no log");
    verb(&["user", "status", "--data", &home.data, "owner"]);
    let opened = open(&["owner", "--data", &home.data]);
    let busy = refused(&["user", "status", "--data", &home.data, "owner"]);
    assert!(busy.contains("another process"), "{busy}");
    opened.stop();
}

#[test]
fn attack_193_the_code_is_in_no_argument_of_a_program_when_the_browser_is_started() {
    let home = home();
    let bin = home.folder.path().join("bin");
    fs::create_dir(&bin).expect("made");
    let kept = within(home.folder.path(), "started");
    let opener = bin.join("xdg-open");
    let script = format!(
        "#!/bin/sh\n{{ echo \"$@\"; ls -l \"$1\"; cat \"$1\"; }} > '{kept}.half' && mv '{kept}.half' '{kept}'\n"
    );
    fs::write(&opener, script).expect("written");
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).expect("its own");
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    let opened = open_with(program(CELLAR).env("PATH", path), &["--state", &home.state, "--browser"]);
    until("the browser is started", || Path::new(&kept).exists());
    let started = fs::read_to_string(&kept).expect("read");
    let (arguments, rest) = started.split_once('\n').expect("a line of arguments");
    let code = opened.link.split_once("/#enter=").expect("a code").1;
    assert!(arguments.ends_with(".html") && !arguments.contains(code), "{arguments}");
    assert!(rest.starts_with("-rw-------") && rest.contains(&opened.link), "{rest}");
    opened.stop();
    assert!(!Path::new(arguments).exists(), "the file goes with the page");
    home.host.stop();
}

#[test]
fn every_screen_is_usable_by_keyboard_at_both_widths_in_both_themes_and_asks_nobody_else() {
    let Some((script, chromium)) = browser::with("look.mjs") else { return };
    let home = home();
    let has_cell = home.install_cell(false);
    let opened = open(&["--state", &home.state]);
    let pictures = target().join("page-pictures");
    let asked = json!({
        "link": opened.link, "chromium": chromium, "pictures": pictures, "label": "bus", "place": "Library", "cell": has_cell,
        "lock": true,
    });
    let found = looked(&script, &asked);
    assert_sound(&found);
    assert_eq!(
        (&found["byKeyboard"], &found["labelled"], &found["locked"]),
        (&json!("Diary"), &json!(true), &json!(true))
    );
    let bytes = found["first"]["bytes"].as_u64().expect("a number");
    assert!(bytes <= 120 * 1024, "{bytes} bytes before the first view");
    assert!(!found["address"].as_str().expect("an address").contains("enter"), "the code leaves the address");
    let says = |screen: &str, words: &str| {
        let shown = found["texts"][screen].as_str().expect("a text");
        assert!(shown.contains(words), "{screen} does not say {words:?}:\n{shown}");
    };
    says("home", "What was read since you last looked");
    says("diary", "5 trips");
    says("figures", "5 trips");
    says("reads", "export-diary geojson");
    says("phones", "cellar device revoke");
    if has_cell {
        says("cells", "Share of modes by month");
        assert_eq!(found["revoked"], true);
        let cells = verb(&["cell", "list", "--data", &home.data, "owner"]);
        assert_eq!(cells[0]["state"], "ended", "{cells}");
    }
    // What was said of the mode is an entry like a phone's, and the analysis takes it in once it has settled.
    let export =
        || program(CELLAR).args(["export", "owner", "--data", &home.data, "--format", "csv"]).output();
    until("the label is in the diary", || {
        verb(&["pipeline", "run", "--data", &home.data, "owner"]);
        text(&export().expect("it starts").stdout).contains(",bus,")
    });
    assert!(found["named"].as_str().is_some_and(|shown| shown.contains("Library")), "{found}");
    until("the place has its name", || {
        verb(&["pipeline", "run", "--data", &home.data, "owner"]);
        verb(&["user", "places", "--data", &home.data, "owner"])["places"][0]["name"] == "Library"
    });
    opened.stop();
    home.host.stop();
}

#[test]
fn attack_187_a_script_as_the_name_of_a_device_or_a_cell_or_as_a_label_is_shown_and_not_run() {
    let Some((script, chromium)) = browser::with("look.mjs") else { return };
    let home = home();
    home.attacked();
    let has_cell = home.install_cell(true);
    let opened = open(&["--state", &home.state]);
    let found = looked(&script, &json!({ "link": opened.link, "chromium": chromium, "place": SCRIPT }));
    assert_sound(&found);
    assert!(found["named"].as_str().is_some_and(|shown| shown.contains(SCRIPT)), "{found}");
    let shown = |screen: &str, words: &str| {
        let all = found["texts"][screen].as_str().expect("a text");
        assert!(all.contains(words), "{screen}:\n{all}");
    };
    shown("phones", SCRIPT);
    shown("home", SCRIPT);
    shown("diary", MORE);
    if has_cell {
        shown("cells", SCRIPT);
    }
    opened.stop();
    home.host.stop();
}

#[test]
fn attack_189_a_device_that_is_revoked_loses_its_page_within_seconds_and_the_page_says_why() {
    let Some((script, chromium)) = browser::with("look.mjs") else { return };
    let home = home();
    let opened = open(&["--state", &home.state]);
    let until = "This device was removed from your devices and is shut out";
    let asked = json!({ "link": opened.link, "chromium": chromium, "until": until });
    let mut looking = Running::start(&mut look(&script, &asked));
    let mut output = BufReader::new(looking.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    verb(&["device", "revoke", "--data", &home.data, "owner", "phone"]);
    line.clear();
    output.read_line(&mut line).expect("a line");
    let ended = looking.ended();
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    assert_eq!(parse(&line)["said"], true);
    opened.stop();
    home.host.stop();
}

#[test]
fn attack_218_a_device_that_is_revoked_from_another_page_is_shut_out_within_a_second_and_its_page_says_why() {
    let Some((script, chromium)) = browser::with("look.mjs") else { return };
    let home = home();
    let (opened, console) = (open(&["--state", &home.state]), open(&["owner", "--data", &home.data]));
    let until = "This device was removed from your devices and is shut out";
    let asked = json!({ "link": opened.link, "chromium": chromium, "until": until, "other": console.link });
    let found = looked(&script, &asked);
    assert_eq!(found["said"], true, "{found}");
    let ms = found["ms"].as_u64().expect("a time");
    println!("from the press of the button to the words on the other page: {ms} ms");
    assert!(ms < 1_000, "{ms} ms");
    console.stop();
    opened.stop();
    home.host.stop();
}

#[test]
fn a_phone_pairs_by_the_code_on_the_screen_and_the_owner_looks_forgets_and_erases_on_the_page() {
    let Some((script, chromium)) = browser::with("console.mjs") else { return };
    let home = home();
    let console = open(&["owner", "--data", &home.data]);
    let (from, to) = ("2024-03-04T08:00", "2024-03-04T12:00");
    let asked = json!({
        "link": console.link, "chromium": chromium, "pair": true, "erase": "owner",
        "heat": { "from": "2024-03-01", "to": "2024-03-31" }, "forget": { "from": from, "to": to },
    });
    let days =
        verb(&["user", "days", "--data", &home.data, "owner", "--from", "2024-03-01", "--to", "2024-03-31"]);
    let locations: u64 =
        days["days"].as_array().expect("days").iter().filter_map(|day| day["locations"].as_u64()).sum();
    let heat =
        verb(&["user", "heat", "--data", &home.data, "owner", "--from", "2024-03-01", "--to", "2024-03-31"]);
    assert!(locations > 0 && heat["locations"] == locations, "{days} {heat}");
    let would =
        verb(&["user", "forget", "--data", &home.data, "owner", "--from", from, "--to", to, "--dry-run"]);
    let mut page = Talking::begin(&script, &asked);
    let qr = page.next()["qr"].as_str().expect("the code is read from the screen").to_owned();
    let second = within(home.folder.path(), "second");
    let pair = ["phone", "pair", "--json", "--state", &second, "--name", "second", "--scan", &qr];
    let (phone, shown) = started(program(CELLAR).args(pair));
    assert_eq!(page.next()["digits"], shown["digits"], "the phone and the page show the same");
    page.go_on();
    let ended = phone.ended();
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    let found = page.end();
    assert_eq!(found["same"], true, "the picture and the text are one code");
    assert!(found["paired"].as_str().expect("a text").contains("second"), "{found}");
    let says = |part: &str, words: &str| {
        assert!(found[part].as_str().expect("a text").contains(words), "{part}: {found}");
    };
    says("heat", &format!("{locations} locations"));
    assert_eq!(found["calendar"], days["days"].as_array().expect("days").len());
    says("compared", "CO₂");
    says("would", &format!("{} entries would be deleted", would["entries"]));
    says("forgotten", &format!("{} entries were deleted", would["entries"]));
    assert_eq!(found["offered"], 0, "the wrong name offers nothing");
    assert_eq!(found["receipt"]["erased"], true);
    assert!(refused(&["user", "status", "--data", &home.data, "owner"]).contains("owner"));
    console.stop();
    home.host.stop();
}

/// What a browser finds that adds a tracker of that name on the page, reports as its app, and revokes it; and the list of
/// trackers then.
fn tracked(name: &str) -> Option<(Value, Value)> {
    let (script, chromium) = browser::with("console.mjs")?;
    let folder = tempfile::tempdir().expect("a folder");
    let data = within(folder.path(), "data");
    // Nobody has paired a phone there, which would have to sign for the tracker.
    let host = serve_at(&data, "127.0.0.1:0", &["--legacy"]);
    let console = open(&["owner", "--data", &data]);
    let asked = json!({ "link": console.link, "chromium": chromium, "track": name });
    let found = Talking::begin(&script, &asked).end();
    let list = verb(&["receiver", "list", "--data", &data, "owner"]);
    console.stop();
    host.stop();
    Some((found, list))
}

#[test]
fn a_tracker_reports_by_the_code_on_the_screen_and_the_page_says_when_its_first_point_came() {
    let Some((found, list)) = tracked("my phone") else { return };
    let overland = found["overland"]["text"].as_str().expect("a link");
    assert!(overland.starts_with("overland://setup?url=https%3A%2F%2F127.0.0.1%3A"), "{overland}");
    for app in ["overland", "gpslogger"] {
        assert_eq!(found[app]["scanned"], found[app]["text"], "the picture and the text are one setting");
    }
    let gpslogger = found["gpslogger"]["text"].as_str().expect("a link");
    let settings = found["settings"].as_str().expect("a file");
    assert!(settings.contains(&format!("log_customurl_url={gpslogger}\n")), "{settings}");
    assert_eq!(found["answer"], json!({ "status": 200, "body": "{\"result\":\"ok\"}" }));
    assert!(found["tracked"].as_str().expect("a text").contains("First point at"), "{found}");
    assert_eq!(found["refused"]["status"], 404, "{found}");
    let of = |index: usize, member: &str| &list[index][member];
    assert_eq!((of(0, "app"), of(0, "status")), (&json!("gpslogger"), &json!("waiting")), "{list}");
    assert_eq!((of(1, "app"), of(1, "status")), (&json!("overland"), &json!("revoked")), "{list}");
    assert_eq!((of(1, "name"), of(1, "time_zone")), (&json!("my phone"), &json!("UTC")), "{list}");
    assert!(of(0, "first_seen_ms").is_null() && of(1, "first_seen_ms").is_u64(), "{list}");
}

#[test]
fn attack_253_a_script_as_the_name_of_a_tracker_is_shown_and_not_run() {
    let Some((found, list)) = tracked(SCRIPT) else { return };
    assert_eq!(found["marks"], 0, "no script ran");
    assert!(found["tracked"].as_str().expect("a text").contains(SCRIPT), "{found}");
    assert_eq!(list[1]["name"], SCRIPT);
}

#[test]
fn a_preview_shows_what_a_cell_would_be_shown_and_nothing_once_it_is_paused() {
    let home = home();
    if !home.install_cell(false) {
        return;
    }
    let cell = |verb_of: &str, more: &[&str]| {
        verb(&[&["cell", verb_of, "--data", &home.data, "owner", "mode-share"], more].concat())
    };
    let exact = cell("preview", &["--each", "3"]);
    let streams = exact["streams"].as_array().expect("streams");
    assert_eq!(streams.len(), 1, "{exact}");
    assert_eq!(streams[0]["key"], "analysis/inferred_section");
    let sections = verb(&["user", "show", "--data", &home.data, "owner"])["streams"]
        .as_array()
        .expect("streams")
        .iter()
        .find(|stream| stream["key"] == "analysis/inferred_section")
        .expect("sections")["entries"]
        .clone();
    assert_eq!(streams[0]["entries"], sections);
    assert_eq!(streams[0]["newest"].as_array().expect("entries").len(), 3);
    let data = |shown: &Value| shown["streams"][0]["newest"][0]["data"].as_str().expect("a text").to_owned();
    assert!(data(&exact).contains("\"distance\""), "{exact}");
    cell("narrow", &["--without", "distance"]);
    let narrowed = cell("preview", &["--each", "1"]);
    assert!(!data(&narrowed).contains("\"distance\""), "as the cell would see it: {narrowed}");
    let audit = verb(&["user", "audit", "--data", &home.data, "owner", "--cell", "cell-preview"]);
    assert_eq!(audit["runs"].as_array().expect("lines").len(), 2, "each preview is told: {audit}");
    cell("pause", &[]);
    assert_eq!(cell("preview", &[])["streams"], json!([]));
    home.host.stop();
}

#[test]
fn the_operators_page_says_how_the_host_is_and_nothing_about_a_person() {
    let Some((script, chromium)) = browser::with("console.mjs") else { return };
    let home = home();
    let opened = open(&["--operator", "--data", &home.data]);
    let asked = json!({ "link": opened.link, "chromium": chromium, "operator": true });
    let found = Talking::begin(&script, &asked).end();
    let host = verb(&["host", "--data", &home.data]);
    assert_eq!((&host["people"], &host["damaged"]), (&json!(1), &json!(0)), "{host}");
    let id = verb(&["user", "show", "--data", &home.data, "owner"])["id"].as_str().expect("an id").to_owned();
    let said = found["operator"].as_str().expect("a text");
    assert!(said.contains(host["version"].as_str().expect("a version")), "{said}");
    for screen in ["operator", "diary", "reads", "data"] {
        let said = found[screen].as_str().expect("a text");
        assert!(
            said.contains("People") && !said.contains("owner") && !said.contains(&id),
            "{screen}: {said}"
        );
    }
    let mut told = host.to_string();
    told.push_str(said);
    assert!(!told.contains("phone") && !told.contains("latitude"), "{told}");
    opened.stop();
    home.host.stop();
}
