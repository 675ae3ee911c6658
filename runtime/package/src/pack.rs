//! Makes a package of a component, a manifest and schemas.

use std::collections::{BTreeMap, BTreeSet};

use runtime_manifest::CellToml;

use crate::parse::{MANIFEST, SCHEMA, file_name, told};
use crate::walk::{append, walk};
use crate::{BadPackage, PACKAGE_BYTES_MAX, PackError, Package};

/// Paths of the schemas that a manifest names, from the cell's folder, each once. [`pack`] takes them by the last part of
/// their path, which is the first of each pair.
///
/// # Errors
/// [`BadPackage::Manifest`].
pub fn schemas_of(manifest: &str) -> Result<Vec<(String, String)>, BadPackage> {
    let manifest = CellToml::parse(manifest).map_err(|error| BadPackage::Manifest { why: told(&error) })?;
    let paths: BTreeSet<String> = manifest.types.into_values().map(|one| one.schema).collect();
    Ok(paths.into_iter().map(|path| (file_name(&path).to_owned(), path)).collect())
}

/// Adds manifest and schemas to a component. `schemas` have the names of their files, without folders; their order does
/// not matter. The result is not signed: [`crate::PublisherKey::sign`] does that.
///
/// # Errors
/// [`PackError`]; the result would not be a package that anybody accepts.
pub fn pack(component: &[u8], manifest: &str, schemas: &[(&str, &str)]) -> Result<Vec<u8>, PackError> {
    if !walk(component)?.ours.is_empty() {
        return Err(PackError::Packed);
    }
    let mut by_name = BTreeMap::new();
    for (name, text) in schemas {
        if by_name.insert(*name, *text).is_some() {
            return Err(PackError::SameName { name: name.chars().take(64).collect() });
        }
    }
    let mut bytes = Vec::with_capacity(component.len().min(PACKAGE_BYTES_MAX) + manifest.len() + 1024);
    bytes.extend_from_slice(component);
    append(&mut bytes, MANIFEST, &[manifest.as_bytes()]);
    for (name, text) in by_name {
        append(&mut bytes, SCHEMA, &[name.as_bytes(), b"\0", text.as_bytes()]);
    }
    Package::parse(&bytes)?;
    Ok(bytes)
}
