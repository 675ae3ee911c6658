//! The document of a study: what is refused, what is signed, and one signed study, byte by byte.

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use ring::rand::SystemRandom;
use runtime_package::{BadSignature, PublisherKey};
use runtime_study::{Answered, BadStudy, Bounded, EpochLength, SignedStudy, Study, in_epsilon, sign};

const TEXT: &str = include_str!("../vectors/study-1.toml");
/// The private key of the vector, of nobody.
const PKCS8: &str = include_str!("../vectors/study-1.key");

const TEXT_2: &str = include_str!("../vectors/study-2.toml");
/// The private key of the second vector, of nobody.
const PKCS8_2: &str = include_str!("../vectors/study-2.key");

/// What a document with two aggregators has in the place of `answered`.
const TWO: &str = r#"answered = "two-aggregators"

[[aggregators]]
address = "leader.example.org:8450"
key = "0b5a3f2c9d7e81460b5a3f2c9d7e81460b5a3f2c9d7e81460b5a3f2c9d7e8146"

[[aggregators]]
address = "[2001:db8::7]:8450"
key = "f1c4d2a7b6e30958f1c4d2a7b6e30958f1c4d2a7b6e30958f1c4d2a7b6e30958"
"#;

/// The same study with two aggregators.
fn two() -> String {
    let text = SOUND.replacen("version = 1", "version = 2", 1).replace("lo = -10", "lo = 0");
    text.replacen("answered = \"one-host\"\n", TWO, 1)
}

/// A document that is right, without a signature.
const SOUND: &str = r#"version = 1
name = "modes"
title = "Distance by mode"
purpose = "Counts how far people go by each mode."
ethics = "A committee, 2026-113"
cell = "zntsnvirhlbqxq6osekdyyuqt4"
digest = "b6e956cb17b4c7a98a67ec7c40ea427314d248b16aa7ec1ee93927c060b4b334"
streams = ["analysis/inferred_section"]
from = 2026-10-01
until = 2027-01-01T00:00:00Z
epoch = "month"
epsilon = 0.25
l1 = 1_000
smallest-group = 20
answered = "one-host"

[[numbers]]
name = "walking"
lo = 0
hi = 300

[[numbers]]
name = "other"
lo = -10
hi = 2_000
times = 2
"#;

fn key() -> PublisherKey {
    PublisherKey::generate(&SystemRandom::new()).expect("random bytes")
}

fn signed(text: &str) -> String {
    sign(text.as_bytes(), &key(), &SystemRandom::new()).expect("random bytes").expect("a study")
}

fn refused(from: &str, to: &str) -> BadStudy {
    assert!(SOUND.contains(from), "{from}");
    Study::parse(&SOUND.replacen(from, to, 1)).expect_err("refused")
}

#[test]
fn a_study_says_what_it_reads_computes_costs_and_when_it_ends() {
    let study = Study::parse(SOUND).expect("sound");
    assert_eq!((study.epoch, study.epochs().len(), study.epsilon_micro), (EpochLength::Month, 3, 250_000));
    let names: Vec<_> = study.numbers().iter().map(|number| number.name.as_str()).collect();
    assert_eq!(names, ["walking", "other-0000", "other-0001"]);
    assert!((study.scale() - 4_000.0).abs() < 1e-9);
    assert_eq!(
        study.words(),
        [
            "Distance by mode is for: Counts how far people go by each mode.",
            "Its ethics reference is: A committee, 2026-113.",
            "Its cell reads `analysis/inferred_section` from 2026-10-01 until 2027-01-01, 3 times, once for each month.",
            "Of your data it computes 3 numbers: walking (0 to 300), other-0000 (-10 to 2000), other-0001 (-10 to 2000).",
            "Numbers beyond their bounds are cut, and all of them together count for at most 1000.",
            "Totals over at least 20 people leave this host, with noise: each is within 11983 of the sum in 95 of 100 \
             cases. Your numbers leave it in no other way, and are kept nowhere.",
            "Each total costs ε 0.25 of your privacy budget: ε 0.75 in all.",
            "It ends at 2027-01-01; the last total may be taken until 30 days later. You may leave at any time.",
        ]
    );
    assert_eq!([1, 1_000_000, 1_250_000, 0].map(in_epsilon), ["ε 0.000001", "ε 1", "ε 1.25", "ε 0"]);
}

