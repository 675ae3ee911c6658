//! Narrowing: an owner grants less than a cell asks for.

use crate::consent::{BadConsent, Consent, STREAMS_MAX, StreamGrant, check_field};
use crate::pattern::{is_pattern, is_within, shared};
use crate::precision::{Place, Time};

/// What an owner grants less. Everything that is `None` or empty stays as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Narrowing {
    /// Only these streams stay: keys or patterns, each within what is granted. `Some` of none: no stream.
    pub only: Option<Vec<String>>,
    /// The streams that the bounds below are for, a key or a pattern; `None`: all that stay.
    pub on: Option<String>,
    /// The earliest position that is shown, s.
    pub from: Option<f64>,
    /// The latest position that is shown, s.
    pub until: Option<f64>,
    /// How precisely places are shown.
    pub place: Option<Place>,
    /// How precisely times are shown.
    pub time: Option<Time>,
    /// Further members that are left out.
    pub without: Vec<String>,
    /// From when on nothing is shown, s.
    pub expires: Option<f64>,
    /// For what, in the owner's words.
    pub purpose: Option<String>,
}

/// Why a narrowing is refused; nothing has changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Widens {
    /// A stream is not granted.
    #[error("`{key}` is not granted, so it cannot be narrowed")]
    Stream {
        /// The key or pattern.
        key: String,
    },
    /// It begins earlier than what is granted.
    #[error("`{key}` is granted from {granted} s on; {asked} s would show more")]
    From {
        /// The key or pattern.
        key: String,
        /// What is granted, s.
        granted: f64,
        /// What was asked, s.
        asked: f64,
    },
    /// It ends later than what is granted.
    #[error("`{key}` is granted until {granted} s; {asked} s would show more")]
    Until {
        /// The key or pattern.
        key: String,
        /// What is granted, s.
        granted: f64,
        /// What was asked, s.
        asked: f64,
    },
    /// It is finer than what is granted.
    #[error("`{key}` is granted to {granted}; {asked} would show more")]
    Precision {
        /// The key or pattern.
        key: String,
        /// What is granted.
        granted: &'static str,
        /// What was asked.
        asked: &'static str,
    },
    /// It expires later than what is granted.
    #[error("the grant ends at {granted} s; {asked} s would make it longer")]
    Expires {
        /// What is granted, s.
        granted: f64,
        /// What was asked, s.
        asked: f64,
    },
    /// The document would not be valid.
    #[error(transparent)]
    Bad(#[from] BadConsent),
}

impl Consent {
    /// Grants less. Either all of the narrowing holds afterwards, and the epoch has risen, or nothing has changed.
    ///
    /// # Errors
    /// A part of it would show more than is granted, or the document would not be valid.
    pub fn narrow(&mut self, narrowing: &Narrowing) -> Result<(), Widens> {
        let mut narrowed = self.clone();
        if let Some(patterns) = &narrowing.only {
            patterns.iter().try_for_each(|pattern| is_granted(&self.streams, pattern))?;
            narrowed.streams = only(&self.streams, patterns);
        }
        narrowed.streams = tightened(&narrowed.streams, narrowing)?;
        if let Some(expires) = narrowing.expires {
            match self.expires {
                Some(granted) if expires > granted => {
                    return Err(Widens::Expires { granted, asked: expires });
                }
                _ => narrowed.expires = Some(expires),
            }
        }
        if let Some(purpose) = &narrowing.purpose {
            narrowed.purpose.clone_from(purpose);
        }
        narrowed.epoch += 1;
        narrowed.check()?;
        *self = narrowed;
        Ok(())
    }
}

fn is_granted(streams: &[StreamGrant], pattern: &str) -> Result<(), Widens> {
    let granted = is_pattern(pattern) && streams.iter().any(|grant| is_within(pattern, &grant.key));
    if granted { Ok(()) } else { Err(Widens::Stream { key: pattern.to_owned() }) }
}

/// What the grants and the patterns share, each with the bounds of its grant: a stream of a pattern keeps every bound
/// that it had.
pub(crate) fn only(streams: &[StreamGrant], patterns: &[String]) -> Vec<StreamGrant> {
    let pairs = streams.iter().flat_map(|grant| patterns.iter().map(move |pattern| (grant, pattern)));
    let kept = pairs.filter_map(|(grant, pattern)| {
        Some(StreamGrant { key: shared(&grant.key, pattern)?, ..grant.clone() })
    });
    without_repeats(kept.collect())
}

fn without_repeats(streams: Vec<StreamGrant>) -> Vec<StreamGrant> {
    let mut once: Vec<StreamGrant> = Vec::new();
    for grant in streams {
        if !once.contains(&grant) {
            once.push(grant);
        }
    }
    once.sort_by(|one, other| one.key.cmp(&other.key));
    once
}

/// The grants with the bounds of a narrowing. A grant of more streams than it is for stays, and another beside it has
/// the bounds: of two that cover a stream, the stricter holds.
fn tightened(streams: &[StreamGrant], narrowing: &Narrowing) -> Result<Vec<StreamGrant>, Widens> {
    let on = narrowing.on.as_deref().unwrap_or("*/*");
    if narrowing.on.is_some() {
        is_granted(streams, on)?;
    }
    narrowing.without.iter().try_for_each(|field| check_field(field))?;
    let mut all = Vec::new();
    for grant in streams {
        let Some(key) = shared(&grant.key, on) else {
            all.push(grant.clone());
            continue;
        };
        if key != grant.key {
            all.push(grant.clone());
        }
        all.push(one_tightened(StreamGrant { key, ..grant.clone() }, narrowing)?);
    }
    let all = without_repeats(all);
    if all.len() > STREAMS_MAX {
        return Err(BadConsent::Value { what: "streams are more than 128" }.into());
    }
    Ok(all)
}

fn one_tightened(mut grant: StreamGrant, narrowing: &Narrowing) -> Result<StreamGrant, Widens> {
    let key = || grant.key.clone();
    if let Some(asked) = narrowing.from {
        match grant.from {
            Some(granted) if asked < granted => return Err(Widens::From { key: key(), granted, asked }),
            _ => grant.from = Some(asked),
        }
    }
    if let Some(asked) = narrowing.until {
        match grant.until {
            Some(granted) if asked > granted => return Err(Widens::Until { key: key(), granted, asked }),
            _ => grant.until = Some(asked),
        }
    }
    if let Some(place) = narrowing.place {
        if place < grant.place {
            let (granted, asked) = (grant.place.as_str(), place.as_str());
            return Err(Widens::Precision { key: key(), granted, asked });
        }
        grant.place = place;
    }
    if let Some(time) = narrowing.time {
        if time < grant.time {
            let (granted, asked) = (grant.time.as_str(), time.as_str());
            return Err(Widens::Precision { key: key(), granted, asked });
        }
        grant.time = time;
    }
    grant.without.extend(narrowing.without.iter().cloned());
    grant.without.sort();
    grant.without.dedup();
    Ok(grant)
}
