//! Packages: a cell from somebody whom the host does not know, as one component file. Bytes in, decision out: no
//! socket, no clock, no files.
//!
//! ```text
//! component … │ cellar.manifest │ cellar.schema … │ cellar.signature
//! └──────────── the digest covers this ───────────┘
//! ```
//!
//! * Holds: [`pack`]; [`Package`], what is in a file; [`PublisherKey`], which signs; [`Verified`], who signed;
//!   [`verify_document`], the same for texts that are no package.
//!   docs/formats/package.md has the bytes.
//! * Units: sizes are bytes.
//! * Invariants: a [`Package`] keeps the limits below, its manifest is for a package
//!   ([`runtime_manifest::CellToml::for_package`]), and its schemas are those that the manifest names; nobody has looked
//!   at the code in it. Whose it is stands in [`Verified`] alone.
//! * Not here: whether the code may run (`runtime/sandbox`), what an owner allows, key files on disk (`runtime/cellar`).

mod document;
mod error;
mod id;
mod key;
mod pack;
mod parse;
mod signature;
mod walk;

pub use document::{DocumentDomain, SignedBy, verify_document};
pub use error::{BadKeyFile, BadPackage, BadSignature, PackError, SignError, SucceedError};
pub use id::{BadId, CellId, Digest, PublicKey, PublisherId};
pub use key::PublisherKey;
pub use pack::{pack, schemas_of};
pub use parse::{Package, Schema};
pub use signature::{Signature, Succession, Verified};

/// Largest package, bytes: a component with everything that was added to it.
pub const PACKAGE_BYTES_MAX: usize = 32 << 20;
/// Largest manifest, bytes.
pub const MANIFEST_BYTES_MAX: usize = 64 << 10;
/// Largest number of schemas.
pub const SCHEMAS_MAX: usize = 64;
/// Largest schema, bytes.
pub const SCHEMA_BYTES_MAX: usize = 256 << 10;
/// All schemas together, bytes.
pub const SCHEMAS_BYTES_MAX: usize = 1 << 20;
/// Longest name of a schema's file, bytes.
pub const SCHEMA_NAME_BYTES_MAX: usize = 64;
/// How deep components and modules may be nested.
pub const NESTING_MAX: usize = 32;
/// Largest number of names that a component imports or exports.
pub const SURFACE_MAX: usize = 256;
/// Longest of these names, bytes.
pub const SURFACE_NAME_BYTES_MAX: usize = 256;
/// How often a publisher may change the key.
pub const SUCCESSIONS_MAX: usize = 16;
