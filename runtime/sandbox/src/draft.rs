//! A query as a cell of version 0.2 puts it together.
//!
//! * Invariants: a draft holds what was checked already, or why a part has no meaning; so however long the words of a
//!   guest are, a draft is at most as large as a query.

use runtime_types::{Area, Order, Query, StreamKey, TimeField};

use crate::Failure;

/// A query whose parts were set one by one. A wrong part is reported when the query is used, and may be set again.
#[derive(Debug)]
pub struct Draft {
    area: Result<Area, Failure>,
    keys: Result<Vec<StreamKey>, Failure>,
    field: Result<TimeField, Failure>,
    start: f64,
    end: f64,
    order: Order,
    with_invalid: bool,
}

impl Draft {
    /// For every key that the grant covers in the timeseries, without bounds.
    pub(crate) fn new() -> Self {
        Self {
            area: Ok(Area::Timeseries),
            keys: Ok(Vec::new()),
            field: Ok(TimeField::Position),
            start: f64::NEG_INFINITY,
            end: f64::INFINITY,
            order: Order::Ascending,
            with_invalid: false,
        }
    }

    pub(crate) fn set_area(&mut self, word: &str) {
        self.area = match word {
            "timeseries" => Ok(Area::Timeseries),
            "usercache" => Ok(Area::Usercache),
            "errors" => Ok(Area::Errors),
            _ => Err(unknown("area", word)),
        };
    }

    pub(crate) fn set_keys(&mut self, keys: Result<Vec<StreamKey>, Failure>) {
        self.keys = keys;
    }

    pub(crate) fn set_time(&mut self, word: &str) {
        self.field = match word {
            "write-ts" => Ok(TimeField::WriteTs),
            "data-ts" => Ok(TimeField::DataTs),
            "start-ts" => Ok(TimeField::StartTs),
            "end-ts" => Ok(TimeField::EndTs),
            "enter-ts" => Ok(TimeField::EnterTs),
            "exit-ts" => Ok(TimeField::ExitTs),
            "position" => Ok(TimeField::Position),
            _ => Err(unknown("time", word)),
        };
    }

    pub(crate) fn set_bounds(&mut self, start: Option<f64>, end: Option<f64>) {
        self.start = start.unwrap_or(f64::NEG_INFINITY);
        self.end = end.unwrap_or(f64::INFINITY);
    }

    pub(crate) fn set_latest_first(&mut self, latest_first: bool) {
        self.order = if latest_first { Order::Descending } else { Order::Ascending };
    }

    pub(crate) fn set_with_invalid(&mut self, with_invalid: bool) {
        self.with_invalid = with_invalid;
    }

    /// The query, or the first part without a meaning.
    pub(crate) fn query(&self) -> Result<Query, Failure> {
        let query = Query {
            area: self.area.clone()?,
            keys: self.keys.clone()?,
            field: self.field.clone()?,
            start: self.start,
            end: self.end,
            order: self.order,
            with_invalid: self.with_invalid,
        };
        query.check().map_err(|bad| Failure::Invalid(bad.to_string()))?;
        Ok(query)
    }
}

fn unknown(what: &str, word: &str) -> Failure {
    let word: String = word.chars().take(40).collect();
    Failure::Invalid(format!("no {what} of a query is called `{word}`"))
}

/// The drafts of one call: the guest's number and the draft. As with cursors, one instance never uses a number twice.
/// The engine bounds how many handles a guest holds.
#[derive(Default)]
pub(crate) struct Drafts {
    open: Vec<(u32, Draft)>,
    next: u32,
}

impl Drafts {
    pub(crate) fn add(&mut self) -> u32 {
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        self.open.push((number, Draft::new()));
        number
    }

    pub(crate) fn remove(&mut self, number: u32) {
        self.open.retain(|(open, _)| *open != number);
    }

    /// Drops all of them; numbers go on.
    pub(crate) fn clear(&mut self) {
        self.open.clear();
    }

    /// A draft that the guest kept from an earlier call is not found.
    pub(crate) fn get(&mut self, number: u32) -> Option<&mut Draft> {
        self.open.iter_mut().find(|(open, _)| *open == number).map(|(_, draft)| draft)
    }

    pub(crate) fn query(&mut self, number: u32) -> Result<Query, Failure> {
        let earlier = || Failure::Invalid("a query of an earlier call".to_owned());
        self.get(number).ok_or_else(earlier)?.query()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_without_a_meaning_is_reported_when_the_query_is_used_and_can_be_set_again() {
        let mut draft = Draft::new();
        assert_eq!(draft.query().unwrap().field, TimeField::Position);
        draft.set_area(&"x".repeat(1_000));
        draft.set_time("when");
        let words = format!("no area of a query is called `{}`", "x".repeat(40));
        assert_eq!(draft.query(), Err(Failure::Invalid(words)));
        draft.set_area("errors");
        assert_eq!(draft.query(), Err(Failure::Invalid("no time of a query is called `when`".to_owned())));
        draft.set_time("end-ts");
        draft.set_bounds(Some(f64::NAN), None);
        assert!(matches!(draft.query(), Err(Failure::Invalid(_))));
        draft.set_bounds(Some(1.0), None);
        let query = draft.query().unwrap();
        assert_eq!((query.area, query.field, query.start), (Area::Errors, TimeField::EndTs, 1.0));
    }

    #[test]
    fn a_number_is_never_used_for_two_drafts() {
        let mut drafts = Drafts::default();
        let first = drafts.add();
        drafts.clear();
        let second = drafts.add();
        assert_ne!(first, second);
        assert!(drafts.query(first).is_err() && drafts.query(second).is_ok());
        drafts.remove(second);
        assert!(drafts.get(second).is_none());
    }
}
