use super::testing::{ANNE, BORIS, NOW_MS, key, label, phone, table_with, wrap_pub};
use super::*;
use crate::encoding::{Digest32, Spki};
use crate::error::Code;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const UNKNOWN: Result<Admitted, Code> = Err(Code::DeviceUnknown);
const GRANT_MS: u64 = DAY_MS;

fn id(number: u8) -> DeviceId {
    key(number).device_id()
}

fn admit(table: &mut DeviceTable, number: u8, by: u8, now_ms: u64) -> Result<Admitted, Code> {
    table.admit(key(number).as_bytes(), label(by), now_ms)
}

fn grant(table: &mut DeviceTable, number: u8, cell: &str, version: u8, now_ms: u64) -> String {
    let path = granted_path(cell, &Digest32([version; 32]));
    table.grant_paths(id(number), std::slice::from_ref(&path), now_ms + GRANT_MS, now_ms);
    path
}

#[test]
fn an_enrolled_device_is_admitted_by_its_key_and_its_label() {
    let mut table = table_with(&[1, 2]);
    let admitted = admit(&mut table, 1, 1, NOW_MS).unwrap();
    assert_eq!((admitted.user(), admitted.device(), admitted.scopes()), (ANNE, id(1), Scopes::PHONE));
    assert_eq!(admitted.label(), label(1));
    assert!(table.still_admitted(&admitted));
    assert_eq!(admitted.require(Scope::UsercachePut), Ok(()));
    assert_eq!(admitted.require(Scope::Admin), Err(Code::ScopeMissing));
}

#[test]
fn attacks_25_and_26_a_revoked_device_is_refused_in_a_full_and_in_a_resumed_handshake() {
    let mut table = table_with(&[1, 2]);
    admit(&mut table, 1, 1, NOW_MS).unwrap();
    assert_eq!(table.revoke(id(1), NOW_MS), Ok(vec![label(1)]));
    // TLS resumes the session and shows the key of the first handshake; the same check is made.
    assert_eq!(admit(&mut table, 1, 1, NOW_MS), UNKNOWN);
    assert_eq!(table.get(id(1)).unwrap().status(), Status::Revoked { at_ms: NOW_MS });
    assert_eq!(table.labels().collect::<Vec<_>>(), [(label(2), id(2))]);
    assert!(admit(&mut table, 2, 2, NOW_MS).is_ok());
}

#[test]
fn attack_27_a_device_revoked_on_an_open_connection_makes_no_further_request() {
    let mut table = table_with(&[1, 2]);
    let (first, second) =
        (admit(&mut table, 1, 1, NOW_MS).unwrap(), admit(&mut table, 2, 2, NOW_MS).unwrap());
    let path = grant(&mut table, 1, "diary", 1, NOW_MS);
    table.revoke(id(1), NOW_MS).unwrap();
    assert!(table.get(id(1)).unwrap().epoch() > first.epoch());
    assert!(!table.still_admitted(&first));
    assert_eq!(table.path_allowed(id(1), &path, NOW_MS), None);
    assert!(table.still_admitted(&second));
}

#[test]
fn attack_28_an_unknown_key_is_refused_and_bytes_that_are_no_key_are_too() {
    let mut table = table_with(&[1]);
    assert_eq!(admit(&mut table, 9, 1, NOW_MS), UNKNOWN);
    for bytes in [&[][..], &[0; 44], &key(1).as_bytes()[..43], &key(1).as_bytes()[12..]] {
        assert_eq!(table.admit(bytes, label(1), NOW_MS), UNKNOWN);
    }
}

