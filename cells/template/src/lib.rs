//! Where a phone was silent: gaps of more than ten minutes between two fixes.

use cells_sdk::{LocationSource, Outcome, Output, ReadEntries, Run, RunError, TimeField, WriteEntries};

const SILENCE_S: f64 = 600.0;

/// Writes one `study/silence` for each gap. The state is the time of the latest fix so far, so that a gap between two
/// runs is found too.
pub fn run<R: ReadEntries + WriteEntries>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let mut latest: Option<f64> = run.state.as_slice().try_into().ok().map(f64::from_le_bytes);
    let window = run.window(&["background/filtered_location"], TimeField::WriteTs);
    let mut fixes = runtime.find_locations(&window)?;
    let (mut output, mut processed_through) = (Output::new(run), None);
    loop {
        let columns = fixes.next_rows(4096)?;
        if columns.ts.is_empty() {
            break;
        }
        for &ts in &columns.ts {
            if let Some(start) = latest.filter(|latest| ts - latest > SILENCE_S) {
                let data = format!(r#"{{"start_ts":{start},"end_ts":{ts}}}"#);
                output.insert(runtime, "study/silence", &data)?;
            }
            latest = Some(latest.map_or(ts, |latest| latest.max(ts)));
        }
        processed_through = columns.write_ts.last().copied();
    }
    output.finish(runtime)?;
    let state = latest.map(|latest| latest.to_le_bytes().to_vec()).unwrap_or_default();
    Ok(Outcome { processed_through, state, more: false })
}

cells_sdk::export_stage!(run);
