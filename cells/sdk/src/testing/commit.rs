//! Buffered writes of [`Memory`](super::Memory) and how a commit applies them.

use std::rc::Rc;

use cells_model::EntryId;

use super::Stored;
use crate::Area;

/// One buffered write; applied in order.
#[derive(Debug)]
pub(super) enum Write {
    Insert(Stored),
    Put(Stored),
    /// Removes the usercache entry with the row's id and adds the row to its area.
    Move(Stored),
    Replace(Stored),
    Delete(EntryId),
    MarkInvalid(EntryId),
}

/// The counts of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Committed {
    /// Rows that were stored.
    pub stored: u64,
    /// Identical resends of imported entries.
    pub ignored: u64,
    /// Entries of the usercache that a later put with the same identity replaced.
    pub overwritten: u64,
}

pub(super) fn apply(entries: &mut Vec<Rc<Stored>>, writes: Vec<Write>) -> Committed {
    let mut done = Committed::default();
    for write in writes {
        match write {
            Write::Insert(row) => push(entries, row, &mut done),
            Write::Put(row) => put(entries, row, &mut done),
            Write::Move(row) => take_over(entries, row, &mut done),
            Write::Replace(row) => {
                if let Some(at) = find(entries, Area::Timeseries, row.id) {
                    let old = &entries[at];
                    let row = Stored { origin: old.origin.clone(), ..row };
                    entries[at] = Rc::new(row);
                    done.stored += 1;
                }
            }
            Write::Delete(id) => entries.retain(|entry| entry.area != Area::Timeseries || entry.id != id),
            Write::MarkInvalid(id) => {
                if let Some(at) = find(entries, Area::Timeseries, id) {
                    Rc::make_mut(&mut entries[at]).invalid = true;
                }
            }
        }
    }
    done
}

fn find(entries: &[Rc<Stored>], area: Area, id: EntryId) -> Option<usize> {
    entries.iter().position(|entry| entry.area == area && entry.id == id)
}

fn push(entries: &mut Vec<Rc<Stored>>, row: Stored, done: &mut Committed) {
    entries.push(Rc::new(row));
    done.stored += 1;
}

fn put(entries: &mut Vec<Rc<Stored>>, row: Stored, done: &mut Committed) {
    let origin = row.origin_of_put();
    let resends = |entry: &Stored| entry.origin.as_ref().is_some_and(|known| known.same_identity(&origin));
    if let Some(at) = entries.iter().position(|entry| entry.area == Area::Usercache && resends(entry)) {
        entries.remove(at);
        done.overwritten += 1;
    } else if entries
        .iter()
        .any(|entry| entry.area != Area::Usercache && entry.origin.as_ref() == Some(&origin))
    {
        done.ignored += 1;
        return;
    }
    push(entries, Stored { origin: Some(origin), ..row }, done);
}

/// A row for an entry of the usercache is skipped where that entry is gone.
fn take_over(entries: &mut Vec<Rc<Stored>>, row: Stored, done: &mut Committed) {
    let Some(at) = find(entries, Area::Usercache, row.id) else { return };
    let origin = entries.remove(at).origin.clone();
    push(entries, Stored { origin, ..row }, done);
}
