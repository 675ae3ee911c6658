//! The document, its narrowing and its updates.

use proptest::prelude::*;
use runtime_consent::{
    Asking, BadConsent, CONSENT_BYTES_MAX, Consent, Leaves, Narrowing, Place, Reach, State, StreamName, Time,
    Wants, Widens, document_of,
};
use runtime_types::Area;

const KEYS: [&str; 4] = ["background/location", "background/battery", "manual/incident", "stats/client_time"];

fn wants(streams: &[&str]) -> Wants {
    Wants {
        purpose: "how far people go by bicycle".to_owned(),
        streams: streams.iter().copied().map(StreamName::of).collect(),
        leaves: Leaves::Answers,
    }
}

fn asking(streams: &[&str]) -> Asking {
    Asking {
        cell: "4f3a/modes".to_owned(),
        name: "Share of modes".to_owned(),
        publisher: "4f3a".to_owned(),
        digest: "0a".repeat(32),
        cell_version: 3,
        chain: 1,
        wants: wants(streams),
    }
}

fn consent(streams: &[&str]) -> Consent {
    Consent::asked(asking(streams), 1_800_000_000.0).expect("sound")
}

fn from(moment: f64) -> Narrowing {
    Narrowing { from: Some(moment), ..Narrowing::default() }
}

#[test]
fn the_example_of_the_format_is_what_is_written_and_read() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/formats/grant.md"));
    let page = page.expect("the page");
    let example =
        page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("an example");
    let consent = Consent::parse(example.as_bytes()).expect("the example is sound");
    let written: serde_json::Value = serde_json::from_slice(&consent.write().expect("sound")).expect("JSON");
    let said: serde_json::Value = serde_json::from_str(example).expect("JSON");
    assert_eq!(written, said, "the example has every member that is written");
    assert!(page.contains(&document_of("<cell id>")), "the page names the document");
    for place in Place::ALL {
        assert!(page.contains(&format!("`{place}`")), "{place}");
    }
    for time in Time::ALL {
        assert!(page.contains(&format!("`{time}`")), "{time}");
    }
    for (_, word) in runtime_consent::Mark::ALL {
        assert!(page.contains(&format!("| `{word}` |")), "the mark {word} has a row");
    }
}

#[test]
fn a_document_that_was_changed_is_refused() {
    let sound = consent(&["background/*"]);
    let text = String::from_utf8(sound.write().expect("sound")).expect("JSON");
    assert_eq!(Consent::parse(text.as_bytes()).expect("sound"), sound);
    for (from, to) in [
        ("\"version\":1", "\"version\":2"),
        ("\"version\":1", "\"version\":1,\"more\":1"),
        ("\"timeseries\"", "\"usercache\""),
        ("background/*", "background"),
        ("0a0a", "0A0a"),
        ("\"exact\"", "\"1m\""),
        ("\"granted\":1800000000.0", "\"granted\":1e400"),
    ] {
        assert!(text.contains(from), "{from}");
        assert!(Consent::parse(text.replace(from, to).as_bytes()).is_err(), "{from} as {to}");
    }
    let wider = text.replacen("\"key\":\"background/*\"", "\"key\":\"*/*\"", 1);
    assert!(
        matches!(Consent::parse(wider.as_bytes()), Err(BadConsent::Value { .. })),
        "more than was asked for"
    );
    let long = vec![b' '; CONSENT_BYTES_MAX + 1];
    assert!(matches!(Consent::parse(&long), Err(BadConsent::TooLong { .. })));
    for end in 0..text.len() {
        assert!(Consent::parse(&text.as_bytes()[..end]).is_err());
    }
}

#[test]
fn no_area_but_the_timeseries_can_be_asked_for() {
    let mut asks = asking(&["background/*"]);
    asks.wants.streams[0].area = Area::Usercache;
    assert!(matches!(Consent::asked(asks, 0.0), Err(BadConsent::Area { .. })));
    assert!(matches!(Consent::asked(asking(&["background"]), 0.0), Err(BadConsent::Stream { .. })));
}

