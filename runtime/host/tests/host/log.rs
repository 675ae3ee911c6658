//! The log tells what happened, and nothing of whom or where.

use crate::support::fake as support;

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use runtime_program::logs;
use runtime_program::logs::LogFormat;
use support::{Cells, Fake, Limits, TOKEN, request, start};
use tracing_subscriber::fmt::writer::BoxMakeWriter;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Something that no log may hold, put wherever a caller may put something.
const MARKER: &str = "MARKER47620613";

#[tokio::test]
async fn no_part_of_a_request_that_a_caller_chooses_is_logged() {
    let captured = Captured::default();
    let writer = captured.clone();
    let writer = BoxMakeWriter::new(move || writer.clone());
    let subscriber = logs::subscriber(LogFormat::Json, "trace", writer).expect("a filter");
    tracing::subscriber::set_global_default(subscriber).expect("the only one");

    let host = start(Fake::new(Cells::Count), Limits::roomy()).await;
    let entry = format!("{{\"user\":\"{TOKEN}\",\"a\":\"{MARKER}\",\"latitude\":47.620613}}");
    let unknown = format!("{{\"user\":\"{MARKER}\"}}");
    let broken = format!("{{\"user\":\"{TOKEN}\",\"{MARKER}\"}}");
    let header = format!("x-{MARKER}: {MARKER}\r\nauthorization: Bearer {MARKER}\r\n");
    let (query, segment) = (format!("/usercache/put?a={MARKER}"), format!("/{MARKER}/{MARKER}"));
    for (path, headers, body) in [
        ("/usercache/put", "", &entry),
        ("/usercache/put", "", &unknown),
        ("/usercache/put", "", &broken),
        ("/usercache/put", &header, &entry),
        (&query, "", &entry),
        (&segment, "", &entry),
        ("/profile/update", "", &entry),
    ] {
        host.exchange(&request("POST", path, headers, body.as_bytes())).await;
    }
    host.exchange(&request(MARKER, "/", "", b"")).await;
    host.exchange(format!("{MARKER}\r\n\r\n").as_bytes()).await;
    host.stopped().await;

    let log = String::from_utf8(captured.0.lock().unwrap().clone()).expect("UTF-8");
    let answered = log.lines().filter(|line| line.contains("request answered")).count();
    assert_eq!(answered, 8, "{log}");
    for line in log.lines() {
        let parsed: serde_json::Value = serde_json::from_str(line).expect("a JSON object a line");
        let ours = parsed["target"].as_str().is_some_and(|target| target.starts_with("runtime_host"));
        for secret in [MARKER, &MARKER.to_lowercase(), TOKEN, "47.620613"] {
            assert!(!line.contains(secret), "{secret} in {line} (ours: {ours})");
        }
    }
    assert!(log.contains("\"route\":\"/usercache/put\"") && log.contains("\"status\":403"), "{log}");
    assert!(log.contains(&support::USER.short()));
}
