//! Who changes a package, or claims somebody else's.

use ring::rand::SystemRandom;
use runtime_package::{
    BadPackage, BadSignature, CellId, MANIFEST_BYTES_MAX, NESTING_MAX, PACKAGE_BYTES_MAX, PackError, Package,
    PublisherId, SCHEMA_BYTES_MAX, SCHEMAS_MAX, SURFACE_MAX, Verified, pack,
};

use crate::support::{
    COMPONENT, MANIFEST, MODULE, SCHEMAS, custom, importing, key, section, signed, succeeded, unsigned,
};

fn verified(bytes: &[u8]) -> Result<Verified, BadSignature> {
    Package::parse(bytes).expect("a package").verify()
}

fn refused(bytes: &[u8]) -> BadPackage {
    Package::parse(bytes).expect_err("refused")
}

/// The content of a package's signature.
fn signature_of(bytes: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"cellar.signature";
    let content = Package::parse(bytes).expect("a package").content().len();
    let name = bytes[content..].windows(NAME.len()).position(|window| window == NAME);
    bytes[content + name.expect("it is signed") + NAME.len()..].to_vec()
}

fn with_signature(content: &[u8], signature: &[u8]) -> Vec<u8> {
    [content, &custom("cellar.signature", signature)].concat()
}

#[test]
fn attack_110_no_byte_of_a_package_changes_unnoticed() {
    let bytes = signed(&succeeded(&key()), &unsigned());
    let good = verified(&bytes).expect("signed");
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= flip;
            let Ok(package) = Package::parse(&changed) else { continue };
            // Another root key is another publisher, who has signed nothing.
            assert!(package.verify().is_err(), "byte {at} ^ {flip:#x}: {:?}", package.verify());
        }
    }
    for at in 0..bytes.len() {
        let cut = Package::parse(&bytes[..at]);
        assert!(cut.is_err() || cut.is_ok_and(|package| package.verify().is_err()), "cut at {at}");
    }
    assert_eq!(verified(&bytes), Ok(good));
}

#[test]
fn attack_111_who_signs_anothers_package_publishes_another_cell() {
    let (publisher, thief) = (key(), key());
    let content = unsigned();
    let original = signed(&publisher, &content);
    let stolen = verified(&signed(&thief, &original)).expect("signed by the thief");
    let own = verified(&original).expect("signed");
    assert_eq!(stolen.publisher, PublisherId::of(thief.root()));
    assert!(stolen.publisher != own.publisher && stolen.cell != own.cell);
    assert_eq!(stolen.cell, CellId::of(thief.root(), "modes"));
    assert!(!stolen.follows(&own.publisher, own.chain_len, &own.newest_key));

    // The signature of one package behind another, and one publisher's name above another's signature.
    let other = pack(COMPONENT, MANIFEST, &SCHEMAS).expect("a package");
    let moved = with_signature(&other, &signature_of(&original));
    assert_eq!(verified(&moved), Err(BadSignature::Signature));
    let mut renamed = signature_of(&signed(&thief, &content));
    renamed[1..33].copy_from_slice(publisher.root().as_bytes());
    assert_eq!(verified(&with_signature(&content, &renamed)), Err(BadSignature::Signature));
}

#[test]
fn attack_112_no_key_joins_a_publisher_whom_the_key_before_it_did_not_name() {
    let (first, thief) = (key(), key());
    let second = succeeded(&first);
    let content = unsigned();
    let sound = signature_of(&signed(&second, &content));
    let by_thief = signature_of(&signed(&succeeded(&thief), &content));
    let forged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut signature = sound.clone();
        change(&mut signature);
        verified(&with_signature(&content, &signature))
    };
    assert!(forged(&|_| {}).is_ok());
    // version 1 | root 32 | count 1 | key 32 | signature 64 | signature 64
    assert_eq!(sound.len(), 194);
    let root = first.root().as_bytes();
    let chain = |signature: &mut Vec<u8>, from: &[u8]| {
        signature.clear();
        signature.extend_from_slice(from);
        signature[1..33].copy_from_slice(root);
    };
    // The thief's own chain under the publisher's root, and the publisher's with the thief's key in it.
    assert_eq!(forged(&|signature| chain(signature, &by_thief)), Err(BadSignature::Succession { index: 1 }));
    let thiefs_key = |signature: &mut Vec<u8>| signature[34..66].copy_from_slice(thief.root().as_bytes());
    assert_eq!(forged(&thiefs_key), Err(BadSignature::Succession { index: 1 }));
    // Without the succession, the second key is no key of this publisher.
    let shortened = |signature: &mut Vec<u8>| {
        signature.drain(34..130);
        signature[33] = 0;
    };
    assert_eq!(forged(&shortened), Err(BadSignature::Signature));
    // The thief names the publisher's key as a successor, and shows the publisher's signature.
    let own = signature_of(&signed(&first, &content));
    let adopting = thief.succeed(key(), &SystemRandom::new()).expect("a fresh key");
    let adopting = signature_of(&signed(&adopting, &content));
    let adopted = [&adopting[..130], &own[own.len() - 64..]].concat();
    assert_eq!(verified(&with_signature(&content, &adopted)), Err(BadSignature::Signature));
}