#[test]
fn attack_29_another_persons_device_is_refused_also_where_both_people_know_its_key() {
    let (mut annes, mut borises) = (table_with(&[1]), DeviceTable::new(BORIS));
    borises.enrol(phone(2), NOW_MS).unwrap();
    assert_eq!(admit(&mut borises, 1, 1, NOW_MS), UNKNOWN);
    assert_eq!(admit(&mut borises, 1, 2, NOW_MS), UNKNOWN);
    let at_annes = admit(&mut annes, 1, 1, NOW_MS).unwrap();
    borises.enrol(phone(1), NOW_MS).unwrap();
    assert!(!borises.still_admitted(&at_annes));
}

#[test]
fn attack_37_a_device_that_comes_by_the_label_of_another_of_the_same_person_is_refused() {
    let mut table = table_with(&[1, 2]);
    assert_eq!(admit(&mut table, 1, 2, NOW_MS), UNKNOWN);
    assert_eq!(admit(&mut table, 2, 1, NOW_MS), UNKNOWN);
    assert_eq!(admit(&mut table, 1, 9, NOW_MS), UNKNOWN);
}

#[test]
fn attack_44_a_clock_ten_years_off_in_either_direction_locks_nobody_out() {
    const TEN_YEARS_MS: u64 = 3_652 * DAY_MS;
    for now_ms in [NOW_MS - TEN_YEARS_MS, NOW_MS + TEN_YEARS_MS, 0, u64::MAX] {
        let mut table = table_with(&[1]);
        assert!(admit(&mut table, 1, 1, now_ms).is_ok());
        assert_eq!(table.get(id(1)).unwrap().last_seen_ms(), now_ms);
        table.sweep(NOW_MS);
        assert!(admit(&mut table, 1, 1, NOW_MS).is_ok());
        assert_eq!(table.get(id(1)).unwrap().last_seen_ms(), NOW_MS);
    }
}

#[test]
fn attack_45_a_cell_that_was_not_granted_has_no_path() {
    let mut table = table_with(&[1]);
    let path = grant(&mut table, 1, "diary", 1, NOW_MS);
    assert_eq!(table.path_allowed(id(1), &path, NOW_MS), Some("diary"));
    assert_eq!(table.path_allowed(id(1), &format!("{path}/a/b"), NOW_MS), Some("diary"));
    assert_eq!(table.path_allowed(id(1), &granted_path("other", &Digest32([1; 32])), NOW_MS), None);
    assert_eq!(table.path_allowed(id(1), &granted_path("diary", &Digest32([2; 32])), NOW_MS), None);
}

#[test]
fn attack_46_a_path_does_not_lead_from_one_cell_to_another() {
    let mut table = table_with(&[1]);
    let path = grant(&mut table, 1, "diary", 1, NOW_MS);
    for inner in
        ["/../../other/01010101", "/..", "/%2e%2e/other", "/..%2fother", "/./x", "//x", "\\..\\x", "x"]
    {
        assert_eq!(table.path_allowed(id(1), &format!("{path}{inner}"), NOW_MS), None, "{inner}");
    }
}

#[test]
fn attack_48_a_grant_copied_to_another_device_opens_nothing() {
    let mut table = table_with(&[1, 2]);
    let path = grant(&mut table, 1, "diary", 1, NOW_MS);
    assert_eq!(table.path_allowed(id(2), &path, NOW_MS), None);
}

#[test]
fn attack_49_a_path_from_before_an_upgrade_works_until_its_grant_ends_and_not_longer_than_an_hour_more() {
    let mut table = table_with(&[1]);
    let old = grant(&mut table, 1, "diary", 1, NOW_MS);
    let new = grant(&mut table, 1, "diary", 2, NOW_MS + GRANT_MS / 2);
    assert_eq!(table.path_allowed(id(1), &old, NOW_MS + GRANT_MS - 1), Some("diary"));
    assert_eq!(table.path_allowed(id(1), &old, NOW_MS + GRANT_MS + HOUR_MS), None);
    assert_eq!(table.path_allowed(id(1), &new, NOW_MS + GRANT_MS + HOUR_MS), Some("diary"));
    let revision = table.revision();
    table.sweep(NOW_MS + GRANT_MS + HOUR_MS);
    assert!(table.revision() > revision);
    assert_eq!(table.get(id(1)).unwrap().live().unwrap().paths.len(), 1);
}

