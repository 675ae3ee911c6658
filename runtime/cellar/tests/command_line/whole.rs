//! The whole first run at a person's own name in a browser, from the first look to the erasure; and what the demonstration
//! leads to.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use data_encoding::{BASE64, HEXLOWER};
use runtime_wire::tls::Identity;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::binary::{
    CELLAR, Running, cellar, json as verb, pair, parse, program, refused, serve_at, started, text, typed,
    until, within, write_day,
};
use crate::support::browser::{self, Talking};
use crate::support::packages;

/// A history from another program: two points, one of them twice, and one that is none.
const HISTORY: &str = r#"<gpx version="1.1"><trk><trkseg>
<trkpt lat="47.5" lon="8.25"><time>2012-03-05T08:00:00Z</time></trkpt>
<trkpt lat="47.6" lon="8.25"><time>2012-10-05T08:00:10Z</time></trkpt>
<trkpt lat="47.6" lon="8.25"><time>2012-10-05T08:00:10Z</time></trkpt>
<trkpt lat="147.6" lon="8.25"><time>2012-10-05T08:00:10Z</time></trkpt>
</trkseg></trk></gpx>"#;

/// A stream that a version of a cell asks for besides.
fn reads(key: &str) -> String {
    format!("\n[[reads]]\narea = \"timeseries\"\nkeys = [{key:?}]\nwhy = \"To compare.\"\n")
}

/// A phone that pairs by a code and has shown its digits.
fn phone_that_pairs(state: &str, qr: &str) -> (Running, Value) {
    let pair = ["phone", "pair", "--json", "--state", state, "--name", "my phone", "--scan", qr];
    let (phone, shown) = started(program(CELLAR).args(pair));
    (phone, shown["digits"].clone())
}

/// The browser's part, step by step.
struct Steps {
    page: Talking,
    shown: Value,
}

impl Steps {
    /// The next step, which has this name.
    fn next(&mut self, name: &str) {
        self.shown = self.page.next();
        assert_eq!(self.shown["step"], name, "{}", self.shown);
        println!("{name}");
    }

    /// The text that the page shows in this step.
    fn text(&self, part: &str) -> &str {
        self.shown[part].as_str().unwrap_or_else(|| panic!("no {part}: {}", self.shown))
    }

    #[track_caller]
    fn says(&self, part: &str, words: &[&str]) {
        for words in words {
            assert!(self.text(part).contains(words), "{part} does not say {words:?}: {}", self.shown);
        }
    }

    fn go_on(&mut self) {
        self.page.go_on();
    }
}

/// Each step as the page shows it: a passkey, a phone, a day, a correction, recovery words, a history, a cell, an export, a
/// forgotten hour, the end.
#[test]
fn a_person_does_everything_at_their_own_name_from_the_first_code_to_the_erasure() {
    let Some((script, chromium)) = browser::with("whole.mjs") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| within(folder.path(), name);
    let [data, tablet, phone, day, config, web, history] =
        ["data", "tablet", "phone", "day.json", "cellar.toml", "web", "track.gpx"].map(at);
    write_day(Path::new(&day));
    fs::write(&history, HISTORY).expect("written");
    let identity =
        Identity::load_or_make(Path::new(&web), &["*.localhost".to_owned()]).expect("a certificate");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let settings = format!(
        "public_address = 'localhost:{port}'\n[web]\ncertificate = '{web}/host.crt'\nkey = '{web}/host.tls.key'\n"
    );
    fs::write(&config, settings).expect("written");
    let host = serve_at(&data, &format!("127.0.0.1:{port}"), &["--config", &config]);

    // The first device brings the key, at the console, with the words on paper.
    verb(&["pair", "--data", &data, "owner", "--cancel"]);
    let shown = text(&cellar(&["pair", "--data", &data, "owner", "--phrase", "--detach", "--json"]).stdout);
    let mut lines = shown.lines().map(parse);
    let words = lines.next().expect("a phrase")["recovery_phrase"].as_str().expect("words").to_owned();
    let qr = lines.next().expect("a code")["qr"].as_str().expect("a code").to_owned();
    pair(&data, "owner", &tablet, &["--scan", &qr]);
    checks_words(&data, &words);
    let has_cell = packages::can_compile();
    let version = |number: &str, more: &str| {
        let name = format!("modes-{number}.wasm");
        has_cell.then(|| packages::mode_share(folder.path(), &name, &[("version", number)], more))
    };
    let window = verb(&["pair", "--data", &data, "owner", "--detach"]);
    let pin = HEXLOWER.decode(identity.pin().to_string().as_bytes()).expect("hex digits");
    let asked = json!({
        "address": verb(&["open", "owner", "--data", &data, "--address"])["address"],
        "chromium": chromium, "spki": BASE64.encode(&pin), "code": window["code"], "words": words,
        "day": "2024-03-04", "history": history, "person": "owner",
        "package": version("1", &reads("analysis/cleaned_trip")), "update": version("2", ""),
        "wider": version("3", &reads("analysis/recreated_location")),
        "forget": { "from": "2024-03-04T08:00", "to": "2024-03-04T09:00" },
        "pictures": browser::target().join("page-pictures"),
    });
    let mut page = Steps { page: Talking::begin(&script, &asked), shown: Value::Null };
    enters(&mut page, &data);
    pairs_and_puts(&mut page, &data, [&tablet, &phone, &day]);
    corrects(&mut page, &data);
    page.next("words");
    assert_eq!(page.text("left"), "", "the words do not stay on the screen");
    page.go_on();
    imports(&mut page, &data);
    if has_cell {
        grants_and_revokes(&mut page, &data);
    }
    takes_and_erases(&mut page, &data);
    let found = page.page.end();
    assert_eq!(found["leaked"], 0, "the words are in no request");
    let log = host.stop();
    let pairs: Vec<&str> = words.split(' ').collect();
    assert!(pairs.windows(2).all(|pair| !log.contains(&pair.join(" "))), "the words are in no log");
    assert!(!log.contains("latitude") && !log.contains(window["code"].as_str().expect("a code")), "{log}");
}

