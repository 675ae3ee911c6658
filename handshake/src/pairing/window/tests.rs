use super::*;
use crate::encoding::TypedCode;
use crate::encoding::{Spki, WrapPub};
use crate::pairing::LIFETIME_MS;
use crate::pairing::{Confirmed, Me, Pairing, SentProof, TYPED_OFF_MS};
use crate::secret::Secret;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use ring::rand::SystemRandom;
use std::convert::Infallible;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

const NOW_MS: u64 = 1_790_000_000_000;

fn codes() -> &'static Codes {
    static CODES: LazyLock<Codes> = LazyLock::new(|| Codes::random(true, &SystemRandom::new()).unwrap());
    &CODES
}

fn runtime() -> Spki {
    Spki::from_ed25519(&[9; 32]).unwrap()
}

fn device(number: u8) -> Spki {
    Spki::from_ed25519(&[number + 1; 32]).unwrap()
}

fn channel(number: u8) -> Channel {
    let exporter = Secret::new([number; 32]);
    Channel { connection: ConnectionId(number.into()), device: device(number), runtime: runtime(), exporter }
}

fn done<T>(step: Step<T>) -> T {
    let sent: Result<T, Infallible> = step.after(|_, _| Ok(()));
    sent.unwrap()
}

fn window() -> Window {
    // Stretching takes much longer than everything else here.
    static WINDOW: LazyLock<Window> =
        LazyLock::new(|| done(Window::open(codes(), LIFETIME_MS, None, NOW_MS).unwrap()));
    WINDOW.clone()
}

fn hello(window: &mut Window, number: u8, now_ms: u64) -> Result<(SentProof, Proof), Code> {
    let name = DeviceName::new(format!("phone {number}")).unwrap();
    let me = Me { device: device(number), name, platform: Platform::Android };
    let code = codes().qr(runtime().pin(), "cellar.example".to_owned(), 443, false);
    let random = SystemRandom::new();
    let pairing = Pairing::scanned(code, me, &random).unwrap();
    let (said, hello) = pairing.connected(runtime(), Secret::new([number; 32])).unwrap();
    let challenge = done(window.hello(channel(number), &hello, now_ms, &random))?;
    Ok(said.challenged(&challenge).unwrap())
}

fn claim(window: &mut Window, number: u8, now_ms: u64) -> Result<Confirmed, Code> {
    let (sent, proof) = hello(window, number, now_ms)?;
    let claimed = done(window.proof(channel(number).connection, &proof, now_ms))?;
    Ok(sent.claimed(&claimed).unwrap())
}

fn enrol() -> Enrol {
    let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    Enrol { wrap_pub: WrapPub::parse(&secret.public_key().to_sec1_bytes()).unwrap() }
}

fn ask(window: &mut Window, number: u8, now_ms: u64) -> Result<Enrolment, Code> {
    done(window.enrol(channel(number).connection, &enrol(), now_ms))
}

fn bad_proof(window: &mut Window, number: u8, now_ms: u64) -> Result<Claimed, Code> {
    let (_, mut proof) = hello(window, number, now_ms)?;
    proof.mac.0[31] ^= 1;
    done(window.proof(channel(number).connection, &proof, now_ms))
}

fn state(window: &Window) -> WindowState {
    window.record().state
}

#[test]
fn a_window_goes_from_open_over_claimed_and_enrolling_to_done() {
    let mut window = window();
    assert_eq!(state(&window), WindowState::Open);
    assert_eq!(window.deadline_ms(), Some(NOW_MS + LIFETIME_MS));
    let phone = claim(&mut window, 1, NOW_MS + 1_000).unwrap();
    assert_eq!((state(&window), phone.approve_by_s()), (WindowState::Claimed, 120));
    let claim = window.claim().unwrap();
    assert_eq!((claim.digits, claim.device, claim.name.as_str()), (phone.digits(), device(1), "phone 1"));
    let until_ms = NOW_MS + 1_000 + APPROVAL_MS;
    assert_eq!(ask(&mut window, 1, NOW_MS + 2_000), Ok(Enrolment::Wait { until_ms }));
    assert_eq!(done(window.approve(window.id(), NOW_MS + 3_000)), Ok(()));
    assert_eq!(state(&window), WindowState::Enrolling);
    let Ok(Enrolment::Ready(new)) = ask(&mut window, 1, NOW_MS + 4_000) else { panic!("not ready") };
    assert_eq!((new.device, new.wrap_pub), (device(1), enrol().wrap_pub));
    assert_eq!((state(&window), window.deadline_ms()), (WindowState::Done, None));
    assert_eq!(ask(&mut window, 1, NOW_MS + 5_000), Err(Code::WindowGone));
}

