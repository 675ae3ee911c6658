//! A data key that somebody holds in memory: what every slot comes down to.

use std::path::Path;

use runtime_types::UserId;

use super::{DataKey, KeyProvider};
use crate::KeyError;

/// A data key and which of its person's it is. As a [`KeyProvider`] it hands itself over: for whoever keeps slots
/// elsewhere and has opened one.
#[derive(Debug)]
pub struct Held {
    /// The key.
    pub key: DataKey,
    /// Its number, from 1. A store opens with the generation that its keyring names.
    pub generation: u32,
}

impl Held {
    /// Another copy of it, wiped on its own.
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
