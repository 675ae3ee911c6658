//! What does a file of 2 GB cost a host, and is anything lost when the host is killed meanwhile?
//!
//! * Work: `Records.json` of 2 GB and GPX of 1 GB (16 MB and 8 MB in a build for development) are written to disk. Each
//!   is imported for a person by `cellar import`, with `cellar serve` over the data; when a part is stored, the host is
//!   killed, and another one gets the same command again.
//! * Compared with: nothing elsewhere. The benchmark fails unless the store has as many entries as the file has points.
//! * Memory: the peak of the whole process that reads and stores, with everything that a host has anyway.
//! * Needs 3 GB of disk.
//! * Estimate: the reading of `cellar bench import` is hidden behind the storing; the memory is that of an idle host, 76
//!   MB, and that of the import alone.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use cells_model::time::{BadTime, LocalTime, Zone};
use runtime_cells::BUILT_IN;
use runtime_types::{Area, Query, StreamKey, UserId};
use runtime_user::people::People;
use runtime_user::{CallError, Runtime, Settings};

use super::rounds::Comparison;
use super::served::{Served, command};
use super::{BenchError, Figures};
use crate::memory_of::{Memory, memory_mb};

/// The size of `Records.json`, bytes; the GPX has half of it.
const RECORDS_BYTES: u64 = if cfg!(debug_assertions) { 16 << 20 } else { 2_000_000_000 };
/// The host is killed once the person's folder has so many bytes for each point of the file: about half way.
const KILLED_AT_BYTES_EACH: u64 = 20;
const MEMORY_MB_MAX: f64 = 150.0;
/// The first point's moment, and the time between two points, s: 13 million points are ten years.
const BEGIN_S: i64 = 1_400_000_000;
const STEP_S: i64 = 24;
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A format in which the history is written.
struct Format {
    name: &'static str,
    bytes: u64,
    begin: &'static str,
    between: &'static str,
    end: &'static str,
    /// Appends the point with that number, at that moment.
    write: fn(&mut String, i64, &LocalTime<'_>),
}

const FORMATS: [Format; 2] = [
    Format {
        name: "Records.json",
        bytes: RECORDS_BYTES,
        begin: "{\"locations\":[",
        between: ",\n",
        end: "]}",
        write: record,
    },
    Format {
        name: "GPX",
        bytes: RECORDS_BYTES / 2,
        begin: "<gpx version=\"1.1\"><trk><trkseg>\n",
        between: "\n",
        end: "</trkseg></trk></gpx>",
        write: track_point,
    },
];

pub(super) fn run() -> Figures {
    let mut figures = Vec::new();
    for format in &FORMATS {
        figures.extend(format.measure()?);
    }
    Ok(figures)
}

/// A walk that never is at the same place twice: degrees × 10⁷.
fn place(at: i64) -> [i64; 2] {
    [474_000_000 + at * 37 % 9_999_991, 82_500_000 + at * 41 % 9_999_973]
}

fn record(text: &mut String, at: i64, when: &LocalTime<'_>) {
    let ([lat, lon], accuracy) = (place(at), at % 60);
    text.push_str(&format!(
        r#"{{"latitudeE7":{lat},"longitudeE7":{lon},"accuracy":{accuracy},"altitude":420,"source":"WIFI","deviceTag":-1234567,"timestamp":"{when}"}}"#,
    ));
}

fn track_point(text: &mut String, at: i64, when: &LocalTime<'_>) {
    let [lat, lon] = place(at).map(|e7| e7 as f64 / 1e7);
    text.push_str(&format!(
        "<trkpt lat=\"{lat:.7}\" lon=\"{lon:.7}\"><ele>420.5</ele><time>{when}</time></trkpt>"
    ));
}

/// What one call of `cellar import` came to.
struct Ended {
    took: Duration,
    host_mb: f64,
    command_mb: f64,
    /// Its answer; none where the host was killed.
    progress: Option<serde_json::Value>,
}

impl Ended {
    /// A count of its answer.
    fn counted(&self, what: &str) -> Option<u64> {
        self.progress.as_ref()?["progress"][what].as_u64()
    }
}

impl Format {
    fn measure(&self) -> Figures {
        let folder = tempfile::tempdir()?;
        let (data, file) = (folder.path().join("data"), folder.path().join("history"));
        let points = self.write(&file)?;
        Served::found(&data)?;
        let people = People::open(&data)?;
        let (user, _) = people.add("history", 0.0)?;
        let store = people.folder(user);
        drop(people);
        let host = Served::start(&data)?;
        let idle_mb = host.memory_mb(Memory::Resident);
        let killed_at = Some((store.as_path(), points * KILLED_AT_BYTES_EACH));
        let first = import(host, import_of(&data, user, &file)?, killed_at)?;
        let second = import(Served::start(&data)?, import_of(&data, user, &file)?, None)?;
        let resumed = second.counted("resumed").unwrap_or_default();
        if first.progress.is_some() || resumed == 0 {
            let what = format!("the host was not killed half way, but after {resumed} of {points} points");
            return Err(BenchError::Network(what));
        }
        self.check(&data, user, points)?;
        let rate = (points - resumed) as f64 / second.took.as_secs_f64();
        let stored = folder_bytes(&store)? as f64 / points as f64;
        let host_mb = first.host_mb.max(second.host_mb);
        let row = |what: &str, figure, unit| {
            Comparison::figure(&format!("{}: {what}", self.name), figure, unit, "", true)
        };
        let memory = |what: &str, figure: f64| {
            let what = format!("{}: {what}", self.name);
            Comparison::figure(&what, figure, "MB", "at most 150", figure <= MEMORY_MB_MAX)
        };
        Ok(vec![
            row("points, as many as are stored", points as f64, ""),
            row("of these stored before the host was killed", resumed as f64, ""),
            row("the others, durable", rate, "points/s"),
            row("what a point takes on disk", stored, "B"),
            row("memory of the host before", idle_mb, "MB"),
            memory("memory of the host at its peak", host_mb),
            memory("memory of the command at its peak", first.command_mb.max(second.command_mb)),
        ])
    }

