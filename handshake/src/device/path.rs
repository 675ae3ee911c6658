//! The paths by which a device reaches cells: `/c/<name of the cell>/<first 8 hex digits of its digest>`.
//!
//! A path names a version of a cell, so a grant that was given before a cell changed names a different path, which
//! continues to work as long as that grant is valid.

use super::{DeviceTable, HOUR_MS};
use crate::encoding::{DeviceId, Digest32};
use serde::{Deserialize, Serialize};

/// Most paths that one device has at a time; a grant has as many at most.
pub const PATHS_MAX: usize = 64;
/// Longest name of a cell in bytes.
pub const CELL_NAME_BYTES_MAX: usize = 64;
/// First segments of paths that the host itself answers. No grant names them and no cell's manifest may claim them. A
/// proxy may or may not remove `/api`.
pub const HOSTS_OWN: [&str; 10] =
    [".upc", "api", "c", "health", "owner", "pipeline", "profile", "r", "redirect", "x"];
const DIGEST_DIGITS: usize = 8;
/// Ends of paths are rounded up to this, so that most sessions do not write to disk.
const UNTIL_STEP_MS: u64 = HOUR_MS;

/// A path that a device was granted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GrantedPath {
    pub path: String,
    pub until_ms: u64,
}

/// 1 to 64 of a-z, 0-9 and inner dashes.
pub fn is_cell_name(name: &str) -> bool {
    let sound = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    sound && (1..=CELL_NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with('-') && !name.ends_with('-')
}

/// The path of a cell whose WebAssembly has this SHA-256.
pub fn granted_path(cell: &str, digest: &Digest32) -> String {
    format!("/c/{cell}/{}", &digest.to_string()[..DIGEST_DIGITS])
}

/// Splits a request's path into the granted part and the name of the cell in it. `None` for every path that a later
/// reader could interpret as another one.
fn split(path: &str) -> Option<(&str, &str)> {
    let (cell, rest) = path.strip_prefix("/c/")?.split_once('/')?;
    let (version, inner) = rest.split_at_checked(DIGEST_DIGITS)?;
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if !is_cell_name(cell) || !version.bytes().all(is_digit) || !is_plain(inner) {
        return None;
    }
    Some((&path[..path.len() - inner.len()], cell))
}

/// Empty, or parts behind slashes: no empty part, no part of dots only, nothing that has another spelling.
fn is_plain(inner: &str) -> bool {
    let part = |part: &str| {
        let sound = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
        sound && !part.bytes().all(|byte| byte == b'.')
    };
    inner.is_empty() || inner.strip_prefix('/').is_some_and(|inner| inner.split('/').all(part))
}

impl DeviceTable {
    /// The name of the cell that a request's path leads to, if this device has been granted it and the grant is still
    /// valid. `path` has no query. This does not check whether the device's scopes allow calling the cell.
    pub fn path_allowed<'p>(&self, device: DeviceId, path: &'p str, now_ms: u64) -> Option<&'p str> {
        let (granted, cell) = split(path)?;
        let live = self.devices.get(&device)?.live()?;
        let known = live.paths.iter().find(|known| known.path == granted);
        known.filter(|known| now_ms < known.until_ms).map(|_| cell)
    }

    /// Records the paths of a grant that is valid until `until_ms`. They may work up to an hour longer. Where there are
    /// too many, the paths of older grants that would end first end now.
    pub(crate) fn grant_paths(&mut self, device: DeviceId, paths: &[String], until_ms: u64, now_ms: u64) {
        let until_ms = until_ms.div_ceil(UNTIL_STEP_MS).saturating_mul(UNTIL_STEP_MS);
        let Some(live) = self.devices.get_mut(&device).and_then(|device| device.live_mut()) else { return };
        let before = live.paths.clone();
        live.paths.retain(|known| now_ms < known.until_ms);
        for path in paths.iter().take(PATHS_MAX) {
            match live.paths.iter_mut().find(|known| known.path == *path) {
                Some(known) => known.until_ms = known.until_ms.max(until_ms),
                None => live.paths.push(GrantedPath { path: path.clone(), until_ms }),
            }
        }
        while live.paths.len() > PATHS_MAX {
            let older = live.paths.iter().enumerate().filter(|(_, known)| !paths.contains(&known.path));
            let Some((first, _)) = older.min_by_key(|(_, known)| known.until_ms) else { break };
            live.paths.remove(first);
        }
        if live.paths != before {
            self.touched();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_path_is_read_in_one_way_or_not_at_all() {
        let digest = Digest32([0xab; 32]);
        assert_eq!(granted_path("usercache-put", &digest), "/c/usercache-put/abababab");
        let granted = "/c/usercache-put/abababab";
        for inner in ["", "/usercache/put", "/a.b/..c", "/-/~_"] {
            assert_eq!(split(&format!("{granted}{inner}")), Some((granted, "usercache-put")), "{inner}");
        }
        for inner in [
            "/", "//", "/a/", "/.", "/..", "/a/../b", "/%2e%2e", "/a%2fb", "\\..", "/a?b", "0", "/\u{e9}",
            "/a b", "/...",
        ] {
            assert_eq!(split(&format!("{granted}{inner}")), None, "{inner}");
        }
        for path in [
            "",
            "/",
            "/c",
            "/c/",
            "/c//abababab",
            "/c/a",
            "/c/a/",
            "/c/a/ababab",
            "/c/A/abababab",
            "/c/a/ABABABAB",
            "/C/a/abababab",
            "c/a/abababab",
            "/c/-a/abababab",
            "/c/../abababab",
            "/c/a/\u{e9}bababab",
        ] {
            assert_eq!(split(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_makes_the_reader_panic(path in "/c/\\PC{0,40}") {
            if let Some((granted, cell)) = split(&path) {
                prop_assert!(path.starts_with(granted) && is_cell_name(cell));
                prop_assert!(!path.contains("/../") && !path.ends_with("/.."));
            }
        }
    }
}
