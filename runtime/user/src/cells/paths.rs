//! The paths that lead to endpoint cells: a table built from their manifests, read once for each request.
//!
//! * Invariants: a path leads to one cell; no path begins like one of the host's own.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use handshake::device::{HOSTS_OWN, Scope, is_cell_name};
use runtime_manifest::PathToml;

use super::installed::PREFIX;
use super::manifest::Manifest;

/// How many segments a path has at most, including the segment after it.
pub const SEGMENTS_MAX: usize = 5;

/// How long a path may be, bytes: a sealed upload stores its length in one byte.
const PATH_BYTES_MAX: usize = 128;
/// How long a segment may be, bytes.
const REST_BYTES_MAX: usize = 32;

/// A path that leads to a cell, as its manifest describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointPath {
    /// A path such as `usercache/put`, without a slash at either end.
    pub path: String,
    /// The scope that a paired device needs.
    pub scope: Scope,
    /// Whether one more segment follows.
    pub has_rest: bool,
    /// Whether a success means that the pipeline has new data.
    pub brings_data: bool,
    /// Whether a call may be kept sealed while the person's store is locked.
    pub waits_while_locked: bool,
    /// Whether only the host itself calls it, for the path of a receiver.
    pub by_receiver: bool,
    /// See [`Self::template`].
    template: String,
}

impl EndpointPath {
    /// Built from the manifest's entry; `None` for a path that no request could name, or that belongs to the host.
    pub(super) fn new(written: &PathToml, scope: Scope) -> Option<Self> {
        let PathToml { path, rest, brings_data, waits_while_locked, by_receiver, .. } = written;
        let segments: Vec<_> = path.split('/').collect();
        let count = segments.len() + usize::from(rest.is_some());
        let fits = count <= SEGMENTS_MAX && path.len() <= PATH_BYTES_MAX;
        let own = HOSTS_OWN.contains(&segments[0]);
        let named = rest.as_deref().is_none_or(is_segment);
        if !fits || own || !named || !segments.iter().all(|segment| is_fixed(segment)) {
            return None;
        }
        let template = match rest {
            Some(rest) => format!("/{path}/<{rest}>"),
            None => format!("/{path}"),
        };
        Some(Self {
            path: path.clone(),
            scope,
            has_rest: rest.is_some(),
            brings_data: *brings_data,
            waits_while_locked: *waits_while_locked,
            by_receiver: *by_receiver,
            template,
        })
    }

    /// The path as logs show it: with the name of the segment after it, never its value.
    pub fn template(&self) -> &str {
        &self.template
    }
}

/// The first segment of the paths that lead to cells which people have installed.
pub(crate) const INSTALLED: &str = "x";

/// The path of an installed cell in general: who has installed it is found out when it is called.
static INSTALLED_PATH: LazyLock<Arc<EndpointPath>> = LazyLock::new(|| {
    Arc::new(EndpointPath {
        path: INSTALLED.to_owned(),
        scope: Scope::DatastreamsRead,
        has_rest: true,
        brings_data: false,
        waits_while_locked: false,
        by_receiver: false,
        template: format!("/{INSTALLED}/<cell>"),
    })
});

fn installed(name: &str, rest: &[&str]) -> Option<Target> {
    let sound = is_cell_name(name) && rest.iter().all(|segment| is_segment(segment));
    sound.then(|| Target {
        cell: format!("{PREFIX}{name}").into(),
        path: Arc::clone(&INSTALLED_PATH),
        rest: rest.join("/"),
    })
}

/// 1 to 32 of a-z, 0-9, `_` and `-`: characters that a URL does not escape.
fn is_segment(segment: &str) -> bool {
    let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=REST_BYTES_MAX).contains(&segment.len()) && segment.bytes().all(plain)
}

/// The same with A-Z, and with dots that are not at its ends: the reference has `getTrips` and `pop.route`.
fn is_fixed(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let ends = segment.starts_with('.') || segment.ends_with('.');
    (1..=REST_BYTES_MAX).contains(&segment.len()) && segment.bytes().all(plain) && !ends
}

/// The target of a request. Found once, by [`Paths::find`], and carried through the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The cell that answers.
    pub cell: Arc<str>,
    /// The manifest's description of the path.
    pub path: Arc<EndpointPath>,
    /// The segment after the path; empty if the path allows none.
    pub rest: String,
}