#[test]
fn each_value_out_of_range_is_refused_by_name() {
    assert_eq!(refused("version = 1", "version = 3"), BadStudy::Version { found: 3 });
    assert_eq!(refused("\"modes\"", "\"Modes\""), BadStudy::Name);
    assert!(matches!(refused("Distance by mode", "a\\u202Eb"), BadStudy::Text { member: "title", .. }));
    assert!(matches!(refused("A committee, 2026-113", " "), BadStudy::Text { member: "ethics", .. }));
    assert_eq!(refused("b6e956", "B6E956"), BadStudy::Digest);
    for streams in ["[]", "[\"analysis/*\"]", "[\"a\"]", "[\"a/b\", \"a/b\"]"] {
        assert_eq!(refused("[\"analysis/inferred_section\"]", streams), BadStudy::Streams, "{streams}");
    }
    for moment in ["2026-10-01T00:00:00", "2026-10-01T00:00:00.5Z", "1969-12-31", "10:00:00"] {
        assert_eq!(refused("2026-10-01", moment), BadStudy::Moment { member: "from" }, "{moment}");
    }
    assert_eq!(refused("2026-10-01", "2026-10-02"), BadStudy::Epochs { epoch: "month" });
    assert_eq!(refused("2026-10-01", "2027-01-01"), BadStudy::Epochs { epoch: "month" });
    for epsilon in ["0.0", "-0.25", "0.0009", "2.1", "0.2500001", "nan", "inf"] {
        assert_eq!(refused("0.25", epsilon), BadStudy::Epsilon, "{epsilon}");
    }
    assert_eq!(refused("l1 =", "delta = 1e-6\nl1 ="), BadStudy::Delta);
    assert_eq!(refused("smallest-group = 20", "smallest-group = 4"), BadStudy::SmallestGroup);
    for l1 in ["0", "-1", "4_301"] {
        assert_eq!(refused("1_000", l1), BadStudy::L1 { most: 4_300 }, "{l1}");
    }
    assert_eq!(refused("lo = 0", "lo = 1"), BadStudy::Bounds { index: 1 });
    assert_eq!(refused("hi = 2_000", "hi = 2_000_000_000"), BadStudy::Bounds { index: 2 });
    assert_eq!(refused("times = 2", "times = 4_096"), BadStudy::Numbers);
    assert_eq!(refused("times = 2", "times = 0"), BadStudy::Numbers);
    assert_eq!(refused("\"other\"", "\"O\""), BadStudy::NumberName { index: 2 });
    assert_eq!(
        refused("name = \"other\"\nlo = -10\nhi = 2_000\ntimes = 2", "name = \"walking\"\nlo = 0\nhi = 1"),
        BadStudy::NumberName { index: 2 }
    );
    assert!(matches!(refused("l1 =", "l2 = 1\nl1 ="), BadStudy::Form { .. }));
    let unsound = refused("\"one-host\"", "\"anybody\"").to_string();
    assert!(unsound.contains("line "), "{unsound}");
}

