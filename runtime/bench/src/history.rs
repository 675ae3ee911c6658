//! What does a file of 2 GB cost a host, and is anything lost when the host is killed meanwhile?
//!
//! * Work: `Records.json` of 2 GB and GPX of 1 GB (16 MB and 8 MB in a build for development) are written to disk. Each
//!   is imported for a person by `cellar import`, with `cellar serve` over the data; when a part is stored, the host is
//!   killed, and another one gets the same command again. Then the stages run, and the file is given again as a dry
//!   run.
//! * Compared with: nothing elsewhere. The benchmark fails unless the store has as many entries as the file has points,
//!   each of which a dry run knows; the trips are compared with those that were made.
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

/// A day of points, which begins and ends at home: by which point somebody sets out, and for how many points they are on
/// the way, from one place to another.
const DAY: [(i64, i64, Place, Place); 4] =
    [(1_200, 75, HOME, WORK), (1_850, 25, WORK, LUNCH), (1_975, 25, LUNCH, WORK), (2_700, 75, WORK, HOME)];
const POINTS_A_DAY: i64 = 86_400 / STEP_S;
/// So many points behind a trip are a rest: ten minutes.
const POINTS_AT_REST: i64 = 600 / STEP_S;

/// Latitude and longitude, degrees × 10⁷.
type Place = [i64; 2];
const HOME: Place = [474_000_000, 82_500_000];
const WORK: Place = [474_400_000, 83_400_000];
const LUNCH: Place = [474_460_000, 83_330_000];

/// Where somebody is at a point: four trips a day, and rests between them. A fix is up to 17 m off.
fn place(at: i64) -> Place {
    let of_day = at % POINTS_A_DAY;
    let begun = DAY.iter().rfind(|(begin, ..)| *begin <= of_day);
    let [lat, lon] = begun.map_or(HOME, |(begin, points, from, to)| {
        let done = (of_day - begin).min(*points);
        [0, 1].map(|axis| from[axis] + (to[axis] - from[axis]) * done / points)
    });
    [lat + at * 37 % 3_001 - 1_500, lon + at * 41 % 3_001 - 1_500]
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

/// How many trips a diary of so many points has: those with a rest behind them.
fn trips_in(points: i64) -> u64 {
    let days = (0..).take_while(|day| day * POINTS_A_DAY < points);
    let ends = days.flat_map(|day| DAY.map(|(begin, length, ..)| day * POINTS_A_DAY + begin + length));
    ends.filter(|end| end + POINTS_AT_REST <= points).count() as u64
}

/// What one call of a command came to.
struct Ended {
    took: Duration,
    host_mb: f64,
    command_mb: f64,
    /// Its answer; none where the host was killed.
    answer: Option<serde_json::Value>,
}

impl Ended {
    /// A count of its answer, where that is the progress of an import.
    fn counted(&self, what: &str) -> Option<u64> {
        self.answer.as_ref()?["progress"][what].as_u64()
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
        let first = run_beside(host, import_of(&data, user, &file)?, killed_at)?;
        let second = run_beside(Served::start(&data)?, import_of(&data, user, &file)?, None)?;
        let resumed = second.counted("resumed").unwrap_or_default();
        if first.answer.is_some() || resumed == 0 {
            let what = format!("the host was not killed half way, but after {resumed} of {points} points");
            return Err(BenchError::Network(what));
        }
        let stored = folder_bytes(&store)? as f64 / points as f64;
        let stages = run_beside(Served::start(&data)?, stages_of(&data, user)?, None)?;
        let mut again = import_of(&data, user, &file)?;
        again.arg("--dry-run");
        let again = run_beside(Served::start(&data)?, again, None)?;
        self.expect("points are known to a second import", again.counted("duplicates"), points)?;
        let [trips, trips_made] = [self.check(&data, user, points)?, trips_in(points as i64)];
        let rate = |points: u64, ended: &Ended| points as f64 / ended.took.as_secs_f64();
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
            row("the others, durable", rate(points - resumed, &second), "points/s"),
            row("all of them once more, not to be stored", rate(points, &again), "points/s"),
            row("what a point takes on disk", stored, "B"),
            row("memory of the host before", idle_mb, "MB"),
            memory("memory of the host at its peak", host_mb),
            memory("memory of the command at its peak", first.command_mb.max(second.command_mb)),
            row("all stages over all of them", rate(points, &stages), "points/s"),
            row("memory of the host during these", stages.host_mb, "MB"),
            row("trips made", trips_made as f64, ""),
            Comparison::figure(
                &format!("{}: trips found", self.name),
                trips as f64,
                "",
                "as many as made, within 0.1 %",
                trips.abs_diff(trips_made) * 1_000 <= trips_made,
            ),
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

    /// Fails unless both streams have as many entries as the file has points; returns how many trips there are.
    fn check(&self, data: &Path, user: UserId, points: u64) -> Result<u64, BenchError> {
        let runtime = Runtime::open(Settings::at(data), BUILT_IN)?;
        let snapshot = runtime.person(user)?.store.snapshot();
        let count = |key: &str| {
            let keys = vec![StreamKey::parse(key).expect("it names a stream")];
            let query = Query { keys, ..Query::everything(Area::Timeseries) };
            snapshot.count(&query).map_err(CallError::Read)
        };
        for key in ["background/location", "background/filtered_location"] {
            self.expect(&format!("points are in {key}"), Some(count(key)?), points)?;
        }
        let trips = count("segmentation/raw_trip")?;
        drop(snapshot);
        runtime.shutdown();
        Ok(trips)
    }

    /// Fails unless there are as many as the file has points.
    fn expect(&self, what: &str, found: Option<u64>, points: u64) -> Result<(), BenchError> {
        let found = found.unwrap_or_default();
        if found != points {
            let name = self.name;
            return Err(BenchError::Network(format!("{name}: {found} of {points} {what}")));
        }
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

/// `cellar pipeline run` of a person.
fn stages_of(data: &Path, user: UserId) -> Result<Command, BenchError> {
    let mut command = command("pipeline", data)?;
    command.args(["--json", "run"]).arg(user.dashed()).stdout(Stdio::piped());
    Ok(command)
}

/// Runs the command to its end; kills the host once that folder has so many bytes.
fn run_beside(
    host: Served,
    mut command: Command,
    killed_at: Option<(&Path, u64)>,
) -> Result<Ended, BenchError> {
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
        return Err(BenchError::Network(format!("the command ended with {}", output.status)));
    }
    let answer = host.and_then(|_| serde_json::from_slice(&output.stdout).ok());
    Ok(Ended { took, host_mb, command_mb, answer })
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
