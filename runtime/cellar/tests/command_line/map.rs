//! The map of a day: outlines, a street map that the test draws, a tile server, and a browser without WebGL.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::page::{Home, assert_sound, home, open};
use crate::support::binary::{parse, refused, within};
use crate::support::browser;

/// The zoom of the only tiles of the street map: some ten kilometres each.
const ZOOM: u32 = 11;

/// A message of protocol buffers, as vector tiles are.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn number(mut self, field: u64, value: u64) -> Self {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn bytes(mut self, field: u64, bytes: &[u8]) -> Self {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
        self
    }

    fn numbers(self, field: u64, values: &[u64]) -> Self {
        let mut packed = Self::default();
        values.iter().for_each(|value| packed.varint(*value));
        self.bytes(field, &packed.0)
    }
}

/// What a feature of a tile is.
#[derive(Clone, Copy)]
enum Kind {
    Point = 1,
    Line = 2,
    Polygon = 3,
}

/// A layer with one feature through these points of 4096.
fn layer(name: &str, kind: Kind, of: &str, points: &[(i64, i64)]) -> Vec<u8> {
    let zigzag = |value: i64| ((value << 1) ^ (value >> 63)) as u64;
    // All points at once, or to the first one and from there along the others.
    let first = if matches!(kind, Kind::Point) { points.len() } else { 1 };
    let command = |number: u64, count: usize| (count as u64) << 3 | number;
    let mut geometry = vec![command(1, first)];
    let mut at = (0, 0);
    for (index, point) in points.iter().enumerate() {
        if index == first {
            geometry.push(command(2, points.len() - first));
        }
        geometry.extend([zigzag(point.0 - at.0), zigzag(point.1 - at.1)]);
        at = *point;
    }
    if matches!(kind, Kind::Polygon) {
        geometry.push(15);
    }
    let feature = Message::default().numbers(2, &[0, 0, 1, 1]).number(3, kind as u64).numbers(4, &geometry).0;
    let value = |text: &str| Message::default().bytes(1, text.as_bytes()).0;
    Message::default()
        .number(15, 2)
        .bytes(1, name.as_bytes())
        .bytes(2, &feature)
        .bytes(3, b"kind")
        .bytes(3, b"name")
        .bytes(4, &value(of))
        .bytes(4, &value("Invented"))
        .number(5, 4096)
        .0
}

/// Land to the west, water to the east, roads from side to side, and names.
fn tile() -> Vec<u8> {
    let steps = || (0..16).map(|step| step * 256);
    let roads: Vec<_> = steps()
        .zip([[0, 4096], [4096, 0]].into_iter().cycle())
        .flat_map(|(y, ends)| ends.map(|x| (x, y)))
        .collect();
    let places: Vec<_> = steps().map(|at| (at, at + 128)).collect();
    let rectangle = |west, east| [(west, -64), (east, -64), (east, 4160), (west, 4160)];
    [
        layer("earth", Kind::Polygon, "earth", &rectangle(-64, 4160)),
        layer("water", Kind::Polygon, "lake", &rectangle(2048, 4160)),
        layer("roads", Kind::Line, "major_road", &roads),
        layer("places", Kind::Point, "locality", &places),
    ]
    .iter()
    .fold(Message::default(), |tile, layer| tile.bytes(3, layer))
    .0
}

/// The number of a tile in the order of the file: that of a Hilbert curve, after all tiles of smaller zooms.
fn tile_id(mut x: u64, mut y: u64) -> u64 {
    let mut id = ((1 << (2 * ZOOM)) - 1) / 3;
    for bit in (0..ZOOM).rev() {
        let side = 1_u64 << bit;
        let (east, south) = (u64::from(x & side > 0), u64::from(y & side > 0));
        id += side * side * ((3 * east) ^ south);
        if south == 0 {
            if east == 1 {
                (x, y) = ((side - 1).wrapping_sub(x), (side - 1).wrapping_sub(y));
            }
            (x, y) = (y, x);
        }
    }
    id
}

/// A picture of one colour.
fn picture() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 256, 256);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&[255, 0, 255].repeat(256 * 256)).expect("a picture");
    writer.finish().expect("an end");
    bytes
}