#[test]
fn each_bound_can_be_narrowed_and_none_can_be_widened() {
    let mut consent = consent(&["background/*", "manual/incident"]);
    let all = Narrowing {
        from: Some(100.0),
        until: Some(900.0),
        place: Some(Place::Kilometre),
        time: Some(Time::Hour),
        without: vec!["accuracy".to_owned()],
        expires: Some(2_000.0),
        purpose: Some("only bicycles".to_owned()),
        ..Narrowing::default()
    };
    consent.narrow(&all).expect("narrower");
    assert_eq!((consent.epoch, consent.purpose.as_str()), (2, "only bicycles"));
    let before = consent.clone();
    let wider = [
        from(99.0),
        Narrowing { until: Some(901.0), ..Narrowing::default() },
        Narrowing { place: Some(Place::Hundred), ..Narrowing::default() },
        Narrowing { time: Some(Time::Exact), ..Narrowing::default() },
        Narrowing { expires: Some(2_001.0), ..Narrowing::default() },
        Narrowing { only: Some(vec!["*/*".to_owned()]), ..Narrowing::default() },
        Narrowing { only: Some(vec!["manual/*".to_owned()]), ..Narrowing::default() },
        Narrowing { on: Some("stats/client_time".to_owned()), ..from(200.0) },
        Narrowing { from: Some(f64::NAN), ..Narrowing::default() },
        Narrowing { without: vec!["ts".to_owned()], ..Narrowing::default() },
        // A part that is narrower does not help a part that is wider.
        Narrowing { until: Some(1e9), ..from(200.0) },
    ];
    for narrowing in wider {
        let refused: Widens = consent.narrow(&narrowing).expect_err("wider");
        assert!(!refused.to_string().is_empty());
        assert_eq!(consent, before, "{narrowing:?}");
    }
    consent.narrow(&Narrowing { on: Some("manual/incident".to_owned()), ..from(300.0) }).expect("one stream");
    assert_eq!(
        consent.streams.iter().map(|grant| grant.from).collect::<Vec<_>>(),
        [Some(100.0), Some(300.0)]
    );
}

#[test]
fn a_bound_for_one_stream_of_a_pattern_stays_when_the_pattern_stays() {
    let mut consent = consent(&["*/*"]);
    let coarse = Narrowing {
        on: Some("background/location".to_owned()),
        place: Some(Place::TenKilometres),
        ..Narrowing::default()
    };
    consent.narrow(&coarse).expect("narrower");
    for only in ["*/*", "background/*", "background/location"] {
        consent
            .narrow(&Narrowing { only: Some(vec![only.to_owned()]), ..Narrowing::default() })
            .unwrap_or_else(|refused| panic!("{only}: {refused}"));
        assert_eq!(place_of(&consent, "background/location"), Some(Place::TenKilometres), "{only}");
    }
}

fn place_of(consent: &Consent, key: &str) -> Option<Place> {
    let schema = serde_json::json!({ "type": "object" });
    let shape = std::sync::Arc::new(runtime_consent::Shape::of(&schema).expect("sound"));
    let reach = Reach::new(consent, &[0; 32], [(key.to_owned(), shape)]);
    reach.of(Area::Timeseries, key).map(|stream| stream.place())
}

#[test]
fn a_grant_ends_when_it_expires_or_is_paused() {
    let mut consent = consent(&["background/*"]);
    consent.narrow(&Narrowing { expires: Some(500.0), ..Narrowing::default() }).expect("narrower");
    assert!(!consent.has_ended(499.9) && consent.has_ended(500.0) && consent.has_ended(f64::NAN));
    let epoch = consent.epoch;
    consent.set_state(State::Paused);
    assert!(consent.has_ended(1.0));
    consent.set_state(State::Paused);
    consent.set_state(State::Active);
    assert_eq!(consent.epoch, epoch + 2, "it rises with every change");
}

