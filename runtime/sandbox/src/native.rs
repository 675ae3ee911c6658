//! Native code of a component: compiled by [`compile_native`], loaded as [`CellCode`].
//!
//! * Invariants: loading runs machine code as it is, so the bytes are either part of this binary or were written and
//!   authenticated by this host (`cache`). They never come from outside.

use std::path::Path;
use std::sync::Arc;

use ring::digest;
use wasmtime::component::Component;
use wasmtime::{Engine, Precompiled};

use crate::admission::{admit, admit_compiled};
use crate::bindings::{endpoint, stage};
use crate::state::RunState;
use crate::{CodeDigest, Interfaces, LoadError, Refusal, Sandbox, World, engine_config, instance};

/// A compiled component, loaded and linked once for all people. Cloning is cheap.
#[derive(Clone)]
pub struct CellCode(Arc<Code>);

pub(crate) struct Code {
    pub(crate) digest: CodeDigest,
    world: World,
    imports: Interfaces,
    linked: Linked,
}

pub(crate) enum Linked {
    Endpoint(endpoint::EndpointPre<RunState>),
    Stage(stage::StagePre<RunState>),
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

    /// Maps a file that `cache` wrote and has just authenticated.
    pub(crate) fn from_own_file(
        sandbox: &Sandbox,
        file: &Path,
        digest: CodeDigest,
    ) -> Result<Self, LoadError> {
        // SAFETY: the caller has checked a keyed MAC over the file's bytes; the folder belongs to this user alone
        // (0700) and files enter it by rename, so they are not changed while they are mapped.
        #[allow(unsafe_code)]
        let component = unsafe { Component::deserialize_file(sandbox.engine(), file) };
        Self::link(sandbox, component, digest)
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
        let linked = instance::link(sandbox.engine(), &component, admitted.world, admitted.imports).map_err(
            |error| refused(Refusal::Invalid { why: format!("does not fit the contract: {error:#}") }),
        )?;
        let code = Code { digest, world: admitted.world, imports: admitted.imports, linked };
        Ok(Self(sandbox.keep(Arc::new(code))))
    }

    /// SHA-256 of the component.
    pub fn digest(&self) -> CodeDigest {
        self.0.digest
    }

    /// Its kind.
    pub fn world(&self) -> World {
        self.0.world
    }

    /// Its imports.
    pub fn imports(&self) -> Interfaces {
        self.0.imports
    }

    pub(crate) fn engine(&self) -> &Engine {
        match &self.0.linked {
            Linked::Endpoint(pre) => pre.engine(),
            Linked::Stage(pre) => pre.engine(),
        }
    }

    pub(crate) fn linked(&self) -> &Linked {
        &self.0.linked
    }
}

impl std::fmt::Debug for CellCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Code { digest, world, imports, .. } = &*self.0;
        f.debug_struct("CellCode")
            .field("digest", digest)
            .field("world", world)
            .field("imports", imports)
            .finish()
    }
}

/// Compiles a component to native code for this build's engine. Takes long and processes hostile bytes: a host calls
/// it in a child process ([`crate::Compiler`]), a build may call it directly.
pub fn compile_native(wasm: &[u8]) -> Result<Vec<u8>, Refusal> {
    admit(wasm)?;
    let invalid = |error: wasmtime::Error| Refusal::Invalid { why: format!("{error:#}") };
    Engine::new(&engine_config()).and_then(|engine| engine.precompile_component(wasm)).map_err(invalid)
}

/// What native code depends on: the engine's version and every setting that shapes code. 32 hex digits.
pub fn engine_hash() -> Result<String, crate::StartError> {
    let engine = Engine::new(&engine_config())
        .map_err(|error| crate::StartError::Engine { why: format!("{error:#}") })?;
    let mut hasher = Sha256Hasher(digest::Context::new(&digest::SHA256));
    std::hash::Hash::hash(&engine.precompile_compatibility_hash(), &mut hasher);
    let hash = hasher.0.finish();
    Ok(hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A hasher whose result is the same in every process, unlike the standard one's.
struct Sha256Hasher(digest::Context);

impl std::hash::Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.clone().finish();
        u64::from_le_bytes(hash.as_ref()[..8].try_into().expect("SHA-256 has more than 8 bytes"))
    }
}
