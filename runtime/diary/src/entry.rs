//! One entry, parsed.

use cells_geometry::wrapped;
use cells_model::EntryId;
use serde_json::{Map, Value};

/// An entry's id and data.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: EntryId,
    /// Its data.
    pub data: Map<String, Value>,
}

impl Entry {
    /// `None` where the text is not a JSON object.
    pub fn read(id: EntryId, data: &str) -> Option<Self> {
        Some(Self { id, data: serde_json::from_str(data).ok()? })
    }

    /// A member that is a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        self.data.get(name)?.as_f64()
    }

    /// A member that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.data.get(name)?.as_str()
    }

    /// A member that is the id of another entry.
    pub fn id_of(&self, name: &str) -> Option<EntryId> {
        EntryId::parse(self.data.get(name)?.get("$oid")?.as_str()?)
    }

    /// The coordinates of a member that is a GeoJSON point on the globe: the longitude within -180 to 180.
    pub fn coordinates(&self, name: &str) -> Option<[f64; 2]> {
        let [longitude, latitude, ..] = self.data.get(name)?.get("coordinates")?.as_array()?.as_slice()
        else {
            return None;
        };
        let (longitude, latitude) = (longitude.as_f64()?, latitude.as_f64()?);
        let is_on_globe = latitude.abs() <= 90.0 && longitude.abs() <= 360.0;
        is_on_globe.then(|| [wrapped(longitude), latitude])
    }
}
