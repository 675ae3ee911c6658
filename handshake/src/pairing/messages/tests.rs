use super::*;
use crate::body::read;
use crate::encoding::TypedCode;
use crate::error::Code;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

fn b64(bytes: usize) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&vec![7; bytes])
}

fn reads<T: DeserializeOwned>(body: &Value) -> Result<T, Code> {
    read(&serde_json::to_vec(body).unwrap())
}

/// Reads the body, writes it and compares. Then checks that it is refused with each key left out, with each key of a
/// wrong type, and with each of `refused` put over it.
fn check<T>(body: Value, optional: &[&str], refused: &[(&str, Value)])
where
    T: Serialize + DeserializeOwned + Debug + PartialEq,
{
    let value: T = reads(&body).unwrap();
    assert_eq!(serde_json::to_value(&value).unwrap(), body);
    for key in body.as_object().unwrap().keys() {
        let mut without = body.clone();
        without.as_object_mut().unwrap().remove(key);
        assert_eq!(reads::<T>(&without).is_ok(), optional.contains(&key.as_str()), "without {key}");
        for odd in [json!(true), json!([]), json!({}), json!(-1), json!("\n"), json!("")] {
            let mut with = body.clone();
            with[key] = odd.clone();
            let fits = matches!(key.as_str(), "next_pins" | "scopes") && odd == json!([]);
            assert_eq!(reads::<T>(&with).is_ok(), fits, "{key} {odd}");
        }
    }
    for (key, odd) in refused {
        let mut with = body.clone();
        with[key] = odd.clone();
        assert_eq!(reads::<T>(&with), Err(Code::Malformed), "{key} {odd}");
    }
    let mut later = body;
    later["later"] = json!([{"x": 1.5}]);
    assert_eq!(reads::<T>(&later), Ok(value), "an unknown key");
}

fn scanned() -> Value {
    json!({"method": 1, "window": b64(8), "commit": b64(32), "name": "Anna's phone", "platform": "ios"})
}

fn typed() -> Value {
    json!({"method": 2, "selector": "7K3M", "commit": b64(32), "name": "\u{1f4f1}", "platform": "other"})
}

#[test]
fn a_hello_has_the_fields_of_the_specification_and_each_of_its_size() {
    let refused = [
        ("method", json!(0)),
        ("method", json!(3)),
        ("method", json!(257)),
        ("commit", json!(b64(31))),
        ("commit", json!(b64(33))),
        ("commit", json!(b64(32) + "=")),
        ("name", json!("x".repeat(65))),
        ("platform", json!("windows")),
        ("platform", json!({"ios": null})),
    ];
    let window = [("window", json!(b64(7))), ("window", json!(b64(9)))];
    check::<Hello>(scanned(), &[], &[&refused[..], &window].concat());
    let selector = [("selector", json!("7K3")), ("selector", json!("7K3MM")), ("selector", json!("7K3U"))];
    check::<Hello>(typed(), &[], &[&refused[..], &selector].concat());
}

#[test]
fn a_hello_names_its_window_once_and_as_its_method_does() {
    let both = [("selector", json!("7K3M")), ("method", json!(2))];
    check::<Hello>(scanned(), &[], &both);
    let both = [("window", json!(b64(8))), ("method", json!(1))];
    check::<Hello>(typed(), &[], &both);
    assert_eq!(reads::<Hello>(&scanned()).unwrap().window.method(), Method::Qr);
    assert_eq!(reads::<Hello>(&typed()).unwrap().window.method(), Method::Typed);
}

#[test]
fn a_challenge_a_proof_and_a_claim_have_the_fields_of_the_specification() {
    let kdf = json!({"alg": "pbkdf2-sha256", "iter": 100_000});
    let refused = [
        ("kdf", json!({"alg": "pbkdf2-sha1", "iter": 100_000})),
        ("kdf", json!({"alg": "pbkdf2-sha256", "iter": -1})),
        ("kdf", json!({"alg": "pbkdf2-sha256", "iter": 1_u64 << 32})),
        ("kdf", json!(["pbkdf2-sha256", 100_000])),
    ];
    check::<Challenge>(json!({"window": b64(8), "nonce": b64(32), "kdf": kdf}), &[], &refused);
    let refused = [("mac", json!(b64(31))), ("mac", json!(b64(33)))];
    check::<Proof>(json!({"nonce": b64(32), "mac": b64(32)}), &[], &refused);
    check::<Claimed>(json!({"mac": b64(32), "approve_by": 120}), &[], &refused);
}

