//! Packages go to registries and folders, and come from there: `cellar cell push` and `cellar cell pull`.
//!
//! * Contents: [`Place`], what a reference names; [`push`] and [`pull`]; [`Access`], how a registry is reached; the
//!   form that other tools for WebAssembly expect ([`artifact`]); [`Command`], the command line.
//! * Invariants: every connection goes through [`gate`], which lets only the registry that was named be reached, and
//!   those beside it that were named too, and counts what is received; nothing is written unless the digests of the
//!   registry and the signature of the package hold.
//! * Units: sizes are bytes; times end in their unit.
//! * Not here: what a package is (`runtime/package`), whether an owner agrees (`runtime/user`).

pub mod admit;
pub mod artifact;
mod command;
mod folder;
pub mod gate;
mod place;
mod remote;

pub use admit::{Admitted, Expected, NotAdmitted};
pub use artifact::BadArtifact;
pub use command::{Command, main};
pub use folder::FolderError;
pub use gate::Bounds;
pub use place::{BadPlace, Folder, Place};
pub use remote::{Access, Login, RemoteError};

/// The largest manifest of an artifact, and the largest list of a folder, bytes.
pub const LISTING_BYTES_MAX: usize = 1 << 20;

/// Why a package was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// It is no package.
    #[error("this is no package of a cell")]
    Package(#[from] runtime_package::BadPackage),
    /// Nobody, or somebody else, has signed it.
    #[error("the signature does not hold, so nobody could tell whose package it is")]
    Signature(#[from] runtime_package::BadSignature),
    /// The registry.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Why no package came. Nothing was written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// What came is not what is wanted.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The registry.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
}

/// Sends a signed package; returns the digest of its manifest there, `sha256:` and hex digits.
///
/// # Errors
/// [`PushError`]. A registry that was sent a part of it keeps nothing under the reference.
pub async fn push(place: &Place, access: &Access, package: &[u8]) -> Result<String, PushError> {
    let parsed = runtime_package::Package::parse(package)?;
    let artifact = artifact::Artifact::of(&parsed, &parsed.verify()?, package);
    Ok(match place {
        Place::Registry(reference) => remote::push(reference, access, &artifact).await?,
        Place::Folder(folder) => folder::push(folder, &artifact)?,
    })
}

/// Fetches a package and checks it; the bytes are of a package that `expected` admits.
///
/// # Errors
/// [`PullError`].
pub async fn pull(
    place: &Place,
    access: &Access,
    expected: &Expected<'_>,
) -> Result<(Vec<u8>, Admitted), PullError> {
    let bytes = match place {
        Place::Registry(reference) => remote::pull(reference, access).await?,
        Place::Folder(folder) => folder::pull(folder)?,
    };
    let admitted = admit::admit(&bytes, expected)?;
    Ok((bytes, admitted))
}
