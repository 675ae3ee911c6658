//! GPSLogger with the template that `cellar receiver add` prints: one point in the query of each request, m/s.

use crate::parameters::Parameters;
use crate::reading::Record;

/// The record of a request.
pub fn records<'a>(query: &'a str, body: &'a str) -> Vec<Record<'a>> {
    let sent = if query.is_empty() { body } else { query };
    match sent {
        "" => Vec::new(),
        sent => vec![Record::of_query(sent, Parameters::of(sent).read(1.0))],
    }
}
