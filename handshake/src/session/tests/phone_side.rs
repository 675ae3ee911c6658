use super::*;

pub(super) fn phone_state() -> PhoneState {
    PhoneState {
        user: ANNE,
        device: key(1).device_id(),
        label: label(1),
        previous_label: None,
        host: "cellar.example".to_owned(),
        port: 443,
        pin: key(50).pin(),
        next_pins: Vec::new(),
        scopes: Scopes::PHONE,
        head: Some(head(9, 9)),
        tells_heads: false,
        roster: None,
        slot: None,
    }
}

fn grant_with(change: impl FnOnce(&mut Grant)) -> Grant {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    let mut grant = open(&mut table, &device, &wants(&["profile"]), &offer(&cells())).unwrap();
    change(&mut grant);
    grant
}

#[test]
fn attack_30_a_runtime_with_another_key_is_not_believed() {
    let mut phone = phone_state();
    assert!(phone.expects(key(50).as_bytes()));
    for bytes in [key(51).as_bytes(), &[], &key(50).as_bytes()[1..], &key(50).pin().0] {
        assert!(!phone.expects(bytes));
        assert_eq!(phone.take_grant(&grant_with(|_| ()), bytes, label(1)), Err(Distrust::WrongKey));
    }
    assert_eq!(phone, phone_state());
}

#[test]
fn a_store_that_stands_before_what_the_phone_has_seen_is_noticed_and_nothing_is_taken_from_its_grant() {
    for (store, now, fine) in [
        (StoreState::Unlocked, Some(head(9, 9)), true),
        (StoreState::Unlocked, Some(head(10, 1)), true),
        (StoreState::Unlocked, Some(head(8, 9)), false),
        (StoreState::Unlocked, Some(head(9, 8)), false),
        (StoreState::Locked, Some(head(8, 9)), false),
        (StoreState::Locked, None, true),
        (StoreState::Unlocked, None, false),
        (StoreState::Absent, None, false),
    ] {
        let grant = grant_with(|grant| {
            (grant.store, grant.head, grant.next_label) = (store, now, Some(label(7)));
        });
        let mut phone = phone_state();
        let taken = phone.take_grant(&grant, key(50).as_bytes(), label(1));
        assert_eq!(taken, if fine { Ok(()) } else { Err(Distrust::RolledBack) }, "{store:?} {now:?}");
        assert_eq!(phone.head, if fine { now.or(Some(head(9, 9))) } else { Some(head(9, 9)) });
        assert_eq!(phone.label, label(if fine { 7 } else { 1 }));
    }
    assert_eq!(Distrust::RolledBack.code(), Some(Code::RolledBack));
    let mut fresh = PhoneState { head: None, ..phone_state() };
    let absent = grant_with(|grant| (grant.store, grant.head) = (StoreState::Absent, None));
    assert_eq!(fresh.take_grant(&absent, key(50).as_bytes(), label(1)), Ok(()));
}

#[test]
fn a_phone_follows_its_runtime_to_an_announced_key_and_to_no_other() {
    let mut phone = phone_state();
    let announces = grant_with(|grant| grant.next_pins = vec![key(51).pin(), key(52).pin()]);
    phone.take_grant(&announces, key(50).as_bytes(), label(1)).unwrap();
    assert!(phone.expects(key(50).as_bytes()) && phone.expects(key(51).as_bytes()));
    phone.take_grant(&grant_with(|_| ()), key(51).as_bytes(), label(1)).unwrap();
    assert!(phone.expects(key(51).as_bytes()));
    assert!(!phone.expects(key(50).as_bytes()) && !phone.expects(key(52).as_bytes()));
}

#[test]
fn a_phone_takes_a_new_label_and_keeps_the_old_one_for_when_the_new_one_is_unknown() {
    let names = |phone: &PhoneState| phone.server_names().map(|(label, _)| label).collect::<Vec<_>>();
    let mut phone = phone_state();
    assert_eq!(phone.server_names().next().unwrap().1, format!("{}.cellar.example", label(1)));
    let announces = grant_with(|grant| grant.next_label = Some(label(5)));
    phone.take_grant(&announces, key(50).as_bytes(), label(1)).unwrap();
    assert_eq!(names(&phone), [label(5), label(1)]);
    // The gateway answered 112 to the new label: the grant comes by the old one, and both are kept.
    for grant in [&announces, &grant_with(|_| ())] {
        phone.take_grant(grant, key(50).as_bytes(), label(1)).unwrap();
        assert_eq!(names(&phone), [label(5), label(1)]);
    }
    // The announcement was lost and another one is made.
    let again = grant_with(|grant| grant.next_label = Some(label(6)));
    phone.take_grant(&again, key(50).as_bytes(), label(1)).unwrap();
    assert_eq!(names(&phone), [label(6), label(1)]);
    assert_eq!(phone.take_grant(&again, key(50).as_bytes(), label(5)), Err(Distrust::WrongLabel));
}

