//! Pairing and living with it, as people and scripts do it: through the binary alone.

use crate::support::binary;

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use binary::{
    CELLAR, Running, Serving, cellar, json, pair, parse, program, refused, serve_at, text, typed, write_day,
};

fn serve(data: &str, listen: &str) -> Serving {
    serve_at(data, listen, &[])
}

#[test]
fn a_person_pairs_two_phones_locks_loses_both_and_the_phrase_waits_a_day() {
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
    let unsigned = refused(&["phone", "sync", "--state", &second]);
    assert!(unsigned.contains("cellar phone approve"), "{unsigned}");
    let signed = json(&["phone", "approve", "--state", &first, "--yes"]);
    assert!(!signed["signed"].as_array().expect("what was signed").is_empty(), "{signed}");

    let put = json(&["phone", "put", "--state", &first, "--input", &dump]);
    assert_eq!(put["entries"], count);
    json(&["pipeline", "run", "--data", &data, "owner"]);
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
    let recover = |words: &str| typed(&["user", "recover", "--data", &data, "owner", "--json"], words);
    let nonsense = recover("one two three\n");
    assert_eq!(nonsense.status.code(), Some(1));
    // The console has revoked both phones, and neither has signed that it is out: they have a day to notice.
    let waits = recover(&format!("{}\n", phrase.to_uppercase()));
    let told = text(&waits.stderr);
    assert!(waits.status.code() == Some(1) && told.contains("the phrase opens the data from"), "{told}");
    assert_eq!(status()["store"], "locked");

    let erased = json(&["user", "erase", "--data", &data, "owner", "--yes"]);
    assert!(erased["receipt"]["slots"].as_u64().expect("a number") >= 1, "{erased}");
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

/// Whether a phone that is given this code shows digits; nobody lets it in.
fn shows_digits(data: &str, person: &str, code: &[&str], state: &str) -> bool {
    let mut phone = program(CELLAR);
    phone.args(["phone", "pair", "--json", "--state", state, "--name", "  phone \n"]).args(code);
    let mut phone = Running::start(phone.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let mut line = String::new();
    BufReader::new(phone.stdout.take().expect("piped")).read_line(&mut line).expect("a line or the end");
    json(&["pair", "--data", data, "--cancel", person]);
    phone.wait().expect("it ends");
    line.contains("digits")
}

#[test]
fn what_people_paste_may_be_broken_quoted_and_padded() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, state) = (at("data"), at("phone"));
    let host = serve(&data, "127.0.0.1:0");
    let listen = host.ready["listen"].as_str().expect("an address").to_owned();
    json(&["user", "add", "--data", &data, " Ada\n"]);
    assert!(json(&["user", "status", "--data", &data, "\tAda "])["id"].is_string());
    // Three codes of a person that are called off within an hour close the typed ones: each code has a person of its own.
    let open = |person: &str| {
        json(&["user", "add", "--data", &data, &format!(" {person}\n")]);
        json(&["pair", "--data", &data, &format!("{person} "), "--no-phrase", "--detach"])
    };
    let forms: [&dyn Fn(&str) -> String; 5] = [
        &|code| format!("{code}\n"),
        &|code| format!("  {code}\t"),
        &|code| format!("\u{feff}{}\r\n  {}", &code[..40], &code[40..]),
        &|code| format!("'{}'", code.to_lowercase()),
        &|code| code.chars().map(|character| format!("{character}\u{200b}")).collect(),
    ];
    for (at, form) in forms.iter().enumerate() {
        let person = format!("scans {at}");
        let qr = open(&person)["qr"].as_str().expect("a code").to_owned();
        assert!(shows_digits(&data, &person, &["--scan", &form(&qr)], &state), "form {at}");
    }
    for (at, (form, host)) in ([
        (|code: &str| format!("{} \n", code.to_lowercase()), format!("{listen}\n")),
        (|code: &str| code.replace('-', " "), format!("  {listen}")),
        (|code: &str| code.replace('-', "\u{2013}\u{a0}"), listen.clone()),
    ] as [(fn(&str) -> String, String); 3])
        .into_iter()
        .enumerate()
    {
        let person = format!("types {at}");
        let code = open(&person)["code"].as_str().expect("a code").to_owned();
        let typed = form(&code);
        assert!(shows_digits(&data, &person, &["--type", &typed, "--host", &host], &state), "form {at}");
    }
    host.stop();
}

