use super::*;
use crate::device::testing::{ANNE, BORIS, NOW_MS, wrap_pub};
use crate::device::{DeviceName, Scope, Scopes};
use crate::encoding::{DeviceId, Digest32, KeyKind};
use crate::keys::{InboxKey, Phrase, SigningKey};
use crate::secret::Secret;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use std::sync::LazyLock;

/// Keys of devices, in the order of their ids.
static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    let kinds = [KeyKind::P256, KeyKind::Ed25519, KeyKind::P256, KeyKind::Ed25519];
    let mut keys = kinds.map(|kind| SigningKey::generate(kind, &SystemRandom::new()).unwrap());
    keys.sort_by_key(|key| key.spki().device_id());
    keys.into()
});

static PHRASE: LazyLock<Phrase> = LazyLock::new(|| Phrase::random(&SystemRandom::new()).unwrap());

fn id(index: usize) -> DeviceId {
    KEYS[index].spki().device_id()
}

fn member(index: usize) -> Member {
    Member {
        id: id(index),
        spki: *KEYS[index].spki(),
        wrap_pub: wrap_pub(index as u8 + 1),
        scopes: Scopes::PHONE,
        name: DeviceName::new(format!("phone {index}")).unwrap(),
    }
}

/// A first roster with these devices, signed by the first of them.
fn first(devices: &[usize]) -> Roster {
    Roster {
        user: ANNE,
        version: 1,
        previous: Digest32([0; 32]),
        at_ms: NOW_MS,
        author: devices.first().map_or(Author::Nobody, |index| Author::Device(id(*index))),
        unattended: false,
        generation: 1,
        inbox: Some(InboxKey::from_bytes(&Secret::new([9; 32])).unwrap().public()),
        phrase: None,
        devices: devices.iter().map(|index| member(*index)).collect(),
        tokens: vec![Digest32([1; 32]), Digest32([2; 32])],
    }
}

/// The same content as the next version, by that device.
fn next(before: &Signed, author: Author) -> Roster {
    let version = before.roster().version + 1;
    Roster { version, previous: before.hash(), author, ..before.roster().clone() }
}

fn by(index: usize, roster: Roster) -> Signed {
    let roster = Roster { author: Author::Device(id(index)), ..roster };
    Signed::by_device(roster, &KEYS[index], &SystemRandom::new()).unwrap()
}

fn by_phrase(roster: Roster) -> Signed {
    Signed::by_phrase(Roster { author: Author::Phrase, ..roster }, &PHRASE, &SystemRandom::new()).unwrap()
}

fn with_phrase(roster: Roster) -> Roster {
    use crate::keys::Agree;
    Roster { phrase: Some(PHRASE.wrap_key().public()), ..roster }
}

#[test]
fn each_roster_is_signed_by_a_device_or_the_phrase_of_the_one_before() {
    let one = by(0, first(&[0]));
    assert_eq!(one.check_first(ANNE), Ok(()));
    let two =
        by(0, with_phrase(Roster { devices: vec![member(0), member(1)], ..next(&one, Author::Nobody) }));
    let three = by(1, Roster { devices: vec![member(1)], ..next(&two, Author::Nobody) });
    let four = by_phrase(Roster { devices: vec![member(2)], ..next(&three, Author::Nobody) });
    let chain = [two, three, four];
    assert_eq!(follow(&one, &chain).unwrap(), &chain[2]);
    assert_eq!(follow(&one, &[]).unwrap(), &one);
    // A device that was shut out, and one that is not in yet.
    for index in [0, 3] {
        let signed = by(index, next(&chain[2], Author::Nobody));
        assert_eq!(signed.check_after(&chain[2]), Err(BadStep::Author { version: 5 }), "{index}");
    }
    // A device does not vouch for itself.
    let newcomer = by(3, Roster { devices: vec![member(2), member(3)], ..next(&chain[2], Author::Nobody) });
    assert_eq!(newcomer.check_after(&chain[2]), Err(BadStep::Author { version: 5 }));
}

#[test]
fn a_phrase_signs_only_where_the_roster_before_has_it() {
    let one = by(0, first(&[0]));
    let signed = by_phrase(with_phrase(next(&one, Author::Nobody)));
    assert_eq!(signed.check_after(&one), Err(BadStep::Author { version: 2 }));
    let alone = by_phrase(with_phrase(first(&[0])));
    assert_eq!(alone.check_first(ANNE), Err(BadStep::Author { version: 1 }));
}

