//! Certificates of people's names from a server that speaks ACME: ordered when a browser comes, shown, renewed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::acme::{Acme, Validity};
use crate::support::browser::HERE;
use crate::support::certified::{answers, begin, browse, pace, shown};
use crate::support::cloud::until;
use crate::support::sockets::encrypted;

use runtime_acme::Status;
use runtime_host::acme::ACME_FOLDER;
use runtime_wire::tls::Identity;

const DAY_S: u64 = 86_400;

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("there").permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_connection_waits_for_its_certificate_and_later_ones_find_it_also_after_a_restart() {
    let acme = Acme::start().await;
    let host = begin(&acme, None, pace()).await;
    let user = host.cloud.add("Ada");
    let name = host.name_of(user);
    assert_eq!(acme.counts(), (0, 0, 0), "nobody has come");
    let mut first = host.page(&acme, &name).await;
    assert!(answers(&mut first, &name).await);
    let second = host.page(&acme, &name).await;
    assert_eq!(shown(&first), shown(&second));
    assert_eq!(acme.counts(), (1, 1, 1));
    assert_eq!(mode(&host.file_of(user)), 0o600);
    let folder = host.cloud.folder.path().join(ACME_FOLDER);
    assert_eq!((mode(&folder), mode(&folder.join("account.json"))), (0o700, 0o600));
    until("how it is was written", || Status::read(&folder).is_some_and(|status| status.certified == 1))
        .await;

    let folder = host.cut_off().await;
    let host = begin(&acme, Some(folder), pace()).await;
    until("the name is known without a browser", || host.status().certified == 1).await;
    let again = host.page(&acme, &name).await;
    assert_eq!(shown(&first), shown(&again));
    assert_eq!(acme.counts(), (1, 1, 1), "nothing was ordered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_when_a_third_of_its_life_is_left_and_open_connections_stay() {
    let acme = Acme::start().await;
    // Two thirds and more of the first one's life are over; less of the second one's.
    let (old, new) =
        (Validity { since_s: 61 * DAY_S, for_s: 29 * DAY_S }, Validity { since_s: DAY_S, for_s: 89 * DAY_S });
    acme.valid_for(&[old, new]);
    acme.change(|whims| whims.hold = Some("certificate"));
    let host = begin(&acme, None, pace()).await;
    let user = host.cloud.add("Ada");
    let name = host.name_of(user);
    let mut opened = host.first_page(&acme, &name).await;
    assert!(answers(&mut opened, &name).await);
    let first_ends = host.status().first_ends_ts.expect("one certificate");
    acme.reached().await;
    let meanwhile = host.page(&acme, &name).await;
    assert_eq!(shown(&opened), shown(&meanwhile));
    acme.release();
    until("renewed", || host.status().first_ends_ts.is_some_and(|ends| ends > first_ends)).await;
    let mut renewed = host.page(&acme, &name).await;
    while shown(&renewed) == shown(&opened) {
        renewed = host.page(&acme, &name).await;
    }
    assert!(answers(&mut opened, &name).await, "the connection from before");
    assert!(answers(&mut renewed, &name).await);
    assert_eq!(acme.counts(), (1, 2, 2));
    assert_eq!(host.status().failing, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_server_is_down_the_page_is_there_and_pauses_grow_until_it_is_back() {
    let acme = Acme::start().await;
    acme.change(|whims| whims.down = true);
    let host = begin(&acme, None, pace()).await;
    let user = host.cloud.add("Ada");
    let name = host.name_of(user);
    assert!(host.browse(&acme, &name).await.is_err(), "a certificate that no browser knows");
    let own = Identity::load_or_make(&host.cloud.folder_of(user).join("web"), &[]).expect("made").pin();
    encrypted(HERE, host.cloud.address, own, &name).await;
    until("some tries", || host.status().failing == 1).await;
    let status = host.status();
    assert!(
        status.failure.as_ref().is_some_and(|why| why.contains("the server cannot be reached")),
        "{status:?}"
    );
    assert!(!status.failure.unwrap().contains(&name));
    assert_eq!((acme.counts(), status.certified), ((0, 0, 0), 0));
    acme.change(|whims| whims.down = false);
    until("issued", || host.status().certified == 1).await;
    assert_eq!((host.status().failing, host.status().failure), (0, None));
    let mut opened = host.browse(&acme, &name).await;
    while opened.is_err() {
        opened = host.browse(&acme, &name).await;
    }
    assert!(answers(&mut opened.unwrap(), &name).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_ends_between_order_and_file_begins_again() {
    let acme = Acme::start().await;
    acme.change(|whims| whims.hold = Some("certificate"));
    let host = begin(&acme, None, pace()).await;
    let user = host.cloud.add("Ada");
    let (name, file) = (host.name_of(user), host.file_of(user));
    tokio::select! {
        _ = host.browse(&acme, &name) => panic!("no certificate can be there"),
        () = acme.reached() => {}
    }
    assert_eq!(acme.counts(), (1, 1, 1), "the server has issued it, and the host does not know");
    let folder = host.cut_off().await;
    assert!(!file.exists());
    acme.release();
    let host = begin(&acme, Some(folder), pace()).await;
    let mut opened = host.page(&acme, &name).await;
    assert!(answers(&mut opened, &name).await);
    assert_eq!(acme.counts(), (1, 2, 2), "the account was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_the_server_has_forgotten_is_made_again_and_who_is_erased_is_left_out() {
    let acme = Acme::start().await;
    let host = begin(&acme, None, pace()).await;
    let (ada, bob) = (host.cloud.add("Ada"), host.cloud.add("Bob"));
    browse(host.cloud.address, &acme, &host.name_of(ada)).await.expect("issued");
    acme.forget_accounts();
    let name = host.name_of(bob);
    // The first try fails, and nobody waits for the next.
    let _ = host.browse(&acme, &name).await;
    until("issued", || host.status().certified == 2).await;
    assert_eq!(acme.counts().0, 1);

    let old = Validity { since_s: 61 * DAY_S, for_s: 29 * DAY_S };
    acme.valid_for(&[old]);
    let eve = host.cloud.add("Eve");
    acme.change(|whims| whims.hold = Some("certificate"));
    let name = host.name_of(eve);
    let _ = tokio::join!(host.browse(&acme, &name), async {
        acme.reached().await;
        acme.go();
    });
    acme.reached().await;
    let runtime = std::sync::Arc::clone(&host.cloud.runtime);
    tokio::task::spawn_blocking(move || runtime.erase(eve)).await.unwrap().expect("erased");
    acme.release();
    until("left out", || host.status().names == 2).await;
}
