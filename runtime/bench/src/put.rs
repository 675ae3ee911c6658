//! How long does a phone wait for 1,000 entries to be durable?
//!
//! * Work: a put of 1,000 locations by a paired phone on its connection, through the cell into the owner's store, until
//!   the 200 has arrived.
//! * Compared with: the same bytes appended to a file in the same folder, and `fdatasync`.
//! * Reports: that ratio, and the same with parts left out, to show where the time goes.
//! * Estimate: one sync each, 1 to 4 ms depending on the disk; the cell reads half a megabyte of JSON in about 2 ms.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use handshake::encoding::KeyKind;
use runtime_store::Batch;
use runtime_types::StreamKey;
use runtime_user::{Answer, Body, Call, Head, Person, Runtime, UserId};

use super::rounds::{Comparison, compare, time};
use super::sample::{self, Sample};
use super::{BenchError, Figures};
use crate::native::{NO_GATEWAYS, NativeHost, broken};
use runtime_phone::Native;

const ENTRIES: usize = 1_000;
const ROUNDS: usize = 31;
/// One round more than is counted.
const SAMPLES: usize = ENTRIES * (ROUNDS + 1);
/// Where the raw sync is slow, a ratio means little; where it is fast, a difference means little. The larger of the two
/// limits applies.
const RATIO_MAX: f64 = 3.0;
const ADDED_MS_MAX: f64 = 5.0;

pub(super) fn run() -> Figures {
    let folder = tempfile::tempdir()?;
    let host = NativeHost::open(folder.path())?;
    let runtime = Arc::clone(&host.runtime);
    let samples = sample::locations(SAMPLES);
    let mut raw = Raw::open(folder.path())?;
    let mut figures = Vec::new();

    // A paired phone sends no token: its key identifies it.
    let bodies = bodies(&samples, "");
    let address = host.serve(NO_GATEWAYS)?;
    let file = host.pair(host.add("over TLS")?, address, KeyKind::P256)?;
    let mut phone = host.tokio.block_on(Native::open(file)).map_err(broken)?;
    let requests: Vec<_> = bodies.iter().map(|body| Bytes::copy_from_slice(body.as_bytes())).collect();
    let mut requests = requests.iter().cycle();
    let post = || {
        let request = requests.next().expect("a round for each request").clone();
        let (took, answered) = time(|| host.tokio.block_on(phone.post("/usercache/put", request)));
        assert_eq!(answered.expect("the host answers").status, 200, "the host stores");
        took.as_secs_f64() * 1e3
    };
    let put = compare(ROUNDS, "ms", post, raw.appends(&bodies));
    let met = put.ratio <= RATIO_MAX || put.ours <= put.other + ADDED_MS_MAX;
    let put = put.named("put of 1,000 entries, until the 200 is there", "append + fdatasync");
    figures.push(put.held_against("≤ 3× or + 5 ms", met));

    let (user, _) = runtime.people().add("without the network", 0.0)?;
    let call = compare(ROUNDS, "ms", calls(&runtime, user, &bodies)?, raw.appends(&bodies));
    figures.push(part(call, "of it: cell and store, without the network"));

    let (user, _) = runtime.people().add("without the cell", 0.0)?;
    let person = runtime.person(user)?;
    let commit = compare(ROUNDS, "ms", commits(&person, &samples), raw.appends(&bodies));
    figures.push(part(commit, "of it: batch and commit, without the cell"));
    drop(phone);
    host.shutdown();
    Ok(figures)
}

fn part(compared: Comparison, what: &str) -> Comparison {
    compared.named(what, "append + fdatasync").held_against("", true)
}

/// The put of each round. Each has its own readings, as a phone's puts do.
fn bodies(samples: &[Sample], token: &str) -> Vec<String> {
    let texts = |some: &[Sample]| some.iter().map(Sample::text).collect::<Vec<_>>();
    samples.chunks(ENTRIES).map(|some| runtime_simulator::put_body(token, &texts(some))).collect()
}

struct Raw(File);

impl Raw {
    fn open(folder: &Path) -> Result<Self, BenchError> {
        Ok(Self(File::create(folder.join("raw"))?))
    }

    fn appends<'a>(&'a mut self, bodies: &'a [String]) -> impl FnMut() -> f64 + 'a {
        let mut bodies = bodies.iter().cycle();
        move || {
            let body = bodies.next().expect("a round for each body");
            let (took, done) = time(|| self.0.write_all(body.as_bytes()).and_then(|()| self.0.sync_data()));
            done.expect("the disk takes it");
            took.as_secs_f64() * 1e3
        }
    }
}

fn calls<'a>(
    runtime: &'a Arc<Runtime>,
    user: UserId,
    bodies: &'a [String],
) -> Result<impl FnMut() -> f64 + 'a, BenchError> {
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut bodies = bodies.iter().cycle();
    let target = runtime.catalogue().target("usercache/put")?;
    Ok(move || {
        let body = bodies.next().expect("a round for each body").clone().into_bytes();
        let body = Body::from_chunks(vec![body.into()]);
        let call = Call { target: target.clone(), now: 2e9, head: Head::default(), body, device: None };
        let (took, answer) = time(|| tokio.block_on(runtime.call(user, call)));
        let stored = matches!(answer, Ok(Answer::Whole { status: 200, .. }));
        assert!(stored, "the put was not stored");
        took.as_secs_f64() * 1e3
    })
}

fn commits<'a>(person: &'a Arc<Person>, samples: &'a [Sample]) -> impl FnMut() -> f64 + 'a {
    let key = StreamKey::parse("background/filtered_location").expect("a plain key");
    let rounds = RefCell::new(samples.chunks(ENTRIES).cycle());
    move || {
        let some = rounds.borrow_mut().next().expect("a round for each batch");
        let (took, done) = time(|| {
            let mut batch = Batch::new();
            for sample in some {
                batch.put_usercache(sample.entry(&key), key.clone());
            }
            person.store.commit(batch)
        });
        done.expect("the store keeps it");
        took.as_secs_f64() * 1e3
    }
}
