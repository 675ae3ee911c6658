//! What the operator of a host lets people install: each rule, when a package is brought and at a later start.

use std::collections::BTreeSet;

use runtime_testkit::World;
use runtime_user::{BadCell, CallError, CellShown, InstallError, NotAdmitted, NotServed, Policy, UserId};
use serde_json::json;

use crate::installed::{
    MONTH, NOW, READER, STAGE, ask, package, publisher, put_day, run, stream, unchanged, world,
};

/// A host like `world`, under a policy from now on.
fn under(world: World, policy: Policy) -> World {
    world.restart(|settings| settings.policy = policy)
}

fn list(world: &World, user: UserId) -> Vec<CellShown> {
    world.runtime.installed_cells().list(user, NOW).expect("listed")
}

/// Why a package is not admitted.
fn refused(world: &World, user: UserId, package: &[u8]) -> NotAdmitted {
    let cells = world.runtime.installed_cells();
    let looked = cells.look(user, package, &[], NOW);
    assert!(matches!(looked, Err(InstallError::Cell(BadCell::NotAdmitted(_)))), "{looked:?}");
    match cells.install(user, package, &[], NOW) {
        Err(InstallError::Cell(BadCell::NotAdmitted(why))) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_policy_does_not_admit_is_not_installed_and_nothing_of_it_is_kept() {
    let (known, stranger) = (publisher(), publisher());
    let (reader, theirs) = (package(READER, &known, unchanged), package(STAGE, &stranger, unchanged));
    let world =
        under(world(), Policy { publishers: Some(BTreeSet::from([known.publisher()])), ..Policy::default() });
    let user = world.person("Ada");
    let why = refused(&world, user, &theirs);
    assert!(
        matches!(&why, NotAdmitted::Publisher { publisher } if *publisher == stranger.publisher().to_string()),
        "{why}"
    );
    assert!(list(&world, user).is_empty());
    let packages = world.runtime.settings().data.join("packages");
    assert!(!packages.exists(), "it was neither compiled nor kept");
    world.runtime.installed_cells().install(user, &reader, &[], NOW).expect("of a publisher who is known");

    let world = under(world, Policy { package_bytes_max: theirs.len() - 1, ..Policy::default() });
    let why = refused(&world, user, &theirs);
    assert!(
        matches!(why, NotAdmitted::TooLarge { bytes, limit } if bytes == theirs.len() && limit == bytes - 1),
        "{why}"
    );

    let world = under(world, Policy { per_person_max: 1, ..Policy::default() });
    let why = refused(&world, user, &theirs);
    assert!(matches!(why, NotAdmitted::TooMany { limit: 1 }), "{why}");
    // The one that is there may be installed again, and one more once it has been revoked.
    let cells = world.runtime.installed_cells();
    cells.install(user, &reader, &[], NOW).expect("it takes its own place");
    cells.revoke(user, READER, NOW).expect("revoked");
    cells.install(user, &theirs, &[], NOW).expect("there is a place");
    cells.remove(user, STAGE, true).expect("removed");

    let folder = tempfile::tempdir().expect("a folder");
    let kept = Policy { own: false, folder: Some(folder.path().to_owned()), ..Policy::default() };
    let world = under(world, kept);
    assert!(matches!(refused(&world, user, &theirs), NotAdmitted::NotKept));
    std::fs::write(folder.path().join("modes.wasm"), &theirs).expect("written");
    world.runtime.installed_cells().install(user, &theirs, &[], NOW).expect("the operator keeps it");
    let names: Vec<_> = list(&world, user).into_iter().map(|cell| (cell.name, cell.state)).collect();
    let [mode_share, reader] =
        [(STAGE, "active"), (READER, "refused")].map(|(name, state)| (name.to_owned(), state.to_owned()));
    assert_eq!(names, [mode_share, reader]);
}

#[test]
fn an_update_is_compared_with_the_policy_too_and_a_refused_one_changes_nothing() {
    let (world, key) = (world(), publisher());
    let user = world.person("Ada");
    let cells = world.runtime.installed_cells();
    let first = cells.install(user, &package(READER, &key, unchanged), &[], NOW).expect("installed");
    let second = package(READER, &key, |manifest| manifest.replace("version = 1", "version = 2"));
    let bytes = usize::try_from(first.bytes).expect("small");
    // Both have the same size.
    assert_eq!(second.len(), bytes);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("reader.wasm"), package(READER, &key, unchanged)).expect("written");
    let world =
        under(world, Policy { own: false, folder: Some(folder.path().to_owned()), ..Policy::default() });
    let updated = world.runtime.installed_cells().update(user, &second, NOW);
    assert!(
        matches!(updated, Err(InstallError::Cell(BadCell::NotAdmitted(NotAdmitted::NotKept)))),
        "{updated:?}"
    );
    let shown = world.runtime.installed_cells().show(user, READER, NOW).expect("shown");
    assert_eq!((shown.version, shown.state.as_str(), shown.digest), (1, "active", first.digest));
    assert!(ask(&world, user, &json!({ "find": "count", "keys": ["background/location"] })).is_ok());
}

#[test]
fn under_a_rule_that_becomes_stricter_a_cell_does_not_run_says_why_and_loses_nothing() {
    let (world, key) = (world(), publisher());
    let user = world.person("Ada");
    put_day(&world, user, 0);
    let cells = world.runtime.installed_cells();
    let stage = cells.install(user, &package(STAGE, &key, unchanged), &[], NOW).expect("installed");
    let reader = cells.install(user, &package(READER, &key, unchanged), &[], NOW + 1.0).expect("installed");
    run(&world, user, NOW);
    let made = stream(&world, user, MONTH);
    assert!(!made.is_empty());
    let request = json!({ "find": "count", "keys": ["background/location"] });
    let count = ask(&world, user, &request).expect("an answer");

    let nobody = Policy { publishers: Some(BTreeSet::new()), ..Policy::default() };
    let world = under(world, nobody);
    for (shown, before) in list(&world, user).iter().zip([&stage, &reader]) {
        assert_eq!(shown.state, "refused");
        let why = shown.trouble.as_deref().expect("it says why");
        assert!(why.contains("does not take cells of the publisher"), "{why}");
        assert_eq!(
            (&shown.consent, &shown.title, shown.bytes),
            (&before.consent, &before.title, before.bytes)
        );
    }
    let refused = ask(&world, user, &request).expect_err("it does not run");
    assert!(matches!(refused, CallError::NotServed { why: NotServed::CannotRun, .. }), "{refused}");
    put_day(&world, user, 2);
    let report = world.runtime.pipelines().run(user, NOW + 10.0).expect("it ran");
    assert!(report.succeeded() && report.guests.is_empty(), "{report:?}");
    assert_eq!(stream(&world, user, MONTH), made, "what it had made is still there");

    // Of two cells, the one that was granted later waits if only one is allowed.
    let world = under(world, Policy { per_person_max: 1, ..Policy::default() });
    let states: Vec<_> = list(&world, user).into_iter().map(|cell| cell.state).collect();
    assert_eq!(states, ["active", "refused"]);
    let world = under(world, Policy::default());
    let states: Vec<_> = list(&world, user).into_iter().map(|cell| cell.state).collect();
    assert_eq!(states, ["active", "active"]);
    assert!(ask(&world, user, &request).expect("an answer")["count"].as_u64() > count["count"].as_u64());
    run(&world, user, NOW + 20.0);
    assert_ne!(stream(&world, user, MONTH), made);
}
