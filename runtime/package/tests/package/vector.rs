//! One package, byte by byte: docs/formats/package.md explains its parts.

use data_encoding::HEXLOWER;
use ring::rand::SystemRandom;
use runtime_package::{Package, PublisherKey, pack};
use serde_json::{Value, json};

use crate::support::{COMPONENT, MANIFEST, SCHEMAS};

const VECTOR: &str = include_str!("../../vectors/package-1.json");

fn bytes(vector: &Value, member: &str) -> Vec<u8> {
    HEXLOWER.decode(vector[member].as_str().expect("a text").as_bytes()).expect("hex")
}

/// The package of the vector, made anew from its two keys.
fn made(first: &[u8], second: &[u8]) -> Vec<u8> {
    let random = SystemRandom::new();
    let key = |pkcs8| PublisherKey::from_pkcs8(pkcs8, &random).expect("a key");
    let key = key(first).succeed(key(second), &random).expect("a fresh key");
    let package = pack(COMPONENT, MANIFEST, &SCHEMAS).expect("a package");
    key.sign(&package, &random).expect("it can be signed")
}

#[test]
fn the_committed_package_is_what_is_made_of_its_parts() {
    let vector: Value = serde_json::from_str(VECTOR).expect("JSON");
    let parts = vector["parts"].as_array().expect("parts");
    let whole: Vec<u8> = parts.iter().flat_map(|part| bytes(part, "hex")).collect();
    assert_eq!(made(&bytes(&vector, "first_pkcs8"), &bytes(&vector, "second_pkcs8")), whole);
    let package = Package::parse(&whole).expect("a package");
    let verified = package.verify().expect("signed");
    assert_eq!(json!(verified.publisher), vector["publisher"]);
    assert_eq!(json!(verified.cell), vector["cell"]);
    assert_eq!(json!(verified.digest), vector["digest"]);
    let page = include_str!("../../../../docs/formats/package.md");
    for part in parts {
        let what = part["what"].as_str().expect("a text");
        assert!(page.contains(&format!("| {what} |")), "the page has no row for: {what}");
    }
}

/// `cargo test -p runtime-package -- vector::prints --ignored --nocapture`, from the first `{` on.
#[test]
#[ignore = "prints a new vector; the committed one must be read for ever"]
fn prints_a_new_vector() {
    let pkcs8 = || {
        let pair = ring::signature::Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
        pair.expect("randomness").as_ref().to_vec()
    };
    let (first, second) = (pkcs8(), pkcs8());
    let whole = made(&first, &second);
    let verified = Package::parse(&whole).expect("a package").verify().expect("signed");
    let mut rest = &whole[..];
    let mut part = |what: &str, bytes: usize| {
        let (this, behind) = rest.split_at(bytes);
        rest = behind;
        json!({ "what": what, "hex": HEXLOWER.encode(this) })
    };
    let head = |name: &str, data: usize| {
        let inner = 1 + name.len() + data;
        1 + if inner < 0x80 { 1 } else { 2 }
    };
    let schema = |(name, text): (&str, &str)| name.len() + 1 + text.len();
    let parts = json!([
        part("component", COMPONENT.len()),
        part("head of `cellar.manifest`", head("cellar.manifest", MANIFEST.len()) + 16),
        part("text of `cell.toml`", MANIFEST.len()),
        part("head of `cellar.schema`", head("cellar.schema", schema(SCHEMAS[1])) + 14),
        part("name, zero byte, text of a schema", schema(SCHEMAS[1])),
        part("head of `cellar.schema`", head("cellar.schema", schema(SCHEMAS[0])) + 14),
        part("name, zero byte, text of a schema", schema(SCHEMAS[0])),
        part("head of `cellar.signature`", 3 + 17),
        part("version", 1),
        part("first public key", 32),
        part("number of successions", 1),
        part("key of a succession", 32),
        part("signature of a succession", 64),
        part("signature", 64),
    ]);
    assert!(rest.is_empty());
    let vector = json!({
        "about": "A package with one succession, explained in docs/formats/package.md; the keys are of nobody",
        "first_pkcs8": HEXLOWER.encode(&first), "second_pkcs8": HEXLOWER.encode(&second),
        "parts": parts, "publisher": verified.publisher, "cell": verified.cell, "digest": verified.digest,
    });
    println!("{vector:#}");
}
