//! Whole runs of the stage, on made-up trips.

use cells_sdk::model::EntryId;
use cells_sdk::testing::Memory;
use cells_sdk::{Area, Outcome};
use cells_user_input_matching::run;
use proptest::prelude::*;
use serde_json::{Value, json};

const NOW: f64 = 1_900_000_000.0;
const TRIP: &str = "analysis/confirmed_trip";
const PLACE: &str = "analysis/confirmed_place";
const COMPOSITE: &str = "analysis/composite_trip";
const DAY: f64 = 1_700_000_000.0;
const HOUR: f64 = 3_600.0;

/// Hourly trips of twenty minutes, each with the place and the composite trip behind it.
struct World {
    memory: Memory,
    inputs: usize,
    last: Outcome,
}

fn id(family: u8, number: usize) -> EntryId {
    let mut bytes = [0; 12];
    bytes[0] = family;
    bytes[4..].copy_from_slice(&(number as u64).to_be_bytes());
    EntryId(bytes)
}

fn leaves(number: usize) -> f64 {
    DAY + HOUR * number as f64
}

fn arrives(number: usize) -> f64 {
    leaves(number) + 1_200.0
}

fn entry(id: EntryId, key: &str, write_ts: f64, data: &Value) -> Value {
    json!({"_id": id, "metadata": {"key": key, "write_ts": write_ts, "platform": "server"}, "data": data})
}

impl World {
    fn new(trips: usize) -> Self {
        let mut world = Self { memory: Memory::new(), inputs: 0, last: Outcome::default() };
        for number in 0..trips {
            let trip = json!({"start_ts": leaves(number), "end_ts": arrives(number), "duration": 1_200.0,
                "end_place": id(2, number + 1), "user_input": {}, "additions": [], "kept": 1.50});
            let mut place = json!({"enter_ts": arrives(number), "user_input": {}, "additions": []});
            if number + 1 < trips {
                place["exit_ts"] = leaves(number + 1).into();
                place["duration"] = 2_400.0.into();
                place["starting_trip"] = json!(id(1, number + 1));
            }
            let place = entry(id(2, number + 1), PLACE, 2.0, &place);
            let mut composite = trip.clone();
            composite["confirmed_trip"] = json!(id(1, number));
            composite["end_confirmed_place"] = place.clone();
            composite["start_confirmed_place"] = entry(id(2, number), PLACE, 2.0, &json!({"user_input": {}}));
            world = world.with(vec![
                entry(id(1, number), TRIP, 2.0, &trip),
                place,
                entry(id(3, number), COMPOSITE, 3.0, &composite),
            ]);
        }
        world
    }

    fn with(mut self, entries: Vec<Value>) -> Self {
        self.memory = self.memory.with_entries(Area::Timeseries, &Value::from(entries).to_string());
        self
    }

    fn with_input(mut self, key: &str, start_ts: f64, end_ts: f64, more: Value) -> Self {
        self.inputs += 1;
        let mut data = json!({"start_ts": start_ts, "end_ts": end_ts});
        data.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        let input = entry(id(9, self.inputs), &format!("manual/{key}"), 1e9 + self.inputs as f64, &data);
        self.with(vec![input])
    }

    fn with_label(self, key: &str, trip: usize, label: &str) -> Self {
        self.with_input(key, leaves(trip), arrives(trip), json!({"label": label}))
    }

    fn run(mut self) -> Self {
        self.last = self.memory.run_stage(run, NOW, std::mem::take(&mut self.last)).expect("the stage works");
        self
    }

    fn data(&self, id: EntryId) -> Value {
        let entries = self.memory.entries(Area::Timeseries).into_iter();
        entries.filter(|entry| entry.id == id).map(|entry| entry.data()).next().expect("known")
    }

    fn texts(&self) -> Vec<(EntryId, String)> {
        let entries = self.memory.entries(Area::Timeseries).into_iter();
        entries.map(|entry| (entry.id, entry.data.clone())).collect()
    }
}

// Row: "Every member of a changed trip"
#[test]
fn a_label_reaches_its_trip_and_the_composite_trip_that_shows_it() {
    let world =
        World::new(3).with_label("mode_confirm", 1, "walk").with_label("mode_confirm", 1, "bike").run();
    for at in [id(1, 1), id(3, 1)] {
        assert_eq!(world.data(at)["user_input"], json!({"mode_confirm": "bike"}));
        assert_eq!(world.data(at)["kept"], 1.5);
    }
    for untouched in [id(1, 0), id(1, 2), id(3, 0), id(3, 2)] {
        assert_eq!(world.data(untouched)["user_input"], json!({}));
    }
    assert_eq!(world.last.processed_through, Some(1e9 + 2.0));
}

