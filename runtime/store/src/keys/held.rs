//! A data key held in memory: every slot yields one.

use std::path::Path;

use runtime_types::UserId;

use super::{DataKey, KeyProvider};
use crate::KeyError;

/// A data key and its generation. As a [`KeyProvider`] it provides itself, for callers that keep slots elsewhere and
/// have opened one.
#[derive(Debug)]
pub struct Held {
    /// The key.
    pub key: DataKey,
    /// Its generation, from 1. A store opens with the generation that its keyring names.
    pub generation: u32,
}

impl Held {
    /// Another copy, which is wiped separately.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { key: self.key.copy(), generation: self.generation }
    }
}

impl KeyProvider for Held {
    fn create(&self, _: &Path, _: UserId) -> Result<Held, KeyError> {
        Ok(self.copy())
    }

    fn unlock(&self, _: &Path, _: UserId) -> Result<Held, KeyError> {
        Ok(self.copy())
    }
}
