//! Turns a dump into what a phone sends: entries without the server's own members, in batches.

use cells_model::list::{BadList, items};
use cells_model::text::{self, BadObject, Member, value_of};

use crate::unformat::unformat;

/// How many entries a phone sends in one sync.
pub const ENTRIES_PER_BATCH_MAX: usize = 10_000;
/// Largest batch, bytes: well below the host's default limit of 64 MiB.
const BATCH_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Why a file is not a dump.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadDump {
    /// The file is neither an array of entries nor a phone's batch.
    #[error("neither an array of entries nor an object with `phone_to_server`")]
    Form(#[source] BadList),
    /// An entry is not an object.
    #[error("entry {index} is not an object")]
    Entry {
        /// The position of the entry, from 0.
        index: usize,
        /// The cause.
        #[source]
        source: BadObject,
    },
}

/// The entries of a dump (`[entry, ...]`, `{"entries": [...]}`) or of a phone's batch (`{"phone_to_server": [...]}`) in
/// the form in which a phone sends them: without `_id` and `user_id`, and as they were before a server accepted them.
/// Entries that a server made (`metadata.platform` is `server`) are left out.
///
/// # Errors
/// [`BadDump`] where the text is neither.
pub fn entries_of(dump: &str) -> Result<Vec<String>, BadDump> {
    let array = ["phone_to_server", "entries"].iter().find_map(|name| value_of(dump, name));
    let found = items(array.unwrap_or(dump).as_bytes()).map_err(BadDump::Form)?;
    let found = found
        .into_iter()
        .map(|item| std::str::from_utf8(item).expect("a text is cut at its brackets and commas"));
    let strip = |(index, entry): (usize, &str)| {
        as_a_phone_sends_it(entry).map_err(|source| BadDump::Entry { index, source }).transpose()
    };
    found.enumerate().filter_map(strip).collect()
}

fn as_a_phone_sends_it(entry: &str) -> Result<Option<String>, BadObject> {
    let (metadata, data) = (value_of(entry, "metadata"), value_of(entry, "data"));
    let platform = metadata.and_then(|metadata| value_of(metadata, "platform"));
    if platform == Some("\"server\"") {
        return Ok(None);
    }
    // An entry that is not formatted as expected is sent unchanged: the host reports what is wrong with it.
    let before = match metadata.zip(data) {
        Some((metadata, data)) => unformat(metadata, data).unwrap_or_default(),
        None => None,
    };
    let mut text = String::with_capacity(entry.len());
    text.push('{');
    for member in text::members(entry) {
        let Member { name, value, .. } = member?;
        let value = match (name, &before) {
            ("_id" | "user_id", _) => continue,
            ("metadata", Some((metadata, _))) => metadata,
            ("data", Some((_, data))) => data,
            _ => value,
        };
        if text.len() > 1 {
            text.push(',');
        }
        text.push('"');
        text.push_str(name);
        text.push_str("\":");
        text.push_str(value);
    }
    text.push('}');
    Ok(Some(text))
}

/// Bodies of `/usercache/put` that contain these entries in order, each with the number of its entries.
pub fn batches<'a>(token: &'a str, entries: &'a [String]) -> impl Iterator<Item = (String, usize)> + 'a {
    // A paired phone has no token, so it sends no `user`.
    let user = if token.is_empty() { String::new() } else { format!("\"user\":\"{token}\",") };
    let mut rest = entries;
    std::iter::from_fn(move || {
        let first = rest.first()?;
        let mut bytes = first.len();
        let fits = |entry: &&String| {
            bytes += entry.len() + 1;
            bytes <= BATCH_BYTES_MAX
        };
        let count = 1 + rest[1..].iter().take(ENTRIES_PER_BATCH_MAX - 1).take_while(fits).count();
        let (some, behind) = rest.split_at(count);
        rest = behind;
        Some((format!("{{{user}\"phone_to_server\":[{}]}}", some.join(",")), count))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_members_are_left_out_and_the_rest_stays_as_it_is() {
        let dump = r#"[{"_id":{"$oid":"x"},"user_id":7,"metadata":{"key": "a/b"},"data":{"x": 1.50}}]"#;
        let want = vec![r#"{"metadata":{"key": "a/b"},"data":{"x": 1.50}}"#.to_owned()];
        assert_eq!(entries_of(dump), Ok(want.clone()));
        for name in ["phone_to_server", "entries"] {
            assert_eq!(entries_of(&format!("{{\"user\":\"t\",\"{name}\":{dump}}}")), Ok(want.clone()));
        }
    }

    #[test]
    fn batches_hold_every_entry_once_in_order() {
        let entries: Vec<String> = (0..25_001).map(|index| format!("{{\"n\":{index}}}")).collect();
        let all: Vec<(String, usize)> = batches("t", &entries).collect();
        assert_eq!(all.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [10_000, 10_000, 5_001]);
        let again: Vec<String> = all.iter().flat_map(|(body, _)| entries_of(body).expect("sound")).collect();
        assert_eq!(again, entries);
    }

    #[test]
    fn large_entries_make_small_batches() {
        let entries = vec![format!("\"{}\"", "x".repeat(BATCH_BYTES_MAX / 2)); 3];
        assert_eq!(batches("t", &entries).map(|(_, count)| count).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn what_is_no_dump_is_refused_and_the_entry_is_named() {
        assert!(matches!(entries_of("{}"), Err(BadDump::Form(_))));
        assert!(matches!(entries_of("[{},7]"), Err(BadDump::Entry { index: 1, .. })));
    }
}