#[test]
fn a_phone_refuses_a_grant_that_breaks_its_own_rules() {
    let changes: [fn(&mut Grant); 7] = [
        |grant| grant.v = 2,
        |grant| grant.ttl_s = GRANT_TTL_S_MAX + 1,
        |grant| grant.slot = Some(SLOT),
        |grant| grant.next_pins = vec![Pin([0; 32]); 3],
        |grant| grant.cells[0].path = "/c/other/01010101".to_owned(),
        |grant| grant.cells[0].scopes = Scopes::NONE,
        |grant| grant.cells = vec![grant.cells[0].clone(); 2],
    ];
    for change in changes {
        let refused = phone_state().take_grant(&grant_with(change), key(50).as_bytes(), label(1));
        assert_eq!(refused, Err(Distrust::Malformed));
    }
}

#[test]
fn a_phones_state_reads_back() {
    let text = serde_json::to_string(&phone_state()).unwrap();
    assert_eq!(serde_json::from_str::<PhoneState>(&text).unwrap(), phone_state());
}

proptest! {
    #[test]
    fn a_phone_never_goes_back_whatever_grants_it_is_shown(
        heads in proptest::collection::vec((proptest::option::of((0_u64..6, 0_u8..2)), 0_u8..3), 0..20),
    ) {
        let mut phone = PhoneState { head: None, ..phone_state() };
        for (shown, store) in heads {
            let store = [StoreState::Locked, StoreState::Unlocked, StoreState::Absent][usize::from(store)];
            let shown = shown.map(|(seq, hash)| head(seq, hash));
            let before = phone.head;
            let grant = grant_with(|grant| (grant.store, grant.head) = (store, shown));
            let taken = phone.take_grant(&grant, key(50).as_bytes(), label(1));
            prop_assert!(phone.head.map(|head| head.seq) >= before.map(|head| head.seq));
            if taken.is_err() { prop_assert_eq!(phone.head, before); }
            if let (Some(before), Some(after)) = (before, phone.head) {
                prop_assert!(after.seq > before.seq || after == before);
            }
        }
    }
}

#[test]
fn the_head_of_a_locked_store_stops_a_phone_and_teaches_it_nothing() {
    let locked = |head| {
        grant_with(|grant| {
            (grant.store, grant.slot, grant.head) = (StoreState::Locked, None, head);
        })
    };
    let mut phone = phone_state();
    let mut take = |grant: &Grant| phone.take_grant(grant, key(50).as_bytes(), label(1));
    assert_eq!(take(&locked(None)), Ok(()), "an earlier runtime tells none");
    assert_eq!(take(&locked(Some(head(8, 8)))), Err(Distrust::RolledBack));
    assert_eq!(take(&locked(Some(head(9, 8)))), Err(Distrust::RolledBack));
    assert_eq!(take(&locked(Some(head(12, 1)))), Ok(()), "a later one may be true");
    assert_eq!(take(&locked(None)), Err(Distrust::RolledBack), "one that told a head once always does");
    assert_eq!(phone.head, Some(head(9, 9)), "nobody has proved the later one");
}

#[test]
fn the_head_of_an_answer_is_kept_and_never_goes_back_behind_the_request() {
    let mut phone = phone_state();
    let before = phone.head;
    assert_eq!(phone.take_head(before, head(11, 1)), Ok(()));
    assert_eq!(
        phone.take_head(before, head(10, 2)),
        Ok(()),
        "the answer of a request that was sent as early"
    );
    assert_eq!((phone.head, phone.tells_heads), (Some(head(11, 1)), true));
    let before = phone.head;
    for other in [head(10, 1), head(11, 2)] {
        assert_eq!(phone.take_head(before, other), Err(Distrust::RolledBack));
    }
    assert_eq!(phone.take_head(before, head(11, 1)), Ok(()), "nothing was stored meanwhile");
    let mut fresh = PhoneState { head: None, ..phone_state() };
    assert_eq!(fresh.take_head(None, head(3, 3)), Ok(()));
    assert_eq!(fresh.head, Some(head(3, 3)));
}
