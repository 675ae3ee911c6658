//! Native code on disk, by digest and engine: compiled once, then loaded by every process.
//!
//! * Layout: `<folder>/<engine hash>/<digest>.cwasm`, and beside it `.mac`: HMAC-SHA-256 over engine hash, digest and
//!   the hash of the code, under a key that the host keeps elsewhere. The folder has mode 0700.
//! * Invariants: code whose MAC does not match is never loaded; it is compiled again. Files are added by rename.
//! * Not here: the components themselves, which the host keeps where they were installed.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use ring::hmac;

use crate::compiler::{CompileError, Compiler};
use crate::{CellCode, CodeDigest, LoadError, Sandbox, admission};

/// How many children compile at one moment.
const CHILDREN_MAX: usize = 2;

/// Native code of this engine, on disk.
pub struct NativeCache {
    folder: PathBuf,
    engine_hash: String,
    key: hmac::Key,
    compiling: Mutex<HashSet<CodeDigest>>,
    compiled: Condvar,
}

/// Why a cache cannot be opened or a cell cannot be loaded from it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// A file or folder of the cache cannot be used.
    #[error("cannot use the cache of native code at {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The bytes are not the component that was requested.
    #[error("the component has the digest {found}, not {wanted}")]
    OtherDigest {
        /// The digest of the bytes.
        found: CodeDigest,
        /// The requested digest.
        wanted: CodeDigest,
    },
    /// It cannot be compiled.
    #[error("cannot compile cell {}", cell.short())]
    Compile {
        /// The cell.
        cell: CodeDigest,
        /// The cause.
        source: CompileError,
    },
    /// It cannot be loaded.
    #[error("cannot load cell {}", cell.short())]
    Load {
        /// The cell.
        cell: CodeDigest,
        /// The cause.
        source: Box<LoadError>,
    },
}

