//! Writing the answer: at once if it is small, otherwise in pieces.

use cells_model::keys::{self, Class, KEYS};
use cells_model::page::{self, BadPage, Entry, Page};
use cells_sdk::{Area, EntrySource, Exchange, Failure, Query, ReadEntries, Response};

use crate::Wanted;
use crate::filter::Filter;
use crate::request::Truncation;

/// An answer that is shorter than this is sent at once.
const AT_ONCE_BYTES: usize = 256 << 10;
const PAGE_BYTES: u32 = 1 << 20;

const OPENING: &[u8] = br#"{"phone_data":["#;
const CLOSING: &[u8] = b"]}";

/// One part of the answer, in its order.
#[derive(Debug)]
struct Part<'a> {
    query: Query,
    filter: Filter<'a>,
}

/// Which of the matching entries are returned, counted from 0 through all parts.
#[derive(Debug, Clone, Copy)]
struct Chosen {
    skipped: u64,
    every: u64,
    end: u64,
}

impl Chosen {
    const ALL: Self = Self { skipped: 0, every: 1, end: u64::MAX };

    fn of(total: u64, max: u64, method: Truncation) -> Self {
        match method {
            _ if total <= max => Self::ALL,
            _ if max == 0 => Self { end: 0, ..Self::ALL },
            Truncation::First => Self { end: max, ..Self::ALL },
            Truncation::Last => Self { skipped: total - max, ..Self::ALL },
            Truncation::Sample => Self { every: total / max + 1, ..Self::ALL },
        }
    }

    fn has(&self, index: u64) -> bool {
        (self.skipped..self.end).contains(&index) && index.is_multiple_of(self.every)
    }

    fn has_all(&self, from: u64, count: u64) -> bool {
        self.every == 1 && self.skipped <= from && from + count <= self.end
    }

    fn has_none(&self, from: u64, count: u64) -> bool {
        from >= self.end || from + count <= self.skipped
    }
}

/// An answer while it is written.
pub(crate) struct Answer<'r, R> {
    runtime: &'r mut R,
    /// The part that has not been sent yet.
    held: Vec<u8>,
    begun: bool,
    first: bool,
    /// How many matching entries were read.
    seen: u64,
}

impl<'r, R: ReadEntries + Exchange> Answer<'r, R> {
    pub(crate) fn new(runtime: &'r mut R) -> Self {
        Self { runtime, held: OPENING.to_vec(), begun: false, first: true, seen: 0 }
    }

    /// The whole answer; the flag with a failure says whether a part of it was already sent.
    pub(crate) fn give(mut self, wanted: &Wanted) -> Result<Response, (Failure, bool)> {
        match self.give_parts(wanted) {
            Ok(()) => {
                self.held.extend_from_slice(CLOSING);
                Ok(Response::json(200, self.held))
            }
            Err(failure) => Err((failure, self.begun)),
        }
    }

    fn give_parts(&mut self, wanted: &Wanted) -> Result<(), Failure> {
        let parts = self.parts(wanted)?;
        let mut counts = Vec::with_capacity(parts.len());
        let chosen = match wanted.max {
            None => Chosen::ALL,
            Some((max, method)) => {
                for part in &parts {
                    counts.push(self.count(part)?);
                }
                Chosen::of(counts.iter().sum(), max, method)
            }
        };
        for (index, part) in parts.iter().enumerate() {
            match counts.get(index) {
                Some(count) if chosen.has_none(self.seen, *count) => self.seen += count,
                _ => self.give_part(part, &chosen)?,
            }
        }
        Ok(())
    }

