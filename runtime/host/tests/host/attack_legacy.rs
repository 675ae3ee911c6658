//! Attacks on what phones use that cannot pair, 67 to 71 of the list: what the attacker gets, and that nothing changed.

use crate::support::cloud;
use crate::support::sockets as wire;

use crate::support::caller::{HERE, as_of, caller, caller_of, legacy, value_of};
use cloud::{Cloud, Wish, everything, put_body, start_with};
use handshake::hello::Alert;
use handshake::token::{AppForm, Token};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use wire::{plain_hello, rest, told};

/// How many entries somebody has, as the host itself sees it.
async fn entries(cloud: &Cloud, token: &Token) -> usize {
    let mut caller = caller(cloud, [127, 0, 99, 1]).await;
    let query = as_of(token.reveal(), &everything());
    let head = format!(
        "POST /datastreams/find_entries/timestamp HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{query}",
        query.len()
    );
    caller.stream.write_all(head.as_bytes()).await.unwrap();
    let answer = String::from_utf8(rest(&mut caller.stream).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.matches("\"background/location\"").count()
}

/// A token that nobody has, told apart by its beginning.
fn guess(number: u32) -> String {
    format!("{number:08}{}", "7".repeat(30))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_104_two_authorization_headers_are_refused() {
    let cloud = legacy().await;
    let (_, ada) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (_, bob) = cloud.runtime.people().add("Bob", 0.0).unwrap();
    let header = |token: &Token| format!("authorization: Bearer {}\r\n", token.reveal());
    for (first, second) in [(&ada, &bob), (&bob, &ada), (&ada, &ada)] {
        let mut caller = caller(&cloud, [127, 0, 1, 1]).await;
        let answer = caller.post("/profile/get", &(header(first) + &header(second)), b"{}").await;
        assert_eq!(answer.code(), (400, "two-authorizations"));
    }
    let mut caller = caller(&cloud, [127, 0, 1, 1]).await;
    assert_eq!(caller.post("/profile/get", &header(&ada), b"{}").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_67_who_guesses_tokens_is_held_up_and_the_person_is_not() {
    let cloud = legacy().await;
    let (_, token) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    // 30 at once, and as many more as flow in while that is asked.
    let mut guesser = caller(&cloud, [127, 0, 1, 1]).await;
    let mut guesses = 0;
    let held_up = loop {
        let answer = guesser.put(&guess(guesses)).await;
        if answer.status == 429 {
            break answer;
        }
        assert_eq!(answer.code(), (403, "unknown-token"));
        guesses += 1;
        assert!(guesses < 200, "nobody stops it");
    };
    assert!(guesses >= 30, "{guesses} guesses");
    assert_eq!(held_up.code(), (429, "too-many-tokens"));
    let wait: u64 = value_of(&held_up.head, "retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    // The header is no other way in: sooner or later it says so too, from a neighbour in the same network as well.
    let mut neighbour = caller(&cloud, [127, 0, 1, 99]).await;
    let mut statuses = Vec::new();
    while statuses.last() != Some(&429) {
        let header = format!("authorization: Bearer {}\r\n", guess(1_000 + statuses.len() as u32));
        statuses.push(neighbour.post("/profile/get", &header, b"{}").await.status);
        assert!(statuses.len() < 200, "nobody stops it");
    }
    assert!(statuses.iter().all(|status| [403, 429].contains(status)), "{statuses:?}");

    // Tokens that begin as Ada's does: 10 at once from a source that guesses, and Ada comes through from elsewhere.
    let beginning = &token.reveal()[..8];
    let mut guesser = caller(&cloud, [127, 0, 2, 1]).await;
    let mut alike = 0;
    while guesser.put(&format!("{beginning}{:030}", alike)).await.status != 429 {
        alike += 1;
        assert!(alike < 30, "nobody stops it before the source is used up");
    }
    assert!(alike >= 10, "{alike} guesses");
    assert_eq!(entries(&cloud, &token).await, 0);
    let put = caller(&cloud, [127, 0, 3, 1]).await.put(token.reveal()).await;
    assert_eq!(put.status, 200, "{:?}", put.body);
    assert_eq!(entries(&cloud, &token).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_68_a_token_counts_for_its_own_person_and_where_tokens_count() {
    let cloud = legacy().await;
    let (ada, adas) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (_, bobs) = cloud.runtime.people().add("Bob", 0.0).unwrap();
    // At Ada's own name Bob's token is nobody's, in the body and in the header.
    let mut at_adas = caller_of(&cloud, ada).await;
    assert_eq!(at_adas.put(bobs.reveal()).await.code(), (403, "unknown-token"));
    let header = format!("authorization: Bearer {}\r\n", bobs.reveal());
    assert_eq!(at_adas.post("/profile/get", &header, b"{}").await.code(), (403, "unknown-token"));
    assert_eq!((entries(&cloud, &adas).await, entries(&cloud, &bobs).await), (0, 0));
    assert_eq!(at_adas.put(adas.reveal()).await.status, 200);
    assert_eq!((entries(&cloud, &adas).await, entries(&cloud, &bobs).await), (1, 0));

    // At a device's name there is nobody to show a token to.
    let eve = cloud.add("Eve");
    let file = cloud.pair(eve).await;
    let (_, name) = file.state.server_names().next().unwrap();
    assert_eq!(told(cloud.address, &plain_hello(&name)).await, Alert::NoApplicationProtocol.record());
    // And a device puts into its own person's store, whatever its body says.
    let mut phone = cloud.connect(file).await;
    let body = as_of(bobs.reveal(), &put_body(1_700_000_000.0, "eve's"));
    assert_eq!(phone.post("/usercache/put", body.into()).await.unwrap().status, 200);
    let read = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
    let read: Value = serde_json::from_slice(&read.body).unwrap();
    assert_eq!(read["phone_data"].as_array().unwrap().len(), 1);
    assert_eq!((entries(&cloud, &adas).await, entries(&cloud, &bobs).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_stamps_what_it_brings_and_the_stamp_tells_nothing_of_it() {
    let cloud = legacy().await;
    let (ada, first) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let second = cloud.runtime.people().new_token(ada, None, false).unwrap();
    let mut here = caller(&cloud, HERE).await;
    for (token, at) in [(&first, 1_700_000_000.0), (&second, 1_700_000_001.0)] {
        let claims = String::from_utf8(put_body(at, "note").to_vec()).unwrap();
        let claims = claims.replacen("\"key\":", "\"device\":\"token-0000000000000000\",\"key\":", 1);
        let put = here.post("/usercache/put", "", as_of(token.reveal(), claims.as_bytes()).as_bytes()).await;
        assert_eq!(put.status, 200, "{:?}", put.body);
    }
    let runtime = std::sync::Arc::clone(&cloud.runtime);
    let ran =
        tokio::task::spawn_blocking(move || runtime.pipelines().run(ada, 1_700_010_000.0)).await.unwrap();
    assert!(ran.unwrap().failed().is_none());
    let mut text = Vec::new();
    cloud.runtime.person(ada).unwrap().dump(&[runtime_user::Area::Timeseries], &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    for token in [&first, &second] {
        let stamp = runtime_user::Stamp::of_token(token.reveal()).unwrap();
        assert!(text.contains(&format!("\"device\":\"{stamp}\"")), "{stamp} is not in {text}");
        assert!(
            !text.contains(token.reveal()) && !token.reveal().to_lowercase().contains(&stamp.as_str()[6..])
        );
    }
    assert!(!text.contains("token-0000000000000000"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_68_an_apps_token_under_another_study_or_after_it_was_revoked() {
    let cloud = legacy().await;
    let (ada, plain) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let form = AppForm::new("study", "group").unwrap();
    let token = cloud.runtime.people().new_token(ada, Some(&form), false).unwrap();
    let mut caller = caller(&cloud, HERE).await;
    for other in ["nrelop_other_group_", "nrelop_study_other_", "nrelop_study_", ""] {
        let shown = format!("{other}{}", token.reveal());
        assert_eq!(caller.put(&shown).await.code(), (403, "unknown-token"), "{other}");
    }
    assert_eq!(entries(&cloud, &plain).await, 0);
    assert_eq!(caller.put(&form.reveal(&token)).await.status, 200);
    assert_eq!(entries(&cloud, &plain).await, 1);
    cloud.runtime.people().new_token(ada, Some(&form), true).unwrap();
    assert_eq!(caller.put(&form.reveal(&token)).await.code(), (403, "unknown-token"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_69_a_body_with_two_users_is_nobodys() {
    let cloud = legacy().await;
    let (_, adas) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let (_, bobs) = cloud.runtime.people().add("Bob", 0.0).unwrap();
    let (ada, bob) = (adas.reveal(), bobs.reveal());
    let entry = put_body(1_700_000_000.0, "whose");
    let list = std::str::from_utf8(&entry).unwrap().trim_start_matches('{').trim_end_matches('}');
    let mut caller = caller(&cloud, HERE).await;
    for body in [
        format!("{{\"user\":\"{ada}\",\"user\":\"{bob}\",{list}}}"),
        format!("{{\"user\":\"{ada}\",{list},\"user\":\"{bob}\"}}"),
        format!("{{\"user\":\"{ada}\",{list},\"user\":\"{ada}\"}}"),
        format!("{{\"user\":\"{ada}\",{list},\"us\\u0065r\":\"{bob}\"}}"),
        format!("{{\"\\u0075ser\":\"{bob}\",{list},\"user\":\"{ada}\"}}"),
        format!("{{\"user\":\"{ada}\",{list},\"user\":null}}"),
    ] {
        let answer = caller.post("/usercache/put", "", body.as_bytes()).await;
        assert_eq!(answer.code(), (400, "bad-json"), "{body}");
    }
    let header = format!("authorization: Bearer {bob}\r\n");
    let body = format!("{{\"user\":\"{ada}\",{list}}}");
    let answer = caller.post("/usercache/put", &header, body.as_bytes()).await;
    assert_eq!(answer.code(), (403, "two-users"));
    assert_eq!((entries(&cloud, &adas).await, entries(&cloud, &bobs).await), (0, 0));
    // Deeper than the body itself, `user` is a word like any other.
    let nested = list.replace("\"whose\"", &format!("{{\"user\":\"{bob}\"}}"));
    let body = format!("{{\"user\":\"{ada}\",{nested}}}");
    assert_eq!(caller.post("/usercache/put", "", body.as_bytes()).await.status, 200);
    assert_eq!((entries(&cloud, &adas).await, entries(&cloud, &bobs).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_70_a_user_that_comes_too_late_is_never_read_and_the_memory_comes_back() {
    const MAX: usize = 1 << 20;
    let mut config = Wish::default().config;
    config.limits.body_bytes_max = MAX as u64;
    // Room for one body and no more: what is not given back, or is taken twice, is missed at once.
    // One caller has at most half of either allowance.
    config.limits.bodies_bytes_max = 2 * (MAX as u64 + 64 * 1024);
    config.limits.anonymous_bytes_max = config.limits.bodies_bytes_max;
    let cloud = start_with(Wish { config, legacy: true, ..Wish::default() }).await;
    let (_, token) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let entry = put_body(1_700_000_000.0, "late");
    let list = std::str::from_utf8(&entry).unwrap().trim_start_matches('{').trim_end_matches('}');
    let of_size = |bytes: usize| {
        let end = format!(",\"user\":\"{}\"}}", token.reveal());
        format!("{{{list}{}{end}", " ".repeat(bytes - list.len() - end.len() - 1))
    };
    let late = of_size(2 * MAX);
    let chunked: String = late
        .as_bytes()
        .chunks(60_000)
        .map(|piece| format!("{:x}\r\n{}\r\n", piece.len(), std::str::from_utf8(piece).unwrap()))
        .collect();
    for _ in 0..3 {
        let mut announced = caller(&cloud, HERE).await;
        let answer = announced.post("/usercache/put", "", late.as_bytes()).await;
        assert_eq!(answer.code(), (413, "body-too-large"));
        let mut flowing = caller(&cloud, HERE).await;
        let head = "POST /usercache/put HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";
        flowing.stream.write_all(format!("{head}{chunked}0\r\n\r\n").as_bytes()).await.unwrap();
        assert_eq!(flowing.answer().await.code(), (413, "body-too-large"));
        assert_eq!(rest(&mut flowing.stream).await, b"", "the connection goes with it");
    }
    assert_eq!(entries(&cloud, &token).await, 0);
    let mut honest = caller(&cloud, HERE).await;
    for _ in 0..3 {
        let answer = honest.post("/usercache/put", "", of_size(MAX).as_bytes()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.body);
    }
    assert_eq!(entries(&cloud, &token).await, 1, "the same entry is kept once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_71_no_request_hides_in_another() {
    let cloud = legacy().await;
    let (_, token) = cloud.runtime.people().add("Ada", 0.0).unwrap();
    let put = as_of(token.reveal(), &put_body(1_700_000_000.0, "hidden"));
    let hidden =
        format!("POST /usercache/put HTTP/1.1\r\nhost: h\r\ncontent-length: {}\r\n\r\n{put}", put.len());
    let bad: &[&str] = &[
        // Two lengths.
        "content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
        "content-length: 2, 3\r\n\r\n{}",
        // Lengths that others read otherwise.
        "content-length: +2\r\n\r\n{}",
        "content-length: 0x2\r\n\r\n{}",
        "content-length: -2\r\n\r\n{}",
        "content-length : 2\r\n\r\n{}",
        // Codings of which the last is not `chunked`.
        "transfer-encoding: xchunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "transfer-encoding: identity\r\ncontent-length: 2\r\n\r\n{}",
        "transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        // Lines that are folded, or end in one half of a line's end.
        "x: a\r\n b\r\ncontent-length: 2\r\n\r\n{}",
        "x: a\rcontent-length: 2\r\n\r\n{}",
        "x: a\0b\r\ncontent-length: 2\r\n\r\n{}",
        "x\r\ncontent-length: 2\r\n\r\n{}",
        // Chunks that are none.
        "transfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\nffffffffffffffff1\r\n{}\r\n0\r\n\r\n",
    ];
    for head in bad {
        let answer = smuggle(&cloud, "HTTP/1.1", head, &hidden).await;
        assert!(answer.starts_with("HTTP/1.1 400"), "{head:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer}");
    }
    let answer = smuggle(&cloud, "HTTP/1.0", "transfer-encoding: chunked\r\n\r\n0\r\n\r\n", &hidden).await;
    assert!(answer.contains(" 400 ") && answer.matches("HTTP/1.").count() == 1, "{answer}");
    // Both a length and chunks: the chunks count, as RFC 9112 has it, and the connection ends with the answer.
    for head in [
        "content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\n",
    ] {
        let answer = smuggle(&cloud, "HTTP/1.1", head, &hidden).await;
        assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("it is empty"), "{head:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{head:?}: {answer}");
    }
    assert_eq!(entries(&cloud, &token).await, 0, "a hidden request was heard");
}

/// What comes of a request and of what follows it on the same connection.
async fn smuggle(cloud: &Cloud, version: &str, head: &str, hidden: &str) -> String {
    // Each from a network of its own: refused connections count.
    static NETWORK: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(100);
    let network = NETWORK.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut caller = caller(cloud, [127, 0, network, 1]).await;
    let all = format!("POST /usercache/put {version}\r\nhost: h\r\n{head}{hidden}");
    let _ = caller.stream.write_all(all.as_bytes()).await;
    String::from_utf8(rest(&mut caller.stream).await).unwrap()
}
