//! Each format as its programs write it.

use cells_model::background::{BatteryStatus, MotionType};
use runtime_import::{Battery, Fix, Format, Motion, Reading};

use crate::support::{Found, file, fit, fix, of, of_file};

const T: f64 = 1_709_625_600.0;

fn sound(format: Format, text: &str) -> Found {
    let (_folder, path) = file("file", text.as_bytes());
    let (found, formats, done) = of_file(&path);
    done.unwrap_or_else(|error| panic!("{format}: {error}"));
    assert_eq!(formats, [format], "{text}");
    found
}

#[test]
fn gpx_of_both_versions_gives_points_with_time_place_height_and_speed() {
    let one = r#"<?xml version="1.0"?><gpx version="1.0" xmlns="http://www.topografix.com/GPX/1/0"><trk><trkseg>
        <trkpt lat="47.5" lon="8.25"><ele>400.5</ele><time>2024-03-05T08:00:00Z</time><course>90</course><speed>1.5</speed></trkpt>
        </trkseg></trk></gpx>"#;
    let whole = Fix { altitude: Some(400.5), speed: Some(1.5), heading: Some(90.0), ..fix(T, 47.5, 8.25) };
    assert_eq!(sound(Format::Gpx, one).fixes(), [whole]);
    let two = r#"<gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1" xmlns:x="urn:x"><wpt lat="1" lon="2"/><trk><trkseg>
        <trkpt lat="47.5" lon="8.25"><time>2024-03-05T08:00:00.250Z</time><extensions><x:hr>120</x:hr></extensions></trkpt>
        <trkpt lat="95" lon="8.25"><time>2024-03-05T08:00:01Z</time></trkpt></trkseg></trk></gpx>"#;
    let found = sound(Format::Gpx, two);
    assert_eq!(found.fixes(), [fix(T + 0.25, 47.5, 8.25)]);
    assert_eq!(found.raws, [r#"{"hr":"120"}"#]);
    assert_eq!(found.why(), ["it has no time", "its place is not on the globe"]);
}

#[test]
fn kml_gives_tracks_points_with_a_moment_and_the_ends_of_lines_with_a_span() {
    let text = r#"<?xml version="1.0"?><kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2"><Document>
        <Placemark><gx:Track><when>2024-03-05T08:00:00Z</when><when>2024-03-05T08:00:10Z</when>
            <gx:coord>8.25 47.5 400</gx:coord><gx:coord>8.26 47.6 401</gx:coord></gx:Track></Placemark>
        <Placemark><TimeStamp><when>2024-03-05T08:01:00Z</when></TimeStamp><Point><coordinates>8.3,47.7,0</coordinates></Point></Placemark>
        <Placemark><TimeSpan><begin>2024-03-05T09:00:00Z</begin><end>2024-03-05T10:00:00Z</end></TimeSpan>
            <LineString><coordinates>8.3,47.7 8.35,47.75 8.4,47.8</coordinates></LineString></Placemark>
        <Placemark><Point><coordinates>8.3,47.7</coordinates></Point></Placemark></Document></kml>"#;
    let found = sound(Format::Kml, text);
    let at = |altitude: f64, fix: Fix| Fix { altitude: Some(altitude), ..fix };
    assert_eq!(
        found.fixes(),
        [
            at(400.0, fix(T, 47.5, 8.25)),
            at(401.0, fix(T + 10.0, 47.6, 8.26)),
            at(0.0, fix(T + 60.0, 47.7, 8.3)),
            fix(T + 3_600.0, 47.7, 8.3),
            fix(T + 7_200.0, 47.8, 8.4),
        ]
    );
    assert_eq!(found.why(), ["it has no time"]);
}

#[test]
fn tcx_gives_points_and_its_sport() {
    let text = r#"<?xml version="1.0"?><TrainingCenterDatabase><Activities><Activity Sport="Biking"><Lap><Track>
        <Trackpoint><Time>2024-03-05T08:00:00Z</Time><Position><LatitudeDegrees>47.5</LatitudeDegrees>
            <LongitudeDegrees>8.25</LongitudeDegrees></Position><AltitudeMeters>400</AltitudeMeters>
            <HeartRateBpm><Value>120</Value></HeartRateBpm><Extensions><ns3:TPX xmlns:ns3="x"><ns3:Speed>5.5</ns3:Speed></ns3:TPX></Extensions></Trackpoint>
        <Trackpoint><Time>2024-03-05T08:00:01Z</Time></Trackpoint></Track></Lap></Activity></Activities></TrainingCenterDatabase>"#;
    let found = sound(Format::Tcx, text);
    assert_eq!(found.fixes(), [Fix { altitude: Some(400.0), speed: Some(5.5), ..fix(T, 47.5, 8.25) }]);
    assert_eq!(found.motions(), [Motion { ts: T, kind: MotionType::Bicycling, confidence: None }]);
    assert_eq!(found.why(), ["it has no place"]);
}

#[test]
fn fit_gives_points_and_its_sport() {
    let bytes = fit(&[(T as u32, 47.5, 8.25, 400.0, 3.5), (T as u32 + 1, -33.5, -70.25, -12.0, 0.0)]);
    let (_folder, path) = file("a.fit", &[bytes.clone(), bytes].concat());
    let (found, formats, done) = of_file(&path);
    done.expect("sound");
    assert_eq!(formats, [Format::Fit]);
    let fixes = found.fixes();
    assert_eq!(fixes.len(), 4, "a stream may have several files");
    let near = |found: f64, want: f64| assert!((found - want).abs() < 1e-6, "{found} {want}");
    near(fixes[0].latitude, 47.5);
    near(fixes[1].longitude, -70.25);
    assert_eq!((fixes[0].ts, fixes[0].altitude, fixes[0].speed), (T, Some(400.0), Some(3.5)));
    assert_eq!(fixes[1].altitude, Some(-12.0));
    assert_eq!(found.motions()[0], Motion { ts: T, kind: MotionType::Bicycling, confidence: None });
}

#[test]
fn geojson_gives_points_lines_with_times_and_overlands_motion_and_battery() {
    let text = r#"{"type":"FeatureCollection","features":[
        {"type":"Feature","geometry":{"type":"Point","coordinates":[8.25,47.5,400]},"properties":{"timestamp":1709625600}},
        {"type":"Feature","geometry":{"type":"LineString","coordinates":[[8.25,47.5],[8.26,47.6]]},
            "properties":{"coordTimes":["2024-03-05T08:00:00Z","2024-03-05T08:00:10Z"]}},
        {"type":"Feature","geometry":{"type":"LineString","coordinates":[[8.25,47.5],[8.26,47.6]]},"properties":{}},
        {"type":"Feature","geometry":null,"properties":{}}]}"#;
    let found = sound(Format::Geojson, text);
    let first = Fix { altitude: Some(400.0), ..fix(T, 47.5, 8.25) };
    assert_eq!(found.fixes(), [first, fix(T, 47.5, 8.25), fix(T + 10.0, 47.6, 8.26)]);
    assert_eq!(found.why(), ["its points have no times"], "what is nowhere is passed over");
    let overland = r#"{"locations":[{"type":"Feature","geometry":{"type":"Point","coordinates":[8.25,47.5]},"properties":{
        "timestamp":"2024-03-05T08:00:00Z","altitude":400,"speed":1.5,"horizontal_accuracy":8,"motion":["walking"],
        "battery_level":0.5,"battery_state":"charging"}}]}"#;
    let found = sound(Format::Geojson, overland);
    assert_eq!(
        found.readings,
        [
            Reading::Fix(Fix {
                altitude: Some(400.0),
                accuracy: Some(8.0),
                speed: Some(1.5),
                ..fix(T, 47.5, 8.25)
            }),
            Reading::Motion(Motion { ts: T, kind: MotionType::Walking, confidence: None }),
            Reading::Battery(Battery { ts: T, level_pct: 50.0, status: BatteryStatus::Charging }),
        ]
    );
    let single = r#"{"type":"Feature","properties":{"time":1709625600000},"geometry":{"type":"Point","coordinates":[8.25,47.5]}}"#;
    assert_eq!(sound(Format::Geojson, single).fixes(), [fix(T, 47.5, 8.25)]);
}

