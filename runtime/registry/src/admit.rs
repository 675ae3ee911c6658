//! Whether bytes that came are a package that is wanted.

use runtime_package::{BadPackage, BadSignature, Package, PublisherId, Verified};
use serde::Serialize;

/// What is known before a package comes.
#[derive(Debug, Clone, Default)]
pub struct Expected<'b> {
    /// Its publisher.
    pub publisher: Option<PublisherId>,
    /// A version that is there already and is replaced.
    pub before: Option<&'b [u8]>,
}

/// A package that is wanted, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Admitted {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// The publisher's id, which the signature proves.
    pub publisher: String,
    /// The cell's id.
    pub cell: String,
    /// How often the publisher has changed the key.
    pub successions: usize,
    /// Its size, bytes.
    pub bytes: usize,
}

/// Why a package is not wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// It is no package.
    #[error("what came is no package of a cell")]
    Package(#[from] BadPackage),
    /// Nobody, or somebody else, has signed it.
    #[error("the signature of what came does not hold")]
    Signature(#[from] BadSignature),
    /// Another publisher has signed it.
    #[error("publisher {found} has signed it, not {wanted}")]
    Publisher {
        /// Who was expected.
        wanted: String,
        /// Who signed.
        found: String,
    },
    /// What would be replaced is no package that somebody has signed.
    #[error("what would be replaced is no signed package")]
    Before(#[source] Box<Self>),
    /// It is another cell than the one that would be replaced.
    #[error("it is the cell {found}, and would replace the cell {before}")]
    OtherCell {
        /// The cell that is there.
        before: String,
        /// The cell that came.
        found: String,
    },
    /// It is older than what would be replaced.
    #[error("version {offered} is older than version {there}, which is there")]
    Older {
        /// The version that is there.
        there: u32,
        /// The version that came.
        offered: u32,
    },
    /// A key that its publisher has replaced since has signed it.
    #[error("it is signed by a key that its publisher has replaced since")]
    OldKey,
}

/// Checks what came.
///
/// # Errors
/// [`NotAdmitted`].
pub fn admit(bytes: &[u8], expected: &Expected<'_>) -> Result<Admitted, NotAdmitted> {
    let (version, name, verified) = read(bytes)?;
    if let Some(wanted) = expected.publisher.as_ref().filter(|wanted| **wanted != verified.publisher) {
        let (wanted, found) = (wanted.to_string(), verified.publisher.to_string());
        return Err(NotAdmitted::Publisher { wanted, found });
    }
    if let Some(before) = expected.before {
        let (there, _, before) = read(before).map_err(|error| NotAdmitted::Before(Box::new(error)))?;
        if verified.cell != before.cell {
            let (before, found) = (before.cell.to_string(), verified.cell.to_string());
            return Err(NotAdmitted::OtherCell { before, found });
        }
        if version < there {
            return Err(NotAdmitted::Older { there, offered: version });
        }
        if !verified.follows(&before.publisher, before.chain_len, &before.newest_key) {
            return Err(NotAdmitted::OldKey);
        }
    }
    Ok(Admitted {
        name,
        version,
        publisher: verified.publisher.to_string(),
        cell: verified.cell.to_string(),
        successions: verified.chain_len,
        bytes: bytes.len(),
    })
}

fn read(bytes: &[u8]) -> Result<(u32, String, Verified), NotAdmitted> {
    let package = Package::parse(bytes)?;
    let verified = package.verify()?;
    Ok((package.manifest().version, package.manifest().name.clone(), verified))
}
