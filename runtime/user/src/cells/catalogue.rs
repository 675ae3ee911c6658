//! The cells of a runtime: what each is, its stage or the paths that lead to it, and the data types that it brings.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use runtime_pipeline::StageSpec;
use runtime_sandbox::{CellCode, LoadError, PrepareError, Prepared, Sandbox, World};

use crate::cells::grant::Grant;
use crate::cells::installed::shelf::Shelved;
use crate::cells::installed::terms::Terms;
use crate::cells::manifest::{BadManifest, Manifest};
use crate::cells::paths::{Paths, Target};
use crate::cells::types::{BadType, Types};
use crate::error::CallError;

/// A cell that is embedded in the binary, with the native code that our own build compiled from it.
#[derive(Debug, Clone, Copy)]
pub struct BuiltIn {
    /// A name such as `usercache-put`.
    pub name: &'static str,
    /// The text of its `cell.toml`.
    pub manifest: &'static str,
    /// File name and text of each JSON Schema beside the manifest.
    pub schemas: &'static [(&'static str, &'static str)],
    /// SHA-256 of the component, 64 hex digits.
    pub digest: &'static str,
    /// Native code for this engine.
    pub native: &'static [u8],
}

/// Why the cells could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogueError {
    /// A manifest is not valid.
    #[error("the manifest of {name} was refused")]
    Manifest {
        /// The cell.
        name: String,
        /// The cause.
        #[source]
        source: BadManifest,
    },
    /// A data type is not valid, or its file is missing.
    #[error(transparent)]
    Type(#[from] BadType),
    /// The schema that a manifest names is not beside it.
    #[error("{name} names the schema {file}, which is not beside its manifest")]
    NoSchema {
        /// The cell.
        name: String,
        /// The file.
        file: String,
    },
    /// The text beside a cell is not a digest.
    #[error("the digest of {name} is not 64 hex digits")]
    Digest {
        /// The cell.
        name: String,
    },
    /// The code is not for this engine.
    #[error("the code of {name} was refused")]
    Load {
        /// The cell.
        name: String,
        /// The cause.
        #[source]
        source: Box<LoadError>,
    },
    /// The cell imports more than its manifest lists.
    #[error("{name} asks for more than its manifest lists")]
    Prepare {
        /// The cell.
        name: String,
        /// The cause.
        #[source]
        source: PrepareError,
    },
    /// Two cells claim one path.
    #[error("{name} claims the path {path}, which another cell has")]
    Path {
        /// The cell.
        name: String,
        /// The path.
        path: String,
    },
}

/// A cell that is ready to run for every person who granted it.
pub struct Cell {
    /// Its manifest.
    pub manifest: Arc<Manifest>,
    /// Its code, linked with what its manifest lists.
    pub prepared: Prepared,
    /// The whole manifest, granted.
    pub(crate) grant: Arc<Grant>,
    /// What it runs under, if a person has installed it.
    pub(crate) terms: Option<Arc<Terms>>,
    /// How often a call on the connection's own thread had to be repeated on the pool.
    inline_misses: AtomicU32,
}

/// After this many repeated calls, a cell's calls go directly to the pool.
const INLINE_MISSES_MAX: u32 = 8;

impl Cell {
    /// A cell that one person has installed.
    pub(crate) fn installed(shelved: &Shelved, grant: Grant, terms: Arc<Terms>) -> Self {
        Self {
            manifest: Arc::clone(&shelved.manifest),
            prepared: shelved.prepared.clone(),
            grant: Arc::new(grant),
            terms: Some(terms),
            inline_misses: AtomicU32::new(0),
        }
    }

    /// Whether a call may be tried on the connection's own thread.
    pub(crate) fn tries_inline(&self) -> bool {
        self.terms.is_none()
            && !self.manifest.may_write()
            && self.inline_misses.load(Ordering::Relaxed) < INLINE_MISSES_MAX
    }

    pub(crate) fn missed_inline(&self) {
        self.inline_misses.fetch_add(1, Ordering::Relaxed);
    }
}

/// Every cell of a runtime.
pub struct Catalogue {
    cells: BTreeMap<String, Arc<Cell>>,
    paths: Paths,
    types: Arc<Types>,
}

