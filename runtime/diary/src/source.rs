//! The source of entries.

use cells_model::EntryId;
use runtime_types::TimeField;

use crate::Entry;

/// Receives one entry: its id, and its data as JSON text.
pub type Visit<'a> = &'a mut dyn FnMut(EntryId, &str);

/// One person's timeseries, as it was at one moment.
pub trait Source {
    /// Why it cannot be read.
    type Error;

    /// Visits the entries of a key whose time is between `start` and `end`, s, both included, by time and then by id.
    /// Entries that are marked invalid are left out.
    ///
    /// # Errors
    /// The error of the source.
    fn between(
        &mut self,
        key: &str,
        field: TimeField,
        start: f64,
        end: f64,
        visit: Visit<'_>,
    ) -> Result<(), Self::Error>;

    /// Visits the entries of a key whose `data.ts` is exactly `ts`, s, by id, including those that are marked invalid.
    ///
    /// # Errors
    /// The error of the source.
    fn at(&mut self, key: &str, ts: f64, visit: Visit<'_>) -> Result<(), Self::Error>;

    /// The data of the entry of that id.
    ///
    /// # Errors
    /// The error of the source.
    fn with_id(&mut self, id: EntryId) -> Result<Option<String>, Self::Error>;
}

/// Those entries whose data are an object.
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
