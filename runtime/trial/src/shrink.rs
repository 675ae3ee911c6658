//! A failure made small: the fewest days, and then the fewest entries, with which it still shows.
//!
//! Delta debugging: parts are left out, halves first and single items last, as long as the failure stays. How often it is
//! tried is bounded, so the result is small and not always the smallest.

use crate::people::{Case, Day};

/// How often one failure is played to make it small.
pub const PLAYS_MAX: u32 = 200;

/// The smallest person found with whom `fails` still says yes; `plays`: how often it may still be asked.
pub fn shrink(case: &Case, mut plays: u32, mut fails: impl FnMut(&Case) -> bool) -> Case {
    let with = |days: Vec<Day>| Case { days, ..case.clone() };
    let days = fewest(case.days.clone(), &mut plays, |days| {
        // A person without days has no last moment.
        !days.is_empty() && fails(&with(days.to_vec()))
    });
    let all =
        days.iter().enumerate().flat_map(|(day, of)| (0..of.entries.len()).map(move |entry| (day, entry)));
    let rebuilt = |kept: &[(usize, usize)]| {
        let entries = |day: usize| {
            let of_day = kept.iter().filter(|(of, _)| *of == day);
            of_day.map(|(day, entry)| days[*day].entries[*entry].clone()).collect()
        };
        with((0..days.len()).map(|day| Day { entries: entries(day), ..days[day].clone() }).collect())
    };
    let kept = fewest(all.collect(), &mut plays, |kept| fails(&rebuilt(kept)));
    rebuilt(&kept)
}

/// The fewest items with which `fails` says yes; with all of them it does.
fn fewest<T: Clone>(mut items: Vec<T>, plays: &mut u32, mut fails: impl FnMut(&[T]) -> bool) -> Vec<T> {
    let mut parts = 2;
    while items.len() > 1 && *plays > 0 {
        let size = items.len().div_ceil(parts);
        let mut found = None;
        for from in (0..items.len()).step_by(size) {
            if *plays == 0 {
                break;
            }
            *plays -= 1;
            let rest = [&items[..from], &items[(from + size).min(items.len())..]].concat();
            if fails(&rest) {
                found = Some(rest);
                break;
            }
        }
        match found {
            Some(rest) => {
                items = rest;
                parts = (parts - 1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(items.len()),
        }
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_failure_needs_is_left() {
        let mut plays = PLAYS_MAX;
        let needs = |items: &[u32]| items.contains(&17) && items.contains(&801);
        assert_eq!(fewest((0..1_000).collect(), &mut plays, needs), [17, 801]);
        assert!(plays > 0, "it took {PLAYS_MAX} plays");
    }

    #[test]
    fn no_more_is_played_than_is_allowed() {
        let (mut plays, mut played) = (10, 0);
        let left = fewest((0..1_000).collect::<Vec<_>>(), &mut plays, |_| {
            played += 1;
            false
        });
        assert_eq!((played, left.len()), (10, 1_000));
    }

    #[test]
    fn days_go_before_entries_and_their_midnights_stay() {
        let case = Case::invent(5, 3);
        let wanted = case.days[1].entries[3].get().to_owned();
        let small =
            shrink(&case, PLAYS_MAX, |case| case.days.iter().any(|day| day.texts().contains(&wanted)));
        assert_eq!((small.days.len(), small.entries()), (1, 1));
        assert_eq!(small.days[0].from, case.days[1].from);
    }
}
