//! What the operator of a host lets people install: whose cells, how large, how many, and from where.
//!
//! * Invariants: a package is compared with the policy before it is compiled, and again whenever a person's cells are
//!   loaded; whoever is refused loses nothing that is stored.
//! * Units: sizes are bytes.
//! * Not here: what a person grants (`runtime/consent`), the settings' file (`runtime/host`).

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use runtime_consent::Consent;
use runtime_package::{PACKAGE_BYTES_MAX, PublisherId};
use runtime_sandbox::CodeDigest;

/// How many files of the operator's folder are looked at.
pub const KEPT_FILES_MAX: usize = 1_024;

/// What people of a host may install. The default lets everybody bring what they like, up to 32 cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Whose cells; `None`: anybody's.
    pub publishers: Option<BTreeSet<PublisherId>>,
    /// The largest package, with its component, bytes; at most [`PACKAGE_BYTES_MAX`] counts.
    pub package_bytes_max: usize,
    /// How many cells a person may have that have not ended, the paused ones included.
    pub per_person_max: usize,
    /// Whether people may bring packages of their own. Otherwise only those in `folder` may be installed.
    pub own: bool,
    /// A folder of packages that the operator keeps.
    pub folder: Option<PathBuf>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            publishers: None,
            package_bytes_max: PACKAGE_BYTES_MAX,
            per_person_max: 32,
            own: true,
            folder: None,
        }
    }
}

/// Why the operator's policy does not let a cell be installed or run. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAdmitted {
    /// Its publisher is not among those whose cells the host takes.
    #[error("the operator of this host does not take cells of the publisher {publisher}")]
    Publisher {
        /// The publisher's id.
        publisher: String,
    },
    /// It is too large.
    #[error(
        "the package has {bytes} bytes, over the limit of {limit} that the operator of this host has set"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The person has as many cells as they may have.
    #[error("the operator of this host lets a person have {limit} cells: remove another one first")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// People may not bring their own.
    #[error(
        "the operator of this host lets people install only what is in a folder of the host, and it is not there"
    )]
    NotKept,
    /// The operator's folder cannot be read.
    #[error("cannot read the folder {} of cells that may be installed", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
}

/// A package that is compared with the policy.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Offered<'p> {
    pub publisher: &'p PublisherId,
    pub bytes: usize,
    pub digest: CodeDigest,
}

/// The policy, and what is known of the operator's folder.
pub(crate) struct Rules {
    policy: Policy,
    known: Mutex<HashMap<PathBuf, (Look, CodeDigest)>>,
}

/// How a file looked when its digest was computed. Whoever can write the operator's folder decides what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Rules {
    pub fn new(policy: Policy) -> Self {
        Self { policy, known: Mutex::default() }
    }

    /// Compares a package with everything but the number of cells.
    pub fn admit(&self, offered: Offered<'_>) -> Result<(), NotAdmitted> {
        let Policy { publishers, package_bytes_max: limit, own, .. } = &self.policy;
        if offered.bytes > *limit {
            return Err(NotAdmitted::TooLarge { bytes: offered.bytes, limit: *limit });
        }
        if publishers.as_ref().is_some_and(|known| !known.contains(offered.publisher)) {
            return Err(NotAdmitted::Publisher { publisher: offered.publisher.to_string() });
        }
        if *own || self.keeps(offered.digest)? { Ok(()) } else { Err(NotAdmitted::NotKept) }
    }

    /// Whether a person with so many other cells may have one more.
    pub fn admit_one_more(&self, others: usize) -> Result<(), NotAdmitted> {
        let limit = self.policy.per_person_max;
        if others < limit { Ok(()) } else { Err(NotAdmitted::TooMany { limit }) }
    }

    /// Which of these consents are beyond the number that a person may have: those that were granted last. What has
    /// ended does not count.
    pub fn surplus(&self, consents: &[Consent], now: f64) -> BTreeSet<String> {
        let mut counted: Vec<_> = consents.iter().filter(|consent| takes_place(consent, now)).collect();
        counted.sort_by(|one, other| {
            one.granted.total_cmp(&other.granted).then_with(|| one.cell.cmp(&other.cell))
        });
        counted.into_iter().skip(self.policy.per_person_max).map(|consent| consent.cell.clone()).collect()
    }

    /// Why a consent of [`Self::surplus`] is none under which a cell runs.
    pub fn too_many(&self) -> NotAdmitted {
        NotAdmitted::TooMany { limit: self.policy.per_person_max }
    }

    /// Whether a package is in the operator's folder.
    fn keeps(&self, digest: CodeDigest) -> Result<bool, NotAdmitted> {
        let Some(folder) = &self.policy.folder else { return Ok(false) };
        let broken = |source| NotAdmitted::Folder { path: folder.clone(), source };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = HashMap::new();
        for entry in fs::read_dir(folder).map_err(broken)?.take(KEPT_FILES_MAX) {
            let path = entry.map_err(broken)?.path();
            // What cannot be read is not there.
            if let Ok(Some((look, digest))) = look_at(&path, known.get(&path)) {
                found.insert(path, (look, digest));
            }
        }
        *known = found;
        Ok(known.values().any(|(_, kept)| *kept == digest))
    }
}

