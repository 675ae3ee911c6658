//! What does a cell add to a request?
//!
//! * Work: small requests over TLS on connections that stay open, through the whole host to the no-op cell.
//! * Compared with: the same server answering in place of the cell.
//! * Reports: requests a second, with 1 and 8 connections; the time that the cell adds to the median request.
//! * Estimate: a request takes 50 µs of TLS, HTTP and system calls; a live instance adds a few, a fresh one 30.

use std::net::SocketAddr;
use std::sync::{Arc, Barrier};
use std::time::Instant;

use runtime_user::{Runtime, Settings};

use super::network::{Network, Phone, SWAPPED_ROUTE, Swapped, request};
use super::rounds::{Comparison, compare, quantile};
use super::{BenchError, Figures};
use runtime_cells::BUILT_IN;

const ROUNDS: usize = 21;
const REQUESTS: usize = 2_000;
const CONNECTIONS: [usize; 2] = [1, 8];
const ADDED_US_MAX: f64 = 100.0;

pub(super) fn run() -> Figures {
    let mut figures = Vec::new();
    for (instances, warm, share) in [("warm", true, 0.8), ("fresh", false, 0.3)] {
        let folder = tempfile::tempdir()?;
        let settings = Settings { test_cells: true, warm_instances: warm, ..Settings::at(folder.path()) };
        let runtime = Runtime::open(settings, BUILT_IN)?;
        let (_, token) = runtime.people().add("bench", 0.0)?;
        let network = Network::new(folder.path())?;
        let (bare, cell) =
            (network.serve(Swapped::bare(&runtime))?, network.serve(Swapped::noop(&runtime)?)?);
        let request = request(SWAPPED_ROUTE, &format!(r#"{{"user":"{}"}}"#, token.reveal()));
        for connections in CONNECTIONS {
            let phones = |address| connect(&network, address, connections);
            let (mut with, mut without) = (phones(cell)?, phones(bare)?);
            let compared =
                compare(ROUNDS, "/s", || rate(&mut with, &request), || rate(&mut without, &request));
            let what = format!("{instances} instance, {connections} connections");
            figures.push(compared.named(&what, "no cell").at_least(share));
        }
        figures.push(added(&network, cell, bare, &request, instances)?);
        runtime.shutdown();
    }
    Ok(figures)
}

fn connect(network: &Network, address: SocketAddr, count: usize) -> Result<Vec<Phone>, BenchError> {
    (0..count).map(|_| network.connect(address)).collect()
}

/// Requests a second, where each phone sends its next request when it has the answer to the one before.
fn rate(phones: &mut [Phone], request: &[u8]) -> f64 {
    let each = REQUESTS / phones.len();
    let begin = Arc::new(Barrier::new(phones.len() + 1));
    std::thread::scope(|scope| {
        let sending: Vec<_> = phones
            .iter_mut()
            .map(|phone| {
                let begin = Arc::clone(&begin);
                scope.spawn(move || {
                    begin.wait();
                    for _ in 0..each {
                        phone.post(request).expect("the host answers");
                    }
                })
            })
            .collect();
        begin.wait();
        let started = Instant::now();
        let requests = each * sending.len();
        sending.into_iter().for_each(|phone| phone.join().expect("phones do not panic"));
        requests as f64 / started.elapsed().as_secs_f64()
    })
}

fn added(
    network: &Network,
    cell: SocketAddr,
    bare: SocketAddr,
    request: &[u8],
    instances: &str,
) -> Result<Comparison, BenchError> {
    let (mut with, mut without) = (network.connect(cell)?, network.connect(bare)?);
    let compared =
        compare(ROUNDS, "us", || median_us(&mut with, request), || median_us(&mut without, request));
    let added = compared.ours - compared.other;
    let named = compared.named(&format!("{instances} instance, median request (+{added:.0} us)"), "no cell");
    Ok(named.held_against("≤ +100 us", added <= ADDED_US_MAX))
}

fn median_us(phone: &mut Phone, request: &[u8]) -> f64 {
    let mut each: Vec<f64> = (0..REQUESTS / 4)
        .map(|_| phone.post(request).expect("the host answers").as_secs_f64() * 1e6)
        .collect();
    quantile(&mut each, 0.5)
}
