use super::*;
use crate::device::testing::{ANNE, BORIS, NOW_MS};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::net::IpAddr;

fn source(text: &str) -> Source {
    text.parse::<IpAddr>().unwrap().into()
}

fn network(number: u32) -> Source {
    let [_, a, b, c] = number.to_be_bytes();
    Source::V4([a, b, c])
}

/// How many calls succeed at one moment.
fn taken(mut take: impl FnMut() -> Result<(), u64>) -> usize {
    (0..1_000).take_while(|_| take().is_ok()).count()
}

#[test]
fn a_source_is_a_24_of_ipv4_and_a_56_of_ipv6() {
    assert_eq!(source("192.0.2.1"), source("192.0.2.254"));
    assert_ne!(source("192.0.2.1"), source("192.0.3.1"));
    assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.7"));
    assert_eq!(source("2001:db8:0:1200::1"), source("2001:db8:0:12ff:ffff::"));
    assert_ne!(source("2001:db8:0:1200::1"), source("2001:db8:0:1300::1"));
}

#[test]
fn attack_58_a_source_opens_40_connections_at_once_and_20_a_second_and_its_neighbour_as_many() {
    let mut limits = Limits::new();
    let (ours, neighbours) = (source("192.0.2.1"), source("192.0.3.1"));
    assert_eq!(taken(|| limits.connection(ours, NOW_MS)), 40);
    assert_eq!(limits.connection(ours, NOW_MS), Err(50));
    assert_eq!(taken(|| limits.connection(neighbours, NOW_MS)), 40);
    assert_eq!(taken(|| limits.connection(ours, NOW_MS + 1_000)), 20);
    assert_eq!(taken(|| limits.connection(ours, NOW_MS + 100_000)), 40);
}

#[test]
fn attack_58_a_thousand_slow_hellos_hold_8_places_from_one_source_and_64_of_one_runtime() {
    let mut handshakes = Handshakes::default();
    let slow: Vec<Slot> = (0..1_000).filter_map(|_| handshakes.begin(ANNE, network(1))).collect();
    assert_eq!(slow.len(), 8);
    let many: Vec<Slot> =
        (0..1_000).filter_map(|number| handshakes.begin(ANNE, network(2 + number))).collect();
    assert_eq!(slow.len() + many.len(), 64);
    let borises = handshakes.begin(BORIS, network(5_000)).unwrap();
    assert_eq!(handshakes.begin(BORIS, network(1)), None, "the source is busy at Anne's");
    for slot in slow.into_iter().chain(many) {
        handshakes.end(slot);
    }
    assert_eq!(handshakes.len(), 1);
    handshakes.end(borises);
    assert!(handshakes.is_empty());
    assert!(handshakes.begin(ANNE, network(1)).is_some(), "the source has its places back");
}

#[test]
fn a_source_asks_for_10_pairing_labels_a_minute() {
    let mut limits = Limits::new();
    let source = source("192.0.2.1");
    assert_eq!(taken(|| limits.pairing(source, NOW_MS)), 10);
    assert_eq!(limits.pairing(source, NOW_MS), Err(6_000));
    assert_eq!(taken(|| limits.pairing(source, NOW_MS + 6_000)), 1);
    assert_eq!(taken(|| limits.pairing(source, NOW_MS + 60_000)), 9);
}

#[test]
fn attack_67_a_source_guesses_30_tokens_a_minute_and_10_that_begin_alike() {
    let mut limits = Limits::new();
    let mut guess = |source: Source, token: &str, now_ms| {
        let prefix = TokenPrefix::of(token);
        limits.may_show_token(source, prefix, now_ms).map(|()| limits.token_was_bad(source, prefix, now_ms))
    };
    let (first, second) = (network(1), network(2));
    assert_eq!(taken(|| guess(first, "ABCDEFGH1", NOW_MS)), 10);
    assert_eq!(guess(first, "abcdefgh2", NOW_MS), Err(6_000), "the same beginning in another case");
    let mut number = 0;
    let other = || {
        number += 1;
        guess(first, &format!("{number:08}"), NOW_MS)
    };
    assert_eq!(taken(other), 20);
    assert_eq!(guess(first, "zzz", NOW_MS), Err(2_000));
    assert_eq!(guess(second, "zzz", NOW_MS), Ok(()));
    assert_eq!(guess(second, "ABCDEFGH1", NOW_MS), Err(6_000), "a second source that guesses");
    assert!(!format!("{:?}", TokenPrefix::of("SECRET")).contains("SEC"));
}

#[test]
fn attack_67_guesses_from_everywhere_never_lock_out_the_person_whose_token_it_is() {
    let mut limits = Limits::new();
    let prefix = TokenPrefix::of("ABCDEFGH");
    for number in 0..20_000 {
        limits.token_was_bad(network(number), prefix, NOW_MS);
    }
    assert_eq!(limits.may_show_token(network(50_000), prefix, NOW_MS), Ok(()));
    assert!(limits.bad_tokens.len() <= SOURCES_MAX);
}

