//! That a person takes part in a study: the document `study/<id>` in their sealed store.

use runtime_store::{Batch, Snapshot};
use runtime_study::SignedStudy;
use serde::{Deserialize, Serialize};

use crate::error::CallError;
use crate::people::person::Person;
use crate::studies::StudyError;

const DOCUMENTS: &str = "study/";
const VERSION: u32 = 1;

/// The name of the document for the study with that id.
pub(crate) fn document_of(id: &str) -> String {
    format!("{DOCUMENTS}{id}")
}

/// That a person takes part in a study.
pub(crate) struct Joined {
    /// What they said yes to.
    pub signed: SignedStudy,
    /// When they did, s.
    pub since: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct JoinedDocument {
    version: u32,
    study: String,
    since: f64,
}

impl Joined {
    /// That somebody joins at `now`, s.
    pub fn of(signed: &SignedStudy, now: f64) -> Self {
        Self { signed: signed.clone(), since: now }
    }

    /// The study's id.
    pub fn id(&self) -> String {
        self.signed.id().to_string()
    }

    /// Whether and since when the person takes part in the study with that id.
    pub fn read(snapshot: &Snapshot, id: &str) -> Result<Option<Self>, StudyError> {
        let name = document_of(id);
        let Some(content) = snapshot.document(&name).map_err(CallError::Read)? else { return Ok(None) };
        let unreadable = || StudyError::Unreadable { study: id.chars().take(12).collect() };
        let document: JoinedDocument = serde_json::from_slice(&content).map_err(|_| unreadable())?;
        let signed = SignedStudy::parse(document.study.as_bytes()).map_err(|_| unreadable())?;
        let sound =
            document.version == VERSION && signed.id().to_string() == id && document.since.is_finite();
        if sound { Ok(Some(Self { signed, since: document.since })) } else { Err(unreadable()) }
    }

    /// Every study that the person takes part in. One that does not read is left out: nobody contributes to it.
    pub fn all(snapshot: &Snapshot) -> Result<Vec<Self>, StudyError> {
        let mut all = Vec::new();
        for name in snapshot.documents() {
            let Some(id) = name.strip_prefix(DOCUMENTS) else { continue };
            match Self::read(snapshot, id) {
                Ok(joined) => all.extend(joined),
                Err(StudyError::Unreadable { study }) => {
                    tracing::warn!(%study, "a study that was joined does not read");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    /// The one that the person takes part in with that name or id.
    pub fn find(snapshot: &Snapshot, study: &str) -> Result<Self, StudyError> {
        let is_it = |joined: &Self| joined.id() == study || joined.signed.study().name == study;
        let mut found: Vec<_> = Self::all(snapshot)?.into_iter().filter(is_it).collect();
        match (found.pop(), found.is_empty()) {
            (Some(joined), true) => Ok(joined),
            (Some(_), false) => Err(StudyError::Ambiguous { name: study.chars().take(64).collect() }),
            (None, _) => Err(StudyError::NotJoined { name: study.chars().take(64).collect() }),
        }
    }

    /// Stores it. Durable when it returns.
    pub fn put(&self, person: &Person) -> Result<(), StudyError> {
        let document =
            JoinedDocument { version: VERSION, study: self.signed.text().to_owned(), since: self.since };
        let content = serde_json::to_vec(&document).expect("a text and a finite number are JSON");
        let mut batch = Batch::new();
        batch.put_document(&document_of(&self.id()), content);
        person.commit(batch).map_err(CallError::Commit)?;
        Ok(())
    }
}
