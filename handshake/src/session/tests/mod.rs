use super::*;
use crate::body::BODY_BYTES_MAX;
use crate::device::testing::{ANNE, NOW_MS, key, label, phone, table_with};
use crate::device::{Admitted, DeviceTable, NewDevice, Scope, Scopes};
use crate::encoding::{DeviceId, Digest32, IdempotencyKey, Pin, SessionId};
use crate::keys::{Head, SLOT_BYTES};
use crate::secret::Secret;
use proptest::prelude::*;

mod phone_side;
mod rosters;

const HOUR_MS: u64 = 3_600_000;
const SLOT: SlotBytes = SlotBytes([7; SLOT_BYTES]);
const LIMITS: Limits = Limits { body_bytes_max: 1 << 20, requests_per_s_max: 10 };

fn head(seq: u64, hash: u8) -> Head {
    Head { seq, hash: Digest32([hash; 32]) }
}

fn cell(name: &str, version: u8, asks: Scopes) -> CellOffer {
    CellOffer {
        name: name.to_owned(),
        version: format!("{version}.0.0"),
        digest: Digest32([version; 32]),
        answers: asks.iter().map(|scope| (format!("{name}/{scope}"), scope)).collect(),
    }
}

fn only(scope: Scope) -> Scopes {
    Scopes::NONE.with(scope)
}

fn cells() -> Vec<CellOffer> {
    vec![
        cell("usercache-put", 1, only(Scope::UsercachePut)),
        cell("diary", 1, only(Scope::DatastreamsRead).with(Scope::Profile)),
        cell("owner", 1, only(Scope::Admin)),
    ]
}

fn offer(cells: &[CellOffer]) -> Offer<'_> {
    Offer {
        session: SessionId([5; 16]),
        cells,
        store: StoreState::Unlocked,
        slot: Some(SLOT),
        head: Some(head(9, 9)),
        roster: None,
        next_pins: &[],
        now_ms: NOW_MS,
        ttl_s: 3_600,
        limits: LIMITS,
    }
}

fn wants(scopes: &[&str]) -> SessionRequest {
    let want = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    SessionRequest { v: vec![1], want, last_head: None, client: "app/1.0".to_owned() }
}

fn admitted(table: &mut DeviceTable, number: u8) -> Admitted {
    table.admit(key(number).as_bytes(), label(number), NOW_MS).unwrap()
}

fn names(grant: &Grant) -> Vec<(&str, Vec<&'static str>)> {
    let name = |cell: &'_ GrantedCell| cell.scopes.iter().map(Scope::as_str).collect();
    grant.cells.iter().map(|cell| (cell.name.as_str(), name(cell))).collect()
}

#[test]
fn a_grant_names_the_cells_that_the_phone_wants_and_may_reach() {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    let cells = cells();
    let grant = open(&mut table, &device, &wants(&["usercache:put", "profile"]), &offer(&cells)).unwrap();
    assert_eq!(names(&grant), [("usercache-put", vec!["usercache:put"]), ("diary", vec!["profile"])]);
    assert_eq!(grant.cells[1].path, "/c/diary/01010101");
    assert_eq!(grant.cells[1].answers, ["diary/profile"], "and not the paths that ask for another scope");
    assert_eq!(table.path_allowed(device.device(), "/c/diary/01010101/x", NOW_MS), Some("diary"));
    assert_eq!((grant.ttl_s, grant.store, grant.head), (3_600, StoreState::Unlocked, Some(head(9, 9))));
    let nothing = open(&mut table, &device, &wants(&[]), &offer(&cells)).unwrap();
    assert_eq!(nothing.cells, []);
}

#[test]
fn attack_45_a_cell_that_is_not_in_the_grant_is_not_reached() {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    open(&mut table, &device, &wants(&["usercache:put"]), &offer(&cells())).unwrap();
    assert_eq!(table.path_allowed(device.device(), "/c/diary/01010101", NOW_MS), None);
}

#[test]
fn attack_47_wanting_more_scopes_than_the_device_has_gives_none_of_them() {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    let cells = cells();
    let greedy = wants(&["admin", "root", "*", "ADMIN", "usercache:put,admin"]);
    assert_eq!(open(&mut table, &device, &greedy, &offer(&cells)).unwrap().cells, []);
    let beside = wants(&["admin", "usercache:put"]);
    let grant = open(&mut table, &device, &beside, &offer(&cells)).unwrap();
    assert_eq!(names(&grant), [("usercache-put", vec!["usercache:put"])]);
}

