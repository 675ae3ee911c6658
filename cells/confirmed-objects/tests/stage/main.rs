//! Whole runs of the stage, on made-up days.

mod cost;
mod odd;
mod world;

use cells_confirmed_objects::run;
use cells_sdk::{Area, Outcome, TimeField};
use proptest::prelude::*;
use serde_json::{Value, json};

use world::{COMPOSITE, NOW, PLACE, TRIP, UNTRACKED, World, arrives, assert_linked, id, leaves};

#[test]
fn trips_and_places_become_a_chain_of_linked_copies() {
    let world = World::new().with_trips(3, &[1]).run();
    assert_linked(&world);
    assert_eq!((world.made(TRIP).len(), world.made(UNTRACKED).len()), (2, 1));
    let trip = &world.made(TRIP)[0];
    assert_eq!(trip["expected_trip"], json!(id(3, 0)));
    assert_eq!(trip["later_member"], json!({"kept": [1]}));
    assert_eq!(trip["inferred_section_summary"]["distance"], json!({"WALKING": 900.5}));
    assert_eq!(trip["cleaned_section_summary"]["duration"], json!({"WALKING": world::TRIP_S}));
    assert_eq!(trip["ble_sensed_summary"]["count"], json!({"UNKNOWN": 1}));
    assert!(world.made(UNTRACKED)[0].get("expected_trip").is_none());
    assert_eq!(world.made(PLACE)[2]["cleaned_place"], json!(id(1, 2)));
    assert_eq!(world.last.processed_through, Some(arrives(2)));
    assert_eq!(world.warnings(), Vec::<String>::new());
}

#[test]
fn ids_and_write_times_rise_in_the_order_of_creation() {
    let world = World::new().with_trips(2, &[0]).run();
    let mut made: Vec<_> = [PLACE, TRIP, UNTRACKED].iter().flat_map(|key| world.memory.of_key(key)).collect();
    made.sort_by_key(|entry| entry.id);
    let keys: Vec<&str> = made.iter().map(|entry| &*entry.key).collect();
    assert_eq!(keys, [PLACE, UNTRACKED, PLACE, TRIP, PLACE]);
    let dates: Vec<f64> = made.iter().map(|entry| entry.time(TimeField::WriteTs)).collect();
    assert_eq!(dates, [0.0, 1.0, 2.0, 3.0, 4.0].map(|made| NOW + made * 1e-6));
}

#[test]
fn labels_are_stored_with_their_trips_and_forms_with_their_whole_entries() {
    let world = World::new()
        .with_trips(2, &[])
        .with_input("manual/mode_confirm", leaves(0), arrives(0), json!({"label": "walk"}))
        .with_input("manual/mode_confirm", leaves(0), arrives(0), json!({"label": "bike"}))
        .with_input("manual/trip_user_input", leaves(1), arrives(1), json!({"label": "form"}))
        .with_input("manual/place_addition_input", arrives(0), leaves(1), json!({"match_id": "a"}))
        .with_input("manual/trip_addition_input", leaves(1), arrives(1), json!({"match_id": "b"}))
        .with_input(
            "manual/trip_addition_input",
            leaves(1),
            arrives(1),
            json!({"match_id": "b", "status": "DELETED"}),
        )
        .run();
    let trips = world.made(TRIP);
    assert_eq!(trips[0]["user_input"], json!({"mode_confirm": "bike"}));
    assert_eq!(trips[1]["user_input"]["trip_user_input"]["data"]["label"], "form");
    assert_eq!(trips[1]["user_input"]["trip_user_input"]["metadata"]["key"], "manual/trip_user_input");
    assert_eq!(trips[1]["additions"], json!([]));
    let additions = &world.made(PLACE)[1]["additions"];
    assert_eq!(additions[0]["_id"], json!(id(6, 4)));
    assert_eq!(additions.as_array().map(Vec::len), Some(1));
}

// Row: "A new entry takes inputs of every kind"
#[test]
fn the_first_place_gets_every_label_of_the_time_before_it() {
    let world = World::new()
        .with_trips(1, &[])
        .with_input("manual/mode_confirm", 1_000.0, 2_000.0, json!({"label": "boat"}))
        .run();
    assert_eq!(world.made(PLACE)[0]["user_input"], json!({"mode_confirm": "boat"}));
}

#[test]
fn a_form_that_ends_after_the_trip_belongs_to_it_if_the_next_place_lasts_longer() {
    let late = |end_ts| {
        let world = World::new().with_trips(2, &[]).with_input(
            "manual/mode_confirm",
            leaves(0),
            end_ts,
            json!({"label": "bus"}),
        );
        world.run().made(TRIP)[0]["user_input"].clone()
    };
    assert_eq!(late(leaves(1)), json!({"mode_confirm": "bus"}));
    assert_eq!(late(leaves(1) + 1.0), json!({}));
}

