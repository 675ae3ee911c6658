//! Every order of events around a pairing window, checked on the code itself.
//!
//! The actors are phones of the owner that speak to the runtime; an attacker with another device who may know the code,
//! may be in the middle between a phone and the runtime, and may send what a phone sent on another connection; the
//! owner, who approves what is shown or not; time; and a crash, after which only the record on the disk is left and the
//! owner may open another window. Requests and their answers are one step; a lost answer is a lost connection.
//!
//! Two faults are planted in the world around the code, never in it: an owner who does not compare the digits, and a
//! runtime that asks an earlier copy of the open window again, so that it can be claimed twice. The checker must find
//! both.

#![allow(clippy::unwrap_used, reason = "what is not there has failed a test already")]

mod support;

use handshake::encoding::{Label, Spki, TypedCode, WindowId};
use handshake::pairing::{
    BAD_PROOFS_MAX, CHALLENGES_MAX, Challenge, Channel, Codes, Confirmed, ConnectionId, Enrol, Enrolment,
    LIFETIME_MS, Pairing, Proof, SaidHello, SentProof, Window, WindowRecord, WindowState,
};
use handshake::secret::Secret;
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};
use std::time::Instant;
use support::{HOST, NOW_MS, ed25519, exporter, me, persisted, runtime, wrap_pub};

/// The attacker's index among the phones, after the honest ones.
const ATTACKER: usize = 9;
/// The attacker's key as a runtime.
const FAKE_RUNTIME: u8 = 99;

/// One world to explore.
#[derive(Debug, Clone, Copy)]
struct World {
    /// Honest phones, 1 or 2.
    phones: usize,
    /// The code is typed, so that a phone may meet a fake runtime; otherwise scanned.
    typed: bool,
    attacker_knows_code: bool,
    owner_compares: bool,
    claims_once: bool,
    /// Whether a crash may happen, after which the owner may open a second window.
    restarts: bool,
}

/// Ring's own fixed bytes; its trait is sealed.
#[expect(deprecated, reason = "no other source of bytes can be the same twice")]
fn fixed(byte: u8) -> ring::test::rand::FixedByteRandom {
    ring::test::rand::FixedByteRandom { byte }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phone {
    Ready,
    Proving(SentProof, Proof),
    /// Shows the digits.
    Waiting(Confirmed),
    /// Refused, disconnected, or enrolled; an honest phone tries once for each window.
    Over,
}

/// The party that a phone speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Peer {
    Runtime,
    Fake,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    now_ms: u64,
    /// The index of the person's window, from 0.
    generation: usize,
    /// `None`: the process has restarted.
    window: Option<Window>,
    /// The window when it was last open; kept only in the world with the planted fault.
    remembered: Option<Window>,
    disk: Option<WindowRecord>,
    /// The attacker's own window, opened with the same code.
    fake: Option<Window>,
    phones: Vec<(Phone, Peer)>,
    attacker: Phone,
    /// Right proofs, by window.
    claims: [u8; 2],
    /// Windows and the devices that they enrolled.
    enrolled: Vec<(usize, Spki)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Hello(usize, Peer),
    Proof(usize),
    /// The attacker sends an honest phone's proof on another connection.
    Replay(usize),
    Enrol(usize),
    Lost(usize),
    Approve,
    Reject,
    TimePasses,
    Crash,
    AnotherWindow,
}

fn codes(typed: bool, generation: usize) -> Codes {
    let byte = 40 + generation as u8;
    let text = "0000-0000-0000-0000-0000";
    Codes {
        window: WindowId([byte; 8]),
        label: Label([byte; 16]),
        secret: Secret::new([byte; 16]),
        typed: typed.then(|| TypedCode::parse(text).unwrap()),
    }
}

