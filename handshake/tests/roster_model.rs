//! Every order of changes to an owner's rosters, checked on the code itself.
//!
//! The actors are two phones of the owner, the second of which comes in by the approval of the first; the owner's own
//! console, which changes the host's tables and asks for signatures; the attacker, who has the host: shows any chain of
//! rosters that exists anywhere, puts back an older disk, forges rosters with a key of their own, and once the owner
//! has shut a phone out, has that phone and its key too. A phone signs what adds somebody only where its owner says so,
//! and the owner says so only for the owner's own phones.
//!
//! Four faults are planted in the world around the code, never in it: a phone that remembers nothing between two
//! contacts, a phone that does not check signatures, a phone that signs whatever it is asked to, and a host that does
//! not compare what it opens with what its sealed store has seen. The checker must find each.
//!
//! What the checker showed to be impossible is not claimed: until a phone has signed that a lost phone is out, whoever
//! has the lost phone's key and the host signs with it, and the other phones believe that, and say so. A device that came
//! in that way has to be shut out too, or it signs the lost phone back in.

#![allow(clippy::unwrap_used, reason = "what is not there has failed a test already")]

mod support;

use handshake::device::{DeviceName, Scopes};
use handshake::encoding::{DeviceId, Digest32, KeyKind, Label};
use handshake::keys::SigningKey;
use handshake::roster::{Author, Change, Member, Roster, Signed, follow};
use handshake::session::{PhoneState, RosterState};
use ring::rand::SystemRandom;
use runtime_types::UserId;
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex};
use std::time::Instant;
use support::{HOST, NOW_MS, runtime, wrap_pub};

const ADA: UserId = UserId([1; 16]);
/// The owner's phones.
const FIRST: usize = 0;
const SECOND: usize = 1;
/// The attacker's device.
const ATTACKER: usize = 2;
/// Nothing is explored beyond this version, nor with more copies than this.
const VERSIONS_MAX: u64 = 5;
const CHAINS_MAX: usize = 7;

/// One world to explore.
#[derive(Debug, Clone, Copy)]
struct World {
    remembers: bool,
    checks_signatures: bool,
    asks_its_owner: bool,
    store_compares: bool,
    /// Whether the attacker has the host while phones are served; otherwise only its disk between two starts.
    rogue_host: bool,
}

/// Keys that sign the same bytes in the same way each time.
static KEYS: LazyLock<[SigningKey; 3]> =
    LazyLock::new(|| [0; 3].map(|_| SigningKey::generate(KeyKind::Ed25519, &SystemRandom::new()).unwrap()));

fn id(who: usize) -> DeviceId {
    KEYS[who].spki().device_id()
}

/// Making one takes long.
static MEMBERS: LazyLock<[Member; 3]> = LazyLock::new(|| [FIRST, SECOND, ATTACKER].map(make_member));

fn make_member(who: usize) -> Member {
    let name = DeviceName::new(format!("phone {who}")).unwrap();
    let (spki, wrap_pub) = (*KEYS[who].spki(), wrap_pub(who as u8 + 1));
    Member { id: id(who), spki, wrap_pub, scopes: Scopes::PHONE, name }
}

/// A roster by its place in a list of all that were ever made, so that states are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct R(usize);

#[derive(Default)]
struct Known {
    all: Vec<Signed>,
    made: HashMap<(Option<R>, BTreeSet<usize>, usize), R>,
    /// What a phone believes after it was shown a chain; `None`: it refuses.
    followed: HashMap<(usize, Option<R>, Chain), Option<Option<R>>>,
}

static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(Mutex::default);

impl R {
    fn signed(self) -> Signed {
        KNOWN.lock().unwrap().all[self.0].clone()
    }

    /// The roster in which these devices stand, after that one, as that device signs it.
    fn make(before: Option<Self>, devices: &BTreeSet<usize>, by: usize) -> Self {
        let content = roster(before.map(Self::signed).as_ref(), devices, by);
        let mut known = KNOWN.lock().unwrap();
        let key = (before, devices.clone(), by);
        if let Some(made) = known.made.get(&key) {
            return *made;
        }
        known.all.push(Signed::by_device(content, &KEYS[by], &SystemRandom::new()).unwrap());
        let made = Self(known.all.len() - 1);
        known.made.insert(key, made);
        made
    }

