//! A person's page at their own name, as a browser with an authenticator opens it where node and Chromium are there.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use data_encoding::{BASE64, HEXLOWER};
use runtime_wire::tls::Identity;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::map::{Tiles, map_of};
use super::page::SCRIPT;
use crate::support::binary::{
    Running, json as verb, pair, parse, refused, serve_at, text, until, within, write_day,
};
use crate::support::browser;

#[test]
fn attack_200_a_browser_makes_a_passkey_signs_in_and_out_and_steps_up_and_no_name_runs_as_a_script() {
    let Some((script, chromium)) = browser::with("passkey.mjs") else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let [data, state, day, map, config, web] =
        ["data", "phone", "day.json", "town.pmtiles", "cellar.toml", "web"]
            .map(|name| within(folder.path(), name));
    write_day(Path::new(&day));
    fs::write(&map, map_of(Path::new(&day), Tiles::Vector)).expect("written");
    let identity =
        Identity::load_or_make(Path::new(&web), &["*.localhost".to_owned()]).expect("a certificate");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let settings = format!(
        "public_address = 'localhost:{port}'\n[web]\ncertificate = '{web}/host.crt'\nkey = '{web}/host.tls.key'\n\
         map = '{map}'\n"
    );
    fs::write(&config, settings).expect("written");
    let host = serve_at(&data, &format!("127.0.0.1:{port}"), &["--config", &config]);
    verb(&["pair", "--data", &data, "owner", "--cancel"]);
    let shown = verb(&["pair", "--data", &data, "owner", "--admin", "--no-phrase", "--detach"]);
    pair(&data, "owner", &state, &["--scan", shown["qr"].as_str().expect("a code")]);
    verb(&["phone", "put", "--state", &state, "--input", &day]);
    verb(&["pipeline", "run", "--data", &data, "owner"]);
    let address = verb(&["open", "owner", "--data", &data, "--address"])["address"].clone();
    let window = verb(&["pair", "--data", &data, "owner", "--detach"]);
    let pin = HEXLOWER.decode(identity.pin().to_string().as_bytes()).expect("hex digits");
    let asked = json!({
        "address": address, "chromium": chromium, "spki": BASE64.encode(&pin), "code": window["code"], "name": SCRIPT,
    });
    let mut looking = Running::start(&mut browser::look(&script, &asked));
    let mut output = BufReader::new(looking.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    if let Some(digits) = line.trim().strip_prefix("digits ") {
        verb(&["device", "approve", "--data", &data, "owner", digits]);
    }
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("UTF-8");
    let ended = looking.ended();
    assert!(ended.status.success(), "{line}{rest}{}\n{}", text(&ended.stderr), host.stop());
    let found = parse(rest.trim());
    for kind in ["elsewhere", "complaints", "attacked", "violations"] {
        assert_eq!(found[kind], json!([]), "{kind}");
    }
    for done in ["home", "renamed", "again", "ended"] {
        assert_eq!(found[done], true, "{done}: {found}");
    }
    assert_eq!(found["marks"], 0, "no script ran");
    assert!(found["signatures"].as_u64() >= Some(1), "{found}");
    assert!(found["diary"].as_str().expect("a text").contains("5 trips"), "{found}");
    // The operator's street map, in parts.
    assert_eq!(found["map"], "Map: © the test");
    let parts = found["parts"].as_array().expect("answers");
    assert!(parts.len() >= 2 && parts.iter().all(|status| status == 206), "{found}");
    assert!(found["settings"].as_str().expect("a text").contains(SCRIPT), "{found}");
    let devices = verb(&["device", "list", "--data", &data, "owner"]);
    assert_eq!(devices[0]["name"], "renamed in the browser");
    let log = host.stop();
    let code = window["code"].as_str().expect("a code");
    assert!(!log.contains(code) && log.contains("a browser has signed in"), "{log}");
}

/// The certificate that the host shows at a name, as PEM; `None`: there is no program to ask with.
fn shown_at(port: u16, name: &str) -> Option<String> {
    let asked = Command::new("openssl")
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-servername", name])
        .stdin(Stdio::null())
        .output();
    let told = text(&asked.ok()?.stdout).replace('\r', "");
    let (begin, end) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
    let body = told.split_once(begin).and_then(|(_, rest)| rest.split_once(end)).map_or("", |(body, _)| body);
    Some(format!("{begin}{body}{end}"))
}

#[test]
fn a_hangup_shows_another_certificate_at_peoples_names_and_a_key_that_does_not_fit_stops_a_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let [data, config, certificate, key] =
        ["data", "cellar.toml", "web.crt", "web.key"].map(|name| within(folder.path(), name));
    let renew = |name: &str| {
        let made = folder.path().join(name);
        Identity::load_or_make(&made, &["*.localhost".to_owned()]).expect("made");
        fs::copy(made.join("host.crt"), &certificate).expect("copied");
        fs::copy(made.join("host.tls.key"), &key).expect("copied");
        fs::read_to_string(&certificate).expect("PEM").replace('\r', "").trim().to_owned()
    };
    let first = renew("first");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let settings =
        format!("public_address = 'localhost:{port}'\n[web]\ncertificate = '{certificate}'\nkey = '{key}'\n");
    fs::write(&config, settings).expect("written");
    let host = serve_at(&data, &format!("127.0.0.1:{port}"), &["--config", &config]);
    let address = verb(&["open", "owner", "--data", &data, "--address"])["address"].clone();
    let name = address.as_str().and_then(|text| text.strip_prefix("https://")?.split(':').next());
    let name = name.expect("a name").to_owned();
    let Some(shown) = shown_at(port, &name) else {
        println!("SKIPPED: no openssl to ask a host for its certificate");
        return;
    };
    assert_eq!(shown, first);
    let second = renew("second");
    assert_ne!(second, first);
    kill_process(Pid::from_child(&host.child), Signal::HUP).expect("it runs");
    until("the new certificate is shown", || shown_at(port, &name).as_ref() == Some(&second));
    host.stop();
    fs::copy(folder.path().join("first/host.tls.key"), &key).expect("copied");
    let why = refused(&["serve", "--data", &data, "--config", &config]);
    assert!(why.contains("web.key"), "{why}");
}
