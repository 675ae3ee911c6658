//! What one person lets one cell reach: every call of the cell is checked against it.
//!
//! A built-in cell has its whole manifest. A cell from elsewhere has what its manifest and the owner's consent share:
//! streams of the timeseries alone, inside their windows, as precisely as the owner said, and no document.

use std::sync::Arc;

use runtime_consent::{Consent, Reach, StreamGrant, StreamReach, Time};
use runtime_sandbox::{Failure, Granted, Terms};
use runtime_types::{Area, EntryId, Query, StreamKey, UserId};

use crate::cells::manifest::{Manifest, StreamPattern, names_cover};
use crate::cells::types::Types;

/// A cell's manifest as one person granted it, and the data types that writes are checked against.
#[derive(Debug, Clone)]
pub struct Grant {
    manifest: Arc<Manifest>,
    types: Arc<Types>,
    /// `None`: a built-in cell.
    consented: Option<Arc<Consented>>,
}

/// What an owner lets a cell from elsewhere read.
#[derive(Debug)]
pub(crate) struct Consented {
    consent: Arc<Consent>,
    reach: Reach,
    /// The person, as this cell's publisher knows them.
    pseudonym: [u8; 16],
}

impl Grant {
    /// A grant of everything that the manifest asks for.
    pub fn whole(manifest: Arc<Manifest>, types: Arc<Types>) -> Self {
        Self { manifest, types, consented: None }
    }

    /// A grant of what the manifest and the owner's consent share. Both parts of `secrets` belong to the owner and are
    /// the same in every run: the id under which this publisher knows the person, and the key under which ids are shown
    /// where times are coarse.
    pub fn consented(
        manifest: Arc<Manifest>,
        types: Arc<Types>,
        consent: Arc<Consent>,
        pseudonym: [u8; 16],
        secret: [u8; 32],
    ) -> Self {
        let reach = Reach::new(&consent, &secret, types.shapes());
        let consented = Consented { consent, reach, pseudonym };
        Self { manifest, types, consented: Some(Arc::new(consented)) }
    }

    /// The manifest that was granted.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What a cell from elsewhere is told of its grant.
    pub(crate) fn terms(&self) -> Terms {
        let Some(consent) = self.consent() else { return Terms::default() };
        let line = |grant: &StreamGrant| Granted {
            area: grant.area,
            streams: grant.key.clone(),
            since: grant.from,
            until: grant.until,
            place_precision_m: grant.place.metres().unwrap_or(0.0),
            time_precision_s: grant.time.seconds().unwrap_or(0.0),
            left_out: grant.without.clone(),
        };
        Terms { purpose: consent.purpose.clone(), reads: consent.streams.iter().map(line).collect() }
    }

    /// What the owner said, if this is a cell from elsewhere.
    pub fn consent(&self) -> Option<&Arc<Consent>> {
        self.consented.as_ref().map(|consented| &consented.consent)
    }

    /// Whether nothing may be read at `now`, s: the consent has expired, or its owner has paused the cell.
    pub fn expired(&self, now: f64) -> bool {
        self.consent().is_some_and(|consent| consent.has_ended(now))
    }

    /// The window of a stage's run, s, both closed: the same, or whole grains of the coarsest time of the consent, so
    /// that runs over windows that follow one another read each grain once. `None`: no grain has passed since `start`,
    /// so there is nothing to run over.
    pub fn window(&self, start: f64, end: f64) -> Option<(f64, f64)> {
        let coarsest =
            self.consent().and_then(|consent| consent.streams.iter().map(|grant| grant.time).max());
        coarsest.unwrap_or_default().window(start, end)
    }

    /// The person, as the cell is shown them.
    pub(crate) fn shown_user(&self, user: UserId) -> UserId {
        self.consented.as_ref().map_or(user, |consented| UserId(consented.pseudonym))
    }

    /// Whether reads have to pass through a consent.
    pub(crate) fn is_consented(&self) -> bool {
        self.consented.is_some()
    }

    /// What of a stream a cell from elsewhere is shown; `None`: nothing. A stream that only it writes is shown to it as
    /// it wrote it, inside its window.
    pub(crate) fn stream(&self, area: Area, key: &StreamKey) -> Option<StreamReach> {
        let consented = self.consented.as_ref()?;
        let reach = consented.reach.of_unchecked(area, key.as_str())?;
        if self.makes_alone(area, key) { Some(reach.of_its_own()) } else { reach.checked() }
    }

