//! Further interfaces of `wit/0.2/cell.wit` as traits: a private state, what the owner has agreed to, and the head of a
//! request.

use crate::Failure;

/// `state`: keys and values that no other cell and no device reads; committed when the run succeeds.
pub trait State {
    /// The value of a key of 1 to 256 bytes; `None` where it has none.
    fn value(&mut self, key: &str) -> Result<Option<Vec<u8>>, Failure>;
    /// Sets the value of a key, at most 256 KiB.
    fn put_value(&mut self, key: &str, value: &[u8]) -> Result<(), Failure>;
    /// Removes a key.
    fn delete_value(&mut self, key: &str) -> Result<(), Failure>;
    /// Keys behind `after` that begin with `prefix`, with their values: at most `keys_max` (1 to 1,024) and about 1 MiB.
    /// Empty: the end.
    fn scan(
        &mut self,
        prefix: &str,
        after: Option<&str>,
        keys_max: u32,
    ) -> Result<Vec<(String, Vec<u8>)>, Failure>;
}

/// `context`: what the owner has agreed to.
pub trait Terms {
    /// In the words of the grant; empty if it names no purpose.
    fn purpose(&mut self) -> String;
    /// The lines that allow reading; empty: the runtime does not say.
    fn grant(&mut self) -> Vec<Granted>;
}

/// One line of a grant, as the owner has narrowed it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Granted {
    /// `timeseries`, `usercache` or `errors`.
    pub area: String,
    /// A key, or a pattern in which a whole part is `*`.
    pub streams: String,
    /// The time from which on entries are visible, s.
    pub since: Option<f64>,
    /// The time up to which entries are visible, s.
    pub until: Option<f64>,
    /// Places are rounded to this many metres; 0: as they are.
    pub place_precision_m: f64,
    /// Times are rounded to this many seconds; 0: as they are.
    pub time_precision_s: f64,
    /// Members of `data` that are left out.
    pub left_out: Vec<String>,
}

/// `request`: the request's head besides what [`Request`](crate::Request) has.
pub trait RequestHead {
    /// Such as `POST`.
    fn method(&mut self) -> String;
    /// The query of the address, without the question mark.
    fn query(&mut self) -> String;
    /// The value of `accept`, `accept-language`, `content-type` or `if-none-match`; of no other header.
    fn header(&mut self, name: &str) -> Option<String>;
    /// What the caller was allowed, such as `datastreams:read`; empty if the runtime does not say.
    fn scope(&mut self) -> String;
}
