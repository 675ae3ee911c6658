//! What one person lets one cell reach: every call of the cell is checked against it.

use std::sync::Arc;

use runtime_sandbox::Failure;
use runtime_types::{Area, Query, StreamKey};

use crate::cells::manifest::{Manifest, StreamPattern, names_cover};
use crate::cells::types::Types;

/// A cell's manifest as one person granted it, and the data types that writes are checked against.
#[derive(Debug, Clone)]
pub struct Grant {
    manifest: Arc<Manifest>,
    types: Arc<Types>,
}

impl Grant {
    /// A grant of everything that the manifest asks for.
    pub fn whole(manifest: Arc<Manifest>, types: Arc<Types>) -> Self {
        Self { manifest, types }
    }

    /// The manifest that was granted.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Narrows a query without keys to the granted streams, and refuses a query for other streams.
    ///
    /// `present` returns the keys of the area; called only if the grant covers less than the whole area.
    pub fn narrow(
        &self,
        mut query: Query,
        present: impl FnOnce() -> Vec<StreamKey>,
    ) -> Result<Query, Failure> {
        query.check().map_err(|error| Failure::Invalid(error.to_string()))?;
        let patterns = &self.manifest.reads;
        if query.keys.is_empty() {
            if patterns.iter().any(|pattern| pattern.area == query.area && pattern.key == "*/*") {
                return Ok(query);
            }
            query.keys = present();
            query.keys.retain(|key| covered(patterns, query.area, key));
            if query.keys.is_empty() {
                return Err(Failure::Denied(format!("every stream of the area {:?}", query.area)));
            }
            return Ok(query);
        }
        match query.keys.iter().find(|key| !covered(patterns, query.area, key)) {
            Some(key) => Err(Failure::Denied(key.to_string())),
            None => Ok(query),
        }
    }

    /// Refuses data that does not match its stream's type.
    pub fn check_type(&self, key: &StreamKey, data: &str) -> Result<(), Failure> {
        self.types.check(key, data).map_err(|why| Failure::Invalid(format!("{key}: {why}")))
    }

    /// The data types that writes are checked against.
    pub(crate) fn types(&self) -> &Types {
        &self.types
    }

    /// Refuses a write to a stream that may not be written.
    pub fn check_write(&self, area: Area, key: &StreamKey) -> Result<(), Failure> {
        if covered(&self.manifest.writes, area, key) { Ok(()) } else { Err(Failure::Denied(key.to_string())) }
    }

    /// Refuses a document that may not be read.
    pub fn check_read_document(&self, name: &str) -> Result<(), Failure> {
        let names = [&self.manifest.documents_read, &self.manifest.documents_write];
        if names.into_iter().any(|names| names_cover(names, name)) {
            Ok(())
        } else {
            Err(Failure::Denied(format!("the document {name}")))
        }
    }

    /// Refuses a document that may not be written.
    pub fn check_write_document(&self, name: &str) -> Result<(), Failure> {
        if names_cover(&self.manifest.documents_write, name) {
            Ok(())
        } else {
            Err(Failure::Denied(format!("the document {name}")))
        }
    }
}

fn covered(patterns: &[StreamPattern], area: Area, key: &StreamKey) -> bool {
    patterns.iter().any(|pattern| pattern.covers(area, key))
}
