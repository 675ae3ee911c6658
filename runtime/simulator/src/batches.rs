//! Entries in batches like those that a phone sends.

/// The transition that ends a trip on either system; for an iPhone, the second of its two.
const STOPS: [&str; 2] = [
    "\"currState\":\"local.state.ongoing_trip\",\"transition\":\"local.transition.stopped_moving\"",
    "\"currState\":\"STATE_WAITING_FOR_TRIP_START\",\"transition\":\"T_TRIP_ENDED\"",
];

/// Splits entries as phones do: a batch reaches up to the end of a trip, and no batch has more than `max` entries
/// (phones: 10,000; 0 counts as 1). The last batch has the entries after the last trip.
pub fn batches(entries: &[String], max: usize) -> Vec<&[String]> {
    let mut batches = Vec::new();
    let mut start = 0;
    for (index, entry) in entries.iter().enumerate() {
        if STOPS.iter().any(|stop| entry.contains(stop)) {
            batches.extend(entries[start..=index].chunks(max.max(1)));
            start = index + 1;
        }
    }
    batches.extend(entries[start..].chunks(max.max(1)));
    batches
}

/// The body of a put: `{"user":…,"phone_to_server":[…]}`. A token contains no character that JSON escapes.
pub fn put_body(token: &str, batch: &[String]) -> String {
    let mut body = String::with_capacity(64 + batch.iter().map(|entry| entry.len() + 1).sum::<usize>());
    body.push_str("{\"user\":\"");
    body.push_str(token);
    body.push_str("\",\"phone_to_server\":[");
    for (index, entry) in batch.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        body.push_str(entry);
    }
    body.push_str("]}");
    body
}