// Row: "Only the composite trip that"
#[test]
fn a_form_about_a_place_reaches_it_and_the_composite_trip_that_ends_there_only() {
    let world = World::new(3)
        .with_input("place_user_input", arrives(0), leaves(1), json!({"label": "lunch"}))
        .with_input("place_addition_input", arrives(0), leaves(1), json!({"match_id": "a"}))
        .run();
    let place = world.data(id(2, 1));
    assert_eq!(place["user_input"]["place_user_input"]["_id"], json!(id(9, 1)));
    assert_eq!(place["additions"][0]["data"]["match_id"], "a");
    let shown = &world.data(id(3, 0))["end_confirmed_place"];
    assert_eq!((&shown["data"], &shown["_id"]), (&place, &json!(id(2, 1))));
    assert_eq!(world.data(id(3, 1))["start_confirmed_place"]["data"], json!({"user_input": {}}));
}

// Row: "A changed trip is copied into any"
#[test]
fn trips_that_end_together_are_each_shown_with_their_own_label() {
    let end = arrives(0);
    let trip = |number: usize, start: f64| {
        let data = json!({"start_ts": start, "end_ts": end, "duration": end - start, "end_place": id(2, number + 1),
            "user_input": {}, "additions": []});
        let mut composite = data.clone();
        composite["confirmed_trip"] = json!(id(1, number));
        vec![entry(id(1, number), TRIP, 2.0, &data), entry(id(3, number), COMPOSITE, 3.0, &composite)]
    };
    let world = World::new(0)
        .with([trip(0, leaves(0)), trip(1, leaves(0) + 600.0), trip(2, leaves(0) + 900.0)].concat())
        .with_input("mode_confirm", leaves(0), leaves(0) + 500.0, json!({"label": "walk"}))
        .with_input("mode_confirm", leaves(0) + 900.0, end, json!({"label": "bus"}))
        .run();
    for number in 0..3 {
        assert_eq!(
            world.data(id(3, number))["user_input"],
            world.data(id(1, number))["user_input"],
            "{number}"
        );
    }
    assert_eq!(world.data(id(3, 0))["user_input"], json!({"mode_confirm": "walk"}));
    assert_eq!(world.data(id(3, 2))["user_input"], json!({"mode_confirm": "bus"}));
}

#[test]
fn the_place_after_a_trip_is_found_by_its_id_at_any_distance_in_time() {
    // The place at the trip's end was reached, and left, days before the trip ended.
    let about_the_trip = |left: f64| {
        let trip = json!({"start_ts": leaves(0), "end_ts": arrives(0), "duration": 1_200.0, "end_place": id(2, 1),
            "user_input": {}, "additions": []});
        let place =
            json!({"enter_ts": leaves(0) - 900_000.0, "exit_ts": left, "user_input": {}, "additions": []});
        let entries = vec![entry(id(1, 0), TRIP, 2.0, &trip), entry(id(2, 1), PLACE, 2.0, &place)];
        let label = json!({"label": "walk"});
        let world =
            World::new(0).with(entries).with_input("mode_confirm", leaves(0), arrives(0) + 2_000.0, label);
        world.run().data(id(1, 0))["user_input"].clone()
    };
    assert_eq!(about_the_trip(leaves(0) - 800_000.0), json!({}));
    assert_eq!(about_the_trip(arrives(0) + 3_000.0), json!({"mode_confirm": "walk"}));
}

#[test]
fn a_trip_and_the_place_at_its_end_change_in_one_composite_trip() {
    let world = World::new(2)
        .with_label("purpose_confirm", 0, "work")
        .with_input("place_user_input", arrives(0), leaves(1), json!({"label": "lunch"}))
        .run();
    let shown = world.data(id(3, 0));
    assert_eq!(shown["user_input"], json!({"purpose_confirm": "work"}));
    assert!(shown["end_confirmed_place"]["data"]["user_input"]["place_user_input"].is_object());
}

