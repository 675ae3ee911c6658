//! On recorded days, removing results and running again gives the same as the first run, whatever the moment.

mod stages;

use cells_recorded::{Canonical, cases};
use cells_sdk::testing::Memory;
use cells_sdk::{Area, TimeField};

use serde_json::Value;
use stages::Stages;

/// How many moments of each day are tried.
const MOMENTS: usize = 4;

#[test]
fn a_rewind_to_any_moment_changes_nothing_when_nothing_has_changed() {
    let mut problems = Vec::new();
    for case in cases().iter().filter(|case| case.is_single() && !case.filter_accuracy) {
        let (mut memory, mut stages) = (case.memory(&[]), Stages::default());
        stages.run(&mut memory, case.now());
        let before = Canonical::of(&memory);
        let marks = stages.marks();
        for (round, moment) in moments(&memory).into_iter().enumerate() {
            stages.rewind(&mut memory, moment, case.now());
            stages.run(&mut memory, case.now() + 100.0 * (round + 1) as f64);
            if let Err(why) = same(&before, &Canonical::of(&memory)) {
                problems.push(format!("{} back to {moment}: {why}", case.name));
            }
            // A stage to which nothing came back stands just behind what it has done, not 5 s behind.
            let now = stages.marks();
            let near = |name| matches!((now[name], marks[name]), (Some(now), Some(then)) if (0.0..=5.0).contains(&(then - now)));
            if !marks.keys().all(|name| near(*name) || now[name] == marks[name]) {
                problems.push(format!("{} back to {moment}: marks {now:?}, want {marks:?}", case.name));
            }
        }
    }
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn a_deleted_span_leaves_the_result_of_a_run_without_it() {
    let mut problems = Vec::new();
    for case in cases().iter().filter(|case| case.is_single() && !case.filter_accuracy) {
        let moments = moments(&case.memory(&[]));
        for pair in moments.windows(2).step_by(2) {
            let (from, to) = (pair[0], pair[1]);
            let (mut memory, mut stages) = (case.memory(&[]), Stages::default());
            stages.run(&mut memory, case.now());
            let gone = raw_between(&memory, from, to);
            stages::delete(&mut memory, &gone);
            stages.rewind(&mut memory, from, case.now());
            stages.run(&mut memory, case.now() + 100.0);

            let (mut without, mut fresh) = (case.memory(&[]), Stages::default());
            stages::delete(&mut without, &gone);
            fresh.run(&mut without, case.now());
            if let Err(why) = same(&Canonical::of(&without), &Canonical::of(&memory)) {
                problems.push(format!("{} without {from} to {to}: {why}", case.name));
            }
        }
    }
    assert_eq!(problems, Vec::<String>::new());
}

#[test]
fn a_late_span_leaves_the_result_of_a_run_that_had_it_in_time() {
    let mut problems = Vec::new();
    for case in cases().iter().filter(|case| case.is_single() && !case.filter_accuracy) {
        let moments = moments(&case.memory(&[]));
        for pair in moments.windows(2).skip(1).step_by(2) {
            let (from, to) = (pair[0], pair[1]);
            let (mut in_time, mut stages) = (case.memory(&[]), Stages::default());
            stages.run(&mut in_time, case.now());

            let whole = case.memory(&[]);
            let late = raw_between(&whole, from, to);
            let (mut memory, mut stages) = (case.memory(&[]), Stages::default());
            stages::delete(&mut memory, &late);
            stages.run(&mut memory, case.now());
            memory = stages::with_entries_of(memory, &whole, &late);
            stages.rewind(&mut memory, earliest(&whole, &late), case.now());
            stages.run(&mut memory, case.now() + 100.0);
            if let Err(why) = same(&Canonical::of(&in_time), &Canonical::of(&memory)) {
                problems.push(format!("{} with {from} to {to} late: {why}", case.name));
            }
        }
    }
    assert_eq!(problems, Vec::<String>::new());
}

/// Times of raw points, evenly chosen.
fn moments(memory: &Memory) -> Vec<f64> {
    let points = memory.of_key("background/filtered_location");
    let mut times: Vec<f64> = points.iter().map(|point| point.time(TimeField::DataTs)).collect();
    times.sort_by(f64::total_cmp);
    times.iter().copied().step_by(times.len().div_ceil(MOMENTS).max(1)).collect()
}

fn raw_between(memory: &Memory, from: f64, to: f64) -> Vec<cells_sdk::model::EntryId> {
    let entries = memory.entries(Area::Timeseries).into_iter();
    let raw = entries.filter(|entry| {
        (entry.key.starts_with("background/") || entry.key.starts_with("statemachine/"))
            && (from..to).contains(&entry.time(TimeField::Position))
    });
    raw.map(|entry| entry.id).collect()
}

fn earliest(memory: &Memory, ids: &[cells_sdk::model::EntryId]) -> f64 {
    let entries = memory.entries(Area::Timeseries).into_iter().filter(|entry| ids.contains(&entry.id));
    entries
        .flat_map(|entry| [entry.time(TimeField::WriteTs), entry.time(TimeField::Position)])
        .fold(f64::INFINITY, f64::min)
}

/// A section's only point keeps its number among the points of the run that made it: no two runs need agree.
fn without_row_numbers(entries: &[Value]) -> Vec<Value> {
    let mut entries = entries.to_vec();
    for entry in &mut entries {
        if let Some(data) = entry["data"].as_object_mut() {
            data.remove("index");
            let embedded = data.get_mut("locations").and_then(Value::as_array_mut);
            for location in embedded.into_iter().flatten() {
                location["data"].as_object_mut().map(|data| data.remove("index"));
            }
        }
    }
    entries
}

fn same(want: &Canonical, got: &Canonical) -> Result<(), String> {
    for key in stages::MADE {
        let (got, want) = (without_row_numbers(got.entries(key)), without_row_numbers(want.entries(key)));
        if got.len() != want.len() {
            return Err(format!("{key}: {} entries, want {}", got.len(), want.len()));
        }
        let mut pairs = got.iter().zip(&want).enumerate();
        pairs.try_for_each(|(index, (got, want))| {
            cells_recorded::difference(got, want, &format!("{key}#{index}"))
        })?;
    }
    if got.invalid() == want.invalid() { Ok(()) } else { Err("other points are invalid".to_owned()) }
}