/// The console says the same of the words as the page.
fn checks_words(data: &str, words: &str) {
    let check = |words: &str| typed(&["user", "check-phrase", "--data", data, "owner", "--json"], words);
    assert_eq!(parse(&text(&check(&format!("{words}\n")).stdout))["opens"], true);
    assert_eq!(parse(&text(&check(&format!("{}vote\n", "zoo ".repeat(23))).stdout))["opens"], false);
    assert_eq!(check("one two three\n").status.code(), Some(1));
}

/// The code of a window lets the browser make its first passkey.
fn enters(page: &mut Steps, data: &str) {
    page.next("code");
    verb(&["device", "approve", "--data", data, "owner", page.text("digits")]);
    page.go_on();
    page.next("signed in");
    page.says("diary", &["Diary"]);
    assert!(!page.text("diary").contains("5 trips"), "{}", page.shown);
    page.go_on();
}

/// A phone pairs by the code on the screen, another device signs for it, it puts a day, and the diary appears.
fn pairs_and_puts(page: &mut Steps, data: &str, [tablet, phone, day]: [&str; 3]) {
    page.next("pairing");
    assert!(
        page.shown["signatures"].as_u64() >= Some(1),
        "a window is opened with a fresh assertion: {}",
        page.shown
    );
    let (pairing, digits) = phone_that_pairs(phone, page.text("qr"));
    page.go_on();
    page.next("claimed");
    assert_eq!(page.shown["digits"], digits, "the phone and the page show the same");
    page.says("who", &["my phone"]);
    page.go_on();
    let ended = pairing.ended();
    assert!(ended.status.success(), "{}", text(&ended.stderr));
    page.next("paired");
    page.says("phones", &["my phone", "tablet"]);
    assert!(refused(&["phone", "sync", "--state", phone]).contains("cellar phone approve"));
    verb(&["phone", "approve", "--state", tablet, "--yes"]);
    verb(&["phone", "put", "--state", phone, "--input", day]);
    verb(&["pipeline", "run", "--data", data, "owner"]);
    page.go_on();
    page.next("diary");
    page.says("diary", &["5 trips"]);
    assert_eq!(page.text("mode"), "", "nobody has said anything of the mode");
    page.go_on();
}

/// A correction on the page is in the diary once the analysis has taken it in.
fn corrects(page: &mut Steps, data: &str) {
    page.next("corrected");
    until("the correction is in the diary", || {
        verb(&["pipeline", "run", "--data", data, "owner"]);
        let diary = program(CELLAR).args(["export", "owner", "--data", data, "--format", "csv"]).output();
        text(&diary.expect("it starts").stdout).contains(",train,")
    });
    page.go_on();
    page.next("corrected diary");
    assert_eq!(page.text("mode"), "train");
    page.go_on();
}

/// A look into a file stores nothing; then it is stored once.
fn imports(page: &mut Steps, data: &str) {
    let entries = || verb(&["user", "show", "--data", data, "owner"])["streams"].clone();
    let before = {
        page.next("looked");
        entries()
    };
    page.says(
        "history",
        &["track.gpx: gpx", "2 new places", "1 are here already", "1 cannot be read", "globe"],
    );
    assert_eq!(entries(), before);
    page.go_on();
    page.next("imported");
    page.says("history", &["2 places", "were stored"]);
    assert_ne!(entries(), before);
    page.go_on();
}