#[test]
fn an_addition_is_removed_by_a_later_one_with_its_match_id() {
    let addition = |world: World, more| world.with_input("trip_addition_input", leaves(0), arrives(0), more);
    let world = addition(World::new(1), json!({"match_id": "a"}));
    let world = addition(world, json!({"match_id": "b"})).run();
    assert_eq!(world.data(id(1, 0))["additions"].as_array().map(Vec::len), Some(2));
    let world = addition(world, json!({"match_id": "a", "status": "DELETED"})).with_input(
        "trip_addition_input",
        leaves(0),
        arrives(0),
        json!({"match_id": "c"}),
    );
    // Windows begin five seconds behind the mark.
    let mut world = world;
    world.last.processed_through = Some(1e9 - 3.0);
    let world = world.run();
    let matched = |at| {
        world.data(at)["additions"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|addition| addition["data"]["match_id"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(matched(id(1, 0)), ["b", "c"]);
    assert_eq!(matched(id(3, 0)), ["b", "c"]);
}

#[test]
fn an_input_without_a_trip_is_skipped_and_the_mark_moves_on() {
    let before = World::new(1).texts();
    let world = World::new(1).with_label("mode_confirm", 40, "walk").run();
    assert_eq!(world.texts()[..before.len()], before);
    assert_eq!(world.last.processed_through, Some(1e9 + 1.0));
    let world = World::new(1).run();
    assert_eq!(world.last, Outcome::default());
}

#[test]
fn an_input_that_ends_late_belongs_to_the_trip_if_the_next_place_covers_it() {
    let late = |end_ts| {
        let world =
            World::new(3).with_input("mode_confirm", leaves(1), end_ts, json!({"label": "bus"})).run();
        world.data(id(1, 1))["user_input"].clone()
    };
    assert_eq!(late(leaves(2)), json!({"mode_confirm": "bus"}));
    assert_eq!(late(leaves(2) + 1.0), json!({}));
    let open = World::new(3).with_input("mode_confirm", leaves(2), 1.8e9, json!({"label": "bus"})).run();
    assert_eq!(open.data(id(1, 2))["user_input"], json!({"mode_confirm": "bus"}));
}

// Row: "Candidates begin within a day"
#[test]
fn the_most_recently_created_of_several_trips_gets_the_label() {
    let twin = |number, write_ts| {
        let data = json!({"start_ts": DAY, "end_ts": DAY + 1_200.0, "duration": 1_200.0, "user_input": {}, "additions": []});
        entry(id(1, number), TRIP, write_ts, &data)
    };
    let world = World::new(0).with(vec![twin(0, 5.0), twin(1, 9.0), twin(2, 7.0)]);
    let world = world.with_label("mode_confirm", 0, "walk").run();
    let labelled: Vec<bool> =
        (0..3).map(|number| world.data(id(1, number))["user_input"] != json!({})).collect();
    assert_eq!(labelled, [false, true, false]);
}

// Row: "Candidates begin within a day"
#[test]
fn a_trip_longer_than_a_day_gets_no_label_from_its_later_part() {
    let data = json!({"start_ts": DAY, "end_ts": DAY + 3.0 * 86_400.0, "duration": 3.0 * 86_400.0, "user_input": {}, "additions": []});
    let labelled = |start_ts: f64| {
        let world = World::new(0).with(vec![entry(id(1, 0), TRIP, 2.0, &data)]);
        let world =
            world.with_input("mode_confirm", start_ts, start_ts + 60.0, json!({"label": "ship"})).run();
        world.data(id(1, 0))["user_input"] != json!({})
    };
    assert!(labelled(DAY + 86_400.0));
    assert!(!labelled(DAY + 86_401.0));
}

// Row: "A late input on a stay without a duration"
#[test]
fn unreadable_inputs_and_unchangeable_entries_are_skipped_and_reported() {
    let odd = json!({"start_ts": DAY, "end_ts": DAY + 1_200.0, "duration": 1_200.0, "user_input": {}, "additions": 7});
    let world = World::new(0)
        .with(vec![entry(id(1, 0), TRIP, 2.0, &odd)])
        .with_input("trip_addition_input", DAY, DAY + 60.0, json!({"status": "GONE"}))
        .with_input("trip_addition_input", DAY, DAY + 60.0, json!({}))
        .run();
    let told: Vec<&str> = world.memory.log_lines().iter().map(|line| &*line.1).collect();
    let want = [
        "1 labels or forms cannot be read: passed over",
        "1 inputs belong to entries that cannot take them in: passed over",
    ];
    assert_eq!(told, want);
    assert_eq!(world.last.processed_through, Some(1e9 + 2.0));
}

// Row: "Untracked spans and the first place"
#[test]
fn a_span_without_readings_and_the_first_place_of_all_never_get_a_later_input() {
    let span = json!({"start_ts": DAY, "end_ts": DAY + 1_200.0, "duration": 1_200.0, "user_input": {}, "additions": []});
    let first_place = json!({"exit_ts": DAY, "user_input": {}, "additions": []});
    let world = World::new(0).with(vec![
        entry(id(4, 0), "analysis/confirmed_untracked", 2.0, &span),
        entry(id(2, 0), PLACE, 2.0, &first_place),
    ]);
    let before = world.texts();
    let world = world
        .with_label("mode_confirm", 0, "walk")
        .with_input("trip_addition_input", DAY, DAY + 60.0, json!({"match_id": "a"}))
        .with_input("place_user_input", DAY - 600.0, DAY - 60.0, json!({"label": "home"}))
        .run();
    assert_eq!(world.texts()[..2], before);
    assert_eq!(world.last.processed_through, Some(1e9 + 3.0));
}

// Row: "Every member of a changed trip"
#[test]
fn only_labels_and_additions_of_a_changed_trip_reach_its_composite_trip() {
    let with = |kept: u8| {
        json!({"start_ts": DAY, "end_ts": DAY + 1_200.0, "duration": 1_200.0, "user_input": {}, "additions": [],
            "kept": kept})
    };
    let mut shown = with(2);
    shown["confirmed_trip"] = json!({"$oid": id(1, 0).to_string()});
    let world = World::new(0)
        .with(vec![entry(id(1, 0), TRIP, 2.0, &with(1)), entry(id(3, 0), COMPOSITE, 3.0, &shown)])
        .with_label("mode_confirm", 0, "walk")
        .with_input("trip_addition_input", DAY, DAY + 60.0, json!({"match_id": "a"}))
        .run();
    let (trip, shown) = (world.data(id(1, 0)), world.data(id(3, 0)));
    assert_eq!((&shown["user_input"], &shown["additions"]), (&trip["user_input"], &trip["additions"]));
    assert_eq!(trip["additions"].as_array().map(Vec::len), Some(1));
    assert_eq!((&trip["kept"], &shown["kept"]), (&json!(1), &json!(2)));
}

#[test]
fn many_inputs_are_processed_in_parts_and_none_is_lost_between_them() {
    let trips = 700;
    let mut world = World::new(trips);
    for trip in 0..trips {
        world = world.with_label("mode_confirm", trip, &trip.to_string());
    }
    let mut parts = 0;
    let in_parts = |memory: &mut _, window: &_| {
        parts += 1;
        run(memory, window)
    };
    let outcome = world.memory.run_stage(in_parts, NOW, Outcome::default()).expect("the stage works");
    assert_eq!((parts, outcome.state.len()), (3, 0));
    for trip in 0..trips {
        assert_eq!(world.data(id(3, trip))["user_input"], json!({"mode_confirm": trip.to_string()}));
    }
}

#[test]
fn a_state_that_does_not_match_its_mark_is_ignored() {
    let mut world = World::new(1).with_label("mode_confirm", 0, "walk");
    // Everything up to a later input is done, says the state; the mark was set back since.
    let state = [&2e9_f64.to_le_bytes()[..], &id(9, 9).0].concat();
    world.last = Outcome { processed_through: Some(5.0), state, more: false };
    let world = world.run();
    assert_eq!(world.data(id(1, 0))["user_input"], json!({"mode_confirm": "walk"}));
}

proptest! {
    // Row: "An addition is appended again"
    #[test]
    fn running_again_over_the_same_window_changes_nothing(
        inputs in prop::collection::vec((0_usize..7, 0_usize..4, 0_u32..4_000, any::<bool>(), 0_u8..3), 0..20)
    ) {
        let keys = ["mode_confirm", "purpose_confirm", "replaced_mode", "trip_user_input", "place_user_input",
            "trip_addition_input", "place_addition_input"];
        let mut world = World::new(4);
        for (number, (key, trip, seconds, deletes, match_id)) in inputs.into_iter().enumerate() {
            // Phones give every addition a match_id of its own; another input with it takes the addition back.
            let more = if deletes { json!({"match_id": match_id, "status": "DELETED", "label": "l"}) }
                else { json!({"match_id": number, "label": number}) };
            let start_ts = leaves(trip) + f64::from(seconds);
            world = world.with_input(keys[key], start_ts, start_ts + f64::from(seconds), more);
        }
        let mut world = world.run();
        let once = world.texts();
        world.last = Outcome::default();
        prop_assert_eq!(world.run().texts(), once);
    }

    #[test]
    fn the_stage_never_panics_whatever_the_entries(
        entries in prop::collection::vec((0_usize..5, 0_u32..20, 0_u32..20, 0_usize..4, 0_usize..4), 0..16),
        state in prop::collection::vec(any::<u8>(), 0..30),
    ) {
        let keys = [TRIP, PLACE, COMPOSITE, "manual/mode_confirm", "manual/place_addition_input"];
        let entries = entries.into_iter().enumerate().map(|(number, (key, from, to, one, other))| {
            let (start, end) = if key == 1 { ("enter_ts", "exit_ts") } else { ("start_ts", "end_ts") };
            let mut data = json!({"end_place": id(1, one), "starting_trip": id(1, other), "label": 1,
                "duration": f64::from(to) - f64::from(from)});
            if one > 0 { data[start] = from.into(); }
            if other > 0 { data[end] = to.into(); }
            if one > other { data["user_input"] = json!([]); }
            entry(id(1, number), keys[key], f64::from(to), &data)
        });
        let mut memory = World::new(0).with(entries.collect()).memory;
        let _ = memory.run_stage(run, NOW, Outcome { state, ..Outcome::default() });
    }
}
