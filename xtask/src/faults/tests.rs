//! What can be said of the list without building anything.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use super::build;
use super::list::{Fault, Home, Homes, numbers_of, read};
use super::plant::Planted;
use super::trial::{self, Outcome};
use crate::pages::root;

/// The attacks whose tests are shown to fail.
const ATTACKS: std::ops::RangeInclusive<u8> = 80..=104;
/// Tests of these attacks that no fault names, and the reason.
const WITHOUT_A_FAULT: [(&str, &str); 0] = [];

/// What was once wrong with people's data, and nobody was told: a stage that asks by the wrong time reads nothing;
/// results that a reset doubles, that a rewind leaves as they were, that a deletion leaves behind; a failed run of which
/// no line is left; a package that takes the place of a cell of the host; a stream that only one package may describe.
const DATA_ERRORS: [&str; 7] =
    ["wrong-time", "reset", "rewind", "forget", "untold-run", "shadow", "one-description"];

fn faults() -> Vec<Fault> {
    read().expect("the list reads")
}

#[test]
fn every_attack_has_a_fault_and_every_fault_tests_of_its_attack_that_exist() {
    let (faults, homes) = (faults(), Homes::find().expect("the sources"));
    let attacks: BTreeSet<u8> = faults.iter().filter_map(|fault| fault.attack).collect();
    assert_eq!(attacks, ATTACKS.collect());
    for fault in &faults {
        let Fault { attack, data_error, takes, tests, .. } = fault;
        let about = fault.subject();
        assert!(
            attack.is_some() != data_error.is_some(),
            "{about}: {takes}: of an attack or of a data error"
        );
        assert!(
            attack.is_none_or(|attack| fault.attacks().contains(&attack)),
            "{about}: {takes}: names no test of it"
        );
        assert!(!tests.is_empty(), "{about}: {takes}: names no test");
        for test in tests {
            assert!(homes.get(test).is_some(), "{about}: there is not one test {test}");
        }
    }
}

#[test]
fn every_error_in_data_that_nobody_was_told_of_has_a_fault() {
    let faults = faults();
    let named: Vec<&str> = faults.iter().filter_map(|fault| fault.data_error.as_deref()).collect();
    assert_eq!(named.len(), DATA_ERRORS.len(), "{named:?}");
    assert_eq!(BTreeSet::from_iter(named), BTreeSet::from(DATA_ERRORS));
}

#[test]
fn every_test_of_these_attacks_has_a_fault_that_it_has_to_notice() {
    let faults = faults();
    let named: BTreeSet<&str> = faults.iter().flat_map(|fault| &fault.tests).map(String::as_str).collect();
    let excused = WITHOUT_A_FAULT.map(|(test, _)| test);
    let homes = Homes::find().expect("the sources");
    let of_these =
        homes.names().filter(|test| numbers_of(test).iter().any(|number| ATTACKS.contains(number)));
    let missing: Vec<&str> =
        of_these.filter(|test| !named.contains(test) && !excused.contains(test)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "tests that nobody has shown to fail");
    assert!(excused.iter().all(|test| !named.contains(test)), "one of {excused:?} has a fault");
}

#[test]
fn the_text_of_every_fault_is_in_its_file_once_and_what_takes_its_place_is_no_panic() {
    let faults = faults();
    let mut by_build: BTreeSet<(u8, &Path)> = BTreeSet::new();
    for fault in &faults {
        let (Fault { file, find, put, takes, .. }, attack) = (fault, fault.subject());
        let source = fs::read_to_string(root().join(file)).expect("the source of a fault");
        let planted = fault.planted_in(&source);
        assert!(planted.is_ok(), "{attack}: {takes}: {} has {planted:?} places with {find}", file.display());
        assert_ne!(find, put);
        for no_fault in ["panic!", "unreachable!", "todo!", "unimplemented!", "abort("] {
            assert!(!put.contains(no_fault), "{attack}: {takes}: {no_fault} is noticed by any test");
        }
        by_build.insert((fault.build, file.as_path()));
    }
    // Together too: one fault must not take the place of another.
    for (number, file) in by_build {
        let source = fs::read_to_string(root().join(file)).expect("the source of a fault");
        let mut together = faults.iter().filter(|fault| fault.build == number && fault.file == file);
        let planted = together.try_fold(source, |source, fault| fault.planted_in(&source));
        assert!(planted.is_ok(), "the faults of build {number} in {} do not fit together", file.display());
    }
}

fn fault(file: &str, find: &str, put: &str) -> Fault {
    let (file, find, put) = (file.into(), find.to_owned(), put.to_owned());
    let (attack, data_error, takes) = (Some(80), None, String::new());
    Fault { attack, data_error, build: 1, takes, file, find, put, tests: Vec::new(), hangs: false }
}

