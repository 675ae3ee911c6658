//! `cellar import`: a person's history from files of other programs.

use std::fs::File;
use std::io::{BufWriter, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{Options, Session, moment, show};
use runtime_host::admin::{BeginImport, EndImport, ImportProgress, StepImport};
use runtime_program::signals::Signals;
use runtime_program::{Failure, console};
use runtime_user::intake::{Fault, Progress};

/// The example that `--help` shows.
pub const EXAMPLE: &str = "Example:\n  cellar import Ada Records.json --dry-run\n  cellar import Ada takeout.zip track.gpx --zone Europe/Zurich";

/// How often the progress is shown where it cannot be shown in place.
const TOLD_EVERY: Duration = Duration::from_secs(10);
/// How many refused records are shown.
const SHOWN_MAX: usize = 10;

/// The options of an import.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name or id
    #[arg(value_name = "PERSON")]
    person: String,
    /// The files, plain, in a zip, or compressed with gzip
    #[arg(value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
    /// Read and compare everything, and store nothing
    #[arg(long)]
    dry_run: bool,
    /// The format of the files, such as gpx or google-records; without it, it is found out from each
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The zone of the local times; without it, that of the person's last location, or else UTC
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// Write refused records with their reasons into this file, which does not exist yet
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
}

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(args: Args, options: &Options) -> Result<(), Failure> {
    let Args { person, files, dry_run, format, zone, refused } = args;
    let whole = |path: PathBuf| {
        std::path::absolute(&path).map_err(|error| Failure::of(&error, "name the file with its whole path"))
    };
    let files = files.into_iter().map(whole).collect::<Result<Vec<_>, _>>()?;
    let mut aside = SetAside::begin(refused)?;
    let stop = Stop::watch()?;
    let files = files.into_iter().map(Into::into).collect();
    let begin = BeginImport { person: person.clone(), files, format, zone, dry_run };
    let (session, begun) = Session::begin(options, begin)?;
    let done = begun.and_then(|begun| steps(&session, &person, &begun, &stop, &mut aside));
    session.end();
    let mut shown = done?;
    aside.end()?;
    shown.progress.faults.clone_from(&aside.first);
    show(options, &shown, |shown| tell(shown, dry_run, &aside))?;
    match shown.progress.ended {
        true => Ok(()),
        false => Err(Failure::new(
            format!("stopped after {} records", thousands(shown.progress.records)),
            "run the same command again: it continues there",
        )),
    }
}

/// Takes step after step until all is read, or somebody stops it.
fn steps(
    session: &Session,
    person: &str,
    begun: &ImportProgress,
    stop: &Stop,
    aside: &mut SetAside,
) -> Result<ImportProgress, Failure> {
    let mut shown = begun.clone();
    let mut line = Line::begin(&shown.progress);
    if shown.progress.resumed > 0 {
        let records = thousands(shown.progress.resumed);
        console::note(format!("cellar: {records} records were stored before: continuing behind them"));
    }
    while !shown.progress.ended {
        if stop.is_asked() {
            session.ask(EndImport { person: person.to_owned() })?;
            break;
        }
        let step = session.ask(StepImport { person: person.to_owned() })?;
        aside.add(&step.progress.faults)?;
        shown = ImportProgress { zone: shown.zone, ..step };
        line.show(&shown.progress);
    }
    line.end();
    Ok(shown)
}

/// Whether the process was asked to stop.
struct Stop(Arc<AtomicBool>);

impl Stop {
    fn watch() -> Result<Self, Failure> {
        let asked = Arc::new(AtomicBool::new(false));
        let set = Arc::clone(&asked);
        let failed = |error: std::io::Error| Failure::of(&error, "look at the limits of this process");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let signals = runtime.block_on(async { Signals::handle() }).map_err(failed)?;
        let wait = move || {
            runtime.block_on(signals.until_stop(|| {}));
            set.store(true, Ordering::Relaxed);
        };
        std::thread::Builder::new().name("signals".to_owned()).spawn(wait).map_err(failed)?;
        Ok(Self(asked))
    }

    fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Refused records: the first few for the answer, all of them for a file.
struct SetAside {
    path: Option<PathBuf>,
    file: Option<BufWriter<File>>,
    first: Vec<Fault>,
}

impl SetAside {
    fn begin(path: Option<PathBuf>) -> Result<Self, Failure> {
        let file = path.as_ref().map(File::create_new).transpose();
        let file = file.map_err(|error| {
            let path = path.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
            Failure::new(format!("cannot create {path}: {error}"), "name a file that does not exist yet")
        })?;
        Ok(Self { path, file: file.map(BufWriter::new), first: Vec::new() })
    }

