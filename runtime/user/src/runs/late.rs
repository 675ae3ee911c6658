//! Entries that arrive too late for stages that have gone past them: determined from the additions of a commit, never
//! by searching the store.

use std::ops::ControlFlow;

use runtime_pipeline::{Concerned, Rewind};
use runtime_store::{Batch, Snapshot};
use runtime_types::{Area, Query, StreamKey, TimeField};

use crate::cells::catalogue::Cell;
use crate::error::CallError;
use crate::runs::rewind;
use crate::runs::stage::read_state;
use crate::runtime::Runtime;

/// Families that only stages fill: their entries are recomputed and never arrive.
const ANALYSIS_FAMILIES: [&str; 3] = ["segmentation", "analysis", "inference"];

/// Whether only stages write the stream.
pub(crate) fn is_made(key: &StreamKey) -> bool {
    ANALYSIS_FAMILIES.contains(&key.family())
}

/// Which stages are concerned when entries of that stream arrive before the stage at index `before` runs.
pub(crate) fn concerned(runtime: &Runtime, before: usize, key: &StreamKey) -> Concerned {
    if is_made(key) {
        return Concerned::Nobody;
    }
    runtime.plan().concerned(before, |spec| {
        let cell = runtime.catalogue().stage(spec);
        cell.is_some_and(|cell| {
            cell.manifest.reads.iter().any(|pattern| pattern.covers(Area::Timeseries, key))
        })
    })
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
    let reads = |key: &StreamKey| {
        !is_made(key) && cell.manifest.reads.iter().any(|pattern| pattern.covers(Area::Timeseries, key))
    };
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
        runtime: &Runtime,
        snapshot: &Snapshot,
        before: usize,
        key: &'a StreamKey,
    ) -> Result<Self, CallError> {
        let concerned = concerned(runtime, before, key);
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
    runtime: &Runtime,
    snapshot: &Snapshot,
    before: usize,
    batch: &mut Batch,
) -> Result<(), CallError> {
    let mut wanted = Rewind::default();
    let mut known: Vec<Known<'_>> = Vec::new();
    for (key, times) in batch.added(Area::Timeseries) {
        let found = match known.iter().position(|known| known.key == key) {
            Some(found) => found,
            None => {
                known.push(Known::of(runtime, snapshot, before, key)?);
                known.len() - 1
            }
        };
        let Known { concerned, .. } = &known[found];
        let (write_ts, position) = (times.get(TimeField::WriteTs), times.get(TimeField::Position));
        concerned.judge(write_ts, position, |stage| known[found].mark(stage), &mut wanted);
    }
    if wanted.is_empty() { Ok(()) } else { rewind::want(snapshot, batch, &wanted) }
}
