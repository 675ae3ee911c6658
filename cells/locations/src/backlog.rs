//! How much of a back-log one run takes.
//!
//! A stage reads what came since its last run, mostly a day. After an import it finds ten years. It then takes the
//! first part, and asks to be run again.

use cells_sdk::limits::ROWS_MAX;
use cells_sdk::{Failure, LocationSource, Query, ReadEntries, RunError, TimeField, WINDOW_GAP_S};

/// How many rows of readings one run takes, if these are enough to finish something: a day of a phone that records every
/// second, and more. Their texts are a fifth of what a run may read.
pub const ROWS_A_RUN: usize = 100_000;

/// The time of a query's row number `rows_max`, s, by the field that the query is ordered by; `None` where there are no
/// more rows than that. A run that ends there has all rows of that time, so perhaps a few more.
///
/// Columns have no other times than `data.ts` and `metadata.write_ts`: the query is by one of these, ascending.
pub fn end_after<R: ReadEntries>(
    runtime: &mut R,
    query: &Query,
    rows_max: usize,
) -> Result<Option<f64>, RunError> {
    let refused = |failure: Failure| RunError::Read { keys: query.keys.join(", "), source: failure.into() };
    if runtime.count(query).map_err(refused)? <= rows_max as u64 {
        return Ok(None);
    }
    let mut cursor = runtime.find_locations(query).map_err(refused)?;
    let mut left = rows_max;
    while left > 0 {
        let rows = cursor.next_rows(ROWS_MAX.min(left as u32)).map_err(refused)?;
        let times = if query.field == TimeField::WriteTs { &rows.write_ts } else { &rows.ts };
        let Some(last) = times.last() else { break };
        left = left.saturating_sub(times.len());
        if left == 0 {
            return Ok(Some(*last));
        }
    }
    Ok(None)
}

/// How many of these spans, from their start to their end in s and in the order of their ends, one run takes whose
/// readings are those of the query by `data.ts`: those with the first `rows_max` of them, but one at least, and only up
/// to a pause. Behind it the next run's window begins, so that nothing of a later span is lost.
pub fn spans_taken<R: ReadEntries>(
    runtime: &mut R,
    readings: &Query,
    rows_max: usize,
    spans: &[(f64, f64)],
) -> Result<usize, RunError> {
    let end = end_after(runtime, readings, rows_max)?;
    Ok(end.map_or(spans.len(), |end| up_to_pause(spans, end)))
}

/// How many of these spans ended by `end`, but one at least, and only up to a pause.
fn up_to_pause(spans: &[(f64, f64)], end: f64) -> usize {
    let mut first = spans.len();
    if spans.last().is_none_or(|span| span.1 <= end) {
        return first;
    }
    let mut later_start = f64::INFINITY;
    for at in (1..spans.len()).rev() {
        later_start = later_start.min(spans[at].0);
        let through = spans[at - 1].1;
        if later_start - through > WINDOW_GAP_S && spans[at].1 - through > WINDOW_GAP_S {
            first = at;
            if through <= end {
                break;
            }
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use cells_sdk::Area;
    use cells_sdk::testing::Memory;

    use super::*;

    #[test]
    fn a_run_ends_behind_a_pause_by_the_given_moment_or_else_at_the_first() {
        let spans = [(0.0, 100.0), (103.0, 200.0), (300.0, 400.0), (390.0, 500.0), (600.0, 700.0)];
        for (end, taken) in [
            (1_000.0, 5),
            (700.0, 5),
            (600.0, 4),
            (500.0, 4),
            (450.0, 2),
            (200.0, 2),
            (150.0, 2),
            (0.0, 2),
            (f64::NAN, 2),
        ] {
            assert_eq!(up_to_pause(&spans, end), taken, "{end}");
        }
        assert_eq!(up_to_pause(&spans[..1], 0.0), 1, "the only one is taken whole");
        assert_eq!(up_to_pause(&[], 0.0), 0);
        // One that began long ago reaches over the pauses of the others.
        assert_eq!(up_to_pause(&[(0.0, 100.0), (300.0, 400.0), (50.0, 500.0)], 100.0), 3);
    }

    #[test]
    fn a_part_has_all_rows_of_its_last_moment() {
        let entry = |row: u32| {
            let (key, ts) =
                (["background/location", "background/motion_activity"][row as usize % 2], row / 2);
            format!(
                r#"{{"_id":{{"$oid":"{:024x}"}},"metadata":{{"key":"{key}","write_ts":{}}},"data":{{"ts":{ts}}}}}"#,
                row + 1,
                ts + 9
            )
        };
        let dump = format!("[{}]", (0..10).map(entry).collect::<Vec<_>>().join(","));
        let mut memory = Memory::new().with_entries(Area::Timeseries, &dump);
        let keys = ["background/location", "background/motion_activity"];
        for (rows_max, by_data, by_write) in [
            (10, None, None),
            (9, Some(4.0), Some(13.0)),
            (4, Some(1.0), Some(10.0)),
            (1, Some(0.0), Some(9.0)),
        ] {
            for (field, end) in [(TimeField::DataTs, by_data), (TimeField::WriteTs, by_write)] {
                let found = end_after(&mut memory, &Query::of(&keys, field), rows_max).expect("read");
                assert_eq!(found, end, "{rows_max}");
            }
        }
    }
}
