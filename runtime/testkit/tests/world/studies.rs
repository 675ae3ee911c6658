//! Studies on one host: what is asked, what it costs, what leaves, and what is nowhere. Real packages in the real
//! sandbox, real stores, and the program that draws the noise.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use data_encoding::HEXLOWER;
use ring::rand::SystemRandom;
use runtime_package::{Package, PublisherKey, pack};
use runtime_store::{Batch, CommitError, NewEntry, Store};
use runtime_testkit::{Disks, World};
use runtime_user::study::{Answer, mark_file, sign};
use runtime_user::{
    Area, BUDGET_MICRO, BadCell, BudgetError, CollectError, InstallError, RunOutcome, Settings, StreamKey,
    StudyError, TrialAsk, UserId,
};
use serde_json::json;

/// 2026-01-01, when the first epoch begins; an epoch is a week.
const FROM: f64 = 1_767_225_600.0;
const WEEK: f64 = 7.0 * 86_400.0;
/// A day after the first epoch.
pub(crate) const NOW: f64 = FROM + 8.0 * 86_400.0;
pub(crate) const EPSILON: u64 = 2_000_000;
pub(crate) const CELL: &str = "distance-by-mode";
pub(crate) const CAR: i64 = 5;

pub(crate) fn programs(settings: &mut Settings) {
    settings.compiler = Some(env!("CARGO_BIN_EXE_testkit-cell-compiler").into());
    settings.studies = Some(env!("CARGO_BIN_EXE_testkit-studies").into());
}

fn world() -> World {
    World::with(programs)
}

pub(crate) fn key() -> PublisherKey {
    PublisherKey::generate(&SystemRandom::new()).expect("random bytes")
}

/// The signed package of a cell that this repository has.
pub(crate) fn package(name: &str, key: &PublisherKey) -> Vec<u8> {
    let cell = runtime_cells::PACKAGES.iter().find(|cell| cell.name == name).expect("it is built");
    let package = pack(cell.component, cell.manifest, cell.schemas).expect("a package");
    key.sign(&package, &SystemRandom::new()).expect("signed")
}

/// A study of kilometres by mode, of that package, with its text changed.
pub(crate) fn study(package: &[u8], key: &PublisherKey, change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let digest = HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, package).as_ref());
    let cell = Package::parse(package).expect("a package").verify().expect("signed").cell;
    let modes = ["walking", "bicycling", "bus", "train", "car", "air", "other"];
    let numbers = modes.map(|mode| format!("[[numbers]]\nname = \"{mode}\"\nlo = 0\nhi = 1_000\n")).concat();
    let text = format!(
        "version = 1\nname = \"distance\"\ntitle = \"Distance by mode\"\npurpose = \"Counts kilometres.\"\n\
         ethics = \"A committee, 1\"\ncell = \"{cell}\"\ndigest = \"{digest}\"\n\
         streams = [\"analysis/inferred_section\"]\nfrom = 2026-01-01\nuntil = 2026-01-15\nepoch = \"week\"\n\
         epsilon = 2.0\nl1 = 1_000\nsmallest-group = 5\nanswered = \"one-host\"\n{numbers}"
    );
    let signed = sign(change(&text).as_bytes(), key, &SystemRandom::new()).expect("random bytes");
    signed.expect("a study").into_bytes()
}

/// The same study under another name.
fn another(package: &[u8], key: &PublisherKey) -> Vec<u8> {
    study(package, key, |text| text.replace("\"distance\"", "\"another\""))
}

fn unchanged(text: &str) -> String {
    text.to_owned()
}

/// The entries of sections: the moment at which each began, its mode and its length, km.
pub(crate) fn sections(store: &Store, sections: &[(f64, i64, f64)]) -> Result<(), CommitError> {
    let mut batch = Batch::new();
    for (start, mode, kilometres) in sections {
        let metadata = json!({ "key": "analysis/inferred_section", "write_ts": start + 600.0 }).to_string();
        let data = json!({ "start_ts": start, "end_ts": start + 600.0, "sensed_mode": mode,
            "distance": kilometres * 1_000.0 })
        .to_string();
        let key = StreamKey::parse("analysis/inferred_section").expect("a stream");
        let entry = NewEntry { id: None, key, metadata: &metadata, data: &data, extra: "" };
        batch.insert(Area::Timeseries, entry);
    }
    store.commit(batch).map(drop)
}

