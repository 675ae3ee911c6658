//! Counts fixes, and has the fault that the purpose in its manifest names: a stage by which tests see that a trial finds
//! each kind of fault.
//!
//! The purpose ends with `Fault: ` and one of these words:
//!
//! | word | what it does |
//! |---|---|
//! | `none` | keeps one entry with the number of all fixes, with the help of its state |
//! | `counts-runs` | also writes how often it has run |
//! | `now`, `seed` | also writes the moment of its run, or a number drawn from its seed |
//! | `wrong-time` | counts sections, and asks for them by when they were written |
//! | `no-such-time` | counts sections, and asks for them by a time that they do not have |
//! | `traps` | does not expect that a stream may not be granted |
//! | `gives-up` | gives up at [`GIVES_UP_AT`] fixes |

use cells_sdk::model::EntryId;
use cells_sdk::{
    Outcome, Output, ReadEntries, Run, RunError, Terms, TimeField, WriteEntries, for_each_entry,
};
use serde::{Deserialize, Serialize};

/// How many fixes in one window are too many for the fault `gives-up`.
pub const GIVES_UP_AT: u64 = 12;

const FIX: &str = "background/filtered_location";
const SECTION: &str = "analysis/inferred_section";
const COUNT: &str = "study.faulty/count";

/// What the stage remembers.
#[derive(Default, Serialize, Deserialize)]
struct Memory {
    /// Of its entry, once there is one.
    id: Option<EntryId>,
    /// The latest entry that was counted, s.
    ts: f64,
    entries: u64,
    runs: u64,
}

/// Counts what is new, and writes the count.
pub fn run<R: ReadEntries + WriteEntries + Terms>(runtime: &mut R, run: &Run) -> Result<Outcome, RunError> {
    let purpose = runtime.purpose();
    let fault = purpose.rsplit_once("Fault: ").map_or("none", |(_, fault)| fault);
    let unreadable = |error: serde_json::Error| RunError::Other(error.to_string());
    let mut memory: Memory = match run.state.is_empty() {
        true => Memory::default(),
        false => serde_json::from_slice(&run.state).map_err(unreadable)?,
    };
    let (key, field) = match fault {
        "wrong-time" => (SECTION, TimeField::WriteTs),
        "no-such-time" => (SECTION, TimeField::DataTs),
        _ => (FIX, TimeField::WriteTs),
    };
    let mut new = 0;
    let read = for_each_entry(runtime, &run.window(&[key], field), |_, entry| {
        new += 1;
        memory.ts = memory.ts.max(entry.time);
        Ok(())
    });
    if fault == "traps" {
        read.expect("every stream is granted");
    } else {
        read?;
    }
    if new == 0 {
        return Ok(Outcome { processed_through: None, state: run.state.clone(), more: false });
    }
    if fault == "gives-up" && new >= GIVES_UP_AT {
        return Err(RunError::Other(format!("{new} fixes are too many")));
    }
    memory.entries += new;
    memory.runs += 1;
    let out_of_place = match fault {
        "counts-runs" => memory.runs as f64,
        "now" => run.now,
        "seed" => (run.seed % 1_000_000) as f64,
        _ => 0.0,
    };
    write(runtime, run, &mut memory, out_of_place)?;
    let state = serde_json::to_vec(&memory).map_err(unreadable)?;
    Ok(Outcome { processed_through: Some(memory.ts), state, more: false })
}

fn write<R: WriteEntries>(
    runtime: &mut R,
    run: &Run,
    memory: &mut Memory,
    fault: f64,
) -> Result<(), RunError> {
    let data = serde_json::json!({ "ts": memory.ts, "entries": memory.entries, "fault": fault }).to_string();
    let mut output = Output::new(run);
    match memory.id {
        Some(id) => output.replace(runtime, COUNT, id, &data)?,
        None => {
            output.insert(runtime, COUNT, &data)?;
            memory.id = output.take_ids(runtime)?.first().copied();
        }
    }
    output.finish(runtime)
}

cells_sdk::export_stage!(run);
