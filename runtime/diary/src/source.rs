//! Where entries come from.

use cells_model::EntryId;
use runtime_types::TimeField;

use crate::Entry;

/// Takes one entry: its id, and its data as JSON text.
pub type Visit<'a> = &'a mut dyn FnMut(EntryId, &str);

/// One person's timeseries, as it was at one moment.
pub trait Source {
    /// Why it cannot be read.
    type Error;

    /// Visits the entries of a key whose time lies between `start` and `end`, s, both closed, by time and then by id.
    /// Entries that are marked invalid are left out.
    ///
    /// # Errors
    /// The source's own.
    fn between(
        &mut self,
        key: &str,
        field: TimeField,
        start: f64,
        end: f64,
        visit: Visit<'_>,
    ) -> Result<(), Self::Error>;

    /// Visits the entries of a key whose `data.ts` is exactly `ts`, s, by id; also those that are marked invalid.
    ///
    /// # Errors
    /// The source's own.
    fn at(&mut self, key: &str, ts: f64, visit: Visit<'_>) -> Result<(), Self::Error>;

    /// The data of the entry of that id.
    ///
    /// # Errors
    /// The source's own.
    fn with_id(&mut self, id: EntryId) -> Result<Option<String>, Self::Error>;
}

/// Those of them that are objects.
pub(crate) fn entries<S: Source>(
    source: &mut S,
    key: &str,
    field: TimeField,
    [start, end]: [f64; 2],
) -> Result<Vec<Entry>, S::Error> {
    let mut found = Vec::new();
    source.between(key, field, start, end, &mut |id, data| found.extend(Entry::read(id, data)))?;
    Ok(found)
}
