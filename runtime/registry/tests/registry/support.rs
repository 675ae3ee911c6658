//! Packages, made by hand, and how the tests reach their registry.

use ring::rand::SystemRandom;
use runtime_package::{PublisherKey, pack};
use runtime_registry::{Access, Admitted, Bounds, Expected, Login, Place, PullError, RemoteError};
use zeroize::Zeroizing;

/// The head of a component, which is the smallest one.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
const MANIFEST: &str = r#"name = "modes"
version = 1
world = "endpoint"
title = "Modes by month"
purpose = "Tells how far you went by bicycle, bus and car."
interfaces = ["timeseries-read"]
[[reads]]
area = "timeseries"
keys = ["analysis/inferred_section"]
"#;

pub const USERNAME: &str = "anna";
pub const PASSWORD: &str = "a secret of nobody";

pub fn key() -> PublisherKey {
    PublisherKey::generate(&SystemRandom::new()).expect("randomness")
}

/// A signed package of that version.
pub fn package(key: &PublisherKey, version: u32) -> Vec<u8> {
    named(key, "modes", version)
}

pub fn named(key: &PublisherKey, name: &str, version: u32) -> Vec<u8> {
    let manifest = MANIFEST
        .replace("name = \"modes\"", &format!("name = \"{name}\""))
        .replace("version = 1", &format!("version = {version}"));
    let package = pack(COMPONENT, &manifest, &[]).expect("a package");
    key.sign(&package, &SystemRandom::new()).expect("it can be signed")
}

/// Without TLS, on this machine, with little patience.
pub fn access() -> Access {
    let bounds = Bounds { received_bytes_max: 1 << 20, total_ms: 20_000, silence_ms: 10_000 };
    Access { plain: true, bounds, ..Access::default() }
}

pub fn with_login(access: Access, password: &str) -> Access {
    let password = Zeroizing::new(password.to_owned());
    Access { login: Some(Login { username: USERNAME.to_owned(), password }), ..access }
}

pub async fn pull(reference: &str, access: &Access) -> Result<(Vec<u8>, Admitted), PullError> {
    let place: Place = reference.parse().expect(reference);
    runtime_registry::pull(&place, access, &Expected::default()).await
}

pub async fn push(reference: &str, access: &Access, package: &[u8]) -> String {
    let place: Place = reference.parse().expect(reference);
    runtime_registry::push(&place, access, package).await.expect("pushed")
}

/// What a registry did wrong.
pub fn remote(refused: Result<(Vec<u8>, Admitted), PullError>) -> RemoteError {
    match refused {
        Err(PullError::Remote(error)) => error,
        other => panic!("{:?}", other.map(|(bytes, admitted)| (bytes.len(), admitted))),
    }
}
