//! What a sound package says.

use ring::rand::SystemRandom;
use runtime_package::{
    BadKeyFile, BadPackage, BadSignature, CellId, PackError, Package, PublisherId, PublisherKey,
    SUCCESSIONS_MAX, SucceedError, pack,
};

use crate::support::{COMPONENT, MANIFEST, SCHEMAS, custom, importing, key, signed, succeeded, unsigned};

#[test]
fn a_package_says_what_was_packed_and_who_signed_it() {
    let component = importing(&["cellar:cell/timeseries-read@0.1.0", "cellar:cell/log@0.1.0"]);
    let bytes = pack(&component, MANIFEST, &SCHEMAS).expect("a package");
    assert!(bytes.starts_with(&component), "the component is not touched");
    let package = Package::parse(&bytes).expect("a package");
    assert_eq!(package.verify(), Err(BadSignature::Unsigned));
    assert_eq!((package.manifest_text(), package.manifest().name.as_str()), (MANIFEST, "modes"));
    assert_eq!(package.imports(), ["cellar:cell/timeseries-read@0.1.0", "cellar:cell/log@0.1.0"]);
    let schemas: Vec<_> = package.schemas().iter().map(|schema| (schema.name, schema.text)).collect();
    assert_eq!(schemas, [SCHEMAS[1], SCHEMAS[0]], "by name");

    let key = key();
    let signed = signed(&key, &bytes);
    let package = Package::parse(&signed).expect("a package");
    let verified = package.verify().expect("signed");
    assert_eq!((&verified.publisher, verified.chain_len), (&key.publisher(), 0));
    assert_eq!(verified.publisher, PublisherId::of(key.root()));
    assert_eq!(verified.cell, CellId::of(key.root(), "modes"));
    assert_eq!(verified.digest, Package::parse(&bytes).expect("a package").digest());
    assert_eq!((package.component(), package.content()), (&signed[..], &bytes[..]));
}

#[test]
fn a_package_of_the_same_parts_has_the_same_bytes() {
    let [first, second] = SCHEMAS;
    let one = pack(COMPONENT, MANIFEST, &[first, second]).expect("a package");
    assert_eq!(pack(COMPONENT, MANIFEST, &[second, first]).expect("a package"), one);
    let key = key();
    assert_eq!(signed(&key, &one), signed(&key, &one));
}

#[test]
fn a_component_keeps_the_sections_of_its_tools() {
    let component = [COMPONENT, &custom("producers", b"\0"), &custom("cellarium", b"")].concat();
    let bytes = pack(&component, MANIFEST, &SCHEMAS).expect("a package");
    assert!(Package::parse(&bytes).is_ok());
}

#[test]
fn what_would_be_no_package_is_not_packed() {
    let no = |component: &[u8], manifest: &str, schemas: &[(&str, &str)]| {
        pack(component, manifest, schemas).expect_err("refused")
    };
    assert_eq!(no(&unsigned(), MANIFEST, &SCHEMAS), PackError::Packed);
    assert!(matches!(no(b"no wasm", MANIFEST, &SCHEMAS), PackError::Package(BadPackage::NoComponent { .. })));
    let module = no(b"\0asm\x01\0\0\0", MANIFEST, &SCHEMAS).to_string();
    assert!(module.contains("encode it as a component"), "{module}");
    let [share, all] = SCHEMAS;
    let missing = PackError::Package(BadPackage::NoSchema { name: "all.json".to_owned() });
    assert_eq!(no(COMPONENT, MANIFEST, &[share]), missing);
    let more = no(COMPONENT, MANIFEST, &[share, all, ("more.json", "{}")]);
    assert_eq!(more, PackError::Package(BadPackage::UnusedSchema { name: "more.json".to_owned() }));
    assert_eq!(
        no(COMPONENT, MANIFEST, &[share, all, all]),
        PackError::SameName { name: "all.json".to_owned() }
    );
    let broken = no(COMPONENT, MANIFEST, &[share, ("all.json", "{")]);
    assert_eq!(broken, PackError::Package(BadPackage::Schema { name: "all.json".to_owned() }));
    for name in ["", "../all.json", ".hidden", "a b", &"a".repeat(65)] {
        assert_eq!(
            no(COMPONENT, MANIFEST, &[(name, "{}")]),
            PackError::Package(BadPackage::SchemaName),
            "{name}"
        );
    }
    let manifest = no(COMPONENT, &MANIFEST.replace("title", "titel"), &SCHEMAS).to_string();
    assert!(manifest.contains("does not read") && manifest.contains("titel"), "{manifest}");
    let built_in = no(COMPONENT, &MANIFEST.replace("title =", "description ="), &SCHEMAS).to_string();
    assert!(built_in.contains("`title` is missing"), "{built_in}");
}

#[test]
fn a_publisher_stays_the_same_through_all_changes_of_the_key() {
    let random = SystemRandom::new();
    let first = key();
    let mut newest = succeeded(&first);
    while newest.chain_len() < SUCCESSIONS_MAX {
        newest = succeeded(&newest);
    }
    let bytes = signed(&newest, &unsigned());
    let verified = Package::parse(&bytes).expect("a package").verify().expect("signed");
    assert_eq!((&verified.publisher, verified.chain_len), (&first.publisher(), SUCCESSIONS_MAX));
    assert_eq!((verified.keys.first(), verified.newest_key), (Some(first.root()), *newest.public()));
    assert_eq!(newest.succeed(key(), &random).expect_err("too many"), SucceedError::TooMany);
    let other = succeeded(&key());
    assert_eq!(first.succeed(other, &random).expect_err("of another chain"), SucceedError::NotFresh);
}

#[test]
fn a_key_comes_back_from_its_file_and_shows_nothing_of_itself() {
    let random = SystemRandom::new();
    let key = succeeded(&key());
    let text = key.to_file();
    let again = PublisherKey::from_file(&text, &random).expect("its own file");
    assert_eq!((again.publisher(), again.public(), again.chain_len()), (key.publisher(), key.public(), 1));
    assert_eq!(again.to_file(), text);
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("PublisherKey({}, 1 successions, ..)", key.publisher()));

    let refused = |text: &str| PublisherKey::from_file(text, &random).expect_err("refused");
    assert_eq!(refused(""), BadKeyFile::Form);
    assert_eq!(
        refused(&text.replace("\"cellar-publisher-key\": 1", "\"cellar-publisher-key\": 2")),
        BadKeyFile::Form
    );
    let other = succeeded(&self::key());
    let root = |key: &PublisherKey| key.root().to_string();
    assert_eq!(refused(&text.replace(&root(&key), &root(&other))), BadKeyFile::Chain);
    let other_key = self::key().to_file();
    let line = |text: &str| text.lines().find(|line| line.contains("pkcs8")).expect("it is there").to_owned();
    assert_eq!(refused(&text.replace(&line(&text), &line(&other_key))), BadKeyFile::Chain);
    for at in 0..text.len() {
        // Any text has an answer; none but this one is this key, white space apart.
        let cut = PublisherKey::from_file(&text[..at], &random);
        assert!(cut.is_err() || text[at..].trim().is_empty(), "cut at {at}");
    }
}