#[test]
fn attack_152_a_study_that_was_changed_or_that_another_signed_is_not_the_study_that_people_joined() {
    let text = signed(SOUND);
    let study = SignedStudy::parse(text.as_bytes()).expect("signed");
    // Everybody may sign the same document; whose it is differs, which study it is does not.
    let other = SignedStudy::parse(signed(SOUND).as_bytes()).expect("signed");
    assert_eq!(other.id(), study.id());
    assert_ne!(other.signed().publisher, study.signed().publisher);
    for (from, to) in [("epsilon = 0.25", "epsilon = 0.26"), ("2026-113", "2026-114"), ("\n[[", "\n\n[[")] {
        let changed = SignedStudy::parse(text.replacen(from, to, 1).as_bytes());
        assert_eq!(changed, Err(BadStudy::Signature(BadSignature::Signature)), "{to}");
    }
    assert_eq!(SignedStudy::parse(SOUND.as_bytes()), Err(BadStudy::Unsigned));
    let line = text.lines().last().expect("a line");
    let twice = format!("{text}{line}\n");
    assert_eq!(SignedStudy::parse(twice.as_bytes()), Err(BadStudy::SignedTwice));
    for form in
        [text.trim_end().to_owned(), text.replace("signature: 0", "signature: g"), format!("{text}# more\n")]
    {
        assert!(SignedStudy::parse(form.as_bytes()).is_err(), "{form}");
    }
    // Signed again, the last signature counts.
    let again = sign(text.as_bytes(), &key(), &SystemRandom::new()).expect("random bytes").expect("a study");
    assert_eq!(SignedStudy::parse(again.as_bytes()).expect("signed").id(), study.id());
}

#[test]
fn a_study_with_two_aggregators_names_both_and_what_their_noise_costs() {
    let study = Study::parse(&two()).expect("sound");
    assert_eq!(study.answered, Answered::TwoAggregators);
    let [leader, helper] = study.aggregators().expect("two");
    assert_eq!((leader.address.as_str(), &helper.key[..4]), ("leader.example.org:8450", "f1c4"));
    assert!((study.scale() - 8_000.0).abs() < 1e-9, "twice that of one host");
    let words = study.words();
    let leaving = words.iter().find(|words| words.contains("two shares")).expect("it says what leaves");
    assert!(
        leaving.contains("leader.example.org:8450") && leaving.contains("[2001:db8::7]:8450"),
        "{leaving}"
    );
    assert!(leaving.contains(&format!("within {} of the sum", study.error_bar())), "{leaving}");
    assert!(study.error_bar() > 2 * Study::parse(SOUND).expect("sound").error_bar());
    assert!(Study::parse(SOUND).expect("sound").aggregators().is_none());
}

#[test]
fn aggregators_that_do_not_fit_are_refused_by_name() {
    let refused = |from: &str, to: &str| {
        assert!(two().contains(from), "{from}");
        Study::parse(&two().replacen(from, to, 1)).expect_err("refused")
    };
    assert_eq!(refused("version = 2", "version = 1"), BadStudy::Aggregators);
    assert_eq!(refused("two-aggregators", "one-host"), BadStudy::Aggregators);
    assert_eq!(refused(TWO, "answered = \"two-aggregators\"\n"), BadStudy::Aggregators);
    for address in
        ["leader.example.org", ":8450", "leader.example.org:0", "leader.example.org:+1", "a b:1", "ä:1"]
    {
        assert_eq!(
            refused("leader.example.org:8450", address),
            BadStudy::Aggregator { index: 1 },
            "{address}"
        );
    }
    assert_eq!(refused("leader.example.org", &"a".repeat(260)), BadStudy::Aggregator { index: 1 });
    assert_eq!(refused("f1c4", "F1C4"), BadStudy::Aggregator { index: 2 });
    assert_eq!(refused("[2001:db8::7]:8450", "leader.example.org:8450"), BadStudy::Aggregator { index: 2 });
    let same = &two()[two().find("0b5a").expect("a key")..][..64].to_owned();
    let other = "f1c4d2a7b6e30958f1c4d2a7b6e30958f1c4d2a7b6e30958f1c4d2a7b6e30958";
    assert_eq!(refused(other, same), BadStudy::Aggregator { index: 2 }, "one who has both shares");
    assert_eq!(refused("lo = 0\nhi = 2_000", "lo = -1\nhi = 2_000"), BadStudy::Negative { index: 2 });
    assert_eq!(refused("times = 2", "times = 4_000"), BadStudy::Proof { bits: 10 * 4_002 });
}