#[test]
fn nobody_signs_only_while_nobody_can() {
    let one = Signed::by_nobody(first(&[])).unwrap();
    assert_eq!(one.check_first(ANNE), Ok(()));
    let two = Signed::by_nobody(Roster { tokens: Vec::new(), ..next(&one, Author::Nobody) }).unwrap();
    assert_eq!(two.check_after(&one), Ok(()));
    // The first device comes in as in a first roster, and from then on a device or the phrase signs.
    let three = by(0, Roster { devices: vec![member(0)], ..next(&two, Author::Nobody) });
    assert_eq!(three.check_after(&two), Ok(()));
    let stranger = by(1, Roster { devices: vec![member(0)], ..next(&two, Author::Nobody) });
    assert_eq!(stranger.check_after(&two), Err(BadStep::Author { version: 3 }));
    let four = Signed::by_nobody(next(&three, Author::Nobody)).unwrap();
    assert_eq!(four.check_after(&three), Err(BadStep::Author { version: 4 }));
    let with_device = Roster { author: Author::Nobody, ..first(&[0]) };
    let unsigned = Signed::by_nobody(with_device).unwrap();
    assert_eq!(unsigned.check_first(ANNE), Err(BadStep::Author { version: 1 }));
    let signed = by(0, first(&[0]));
    let unsigned = Signed::by_nobody(next(&signed, Author::Nobody)).unwrap();
    assert_eq!(unsigned.check_after(&signed), Err(BadStep::Author { version: 2 }));
    let mut bytes = two.to_bytes();
    let length = bytes.len();
    bytes[length - 1] = 1;
    bytes.push(7);
    let signed = Signed::parse(&bytes).unwrap();
    assert_eq!(signed.check_after(&one), Err(BadStep::Signature { version: 2 }), "nobody has a signature");
}

#[test]
fn what_does_not_follow_is_refused_with_the_reason() {
    let one = by(0, first(&[0]));
    let two = next(&one, Author::Device(id(0)));
    for (roster, why) in [
        (Roster { version: 3, ..two.clone() }, BadStep::Version { version: 3, want: 2 }),
        (Roster { version: 1, ..two.clone() }, BadStep::Version { version: 1, want: 2 }),
        (Roster { previous: Digest32([1; 32]), ..two.clone() }, BadStep::Previous { version: 2 }),
        (Roster { user: BORIS, ..two.clone() }, BadStep::OtherPerson),
        (Roster { generation: 0, ..two.clone() }, BadStep::Generation { version: 2 }),
    ] {
        assert_eq!(by(0, roster).check_after(&one), Err(why));
    }
    assert_eq!(by(0, two.clone()).check_after(&one), Ok(()));
    // The author is in the roster before, and another key signs.
    let forged = Signed::by_device(two, &KEYS[1], &SystemRandom::new()).unwrap();
    assert_eq!(forged.check_after(&one), Err(BadStep::Signature { version: 2 }));
    for (roster, why) in [
        (Roster { version: 2, ..first(&[0]) }, BadStep::Version { version: 2, want: 1 }),
        (Roster { previous: Digest32([1; 32]), ..first(&[0]) }, BadStep::Previous { version: 1 }),
    ] {
        assert_eq!(by(0, roster).check_first(ANNE), Err(why));
    }
    assert_eq!(one.check_first(BORIS), Err(BadStep::OtherPerson));
    assert_eq!(by(1, first(&[0])).check_first(ANNE), Err(BadStep::Author { version: 1 }));
}

#[test]
fn a_device_that_changes_its_key_signs_with_the_old_one_and_from_then_on_with_the_new_one() {
    let one = by(0, first(&[0]));
    let renewed = Member { spki: *KEYS[3].spki(), ..member(0) };
    let two = by(0, Roster { devices: vec![renewed], ..next(&one, Author::Nobody) });
    assert_eq!(two.check_after(&one), Ok(()));
    let by_old = by(0, next(&two, Author::Nobody));
    assert_eq!(by_old.check_after(&two), Err(BadStep::Signature { version: 3 }));
    let roster = next(&two, Author::Device(id(0)));
    let by_new = Signed::by_device(roster, &KEYS[3], &SystemRandom::new()).unwrap();
    assert_eq!(by_new.check_after(&two), Ok(()));
}