#[test]
fn files_are_as_they_were_after_a_fault_whoever_ends_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (root, path) = (folder.path(), folder.path().join("a.rs"));
    fs::write(&path, "if bad { return; }\n").expect("written");
    let text = || fs::read_to_string(&path).expect("read");
    let one = fault("a.rs", "if bad", "if false");
    let planted = Planted::plant(root, root, &[&one]).expect("planted");
    assert_eq!(text(), "if false { return; }\n");
    planted.restore().expect("restored");
    assert_eq!(text(), "if bad { return; }\n");
    drop(Planted::plant(root, root, &[&one]).expect("planted"));
    assert_eq!(text(), "if bad { return; }\n");
    let twice = fault("a.rs", "r", "x");
    assert!(Planted::plant(root, root, &[&one, &twice]).is_err(), "it is there twice");
    assert_eq!(text(), "if bad { return; }\n", "nothing was changed");
}

#[test]
fn a_test_is_found_where_cargo_builds_it() {
    let homes = Homes::find().expect("the sources");
    let home = |test: &str| homes.get(test).cloned();
    let of = |package: &str, target: Option<&str>| {
        Some(Home { package: package.into(), target: target.map(str::to_owned) })
    };
    assert_eq!(home("attack_104_two_authorization_headers_are_refused"), of("runtime/host", Some("host")));
    assert_eq!(
        home("attack_102_a_key_of_the_host_that_others_can_read_is_refused"),
        of("runtime/wire", None)
    );
    assert_eq!(
        home("attack_84_nobody_has_more_jobs_waiting_than_others_can_still_add"),
        of("runtime/sandbox", Some("pool"))
    );
    assert_eq!(
        home("a_stage_that_asks_for_results_by_when_they_were_written_is_told_what_to_ask_for"),
        of("runtime/trial", Some("trials"))
    );
    assert_eq!(home("can_build"), None, "a function that is no test");
    let line = |kind: &str, test: bool| {
        format!(
            r#"{{"reason":"compiler-artifact","manifest_path":"/w/runtime/host/Cargo.toml","target":{{"kind":["{kind}"],"name":"host"}},"profile":{{"test":{test}}},"executable":"/w/target/host-1"}}"#
        )
    };
    let program = |kind, test| build::program(&line(kind, test), Path::new("/w")).map(|(home, _)| home);
    assert_eq!(program("test", true), of("runtime/host", Some("host")));
    assert_eq!(program("lib", true), of("runtime/host", None));
    assert_eq!((program("lib", false), program("bin", true)), (None, None));
}

#[test]
fn of_what_the_compiler_says_errors_are_shown() {
    let line = |level: &str| {
        format!(r#"{{"reason":"compiler-message","message":{{"level":"{level}","rendered":"words"}}}}"#)
    };
    assert_eq!(build::error(&line("error")).as_deref(), Some("words"));
    assert_eq!((build::error(&line("warning")), build::error("no json")), (None, None));
}

#[test]
fn only_a_test_that_ran_and_did_not_pass_has_noticed_a_fault() {
    let ran =
        "\nrunning 1 test\nthread 'a' (7) panicked at runtime/host/src/a.rs:7:9:\nleft: 1\nnote: run with\n";
    let why = "a.rs:7:9: left: 1".to_owned();
    assert_eq!(trial::judge(ran, Some(false), false, 2), Outcome::Failed { why, after_s: 2 });
    assert_eq!(trial::judge(ran, Some(true), false, 2), Outcome::Passed);
    assert_eq!(trial::judge(ran, None, true, 2), Outcome::Hung { after_s: 2 });
    assert_eq!(trial::judge(ran, None, false, 2), Outcome::Endless { after_s: 2 });
    assert_eq!(trial::judge("running 0 tests", Some(true), false, 2), Outcome::Absent);
    let noticed = |outcome: Outcome| outcome.is_noticed();
    assert!(!noticed(Outcome::Passed) && !noticed(Outcome::Absent) && !noticed(Outcome::Unbuilt));
    assert!(!noticed(Outcome::Endless { after_s: 2 }) && noticed(Outcome::Hung { after_s: 2 }));
}

#[test]
fn a_test_that_never_ends_is_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    fs::write(folder.join("endless"), "echo 'running 1 test'\nexec sleep 60\n").expect("written");
    let begun = Instant::now();
    let limit = Duration::from_millis(200);
    let run = |hangs| trial::run_within(limit, Path::new("sh"), folder, folder, "endless", hangs);
    assert!(matches!(run(true), Ok(Outcome::Hung { .. })));
    assert!(matches!(run(false), Ok(Outcome::Endless { .. })));
    assert!(begun.elapsed() < Duration::from_secs(30));
}
