//! What do 10,000 idle people cost?
//!
//! * Work: people are added as an operator adds them, each with a folder on disk; then a host is started over that data
//!   folder, and over an empty one, and left idle.
//! * Reports: resident memory of that host; the memory that each person adds; the time that adding one takes.
//! * Estimate: a person is an id, a digest and their entries in two maps: 200 bytes. The host itself is 80 MB.

use std::path::Path;
use std::thread;
use std::time::Duration;

use runtime_user::people::{People, PeopleError};

use super::rounds::{Comparison, time};
use super::served::Served;
use super::{BenchError, Figures};
use crate::memory_of::Memory;

const PEOPLE: usize = 10_000;
/// Adding waits for the disk, so several are added at once.
const THREADS: usize = 8;
const RESIDENT_MB_MAX: f64 = 300.0;
const EACH_KB_MAX: f64 = 4.0;

pub(super) fn run() -> Figures {
    let (empty, full) = (tempfile::tempdir()?, tempfile::tempdir()?);
    Served::found(full.path())?;
    let (took, added) = time(|| add(full.path()));
    added?;
    let add_ms = took.as_secs_f64() * 1e3 / PEOPLE as f64;
    let base_mb = resident_mb(empty.path())?;
    let resident_mb = resident_mb(full.path())?;
    let each_kb = (resident_mb - base_mb) * 1e3 / PEOPLE as f64;
    Ok(vec![
        Comparison::figure(
            "host with 10,000 idle people, resident",
            resident_mb,
            "MB",
            "≤ 300 MB",
            resident_mb <= RESIDENT_MB_MAX,
        ),
        Comparison::figure("host with nobody, resident", base_mb, "MB", "", true),
        Comparison::figure("one more idle person", each_kb, "kB", "≤ 4 kB", each_kb <= EACH_KB_MAX),
        Comparison::figure("adding one, durably, eight at once", add_ms, "ms", "", true),
    ])
}

fn add(data: &Path) -> Result<(), PeopleError> {
    let people = People::open(data)?;
    let people = &people;
    thread::scope(|scope| {
        let adding: Vec<_> = (0..THREADS)
            .map(|thread| {
                scope.spawn(move || {
                    (thread..PEOPLE)
                        .step_by(THREADS)
                        .try_for_each(|index| people.add(&format!("person {index}"), 0.0).map(drop))
                })
            })
            .collect();
        adding.into_iter().try_for_each(|thread| thread.join().expect("adding does not panic"))
    })
}

fn resident_mb(data: &Path) -> Result<f64, BenchError> {
    let host = Served::start(data)?;
    // By then, memory that was needed only at the start has been freed.
    thread::sleep(Duration::from_secs(2));
    Ok(host.memory_mb(Memory::Resident))
}
