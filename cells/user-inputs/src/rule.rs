//! Whether an input belongs to an entry of the timeline.
//!
//! Phones send the times that they showed when the person answered. The times of an entry may have changed since, so
//! the rule is generous at the end: a quarter of an hour, or more where the next entry covers it and the input covers
//! most of the entry.
//!
//! Quirk: an input that ends late belongs to the entry where nothing follows it or the next entry is open, provided
//! that it overlaps half of the entry; how late it ends then does not matter.

/// Where an entry begins that has no beginning (the first stay of all), s.
const BEGIN_MIN: f64 = 0.0;
/// Where an entry ends that has no end (the stay that goes on), s.
pub const END_MAX: f64 = 2_147_483_647.0;
/// How much later than the entry an input may end, s.
const LATE_MAX_S: f64 = 15.0 * 60.0;
/// An input that ends later must cover more than this share of the entry.
const OVERLAP_MIN: f64 = 0.5;

/// The time that an entry covers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// `start_ts` or `enter_ts`; `None` in the first stay of all.
    pub begin: Option<f64>,
    /// `end_ts` or `exit_ts`; `None` in the stay that goes on.
    pub end: Option<f64>,
    /// `duration`, s; absent in a stay without a beginning or an end.
    pub duration: Option<f64>,
}

impl Span {
    /// The beginning as the rule sees it.
    pub fn begin_or_min(&self) -> f64 {
        self.begin.unwrap_or(BEGIN_MIN)
    }

    /// The end as the rule sees it.
    pub fn end_or_max(&self) -> f64 {
        self.end.unwrap_or(END_MAX)
    }
}

/// What follows an entry in the timeline: the stay at the end of a trip, the trip from a stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// Nothing known.
    None,
    /// A stay that goes on.
    Open,
    /// It ends at that moment, s.
    Ends(f64),
}

/// The relation of an input and an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// The input belongs to the entry.
    Belongs,
    /// It does not.
    Apart,
    /// It depends on the covered share of the entry, but the entry has no duration.
    Unmeasured,
}