impl NativeCache {
    /// Opens the cache in `folder`, creates it if necessary, and removes code of other engines. A holder of `key`
    /// could make the host run any code.
    pub fn open(folder: &Path, key: &[u8; 32]) -> Result<Self, CacheError> {
        let engine_hash = crate::engine_hash();
        let own = folder.join(&engine_hash);
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError::Io { path, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&own).map_err(at(&own))?;
        for private in [folder, &own] {
            fs::set_permissions(private, fs::Permissions::from_mode(0o700)).map_err(at(private))?;
        }
        for entry in fs::read_dir(folder).map_err(at(folder))?.flatten() {
            if entry.path() != own && entry.path().is_dir() {
                tracing::info!(engine = %entry.file_name().display(), "native code of another engine removed");
                fs::remove_dir_all(entry.path()).map_err(at(&entry.path()))?;
            }
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        Ok(Self { folder: own, engine_hash, key, compiling: Mutex::default(), compiled: Condvar::new() })
    }

    /// The cell with that digest: already loaded, or from disk, or compiled now by a child. `component` returns the
    /// component's bytes, and is only called when they are needed. Calls for one digest wait for each other.
    pub fn load_or_compile(
        &self,
        sandbox: &Sandbox,
        compiler: &Compiler,
        digest: CodeDigest,
        component: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> Result<CellCode, CacheError> {
        if let Some(code) = CellCode::loaded(sandbox, digest) {
            return Ok(code);
        }
        let _alone = self.begin(digest);
        if let Some(code) = self.load(sandbox, digest)? {
            return Ok(code);
        }
        // What the compiler has given is loaded, not what a file says that anybody could have changed meanwhile.
        let native = self.compile(compiler, digest, component)?;
        CellCode::from_authenticated(sandbox, &native, digest)
            .map_err(|source| CacheError::Load { cell: digest, source: Box::new(source) })
    }

    /// The code on disk under a digest, if its MAC matches and it was made for this engine. Other content counts as
    /// absent, and is logged.
    pub fn load(&self, sandbox: &Sandbox, digest: CodeDigest) -> Result<Option<CellCode>, CacheError> {
        let Some(native) = self.authentic(digest)? else { return Ok(None) };
        match CellCode::from_authenticated(sandbox, &native, digest) {
            Ok(code) => Ok(Some(code)),
            Err(LoadError::OtherEngine { why, .. }) => {
                tracing::warn!(cell = %digest.short(), why, "native code is of another engine; it is compiled again");
                Ok(None)
            }
            Err(source) => Err(CacheError::Load { cell: digest, source: Box::new(source) }),
        }
    }

    /// The bytes on disk under a digest, if their MAC matches.
    fn authentic(&self, digest: CodeDigest) -> Result<Option<Vec<u8>>, CacheError> {
        let (file, mac) = (self.file(digest, "cwasm"), self.file(digest, "mac"));
        let Some(native) = read_if_there(&file)? else { return Ok(None) };
        let mac = read_if_there(&mac)?.unwrap_or_default();
        if hmac::verify(&self.key, &self.authenticated(digest, &native), &mac).is_err() {
            tracing::error!(cell = %digest.short(), "native code was changed on disk; it is compiled again");
            return Ok(None);
        }
        Ok(Some(native))
    }

    /// Removes a cell's native code; processes that run it keep their copy until they drop it.
    pub fn forget(&self, digest: CodeDigest) -> Result<(), CacheError> {
        for path in [self.file(digest, "cwasm"), self.file(digest, "mac")] {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(CacheError::Io { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Returns the native code, which is also on disk then. Between the component's bytes and the MAC there is no file.
    fn compile(
        &self,
        compiler: &Compiler,
        digest: CodeDigest,
        component: impl FnOnce() -> io::Result<Vec<u8>>,
    ) -> Result<Vec<u8>, CacheError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| CacheError::Io { path, source }
        };
        let failed = |source| CacheError::Compile { cell: digest, source };
        let wasm = component().map_err(at(&self.file(digest, "wasm")))?;
        let found = CodeDigest::of(&wasm);
        if found != digest {
            return Err(CacheError::OtherDigest { found, wanted: digest });
        }
        // The child would refuse it as well, but here the refusal keeps its type.
        admission::admit(&wasm).map_err(CompileError::Refused).map_err(failed)?;
        let native = compiler.compile(&wasm).map_err(failed)?;
        let mac = hmac::sign(&self.key, &self.authenticated(digest, &native));
        for (bytes, fresh, name) in [(&*native, "fresh", "cwasm"), (mac.as_ref(), "fresh-mac", "mac")] {
            let fresh = self.file(digest, fresh);
            fs::write(&fresh, bytes).map_err(at(&fresh))?;
            fs::rename(&fresh, self.file(digest, name)).map_err(at(&fresh))?;
        }
        tracing::info!(cell = %digest.short(), native_bytes = native.len(), "cell compiled");
        Ok(native)
    }

    fn file(&self, digest: CodeDigest, extension: &str) -> PathBuf {
        self.folder.join(format!("{digest}.{extension}"))
    }

    /// Includes engine and digest, so that code cannot be passed off as another cell's or another engine's.
    fn authenticated(&self, digest: CodeDigest, native: &[u8]) -> Vec<u8> {
        let native = CodeDigest::of(native);
        [b"cellar native code 2\n", self.engine_hash.as_bytes(), &digest.0, &native.0].concat()
    }

    fn begin(&self, digest: CodeDigest) -> Alone<'_> {
        let mut compiling = self.compiling.lock().unwrap_or_else(PoisonError::into_inner);
        while compiling.contains(&digest) || compiling.len() >= CHILDREN_MAX {
            compiling = self.compiled.wait(compiling).unwrap_or_else(PoisonError::into_inner);
        }
        compiling.insert(digest);
        Alone { cache: self, digest }
    }
}

impl std::fmt::Debug for NativeCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NativeCache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// While this value exists, no other thread compiles that digest.
struct Alone<'a> {
    cache: &'a NativeCache,
    digest: CodeDigest,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.cache.compiling.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.digest);
        self.cache.compiled.notify_all();
    }
}

fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, CacheError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(CacheError::Io { path: path.to_owned(), source }),
    }
}
