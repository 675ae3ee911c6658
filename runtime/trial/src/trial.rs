//! A trial: every scenario for every invented person, and what failed, made small.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use runtime_program::Failure;

use crate::difference;
use crate::goldens;
use crate::people::{Case, FailureFile};
use crate::report::{Cost, FailureTold, Report, ScenarioTold};
use crate::scenario::Scenario;
use crate::shrink::{PLAYS_MAX, shrink};
use crate::stand::{Kind, Manner, Played, Stand, TrialError};

/// How many failures are made small; of further ones only the people are told.
const SHRUNK_MAX: usize = 4;

/// What is played.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many people.
    pub users: u64,
    /// The seed of the first; those of the others follow it.
    pub seed: u64,
    /// How many days each has.
    pub days: u32,
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
    /// Whether goldens are written instead of compared.
    pub update: bool,
    /// Whether failures are made small and written down, which takes a while.
    pub shrinks: bool,
}

/// What failed for one person.
#[derive(Debug, Clone)]
pub struct Finding {
    /// In which scenario.
    pub scenario: Scenario,
    /// What it is.
    pub kind: Kind,
    /// The same in words.
    pub words: String,
    /// The lines that differ.
    pub difference: Vec<String>,
}

/// How a scenario ended for one person.
enum Ended {
    Passed,
    /// What the cell could read was another, so its results say nothing.
    NotCompared,
    Failed(Finding),
}

/// The scenarios of one person.
struct Verdict {
    seed: u64,
    ended: Vec<(Scenario, Ended)>,
    /// Of the plain scenario.
    plain: Cost,
    /// Of all scenarios.
    all: Cost,
}

/// Tries a cell. `stop` ends it early.
///
/// # Errors
/// [`TrialError`]: the trial cannot go on. What the cell does wrong is in the report.
pub fn run(stand: &Stand, options: &Options, stop: &AtomicBool) -> Result<Report, TrialError> {
    let begun = Instant::now();
    let mut verdicts = all_people(stand, options, stop)?;
    verdicts.sort_by_key(|verdict| verdict.seed);
    let mut report = Report::of(stand.subject(), options);
    for verdict in &verdicts {
        report.plain.add(&verdict.plain);
        report.all.add(&verdict.all);
    }
    let mut failed: BTreeMap<Scenario, (Finding, Vec<u64>)> = BTreeMap::new();
    // The plain one, too, where it was not asked for and failed.
    let played =
        |scenario: &Scenario| verdicts.iter().flat_map(|one| &one.ended).any(|(of, _)| of == scenario);
    for scenario in Scenario::ALL.into_iter().filter(|one| options.scenarios.contains(one) || played(one)) {
        let mut told = ScenarioTold::new(scenario);
        let ended = verdicts.iter().flat_map(|verdict| verdict.ended.iter().map(|one| (verdict.seed, one)));
        for (seed, (_, ended)) in ended.filter(|(_, (of, _))| *of == scenario) {
            told.people += 1;
            match ended {
                Ended::Passed => {}
                Ended::NotCompared => told.not_compared += 1,
                Ended::Failed(finding) => {
                    told.failed += 1;
                    failed.entry(scenario).or_insert_with(|| (finding.clone(), Vec::new())).1.push(seed);
                }
            }
        }
        report.scenarios.push(told);
    }
    for (number, (finding, seeds)) in failed.into_values().enumerate() {
        let case = (options.shrinks && number < SHRUNK_MAX).then(|| Case::invent(seeds[0], options.days));
        report.failures.push(told(stand, finding, seeds, case, stop)?);
    }
    goldens::compare(stand, options, &mut report)?;
    report.finish(stand.subject(), begun.elapsed());
    Ok(report)
}

/// Plays a failure again that a trial has written down.
///
/// # Errors
/// As for [`run`]; the file cannot be read.
pub fn replay(stand: &Stand, path: &Path) -> Result<Report, Failure> {
    let begun = Instant::now();
    let file = FailureFile::read(path)?;
    let case = file.case();
    let options = Options {
        users: 1,
        seed: file.seed,
        days: 0,
        scenarios: vec![file.scenario],
        update: false,
        shrinks: false,
    };
    let mut report = Report::of(stand.subject(), &options);
    let ended = judge(stand, &case, file.scenario);
    let ended = ended.map_err(|error| Failure::of(&error, "look at what failed"))?;
    let mut told = ScenarioTold { people: 1, ..ScenarioTold::new(file.scenario) };
    match ended {
        Ended::Passed => {}
        Ended::NotCompared => told.not_compared = 1,
        Ended::Failed(Finding { scenario, words, difference, .. }) => {
            told.failed = 1;
            report.failures.push(FailureTold {
                scenario,
                what: words,
                people: vec![file.seed],
                days: case.days.len(),
                entries: case.entries(),
                difference,
                file: Some(path.to_owned()),
                command: Some(command(stand, path)),
            });
        }
    }
    report.scenarios.push(told);
    report.finish(stand.subject(), begun.elapsed());
    Ok(report)
}

/// Everybody's scenarios, on as many threads as there are processors.
fn all_people(stand: &Stand, options: &Options, stop: &AtomicBool) -> Result<Vec<Verdict>, TrialError> {
    let next = AtomicU64::new(0);
    let (verdicts, error) = (Mutex::new(Vec::new()), Mutex::new(None));
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= options.users {
                return;
            }
            match person(stand, options, options.seed.saturating_add(number), stop) {
                Ok(verdict) => verdicts.lock().unwrap_or_else(PoisonError::into_inner).push(verdict),
                Err(why) => {
                    next.store(options.users, Ordering::Relaxed);
                    error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
                }
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    match error.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(verdicts.into_inner().unwrap_or_else(PoisonError::into_inner)),
    }
}

