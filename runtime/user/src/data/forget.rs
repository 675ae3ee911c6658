//! Deletion of a span: an owner removes the entries that phones sent about it, and the diary is recomputed without
//! them.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::PoisonError;

use runtime_pipeline::{Concerned, Event, Rewind};
use runtime_store::{Batch, Row, Snapshot};
use runtime_types::{Area, Query, StreamKey, UserId};

use crate::cells::installed::Stages;
use crate::cells::manifest::StreamPattern;
use crate::data::Diaries;
use crate::error::CallError;
use crate::people::person::Person;
use crate::runs::late::{concerned, is_made};
use crate::runs::{rewind, words};

/// The areas that hold entries from phones.
const AREAS: [Area; 3] = [Area::Timeseries, Area::Usercache, Area::Errors];

/// How many entries one commit removes: bounds its memory and how long others wait for it.
const ENTRIES_PER_COMMIT: u64 = 10_000;

impl Diaries<'_> {
    /// Removes the entries that phones sent whose position (the moment they are about) lies in the span, s: accepted
    /// entries, waiting entries and entries that were set aside. `keys` are patterns such as `background/*`; empty:
    /// every stream that phones fill. What stages made from them is removed too, and whatever installed cells have said,
    /// which may tell of them; the next run recomputes the diary. No block of the store keeps any of it.
    ///
    /// If a phone sends one of them again, byte for byte, the answer says that it is stored, but it is not stored
    /// again: the digests stay. An entry that arrives for the first time is new, whatever moment it is about.
    ///
    /// Every commit is consistent: it contains both the removal and the request to recompute without the removed
    /// entries. Repeat a call that was interrupted. Returns how many entries were removed.
    pub fn forget(self, user: UserId, span: RangeInclusive<f64>, keys: &[String]) -> Result<u64, CallError> {
        let person = self.runtime.person(user)?;
        let _no_stage = person.pipeline.lock().unwrap_or_else(PoisonError::into_inner);
        let stages = self.runtime.stages_of(&person)?;
        let mut removed = 0;
        for area in AREAS {
            loop {
                let some = forget_some(&stages, &person, area, &span, keys)?;
                removed += some;
                if some < ENTRIES_PER_COMMIT {
                    break;
                }
            }
        }
        if removed > 0 || rewind::read(&person.store.snapshot_ahead())?.is_some() {
            self.runtime.timetable().note(user, Event::RewindWanted);
        }
        // Now, and not with the next run: until then somebody could read what was made of them.
        rewind::take_back(&stages, &person, self.runtime.clocks().wall_s())?;
        if removed + words::forget(&person)? > 0 {
            rewind::scrub(&person)?;
        }
        Ok(removed)
    }

    /// What [`Self::forget`] would remove now, by area and stream. Nothing is changed.
    pub fn would_forget(
        self,
        user: UserId,
        span: RangeInclusive<f64>,
        keys: &[String],
    ) -> Result<Vec<(Area, StreamKey, u64)>, CallError> {
        let snapshot = self.runtime.person(user)?.store.snapshot();
        let mut found = Vec::new();
        for area in AREAS {
            for key in raw_streams(&snapshot, area, keys) {
                let query = of_span(area, vec![key.clone()], &span);
                let entries = snapshot.count(&query).map_err(CallError::Read)?;
                if entries > 0 {
                    found.push((area, key, entries));
                }
            }
        }
        Ok(found)
    }
}

/// Every entry of these streams in the span.
fn of_span(area: Area, keys: Vec<StreamKey>, span: &RangeInclusive<f64>) -> Query {
    Query { keys, start: *span.start(), end: *span.end(), ..Query::everything(area) }
}

/// Does one commit; returns how many entries it removed.
fn forget_some(
    stages: &Stages,
    person: &Person,
    area: Area,
    span: &RangeInclusive<f64>,
    keys: &[String],
) -> Result<u64, CallError> {
    let snapshot = person.store.snapshot_ahead();
    let streams = raw_streams(&snapshot, area, keys);
    if streams.is_empty() {
        return Ok(0);
    }
    let counts: Vec<_> = streams.iter().map(|key| area == Area::Timeseries && counts(stages, key)).collect();
    let query = of_span(area, streams.clone(), span);
    let (mut batch, mut wanted) = (Batch::new(), Rewind::default());
    let mut cursor = snapshot.find(&query).map_err(CallError::Read)?;
    let visited = cursor.visit(&mut |row: &Row<'_>| {
        if batch.rows() == ENTRIES_PER_COMMIT {
            return ControlFlow::Break(());
        }
        batch.forget(area, row.id);
        let stream = streams.iter().position(|key| key == row.key);
        if stream.is_some_and(|stream| counts[stream]) {
            // Stages read by either time; a write time that is not a number is no bound.
            wanted.go_back(row.time.min(row.write_ts));
        }
        ControlFlow::Continue(())
    });
    visited.map_err(CallError::Read)?;
    let removed = batch.rows();
    if removed > 0 {
        wanted.anew = guests_reading(stages, area, &streams);
        if !wanted.is_empty() {
            rewind::want(&snapshot, &mut batch, &Rewind { scrub: true, ..wanted })?;
        }
        person.commit(batch).map_err(CallError::Commit)?;
    }
    Ok(removed)
}

/// Whether any of the host's own stages depends on the stream.
fn counts(stages: &Stages, key: &StreamKey) -> bool {
    concerned(stages, 0, key) != Concerned::Nobody
}

/// The stages of installed cells that read one of the streams: what they made of it goes, too.
fn guests_reading(stages: &Stages, area: Area, streams: &[StreamKey]) -> BTreeSet<String> {
    let concerned = stages
        .guests()
        .iter()
        .filter(|guest| area == Area::Timeseries && streams.iter().any(|key| guest.reads(key)));
    concerned.map(|guest| guest.stage.clone()).collect()
}

fn raw_streams(snapshot: &Snapshot, area: Area, keys: &[String]) -> Vec<StreamKey> {
    let patterns: Vec<_> = keys.iter().map(|key| StreamPattern { area, key: key.clone() }).collect();
    let streams = snapshot.streams().into_iter().map(|(stream, _)| stream);
    let chosen = streams.filter(|stream| {
        let asked_for =
            patterns.is_empty() || patterns.iter().any(|pattern| pattern.covers(area, &stream.key));
        stream.area == area && asked_for && !is_made(&stream.key)
    });
    chosen.map(|stream| stream.key).collect()
}
