//! When people's stages run: by themselves after data, also after the host was gone; one person's failure is theirs
//! alone; another cell takes a stage's place by one line.

use std::time::Duration;

use runtime_simulator::{Person, Phone, simulate_day};
use runtime_testkit::World;
use runtime_user::catalogue::BuiltIn;
use runtime_user::{Pending, PipelineStatus, Rhythm, Settings, UserId};
use serde_json::json;

const NOW: f64 = 1_709_683_200.0;

fn day(seed: u64) -> Vec<String> {
    simulate_day(&Person::invent(seed, Phone::Android).plan(19_786), seed).entries
}

fn status(world: &World, user: UserId) -> PipelineStatus {
    world.runtime.pipelines().status(user).expect("a status")
}

fn trips(world: &World, user: UserId) -> usize {
    world.entries(user, &["segmentation/raw_trip"]).len()
}

/// Runs what is due until nothing is pending for anybody of these.
fn keep_schedule_until_done(world: &World, people: &[UserId]) {
    let runtime = world.runtime.clone();
    world.block_on(async {
        let keeper = {
            let runtime = runtime.clone();
            tokio::spawn(async move { runtime.keep_schedule(|| NOW).await })
        };
        let done = async {
            while people.iter().any(|user| runtime.timetable().pending(*user).is_some()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), done).await.expect("every pending run ends");
        keeper.abort();
    });
}

fn at_once(settings: &mut Settings) {
    settings.rhythm = Rhythm { quiet_s: 0.0, wait_max_s: 0.0, every_s: 1e6 };
}

