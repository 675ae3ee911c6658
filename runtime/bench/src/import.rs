//! How fast and in how much memory is a large history imported?
//!
//! * Work: 2 GB of Google's `Records.json` and 1 GB of GPX are read (16 MB and 8 MB in a build for development); then
//!   the same with entries made of each point; then a file of 3,000,000 points (40,000) is imported into a store. The
//!   large ones are a block of memory that is read again and again, so that no disk is measured and none is filled.
//! * Compared with: nothing elsewhere. What is read and made says where the time of what is stored goes; the last
//!   points of the file are compared with the first: a store that has grown must not be much slower.
//! * Memory: the peak of the process above what it had before.
//! * Estimate: a record of 250 bytes is scanned twice, once for its end and once for its members, at about 1 GB/s; its
//!   two entries are 1.4 kB of text, sealed and written.

use std::fs;
use std::io::{BufReader, Read, Write as _};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use cells_model::time::Zone;
use runtime_cells::BUILT_IN;
use runtime_import::{Bounds, Entries, Format, Item, read};
use runtime_user::intake::{Given, Wish};
use runtime_user::{Runtime, Settings};

use super::rounds::Comparison;
use super::{BenchError, Figures};
use crate::memory_of::peak_resident_mb;

/// How large the files are that are only read, bytes.
const RECORDS_BYTES: usize = if cfg!(debug_assertions) { 16 << 20 } else { 2_000_000_000 };
const GPX_BYTES: usize = RECORDS_BYTES / 2;
/// How many points are stored.
const STORED: usize = if cfg!(debug_assertions) { 40_000 } else { 3_000_000 };
/// How many of them, at the beginning and at the end, are compared.
const COMPARED: u64 = STORED as u64 / 10;
/// How quick a grown store must be, as a share of an empty one.
const GROWN_MIN: f64 = 0.5;
/// Points of a block that is repeated.
const BLOCK: usize = 20_000;
const BEGIN_S: usize = 1_400_000_000;
/// How long one step of an import lasts.
const STEP: Duration = Duration::from_millis(200);
const NOW: f64 = 1_900_000_000.0;
const POINTS_A_SECOND_MIN: f64 = 500_000.0;
const MEMORY_MB_MAX: f64 = 150.0;

pub(super) fn run() -> Figures {
    // The peak is counted from here on.
    fs::write("/proc/self/clear_refs", "5")?;
    let before_mb = peak_resident_mb();
    let mut figures = Vec::new();
    let files = [
        ("Records.json", Format::GoogleRecords, "{\"locations\":[", records(BLOCK), RECORDS_BYTES, "null]}"),
        ("GPX", Format::Gpx, "<gpx><trk><trkseg>", track(BLOCK), GPX_BYTES, "</trkseg></trk></gpx>"),
    ];
    for (name, format, begin, block, bytes, end) in &files {
        for makes in [false, true] {
            let rate = points_a_second(*format, begin, block, *bytes, end, makes)?;
            let what = if makes { "read, and entries made" } else { "read" };
            let target = if makes { "" } else { "at least 500,000" };
            let met = makes || rate >= POINTS_A_SECOND_MIN;
            figures.push(Comparison::figure(&format!("{name}: {what}"), rate, "points/s", target, met));
        }
    }
    let stored = stored()?;
    figures.push(Comparison::figure("stored, durable: all", stored.all, "points/s", "", true));
    figures.push(Comparison::figure("stored, durable: the first tenth", stored.first, "points/s", "", true));
    let (share, share_min) = (stored.last / stored.first, format!("at least {GROWN_MIN}"));
    let met = share >= GROWN_MIN;
    figures.push(Comparison::figure(
        "the last tenth's rate, of the first's",
        share,
        "times",
        &share_min,
        met,
    ));
    let more_mb = peak_resident_mb() - before_mb;
    let met = more_mb <= MEMORY_MB_MAX;
    figures.push(Comparison::figure("memory at the peak", more_mb, "MB", "at most 150", met));
    Ok(figures)
}

fn records(points: usize) -> String {
    let point = |at: usize| {
        format!(
            r#"{{"latitudeE7":{},"longitudeE7":{},"accuracy":{},"altitude":420,"source":"WIFI","deviceTag":-1234567,"timestamp":"2014-05-13T{:02}:{:02}:{:02}.{:03}Z"}},{}"#,
            474_000_000 + at * 37,
            82_500_000 + at * 41,
            at % 60,
            at / 3_600 % 24,
            at / 60 % 60,
            at % 60,
            at % 1_000,
            "\n"
        )
    };
    (0..points).map(point).collect()
}