#[test]
fn attack_112_a_key_that_was_replaced_signs_nothing_for_who_has_seen_its_successor() {
    let first = key();
    let (second, rival) = (succeeded(&first), succeeded(&first));
    let third = succeeded(&second);
    let by = |key| verified(&signed(key, &unsigned())).expect("signed");
    let seen = by(&second);
    let follows = |later: &Verified| later.follows(&seen.publisher, seen.chain_len, &seen.newest_key);
    assert!(follows(&by(&second)) && follows(&by(&third)));
    assert!(!follows(&by(&first)), "the replaced key");
    assert!(!follows(&by(&rival)), "another key that the replaced one named later");
    assert!(!follows(&by(&succeeded(&rival))), "and whatever follows it");
}

#[test]
fn attack_113_sections_of_ours_stand_once_in_their_place_and_nowhere_else() {
    let content = unsigned();
    let package = signed(&key(), &content);
    let order = |name: &str| BadPackage::Order { name: name.to_owned() };
    let behind = |more: &[u8]| refused(&[&package[..], more].concat());
    assert_eq!(behind(&custom("cellar.signature", &signature_of(&package))), order("cellar.signature"));
    assert_eq!(behind(&custom("cellar.manifest", MANIFEST.as_bytes())), order("cellar.manifest"));
    assert_eq!(behind(&custom("cellar.schema", b"all.json\0{}")), order("cellar.schema"));
    assert_eq!(behind(&custom("producers", b"\0")), order("cellar.signature"));
    assert_eq!(behind(&section(1, MODULE)), order("cellar.signature"));
    assert!(matches!(behind(b"\0"), BadPackage::NoComponent { .. }));
    let unknown = custom("cellar.grant", b"everything");
    assert_eq!(behind(&unknown), BadPackage::UnknownSection { name: "cellar.grant".to_owned() });

    let manifest = custom("cellar.manifest", MANIFEST.as_bytes());
    let twice = refused(&[COMPONENT, &manifest, &manifest].concat());
    assert_eq!(twice, order("cellar.manifest"));
    let schema = |name: &str| custom("cellar.schema", &[name.as_bytes(), b"\0{}"].concat());
    let swapped = [COMPONENT, &manifest, &schema("share.json"), &schema("all.json")].concat();
    assert_eq!(refused(&swapped), order("cellar.schema"));
    let same = [COMPONENT, &manifest, &schema("all.json"), &schema("all.json")].concat();
    assert_eq!(refused(&same), order("cellar.schema"));
    assert_eq!(refused(&[COMPONENT, &schema("all.json")].concat()), order("cellar.schema"));
    assert_eq!(refused(COMPONENT), BadPackage::NoManifest);

    for inner in [MODULE, COMPONENT] {
        let id = if inner == MODULE { 1 } else { 4 };
        for name in ["cellar.manifest", "cellar.signature", "cellar.other"] {
            let nested = section(id, &[inner, &custom(name, b"")].concat());
            let bytes = [COMPONENT, &nested, &content[COMPONENT.len()..]].concat();
            assert_eq!(refused(&bytes), BadPackage::Nested { name: name.to_owned() });
            let deeper = [COMPONENT, &section(4, &[COMPONENT, &nested].concat())].concat();
            assert_eq!(pack(&deeper, MANIFEST, &SCHEMAS), Err(PackError::Package(refused(&bytes))));
        }
        let harmless = section(id, &[inner, &custom("producers", b"\0")].concat());
        assert!(pack(&[COMPONENT, &harmless].concat(), MANIFEST, &SCHEMAS).is_ok());
    }
}

