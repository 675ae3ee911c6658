//! A package in the form in which registries carry components: one layer, a configuration, and a manifest that names
//! both. docs/formats/package.md has the fields.

use std::collections::BTreeMap;

use bytes::Bytes;
use data_encoding::HEXLOWER;
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciDescriptor, OciImageManifest};
use ring::digest::{SHA256, digest};
use runtime_package::{PACKAGE_BYTES_MAX, Package, Verified};
use serde::Serialize;

/// The media type of the package.
pub const LAYER_TYPE: &str = "application/wasm";
/// The media type of the configuration, which says that an artifact is WebAssembly.
pub const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// The media type of the manifest.
pub const MANIFEST_TYPE: &str = OCI_IMAGE_MEDIA_TYPE;

/// Why an artifact is none of a package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadArtifact {
    /// It is too large to be read.
    #[error("its manifest has {bytes} bytes, over the limit of {}", crate::LISTING_BYTES_MAX)]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// It is no manifest.
    #[error("its manifest does not read: {why}")]
    Manifest {
        /// What is wrong.
        why: String,
    },
    /// Not one layer.
    #[error("it has {count} layers: a package is one")]
    Layers {
        /// How many it has.
        count: usize,
    },
    /// A part of another type.
    #[error("its {part} is of the type {found:?}, not {wanted}")]
    Type {
        /// Which part.
        part: &'static str,
        /// The type that it has, shortened.
        found: String,
        /// The type that it should have.
        wanted: &'static str,
    },
    /// No digest that is known here.
    #[error("its digest is no sha256:… of 64 hex digits")]
    NoDigest,
    /// The layer is larger than any package.
    #[error("its layer says that it has {bytes} bytes, and a package has at most {PACKAGE_BYTES_MAX}")]
    Size {
        /// The size that it says.
        bytes: i64,
    },
    /// Other bytes than those that were named.
    #[error("{what} is not what its digest names: {told} was asked for, {found} came")]
    Digest {
        /// What came.
        what: &'static str,
        /// The digest that was asked for.
        told: String,
        /// The digest of what came.
        found: String,
    },
}

/// A package with what describes it.
pub struct Artifact {
    /// The package.
    pub layer: Bytes,
    /// The configuration, JSON.
    pub config: Bytes,
    /// The manifest.
    pub manifest: OciImageManifest,
}

/// The configuration, with the fields that other tools read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Config<'a> {
    created: &'static str,
    author: &'a str,
    architecture: &'static str,
    os: &'static str,
    layer_digests: [&'a str; 1],
    component: Component<'a>,
}

#[derive(Serialize)]
struct Component<'a> {
    exports: &'a [&'a str],
    imports: &'a [&'a str],
    target: Option<&'a str>,
}

impl Artifact {
    /// The artifact of a package. The same package makes the same bytes.
    pub fn of(package: &Package<'_>, verified: &Verified, bytes: &[u8]) -> Self {
        let layer = Bytes::copy_from_slice(bytes);
        let layer_digest = digest_of(&layer);
        let publisher = verified.publisher.to_string();
        let config = Config {
            // When a package was made is not known, and would make each push another artifact.
            created: "1970-01-01T00:00:00Z",
            author: &publisher,
            architecture: "wasm",
            os: "wasip2",
            layer_digests: [&layer_digest],
            component: Component { exports: package.exports(), imports: package.imports(), target: None },
        };
        let config = Bytes::from(serde_json::to_vec(&config).expect("texts are JSON"));
        let descriptor = |media_type: &str, digest: String, content: &Bytes| OciDescriptor {
            media_type: media_type.to_owned(),
            digest,
            size: i64::try_from(content.len()).expect("at most 32 MiB"),
            ..OciDescriptor::default()
        };
        let toml = package.manifest();
        let title = toml.title.clone().unwrap_or_else(|| toml.name.clone());
        let annotations = [
            ("org.opencontainers.image.title", title),
            ("org.opencontainers.image.version", toml.version.to_string()),
            ("cellar.cell", verified.cell.to_string()),
            ("cellar.name", toml.name.clone()),
            ("cellar.publisher", publisher.clone()),
        ];
        let manifest = OciImageManifest {
            media_type: Some(MANIFEST_TYPE.to_owned()),
            config: descriptor(CONFIG_TYPE, digest_of(&config), &config),
            layers: vec![descriptor(LAYER_TYPE, layer_digest.clone(), &layer)],
            annotations: Some(
                annotations
                    .map(|(name, value)| (name.to_owned(), value))
                    .into_iter()
                    .collect::<BTreeMap<_, _>>(),
            ),
            ..OciImageManifest::default()
        };
        Self { layer, config, manifest }
    }
}

/// The layer that a manifest names, if it is one of a package.
///
/// # Errors
/// [`BadArtifact`].
pub fn layer_of(manifest: &[u8]) -> Result<OciDescriptor, BadArtifact> {
    if manifest.len() > crate::LISTING_BYTES_MAX {
        return Err(BadArtifact::TooLarge { bytes: manifest.len() });
    }
    let manifest: OciImageManifest =
        serde_json::from_slice(manifest).map_err(|error| BadArtifact::Manifest { why: error.to_string() })?;
    let of_type = |part: &'static str, found: &str, wanted: &'static str| {
        let shortened = || found.chars().take(60).collect();
        if found == wanted { Ok(()) } else { Err(BadArtifact::Type { part, found: shortened(), wanted }) }
    };
    of_type("manifest", manifest.media_type.as_deref().unwrap_or(MANIFEST_TYPE), MANIFEST_TYPE)?;
    of_type("configuration", &manifest.config.media_type, CONFIG_TYPE)?;
    let [layer] = &manifest.layers[..] else {
        return Err(BadArtifact::Layers { count: manifest.layers.len() });
    };
    of_type("layer", &layer.media_type, LAYER_TYPE)?;
    hex_of(&layer.digest).ok_or(BadArtifact::NoDigest)?;
    let fits = usize::try_from(layer.size).is_ok_and(|bytes| bytes <= PACKAGE_BYTES_MAX);
    if !fits {
        return Err(BadArtifact::Size { bytes: layer.size });
    }
    // Addresses from which it could be had elsewhere are left out.
    let (media_type, digest) = (layer.media_type.clone(), layer.digest.clone());
    Ok(OciDescriptor { media_type, digest, size: layer.size, ..OciDescriptor::default() })
}

/// `sha256:` and the digits of the SHA-256 of these bytes.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("sha256:{}", HEXLOWER.encode(digest(&SHA256, bytes).as_ref()))
}

/// The digits of a digest; `None` for another form or algorithm. They are safe as the name of a file.
pub fn hex_of(digest: &str) -> Option<&str> {
    let hex = digest.strip_prefix("sha256:")?;
    let sound = hex.len() == 64 && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    sound.then_some(hex)
}

/// Compares bytes with the digest by which they were asked for.
///
/// # Errors
/// [`BadArtifact::Digest`].
pub fn check(what: &'static str, told: &str, bytes: &[u8]) -> Result<(), BadArtifact> {
    let found = digest_of(bytes);
    if found == told { Ok(()) } else { Err(BadArtifact::Digest { what, told: told.to_owned(), found }) }
}
