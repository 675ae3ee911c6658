//! How much space does an entry take on disk?
//!
//! * Work: 100,000 simulated entries, committed a thousand at a time, settled, compacted: one stream of locations, and
//!   all kinds that a phone sends; in the form of the timeseries, and in the form in which they arrived.
//! * Compared with: the bytes of their JSON.
//! * Estimate: columns and zstd give 40 to 60 bytes for each location; small streams and the engine's pages cost the
//!   rest.

use runtime_store::Store;
use runtime_user::{CallError, Runtime, Settings};

use super::rounds::Comparison;
use super::sample::{self, Sample};
use super::{BenchError, Figures};
use runtime_cells::BUILT_IN;

const ENTRIES: usize = 100_000;
const SHARE_MAX: f64 = 0.15;

pub(super) fn run() -> Figures {
    let folder = tempfile::tempdir()?;
    let runtime = Runtime::open(Settings::at(folder.path()), BUILT_IN)?;
    let mut figures = Vec::new();
    let (locations, everything) = (sample::locations(ENTRIES), sample::everything(ENTRIES));
    let work = [
        ("a location of the timeseries", sample::taken_in(&locations)?),
        ("any entry of the timeseries", sample::taken_in(&everything)?),
        ("a location as a phone sends it", locations),
    ];
    for (what, samples) in work {
        let (user, _) = runtime.people().add(what, 0.0)?;
        let person = runtime.person(user)?;
        sample::fill(&person.store, &samples).map_err(CallError::Commit)?;
        let fresh = bytes_each(&person.store, samples.len())?;
        while person.store.settle().map_err(CallError::Commit)?.more {}
        while person.store.compact().map_err(CallError::Commit)? {}
        let settled = bytes_each(&person.store, samples.len())?;
        let json = samples.iter().map(Sample::bytes).sum::<usize>() as f64 / samples.len() as f64;
        figures.push(row(what, "settled", settled, json));
        figures.push(row(what, "as committed", fresh, json).held_against("", true));
    }
    runtime.shutdown();
    Ok(figures)
}

fn bytes_each(store: &Store, entries: usize) -> Result<f64, BenchError> {
    let bytes = store.bytes_on_disk().map_err(CallError::Read)?;
    Ok(bytes as f64 / entries as f64)
}

fn row(what: &str, state: &str, ours: f64, json: f64) -> Comparison {
    let share = ours / json;
    let row = Comparison::figure(&format!("{what}, {state}"), ours, "B", "", true);
    let row = Comparison { other: json, ratio: share, ratio_p25: share, ratio_p75: share, ..row };
    row.named(&format!("{what}, {state}"), "its JSON").at_most(SHARE_MAX)
}