#[test]
fn a_run_that_a_stop_of_the_host_cut_off_follows_at_the_next_start() {
    let world = World::start();
    let (ada, idle) = (world.person("Ada"), world.person("idle"));
    world.call(ada, "usercache/get", "", b"{}", NOW).expect("an answer");
    world.call(ada, "usercache/put", "", br#"{"phone_to_server":[{}]}"#, NOW).expect("an answer");
    assert_eq!(
        world.runtime.timetable().pending(ada),
        None,
        "neither a call that brings nothing nor one that is refused asks for a run"
    );
    world.put(ada, &day(1), NOW);
    let pending = Some(Pending { running: false, due: None });
    assert_eq!(world.runtime.timetable().pending(ada), pending);

    let world = world.restart(|_| {});
    assert_eq!(
        (world.runtime.timetable().pending(ada), world.runtime.timetable().pending(idle)),
        (pending, None)
    );
    let world = world.restart(at_once);
    keep_schedule_until_done(&world, &[ada]);
    assert!(trips(&world, ada) > 0);
    assert!(status(&world, ada).stages.iter().all(|stage| stage.off || stage.state.last_ts_run.is_some()));
    assert!(status(&world, idle).stages.iter().all(|stage| stage.state.last_ts_run.is_none()));

    let world = world.restart(at_once);
    assert_eq!(world.runtime.timetable().pending(ada), None, "what a run has covered asks for nothing");
}

// Row: "A separate daily job"
#[test]
fn a_stage_is_passed_over_until_what_it_needs_is_there() {
    let world = World::start();
    let ada = world.person("Ada");
    world.put(ada, &day(1), NOW);
    let waits = |now| -> Vec<String> {
        let stages = world.pipeline(ada, now).stages.into_iter();
        stages.filter(|stage| !stage.off && stage.runs == 0).map(|stage| stage.stage).collect()
    };
    assert_eq!(waits(NOW), ["USER_INPUT_MATCH_INCOMING", "TRIP_MODEL"]);
    assert_eq!(waits(NOW + 60.0), ["USERCACHE", "USER_INPUT_MATCH_INCOMING", "TRIP_MODEL"]);
    // A run all the same, as far as anybody can tell.
    let seen = status(&world, ada).stages;
    let passed = seen.iter().find(|stage| stage.stage == "USERCACHE").expect("a stage");
    assert_eq!((passed.state.last_ts_run, &passed.state.failure), (Some(NOW + 55.0), &None));

    let label = json!({
        "metadata": { "key": "manual/mode_confirm", "platform": "android", "type": "message", "write_ts": NOW },
        "data": { "start_ts": NOW - 60.0, "end_ts": NOW - 30.0, "label": "bike" },
    });
    world.put(ada, &[label.to_string()], NOW + 70.0);
    assert_eq!(waits(NOW + 120.0), [""; 0]);
}

#[test]
fn a_run_that_was_done_by_hand_leaves_nothing_pending_and_an_arrival_does_again() {
    let world = World::start();
    let ada = world.person("Ada");
    world.put(ada, &day(1), NOW);
    world.pipeline(ada, NOW);
    assert_eq!(world.runtime.timetable().pending(ada), None);
    world.put(ada, &day(2), NOW);
    assert!(world.runtime.timetable().pending(ada).is_some());
    let world = world.restart(|_| {});
    assert!(world.runtime.timetable().pending(ada).is_some());
}

#[test]
fn an_entry_whose_time_has_not_come_is_come_back_to() {
    let world = World::start();
    let ada = world.person("Ada");
    let young = day(1)[0].replace("\"write_ts\":", &format!("\"write_ts\":{},\"was\":", NOW - 1.0));
    world.put(ada, &[young], NOW);
    world.pipeline(ada, NOW);
    assert_eq!(world.runtime.timetable().pending(ada), Some(Pending { running: false, due: None }));
    world.pipeline(ada, NOW + 60.0);
    assert_eq!(world.runtime.timetable().pending(ada), None);
}

#[test]
fn many_people_who_put_are_all_served() {
    let world = World::with(at_once);
    let entries = day(2);
    let people: Vec<_> = (0..20).map(|number| world.person(&format!("person {number}"))).collect();
    for user in &people {
        world.put(*user, &entries, NOW);
    }
    keep_schedule_until_done(&world, &people);
    let first = trips(&world, people[0]);
    assert!(first > 0);
    assert!(people.iter().all(|user| trips(&world, *user) == first));
}

/// The standard stage list with one more after a stage.
fn with_stage_after(world_plan: &str, name: &str, stage: &str) -> String {
    let at = world_plan.find(&format!("name = \"{name}\"")).expect("a stage of that name");
    let end = world_plan[at..].find("\n[[stage]]").map_or(world_plan.len(), |end| at + end);
    format!("{}\n{stage}\n{}", &world_plan[..end], &world_plan[end..])
}

const PLAN: &str = include_str!("../../../../deploy/pipeline.toml");

fn misdeed(deed: &str, write_ts: f64) -> String {
    json!([{ "metadata": { "key": "test/misdeed", "write_ts": write_ts }, "data": { "deed": deed } }])
        .to_string()
}

// Row: "A failed stage keeps its window"
#[test]
fn a_stage_that_fails_stops_its_person_alone_says_why_and_is_tried_again() {
    let plan = with_stage_after(PLAN, "USERCACHE", "[[stage]]\nname = \"HOSTILE\"\ncell = \"hostile-stage\"");
    let world = World::with(|settings| settings.pipeline = Some(plan));
    for deed in ["trap", "give-up", "endless-loop", "memory-bomb"] {
        let (victim, neighbour) = (world.person("victim"), world.person("neighbour"));
        for user in [victim, neighbour] {
            world.put(user, &day(3), NOW);
        }
        world.runtime.diaries().import(victim, misdeed(deed, NOW - 60.0).as_bytes(), NOW).expect("imported");
        for attempt in 1..=2 {
            let report = world.runtime.pipelines().run(victim, NOW).expect("a run");
            let failed = report.failed().expect("a failure");
            let names: Vec<_> = report.stages.iter().map(|stage| stage.stage.as_str()).collect();
            assert_eq!((names.as_slice(), failed.stage.as_str()), (&["USERCACHE", "HOSTILE"][..], "HOSTILE"));
            let stage = status(&world, victim).stages.swap_remove(1);
            let failure = stage.state.failure.expect("a reason");
            assert_eq!((failure.attempts, failure.at), (attempt, NOW), "{deed}");
            assert!(!failure.reason.is_empty());
            assert_eq!(stage.retry_at, Some(NOW + 30.0 * f64::from(attempt)), "{deed}");
            assert_eq!(failed.retry_at, stage.retry_at);
        }
        assert!(world.runtime.timetable().pending(victim).is_some(), "{deed}: it is tried again");
        assert_eq!(
            world.entries(victim, &["test/traces"]).len(),
            0,
            "{deed}: nothing of a failed run is kept"
        );
        assert_eq!(trips(&world, victim), 0, "{deed}: later stages wait");
        world.pipeline(neighbour, NOW);
        assert!(trips(&world, neighbour) > 0, "{deed}");
        // The cause is gone, and so is the failure.
        world.runtime.diaries().import(victim, misdeed("ok", NOW - 50.0).as_bytes(), NOW).expect("imported");
        world.pipeline(victim, NOW + 100.0);
        assert_eq!(trips(&world, victim), trips(&world, neighbour), "{deed}");
        assert!(status(&world, victim).stages.iter().all(|stage| stage.state.failure.is_none()));
    }
}

/// The same code under another name, as another cell would come.
fn variant(name: &'static str, of: &str) -> BuiltIn {
    let built_in = runtime_cells::BUILT_IN;
    let original = built_in.iter().find(|cell| cell.name == of).expect("a cell of that name");
    // Two cells may not bring the same data type; the original is still there and brings them.
    let manifest = original.manifest.split("[types.").next().expect("a beginning");
    let manifest = manifest.replace(&format!("name = \"{of}\""), &format!("name = \"{name}\""));
    BuiltIn { name, manifest: Box::leak(manifest.into_boxed_str()), ..*original }
}

#[test]
fn another_cell_takes_a_stages_place_by_one_line() {
    let mut cells = runtime_cells::BUILT_IN.to_vec();
    cells.push(variant("trips-by-stays", "trip-segmentation"));
    let plan = PLAN.replace("cell = \"trip-segmentation\"", "cell = \"trips-by-stays\"");
    let changed = PLAN.lines().zip(plan.lines()).filter(|(before, after)| before != after).count();
    assert_eq!(changed, 1);
    let world = World::with_cells(cells, |settings| settings.pipeline = Some(plan));
    let ada = world.person("Ada");
    world.put(ada, &day(1), NOW);
    let report = world.pipeline(ada, NOW);
    let stage = report.stages.iter().find(|stage| stage.stage == "TRIP_SEGMENTATION").expect("it ran");
    assert_eq!(stage.cell, "trips-by-stays");
    let ours = World::start();
    let same = ours.person("Ada");
    ours.put(same, &day(1), NOW);
    ours.pipeline(same, NOW);
    assert_eq!(world.canonical(ada), ours.canonical(same));
}
