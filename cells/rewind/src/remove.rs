//! Removes the entries after a cut.

use std::collections::{BTreeSet, HashSet};

use cells_locations::read;
use cells_sdk::model::EntryId;
use cells_sdk::{
    Query, ReadEntries, RunError, TimeField, WriteEntries, data_of, for_each_by_id, for_each_entry,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::chain::RUN_SPREAD_S;
use crate::cut::{CleanCut, ConfirmedCut, RawCut};

/// How many ids one call removes.
const IDS_MAX: usize = 65_536;

/// Removes the results of the stages up to jump smoothing from the cut on.
pub fn segmented<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    cut: Option<&RawCut>,
) -> Result<(), RunError> {
    let from = cut.map(|cut| cut.start_ts);
    let sections = sections(runtime, from)?;
    let earliest = sections.iter().map(|(_, write_ts)| *write_ts).min_by(f64::total_cmp);
    let gone: HashSet<EntryId> = sections.into_iter().map(|(id, _)| id).collect();
    remove_some(
        runtime,
        &from_time("analysis/smoothing", TimeField::WriteTs, smoothing_from(cut, earliest)),
        |Smoothing { section }| cut.is_none() || gone.contains(&section),
    )?;
    delete(runtime, gone.into_iter().collect())?;
    remove(runtime, "segmentation/raw_trip", TimeField::StartTs, from)?;
    remove(runtime, "segmentation/raw_stop", TimeField::EnterTs, from)?;
    let kept_place = cut.map(|cut| cut.place);
    remove_some(
        runtime,
        &from_time("segmentation/raw_untracked", TimeField::StartTs, from),
        |Journey { end_place }| Some(end_place) != kept_place,
    )?;
    match cut {
        // The place that is open again may have been entered at the same moment.
        Some(cut) => remove_but(runtime, "segmentation/raw_place", TimeField::EnterTs, from, cut.place),
        None => remove(runtime, "segmentation/raw_place", TimeField::WriteTs, None),
    }
}

/// Removes the results of the later stages after the cut.
pub fn cleaned<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    cut: Option<&CleanCut>,
) -> Result<(), RunError> {
    let behind = cut.map(|cut| cut.through_ts.next_up());
    let points = read(runtime, &from_time("analysis/recreated_location", TimeField::DataTs, behind))?;
    delete(runtime, points.columns().ids.clone())?;
    for key in [
        "analysis/cleaned_trip",
        "analysis/cleaned_untracked",
        "analysis/cleaned_section",
        "analysis/inferred_section",
        "inference/prediction",
        "analysis/inferred_trip",
        "inference/labels",
        "analysis/inferred_labels",
        "analysis/expected_trip",
    ] {
        remove(runtime, key, TimeField::StartTs, behind)?;
    }
    remove(runtime, "analysis/cleaned_stop", TimeField::EnterTs, behind)?;
    // The first place of all was never entered.
    let field = if cut.is_some() { TimeField::EnterTs } else { TimeField::WriteTs };
    remove(runtime, "analysis/cleaned_place", field, behind)
}

/// Removes the confirmed results from the cut on. Places are removed with the trips that lead to them: where trips
/// overlap, a place may have been reached before the cut by a removed trip, or after it by one that stays.
pub fn confirmed<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    cut: Option<&ConfirmedCut>,
) -> Result<(), RunError> {
    let from = cut.map(|cut| cut.start_ts);
    let (mut gone, mut places) = (Vec::new(), Vec::new());
    for key in ["analysis/confirmed_trip", "analysis/confirmed_untracked"] {
        for_each_entry(runtime, &from_time(key, TimeField::StartTs, from), |_, entry| {
            let Journey { end_place } = data_of(&entry)?;
            gone.push(entry.id);
            places.push(end_place);
            Ok(())
        })?;
    }
    let Some(cut) = cut else {
        delete(runtime, gone)?;
        remove(runtime, "analysis/composite_trip", TimeField::StartTs, None)?;
        return remove(runtime, "analysis/confirmed_place", TimeField::WriteTs, None);
    };
    for_each_by_id(runtime, &["analysis/confirmed_place"], &places, |entry| {
        gone.push(entry.id);
        Ok(())
    })?;
    delete(runtime, gone)?;
    // Trips that are no longer confirmed are no longer shown; and those that end after the mark are composed again.
    let mut shown = BTreeSet::new();
    for query in [
        from_time("analysis/composite_trip", TimeField::StartTs, Some(cut.start_ts)),
        from_time("analysis/composite_trip", TimeField::EndTs, Some(cut.composed_from_ts)),
    ] {
        for_each_entry(runtime, &query, |_, entry| {
            shown.insert(entry.id);
            Ok(())
        })?;
    }
    delete(runtime, shown.into_iter().collect())
}

#[derive(Deserialize)]
struct Smoothing {
    section: EntryId,
}

#[derive(Deserialize)]
struct Journey {
    end_place: EntryId,
}

fn smoothing_from(cut: Option<&RawCut>, earliest_section: Option<f64>) -> Option<f64> {
    // If no section is removed, nothing is searched.
    cut.map(|_| earliest_section.map_or(f64::INFINITY, |write_ts| write_ts - RUN_SPREAD_S))
}

fn from_time(key: &str, field: TimeField, from: Option<f64>) -> Query {
    Query::of(&[key], field).between(from, None)
}

/// Ids and `write_ts` of the raw sections that are removed.
fn sections<R: ReadEntries>(runtime: &mut R, from: Option<f64>) -> Result<Vec<(EntryId, f64)>, RunError> {
    let mut found = Vec::new();
    for_each_entry(runtime, &from_time("segmentation/raw_section", TimeField::StartTs, from), |_, entry| {
        found.push((entry.id, entry.write_ts));
        Ok(())
    })?;
    Ok(found)
}

fn remove<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    key: &str,
    field: TimeField,
    from: Option<f64>,
) -> Result<(), RunError> {
    remove_but(runtime, key, field, from, EntryId::NONE)
}

fn remove_but<R: ReadEntries + WriteEntries>(
    runtime: &mut R,
    key: &str,
    field: TimeField,
    from: Option<f64>,
    kept: EntryId,
) -> Result<(), RunError> {
    let mut ids = Vec::new();
    for_each_entry(runtime, &from_time(key, field, from), |_, entry| {
        ids.push(entry.id);
        Ok(())
    })?;
    ids.retain(|id| *id != kept);
    delete(runtime, ids)
}

fn remove_some<R: ReadEntries + WriteEntries, T: DeserializeOwned>(
    runtime: &mut R,
    query: &Query,
    goes: impl Fn(T) -> bool,
) -> Result<(), RunError> {
    let mut ids = Vec::new();
    for_each_entry(runtime, query, |_, entry| {
        if goes(data_of(&entry)?) {
            ids.push(entry.id);
        }
        Ok(())
    })?;
    delete(runtime, ids)
}

fn delete<R: WriteEntries>(runtime: &mut R, ids: Vec<EntryId>) -> Result<(), RunError> {
    ids.chunks(IDS_MAX).try_for_each(|some| runtime.delete(some)).map_err(RunError::Write)
}