// Row: "A place that a run left open gets exit"
#[test]
fn the_next_run_continues_from_the_open_place_and_leaves_out_the_duration() {
    let world = World::new().with_trips(1, &[]).run().with_composite(0).with_trips(1, &[]);
    let before = world.made(PLACE)[1].clone();
    let world =
        world.with_input("manual/place_user_input", arrives(0), leaves(1), json!({"label": "lunch"})).run();
    assert_linked(&world);
    let place = &world.made(PLACE)[1];
    assert_eq!(place["_id"], before["_id"]);
    assert!(place.get("duration").is_none());
    assert_eq!(place["raw_places"], before["raw_places"]);
    assert_eq!(place["user_input"]["place_user_input"]["data"]["label"], "lunch");
    let shown = &world.made(COMPOSITE)[0];
    assert_eq!(shown["end_confirmed_place"]["_id"], place["_id"]);
    assert_eq!(shown["end_confirmed_place"]["data"]["exit_ts"], place["exit_ts"]);
    assert_eq!(shown["end_confirmed_place"]["metadata"]["key"], PLACE);
    assert_eq!(shown["locations"], json!([1]));
}

// Row: "A place that a run left open gets exit"
#[test]
fn a_reopened_place_is_created_again() {
    let mut world = World::new().with_trips(1, &[]).run().with_trips(1, &[]);
    world.last.state = Vec::new();
    let (in_two, in_one) = (world.run(), World::new().with_trips(2, &[]).run());
    let comparable = |world: &World| -> Vec<Value> {
        let mut places = world.made(PLACE);
        for place in &mut places {
            ["_id", "ending_trip", "starting_trip"]
                .into_iter()
                .for_each(|link| drop(place.as_object_mut().expect("an object").remove(link)));
        }
        places
    };
    assert_linked(&in_two);
    assert_eq!(comparable(&in_two), comparable(&in_one));
}

#[test]
fn running_again_without_anything_new_changes_nothing() {
    let world = World::new().with_trips(2, &[]).run();
    let (mark, before) = (world.last.clone(), world.made(PLACE));
    let world = world.run();
    assert_eq!((&world.last, world.made(PLACE)), (&mark, before));
    assert_linked(&world);
}

// Row: "A place that a run left open gets exit"
#[test]
fn a_long_window_is_processed_in_parts_that_give_the_result_of_one() {
    let count = 2_500;
    let mut world = World::new().with_trips(count, &[]);
    let mut parts = 0;
    let in_parts = |memory: &mut _, window: &_| {
        parts += 1;
        run(memory, window)
    };
    let outcome = world.memory.run_stage(in_parts, NOW, Outcome::default()).expect("the stage works");
    assert_eq!((parts, outcome.processed_through), (2, Some(arrives(count - 1))));
    assert_linked(&world);
    let places = world.made(PLACE);
    assert!(places[1..count].iter().all(|place| place.get("duration").is_some()));
}

// Row: "A trip whose end place is gone"
#[test]
fn a_trip_to_a_missing_place_is_left_out_and_reported() {
    let mut world = World::new().with_trips(2, &[]);
    world.memory = {
        let entries = world.memory.entries(Area::Timeseries).into_iter();
        let kept = entries
            .filter(|entry| entry.id != id(1, 2))
            .map(|entry| json!({"_id": entry.id, "metadata": entry.metadata(), "data": entry.data()}));
        World::new().with(kept.collect()).memory
    };
    let world = world.run();
    assert_eq!(world.made(TRIP).len(), 1);
    assert_eq!(world.warnings(), ["1 trips end at a place that does not exist: left out"]);
}

// Row: "Several places without trips"
#[test]
fn a_window_with_places_but_no_trips_is_read_again() {
    let entered = |number: usize| {
        json!({"_id": id(1, number), "metadata": {"key": "analysis/cleaned_place"},
        "data": {"enter_ts": arrives(number), "location": {}, "source": "test"}})
    };
    let world = World::new().with(vec![entered(1), entered(2)]).run();
    assert_eq!((world.last.processed_through, world.last.more), (None, false));
    assert_eq!(
        world.warnings(),
        ["2 places have no trip between them: the window is read again by the next run"]
    );
}

#[test]
fn a_chain_that_lost_its_open_place_continues_from_the_confirmed_trip() {
    let first = World::new().with_trips(1, &[]).run();
    let confirmed = first.made(TRIP)[0]["_id"].clone();
    let places = first.memory.of_key(PLACE).iter().map(|place| place.id).collect::<Vec<_>>();
    let mut world = first.with_trips(1, &[]);
    cells_sdk::WriteEntries::delete(&mut world.memory, &places).expect("known");
    world.memory.commit();
    let world = world.run();
    assert_eq!(world.made(PLACE)[0]["ending_trip"], confirmed);
    assert_eq!(world.warnings(), Vec::<String>::new());
}

// Row: "Trips that begin less than 5 s after the mark"
// Row: "The next window starts at the last result's time"
#[test]
fn a_trip_that_begins_within_the_5_s_after_the_mark_is_never_confirmed() {
    let confirmed = |seconds: f64| {
        let mut world = World::new().with_trips(1, &[]).run().with_trips(1, &[]);
        world.last.processed_through = Some(leaves(1) - seconds);
        world.run().run().made(TRIP).len()
    };
    assert_eq!((confirmed(5.0), confirmed(4.5)), (2, 1));
}

