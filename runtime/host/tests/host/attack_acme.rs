//! Attacks on certificates of people's names: on the proof at the port, by the server that gives them, on the files, by
//! whoever connects.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::support::acme::proof::{ALPN, look};
use crate::support::acme::{Acme, Validity, Whims};
use crate::support::certified::{HOST, answers, begin, browse, pace, shown};
use crate::support::cloud::{start, until};
use crate::support::sockets::{HANDSHAKE, plain_hello, told};

use handshake::encoding::{Label, server_name};
use runtime_acme::ACME_BODY_BYTES_MAX;
use runtime_host::http::service::now;
use tokio::net::TcpListener;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_209_a_proof_is_given_for_the_name_whose_order_is_under_way_and_for_no_other() {
    let acme = Acme::start().await;
    let quick = runtime_acme::Pace { first_wait: Duration::from_millis(50), ..pace() };
    let host = begin(&acme, None, quick).await;
    let (ada, bob, port) = (host.cloud.add("Ada"), host.cloud.add("Bob"), host.cloud.address);
    let (name, other) = (host.name_of(ada), host.name_of(bob));
    assert!(look(port, &name, &[ALPN]).await.is_err(), "no order is under way");
    acme.change(|whims| whims.hold = Some("challenge"));
    let _ = host.browse(&acme, &name).await;
    acme.reached().await;
    let label = name.split('.').next().unwrap();
    let unknown = server_name(&Label([9; 16]).to_string(), HOST);
    for wrong in
        [&other, &unknown, HOST, &format!("{label}.other.example"), &format!("x.{name}"), "localhost"]
    {
        assert!(look(port, wrong, &[ALPN]).await.is_err(), "{wrong}");
    }
    let proof = look(port, &name, &[ALPN]).await.expect("the name of the order");
    assert_eq!(proof.1.as_deref(), Some(ALPN));
    for protocols in [&[ALPN, b"http/1.1"][..], &[b"http/1.1"], &[]] {
        let page = look(port, &name, protocols).await.expect("the page");
        assert_ne!(page.0, proof.0, "a browser is not shown the proof");
    }
    acme.change(|whims| whims.other_token = true);
    acme.change(|whims| whims.hold = None);
    acme.go();
    until("refused", || host.status().failing == 1).await;
    let why = host.status().failure.unwrap();
    assert!(why.contains("incorrectResponse: another token or account"), "{why}");
    assert_eq!((acme.counts().2, host.status().certified), (0, 0));
    acme.change(|whims| whims.other_token = false);
    until("issued", || host.status().certified == 1).await;
    assert!(look(port, &name, &[ALPN]).await.is_err(), "the order is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_210_a_server_that_misbehaves_leads_the_host_nowhere_and_changes_no_certificate() {
    let acme = Acme::start().await;
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = elsewhere.local_addr().unwrap().port();
    let visits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&visits);
    let counting = tokio::spawn(async move {
        while elsewhere.accept().await.is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    // It is to be renewed from the beginning, so there is always an order.
    acme.valid_for(&[Validity { since_s: 6_100_000, for_s: 2_900_000 }]);
    acme.change(|whims| whims.hold = Some("challenge"));
    let host = begin(&acme, None, pace()).await;
    let user = host.cloud.add("Ada");
    let name = host.name_of(user);
    let mut opened = host.first_page(&acme, &name).await;
    acme.reached().await;
    let before = std::fs::read(host.file_of(user)).unwrap();
    let whims = |change: fn(&mut Whims)| {
        let mut whims = Whims::default();
        change(&mut whims);
        whims
    };
    let mut at_another = whims(|_| ());
    at_another.elsewhere = Some(format!("https://localhost:{port}"));
    let mut unencrypted = whims(|_| ());
    unencrypted.elsewhere = Some(acme.base().replace("https", "http"));
    let all = [
        (whims(|whims| whims.certifies = Some("other.example".to_owned())), "not for this name"),
        (whims(|whims| whims.other_name = Some("other.example".to_owned())), "one of another name"),
        (at_another, "of another server"),
        (unencrypted, "of another server"),
        (whims(|whims| whims.large = Some(ACME_BODY_BYTES_MAX + 1)), "has more than 262144 bytes"),
        (whims(|whims| whims.refuses = Some(("rateLimited", "18446744073709551615"))), "rateLimited"),
    ];
    acme.change(|now| *now = all[0].0.clone());
    acme.go();
    for (whims, why) in all {
        acme.change(|now| *now = whims);
        until(why, || host.status().failure.is_some_and(|failure| failure.contains(why))).await;
        assert_eq!(std::fs::read(host.file_of(user)).unwrap(), before, "{why}");
    }
    let next = host.status().next_try_ts.expect("a pause") - now();
    assert!((86_000.0..86_500.0).contains(&next), "a day at most: {next}");
    assert!(answers(&mut opened, &name).await);
    assert!(answers(&mut host.page(&acme, &name).await, &name).await);
    assert_eq!(visits.load(Ordering::SeqCst), 0, "nobody was sent elsewhere");
    counting.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_211_a_key_of_a_certificate_that_others_could_read_is_not_used_again() {
    let acme = Acme::start().await;
    let host = begin(&acme, None, pace()).await;
    let user = host.cloud.add("Ada");
    let (name, file) = (host.name_of(user), host.file_of(user));
    let first = shown(&host.page(&acme, &name).await);
    let folder = host.cut_off().await;
    for open in [0o644, 0o640, 0o604] {
        let before = std::fs::read(&file).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(open)).unwrap();
        let host = begin(&acme, Some(Arc::clone(&folder)), pace()).await;
        until("issued again", || host.status().certified == 1).await;
        let again = host.page(&acme, &name).await;
        assert_ne!(shown(&again), first);
        assert_ne!(std::fs::read(&file).unwrap(), before);
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        host.cut_off().await;
    }
    assert_eq!(acme.counts(), (1, 4, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_212_who_connects_has_one_certificate_ordered_for_a_name_of_somebody_here_and_no_other() {
    let acme = Acme::start().await;
    let none = start().await;
    let quick = runtime_acme::Pace { first_wait: Duration::from_millis(50), ..pace() };
    let host = begin(&acme, None, quick).await;
    for number in 0..20 {
        let unknown = server_name(&Label([number; 16]).to_string(), HOST);
        assert_ne!(told(host.cloud.address, &plain_hello(&unknown)).await.first(), Some(&HANDSHAKE));
    }
    assert_eq!((acme.requests(), host.status().names), (0, 0));
    acme.change(|whims| whims.hold = Some("certificate"));
    let (ada, bob) = (host.cloud.add("Ada"), host.cloud.add("Bob"));
    for name in [host.name_of(ada), host.name_of(bob)] {
        for _ in 0..6 {
            // Nobody waits longer than a moment.
            assert!(host.browse(&acme, &name).await.is_err());
        }
    }
    acme.reached().await;
    assert_eq!((acme.counts(), host.status().names), ((1, 1, 1), 2), "one after another");
    acme.release();
    until("issued", || host.status().certified == 2).await;
    assert_eq!(acme.counts(), (1, 2, 2));
    // A host that was not told to ask a server asks none.
    let requests = acme.requests();
    let user = none.add("Ada");
    let name = server_name(&none.runtime.owners().web_label(user).unwrap().to_string(), "127.0.0.1");
    assert!(browse(none.address, &acme, &name).await.is_err());
    assert!(look(none.address, &name, &[ALPN]).await.is_err());
    assert_eq!(acme.requests(), requests);
}
