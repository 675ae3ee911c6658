//! The packages on this host: each is kept and compiled once, whoever has installed it.
//!
//! * Layout: `packages/<digest>.cell` in the data folder, the package as it was given; `packages/native/` is the
//!   sandbox's cache of native code, under a key that is derived from `host.key`.
//! * Invariants: what is loaded from here has the digest that was asked for, and its signature was checked; native code
//!   comes from our own compiler alone.
//! * Not here: who has installed what (`grant/<cell id>` in each person's sealed store).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use runtime_manifest::CellToml;
use runtime_package::{BadPackage, BadSignature, Package, Verified};
use runtime_sandbox::{
    CacheError, CodeDigest, Compiler, NativeCache, PrepareError, Prepared, Sandbox, World,
};
use zeroize::Zeroizing;

use crate::cells::catalogue::Catalogue;
use crate::cells::installed::policy::{NotAdmitted, Offered};
use crate::cells::manifest::{BadManifest, Manifest};
use crate::cells::types::{BadType, Types};
use crate::files;

/// The folder of the packages in the data folder.
const FOLDER: &str = "packages";
/// The folder of native code in it.
const NATIVE: &str = "native";

/// Why a package cannot be used on this host. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadCell {
    /// It is no package.
    #[error("this is no package of a cell")]
    Package(#[from] BadPackage),
    /// Nobody, or somebody else, has signed it.
    #[error("the signature does not hold")]
    Signature(#[from] BadSignature),
    /// Its manifest asks for something that is not known here.
    #[error("the manifest of the package is refused")]
    Manifest(#[from] BadManifest),
    /// A data type of it is not valid.
    #[error(transparent)]
    Type(#[from] BadType),
    /// A built-in cell has the name.
    #[error("a cell of this host is called {name} already: the package needs another name")]
    Reserved {
        /// The name.
        name: String,
    },
    /// Only endpoints and stages are run for a person.
    #[error("{name} is a contribution to a study: it runs only for a study that its owner has joined")]
    Contribution {
        /// Its name.
        name: String,
    },
    /// An endpoint that would write.
    #[error("{name} is an endpoint that writes: an installed endpoint only reads")]
    Writes {
        /// Its name.
        name: String,
    },
    /// The stage that it follows or takes over is not in this host's list.
    #[error("{name} belongs to the stage {stage}, which this host does not have")]
    NoSuchStage {
        /// Its name.
        name: String,
        /// The stage.
        stage: String,
    },
    /// It writes a stream that the stage whose place it takes does not write.
    #[error("{name} writes {key}, which the stage {stage} does not write")]
    OtherStream {
        /// Its name.
        name: String,
        /// The stage.
        stage: String,
        /// The stream.
        key: String,
    },
    /// It is not a component of that world.
    #[error("{name} says that it is of the world {told}, and is of the world {found}")]
    World {
        /// Its name.
        name: String,
        /// What the manifest says.
        told: &'static str,
        /// What the component exports.
        found: &'static str,
    },
    /// It imports more than its manifest says.
    #[error("{name} asks for more than its manifest lists")]
    Prepare {
        /// Its name.
        name: String,
        /// The cause.
        #[source]
        source: PrepareError,
    },
    /// It cannot be compiled or loaded.
    #[error("the cell cannot be compiled")]
    Code(#[from] CacheError),
    /// This host has no compiler.
    #[error("this host has no compiler of cells: install `cellar-cell-compiler` beside `cellar`")]
    NoCompiler,
    /// No package with that digest is here.
    #[error("the package {digest} is not on this host: install it again from its file")]
    Absent {
        /// The digest's first digits.
        digest: String,
    },
    /// The host's policy does not let it be installed or run.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
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

/// A package that is ready to run for whoever has installed it.
pub(crate) struct Shelved {
    /// SHA-256 of the package.
    pub digest: CodeDigest,
    /// Who published it, and which cell it is.
    pub verified: Verified,
    /// Its manifest as it was written.
    pub toml: CellToml,
    /// Its manifest, checked.
    pub manifest: Arc<Manifest>,
    /// The host's types and its own.
    pub types: Arc<Types>,
    /// Its code, linked with what its manifest lists.
    pub prepared: Prepared,
    /// The size of the file, bytes.
    pub bytes: u64,
}

impl Shelved {
    /// What the host's policy looks at.
    pub fn offered(&self) -> Offered<'_> {
        let bytes = usize::try_from(self.bytes).unwrap_or(usize::MAX);
        Offered { publisher: &self.verified.publisher, bytes, digest: self.digest }
    }
}

/// The packages on this host.
pub(crate) struct Shelf {
    folder: PathBuf,
    key: Zeroizing<[u8; 32]>,
    compiler: Option<PathBuf>,
    cache: OnceLock<NativeCache>,
    /// Held while the cache is opened.
    opening: Mutex<()>,
    /// Held while a package is written: two people may install the same one at the same moment.
    keeping: Mutex<()>,
    ready: Mutex<HashMap<CodeDigest, Weak<Shelved>>>,
}

impl Shelf {
    /// The shelf in a data folder. `key` authenticates native code; `compiler` is the program that compiles cells.
    pub fn new(data: &Path, key: Zeroizing<[u8; 32]>, compiler: Option<PathBuf>) -> Self {
        Self {
            folder: data.join(FOLDER),
            key,
            compiler,
            cache: OnceLock::new(),
            opening: Mutex::default(),
            keeping: Mutex::default(),
            ready: Mutex::default(),
        }
    }

    /// Checks a package and makes it ready, without keeping it.
    pub fn check(
        &self,
        sandbox: &Arc<Sandbox>,
        catalogue: &Catalogue,
        bytes: &[u8],
    ) -> Result<Arc<Shelved>, BadCell> {
        let digest = CodeDigest::of(bytes);
        if let Some(ready) = self.ready().get(&digest).and_then(Weak::upgrade) {
            return Ok(ready);
        }
        let package = Package::parse(bytes)?;
        let verified = package.verify()?;
        let toml = package.manifest().clone();
        let name = toml.name.clone();
        if catalogue.cells().any(|(known, _)| known == name) {
            return Err(BadCell::Reserved { name });
        }
        let manifest = Arc::new(Manifest::of_package(&toml)?);
        if manifest.world == World::Endpoint && manifest.may_write() {
            return Err(BadCell::Writes { name });
        }
        let mut types = Types::over(Arc::clone(catalogue.types()));
        for (key, file) in &manifest.types {
            let file = file.rsplit('/').next().unwrap_or(file);
            let schema = package.schemas().iter().find(|schema| schema.name == file);
            let schema = schema.ok_or_else(|| BadPackage::NoSchema { name: file.to_owned() })?;
            types.bring(&name, key, schema.text)?;
        }
        let prepared = self.prepare(sandbox, &manifest, digest, bytes)?;
        let ready = Arc::new(Shelved {
            digest,
            verified,
            toml,
            manifest,
            types: Arc::new(types),
            prepared,
            bytes: bytes.len() as u64,
        });
        let mut known = self.ready();
        known.retain(|_, ready| ready.strong_count() > 0);
        known.insert(digest, Arc::downgrade(&ready));
        Ok(ready)
    }

    /// Keeps a package that was checked. Durable when it returns.
    pub fn keep(&self, bytes: &[u8]) -> Result<(), BadCell> {
        let _one_at_a_time = self.keeping.lock().unwrap_or_else(PoisonError::into_inner);
        files::create_folder(&self.folder).map_err(disk(&self.folder))?;
        let path = self.file(CodeDigest::of(bytes));
        if files::is_absent(&path) {
            files::replace(&path, bytes).map_err(disk(&path))?;
        }
        Ok(())
    }

    /// The package with that digest, from the disk. Whatever was changed there is refused.
    pub fn get(
        &self,
        sandbox: &Arc<Sandbox>,
        catalogue: &Catalogue,
        digest: CodeDigest,
    ) -> Result<Arc<Shelved>, BadCell> {
        if let Some(ready) = self.ready().get(&digest).and_then(Weak::upgrade) {
            return Ok(ready);
        }
        let absent = || BadCell::Absent { digest: digest.short().to_string() };
        let path = self.file(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(absent()),
            Err(source) => return Err(disk(&path)(source)),
        };
        if CodeDigest::of(&bytes) != digest {
            tracing::error!(cell = %digest.short(), "a package was changed on disk");
            return Err(absent());
        }
        self.check(sandbox, catalogue, &bytes)
    }

    fn prepare(
        &self,
        sandbox: &Arc<Sandbox>,
        manifest: &Manifest,
        digest: CodeDigest,
        bytes: &[u8],
    ) -> Result<Prepared, BadCell> {
        let cache = self.cache()?;
        let compiler = self.compiler.as_ref().map(|program| Compiler::new(program, Vec::<String>::new()));
        let code = match (cache.load(sandbox, digest)?, compiler) {
            (Some(code), _) => code,
            (None, Some(compiler)) => {
                cache.load_or_compile(sandbox, &compiler, digest, || Ok(bytes.to_vec()))?
            }
            (None, None) => return Err(BadCell::NoCompiler),
        };
        let name = || manifest.name.clone();
        let prepared = sandbox
            .prepare(&code, manifest.interfaces)
            .map_err(|source| BadCell::Prepare { name: name(), source })?;
        if prepared.world() != manifest.world {
            let (told, found) = (manifest.world.name(), prepared.world().name());
            return Err(BadCell::World { name: name(), told, found });
        }
        Ok(prepared)
    }

    fn cache(&self) -> Result<&NativeCache, BadCell> {
        if let Some(cache) = self.cache.get() {
            return Ok(cache);
        }
        let _one = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if self.cache.get().is_none() {
            files::create_folder(&self.folder).map_err(disk(&self.folder))?;
            let opened = NativeCache::open(&self.folder.join(NATIVE), &self.key)?;
            return Ok(self.cache.get_or_init(|| opened));
        }
        Ok(self.cache.get().expect("it was set above, and is never unset"))
    }

    fn file(&self, digest: CodeDigest) -> PathBuf {
        self.folder.join(format!("{digest}.cell"))
    }

    fn ready(&self) -> std::sync::MutexGuard<'_, HashMap<CodeDigest, Weak<Shelved>>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn disk(path: &Path) -> impl FnOnce(io::Error) -> BadCell {
    let path = path.to_owned();
    move |source| BadCell::Disk { path, source }
}
