//! What a request says besides its path and its body, as far as a cell may know it.
//!
//! * Invariants: only the headers that the contract names are kept, so no cell sees who a caller is by a header; what is
//!   kept is bounded.
//! * Units: sizes are bytes.

use std::fmt;

use handshake::device::Scope;
use runtime_sandbox::{HEADERS, RequestHead};

/// The longest query of a request for a cell, bytes.
pub const QUERY_BYTES_MAX: usize = 4_096;
/// The longest value of a header that a cell may read, bytes.
pub const HEADER_BYTES_MAX: usize = 1_024;

/// Why a request's head is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadHead {
    /// The query is too long.
    #[error("the query has {bytes} bytes, over the limit of {QUERY_BYTES_MAX}: send it in the body")]
    LongQuery {
        /// Its size.
        bytes: usize,
    },
    /// A header is too long.
    #[error("the header {name} has {bytes} bytes, over the limit of {HEADER_BYTES_MAX}")]
    LongHeader {
        /// Its name.
        name: &'static str,
        /// The size of its value.
        bytes: usize,
    },
}

/// The methods by which a cell is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// `GET`: for cells that people have installed.
    Get,
    /// `POST`: for every cell.
    #[default]
    Post,
}

impl Method {
    /// Its written form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

/// The head of a request to a cell. By default a `POST` that says nothing else.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Head {
    method: Method,
    query: String,
    headers: Vec<(&'static str, String)>,
}

/// Without the contents: an address may be part of a query.
impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| *name).collect();
        let mut shown = f.debug_struct("Head");
        shown.field("method", &self.method).field("query_bytes", &self.query.len()).field("headers", &names);
        shown.finish()
    }
}

impl Head {
    /// The head of a request. `query` is what stands behind the question mark, as it was sent; `header` gives the value
    /// of a header by its name in lower case, and is asked for those of the contract alone.
    ///
    /// # Errors
    /// [`BadHead`] for what is too long.
    pub fn new(
        method: Method,
        query: &str,
        header: impl Fn(&'static str) -> Option<String>,
    ) -> Result<Self, BadHead> {
        if query.len() > QUERY_BYTES_MAX {
            return Err(BadHead::LongQuery { bytes: query.len() });
        }
        let mut headers = Vec::new();
        for (name, value) in HEADERS.iter().filter_map(|name| Some((*name, header(name)?))) {
            if value.len() > HEADER_BYTES_MAX {
                return Err(BadHead::LongHeader { name, bytes: value.len() });
            }
            headers.push((name, value));
        }
        Ok(Self { method, query: query.to_owned(), headers })
    }

    /// The query of a request that was kept, and nothing else.
    pub(crate) fn of_query(query: String) -> Self {
        Self { query, ..Self::default() }
    }

    /// The query.
    pub(crate) fn query(&self) -> &str {
        &self.query
    }

    /// As the sandbox passes it on, with the scope under which the caller reached the path.
    pub(crate) fn shown(&self, scope: Scope) -> RequestHead {
        let headers = self.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        RequestHead {
            method: self.method.as_str().to_owned(),
            query: self.query.clone(),
            headers: headers.collect(),
            scope: scope.as_str().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_181_a_head_that_is_too_long_is_refused_by_its_size_and_never_shortened() {
        let of = |query: usize, header: usize| {
            Head::new(Method::Get, &"q".repeat(query), |name| (name == "accept").then(|| "a".repeat(header)))
        };
        assert!(of(QUERY_BYTES_MAX, HEADER_BYTES_MAX).is_ok());
        let bytes = QUERY_BYTES_MAX + 1;
        assert_eq!(of(bytes, 0), Err(BadHead::LongQuery { bytes }));
        let bytes = HEADER_BYTES_MAX + 1;
        assert_eq!(of(0, bytes), Err(BadHead::LongHeader { name: "accept", bytes }));
    }

    #[test]
    fn a_head_asks_for_the_headers_of_the_contract_alone_and_shows_none_of_them_when_it_is_printed() {
        let asked = std::cell::RefCell::new(Vec::new());
        let head = Head::new(Method::Get, "place=marker", |name| {
            asked.borrow_mut().push(name);
            (name != "if-none-match").then(|| "marker".to_owned())
        });
        let head = head.expect("short");
        assert_eq!(asked.into_inner(), HEADERS);
        let shown = head.shown(Scope::DatastreamsRead);
        assert_eq!((shown.method.as_str(), shown.query.as_str()), ("GET", "place=marker"));
        assert_eq!((shown.headers.len(), shown.scope.as_str()), (3, "datastreams:read"));
        assert!(!format!("{head:?}").contains("marker"));
        assert_eq!(Head::default().shown(Scope::Profile).method, RequestHead::default().method);
    }
}