#[test]
fn the_committed_study_is_what_its_key_signs() {
    for (text, pkcs8) in [(TEXT, PKCS8), (TEXT_2, PKCS8_2)] {
        committed(text, pkcs8);
    }
    assert!(SignedStudy::parse(TEXT_2.as_bytes()).expect("signed").study().aggregators().is_some());
}

fn committed(vector: &str, pkcs8: &str) {
    let pkcs8 = HEXLOWER.decode(pkcs8.trim().as_bytes()).expect("hex");
    let key = PublisherKey::from_pkcs8(&pkcs8, &SystemRandom::new()).expect("a key");
    let study = SignedStudy::parse(vector.as_bytes()).expect("a signed study");
    assert_eq!(study.signed().publisher, key.publisher());
    let again = sign(vector.as_bytes(), &key, &SystemRandom::new()).expect("random bytes").expect("a study");
    assert_eq!(again, vector);
    let page = include_str!("../../../docs/formats/study.md");
    assert!(page.contains(&study.id().to_string()), "the page names the id of the vector: {}", study.id());
    // The page explains each member that the vector has.
    for member in vector.lines().filter_map(|line| line.split_once(" = ")).map(|(member, _)| member) {
        assert!(page.contains(&format!("| `{member}` |")), "{member}");
    }
}

/// `cargo test -p runtime-study -- prints --ignored --nocapture`
#[test]
#[ignore = "prints a new vector; the committed one must be read for ever"]
fn prints_a_new_vector() {
    let pair = ring::signature::Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("randomness");
    let key = PublisherKey::from_pkcs8(pair.as_ref(), &SystemRandom::new()).expect("a key");
    let document = if std::env::var_os("CELLAR_TWO").is_some() { two() } else { SOUND.to_owned() };
    let text = sign(document.as_bytes(), &key, &SystemRandom::new()).expect("random bytes").expect("a study");
    println!("{}\n{text}", HEXLOWER.encode(pair.as_ref()));
}

#[test]
fn contributions_of_another_length_are_refused() {
    let study = Study::parse(SOUND).expect("sound");
    for length in [0, 2, 4] {
        let refused = Bounded::of(&study, &vec![1.0; length]).err().expect("refused");
        assert_eq!((refused.found, refused.wanted), (length, 3));
    }
}

#[test]
fn what_is_inside_its_bounds_is_only_rounded() {
    let study = Study::parse(SOUND).expect("sound");
    let bounded = Bounded::of(&study, &[299.4, -9.5, 0.5]).expect("three");
    assert_eq!((bounded.numbers(), bounded.is_clamped()), (&[299, -10, 1][..], false));
}

proptest! {
    /// The person's influence on all totals together: what the noise is made for.
    #[test]
    fn attack_153_whatever_a_cell_gives_counts_for_no_more_than_the_study_says(
        given in proptest::collection::vec(proptest::num::f64::ANY, 3),
    ) {
        let study = Study::parse(SOUND).expect("sound");
        let bounded = Bounded::of(&study, &given).expect("three");
        let norm: i64 = bounded.numbers().iter().map(|number| number.abs()).sum();
        prop_assert!(norm <= study.l1);
        for (number, bound) in bounded.numbers().iter().zip(study.numbers()) {
            prop_assert!((bound.lo..=bound.hi).contains(number));
        }
        let inside = given.iter().zip(study.numbers())
            .all(|(number, bound)| *number >= bound.lo as f64 && *number <= bound.hi as f64);
        prop_assert!(inside || bounded.is_clamped());
        let mut sums = vec![0; 3];
        bounded.add_to(&mut sums);
        prop_assert_eq!(&sums[..], bounded.numbers());
    }

    #[test]
    fn no_text_makes_the_parser_panic(cut in 0..SOUND.len(), byte in any::<u8>(), at in 0..SOUND.len()) {
        let _ = Study::parse(&SOUND[..cut]);
        let mut bytes = SOUND.as_bytes().to_vec();
        bytes[at] = byte;
        if let Ok(text) = str::from_utf8(&bytes) && let Ok(study) = Study::parse(text) {
            prop_assert!(!study.epochs().is_empty() && !study.words().is_empty());
        }
    }
}