#[test]
fn one_window_at_a_time_within_the_limits_of_its_life() {
    let open = |lifetime_ms, last: Option<&WindowRecord>| {
        Window::open(&Codes { typed: None, ..codes().clone() }, lifetime_ms, last, NOW_MS).map(done)
    };
    let record = window().record();
    assert_eq!(open(LIFETIME_MS, Some(&record)).err(), Some(OpenError::WindowOpen));
    let over = record.after_restart(NOW_MS);
    let next = open(LIFETIME_MS, Some(&over)).unwrap();
    assert_eq!(next.selector(), None);
    for lifetime_ms in [0, 59_999, 900_001, u64::MAX] {
        assert_eq!(open(lifetime_ms, None).err(), Some(OpenError::Lifetime { lifetime_ms }));
    }
    assert!(open(60_000, None).is_ok() && open(900_000, None).is_ok());
}

#[test]
fn what_changes_is_in_the_record_before_the_answer_is_had() {
    let mut window = window();
    let step = window.hello(channel(1), &any_hello(codes()), NOW_MS, &SystemRandom::new());
    assert_eq!(step.record().map(|record| record.challenges), Some(1));
    let lost: Result<_, &str> = step.after(|_, _| Err("disk full"));
    assert_eq!(lost.err(), Some("disk full"));
    assert_eq!(window.record().challenges, 1);
    let wrong = Proof { nonce: Nonce([0; 32]), mac: Mac([0; 32]) };
    let step = window.proof(ConnectionId(1), &wrong, NOW_MS);
    assert_eq!(step.record().map(|record| (record.bad, record.challenges)), Some((1, 1)));
    let step = window.tick(NOW_MS + LIFETIME_MS);
    assert_eq!(step.record().map(|record| record.state), Some(WindowState::Burnt));
    assert!(window.tick(NOW_MS + LIFETIME_MS + 1).record().is_none());
}

fn any_hello(codes: &Codes) -> Hello {
    let (window, commit) = (WindowName::Scanned(codes.window), Commit([0; 32]));
    Hello { window, commit, name: DeviceName::new("x").unwrap(), platform: Platform::Other }
}

#[test]
fn no_record_tells_a_secret_and_every_record_reads_what_it_writes() {
    let mut window = window();
    let _ = bad_proof(&mut window, 1, NOW_MS);
    let text = serde_json::to_string(&window.record()).unwrap();
    assert_eq!(serde_json::from_str::<WindowRecord>(&text).unwrap(), window.record());
    let secret = serde_json::to_string(&codes().secret).unwrap();
    assert!(!text.contains(secret.trim_matches('"')));
    let debug = format!("{window:?} {:?}", codes());
    assert!(!debug.contains(&codes().typed.as_ref().unwrap().reveal()[5..]));
    assert!(!debug.contains(&format!("{:?}", codes().secret.expose())));
}

#[test]
fn a_window_whose_challenges_are_used_up_burns_once_no_proof_can_come() {
    let mut window = window();
    for number in 1..=CHALLENGES_MAX {
        assert!(hello(&mut window, number, NOW_MS).is_ok());
    }
    for number in 1..CHALLENGES_MAX {
        done(window.connection_lost(ConnectionId(number.into()), NOW_MS));
        assert_eq!(state(&window), WindowState::Open);
    }
    done(window.connection_lost(ConnectionId(CHALLENGES_MAX.into()), NOW_MS));
    assert_eq!(state(&window), WindowState::Burnt);
}

#[test]
fn the_tenth_challenge_can_still_be_proved() {
    let mut window = window();
    for number in 1..CHALLENGES_MAX {
        assert!(hello(&mut window, number, NOW_MS).is_ok());
    }
    assert!(claim(&mut window, CHALLENGES_MAX, NOW_MS).is_ok());
}

