//! Small components, written by hand, and packages of them.

use ring::rand::SystemRandom;
use runtime_package::{PublisherKey, pack};

/// The head of a component, which is the smallest one.
pub const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// The head of a core module.
pub const MODULE: &[u8] = b"\0asm\x01\0\0\0";

pub const MANIFEST: &str = r#"name = "modes"
version = 1
world = "stage"
title = "Modes by month"
purpose = "Tells how far you went by bicycle, bus and car."
after = "MODE_INFERENCE"
interfaces = ["timeseries-read", "timeseries-write"]
[[reads]]
area = "timeseries"
keys = ["analysis/inferred_section"]
[[writes]]
area = "timeseries"
keys = ["study.modes/*"]
[types."study.modes/share"]
schema = "schemas/share.json"
[types."study.modes/all"]
schema = "schemas/all.json"
"#;
pub const SCHEMAS: [(&str, &str); 2] = [("share.json", r#"{"type":"object"}"#), ("all.json", "{}")];

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A section with this id.
pub fn section(id: u8, data: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(data.len()), data].concat()
}

/// A custom section.
pub fn custom(name: &str, data: &[u8]) -> Vec<u8> {
    section(0, &[&leb(name.len()), name.as_bytes(), data].concat())
}

/// A component that imports instances of these names; nobody validates what they are.
pub fn importing(names: &[&str]) -> Vec<u8> {
    let one = |name: &&str| [&[0][..], &leb(name.len()), name.as_bytes(), &[5, 0]].concat();
    let imports: Vec<u8> = names.iter().flat_map(one).collect();
    [COMPONENT.to_vec(), section(10, &[leb(names.len()), imports].concat())].concat()
}

/// A package that nobody signed.
pub fn unsigned() -> Vec<u8> {
    pack(&importing(&["cellar:cell/timeseries-read@0.1.0"]), MANIFEST, &SCHEMAS).expect("a package")
}

pub fn key() -> PublisherKey {
    PublisherKey::generate(&SystemRandom::new()).expect("randomness")
}

pub fn signed(key: &PublisherKey, package: &[u8]) -> Vec<u8> {
    key.sign(package, &SystemRandom::new()).expect("it can be signed")
}

pub fn succeeded(key: &PublisherKey) -> PublisherKey {
    key.succeed(self::key(), &SystemRandom::new()).expect("a fresh key")
}
