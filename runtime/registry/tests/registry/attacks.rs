//! Registries that lie, and folders that were changed: nothing comes of it, each with its error.

use bytes::Bytes;
use ring::rand::SystemRandom;
use runtime_package::PublisherKey;
use runtime_registry::artifact::digest_of;
use runtime_registry::{
    Access, BadArtifact, Bounds, Expected, FolderError, NotAdmitted, Place, PullError, RemoteError,
};
use serde_json::{Value, json};

use crate::server::{Lie, Registry};
use crate::support::{PASSWORD, access, key, named, package, pull, push, remote, with_login};

/// A registry with a package.
async fn registry(key: &PublisherKey) -> Registry {
    let registry = Registry::start().await;
    push(&registry.at("modes:1"), &access(), &package(key, 1)).await;
    registry
}

#[tokio::test]
async fn attack_144_another_content_than_the_digest_names_is_refused() {
    let key = key();
    let registry = registry(&key).await;
    let digest = digest_of(&registry.kept().manifests["1"]);
    // A sound package of the same publisher, but not the one that the manifest names.
    registry.lie(Lie::Blob(package(&key, 2).into()));
    let refused = remote(pull(&registry.at("modes:1"), &access()).await);
    assert!(matches!(refused, RemoteError::Artifact(BadArtifact::Digest { .. })), "{refused:?}");
    registry.lie(Lie::Manifest(Bytes::from_static(b"{}")));
    let refused = remote(pull(&registry.at(&format!("modes@{digest}")), &access()).await);
    assert!(matches!(refused, RemoteError::Artifact(BadArtifact::Digest { .. })), "{refused:?}");
}

#[tokio::test]
async fn attack_145_a_body_that_is_huge_endless_or_never_comes_ends_at_a_limit() {
    let key = key();
    let registry = registry(&key).await;
    for lie in [Lie::EndlessBlob, Lie::EndlessManifest, Lie::EndlessToken] {
        registry.kept().locked = lie == Lie::EndlessToken;
        registry.lie(lie.clone());
        let refused = remote(pull(&registry.at("modes:1"), &with_login(access(), PASSWORD)).await);
        assert!(
            matches!(refused, RemoteError::TooMuch { limit_bytes } if limit_bytes == 1 << 20),
            "{lie:?}: {refused:?}"
        );
    }
    registry.kept().locked = false;
    registry.lie(Lie::SilentBlob);
    let bounds = Bounds { total_ms: 300, ..access().bounds };
    let refused = remote(pull(&registry.at("modes:1"), &Access { bounds, ..access() }).await);
    assert!(matches!(refused, RemoteError::TooLong { limit_ms: 300 }), "{refused:?}");
}

#[tokio::test]
async fn attack_146_a_registry_that_sends_elsewhere_is_not_followed_and_nobody_else_hears_a_password() {
    let (key, elsewhere) = (key(), Registry::start().await);
    let registry = registry(&key).await;
    let there = elsewhere.address;
    for place in [
        format!("http://{there}/v2/modes/blobs/x"),
        format!("https://{there}/v2/"),
        format!("https://{}/v2/", registry.address),
    ] {
        registry.lie(Lie::BlobAt(place.clone()));
        let refused = remote(pull(&registry.at("modes:1"), &access()).await);
        let RemoteError::Elsewhere { place: told } = &refused else { panic!("{place}: {refused:?}") };
        assert!(place.starts_with(told.as_str()), "{told}");
    }
    registry.kept().locked = true;
    for realm in [format!("http://{there}/token"), format!("https://{there}/token")] {
        registry.lie(Lie::TokenAt(realm.clone()));
        let refused = remote(pull(&registry.at("modes:1"), &with_login(access(), PASSWORD)).await);
        assert!(matches!(refused, RemoteError::Elsewhere { .. }), "{realm}: {refused:?}");
    }
    assert_eq!(elsewhere.requests(), [""; 0]);
}