    /// Whether a stream is of the cell's own making: its manifest names it among its writes, without a star, and it is
    /// none that the model or another cell describes.
    fn makes_alone(&self, area: Area, key: &StreamKey) -> bool {
        let writes = &self.manifest.writes;
        writes.iter().any(|pattern| pattern.area == area && pattern.key == key.as_str())
            && cells_model::keys::find(key.as_str()).is_none()
            && self.types.brought_by(key).is_none_or(|cell| cell == self.manifest.name)
    }

    /// Whether the ids of a stream are shown as others.
    pub(crate) fn hides_ids_of(&self, area: Area, key: &StreamKey) -> bool {
        self.stream(area, key).is_some_and(|reach| reach.time() != Time::Exact)
    }

    /// The store's id of one that the cell was shown, in a stream whose ids are shown as others.
    pub(crate) fn stored_id(&self, shown: EntryId) -> EntryId {
        self.consented.as_ref().map_or(shown, |consented| consented.reach.ids().stored(shown))
    }

    /// Narrows a query without keys to the granted streams, and refuses a query for other streams.
    ///
    /// `present` returns the keys of the area; called only if the grant covers less than the whole area.
    pub fn narrow(
        &self,
        mut query: Query,
        present: impl FnOnce() -> Vec<StreamKey>,
    ) -> Result<Query, Failure> {
        query.check().map_err(|error| Failure::Invalid(error.to_string()))?;
        let patterns = &self.manifest.reads;
        if query.keys.is_empty() {
            let all = !self.is_consented();
            if all && patterns.iter().any(|pattern| pattern.area == query.area && pattern.key == "*/*") {
                return Ok(query);
            }
            query.keys = present();
            query.keys.retain(|key| self.may_read(query.area, key));
            if query.keys.is_empty() {
                return Err(Failure::Denied(format!("every stream of the area {:?}", query.area)));
            }
            return Ok(query);
        }
        match query.keys.iter().find(|key| !self.may_read(query.area, key)) {
            Some(key) => Err(Failure::Denied(key.to_string())),
            None => Ok(query),
        }
    }

    fn may_read(&self, area: Area, key: &StreamKey) -> bool {
        covered(&self.manifest.reads, area, key) && (!self.is_consented() || self.stream(area, key).is_some())
    }

    /// Refuses data that does not match its stream's type.
    pub fn check_type(&self, key: &StreamKey, data: &str) -> Result<(), Failure> {
        self.types.check(key, data).map_err(|why| Failure::Invalid(format!("{key}: {why}")))
    }

    /// The data types that writes are checked against.
    pub(crate) fn types(&self) -> &Types {
        &self.types
    }

    /// Refuses a write to a stream that may not be written.
    pub fn check_write(&self, area: Area, key: &StreamKey) -> Result<(), Failure> {
        // A cell from elsewhere takes nothing in, puts nothing and sets nothing aside, whatever its manifest says.
        let denied = self.is_consented() && area != Area::Timeseries;
        if covered(&self.manifest.writes, area, key) && !denied {
            Ok(())
        } else {
            Err(Failure::Denied(key.to_string()))
        }
    }

    /// Refuses to take in entries of the usercache for a cell from elsewhere.
    pub(crate) fn check_take_in(&self) -> Result<(), Failure> {
        if self.is_consented() { Err(Failure::Denied("the usercache".to_owned())) } else { Ok(()) }
    }

    /// Refuses a document that may not be read.
    pub fn check_read_document(&self, name: &str) -> Result<(), Failure> {
        let names = [&self.manifest.documents_read, &self.manifest.documents_write];
        if !self.is_consented() && names.into_iter().any(|names| names_cover(names, name)) {
            Ok(())
        } else {
            Err(Failure::Denied(format!("the document {name}")))
        }
    }

    /// Refuses a document that may not be written.
    pub fn check_write_document(&self, name: &str) -> Result<(), Failure> {
        if !self.is_consented() && names_cover(&self.manifest.documents_write, name) {
            Ok(())
        } else {
            Err(Failure::Denied(format!("the document {name}")))
        }
    }
}

fn covered(patterns: &[StreamPattern], area: Area, key: &StreamKey) -> bool {
    patterns.iter().any(|pattern| pattern.covers(area, key))
}
