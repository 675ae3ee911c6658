//! The labels that a person adds to those of their study, such as a mode of their own. The app keeps a list for each
//! kind of label and shows the ones that are used most first.
//!
//! | path, below `customlabel` | request | answer |
//! |---|---|---|
//! | `get` | `keys`: kinds of labels | for each of them the list of its labels |
//! | `insert` | `inserted_label`: `key`, `label` | `label`: the list of that kind |
//! | `update` | `updated_label`: `key`, `old_label`, `new_label`, `is_new_label_must_added` | the same |
//! | `delete` | `deleted_label`: `key`, `label` | the same |
//!
//! * A list has the labels in use, by how many trips they stand for, the most first; of equal ones the oldest first.
//! * `insert` adds a label that stands for no trip, or brings back one that was deleted. `update` says that a trip went
//!   from one label to another: it adds one to the new label and takes one from the old. A count may fall below 0.
//! * `delete` keeps the count, for the day on which the label comes back.
//! * All of this is the reference's behaviour; it keeps the labels in the profile, Cellar in a document of their own.

mod labels;

use cells_sdk::{Documents, Exchange, Failure, Request, Response, read_body};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub use labels::{BadLabel, KEY_BYTES_MAX, LABEL_BYTES_MAX, LABELS_BYTES_MAX, Labels};

/// The document with a person's labels.
pub const DOCUMENT: &str = "custom-labels";
/// The largest request, bytes.
pub const LABELS_REQUEST_BYTES_MAX: usize = 64 << 10;

/// Why a request was refused; nothing was changed.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("there is no operation of that name; there are get, insert, update and delete")]
    Operation,
    #[error("the request has more than {LABELS_REQUEST_BYTES_MAX} bytes")]
    TooLong,
    #[error("the request is not what this path takes: {0}")]
    Request(#[from] serde_json::Error),
    #[error(transparent)]
    Label(#[from] BadLabel),
    #[error(transparent)]
    Runtime(#[from] Failure),
}

#[derive(Deserialize)]
struct Get {
    keys: Vec<String>,
}

#[derive(Deserialize)]
struct Insert {
    inserted_label: Named,
}

#[derive(Deserialize)]
struct Update {
    updated_label: Changed,
}

#[derive(Deserialize)]
struct Delete {
    deleted_label: Named,
}

#[derive(Deserialize)]
struct Named {
    key: String,
    label: String,
}

#[derive(Deserialize)]
struct Changed {
    key: String,
    old_label: String,
    new_label: String,
    is_new_label_must_added: bool,
}

/// Answers `customlabel/get`, `insert`, `update` and `delete`.
pub fn handle<R: Documents + Exchange>(runtime: &mut R, request: &Request) -> Result<Response, String> {
    match answer(runtime, request) {
        Ok(value) => Ok(Response::json(200, value.to_string())),
        Err(Refused::Runtime(Failure::Denied(what))) => Err(format!("denied: {what}")),
        Err(refused) => Ok(refusal(&refused)),
    }
}

fn answer<R: Documents + Exchange>(runtime: &mut R, request: &Request) -> Result<Value, Refused> {
    if request.body_bytes > LABELS_REQUEST_BYTES_MAX as u64 {
        return Err(Refused::TooLong);
    }
    let body = read_body(runtime, LABELS_REQUEST_BYTES_MAX)?;
    let labels = Labels::read(runtime.document(DOCUMENT)?.as_deref());
    match request.rest.as_str() {
        "get" => {
            let Get { keys } = serde_json::from_slice(&body)?;
            let lists = keys.into_iter().map(|key| (key.clone(), json!(labels.list(&key))));
            Ok(Value::Object(lists.collect::<Map<_, _>>()))
        }
        "insert" => {
            let Insert { inserted_label: Named { key, label } } = serde_json::from_slice(&body)?;
            change(runtime, labels, &key, |labels| labels.insert(&key, &label, request.now))
        }
        "update" => {
            let Update { updated_label: changed } = serde_json::from_slice(&body)?;
            let Changed { key, old_label, new_label, is_new_label_must_added: adds } = changed;
            change(runtime, labels, &key, |labels| {
                labels.update(&key, &old_label, &new_label, adds, request.now)
            })
        }
        "delete" => {
            let Delete { deleted_label: Named { key, label } } = serde_json::from_slice(&body)?;
            change(runtime, labels, &key, |labels| {
                labels.delete(&key, &label);
                Ok(())
            })
        }
        _ => Err(Refused::Operation),
    }
}

/// Changes the labels, and answers the list of one kind.
fn change<R: Documents>(
    runtime: &mut R,
    mut labels: Labels,
    key: &str,
    what: impl FnOnce(&mut Labels) -> Result<(), BadLabel>,
) -> Result<Value, Refused> {
    what(&mut labels)?;
    runtime.put_document(DOCUMENT, &labels.written()?)?;
    Ok(json!({ "label": labels.list(key) }))
}

fn refusal(refused: &Refused) -> Response {
    let (status, code) = match refused {
        Refused::Operation => (404, "unknown_operation"),
        Refused::TooLong => (413, "request_too_long"),
        Refused::Request(_) => (400, "bad_request"),
        Refused::Label(_) => (413, "label_too_large"),
        Refused::Runtime(_) => (503, "store_unavailable"),
    };
    Response::json(status, json!({ "error": { "code": code, "message": refused.to_string() } }).to_string())
}

cells_sdk::export_endpoint!(handle);

#[cfg(test)]
mod tests;