impl Target {
    /// Whether it is a cell that the person has installed, if they have it.
    pub fn is_installed(&self) -> bool {
        self.cell.starts_with(PREFIX)
    }
}

/// Every path that leads to a cell.
#[derive(Debug, Default)]
pub struct Paths {
    known: HashMap<String, (Arc<str>, Arc<EndpointPath>)>,
}

impl Paths {
    /// Adds the paths of a cell; `Err` holds a path that another cell has.
    pub fn add<'m>(&mut self, manifest: &'m Manifest) -> Result<(), &'m str> {
        let cell: Arc<str> = manifest.name.as_str().into();
        for path in &manifest.paths {
            let target = (Arc::clone(&cell), Arc::clone(path));
            if self.known.insert(path.path.clone(), target).is_some() {
                return Err(&path.path);
            }
        }
        Ok(())
    }

    /// The target of a path, given by its segments.
    pub fn find(&self, segments: &[&str]) -> Option<Target> {
        let of = |segments: &[&str], rest: &str| {
            let (cell, path) = self.known.get(&segments.join("/"))?;
            let fits = path.has_rest != rest.is_empty();
            fits.then(|| Target { cell: Arc::clone(cell), path: Arc::clone(path), rest: rest.to_owned() })
        };
        if segments.len() > SEGMENTS_MAX {
            return None;
        }
        if let [INSTALLED, name, rest @ ..] = segments {
            return installed(name, rest);
        }
        of(segments, "").or_else(|| {
            let (rest, before) = segments.split_last()?;
            if is_segment(rest) { of(before, rest) } else { None }
        })
    }

    /// As [`Self::find`], for a path such as `datastreams/find_entries/timestamp`, without a slash at either end.
    pub fn find_path(&self, path: &str) -> Option<Target> {
        self.find(&path.split('/').collect::<Vec<_>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(rest: &str) -> Paths {
        let text = format!(
            "name = \"notes\"\nversion = 1\nworld = \"endpoint\"\n\
             [[paths]]\npath = \"notes/list\"\nscope = \"datastreams:read\"\n{rest}"
        );
        let mut paths = Paths::default();
        paths.add(&Manifest::parse(&text).expect("a manifest")).expect("one path");
        paths
    }

    #[test]
    fn a_path_is_found_with_what_follows_it_and_only_where_something_may() {
        let plain = paths("");
        let found = plain.find_path("notes/list").expect("found");
        assert_eq!((&*found.cell, found.rest.as_str(), found.path.template()), ("notes", "", "/notes/list"));
        for other in ["", "notes", "notes/list/", "notes/list/x", "/notes/list", "notes//list", "Notes/list"]
        {
            assert_eq!(plain.find_path(other), None, "{other}");
        }
        let followed = paths("rest = \"kind\"");
        let found = followed.find_path("notes/list/a_1").expect("found");
        assert_eq!((found.rest.as_str(), found.path.template()), ("a_1", "/notes/list/<kind>"));
        let long = "a".repeat(REST_BYTES_MAX + 1);
        for other in ["notes/list", "notes/list/a/b", "notes/list/..", "notes/list/%2e", &long] {
            assert_eq!(followed.find_path(other), None, "{other}");
        }
    }

    #[test]
    fn no_cell_has_a_path_that_is_the_hosts_or_that_no_request_could_name() {
        let path = |path: &str| {
            let written = PathToml {
                path: path.to_owned(),
                scope: String::new(),
                rest: None,
                brings_data: false,
                waits_while_locked: false,
                by_receiver: false,
            };
            EndpointPath::new(&written, Scope::Profile).is_some()
        };
        assert!(path("notes") && path("a/b/c/d/e") && path("timeline/getTrips") && path("heatmap/pop.route"));
        let own = HOSTS_OWN.map(|own| format!("{own}/x"));
        let other = ["", "/a", "a/", "a//b", "a/b.", "a/.b", "a/.", "a/..", "a b", "a/%20", "a/b/c/d/e/f"];
        for bad in own.iter().map(String::as_str).chain(other) {
            assert!(!path(bad), "{bad}");
        }
    }

    #[test]
    fn two_cells_cannot_have_one_path() {
        let text = "name = \"other\"\nversion = 1\nworld = \"endpoint\"\n[[paths]]\npath = \"notes/list\"\nscope = \"profile\"";
        let other = Manifest::parse(text).expect("a manifest");
        assert_eq!(paths("").add(&other), Err("notes/list"));
    }
}