#[test]
fn paths_are_bounded_and_those_of_the_newest_grant_stay() {
    let mut table = table_with(&[1]);
    let path = |index: usize| format!("/c/cell-{index}/01010101");
    for round in 0..5 {
        let granted: Vec<String> = (0..PATHS_MAX).map(|index| path(round * 40 + index)).collect();
        table.grant_paths(id(1), &granted, NOW_MS + GRANT_MS, NOW_MS + round as u64);
        assert!(granted.iter().all(|path| table.path_allowed(id(1), path, NOW_MS + 9).is_some()));
        assert_eq!(table.get(id(1)).unwrap().live().unwrap().paths.len(), PATHS_MAX);
    }
    assert_eq!(table.path_allowed(id(1), &path(0), NOW_MS + 9), None);
}

#[test]
fn a_session_of_the_same_hour_writes_nothing_more() {
    let mut table = table_with(&[1]);
    grant(&mut table, 1, "diary", 1, NOW_MS + 1);
    let revision = table.revision();
    grant(&mut table, 1, "diary", 1, NOW_MS + 2);
    admit(&mut table, 1, 1, NOW_MS + DAY_MS - 1).unwrap();
    assert_eq!(table.revision(), revision);
    admit(&mut table, 1, 1, NOW_MS + DAY_MS).unwrap();
    assert_eq!(table.revision(), revision + 1);
}

#[test]
fn other_scopes_end_what_was_admitted_and_granted_before_and_the_same_ones_do_not() {
    let mut table = table_with(&[1]);
    let admitted = admit(&mut table, 1, 1, NOW_MS).unwrap();
    let path = grant(&mut table, 1, "diary", 1, NOW_MS);
    table.set_scopes(id(1), Scopes::PHONE).unwrap();
    table.rename(id(1), DeviceName::new("kitchen").unwrap()).unwrap();
    assert!(table.still_admitted(&admitted));
    table.set_scopes(id(1), Scopes::NONE).unwrap();
    assert!(!table.still_admitted(&admitted));
    assert_eq!(table.path_allowed(id(1), &path, NOW_MS), None);
    assert_eq!(admit(&mut table, 1, 1, NOW_MS).unwrap().scopes(), Scopes::NONE);
    assert_eq!(table.get(id(1)).unwrap().name().as_str(), "kitchen");
}

#[test]
fn an_announced_label_works_at_once_and_the_old_one_for_7_days_from_its_first_use() {
    let mut table = table_with(&[1]);
    assert_eq!(table.announce_label(id(1), label(5)), Ok(label(5)));
    assert_eq!(table.announce_label(id(1), label(6)), Ok(label(5)), "what was announced stays announced");
    let month = 30 * DAY_MS;
    assert!(admit(&mut table, 1, 1, NOW_MS + month).is_ok(), "the old one, as long as the new one is unused");
    assert!(admit(&mut table, 1, 5, NOW_MS + month).is_ok());
    assert!(admit(&mut table, 1, 1, NOW_MS + month + PREVIOUS_LABEL_MS - 1).is_ok());
    assert_eq!(table.announce_label(id(1), label(6)), Err(BadChange::LabelPending));
    assert_eq!(admit(&mut table, 1, 1, NOW_MS + month + PREVIOUS_LABEL_MS), UNKNOWN);
    assert_eq!(table.sweep(NOW_MS + month + PREVIOUS_LABEL_MS).freed, [label(1)]);
    assert_eq!(table.announce_label(id(1), label(6)), Ok(label(6)));
    assert!(admit(&mut table, 1, 5, NOW_MS + month).is_ok());
}