/// Stretching a code takes longer than everything else together, so its result is cached.
fn opened(
    typed: bool,
    generation: usize,
    last: Option<&WindowRecord>,
    now_ms: u64,
) -> (Window, WindowRecord) {
    type Key = (bool, usize, Option<WindowRecord>, u64);
    static OPENED: LazyLock<Mutex<HashMap<Key, Window>>> = LazyLock::new(Mutex::default);
    let mut opened = OPENED.lock().unwrap();
    let window = opened.entry((typed, generation, last.cloned(), now_ms)).or_insert_with(|| {
        persisted(Window::open(&codes(typed, generation), LIFETIME_MS, last, now_ms).unwrap(), &mut None)
    });
    (window.clone(), window.record())
}

fn challenged(said: SaidHello, challenge: Challenge) -> (SentProof, Proof) {
    type Answers = HashMap<(SaidHello, Challenge), (SentProof, Proof)>;
    static ANSWERS: LazyLock<Mutex<Answers>> = LazyLock::new(Mutex::default);
    let mut answers = ANSWERS.lock().unwrap();
    let key = (said, challenge);
    let answer = answers.entry(key.clone()).or_insert_with(|| key.0.challenged(&key.1).unwrap());
    answer.clone()
}

/// The same for all: the wrap key decides nothing here, and making one takes long.
fn enrolment() -> Enrol {
    static ENROL: LazyLock<Enrol> = LazyLock::new(|| Enrol { wrap_pub: wrap_pub(1) });
    ENROL.clone()
}

fn device(who: usize) -> Spki {
    ed25519(1 + who as u8)
}

impl World {
    fn pairing(&self, who: usize, generation: usize) -> Pairing {
        let mut codes = codes(self.typed, generation);
        let random = fixed(1 + who as u8);
        if who == ATTACKER && !self.attacker_knows_code {
            codes.secret = Secret::new([0; 16]);
            codes.typed = codes.typed.map(|_| TypedCode::parse("0000-1000-0000-0000-000K").unwrap());
        }
        match codes.typed {
            Some(code) => Pairing::typed(code, HOST, 443, me(device(who)), &random).unwrap(),
            None => {
                let code = codes.qr(runtime().pin(), HOST.to_owned(), 443, false);
                Pairing::scanned(code, me(device(who)), &random).unwrap()
            }
        }
    }

    fn channel(&self, who: usize, peer: Peer) -> Channel {
        let (runtime, side) = match peer {
            Peer::Runtime => (runtime(), 0),
            Peer::Fake => (ed25519(FAKE_RUNTIME), 100),
        };
        let connection = ConnectionId(who as u64);
        Channel { connection, device: device(who), runtime, exporter: exporter(side + who as u8) }
    }
}

impl State {
    fn window(&mut self, peer: Peer) -> Option<&mut Window> {
        match peer {
            Peer::Runtime => self.window.as_mut(),
            Peer::Fake => self.fake.as_mut(),
        }
    }

    fn phone(&mut self, who: usize) -> (&mut Phone, Peer) {
        match self.phones.get_mut(who) {
            Some((phone, peer)) => (phone, *peer),
            None => (&mut self.attacker, Peer::Runtime),
        }
    }

    /// An honest phone gives up where it is refused; the attacker begins again.
    fn set(&mut self, who: usize, phone: Option<Phone>) {
        let refused = if who == ATTACKER { Phone::Ready } else { Phone::Over };
        *self.phone(who).0 = phone.unwrap_or(refused);
    }

    fn hello(&mut self, world: &World, who: usize, peer: Peer) -> Option<()> {
        let channel = world.channel(who, peer);
        let pairing = world.pairing(who, self.generation);
        let (said, hello) = pairing.connected(channel.runtime, channel.exporter.clone()).ok()?;
        let (now_ms, mut disk) = (self.now_ms, self.disk.take());
        let answer = self.window(peer).map(|window| {
            let ignored = &mut None;
            let disk = if peer == Peer::Runtime { &mut disk } else { ignored };
            persisted(window.hello(channel, &hello, now_ms, &fixed(77)), disk)
        });
        self.disk = disk;
        if let Some((_, with)) = self.phones.get_mut(who) {
            *with = peer;
        }
        let challenge = answer.and_then(Result::ok);
        let proving = challenge.map(|challenge| challenged(said, challenge));
        self.set(who, proving.map(|(sent, proof)| Phone::Proving(sent, proof)));
        Some(())
    }