#[test]
fn a_flipped_bit_anywhere_is_refused() {
    let one = by(0, first(&[0]));
    let two =
        by(0, with_phrase(Roster { devices: vec![member(0), member(1)], ..next(&one, Author::Nobody) }));
    let bytes = two.to_bytes();
    for bit in 0..bytes.len() * 8 {
        let mut other = bytes.clone();
        other[bit / 8] ^= 1 << (bit % 8);
        let accepted = Signed::parse(&other).is_ok_and(|signed| signed.check_after(&one).is_ok());
        assert!(!accepted, "bit {bit}");
    }
}

#[test]
fn a_content_has_one_form_and_others_are_refused() {
    let sound = with_phrase(first(&[0, 1]));
    let bytes = sound.encode().unwrap();
    assert_eq!(Roster::parse(&bytes).unwrap(), sound);
    for end in 0..bytes.len() {
        assert_eq!(Roster::parse(&bytes[..end]).err(), Some(BadRoster::Length { bytes: end }));
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Roster::parse(&longer).err(), Some(BadRoster::Length { bytes: longer.len() }));
    let changed = |at: usize, to: u8| {
        let mut other = bytes.clone();
        other[at] = to;
        Roster::parse(&other).err()
    };
    assert_eq!(changed(0, 2), Some(BadRoster::Form { form: 2 }));
    assert_eq!(changed(65, 3), Some(BadRoster::Author));
    assert_eq!(changed(65, 0), Some(BadRoster::Author), "nobody has no id");
    assert_eq!(changed(82, 2), Some(BadRoster::Unknown));
    let mut out_of_order = sound.clone();
    out_of_order.devices.reverse();
    assert_eq!(out_of_order.encode(), Err(BadRoster::Order));
    let twice = Member { id: id(2), ..member(0) };
    let mut devices = vec![member(0), twice];
    devices.sort_by_key(|member| member.id);
    assert_eq!(Roster { devices, ..sound.clone() }.encode(), Err(BadRoster::Order), "a key twice");
    let tokens = vec![Digest32([1; 32]); 2];
    assert_eq!(Roster { tokens, ..sound.clone() }.encode(), Err(BadRoster::Order));
    let tokens = (0..=TOKENS_MAX).map(|number| Digest32([number as u8; 32])).collect();
    let full = BadRoster::Full { devices: 2, tokens: TOKENS_MAX + 1 };
    assert_eq!(Roster { tokens, ..sound.clone() }.encode(), Err(full));
    assert_eq!(Roster { version: 0, ..sound }.encode(), Err(BadRoster::Version));
}

#[test]
fn a_roster_as_large_as_it_may_be_fits_into_a_body() {
    let random = SystemRandom::new();
    let mut devices: Vec<_> = (0..crate::device::DEVICES_MAX)
        .map(|number| {
            let spki = *SigningKey::generate(KeyKind::P256, &random).unwrap().spki();
            let name = DeviceName::new("x".repeat(64)).unwrap();
            Member {
                id: spki.device_id(),
                spki,
                wrap_pub: wrap_pub(number as u8 + 1),
                scopes: Scopes::ALL,
                name,
            }
        })
        .collect();
    devices.sort_by_key(|member| member.id);
    let tokens = (0..TOKENS_MAX).map(|number| Digest32([number as u8; 32])).collect();
    let roster = Roster { devices, tokens, ..with_phrase(first(&[])) };
    let signed = by(0, roster);
    assert_eq!(signed.roster().encode().unwrap().len(), ROSTER_BYTES_MAX);
    assert!(signed.to_bytes().len() <= SIGNED_ROSTER_BYTES_MAX);
    assert_eq!(Signed::parse(&signed.to_bytes()).unwrap(), signed);
    let body = crate::session::SignRequest { signed: signed.clone() };
    assert!(serde_json::to_vec(&body).unwrap().len() <= crate::body::BODY_BYTES_MAX);
    let reply = crate::session::RosterReply::of([signed.clone(), signed]);
    assert_eq!((reply.signed.len(), reply.more), (1, true));
    assert!(serde_json::to_vec(&reply).unwrap().len() <= crate::body::BODY_BYTES_MAX - 256);
}