#[test]
fn memory_is_bounded_and_the_emptiest_buckets_are_remembered() {
    let mut buckets = Buckets::new(CONNECTIONS, 100);
    assert_eq!(taken(|| buckets.take(0, NOW_MS)), 40);
    for stranger in 1..10_000 {
        buckets.take(stranger, NOW_MS).unwrap();
        assert!(buckets.len() <= 100);
    }
    assert!(buckets.take(0, NOW_MS).is_err(), "forgotten in favour of strangers");
    let mut new = (20_000..20_200).map(|stranger| buckets.take(stranger, NOW_MS + 10_000));
    assert!(new.all(|taken| taken.is_ok()));
}

#[test]
fn a_full_bucket_is_forgotten_before_one_that_is_not() {
    let mut buckets = Buckets::new(CONNECTIONS, 100);
    (0..50).for_each(|stranger| buckets.take(stranger, NOW_MS).unwrap());
    (50..100).for_each(|stranger| buckets.take(stranger, NOW_MS + 1_000).unwrap());
    buckets.take(100, NOW_MS + 1_000).unwrap();
    assert_eq!(buckets.len(), 51);
    assert!((50..=100).all(|stranger| !buckets.is_full(&stranger, NOW_MS + 1_000)));
}

#[test]
fn a_clock_set_back_by_years_delays_for_no_longer_than_a_bucket_takes_to_fill() {
    let mut buckets = Buckets::new(CONNECTIONS, 10);
    assert_eq!(taken(|| buckets.take(1, NOW_MS)), 40);
    assert_eq!(buckets.take(1, NOW_MS / 2), Err(50));
    assert_eq!(taken(|| buckets.take(2, 0)), 40);
    assert_eq!(taken(|| buckets.take(3, u64::MAX)), 40);
}

proptest! {
    #[test]
    fn in_no_time_more_is_taken_than_a_full_bucket_and_what_flows_in(
        steps in proptest::collection::vec((0_u8..3, 0_u64..2_000), 1..300), per_minute in 1_u32..3_000, burst in 1_u32..50,
    ) {
        let (mut buckets, mut now_ms) = (Buckets::new(Rate { per_minute, burst }, 8), NOW_MS);
        let mut taken: BTreeMap<u8, Vec<u64>> = BTreeMap::new();
        for (key, wait_ms) in steps {
            now_ms += wait_ms;
            let wait_ms = buckets.wait_ms(&key, now_ms);
            prop_assert_eq!(buckets.take(key, now_ms), if wait_ms == 0 { Ok(()) } else { Err(wait_ms) });
            if wait_ms == 0 {
                taken.entry(key).or_default().push(now_ms);
            } else {
                prop_assert_eq!(buckets.wait_ms(&key, now_ms + wait_ms), 0, "the promised moment");
                prop_assert!(buckets.wait_ms(&key, now_ms + wait_ms - 1) > 0, "an earlier moment would do");
            }
        }
        for moments in taken.values() {
            for (index, first) in moments.iter().enumerate() {
                for (count, last) in moments[index..].iter().enumerate() {
                    let flowed_in = (last - first) as f64 * f64::from(per_minute) / 60_000.0;
                    prop_assert!((count + 1) as f64 <= f64::from(burst) + flowed_in * 1.001 + 1e-6);
                }
            }
        }
    }
}

#[test]
fn attack_82_many_connections_of_few_sources_never_keep_another_source_out() {
    let mut places = Places::new(512);
    let mut next = 0..;
    let mut enter = |places: &mut Places<Source>, from| {
        places.enter(from, CONNECTIONS_PER_SOURCE_MAX, next.next().unwrap())
    };
    let one = network(1);
    assert_eq!((0..1_000).filter(|_| enter(&mut places, one).is_ok()).count(), CONNECTIONS_PER_SOURCE_MAX);
    assert_eq!(enter(&mut places, one), Err(NoPlace::Holder { held: CONNECTIONS_PER_SOURCE_MAX }));
    // 40 more networks take all that is left, and then one another's.
    for _ in 0..CONNECTIONS_PER_SOURCE_MAX {
        (2..42).for_each(|from| _ = enter(&mut places, network(from)));
    }
    assert_eq!(places.taken(), 512);
    // Whoever comes from elsewhere gets a place, and keeps it while the others go on.
    let honest = 1_000_000;
    let loses = places.enter(network(99), CONNECTIONS_PER_SOURCE_MAX, honest).unwrap();
    assert!(loses.is_some_and(|loses| loses != honest));
    let mut next = honest + 1..;
    for round in 0..10_000 {
        let lost = places.enter(network(1 + round % 41), CONNECTIONS_PER_SOURCE_MAX, next.next().unwrap());
        assert_ne!(lost, Ok(Some(honest)), "round {round}");
    }
    places.leave(&network(99), honest);
    assert!(places.taken() <= 512);
}

#[test]
fn a_place_that_was_lost_or_left_counts_once() {
    let mut places = Places::new(2);
    assert_eq!(places.enter('a', 9, 1), Ok(None));
    assert_eq!(places.enter('a', 9, 2), Ok(None));
    assert_eq!(places.enter('b', 9, 3), Ok(Some(1)), "the oldest of who has the most");
    places.leave(&'a', 1);
    assert_eq!(places.taken(), 2);
    assert_eq!(places.enter('a', 9, 4), Err(NoPlace::Everybody { places: 2 }), "both have one");
    places.leave(&'a', 2);
    places.leave(&'a', 2);
    assert_eq!((places.taken(), places.enter('b', 1, 5)), (1, Err(NoPlace::Holder { held: 1 })));
}
