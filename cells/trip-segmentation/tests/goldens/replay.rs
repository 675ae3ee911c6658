//! Recorded days go in, the two stages run after each load.

use std::io::Read;
use std::path::Path;

use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome};

/// Behind every recorded day, s.
const FIRST_RUN: f64 = 1_900_000_000.0;

/// What is there after the last run.
pub struct Replayed {
    pub memory: Memory,
    pub filtered: Outcome,
    pub segmented: Outcome,
}

pub fn replay(loads: &[impl AsRef<Path>], filter_accuracy: bool) -> Replayed {
    // Ids rise behind this one, so that none that a run makes is one of a later load.
    let above_all = r#"[{"_id":{"$oid":"f00000000000000000000000"},"metadata":{"key":"a/b"},"data":{}}]"#;
    let mut memory = Memory::new().with_entries(Area::Errors, above_all);
    let (mut filtered, mut segmented) = (Outcome::default(), Outcome::default());
    for (load, now) in loads.iter().zip((0..).map(|run| FIRST_RUN + f64::from(run) * 3600.0)) {
        memory = memory.with_entries(Area::Timeseries, &text_of(load.as_ref()));
        if filter_accuracy {
            filtered = memory.run_stage(cells_accuracy_filter::run, now, filtered).expect("the stage works");
        }
        segmented = memory.run_stage(cells_trip_segmentation::run, now, segmented).expect("the stage works");
    }
    Replayed { memory, filtered, segmented }
}

/// The text of a gzipped file.
pub fn text_of(path: &Path) -> String {
    let file = std::fs::File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut text = String::new();
    flate2::read::GzDecoder::new(file).read_to_string(&mut text).expect("a gzipped text");
    text
}