    fn add(&mut self, faults: &[Fault]) -> Result<(), Failure> {
        let room = SHOWN_MAX.saturating_sub(self.first.len());
        self.first.extend(faults.iter().take(room).cloned());
        let Some(file) = &mut self.file else { return Ok(()) };
        for fault in faults {
            serde_json::to_writer(&mut *file, fault)
                .map_err(std::io::Error::from)
                .and_then(|()| file.write_all(b"\n"))
                .map_err(|error| unwritten(&error))?;
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.file.as_mut().map_or(Ok(()), BufWriter::flush).map_err(|error| unwritten(&error))
    }
}

fn unwritten(error: &std::io::Error) -> Failure {
    let what = format!("cannot write the refused records: {error}");
    Failure::new(what, "make room, and run the same command again: it continues where it stopped")
}

/// The line that says how far an import has come.
struct Line {
    begun: Instant,
    told: Instant,
    records: u64,
    in_place: bool,
}

impl Line {
    fn begin(progress: &Progress) -> Self {
        let now = Instant::now();
        Self { begun: now, told: now, records: progress.records, in_place: std::io::stderr().is_terminal() }
    }

    fn show(&mut self, progress: &Progress) {
        let text = progress_line(progress, self.records, self.begun.elapsed());
        if self.in_place {
            let mut out = std::io::stderr().lock();
            let _ = write!(out, "\r{text}\x1b[K").and_then(|()| out.flush());
        } else if self.told.elapsed() >= TOLD_EVERY {
            self.told = Instant::now();
            console::note(text);
        }
    }

    fn end(&self) {
        if self.in_place {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}

/// `37 %, 1,204,331 records, 84,000 a second, 1:05 left`
fn progress_line(progress: &Progress, before: u64, elapsed: Duration) -> String {
    let [read, all] = progress.bytes;
    let share = if all == 0 { 1.0 } else { (read as f64 / all as f64).min(1.0) };
    let elapsed_s = elapsed.as_secs_f64().max(1e-3);
    let rate = progress.records.saturating_sub(before) as f64 / elapsed_s;
    let left = if share > 0.0 { elapsed_s * (1.0 - share) / share } else { 0.0 };
    format!(
        "{:.0} %, {} records, {} a second, {}:{:02} left",
        share * 100.0,
        thousands(progress.records),
        thousands(rate as u64),
        left as u64 / 60,
        left as u64 % 60
    )
}

fn tell(shown: &ImportProgress, dry_run: bool, aside: &SetAside) -> String {
    let progress = &shown.progress;
    let mut lines = progress.formats.clone();
    lines.extend(progress.columns.clone());
    let span = progress.span.map_or_else(String::new, |[from, to]| {
        let day = |ts: f64| moment(ts).chars().take(7).collect::<String>();
        format!(", {} to {}", day(from), day(to))
    });
    let mut counts = format!("{} points{span}", thousands(progress.points));
    for (count, what) in [
        (progress.others, "other records"),
        (progress.duplicates, "duplicates"),
        (progress.set_aside, "set aside (see `cellar user errors`)"),
        (progress.refused, "refused"),
    ] {
        if count > 0 {
            counts.push_str(&format!(", {} {what}", thousands(count)));
        }
    }
    lines.push(counts);
    for Fault { file, at, why, .. } in &aside.first {
        lines.push(format!("refused: {file}, byte {at}: {why}"));
    }
    let more = progress.refused.saturating_sub(aside.first.len() as u64);
    match &aside.path {
        Some(path) if progress.refused > 0 => lines.push(format!("all of them: {}", path.display())),
        None if more > 0 => lines.push(format!("and {} more: --refused FILE keeps them", thousands(more))),
        _ => {}
    }
    if dry_run {
        lines.push("nothing was stored: run it without --dry-run to import".to_owned());
    } else if let Some(zone) = &shown.zone {
        lines.push(format!("local times are those of {zone}"));
    }
    lines.join("\n")
}

/// A number with commas between thousands.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_progress_says_rate_and_time_left() {
        let progress = Progress { records: 1_204_331, bytes: [25, 100], ..Progress::default() };
        let line = progress_line(&progress, 204_331, Duration::from_secs(20));
        assert_eq!(line, "25 %, 1,204,331 records, 50,000 a second, 1:00 left");
    }

    #[test]
    fn numbers_have_commas_between_thousands() {
        assert_eq!([0, 999, 1_000, 1_204_331].map(thousands), ["0", "999", "1,000", "1,204,331"]);
    }
}
