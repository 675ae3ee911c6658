//! What a phone believes of its host's rosters.

use super::*;
use crate::device::testing::wrap_pub;
use crate::encoding::KeyKind;
use crate::keys::SigningKey;
use crate::roster::{Author, BadStep, Member, Roster, RosterMark, Signed};

struct Phone {
    key: SigningKey,
    state: PhoneState,
}

impl Phone {
    fn new() -> Self {
        let key = SigningKey::generate(KeyKind::Ed25519, &ring::rand::SystemRandom::new()).unwrap();
        let device = key.spki().device_id();
        Self { key, state: PhoneState { device, ..phone_side::phone_state() } }
    }

    fn member(&self, number: u8) -> Member {
        let name = crate::device::DeviceName::new(format!("phone {number}")).unwrap();
        let (id, spki) = (self.state.device, *self.key.spki());
        Member { id, spki, wrap_pub: wrap_pub(number), scopes: Scopes::PHONE, name }
    }

    fn sign(&self, roster: Roster) -> Signed {
        let roster = Roster { author: Author::Device(self.state.device), ..roster };
        Signed::by_device(roster, &self.key, &ring::rand::SystemRandom::new()).unwrap()
    }
}

fn roster(before: Option<&Signed>, mut devices: Vec<Member>) -> Roster {
    devices.sort_by_key(|member| member.id);
    Roster {
        user: ANNE,
        version: before.map_or(1, |before| before.roster().version + 1),
        previous: before.map_or(Digest32([0; 32]), Signed::hash),
        at_ms: NOW_MS,
        author: Author::Nobody,
        unattended: false,
        generation: 1,
        inbox: None,
        phrase: None,
        devices,
        tokens: Vec::new(),
    }
}

fn says(signed: &Signed) -> Option<RosterState> {
    Some(RosterState { signed: Some(signed.mark()), pending: false })
}

#[test]
fn a_phone_follows_its_owners_rosters_and_tells_what_changed_and_who_signed_it() {
    let (mut one, two) = (Phone::new(), Phone::new());
    let first = one.sign(roster(None, vec![one.member(1)]));
    assert_eq!(one.state.check_roster(says(&first)), Ok(true));
    let learnt = one.state.take_rosters(std::slice::from_ref(&first)).unwrap();
    assert_eq!((learnt.len(), learnt[0].by.as_str()), (1, "the device phone 1"));
    let second = one.sign(roster(Some(&first), vec![one.member(1), two.member(2)]));
    let third = two.sign(roster(Some(&second), vec![one.member(1), two.member(2)]));
    let learnt = one.state.take_rosters(&[second.clone(), third.clone()]).unwrap();
    assert_eq!(
        (learnt[0].version, learnt[0].changes.len(), learnt[1].by.as_str()),
        (2, 1, "the device phone 2")
    );
    assert_eq!(one.state.check_roster(says(&third)), Ok(false));
    // What it knows already is nothing new, and is no chain from where it stands.
    assert!(one.state.take_rosters(&[second]).is_err());
    assert_eq!(one.state.take_rosters(&[]), Ok(Vec::new()));
    assert_eq!(one.state.roster, Some(third));
}

#[test]
fn a_host_that_goes_back_or_shows_another_roster_of_the_same_version_is_not_believed() {
    let (mut one, two) = (Phone::new(), Phone::new());
    let first = one.sign(roster(None, vec![one.member(1), two.member(2)]));
    let second = one.sign(roster(Some(&first), vec![one.member(1)]));
    one.state.take_rosters(&[first.clone(), second.clone()]).unwrap();
    let before = one.state.clone();
    let older = |now| Err(RosterDistrust::Older { seen: 2, now });
    assert_eq!(one.state.check_roster(says(&first)), older(1));
    assert_eq!(one.state.check_roster(None), older(0));
    assert_eq!(one.state.check_roster(Some(RosterState { signed: None, pending: true })), older(0));
    let mark = RosterMark { version: 2, hash: Digest32([5; 32]) };
    let other = Some(RosterState { signed: Some(mark), pending: false });
    assert_eq!(one.state.check_roster(other), Err(RosterDistrust::Forked { version: 2 }));
    // The revoked phone signs on from where it was let in.
    let forked = two.sign(roster(Some(&first), vec![one.member(1), two.member(2)]));
    let wrong = RosterDistrust::Step(BadStep::Version { version: 2, want: 3 });
    assert_eq!(one.state.take_rosters(&[forked]), Err(wrong));
    let third = two.sign(roster(Some(&second), vec![one.member(1), two.member(2)]));
    let wrong = RosterDistrust::Step(BadStep::Author { version: 3 });
    assert_eq!(one.state.take_rosters(&[third]), Err(wrong));
    let fourth = Roster { version: 4, ..roster(Some(&second), vec![one.member(1)]) };
    let gap = Err(RosterDistrust::Gap { seen: 2, now: 4 });
    assert_eq!(one.state.take_rosters(&[one.sign(fourth)]), gap);
    assert_eq!(one.state, before, "nothing was taken from any of them");
}

#[test]
fn a_phone_believes_no_first_roster_without_itself_and_none_of_another_person() {
    let (mut one, two) = (Phone::new(), Phone::new());
    let others = two.sign(roster(None, vec![two.member(2)]));
    assert_eq!(one.state.take_rosters(&[others]), Err(RosterDistrust::NotNamed { version: 1 }));
    let elsewhere =
        one.sign(Roster { user: crate::device::testing::BORIS, ..roster(None, vec![one.member(1)]) });
    let wrong = Err(RosterDistrust::Step(BadStep::OtherPerson));
    assert_eq!(one.state.take_rosters(&[elsewhere]), wrong);
    let unsigned = Signed::by_nobody(roster(None, vec![one.member(1)])).unwrap();
    let wrong = Err(RosterDistrust::Step(BadStep::Author { version: 1 }));
    assert_eq!(one.state.take_rosters(&[unsigned]), wrong);
    assert_eq!(one.state.roster, None);
    // A phone that comes in later begins with the roster that names it.
    let third = Roster { version: 3, ..roster(None, vec![one.member(1), two.member(2)]) };
    assert_eq!(one.state.take_rosters(&[two.sign(third)]).unwrap()[0].version, 3);
}

#[test]
fn a_phone_signs_nothing_that_does_not_follow_or_that_shuts_it_out() {
    let (mut one, two) = (Phone::new(), Phone::new());
    let own = Author::Device(one.state.device);
    let first = one.sign(roster(None, vec![one.member(1)]));
    let proposal = Roster { author: own, ..first.roster().clone() };
    assert_eq!(one.state.judge(&proposal).unwrap().len(), 1);
    one.state.take_rosters(std::slice::from_ref(&first)).unwrap();
    let next = Roster { author: own, ..roster(Some(&first), vec![one.member(1), two.member(2)]) };
    assert_eq!(one.state.judge(&next).unwrap().len(), 1);
    for wrong in [
        proposal,
        Roster { author: Author::Nobody, ..next.clone() },
        Roster { previous: Digest32([1; 32]), ..next.clone() },
        Roster { version: 3, ..next.clone() },
        Roster { generation: 0, ..next.clone() },
        Roster { devices: vec![two.member(2)], ..next.clone() },
        Roster { user: crate::device::testing::BORIS, ..next },
    ] {
        assert_eq!(one.state.judge(&wrong), Err(RosterDistrust::Proposal { seen: 1 }));
    }
}