fn track(points: usize) -> String {
    let point = |at: usize| {
        format!(
            "<trkpt lat=\"{:.7}\" lon=\"{:.7}\"><ele>420.5</ele><time>2014-05-13T{:02}:{:02}:{:02}Z</time></trkpt>\n",
            47.4 + at as f64 / 1e6,
            8.25 + at as f64 / 1e6,
            at / 3_600 % 24,
            at / 60 % 60,
            at % 60
        )
    };
    (0..points).map(point).collect()
}

/// A text that stands in a file as often as it is read.
struct Again<'t> {
    text: &'t [u8],
    at: usize,
    left: usize,
}

impl Read for Again<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.text.len() {
            self.at = 0;
            self.left = self.left.saturating_sub(1);
        }
        if self.left == 0 {
            return Ok(0);
        }
        let part = buffer.len().min(self.text.len() - self.at);
        buffer[..part].copy_from_slice(&self.text[self.at..self.at + part]);
        self.at += part;
        Ok(part)
    }
}

fn points_a_second(
    format: Format,
    begin: &str,
    block: &str,
    bytes: usize,
    end: &str,
    makes: bool,
) -> Result<f64, BenchError> {
    let again = Again { text: block.as_bytes(), at: 0, left: bytes.div_ceil(block.len()) };
    let source = begin.as_bytes().chain(again).chain(end.as_bytes());
    let zone = Zone::find("Europe/Zurich").map_err(|error| BenchError::Network(error.to_string()))?;
    let (mut entries, mut points, mut texts) = (Entries::new(zone), 0_u64, 0);
    let started = Instant::now();
    let done = read(format, &mut BufReader::with_capacity(1 << 18, source), &mut |item| {
        if let Item::Reading { reading, raw } = item {
            points += 1;
            if makes {
                let made = entries.each(format, &reading, raw, |entry| texts += entry.data.len());
                debug_assert!(made.is_ok());
            }
        }
        ControlFlow::Continue(())
    });
    done.map_err(|error| BenchError::Network(error.to_string()))?;
    std::hint::black_box(texts);
    Ok(points as f64 / started.elapsed().as_secs_f64())
}

/// How many points a second reach the disk.
struct Stored {
    /// Of all, with what follows the last one.
    all: f64,
    /// Of the first [`COMPARED`].
    first: f64,
    /// Of the last [`COMPARED`].
    last: f64,
}

impl Stored {
    /// From how many points were stored when.
    fn of(steps: &[(u64, Duration)]) -> Self {
        // In the last step the store is put in order, too.
        let Some(((all, took), steps)) = steps.split_last() else {
            return Self { all: 0.0, first: 0.0, last: 0.0 };
        };
        let stored = steps.last().map_or(0, |(points, _)| *points);
        let rate = |from: u64, to: u64| {
            let before = steps.iter().rfind(|(points, _)| *points <= from);
            let after = steps.iter().find(|(points, _)| *points >= to);
            before.zip(after).map_or(f64::NAN, |((from, begun), (to, ended))| {
                (to - from) as f64 / (*ended - *begun).as_secs_f64()
            })
        };
        let all = *all as f64 / took.as_secs_f64();
        Self { all, first: rate(0, COMPARED), last: rate(stored.saturating_sub(COMPARED), stored) }
    }
}

/// Imports a file of [`STORED`] points.
fn stored() -> Result<Stored, BenchError> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("points.csv");
    let mut file = std::io::BufWriter::new(fs::File::create(&path)?);
    writeln!(file, "lat,lon,accuracy,time")?;
    for at in 0..STORED {
        writeln!(
            file,
            "{:.7},{:.7},{},{}",
            47.0 + at as f64 / 1e6,
            8.0 + at as f64 / 1e6,
            at % 60,
            BEGIN_S + at * 7
        )?;
    }
    file.flush()?;
    let runtime = Runtime::open(Settings::at(folder.path()), BUILT_IN)?;
    let (user, _) = runtime.people().add("import", 0.0)?;
    let failed = |error: runtime_user::intake::IntakeError| BenchError::Network(error.to_string());
    let wish = Wish {
        files: vec![Given::Path(path)],
        format: None,
        zone: "Europe/Zurich".to_owned(),
        dry_run: false,
        bounds: Bounds { expansion_max: 100, expanded_bytes_max: 1 << 33 },
    };
    let started = Instant::now();
    let mut progress = runtime.diaries().begin_intake(user, wish).map_err(failed)?;
    let mut steps = vec![(0, Duration::ZERO)];
    while !progress.ended {
        progress = runtime.diaries().step_intake(user, STEP, NOW).map_err(failed)?;
        steps.push((progress.points, started.elapsed()));
    }
    runtime.shutdown();
    Ok(Stored::of(&steps))
}
