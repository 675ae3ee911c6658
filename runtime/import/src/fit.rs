//! FIT activities: the records of a file with a place, and the state of its sport as a motion.
//!
//! A FIT file defines the layout of its messages before it sends them. Only messages `record` and `session` are read;
//! fields of others are passed over by their size. Files may follow one another in one stream.

use std::io::{self, BufRead};

use cells_model::background::MotionType;

use crate::{Fix, Format, Item, Motion, ReadError, Reading, Refused, Takes};

/// FIT counts from 1989-12-31T00:00:00Z, s.
const EPOCH_S: f64 = 631_065_600.0;
/// A circle in the format's unit of angles.
const SEMICIRCLES: f64 = 2_147_483_648.0;
/// The message with a point.
const RECORD: u16 = 20;
/// The message with the kind of sport.
const SPORT: u16 = 12;
/// The field of a message's moment.
const TIMESTAMP: u8 = 253;

/// Whether the values of a layout begin with their greatest byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

/// One field of a layout.
#[derive(Debug, Clone, Copy)]
struct Field {
    number: u8,
    size: u8,
    signed: bool,
}

/// How a message is laid out.
#[derive(Debug, Clone)]
struct Layout {
    message: u16,
    order: Order,
    fields: Vec<Field>,
    /// The bytes of fields that no profile names, behind the others.
    own_bytes: usize,
}

/// Reads the bytes of one file with their count.
struct Bytes<'s> {
    source: &'s mut dyn BufRead,
    at: u64,
    left: u64,
}

impl Bytes<'_> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ReadError> {
        let size = buffer.len() as u64;
        if size > self.left {
            return Err(self.broken("it ends within a message"));
        }
        self.source.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => self.broken("it ends before its size"),
            _ => ReadError::Read(error),
        })?;
        self.at += size;
        self.left -= size;
        Ok(())
    }

    fn byte(&mut self) -> Result<u8, ReadError> {
        let mut byte = [0];
        self.fill(&mut byte)?;
        Ok(byte[0])
    }

    fn broken(&self, why: &str) -> ReadError {
        ReadError::Broken { format: Format::Fit, at: self.at, why: why.to_owned() }
    }
}

/// Reads all files of the stream.
pub fn read(source: &mut dyn BufRead, take: Takes<'_>) -> Result<(), ReadError> {
    let mut at = 0;
    while !source.fill_buf()?.is_empty() {
        let mut bytes = Bytes { source: &mut *source, at, left: 14 };
        let mut header = [0; 12];
        bytes.fill(&mut header)?;
        if &header[8..] != b".FIT" || !matches!(header[0], 12 | 14) {
            return Err(bytes.broken("it has no header of a FIT file"));
        }
        if header[0] == 14 {
            bytes.fill(&mut [0; 2])?;
        }
        let size = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        bytes.left = u64::from(size);
        let mut messages = Messages::default();
        while bytes.left > 0 {
            if messages.next(&mut bytes, take)? {
                return Ok(());
            }
        }
        // The checksum; a wrong one is no reason to lose what reads.
        bytes.left = 2;
        let _ = bytes.fill(&mut [0; 2]);
        at = bytes.at;
    }
    Ok(())
}

/// The layouts and the moment as they are so far.
#[derive(Default)]
struct Messages {
    layouts: [Option<Layout>; 16],
    /// s of the format
    ts: Option<u32>,
    motion: Option<MotionType>,
}

impl Messages {
    /// Reads one message; whether the reading was ended.
    fn next(&mut self, bytes: &mut Bytes<'_>, take: Takes<'_>) -> Result<bool, ReadError> {
        let at = bytes.at;
        let head = bytes.byte()?;
        let is_short = head & 0x80 != 0;
        let local = usize::from(if is_short { head >> 5 & 3 } else { head & 0xf });
        if !is_short && head & 0x40 != 0 {
            self.layouts[local] = Some(layout(bytes, head & 0x20 != 0)?);
            return Ok(false);
        }
        let Some(layout) = self.layouts[local].clone() else {
            return Err(bytes.broken("a message has no layout"));
        };
        if is_short {
            // Five bits: the moment since the last one that had all.
            let (offset, last) = (u32::from(head & 0x1f), self.ts.unwrap_or(0));
            self.ts = Some(last.wrapping_add(offset.wrapping_sub(last) & 0x1f));
        }
        let mut point = Point::default();
        let mut buffer = [0; 255];
        for field in &layout.fields {
            let value = &mut buffer[..usize::from(field.size)];
            bytes.fill(value)?;
            let Some(number) = value_of(value, field.signed, layout.order) else { continue };
            if field.number == TIMESTAMP {
                self.ts = u32::try_from(number).ok();
            }
            match layout.message {
                RECORD => point.set(field.number, number),
                SPORT if field.number == 0 => self.motion = sport(number),
                _ => {}
            }
        }
        let mut left = layout.own_bytes;
        while left > 0 {
            let part = left.min(buffer.len());
            bytes.fill(&mut buffer[..part])?;
            left -= part;
        }
        if layout.message != RECORD {
            return Ok(false);
        }
        Ok(self.point(&point, at, take))
    }