#[test]
fn a_phrase_is_read_as_it_stands_on_paper() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, state) = (at("data"), at("phone"));
    let host = serve(&data, "127.0.0.1:0");
    let shown = cellar(&["pair", "--data", &data, "owner", "--phrase", "--detach", "--json"]);
    let shown = text(&shown.stdout);
    let mut lines = shown.lines().map(parse);
    let phrase = lines.next().expect("a phrase")["recovery_phrase"].as_str().expect("words").to_owned();
    pair(&data, "owner", &state, &["--scan", lines.next().expect("a code")["qr"].as_str().expect("a code")]);
    json(&["device", "revoke", "--data", &data, " owner", "phone\n"]);
    json(&["user", "lock", "--data", &data, "owner"]);
    let words: Vec<&str> = phrase.split(' ').collect();
    let rows: Vec<String> = words
        .chunks(6)
        .enumerate()
        .map(|(row, words)| {
            let numbered =
                words.iter().enumerate().map(|(at, word)| format!("{:2} {word:9}", row * 6 + at + 1));
            format!("  {}", numbered.collect::<Vec<_>>().join(" "))
        })
        .collect();
    for paper in [rows.join("\n"), words.join("\r\n").to_uppercase(), format!("\n\n  {}", words.join(",  "))]
    {
        let recovered = typed(&["user", "recover", "--data", &data, "owner", "--json"], &paper);
        // The words are read. What they open waits a day, since only the console has revoked the phone.
        let told = text(&recovered.stderr);
        assert!(told.contains("the phrase opens the data from"), "{told}");
    }
    host.stop();
}

#[test]
fn nothing_secret_is_shown_where_no_phone_could_come() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (data, config, picture) = (at("data"), at("cellar.toml"), at("no/such/folder/code.png"));
    let silent = |args: &[&str], why: &str| {
        let output = cellar(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert_eq!(text(&output.stdout), "", "{args:?}");
        let told = text(&output.stderr);
        assert!(told.contains(why), "{args:?}: {told}");
    };
    for address in ["[2001:db8::1]:8443", "no port", "häuschen.example:8443", ":8443", "host.example:0"] {
        fs::write(&config, format!("public_address = '{address}'\n")).expect("written");
        let host = serve_at(&data, "127.0.0.1:0", &["--config", &config]);
        for more in [&[][..], &["--json"], &["--phrase"]] {
            silent(&[&["pair", "--data", &data, "--detach", "owner"], more].concat(), "public_address");
        }
        host.stop();
    }
    let host = serve(&data, "127.0.0.1:0");
    silent(&["pair", "--data", &data, "--detach", "owner", "--png", &picture], "code.png");
    silent(&["pair", "--data", &data, "--detach", "nobody"], "nobody");
    // Somebody who waits for the owner's word is not driven away by another code.
    let shown = json(&["pair", "--data", &data, "owner", "--no-phrase", "--detach"]);
    let code = shown["qr"].as_str().expect("a code");
    let mut phone = program(CELLAR);
    phone.args(["phone", "pair", "--state", &at("phone"), "--scan", code]);
    let mut phone = Running::start(phone.stdout(Stdio::piped()));
    let mut line = String::new();
    BufReader::new(phone.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    silent(&["pair", "--data", &data, "--detach", "owner"], "open already");
    json(&["pair", "--data", &data, "--cancel", "owner"]);
    phone.wait().expect("it ends");
    host.stop();
}
