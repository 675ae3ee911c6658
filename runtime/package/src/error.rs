//! What can be wrong, one enum for each operation.

use runtime_manifest::NotForPackage;

use crate::{
    MANIFEST_BYTES_MAX, NESTING_MAX, PACKAGE_BYTES_MAX, SCHEMA_BYTES_MAX, SCHEMA_NAME_BYTES_MAX,
    SCHEMAS_BYTES_MAX, SCHEMAS_MAX, SUCCESSIONS_MAX, SURFACE_MAX, SURFACE_NAME_BYTES_MAX,
};

/// Why bytes are no package.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadPackage {
    /// Too large.
    #[error("a package of {bytes} bytes is over the limit of {PACKAGE_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Not the sections of a component.
    #[error("no component: {why}")]
    NoComponent {
        /// What is wrong, and at which byte.
        why: String,
    },
    /// Components or modules too deep inside one another.
    #[error("components are nested deeper than {NESTING_MAX}")]
    TooDeep,
    /// Too many imports or exports, or one with too long a name.
    #[error(
        "a component has at most {SURFACE_MAX} imports and as many exports, with names of at most {SURFACE_NAME_BYTES_MAX} bytes"
    )]
    Surface,
    /// No manifest: a component that was never packed.
    #[error("the component has no section cellar.manifest; pack it first")]
    NoManifest,
    /// A section of ours inside a nested component or module, where no reader looks.
    #[error(
        "the section {name} is inside a nested component or module; a package has it at the end of the file"
    )]
    Nested {
        /// The section.
        name: String,
    },
    /// A section with a name of ours that no version of the format has.
    #[error("the section {name} is unknown; a newer program may know it")]
    UnknownSection {
        /// The section.
        name: String,
    },
    /// A section that stands twice, in another order, or before other sections.
    #[error(
        "the section {name} is not in its place; a package ends with one cellar.manifest, its cellar.schema sections \
         by name, and one cellar.signature, and nothing is behind them"
    )]
    Order {
        /// The section that is in a wrong place.
        name: String,
    },
    /// The manifest is too large.
    #[error("a manifest of {bytes} bytes is over the limit of {MANIFEST_BYTES_MAX}")]
    ManifestTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The manifest is not of the form.
    #[error("the manifest does not read: {why}")]
    Manifest {
        /// What is wrong, with the line.
        why: String,
    },
    /// The manifest is one of a built-in cell, or takes what is not its own.
    #[error("the manifest is not one of a package: {0}")]
    NotForPackage(#[from] NotForPackage),
    /// Too many schemas, or too large.
    #[error(
        "a package has at most {SCHEMAS_MAX} schemas, each of at most {SCHEMA_BYTES_MAX} bytes, all of at most \
         {SCHEMAS_BYTES_MAX}"
    )]
    SchemasTooLarge,
    /// A schema without a sound name of a file.
    #[error(
        "a schema's file has a name of at most {SCHEMA_NAME_BYTES_MAX} of a-z, A-Z, 0-9, '_', '-' and '.'"
    )]
    SchemaName,
    /// A schema that is no JSON.
    #[error("the schema {name} is not JSON")]
    Schema {
        /// The file.
        name: String,
    },
    /// The manifest names a schema that is not there.
    #[error("the manifest names the schema {name}, which is not in the package")]
    NoSchema {
        /// The file.
        name: String,
    },
    /// A schema that the manifest does not name.
    #[error("the package has the schema {name}, which its manifest does not name")]
    UnusedSchema {
        /// The file.
        name: String,
    },
    /// The signature's section is not of the form.
    #[error("the section cellar.signature is not of the form of version 1")]
    SignatureForm,
}

/// Why a signature proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadSignature {
    /// None there.
    #[error("the package is not signed; ask its publisher for a signed one")]
    Unsigned,
    /// One of the keys is one for which everybody can sign.
    #[error("key {index} of the publisher is one for which everybody can sign")]
    WeakKey {
        /// 0 for the first key, otherwise the number of the succession.
        index: usize,
    },
    /// A new key that the key before it did not sign.
    #[error("succession {index} is not signed by the key before it; the package is not from this publisher")]
    Succession {
        /// From 1.
        index: usize,
    },
    /// Something was changed after signing, or somebody else signed.
    #[error("the signature is not one of the publisher's key over this file; it was changed, get it again")]
    Signature,
    /// Not of the form of a signature.
    #[error("the signature is not of the form of version 1; get the file again")]
    Form,
}

/// Why a package cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PackError {
    /// The component has sections of ours already.
    #[error("the component is a package already; pack the one that the compiler made")]
    Packed,
    /// Two schemas have one name.
    #[error("two schemas are called {name}; a package knows them by the name of the file alone")]
    SameName {
        /// The name.
        name: String,
    },
    /// The result would be no package.
    #[error(transparent)]
    Package(#[from] BadPackage),
}

/// Why a package cannot be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// What should be signed is no package.
    #[error(transparent)]
    Package(#[from] BadPackage),
    /// The system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

/// Why a key cannot follow another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SucceedError {
    /// The new key belongs to the chain already, or follows another key.
    #[error("the new key is in use; draw one for this succession alone")]
    NotFresh,
    /// Too many successions.
    #[error("a publisher changes the key at most {SUCCESSIONS_MAX} times")]
    TooMany,
    /// The system gave no random bytes.
    #[error("the operating system gives no random bytes")]
    NoRandomness,
}

/// Why a text is no publisher's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadKeyFile {
    /// Not of the form.
    #[error("the text is no publisher's key of version 1")]
    Form,
    /// The private key is not one of Ed25519.
    #[error("the private key in it is not one of Ed25519 in PKCS#8")]
    Key,
    /// Its chain of successions does not lead to the private key.
    #[error("its successions do not lead from the first key to this one")]
    Chain,
}