    /// Writes the file; returns how many points it has.
    fn write(&self, path: &Path) -> Result<u64, BenchError> {
        let failed = |error: BadTime| BenchError::Network(error.to_string());
        let zone = Zone::find("UTC").map_err(failed)?;
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        file.write_all(self.begin.as_bytes())?;
        let (mut points, mut bytes, mut point) = (0, 0, String::new());
        while bytes < self.bytes {
            point.clear();
            if points > 0 {
                point.push_str(self.between);
            }
            let when = zone.at((BEGIN_S + points * STEP_S) as f64).map_err(failed)?;
            (self.write)(&mut point, points, &when);
            file.write_all(point.as_bytes())?;
            (points, bytes) = (points + 1, bytes + point.len() as u64);
        }
        file.write_all(self.end.as_bytes())?;
        file.flush()?;
        Ok(points as u64)
    }

    /// Fails unless both streams have as many entries as the file has points.
    fn check(&self, data: &Path, user: UserId, points: u64) -> Result<(), BenchError> {
        let runtime = Runtime::open(Settings::at(data), BUILT_IN)?;
        let snapshot = runtime.person(user)?.store.snapshot();
        for key in ["background/location", "background/filtered_location"] {
            let keys = vec![StreamKey::parse(key).expect("it names a stream")];
            let query = Query { keys, ..Query::everything(Area::Timeseries) };
            let stored = snapshot.count(&query).map_err(CallError::Read)?;
            if stored != points {
                let name = self.name;
                return Err(BenchError::Network(format!("{name}: {stored} of {points} points are in {key}")));
            }
        }
        drop(snapshot);
        runtime.shutdown();
        Ok(())
    }
}

/// `cellar import` of a file.
fn import_of(data: &Path, user: UserId, file: &Path) -> Result<Command, BenchError> {
    let mut command = command("import", data)?;
    command.arg("--json").arg(user.dashed()).arg(file).args(["--zone", "Europe/Zurich"]);
    command.stdout(Stdio::piped());
    Ok(command)
}

/// Runs the command to its end; kills the host once that folder has so many bytes.
fn import(host: Served, mut command: Command, killed_at: Option<(&Path, u64)>) -> Result<Ended, BenchError> {
    let begun = Instant::now();
    let mut command = command.spawn()?;
    let (mut host, mut host_mb, mut command_mb) = (Some(host), 0_f64, 0_f64);
    loop {
        let ended = command.try_wait()?.is_some();
        command_mb = command_mb.max(memory_mb(&command.id().to_string(), Memory::Peak));
        host_mb = host.as_ref().map_or(host_mb, |host| host.memory_mb(Memory::Peak));
        match killed_at {
            _ if ended => break,
            Some((folder, bytes)) if folder_bytes(folder)? >= bytes => host = None,
            _ => {}
        }
        thread::sleep(LOOK_EVERY);
    }
    let took = begun.elapsed();
    let output = command.wait_with_output()?;
    if host.is_some() && !output.status.success() {
        return Err(BenchError::Network(format!("the import ended with {}", output.status)));
    }
    let progress = host.and_then(|_| serde_json::from_slice(&output.stdout).ok());
    Ok(Ended { took, host_mb, command_mb, progress })
}

/// The bytes of the files in a folder and below it.
fn folder_bytes(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        bytes += match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path())?,
            Ok(metadata) => metadata.len(),
            // A file that was there a moment ago.
            Err(_) => 0,
        };
    }
    Ok(bytes)
}