#[test]
fn a_second_hello_on_a_connection_replaces_the_challenge_and_costs_another() {
    let mut window = window();
    let (_, proof) = hello(&mut window, 1, NOW_MS).unwrap();
    let (_, newer) = hello(&mut window, 1, NOW_MS).unwrap();
    assert_eq!(window.record().challenges, 2);
    assert_eq!(done(window.proof(ConnectionId(1), &proof, NOW_MS)), Err(Code::ProofWrong));
    assert_eq!(done(window.proof(ConnectionId(1), &newer, NOW_MS)), Err(Code::ProofWrong), "used up");
    assert_eq!(window.record().bad, 1, "a proof without a challenge guesses nothing");
}

#[test]
fn whoever_loses_the_connection_after_the_claim_begins_again_with_a_new_window() {
    for approved in [false, true] {
        let mut window = window();
        claim(&mut window, 1, NOW_MS).unwrap();
        if approved {
            done(window.approve(window.id(), NOW_MS)).unwrap();
        }
        done(window.connection_lost(ConnectionId(2), NOW_MS));
        assert!(window.claim().is_some(), "another connection's end");
        done(window.connection_lost(ConnectionId(1), NOW_MS));
        assert_eq!(state(&window), WindowState::Burnt);
        assert_eq!(done(window.approve(window.id(), NOW_MS)), Err(OwnerError::Over));
    }
}

#[test]
fn the_owner_may_cancel_reject_and_take_an_approval_back() {
    for approved in [None, Some(false), Some(true)] {
        let mut window = window();
        if let Some(approved) = approved {
            claim(&mut window, 1, NOW_MS).unwrap();
            if approved {
                done(window.approve(window.id(), NOW_MS)).unwrap();
            }
        }
        assert_eq!(done(window.reject(WindowId([0; 8]), NOW_MS)), Err(OwnerError::OtherWindow));
        assert_eq!(done(window.reject(window.id(), NOW_MS)), Ok(()));
        assert_eq!(done(window.reject(window.id(), NOW_MS)), Err(OwnerError::Over));
        let told = if approved.is_some() { Code::NotApproved } else { Code::WindowGone };
        assert_eq!(ask(&mut window, 1, NOW_MS), Err(told));
        assert_eq!(ask(&mut window, 2, NOW_MS), Err(Code::WindowGone));
    }
}

#[test]
fn a_clock_that_is_put_far_back_ends_a_window_and_one_that_is_corrected_does_not() {
    let mut window = window();
    done(window.tick(NOW_MS - LIFETIME_MS + 1));
    assert_eq!(state(&window), WindowState::Open);
    done(window.tick(NOW_MS - LIFETIME_MS));
    assert_eq!(state(&window), WindowState::Burnt);
}

#[test]
fn three_burnt_windows_switch_typing_off_and_scanning_goes_on() {
    let mut last: Option<WindowRecord> = None;
    let random = SystemRandom::new();
    for number in 0..3 {
        let codes = Codes::random(false, &random).unwrap();
        let mut window = done(Window::open(&codes, LIFETIME_MS, last.as_ref(), NOW_MS + number).unwrap());
        done(window.hello(channel(1), &any_hello(&codes), NOW_MS + number, &random)).unwrap();
        done(window.reject(codes.window, NOW_MS + number)).unwrap();
        last = Some(window.record());
    }
    let last = last.as_ref();
    let until_ms = NOW_MS + 2 + TYPED_OFF_MS;
    let refused = Window::open(codes(), LIFETIME_MS, last, NOW_MS + 10).err();
    assert_eq!(refused, Some(OpenError::TypedOff { until_ms }));
    let scanned = Codes { typed: None, ..codes().clone() };
    assert!(Window::open(&scanned, LIFETIME_MS, last, NOW_MS + 10).is_ok());
    assert!(Window::open(codes(), LIFETIME_MS, last, until_ms).is_ok());
}