/// What the tiles of a file are, as its header says it.
#[derive(Clone, Copy)]
pub(super) enum Tiles {
    Vector = 1,
    Picture = 2,
}

/// A PMTiles file with one tile, nine times around a position.
fn street_map([lon, lat]: [f64; 2], tiles: Tiles) -> Vec<u8> {
    let count = f64::from(1_u32 << ZOOM);
    let north = lat.to_radians().tan().asinh();
    let x = ((lon + 180.0) / 360.0 * count) as u64;
    let y = ((1.0 - north / std::f64::consts::PI) / 2.0 * count) as u64;
    let around = |middle: u64| middle - 1..=middle + 1;
    let mut ids: Vec<u64> = around(x).flat_map(|x| around(y).map(move |y| tile_id(x, y))).collect();
    ids.sort_unstable();
    let tile = match tiles {
        Tiles::Vector => tile(),
        Tiles::Picture => picture(),
    };
    let mut directory = Message::default();
    directory.varint(ids.len() as u64);
    let steps = ids.iter().scan(0, |before, id| Some(id - std::mem::replace(before, *id)));
    steps.for_each(|step| directory.varint(step));
    ids.iter().for_each(|_| directory.varint(1));
    ids.iter().for_each(|_| directory.varint(tile.len() as u64));
    ids.iter().for_each(|_| directory.varint(1));
    let metadata = br#"{"attribution":"<a href='https://example.org'>&copy; the test</a>"}"#;
    let lengths = [directory.0.len() as u64, metadata.len() as u64, 0, tile.len() as u64];
    let mut header = b"PMTiles\x03".to_vec();
    let mut offset = 127_u64;
    for length in lengths {
        header.extend(offset.to_le_bytes());
        header.extend(length.to_le_bytes());
        offset += length;
    }
    // Tiles and their contents; not clustered; nothing is packed; one zoom.
    for count in [9_u64, 9, 1] {
        header.extend(count.to_le_bytes());
    }
    header.extend([0, 1, 1, tiles as u8, ZOOM as u8, ZOOM as u8]);
    for degrees in [-180.0, -85.0, 180.0, 85.0] {
        header.extend(((degrees * 1e7) as i32).to_le_bytes());
    }
    header.push(ZOOM as u8);
    header.extend([0; 8]);
    [header, directory.0, metadata.to_vec(), tile].concat()
}

/// A street map of where the invented person's day is.
pub(super) fn map_of(day: &Path, tiles: Tiles) -> Vec<u8> {
    let entries = parse(&fs::read_to_string(day).expect("a day"));
    let at = entries.as_array().expect("entries").iter().find_map(|entry| {
        let data = &entry["data"];
        Some([data["longitude"].as_f64()?, data["latitude"].as_f64()?])
    });
    street_map(at.expect("a location"), tiles)
}

fn look(home: &Home, kind: &str, more: &[&str]) -> Option<Value> {
    let (script, chromium) = browser::with("map.mjs")?;
    let opened = open(&[&["--state", &home.state], more].concat());
    let pictures: PathBuf = browser::target().join("page-pictures");
    let asked = json!({ "link": opened.link, "chromium": chromium, "kind": kind, "pictures": pictures });
    let found = browser::looked(&script, &asked);
    opened.stop();
    Some(found)
}

/// What holds of each kind of map.
fn assert_linked(found: &Value) {
    assert_eq!(found["first"]["parts"], json!([]), "the map is no part of the first view");
    let trips = found["byKeyboard"].as_array().expect("two trips");
    assert!(trips.len() == 2 && trips[0] != trips[1], "{found}");
    for trip in ["listed", "pressed", "said"] {
        assert!(found[trip].as_str().expect("a text").contains(':'), "{trip}: {found}");
    }
    assert!(found["drawn"]["places"].as_u64() >= Some(3) && found["drawn"]["degrees"].as_u64() >= Some(3));
}

