//! A reading that nobody can read, in an upload over a real connection of a paired phone: it is set aside, and the others
//! of its upload are taken in, also where the upload waited sealed for a locked store.

use crate::support::cloud;

use bytes::Bytes;
use cloud::{everything, put_body, start};
use runtime_phone::Native;
use runtime_user::{Fate, Selection};

const WRITTEN: f64 = 1_700_000_000.0;
const LATER: f64 = WRITTEN + 10_000.0;

/// What replaces the text of the bad reading's note, quotes included.
const BAD: [&[u8]; 4] = [br#""\ud800""#, b"\"\x01\"", b"NaN", b"\"\xff\""];

/// An upload of a good reading, a bad one and another good one.
fn mixed(write_ts: f64, bad: &[u8]) -> Bytes {
    let entry = |at: f64, marker: &str| {
        let body = String::from_utf8(put_body(write_ts + at, marker).to_vec()).unwrap();
        let (from, to) = (body.find('[').unwrap() + 1, body.rfind(']').unwrap());
        body[from..to].to_owned()
    };
    let odd = entry(1.0, "odd");
    let (before, behind) = odd.split_once("\"odd\"").unwrap();
    let (first, last) = (entry(0.0, "first"), entry(2.0, "last"));
    let parts: [&[u8]; 9] = [
        br#"{"phone_to_server":["#,
        first.as_bytes(),
        b",",
        before.as_bytes(),
        bad,
        behind.as_bytes(),
        b",",
        last.as_bytes(),
        b"]}",
    ];
    parts.concat().into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_reading_of_an_upload_is_set_aside_and_the_others_are_stored_whether_the_store_is_open_or_locked()
 {
    for locked in [false, true] {
        let cloud = start().await;
        let user = cloud.add("Ada");
        let mut phone = cloud.connect(cloud.pair(user).await).await;
        if locked {
            cloud.lock(user).await;
        }
        for (at, bad) in BAD.iter().enumerate() {
            // A phone that read no answer sends the same again.
            for _ in 0..2 {
                let put = phone.post("/usercache/put", mixed(WRITTEN + 60.0 * at as f64, bad)).await.unwrap();
                assert_eq!(put.status, 200, "locked {locked}, bad {at}: {:?}", put.body);
                let answer: serde_json::Value = serde_json::from_slice(&put.body).unwrap();
                assert_eq!((&answer["stored"], &answer["set_aside"]), (&2.into(), &1.into()), "{at}");
            }
        }
        let waiting = cloud.runtime.owners().waiting_uploads(user).unwrap().0;
        assert_eq!(waiting, if locked { 2 * BAD.len() } else { 0 });
        let mut phone = Native::session(phone.file).await.unwrap();
        phone.unlock_if_locked().await.unwrap();
        assert_eq!(cloud.runtime.owners().waiting_uploads(user).unwrap().0, 0);

        let runtime = std::sync::Arc::clone(&cloud.runtime);
        let report = tokio::task::spawn_blocking(move || {
            assert!(runtime.pipelines().run(user, LATER).unwrap().failed().is_none());
            runtime.diaries().errors(user, &Selection::default(), false, LATER).unwrap()
        });
        let report = report.await.unwrap();
        let count: u64 = report.groups.iter().map(|group| group.count).sum();
        assert_eq!(count, BAD.len() as u64, "locked {locked}: {:?}", report.groups);
        assert!(report.groups.iter().all(|group| group.fate == Fate::SetAside && !group.reason.is_empty()));
        assert_eq!((report.ignored, report.uploads_aside), (3 * BAD.len() as u64, 0), "locked {locked}");
        let got = phone.post("/datastreams/find_entries/timestamp", everything()).await.unwrap();
        let got: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
        let notes: Vec<_> =
            got["phone_data"].as_array().unwrap().iter().map(|entry| entry["data"]["note"].clone()).collect();
        assert_eq!(notes, ["first", "last"].repeat(BAD.len()), "locked {locked}");
    }
}
