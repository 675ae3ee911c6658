//! Entries that arrive too late for stages that have gone past them: determined from the additions of a commit, never
//! by searching the store.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use runtime_pipeline::{Concerned, Rewind, StageSpec};
use runtime_store::{Batch, Snapshot};
use runtime_types::{Area, Query, StreamKey, TimeField};

use crate::cells::catalogue::Cell;
use crate::cells::installed::Stages;
use crate::error::CallError;
use crate::runs::rewind;
use crate::runs::stage::read_state;

/// Families that only the host's own stages fill: their entries are recomputed and never arrive.
const ANALYSIS_FAMILIES: [&str; 3] = ["segmentation", "analysis", "inference"];

/// The family of test cells' streams, and before a dot of those of installed cells: `study.<cell>/<stream>`.
const STUDY_FAMILY: &str = "study";

/// Whether only stages write the stream, the host's own or those of installed cells.
pub(crate) fn is_made(key: &StreamKey) -> bool {
    let family = key.family();
    ANALYSIS_FAMILIES.contains(&family)
        || family.strip_prefix(STUDY_FAMILY).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Which stages are concerned when entries of that stream arrive before the stage at index `before` runs.
pub(crate) fn concerned(stages: &Stages, before: usize, key: &StreamKey) -> Concerned {
    if is_made(key) {
        return Concerned::Nobody;
    }
    let reads = |spec: &StageSpec| stages.cell(spec).is_some_and(|cell| does_read(cell, key));
    stages.plan().concerned(before, reads)
}

pub(crate) fn does_read(cell: &Cell, key: &StreamKey) -> bool {
    cell.manifest.reads.iter().any(|pattern| pattern.covers(Area::Timeseries, key))
}

/// When the first entry was written that a stage would go past unread: it is in the store, but was written after the
/// `end` of the stage's window and before the new `mark`. This happens if the last entry read was written a moment
/// before the end, and a younger one was imported.
pub(crate) fn first_unread(
    snapshot: &Snapshot,
    cell: &Cell,
    end: f64,
    mark: f64,
) -> Result<Option<f64>, CallError> {
    if mark <= end {
        return Ok(None);
    }
    let reads = |key: &StreamKey| !is_made(key) && does_read(cell, key);
    let streams = snapshot.streams().into_iter().map(|(stream, _)| stream);
    let keys: Vec<_> = streams
        .filter(|stream| stream.area == Area::Timeseries && reads(&stream.key))
        .map(|stream| stream.key)
        .collect();
    if keys.is_empty() {
        return Ok(None);
    }
    let (start, end) = (end.next_up(), mark.next_down());
    let field = TimeField::WriteTs;
    let young = Query { keys, field, start, end, ..Query::everything(Area::Timeseries) };
    let mut first = None;
    let mut cursor = snapshot.find(&young).map_err(CallError::Read)?;
    let visited = cursor.visit(&mut |row| {
        first = Some(row.write_ts);
        ControlFlow::Break(())
    });
    visited.map_err(CallError::Read)?;
    Ok(first)
}

/// One stream of a commit: the stages concerned, and the marks that count.
struct Known<'a> {
    key: &'a StreamKey,
    concerned: Concerned,
    marks: Vec<(String, Option<f64>)>,
}

impl<'a> Known<'a> {
    fn of(
        stages: &Stages,
        snapshot: &Snapshot,
        before: usize,
        key: &'a StreamKey,
    ) -> Result<Self, CallError> {
        let concerned = concerned(stages, before, key);
        let names = match &concerned {
            Concerned::Nobody => Vec::new(),
            Concerned::Each(stages) => stages.clone(),
            Concerned::Everything { stage } => vec![stage.clone()],
        };
        let mark = |name: String| read_state(snapshot, &name).map(|state| (name, state.last_processed_ts));
        let marks = names.into_iter().map(mark).collect::<Result<_, _>>()?;
        Ok(Self { key, concerned, marks })
    }

    fn mark(&self, stage: &str) -> Option<f64> {
        self.marks.iter().find(|(name, _)| name == stage).and_then(|(_, mark)| *mark)
    }
}

/// Adds the rewinds to a commit that its own late entries require. `before`: the index of the first stage that has not
/// read them.
pub(crate) fn judge(
    stages: &Stages,
    snapshot: &Snapshot,
    before: usize,
    batch: &mut Batch,
) -> Result<(), CallError> {
    let mut wanted = Rewind { anew: outdated_guests(stages, snapshot, batch)?, ..Rewind::default() };
    let mut known: Vec<Known<'_>> = Vec::new();
    for (key, times) in batch.added(Area::Timeseries) {
        let found = match known.iter().position(|known| known.key == key) {
            Some(found) => found,
            None => {
                known.push(Known::of(stages, snapshot, before, key)?);
                known.len() - 1
            }
        };
        let Known { concerned, .. } = &known[found];
        let (write_ts, position) = (times.get(TimeField::WriteTs), times.get(TimeField::Position));
        concerned.judge(write_ts, position, |stage| known[found].mark(stage), &mut wanted);
    }
    if wanted.is_empty() { Ok(()) } else { rewind::want(snapshot, batch, &wanted) }
}

/// The stages of installed cells that have read something which a commit changes, or have gone past something that it
/// adds. Their results cannot be mended in part, since nobody but their cell knows what depends on what.
fn outdated_guests(
    stages: &Stages,
    snapshot: &Snapshot,
    batch: &Batch,
) -> Result<BTreeSet<String>, CallError> {
    let mut outdated = BTreeSet::new();
    for guest in stages.guests() {
        let Some(mark) = read_state(snapshot, &guest.stage)?.last_processed_ts else { continue };
        let others = |key: &StreamKey| guest.reads(key) && !guest.writes(key);
        let mut added = batch.added(Area::Timeseries);
        let late = added.any(|(key, times)| times.get(TimeField::WriteTs) < mark && others(key));
        if late || batch.replaced().any(others) {
            outdated.insert(guest.stage.clone());
        }
    }
    Ok(outdated)
}