#[test]
fn changes_are_told_and_those_that_give_somebody_something_need_approval() {
    let one = first(&[0]);
    let of = |change: fn(&mut Roster)| {
        let mut other = one.clone();
        change(&mut other);
        other.changes_since(Some(&one))
    };
    assert_eq!(one.changes_since(Some(&one)), []);
    let name = || member(1).name;
    let cases: [(Vec<Change>, Change, bool); 9] = [
        (
            of(|it| it.devices = vec![member(0), member(1)]),
            Change::DeviceAdded { id: id(1), name: name(), scopes: Scopes::PHONE },
            true,
        ),
        (of(|it| it.devices.clear()), Change::DeviceRemoved { id: id(0), name: member(0).name }, false),
        (of(|it| it.phrase = Some(wrap_pub(9))), Change::PhraseSet, true),
        (of(|it| it.tokens.push(Digest32([3; 32]))), Change::TokensAdded { count: 1 }, true),
        (of(|it| it.tokens.clear()), Change::TokensRemoved { count: 2 }, false),
        (of(|it| it.unattended = true), Change::UnattendedOn, true),
        (of(|it| it.generation = 2), Change::DataKey { generation: 2 }, false),
        (of(|it| it.inbox = None), Change::InboxKey, false),
        (
            of(|it| it.devices[0].scopes = Scopes::ALL),
            Change::DeviceScopes { id: id(0), name: member(0).name, scopes: Scopes::ALL, wider: true },
            true,
        ),
    ];
    for (changes, want, approval) in cases {
        assert_eq!(changes, std::slice::from_ref(&want));
        assert_eq!(want.needs_approval(id(0)), approval, "{want}");
        assert!(!want.to_string().is_empty());
    }
    let narrower = of(|it| it.devices[0].scopes = Scopes::NONE.with(Scope::Profile));
    assert!(narrower.iter().all(|change| !change.needs_approval(id(1))), "{narrower:?}");
    let key = of(|it| it.devices[0].spki = *KEYS[3].spki());
    assert!(!key[0].needs_approval(id(0)) && key[0].needs_approval(id(1)), "{key:?}");
    let replaced = Roster { phrase: Some(wrap_pub(8)), ..one.clone() };
    let replaced = replaced.changes_since(Some(&Roster { phrase: Some(wrap_pub(9)), ..one.clone() }));
    assert_eq!(replaced, [Change::PhraseReplaced]);
}

fn rosters() -> impl Strategy<Value = Roster> {
    let set = prop::collection::btree_set(0_usize..4, 0..4);
    let tokens = prop::collection::btree_set(any::<[u8; 32]>(), 0..4);
    (set, tokens, any::<(u64, [u8; 32], u64, bool, u32)>(), 0_u8..64, 0_usize..3).prop_map(
        |(devices, tokens, (version, previous, at_ms, unattended, generation), scopes, author)| Roster {
            version: version.max(1),
            previous: Digest32(previous),
            at_ms,
            unattended,
            generation,
            author: [Author::Nobody, Author::Phrase, Author::Device(id(0))][author],
            devices: devices
                .into_iter()
                .map(|index| Member { scopes: Scopes::from_bits(scopes).unwrap(), ..member(index) })
                .collect(),
            tokens: tokens.into_iter().map(Digest32).collect(),
            ..with_phrase(first(&[]))
        },
    )
}

proptest! {
    #[test]
    fn a_roster_reads_as_it_was_written_and_two_contents_have_two_hashes(one in rosters(), other in rosters()) {
        let bytes = one.encode().unwrap();
        prop_assert_eq!(&Roster::parse(&bytes).unwrap(), &one);
        prop_assert!(bytes.len() <= ROSTER_BYTES_MAX);
        let hash = |roster: &Roster| Signed::by_nobody(roster.clone()).unwrap().hash();
        prop_assert_eq!(hash(&one) == hash(&other), one == other);
        prop_assert_eq!(one.changes_since(Some(&one)), vec![]);
    }

    #[test]
    fn bytes_either_are_no_roster_or_are_its_one_form(
        roster in rosters(), changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(), cuts: bool,
    ) {
        let mut bytes = Signed::by_nobody(roster).unwrap().to_bytes();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        if cuts {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(signed) = Signed::parse(&bytes) {
            prop_assert_eq!(signed.to_bytes(), bytes);
        }
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (Signed::parse(&bytes), Roster::parse(&bytes));
    }
}
