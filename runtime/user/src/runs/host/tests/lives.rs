//! Two lives that are the same as far as a grant tells answer alike, byte by byte, whatever is asked.

use proptest::prelude::*;
use runtime_consent::{Narrowing, Place, Time, centre_of};
use runtime_types::Order;

use super::*;

/// Where in its grain, its cell and its rounding an entry is, in parts of a thousand.
type Fine = [u16; 6];

/// What a grant tells of an entry: which grains, which cells.
#[derive(Debug, Clone, Copy)]
struct Coarse {
    is_trip: bool,
    grains: [u8; 3],
    cells: [u8; 2],
    rounded: u8,
}

fn life(coarse: &[(Coarse, u8)], fine: &[Fine], place: Place, time: Time) -> Vec<Entry> {
    let grain = time.seconds().expect("coarse");
    let metres = place.metres().expect("coarse");
    let one = |((coarse, number), fine): (&(Coarse, u8), &Fine)| {
        let part = |at: usize| f64::from(fine[at]) / 1_000.0;
        let moment = |at: usize| MIDNIGHT + f64::from(coarse.grains[at]) * grain + part(at) * (grain - 1.0);
        let at = |at: usize| {
            // Up to four tenths of a cell to each side of a centre.
            let far = f64::from(coarse.cells[at]) * metres / 111_000.0;
            let (latitude, longitude) = centre_of(place, 47.1 + far, 8.2 + far);
            let aside = 0.8 * (part(3 + at) - 0.5) * metres / 111_195.0;
            [latitude + aside, longitude - aside]
        };
        let (start, end) = (moment(0).min(moment(1)), moment(0).max(moment(1)));
        Entry {
            id: EntryId(std::array::from_fn(|at| if at < 11 { 3 } else { *number })),
            key: if coarse.is_trip { TRIP } else { LOCATION },
            write_ts: moment(2),
            times: if coarse.is_trip { vec![start, end] } else { vec![start] },
            places: if coarse.is_trip { vec![at(0), at(1)] } else { vec![at(0)] },
            distance: (f64::from(coarse.rounded) + 0.9 * (part(5) - 0.5)) * metres,
        }
    };
    coarse.iter().zip(fine).map(one).collect()
}

fn coarse() -> impl Strategy<Value = Coarse> {
    (any::<bool>(), [0_u8..4, 0_u8..4, 0_u8..4], [0_u8..3, 0_u8..3], 0_u8..20).prop_map(
        |(is_trip, grains, cells, rounded)| {
            // A trip within one grain, so that its length tells nothing of the grain.
            let grains = [grains[0], grains[0], grains[2]];
            Coarse { is_trip, grains, cells, rounded }
        },
    )
}

fn fine(count: usize) -> impl Strategy<Value = Vec<Fine>> {
    prop::collection::vec(prop::array::uniform6(0_u16..1_000), count)
}

fn lives() -> impl Strategy<Value = (Vec<(Coarse, u8)>, Vec<Fine>, Vec<Fine>)> {
    prop::collection::vec(coarse(), 1..40).prop_flat_map(|coarse| {
        let count = coarse.len();
        let numbered: Vec<_> = coarse.into_iter().zip(0_u8..).collect();
        (Just(numbered), fine(count), fine(count))
    })
}

/// All that a cell gets for these questions, as bytes and words.
fn answers(entries: &[Entry], narrowing: &Narrowing, now: f64, questions: &[Query]) -> Vec<String> {
    let lab = Lab::new();
    lab.put(entries);
    let mut host = lab.host(std::slice::from_ref(narrowing), now);
    let mut answers = Vec::new();
    let mut ids = Vec::new();
    for question in questions {
        let found = find(&mut host, question).expect("granted");
        ids.extend(read(&found).iter().map(|entry| entry.id));
        answers.push(format!("{found:?}"));
        answers.push(format!("{:?}", host.count(question.clone()).expect("granted")));
        answers.push(format!("{:?}", find_locations(&mut host, question).expect("granted")));
    }
    answers.push(format!("{:?}", find_ids(&mut host, &[LOCATION, TRIP], &ids).expect("granted")));
    let stored: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    answers.push(format!("{:?}", find_ids(&mut host, &[LOCATION, TRIP], &stored).expect("granted")));
    answers
}

fn questions() -> impl Strategy<Value = Vec<Query>> {
    let field = prop::sample::select(&FIELDS[..]);
    let keys = prop::sample::select(&KEYS[..]);
    let bound = || (0.0..400_000.0_f64).prop_map(|after| MIDNIGHT + after);
    let question = (keys, field, bound(), bound(), any::<bool>());
    let question = question.prop_map(|(keys, field, one, other, descending)| Query {
        order: if descending { Order::Descending } else { Order::Ascending },
        ..query(keys, field, one.min(other), one.max(other))
    });
    prop::collection::vec(question, 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn attack_123_two_lives_that_differ_within_grains_and_cells_answer_every_query_alike(
        (coarse, one, other) in lives(),
        place in prop::sample::select(&Place::ALL[1..]),
        time in prop::sample::select(&Time::ALL[1..]),
        questions in questions(),
        now in prop_oneof![Just(MIDNIGHT + 1e6), (0.0..400_000.0_f64).prop_map(|after| MIDNIGHT + after)],
    ) {
        let narrowing = Narrowing { place: Some(place), time: Some(time), ..Narrowing::default() };
        let [one, other] = [one, other].map(|fine| {
            answers(&life(&coarse, &fine, place, time), &narrowing, now, &questions)
        });
        prop_assert_eq!(one, other);
    }
}
