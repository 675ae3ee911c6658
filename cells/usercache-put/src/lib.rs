//! Accepts the uploads of a phone: `{"phone_to_server":[entry,…]}`, or `{"the_entry":entry}`. With
//! `deployment_config_version`, and perhaps `app_version`, the phone asks for the configuration of its study too; other
//! members are ignored.
//!
//! A phone deletes its copy when it reads 200, and sends a refused batch again for ever. So a body is refused only if
//! its entries cannot be separated, or if a valid entry is without its identity (`metadata.type`, `metadata.key`,
//! `metadata.write_ts`); the refusal gives a reason for the phone's developer, and nothing of the batch is stored.
//! Everything else is accepted, and an entry that later readers could not read is set aside with a reason for its
//! owner.
//!
//! * Memory: the body is read in pieces; one entry and [`ROWS_BYTES`] of rows are in memory at a time.
//! * Speed: an entry that is within one piece and has the usual form is read in one pass ([`parse_usual`]).
//! * Entries keep their bytes, except for a clock in milliseconds and dots in the names of `stats/*` data.
//! * Not here: what entries mean (`usercache-to-timeseries`), and when two are the same (the store).

mod app_config;
mod fast_path;
mod profile;
pub mod properties;
mod splitter;

use cells_model::aside;
use cells_model::rows::{Row, Rows};
use cells_model::sent::{BadEntry, Parsed, parse};
use cells_model::{EntryId, text};
use cells_sdk::{Documents, Exchange, Failure, Request, Response, Usercache};

pub use app_config::{APP_CONFIG, newer};
pub use fast_path::parse_usual;
pub use splitter::{BadBody, ENTRY_BYTES_MAX, Form, Piece, Said, Splitter};

use profile::Seen;

/// Rows are sent to the store when they are this long together, bytes: as much as stays in a processor's cache on its
/// way through both memories.
pub const ROWS_BYTES: usize = 64 << 10;

const READ_BYTES: u32 = 64 << 10;

/// Why a request was refused. Nothing of it is stored.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The entries of the body cannot be separated.
    #[error(transparent)]
    Body(#[from] BadBody),
    /// An entry has no identity.
    #[error("{bad}")]
    Entry {
        /// Its index, from 0.
        index: u64,
        /// Why.
        bad: BadEntry,
    },
    /// The runtime refused a call.
    #[error(transparent)]
    Runtime(#[from] Failure),
}

/// Answers `usercache/put` and `usercache/putone`.
pub fn handle<R: Usercache + Documents + Exchange>(
    runtime: &mut R,
    request: &Request,
) -> Result<Response, String> {
    let mut batch = Batch::new(runtime, request.now);
    match batch.take_body() {
        Ok(Form::Many) => {
            let (stored, set_aside) = (batch.stored, batch.set_aside);
            let config = batch.newer_config();
            let config = config.map_or_else(String::new, |text| format!(r#","deployment_config":{text}"#));
            Ok(Response::json(200, format!(r#"{{"stored":{stored},"set_aside":{set_aside}{config}}}"#)))
        }
        Ok(Form::One) => Ok(Response::json(200, r#"{"putone":true}"#)),
        Err(Refused::Runtime(Failure::Denied(what))) => Err(format!("denied: {what}")),
        Err(refused) => Ok(refusal(&refused)),
    }
}

fn refusal(refused: &Refused) -> Response {
    let (status, code, place) = match refused {
        Refused::Body(bad @ BadBody::EntryTooLong { index }) => {
            (413, bad.code(), format!(r#","entry":{index}"#))
        }
        Refused::Body(bad) => (400, bad.code(), bad.place()),
        Refused::Entry { index, .. } => (400, "entry_without_identity", format!(r#","entry":{index}"#)),
        Refused::Runtime(Failure::OverBudget(_)) => (413, "too_large", String::new()),
        Refused::Runtime(Failure::Invalid(_)) => (400, "refused_by_the_store", String::new()),
        Refused::Runtime(_) => (503, "store_unavailable", String::new()),
    };
    let message = text::quoted(&refused.to_string());
    Response::json(status, format!(r#"{{"error":{{"code":"{code}","message":{message}{place}}}}}"#))
}

struct Batch<'r, R> {
    runtime: &'r mut R,
    now: f64,
    good: Rows,
    bad: Rows,
    stored: u64,
    set_aside: u64,
    seen: Seen,
    said: Said,
}

impl<'r, R: Usercache + Documents + Exchange> Batch<'r, R> {
    fn new(runtime: &'r mut R, now: f64) -> Self {
        Self {
            runtime,
            now,
            good: Rows::new(),
            bad: Rows::new(),
            stored: 0,
            set_aside: 0,
            seen: Seen::default(),
            said: Said::default(),
        }
    }

    fn take_body(&mut self) -> Result<Form, Refused> {
        let mut splitter = Splitter::new();
        loop {
            let bytes = self.runtime.read(READ_BYTES)?;
            if bytes.is_empty() {
                break;
            }
            let text = text_of(&bytes);
            let mut rest = &bytes[..];
            loop {
                if splitter.before_entry(&mut rest)?
                    && let Some((length, entry)) = text.get(bytes.len() - rest.len()..).and_then(parse_usual)
                {
                    splitter.passed(length);
                    rest = &rest[length..];
                    self.take_entry(entry)?;
                    continue;
                }
                let Some(piece) = splitter.next(&mut rest)? else { break };
                let index = self.stored + self.set_aside;
                let entry = parse(piece.bytes, piece.depth);
                self.take_entry(entry.map_err(|bad| Refused::Entry { index, bad })?)?;
            }
        }
        self.said = splitter.said().clone();
        let form = splitter.finish()?;
        self.flush()?;
        self.seen.write_down(self.runtime)?;
        Ok(form)
    }

    /// The configuration that the phone lacks. A batch is worth more than it: a store that cannot be read has none.
    fn newer_config(&mut self) -> Option<String> {
        self.said.config_version?;
        let config = self.runtime.document(APP_CONFIG).ok().flatten()?;
        newer(config, &self.said)
    }

    fn take_entry(&mut self, entry: Parsed<'_>) -> Result<(), Refused> {
        let Parsed { key, metadata, data, write_ts, data_ts, aside } = entry;
        let row = Row { id: EntryId::NONE, key: &key, metadata: &metadata, data: &data, extra: "" };
        match aside {
            None => {
                self.good.push(row);
                self.stored += 1;
                self.seen.entry(&key, write_ts, data_ts);
            }
            Some((why, kept)) => {
                let extra = aside::Error { kept, ..aside::Error::new(why, self.now) }.member();
                self.bad.push(Row { extra: &extra, ..row });
                self.set_aside += 1;
                self.seen.entry("", write_ts, None);
            }
        }
        let rows_bytes = self.good.as_bytes().len() + self.bad.as_bytes().len();
        if rows_bytes < ROWS_BYTES { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), Refused> {
        if !self.good.is_empty() {
            self.runtime.put(&self.good)?;
            self.good.clear();
        }
        if !self.bad.is_empty() {
            self.runtime.set_aside(&self.bad)?;
            self.bad.clear();
        }
        Ok(())
    }
}

/// The text that the bytes are, as far as they are one.
fn text_of(bytes: &[u8]) -> &str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()])
            .expect("the bytes before `valid_up_to` are valid UTF-8"),
    }
}

cells_sdk::export_endpoint!(handle);

#[cfg(test)]
mod tests;