#[test]
fn a_label_belongs_to_one_device_and_leads_to_no_other_while_it_is_announced_or_previous() {
    let mut table = table_with(&[1, 2]);
    assert_eq!(table.announce_label(id(1), label(2)), Err(BadChange::LabelUsed));
    assert_eq!(table.announce_label(id(1), label(1)), Err(BadChange::LabelUsed));
    table.announce_label(id(1), label(5)).unwrap();
    assert_eq!(table.announce_label(id(2), label(5)), Err(BadChange::LabelUsed));
    assert_eq!(admit(&mut table, 2, 5, NOW_MS), UNKNOWN);
    admit(&mut table, 1, 5, NOW_MS).unwrap();
    let reuse = NewDevice { label: label(1), ..phone(3) };
    assert_eq!(table.enrol(reuse, NOW_MS), Err(BadChange::LabelUsed));
    let mut freed = table.revoke(id(1), NOW_MS).unwrap();
    freed.sort_unstable();
    assert_eq!(freed, [label(1), label(5)]);
}

#[test]
fn two_keys_work_until_the_new_one_is_used_and_then_the_old_one_is_gone_for_good() {
    let mut table = table_with(&[1]);
    table.begin_rotation(id(1), key(7)).unwrap();
    assert_eq!(table.get(id(1)).unwrap().status(), Status::Rotating { next: key(7) });
    let by_the_old = admit(&mut table, 1, 1, NOW_MS).unwrap();
    assert!(table.still_admitted(&by_the_old));
    let by_the_new = admit(&mut table, 7, 1, NOW_MS).unwrap();
    assert_eq!(by_the_new.device(), id(1), "the device keeps its name");
    assert!(by_the_new.epoch() > by_the_old.epoch());
    assert!(table.still_admitted(&by_the_new) && !table.still_admitted(&by_the_old));
    assert_eq!(admit(&mut table, 1, 1, NOW_MS), UNKNOWN);
    assert_eq!(table.get(id(1)).unwrap().status(), Status::Active);
    assert_eq!(table.begin_rotation(id(1), key(1)), Err(BadChange::KeyUsed));
    let again = NewDevice { wrap_pub: wrap_pub(8), label: label(8), ..phone(1) };
    assert_eq!(table.enrol(again, NOW_MS), Err(BadChange::KeyUsed));
}

#[test]
fn a_second_announcement_of_a_key_takes_the_place_of_the_first_and_nobody_elses_key_is_taken() {
    let mut table = table_with(&[1, 2]);
    table.begin_rotation(id(1), key(7)).unwrap();
    table.begin_rotation(id(1), key(8)).unwrap();
    assert_eq!(admit(&mut table, 7, 1, NOW_MS), UNKNOWN);
    assert_eq!(table.begin_rotation(id(2), key(8)), Err(BadChange::KeyUsed));
    assert_eq!(table.begin_rotation(id(2), key(1)), Err(BadChange::KeyUsed));
    assert_eq!(table.begin_rotation(id(2), key(2)), Err(BadChange::KeyUsed));
    assert_eq!(table.begin_rotation(id(9), key(9)), Err(BadChange::Unknown { device: id(9) }));
}

#[test]
fn a_device_that_has_had_very_many_keys_pairs_anew() {
    let mut table = table_with(&[1]);
    let mut rotated = 0;
    let refused = loop {
        let next = Spki::from_ed25519(&[100 + rotated; 32]).unwrap();
        if let Err(refused) = table.begin_rotation(id(1), next) {
            break refused;
        }
        table.admit(next.as_bytes(), label(1), NOW_MS).unwrap();
        rotated += 1;
    };
    assert_eq!(refused, BadChange::Full { max: PAST_KEYS_MAX });
    assert_eq!(usize::from(rotated), PAST_KEYS_MAX - 1);
    let text = serde_json::to_string(&table).unwrap();
    assert_eq!(serde_json::from_str::<DeviceTable>(&text).unwrap(), table);
}