#[test]
fn an_update_that_asks_for_no_more_keeps_what_the_owner_narrowed() {
    let mut consent = consent(&["background/location", "background/battery"]);
    consent
        .narrow(&Narrowing { only: Some(vec!["background/location".to_owned()]), ..from(100.0) })
        .expect("narrower");
    let newer = |streams: &[&str]| Asking { digest: "0b".repeat(32), cell_version: 4, ..asking(streams) };
    let updated = consent.updated(newer(&["background/location", "background/battery"])).expect("no more");
    assert_eq!(updated.streams, consent.streams, "what was left out stays left out");
    assert_eq!((updated.epoch, updated.cell_version), (consent.epoch + 1, 4));
    let fewer = consent.updated(newer(&["background/battery"])).expect("fewer");
    assert_eq!(fewer.streams, []);
    for more in [
        newer(&["background/location", "manual/incident"]),
        newer(&["background/*"]),
        Asking { publisher: "other".to_owned(), ..newer(&["background/location"]) },
        Asking { cell_version: 2, ..newer(&["background/location"]) },
        Asking { chain: 0, ..newer(&["background/location"]) },
        Asking {
            wants: Wants { purpose: "advertising".to_owned(), ..wants(&["background/location"]) },
            ..newer(&[])
        },
    ] {
        assert_eq!(consent.updated(more.clone()), None, "{more:?}");
    }
}

fn narrowings() -> impl Strategy<Value = Narrowing> {
    const PATTERNS: [&str; 5] =
        ["*/*", "background/*", "*/location", "background/location", "manual/incident"];
    let pattern = prop::sample::select(&PATTERNS[..]).prop_map(str::to_owned);
    let moment = || prop::option::weighted(0.4, (0_u32..20).prop_map(|moment| f64::from(moment) * 1_000.0));
    (
        prop::option::weighted(0.4, prop::collection::vec(pattern.clone(), 0..3)),
        prop::option::of(pattern),
        moment(),
        moment(),
        prop::option::weighted(0.4, prop::sample::select(&Place::ALL[..])),
        prop::option::weighted(0.4, prop::sample::select(&Time::ALL[..])),
    )
        .prop_map(|(only, on, from, until, place, time)| Narrowing {
            only,
            on,
            from,
            until,
            place,
            time,
            ..Narrowing::default()
        })
}

proptest! {
    #[test]
    fn however_it_is_narrowed_no_stream_is_ever_shown_more(
        narrowings in prop::collection::vec(narrowings(), 1..6),
        asked in prop::sample::subsequence(&["*/*", "background/*", "background/location", "manual/*"][..], 1..4),
    ) {
        let mut consent = consent(&asked);
        for narrowing in narrowings {
            let before = consent.clone();
            if consent.narrow(&narrowing).is_err() {
                prop_assert_eq!(&consent, &before);
                continue;
            }
            prop_assert!(consent.epoch > before.epoch);
            prop_assert!(Consent::parse(&consent.write().expect("sound")).is_ok_and(|read| read == consent));
            for key in KEYS {
                let [now, then] = [&consent, &before].map(|consent| strictest(consent, key));
                let Some(now) = now else { continue };
                let Some(then) = then else {
                    return Err(TestCaseError::fail(format!("{key} is new")));
                };
                prop_assert!(now.0 >= then.0 && now.1 <= then.1 && now.2 >= then.2 && now.3 >= then.3, "{}", key);
            }
        }
    }
}

/// The strictest bounds of a stream, found in another way than by the compiled form.
fn strictest(consent: &Consent, key: &str) -> Option<(f64, f64, Place, Time)> {
    let (family, name) = key.split_once('/')?;
    let covers = |pattern: &str| {
        let (of, one) = pattern.split_once('/').expect("two parts");
        ["*", family].contains(&of) && ["*", name].contains(&one)
    };
    let grants = consent.streams.iter().filter(|grant| covers(&grant.key));
    grants.fold(None, |found, grant| {
        let (from, until, place, time) =
            found.unwrap_or((f64::NEG_INFINITY, f64::INFINITY, Place::Exact, Time::Exact));
        Some((
            from.max(grant.from.unwrap_or(from)),
            until.min(grant.until.unwrap_or(until)),
            place.max(grant.place),
            time.max(grant.time),
        ))
    })
}