impl Catalogue {
    /// Prepares the embedded cells. Includes cells for tests only if `with_tests`.
    pub fn open(
        sandbox: &Arc<Sandbox>,
        built_in: &[BuiltIn],
        with_tests: bool,
    ) -> Result<Self, CatalogueError> {
        let mut manifests = Vec::new();
        let mut types = Types::default();
        for one in built_in {
            let manifest = Manifest::parse(one.manifest)
                .map_err(|source| CatalogueError::Manifest { name: one.name.to_owned(), source })?;
            if manifest.test && !with_tests {
                continue;
            }
            bring_types(&mut types, one, &manifest)?;
            manifests.push((one, Arc::new(manifest)));
        }
        let types = Arc::new(types);
        let mut catalogue =
            Self { cells: BTreeMap::new(), paths: Paths::default(), types: Arc::clone(&types) };
        for (one, manifest) in manifests {
            catalogue.add(sandbox, one, manifest)?;
        }
        Ok(catalogue)
    }

    fn add(
        &mut self,
        sandbox: &Arc<Sandbox>,
        one: &BuiltIn,
        manifest: Arc<Manifest>,
    ) -> Result<(), CatalogueError> {
        let name = one.name.to_owned();
        let digest = one.digest.parse().map_err(|_| CatalogueError::Digest { name: name.clone() })?;
        let code = CellCode::from_embedded(sandbox, one.native, digest)
            .map_err(|source| CatalogueError::Load { name: name.clone(), source: Box::new(source) })?;
        let prepared = sandbox
            .prepare(&code, manifest.interfaces)
            .map_err(|source| CatalogueError::Prepare { name: name.clone(), source })?;
        let grant = Arc::new(Grant::whole(Arc::clone(&manifest), Arc::clone(&self.types)));
        let cell = Arc::new(Cell {
            manifest: Arc::clone(&manifest),
            prepared,
            grant,
            terms: None,
            inline_misses: AtomicU32::new(0),
        });
        self.paths
            .add(&manifest)
            .map_err(|path| CatalogueError::Path { name: name.clone(), path: path.to_owned() })?;
        self.cells.insert(name, cell);
        Ok(())
    }

    /// The paths that lead to endpoint cells.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Where a path leads, such as `datastreams/find_entries/timestamp`.
    pub fn target(&self, path: &str) -> Result<Target, CallError> {
        self.paths.find_path(path).ok_or_else(|| CallError::NoSuchCell(path.to_owned()))
    }

    /// The endpoint cell that a target names.
    pub fn endpoint(&self, target: &Target) -> Option<&Arc<Cell>> {
        self.cells.get(&*target.cell).filter(|cell| cell.manifest.world == World::Endpoint)
    }

    /// The cell that a plan names for the stage.
    pub fn stage(&self, spec: &StageSpec) -> Option<&Arc<Cell>> {
        self.stage_named(&spec.cell)
    }

    /// The cell of that name, if it is a stage cell.
    pub fn stage_named(&self, name: &str) -> Option<&Arc<Cell>> {
        self.cells.get(name).filter(|cell| cell.manifest.world == World::Stage)
    }

    /// As [`Self::stage_named`], for a stage that cannot continue without the cell.
    pub(crate) fn required_stage(&self, name: &str) -> Result<Arc<Cell>, CallError> {
        self.stage_named(name).cloned().ok_or_else(|| CallError::NoSuchCell(name.to_owned()))
    }

    /// Every cell by name.
    pub fn cells(&self) -> impl Iterator<Item = (&str, &Arc<Cell>)> {
        self.cells.iter().map(|(name, cell)| (name.as_str(), cell))
    }

    /// Every data type that is known to this runtime.
    pub fn types(&self) -> &Arc<Types> {
        &self.types
    }
}

fn bring_types(types: &mut Types, one: &BuiltIn, manifest: &Manifest) -> Result<(), CatalogueError> {
    for (key, file) in &manifest.types {
        let name = file.rsplit('/').next().unwrap_or(file);
        let schema = one.schemas.iter().find(|(found, _)| *found == name || found == file);
        let Some((_, schema)) = schema else {
            return Err(CatalogueError::NoSchema { name: one.name.to_owned(), file: file.clone() });
        };
        types.bring(&manifest.name, key, schema)?;
    }
    Ok(())
}
