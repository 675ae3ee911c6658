//! What is pushed comes back as it was, in the form that other tools expect.

use serde_json::{Value, json};

use runtime_registry::artifact::digest_of;
use runtime_registry::{BadArtifact, FolderError, Place, PullError, PushError, RemoteError};

use crate::server::Registry;
use crate::support::{PASSWORD, access, key, named, package, pull, push, remote, with_login};

#[tokio::test]
async fn a_package_goes_to_a_registry_and_comes_back_with_who_signed_it() {
    let (registry, key) = (Registry::start().await, key());
    let package = package(&key, 3);
    let digest = push(&registry.at("modes:3"), &access(), &package).await;
    let (bytes, admitted) = pull(&registry.at("modes:3"), &access()).await.unwrap();
    assert_eq!(bytes, package);
    assert_eq!((admitted.name.as_str(), admitted.version, admitted.bytes), ("modes", 3, package.len()));
    assert_eq!(admitted.publisher, key.publisher().to_string());
    // By its digest, too.
    let (again, _) = pull(&registry.at(&format!("modes@{digest}")), &access()).await.unwrap();
    assert_eq!(again, package);
    assert!(matches!(remote(pull(&registry.at("modes:4"), &access()).await), RemoteError::NotThere));
}

#[tokio::test]
async fn an_artifact_is_one_layer_with_a_configuration_and_annotations() {
    let (registry, key) = (Registry::start().await, key());
    let package = package(&key, 3);
    push(&registry.at("modes:3"), &access(), &package).await;
    let kept = registry.kept();
    let manifest: Value = serde_json::from_slice(&kept.manifests["3"]).unwrap();
    let layer = digest_of(&package);
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(
        manifest["layers"],
        json!([{ "mediaType": "application/wasm", "digest": layer, "size": package.len() }])
    );
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    let told = &manifest["annotations"];
    assert_eq!(told["org.opencontainers.image.title"], "Modes by month");
    assert_eq!(told["org.opencontainers.image.version"], "3");
    assert_eq!(told["cellar.publisher"], key.publisher().to_string());
    let config: Value =
        serde_json::from_slice(&kept.blobs[manifest["config"]["digest"].as_str().unwrap()]).unwrap();
    assert_eq!(
        config,
        json!({
            "created": "1970-01-01T00:00:00Z", "author": key.publisher().to_string(), "architecture": "wasm",
            "os": "wasip2", "layerDigests": [layer], "component": { "exports": [], "imports": [], "target": null },
        })
    );
}

#[tokio::test]
async fn a_login_opens_a_registry_that_wants_one_and_another_password_does_not() {
    let (registry, key) = (Registry::start().await, key());
    registry.kept().locked = true;
    let package = package(&key, 1);
    push(&registry.at("modes:1"), &with_login(access(), PASSWORD), &package).await;
    let (bytes, _) = pull(&registry.at("modes:1"), &with_login(access(), PASSWORD)).await.unwrap();
    assert_eq!(bytes, package);
    for wrong in [with_login(access(), "another"), access()] {
        assert!(matches!(remote(pull(&registry.at("modes:1"), &wrong).await), RemoteError::Login));
    }
}

#[tokio::test]
async fn a_registry_with_tls_is_reached_through_the_gate_under_the_authorities_that_were_named() {
    let (registry, key) = (Registry::start_with_tls().await, key());
    let package = package(&key, 1);
    let authorities = registry.authority.clone();
    let trusting = runtime_registry::Access { plain: false, authorities, ..access() };
    push(&registry.at("modes:1"), &trusting, &package).await;
    let (bytes, _) = pull(&registry.at("modes:1"), &trusting).await.unwrap();
    assert_eq!(bytes, package);
    let other = Registry::start_with_tls().await.authority.clone();
    let other = runtime_registry::Access { authorities: other, ..trusting };
    let refused = remote(pull(&registry.at("modes:1"), &other).await);
    assert!(matches!(refused, RemoteError::Answer { .. }), "{refused:?}");
}

#[tokio::test]
async fn a_folder_carries_packages_by_their_tags_without_any_registry() {
    let (home, key) = (tempfile::tempdir().unwrap(), key());
    let folder = home.path().join("cells");
    let at = |tag: &str| format!("dir:{}:{tag}", folder.display());
    let [one, two, other] = [package(&key, 1), package(&key, 2), named(&key, "other", 1)];
    for (tag, package) in [("modes", &one), ("other", &other), ("modes", &two)] {
        push(&at(tag), &access(), package).await;
    }
    assert_eq!(pull(&at("modes"), &access()).await.unwrap().0, two);
    assert_eq!(pull(&at("other"), &access()).await.unwrap().0, other);
    let layout = std::fs::read_to_string(folder.join("oci-layout")).unwrap();
    assert_eq!(layout, r#"{"imageLayoutVersion":"1.0.0"}"#);
    let refused = pull(&at("nothing"), &access()).await.expect_err("no such tag");
    let PullError::Folder(FolderError::NoSuchTag { known, .. }) = &refused else { panic!("{refused}") };
    assert_eq!(known, &["other", "modes"]);
    // Somebody's folder of something else is not made into one.
    let place: Place = home.path().to_str().unwrap().parse().unwrap();
    let refused = runtime_registry::push(&place, &access(), &one).await.expect_err("not empty");
    assert!(matches!(refused, PushError::Folder(FolderError::NotALayout { .. })), "{refused}");
}

#[tokio::test]
async fn what_nobody_has_signed_or_has_no_tag_is_not_pushed_and_asks_no_registry() {
    let (registry, key) = (Registry::start().await, key());
    let signed = package(&key, 1);
    let content = runtime_package::Package::parse(&signed).unwrap().content().to_vec();
    let place: Place = registry.at("modes:1").parse().unwrap();
    let refused = runtime_registry::push(&place, &access(), &content).await.expect_err("nobody's");
    assert!(matches!(refused, PushError::Signature(_)), "{refused}");
    let place: Place = registry.at(&format!("modes@{}", digest_of(b""))).parse().unwrap();
    let refused = runtime_registry::push(&place, &access(), &signed).await.expect_err("no tag");
    assert!(matches!(refused, PushError::Remote(RemoteError::NoTag)), "{refused}");
    let elsewhere: Place = "registry.example.org/modes:1".parse().unwrap();
    let refused = runtime_registry::push(&elsewhere, &access(), &signed).await.expect_err("not this machine");
    assert!(matches!(refused, PushError::Remote(RemoteError::PlainElsewhere { .. })), "{refused}");
    assert_eq!(registry.requests(), [""; 0]);
    let refused = runtime_registry::artifact::layer_of(b"{}");
    assert!(matches!(refused, Err(BadArtifact::Manifest { .. })), "{refused:?}");
}
