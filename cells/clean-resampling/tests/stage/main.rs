//! Whole runs of the stage, on made-up days.

mod anywhere;
mod diary;
mod odd;
mod places;
mod points;
mod runs;
mod trips;

use serde_json::json;

use diary::{DRIVE, Diary, MADE, POINT, WALK};

#[test]
fn everything_that_is_written_fits_the_schemas_of_the_manifest() {
    let (diary, _) = Diary::new()
        .trip(0.0, &[DRIVE, (1, 0.0, 2), WALK], 200.0)
        .silence(5000.0)
        .trip(0.0, &[(3, 20.0, 2)], 0.0)
        .trip(0.0, &[DRIVE], 0.0)
        .cleaned();
    for key in MADE {
        let name = key.strip_prefix("analysis/").expect("ours");
        let folder = if key == POINT { "../model/schemas/analysis" } else { "schemas" };
        let path = format!("{}/{folder}/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let schema = serde_json::from_str(&std::fs::read_to_string(path).expect("there")).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let entries = diary.memory.of_key(key);
        assert!(!entries.is_empty(), "{key}");
        for entry in entries {
            let data = entry.data();
            let broken: Vec<String> = validator.iter_errors(&data).map(|error| error.to_string()).collect();
            assert!(broken.is_empty(), "{key}: {broken:?}");
            assert_eq!(cells_sdk::model::keys::check(key, &entry.data), Ok(()));
        }
        assert!(!validator.is_valid(&json!({ "start_ts": "soon" })));
    }
}
