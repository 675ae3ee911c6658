//! What do 10,000 idle people cost?
//!
//! * Work: people are added as an operator adds them, each with a folder on disk; then a host is started over that data
//!   folder, and over an empty one, and left idle.
//! * Reports: resident memory of that host; the memory that each person adds; the time that adding one takes.
//! * Estimate: a person is an id, a digest and their entries in two maps: 200 bytes. The host itself is 20 to 40 MB.

use std::env;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use runtime_user::people::{People, PeopleError};

use super::rounds::{Comparison, time};
use super::{BenchError, Figures};

const PEOPLE: usize = 10_000;
/// Adding waits for the disk, so several are added at once.
const THREADS: usize = 8;
const RESIDENT_MB_MAX: f64 = 300.0;
const EACH_KB_MAX: f64 = 4.0;
const START_S_MAX: u64 = 60;

pub(super) fn run() -> Figures {
    let (empty, full) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let (took, added) = time(|| add(full.path()));
    added?;
    let add_ms = took.as_secs_f64() * 1e3 / PEOPLE as f64;
    let base = resident_bytes(empty.path())?;
    let resident = resident_bytes(full.path())?;
    let each_kb = (resident - base) / PEOPLE as f64 / 1e3;
    let resident_mb = resident / 1e6;
    Ok(vec![
        Comparison::figure(
            "host with 10,000 idle people, resident",
            resident_mb,
            "MB",
            "≤ 300 MB",
            resident_mb <= RESIDENT_MB_MAX,
        ),
        Comparison::figure("host with nobody, resident", base / 1e6, "MB", "", true),
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

/// A host that is stopped when dropped.
struct Host(Child);

impl Drop for Host {
    fn drop(&mut self) {
        // No request is under way, and all answered requests are on disk: only the end of the process remains to be
        // awaited.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn resident_bytes(data: &Path) -> Result<f64, BenchError> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
    let mut host = Host(
        // The program of the command line is in the same folder as this one.
        Command::new(env::current_exe()?.canonicalize()?.with_file_name("cellar"))
            .env("CELLAR_CONFIG", "/dev/null")
            .arg("serve")
            .arg("--data")
            .arg(data)
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?,
    );
    let started = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if let Some(status) = host.0.try_wait()? {
            return Err(BenchError::Network(format!("the host ended with {status} before it listened")));
        }
        if started.elapsed() > Duration::from_secs(START_S_MAX) {
            return Err(BenchError::Network(format!("the host does not listen after {START_S_MAX} s")));
        }
        thread::sleep(Duration::from_millis(20));
    }
    // By then, memory that was needed only at the start has been freed.
    thread::sleep(Duration::from_secs(2));
    let status = fs::read_to_string(format!("/proc/{}/status", host.0.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    let kib = kib.ok_or_else(|| io::Error::other("the system does not tell resident memory"))?;
    Ok(kib * 1024.0)
}
