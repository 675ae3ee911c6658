//! Texts from shapes and columns, in one pass over the rows into one buffer.

use super::BadBlock;
use super::column::{Column, ODD, Texts, digits_of};
use super::columns::{Head, ReadShape};
use super::decimal::{NUMBER_ROOM, put_decimal, put_digits};
use super::numbers::OWN_SCALE;
use super::section::PADDING;

/// Copies up to this length have a fixed size: the excess is overwritten by what follows.
const SHORT: usize = 32;

const _: () = assert!(SHORT <= PADDING && SHORT <= NUMBER_ROOM);

/// A stretch of skeleton, and what follows it.
struct Step<'h, 'b> {
    start: usize,
    length: usize,
    then: Then<'h, 'b>,
}

enum Then<'h, 'b> {
    EndOfPart,
    Decimal { values: &'h [i64], scale: usize, least: usize },
    Each { values: &'h [i64], scale: u8, digits: &'b [u8], odd: &'h Texts<'b> },
    Digits { values: &'h [i64], width: usize },
    Dictionary { index: &'b [u8], texts: &'h Texts<'b> },
    Text(&'h Texts<'b>),
}

fn steps<'h, 'b>(shape: &'h ReadShape<'b>) -> Result<Vec<Step<'h, 'b>>, BadBlock> {
    let mut steps = Vec::with_capacity(shape.columns.len() + 3);
    let mut from = shape.start;
    let mut ends = shape.shape.part_ends.iter().copied().peekable();
    let mut end_parts = |steps: &mut Vec<_>, from: &mut usize, before: usize| {
        while let Some(end) = ends.next_if(|end| *end < before) {
            let at = shape.start + end;
            steps.push(Step { start: *from, length: at - *from, then: Then::EndOfPart });
            *from = at + 1;
        }
    };
    for (hole, column) in shape.shape.holes.iter().zip(&shape.columns) {
        end_parts(&mut steps, &mut from, hole.at);
        let at = shape.start + hole.at;
        let column = column.as_ref().ok_or(BadBlock::Broken("a hole without a column"))?;
        steps.push(Step { start: from, length: at - from, then: then(column, hole.mark) });
        from = at + 1;
    }
    end_parts(&mut steps, &mut from, usize::MAX);
    steps.push(Step { start: from, length: shape.end - from, then: Then::EndOfPart });
    Ok(steps)
}

fn then<'h, 'b>(column: &'h Column<'b>, mark: u8) -> Then<'h, 'b> {
    match column {
        Column::Decimals { values, scale, least } => {
            Then::Decimal { values, scale: usize::from(*scale), least: usize::from(*least) }
        }
        Column::Each { values, scale, digits, odd } => Then::Each { values, scale: *scale, digits, odd },
        Column::Digits { values } => Then::Digits { values, width: digits_of(mark) },
        Column::Dictionary { index, texts } => Then::Dictionary { index, texts },
        Column::Texts(texts) => Then::Text(texts),
    }
}

/// The buffer that texts are written to. It is as long as all of them and some room, so that a number or a short copy
/// always fits behind an end that has been checked.
struct Buffer {
    bytes: Vec<u8>,
    at: usize,
    limit: usize,
}

impl Buffer {
    #[inline]
    fn put(&mut self, from: &[u8], start: usize, length: usize) -> Result<(), BadBlock> {
        let end = self.at + length;
        if end > self.limit {
            return Err(BadBlock::Broken("texts longer than told"));
        }
        if length <= SHORT {
            self.bytes[self.at..self.at + SHORT].copy_from_slice(&from[start..start + SHORT]);
        } else {
            self.bytes[self.at..end].copy_from_slice(&from[start..start + length]);
        }
        self.at = end;
        Ok(())
    }

    #[inline]
    fn text(&mut self, texts: &Texts<'_>, at: usize) -> Result<(), BadBlock> {
        let (start, end) = (texts.starts[at] as usize, texts.starts[at + 1] as usize);
        self.put(texts.section, start, end - start)
    }

    #[inline]
    fn step(&mut self, step: &Step<'_, '_>, row: usize) -> Result<bool, BadBlock> {
        match &step.then {
            Then::EndOfPart => return Ok(true),
            Then::Decimal { values, scale, least } => {
                self.at = put_decimal(&mut self.bytes, self.at, values[row], *scale, *least);
            }
            Then::Each { values, digits, odd, .. } if digits[row] == ODD => {
                self.text(odd, values[row] as usize)?
            }
            Then::Each { values, scale, digits, .. } => {
                let own = usize::from(digits[row]);
                let scale = if *scale == OWN_SCALE { own } else { usize::from(*scale) };
                self.at = put_decimal(&mut self.bytes, self.at, values[row], scale, scale);
                // Zeros are removed, and the point too where no digit stays behind it.
                self.at -= scale - own + usize::from(own == 0 && scale > 0);
            }
            Then::Digits { values, width } => {
                self.at = put_digits(&mut self.bytes, self.at, values[row], *width);
            }
            Then::Dictionary { index, texts } => self.text(texts, usize::from(index[row]))?,
            Then::Text(texts) => self.text(texts, row)?,
        }
        Ok(false)
    }
}

/// All texts of a block, and where each row's three end.
pub(super) fn rebuild(
    head: &Head<'_>,
    section: &[u8],
    text_bytes: usize,
) -> Result<(Vec<u8>, Vec<[u32; 3]>), BadBlock> {
    let shapes = head.shapes.iter().map(steps).collect::<Result<Vec<_>, _>>()?;
    let mut next = vec![0; shapes.len()];
    let mut ends = Vec::with_capacity(head.shape_of.len());
    let bytes = vec![0; text_bytes + NUMBER_ROOM + SHORT];
    let mut buffer = Buffer { bytes, at: 0, limit: text_bytes };
    for shape in &head.shape_of {
        let shape = usize::from(*shape);
        let row = next[shape];
        next[shape] += 1;
        let mut end = [0; 3];
        let mut part = 0;
        for step in &shapes[shape] {
            buffer.put(section, step.start, step.length)?;
            if buffer.step(step, row)? {
                end[part] = buffer.at as u32;
                part += 1;
            }
        }
        ends.push(end);
    }
    if buffer.at != text_bytes {
        return Err(BadBlock::Broken("texts shorter than told"));
    }
    buffer.bytes.truncate(text_bytes);
    Ok((buffer.bytes, ends))
}
