//! The table of labels: their owners and purposes.

use super::Name;
use crate::encoding::{DeviceId, Label, Selector, WindowId};
use runtime_types::UserId;
use std::collections::BTreeMap;

/// Most labels of one person: 32 devices with 3 each, a browser, a pairing window, and room.
pub const LABELS_PER_USER_MAX: usize = 128;
/// Most selectors of one person. One window is open at a time; a second covers the change.
pub const SELECTORS_PER_USER_MAX: usize = 2;

/// The purpose of a label. It cannot be seen in the label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One device's connections.
    Native(DeviceId),
    /// The owner's browser.
    Web,
    /// A pairing window, as long as it is open.
    Pair(WindowId),
}

/// The owner and purpose of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    /// The owner of the runtime.
    pub user: UserId,
    /// The purpose.
    pub kind: Kind,
}

/// Why a change of the table is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum BadRoute {
    /// The label or selector is registered already, for this person or another.
    #[error("the label is taken")]
    Taken,
    /// The person has reached the limit.
    #[error("a person has at most {max} labels of this kind")]
    Full {
        /// The limit.
        max: usize,
    },
    /// Not registered, or another person's; the error does not say which.
    #[error("the person has no such label")]
    NotYours,
}

/// Labels and selectors of all people of a host, or of one runtime.
#[derive(Debug, Clone, Default)]
pub struct Routes {
    labels: BTreeMap<Label, Route>,
    selectors: BTreeMap<Selector, (UserId, WindowId)>,
    /// Labels and selectors of each person that has any.
    counts: BTreeMap<UserId, (usize, usize)>,
}

impl Routes {
    /// An empty table.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers a label that the person's runtime drew.
    ///
    /// # Errors
    /// [`BadRoute::Taken`], also where the same person has it; [`BadRoute::Full`] at [`LABELS_PER_USER_MAX`].
    pub fn register(&mut self, label: Label, route: Route) -> Result<(), BadRoute> {
        if self.labels.contains_key(&label) {
            return Err(BadRoute::Taken);
        }
        let (labels, _) = self.counts.entry(route.user).or_default();
        if *labels >= LABELS_PER_USER_MAX {
            return Err(BadRoute::Full { max: LABELS_PER_USER_MAX });
        }
        *labels += 1;
        self.labels.insert(label, route);
        Ok(())
    }

    /// Registers the public part of a typed code. There are only a million: draw another where it is taken.
    ///
    /// # Errors
    /// [`BadRoute::Taken`], also where the same person has it; [`BadRoute::Full`] at [`SELECTORS_PER_USER_MAX`].
    pub fn register_selector(
        &mut self,
        selector: Selector,
        user: UserId,
        window: WindowId,
    ) -> Result<(), BadRoute> {
        if self.selectors.contains_key(&selector) {
            return Err(BadRoute::Taken);
        }
        let (_, selectors) = self.counts.entry(user).or_default();
        if *selectors >= SELECTORS_PER_USER_MAX {
            return Err(BadRoute::Full { max: SELECTORS_PER_USER_MAX });
        }
        *selectors += 1;
        self.selectors.insert(selector, (user, window));
        Ok(())
    }

    /// Removes a label or selector, for the person that registered it.
    ///
    /// # Errors
    /// [`BadRoute::NotYours`] for every other person, and where there is none.
    pub fn withdraw(&mut self, user: UserId, name: Name) -> Result<(), BadRoute> {
        if self.find(name).is_none_or(|route| route.user != user) {
            return Err(BadRoute::NotYours);
        }
        let (labels, selectors) = self.counts.entry(user).or_default();
        match name {
            Name::Label(label) => {
                self.labels.remove(&label);
                *labels -= 1;
            }
            Name::Selector(selector) => {
                self.selectors.remove(&selector);
                *selectors -= 1;
            }
        }
        if (*labels, *selectors) == (0, 0) {
            self.counts.remove(&user);
        }
        Ok(())
    }

    /// Removes all labels and selectors of a person, for instance when the runtime's socket closes.
    pub fn withdraw_all(&mut self, user: UserId) {
        self.labels.retain(|_, route| route.user != user);
        self.selectors.retain(|_, (owner, _)| *owner != user);
        self.counts.remove(&user);
    }

    /// The route of a name.
    pub fn find(&self, name: Name) -> Option<Route> {
        match name {
            Name::Label(label) => self.labels.get(&label).copied(),
            Name::Selector(selector) => {
                let (user, window) = *self.selectors.get(&selector)?;
                Some(Route { user, kind: Kind::Pair(window) })
            }
        }
    }

    /// Every label and selector, for a gateway in front of this host.
    pub fn names(&self) -> impl Iterator<Item = Name> {
        let selectors = self.selectors.keys().copied().map(Name::Selector);
        self.labels.keys().copied().map(Name::Label).chain(selectors)
    }

    /// How many labels and selectors there are.
    pub fn len(&self) -> usize {
        self.labels.len() + self.selectors.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
