//! What is in a package.

use std::collections::BTreeSet;

use runtime_manifest::CellToml;
use serde::de::IgnoredAny;

use crate::id::sha256;
use crate::walk::{Section, Walked, walk};
use crate::{
    BadPackage, BadSignature, Digest, MANIFEST_BYTES_MAX, SCHEMA_BYTES_MAX, SCHEMA_NAME_BYTES_MAX,
    SCHEMAS_BYTES_MAX, SCHEMAS_MAX, Signature, Verified,
};

/// The section with the text of `cell.toml`.
pub(crate) const MANIFEST: &str = "cellar.manifest";
/// The section with one schema: name of the file, a zero byte, text.
pub(crate) const SCHEMA: &str = "cellar.schema";
/// The section with the signature.
pub(crate) const SIGNATURE: &str = "cellar.signature";

/// One schema of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema<'b> {
    /// The name of its file, without folders.
    pub name: &'b str,
    /// JSON; whether it is a JSON Schema is not known yet.
    pub text: &'b str,
}

/// A package: sound in its form, not yet known whose it is.
#[derive(Debug, Clone)]
pub struct Package<'b> {
    bytes: &'b [u8],
    manifest_text: &'b str,
    manifest: CellToml,
    schemas: Vec<Schema<'b>>,
    imports: Vec<&'b str>,
    exports: Vec<&'b str>,
    /// Size of what is signed.
    content_bytes: usize,
    digest: Digest,
    signature: Option<Signature>,
}

impl<'b> Package<'b> {
    /// Reads a package. One without a signature is read, too; [`Self::verify`] tells whose it is.
    ///
    /// # Errors
    /// [`BadPackage`]: the first thing that is wrong.
    pub fn parse(bytes: &'b [u8]) -> Result<Self, BadPackage> {
        let Walked { ours, imports, exports } = walk(bytes)?;
        let content_bytes =
            ours.iter().find(|section| section.name == SIGNATURE).map_or(bytes.len(), |it| it.range.start);
        let Sections { manifest_text, schemas, signature } = Sections::of(ours)?;
        let manifest =
            CellToml::parse(manifest_text).map_err(|error| BadPackage::Manifest { why: told(&error) })?;
        manifest.for_package()?;
        check_schemas(&manifest, &schemas)?;
        let content = bytes.get(..content_bytes).unwrap_or(bytes);
        let digest = Digest(sha256(&[content]));
        Ok(Self {
            bytes,
            manifest_text,
            manifest,
            schemas,
            imports,
            exports,
            content_bytes,
            digest,
            signature,
        })
    }

    /// Checks the signature: who published the package, and which cell it is.
    ///
    /// # Errors
    /// [`BadSignature`]; an unsigned package is nobody's.
    pub fn verify(&self) -> Result<Verified, BadSignature> {
        let signature = self.signature.as_ref().ok_or(BadSignature::Unsigned)?;
        signature.verify(self.digest, &self.manifest.name)
    }

    /// The whole file, which is a component: engines ignore the sections that were added.
    pub fn component(&self) -> &'b [u8] {
        self.bytes
    }

    /// What is signed: the file without its signature.
    pub fn content(&self) -> &'b [u8] {
        self.bytes.get(..self.content_bytes).unwrap_or(self.bytes)
    }

    /// The SHA-256 of [`Self::content`]: the same whoever signs it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The text of `cell.toml`.
    pub fn manifest_text(&self) -> &'b str {
        self.manifest_text
    }

    /// The manifest, which is one of a package.
    pub fn manifest(&self) -> &CellToml {
        &self.manifest
    }

    /// The schemas, by the names of their files.
    pub fn schemas(&self) -> &[Schema<'b>] {
        &self.schemas
    }

    /// Full names of what the component imports, such as `cellar:cell/log@0.1.0`; types are left out.
    pub fn imports(&self) -> &[&'b str] {
        &self.imports
    }

    /// Full names of what the component exports.
    pub fn exports(&self) -> &[&'b str] {
        &self.exports
    }

    /// The signature, not checked.
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }
}

/// A parser's message, on one line, without what it quotes of the text.
pub(crate) fn told(error: &toml::de::Error) -> String {
    error.message().chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(200).collect()
}

