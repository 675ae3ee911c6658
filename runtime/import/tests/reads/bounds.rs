//! Cut, deep, huge and wrong files: each costs what is wrong with it, and no more.

use std::io::{Cursor, Read, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use runtime_import::{ARCHIVED, Format, ReadError};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::support::{BOUNDS, Found, file, fit, of, of_file};

/// A file of each format.
pub fn samples() -> Vec<(Format, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        (
            Format::Gpx,
            text(
                r#"<gpx version="1.1"><trk><trkseg><trkpt lat="47.5" lon="8.2"><time>2024-03-05T08:00:00Z</time><ele>1</ele></trkpt></trkseg></trk></gpx>"#,
            ),
        ),
        (
            Format::Kml,
            text(
                "<kml><Placemark><gx:Track><when>2024-03-05T08:00:00Z</when><gx:coord>8 47 1</gx:coord></gx:Track></Placemark></kml>",
            ),
        ),
        (
            Format::Tcx,
            text(
                "<TrainingCenterDatabase><Activity Sport=\"Running\"><Trackpoint><Time>2024-03-05T08:00:00Z</Time><Position><LatitudeDegrees>47</LatitudeDegrees><LongitudeDegrees>8</LongitudeDegrees></Position></Trackpoint></Activity></TrainingCenterDatabase>",
            ),
        ),
        (Format::Fit, fit(&[(1_709_625_600, 47.5, 8.25, 400.0, 3.5)])),
        (Format::Csv, text("lat,lon,time,speed\n47.5,8.25,1709625600,1\n1,2,3\n")),
        (
            Format::Geojson,
            text(
                r#"{"type":"FeatureCollection","features":[{"type":"Feature","geometry":{"type":"Point","coordinates":[8.2,47.5]},"properties":{"time":1709625600}},{"type":"Feature","geometry":{"type":"LineString","coordinates":[[8,47]]},"properties":{"times":[1709625600]}}]}"#,
            ),
        ),
        (
            Format::GoogleRecords,
            text(
                r#"{"locations":[{"latitudeE7":475000000,"longitudeE7":82500000,"timestamp":"2024-03-05T08:00:00Z","activity":[{"activity":[{"type":"STILL","confidence":1}],"timestampMs":"1709625600000"}]}]}"#,
            ),
        ),
        (
            Format::GoogleSemantic,
            text(
                r#"{"timelineObjects":[{"placeVisit":{"location":{"latitudeE7":475000000,"longitudeE7":82500000},"duration":{"startTimestamp":"2024-03-05T08:00:00Z","endTimestamp":"2024-03-05T09:00:00Z"}}}]}"#,
            ),
        ),
        (
            Format::GoogleTimeline,
            text(
                r#"{"semanticSegments":[{"startTime":"2024-03-05T08:00:00Z","endTime":"2024-03-05T09:00:00Z","timelinePath":[{"point":"47°, 8°","time":"2024-03-05T08:00:00Z"}]}],"rawSignals":[{"position":{"LatLng":"47°, 8°","timestamp":"2024-03-05T08:00:00Z"}}]}"#,
            ),
        ),
        (
            Format::OwntracksRec,
            text(
                "2024-03-05T08:00:00Z\t*\t{\"_type\":\"location\",\"lat\":47,\"lon\":8,\"tst\":1709625600,\"batt\":5}\n",
            ),
        ),
        (Format::Owntracks, text(r#"[{"_type":"location","lat":47,"lon":8,"tst":1709625600}]"#)),
        (
            Format::Traccar,
            text(
                r#"[{"fixTime":"2024-03-05T08:00:00Z","latitude":47,"longitude":8,"attributes":{"batteryLevel":1}}]"#,
            ),
        ),
        (Format::Emission, text(r#"[{"metadata":{"key":"a/b","write_ts":1},"data":{}}]"#)),
    ]
}

/// Whether a file ends with an error that says where.
fn told(done: &Result<(), ReadError>) -> bool {
    match done {
        Ok(()) => true,
        Err(error) => !error.to_string().is_empty(),
    }
}

#[test]
fn every_sample_is_of_its_format_and_has_something_to_say() {
    for (format, bytes) in samples() {
        let (_folder, path) = file("sample", &bytes);
        let (found, formats, done) = of_file(&path);
        done.unwrap_or_else(|error| panic!("{format}: {error}"));
        assert_eq!(formats, [format]);
        assert!(found.readings.len() + found.entries.len() > 0, "{format}");
    }
}

#[test]
fn a_file_that_was_cut_anywhere_gives_what_came_before_and_never_more() {
    for (format, bytes) in samples() {
        let (whole, _) = of(format, &bytes);
        for cut in 0..bytes.len() {
            let (found, done) = of(format, &bytes[..cut]);
            assert!(told(&done), "{format} {cut}");
            // The last point of a table or a log may be cut within a number and still read.
            let sure = found.readings.len().saturating_sub(1);
            assert_eq!(found.readings[..sure], whole.readings[..sure], "{format} {cut}");
            assert!(found.readings.len() <= whole.readings.len(), "{format} {cut}");
        }
    }
}

#[test]
fn deep_nesting_ends_the_reading_or_costs_one_record() {
    let deep = |open: &str, close: &str, levels: usize| open.repeat(levels) + &close.repeat(levels);
    let xml = format!("<gpx>{}</gpx>", deep("<a>", "</a>", 100_000));
    assert!(of(Format::Gpx, xml.as_bytes()).1.expect_err("too deep").to_string().contains("64 deep"));
    let sound = r#"{"latitudeE7":475000000,"longitudeE7":82500000,"timestamp":"2024-03-05T08:00:00Z"}"#;
    let json = format!(r#"{{"locations":[{{"x":{}}},{sound}]}}"#, deep("[", "]", 100_000));
    let (found, done) = of(Format::GoogleRecords, json.as_bytes());
    done.expect("the others read");
    assert_eq!((found.refused.len(), found.fixes().len()), (1, 1));
}

#[test]
fn huge_numbers_are_no_places_and_no_times() {
    for number in ["1e999", "-1e308", "9".repeat(400).as_str(), "NaN", "Infinity", "\"1e400\""] {
        for text in [
            format!(
                r#"{{"locations":[{{"latitudeE7":{number},"longitudeE7":1,"timestamp":"2024-03-05T08:00:00Z"}}]}}"#
            ),
            format!(r#"{{"locations":[{{"latitudeE7":1,"longitudeE7":1,"timestampMs":{number}}}]}}"#),
        ] {
            let (found, done) = of(Format::GoogleRecords, text.as_bytes());
            assert!(found.readings.is_empty() && (done.is_err() || !found.refused.is_empty()), "{text}");
        }
        let row = format!("lat,lon,time\n{number},8,1709625600\n47,8,{number}\n");
        let (found, _) = of(Format::Csv, row.as_bytes());
        assert_eq!((found.readings.len(), found.refused.len()), (0, 2), "{row}");
    }
}

#[test]
fn another_encoding_is_said_and_a_record_that_is_not_utf_8_costs_itself() {
    let wide: Vec<u8> = "\u{feff}{\"locations\":[]}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (_folder, path) = file("wide.json", &wide);
    let error = of_file(&path).2.expect_err("UTF-16");
    let source = std::error::Error::source(&error).expect("a reason").to_string();
    assert!(source.contains("UTF-16"), "{source}");
    let bytes = b"[{\"_type\":\"location\",\"tid\":\"\xe9\"},{\"_type\":\"location\",\"lat\":47,\"lon\":8,\"tst\":1709625600}]";
    let (found, done) = of(Format::Owntracks, bytes);
    done.expect("the others read");
    assert_eq!((found.why(), found.fixes().len()), (vec!["it is not UTF-8"], 1));
    let marked = [b"\xef\xbb\xbf".as_slice(), br#"[{"lat":47,"lon":8,"tst":1709625600}]"#].concat();
    assert_eq!(of(Format::Owntracks, &marked).0.fixes().len(), 1);
}

fn gz(plain: impl Read) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    std::io::copy(&mut { plain }, &mut encoder).expect("packed");
    encoder.finish().expect("packed")
}

fn zipped(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        zip.start_file(*name, SimpleFileOptions::default()).expect("begun");
        zip.write_all(bytes).expect("written");
    }
    zip.finish().expect("written").into_inner()
}

#[test]
fn gzip_and_zip_are_read_directly_and_what_a_zip_has_besides_is_passed_over() {
    for (format, bytes) in samples() {
        let (plain, _) = of(format, &bytes);
        let (_folder, path) = file("packed", &gz(bytes.as_slice()));
        assert_eq!(of_file(&path).0, plain, "{format}");
        let members =
            [("Takeout/read me.html", b"<html></html>".to_vec()), ("Takeout/a", bytes.clone()), ("b", bytes)];
        let (_folder, path) = file("packed", &zipped(&members));
        let (found, formats, done) = of_file(&path);
        done.expect("sound");
        assert_eq!(formats, [format, format]);
        assert_eq!(
            found.readings.len() + found.entries.len(),
            2 * (plain.readings.len() + plain.entries.len())
        );
    }
}

/// All of the export in an archive, and how its reading ended.
fn archived(bytes: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    let (_folder, path) = file("ada.zip", bytes);
    let Some(mut export) = runtime_import::open(&path, BOUNDS, None)?.archived()? else { return Ok(None) };
    let mut whole = Vec::new();
    export.read_to_end(&mut whole).map(|_| Some(whole))
}

#[test]
fn an_archive_of_a_person_gives_the_export_alone() {
    let export =
        br#"{"format":"cellar-export-1","timeseries":[{"metadata":{"key":"a/b"},"data":{}}]}"#.to_vec();
    let table = b"lat,lon,time\n47.5,8.25,1709625600\n".to_vec();
    let bytes = zipped(&[("diary.csv", table.clone()), (ARCHIVED, export.clone())]);
    assert_eq!(archived(&bytes).expect("sound"), Some(export));
    let (_folder, path) = file("ada.zip", &bytes);
    let (found, formats, done) = of_file(&path);
    done.expect("sound");
    assert_eq!((found.entries.len(), found.readings.len(), formats), (1, 0, vec![Format::Emission]));
    for other in [zipped(&[("diary.csv", table.clone())]), gz(table.as_slice()), table] {
        assert_eq!(archived(&other).expect("sound"), None);
    }
}

#[test]
fn attack_254_an_archive_of_a_person_that_was_changed_or_expands_without_measure_is_refused() {
    let text = "[1,2,3]".repeat(1_000).into_bytes();
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file(ARCHIVED, stored).expect("begun");
    zip.write_all(&text).expect("written");
    let mut bytes = zip.finish().expect("written").into_inner();
    assert_eq!(archived(&bytes).expect("sound").as_deref(), Some(text.as_slice()));
    bytes[200] ^= 1;
    let changed = archived(&bytes).expect_err("it was changed");
    assert!(changed.to_string().contains("not what its checksum says"), "{changed}");
    let bomb = archived(&zipped(&[(ARCHIVED, vec![b' '; 64 << 20])])).expect_err("it expands");
    assert!(bomb.to_string().contains("expands to too many bytes"), "{bomb}");
    for length in 0..bytes.len().min(400) {
        let _ = archived(&bytes[..length]);
    }
}

#[test]
fn attack_230_a_file_that_expands_without_measure_is_refused_before_it_is_read_through() {
    let begin = br#"{"locations":[{"latitudeE7":1},"#;
    let endless = || begin.as_slice().chain(std::io::repeat(b' ').take(64 << 20));
    for packed in [gz(endless()), {
        let mut plain = Vec::new();
        endless().read_to_end(&mut plain).expect("read");
        zipped(&[("bomb.json", plain)])
    }] {
        assert!(packed.len() < 100_000);
        let (_folder, path) = file("bomb", &packed);
        let error = of_file(&path).2.expect_err("refused");
        let source = std::error::Error::source(&error).expect("a reason").to_string();
        assert!(source.contains("expands to more"), "{source}");
    }
}

#[test]
fn attack_231_a_tag_a_row_or_a_line_without_end_is_refused_before_it_is_in_memory() {
    let endless = |begin: &str, format: Format| {
        let source = begin.as_bytes().chain(std::io::repeat(b'a').take(1 << 30));
        let mut found = Found::default();
        let mut source = std::io::BufReader::new(source);
        let done = runtime_import::read(format, &mut source, &mut |item| found.take(item));
        assert!(found.readings.is_empty());
        let error = done.expect_err("refused");
        let inner = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        format!("{error} {inner}")
    };
    for (begin, format) in [
        ("<gpx><trk a=\"", Format::Gpx),
        ("<kml><coordinates>", Format::Kml),
        ("lat,lon,time\n", Format::Csv),
        ("2024\t*\t", Format::OwntracksRec),
        ("{\"locations\":[{\"a\":\"", Format::GoogleRecords),
        ("{\"", Format::Geojson),
    ] {
        let why = endless(begin, format);
        assert!(["more than", "too long", "ends"].iter().any(|word| why.contains(word)), "{format}: {why}");
    }
}

#[test]
fn attack_232_entities_of_a_file_are_not_resolved() {
    let text = r#"<!DOCTYPE gpx [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]>
        <gpx><trkpt lat="47" lon="8"><time>2024-03-05T08:00:00Z</time><name>&b;&c;x</name></trkpt></gpx>"#;
    let (found, done) = of(Format::Gpx, text.as_bytes());
    done.expect("sound");
    assert_eq!(found.raws, [r#"{"name":"x"}"#]);
}

proptest! {
    #[test]
    fn no_bytes_stop_a_reader(
        sample in 0_usize..13,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        more in prop::collection::vec(any::<u8>(), 0..64),
        reader in 0_usize..13,
    ) {
        let (_, mut bytes) = samples().swap_remove(sample);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.extend(more);
        let (found, done) = of(Format::ALL[reader], &bytes);
        prop_assert!(told(&done));
        for fix in found.fixes() {
            prop_assert!(fix.latitude.abs() <= 90.0 && fix.longitude.abs() <= 180.0 && fix.ts > 0.0);
        }
    }
}