    fn proof(&mut self, world: &World, who: usize, proof: &Proof) -> Option<handshake::pairing::Claimed> {
        let peer = self.phone(who).1;
        let (connection, now_ms) = (ConnectionId(who as u64), self.now_ms);
        if peer == Peer::Fake {
            return persisted(self.fake.as_mut()?.proof(connection, proof, now_ms), &mut None).ok();
        }
        // The planted fault: the request goes to the window as it was before the claim.
        if !world.claims_once && self.window.as_ref()?.record().state != WindowState::Open {
            self.window = self.remembered.clone();
        }
        let answer = persisted(self.window.as_mut()?.proof(connection, proof, now_ms), &mut self.disk).ok();
        self.claims[self.generation] += u8::from(answer.is_some());
        answer
    }

    fn prove(&mut self, world: &World, who: usize) -> Option<()> {
        let Phone::Proving(sent, proof) = self.phone(who).0.clone() else { return None };
        let claimed = self.proof(world, who, &proof);
        let confirmed = claimed.map(|claimed| sent.claimed(&claimed).unwrap());
        self.set(who, confirmed.map(Phone::Waiting));
        Some(())
    }

    fn enrol(&mut self, who: usize) -> Option<()> {
        let allowed = who == ATTACKER || matches!(self.phone(who), (Phone::Waiting(_), Peer::Runtime));
        if !allowed {
            return None;
        }
        let (connection, enrol) = (ConnectionId(who as u64), enrolment());
        let answer = self.window.as_mut().map(|window| window.enrol(connection, &enrol, self.now_ms));
        match answer.map(|answer| persisted(answer, &mut self.disk)) {
            Some(Ok(Enrolment::Wait { .. })) => return None,
            // The phone's state stays, as if the answer was lost, and it may ask again.
            Some(Ok(Enrolment::Ready(new))) => self.enrolled.push((self.generation, new.device)),
            Some(Err(_)) | None => self.set(who, None),
        }
        Some(())
    }

    fn lost(&mut self, who: usize) {
        let peer = self.phone(who).1;
        let (connection, now_ms, mut disk) = (ConnectionId(who as u64), self.now_ms, self.disk.take());
        if let Some(window) = self.window(peer) {
            let ignored = &mut None;
            let disk = if peer == Peer::Runtime { &mut disk } else { ignored };
            persisted(window.connection_lost(connection, now_ms), disk);
        }
        self.disk = disk;
        self.set(who, None);
    }

    /// Whether the owner sees the same digits on a phone of theirs and on the screen.
    fn digits_match(&self) -> bool {
        let shown = self.window.as_ref().and_then(Window::claim).map(|claim| claim.digits);
        let on_phone =
            |phone: &Phone| matches!(phone, Phone::Waiting(phone) if Some(phone.digits()) == shown);
        self.phones.iter().any(|(phone, _)| on_phone(phone))
    }

    fn owner(&mut self, approves: bool) -> Option<()> {
        let (now_ms, window) = (self.now_ms, self.window.as_mut()?);
        let id = window.id();
        let step = if approves { window.approve(id, now_ms) } else { window.reject(id, now_ms) };
        persisted(step, &mut self.disk).ok()
    }

    fn crash(&mut self) {
        self.window = None;
        self.remembered = None;
        self.disk = self.disk.take().map(|disk| disk.after_restart(self.now_ms));
        (0..self.phones.len()).for_each(|who| self.set(who, None));
        self.set(ATTACKER, None);
    }