/// Somebody with these sections.
pub(crate) fn with_sections(world: &World, number: u8, told: &[(f64, i64, f64)]) -> UserId {
    let user = UserId([number; 16]);
    let added =
        world.runtime.import_person(user, &format!("person {number}"), 0.0, |store| sections(store, told));
    added.expect("added");
    user
}

/// People who have gone 500 km by car in the first week, and far before it.
fn drivers(world: &World, numbers: std::ops::RangeInclusive<u8>) -> Vec<UserId> {
    let told = [(FROM + 86_400.0, CAR, 300.0), (FROM + 2.0 * 86_400.0, CAR, 200.0), (FROM - 1.0, CAR, 9e5)];
    numbers.map(|number| with_sections(world, number, &told)).collect()
}

pub(crate) fn join(world: &World, users: &[UserId], study: &[u8]) {
    for user in users {
        assert!(world.runtime.studies().join(*user, study, true, NOW).expect("joined").joined);
    }
}

pub(crate) fn left(world: &World, user: UserId) -> u64 {
    world.runtime.studies().budget(user).expect("a budget").left_micro
}

pub(crate) fn total(answer: &Answer, name: &str) -> i64 {
    answer.totals.iter().find(|total| total.name == name).expect("a total").total
}

/// Everybody's files, and what is in them.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).expect("a folder") {
        let path = item.expect("an item").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.display().to_string(), fs::read(&path).expect("read"))),
        }
    }
    found
}

#[test]
fn attack_137_a_host_shows_nobody_the_numbers_of_one_person() {
    let host = world();
    let invented = World::with(|settings| {
        programs(settings);
        settings.shows_contributions = true;
    });
    let package = package(CELL, &key());
    let window = (FROM, (FROM + WEEK).next_down());
    let ask = TrialAsk { purpose: "To look", streams: None, window, now: NOW };
    let cell = invented.runtime.studies().tried_cell(&package).expect("everybody here is invented");
    let given = |world: &World| world.runtime.studies().try_out(drivers(world, 1..=1)[0], &cell, &ask);
    let seen = given(&invented).expect("tried").numbers.expect("numbers");
    assert_eq!(seen, [0.0, 0.0, 0.0, 0.0, 500.0, 0.0, 0.0]);
    // Neither by a cell of its own nor by one that another runtime has made ready.
    assert!(matches!(host.runtime.studies().tried_cell(&package), Err(StudyError::NotShown)));
    assert!(matches!(given(&host), Err(StudyError::NotShown)));
}