    fn of(signed: &Signed) -> Self {
        let known = KNOWN.lock().unwrap();
        Self(known.all.iter().position(|one| one == signed).unwrap())
    }
}

fn roster(before: Option<&Signed>, devices: &BTreeSet<usize>, by: usize) -> Roster {
    let mut devices: Vec<_> = devices.iter().map(|who| MEMBERS[*who].clone()).collect();
    devices.sort_by_key(|member| member.id);
    Roster {
        user: ADA,
        version: before.map_or(1, |before| before.roster().version + 1),
        previous: before.map_or(Digest32([0; 32]), Signed::hash),
        at_ms: NOW_MS,
        author: Author::Device(id(by)),
        unattended: false,
        generation: 1,
        inbox: None,
        phrase: None,
        devices,
        tokens: Vec::new(),
    }
}

fn phone_state(who: usize) -> PhoneState {
    PhoneState {
        user: ADA,
        device: id(who),
        label: Label([who as u8; 16]),
        previous_label: None,
        host: HOST.to_owned(),
        port: 443,
        pin: runtime().pin(),
        next_pins: Vec::new(),
        scopes: Scopes::PHONE,
        head: None,
        tells_heads: false,
        roster: None,
        slot: None,
    }
}

/// A chain of rosters from the first on.
type Chain = Vec<R>;

fn version(roster: Option<R>) -> u64 {
    roster.map_or(0, |roster| roster.signed().roster().version)
}