/// Whether a consent counts for how many cells a person has.
pub(crate) fn takes_place(consent: &Consent, now: f64) -> bool {
    consent.expires.is_none_or(|expires| now < expires)
}

/// The digest of a file, computed anew if it does not look as it did; `None` for what is no file or too large.
fn look_at(path: &Path, known: Option<&(Look, CodeDigest)>) -> io::Result<Option<(Look, CodeDigest)>> {
    let about = fs::metadata(path)?;
    if !about.is_file() || about.len() > PACKAGE_BYTES_MAX as u64 {
        return Ok(None);
    }
    let look = Look { bytes: about.len(), modified: about.modified().ok() };
    match known {
        Some((before, digest)) if *before == look => Ok(Some((look, *digest))),
        _ => Ok(Some((look, CodeDigest::of(&fs::read(path)?)))),
    }
}

#[cfg(test)]
mod tests {
    use runtime_consent::{Asking, StreamName, Wants};

    use super::*;

    fn publisher(letter: &str) -> PublisherId {
        letter.repeat(26).parse().expect("an id")
    }

    fn admit(policy: Policy, publisher: &PublisherId, package: &[u8]) -> Result<(), NotAdmitted> {
        let digest = CodeDigest::of(package);
        Rules::new(policy).admit(Offered { publisher, bytes: package.len(), digest })
    }

    #[test]
    fn everybody_brings_what_they_like_unless_the_operator_says_otherwise() {
        assert!(admit(Policy::default(), &publisher("a"), b"package").is_ok());
        let only = Policy { publishers: Some(BTreeSet::from([publisher("a")])), ..Policy::default() };
        assert!(admit(only.clone(), &publisher("a"), b"package").is_ok());
        let refused = admit(only, &publisher("b"), b"package").expect_err("another one");
        assert!(
            matches!(refused, NotAdmitted::Publisher { publisher: named } if named == publisher("b").to_string())
        );
        let small = Policy { package_bytes_max: 6, ..Policy::default() };
        let refused = admit(small, &publisher("a"), b"package").expect_err("too large");
        assert!(matches!(refused, NotAdmitted::TooLarge { bytes: 7, limit: 6 }));
    }

    #[test]
    fn without_packages_of_their_own_people_have_those_of_the_folder_as_it_is_now() {
        let folder = tempfile::tempdir().expect("a folder");
        let policy = Policy { own: false, folder: Some(folder.path().to_owned()), ..Policy::default() };
        let rules = Rules::new(policy);
        let ada = publisher("a");
        let admitted = |package: &[u8]| {
            let digest = CodeDigest::of(package);
            rules.admit(Offered { publisher: &ada, bytes: package.len(), digest })
        };
        assert!(matches!(admitted(b"one"), Err(NotAdmitted::NotKept)));
        let path = folder.path().join("any name");
        fs::write(&path, b"one").expect("written");
        fs::create_dir(folder.path().join("inner")).expect("made");
        assert!(admitted(b"one").is_ok());
        fs::write(&path, b"another").expect("written");
        assert!(matches!(admitted(b"one"), Err(NotAdmitted::NotKept)));
        assert!(admitted(b"another").is_ok());
        fs::remove_file(&path).expect("removed");
        assert!(matches!(admitted(b"another"), Err(NotAdmitted::NotKept)));
        folder.close().expect("removed");
        assert!(matches!(admitted(b"another"), Err(NotAdmitted::Folder { .. })));
        let none = Policy { own: false, ..Policy::default() };
        assert!(matches!(admit(none, &ada, b"one"), Err(NotAdmitted::NotKept)));
    }

    #[test]
    fn of_too_many_cells_those_that_were_granted_last_wait_and_what_has_ended_does_not_count() {
        let consent = |cell: &str, granted: f64, expires: Option<f64>| {
            let wants = Wants { streams: vec![StreamName::of("background/location")], ..Wants::default() };
            let (publisher, digest) = ("p".to_owned(), "00".repeat(32));
            let asking = Asking { cell: cell.to_owned(), publisher, digest, wants, ..Asking::default() };
            Consent { expires, ..Consent::asked(asking, granted).expect("sound") }
        };
        let rules = Rules::new(Policy { per_person_max: 2, ..Policy::default() });
        let all = [
            consent("a", 3.0, None),
            consent("b", 1.0, Some(4.0)),
            consent("c", 2.0, None),
            consent("d", 0.0, Some(9.0)),
        ];
        assert_eq!(rules.surplus(&all, 5.0), BTreeSet::from(["a".to_owned()]));
        assert_eq!(rules.surplus(&all, 9.0), BTreeSet::new());
        assert!(rules.admit_one_more(1).is_ok());
        assert!(matches!(rules.admit_one_more(2), Err(NotAdmitted::TooMany { limit: 2 })));
    }
}
