//! Positions in results of [`Memory`](super::Memory).

use std::rc::Rc;

use cells_model::device::device_name;
use cells_model::page::{Entry, PageWriter};
use serde_json::Value;

use super::Stored;
use crate::limits::{PAGE_BYTES, ROWS_MAX};
use crate::{EntrySource, Failure, LocationRows, LocationSource, TimeField};

/// The remaining entries of a cursor; it counts as open until it is dropped.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) entries: std::vec::IntoIter<Rc<Stored>>,
    pub(super) field: TimeField,
    /// Every open cursor holds a clone, so the count of references is the number of open cursors.
    pub(super) _open: Rc<()>,
}

/// A cursor over entries; its pages are built as the runtime builds them.
#[derive(Debug)]
pub struct EntryCursor {
    pub(super) answer: Answer,
    pub(super) user: [u8; 16],
}

impl EntrySource for EntryCursor {
    fn next_page(&mut self, bytes_max: u32) -> Result<Vec<u8>, Failure> {
        let mut page =
            PageWriter::new(self.user, bytes_max.clamp(*PAGE_BYTES.start(), *PAGE_BYTES.end()) as usize);
        let mut taken = 0;
        for stored in self.answer.entries.as_slice() {
            let entry = Entry {
                id: stored.id,
                key: &stored.key,
                invalid: stored.invalid,
                write_ts: stored.time(TimeField::WriteTs),
                time: stored.time(self.answer.field),
                metadata: &stored.metadata,
                data: &stored.data,
                text: "",
            };
            if !page.push(&entry, &stored.extra) {
                break;
            }
            taken += 1;
        }
        self.answer.entries.by_ref().take(taken).for_each(drop);
        Ok(page.finish())
    }
}

/// A cursor over columns.
#[derive(Debug)]
pub struct LocationCursor {
    pub(super) answer: Answer,
}

impl LocationSource for LocationCursor {
    fn next_rows(&mut self, rows_max: u32) -> Result<LocationRows, Failure> {
        let mut rows = LocationRows::default();
        for stored in self.answer.entries.by_ref().take(rows_max.clamp(1, ROWS_MAX) as usize) {
            let data = stored.data();
            let number = |name: &str| data.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN);
            rows.ids.push(stored.id);
            rows.ts.push(number("ts"));
            rows.write_ts.push(stored.time(TimeField::WriteTs));
            rows.latitude.push(number("latitude"));
            rows.longitude.push(number("longitude"));
            rows.accuracy.push(number("accuracy"));
            rows.filter.push(match data.get("filter") {
                None => 0,
                Some(filter) if filter == "time" => 1,
                Some(filter) if filter == "distance" => 2,
                Some(_) => 3,
            });
            rows.push_device(device_name(&stored.metadata).as_deref());
        }
        Ok(rows)
    }
}
