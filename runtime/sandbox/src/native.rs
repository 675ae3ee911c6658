//! Native code of a component: compiled by [`compile_native`], loaded as [`CellCode`].
//!
//! * Invariants: loading runs machine code as it is, so the bytes are either part of this binary or were written and
//!   authenticated by this host (`cache`). They never come from outside.

use std::sync::Arc;

use ring::digest;
use wasmtime::component::Component;
use wasmtime::{Engine, Precompiled};

use crate::admission::{Admitted, admit_compiled};
use crate::engine::{ENGINE, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use crate::guest::Linked;
use crate::{
    CacheError, CodeDigest, Compiler, Interfaces, LoadError, NativeCache, Refusal, Sandbox, Version, World,
};
#[cfg(feature = "compiler")]
use crate::{admission::admit, engine::engine_config};

/// A compiled component, loaded and linked once for all people. Cloning is cheap.
#[derive(Clone)]
pub struct CellCode(Arc<Code>);

pub(crate) struct Code {
    pub(crate) digest: CodeDigest,
    admitted: Admitted,
    class: Class,
    linked: Linked,
}

/// How much of the pool an instance takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// One memory and few tables: what compilers of languages make.
    Ordinary,
    /// Several memories, many or large tables: modules with memories of their own, composed into one component, such as
    /// an interpreter with its libraries.
    Composed,
}

impl Class {
    fn of(component: &Component) -> Self {
        let needs = component.resources_required();
        let is_ordinary = needs.is_some_and(|needs| {
            let elements = needs.max_initial_table_size.unwrap_or(0);
            needs.num_memories <= MEMORIES_MAX
                && needs.num_tables <= TABLES_MAX
                && elements <= TABLE_ELEMENTS_MAX as u64
        });
        if is_ordinary { Self::Ordinary } else { Self::Composed }
    }
}

impl CellCode {
    /// Loads a cell that is part of this binary: `native` is the output of [`compile_native`] for the component with
    /// that digest, from the build of the binary. Machine code is run as it is, so pass no other bytes.
    pub fn from_embedded(
        sandbox: &Sandbox,
        native: &'static [u8],
        digest: CodeDigest,
    ) -> Result<Self, LoadError> {
        if let Some(code) = sandbox.loaded(digest) {
            return Ok(Self(code));
        }
        if !matches!(Engine::detect_precompiled(native), Some(Precompiled::Component)) {
            return Err(LoadError::Damaged { cell: digest });
        }
        // SAFETY: the bytes live as long as the program because they are part of it, put there by the build that
        // made this binary; the engine refuses those that another version or configuration has made.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize(sandbox.engine(), native) };
        Self::link(sandbox, component, digest)
    }

    /// Loads code that `cache` has read and authenticated. The engine copies it: a file that is mapped could be
    /// changed after its MAC was checked.
    pub(crate) fn from_authenticated(
        sandbox: &Sandbox,
        native: &[u8],
        digest: CodeDigest,
    ) -> Result<Self, LoadError> {
        // SAFETY: the caller has checked a keyed MAC over these very bytes, which only this host can make, and it makes
        // it only for the output of its compiler.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize(sandbox.engine(), native) };
        Self::link(sandbox, component, digest)
    }

    /// A component that came at run time: already loaded, or from `cache`, or compiled now by a child of `compiler`.
    /// Calls for one component wait for each other, so it is compiled once; each call may take as long as the limits of
    /// the compiler allow, so call it where waiting is no harm. What is loaded is what was hashed and checked here.
    ///
    /// # Errors
    /// [`CacheError::Compile`] has the refusal of a component that is not admitted, before anything is compiled.
    pub fn load(
        sandbox: &Sandbox,
        cache: &NativeCache,
        compiler: &Compiler,
        wasm: &[u8],
    ) -> Result<Self, CacheError> {
        cache.load_or_compile(sandbox, compiler, CodeDigest::of(wasm), || Ok(wasm.to_vec()))
    }

    /// Code that is already loaded in this process.
    pub fn loaded(sandbox: &Sandbox, digest: CodeDigest) -> Option<Self> {
        sandbox.loaded(digest).map(Self)
    }

    fn link(
        sandbox: &Sandbox,
        component: wasmtime::Result<Component>,
        digest: CodeDigest,
    ) -> Result<Self, LoadError> {
        let refused = |source| LoadError::Refused { cell: digest, source };
        let component = component.map_err(|error| {
            let why = format!("{error:#}");
            // The engine has no type for this error; its message names the pool and the number.
            let too_large = why.contains("pooling allocator");
            if too_large {
                refused(Refusal::TooDemanding { why })
            } else {
                LoadError::OtherEngine { cell: digest, why }
            }
        })?;
        let admitted = admit_compiled(sandbox.engine(), &component).map_err(refused)?;
        let linked = Linked::link(sandbox.engine(), &component, &admitted).map_err(|error| {
            refused(Refusal::Invalid { why: format!("does not fit the contract: {error:#}") })
        })?;
        let code = Code { digest, admitted, class: Class::of(&component), linked };
        Ok(Self(sandbox.keep(Arc::new(code))))
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> CodeDigest {
        self.0.digest
    }

    /// Its kind.
    pub fn world(&self) -> World {
        self.0.admitted.world
    }

    /// Its imports.
    pub fn imports(&self) -> Interfaces {
        self.0.admitted.imports
    }

    /// The version of the contract that it was built for.
    pub fn version(&self) -> Version {
        self.0.admitted.version
    }

    pub(crate) fn class(&self) -> Class {
        self.0.class
    }

    pub(crate) fn engine(&self) -> &Engine {
        self.0.linked.engine()
    }

    pub(crate) fn linked(&self) -> &Linked {
        &self.0.linked
    }
}

impl std::fmt::Debug for CellCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Code { digest, admitted, class, .. } = &*self.0;
        f.debug_struct("CellCode")
            .field("digest", digest)
            .field("admitted", admitted)
            .field("class", class)
            .finish()
    }
}

/// Compiles a component to native code for this build's engine. Takes long and processes hostile bytes: a host calls
/// it in a child process ([`crate::Compiler`]), a build may call it directly.
#[cfg(feature = "compiler")]
pub fn compile_native(wasm: &[u8]) -> Result<Vec<u8>, Refusal> {
    admit(wasm)?;
    let invalid = |error: wasmtime::Error| Refusal::Invalid { why: format!("{error:#}") };
    Engine::new(&engine_config()).and_then(|engine| engine.precompile_component(wasm)).map_err(invalid)
}

/// Names the engine whose native code a cache keeps, in 32 hex digits: version, settings and platform. Native code that
/// the engine refuses in spite of this name is [`LoadError::OtherEngine`].
pub fn engine_hash() -> String {
    let platform = [std::env::consts::ARCH, std::env::consts::OS];
    let name = format!("{ENGINE}, {platform:?}, musl {}", cfg!(target_env = "musl"));
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_the_engine_has_the_version_that_is_built() {
        let lock = include_str!("../../../Cargo.lock");
        let (_, rest) = lock.split_once("name = \"wasmtime\"\nversion = \"").expect("wasmtime is locked");
        let version = rest.split('"').next().expect("a version");
        assert!(ENGINE.starts_with(&format!("wasmtime {version}, ")), "{ENGINE}: wasmtime is {version}");
    }
}
