//! Reading behind the owner's back, tried over real TCP and TLS and with the commands of the console: attack 95. The
//! host dies in the middle, which a copy of its folder at that moment stands for.

use std::sync::Arc;

use bytes::Bytes;
use handshake::route::ALPN_CONNECT;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use runtime_diary::Format;
use runtime_host::admin::{Ask, Context, ExportDiary, ExportPerson, PhoneAddress};
use runtime_phone::{Call, Native, Requests, secure_with};
use runtime_user::{AuditLine, CONSOLE, UserId};
use runtime_wire::tls::Identity;
use serde_json::json;

use crate::support::cloud::{Cloud, Wish, everything, start, start_with};
use crate::support::folder::copy;
use crate::support::witness::{analyse, at_port, twin};

const READINGS: usize = 5_000;

/// So many readings that an answer does not fit a connection's buffers.
async fn fill(phone: &mut Native) {
    let entries: Vec<_> = (0..READINGS)
        .map(|at| {
            let ts = 1_700_000_000.0 + at as f64;
            json!({
                "metadata": { "key": "background/location", "type": "sensor-data", "platform": "android",
                    "write_ts": ts, "time_zone": "UTC" },
                "data": { "latitude": 46.5, "longitude": 6.5, "ts": ts, "accuracy": 10.0, "altitude": 300.0,
                    "bearing": 0.0, "sensed_speed": 0.0, "filter": "time", "elapsedRealtimeNanos": 1 },
            })
        })
        .collect();
    let body = json!({ "phone_to_server": entries }).to_string();
    let put = phone.post("/usercache/put", body.into()).await.unwrap();
    assert_eq!(put.status, 200, "{:?}", put.body);
}

/// The host as it comes back after it died just now.
async fn died(cloud: &Cloud) -> Cloud {
    let folder = tempfile::tempdir().unwrap();
    copy(cloud.folder.path(), folder.path());
    let _ = std::fs::remove_file(folder.path().join("control.sock"));
    start_with(Wish { folder: Some(Arc::new(folder)), ..Wish::default() }).await
}

fn audit(cloud: &Cloud, user: UserId, cell: &str) -> Vec<AuditLine> {
    cloud.runtime.person(user).unwrap().audit(None, Some(cell)).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_95_half_of_the_diary_is_read_and_the_connection_cut() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(cloud.pair(user).await).await;
    fill(&mut phone).await;
    analyse(&cloud, user).await;

    let path = phone.granted("/datastreams/find_entries/timestamp").unwrap();
    let (name, config) = (phone.server_name().to_owned(), phone.config());
    let file = phone.file;
    let state = file.state.clone();
    let call = Call {
        host: &file.state.host,
        port: file.state.port,
        server_name: &name,
        key: &file.device,
        protocol: ALPN_CONNECT,
        accepts: Arc::new(move |spki| state.expects(spki.as_bytes())),
    };
    let secured = secure_with(&call, config).await.unwrap();
    let Requests::Two(mut sender) = Requests::two(secured.stream).await.unwrap() else { panic!("HTTP/2") };
    let request = Request::post(format!("https://{name}{path}")).body(Full::new(everything())).unwrap();
    let mut answer = sender.send_request(request).await.unwrap().into_body();
    let first: Bytes = answer.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(!first.is_empty());
    // The phone takes no more, and the host dies before it notices.
    let after = died(&cloud).await;
    drop((answer, sender));

    drop(after.connect(at_port(&twin(&file), after.address.port())).await);
    let lines = audit(&after, user, "datastreams-get");
    assert_eq!(lines.len(), 1, "{lines:?}");
    let read = lines[0].reads.iter().find(|read| read.area.as_deref() == Some("timeseries")).unwrap();
    assert_eq!(
        (read.names.as_slice(), read.what.as_str()),
        (&["background/location".to_owned()][..], "find")
    );
    assert_eq!(lines[0].device, Some(file.state.device.to_string()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_95_the_operator_exports_a_person_and_a_diary() {
    let cloud = start().await;
    let user = cloud.add("Ada");
    let mut phone = cloud.connect(cloud.pair(user).await).await;
    fill(&mut phone).await;
    let file = twin(&phone.file);
    let out = tempfile::tempdir().unwrap();
    let (runtime, output) = (Arc::clone(&cloud.runtime), out.path().join("all.json"));
    tokio::task::spawn_blocking(move || {
        let pin = Identity::load_or_make(runtime.settings().data.as_path(), &[]).unwrap().pin();
        let phone_address = PhoneAddress { address: "127.0.0.1:1".to_owned(), pin };
        let context = Context { runtime: &runtime, phone_address: &phone_address };
        ExportPerson { person: "Ada".to_owned(), output }.answer(&context).unwrap();
        for format in [Format::Csv, Format::Gpx, Format::Geojson] {
            let person = "Ada".to_owned();
            let ask = ExportDiary { person, format, from: None, to: None, output: None };
            ask.answer(&context).unwrap();
        }
    })
    .await
    .unwrap();

    let after = died(&cloud).await;
    drop(after.connect(at_port(&file, after.address.port())).await);
    let lines = audit(&after, user, "export");
    assert_eq!((lines.len(), lines[0].device.as_deref()), (1, Some(CONSOLE)), "{lines:?}");
    let read =
        |area: &str| lines[0].reads.iter().find(|read| read.area.as_deref() == Some(area)).unwrap().entries;
    assert_eq!(read("usercache"), READINGS as u64);
    for format in ["csv", "gpx", "geojson"] {
        let lines = audit(&after, user, &format!("export-diary {format}"));
        assert_eq!((lines.len(), lines[0].device.as_deref()), (1, Some(CONSOLE)), "{format}: {lines:?}");
        assert!(lines[0].reads[0].names.contains(&"analysis/confirmed_trip".to_owned()));
    }
}