#[test]
fn no_key_of_a_revoked_device_comes_back_not_even_one_that_was_only_announced() {
    let mut table = table_with(&[1]);
    table.begin_rotation(id(1), key(7)).unwrap();
    table.revoke(id(1), NOW_MS).unwrap();
    let epoch = table.get(id(1)).unwrap().epoch();
    for number in [1, 7] {
        let again = NewDevice { wrap_pub: wrap_pub(9), label: label(9), ..phone(number) };
        assert_eq!(table.enrol(again, NOW_MS), Err(BadChange::KeyUsed));
        assert_eq!(admit(&mut table, number, 1, NOW_MS), UNKNOWN);
    }
    let with_old_wrap_key = NewDevice { wrap_pub: wrap_pub(1), ..phone(2) };
    assert_eq!(table.enrol(with_old_wrap_key, NOW_MS), Err(BadChange::WrapKeyUsed));
    assert_eq!(table.revoke(id(1), NOW_MS + 1), Ok(Vec::new()), "revoking twice is revoking once");
    assert_eq!(table.get(id(1)).unwrap().epoch(), epoch);
    let unknown = BadChange::Unknown { device: id(1) };
    assert_eq!(table.set_scopes(id(1), Scopes::ALL), Err(unknown));
    assert_eq!(table.begin_rotation(id(1), key(5)), Err(unknown));
    assert_eq!(table.announce_label(id(1), label(5)), Err(unknown));
}

#[test]
fn a_device_silent_for_180_days_is_told_of_once_and_still_works() {
    let mut table = table_with(&[1, 2]);
    admit(&mut table, 2, 2, NOW_MS + DAY_MS).unwrap();
    let later = NOW_MS + STALE_MS;
    assert_eq!(table.sweep(later - 1), Swept::default());
    assert_eq!(table.sweep(later).stale, [id(1)]);
    assert_eq!(table.sweep(later), Swept::default());
    assert_eq!(table.get(id(1)).unwrap().status(), Status::Stale);
    let admitted = admit(&mut table, 1, 1, later).unwrap();
    assert!(table.still_admitted(&admitted));
    assert_eq!(table.get(id(1)).unwrap().status(), Status::Active);
}

#[test]
fn a_person_has_32_devices_and_a_revoked_one_makes_room() {
    let mut table = table_with(&(1..=32).collect::<Vec<_>>());
    assert_eq!(table.enrol(phone(33), NOW_MS), Err(BadChange::Full { max: DEVICES_MAX }));
    table.revoke(id(1), NOW_MS).unwrap();
    assert!(table.enrol(phone(33), NOW_MS).is_ok());
}

#[test]
fn a_stored_table_with_a_key_a_wrap_key_or_a_label_twice_is_refused() {
    let table = table_with(&[1, 2]);
    let text = serde_json::to_string(&table).unwrap();
    assert_eq!(serde_json::from_str::<DeviceTable>(&text).unwrap(), table);
    let json = |value: serde_json::Result<String>| value.unwrap();
    for (of_first, of_second) in [
        (json(serde_json::to_string(&key(1))), json(serde_json::to_string(&key(2)))),
        (json(serde_json::to_string(&wrap_pub(1))), json(serde_json::to_string(&wrap_pub(2)))),
        (json(serde_json::to_string(&label(1))), json(serde_json::to_string(&label(2)))),
        (json(serde_json::to_string(&id(1))), json(serde_json::to_string(&id(2)))),
    ] {
        let doubled = text.replace(&of_first, &of_second);
        assert_ne!(doubled, text);
        let refused = serde_json::from_str::<DeviceTable>(&doubled).unwrap_err().to_string();
        assert!(refused.contains("in the table"), "{refused}");
    }
}