#[test]
fn a_request_to_enrol_has_a_point_on_the_curve_and_whatever_push_it_likes() {
    let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let point = secret.public_key().to_sec1_bytes();
    let body = json!({"wrap_pub": data_encoding::BASE64URL_NOPAD.encode(&point)});
    check::<Enrol>(body.clone(), &[], &[("wrap_pub", json!(b64(65))), ("wrap_pub", json!(b64(33)))]);
    let mut pushed = body.clone();
    pushed["push"] = json!({"service": "x", "token": "y".repeat(4_000)});
    assert_eq!(reads::<Enrol>(&pushed), reads(&body));
    pushed["push"] = json!("y".repeat(body::BODY_BYTES_MAX));
    assert_eq!(reads::<Enrol>(&pushed), Err(Code::Malformed));
}

fn enrolled() -> Value {
    json!({
        "user_id": b64(16), "device_id": b64(16), "label": "a".repeat(26), "host": "cellar.example", "port": 443,
        "spki_r": Spki::from_ed25519(&[9; 32]).unwrap(), "next_pins": [b64(32), b64(32)],
        "scopes": vec!["usercache:put"; 32], "head": {"seq": 1_u64 << 53, "hash": b64(32)},
    })
}

#[test]
fn what_was_enrolled_has_the_fields_of_the_specification_and_a_new_store_no_head() {
    let secret = p256::SecretKey::from_slice(&[7; 32]).unwrap();
    let point = secret.public_key().to_sec1_bytes();
    let p256_key = Spki::from_p256_point(point.as_ref().try_into().unwrap()).unwrap();
    let refused = [
        ("user_id", json!(b64(15))),
        ("device_id", json!(b64(17))),
        ("label", json!("a".repeat(25))),
        ("host", json!("x".repeat(64))),
        ("host", json!("a_b")),
        ("port", json!(0)),
        ("port", json!(65_536)),
        ("spki_r", json!(p256_key)),
        ("next_pins", json!([b64(32), b64(32), b64(32)])),
        ("next_pins", json!([b64(31)])),
        ("scopes", json!(vec!["a"; 33])),
        ("scopes", json!(["a b"])),
        ("scopes", json!([""])),
        ("scopes", json!(["a".repeat(65)])),
        ("head", json!({"seq": (1_u64 << 53) + 1, "hash": b64(32)})),
        ("head", json!({"seq": 1})),
        ("head", json!([1, b64(32)])),
    ];
    check::<Enrolled>(enrolled(), &["head"], &refused);
}

#[test]
fn every_body_of_the_largest_sizes_is_within_the_limit() {
    let mut body = enrolled();
    body["scopes"] = json!(vec!["s".repeat(SCOPE_BYTES_MAX); SCOPES_MAX]);
    body["host"] = json!("h".repeat(63));
    reads::<Enrolled>(&body).unwrap();
}

#[test]
fn a_selector_is_written_in_its_one_form() {
    let code = TypedCode::random(&ring::rand::SystemRandom::new()).unwrap();
    let selector = code.selector();
    let hello = Hello { window: WindowName::Typed(selector), ..reads(&typed()).unwrap() };
    assert_eq!(serde_json::to_value(hello).unwrap()["selector"], json!(selector.to_string()));
}

proptest! {
    #[test]
    fn a_hello_reads_what_it_writes(
        window: Option<[u8; 8]>, commit: [u8; 32], platform in 0_usize..3,
        name in "[^\\p{C}\\p{Z}]{1,16}".prop_filter_map("a name", |name| DeviceName::new(name).ok()),
    ) {
        let typed = TypedCode::parse("00000000000000000000").unwrap().selector();
        let hello = Hello {
            window: window.map_or(WindowName::Typed(typed), |id| WindowName::Scanned(WindowId(id))),
            commit: Commit(commit),
            name,
            platform: [Platform::Android, Platform::Ios, Platform::Other][platform],
        };
        prop_assert_eq!(read::<Hello>(&serde_json::to_vec(&hello).unwrap()), Ok(hello));
    }

    #[test]
    fn no_bytes_make_a_reader_panic(body in "\\PC{0,100}") {
        let _ = (read::<Hello>(body.as_bytes()), read::<Enrolled>(body.as_bytes()));
    }
}