#[test]
fn a_day_is_on_outlines_that_come_with_the_page_and_the_map_and_the_timeline_lead_to_each_other() {
    let home = home();
    let Some(found) = look(&home, "outlines", &[]) else { return };
    assert_sound(&found);
    assert_linked(&found);
    for seen in ["coast", "sameDay"] {
        assert_eq!(found[seen], true, "{seen}: {found}");
    }
    assert_eq!((&found["drawn"]["canvas"], &found["drawn"]["plain"]), (&json!(1), &json!(0)), "{found}");
    assert!(found["from"].as_str().expect("a text").contains("Natural Earth"), "{found}");
    assert_eq!(found["ranges"], json!([]));
    home.host.stop();
}

#[test]
fn a_street_map_is_read_by_ranges_and_shown_under_the_tracks() {
    let home = home();
    let file = within(home.folder.path(), "town.pmtiles");
    fs::write(&file, map_of(&home.folder.path().join("day.json"), Tiles::Vector)).expect("written");
    let Some(found) = look(&home, "streets", &["--map", &file]) else { return };
    assert_sound(&found);
    assert_linked(&found);
    let shown = |name: &str| found["shown"][name].as_u64().expect("a number");
    assert!(shown("sea") > 1000 && shown("land") > 1000 && shown("road") > 50, "{found}");
    let ranges = found["ranges"].as_array().expect("ranges");
    assert!(
        ranges.len() >= 2 && ranges.iter().all(|range| range.as_str().expect("text").starts_with("bytes="))
    );
    assert_eq!(found["from"], "Map: © the test", "the words of the file, as a text");
    home.host.stop();
}

#[test]
fn a_street_map_of_pictures_is_shown_too() {
    let home = home();
    let file = within(home.folder.path(), "town.pmtiles");
    fs::write(&file, map_of(&home.folder.path().join("day.json"), Tiles::Picture)).expect("written");
    let Some(found) = look(&home, "pictures", &["--map", &file]) else { return };
    assert_sound(&found);
    assert!(found["shown"]["tile"].as_u64() > Some(1000), "{found}");
    home.host.stop();
}

#[test]
fn a_browser_without_webgl_draws_the_tracks_itself() {
    let home = home();
    let Some(found) = look(&home, "plain", &[]) else { return };
    assert_sound(&found);
    assert_linked(&found);
    assert!(found["drawn"]["plain"].as_u64() >= Some(5), "{found}");
    assert_eq!(found["drawn"]["canvas"], 0);
    home.host.stop();
}

#[test]
fn a_tile_server_is_asked_after_its_owner_has_allowed_it_and_no_other_and_not_once_it_is_taken_back() {
    let home = home();
    let Some(found) = look(&home, "server", &[]) else { return };
    for kind in ["complaints", "violations", "attacked"] {
        assert_eq!(found[kind], json!([]), "{kind}");
    }
    assert_eq!((&found["warned"], &found["before"], &found["after"]), (&json!(1), &json!(0), &json!(0)));
    assert!(found["tiles"].as_u64() > Some(0), "{found}");
    assert_eq!(found["told"], json!([]), "neither the page's address nor what lets it in");
    let origin = found["origin"].as_str().expect("an origin");
    let elsewhere = found["elsewhere"].as_array().expect("addresses");
    assert!(elsewhere.iter().all(|url| url.as_str().expect("text").starts_with(&format!("{origin}/"))));
    assert!(found["from"].as_str().expect("a text").contains(&origin["http://".len()..]), "{found}");
    home.host.stop();
}

#[test]
fn attack_171_a_file_that_is_no_map_is_refused_at_the_start_with_its_name_and_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let [data, secret, config] =
        ["data", "secret.pem", "cellar.toml"].map(|name| within(folder.path(), name));
    fs::write(&secret, "-----BEGIN PRIVATE KEY-----\nthese are not the words of a map\n").expect("written");
    fs::write(&config, format!("[web]\nmap = '{secret}'\n")).expect("written");
    let said = |args: &[&str]| {
        let error = refused(args);
        assert!(error.contains("secret.pem") && error.contains("PMTiles"), "{error}");
        assert!(!error.contains("these are not"), "{error}");
    };
    said(&["serve", "--data", &data, "--config", &config, "--listen", "127.0.0.1:0"]);
    said(&["open", "nobody", "--data", &data, "--map", &secret]);
    assert!(!Path::new(&data).join("people").exists(), "nothing was begun");
}