/// The scenarios of one person. Where the plain one fails, there is nothing to compare the others with.
fn person(stand: &Stand, options: &Options, seed: u64, stop: &AtomicBool) -> Result<Verdict, TrialError> {
    let case = Case::invent(seed, options.days);
    let plain = stand.play(&case, Scenario::Plain)?;
    let (mut ended, mut all) = (Vec::new(), plain.cost.clone());
    let finding = trouble_of(Scenario::Plain, &plain);
    let goes_on = finding.is_none();
    if options.scenarios.contains(&Scenario::Plain) || !goes_on {
        ended.push((Scenario::Plain, finding.map_or(Ended::Passed, Ended::Failed)));
    }
    let others = options.scenarios.iter().filter(|scenario| **scenario != Scenario::Plain);
    for scenario in others.filter(|scenario| goes_on && scenario.fits(&case)) {
        if stop.load(Ordering::Relaxed) {
            return Err(TrialError::Stopped);
        }
        ended.push((*scenario, by_any_way(stand, &case, *scenario, &plain, &mut all)?));
    }
    Ok(Verdict { seed, ended, plain: plain.cost, all })
}

/// Plays a scenario and what it is compared with.
fn judge(stand: &Stand, case: &Case, scenario: Scenario) -> Result<Ended, TrialError> {
    let plain = stand.play(case, Scenario::Plain)?;
    if scenario == Scenario::Plain {
        return Ok(trouble_of(scenario, &plain).map_or(Ended::Passed, Ended::Failed));
    }
    if !plain.troubles.is_empty() || !scenario.fits(case) {
        return Ok(Ended::NotCompared);
    }
    by_any_way(stand, case, scenario, &plain, &mut Cost::default())
}

/// Plays a scenario by its first way that can be compared.
fn by_any_way(
    stand: &Stand,
    case: &Case,
    scenario: Scenario,
    plain: &Played,
    cost: &mut Cost,
) -> Result<Ended, TrialError> {
    for steps in scenario.ways(case) {
        let played = stand.play_steps(case, &steps, Manner::of(scenario))?;
        cost.add(&played.cost);
        match compared(stand, case, scenario, plain, &played)? {
            Ended::NotCompared => {}
            ended => return Ok(ended),
        }
    }
    Ok(Ended::NotCompared)
}

/// What went wrong in a play by itself.
fn trouble_of(scenario: Scenario, played: &Played) -> Option<Finding> {
    let trouble = played.troubles.first()?;
    let (kind, words) = (trouble.kind, trouble.words.clone());
    Some(Finding { scenario, kind, words, difference: Vec::new() })
}

/// How a scenario ended, beside the plain one of the same person.
fn compared(
    stand: &Stand,
    case: &Case,
    scenario: Scenario,
    plain: &Played,
    played: &Played,
) -> Result<Ended, TrialError> {
    if let Some(finding) = trouble_of(scenario, played) {
        return Ok(Ended::Failed(finding));
    }
    if !scenario.is_compared() {
        return Ok(Ended::Passed);
    }
    let own = match scenario.reference(case) {
        Some(steps) => Some(stand.play_steps(case, &steps, Manner::of(scenario))?),
        None => None,
    };
    let wanted = own.as_ref().unwrap_or(plain);
    if wanted.inputs != played.inputs {
        return Ok(Ended::NotCompared);
    }
    let difference = difference::between(&wanted.outputs, &played.outputs);
    if difference.is_empty() {
        return Ok(Ended::Passed);
    }
    let words = scenario.meaning().to_owned();
    Ok(Ended::Failed(Finding { scenario, kind: Kind::Differs, words, difference }))
}

/// A failure as it is told; with a person it is made small first, and written down.
fn told(
    stand: &Stand,
    finding: Finding,
    people: Vec<u64>,
    case: Option<Case>,
    stop: &AtomicBool,
) -> Result<FailureTold, TrialError> {
    let scenario = finding.scenario;
    let mut told = FailureTold {
        scenario,
        what: finding.words,
        people,
        days: 0,
        entries: 0,
        difference: finding.difference,
        file: None,
        command: None,
    };
    let Some(case) = case else { return Ok(told) };
    let same = |ended: &Ended| matches!(ended, Ended::Failed(found) if found.kind == finding.kind);
    let small = shrink(&case, PLAYS_MAX, |case| {
        !stop.load(Ordering::Relaxed) && judge(stand, case, scenario).is_ok_and(|ended| same(&ended))
    });
    if let Ok(Ended::Failed(Finding { words, difference, .. })) = judge(stand, &small, scenario) {
        (told.what, told.difference) = (words, difference);
    }
    (told.days, told.entries) = (small.days.len(), small.entries());
    if let Some(path) = stand.subject().failure_file(scenario.name()) {
        let Case { seed, phone, days } = small;
        let (what, command) = (told.what.clone(), command(stand, &path));
        let file = FailureFile { scenario, what, command: command.clone(), seed, phone, days };
        file.write(&path).map_err(|failure| std::io::Error::other(failure.what))?;
        (told.file, told.command) = (Some(path), Some(command));
    }
    Ok(told)
}

/// The command that plays a written failure again.
fn command(stand: &Stand, path: &Path) -> String {
    let named = stand.subject().named.to_string_lossy();
    let file = path.to_string_lossy();
    let quoted = runtime_program::typed::quoted;
    format!("cellar cell test {} --replay {}", quoted(&named), quoted(&file))
}
