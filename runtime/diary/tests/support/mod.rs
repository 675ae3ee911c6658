//! A person in memory, as the source of a diary.

use std::convert::Infallible;

use cells_model::EntryId;
use cells_sdk::Area;
use cells_sdk::testing::{Memory, Stored};
use runtime_diary::{Source, Visit};
use runtime_types::TimeField;

/// One person.
pub struct InMemory<'a>(pub &'a Memory);

impl InMemory<'_> {
    fn visit(&self, wanted: impl Fn(&Stored) -> Option<f64>, visit: Visit<'_>) {
        let entries = self.0.entries(Area::Timeseries);
        let mut found: Vec<_> =
            entries.into_iter().filter_map(|entry| Some((wanted(entry)?, entry))).collect();
        found.sort_by(|(a, x), (b, y)| a.total_cmp(b).then(x.id.cmp(&y.id)));
        found.iter().for_each(|(_, entry)| visit(entry.id, &entry.data));
    }
}

impl Source for InMemory<'_> {
    type Error = Infallible;
    fn between(
        &mut self,
        key: &str,
        field: TimeField,
        start: f64,
        end: f64,
        visit: Visit<'_>,
    ) -> Result<(), Infallible> {
        let field = match field {
            TimeField::StartTs => cells_sdk::TimeField::StartTs,
            TimeField::EnterTs => cells_sdk::TimeField::EnterTs,
            _ => cells_sdk::TimeField::DataTs,
        };
        let wanted = |entry: &Stored| {
            let ts = entry.time(field);
            (entry.key == key && !entry.invalid && (start..=end).contains(&ts)).then_some(ts)
        };
        self.visit(wanted, visit);
        Ok(())
    }
    fn at(&mut self, key: &str, ts: f64, visit: Visit<'_>) -> Result<(), Infallible> {
        let field = cells_sdk::TimeField::DataTs;
        self.visit(|entry| (entry.key == key && entry.time(field) == ts).then_some(ts), visit);
        Ok(())
    }
    fn with_id(&mut self, id: EntryId) -> Result<Option<String>, Infallible> {
        let entries = self.0.entries(Area::Timeseries);
        Ok(entries.iter().find(|entry| entry.id == id).map(|entry| entry.data.clone()))
    }
}
