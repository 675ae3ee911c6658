//! A person's page at their own name, as a browser with an authenticator opens it where node and Chromium are there.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use data_encoding::{BASE64, HEXLOWER};
use runtime_wire::tls::Identity;
use serde_json::json;

use super::page::{SCRIPT, browser};
use crate::support::binary::{json as verb, pair, parse, serve_at, text, within, write_day};

#[test]
fn attack_200_a_browser_makes_a_passkey_signs_in_and_out_and_steps_up_and_no_name_runs_as_a_script() {
    let Some((look, chromium)) = browser() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let [data, state, day, config, web] =
        ["data", "phone", "day.json", "cellar.toml", "web"].map(|name| within(folder.path(), name));
    write_day(Path::new(&day));
    let identity =
        Identity::load_or_make(Path::new(&web), &["*.localhost".to_owned()]).expect("a certificate");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let settings = format!(
        "public_address = 'localhost:{port}'\n[web]\ncertificate = '{web}/host.crt'\nkey = '{web}/host.tls.key'\n"
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
    let mut looking = Command::new("node")
        .arg(look.with_file_name("passkey.mjs"))
        .arg(asked.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut output = BufReader::new(looking.stdout.take().expect("piped"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    if let Some(digits) = line.trim().strip_prefix("digits ") {
        verb(&["device", "approve", "--data", &data, "owner", digits]);
    }
    let mut rest = String::new();
    output.read_to_string(&mut rest).expect("UTF-8");
    let ended = looking.wait_with_output().expect("it ends");
    assert!(ended.status.success(), "{line}{rest}{}\n{}", text(&ended.stderr), host.stop());
    let found = parse(rest.trim());
    for kind in ["elsewhere", "complaints", "attacked"] {
        assert_eq!(found[kind], json!([]), "{kind}");
    }
    for done in ["home", "renamed", "again", "ended"] {
        assert_eq!(found[done], true, "{done}: {found}");
    }
    assert_eq!(found["marks"], 0, "no script ran");
    assert!(found["signatures"].as_u64() >= Some(1), "{found}");
    assert!(found["diary"].as_str().expect("a text").contains("5 trips"), "{found}");
    assert!(found["settings"].as_str().expect("a text").contains(SCRIPT), "{found}");
    let devices = verb(&["device", "list", "--data", &data, "owner"]);
    assert_eq!(devices[0]["name"], "renamed in the browser");
    let log = host.stop();
    let code = window["code"].as_str().expect("a code");
    assert!(!log.contains(code) && log.contains("a browser has signed in"), "{log}");
}
