//! How much slower are others while one attacks?
//!
//! * Work: small puts and reads of one person's paired phone, while somebody else uses up what they can: answers that
//!   nobody reads, connections that drip, bodies without a token, requests to lock.
//! * Compared with: the same puts and reads just before, with nobody else.
//! * Reports: the 99th of 100 of each, and the ratio; the attacker runs in this process and takes processor time too.
//! * Estimate: a put waits for its sync and a read for its cell; an attacker may take a turn before each.

mod attacks;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use handshake::encoding::KeyKind;
use runtime_phone::{Native, PhoneFile};
use runtime_program::resources::Files;
use runtime_wire::tls::Identity;
use serde_json::json;

use self::attacks::{Attack, Attacker};
use super::native::{NO_GATEWAYS, NativeHost, broken};
use super::rounds::{Comparison, quantile, time};
use super::{BenchError, Figures};

const ROUNDS: usize = 3;
/// Puts, and as many reads, of each side of a round.
const REQUESTS: usize = 100;
const SHARE: f64 = 0.99;
/// The pause after a put and a read: a connection may make 50 requests a second, and has one for each.
const PAUSE: Duration = Duration::from_millis(10);
const RATIO_MAX: f64 = 3.0;
/// Entries of a put, and of a read.
const ENTRIES: usize = 20;
/// Time for an attack to have begun everywhere, and for the host to have closed its connections afterwards.
const SETTLE: Duration = Duration::from_millis(1_000);
/// Both ends of every connection are files of this process.
const CONNECTIONS: usize = 4_096;

pub(super) fn run() -> Figures {
    Files { connections: CONNECTIONS, others: 64 }.allow()?;
    let folder = tempfile::tempdir()?;
    let host = NativeHost::open(folder.path())?;
    let identity = Identity::load_or_make(folder.path(), &[])?;
    let address = host.serve_with(NO_GATEWAYS, Some(identity.server_config()?))?;
    let file = host.pair(host.add("honest")?, address, KeyKind::P256)?;
    let mut honest = Honest::new(&host, file)?;
    let file = host.pair_admin(host.add("attacker")?, address, KeyKind::P256)?;
    let attacker = Attacker::new(address, identity.pin(), file)?;
    let mut figures = Vec::new();
    for (attack, what) in Attack::ALL {
        let (mut puts, mut reads) = (Sides::default(), Sides::default());
        for _ in 0..ROUNDS {
            let (put_ms, read_ms) = honest.measure()?;
            puts.quiet.push(put_ms);
            reads.quiet.push(read_ms);
            let begun = attacker.begin(attack)?;
            thread::sleep(SETTLE);
            let (put_ms, read_ms) = honest.measure()?;
            puts.beside.push(put_ms);
            reads.beside.push(read_ms);
            attacker.end(begun);
            thread::sleep(SETTLE);
        }
        figures.push(puts.compared(&format!("put beside {what}, p99")));
        figures.push(reads.compared(&format!("read beside {what}, p99")));
    }
    drop(honest);
    host.shutdown();
    Ok(figures)
}

/// The figures of the rounds, ms.
#[derive(Default)]
struct Sides {
    quiet: Vec<f64>,
    beside: Vec<f64>,
}

impl Sides {
    fn compared(self, what: &str) -> Comparison {
        Comparison::of_rounds("ms", self.beside, self.quiet).named(what, "quiet").at_most(RATIO_MAX)
    }
}

/// The phone that is measured.
struct Honest<'h> {
    host: &'h NativeHost,
    putting: Native,
    reading: Native,
    put: usize,
}

impl<'h> Honest<'h> {
    fn new(host: &'h NativeHost, file: PhoneFile) -> Result<Self, BenchError> {
        let open = |file| host.tokio.block_on(Native::open(file)).map_err(broken);
        let mut honest = Self { host, putting: open(copy(&file)?)?, reading: open(file)?, put: 0 };
        honest.put()?;
        Ok(honest)
    }

    /// The slow ones of the puts and of the reads, ms.
    fn measure(&mut self) -> Result<(f64, f64), BenchError> {
        let (mut puts, mut reads) = (Vec::new(), Vec::new());
        for _ in 0..REQUESTS {
            puts.push(self.put()?);
            reads.push(self.read()?);
            thread::sleep(PAUSE);
        }
        Ok((quantile(&mut puts, SHARE), quantile(&mut reads, SHARE)))
    }

    fn put(&mut self) -> Result<f64, BenchError> {
        let body = put_body(self.put, ENTRIES, 10);
        self.put += 1;
        post(self.host, &mut self.putting, "/usercache/put", body)
    }

    /// Always the entries of the first put.
    fn read(&mut self) -> Result<f64, BenchError> {
        post(self.host, &mut self.reading, "/datastreams/find_entries/timestamp", query(ENTRIES))
    }
}

/// How long a request takes until its answer is whole, ms.
fn post(host: &NativeHost, phone: &mut Native, path: &str, body: Bytes) -> Result<f64, BenchError> {
    let (took, reply) = time(|| host.tokio.block_on(phone.post(path, body)));
    let reply = reply.map_err(broken)?;
    reply.success().map_err(broken)?;
    Ok(took.as_secs_f64() * 1e3)
}

/// When the first entry was written, s.
const BEGIN_S: usize = 1_700_000_000;

/// The `number`th put of so many entries, each with a note of so many bytes.
fn put_body(number: usize, entries: usize, note_bytes: usize) -> Bytes {
    let entry = |index: usize| {
        let ts = BEGIN_S + number * entries + index;
        json!({
            "metadata": { "key": "background/location", "type": "sensor-data", "platform": "android",
                          "write_ts": ts, "time_zone": "UTC" },
            "data": { "latitude": 46.5, "longitude": 6.5, "ts": ts, "accuracy": 10.0, "altitude": 300.0,
                      "bearing": 0.0, "sensed_speed": 0.0, "filter": "time", "elapsedRealtimeNanos": 1,
                      "note": "x".repeat(note_bytes) },
        })
    };
    json!({ "phone_to_server": (0..entries).map(entry).collect::<Vec<_>>() }).to_string().into()
}

/// A query for the first so many entries.
fn query(entries: usize) -> Bytes {
    json!({
        "key_list": ["background/location"], "key_time": "metadata.write_ts",
        "start_time": BEGIN_S, "end_time": BEGIN_S + entries - 1,
    })
    .to_string()
    .into()
}

/// The same phone again: who connects gives its file away.
fn copy(file: &PhoneFile) -> Result<PhoneFile, BenchError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("phone");
    file.store(&path).map_err(broken)?;
    PhoneFile::load(&path).map_err(broken)
}

/// A phone's connection, for requests that no phone would make.
async fn dial(
    file: &PhoneFile,
) -> Result<(tokio_rustls::client::TlsStream<tokio::net::TcpStream>, String), BenchError> {
    let (_, server_name) =
        file.state.server_names().next().ok_or_else(|| broken("a phone without a name"))?;
    let state = file.state.clone();
    let call = runtime_phone::Call {
        host: &file.state.host,
        port: file.state.port,
        server_name: &server_name,
        key: &file.device,
        protocol: handshake::route::ALPN_CONNECT,
        accepts: Arc::new(move |spki| state.expects(spki.as_bytes())),
    };
    let secured = runtime_phone::secure(&call).await.map_err(broken)?;
    Ok((secured.stream, server_name))
}
