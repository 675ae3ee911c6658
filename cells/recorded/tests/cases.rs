//! What is built from a recorded case is the recorded case.

use cells_recorded::{Canonical, cases};

#[test]
fn inserted_results_of_the_reference_compare_equal() {
    for case in cases() {
        let results = case.golden()["entries"].as_object().expect("entries by key");
        let keys: Vec<&str> = results.keys().map(String::as_str).collect();
        let laid: Vec<&str> =
            keys.iter().copied().filter(|key| *key != "background/filtered_location").collect();
        let memory = case.memory(&laid);
        assert_eq!(case.differences(&memory, &keys), Vec::<String>::new(), "{}", case.name);
        assert_eq!(case.invalid_differences(&memory), Ok(()), "{}", case.name);
    }
}

#[test]
fn missing_entries_are_reported() {
    for case in cases().iter().take(1) {
        let memory = case.memory(&[]);
        let told = case.differences(&memory, &["segmentation/raw_trip"]);
        assert!(told[0].contains("0 entries, want"), "{told:?}");
        assert!(Canonical::of(&memory).entries("segmentation/raw_trip").is_empty());
    }
}
