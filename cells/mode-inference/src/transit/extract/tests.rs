use super::*;
use cells_sdk::testing::Memory;
use proptest::prelude::*;

fn with_index() -> Memory {
    Memory::new().with_document(INDEX, r#"{"version":1,"tile_deg":0.05,"made":"2026-05-01"}"#)
}

fn around(longitude: f64, latitude: f64) -> Bounds {
    Bounds::around(Position { latitude, longitude }, 150.0)
}

fn count(memory: &mut Memory, bounds: &Bounds) -> Result<usize, String> {
    let found = Extract::new().of(memory).stops_within(bounds);
    found.map(|stops| stops.len()).map_err(|error| error.to_string())
}

#[test]
fn without_an_index_there_are_no_stops() {
    let tile = r#"{"stops":[{"at":[8.01,47.01]}]}"#;
    let mut memory = Memory::new().with_document("transit/stops/940_160", tile);
    assert_eq!(count(&mut memory, &around(8.01, 47.01)), Ok(0));
}

#[test]
fn stops_come_with_their_routes_from_the_tile_that_they_are_in() {
    let tile = r#"{"routes":[{"id":"r1","kind":"bus"},{"id":"r2","kind":"tram","network":"city"}],
        "stops":[{"at":[8.01,47.01],"routes":[1]},{"at":[8.02,47.01]},
        {"at":[8.01,47.0101],"bus_stop":true,"rail":["light_rail"],"route_ref":"1;2"}]}"#;
    let mut memory = with_index().with_document("transit/stops/940_160", tile);
    let stops = Extract::new().of(&mut memory).stops_within(&around(8.01, 47.01)).unwrap();
    assert_eq!(stops.len(), 2, "one is 760 m away");
    assert_eq!(stops[0].routes[0].id, "r2");
    assert_eq!(stops[0].routes[0].network.as_deref(), Some("city"));
    assert!(stops[1].bus_stop && stops[1].routes.is_empty());
    assert_eq!(stops[1].rail, [RailMode::LightRail]);
    assert_eq!(stops[1].route_ref.as_deref(), Some("1;2"));
}

#[test]
fn a_box_at_a_corner_finds_stops_of_four_tiles_and_south_and_west_are_negative() {
    let stop = |at: [f64; 2]| format!(r#"{{"stops":[{{"at":{at:?}}}]}}"#);
    let tiles = [("0_0", [0.0005, 0.0005]), ("0_-1", [-0.0005, 0.0005]), ("-1_0", [0.0005, -0.0005])];
    let memory = tiles.iter().fold(with_index(), |memory, (tile, at)| {
        memory.with_document(&format!("{TILE_PREFIX}{tile}"), stop(*at))
    });
    let mut memory = memory.with_document("transit/stops/-1_-1", stop([-0.0005, -0.0005]));
    assert_eq!(count(&mut memory, &around(0.0, 0.0)), Ok(4));
    assert_eq!(count(&mut memory, &around(0.0, 0.02)), Ok(0));
}

// Row: "A box of stops ends"
#[test]
fn a_box_on_the_180th_meridian_finds_the_stops_on_both_sides_of_it() {
    let stop = |longitude: f64| format!(r#"{{"stops":[{{"at":[{longitude:?},-16.81]}}]}}"#);
    let mut memory = with_index();
    for (tile, longitude) in [("3599", 179.999_5), ("3600", 180.0), ("-3600", -179.999_5)] {
        memory = memory.with_document(&format!("{TILE_PREFIX}-337_{tile}"), stop(longitude));
    }
    for longitude in [180.0, -180.0, 179.999_9, -179.999_9] {
        assert_eq!(count(&mut memory, &around(longitude, -16.81)), Ok(3), "{longitude}");
    }
    assert_eq!(count(&mut memory, &around(179.998_7, -16.81)), Ok(2));
    assert_eq!(count(&mut memory, &around(-179.998_7, -16.81)), Ok(2));
    assert_eq!(count(&mut memory, &around(0.0, -16.81)), Ok(0));
}

#[test]
fn the_edge_belongs_to_the_box() {
    let bounds = around(8.0, 47.0);
    let reach = bounds.north - 47.0;
    assert!((reach - 150.0 * 90.0 / 10_001_965.729).abs() < 1e-12);
    assert!(bounds.holds(Position { latitude: bounds.north, longitude: bounds.west }));
    assert!(!bounds.holds(Position { latitude: bounds.north + 1e-9, longitude: bounds.west }));
}

#[test]
fn a_document_that_cannot_be_used_is_an_error_that_names_no_place() {
    let bounds = around(8.01, 47.01);
    let index = |text: &str| Memory::new().with_document(INDEX, text);
    let tile = |text: &str| with_index().with_document("transit/stops/940_160", text);
    let bad = [
        (index("{}"), "the index does not have the expected form"),
        (index(r#"{"version":2,"tile_deg":0.05}"#), "form 2 is not form 1"),
        (index(r#"{"version":1,"tile_deg":0}"#), "tiles are not 0.005 to 10 degrees wide"),
        (tile("{"), "a tile does not have the expected form"),
        (
            tile(r#"{"stops":[{"at":[8.01,47.01],"rail":["boat"]}]}"#),
            "a tile does not have the expected form",
        ),
        (tile(r#"{"stops":[{"at":[8.01,47.01],"routes":[0]}]}"#), "stop 0 of a tile names a route"),
    ];
    for (mut memory, want) in bad {
        let error = count(&mut memory, &bounds).unwrap_err();
        assert!(error.contains(want) && !error.contains("940"), "{error}");
    }
}

#[test]
fn tiles_are_read_once_and_their_number_in_memory_is_bounded() {
    let mut memory = with_index();
    let mut extract = Extract::new();
    for column in 0..40 {
        let bounds = around(0.025 + f64::from(column) * 0.05, 47.01);
        assert_eq!(extract.of(&mut memory).stops_within(&bounds), Ok(Vec::new()));
    }
    assert_eq!(extract.tiles.len(), TILES_MAX);
}

proptest! {
    #[test]
    fn extract_never_panics_whatever_the_place_or_document(longitude: f64, latitude: f64, text in r#"[{}\[\]":,a1 .]{0,30}"#) {
        let mut memory = with_index().with_document("transit/stops/0_0", text.clone());
        let _ = count(&mut memory, &around(longitude, latitude));
        let _ = count(&mut memory, &around(longitude % 400.0, latitude % 100.0));
        let _ = count(&mut memory, &around(0.01, 0.01));
        let _ = count(&mut Memory::new().with_document(INDEX, text), &around(0.01, 0.01));
    }
}
