//! Splitting rows into groups of one shape each.

use std::collections::HashMap;

use super::BlockRow;
use super::follow::Template;
use super::scan::{PART, RAW, Root, SCALAR, scan};
use super::shape::{HOLES_MAX, Shape};

/// A shape with fewer rows is not worth columns: the texts of its rows are kept whole.
const ROWS_MIN: usize = 4;

/// All rows, each in one group.
pub(super) struct Split<'a> {
    pub groups: Vec<Group<'a>>,
    /// The group of each row.
    pub group_of: Vec<u64>,
}

/// Rows of one shape.
pub(super) struct Group<'a> {
    pub skeleton: String,
    pub shape: Shape,
    /// Their numbers in the block, rising.
    pub rows: Vec<usize>,
    /// Where each row's values begin.
    starts: Vec<usize>,
    /// Which of a row's values are in the holes; the others are in the skeleton.
    kept: Vec<usize>,
    values: std::rc::Rc<Vec<&'a [u8]>>,
}

impl<'a> Group<'a> {
    /// The text in a hole of the group's `at`-th row.
    pub fn value(&self, at: usize, hole: usize) -> &'a [u8] {
        self.values[self.starts[at] + self.kept[hole]]
    }

    /// The texts in a hole.
    pub fn column(&self, hole: usize) -> Vec<&'a [u8]> {
        (0..self.rows.len()).map(|at| self.value(at, hole)).collect()
    }

    /// Moves values that all rows share into the skeleton, except those of named fields.
    fn fold(&mut self) {
        let named: Vec<usize> = self.shape.named_holes().collect();
        let shared = |hole: usize| {
            let first = self.value(0, hole);
            let same = (1..self.rows.len()).all(|at| self.value(at, hole) == first);
            (same && self.shape.holes[hole].mark != RAW && !named.contains(&hole)).then_some(first)
        };
        let mut skeleton = Vec::with_capacity(self.skeleton.len() * 2);
        let mut kept = Vec::new();
        let mut from = 0;
        for (hole, place) in self.shape.holes.iter().enumerate() {
            match shared(hole) {
                Some(text) => {
                    skeleton.extend_from_slice(&self.skeleton.as_bytes()[from..place.at]);
                    skeleton.extend_from_slice(text);
                }
                None => {
                    skeleton.extend_from_slice(&self.skeleton.as_bytes()[from..=place.at]);
                    kept.push(hole);
                }
            }
            from = place.at + 1;
        }
        skeleton.extend_from_slice(&self.skeleton.as_bytes()[from..]);
        self.skeleton = String::from_utf8(skeleton).expect("values are cut from texts at ASCII");
        self.shape = Shape::parse(&self.skeleton).expect("a shape stays one with fewer holes");
        self.kept = kept;
    }
}

/// How much of a row is taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    All,
    /// `data` is kept raw: most texts without a common shape differ there.
    NotData,
    Nothing,
}

/// Splits rows by shape; rows whose shape is rare are taken apart less.
pub(super) fn split<'a>(rows: &[BlockRow<'a>]) -> Split<'a> {
    let mut scanner = Scanner::default();
    let mut groups: Vec<FoundGroup> = Vec::new();
    let mut left: Vec<usize> = (0..rows.len()).collect();
    for depth in [Depth::All, Depth::NotData, Depth::Nothing] {
        let mut found = Found::default();
        for row in left.drain(..) {
            let start = scanner.values.len();
            if depth != Depth::All || !found.follow(&rows[row], row, &mut scanner.values) {
                scanner.scan(&rows[row], depth);
                found.put(&scanner.skeleton, row, start);
            }
        }
        for group in found.groups {
            if group.rows.len() < ROWS_MIN && depth != Depth::Nothing {
                left.extend(group.rows);
            } else {
                groups.push(group);
            }
        }
        left.sort_unstable();
    }
    let values = std::rc::Rc::new(scanner.values);
    let mut group_of = vec![0; rows.len()];
    let groups = groups.into_iter().enumerate().map(|(number, FoundGroup { skeleton, rows, starts, .. })| {
        rows.iter().for_each(|row| group_of[*row] = number as u64);
        let skeleton = String::from_utf8(skeleton).expect("values are cut from texts at ASCII");
        let shape = Shape::parse(&skeleton).expect("the scanner counts holes and parts");
        let kept = (0..shape.holes.len()).collect();
        let values = std::rc::Rc::clone(&values);
        let mut group = Group { skeleton, shape, rows, starts, kept, values };
        group.fold();
        group
    });
    Split { groups: groups.collect(), group_of }
}

#[derive(Default)]
struct Scanner<'a> {
    /// The skeleton of the row scanned last.
    skeleton: Vec<u8>,
    /// The values of all rows scanned so far.
    values: Vec<&'a [u8]>,
}

impl<'a> Scanner<'a> {
    fn scan(&mut self, row: &BlockRow<'a>, depth: Depth) {
        self.skeleton.clear();
        let first_value = self.values.len();
        let roots = [Root::Value, Root::Value, Root::Members];
        for (part, (text, root)) in row.parts().into_iter().zip(roots).enumerate() {
            if part > 0 {
                self.skeleton.push(PART);
            }
            let whole = depth == Depth::Nothing || (depth == Depth::NotData && part == 1);
            let (kept, values) = (self.skeleton.len(), self.values.len());
            let plain = !whole && scan(text, root, &mut self.skeleton, &mut self.values).is_ok();
            if !plain || self.values.len() - first_value > HOLES_MAX - 3 {
                self.skeleton.truncate(kept);
                self.values.truncate(values);
                self.skeleton.push(RAW);
                self.values.push(text.as_bytes());
            }
        }
        debug_assert!(!self.skeleton.is_empty() && self.skeleton != [SCALAR]);
    }
}

/// Skeletons met so far.
#[derive(Default)]
struct Found {
    groups: Vec<FoundGroup>,
    numbers: HashMap<Vec<u8>, usize>,
    /// The group of the row before.
    last: usize,
}

struct FoundGroup {
    skeleton: Vec<u8>,
    template: Option<Template>,
    rows: Vec<usize>,
    /// Where each row's values begin.
    starts: Vec<usize>,
}

impl Found {
    /// Whether a row has the skeleton of the row before. If so it joins that group and its values are appended.
    fn follow<'a>(&mut self, row: &BlockRow<'a>, number: usize, values: &mut Vec<&'a [u8]>) -> bool {
        let start = values.len();
        let Some(group) = self.groups.get_mut(self.last) else { return false };
        let same = group.template.as_ref().is_some_and(|template| template.follow(row.parts(), values));
        if same {
            group.rows.push(number);
            group.starts.push(start);
        } else {
            values.truncate(start);
        }
        same
    }

    fn put(&mut self, skeleton: &[u8], row: usize, start: usize) {
        self.last = *self.numbers.entry(skeleton.to_vec()).or_insert(self.groups.len());
        if self.last == self.groups.len() {
            let template = Template::new(skeleton);
            let skeleton = skeleton.to_vec();
            self.groups.push(FoundGroup { skeleton, template, rows: Vec::new(), starts: Vec::new() });
        }
        let group = &mut self.groups[self.last];
        group.rows.push(row);
        group.starts.push(start);
    }
}
