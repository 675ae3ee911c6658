//! Attacks on files that a page hands in and on recovery words, 175 to 177 of the list: what the attacker gets.

use std::sync::Arc;

use crate::support::browser::{Answer, Browser};
use crate::support::cloud::{Cloud, start};

use data_encoding::BASE64;
use runtime_phone::PhoneFile;
use runtime_user::{PARCEL_BYTES_MAX, PARCEL_PART_BYTES, UserId};
use serde_json::{Value, json};

/// Somebody with a phone and an open store.
async fn home(cloud: &Cloud, name: &str) -> (UserId, PhoneFile) {
    let user = cloud.add(name);
    (user, cloud.pair(user).await)
}

async fn ask(browser: &mut Browser, command: Value) -> Answer {
    browser.post("/api/ask", &command).await
}

/// The answer of a command that was carried out.
async fn told(browser: &mut Browser, command: Value) -> Value {
    let mut answer = ask(browser, command).await.ok();
    assert!(answer["Ok"].is_object(), "{answer}");
    answer["Ok"].take()
}

/// What a command that was refused says.
async fn why(browser: &mut Browser, command: Value) -> String {
    let answer = ask(browser, command).await.ok();
    answer["Err"]["what"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn begin(bytes: u64) -> Value {
    json!({ "command": "parcel-begin", "name": "track.gpx", "bytes": bytes })
}

fn add(parcel: &Value, at: usize, part: &[u8]) -> Value {
    json!({ "command": "parcel-add", "parcel": parcel, "at": at, "part": BASE64.encode(part) })
}

fn import(parcel: &Value, dry_run: bool) -> Value {
    json!({ "command": "import-begin", "files": [{ "parcel": parcel }], "format": null, "zone": null, "dry_run": dry_run })
}

/// Hands in a file; gives its id.
async fn hand_in(browser: &mut Browser, content: &[u8]) -> Value {
    let parcel = told(browser, begin(content.len() as u64)).await["parcel"].take();
    for (index, part) in content.chunks(PARCEL_PART_BYTES).enumerate() {
        told(browser, add(&parcel, index * PARCEL_PART_BYTES, part)).await;
    }
    parcel
}

/// A track of so many points.
fn track(points: usize) -> Vec<u8> {
    let mut text = "<gpx version=\"1.1\"><trk><trkseg>".to_owned();
    for at in 0..points {
        let [minute, second] = [at / 60 % 60, at % 60];
        text.push_str(&format!(
            "<trkpt lat=\"47.5\" lon=\"8.{at:05}\"><time>2012-03-05T08:{minute:02}:{second:02}Z</time></trkpt>"
        ));
    }
    text.push_str("</trkseg></trk></gpx>");
    text.into_bytes()
}

async fn steps(browser: &mut Browser) -> Value {
    loop {
        let mut step = told(browser, json!({ "command": "import-step" })).await;
        if step["progress"]["ended"] == true {
            return step["progress"].take();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_175_a_file_that_was_handed_in_is_one_persons_sealed_bounded_and_gone_with_the_lock() {
    let cloud = start().await;
    let (ada, phone) = home(&cloud, "Ada").await;
    let (bob, _) = home(&cloud, "Bob").await;
    let mut browser = Browser::with_passkey(&cloud, ada).await;
    let mut other = Browser::with_passkey(&cloud, bob).await;
    let content = track(1_000);
    assert!(content.len() > 2 * PARCEL_PART_BYTES);

    // Larger than it may be, or than it says; out of order; twice; of another length; no base64.
    let large = why(&mut browser, begin(PARCEL_BYTES_MAX + 1)).await;
    assert!(large.contains("more than"), "{large}");
    let parcel = told(&mut browser, begin(PARCEL_PART_BYTES as u64 + 3)).await["parcel"].take();
    let (first, rest) = (vec![b'x'; PARCEL_PART_BYTES], b"abc");
    for (at, part) in [
        (PARCEL_PART_BYTES, rest.to_vec()),
        (0, rest.to_vec()),
        (0, [first.clone(), vec![b'x']].concat()),
        (1, first.clone()),
    ] {
        assert!(why(&mut browser, add(&parcel, at, &part)).await.contains("begins at 0"));
    }
    assert!(why(&mut browser, import(&parcel, true)).await.contains("0 of"));
    told(&mut browser, add(&parcel, 0, &first)).await;
    assert!(why(&mut browser, add(&parcel, 0, &first)).await.contains("begins at 32768"));
    told(&mut browser, add(&parcel, PARCEL_PART_BYTES, rest)).await;
    assert!(why(&mut browser, add(&parcel, PARCEL_PART_BYTES + 3, b"")).await.contains("0 bytes"));
    let odd = json!({ "command": "parcel-add", "parcel": parcel, "at": 0, "part": "?" });
    why(&mut browser, odd).await;

    // One person's, one at a time; and no file of the host.
    let mine = hand_in(&mut browser, &content).await;
    assert!(why(&mut browser, import(&parcel, true)).await.contains("no such file"));
    assert!(why(&mut other, import(&mine, true)).await.contains("no such file"));
    assert!(why(&mut other, add(&mine, 0, b"x")).await.contains("no such file"));
    told(&mut other, json!({ "command": "parcel-end", "parcel": mine })).await;
    let path = json!({ "command": "import-begin", "files": ["/etc/hostname"], "format": null, "zone": null, "dry_run": true });
    assert_eq!(ask(&mut browser, path).await.code(), (403, "not-here"));
    told(&mut browser, import(&mine, true)).await;
    assert_eq!(steps(&mut browser).await["points"], 1_000);

    // Nothing of it has a name on the disk.
    let mut files = vec![cloud.folder.path().to_owned()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(path.read_dir().unwrap().map(|entry| entry.unwrap().path()));
        } else if path.is_file() {
            let content = std::fs::read(&path).unwrap();
            assert!(!content.windows(6).any(|window| window == b"<trkpt"), "{}", path.display());
        }
    }

    // The lock takes it away, with the import that reads it, and another opening does not bring it back.
    told(&mut browser, import(&mine, true)).await;
    let runtime = Arc::clone(&cloud.runtime);
    let lock = move || {
        runtime.locks().lock(ada).unwrap();
        runtime.diaries().end_locked_intakes();
    };
    tokio::task::spawn_blocking(lock).await.unwrap();
    assert_eq!(ask(&mut browser, import(&mine, true)).await.code(), (401, "outside"));
    let _phone = cloud.connect(phone).await;
    browser.sign_in().await.ok();
    assert!(why(&mut browser, json!({ "command": "import-step" })).await.contains("no import"));
    assert!(why(&mut browser, import(&mine, true)).await.contains("no such file"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_176_what_was_handed_in_is_stored_or_installed_with_a_fresh_assertion_alone() {
    let cloud = start().await;
    let (ada, _) = home(&cloud, "Ada").await;
    let mut browser = Browser::with_passkey(&cloud, ada).await;
    let parcel = hand_in(&mut browser, &track(3)).await;
    let held = |name: &str| json!({ "command": name, "package": { "parcel": parcel }, "agreed": true });
    for command in [import(&parcel, false), held("cell-install"), held("cell-update")] {
        assert_eq!(ask(&mut browser, command.clone()).await.code(), (403, "step-up"), "{command}");
    }
    let is_empty = |cloud: &Cloud| {
        let person = cloud.runtime.person(ada).unwrap();
        let query = runtime_user::Query::everything(runtime_user::Area::Timeseries);
        let mut count = 0;
        person
            .store
            .snapshot()
            .find(&query)
            .unwrap()
            .visit(&mut |_| {
                count += 1;
                std::ops::ControlFlow::Continue(())
            })
            .unwrap();
        count == 0
    };
    // A look needs none, and changes nothing; no import is under way for whoever only steps.
    told(&mut browser, import(&parcel, true)).await;
    assert_eq!(steps(&mut browser).await["points"], 3);
    assert!(why(&mut browser, json!({ "command": "import-step" })).await.contains("no import"));
    let look = json!({ "command": "cell-install", "package": { "parcel": parcel }, "agreed": false });
    why(&mut browser, look).await;
    assert!(is_empty(&cloud), "a look stores nothing");
    // An assertion for one file is none for another.
    let header = browser.stepped("/api/ask", &import(&parcel, false)).await;
    let next = hand_in(&mut browser, &track(2)).await;
    assert_eq!(browser.post_with("/api/ask", &import(&next, false), &header).await.code(), (403, "step-up"));
    browser.post_stepped("/api/ask", &import(&next, false)).await.ok();
    assert_eq!(steps(&mut browser).await["points"], 2);
    assert!(!is_empty(&cloud), "its owner has agreed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_177_recovery_words_are_no_part_of_any_call_and_no_answer_repeats_them() {
    let cloud = start().await;
    let (ada, _) = home(&cloud, "Ada").await;
    let mut browser = Browser::with_passkey(&cloud, ada).await;
    let words = format!("{}art", "abandon ".repeat(23));
    for command in [
        json!({ "command": "phrase-check", "phrase": words }),
        json!({ "command": "phrase-check", "words": words }),
        json!({ "command": "phrase-check", "phrase": "", "words": words }),
    ] {
        let answer = browser.post_stepped("/api/ask", &command).await;
        assert_eq!(answer.code(), (400, "bad-command"));
        assert!(!answer.body.to_string().contains("abandon"), "{}", answer.body);
    }
    let phrase = handshake::keys::Phrase::parse(&words).unwrap().wrap_key();
    let check = json!({ "command": "phrase-check", "phrase": handshake::keys::Agree::public(&phrase) });
    assert_eq!(ask(&mut browser, check.clone()).await.code(), (403, "step-up"));
    let answer = browser.post_stepped("/api/ask", &check).await.ok();
    assert!(answer["Err"]["what"].as_str().unwrap().contains("no recovery phrase"), "{answer}");
}