#[test]
fn where_typing_is_not_offered_a_selector_names_nothing() {
    let scanned = Codes { typed: None, ..codes().clone() };
    let mut window = done(Window::open(&scanned, LIFETIME_MS, None, NOW_MS).unwrap());
    let selector = TypedCode::parse("00000000000000000000").unwrap().selector();
    let hello = Hello { window: WindowName::Typed(selector), ..any_hello(&scanned) };
    let answer = done(window.hello(channel(1), &hello, NOW_MS, &SystemRandom::new()));
    assert_eq!((answer, window.record().challenges), (Err(Code::WindowGone), 0));
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Hello(u8),
    Proof(u8),
    BadProof(u8),
    Lost(u8),
    Approve,
    Reject,
    Enrol(u8),
    Wait(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let connection = 1_u8..4;
    prop_oneof![
        6 => connection.clone().prop_map(Event::Hello),
        4 => connection.clone().prop_map(Event::Proof),
        3 => connection.clone().prop_map(Event::BadProof),
        1 => connection.clone().prop_map(Event::Lost),
        3 => Just(Event::Approve),
        1 => Just(Event::Reject),
        4 => connection.prop_map(Event::Enrol),
        2 => prop_oneof![0_u64..200_000, Just(LIFETIME_MS)].prop_map(Event::Wait),
    ]
}

/// The effects of one case's events, beside the window itself.
#[derive(Default)]
struct Story {
    proofs: BTreeMap<u8, Proof>,
    claimed: Vec<u8>,
    approved: bool,
    enrolled: Vec<u8>,
}

impl Story {
    fn happens(&mut self, event: Event, window: &mut Window, now_ms: u64) -> Result<(), TestCaseError> {
        let connection = |number: u8| ConnectionId(number.into());
        match event {
            Event::Hello(number) => {
                if let Ok((_, proof)) = hello(window, number, now_ms) {
                    self.proofs.insert(number, proof);
                }
            }
            Event::Proof(number) => {
                if let Some(proof) = self.proofs.get(&number)
                    && done(window.proof(connection(number), proof, now_ms)).is_ok()
                {
                    self.claimed.push(number);
                }
            }
            Event::BadProof(number) => {
                let wrong = Proof { nonce: Nonce([number; 32]), mac: Mac([number; 32]) };
                prop_assert!(done(window.proof(connection(number), &wrong, now_ms)).is_err());
            }
            Event::Lost(number) => {
                self.proofs.remove(&number);
                done(window.connection_lost(connection(number), now_ms));
            }
            Event::Approve => self.approved |= done(window.approve(window.id(), now_ms)).is_ok(),
            Event::Reject => drop(done(window.reject(window.id(), now_ms))),
            Event::Enrol(number) => {
                if let Ok(Enrolment::Ready(new)) = ask(window, number, now_ms) {
                    prop_assert!(self.approved, "nobody approved");
                    prop_assert_eq!(&self.claimed, &vec![number], "who claimed");
                    prop_assert_eq!(new.device, device(number));
                    self.enrolled.push(number);
                }
            }
            Event::Wait(_) => done(window.tick(now_ms)),
        }
        Ok(())
    }
}

/// Properties that hold between any two events.
fn promises(window: &Window, before: &WindowRecord, story: &Story) -> Result<(), TestCaseError> {
    let record = window.record();
    prop_assert!(record.bad <= BAD_PROOFS_MAX && record.bad >= before.bad);
    prop_assert!(record.challenges <= CHALLENGES_MAX && record.challenges >= before.challenges);
    prop_assert!(story.claimed.len() <= 1 && story.enrolled.len() <= 1);
    prop_assert!(!before.is_over() || record == *before, "a final state was left");
    match &window.state {
        State::Open(open) => prop_assert!(open.runs.len() <= usize::from(record.challenges)),
        _ => prop_assert!(!format!("{window:?}").contains("Qr("), "a secret outlives OPEN"),
    }
    Ok(())
}

#[test]
fn whatever_happens_in_whatever_order_the_window_keeps_its_promises() {
    let events = proptest::collection::vec(event(), 1..60);
    let (enrolled, burnt) = (AtomicU32::new(0), AtomicU32::new(0));
    let mut runner = TestRunner::new(ProptestConfig::with_cases(600));
    let outcome = runner.run(&events, |events| {
        let (mut window, mut story, mut now_ms) = (window(), Story::default(), NOW_MS);
        for event in events {
            let before = window.record();
            if let Event::Wait(ms) = event {
                now_ms += ms;
            }
            story.happens(event, &mut window, now_ms)?;
            promises(&window, &before, &story)?;
        }
        enrolled.fetch_add(story.enrolled.len() as u32, Ordering::Relaxed);
        burnt.fetch_add(u32::from(state(&window) == WindowState::Burnt), Ordering::Relaxed);
        Ok(())
    });
    outcome.unwrap();
    let (enrolled, burnt) = (enrolled.into_inner(), burnt.into_inner());
    assert!(enrolled > 10 && burnt > 10, "{enrolled} enrolments and {burnt} burnt windows show little");
}
