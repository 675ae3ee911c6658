//! How long does an idle person's first reply take?
//!
//! * Work: a put of 100 entries over an open connection, to a person with 30 days of data whose store is closed.
//! * Compared with: the same put to a person whose store is open.
//! * Reports: the time until the first byte of the reply; the median, and the slow ones.
//! * Estimate: opening a store takes 2 to 6 ms, a commit 3, the cell less than 1.

use std::sync::Arc;

use runtime_user::{CallError, Runtime, Settings, UserId};

use super::network::{Network, Phone, request};
use super::rounds::{Comparison, compare, quantile};
use super::sample::{self, Sample};
use super::{BenchError, Figures};
use runtime_cells::BUILT_IN;

const ENTRIES: usize = 100;
const ROUNDS: usize = 30;
const DAYS: u32 = 30;
const WAKE_MS_MAX: f64 = 20.0;

pub(super) fn run() -> Figures {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(Settings::at(folder.path()), BUILT_IN)?;
    let network = Network::new(folder.path())?;
    let address = network.serve(Arc::clone(&runtime))?;
    let readings = sample::locations(ENTRIES * (ROUNDS + 1));
    let mut sleeper = Caller::new(&runtime, network.connect(address)?, &readings)?;
    let mut waker = Caller::new(&runtime, network.connect(address)?, &readings)?;
    waker.put();

    let mut asleep_ms = Vec::new();
    let wakes = || {
        fall_asleep(&runtime, sleeper.user);
        let took = sleeper.put();
        asleep_ms.push(took);
        took
    };
    let compared = compare(ROUNDS, "ms", wakes, || waker.put());
    let met = compared.ours <= WAKE_MS_MAX;
    let first =
        compared.named("first reply of a sleeper, median", "of somebody awake").held_against("≤ 20 ms", met);
    // The first round does not count.
    let slow = quantile(&mut asleep_ms.split_off(1), 0.95);
    let slow = Comparison::figure(
        "first reply of a sleeper, 95th of 100",
        slow,
        "ms",
        "≤ 20 ms",
        slow <= WAKE_MS_MAX,
    );
    runtime.shutdown();
    Ok(vec![first, slow])
}

/// A person with some days of data, and their phone.
struct Caller {
    user: UserId,
    phone: Phone,
    requests: std::vec::IntoIter<Vec<u8>>,
}

impl Caller {
    fn new(runtime: &Arc<Runtime>, phone: Phone, readings: &[Sample]) -> Result<Self, BenchError> {
        let (user, token) = runtime.people().add("somebody", 0.0)?;
        let person = runtime.person(user)?;
        sample::fill(&person.store, &sample::days(DAYS)).map_err(CallError::Commit)?;
        while person.store.settle().map_err(CallError::Commit)?.more {}
        let batches = readings.chunks(ENTRIES).map(|some| {
            let texts: Vec<_> = some.iter().map(Sample::text).collect();
            request("/usercache/put", &runtime_simulator::put_body(token.reveal(), &texts))
        });
        // One more than is counted, and one more to open the store.
        let mut requests: Vec<_> = batches.collect();
        requests.extend(requests.first().cloned());
        Ok(Self { user, phone, requests: requests.into_iter() })
    }

    fn put(&mut self) -> f64 {
        let request = self.requests.next().expect("a request for each round");
        self.phone.post(&request).expect("the host stores").as_secs_f64() * 1e3
    }
}

/// Closes the store. The call before may still be releasing what it held.
fn fall_asleep(runtime: &Runtime, user: UserId) {
    while !runtime.open_people().close(user) {
        std::thread::yield_now();
    }
}