#[test]
fn collections_within_collections_and_stays_of_a_diary_are_read() {
    let place = r#"{"type":"Feature","geometry":{"type":"Point","coordinates":[8.25,47.5]},"properties":{"enter_ts":1709625600,"exit_ts":1709625660}}"#;
    let first = r#"{"type":"Feature","geometry":{"type":"Point","coordinates":[8.25,47.5]},"properties":{"exit_ts":1709625600}}"#;
    let stop = r#"{"type":"Feature","geometry":{"type":"LineString","coordinates":[[8.25,47.5],[8.26,47.6]]},"properties":{"enter_ts":1709625600,"exit_ts":1709625660}}"#;
    let of = |features: &str| format!(r#"{{"type":"FeatureCollection","features":[{features}]}}"#);
    let found = sound(Format::Geojson, &format!("[{}]", of(&format!("{},{first}", of(&of(place))))));
    let here = fix(T, 47.5, 8.25);
    assert_eq!(found.fixes(), [here, Fix { ts: T + 60.0, ..here }, here]);
    assert_eq!(sound(Format::Geojson, stop).fixes(), [here, fix(T + 60.0, 47.6, 8.26)]);
    let deep = sound(Format::Geojson, &format!("[{}]", of(&of(&of(&of(&of(place)))))));
    assert_eq!(deep.why(), ["it has collections within collections within collections"]);
}

#[test]
fn a_table_of_trips_gives_both_ends_of_each() {
    let text = "start_time,end_time,start_latitude,start_longitude,end_latitude,end_longitude,trip\n\
        2024-03-05T08:00:00.000000Z,2024-03-05T08:01:00.000000Z,47.5,8.25,,,x\n";
    let found = sound(Format::Csv, text);
    assert_eq!((found.fixes(), found.why()), (vec![fix(T, 47.5, 8.25)], vec!["it has no latitude"]));
    assert_eq!(
        found.columns,
        ["latitude from \"start_latitude\", longitude from \"start_longitude\", time from \"start_time\"; \
          latitude from \"end_latitude\", longitude from \"end_longitude\", time from \"end_time\""]
    );
}

#[test]
fn an_export_of_everything_gives_what_phones_and_people_said() {
    let entry = |key: &str, more: &str| format!(r#"{{"metadata":{{"key":"{key}"}},"data":{{}}{more}}}"#);
    let [fix, label] = ["background/location", "manual/mode_confirm"].map(|key| entry(key, ""));
    let hidden = entry("background/location", r#","invalid":true"#);
    let result = entry("analysis/confirmed_trip", "");
    let text = format!(
        "{{\"format\":\"cellar-export-1\",\n\"user\":{{\"id\":\"0\"}},\"documents\":{{\"a\":{{\"json\":{{\"timeseries\":[{fix}]}}}}}},\
         \"timeseries\":[{fix},{result},{hidden},{label}],\"usercache\":[{fix}],\"errors\":[{fix}],\"audit\":[{fix}],\
         \"origins\":{{\"key\":\"00\",\"timeseries\":{{}}}}}}\n"
    );
    let found = sound(Format::Emission, &text);
    assert_eq!(found.entries, [fix.clone(), label, fix]);
}

#[test]
fn a_table_tells_how_its_columns_were_guessed() {
    let text =
        "Date Time;Lat;Lng;Speed (km/h);Note\n2024-03-05 08:00:00;47,5;8,25;36;\"a;b\"\nyesterday;1;2;;\n";
    let found = sound(Format::Csv, text);
    assert_eq!(found.fixes(), [Fix { speed: Some(10.0), ..fix(T, 47.5, 8.25) }]);
    assert_eq!(
        found.columns,
        [
            "latitude from \"Lat\", longitude from \"Lng\", time from \"Date Time\", speed (km/h) from \"Speed (km/h)\""
        ]
    );
    assert_eq!(found.why(), ["it has no time that reads"]);
    let traccar =
        "id,deviceId,fixTime,latitude,longitude,speed\n1,2,2024-03-05T08:00:00.000+00:00,47.5,8.25,10\n";
    let speed = sound(Format::Csv, traccar).fixes()[0].speed.expect("a speed");
    assert!((speed - 5.144_444).abs() < 1e-5, "knots: {speed}");
}

#[test]
fn records_of_google_give_places_and_the_likeliest_activity() {
    let text = r#"{"locations":[{"latitudeE7":475000000,"longitudeE7":82500000,"accuracy":20,"timestamp":"2024-03-05T08:00:00.000Z",
        "activity":[{"activity":[{"type":"UNKNOWN","confidence":10},{"type":"ON_BICYCLE","confidence":80}],"timestamp":"2024-03-05T08:00:05Z"}],"deviceTag":-1},
        {"timestampMs":"1709625660000","latitudeE7":475000000,"longitudeE7":4212467296},
        {"timestamp":"2024-03-05T08:00:00Z"}]}"#;
    let found = sound(Format::GoogleRecords, text);
    assert_eq!(
        found.motions(),
        [Motion { ts: T + 5.0, kind: MotionType::Bicycling, confidence: Some(80.0) }]
    );
    let first = Fix { accuracy: Some(20.0), ..fix(T, 47.5, 8.25) };
    assert_eq!(found.fixes(), [first, fix(T + 60.0, 47.5, -8.25)]);
    assert!(found.raws[1].contains("deviceTag"), "what more it says is kept");
    assert_eq!(found.raws[2], "", "what says no more is not kept");
    assert_eq!(found.why(), ["it has no latitude"]);
}

