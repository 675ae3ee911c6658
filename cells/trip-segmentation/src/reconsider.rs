//! Points that an earlier run marked invalid and that are in order after all.

use std::collections::{BTreeSet, HashSet};

use cells_locations::{Locations, read, without_exact_duplicates};
use cells_sdk::model::EntryId;
use cells_sdk::model::rows::Row;
use cells_sdk::{Output, Query, ReadEntries, Run, RunError, WriteEntries, for_each_entry};

use crate::order::{InOrder, in_order};
use crate::points::has_place;

/// The locations of a window, and those that an earlier run marked invalid because of one that was ahead: with the
/// later points they are found to be in order, and the marks are removed.
pub(crate) fn reconsidered<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    run: &Run,
    written: &Query,
    visible: Locations,
) -> Result<Locations, RunError> {
    let with_hidden = Query { with_invalid: true, ..written.clone() };
    if runtime.count(&with_hidden)? == runtime.count(written)? {
        return Ok(visible);
    }
    let all = read(runtime, &with_hidden)?;
    let mut all = without_exact_duplicates(runtime, &with_hidden, all)?;
    all.retain_by(has_place);
    let known: HashSet<EntryId> = visible.columns().ids.iter().copied().collect();
    // Each device has a separate clock.
    let devices: BTreeSet<Option<String>> =
        (0..all.len()).map(|row| all.device(row).map(str::to_owned)).collect();
    let mut again = HashSet::new();
    for device in &devices {
        let mut own = all.clone();
        own.retain_device(device.as_deref());
        again.extend(in_order_after_all(&own).filter(|id| !known.contains(id)));
    }
    if again.is_empty() {
        return Ok(visible);
    }
    show_again(runtime, run, &with_hidden, &again)?;
    all.retain_by(|locations, row| {
        let id = locations.columns().ids[row];
        known.contains(&id) || again.contains(&id)
    });
    Ok(all)
}

/// The points of a device that are in order, but only by a rule that differs from the reference's.
fn in_order_after_all(own: &Locations) -> impl Iterator<Item = EntryId> {
    let columns = own.columns();
    let InOrder { stays, spared } = in_order(&columns.ts, &columns.write_ts);
    let ids = columns.ids.iter().zip(stays).filter(move |(_, stays)| spared > 0 && *stays);
    ids.map(|(id, _)| *id)
}

fn show_again<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    run: &Run,
    with_hidden: &Query,
    again: &HashSet<EntryId>,
) -> Result<(), RunError> {
    let mut output = Output::new(run);
    for_each_entry(runtime, with_hidden, |runtime, entry| {
        if !again.contains(&entry.id) {
            return Ok(());
        }
        let (id, key, metadata, data) = (entry.id, entry.key, entry.metadata, entry.data);
        output.push(runtime, Row { id, key, metadata, data, extra: "" })
    })?;
    output.finish(runtime)
}