fn names(roster: R, who: usize) -> bool {
    roster.signed().roster().device(id(who)).is_some()
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// What lies on the host's disk.
    disk: Chain,
    /// The newest roster that the sealed store has seen.
    sealed: Option<R>,
    /// The devices of the host's table, which any hand on the disk can change.
    table: BTreeSet<usize>,
    /// Every chain that was ever on the disk, or that the attacker made.
    chains: BTreeSet<Chain>,
    /// The newest roster that each of the owner's phones has believed.
    seen: [Option<R>; 2],
    /// What each has refused to believe; it sends nothing more then.
    alarmed: [bool; 2],
    /// Whether the owner has let the second phone in, and shut it out.
    second_in: bool,
    second_out: bool,
    /// A phone believed an older roster than one that it had seen.
    led_back: bool,
    /// The first phone has believed a roster without the second, after the owner shut that out.
    saw_it_out: bool,
    /// The attacker's device came into what a phone believes: by a signature of nobody who was lost, or of a phone
    /// after the first one had seen it shut out.
    let_in: bool,
    /// The first phone has believed a roster with the attacker's device, which signs from then on.
    ever_in: bool,
    /// The host served somebody by a roster older than the one that its open store has seen.
    served_old: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Action {
    /// A phone comes, follows what the host has, sends its key, and signs what is pending, if it may.
    Contact(usize),
    /// The same at a host that shows that chain.
    Shown(usize, Chain),
    /// The owner's console lets the second phone in, or shuts it out.
    LetIn,
    ShutOut,
    /// The attacker puts a copy of the disk back, or a chain of their own.
    PutBack(Chain),
    /// The attacker writes their device into the table of devices.
    Plant,
    /// The attacker signs a roster with their own device in it, after that chain: by that device, or by the phone that
    /// was shut out.
    Forge(Chain, usize),
}

impl World {
    /// What the phone believes after a host has shown it a chain. `None`: it refuses to.
    fn follows(&self, who: usize, seen: Option<R>, chain: &Chain) -> Option<Option<R>> {
        if !self.checks_signatures {
            return Some(chain.last().copied());
        }
        let key = (who, seen, chain.clone());
        if let Some(known) = KNOWN.lock().unwrap().followed.get(&key) {
            return *known;
        }
        let mut phone = PhoneState { roster: seen.map(R::signed), ..phone_state(who) };
        let shown: Vec<_> = chain.iter().map(|roster| roster.signed()).collect();
        let believed = follow_as_phone(&mut phone, &shown).map(|()| phone.roster.as_ref().map(R::of));
        KNOWN.lock().unwrap().followed.insert(key, believed);
        believed
    }

    /// Whether the phone signs that content.
    fn signs(&self, who: usize, seen: Option<R>, proposal: &Roster, state: &State) -> bool {
        let phone = PhoneState { roster: seen.map(R::signed), ..phone_state(who) };
        let Ok(changes) = phone.judge(proposal) else { return false };
        // The owner knows their own two phones, and says yes to them alone.
        let fine = |change: &Change| match change {
            Change::DeviceAdded { id: added, .. } => {
                *added == id(FIRST) || (*added == id(SECOND) && state.second_in && !state.second_out)
            }
            change => !change.needs_approval(id(who)),
        };
        !self.asks_its_owner || changes.iter().all(fine)
    }
}

/// What a phone does with a grant and the rosters that it asks for.
fn follow_as_phone(phone: &mut PhoneState, chain: &[Signed]) -> Option<()> {
    let newest = chain.last().map(Signed::mark);
    if !phone.check_roster(Some(RosterState { signed: newest, pending: false })).ok()? {
        return Some(());
    }
    // A phone that remembers none asks for the newest alone.
    let known = phone.roster.as_ref().map(|seen| seen.roster().version);
    let after = known.unwrap_or_else(|| newest.map_or(0, |newest| newest.version - 1));
    let news: Vec<_> = chain.iter().filter(|roster| roster.roster().version > after).cloned().collect();
    phone.take_rosters(&news).ok().map(drop)
}

impl State {
    /// A phone comes to the host as the disk says that it is.
    fn contact(&mut self, world: &World, who: usize) -> Option<()> {
        if who == SECOND && self.second_out {
            return self.contact_of_the_lost(world);
        }
        // A device is let in as long as the newest roster names it; before the first, it is the one that pairs.
        let named = |disk: &Chain| disk.last().map_or(who == FIRST, |newest| names(*newest, who));
        if !named(&self.disk) {
            return None;
        }
        let remembered = self.seen[who].filter(|_| world.remembers);
        let Some(believed) = world.follows(who, remembered, &self.disk) else {
            self.alarmed[who] = true;
            return Some(());
        };
        // Now it sends its key, and the store opens and compares. The phone looks again.
        self.open(world);
        let again = world.follows(who, believed, &self.disk).filter(|_| named(&self.disk));
        let Some(believed) = again else {
            self.alarmed[who] = true;
            return Some(());
        };
        self.served_old |= version(self.sealed) > version(self.disk.last().copied());
        self.believe(who, believed);
        if let Some(next) = self.signature(world, believed, who, &self.disk) {
            self.disk.push(next);
            self.chains.insert(self.disk.clone());
            self.believe(who, Some(next));
            self.sealed = Some(next);
        }
        Some(())
    }

    /// The attacker comes with the phone that was shut out, while the store is open.
    fn contact_of_the_lost(&mut self, world: &World) -> Option<()> {
        self.open(world);
        let newest = self.disk.last().copied();
        let named = newest.is_some_and(|newest| names(newest, SECOND)) && self.table.contains(&SECOND);
        self.served_old |= named && version(self.sealed) > version(newest);
        Some(())
    }

    /// The attacker has the host, and shows a phone some chain.
    fn shown(&mut self, world: &World, who: usize, chain: Chain) {
        let remembered = self.seen[who].filter(|_| world.remembers);
        let Some(believed) = world.follows(who, remembered, &chain) else {
            self.alarmed[who] = true;
            return;
        };
        self.believe(who, believed);
        if let Some(next) = self.signature(world, believed, who, &chain) {
            self.believe(who, Some(next));
            self.chains.insert([chain, vec![next]].concat());
        }
    }

    fn believe(&mut self, who: usize, roster: Option<R>) {
        let before = std::mem::replace(&mut self.seen[who], roster);
        self.led_back |= version(roster) < version(before);
        let named = |roster: Option<R>, who| roster.is_some_and(|roster| names(roster, who));
        if named(roster, ATTACKER) && !named(before, ATTACKER) {
            self.let_in |= !self.second_out || self.saw_it_out;
        }
        self.ever_in |= who == FIRST && named(roster, ATTACKER);
        self.saw_it_out |= who == FIRST && self.second_out && roster.is_some() && !named(roster, SECOND);
    }

    /// What the phone signs after that chain: the host's table, whoever wrote it.
    fn signature(&self, world: &World, believed: Option<R>, who: usize, chain: &Chain) -> Option<R> {
        let newest = chain.last().copied();
        let before = newest.map(R::signed);
        let proposal = roster(before.as_ref(), &self.table, who);
        let news = before.is_none_or(|newest| !proposal.says_the_same(newest.roster()));
        let signs = news && proposal.version <= VERSIONS_MAX && world.signs(who, believed, &proposal, self);
        signs.then(|| R::make(newest, &self.table, who))
    }

    /// The store is open: what lies beside it is compared with what it has seen.
    fn open(&mut self, world: &World) {
        let Some(sealed) = self.sealed.filter(|_| world.store_compares) else { return };
        let from = self.disk.iter().position(|roster| *roster == sealed);
        let after = |from: usize| self.disk[from..].iter().map(|roster| roster.signed()).collect::<Vec<_>>();
        let sound = from.map(after).is_some_and(|after| follow(&after[0], &after[1..]).is_ok());
        if !sound {
            self.disk = vec![sealed];
        }
        self.sealed = self.disk.last().copied();
    }

    fn forge(&mut self, mut chain: Chain, by: usize) {
        let mut devices = self.table.clone();
        devices.extend([FIRST, SECOND, ATTACKER]);
        chain.push(R::make(chain.last().copied(), &devices, by));
        self.chains.insert(chain);
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            disk: Vec::new(),
            sealed: None,
            table: [FIRST].into(),
            chains: BTreeSet::new(),
            seen: [None, None],
            alarmed: [false; 2],
            second_in: false,
            second_out: false,
            led_back: false,
            saw_it_out: false,
            let_in: false,
            ever_in: false,
            served_old: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for who in [FIRST, SECOND].into_iter().filter(|who| !state.alarmed[*who]) {
            actions.push(Action::Contact(who));
            // The first roster that a phone sees is believed, as its pairing is.
            let lost = who == SECOND && state.second_out;
            if self.rogue_host && state.seen[who].is_some() && !lost {
                actions.extend(state.chains.iter().map(|chain| Action::Shown(who, chain.clone())));
            }
        }
        // The first pairing is believed; what comes before it is the owner's own.
        if state.seen[FIRST].is_none() {
            return;
        }
        actions.extend((!state.second_in).then_some(Action::LetIn));
        actions.extend((state.second_in && !state.second_out).then_some(Action::ShutOut));
        actions.extend((!state.table.contains(&ATTACKER)).then_some(Action::Plant));
        for chain in &state.chains {
            // A host that shows any chain need not put one back.
            let other = !self.rogue_host && *chain != state.disk;
            actions.extend(other.then(|| Action::PutBack(chain.clone())));
            if chain.last().is_some_and(|newest| version(Some(*newest)) < VERSIONS_MAX) {
                actions.push(Action::Forge(chain.clone(), ATTACKER));
                actions.extend(state.second_out.then(|| Action::Forge(chain.clone(), SECOND)));
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Contact(who) => state.contact(self, who)?,
            Action::Shown(who, chain) => state.shown(self, who, chain),
            Action::LetIn => {
                state.second_in = true;
                state.table.insert(SECOND);
            }
            Action::ShutOut => {
                state.second_out = true;
                state.table.remove(&SECOND);
            }
            Action::PutBack(chain) => {
                let newest = *chain.last()?;
                state.disk = chain;
                let all = [FIRST, SECOND, ATTACKER];
                state.table = all.into_iter().filter(|who| names(newest, *who)).collect();
            }
            Action::Plant => {
                state.table.insert(ATTACKER);
            }
            Action::Forge(chain, by) => state.forge(chain, by),
        }
        (state != *last).then_some(state)
    }

    fn within_boundary(&self, state: &State) -> bool {
        state.chains.len() <= CHAINS_MAX
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(NOT_BELIEVED, |_, state: &State| !state.let_in),
            Property::always(NEVER_BACK, |_, state: &State| !state.led_back),
            Property::always(STAYS_OUT, |_, state: &State| {
                let back = state.seen[FIRST].is_some_and(|seen| names(seen, SECOND));
                !(state.saw_it_out && back) || state.ever_in
            }),
            Property::always(STORE_NOTICES, |_, state: &State| !state.served_old),
            Property::sometimes(SECOND_IN, |_, state: &State| {
                state.seen[SECOND].is_some_and(|seen| names(seen, FIRST) && names(seen, SECOND))
            }),
            Property::sometimes(SHUT_OUT, |_, state: &State| state.saw_it_out),
            Property::sometimes(NOTICED, |_, state: &State| state.alarmed[FIRST]),
        ]
    }
}

const NOT_BELIEVED: &str = "a device comes in by a phone of the owner that no roster has shut out";
const NEVER_BACK: &str = "no phone goes back behind what it has seen";
const STAYS_OUT: &str = "a phone that was shut out does not come back unless it let another one in before";
const STORE_NOTICES: &str = "an open store serves nobody by a roster older than the one that it has seen";
const SECOND_IN: &str = "the second phone comes in";
const SHUT_OUT: &str = "the second phone is shut out by a signed roster";
const NOTICED: &str = "a phone notices an older or a forged chain";

fn explore(world: World, name: &str, faults: &[&'static str]) -> impl Checker<World> + use<> {
    let begun = Instant::now();
    let enough = match faults {
        [] => HasDiscoveries::All,
        faults => HasDiscoveries::AllOf(faults.iter().copied().collect()),
    };
    let checked = world.checker().threads(2).finish_when(enough).spawn_bfs().join();
    let (states, depth) = (checked.unique_state_count(), checked.max_depth());
    println!("{name}: {states} states, {depth} deep, {} ms", begun.elapsed().as_millis());
    checked
}

/// As `assert_properties`, and a counterexample is only its actions.
fn assert_sound(checked: &impl Checker<World>) {
    for property in checked.model().properties() {
        let found = checked.discovery(property.name).map(stateright::Path::into_actions);
        let wanted = matches!(property.expectation, stateright::Expectation::Sometimes);
        assert_eq!(found.is_some(), wanted, "{}: {found:?}", property.name);
    }
    assert!(checked.is_done());
}

const DISK: World = World {
    remembers: true,
    checks_signatures: true,
    asks_its_owner: true,
    store_compares: true,
    rogue_host: false,
};
const ROGUE: World = World { rogue_host: true, ..DISK };

#[test]
fn who_puts_back_and_forges_what_lies_on_the_disk_gets_nothing_past_two_phones_and_the_store() {
    assert_sound(&explore(DISK, "the disk is the attacker's", &[]));
}

#[test]
fn a_rogue_host_that_shows_any_chain_to_either_phone_gets_nothing_past_them() {
    assert_sound(&explore(ROGUE, "the host is the attacker's", &[]));
}

#[test]
fn planted_a_phone_that_remembers_nothing_is_led_back() {
    let world = World { remembers: false, ..ROGUE };
    explore(world, "planted, no memory", &[NEVER_BACK]).assert_any_discovery(NEVER_BACK);
}

#[test]
fn planted_a_phone_that_checks_no_signature_believes_the_attacker() {
    let world = World { checks_signatures: false, ..ROGUE };
    explore(world, "planted, no signatures", &[NOT_BELIEVED]).assert_any_discovery(NOT_BELIEVED);
}

#[test]
fn planted_a_phone_that_signs_without_asking_lets_the_attacker_in() {
    let world = World { asks_its_owner: false, ..DISK };
    explore(world, "planted, no question", &[NOT_BELIEVED]).assert_any_discovery(NOT_BELIEVED);
}

#[test]
fn planted_a_store_that_does_not_compare_serves_an_older_roster() {
    let world = World { store_compares: false, ..DISK };
    explore(world, "planted, no comparison", &[STORE_NOTICES]).assert_any_discovery(STORE_NOTICES);
}