#[test]
fn the_monthly_history_gives_stays_ways_and_what_moved() {
    let text = r#"{"timelineObjects":[
        {"placeVisit":{"location":{"latitudeE7":475000000,"longitudeE7":82500000,"name":"x"},
            "duration":{"startTimestamp":"2024-03-05T08:00:00Z","endTimestamp":"2024-03-05T09:00:00Z"}}},
        {"activitySegment":{"startLocation":{"latitudeE7":475000000,"longitudeE7":82500000},"endLocation":{"latitudeE7":476000000,"longitudeE7":82600000},
            "duration":{"startTimestampMs":"1709629200000","endTimestampMs":"1709629800000"},"activityType":"IN_BUS",
            "simplifiedRawPath":{"points":[{"latE7":475500000,"lngE7":82550000,"timestamp":"2024-03-05T09:05:00Z","accuracyMeters":5}]}}},
        {"other":{}}]}"#;
    let found = sound(Format::GoogleSemantic, text);
    assert_eq!(
        found.fixes(),
        [
            fix(T, 47.5, 8.25),
            fix(T + 3_600.0, 47.5, 8.25),
            fix(T + 3_600.0, 47.5, 8.25),
            Fix { accuracy: Some(5.0), ..fix(T + 3_900.0, 47.55, 8.255) },
            fix(T + 4_200.0, 47.6, 8.26),
        ]
    );
    let motion = |ts| Motion { ts, kind: MotionType::InVehicle, confidence: None };
    assert_eq!(found.motions(), [motion(T + 3_600.0), motion(T + 4_200.0)]);
    assert_eq!(found.why(), ["it is neither a visit nor an activity"]);
}