#[test]
fn a_total_is_of_those_who_joined_inside_its_epoch_and_costs_each_their_share_once() {
    let world = world();
    let (key, studies) = (key(), world.runtime.studies());
    let package = package(CELL, &key);
    let study = study(&package, &key, unchanged);
    let people = drivers(&world, 1..=30);
    let (joined, others) = people.split_at(25);
    let refused = studies.join(people[0], &study, true, NOW).expect_err("nobody has published it");
    assert!(matches!(refused, StudyError::NoSuchStudy { .. }), "{refused}");
    studies.publish(&study, &package, NOW).expect("published");
    let offer = studies.join(people[0], &study, false, NOW).expect("looked at");
    assert!(!offer.joined && offer.budget.left_micro == BUDGET_MICRO);
    assert!(
        offer.study.words.iter().any(|words| words.contains("A committee, 1")),
        "{:?}",
        offer.study.words
    );
    join(&world, joined, &study);
    assert_eq!(studies.status("distance", NOW).expect("known").people, Some(25));
    let soon = studies.result("distance", None, FROM + 1.0).expect_err("the epoch goes on");
    assert!(matches!(soon, CollectError::TooSoon { .. }), "{soon}");

    let answer = studies.result("distance", None, NOW).expect("an answer");
    let far = 5 * i64::try_from(answer.error_bar).expect("small");
    assert!((total(&answer, "car") - 25 * 500).abs() <= far, "{answer:?}");
    assert!(total(&answer, "train").abs() <= far, "{answer:?}");
    assert!((answer.epoch, answer.smallest_group, answer.epsilon_micro) == (0, 5, EPSILON));
    for user in joined {
        assert_eq!(left(&world, *user), BUDGET_MICRO - EPSILON);
    }
    for user in others {
        assert_eq!(left(&world, *user), BUDGET_MICRO);
    }
    // Asked again, by whomever and after a restart, it is the same answer and costs nothing.
    let world = world.restart(|_| {});
    assert_eq!(world.runtime.studies().result("distance", Some(0), NOW + 5.0).expect("the same"), answer);
    assert_eq!(left(&world, people[0]), BUDGET_MICRO - EPSILON);
    let lines = world.runtime.person(people[0]).expect("open").audit(None, Some(CELL)).expect("an audit");
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((line.outcome, line.entries_read), (RunOutcome::Done, 2));
    assert_eq!(line.under.as_ref().map(|under| under.purpose.as_str()), Some("Counts kilometres."));
    assert_eq!((line.reads[0].from, line.reads[0].to), (Some(FROM), Some((FROM + WEEK).next_down())));
    assert_eq!(line.said, ["for the study distance, epoch 0"]);

    // The next epoch takes what is left; then nothing more is given, whatever a study asks.
    let studies = world.runtime.studies();
    studies.result("distance", Some(1), NOW + WEEK).expect("an answer");
    assert_eq!(left(&world, people[0]), 0);
    let over = studies.join(people[0], &study, true, NOW + WEEK).expect_err("every epoch is answered");
    assert!(matches!(over, StudyError::Over { .. }), "{over}");
    let another = another(&package, &key);
    studies.publish(&another, &package, NOW).expect("published");
    let spent = studies.join(people[0], &another, true, NOW).expect_err("nothing is left");
    assert!(
        matches!(spent, StudyError::Budget(BudgetError::TooLittle { left: 0, asked: EPSILON })),
        "{spent}"
    );
}

#[test]
fn attack_155_too_few_people_get_no_answer_and_their_budgets_back() {
    let world = world();
    let (key, studies) = (key(), world.runtime.studies());
    let package = package(CELL, &key);
    let study = study(&package, &key, unchanged);
    let shown = studies.publish(&study, &package, NOW).expect("published");
    let people = drivers(&world, 1..=5);
    join(&world, &people[..4], &study);
    for _ in 0..2 {
        let few = studies.result("distance", None, NOW).expect_err("four are too few");
        assert!(matches!(few, CollectError::TooFew { least: 5 }), "{few}");
        assert!(people.iter().all(|user| left(&world, *user) == BUDGET_MICRO));
    }
    let folder = world.runtime.settings().data.join("studies").join(&shown.id);
    assert!(!mark_file(&folder, 0).exists());
    join(&world, &people[4..], &study);
    // One who leaves is in no answer, whatever they gave before.
    let offer = studies.leave(people[0], "distance", NOW).expect("left");
    assert!(!offer.joined);
    assert!(matches!(studies.result("distance", None, NOW), Err(CollectError::TooFew { .. })));
    assert!(matches!(studies.leave(people[0], "distance", NOW), Err(StudyError::NotJoined { .. })));
    join(&world, &people[..1], &study);
    assert!(studies.result("distance", None, NOW).is_ok());
    assert!(people.iter().all(|user| left(&world, *user) == BUDGET_MICRO - EPSILON));
}

#[test]
fn attack_156_a_contribution_of_another_length_is_refused_and_its_budget_given_back() {
    let world = world();
    let (key, studies) = (key(), world.runtime.studies());
    let package = package(CELL, &key);
    let six = |text: &str| text.replace("[[numbers]]\nname = \"other\"\nlo = 0\nhi = 1_000\n", "");
    let study = study(&package, &key, six);
    studies.publish(&study, &package, NOW).expect("published");
    let people = drivers(&world, 1..=5);
    join(&world, &people, &study);
    assert!(matches!(studies.result("distance", None, NOW), Err(CollectError::TooFew { .. })));
    for user in people {
        assert_eq!(studies.budget(user).expect("a budget").charges, []);
        let lines = world.runtime.person(user).expect("open").audit(None, Some(CELL)).expect("an audit");
        let why = lines[0].reason.as_deref();
        assert_eq!(why, Some("the cell gave 7 numbers; the study has 6"));
        assert_eq!(lines[0].outcome, RunOutcome::BadAnswer);
    }
}

