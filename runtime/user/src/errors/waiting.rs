//! Why an entry waits in the usercache.

use cells_model::text::value_of;
use runtime_store::Row;

/// In words for the owner, at `now`, s.
pub(super) fn reason(row: &Row<'_>, now: f64) -> &'static str {
    if value_of(row.metadata, "type") == Some("\"document\"") {
        "it is a document for a phone, which no run takes in"
    } else if row.write_ts > now {
        "it is dated ahead of the host's clock, and waits until that has come so far"
    } else {
        "the next run takes it in"
    }
}
