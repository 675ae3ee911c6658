//! The committed vectors of sealed values: data on people's disks must open for ever.

use super::*;
use crate::Clock;
use serde_json::{Value, json};
use std::sync::Arc;

const VECTORS: [&str; 2] =
    [include_str!("../../vectors/seal-1.json"), include_str!("../../vectors/seal-2.json")];

struct Stopped;

impl Clock for Stopped {
    fn now_s(&self) -> f64 {
        0.0
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(vector: &Value, member: &str) -> Vec<u8> {
    let text = vector[member].as_str().unwrap();
    assert!(text.len().is_multiple_of(2), "{member}");
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn array<const N: usize>(vector: &Value, member: &str) -> [u8; N] {
    bytes(vector, member).try_into().unwrap()
}

fn open(vector: &Value) -> Option<Vec<u8>> {
    let key = SealKey { number: 1, generation: 1, secret: Secret(Box::new(array(vector, "key"))) };
    let (place, context) = (bytes(vector, "place"), bytes(vector, "context"));
    let about = About { key: &place, context: &context };
    let mut sealed = bytes(vector, "sealed");
    let opener = Opener::new(UserId(array(vector, "user")));
    opener.open(&key, &about, &mut sealed).map(<[u8]>::to_vec)
}

#[test]
fn every_sealed_value_that_was_ever_written_opens_and_none_with_a_change() {
    for vectors in VECTORS {
        opens_and_refuses(&serde_json::from_str(vectors).unwrap());
    }
}

fn opens_and_refuses(vectors: &Value) {
    let sealed = vectors["seal"].as_array().unwrap();
    assert!(sealed.len() >= 4);
    for vector in sealed {
        assert_eq!(open(vector), Some(bytes(vector, "plain")), "{}", vector["name"]);
    }
    let refused = vectors["refused"].as_array().unwrap();
    assert!(refused.len() >= 6);
    for vector in refused {
        let mut changed = sealed.iter().find(|sealed| sealed["name"] == vector["like"]).unwrap().clone();
        for (member, value) in vector["changed"].as_object().unwrap() {
            assert_ne!(&changed[member], value, "{}", vector["name"]);
            changed[member] = value.clone();
        }
        assert_eq!(open(&changed), None, "{}", vector["name"]);
    }
}

/// `cargo test -p runtime-store -- keys::vectors::prints --ignored --nocapture`, from the first `{` on.
#[test]
#[ignore = "prints new vectors; the committed ones must open for ever"]
fn prints_new_vectors() {
    let user = UserId([0x75; 16]);
    let sealer = Sealer::new(user, Arc::new(Stopped)).unwrap();
    let key = SealKey { number: 1, generation: 1, secret: Secret::random().unwrap() };
    let seal = |name: &str, place: &[u8], context: &[u8], plain: &[u8]| {
        let (sealed, _) = sealer.seal(&key, &About { key: place, context }, plain).unwrap();
        json!({
            "name": format!("seal/{name}"), "user": hex(&user.0), "key": hex(&*key.secret.0), "place": hex(place),
            "context": hex(context), "plain": hex(plain), "sealed": hex(&sealed),
        })
    };
    let first = seal("first-of-a-boot", b"\x01place", b"context", b"a day in the country");
    let flip = |member: &str, byte: usize| {
        let mut changed = bytes(&first, member);
        changed[byte] ^= 1;
        json!({ member: hex(&changed) })
    };
    let body = bytes(&first, "sealed").len() - 17;
    let refused = [
        ("for-another-user", flip("user", 15), "open"),
        ("under-another-key", flip("key", 0), "open"),
        ("at-another-place", flip("place", 5), "open"),
        ("of-another-context", flip("context", 0), "open"),
        (
            "place-that-took-a-byte-of-the-context",
            json!({ "place": hex(b"\x01placec"), "context": hex(b"ontext") }),
            "open",
        ),
        ("of-another-boot", flip("sealed", 2), "open"),
        ("of-another-count", flip("sealed", 25), "open"),
        ("of-another-nonce", flip("sealed", 26), "open"),
        ("flipped-bit", flip("sealed", body), "open"),
        ("of-another-version", flip("sealed", 0), "form"),
    ];
    let refusal = |(name, changed, at)| json!({ "name": format!("refused/{name}"), "like": "seal/first-of-a-boot", "changed": changed, "at": at });
    let vectors = json!({
        "about": "Sealed values of a store, explained in docs/formats/store.md; place is the key in the engine",
        "refused": refused.map(refusal),
        "seal": [
            first,
            seal("second-of-a-boot", b"\x01place", b"context", b"a day in the country"),
            seal("empty", b"", b"", b""),
            seal("long", &[0x70; 255], &[0x63; 80], &[0x2e; 600]),
        ],
    });
    println!("{vectors:#}");
}
