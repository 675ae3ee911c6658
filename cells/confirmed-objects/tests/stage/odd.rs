//! Timelines whose times do not rise: an old fix before a load, or two phones of one person, leave trips that end
//! before they begin and places that were left before they were reached.

use cells_sdk::WINDOW_GAP_S;
use serde_json::{Value, json};

use crate::world::{
    COMPOSITE, PLACE, TRIP, World, arrives, cleaned_trip, id, leaves, place_with, raw_trip, trip_with,
};

/// Home, a trip at 0 to a place, and from there a trip that leads back in time, to a place that was reached before.
fn back_in_time() -> Vec<Value> {
    let old = leaves(0) - 90_000.0;
    let places = [
        place_with(0, [None, Some(leaves(0))], [None, Some(0)]),
        place_with(1, [Some(arrives(0)), Some(leaves(1))], [Some(0), Some(1)]),
        place_with(2, [Some(old), None], [Some(1), None]),
    ];
    let trips = [
        trip_with(0, [0, 1], [leaves(0), arrives(0)], leaves(0)),
        trip_with(1, [1, 2], [leaves(1), old], leaves(1)),
    ];
    places.into_iter().chain(trips.concat()).collect()
}

fn assert_linked(world: &World) {
    let (places, trips) = (world.made(PLACE), world.made(TRIP));
    let place = |id: &Value| places.iter().find(|place| place["_id"] == *id).expect("a known place");
    for trip in &trips {
        assert_eq!(place(&trip["start_place"])["starting_trip"], trip["_id"]);
        assert_eq!(place(&trip["end_place"])["ending_trip"], trip["_id"]);
    }
    assert_eq!(places.iter().filter(|place| place.get("starting_trip").is_none()).count(), 1);
}

// Row: "Places are read by their ids"
// Row: "What cannot be reached"
#[test]
fn a_trip_that_ends_long_before_it_began_has_the_places_that_it_names() {
    let world = World::new().with(back_in_time()).run();
    assert_linked(&world);
    let places: Vec<_> = world
        .made(TRIP)
        .iter()
        .map(|trip| [&trip["start_place"], &trip["end_place"]].map(Value::clone))
        .collect();
    let of = |cleaned: usize| {
        let places = world.made(PLACE);
        let found = places.iter().find(|place| place["cleaned_place"] == json!(id(1, cleaned)));
        found.expect("confirmed")["_id"].clone()
    };
    assert_eq!(places, [[of(0), of(1)], [of(1), of(2)]]);
    assert_eq!(world.warnings(), Vec::<String>::new());
}

// Row: "The mark is the arrival at the last trip's end"
#[test]
fn a_window_that_ends_with_a_trip_back_in_time_is_not_processed_twice() {
    let world = World::new().with(back_in_time()).run();
    let mark = world.last.processed_through.expect("a mark");
    assert!((leaves(1) - WINDOW_GAP_S..leaves(1)).contains(&mark), "{mark}");
    let (last, places) = (world.last.clone(), world.made(PLACE));
    let world = world.run();
    assert_eq!(world.made(TRIP).len(), 2);
    assert_eq!((&world.last, world.made(PLACE)), (&last, places));
}

// Row: "The place to continue is any one"
#[test]
fn the_next_window_continues_from_a_place_that_was_reached_before_all_others() {
    let mut world = World::new().with(back_in_time()).run();
    let open = world.made(TRIP)[1]["end_place"].clone();
    // The place is left, and leads to a third one.
    let old = leaves(0) - 90_000.0;
    let next = [
        vec![
            place_with(2, [Some(old), Some(leaves(2))], [Some(1), Some(2)]),
            place_with(3, [Some(arrives(2)), None], [Some(2), None]),
        ],
        trip_with(2, [2, 3], [leaves(2), arrives(2)], leaves(2)),
    ];
    cells_sdk::WriteEntries::delete(&mut world.memory, &[id(1, 2)]).expect("known");
    world.memory.commit();
    let world = world.with(next.concat()).run();
    assert_linked(&world);
    let trips = world.made(TRIP);
    assert_eq!((trips.len(), &trips[2]["start_place"]), (3, &open));
    assert_eq!(world.last.processed_through, Some(arrives(2)));
}

// Row: "The first trip's start place is gone"
#[test]
fn a_missing_first_place_does_not_stop_the_run() {
    let mut entries = back_in_time();
    entries.remove(0);
    let world = World::new().with(entries).run();
    assert_linked(&world);
    assert_eq!(world.made(TRIP).len(), 2);
    let first =
        world.made(PLACE).into_iter().find(|place| place.get("enter_ts").is_none()).expect("it is made");
    assert_eq!((&first["exit_ts"], &first["cleaned_place"]), (&json!(leaves(0)), &json!(id(1, 0))));
    assert_eq!(
        world.warnings(),
        ["1 place where trips begin does not exist: the first trip's own start is used instead"]
    );
}

