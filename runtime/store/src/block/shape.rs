//! What a skeleton says: where its holes are, and which of them hold the named fields.

use cells_json::text::{Member, members};

use super::BadBlock;
use super::devices::DeviceSlot;
use super::scan::{DIGITS, PART, RAW, SCALAR};

/// The fields that are read without texts: the six times in the order of `TimeField::OWN`, then these.
pub(super) const LATITUDE: usize = 6;
pub(super) const LONGITUDE: usize = 7;
pub(super) const ACCURACY: usize = 8;
pub(super) const FILTER: usize = 9;
pub(super) const FIELDS: usize = 10;

/// The most holes a shape may have; texts with more values are kept raw.
pub(super) const HOLES_MAX: usize = 1024;

/// Where rows of a shape hold a named field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// Nowhere.
    Absent,
    /// There is an object, an array or a written time in its place.
    NoScalar,
    /// In that hole.
    Hole(usize),
    /// The part is kept raw in that hole: look there.
    Raw(usize),
}

/// A mark and its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hole {
    pub mark: u8,
    pub at: usize,
}

/// A skeleton's marks.
#[derive(Debug)]
pub(super) struct Shape {
    pub holes: Vec<Hole>,
    /// Where metadata and data end; behind each stands the mark.
    pub part_ends: [usize; 2],
    pub slots: [Slot; FIELDS],
    /// Where the device of a row is named.
    pub device: DeviceSlot,
}

impl Shape {
    pub fn parse(skeleton: &str) -> Result<Self, BadBlock> {
        let mut holes = Vec::new();
        let mut part_ends = Vec::new();
        for (at, byte) in skeleton.bytes().enumerate() {
            match byte {
                PART => part_ends.push(at),
                SCALAR | RAW | DIGITS..0x20 if byte != DIGITS => holes.push(Hole { mark: byte, at }),
                _ => {}
            }
        }
        let part_ends: [usize; 2] =
            part_ends.try_into().map_err(|_| BadBlock::Broken("a shape of other than three parts"))?;
        if holes.len() > HOLES_MAX {
            return Err(BadBlock::TooLarge {
                what: "holes in a shape",
                size: holes.len() as u64,
                limit: HOLES_MAX as u64,
            });
        }
        let slots = slots(skeleton, part_ends, &holes);
        let hole_at = |at: usize| holes.binary_search_by_key(&at, |hole| hole.at).ok();
        let device = DeviceSlot::find(&skeleton[..part_ends[0]], hole_at);
        Ok(Self { holes, part_ends, slots, device })
    }

    /// The holes of named fields, in the fields' order: their columns are in the head of a block.
    pub fn named_holes(&self) -> impl Iterator<Item = usize> {
        self.slots.iter().filter_map(|slot| if let Slot::Hole(hole) = slot { Some(*hole) } else { None })
    }

    /// The other holes, in order: their columns are in the rest of a block.
    pub fn other_holes(&self) -> impl Iterator<Item = usize> {
        (0..self.holes.len()).filter(|hole| !self.slots.contains(&Slot::Hole(*hole)))
    }
}

/// The members of `data` that have slots, from slot 1 on; slot 0 is `write_ts` of `metadata`.
pub(super) const NAMES: [&str; FIELDS - 1] =
    ["ts", "start_ts", "end_ts", "enter_ts", "exit_ts", "latitude", "longitude", "accuracy", "filter"];

fn field_of(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name).map(|at| at + 1)
}

/// Among members with the same name the last time and the first other field count, as for `EntryTimes` and
/// `text::member`.
fn slots(skeleton: &str, [first, second]: [usize; 2], holes: &[Hole]) -> [Slot; FIELDS] {
    let slot_at = |value: &str| {
        let at = value.as_ptr() as usize - skeleton.as_ptr() as usize;
        let hole = holes.binary_search_by_key(&at, |hole| hole.at).ok();
        hole.filter(|_| value.as_bytes() == [SCALAR]).map_or(Slot::NoScalar, Slot::Hole)
    };
    let raw = |part: &str, at: usize| {
        let hole = holes.binary_search_by_key(&at, |hole| hole.at).ok()?;
        (part.as_bytes() == [RAW]).then_some(Slot::Raw(hole))
    };
    let mut slots = [Slot::Absent; FIELDS];
    let (metadata, data) = (&skeleton[..first], &skeleton[first + 1..second]);
    slots[0] = raw(metadata, 0).unwrap_or_else(|| {
        let found = members(metadata).map_while(Result::ok).find(|member| member.name == "write_ts");
        found.map_or(Slot::Absent, |member| slot_at(member.value))
    });
    if let Some(raw) = raw(data, first + 1) {
        slots[1..].fill(raw);
        return slots;
    }
    for Member { name, value, .. } in members(data).map_while(Result::ok) {
        if let Some(field) = field_of(name)
            && (field < LATITUDE || slots[field] == Slot::Absent)
        {
            slots[field] = slot_at(value);
        }
    }
    slots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_fields_are_found_where_the_texts_would_hold_them() {
        let skeleton = "{\"a\":{\"write_ts\":\0},\"write_ts\":\0}\x01{\"ts\":\0,\"latitude\":\0,\"latitude\":\0,\"ts\":\0,\"filter\":{}}\x01";
        let shape = Shape::parse(skeleton).expect("sound");
        assert_eq!(shape.slots[..2], [Slot::Hole(1), Slot::Hole(5)]);
        assert_eq!(shape.slots[LATITUDE], Slot::Hole(3));
        assert_eq!((shape.slots[LONGITUDE], shape.slots[FILTER]), (Slot::Absent, Slot::NoScalar));
        assert_eq!(shape.other_holes().collect::<Vec<_>>(), [0, 2, 4]);
    }

    #[test]
    fn a_raw_part_holds_all_its_fields() {
        let shape = Shape::parse("{\"write_ts\":\"\x14\"}\x01\x02\x01").expect("sound");
        assert_eq!(shape.slots[..2], [Slot::NoScalar, Slot::Raw(1)]);
    }

    #[test]
    fn a_shape_has_three_parts() {
        assert!(Shape::parse("{}\x01{}").is_err());
        assert!(Shape::parse("\x01\x01\x01").is_err());
        assert!(Shape::parse(&format!("\x01\x01{}", "\0".repeat(HOLES_MAX + 1))).is_err());
    }
}