#[tokio::test]
async fn attack_146_a_registry_with_tls_does_not_lead_to_a_place_without_it() {
    let (key, plain) = (key(), Registry::start().await);
    let registry = Registry::start_with_tls().await;
    let trusting = Access { plain: false, authorities: registry.authority.clone(), ..access() };
    push(&registry.at("modes:1"), &trusting, &package(&key, 1)).await;
    registry.lie(Lie::BlobAt(format!("http://{}/v2/modes/blobs/x", plain.address)));
    let refused = remote(pull(&registry.at("modes:1"), &trusting).await);
    assert!(matches!(refused, RemoteError::Elsewhere { .. }), "{refused:?}");
    // Nor where the host was named: that is for TLS.
    let also = vec![plain.address.to_string()];
    let refused = remote(pull(&registry.at("modes:1"), &Access { also, ..trusting }).await);
    assert!(matches!(refused, RemoteError::Elsewhere { .. }), "{refused:?}");
    assert_eq!(plain.requests(), [""; 0]);
}

#[tokio::test]
async fn a_host_that_was_named_beside_the_registry_is_followed_with_tls() {
    let (key, storage) = (key(), Registry::start_with_tls().await);
    let registry = Registry::start_with_tls().await;
    let package = package(&key, 1);
    let authorities = [registry.authority.clone().unwrap(), storage.authority.clone().unwrap()].concat();
    let trusting = Access { plain: false, authorities: Some(authorities), ..access() };
    push(&registry.at("modes:1"), &trusting, &package).await;
    push(&storage.at("modes:1"), &trusting, &package).await;
    let place = format!("https://{}", storage.at(&format!("v2/modes/blobs/{}", digest_of(&package))));
    registry.lie(Lie::BlobAt(place));
    let also = vec![format!("localhost:{}", storage.address.port())];
    let (bytes, _) = pull(&registry.at("modes:1"), &Access { also, ..trusting }).await.unwrap();
    assert_eq!(bytes, package);
}

#[tokio::test]
async fn attack_147_an_artifact_of_another_form_is_refused_before_its_layers_are_asked_for() {
    let key = key();
    let registry = registry(&key).await;
    let sound: Value = serde_json::from_slice(&registry.kept().manifests["1"]).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut manifest = sound.clone();
        change(&mut manifest);
        Bytes::from(manifest.to_string())
    };
    let before = registry.requests().len();
    for (why, manifest) in [
        (
            "2 layers",
            changed(&|all| {
                let layer = all["layers"][0].clone();
                all["layers"].as_array_mut().unwrap().push(layer);
            }),
        ),
        ("0 layers", changed(&|all| all["layers"] = json!([]))),
        (
            "layer is of the type",
            changed(&|all| all["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar")),
        ),
        (
            "configuration is of the type",
            changed(&|all| all["config"]["mediaType"] = json!("application/vnd.oci.image.config.v1+json")),
        ),
        (
            "manifest is of the type",
            changed(&|all| all["mediaType"] = json!("application/vnd.oci.image.index.v1+json")),
        ),
        ("no sha256", changed(&|all| all["layers"][0]["digest"] = json!("sha256:../../../etc/passwd"))),
        (
            "no sha256",
            changed(&|all| all["layers"][0]["digest"] = json!(format!("sha512:{}", "0".repeat(128)))),
        ),
        ("33554433 bytes", changed(&|all| all["layers"][0]["size"] = json!(33_554_433))),
        ("-1 bytes", changed(&|all| all["layers"][0]["size"] = json!(-1))),
        ("does not read", Bytes::from_static(b"[]")),
        ("does not read", Bytes::from("[".repeat(100_000))),
    ] {
        registry.lie(Lie::Manifest(manifest));
        match remote(pull(&registry.at("modes:1"), &access()).await) {
            RemoteError::Artifact(bad) => assert!(bad.to_string().contains(why), "{why}: {bad}"),
            other => panic!("{why}: {other:?}"),
        }
    }
    let since = registry.requests().split_off(before);
    assert!(since.iter().all(|path| path == "/v2/" || path.ends_with("/manifests/1")), "{since:?}");
}