#[test]
fn attack_48_a_grant_copied_to_another_device_opens_nothing_for_it() {
    let mut table = table_with(&[1, 2]);
    let (first, second) = (admitted(&mut table, 1), admitted(&mut table, 2));
    let grant = open(&mut table, &first, &wants(&["profile"]), &offer(&cells())).unwrap();
    for cell in &grant.cells {
        assert!(table.path_allowed(first.device(), &cell.path, NOW_MS).is_some());
        assert_eq!(table.path_allowed(second.device(), &cell.path, NOW_MS), None);
    }
}

#[test]
fn attack_49_after_an_upgrade_the_old_path_ends_with_the_grant_that_named_it() {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    let (old, new) = ([cell("diary", 1, Scopes::PHONE)], [cell("diary", 2, Scopes::PHONE)]);
    open(&mut table, &device, &wants(&["profile"]), &offer(&old)).unwrap();
    let later = Offer { now_ms: NOW_MS + HOUR_MS / 2, ..offer(&new) };
    let grant = open(&mut table, &device, &wants(&["profile"]), &later).unwrap();
    assert_eq!(grant.cells[0].path, "/c/diary/02020202");
    let allowed = |path: &str, now_ms| table.path_allowed(device.device(), path, now_ms).is_some();
    assert!(allowed("/c/diary/01010101", NOW_MS + HOUR_MS - 1));
    assert!(!allowed("/c/diary/01010101", NOW_MS + HOUR_MS));
    assert!(allowed("/c/diary/02020202", NOW_MS + HOUR_MS));
}

#[test]
fn a_device_that_was_revoked_on_its_open_connection_gets_no_grant() {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    table.revoke(device.device(), NOW_MS).unwrap();
    let refused = open(&mut table, &device, &wants(&["profile"]), &offer(&cells()));
    assert_eq!(refused, Err(BadGrant::Refused(Code::DeviceUnknown)));
}

#[test]
fn a_locked_store_gives_the_slot_and_may_be_silent_about_its_head_and_an_open_one_neither() {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    let cells = cells();
    let locked = Offer { store: StoreState::Locked, head: None, ..offer(&cells) };
    let mut open_with = |offer: &Offer<'_>| open(&mut table, &device, &wants(&[]), offer);
    assert_eq!(open_with(&locked).unwrap().slot, Some(SLOT));
    assert_eq!(open_with(&offer(&cells)).unwrap().slot, None);
    assert_eq!(open_with(&Offer { head: None, ..offer(&cells) }), Err(BadGrant::HeadMissing));
    let absent = Offer { store: StoreState::Absent, head: None, ..offer(&cells) };
    assert_eq!(open_with(&absent).unwrap().slot, None);
}

#[test]
fn a_phone_that_has_seen_a_newer_head_is_told_that_the_store_was_rolled_back() {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    let cells = cells();
    for (seen, fine) in [(head(8, 1), true), (head(9, 9), true), (head(9, 8), false), (head(10, 9), false)] {
        let request = SessionRequest { last_head: Some(seen), ..wants(&[]) };
        let answer = open(&mut table, &device, &request, &offer(&cells));
        assert_eq!(answer.is_ok(), fine);
        assert!(fine || answer == Err(BadGrant::Refused(Code::RolledBack)));
    }
}

#[test]
fn an_announced_label_stands_in_every_grant_until_it_is_used() {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    let cells = cells();
    table.announce_label(device.device(), label(5)).unwrap();
    for _ in 0..2 {
        let grant = open(&mut table, &device, &wants(&[]), &offer(&cells)).unwrap();
        assert_eq!(grant.next_label, Some(label(5)));
    }
    let device = table.admit(key(1).as_bytes(), label(5), NOW_MS).unwrap();
    assert_eq!(open(&mut table, &device, &wants(&[]), &offer(&cells)).unwrap().next_label, None);
}