#[test]
fn the_timeline_of_an_android_phone_and_of_an_iphone_are_one_format() {
    let android = r#"{"semanticSegments":[
        {"startTime":"2024-03-05T09:00:00.000+01:00","endTime":"2024-03-05T10:00:00.000+01:00","timelinePath":[{"point":"47.5°, 8.25°","time":"2024-03-05T09:00:00.000+01:00"}]},
        {"startTime":"2024-03-05T09:00:00.000+01:00","endTime":"2024-03-05T10:00:00.000+01:00","visit":{"topCandidate":{"placeLocation":{"latLng":"47.5°, 8.25°"}}}},
        {"startTime":"2024-03-05T10:00:00.000+01:00","endTime":"2024-03-05T10:10:00.000+01:00","activity":{"start":{"latLng":"47.5°, 8.25°"},"end":{"latLng":"47.6°, 8.26°"},"topCandidate":{"type":"WALKING"}}},
        {"startTime":"2024-03-05T10:00:00.000+01:00","endTime":"2024-03-05T10:10:00.000+01:00","timelineMemory":{"trip":{}}}],
        "rawSignals":[{"position":{"LatLng":"47.5°, 8.25°","accuracyMeters":12,"altitudeMeters":400,"speedMetersPerSecond":1.5,"timestamp":"2024-03-05T09:00:00.000+01:00"}},
        {"activityRecord":{"probableActivities":[{"type":"STILL","confidence":0.75}],"timestamp":"2024-03-05T09:00:00.000+01:00"}},{"wifiScan":{}}],
        "userLocationProfile":{"frequentPlaces":[{"placeLocation":"47.5°, 8.25°"}]}}"#;
    let found = sound(Format::GoogleTimeline, android);
    assert_eq!(found.why(), Vec::<&str>::new());
    let (here, there) = ((47.5, 8.25), (47.6, 8.26));
    let at = |ts: f64, (latitude, longitude): (f64, f64)| fix(ts, latitude, longitude);
    let raw = Fix { accuracy: Some(12.0), altitude: Some(400.0), speed: Some(1.5), ..at(T, here) };
    let ways = [at(T + 3_600.0, here), at(T + 4_200.0, there)];
    assert_eq!(found.fixes(), [at(T, here), at(T, here), at(T + 3_600.0, here), ways[0], ways[1], raw]);
    let iphone = r#"[{"startTime":"2024-03-05T09:00:00.000+01:00","endTime":"2024-03-05T10:00:00.000+01:00","visit":{"topCandidate":{"placeLocation":"geo:47.5,8.25"}}},
        {"startTime":"2024-03-05T10:00:00.000+01:00","endTime":"2024-03-05T10:10:00.000+01:00","activity":{"start":"geo:47.5,8.25","end":"geo:47.6,8.26","topCandidate":{"type":"walking"}}},
        {"startTime":"2024-03-05T10:00:00.000+01:00","endTime":"2024-03-05T10:10:00.000+01:00","timelinePath":[{"point":"geo:47.5,8.25","durationMinutesOffsetFromStartTime":"5"}]}]"#;
    let found = sound(Format::GoogleTimeline, iphone);
    assert_eq!(found.why(), Vec::<&str>::new());
    let path = at(T + 3_900.0, here);
    assert_eq!(found.fixes(), [at(T, here), at(T + 3_600.0, here), ways[0], ways[1], path]);
    assert_eq!(found.motions()[0].kind, MotionType::Walking);
}