/// Collects what is logged on this thread.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn attack_157_a_contribution_is_in_no_file_no_log_no_document_and_no_audit() {
    /// What one person gives, km, and no noise is likely to be.
    const MARKER: i64 = 476_206_137;
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone());
    let (world, people) = tracing::subscriber::with_default(subscriber.finish(), || {
        let world = world();
        let (key, studies) = (key(), world.runtime.studies());
        let package = package(CELL, &key);
        let wide = |text: &str| {
            text.replace("l1 = 1_000\n", "l1 = 1_000_000_000\n").replace("hi = 1_000\n", "hi = 600_000_000\n")
        };
        let study = study(&package, &key, wide);
        studies.publish(&study, &package, NOW).expect("published");
        let mut people: Vec<_> = (1..5).map(|number| with_sections(&world, number, &[])).collect();
        // One is clamped, and one stays within the bounds.
        people.push(with_sections(&world, 5, &[(FROM, CAR, 9e8)]));
        people.push(with_sections(&world, 6, &[(FROM, CAR, MARKER as f64)]));
        // One is shut out, which is logged.
        people.push(with_sections(&world, 7, &[]));
        join(&world, &people, &study);
        world.runtime.people().suspend(people[6], true).expect("suspended");
        let answer = studies.result("distance", None, NOW).expect("an answer");
        assert_ne!(total(&answer, "car"), MARKER);
        (world, people)
    });
    let clamped = world.runtime.person(people[4]).expect("open").audit(None, Some(CELL)).expect("an audit");
    assert_eq!(clamped[0].said, ["for the study distance, epoch 0: clamped to its bounds"]);
    let person = world.runtime.person(people[5]).expect("open");
    let mut places = vec![("the log".to_owned(), captured.0.lock().expect("no panic").clone())];
    assert!(!places[0].1.is_empty(), "something was logged");
    let audit = person.audit(None, None).expect("an audit");
    assert!(audit.iter().any(|line| line.cell == CELL && line.outcome == RunOutcome::Done));
    places.push(("the audit".to_owned(), serde_json::to_vec(&audit).expect("JSON")));
    let snapshot = person.store.snapshot();
    for name in snapshot.documents() {
        let content = snapshot.document(&name).expect("read").expect("there");
        places.push((name, content.to_vec()));
    }
    drop((snapshot, person));
    places.extend(files(&world.runtime.settings().data));
    assert!(places.iter().any(|(name, _)| name.ends_with("epoch-0.json")), "the answer is among them");
    let texts = [
        MARKER.to_string().into_bytes(),
        MARKER.to_le_bytes().to_vec(),
        (MARKER as f64).to_le_bytes().to_vec(),
    ];
    for (name, content) in &places {
        for text in &texts {
            let found = content.windows(text.len()).any(|window| window == text);
            assert!(!found, "{name} has the contribution");
        }
    }
}