/// Whether an input from `start_ts` to `end_ts` belongs to the entry. `next` is called only where the input begins
/// within the entry and ends too late.
pub fn fit<E>(
    start_ts: f64,
    end_ts: f64,
    entry: &Span,
    next: impl FnOnce() -> Result<Next, E>,
) -> Result<Fit, E> {
    let (begin, end) = (entry.begin_or_min(), entry.end_or_max());
    let begins_within = start_ts >= begin && start_ts < end;
    if !begins_within {
        return Ok(Fit::Apart);
    }
    // Not `end_ts <= end + LATE_MAX_S`: the last bit of the sum may differ.
    if end_ts <= end || end_ts - end <= LATE_MAX_S {
        return Ok(Fit::Belongs);
    }
    let next_covers = match next()? {
        Next::None | Next::Open => true,
        Next::Ends(next_end) => end_ts <= next_end,
    };
    if !next_covers {
        return Ok(Fit::Apart);
    }
    let overlap = end_ts.min(end) - start_ts.max(begin);
    Ok(match entry.duration {
        Some(duration) if duration != 0.0 && overlap / duration > OVERLAP_MIN => Fit::Belongs,
        Some(duration) if duration != 0.0 => Fit::Apart,
        _ => Fit::Unmeasured,
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use proptest::prelude::*;

    /// From 1,000 to 2,000.
    const TRIP: Span = Span { begin: Some(1000.0), end: Some(2000.0), duration: Some(1000.0) };

    fn fits(start_ts: f64, end_ts: f64, entry: &Span, next: Next) -> Fit {
        fit(start_ts, end_ts, entry, || Ok::<_, Infallible>(next)).expect("infallible")
    }

    fn unasked(start_ts: f64, end_ts: f64, entry: &Span) -> Fit {
        fit(start_ts, end_ts, entry, || Err("asked for the next entry")).expect("not asked")
    }

    #[test]
    fn an_input_begins_at_or_after_the_beginning_of_the_entry_and_before_its_end() {
        assert_eq!(unasked(1000.0, 1500.0, &TRIP), Fit::Belongs);
        assert_eq!(unasked(1000.0_f64.next_down(), 1500.0, &TRIP), Fit::Apart);
        assert_eq!(unasked(2000.0_f64.next_down(), 2000.0, &TRIP), Fit::Belongs);
        assert_eq!(unasked(2000.0, 2000.0, &TRIP), Fit::Apart);
    }

    #[test]
    fn an_input_may_end_up_to_a_quarter_of_an_hour_late() {
        assert_eq!(unasked(1999.0, 2900.0, &TRIP), Fit::Belongs);
        assert_eq!(fits(1999.0, 2900.0_f64.next_up(), &TRIP, Next::None), Fit::Apart);
        assert_eq!(fits(1000.0, 2900.0_f64.next_up(), &TRIP, Next::None), Fit::Belongs);
    }

    #[test]
    fn if_an_input_ends_later_the_next_entry_must_cover_it_unless_that_is_open() {
        assert_eq!(fits(1000.0, 9000.0, &TRIP, Next::Ends(9000.0)), Fit::Belongs);
        assert_eq!(fits(1000.0, 9000.0, &TRIP, Next::Ends(9000.0_f64.next_down())), Fit::Apart);
        assert_eq!(fits(1000.0, 9000.0, &TRIP, Next::Open), Fit::Belongs);
        assert_eq!(fits(1000.0, 1e9, &TRIP, Next::None), Fit::Belongs);
    }

    #[test]
    fn if_an_input_ends_later_it_must_cover_more_than_half_of_the_entry() {
        assert_eq!(fits(1500.0, 9000.0, &TRIP, Next::Open), Fit::Apart);
        assert_eq!(fits(1500.0_f64.next_down(), 9000.0, &TRIP, Next::Open), Fit::Belongs);
        assert_eq!(fits(1500.0_f64.next_down(), 9000.0, &TRIP, Next::Ends(8999.0)), Fit::Apart);
    }

    #[test]
    fn the_first_stay_has_no_beginning_and_the_last_one_has_no_end() {
        let first = Span { begin: None, end: Some(2000.0), duration: None };
        assert_eq!(unasked(0.0, 2900.0, &first), Fit::Belongs);
        assert_eq!(unasked(-1.0, 2900.0, &first), Fit::Apart);
        let last = Span { begin: Some(1000.0), end: None, duration: None };
        assert_eq!(unasked(1000.0, END_MAX, &last), Fit::Belongs);
        assert_eq!(unasked(END_MAX, END_MAX, &last), Fit::Apart);
    }

    #[test]
    fn without_a_duration_the_overlap_cannot_be_judged() {
        let first = Span { begin: None, end: Some(2000.0), duration: None };
        assert_eq!(fits(10.0, 2901.0, &first, Next::Ends(3000.0)), Fit::Unmeasured);
        assert_eq!(fits(10.0, 2901.0, &first, Next::Ends(2900.0)), Fit::Apart);
        let odd = Span { duration: Some(0.0), ..TRIP };
        assert_eq!(fits(1000.0, 9000.0, &odd, Next::Open), Fit::Unmeasured);
    }

    proptest! {
        #[test]
        fn an_input_that_belongs_begins_within_the_entry_and_no_number_panics(
            start_ts: f64, end_ts: f64, begin: Option<f64>, end: Option<f64>, duration: Option<f64>, next: f64,
        ) {
            let entry = Span { begin, end, duration };
            if fits(start_ts, end_ts, &entry, Next::Ends(next)) == Fit::Belongs {
                prop_assert!(entry.begin_or_min() <= start_ts && start_ts < entry.end_or_max());
            }
        }

        #[test]
        fn an_input_belongs_to_at_most_one_of_entries_that_follow_each_other(
            cuts in prop::collection::vec(0_u32..100, 2..8), start in 0_u32..100, length in 0_u32..2_000,
        ) {
            let mut cuts = cuts;
            cuts.sort_unstable();
            let (start_ts, end_ts) = (f64::from(start), f64::from(start + length));
            let spans: Vec<Span> = cuts.windows(2).map(|pair| {
                let (begin, end) = (f64::from(pair[0]), f64::from(pair[1]));
                Span { begin: Some(begin), end: Some(end), duration: Some(end - begin) }
            }).collect();
            let belongs = |at: &usize| {
                let next = spans.get(at + 1).map_or(Next::None, |next| Next::Ends(next.end_or_max()));
                fits(start_ts, end_ts, &spans[*at], next) == Fit::Belongs
            };
            prop_assert!((0..spans.len()).filter(belongs).count() <= 1);
        }
    }
}
