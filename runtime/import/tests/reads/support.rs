//! Reads texts as files.

use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use runtime_import::{Bounds, Fix, Format, Item, Motion, ReadError, Reading, Refused, open, read};
use tempfile::TempDir;

pub const BOUNDS: Bounds = Bounds { expansion_max: 100, expanded_bytes_max: 1 << 30 };

/// All that a file gave.
#[derive(Debug, Default, PartialEq)]
pub struct Found {
    pub readings: Vec<Reading>,
    pub raws: Vec<String>,
    pub entries: Vec<String>,
    pub refused: Vec<Refused>,
    pub columns: Vec<String>,
}

impl Found {
    pub fn take(&mut self, item: Item<'_>) -> ControlFlow<()> {
        match item {
            Item::Reading { reading, raw } => {
                self.readings.push(reading);
                self.raws.push(raw.to_owned());
            }
            Item::Entry(bytes) => self.entries.push(String::from_utf8_lossy(bytes).into_owned()),
            Item::Columns(columns) => self.columns.push(columns),
            Item::Refused(refused) => self.refused.push(refused),
        }
        ControlFlow::Continue(())
    }

    pub fn fixes(&self) -> Vec<Fix> {
        let fix = |reading: &Reading| match reading {
            Reading::Fix(fix) => Some(*fix),
            _ => None,
        };
        self.readings.iter().filter_map(fix).collect()
    }

    pub fn motions(&self) -> Vec<Motion> {
        let motion = |reading: &Reading| match reading {
            Reading::Motion(motion) => Some(*motion),
            _ => None,
        };
        self.readings.iter().filter_map(motion).collect()
    }

    /// The reasons of what was refused.
    pub fn why(&self) -> Vec<&'static str> {
        self.refused.iter().map(|refused| refused.why).collect()
    }
}

/// What the bytes give as a file of that format, and how the reading ended.
pub fn of(format: Format, bytes: &[u8]) -> (Found, Result<(), ReadError>) {
    let mut found = Found::default();
    let done = read(format, &mut { bytes }, &mut |item| found.take(item));
    (found, done)
}

/// What a file gives whose format is found out.
pub fn of_file(path: &Path) -> (Found, Vec<Format>, Result<(), ReadError>) {
    let (mut found, mut formats) = (Found::default(), Vec::new());
    let mut opened = match open(path, BOUNDS, None) {
        Ok(opened) => opened,
        Err(error) => return (found, formats, Err(error.into())),
    };
    for part in 0..opened.parts() {
        let take = &mut |item: Item<'_>| found.take(item);
        let done = opened.read(part, &mut |part| formats.push(part.format), &mut |_| {}, take);
        if let Err(error) = done {
            return (found, formats, Err(error));
        }
    }
    (found, formats, Ok(()))
}

/// A file with these bytes.
pub fn file(name: &str, bytes: &[u8]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::File::create(&path).and_then(|mut file| file.write_all(bytes)).expect("written");
    (folder, path)
}

/// A fix with a place and a moment alone.
pub fn fix(ts: f64, latitude: f64, longitude: f64) -> Fix {
    Fix { ts, latitude, longitude, ..Fix::default() }
}

/// A FIT file of points: seconds, degrees north and east, metres up, metres a second.
pub fn fit(points: &[(u32, f64, f64, f64, f64)]) -> Vec<u8> {
    const EPOCH_S: u32 = 631_065_600;
    let angle = |degrees: f64| (degrees / 180.0 * 2_147_483_648.0).round() as i32;
    let mut body = vec![0x40, 0, 0, 12, 0, 1, 0, 1, 0, 0x00, 2];
    body.extend([0x41, 0, 0, 20, 0, 5, 253, 4, 0x86, 0, 4, 0x85, 1, 4, 0x85, 2, 2, 0x84, 6, 2, 0x84]);
    for (ts, latitude, longitude, altitude, speed) in points {
        body.push(0x01);
        body.extend((ts - EPOCH_S).to_le_bytes());
        body.extend(angle(*latitude).to_le_bytes());
        body.extend(angle(*longitude).to_le_bytes());
        body.extend((((altitude + 500.0) * 5.0) as u16).to_le_bytes());
        body.extend(((speed * 1e3) as u16).to_le_bytes());
    }
    let mut file = vec![14, 0x20, 0, 0];
    file.extend((body.len() as u32).to_le_bytes());
    file.extend(b".FIT\0\0");
    file.extend(body);
    file.extend([0, 0]);
    file
}