#[test]
fn requests_out_of_bounds_are_refused_and_so_are_versions_that_are_not_ours() {
    let check = |change: fn(&mut SessionRequest)| {
        let mut request = wants(&["profile"]);
        change(&mut request);
        request.check()
    };
    assert_eq!(check(|_| ()), Ok(()));
    assert_eq!(check(|request| request.v = vec![2, 1]), Ok(()));
    assert_eq!(check(|request| request.v = vec![2]), Err(Code::VersionRetired));
    assert_eq!(check(|request| request.v = vec![]), Err(Code::Malformed));
    assert_eq!(check(|request| request.v = vec![1; 9]), Err(Code::Malformed));
    assert_eq!(check(|request| request.want = vec!["a".to_owned(); 33]), Err(Code::Malformed));
    assert_eq!(check(|request| request.want = vec!["a".repeat(65)]), Err(Code::Malformed));
    assert_eq!(check(|request| request.want = vec!["a b".to_owned()]), Err(Code::Malformed));
    assert_eq!(check(|request| request.client.clear()), Err(Code::Malformed));
    assert_eq!(check(|request| request.last_head = Some(head((1 << 53) + 1, 0))), Err(Code::Malformed));
}

#[test]
fn offers_that_no_phone_would_take_make_no_grant() {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    let mut open_with = |cells: &[CellOffer]| open(&mut table, &device, &wants(&["profile"]), &offer(cells));
    let twice = vec![cell("diary", 1, Scopes::ALL), cell("diary", 2, Scopes::ALL)];
    assert_eq!(open_with(&twice), Err(BadGrant::Offer));
    assert_eq!(open_with(&[cell("../diary", 1, Scopes::ALL)]), Err(BadGrant::Offer));
    let many = |count: usize, name: &str| -> Vec<CellOffer> {
        (0..count).map(|index| cell(&format!("{name}{index}"), 1, Scopes::ALL)).collect()
    };
    assert_eq!(open_with(&many(64, "diary-")).unwrap().cells.len(), 64);
    assert_eq!(open_with(&many(65, "diary-")), Err(BadGrant::Offer));
    let long = open_with(&many(64, &"a".repeat(62)));
    assert!(matches!(long, Err(BadGrant::TooLarge { bytes: BODY_BYTES_MAX.. })), "{long:?}");
}