#[test]
fn attack_114_what_is_too_large_or_too_deep_is_refused_by_its_size() {
    let large = vec![0; PACKAGE_BYTES_MAX + 1];
    assert_eq!(refused(&large), BadPackage::TooLarge { bytes: PACKAGE_BYTES_MAX + 1 });
    let manifest = format!("{MANIFEST}#{}", "x".repeat(MANIFEST_BYTES_MAX));
    let no =
        |manifest: &str, schemas: &[(&str, &str)]| pack(COMPONENT, manifest, schemas).expect_err("refused");
    assert_eq!(
        no(&manifest, &SCHEMAS),
        PackError::Package(BadPackage::ManifestTooLarge { bytes: manifest.len() })
    );
    let too_large = PackError::Package(BadPackage::SchemasTooLarge);
    let blank = " ".repeat(SCHEMA_BYTES_MAX - 16);
    assert_eq!(no(MANIFEST, &[("all.json", &format!("{{}}{blank}{blank}"))]), too_large);
    let names: Vec<String> = (0..=SCHEMAS_MAX).map(|number| format!("s{number:03}.json")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), "{}")).collect();
    assert_eq!(no(MANIFEST, &many), too_large);
    let text = format!("{{}}{blank}");
    let five: Vec<_> = names.iter().take(5).map(|name| (name.as_str(), text.as_str())).collect();
    assert_eq!(no(MANIFEST, &five), too_large, "a mebibyte together");

    let nested = |depth: usize| {
        let inner = (0..depth).fold(COMPONENT.to_vec(), |inner, _| [COMPONENT, &section(4, &inner)].concat());
        pack(&inner, MANIFEST, &SCHEMAS)
    };
    assert!(nested(NESTING_MAX).is_ok());
    assert_eq!(nested(NESTING_MAX + 1), Err(PackError::Package(BadPackage::TooDeep)));
    let names: Vec<String> = (0..=SURFACE_MAX).map(|number| format!("a:b/c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert!(pack(&importing(&names[1..]), MANIFEST, &SCHEMAS).is_ok());
    let surface = Err(PackError::Package(BadPackage::Surface));
    assert_eq!(pack(&importing(&names), MANIFEST, &SCHEMAS), surface);
    assert_eq!(pack(&importing(&[&"a".repeat(300)]), MANIFEST, &SCHEMAS), surface);
    // Sizes that lie.
    for lie in [
        &[0, 0xff, 0xff, 0xff, 0xff, 0x0f][..],
        &[4, 0xff, 0xff, 0xff, 0x0f],
        &[10, 5, 0xff, 0xff, 0xff, 0xff, 0x0f],
    ] {
        assert!(matches!(refused(&[COMPONENT, lie].concat()), BadPackage::NoComponent { .. }), "{lie:?}");
    }
    // Brackets without an end, in the two texts that are parsed.
    let brackets = PackError::Package(BadPackage::Schema { name: "all.json".to_owned() });
    assert_eq!(no(MANIFEST, &[("all.json", &"[".repeat(100_000)), SCHEMAS[0]]), brackets);
    let deep = no(&format!("x = {}", "[".repeat(50_000)), &SCHEMAS);
    assert!(matches!(deep, PackError::Package(BadPackage::Manifest { .. })), "{deep}");
}

#[test]
fn attack_115_an_unsigned_package_and_one_without_its_signature_are_nobodys() {
    let content = unsigned();
    assert_eq!(verified(&content), Err(BadSignature::Unsigned));
    let bytes = signed(&key(), &content);
    assert_eq!(verified(Package::parse(&bytes).expect("a package").content()), Err(BadSignature::Unsigned));
    for form in [&b""[..], &[1; 97], &[2; 98], &[1; 99], &[&[1_u8; 33][..], &[17], &[0; 64]].concat()] {
        assert_eq!(
            refused(&with_signature(&content, form)),
            BadPackage::SignatureForm,
            "{} bytes",
            form.len()
        );
    }
}

#[test]
fn attack_116_a_key_for_which_everybody_can_sign_publishes_nothing() {
    let content = unsigned();
    let mut neutral = [0; 32];
    neutral[0] = 1;
    // With the neutral element as the key, R = s·B for any s is a signature of anything.
    for root in [[0; 32], neutral] {
        let signature = [&[1][..], &root, &[0], &[0; 64]].concat();
        assert_eq!(verified(&with_signature(&content, &signature)), Err(BadSignature::WeakKey { index: 0 }));
    }
    let mut succeeded = signature_of(&signed(&succeeded(&key()), &content));
    succeeded[34..66].copy_from_slice(&neutral);
    assert_eq!(verified(&with_signature(&content, &succeeded)), Err(BadSignature::WeakKey { index: 1 }));
}
