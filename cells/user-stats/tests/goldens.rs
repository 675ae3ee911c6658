//! On recorded days, the profile has the same values about the diary as the reference's.

use cells_recorded::cases;
use cells_sdk::Outcome;
use serde_json::Value;

const INPUT: [&str; 3] =
    ["analysis/confirmed_trip", "analysis/confirmed_untracked", "analysis/composite_trip"];

#[test]
fn every_recorded_day_gives_the_profile_of_the_reference() {
    let mut problems = Vec::new();
    for case in &cases() {
        let mut memory = case.memory(&INPUT).with_document("profile", r#"{"curr_platform":"android"}"#);
        memory.run_stage(cells_user_stats::run, case.now(), Outcome::default()).expect("the stage works");
        let profile = memory.committed_document("profile").expect("it is written");
        let profile: Value = serde_json::from_slice(profile).expect("JSON");
        assert_eq!(profile["curr_platform"], "android");
        for name in ["pipeline_range", "total_trips", "labeled_trips"] {
            let (got, want) = (&profile[name], &case.profile()[name]);
            if got != want {
                problems.push(format!("{}: {name} is {got}, want {want}", case.name));
            }
        }
    }
    assert_eq!(problems, Vec::<String>::new());
}