#[test]
fn a_grant_reads_back_and_has_the_keys_of_the_protocol() {
    let mut table = table_with(&[1]);
    let device = admitted(&mut table, 1);
    let cells = cells();
    let pins = [Pin([1; 32])];
    let locked = Offer { store: StoreState::Locked, next_pins: &pins, ttl_s: u32::MAX, ..offer(&cells) };
    let grant = open(&mut table, &device, &wants(&["profile"]), &locked).unwrap();
    let text = serde_json::to_string(&grant).unwrap();
    assert_eq!(serde_json::from_str::<Grant>(&text).unwrap(), grant);
    assert!(text.contains(r#""ttl":86400"#) && text.contains(r#""store":"locked""#));
    assert!(text.contains(r#""limits":{"body":1048576,"rps":10}"#));
    assert!(text.contains(r#""name":"diary","version":"1.0.0""#));
    assert!(text.contains(r#""now":1767225600000"#));
    let later = text.replacen('{', r#"{"later":[1],"#, 1);
    assert_eq!(serde_json::from_str::<Grant>(&later).unwrap(), grant, "unknown keys are ignored");
}

#[test]
fn attack_50_an_idempotency_key_of_another_device_is_new() {
    let (first, second, key) = (DeviceId([1; 16]), DeviceId([2; 16]), IdempotencyKey([3; 16]));
    let mut known = Idempotency::default();
    known.remember(first, key, NOW_MS);
    assert!(known.is_repeated(first, key, NOW_MS));
    assert!(!known.is_repeated(second, key, NOW_MS));
    assert!(!known.is_repeated(first, IdempotencyKey([4; 16]), NOW_MS));
    let text = serde_json::to_string(&known).unwrap();
    let mut restarted: Idempotency = serde_json::from_str(&text).unwrap();
    assert!(restarted.is_repeated(first, key, NOW_MS + IDEMPOTENCY_MS - 1));
    assert!(!restarted.is_repeated(first, key, NOW_MS + IDEMPOTENCY_MS));
    restarted.forget(first);
    assert!(!restarted.is_repeated(first, key, NOW_MS));
}

#[test]
fn idempotency_keys_are_bounded_and_the_oldest_goes_first() {
    let device = DeviceId([1; 16]);
    let key = |index: u32| {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&index.to_be_bytes());
        IdempotencyKey(bytes)
    };
    let mut known = Idempotency::default();
    (0..=IDEMPOTENCY_KEYS_MAX as u32).for_each(|index| known.remember(device, key(index), NOW_MS));
    assert!(!known.is_repeated(device, key(0), NOW_MS));
    assert!(known.is_repeated(device, key(1), NOW_MS));
    known.remember(device, key(1), NOW_MS + 1);
    assert!(known.is_repeated(device, key(2), NOW_MS), "a repetition pushes nothing out");
    let header = data_encoding::BASE64URL_NOPAD.encode(&key(7).0);
    assert_eq!(Idempotency::key_of_header(&header), Some(key(7)));
    for text in ["", "AAAA", &format!("{header}="), "\u{e9}"] {
        assert_eq!(Idempotency::key_of_header(text), None);
    }
}

#[test]
fn a_device_hands_in_5_data_keys_an_hour_and_another_device_is_not_held_up() {
    let (first, second) = (DeviceId([1; 16]), DeviceId([2; 16]));
    let mut guard = UnlockGuard::default();
    for minute in 0..5 {
        assert_eq!(guard.attempt(first, NOW_MS + minute * 60_000), Ok(()));
    }
    let text = serde_json::to_string(&guard).unwrap();
    let mut guard: UnlockGuard = serde_json::from_str(&text).unwrap();
    assert_eq!(guard.attempt(first, NOW_MS + 300_000), Err(3_300));
    assert_eq!(guard.attempt(second, NOW_MS + 300_000), Ok(()));
    assert_eq!(guard.attempt(first, NOW_MS + HOUR_MS), Ok(()));
    assert!(guard.attempt(first, NOW_MS + HOUR_MS).is_err());
    guard.forget(first);
    assert_eq!(guard.attempt(first, NOW_MS + HOUR_MS), Ok(()));
}

#[test]
fn a_clock_set_back_by_years_keeps_a_device_waiting_for_an_hour_at_most() {
    let device = DeviceId([1; 16]);
    let mut guard = UnlockGuard::default();
    (0..5).for_each(|_| guard.attempt(device, NOW_MS).unwrap());
    let earlier = NOW_MS / 2;
    assert_eq!(guard.attempt(device, earlier), Err(3_600));
    assert_eq!(guard.attempt(device, earlier + HOUR_MS), Ok(()));
}

#[test]
fn the_data_key_is_read_and_not_shown() {
    let key = data_encoding::BASE64URL_NOPAD.encode(&[9; 32]);
    let request: UnlockRequest = serde_json::from_str(&format!(r#"{{"gen":1,"udk":"{key}"}}"#)).unwrap();
    assert_eq!(request.udk, Secret::new([9; 32]));
    assert_eq!(request.check(), Ok(()));
    assert!(!format!("{request:?}").contains("CQkJ"));
    assert!(serde_json::from_str::<UnlockRequest>(r#"{"gen":1,"udk":"CQkJ"}"#).is_err());
    let zeroth = UnlockRequest { generation: 0, ..request };
    assert_eq!(zeroth.check(), Err(Code::Malformed));
    assert_eq!(serde_json::to_string(&UnlockReply { until_s: 60 }).unwrap(), r#"{"until":60}"#);
}

#[test]
fn attack_52_the_owners_calls_need_the_scope_and_the_owner() {
    let mut table = table_with(&[1]);
    let owner = NewDevice { scopes: Scopes::ALL, ..phone(2) };
    table.enrol(owner, NOW_MS).unwrap();
    let (phone, owner) = (admitted(&mut table, 1), admitted(&mut table, 2));
    let revoke = Endpoint::Revoke(phone.device());
    for endpoint in [Endpoint::Devices, Endpoint::Lock, revoke] {
        assert_eq!(endpoint.authorise(&phone, true), Err(Code::ScopeMissing));
        assert_eq!(endpoint.authorise(&owner, true), Ok(()));
    }
    assert_eq!(revoke.authorise(&owner, false), Err(Code::ScopeMissing));
    let everybodys =
        [Endpoint::Session, Endpoint::Unlock, Endpoint::Rotate, Endpoint::Roster, Endpoint::Sign];
    for endpoint in everybodys {
        assert_eq!(endpoint.authorise(&phone, false), Ok(()));
    }
}

#[test]
fn endpoints_are_read_from_their_paths_and_from_no_others() {
    let id = data_encoding::BASE64URL_NOPAD.encode(&[1; 16]);
    let path = |tail: &str| Endpoint::of_path(&format!("/.upc/v1/{tail}"));
    assert_eq!(path("session"), Some(Endpoint::Session));
    assert_eq!((path("roster"), path("roster/sign")), (Some(Endpoint::Roster), Some(Endpoint::Sign)));
    assert_eq!(path(&format!("devices/{id}/revoke")), Some(Endpoint::Revoke(DeviceId([1; 16]))));
    let (two_ids, padded) = (format!("devices/{id}/{id}/revoke"), format!("devices/{id}==/revoke"));
    for tail in
        ["", "session/", "Session", "devices/", "devices//revoke", "devices/AAAA/revoke", &two_ids, &padded]
    {
        assert_eq!(path(tail), None, "{tail}");
    }
    assert_eq!(Endpoint::of_path("/.upc/v2/session"), None);
}

#[test]
fn the_list_of_devices_names_no_key_and_no_label_and_no_revoked_device_and_fits_in_a_body() {
    let mut table = table_with(&[]);
    for number in 1..=32 {
        let name = crate::device::DeviceName::new("\"\\".repeat(32)).unwrap();
        table.enrol(NewDevice { name, scopes: Scopes::ALL, ..phone(number) }, NOW_MS).unwrap();
    }
    let text = serde_json::to_string(&DevicesReply::of(&table)).unwrap();
    assert!(text.len() <= BODY_BYTES_MAX, "{}", text.len());
    assert!(!text.contains(&label(1).to_string()));
    table.begin_rotation(key(1).device_id(), key(99)).unwrap();
    table.revoke(key(2).device_id(), NOW_MS).unwrap();
    let reply = DevicesReply::of(&table);
    assert_eq!((reply.devices.len(), reply.check()), (31, Ok(())));
    let rotating = reply.devices.iter().find(|line| line.status == StatusWord::Rotating);
    assert_eq!(rotating.unwrap().id, key(1).device_id());
}

#[test]
fn a_rotation_is_read_with_a_signature_of_bounded_length() {
    let request = RotateRequest { spki: key(3), signature: vec![1; 64] };
    let text = serde_json::to_string(&request).unwrap();
    assert_eq!(serde_json::from_str::<RotateRequest>(&text).unwrap(), request);
    assert_eq!(request.check(), Ok(()));
    for bytes in [0, 73] {
        let request = RotateRequest { spki: key(3), signature: vec![1; bytes] };
        assert_eq!(request.check(), Err(Code::Malformed));
    }
}

fn any_scopes() -> impl Strategy<Value = Scopes> {
    proptest::collection::vec(0_usize..6, 0..6)
        .prop_map(|picks| picks.iter().map(|pick| Scope::ALL[*pick]).collect())
}

proptest! {
    #[test]
    fn no_grant_has_a_scope_that_device_request_and_cell_do_not_all_have(
        has in any_scopes(), want in any_scopes(), asks in proptest::collection::vec(any_scopes(), 0..9),
    ) {
        let mut table = DeviceTable::new(ANNE);
        table.enrol(NewDevice { scopes: has, ..phone(1) }, NOW_MS).unwrap();
        let device = admitted(&mut table, 1);
        let cells: Vec<CellOffer> =
            asks.iter().enumerate().map(|(index, asks)| cell(&format!("cell-{index}"), 1, *asks)).collect();
        let wanted: Vec<&str> = want.iter().map(Scope::as_str).collect();
        let grant = open(&mut table, &device, &wants(&wanted), &offer(&cells)).unwrap();
        for (index, asks) in asks.iter().enumerate() {
            let granted = grant.cells.iter().find(|cell| cell.name == format!("cell-{index}"));
            let expected = has.and(want).and(*asks);
            prop_assert_eq!(granted.map_or(Scopes::NONE, |cell| cell.scopes), expected);
            let path = format!("/c/cell-{index}/01010101");
            let allowed = table.path_allowed(device.device(), &path, NOW_MS).is_some();
            prop_assert_eq!(allowed, !expected.is_empty());
        }
    }

    #[test]
    fn idempotency_keys_of_devices_never_mix(
        uploads in proptest::collection::vec((0_u8..3, 0_u8..4, 0_u64..2 * IDEMPOTENCY_MS), 0..40),
    ) {
        let (mut known, mut model) = (Idempotency::default(), std::collections::BTreeMap::new());
        let mut now_ms = NOW_MS;
        for (device, key, wait_ms) in uploads {
            now_ms += wait_ms / 4;
            let (id, idempotency_key) = (DeviceId([device; 16]), IdempotencyKey([key; 16]));
            let expected = model.get(&(device, key)).is_some_and(|at_ms| now_ms < at_ms + IDEMPOTENCY_MS);
            prop_assert_eq!(known.is_repeated(id, idempotency_key, now_ms), expected);
            known.remember(id, idempotency_key, now_ms);
            model.insert((device, key), now_ms);
        }
    }
}
