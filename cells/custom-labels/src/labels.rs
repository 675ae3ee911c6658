//! A person's own labels, as the document keeps them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest name of a kind of labels, bytes.
pub const KEY_BYTES_MAX: usize = 64;
/// The longest label, bytes.
pub const LABEL_BYTES_MAX: usize = 512;
/// The largest document of labels, bytes: room for 2,000 labels and more.
pub const LABELS_BYTES_MAX: usize = 240 << 10;

/// Why a label was not added.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadLabel {
    /// The name of its kind is too long.
    #[error("the kind of a label has {0} bytes, over the limit of {KEY_BYTES_MAX}")]
    Key(usize),
    /// The label is too long.
    #[error("a label has {0} bytes, over the limit of {LABEL_BYTES_MAX}")]
    Label(usize),
    /// There are too many.
    #[error("the labels would have {0} bytes, over the limit of {LABELS_BYTES_MAX}")]
    Labels(usize),
}

/// One label.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Label {
    label: String,
    created_ts: f64,
    frequency: i64,
    is_active: bool,
}

/// The labels of each kind, in the order in which they were first added.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, Vec<Label>>);

impl Labels {
    /// Reads the document; none, or one that this cell did not write, has no labels.
    pub fn read(document: Option<&[u8]>) -> Self {
        document.and_then(|text| serde_json::from_slice(text).ok()).unwrap_or_default()
    }

    /// The text of the document.
    ///
    /// # Errors
    /// [`BadLabel::Labels`].
    pub fn written(&self) -> Result<Vec<u8>, BadLabel> {
        let text = serde_json::to_vec(self).expect("a map of names and plain values is JSON");
        if text.len() > LABELS_BYTES_MAX { Err(BadLabel::Labels(text.len())) } else { Ok(text) }
    }

    /// The labels of a kind that are in use, the most frequent first, of equal ones the oldest first.
    pub fn list(&self, key: &str) -> Vec<&str> {
        let labels = self.0.get(key).into_iter().flatten();
        let mut active: Vec<&Label> = labels.filter(|label| label.is_active).collect();
        active.sort_by_key(|label| std::cmp::Reverse(label.frequency));
        active.into_iter().map(|label| label.label.as_str()).collect()
    }

    /// Adds a label that stands for no trip yet, or brings one back with the count that it had.
    ///
    /// # Errors
    /// [`BadLabel`]; nothing was changed.
    pub fn insert(&mut self, key: &str, label: &str, now: f64) -> Result<(), BadLabel> {
        match self.find(key, label) {
            Some(there) => there.is_active = true,
            None => self.add(key, label, 0, now)?,
        }
        Ok(())
    }

    /// A trip's label was changed. A new label that is known counts one more and is in use; one that is not is added if
    /// `adds`. The old one counts one less if it is known.
    ///
    /// # Errors
    /// [`BadLabel`]; nothing was changed.
    pub fn update(&mut self, key: &str, old: &str, new: &str, adds: bool, now: f64) -> Result<(), BadLabel> {
        if let Some(there) = self.find(key, new) {
            there.frequency = there.frequency.saturating_add(1);
            there.is_active = true;
        } else if adds {
            self.add(key, new, 1, now)?;
        }
        if let Some(there) = self.find(key, old) {
            there.frequency = there.frequency.saturating_sub(1);
        }
        Ok(())
    }

    /// Takes a label out of use.
    pub fn delete(&mut self, key: &str, label: &str) {
        if let Some(there) = self.find(key, label) {
            there.is_active = false;
        }
    }

    fn find(&mut self, key: &str, label: &str) -> Option<&mut Label> {
        self.0.get_mut(key)?.iter_mut().find(|there| there.label == label)
    }

    fn add(&mut self, key: &str, label: &str, frequency: i64, now: f64) -> Result<(), BadLabel> {
        if key.len() > KEY_BYTES_MAX {
            return Err(BadLabel::Key(key.len()));
        }
        if label.len() > LABEL_BYTES_MAX {
            return Err(BadLabel::Label(label.len()));
        }
        let label = Label { label: label.to_owned(), created_ts: now, frequency, is_active: true };
        self.0.entry(key.to_owned()).or_default().push(label);
        Ok(())
    }
}
