//! The cost of the sandbox: each stage in it, compared with the same source compiled natively and called directly.

use std::time::Duration;

use runtime_sandbox::{CellHost, Outcome, Run};
use runtime_user::{NativeStage, Runtime, UserId};

use super::days::Day;
use super::{NOW, run_day};
use crate::rounds::{Comparison, compare};
use crate::{BenchError, Figures};

const ROUNDS: usize = 9;
/// How many times as long a stage may take in the sandbox.
const PRICE_MAX: f64 = 1.5;

/// The stages whose work is worth measuring; the others only read a few entries.
const STAGES: [(&str, NativeStage); 6] = [
    ("TRIP_SEGMENTATION", |host, run| native("TRIP_SEGMENTATION", host, run)),
    ("SECTION_SEGMENTATION", |host, run| native("SECTION_SEGMENTATION", host, run)),
    ("JUMP_SMOOTHING", |host, run| native("JUMP_SMOOTHING", host, run)),
    ("CLEAN_RESAMPLING", |host, run| native("CLEAN_RESAMPLING", host, run)),
    ("CREATE_CONFIRMED_OBJECTS", |host, run| native("CREATE_CONFIRMED_OBJECTS", host, run)),
    ("CREATE_COMPOSITE_OBJECTS", |host, run| native("CREATE_COMPOSITE_OBJECTS", host, run)),
];

/// Every stage is run again over the whole day of every person, and its results are dropped.
pub(super) fn run(runtime: &Runtime, days: &[Day]) -> Figures {
    let mut people = Vec::new();
    for day in days {
        run_day(runtime, day, usize::MAX)?;
        let name = format!("{} {}", day.name, usize::MAX);
        people.push(runtime.people().find(&name).expect("just added"));
    }
    let mut figures = Vec::new();
    for (stage, natively) in STAGES {
        let mut failed = None;
        let mut rounds = |natively| {
            sum(runtime, &people, stage, natively).unwrap_or_else(|error| {
                failed = Some(error);
                Duration::ZERO
            })
        };
        let mut time = |natively| rounds(natively).as_secs_f64() * 1e3;
        let time = std::cell::RefCell::new(&mut time);
        let compared =
            compare(ROUNDS, "ms", || (time.borrow_mut())(None), || (time.borrow_mut())(Some(natively)));
        if let Some(error) = failed {
            return Err(error);
        }
        let what = format!("  {} in the sandbox", stage.to_lowercase());
        figures.push(compared.named(&what, "native").at_most(PRICE_MAX));
    }
    let (ours, other): (f64, f64) = figures
        .iter()
        .fold((0.0, 0.0), |(ours, other), figure: &Comparison| (ours + figure.ours, other + figure.other));
    let all = Comparison { other, ratio: ours / other, ..Comparison::figure("", ours, "ms", "", true) };
    let all = Comparison { ratio_p25: all.ratio, ratio_p75: all.ratio, ..all };
    figures.insert(0, all.named("these stages together in the sandbox", "native").at_most(PRICE_MAX));
    Ok(figures)
}

fn sum(
    runtime: &Runtime,
    people: &[UserId],
    stage: &str,
    natively: Option<NativeStage>,
) -> Result<Duration, BenchError> {
    let mut total = Duration::ZERO;
    for user in people {
        let took = runtime.pipelines().rehearse(*user, stage, NOW, natively)?;
        total += took.map_err(|why| BenchError::Network(format!("{stage}: {why}")))?;
    }
    Ok(total)
}

fn native(stage: &str, host: Box<dyn CellHost>, run: Run) -> Result<Outcome, String> {
    let stage = runtime_native::stage(stage).expect("a stage of the standard list");
    let Run { now, start, end, seed, state } = run;
    let run = runtime_native::Run { now, start, end, seed, state };
    let outcome = stage(&mut runtime_native::Direct::over(host), &run)?;
    let runtime_native::Outcome { processed_through, state, more } = outcome;
    Ok(Outcome { processed_through, state, more })
}