/// What a cell asks for is shown, and nothing of it runs before its owner agrees; its reads are told; an update shows what
/// changes; it is revoked.
fn grants_and_revokes(page: &mut Steps, data: &str) {
    let cells = || verb(&["cell", "list", "--data", data, "owner"]);
    page.next("offered");
    page.says("install", &["Share of modes by month, version 1", "It asks for:", "analysis/cleaned_trip"]);
    assert_eq!(cells(), json!([]), "a look installs nothing");
    page.go_on();
    page.next("granted");
    page.says("cells", &["Share of modes by month", "active"]);
    assert_eq!(cells()[0]["state"], "active");
    verb(&["pipeline", "run", "--data", data, "owner"]);
    page.go_on();
    page.next("read");
    page.says("reads", &["mode-share", "entries"]);
    page.go_on();
    page.next("update offered");
    page.says("install", &["version 1 is installed, this is version 2", "No more:", "analysis/cleaned_trip"]);
    assert_eq!(cells()[0]["version"], 1);
    page.go_on();
    page.next("wider offered");
    page.says("install", &["this is version 3", "asks for more", "New:", "analysis/recreated_location"]);
    assert_eq!(cells()[0]["version"], 2);
    page.go_on();
    page.next("revoked");
    assert_eq!(cells()[0]["state"], "ended", "{}", cells());
    page.go_on();
}

/// The diary leaves as a file, an hour of it is forgotten, and then everything is.
fn takes_and_erases(page: &mut Steps, data: &str) {
    page.next("exported");
    let features = page.shown["diary"]["features"].as_array().expect("features").len();
    assert!(features >= 5, "{features} features");
    page.go_on();
    page.next("forgotten");
    let would = page.text("would");
    let count =
        would.split(" entries would be deleted").next().and_then(|text| text.split_whitespace().next_back());
    let count = count.expect("a count").to_owned();
    assert_ne!(count, "0");
    page.says("said", &[&format!("{count} entries were deleted")]);
    page.go_on();
    page.next("erased");
    assert_eq!(page.shown["receipt"]["erased"], true);
    assert!(refused(&["user", "status", "--data", data, "owner"]).contains("owner"));
    page.go_on();
}

/// The demonstration that goes on until it is stopped, and the link that it has printed.
struct Demo {
    child: Running,
    link: String,
    said: BufReader<std::process::ChildStderr>,
}

/// Starts it; `path`: where programs are looked for, and there is a screen.
fn demo(path: Option<&str>) -> Option<Demo> {
    if !Path::new(CELLAR).with_file_name("cellar-demo").is_file() {
        println!("SKIPPED: no cellar-demo beside cellar");
        return None;
    }
    let mut command = program(CELLAR);
    command.args(["demo", "--open", "--json"]).env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
    if let Some(path) = path {
        command.env("PATH", path).env("DISPLAY", ":0");
    }
    let mut child = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut said = BufReader::new(child.stderr.take().expect("piped"));
    let mut all = String::new();
    let link = loop {
        let mut line = String::new();
        assert!(said.read_line(&mut line).expect("text") > 0, "it ended: {all}");
        all.push_str(&line);
        if line.trim().starts_with("http://localhost:") {
            break line.trim().to_owned();
        }
    };
    Some(Demo { child, link, said })
}

impl Demo {
    fn stop(self) {
        let Self { child, said, .. } = self;
        child.signal(Signal::INT);
        let rest: Vec<_> = said.lines().map_while(Result::ok).collect();
        let ended = child.ended();
        assert!(ended.status.success(), "{rest:?}");
    }
}

#[test]
fn the_link_that_the_demonstration_prints_leads_to_the_diary_in_a_browser() {
    let Some((script, chromium)) = browser::with("demo.mjs") else { return };
    let Some(demo) = demo(None) else { return };
    let found = browser::looked(&script, &json!({ "link": demo.link, "chromium": chromium }));
    browser::assert_sound_but_marks(&found);
    let diary = found["texts"]["diary"].as_str().expect("a text");
    assert!(diary.contains("5 trips") && diary.contains("4 March 2024"), "{diary}");
    assert!(found["tracks"].as_u64() >= Some(1), "{found}");
    demo.stop();
}

#[test]
fn the_demonstration_starts_what_opens_a_page_where_there_is_a_screen() {
    let folder = tempfile::tempdir().expect("a folder");
    let kept = within(folder.path(), "started");
    let opener = folder.path().join(if cfg!(target_os = "macos") { "open" } else { "xdg-open" });
    fs::write(&opener, format!("#!/bin/sh\ncat \"$1\" > '{kept}.half' && mv '{kept}.half' '{kept}'\n"))
        .expect("written");
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).expect("its own");
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH").unwrap_or_default());
    let Some(demo) = demo(Some(&path)) else { return };
    until("the browser is started", || Path::new(&kept).exists());
    let page = fs::read_to_string(&kept).expect("a page");
    assert!(page.contains(&demo.link), "{page}");
    demo.stop();
}
