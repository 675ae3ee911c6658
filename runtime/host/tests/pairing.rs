//! Pairing and living with it, as people and scripts do it: through the binary alone.

#[path = "support/binary.rs"]
mod binary;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use binary::{CELLAR, Serving, cellar, json, parse, serve_at, text, write_day};

/// What a verb that must fail says.
fn refused(args: &[&str]) -> String {
    let output = cellar(args);
    assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output.stdout));
    text(&output.stderr)
}

fn serve(data: &str, listen: &str) -> Serving {
    serve_at(data, listen, &[])
}

/// A phone that pairs: it shows digits, and ends when its owner has decided.
fn pair(data: &str, user: &str, state: &str, code: &[&str]) {
    let mut phone = Command::new(CELLAR)
        .args([
            "phone",
            "pair",
            "--json",
            "--state",
            state,
            "--name",
            state.rsplit('/').next().expect("a name"),
        ])
        .args(code)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(phone.stdout.take().expect("piped"));
    let mut line = String::new();
    lines.read_line(&mut line).expect("a line");
    let digits = parse(&line)["digits"].as_str().expect("digits").to_owned();
    let wrong = if digits == "000000" { "000001" } else { "000000" };
    assert!(refused(&["device", "approve", "--data", data, user, wrong]).contains("not the phone's"));
    json(&["device", "approve", "--data", data, user, &digits]);
    let ended = phone.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{}", text(&ended.stderr));
}

#[test]
fn a_person_pairs_two_phones_locks_loses_one_and_recovers_with_the_phrase() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, first, second, dump) = (at("data"), at("first"), at("second"), at("day.json"));
    let count = write_day(Path::new(&dump));
    let host = serve(&data, "127.0.0.1:0");
    let listen = host.ready["listen"].as_str().expect("an address").to_owned();
    let status = || json(&["user", "status", "--data", &data, "owner"]);
    assert_eq!(status()["store"], "absent");

    // The first by the code that the host shows at its first start, the second by a typed one.
    pair(&data, "owner", &first, &["--scan", host.ready["pair"]["qr"].as_str().expect("a code")]);
    let shown = cellar(&["pair", "--data", &data, "owner", "--phrase", "--detach", "--json"]);
    let shown = text(&shown.stdout);
    let mut lines = shown.lines().map(parse);
    let phrase = lines.next().expect("a phrase")["recovery_phrase"].as_str().expect("words").to_owned();
    let code = lines.next().expect("a code")["code"].as_str().expect("typing is offered").to_owned();
    pair(&data, "owner", &second, &["--type", &code.to_lowercase(), "--host", &listen]);
    let devices = json(&["device", "list", "--data", &data, "owner"]);
    assert_eq!(devices.as_array().expect("devices").len(), 2);

    let put = json(&["phone", "put", "--state", &first, "--input", &dump]);
    assert_eq!(put["entries"], count);
    json(&["pipeline", "run", "--data", &data, "--user", "owner"]);
    let synced = json(&["phone", "sync", "--state", &second]);
    assert!(!synced["trips"].as_array().expect("trips").is_empty());

    assert_eq!(json(&["user", "lock", "--data", &data, "owner"])["store"], "locked");
    assert!(refused(&["user", "show", "--data", &data, "owner"]).contains("locked"));
    // A contact unlocks.
    assert!(!json(&["phone", "sync", "--state", &first])["trips"].as_array().expect("trips").is_empty());
    assert_eq!(status()["store"], "unlocked");

    json(&["device", "rename", "--data", &data, "owner", "second", "lost phone"]);
    json(&["device", "revoke", "--data", &data, "owner", "lost phone"]);
    let shut_out = refused(&["phone", "sync", "--state", &second]);
    assert!(shut_out.contains("not at this address") && shut_out.contains("pair again"), "{shut_out}");
    json(&["device", "revoke", "--data", &data, "owner", "first"]);
    host.stop();

    // Nobody is left who could unlock, but for who wrote the words down.
    let host = serve(&data, &listen);
    assert_eq!(status()["store"], "locked");
    let recover = |words: &str| {
        let mut recovering = Command::new(CELLAR)
            .args(["user", "recover", "--data", &data, "owner", "--json"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        recovering.stdin.take().expect("piped").write_all(words.as_bytes()).expect("written");
        recovering.wait_with_output().expect("it ends")
    };
    let nonsense = recover("one two three\n");
    assert_eq!(nonsense.status.code(), Some(1));
    let recovered = recover(&format!("{}\n", phrase.to_uppercase()));
    assert!(recovered.status.success(), "{}", text(&recovered.stderr));
    assert_eq!(status()["store"], "unlocked");
    let third = at("third");
    let shown = json(&["pair", "--data", &data, "owner", "--no-phrase", "--detach"]);
    pair(&data, "owner", &third, &["--scan", shown["qr"].as_str().expect("a code")]);
    assert!(!json(&["phone", "sync", "--state", &third])["trips"].as_array().expect("trips").is_empty());

    let erased = json(&["user", "erase", "--data", &data, "owner", "--yes"]);
    assert!(erased["receipt"]["slots"].as_u64().expect("a number") >= 2, "{erased}");
    assert_eq!(erased["receipt"]["keyring_sha256"].as_str().expect("a digest").len(), 64);
    let log = host.stop();
    let words: Vec<&str> = phrase.split(' ').take(3).collect();
    assert!(!log.contains(&words.join(" ")) && !log.contains(&code) && !log.contains("latitude"), "{log}");
}

#[test]
fn a_code_is_drawn_as_a_picture_and_a_pairing_can_be_called_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, picture, state) = (at("data"), at("code.png"), at("phone"));
    assert!(refused(&["pair", "--data", &at("nothing"), "owner"]).contains("no data folder"));
    let host = serve(&data, "127.0.0.1:0");
    let shown = cellar(&["pair", "--data", &data, "owner", "--no-phrase", "--detach", "--png", &picture]);
    let told = text(&shown.stdout);
    assert!(shown.status.success() && told.contains('█') && told.contains("Or type"), "{told}");
    assert!(fs::read(&picture).expect("a picture").starts_with(b"\x89PNG"));
    let shown = json(&["pair", "--data", &data, "owner", "--no-phrase", "--detach"]);
    json(&["pair", "--data", &data, "owner", "--cancel"]);
    let qr = shown["qr"].as_str().expect("a code");
    let late = refused(&["phone", "pair", "--state", &state, "--scan", qr]);
    assert!(late.contains("not at this address"), "{late}");
    assert!(!Path::new(&state).exists());
    host.stop();
    assert!(refused(&["pair", "--data", &data, "owner"]).contains("no host is running"));
}
