//! A folder with the layout of an OCI image: `oci-layout`, `index.json`, and contents by their digests.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use oci_client::manifest::{ImageIndexEntry, OCI_IMAGE_INDEX_MEDIA_TYPE, OciImageIndex};
use runtime_package::PACKAGE_BYTES_MAX;

use crate::LISTING_BYTES_MAX;
use crate::artifact::{Artifact, BadArtifact, MANIFEST_TYPE, check, digest_of, hex_of, layer_of};
use crate::place::Folder;

/// The file that says which layout a folder has.
const LAYOUT: &str = "oci-layout";
const LAYOUT_CONTENT: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;
const INDEX: &str = "index.json";
const BLOBS: &str = "blobs/sha256";
/// The annotation of a manifest in the index: its tag.
const TAG: &str = "org.opencontainers.image.ref.name";

/// Why a folder takes or gives no package. Nothing was replaced in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// It has something else in it.
    #[error("{} is not empty and has no file {LAYOUT}: name a new folder", path.display())]
    NotALayout {
        /// The folder.
        path: PathBuf,
    },
    /// Nothing in it has the tag.
    #[error("{} has no package {tag}: {}", path.display(), list(known))]
    NoSuchTag {
        /// The folder.
        path: PathBuf,
        /// The tag.
        tag: String,
        /// The tags that it has.
        known: Vec<String>,
    },
    /// Its index does not read.
    #[error("{} is no index of packages: {why}", path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// A content is larger than it may be.
    #[error("{} is over the limit of {limit_bytes} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit_bytes: usize,
    },
    /// What it has under the tag is no artifact of a package.
    #[error("what the folder has under the tag is no package")]
    Artifact(#[from] BadArtifact),
    /// A file cannot be used.
    #[error("cannot use {}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

fn list(known: &[String]) -> String {
    if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) }
}

fn disk(path: &Path) -> impl Fn(io::Error) -> FolderError {
    let path = path.to_owned();
    move |source| FolderError::Disk { path: path.clone(), source }
}

/// Puts an artifact under the folder's tag, which then names nothing else.
pub(crate) fn push(folder: &Folder, artifact: &Artifact) -> Result<String, FolderError> {
    let path = &folder.path;
    fs::create_dir_all(path).map_err(disk(path))?;
    let layout = path.join(LAYOUT);
    if !layout.exists() {
        if fs::read_dir(path).map_err(disk(path))?.next().is_some() {
            return Err(FolderError::NotALayout { path: path.clone() });
        }
        write(&layout, LAYOUT_CONTENT.as_bytes())?;
    }
    let mut index = index(path)?;
    fs::create_dir_all(path.join(BLOBS)).map_err(disk(path))?;
    let manifest = serde_json::to_vec(&artifact.manifest).expect("texts and numbers are JSON");
    for content in [&artifact.layer[..], &artifact.config, &manifest] {
        let digest = digest_of(content);
        write(&blob(path, hex_of(&digest).expect("we have just made it")), content)?;
    }
    let digest = digest_of(&manifest);
    index.manifests.retain(|entry| tag_of(entry) != Some(&folder.tag));
    index.manifests.push(ImageIndexEntry {
        media_type: MANIFEST_TYPE.to_owned(),
        digest: digest.clone(),
        size: i64::try_from(manifest.len()).expect("it is small"),
        annotations: Some([(TAG.to_owned(), folder.tag.clone())].into()),
        platform: None,
        artifact_type: None,
    });
    let index = serde_json::to_vec(&index).expect("texts and numbers are JSON");
    // Last: until then, the tag names what it named.
    write(&path.join(INDEX), &index)?;
    Ok(digest)
}

/// The package under the folder's tag; its digests hold.
pub(crate) fn pull(folder: &Folder) -> Result<Vec<u8>, FolderError> {
    let path = &folder.path;
    let index = index(path)?;
    let found = index.manifests.iter().find(|entry| tag_of(entry) == Some(&folder.tag));
    let entry = found.ok_or_else(|| FolderError::NoSuchTag {
        path: path.clone(),
        tag: folder.tag.clone(),
        known: index.manifests.iter().filter_map(tag_of).cloned().collect(),
    })?;
    let manifest = content(path, "the manifest", &entry.digest, LISTING_BYTES_MAX)?;
    let layer = layer_of(&manifest)?;
    content(path, "the package", &layer.digest, PACKAGE_BYTES_MAX)
}

fn tag_of(entry: &ImageIndexEntry) -> Option<&String> {
    entry.annotations.as_ref()?.get(TAG)
}

/// The index of a folder; an empty one where there is none.
fn index(folder: &Path) -> Result<OciImageIndex, FolderError> {
    let path = folder.join(INDEX);
    let text = match read(&path, LISTING_BYTES_MAX) {
        Err(FolderError::Disk { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            return Ok(OciImageIndex {
                schema_version: 2,
                media_type: Some(OCI_IMAGE_INDEX_MEDIA_TYPE.to_owned()),
                manifests: Vec::new(),
                artifact_type: None,
                annotations: None,
            });
        }
        text => text?,
    };
    serde_json::from_slice(&text).map_err(|error| FolderError::Index { path, why: error.to_string() })
}

fn blob(folder: &Path, hex: &str) -> PathBuf {
    folder.join(BLOBS).join(hex)
}

/// A content by its digest. A digest that is no file's name leads nowhere.
fn content(
    folder: &Path,
    what: &'static str,
    digest: &str,
    bytes_max: usize,
) -> Result<Vec<u8>, FolderError> {
    let hex = hex_of(digest).ok_or(BadArtifact::NoDigest)?;
    let bytes = read(&blob(folder, hex), bytes_max)?;
    check(what, digest, &bytes)?;
    Ok(bytes)
}

fn read(path: &Path, limit_bytes: usize) -> Result<Vec<u8>, FolderError> {
    let file = File::open(path).map_err(disk(path))?;
    let mut bytes = Vec::new();
    file.take(limit_bytes as u64 + 1).read_to_end(&mut bytes).map_err(disk(path))?;
    if bytes.len() > limit_bytes {
        return Err(FolderError::TooLarge { path: path.to_owned(), limit_bytes });
    }
    Ok(bytes)
}

/// Writes a file in one step.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut half = tempfile::NamedTempFile::new_in(folder).map_err(disk(path))?;
    half.write_all(bytes).and_then(|()| half.as_file().sync_all()).map_err(disk(path))?;
    half.persist(path).map_err(|error| disk(path)(error.error))?;
    Ok(())
}
