//! Attacks on the page at a person's own name, 74, 170, 172, 174 and 194 to 209 of the list: what the attacker gets.

use std::path::PathBuf;
use std::sync::Arc;

use crate::support::browser::{Answer, Browser, challenge};
use crate::support::cloud::{Cloud, start};

use data_encoding::BASE64URL_NOPAD;
use handshake::encoding::KeyKind;
use runtime_host::admin::{Ask, Context, ExportPerson, ImportPerson, PhoneAddress};
use runtime_host::http::service::epoch_ms;
use runtime_host::port::PageFiles;
use runtime_host::port::web::{CODES_PER_MINUTE_MAX, VISITS_PER_MINUTE_MAX};
use runtime_map::{MAP_PATH, MapFile, TileServer};
use runtime_passkey::Site;
use runtime_passkey::testing::Authenticator;
use runtime_user::UserId;
use runtime_wire::tls::Identity;
use serde_json::{Value, json};

async fn home() -> (Cloud, UserId) {
    let cloud = start().await;
    let user = cloud.add("Ada");
    cloud.pair(user).await;
    (cloud, user)
}

fn status() -> Value {
    json!({ "command": "status" })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_74_a_passkey_for_another_site_lets_nobody_in() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let (name, origin) = (browser.name.clone(), browser.origin.clone());
    let parent = name.split_once('.').expect("a label").1.to_owned();
    let sibling = format!("x{}", &name[1..]);
    for (name, origin) in [
        (parent.as_str(), origin.as_str()),
        (sibling.as_str(), origin.as_str()),
        (name.as_str(), "https://phisher.example"),
        (name.as_str(), &format!("{origin}:9443")),
        (name.as_str(), &origin.replace("https", "http")),
    ] {
        let challenge = browser.begin_sign_in().await;
        let assertion = browser.passkey.assert(Site { name, origin }, &challenge);
        assert_eq!(
            browser.post("/api/sign-in", &assertion).await.code(),
            (403, "bad-passkey"),
            "{name} {origin}"
        );
    }
    browser.sign_in().await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_194_a_call_of_another_page_or_of_none_is_refused_whatever_cookies_come_with_it() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let (name, origin, cookies) = (browser.name.clone(), browser.origin.clone(), browser.cookie_header());
    let token = format!("x-cellar-token: {}\r\n", browser.token);
    let json = "content-type: application/json\r\n";
    let from = |origin: &str| format!("origin: {origin}\r\n");
    let right = from(&origin);
    let headers = [
        // Other pages, as a browser names them; a page without an origin; no browser at all.
        format!("{}{token}{json}", from("https://evil.example")),
        format!("{}{token}{json}", from("null")),
        format!("{}{token}{json}", from(&format!("{origin}:9443"))),
        format!("{}{token}{json}", from(&format!("{origin}.evil.example"))),
        format!("{}{token}{json}", from(&origin.replace("https", "http"))),
        format!("{token}{json}"),
        format!("{right}{right}{token}{json}"),
        // The browser says that another site made it send this.
        format!("{right}{token}{json}sec-fetch-site: same-site\r\n"),
        format!("{right}{token}{json}sec-fetch-site: cross-site\r\n"),
        // What a form of another page can send.
        format!("{right}{token}content-type: text/plain\r\n"),
        format!("{right}{token}content-type: application/x-www-form-urlencoded\r\n"),
        format!("{right}{token}"),
    ];
    for path in ["/api/ask", "/api/sign-in/begin", "/api/sign-out", "/api/first"] {
        for more in &headers {
            let headers = format!("host: {name}\r\n{cookies}{more}");
            let answer = browser.send("POST", path, &headers, status().to_string().as_bytes()).await;
            assert_eq!(answer.code(), (403, "wrong-origin"), "{path}: {more}");
            assert!(!answer.head.contains("access-control-allow"), "{}", answer.head);
        }
    }
    let options = browser.send("OPTIONS", "/api/ask", &format!("host: {name}\r\n{right}"), b"").await;
    assert_eq!(options.status, 405);
    assert!(!options.head.contains("access-control-allow"), "{}", options.head);
    browser.status().await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_195_a_cookie_without_the_pages_token_or_one_that_a_sibling_has_set_is_nothing() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let (cookies, token) = (browser.cookies.clone(), browser.token.clone());
    browser.token = String::new();
    assert_eq!(browser.status().await.code(), (401, "outside"));
    browser.token = "x".repeat(43);
    assert_eq!(browser.status().await.code(), (401, "outside"));
    browser.token.clone_from(&token);
    // A page of `evil.<host>` sets a cookie for `<host>`; the prefix keeps the true one apart from it.
    browser.cookies = vec![("__Host-cellar".to_owned(), "planted".to_owned())];
    assert_eq!(browser.status().await.code(), (401, "outside"));
    browser.cookies.extend(cookies.clone());
    assert_eq!(browser.status().await.status, 200, "a second cookie shuts nobody out");
    browser.cookies = cookies;
    let answer = browser.sign_in().await;
    let set: Vec<&str> =
        answer.head.lines().filter(|line| line.starts_with("set-cookie: __host-cellar=")).collect();
    assert_eq!(set.len(), 1, "{}", answer.head);
    for attribute in ["; path=/", "; secure", "; httponly", "; samesite=strict"] {
        assert!(set[0].contains(attribute), "{attribute}: {}", set[0]);
    }
    assert!(!set[0].contains("domain"), "{}", set[0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_196_no_answer_at_a_persons_name_may_be_framed_kept_or_read_by_another_page() {
    let (cloud, user) = home().await;
    cloud.front.bring_page(PageFiles { find: one_file, map: None });
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let answers = [
        browser.get("/").await,
        browser.get("/assets/none.js").await,
        browser.status().await,
        browser.post("/api/ask", &json!([])).await,
        browser.get("/api/ask").await,
        browser.post("/api/sign-in", &json!({})).await,
    ];
    for Answer { head, .. } in answers {
        for header in [
            "frame-ancestors 'none'",
            "x-frame-options: deny",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cross-origin-resource-policy: same-origin",
            "strict-transport-security: max-age=",
        ] {
            assert!(head.contains(header), "{header}: {head}");
        }
        assert!(!head.contains("unsafe-inline") && !head.contains("access-control"), "{head}");
        assert!(head.contains("cache-control: no-store") || head.starts_with("http/1.1 200"), "{head}");
    }
}

/// A page of one file.
fn one_file(
    path: &str,
    _: &hyper::HeaderMap,
    tiles: Option<&TileServer>,
) -> Option<hyper::Response<bytes::Bytes>> {
    let page = || {
        let mut page = hyper::Response::new(bytes::Bytes::from_static(b"<!doctype html>"));
        page.headers_mut().insert("x-content-type-options", "nosniff".parse().unwrap());
        if let Some(tiles) = tiles {
            page.headers_mut().insert("x-tiles", tiles.origin().parse().unwrap());
        }
        page
    };
    (path == "/" || path == "/assets/one.js").then(page)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_197_an_assertion_counts_once_for_one_call_of_one_session() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let forget = |year: u32| {
        let (from, to) = (format!("{year}-01-01"), format!("{year}-02-01"));
        json!({ "command": "forget", "from": from, "to": to, "keys": [] })
    };
    let header = browser.stepped("/api/ask", &forget(2001)).await;
    let refused = (403, "step-up");
    assert_eq!(browser.post_with("/api/ask", &forget(2002), &header).await.code(), refused, "another call");
    assert_eq!(
        browser.post_with("/api/ask", &forget(2001), &header).await.code(),
        refused,
        "it is used up by that"
    );
    let header = browser.stepped("/api/ask", &forget(2001)).await;
    browser.post_with("/api/ask", &forget(2001), &header).await.ok();
    assert_eq!(
        browser.post_with("/api/ask", &forget(2001), &header).await.code(),
        refused,
        "it is done once"
    );
    // Given for one path, shown at another.
    let header = browser.stepped("/api/passkeys/begin", &forget(2001)).await;
    assert_eq!(browser.post_with("/api/ask", &forget(2001), &header).await.code(), refused);
    // An assertion that let somebody in is none for a call.
    let challenge = browser.begin_sign_in().await;
    let assertion = browser.assertion(&challenge).to_string();
    let header = format!("x-cellar-assertion: {}\r\n", BASE64URL_NOPAD.encode(assertion.as_bytes()));
    assert_eq!(browser.post_with("/api/ask", &forget(2001), &header).await.code(), refused);
    // In another session of the same person.
    let header = browser.stepped("/api/ask", &forget(2001)).await;
    let before = (browser.cookies.clone(), browser.token.clone());
    browser.sign_in().await.ok();
    assert_eq!(browser.post_with("/api/ask", &forget(2001), &header).await.code(), refused);
    (browser.cookies, browser.token) = before;
    browser.post_with("/api/ask", &forget(2001), &header).await.ok();
    // By somebody else's passkey.
    let asked = json!({ "path": "/api/ask", "body": forget(2001).to_string() });
    let told = browser.post("/api/step-up", &asked).await.ok();
    let mut stranger = Authenticator::new(KeyKind::P256);
    stranger.id.clone_from(&browser.passkey.id);
    let assertion = stranger.assert(browser.site(), &crate::support::browser::challenge(&told["challenge"]));
    let header =
        format!("x-cellar-assertion: {}\r\n", BASE64URL_NOPAD.encode(assertion.to_string().as_bytes()));
    assert_eq!(browser.post_with("/api/ask", &forget(2001), &header).await.code(), (403, "bad-passkey"));
    for header in ["x-cellar-assertion: \r\n", "x-cellar-assertion: e30\r\n", "x-cellar-assertion: {}\r\n"] {
        assert_eq!(browser.post_with("/api/ask", &forget(2001), header).await.code(), refused, "{header}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_198_a_cookie_that_was_there_before_the_sign_in_becomes_no_session() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let old = (browser.cookies.clone(), browser.token.clone());
    browser.post("/api/sign-out", &json!({})).await.ok();
    browser.cookies.push(("__Host-cellar".to_owned(), "chosen-by-the-attacker".to_owned()));
    browser.sign_in().await.ok();
    let (cookies, token) = (browser.cookies.clone(), browser.token.clone());
    let session = cookies.iter().find(|(name, _)| name == "__Host-cellar").expect("a session");
    assert!(session.1 != "chosen-by-the-attacker" && !old.0.contains(session) && token != old.1);
    browser.cookies = vec![("__Host-cellar".to_owned(), "chosen-by-the-attacker".to_owned())];
    assert_eq!(browser.status().await.code(), (401, "outside"));
    (browser.cookies, browser.token) = old;
    assert_eq!(browser.status().await.code(), (401, "outside"), "what was signed out stays out");
    // Nor does the cookie of somebody who has not signed in.
    browser.begin_sign_in().await;
    let entry =
        browser.cookies.iter().find(|(name, _)| name == "__Host-cellar-entry").expect("set").1.clone();
    (browser.cookies, browser.token) = (vec![("__Host-cellar".to_owned(), entry)], token);
    assert_eq!(browser.status().await.code(), (401, "outside"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_199_no_path_at_a_persons_name_leads_to_another_file_or_another_server() {
    let (cloud, user) = home().await;
    cloud.front.bring_page(PageFiles { find: one_file, map: None });
    let mut browser = Browser::open(&cloud, user).await;
    assert_eq!(browser.get("/").await.status, 200);
    assert_eq!(browser.get("/assets/one.js").await.status, 200);
    for path in [
        "/assets/../../host.key",
        "/assets/..%2f..%2fhost.key",
        "/assets/%2e%2e/%2e%2e/etc/passwd",
        "/assets//etc/passwd",
        "/assets/one.js/",
        "/assets/one.js%00",
        "/assets/",
        "//evil.example/",
        "/%2f%2fevil.example",
        "/\\evil.example",
        "/?next=https://evil.example",
        "/assets/?to=//evil.example",
        "/api/ask/../sessions",
        "/api/passkeys/../../etc",
    ] {
        let answer = browser.get(path).await;
        assert!(
            !(300..400).contains(&answer.status) && !answer.head.contains("location:"),
            "{path}: {}",
            answer.head
        );
        // Nothing but the page itself: what stands behind `?` is not looked at.
        assert!(
            answer.bytes == b"<!doctype html>" && path.starts_with("/?") || answer.status >= 400,
            "{path}"
        );
    }
    for host in ["evil.example", "localhost", "127.0.0.1", ""] {
        let answer = browser.send("GET", "/", &format!("host: {host}\r\n"), b"").await;
        assert_eq!(answer.code(), (421, "wrong-authority"), "{host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_201_an_assertion_lets_in_once_and_only_the_browser_that_asked() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let refused = (403, "bad-passkey");
    let challenge = browser.begin_sign_in().await;
    let assertion = browser.assertion(&challenge);
    let entry = browser.cookies.clone();
    let mut thief = Browser::open(&cloud, user).await;
    thief.begin_sign_in().await;
    assert_eq!(thief.post("/api/sign-in", &assertion).await.code(), refused, "another browser's challenge");
    browser.post("/api/sign-in", &assertion).await.ok();
    thief.cookies.clone_from(&entry);
    assert_eq!(thief.post("/api/sign-in", &assertion).await.code(), refused, "again, with its cookie, too");
    // A challenge that nobody gave, or that the attacker has made longer.
    let mut made = challenge;
    made[..8].copy_from_slice(&(epoch_ms() + 86_400_000).to_be_bytes());
    for challenge in [made, [7; 32]] {
        let assertion = browser.assertion(&challenge);
        browser.cookies.clone_from(&entry);
        assert_eq!(browser.post("/api/sign-in", &assertion).await.code(), refused);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_202_a_code_makes_one_passkey_and_wrong_ones_end_it() {
    let (cloud, user) = home().await;
    let invitation = cloud.open_window(user).await;
    let code = invitation.typed.as_ref().expect("typing is offered").to_string();
    let mut thief = Browser::open(&cloud, user).await;
    let mut browser = Browser::open(&cloud, user).await;
    let claim = |code: &str| json!({ "code": code });
    browser.post("/api/first", &claim(&code)).await.ok();
    assert_eq!(thief.post("/api/first", &claim(&code)).await.code(), (409, "code-claimed"));
    assert_eq!(
        thief.post("/api/first/wait", &json!({})).await.code(),
        (410, "code-over"),
        "it is not the one"
    );
    // Nobody makes a passkey before the owner has said yes, and nobody but that browser after it.
    let early = json!({ "registration": browser.passkey.register(browser.site(), &[0; 32]), "name": "x" });
    assert_eq!(browser.post("/api/first/add", &early).await.code(), (410, "code-over"));
    cloud.runtime.pairing().answer(user, invitation.window, true, epoch_ms()).expect("answered");
    let told = browser.post("/api/first/wait", &json!({})).await.ok();
    let challenge = challenge(&told["create"]["challenge"]);
    let add = json!({ "registration": thief.passkey.register(thief.site(), &challenge), "name": "thief" });
    assert_eq!(thief.post("/api/first/add", &add).await.code(), (410, "code-over"));
    let add = json!({ "registration": browser.passkey.register(browser.site(), &challenge), "name": "own" });
    browser.post("/api/first/add", &add).await.ok();
    assert_eq!(browser.post("/api/first/add", &add).await.code(), (410, "code-over"), "once");
    assert_eq!(
        browser.post("/api/first", &claim(&code)).await.code(),
        (410, "code-over"),
        "the window is used up"
    );
    // Guesses are counted by the window itself, from wherever they come.
    let invitation = cloud.open_window(user).await;
    let code = invitation.typed.as_ref().expect("typing is offered").to_string();
    let mut refusals = Vec::new();
    for number in 0..6 {
        let mut guesser = Browser::open_from([127, 0, 10 + number, 1], &cloud, user).await;
        refusals.push(guesser.post("/api/first", &claim(&guess(&code))).await.code().1.to_owned());
    }
    assert_eq!(refusals, ["wrong-code", "wrong-code", "wrong-code", "wrong-code", "wrong-code", "code-over"]);
    let mut late = Browser::open_from([127, 0, 30, 1], &cloud, user).await;
    assert_eq!(
        late.post("/api/first", &claim(&code)).await.code(),
        (410, "code-over"),
        "the right one is too late"
    );
    // One source may not even try that often.
    let mut guesser = Browser::open_from([127, 0, 40, 1], &cloud, user).await;
    for _ in 0..CODES_PER_MINUTE_MAX {
        guesser.post("/api/first", &claim(&code)).await;
    }
    assert_eq!(guesser.post("/api/first", &claim(&code)).await.code(), (429, "too-often"));
}

/// Another code with the same first part.
fn guess(code: &str) -> String {
    loop {
        let random = ring::rand::SystemRandom::new();
        let other = handshake::encoding::TypedCode::random(&random).expect("randomness").reveal();
        let mixed = format!("{}{}", &code[..4], &other[4..]);
        if handshake::encoding::TypedCode::parse(&mixed).is_ok() {
            return mixed;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_203_a_session_and_a_passkey_count_at_their_persons_name_alone() {
    let (cloud, user) = home().await;
    let other = cloud.add("Bob");
    cloud.pair(other).await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let mut bobs = Browser::open(&cloud, other).await;
    (bobs.cookies, bobs.token) = (browser.cookies.clone(), browser.token.clone());
    assert_eq!(bobs.status().await.code(), (401, "outside"));
    let challenge = bobs.begin_sign_in().await;
    let assertion = browser.passkey.assert(bobs.site(), &challenge);
    assert_eq!(bobs.post("/api/sign-in", &assertion).await.code(), (403, "bad-passkey"));
    // The body names nobody else, either.
    for person in ["Bob".to_owned(), other.dashed()] {
        let command = json!({ "command": "status", "person": person });
        assert_eq!(browser.post("/api/ask", &command).await.code(), (400, "bad-command"));
    }
    let shown = browser.status().await.ok();
    assert_eq!(shown["Ok"]["id"], json!(user.dashed()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_204_a_session_ends_with_its_passkey_and_with_the_lock_and_comes_back_with_neither() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let file = cloud.pair(user).await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    cloud.lock(user).await;
    assert_eq!(browser.status().await.code(), (401, "outside"));
    assert_eq!(browser.post("/api/sign-in/begin", &json!({})).await.code(), (423, "store-locked"));
    cloud.connect(file).await;
    assert_eq!(browser.status().await.code(), (401, "outside"), "opened again by a phone");
    browser.sign_in().await.ok();
    cloud.runtime.people().suspend(user, true).expect("suspended");
    assert_eq!(browser.status().await.code(), (401, "outside"));
    cloud.runtime.people().suspend(user, false).expect("back");
    browser.sign_in().await.ok();
    let id = json!({ "id": BASE64URL_NOPAD.encode(&browser.passkey.id) });
    browser.post_stepped("/api/passkeys/remove", &id).await.ok();
    assert_eq!(browser.status().await.code(), (401, "outside"));
    assert_eq!(browser.sign_in().await.code(), (403, "bad-passkey"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_206_a_passkey_that_was_copied_or_whose_user_was_not_verified_lets_nobody_in() {
    let (cloud, user) = home().await;
    let mut browser = Browser::open(&cloud, user).await;
    browser.passkey.counter = 9;
    browser.first(&cloud, user).await;
    browser.sign_in().await.ok();
    let right = browser.passkey.counter;
    browser.passkey.counter = right - 1;
    assert_eq!(browser.sign_in().await.code(), (403, "bad-passkey"), "the counter stood still");
    browser.passkey.counter = right;
    browser.passkey.flags = 0x01;
    assert_eq!(
        browser.sign_in().await.code(),
        (403, "bad-passkey"),
        "somebody was there, and nobody asked who"
    );
    browser.passkey.flags = 0x05;
    browser.sign_in().await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_207_who_asks_again_and_again_without_a_session_is_held_up_and_the_owner_is_not() {
    let (cloud, user) = home().await;
    let mut browser = Browser::open_from([127, 0, 50, 1], &cloud, user).await;
    browser.first(&cloud, user).await;
    let mut stranger = Browser::open(&cloud, user).await;
    let mut codes = Vec::new();
    for _ in 0..=VISITS_PER_MINUTE_MAX {
        codes.push(stranger.post("/api/sign-in", &json!({})).await.status);
    }
    assert!(codes[..10].iter().all(|status| *status == 400), "{codes:?}");
    assert_eq!(codes.last(), Some(&429));
    let huge = "x".repeat(200 * 1024);
    browser.status().await.ok();
    browser.sign_in().await.ok();
    assert_eq!(browser.post("/api/ask", &json!({ "command": huge })).await.code(), (413, "bad-body"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_208_a_session_gives_no_command_that_names_a_file_or_is_the_command_lines() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let target = tempfile::tempdir().expect("a folder");
    let file = target.path().join("out");
    // What cannot be undone is a command of the page, with a fresh assertion alone.
    assert_eq!(browser.post("/api/ask", &json!({ "command": "erase" })).await.code(), (403, "step-up"));
    for command in [
        json!({ "command": "export", "output": file }),
        json!({ "command": "export-diary", "format": "csv", "from": null, "to": null, "output": file }),
        json!({ "command": "suspend", "suspended": true }),
        json!({ "command": "cell-install", "package": file, "agreed": true }),
        json!({ "command": "recover-begin" }),
        json!({ "command": "roster-unsigned" }),
        json!({ "command": "token", "revoke_others": true, "study": null }),
    ] {
        let header = browser.stepped("/api/ask", &command).await;
        let answer = browser.post_with("/api/ask", &command, &header).await;
        assert!(
            matches!(answer.code(), (403, "not-here") | (400, "bad-command")),
            "{command}: {}",
            answer.body
        );
    }
    assert!(!file.exists());
    assert_eq!(browser.post("/api/open", &json!({})).await.code(), (423, "store-locked"));
    browser.status().await.ok();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_205_a_passkey_leaves_in_no_export_and_comes_with_no_import_and_no_file() {
    let (cloud, user) = home().await;
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("ada.json");
    let id = BASE64URL_NOPAD.encode(&browser.passkey.id);
    let (runtime, to) = (Arc::clone(&cloud.runtime), output.clone());
    let ask = move |input: Option<PathBuf>| {
        let pin = Identity::load_or_make(&runtime.settings().data, &[]).unwrap().pin();
        let phone_address = PhoneAddress { address: "127.0.0.1:1".to_owned(), pin };
        let context = Context { runtime: &runtime, phone_address: &phone_address };
        match input {
            None => ExportPerson { person: "Ada".to_owned(), output: to.clone() }.answer(&context).map(drop),
            Some(input) => ImportPerson { into: Some("Ada".to_owned()), input }.answer(&context).map(drop),
        }
    };
    let ask = Arc::new(ask);
    let exports = Arc::clone(&ask);
    tokio::task::spawn_blocking(move || exports(None)).await.unwrap().unwrap();
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(text.contains("\"documents\"") && !text.contains(&id) && !text.contains("runtime/passkeys"));
    // Somebody writes their own into what an owner imports.
    let planted = Authenticator::new(KeyKind::P256);
    let document = json!([{
        "credential": { "id": BASE64URL_NOPAD.encode(&planted.id), "key": planted.key, "counter": 0 },
        "name": "planted", "added_ms": 1, "used_ms": 1,
    }]);
    let with = text.replacen(
        "\"documents\":{",
        &format!("\"documents\":{{\"runtime/passkeys\":{{\"json\":{document}}},"),
        1,
    );
    let input = folder.path().join("planted.json");
    std::fs::write(&input, with).unwrap();
    assert!(runtime_user::is_private_document("runtime/passkeys"));
    let imports = Arc::clone(&ask);
    // Whether the rest is taken or not, this document is not.
    let _ = tokio::task::spawn_blocking(move || imports(Some(input))).await.unwrap();
    let known = browser.post("/api/passkeys", &json!({})).await.ok();
    assert_eq!((known.as_array().map(Vec::len), &known[0]["id"]), (Some(1), &json!(id)));
    let own = std::mem::replace(&mut browser.passkey, planted);
    assert_eq!(browser.sign_in().await.code(), (403, "bad-passkey"));
    browser.passkey = own;
    browser.sign_in().await.ok();
    // Nor is a passkey in any file of the folder that can be read or written without the data key.
    let mut seen = 0;
    let mut folders = vec![cloud.folder_of(user)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            let has = |text: &[u8]| bytes.windows(text.len()).any(|part| part == text);
            assert!(!has(id.as_bytes()) && !has(&browser.passkey.id), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen > 3, "{seen} files");
}

/// A map: the header of a PMTiles file and a root directory without tiles.
fn map() -> Arc<MapFile> {
    let mut bytes = vec![0; 128];
    bytes[..8].copy_from_slice(b"PMTiles\x03");
    (bytes[8], bytes[16], bytes[24], bytes[40], bytes[56]) = (127, 1, 128, 128, 128);
    bytes[97..102].copy_from_slice(&[1, 1, 1, 0, 14]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    Arc::new(MapFile::open(file.path()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_170_172_the_operators_map_is_read_in_bounded_parts_by_a_session_alone() {
    let (cloud, user) = home().await;
    cloud.front.bring_page(PageFiles { find: one_file, map: Some(map()) });
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let (name, token, cookies) = (browser.name.clone(), browser.token.clone(), browser.cookie_header());
    let host = format!("host: {name}\r\n");
    let token = format!("x-cellar-token: {token}\r\n");
    let range = "range: bytes=0-6\r\n";
    let answer = browser.send("GET", MAP_PATH, &format!("{host}{cookies}{token}{range}"), b"").await;
    assert_eq!((answer.status, &answer.bytes[..]), (206, &b"PMTiles"[..]));
    assert!(answer.head.contains("cache-control: no-store") && answer.head.contains("x-frame-options"));
    for (headers, status) in [
        (format!("{host}{cookies}{range}"), 401),
        (format!("{host}{token}{range}"), 401),
        (format!("{host}{range}"), 401),
        (format!("{host}{cookies}{token}{range}sec-fetch-site: cross-site\r\n"), 403),
        (format!("{host}{cookies}{token}{range}sec-fetch-site: same-site\r\n"), 403),
        (format!("{host}{cookies}{token}{range}origin: https://evil.example\r\n"), 403),
        (format!("host: evil.example\r\n{cookies}{token}{range}"), 421),
        (format!("{host}{cookies}{token}"), 416),
        (format!("{host}{cookies}{token}range: bytes=0-1,0-1\r\n"), 416),
        (format!("{host}{cookies}{token}range: bytes=0-9999999\r\n"), 416),
        (format!("{host}{cookies}{token}range: bytes=128-129\r\n"), 416),
    ] {
        let answer = browser.send("GET", MAP_PATH, &headers, b"").await;
        assert_eq!(answer.status, status, "{headers}");
        assert!(!answer.head.contains("access-control-allow"), "{}", answer.head);
    }
    let right = format!("{host}{cookies}{token}{range}");
    for path in ["/map.pmtiles/..", "/map.pmtiles%00", "//map.pmtiles", "/assets/../map.pmtiles"] {
        let answer = browser.send("GET", path, &right, b"").await;
        assert!(answer.status >= 400, "{path}");
    }
    assert_eq!(browser.send("POST", MAP_PATH, &right, b"").await.status, 405);
    // Another person's session counts at their own name alone.
    let other = cloud.add("Bob");
    cloud.pair(other).await;
    let mut stranger = Browser::open(&cloud, other).await;
    let headers = format!("host: {}\r\n{cookies}{token}{range}", stranger.name);
    assert_eq!(stranger.send("GET", MAP_PATH, &headers, b"").await.code(), (401, "outside"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_174_a_tile_server_is_allowed_with_a_passkey_for_one_session_and_named_to_no_other_browser() {
    let (cloud, user) = home().await;
    cloud.front.bring_page(PageFiles { find: one_file, map: None });
    let mut browser = Browser::with_passkey(&cloud, user).await;
    let path = "/api/tile-server";
    let allow = json!({ "origin": "https://tiles.example" });
    assert_eq!(browser.post(path, &allow).await.code(), (403, "step-up"));
    let header = browser.stepped(path, &json!({ "origin": "https://other.example" })).await;
    assert_eq!(browser.post_with(path, &allow, &header).await.code(), (403, "step-up"), "another server");
    for bad in ["https://tiles.example; script-src *", "*", "http://tiles.example"] {
        let bad = json!({ "origin": bad });
        assert_eq!(browser.post(path, &bad).await.code(), (400, "bad-body"));
    }
    assert!(!browser.get("/").await.head.contains("x-tiles"));
    let header = browser.stepped(path, &allow).await;
    browser.post_with(path, &allow, &header).await.ok();
    assert_eq!(
        browser.post("/api/about", &json!({})).await.ok()["tile_server"],
        json!("https://tiles.example")
    );
    assert!(browser.get("/").await.head.contains("x-tiles: https://tiles.example"));
    assert!(!browser.get("/assets/one.js").await.head.contains("x-tiles"), "the page alone has a policy");
    let mut other = Browser::open(&cloud, user).await;
    assert!(!other.get("/").await.head.contains("x-tiles"), "a browser without the session");
    // It goes without a signature, and with the session.
    browser.post(path, &json!({ "origin": null })).await.ok();
    assert!(!browser.get("/").await.head.contains("x-tiles"));
    let header = browser.stepped(path, &allow).await;
    browser.post_with(path, &allow, &header).await.ok();
    let before = browser.cookies.clone();
    browser.post("/api/sign-out", &json!({})).await.ok();
    browser.cookies = before;
    assert!(!browser.get("/").await.head.contains("x-tiles"), "the session has ended");
}