    fn another_window(&mut self, world: &World) {
        self.generation += 1;
        let (window, record) = opened(world.typed, self.generation, self.disk.as_ref(), self.now_ms);
        (self.window, self.disk) = (Some(window), Some(record));
        self.phones.iter_mut().for_each(|(phone, _)| *phone = Phone::Ready);
        self.attacker = Phone::Ready;
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let (window, record) = opened(self.typed, 0, None, NOW_MS);
        vec![State {
            now_ms: NOW_MS,
            generation: 0,
            remembered: (!self.claims_once).then(|| window.clone()),
            fake: (self.typed && self.attacker_knows_code).then(|| window.clone()),
            window: Some(window),
            disk: Some(record),
            phones: vec![(Phone::Ready, Peer::Runtime); self.phones],
            attacker: Phone::Ready,
            claims: [0; 2],
            enrolled: Vec::new(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let over = state.disk.as_ref().is_some_and(WindowRecord::is_over);
        for who in (0..self.phones).chain([ATTACKER]) {
            let phone = state.phones.get(who).map_or(&state.attacker, |(phone, _)| phone);
            match phone {
                Phone::Ready => actions.push(Action::Hello(who, Peer::Runtime)),
                Phone::Proving(..) => actions.extend([Action::Proof(who), Action::Lost(who)]),
                Phone::Waiting(_) => actions.extend([Action::Enrol(who), Action::Lost(who)]),
                Phone::Over => {}
            }
            if who != ATTACKER {
                let fooled = *phone == Phone::Ready && state.fake.is_some();
                actions.extend(fooled.then_some(Action::Hello(who, Peer::Fake)));
                actions.extend(matches!(phone, Phone::Proving(..)).then_some(Action::Replay(who)));
            } else if *phone != Phone::Ready {
                actions.push(Action::Hello(who, Peer::Runtime));
            }
            if who == ATTACKER && !matches!(phone, Phone::Waiting(_)) {
                actions.push(Action::Enrol(who));
            }
        }
        if state.digits_match() || !self.owner_compares {
            actions.push(Action::Approve);
        }
        if !over {
            actions.extend([Action::Reject, Action::TimePasses]);
        }
        if self.restarts {
            actions.extend(state.window.is_some().then_some(Action::Crash));
            actions.extend((over && state.generation == 0).then_some(Action::AnotherWindow));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Hello(who, peer) => state.hello(self, who, peer)?,
            Action::Proof(who) => state.prove(self, who)?,
            Action::Replay(whose) => {
                let Phone::Proving(_, proof) = state.phones[whose].0.clone() else { return None };
                state.proof(self, ATTACKER, &proof);
                state.set(ATTACKER, None);
            }
            Action::Enrol(who) => state.enrol(who)?,
            Action::Lost(who) => state.lost(who),
            Action::Approve => state.owner(true)?,
            Action::Reject => state.owner(false)?,
            Action::TimePasses => {
                state.now_ms += LIFETIME_MS;
                persisted(state.window.as_mut()?.tick(state.now_ms), &mut state.disk);
            }
            Action::Crash => state.crash(),
            Action::AnotherWindow => state.another_window(self),
        }
        let open = state.window.as_ref().filter(|window| window.record().state == WindowState::Open);
        if !self.claims_once && open.is_some() {
            state.remembered = open.cloned();
        }
        (state != *last).then_some(state)
    }

    /// A window that enrols without end, or counts nothing, is found early and must not be explored for ever.
    fn within_boundary(&self, state: &State) -> bool {
        let counted = state.disk.as_ref().is_none_or(|disk| disk.challenges <= CHALLENGES_MAX + 1);
        counted && state.enrolled.len() <= 3
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(ATTACKER_OUT, |_, state: &State| {
                state.enrolled.iter().all(|(_, who)| *who != device(ATTACKER))
            }),
            Property::always(ONE_DEVICE, |_, state: &State| {
                (0..2).all(|window| state.enrolled.iter().filter(|(of, _)| *of == window).count() <= 1)
            }),
            Property::always(USED_ONCE, |_, state: &State| state.claims.iter().all(|claims| *claims <= 1)),
            Property::always(COUNTED, |_, state: &State| {
                state
                    .disk
                    .as_ref()
                    .is_some_and(|disk| disk.bad <= BAD_PROOFS_MAX && disk.challenges <= CHALLENGES_MAX)
            }),
            Property::always(ON_DISK, |world: &Self, state: &State| {
                let known = state.window.as_ref().is_none_or(|window| Some(window.record()) == state.disk);
                known || !world.claims_once
            }),
            Property::sometimes(HONEST_IN, |_, state: &State| {
                state.enrolled.iter().any(|(_, who)| *who == device(0))
            }),
            Property::sometimes(ALL_GUESSED, |world: &Self, state: &State| {
                // An attacker who knows the code has no reason to guess.
                world.attacker_knows_code
                    || state.disk.as_ref().is_some_and(|disk| disk.bad == BAD_PROOFS_MAX)
            }),
        ]
    }
}

const ATTACKER_OUT: &str = "the attacker's device is never enrolled";
const ONE_DEVICE: &str = "a window enrols at most one device";
const USED_ONCE: &str = "a code is proved at most once";
const COUNTED: &str = "at most five proofs are wrong and at most ten challenges are given";
const ON_DISK: &str = "what was answered is on the disk";
const HONEST_IN: &str = "an honest phone is enrolled";
const ALL_GUESSED: &str = "five proofs are wrong";

/// Explores until everything was seen, or until a counterexample to each of `faults` was.
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

const SCANNED: World = World {
    phones: 1,
    typed: false,
    attacker_knows_code: false,
    owner_compares: true,
    claims_once: true,
    restarts: true,
};
const LEAKED: World = World { attacker_knows_code: true, ..SCANNED };
const BETWEEN: World = World { typed: true, restarts: false, ..LEAKED };

#[test]
fn an_attacker_without_the_code_gets_nothing() {
    explore(SCANNED, "scanned, unknown to the attacker", &[]).assert_properties();
}

#[test]
fn an_attacker_with_a_photographed_code_gets_nothing() {
    explore(LEAKED, "scanned, known to the attacker", &[]).assert_properties();
}

#[test]
fn an_attacker_between_a_phone_and_the_runtime_with_the_typed_code_gets_nothing() {
    explore(BETWEEN, "typed, known to an attacker in between", &[]).assert_properties();
}

#[test]
fn of_two_honest_phones_and_an_attacker_at_most_one_phone_gets_in() {
    let world = World { phones: 2, ..LEAKED };
    explore(world, "scanned by two, known to the attacker", &[]).assert_properties();
}

#[test]
fn planted_an_owner_who_does_not_compare_lets_an_attacker_with_the_code_in() {
    for (world, name) in [(LEAKED, "scanned"), (BETWEEN, "typed")] {
        let world = World { owner_compares: false, restarts: false, ..world };
        let found = explore(world, &format!("planted, no comparing, {name}"), &[ATTACKER_OUT]);
        let path = found.assert_any_discovery(ATTACKER_OUT).into_actions();
        assert!(path.contains(&Action::Approve), "{path:?}");
    }
}

#[test]
fn planted_an_owner_who_does_not_compare_is_still_safe_while_the_code_is_secret() {
    let world = World { owner_compares: false, restarts: false, ..SCANNED };
    explore(world, "no comparing, unknown to the attacker", &[]).assert_properties();
}

#[test]
fn planted_a_window_that_can_be_claimed_twice_is_found() {
    let world = World { phones: 2, claims_once: false, restarts: false, ..LEAKED };
    let found = explore(world, "planted, claimed twice", &[USED_ONCE, ONE_DEVICE]);
    found.assert_any_discovery(USED_ONCE);
    found.assert_any_discovery(ONE_DEVICE);
}