#[test]
fn attack_158_studies_that_race_for_a_budget_do_not_overspend_it() {
    let world = world();
    let key = key();
    let package = package(CELL, &key);
    let people = drivers(&world, 1..=6);
    let names = ["first", "second", "third", "fourth"];
    for name in names {
        let study = study(&package, &key, |text| text.replace("\"distance\"", &format!("\"{name}\"")));
        world.runtime.studies().publish(&study, &package, NOW).expect("published");
        join(&world, &people, &study);
    }
    let ask = |name: &str| world.runtime.studies().result(name, None, NOW);
    std::thread::scope(|scope| {
        let asked: Vec<_> = names.map(|name| scope.spawn(move || ask(name))).into_iter().collect();
        for asked in asked {
            match asked.join().expect("no panic") {
                Ok(_) | Err(CollectError::TooFew { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    for user in &people {
        let budget = world.runtime.studies().budget(*user).expect("a budget");
        let used: u64 = budget.charges.iter().map(|charge| charge.micro).sum();
        assert_eq!(budget.left_micro, BUDGET_MICRO - used, "{budget:?}");
        assert!(budget.charges.iter().all(|charge| charge.spent), "nothing stays reserved: {budget:?}");
        let epochs: BTreeSet<_> = budget.charges.iter().map(|charge| (&charge.study, charge.epoch)).collect();
        assert_eq!(epochs.len(), budget.charges.len(), "each epoch is charged once");
    }
    // Whoever came too late gets an answer when there is a budget for it, and not before.
    let answered = names.iter().filter(|name| ask(name).is_ok()).count();
    assert_eq!(answered, 2, "there is ε for two of four");
}

#[test]
fn attack_159_a_study_cannot_have_another_cell_or_read_what_its_cell_does_not_say() {
    let world = world();
    let (key, studies) = (key(), world.runtime.studies());
    let (distance, heatmap, stage) =
        (package(CELL, &key), package("heatmap", &key), package("mode-share", &key));
    let refused = |study: &[u8], package: &[u8]| studies.publish(study, package, NOW).expect_err("refused");
    let of_distance = study(&distance, &key, unchanged);
    assert!(matches!(refused(&of_distance, &heatmap), StudyError::OtherCell { .. }));
    let others = package(CELL, &self::key());
    assert!(matches!(refused(&of_distance, &others), StudyError::OtherCell { .. }));
    assert!(matches!(refused(&study(&stage, &key, unchanged), &stage), StudyError::NoContribution { .. }));
    let wider = |text: &str| {
        text.replace(
            "\"analysis/inferred_section\"",
            "\"analysis/inferred_section\", \"manual/mode_confirm\"",
        )
    };
    let wider = refused(&study(&distance, &key, wider), &distance);
    assert!(matches!(&wider, StudyError::Stream { key } if key == "manual/mode_confirm"), "{wider}");
    assert!(studies.list(NOW).expect("listed").is_empty());
    // Nor is such a cell installed, which would run it without a study.
    let user = with_sections(&world, 1, &[]);
    let installed = world.runtime.installed_cells().install(user, &distance, &[], NOW).expect_err("refused");
    assert!(matches!(installed, InstallError::Cell(BadCell::Contribution { .. })), "{installed}");
    // A study that somebody else signs under the same text is not the one that is published.
    studies.publish(&of_distance, &distance, NOW).expect("published");
    let again =
        sign(&of_distance, &self::key(), &SystemRandom::new()).expect("random bytes").expect("a study");
    assert!(matches!(studies.join(user, again.as_bytes(), true, NOW), Err(StudyError::OtherSigner { .. })));
}

#[test]
fn a_host_without_the_program_that_draws_noise_answers_nothing_and_spends_nothing() {
    let world = World::with(|settings| {
        programs(settings);
        settings.studies = None;
    });
    let (key, studies) = (key(), world.runtime.studies());
    let package = package(CELL, &key);
    let study = study(&package, &key, unchanged);
    studies.publish(&study, &package, NOW).expect("published");
    let people = drivers(&world, 1..=5);
    join(&world, &people, &study);
    assert!(matches!(studies.result("distance", None, NOW), Err(CollectError::Gate(_))));
    assert!(people.iter().all(|user| left(&world, *user) == BUDGET_MICRO));
    let world = world.restart(|settings| settings.studies = Some("/bin/false".into()));
    assert!(matches!(world.runtime.studies().result("distance", None, NOW), Err(CollectError::Gate(_))));
    assert!(people.iter().all(|user| left(&world, *user) == BUDGET_MICRO));
    let world = world.restart(programs);
    assert!(world.runtime.studies().result("distance", None, NOW).is_ok());
}

#[test]
fn the_heatmap_counts_hours_of_everybody_by_square() {
    let world = world();
    let (key, studies) = (key(), world.runtime.studies());
    let package = package("heatmap", &key);
    let grid = |text: &str| {
        let (head, _) = text.split_once("[[numbers]]").expect("numbers");
        let head = head.replace("analysis/inferred_section", "background/filtered_location");
        let head = head.replace("l1 = 1_000\n", "l1 = 100\n");
        format!("{head}[[numbers]]\nname = \"square\"\nlo = 0\nhi = 168\ntimes = 256\n")
    };
    let study = study(&package, &key, grid);
    studies.publish(&study, &package, NOW).expect("published");
    let key_of = || StreamKey::parse("background/filtered_location").expect("a stream");
    let people: Vec<_> = (1..=20)
        .map(|number: u8| {
            let user = UserId([number; 16]);
            let added = world.runtime.import_person(user, &format!("person {number}"), 0.0, |store| {
                let mut batch = Batch::new();
                for hour in 0..100 {
                    let ts = FROM + 3_600.0 * f64::from(hour) + 60.0;
                    let metadata =
                        json!({ "key": "background/filtered_location", "write_ts": ts }).to_string();
                    // The square in row 8, column 8.
                    let data = json!({ "ts": ts, "latitude": 12.505, "longitude": 68.005, "accuracy": 5.0 })
                        .to_string();
                    let entry =
                        NewEntry { id: None, key: key_of(), metadata: &metadata, data: &data, extra: "" };
                    batch.insert(Area::Timeseries, entry);
                }
                store.commit(batch).map(drop)
            });
            added.expect("added");
            user
        })
        .collect();
    join(&world, &people, &study);
    let answer = studies.result("distance", None, NOW).expect("an answer");
    let far = 8 * i64::try_from(answer.error_bar).expect("small");
    assert!((total(&answer, "square-0136") - 2_000).abs() <= far, "{answer:?}");
    assert!(
        answer
            .totals
            .iter()
            .filter(|total| total.name != "square-0136")
            .all(|total| total.total.abs() <= far)
    );
    assert_eq!(answer.totals.len(), 256);
}

/// Power goes at each write of one person's disk while a study is collected: what was told as given is charged, nothing
/// is charged twice or more than it costs, and nothing stays undecided.
#[test]
fn a_host_killed_at_any_write_of_a_contribution_charges_what_it_may_have_given_and_no_more() {
    let mut killed = 0;
    for point in 0.. {
        let disks = Disks::default();
        let world = disks.world_with(programs);
        let (key, studies) = (key(), world.runtime.studies());
        let package = package(CELL, &key);
        let study = study(&package, &key, unchanged);
        studies.publish(&study, &package, NOW).expect("published");
        let people: Vec<_> = (1..=6).map(|number| world.person(&format!("person {number}"))).collect();
        for user in &people {
            sections(&world.runtime.person(*user).expect("open").store, &[(FROM, CAR, 500.0)])
                .expect("stored");
        }
        join(&world, &people, &study);
        let (victim, disk) = (people[0], disks.of(people[0]));
        let before = disk.points();
        disk.die_at(before + point);
        studies.result("distance", None, NOW).expect("the others are enough");
        let died = disk.points() > before + point;
        while !world.runtime.open_people().close(victim) {
            std::thread::yield_now();
        }
        disk.revive(point);
        let budget = studies.budget(victim).expect("it reads");
        let told = world.runtime.person(victim).expect("open").audit(None, Some(CELL)).expect("an audit");
        let gave = told.iter().any(|line| line.outcome == RunOutcome::Done);
        assert!(
            budget.charges.len() <= 1 && budget.charges.iter().all(|charge| charge.spent),
            "{point}: {budget:?}"
        );
        assert!(
            !gave || budget.left_micro == BUDGET_MICRO - EPSILON,
            "{point}: told, but not charged: {budget:?}"
        );
        let again = studies.result("distance", None, NOW).expect("the same answer");
        assert_eq!(again.epoch, 0);
        assert_eq!(
            studies.budget(victim).expect("it reads"),
            budget,
            "{point}: nothing is charged by asking again"
        );
        killed += u64::from(died);
        if !died {
            break;
        }
    }
    println!("killed at {killed} points");
    assert!(killed >= 3, "killed at only {killed} points");
}