struct Sections<'b> {
    manifest_text: &'b str,
    schemas: Vec<Schema<'b>>,
    signature: Option<Signature>,
}

impl<'b> Sections<'b> {
    /// In the one order that a package has them.
    fn of(ours: Vec<Section<'b>>) -> Result<Self, BadPackage> {
        let mut ours = ours.into_iter().peekable();
        let out_of_place = |section: Section<'_>| Err(BadPackage::Order { name: section.name.to_owned() });
        let manifest_text = match ours.next() {
            None => return Err(BadPackage::NoManifest),
            Some(section) if section.name == MANIFEST => manifest_of(section.data)?,
            Some(section) if [SCHEMA, SIGNATURE].contains(&section.name) => return out_of_place(section),
            Some(section) => return unknown(section.name),
        };
        let (mut schemas, mut bytes) = (Vec::<Schema<'b>>::new(), 0);
        while let Some(section) = ours.next_if(|section| section.name == SCHEMA) {
            bytes += section.data.len();
            if schemas.len() >= SCHEMAS_MAX || bytes > SCHEMAS_BYTES_MAX {
                return Err(BadPackage::SchemasTooLarge);
            }
            let schema = schema_of(section.data)?;
            if schemas.last().is_some_and(|before| before.name >= schema.name) {
                return out_of_place(section);
            }
            schemas.push(schema);
        }
        let signature = match ours.next_if(|section| section.name == SIGNATURE) {
            Some(section) => Some(Signature::parse(section.data).ok_or(BadPackage::SignatureForm)?),
            None => None,
        };
        match ours.next() {
            None => Ok(Self { manifest_text, schemas, signature }),
            Some(section) if [MANIFEST, SCHEMA, SIGNATURE].contains(&section.name) => out_of_place(section),
            Some(section) => unknown(section.name),
        }
    }
}

fn unknown<T>(name: &str) -> Result<T, BadPackage> {
    let name = name.chars().take(64).filter(|letter| letter.is_ascii_graphic()).collect();
    Err(BadPackage::UnknownSection { name })
}

fn manifest_of(data: &[u8]) -> Result<&str, BadPackage> {
    if data.len() > MANIFEST_BYTES_MAX {
        return Err(BadPackage::ManifestTooLarge { bytes: data.len() });
    }
    std::str::from_utf8(data).map_err(|_| BadPackage::Manifest { why: "it is not UTF-8".to_owned() })
}

fn schema_of(data: &[u8]) -> Result<Schema<'_>, BadPackage> {
    if data.len() > SCHEMA_BYTES_MAX {
        return Err(BadPackage::SchemasTooLarge);
    }
    let end = data.iter().take(SCHEMA_NAME_BYTES_MAX + 1).position(|byte| *byte == 0);
    let (name, text) = end.and_then(|end| data.split_at_checked(end)).ok_or(BadPackage::SchemaName)?;
    let name = std::str::from_utf8(name).ok().filter(|name| is_file_name(name));
    let name = name.ok_or(BadPackage::SchemaName)?;
    let bad = || BadPackage::Schema { name: name.to_owned() };
    let text = std::str::from_utf8(text.get(1..).unwrap_or_default()).map_err(|_| bad())?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| bad())?;
    Ok(Schema { name, text })
}

/// A name that is none of a folder, and that no file system reads otherwise.
fn is_file_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.len() <= SCHEMA_NAME_BYTES_MAX
        && name.bytes().all(plain)
}

/// The last part of a path.
pub(crate) fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Every schema that the manifest names is there, and no other. A manifest may name them by a path in the cell's folder.
fn check_schemas(manifest: &CellToml, schemas: &[Schema<'_>]) -> Result<(), BadPackage> {
    let file = |path: &str| file_name(path).chars().take(64).collect::<String>();
    let named: BTreeSet<String> = manifest.types.values().map(|one| file(&one.schema)).collect();
    let there: BTreeSet<&str> = schemas.iter().map(|schema| schema.name).collect();
    if let Some(name) = named.iter().find(|name| !there.contains(name.as_str())) {
        return Err(BadPackage::NoSchema { name: name.clone() });
    }
    match there.into_iter().find(|name| !named.contains(*name)) {
        Some(name) => Err(BadPackage::UnusedSchema { name: name.to_owned() }),
        None => Ok(()),
    }
}
