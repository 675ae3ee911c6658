//! The inputs that an entry of the timeline shows: `user_input` and `additions`.
//!
//! * `user_input`: for each kind of label and form, the one that was written last; of those written at the same moment,
//!   the one that begins last.
//! * `additions`: all that were not undone, in the order of their beginnings when the entry is made, and in the order
//!   of writing for later ones.
//!
//! Quirk: a new entry accepts inputs of every kind, a stay also labels of trips; a later input goes only to the kind of
//! entry that it is about.

use std::convert::Infallible;

use cells_sdk::model::EntryId;
use cells_sdk::model::text::{BadObject, Object};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::input::{Held, Input, Kind, Status};
use crate::rule::{Fit, Next, Span, fit};

/// The two members that an entry shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered {
    /// A JSON object: labels and whole forms, by the names of their kinds.
    pub user_input: String,
    /// A JSON list of whole entries.
    pub additions: String,
}

/// Why an entry's inputs cannot be changed: its members were not written by a stage.
#[derive(Debug, thiserror::Error)]
pub enum BadEntered {
    /// `user_input`
    #[error("user_input cannot be read")]
    UserInput(#[from] BadObject),
    /// `additions`
    #[error("additions cannot be read")]
    Additions(#[from] serde_json::Error),
}

impl Default for Entered {
    fn default() -> Self {
        Self { user_input: "{}".to_owned(), additions: "[]".to_owned() }
    }
}

impl Entered {
    /// The members of a new entry. `inputs` are in the order of their beginnings and ids. Also returns how many could
    /// not be judged ([`Fit::Unmeasured`]).
    pub fn of(inputs: &[Input], entry: &Span, next: impl Fn() -> Next) -> (Self, usize) {
        let from = inputs.partition_point(|input| input.start_ts < entry.begin_or_min());
        let through = inputs.partition_point(|input| input.start_ts < entry.end_or_max()).max(from);
        let mut unmeasured = 0;
        let mut belonging = Vec::new();
        for input in &inputs[from..through] {
            let Ok(found) = fit(input.start_ts, input.end_ts, entry, || Ok::<_, Infallible>(next()));
            match found {
                Fit::Belongs => belonging.push(input),
                Fit::Apart => {}
                Fit::Unmeasured => unmeasured += 1,
            }
        }
        if belonging.is_empty() {
            return (Self::default(), unmeasured);
        }
        (Self { user_input: latest(&belonging), additions: standing(&belonging) }, unmeasured)
    }

    /// Adds an input that came later. An existing addition is not added again, so that adding the same inputs twice
    /// changes nothing.
    pub fn take_in(&mut self, input: &Input) -> Result<(), BadEntered> {
        match input.kind.held() {
            Held::Label | Held::Form => {
                let mut user_input = Object::read(&self.user_input)?;
                user_input.set(input.kind.name(), &*input.text);
                self.user_input = user_input.write("");
            }
            Held::Additions => self.additions = added(&self.additions, input)?,
        }
        Ok(())
    }
}

fn latest(belonging: &[&Input]) -> String {
    let mut user_input = Object::empty();
    for kind in Kind::ALL.into_iter().filter(|kind| kind.held() != Held::Additions) {
        let of_kind = belonging.iter().filter(|input| input.kind == kind);
        // Of equal ones the last is returned, which is the one that begins last.
        if let Some(latest) = of_kind.max_by(|a, b| a.write_ts.total_cmp(&b.write_ts)) {
            user_input.set(kind.name(), &*latest.text);
        }
    }
    user_input.write("")
}

fn standing(belonging: &[&Input]) -> String {
    let additions = || belonging.iter().filter(|input| input.kind.held() == Held::Additions);
    let deleted: Vec<&Value> = additions()
        .filter(|input| input.status == Status::Deleted)
        .filter_map(|input| input.match_id.as_ref())
        .collect();
    let stands = |input: &&&Input| {
        let taken_back = input.match_id.as_ref().is_some_and(|id| deleted.contains(&id));
        input.status == Status::Active && !taken_back
    };
    list(additions().filter(stands).map(|input| &*input.text))
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::from("[");
    for item in items {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(item);
    }
    text.push(']');
    text
}

/// As much of an entry within a list as is compared.
#[derive(Deserialize)]
struct Addition {
    #[serde(rename = "_id")]
    id: Option<EntryId>,
    data: AdditionData,
}

#[derive(Deserialize)]
struct AdditionData {
    #[serde(default)]
    match_id: Option<Value>,
}

/// The list `additions` with one more, or without those that `input` undoes.
pub fn added(additions: &str, input: &Input) -> Result<String, serde_json::Error> {
    let mut items: Vec<&RawValue> = serde_json::from_str(additions)?;
    let mut read = Vec::with_capacity(items.len());
    for item in &items {
        read.push(serde_json::from_str::<Addition>(item.get())?);
    }
    match input.status {
        Status::Active if read.iter().any(|item| item.id == Some(input.id)) => Ok(additions.to_owned()),
        Status::Active => {
            let new = std::iter::once(&*input.text);
            Ok(list(items.iter().map(|item| item.get()).chain(new)))
        }
        Status::Deleted => {
            let mut read = read.into_iter();
            items.retain(|_| {
                let item = read.next().expect("one was read for each");
                input.match_id.is_none() || item.data.match_id != input.match_id
            });
            Ok(list(items.iter().map(|item| item.get())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: Span = Span { begin: Some(0.0), end: Some(100.0), duration: Some(100.0) };

    fn id(number: u8) -> EntryId {
        EntryId([number; 12])
    }

    fn label(number: u8, start_ts: f64, write_ts: f64) -> Input {
        Input {
            kind: Kind::ModeConfirm,
            id: id(number),
            start_ts,
            end_ts: start_ts + 1.0,
            write_ts,
            text: format!("\"{number}\""),
            status: Status::Active,
            match_id: None,
        }
    }

    fn addition(number: u8, start_ts: f64, match_id: &str, status: Status) -> Input {
        let text = format!(
            r#"{{"_id":{},"data":{{"match_id":"{match_id}"}}}}"#,
            serde_json::to_string(&id(number)).expect("plain")
        );
        let match_id = Some(Value::from(match_id));
        Input { kind: Kind::TripAddition, status, match_id, text, ..label(number, start_ts, 1.0) }
    }

    fn of(inputs: &[Input]) -> Entered {
        Entered::of(inputs, &DAY, || Next::None).0
    }

    fn ids(entered: &Entered) -> Vec<u8> {
        let items: Vec<Addition> = serde_json::from_str(&entered.additions).expect("a list");
        items.iter().map(|item| item.id.expect("an id").0[0]).collect()
    }

    #[test]
    fn the_input_of_each_kind_that_was_written_last_is_shown() {
        let other = Input { kind: Kind::PurposeConfirm, ..label(9, 5.0, 1.0) };
        let entered = of(&[label(1, 1.0, 10.0), label(2, 2.0, 30.0), label(3, 3.0, 20.0), other]);
        assert_eq!(entered.user_input, r#"{"mode_confirm":"2","purpose_confirm":"9"}"#);
        assert_eq!(entered.additions, "[]");
    }

    #[test]
    fn the_last_beginning_decides_between_inputs_written_together() {
        let entered = of(&[label(1, 1.0, 10.0), label(2, 2.0, 10.0)]);
        assert_eq!(entered.user_input, r#"{"mode_confirm":"2"}"#);
    }

    #[test]
    fn inputs_that_do_not_belong_are_not_shown() {
        let inputs = [label(1, 100.0, 1.0), label(2, 200.0, 1.0)];
        assert_eq!(of(&inputs), Entered::default());
    }

    // Row: "A late input on a stay without a duration"
    #[test]
    fn additions_are_ordered_by_their_beginnings_without_removed_ones() {
        let inputs = [
            addition(1, 1.0, "a", Status::Active),
            addition(2, 2.0, "b", Status::Active),
            addition(3, 3.0, "a", Status::Deleted),
            Input { match_id: None, ..addition(4, 4.0, "", Status::Active) },
        ];
        assert_eq!(ids(&of(&inputs)), [2, 4]);
        let outside = addition(5, 300.0, "b", Status::Deleted);
        assert_eq!(ids(&of(&[&inputs[..], &[outside]].concat())), [2, 4], "only what belongs takes back");
    }

    // Row: "A late input on a stay without a duration"
    #[test]
    fn inputs_that_cannot_be_judged_are_counted() {
        let first = Span { begin: None, end: Some(100.0), duration: None };
        let long = Input { end_ts: 5000.0, ..label(1, 1.0, 1.0) };
        assert_eq!(Entered::of(&[long], &first, || Next::None), (Entered::default(), 1));
    }

    #[test]
    fn a_later_label_replaces_the_earlier_one_of_its_kind_only() {
        let mut entered =
            of(&[label(1, 1.0, 10.0), Input { kind: Kind::ReplacedMode, ..label(7, 1.0, 1.0) }]);
        entered.take_in(&label(2, 1.0, 5.0)).expect("sound");
        assert_eq!(entered.user_input, r#"{"mode_confirm":"2","replaced_mode":"7"}"#);
    }

    // Row: "An addition is appended again"
    #[test]
    fn a_later_addition_is_appended_once_and_removed_by_its_match_id() {
        let mut entered = Entered::default();
        for input in [
            addition(2, 1.0, "b", Status::Active),
            addition(1, 1.0, "a", Status::Active),
            addition(2, 1.0, "b", Status::Active),
        ] {
            entered.take_in(&input).expect("sound");
        }
        assert_eq!(ids(&entered), [2, 1]);
        entered.take_in(&addition(3, 1.0, "b", Status::Deleted)).expect("sound");
        assert_eq!(ids(&entered), [1]);
        let nothing = Input { match_id: None, ..addition(4, 1.0, "", Status::Deleted) };
        entered.take_in(&nothing).expect("sound");
        assert_eq!(ids(&entered), [1]);
    }

    #[test]
    fn members_of_another_form_are_refused() {
        let mut odd = Entered { user_input: "[".to_owned(), additions: "{}".to_owned() };
        assert!(matches!(odd.take_in(&label(1, 1.0, 1.0)), Err(BadEntered::UserInput(_))));
        let addition = addition(1, 1.0, "a", Status::Active);
        assert!(matches!(odd.take_in(&addition), Err(BadEntered::Additions(_))));
    }

    proptest! {
        #[test]
        fn adding_the_same_inputs_twice_changes_nothing(
            inputs in prop::collection::vec((0_u8..6, 0_u8..3, any::<bool>(), any::<bool>()), 0..12)
        ) {
            let mut entered = Entered::default();
            // Each entry has one id and stands for itself: the number says which.
            let inputs: Vec<Input> = inputs.iter().enumerate().map(|(at, (_, match_id, deletes, is_label))| {
                let number = at as u8 + 1;
                let status = if *deletes { Status::Deleted } else { Status::Active };
                if *is_label { label(number, 1.0, 1.0) } else { addition(number, 1.0, &match_id.to_string(), status) }
            }).collect();
            for input in &inputs {
                entered.take_in(input).expect("sound");
            }
            let once = entered.clone();
            for input in &inputs {
                entered.take_in(input).expect("sound");
            }
            let sorted = |entered: &Entered| { let mut ids = ids(entered); ids.sort_unstable(); ids };
            prop_assert_eq!(sorted(&entered), sorted(&once));
            prop_assert_eq!(entered.user_input, once.user_input);
        }
    }
}