    fn point(&mut self, point: &Point, at: u64, take: Takes<'_>) -> bool {
        let fix = match (self.ts, point.latitude, point.longitude) {
            (None, ..) => Err("it has no time"),
            (Some(ts), Some(latitude), Some(longitude)) => {
                let altitude = point.enhanced_altitude.or(point.altitude);
                let ts = f64::from(ts) + EPOCH_S;
                let speed = point.enhanced_speed.or(point.speed);
                let accuracy = point.accuracy;
                Fix { ts, latitude, longitude, altitude, accuracy, speed, heading: None }.checked()
            }
            _ => Err("it has no place"),
        };
        let item = match fix {
            Ok(fix) => Item::Reading { reading: Reading::Fix(fix), raw: "" },
            Err(why) => Item::Refused(Refused::new(at, why, "")),
        };
        if take(item).is_break() {
            return true;
        }
        let Some((fix, kind)) = fix.ok().zip(self.motion.take()) else { return false };
        let motion = Motion { ts: fix.ts, kind, confidence: None };
        take(Item::Reading { reading: Reading::Motion(motion), raw: "" }).is_break()
    }
}

/// The fields of a record, in units of ours.
#[derive(Default)]
struct Point {
    latitude: Option<f64>,
    longitude: Option<f64>,
    altitude: Option<f64>,
    enhanced_altitude: Option<f64>,
    accuracy: Option<f64>,
    speed: Option<f64>,
    enhanced_speed: Option<f64>,
}

impl Point {
    fn set(&mut self, field: u8, number: i64) {
        let number = number as f64;
        match field {
            0 => self.latitude = Some(number * 180.0 / SEMICIRCLES),
            1 => self.longitude = Some(number * 180.0 / SEMICIRCLES),
            2 => self.altitude = Some(number / 5.0 - 500.0),
            6 => self.speed = Some(number / 1e3),
            31 => self.accuracy = Some(number),
            73 => self.enhanced_speed = Some(number / 1e3),
            78 => self.enhanced_altitude = Some(number / 5.0 - 500.0),
            _ => {}
        }
    }
}

/// The motion of a sport's number.
fn sport(number: i64) -> Option<MotionType> {
    match number {
        1 => Some(MotionType::Running),
        2 => Some(MotionType::Bicycling),
        11 | 17 => Some(MotionType::Walking),
        _ => None,
    }
}

fn layout(bytes: &mut Bytes<'_>, has_own: bool) -> Result<Layout, ReadError> {
    let mut head = [0; 5];
    bytes.fill(&mut head)?;
    let order = if head[1] == 0 { Order::Little } else { Order::Big };
    let message = match order {
        Order::Little => u16::from_le_bytes([head[2], head[3]]),
        Order::Big => u16::from_be_bytes([head[2], head[3]]),
    };
    let mut fields = Vec::with_capacity(usize::from(head[4]));
    for _ in 0..head[4] {
        let mut field = [0; 3];
        bytes.fill(&mut field)?;
        // The kinds sint8, sint16, sint32 and sint64.
        let signed = matches!(field[2] & 0x1f, 1 | 3 | 5 | 14);
        fields.push(Field { number: field[0], size: field[1], signed });
    }
    let mut own_bytes = 0;
    if has_own {
        for _ in 0..bytes.byte()? {
            let mut field = [0; 3];
            bytes.fill(&mut field)?;
            own_bytes += usize::from(field[1]);
        }
    }
    Ok(Layout { message, order, fields, own_bytes })
}

/// The whole number of a field; `None` for the value that stands for none, and for texts and lists.
fn value_of(bytes: &[u8], signed: bool, order: Order) -> Option<i64> {
    let mut wide = [0; 4];
    let size = bytes.len();
    if !matches!(size, 1 | 2 | 4) {
        return None;
    }
    for (place, byte) in bytes.iter().enumerate() {
        wide[if order == Order::Little { place } else { size - 1 - place }] = *byte;
    }
    let unsigned = i64::from(u32::from_le_bytes(wide));
    let bits = size as u32 * 8;
    let top = 1_i64 << bits;
    if !signed {
        return (unsigned != top - 1).then_some(unsigned);
    }
    (unsigned != top / 2 - 1).then_some(if unsigned >= top / 2 { unsigned - top } else { unsigned })
}