/// One event in the life of a table. Numbers name keys, labels and devices.
#[derive(Debug, Clone)]
enum Event {
    Enrol(u8),
    Revoke(u8),
    Scopes(u8, bool),
    Announce(u8, u8),
    Rotate(u8, u8),
    Admit(u8, u8),
    Sweep,
    Wait(u64),
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let (device, other) = (1_u8..5, 1_u8..9);
    prop_oneof![
        3 => device.clone().prop_map(Event::Enrol),
        1 => device.clone().prop_map(Event::Revoke),
        1 => (device.clone(), any::<bool>()).prop_map(|(device, all)| Event::Scopes(device, all)),
        2 => (device.clone(), other.clone()).prop_map(|(device, label)| Event::Announce(device, label)),
        2 => (device, other.clone()).prop_map(|(device, key)| Event::Rotate(device, key)),
        6 => (other.clone(), other).prop_map(|(key, label)| Event::Admit(key, label)),
        1 => Just(Event::Sweep),
        1 => (0..10 * DAY_MS).prop_map(Event::Wait),
        1 => Just(Event::Restart),
    ]
}

/// Properties of a table that hold after any sequence of events.
fn assert_sound(table: &DeviceTable, epochs: &mut BTreeMap<DeviceId, u64>, dead: &BTreeSet<Spki>) {
    let labels: Vec<Label> = table.labels().map(|(label, _)| label).collect();
    assert_eq!(labels.iter().collect::<BTreeSet<_>>().len(), labels.len(), "a label of two devices");
    for device in table.iter() {
        let before = epochs.insert(device.id(), device.epoch()).unwrap_or(0);
        assert!(device.epoch() >= before, "an epoch fell");
        assert!(device.live().is_none() || !dead.contains(device.spki()), "a dead key lives");
    }
}

proptest! {
    #[test]
    fn in_any_order_of_events_no_revoked_key_is_admitted_and_labels_and_epochs_stay_sound(
        events in proptest::collection::vec(event(), 0..80),
    ) {
        let (mut table, mut now_ms) = (DeviceTable::new(ANNE), NOW_MS);
        let (mut epochs, mut dead) = (BTreeMap::new(), BTreeSet::new());
        let mut open: Vec<(Admitted, u8)> = Vec::new();
        for event in events {
            let before = table.clone();
            match event {
                Event::Enrol(number) => {
                    let done = table.enrol(phone(number), now_ms);
                    prop_assert!(done.is_err() || !dead.contains(&key(number)));
                }
                Event::Revoke(number) => {
                    if let Some(device) = table.get(id(number)) {
                        dead.insert(*device.spki());
                        if let Status::Rotating { next } = device.status() { dead.insert(next); }
                    }
                    let _ = table.revoke(id(number), now_ms);
                }
                Event::Scopes(number, all) => {
                    let _ = table.set_scopes(id(number), if all { Scopes::ALL } else { Scopes::PHONE });
                }
                Event::Announce(number, fresh) => { let _ = table.announce_label(id(number), label(fresh)); }
                Event::Rotate(number, next) => { let _ = table.begin_rotation(id(number), key(next)); }
                Event::Admit(with, by) => {
                    if let Ok(admitted) = admit(&mut table, with, by, now_ms) {
                        prop_assert!(!dead.contains(&key(with)));
                        let device = table.get(admitted.device()).unwrap();
                        prop_assert!(*device.spki() == key(with) || device.status() == before.get(device.id()).unwrap().status());
                        prop_assert!(device.labels().unwrap().all().any(|own| own == label(by)));
                        open.push((admitted, with));
                    }
                }
                Event::Sweep => { table.sweep(now_ms); }
                Event::Wait(ms) => now_ms += ms,
                Event::Restart => {
                    let text = serde_json::to_string(&table).unwrap();
                    table = serde_json::from_str(&text).unwrap();
                }
            }
            prop_assert_eq!(table == before, table.revision() == before.revision());
            assert_sound(&table, &mut epochs, &dead);
            for (admitted, with) in &open {
                prop_assert!(!table.still_admitted(admitted) || !dead.contains(&key(*with)));
            }
        }
    }
}
