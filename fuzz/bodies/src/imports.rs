//! Files that people import: any bytes, read as each of the formats.

use std::io::{Cursor, Read as _};
use std::ops::ControlFlow;

use runtime_import::{Bounds, Entries, Format, Item, Reading, detect, open_source, read};

/// How far a packed file may expand here.
const BOUNDS: Bounds = Bounds { expansion_max: 20, expanded_bytes_max: 1 << 21 };
/// More than one read of a part gives, bytes.
const BUFFER_BYTES: u64 = 1 << 20;

/// Whatever the bytes are, reading them ends, every fix is on the globe, and every reading becomes entries with one id
/// each.
fn body(format: Format, bytes: &[u8]) {
    let _ = detect(bytes);
    let zone = cells_model::time::Zone::find("Europe/Zurich").expect("a zone");
    let mut entries = Entries::new(zone);
    let done = read(format, &mut { bytes }, &mut |item| {
        if let Item::Reading { reading, raw } = item {
            if let Reading::Fix(fix) = &reading {
                assert!(fix.latitude.abs() <= 90.0 && fix.longitude.abs() <= 180.0);
            }
            assert!(raw.is_empty() || cells_model::text::is_json(raw), "what is kept is JSON: {raw}");
            let mut ids = Vec::new();
            let written = entries.each(format, &reading, raw, |texts| {
                assert!(cells_model::text::is_json(texts.metadata) && cells_model::text::is_json(texts.data));
                ids.push(texts.id);
            });
            written.expect("a moment that was checked has a local time");
            assert!(!ids.is_empty() && ids.first() != ids.get(1));
        }
        ControlFlow::Continue(())
    });
    if let Err(error) = done {
        assert!(!error.to_string().is_empty());
    }
}

/// Files of GPX: any bytes are read to their end, or refused.
pub fn gpx(bytes: &[u8]) {
    body(Format::Gpx, bytes);
}

/// Files of KML: any bytes are read to their end, or refused.
pub fn kml(bytes: &[u8]) {
    body(Format::Kml, bytes);
}

/// Files of TCX: any bytes are read to their end, or refused.
pub fn tcx(bytes: &[u8]) {
    body(Format::Tcx, bytes);
}

/// Files of FIT: any bytes are read to their end, or refused.
pub fn fit(bytes: &[u8]) {
    body(Format::Fit, bytes);
}

/// Files of CSV: any bytes are read to their end, or refused.
pub fn csv(bytes: &[u8]) {
    body(Format::Csv, bytes);
}

/// Files of GeoJSON: any bytes are read to their end, or refused.
pub fn geojson(bytes: &[u8]) {
    body(Format::Geojson, bytes);
}

/// Files of Google's `Records.json`: any bytes are read to their end, or refused.
pub fn google_records(bytes: &[u8]) {
    body(Format::GoogleRecords, bytes);
}

/// Files of Google's monthly history: any bytes are read to their end, or refused.
pub fn google_semantic(bytes: &[u8]) {
    body(Format::GoogleSemantic, bytes);
}

/// Files of Google's `Timeline.json`: any bytes are read to their end, or refused.
pub fn google_timeline(bytes: &[u8]) {
    body(Format::GoogleTimeline, bytes);
}

/// Files of OwnTracks' `.rec`: any bytes are read to their end, or refused.
pub fn owntracks_rec(bytes: &[u8]) {
    body(Format::OwntracksRec, bytes);
}

/// Files of OwnTracks' JSON: any bytes are read to their end, or refused.
pub fn owntracks(bytes: &[u8]) {
    body(Format::Owntracks, bytes);
}

/// Files of Traccar's exports: any bytes are read to their end, or refused.
pub fn traccar(bytes: &[u8]) {
    body(Format::Traccar, bytes);
}

/// Files of e-mission dumps: any bytes are read to their end, or refused.
pub fn emission(bytes: &[u8]) {
    body(Format::Emission, bytes);
}

/// Files that may be a zip, packed with gzip, or plain: no part gives more bytes than the bounds allow, and each is read to
/// its end, passed over or refused.
pub fn packed(bytes: &[u8]) {
    let source = Box::new(Cursor::new(bytes.to_vec()));
    let Ok(mut opened) = open_source(source, bytes.len() as u64, BOUNDS, None) else { return };
    assert!(opened.bytes() <= BOUNDS.expanded_bytes_max.max(bytes.len() as u64));
    for part in 0..opened.parts().min(64) {
        let (mut begun, mut most) = (false, 0);
        let done = opened.read(
            part,
            &mut |found| {
                assert_eq!(found.index, part);
                begun = true;
            },
            &mut |read| most = most.max(read),
            &mut |_| ControlFlow::Continue(()),
        );
        // What was read when the bound was found to be exceeded counts.
        let most_allowed = BOUNDS.expanded_bytes_max.max(bytes.len() as u64) + BUFFER_BYTES;
        assert!(most <= most_allowed, "{most} bytes were read");
        assert!(begun || !matches!(done, Ok(Some(_))));
    }
}

/// The archive of a person within any bytes: what it gives ends within the bounds.
pub fn archived(bytes: &[u8]) {
    let source = Box::new(Cursor::new(bytes.to_vec()));
    let Ok(opened) = open_source(source, bytes.len() as u64, BOUNDS, None) else { return };
    let Ok(Some(mut diary)) = opened.archived() else { return };
    let mut text = Vec::new();
    let read = diary.read_to_end(&mut text);
    assert!(text.len() as u64 <= BOUNDS.expanded_bytes_max, "{} bytes were given", text.len());
    if let Err(error) = read {
        assert!(!error.to_string().is_empty());
    }
}