// Row: "A window with one place and no trip"
#[test]
fn a_place_alone_in_its_window_gives_the_open_place_its_exit_and_inputs() {
    let world = World::new().with_trips(1, &[]).run();
    let open = world.made(PLACE)[1].clone();
    let (enter_ts, exit_ts) = (arrives(0) + 100.0, arrives(0) + 200.0);
    let alone = json!({"_id": id(1, 50), "metadata": {"key": "analysis/cleaned_place"},
        "data": {"enter_ts": enter_ts, "exit_ts": exit_ts, "duration": 100.0, "location": {}, "source": "test"}});
    let world = world.with(vec![alone]);
    let world = world
        .with_input("manual/place_user_input", enter_ts, enter_ts + 50.0, json!({"label": "lunch"}))
        .run();
    let places = world.made(PLACE);
    assert_eq!((places.len(), &places[1]["_id"]), (2, &open["_id"]));
    assert_eq!((&places[1]["enter_ts"], &places[1]["exit_ts"]), (&open["enter_ts"], &json!(exit_ts)));
    assert_eq!(places[1]["user_input"]["place_user_input"]["data"]["label"], "lunch");
}

// Row: "No open place, and the confirmed trip"
#[test]
fn a_chain_that_lost_its_open_place_and_its_trips_starts_again_and_this_is_reported() {
    let first = World::new().with_trips(1, &[]).run();
    let gone = [PLACE, TRIP]
        .iter()
        .flat_map(|key| first.memory.of_key(key))
        .map(|entry| entry.id)
        .collect::<Vec<_>>();
    let mut world = first.with_trips(1, &[]);
    cells_sdk::WriteEntries::delete(&mut world.memory, &gone).expect("known");
    world.memory.commit();
    let world = world.run();
    assert_linked(&world);
    assert_eq!(world.made(TRIP).len(), 1);
    assert_eq!(
        world.warnings(),
        ["1 place was reached by a trip that is not confirmed: the timeline begins with the place"]
    );
}

// Row: "A trip whose end place is gone"
#[test]
fn a_trip_that_cannot_be_read_is_left_out_and_reported() {
    let odd = json!({"_id": id(3, 70), "metadata": {"key": "analysis/expected_trip"},
        "data": {"start_ts": leaves(0) + 1.0, "end_ts": "soon"}});
    let world = World::new().with_trips(2, &[]).with(vec![odd]).run();
    assert_linked(&world);
    assert_eq!(world.made(TRIP).len(), 2);
    assert_eq!(world.warnings(), ["1 trips or places cannot be read: left out"]);
}

#[test]
fn everything_that_is_written_fits_the_schemas_of_the_manifest() {
    let world = World::new()
        .with_trips(3, &[1])
        .with_input("manual/purpose_confirm", leaves(0), arrives(0), json!({"label": "work"}))
        .with_input("manual/trip_user_input", leaves(0), arrives(0), json!({"label": "form"}))
        .with_input("manual/trip_addition_input", leaves(1), arrives(1), json!({"match_id": "b"}))
        .run();
    for key in [PLACE, TRIP, UNTRACKED] {
        let name = key.strip_prefix("analysis/").expect("all begin so");
        let path = format!("{}/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let schema = serde_json::from_str(&std::fs::read_to_string(path).expect("there")).expect("JSON");
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let made = world.memory.of_key(key);
        assert!(!made.is_empty(), "{key}");
        for entry in made {
            let problems: Vec<_> =
                validator.iter_errors(&entry.data()).map(|problem| problem.to_string()).collect();
            assert_eq!(problems, Vec::<String>::new(), "{key}");
        }
    }
}

proptest! {
    #[test]
    fn the_stage_never_panics_whatever_the_timeline(
        entries in prop::collection::vec((0_usize..7, 0_u32..20, 0_u32..20, 0_usize..4, 0_usize..4), 0..16),
        state in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        let keys = ["analysis/cleaned_place", "analysis/expected_trip", "analysis/cleaned_untracked", PLACE,
            "analysis/inferred_section", "manual/mode_confirm", COMPOSITE];
        let entries = entries.into_iter().enumerate().map(|(number, (key, from, to, one, other))| {
            let (start, end) = if key % 3 == 0 { ("enter_ts", "exit_ts") } else { ("start_ts", "end_ts") };
            let mut data = json!({"start_place": id(1, one), "end_place": id(1, other), "starting_trip": id(1, one),
                "ending_trip": id(1, other), "trip_id": id(1, one), "label": 1, "sensed_mode": 3, "distance": 1.0,
                "duration": f64::from(to) - f64::from(from)});
            if one > 0 { data[start] = from.into(); }
            if other > 0 { data[end] = to.into(); }
            json!({"_id": id(1, number), "metadata": {"key": keys[key], "write_ts": from}, "data": data})
        });
        let mut world = World::new().with(entries.collect());
        world.last.state = state;
        let _ = world.memory.run_stage(run, NOW, world.last);
    }
}
