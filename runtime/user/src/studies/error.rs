//! Why something with a study was refused.

use std::io;
use std::path::PathBuf;

use runtime_consent::{BadConsent, Widens};
use runtime_study::BadStudy;

use crate::cells::installed::shelf::BadCell;
use crate::error::CallError;
use crate::studies::BudgetError;

/// Why something with a study was refused. Nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StudyError {
    /// It is no study, or not a signed one.
    #[error(transparent)]
    Study(#[from] BadStudy),
    /// The package cannot be used here.
    #[error(transparent)]
    Cell(#[from] BadCell),
    /// The package is not the one that the study names.
    #[error("the study is of another cell: its digest is {wanted}, that of the package {found}")]
    OtherCell {
        /// The first digits of what the study says.
        wanted: String,
        /// The first digits of what the package has.
        found: String,
    },
    /// The package is no contribution.
    #[error("{name} is a cell of the world {world}; a study needs a contribution")]
    NoContribution {
        /// The cell.
        name: String,
        /// Its world.
        world: &'static str,
    },
    /// The study names a stream that its cell does not read.
    #[error("the study names `{key}`, which its cell does not read")]
    Stream {
        /// The stream.
        key: String,
    },
    /// Nobody has published it here.
    #[error("no study of this host is called {name}")]
    NoSuchStudy {
        /// What was asked for.
        name: String,
    },
    /// Several have that name.
    #[error("several studies are called {name}: name one by its id")]
    Ambiguous {
        /// The name.
        name: String,
    },
    /// The study that was published is signed by somebody else.
    #[error("the study {name} of this host is signed by another publisher")]
    OtherSigner {
        /// The study.
        name: String,
    },
    /// The person does not take part.
    #[error("the person has not joined a study called {name}")]
    NotJoined {
        /// What was asked for.
        name: String,
    },
    /// Every epoch is answered or too long ago.
    #[error("the study {name} is over: no further total of it is taken")]
    Over {
        /// The study.
        name: String,
    },
    /// The document of somebody who has joined does not read.
    #[error("the document of the study {study} does not read: leave it and join again")]
    Unreadable {
        /// The first digits of its id.
        study: String,
    },
    /// The document of the consent cannot be made.
    #[error("the study cannot be consented to")]
    Consent(#[from] BadConsent),
    /// Its window cannot.
    #[error("the study cannot be consented to")]
    Window(#[from] Widens),
    /// This runtime has people of its own.
    #[error("one person's numbers are shown to nobody: they are looked at in `cellar cell test` alone")]
    NotShown,
    /// The budget.
    #[error(transparent)]
    Budget(#[from] BudgetError),
    /// The store.
    #[error(transparent)]
    Call(#[from] CallError),
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