    fn parts<'w>(&mut self, wanted: &'w Wanted) -> Result<Vec<Part<'w>>, Failure> {
        let date = wanted.date.as_ref();
        let query = |keys: Vec<String>| Query {
            keys,
            ..Query::of(&[], wanted.field).between(wanted.start, wanted.end)
        };
        let plain = Filter { date, ..Filter::default() };
        let waiting = Filter { from_phones: true, ..plain };
        let mut parts = Vec::with_capacity(3);
        let Some(keys) = &wanted.keys else {
            for (class, keys) in self.all_keys(&query)? {
                let unlisted = keys.is_empty().then_some(class == Class::Analysis);
                parts.push(Part { query: query(keys), filter: Filter { analysis: unlisted, ..plain } });
            }
            parts.push(Part { query: query(Vec::new()).in_area(Area::Usercache), filter: waiting });
            return Ok(parts);
        };
        let (analysis, raw): (Vec<_>, Vec<_>) = keys.iter().cloned().partition(|key| keys::is_analysis(key));
        // A query without keys means every key, but a list without such keys means none.
        for keys in [raw, analysis].into_iter().filter(|keys| !keys.is_empty()) {
            parts.push(Part { query: query(keys), filter: plain });
        }
        if !keys.is_empty() {
            parts.push(Part { query: query(keys.clone()).in_area(Area::Usercache), filter: waiting });
        }
        Ok(parts)
    }

    /// The keys of both classes. A query that names them need not check each entry; no keys: there are entries under
    /// others, so that each must be checked.
    fn all_keys(
        &mut self,
        query: &impl Fn(Vec<String>) -> Query,
    ) -> Result<[(Class, Vec<String>); 2], Failure> {
        let listed = [Class::Raw, Class::Analysis].map(|class| {
            let keys = KEYS.iter().filter(|info| info.class == class).map(|info| info.key.to_owned());
            (class, keys.collect::<Vec<_>>())
        });
        let mut counted = 0;
        for (_, keys) in &listed {
            counted += self.runtime.count(&query(keys.clone()))?;
        }
        let all = self.runtime.count(&query(Vec::new()))?;
        Ok(if counted == all { listed } else { listed.map(|(class, _)| (class, Vec::new())) })
    }

    fn count(&mut self, part: &Part<'_>) -> Result<u64, Failure> {
        if part.filter.lets_all_through() {
            return self.runtime.count(&part.query);
        }
        let mut count = 0;
        let mut cursor = self.runtime.find(&part.query)?;
        loop {
            let bytes = cursor.next_page(PAGE_BYTES)?;
            if bytes.is_empty() {
                return Ok(count);
            }
            let page = read_page(&bytes)?;
            count += page.entries().filter(|entry| part.filter.matches(entry)).count() as u64;
        }
    }

    fn give_part(&mut self, part: &Part<'_>, chosen: &Chosen) -> Result<(), Failure> {
        let mut cursor = self.runtime.find(&part.query)?;
        while self.seen < chosen.end {
            let bytes = cursor.next_page(PAGE_BYTES)?;
            if bytes.is_empty() {
                break;
            }
            if !part.filter.lets_all_through() {
                self.give_some(&read_page(&bytes)?, |entry| part.filter.matches(entry), chosen)?;
                continue;
            }
            let (count, payload) = page::as_a_whole(&bytes).map_err(refused)?;
            let count = count as u64;
            if chosen.has_all(self.seen, count) {
                self.write(payload)?;
                self.seen += count;
            } else if chosen.has_none(self.seen, count) {
                self.seen += count;
            } else {
                self.give_some(&read_page(&bytes)?, |_| true, chosen)?;
            }
        }
        Ok(())
    }

    /// Consecutive entries of the page are sent together.
    fn give_some(
        &mut self,
        page: &Page<'_>,
        matches: impl Fn(&Entry<'_>) -> bool,
        chosen: &Chosen,
    ) -> Result<(), Failure> {
        let (mut from, mut to, mut at) = (0, 0, 0);
        for entry in page.entries() {
            let end = at + entry.text.len();
            let mut given = false;
            if matches(&entry) {
                given = chosen.has(self.seen);
                self.seen += 1;
            }
            if given && from == to {
                from = at;
            }
            if given {
                to = end;
            } else if from < to {
                self.write(&page.payload().as_bytes()[from..to])?;
                (from, to) = (0, 0);
            }
            at = end + 1;
        }
        if from < to { self.write(&page.payload().as_bytes()[from..to]) } else { Ok(()) }
    }

    /// Adds entries that are joined by commas. Large ones are sent without a copy.
    fn write(&mut self, entries: &[u8]) -> Result<(), Failure> {
        if !std::mem::take(&mut self.first) {
            self.held.push(b',');
        }
        if self.held.len() + entries.len() <= AT_ONCE_BYTES {
            self.held.extend_from_slice(entries);
            return Ok(());
        }
        if !self.begun {
            self.runtime.begin(200, "application/json")?;
            self.begun = true;
        }
        self.runtime.write(&self.held)?;
        self.held.clear();
        if entries.len() >= AT_ONCE_BYTES / 4 {
            return self.runtime.write(entries);
        }
        self.held.extend_from_slice(entries);
        Ok(())
    }
}

fn read_page(bytes: &[u8]) -> Result<Page<'_>, Failure> {
    Page::read(bytes).map_err(refused)
}

fn refused(bad: BadPage) -> Failure {
    Failure::Invalid(bad.to_string())
}