#[test]
fn trips_that_cannot_be_confirmed_are_reported_once_and_not_read_again() {
    let trips = trip_with(0, [0, 1], [leaves(0), arrives(0)], leaves(0));
    let world = World::new().with(trips).run();
    assert!(world.last.processed_through.expect("a mark") + WINDOW_GAP_S > leaves(0));
    let world = world.run();
    assert_eq!(world.warnings(), ["1 trips end at a place that does not exist: left out"]);
}

// Row: "Places are read by their ids"
#[test]
fn sections_count_for_the_trip_that_they_name_wherever_they_begin() {
    // The section is within the raw trip, and outside the cleaned one, which begins long after it.
    let entries = [
        vec![
            place_with(0, [None, Some(leaves(2))], [None, Some(0)]),
            place_with(1, [Some(arrives(0)), None], [Some(0), None]),
            raw_trip(0, [leaves(0), arrives(0)]),
        ],
        trip_with(0, [0, 1], [leaves(2), arrives(0)], leaves(0) + 60.0),
    ];
    let world = World::new().with(entries.concat()).run();
    let trip = &world.made(TRIP)[0];
    assert_eq!(trip["inferred_section_summary"]["count"], json!({"WALKING": 1}));
    assert_eq!(trip["cleaned_section_summary"]["count"], json!({"WALKING": 1}));
}

#[test]
fn the_trip_after_a_place_is_found_even_outside_the_window() {
    // The trip from the place ends before the form does, so that the form cannot be the place's.
    let about_the_place = |trip_end_ts: f64| {
        let mut place = place_with(1, [Some(arrives(0)), Some(leaves(1))], [None, Some(7)]);
        place["data"]["duration"] = (leaves(1) - arrives(0)).into();
        let entries = vec![place, cleaned_trip(7, [leaves(0) - 500.0, trip_end_ts], 1.0)];
        let form = json!({"label": "lunch"});
        let world = World::new().with(entries).with_input(
            "manual/place_user_input",
            arrives(0),
            leaves(1) + 1_000.0,
            form,
        );
        world.run().made(PLACE)[0]["user_input"].clone()
    };
    assert_eq!(about_the_place(leaves(1) + 2_000.0)["place_user_input"]["data"]["label"], "lunch");
    assert_eq!(about_the_place(leaves(1) + 500.0), json!({}));
}

// Row: "Of composite trips that end"
#[test]
fn if_trips_end_together_the_one_that_leads_to_the_place_shows_it() {
    let world = World::new().with_trips(1, &[]).run().with_composite(0);
    let other = json!({"_id": id(11, 0), "metadata": {"key": COMPOSITE, "write_ts": 1.0},
        "data": {"start_ts": 1.0, "end_ts": arrives(0), "end_place": id(11, 9), "end_confirmed_place": {"n": 1}}});
    let world = world.with(vec![other]).with_trips(1, &[]).run();
    let shown = world.made(COMPOSITE);
    assert_eq!(shown[0]["end_confirmed_place"], json!({"n": 1}));
    assert_eq!(shown[1]["end_confirmed_place"]["_id"], shown[1]["end_place"]);
    assert_eq!(shown[1]["end_confirmed_place"]["data"]["exit_ts"], json!(leaves(1)));
}

#[test]
fn a_trip_outside_all_windows_is_reported_once() {
    let world = World::new().with_trips(2, &[]).run();
    // It was written since, and begins before the window, or ended before the stages in between read it.
    let world = world.with(vec![
        cleaned_trip(7, [leaves(0) + 60.0, leaves(1)], 2.0),
        cleaned_trip(8, [arrives(1) + 60.0, leaves(0)], 3.0),
    ]);
    let world = world.run().run();
    let told =
        "2 trips or spans begin or end before the mark of earlier runs: they are left out of the diary";
    assert_eq!(world.warnings(), [told]);
}

#[test]
fn a_trip_that_the_stages_have_not_processed_yet_is_not_reported() {
    let now = crate::world::NOW;
    let world = World::new().with_trips(1, &[]).run();
    let world = world.with(vec![cleaned_trip(7, [now - 60.0, now - 1.0], 2.0)]).run();
    assert_eq!(world.warnings(), Vec::<String>::new());
}
