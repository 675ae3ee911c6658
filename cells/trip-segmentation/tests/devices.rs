//! People with several devices: whole runs of the stage on made-up days. The result is three walks, whatever devices
//! there are.

mod people;

use cells_sdk::Outcome;
use people::{Day, HOME, Phone, Places, SHOP, WORK, carry, tablet};

/// The walks of a day with only one phone.
fn alone() -> Day {
    Day::of(&[carry("token-a", "android")])
}

// Row: "All points of a person are one track"
#[test]
fn a_tablet_that_stays_at_home_adds_nothing_to_the_walks_of_the_phone() {
    for every_s in [60.0, 120.0, 300.0, 600.0, 900.0] {
        let phone = carry("token-a", "android");
        for (name, platform) in
            [("token-a", "android"), ("token-a", "ios"), ("token-b", "android"), ("c0ffee", "android")]
        {
            let day = Day::of(&[phone.clone(), tablet(name, platform, HOME, every_s, 20.0, 3)]);
            day.assert_three_walks(&format!("{name} {platform} every {every_s} s"));
        }
    }
}

// Row: "Two devices of one kind"
#[test]
fn a_device_may_stay_anywhere_and_its_fixes_may_jitter() {
    for seed in 0..10 {
        for place in [HOME, WORK, SHOP] {
            let phone = carry("token-a", "android");
            let day = Day::of(&[phone, tablet("token-a", "android", place, 300.0, 50.0, seed)]);
            day.assert_three_walks(&format!("seed {seed}, at {place:?}"));
        }
    }
}

#[test]
fn two_tablets_at_home_add_nothing_to_the_walks_of_the_phone() {
    for seed in 0..5 {
        let phone = carry("token-a", "android");
        let (home, work) = (
            tablet("token-a", "android", HOME, 300.0, 20.0, seed),
            tablet("token-a", "android", WORK, 240.0, 20.0, seed + 100),
        );
        Day::of(&[phone, home, work]).assert_three_walks(&format!("seed {seed}"));
    }
}

#[test]
fn two_devices_in_one_pocket_make_one_diary() {
    for (first, second) in [
        (("token-a", "android"), ("token-a", "ios")),
        (("token-a", "ios"), ("token-b", "android")),
        (("token-a", "android"), ("token-b", "android")),
        (("aa", "ios"), ("bb", "ios")),
    ] {
        let (first, second) = (carry(first.0, first.1), carry(second.0, second.1).later(11.0));
        for phones in [[first.clone(), second.clone()], [second, first]] {
            Day::of(&phones).assert_three_walks(&format!("{:?}", phones.each_ref().map(Phone::name)));
        }
    }
}

// Row: "All points of a person are one track"
#[test]
fn the_trips_of_several_devices_name_the_device_that_was_carried() {
    let day = Day::of(&[carry("token-a", "android"), tablet("token-b", "android", HOME, 600.0, 20.0, 1)]);
    assert_eq!(day.devices(), ["token-a/android"; 3].map(|device| Some(device.to_owned())));
    assert!(alone().devices().iter().all(Option::is_none), "one device names none");
}

#[test]
fn one_device_gives_what_entries_without_stamps_give() {
    let (stamped, plain) = (alone(), Day::of(&[carry("", "android")]));
    assert_eq!(stamped.without_ids(), plain.without_ids());
    let (stamped, plain) = (Day::of(&[carry("token-a", "ios")]), Day::of(&[carry("", "ios")]));
    assert_eq!(stamped.without_ids(), plain.without_ids());
}

#[test]
fn entries_without_stamps_belong_to_the_only_device() {
    let mut phone = carry("token-a", "android");
    phone.forget_stamps_before(phone.start() + 1_000.0);
    let day = Day::of(&[phone]);
    assert_eq!(day.without_ids(), alone().without_ids());
}

#[test]
fn a_phone_that_replaces_another_at_noon_continues_the_diary() {
    let phone = carry("token-a", "android");
    let noon = phone.start() + 3.0 * 3_600.0;
    for other in [("token-b", "android"), ("token-b", "ios"), ("token-a", "ios")] {
        let day = Day::of(&[phone.clone().until(noon), carry(other.0, other.1).from(noon)]);
        day.assert_three_walks(&format!("{other:?}"));
        let devices = day.devices();
        assert_ne!(devices[0], devices[1], "{other:?}");
    }
}

#[test]
fn if_one_of_two_phones_is_switched_off_during_a_trip_the_other_one_is_followed() {
    for off_s in [500.0, 1_000.0, 1_800.0] {
        for (first, second) in [("android", "ios"), ("ios", "android")] {
            let off = carry("token-a", first);
            let off = off.clone().until(off.start() + off_s);
            let day = Day::of(&[off, carry("token-a", second).later(7.0)]);
            day.assert_three_walks(&format!("{first} off after {off_s} s"));
        }
    }
}

