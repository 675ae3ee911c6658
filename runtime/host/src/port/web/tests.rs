//! Sessions and challenges, without a connection.

use std::iter::once;

use runtime_user::UserId;
use runtime_user::passkey::CredentialId;

use super::entry::{ENTRY_MS_MAX, Entries};
use super::sessions::*;

const ADA: UserId = UserId([1; 16]);
const BOB: UserId = UserId([2; 16]);

fn passkey(number: u8) -> CredentialId {
    CredentialId::new(&[number; 16]).expect("16 bytes")
}

fn begin(sessions: &Sessions, number: u8, now_ms: u64) -> Begun {
    let new = New { passkey: passkey(number), opening: 1, browser: "a browser".to_owned(), shown_ms: 0 };
    sessions.begin(ADA, new, now_ms).expect("randomness")
}

fn find(sessions: &Sessions, begun: &Begun, now_ms: u64) -> Option<Found> {
    sessions.find(ADA, once(begun.cookie.as_str()), &begun.token, Some(1), now_ms).ok()
}

#[test]
fn a_session_needs_its_cookie_its_token_and_its_person_and_ends_with_time() {
    let sessions = Sessions::default();
    let (begun, other) = (begin(&sessions, 1, 0), begin(&sessions, 1, 0));
    let found = find(&sessions, &begun, 1).expect("there");
    assert!(sessions.find(ADA, once(begun.cookie.as_str()), &other.token, Some(1), 1).is_err());
    assert!(sessions.find(ADA, std::iter::empty(), &begun.token, Some(1), 1).is_err());
    assert!(sessions.find(BOB, once(begun.cookie.as_str()), &begun.token, Some(1), 1).is_err());
    // A cookie that somebody else has set beside it shuts nobody out.
    let two = ["x", begun.cookie.as_str()];
    assert!(sessions.find(ADA, two.into_iter(), &begun.token, Some(1), 1).is_ok());
    let mut now_ms = 0;
    while now_ms + SESSION_IDLE_MS_MAX / 2 < SESSION_MS_MAX {
        now_ms += SESSION_IDLE_MS_MAX / 2;
        assert!(find(&sessions, &begun, now_ms).is_some(), "{now_ms}");
        sessions.used(ADA, &found, now_ms).expect("there");
    }
    assert!(find(&sessions, &other, now_ms).is_none(), "it was not used");
    assert!(find(&sessions, &begun, SESSION_MS_MAX).is_none(), "it has lasted its time");
}

#[test]
fn another_opening_of_the_store_or_the_end_of_a_passkey_ends_sessions() {
    let sessions = Sessions::default();
    let (one, two) = (begin(&sessions, 1, 0), begin(&sessions, 2, 0));
    sessions.end_of(ADA, &passkey(1));
    assert!(find(&sessions, &one, 1).is_none() && find(&sessions, &two, 1).is_some());
    for opening in [None, Some(2)] {
        let again = begin(&sessions, 2, 0);
        assert!(sessions.find(ADA, once(again.cookie.as_str()), &again.token, opening, 1).is_err());
        assert!(find(&sessions, &again, 1).is_none(), "what has ended does not come back");
    }
}

#[test]
fn a_challenge_counts_once_for_its_session_and_its_call_within_its_time() {
    let sessions = Sessions::default();
    let (one, two) = (begin(&sessions, 1, 0), begin(&sessions, 1, 0));
    let (one, two) = (find(&sessions, &one, 1).expect("there"), find(&sessions, &two, 1).expect("there"));
    let (call, other) = (digest_of(&[b"a", b"b"]), digest_of(&[b"ab", b""]));
    assert_ne!(call, other);
    let given = |now_ms| sessions.challenge(ADA, &one, call, now_ms).expect("there");
    let used =
        |found, challenge, call, now_ms| sessions.use_up(ADA, found, challenge, call, now_ms).expect("there");
    let challenge = given(0);
    assert!(!used(&two, &challenge, call, 1), "another session");
    assert!(used(&one, &challenge, call, 1) && !used(&one, &challenge, call, 1), "once");
    let challenge = given(0);
    assert!(!used(&one, &challenge, other, 1) && !used(&one, &challenge, call, 1), "another call uses it up");
    let late = given(0);
    assert!(!used(&one, &late, call, STEP_UP_MS_MAX), "too late");
    let first = given(0);
    for _ in 0..STEP_UPS_MAX {
        given(0);
    }
    assert!(!used(&one, &first, call, 1), "the oldest makes room");
}

#[test]
fn the_challenge_of_a_browser_that_has_not_signed_in_is_bound_to_its_cookie_its_person_and_its_time() {
    let entries = Entries::default();
    let (cookie, challenge) = entries.begin(ADA, 1_000).expect("randomness");
    let knows = |user, cookie: &str, challenge: &Challenge, now_ms| {
        entries.knows(user, once(cookie), challenge, now_ms).expect("a key")
    };
    assert!(knows(ADA, &cookie, &challenge, 1_001));
    assert!(!knows(BOB, &cookie, &challenge, 1_001) && !knows(ADA, "x", &challenge, 1_001));
    assert!(!knows(ADA, &cookie, &challenge, 1_000 + ENTRY_MS_MAX));
    for place in 0..challenge.len() {
        let mut changed = challenge;
        changed[place] ^= 1;
        assert!(!knows(ADA, &cookie, &changed, 1_001), "byte {place}");
    }
    assert!(entries.use_up(challenge, 1_002) && !entries.use_up(challenge, 1_002));
    assert!(!knows(ADA, &cookie, &challenge, 1_003));
}

#[test]
fn the_session_that_was_used_least_recently_makes_room() {
    let sessions = Sessions::default();
    let first = begin(&sessions, 1, 0);
    let all: Vec<Begun> =
        (1..=BROWSER_SESSIONS_MAX as u64).map(|now_ms| begin(&sessions, 1, now_ms)).collect();
    assert!(find(&sessions, &first, 20).is_none());
    assert!(all.iter().all(|begun| find(&sessions, begun, 20).is_some()));
}
