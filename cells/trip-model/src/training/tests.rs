use super::*;
use proptest::prelude::*;

fn trip(number: u8, write_ts: f64, mode: Option<&str>) -> Trip {
    let given = match mode {
        None => Given::Nothing,
        Some("form") => Given::Form,
        Some(mode) => Given::Labels(Labels(vec![
            ("mode_confirm".to_owned(), Some(mode.to_owned())),
            ("purpose_confirm".to_owned(), None),
        ])),
    };
    let ends = Ends::from_array([8.0, 47.0 + f64::from(number) * 0.01, 8.1, 47.1]);
    Trip { id: EntryId([number; 12]), write_ts, end_ts: write_ts - 100.0, ends, given }
}

fn ids(training: &Training) -> Vec<u8> {
    training.trips.iter().map(|trip| trip.id.0[0]).collect()
}

#[test]
fn trips_are_kept_in_the_order_of_their_writing_and_then_of_their_ids() {
    let trips = vec![trip(3, 1.0, Some("a")), trip(2, 2.0, Some("a")), trip(1, 1.0, Some("a"))];
    assert_eq!(ids(&Training::of(trips, false)), [1, 3, 2]);
}

#[test]
fn a_trip_is_added_changed_and_removed_with_its_labels() {
    let mut training = Training::default();
    assert!(!training.take_in(vec![trip(1, 1.0, None)]));
    assert!(training.take_in(vec![
        trip(2, 2.0, Some("a")),
        trip(1, 1.0, Some("a")),
        trip(1, 1.0, Some("b"))
    ]));
    assert_eq!(ids(&training), [1, 2]);
    assert!(!training.take_in(vec![trip(2, 2.0, Some("a"))]), "nothing new");
    assert!(training.take_in(vec![trip(2, 2.0, Some("b"))]));
    assert!(training.take_in(vec![trip(1, 1.0, None)]));
    assert_eq!(ids(&training), [2]);
}

#[test]
fn the_oldest_are_left_out_and_that_is_remembered() {
    let trips = (1..=5).map(|number| trip(number, f64::from(number), Some("a"))).collect();
    let mut training = Training::of(trips, false);
    training.leave_out_all_but(5);
    assert!(!training.has_left_out());
    training.leave_out_all_but(2);
    assert_eq!((ids(&training), training.has_left_out()), (vec![4, 5], true));
    assert!(Training::parse(&training.to_document()).unwrap().has_left_out());
}

proptest! {
    #[test]
    fn training_can_be_written_and_read_back_and_gives_the_same_model(
        trips in prop::collection::vec((0.0..9.0_f64, "(form|[a-cü\"\\\\]{1,2})"), 0..20), left_out: bool,
    ) {
        let trips = trips.iter().zip(0_u8..).map(|((write_ts, mode), n)| trip(n, *write_ts, Some(mode))).collect();
        let training = Training::of(trips, left_out);
        let back = Training::parse(&training.to_document()).unwrap();
        prop_assert_eq!(&back, &training);
        prop_assert_eq!(back.model(), training.model());
    }

    #[test]
    fn adding_trips_one_by_one_gives_the_same_as_adding_them_at_once(
        pieces in prop::collection::vec((0_u8..8, prop::option::of("(form|[ab])")), 0..20), cut in 0_usize..20,
    ) {
        let all: Vec<_> = pieces.iter().map(|(n, mode)| trip(*n, f64::from(*n % 3), mode.as_deref())).collect();
        let mut at_once = Training::default();
        at_once.take_in(all.clone());
        let mut piecewise = Training::default();
        let (first, second) = all.split_at(cut.min(all.len()));
        piecewise.take_in(first.to_vec());
        piecewise.take_in(second.to_vec());
        prop_assert_eq!(piecewise, at_once);
    }

    #[test]
    fn the_reader_never_panics_whatever_the_document(text in r#"[{}\[\]":,a1 .]{0,40}"#) {
        let _ = Training::parse(text.as_bytes());
    }
}