// Row: "All points of a person are one track"
#[test]
fn a_phone_that_is_lent_causes_no_overlapping_trips() {
    for (own, lent) in [(("token-a", "android"), ("token-b", "android")), (("aa", "ios"), ("bb", "android"))]
    {
        for after_s in [-1_200.0, 600.0, 3_000.0] {
            let mut away = Phone::new(own_start() + after_s, HOME, lent.0, lent.1);
            away.go(Places::of(-4_000.0, 2_000.0));
            away.wait(5_000.0);
            away.go(HOME);
            let day = Day::of(&[carry(own.0, own.1), away]);
            day.assert_sound(&format!("{own:?} lent {after_s} s later"));
        }
    }
}

fn own_start() -> f64 {
    carry("token-a", "android").start()
}

#[test]
fn two_carried_phones_with_one_token_cause_no_overlapping_trips() {
    let mut away = Phone::new(own_start() + 300.0, HOME, "token-a", "android");
    away.go(Places::of(-4_000.0, 2_000.0));
    away.wait(5_000.0);
    away.go(HOME);
    let day = Day::of(&[carry("token-a", "android"), away]);
    day.assert_sound("both away");
}

#[test]
fn a_single_jump_or_a_flight_is_not_a_second_device() {
    let mut jump = carry("token-a", "android");
    jump.jump(900.0, Places::of(30_000.0, 0.0));
    let mut plain = carry("", "android");
    plain.jump(900.0, Places::of(30_000.0, 0.0));
    assert_eq!(Day::of(&[jump]).without_ids(), Day::of(&[plain]).without_ids());
    let flight = |name: &str| {
        let mut phone = carry(name, "android");
        phone.fly(Places::of(900_000.0, 100_000.0), 230.0);
        phone.wait(4_000.0);
        phone.fly(HOME, 230.0);
        phone
    };
    assert_eq!(Day::of(&[flight("token-a")]).without_ids(), Day::of(&[flight("")]).without_ids());
}

// Row: "Two devices of one kind"
#[test]
fn points_of_a_device_that_stayed_elsewhere_are_invalid_only_in_trips_and_this_is_reported() {
    let day = Day::of(&[carry("token-a", "android"), tablet("token-a", "android", HOME, 300.0, 20.0, 1)]);
    let hidden = day.hidden_ts();
    assert!(!hidden.is_empty() && hidden.iter().all(|ts| day.is_within_a_trip(*ts)), "{hidden:?}");
    assert!(day.log().contains("another device that shows the same token"), "{}", day.log());
    let paired = Day::of(&[carry("aa", "android"), tablet("bb", "android", HOME, 300.0, 20.0, 1)]);
    assert_eq!(paired.hidden_ts(), Vec::<f64>::new());
}

/// Days of a person with two devices.
fn days(seed: u64) -> [Vec<Phone>; 4] {
    let phone = || carry("token-a", "android");
    [
        vec![phone(), tablet("token-a", "android", HOME, 300.0, 20.0, seed)],
        vec![phone(), tablet("token-b", "android", HOME, 600.0, 50.0, seed)],
        vec![phone(), carry("token-a", "ios").later(11.0)],
        vec![carry("token-a", "ios"), tablet("token-b", "android", WORK, 120.0, 20.0, seed)],
    ]
}

#[test]
fn one_run_per_upload_gives_the_diary_of_a_single_run() {
    for seed in 0..25 {
        for (number, phones) in days(seed).into_iter().enumerate() {
            let once = Day::of(&phones);
            let often = Day::in_uploads(&phones, seed);
            often.assert_sound(&format!("seed {seed}, day {number}"));
            once.assert_same_trips(&often, &format!("seed {seed}, day {number}"));
        }
    }
}

#[test]
fn a_backlog_that_is_taken_in_parts_gives_the_diary_of_a_single_run() {
    for seed in 0..8 {
        for (number, phones) in days(seed).into_iter().enumerate() {
            let once = Day::of(&phones);
            for rows_a_run in [150, 250, 400] {
                let what = format!("seed {seed}, day {number}, {rows_a_run} rows a run");
                let parts = Day::in_parts(&phones, rows_a_run);
                parts.assert_sound(&what);
                once.assert_same_trips(&parts, &what);
            }
        }
    }
}

#[test]
fn a_run_without_points_keeps_the_state_of_the_stage() {
    let day = Day::of(&[carry("token-a", "android"), tablet("token-a", "android", HOME, 300.0, 20.0, 1)]);
    let (mut memory, last): (_, Outcome) = (day.memory, day.outcome);
    assert!(!last.state.is_empty());
    let state = last.state.clone();
    let next =
        memory.run_stage(cells_trip_segmentation::run, day.now + 86_400.0, last).expect("the stage works");
    assert_eq!(next.state, state);
}