#[tokio::test]
async fn attack_148_an_older_version_another_publisher_or_a_key_that_was_replaced_is_not_taken() {
    let (registry, old, stranger) = (Registry::start().await, key(), key());
    let new = old.succeed(key(), &SystemRandom::new()).unwrap();
    let have = package(&new, 2);
    for (tag, package) in [
        ("older", package(&new, 1)),
        ("re-signed", package(&old, 3)),
        ("stranger", package(&stranger, 3)),
        ("another", named(&new, "other", 3)),
        ("newer", package(&new, 3)),
    ] {
        push(&registry.at(&format!("modes:{tag}")), &access(), &package).await;
    }
    let take = async |tag: &str, publisher: Option<&PublisherKey>, before: Option<&[u8]>| {
        let place: Place = registry.at(&format!("modes:{tag}")).parse().unwrap();
        let expected = Expected { publisher: publisher.map(PublisherKey::publisher), before };
        match runtime_registry::pull(&place, &access(), &expected).await {
            Ok((_, admitted)) => Ok(admitted.version),
            Err(PullError::NotAdmitted(why)) => Err(why),
            Err(other) => panic!("{tag}: {other}"),
        }
    };
    let have = Some(&have[..]);
    assert!(matches!(take("older", None, have).await, Err(NotAdmitted::Older { there: 2, offered: 1 })));
    assert!(matches!(take("re-signed", None, have).await, Err(NotAdmitted::OldKey)));
    assert!(matches!(take("stranger", None, have).await, Err(NotAdmitted::OtherCell { .. })));
    assert!(matches!(take("another", None, have).await, Err(NotAdmitted::OtherCell { .. })));
    assert!(matches!(take("stranger", Some(&old), None).await, Err(NotAdmitted::Publisher { .. })));
    assert!(matches!(take("newer", Some(&old), Some(b"no package")).await, Err(NotAdmitted::Before(_))));
    // The publisher stays the same when the key changes.
    assert_eq!(take("newer", Some(&old), have).await.expect("a later one"), 3);
}

#[tokio::test]
async fn attack_149_a_folder_that_was_changed_gives_no_package() {
    let (home, key) = (tempfile::tempdir().unwrap(), key());
    let folder = home.path().join("cells");
    let at = format!("dir:{}", folder.display());
    let package = package(&key, 1);
    push(&at, &access(), &package).await;
    let blob = |bytes: &[u8]| folder.join("blobs/sha256").join(&digest_of(bytes)["sha256:".len()..]);
    let refused = async || match pull(&at, &access()).await {
        Err(PullError::Folder(error)) => error,
        other => panic!("{:?}", other.map(|(bytes, _)| bytes.len())),
    };
    // Another sound package in the place of the one that is named.
    std::fs::write(blob(&package), named(&key, "other", 1)).unwrap();
    let why = refused().await;
    assert!(matches!(why, FolderError::Artifact(BadArtifact::Digest { .. })), "{why}");
    // Larger than any package.
    std::fs::File::create(blob(&package)).unwrap().set_len(64 << 20).unwrap();
    let why = refused().await;
    assert!(matches!(why, FolderError::TooLarge { .. }), "{why}");
    // A digest that is a way out of the folder.
    let index = folder.join("index.json");
    let secret = home.path().join("secret");
    std::fs::write(&secret, &package).unwrap();
    let mut entries: Value = serde_json::from_slice(&std::fs::read(&index).unwrap()).unwrap();
    for digest in ["sha256:../../../secret".to_owned(), format!("sha256:{}", secret.display()), String::new()]
    {
        entries["manifests"][0]["digest"] = digest.into();
        std::fs::write(&index, entries.to_string()).unwrap();
        let why = refused().await;
        assert!(matches!(why, FolderError::Artifact(BadArtifact::NoDigest)), "{why}");
    }
    for text in ["{", "[]", ""] {
        std::fs::write(&index, text).unwrap();
        let why = refused().await;
        assert!(matches!(why, FolderError::Index { .. }), "{why}");
    }
}