#[test]
fn owntracks_gives_places_and_battery_from_its_log_and_from_lists() {
    let payload = r#"{"_type":"location","lat":47.5,"lon":8.25,"tst":1709625600,"acc":8,"alt":400,"vel":36,"cog":90,"batt":80,"bs":1,"tid":"ab"}"#;
    let whole = Fix {
        altitude: Some(400.0),
        accuracy: Some(8.0),
        speed: Some(10.0),
        heading: Some(90.0),
        ..fix(T, 47.5, 8.25)
    };
    let battery = Battery { ts: T, level_pct: 80.0, status: BatteryStatus::Discharging };
    let both = [Reading::Fix(whole), Reading::Battery(battery)];
    let log = format!(
        "2024-03-05T08:00:00Z\t*                 \t{payload}\n2024-03-05T08:00:01Z\tlwt\t{{\"_type\":\"lwt\",\"tst\":1}}\n2024-03-05T08:00:02Z\t*\t{{\"_type\":\"encrypted\"}}\n"
    );
    let found = sound(Format::OwntracksRec, &log);
    assert_eq!(found.readings, both);
    assert_eq!(found.why(), ["it is encrypted: decrypt the file with the recorder's own tools"]);
    let dawarich = format!(r#"{{"anna@example.org":{{"dawarich-export":[{payload}]}}}}"#);
    assert_eq!(sound(Format::Owntracks, &dawarich).readings, both);
    assert_eq!(sound(Format::Owntracks, &format!("{payload}\n{payload}\n")).readings.len(), 4);
}

#[test]
fn positions_of_traccar_are_in_knots_and_those_it_doubts_are_refused() {
    let text = r#"[{"id":1,"deviceId":2,"fixTime":"2024-03-05T08:00:00.000+00:00","valid":true,"latitude":47.5,"longitude":8.25,"altitude":400,
        "speed":10,"course":90,"accuracy":0,"attributes":{"batteryLevel":55,"charge":true,"activity":"walking"}},
        {"id":2,"fixTime":"2024-03-05T08:00:00.000+00:00","valid":false,"latitude":47.5,"longitude":8.25}]"#;
    let found = sound(Format::Traccar, text);
    let [Reading::Fix(place), Reading::Battery(battery), Reading::Motion(motion)] = found.readings[..] else {
        panic!("{found:?}")
    };
    assert!((place.speed.expect("a speed") - 5.144_444).abs() < 1e-5);
    assert_eq!((place.accuracy, battery.status), (None, BatteryStatus::Charging));
    assert_eq!(motion.kind, MotionType::Walking);
    assert_eq!(found.why(), ["the tracker marked it as not valid"]);
}

#[test]
fn a_dump_is_given_as_it_is_as_a_list_or_line_by_line() {
    let entry = r#"{"_id":{"$oid":"576810cb4a9bba50e3fa1d4a"},"metadata":{"key":"a/b","write_ts":1.50},"data":{"x":1.0}}"#;
    for text in [format!("[{entry},\n {entry}]"), format!("{entry}\n{entry}\n")] {
        assert_eq!(sound(Format::Emission, &text).entries, [entry, entry]);
    }
}

#[test]
fn a_format_that_is_named_is_not_guessed_and_one_that_is_unknown_is_said() {
    let (found, done) = of(Format::Owntracks, br#"[{"lat":47.5,"lon":8.25,"tst":1709625600}]"#);
    done.expect("sound");
    assert_eq!(found.fixes(), [fix(T, 47.5, 8.25)]);
    let (_folder, path) = file("x", b"PNG?\0\0\0");
    let error = of_file(&path).2.expect_err("unknown").to_string();
    assert!(error.contains("--format") && error.contains("google-records"), "{error}");
}
