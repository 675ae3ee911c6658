//! A route: a method and a path, in which `<name>` stands for any one segment.

use std::fmt;

/// A method and a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    method: String,
    path: String,
}

impl Route {
    pub(super) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned() }
    }

    /// A route as the page writes it, such as `POST /usercache/put`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (method, path) = text.split_once(' ')?;
        path.starts_with('/').then(|| Self::new(method, path))
    }

    /// The routes of the first column of a row of the documentation. The first is whole, such as `/customlabel/get`; what
    /// follows may be only its last segment, or lack the beginning that it shares with it or with a route that is known.
    pub(super) fn all_of(column: &str, known: &[Self]) -> Vec<Self> {
        let mut routes: Vec<Self> = Vec::new();
        for text in column.split('`').skip(1).step_by(2) {
            let (method, text) = text.split_once(' ').unwrap_or(("POST", text));
            let own = Self::new(method, &plain(text));
            let before = routes.last().map(|route| route.path.clone()).unwrap_or_default();
            routes.push(match text.strip_prefix('/') {
                None => Self::new(method, &format!("{}/{}", parent(&before), plain(text))),
                Some(_) => own.with_beginning_of(&before, known).unwrap_or(own),
            });
        }
        routes
    }

    /// The route that is known by this end and a beginning of `before`; `None`: it is known as it is, or not at all.
    fn with_beginning_of(&self, before: &str, known: &[Self]) -> Option<Self> {
        let is_known = |path: &str| known.iter().find(|route| fits(&route.path, path)).cloned();
        if let Some(found) = is_known(&self.path) {
            return Some(found);
        }
        let mut beginning = parent(before);
        loop {
            if let Some(found) = is_known(&format!("{beginning}{}", self.path)) {
                return Some(found);
            }
            if beginning.is_empty() {
                return None;
            }
            beginning = parent(beginning);
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// The first segment.
    pub(super) fn first(&self) -> &str {
        self.path.split('/').nth(1).unwrap_or_default()
    }

    /// Whether the other route has this path; the second page of the documentation does not tell methods.
    pub(super) fn is_path_of(&self, other: &Self) -> bool {
        fits(&self.path, &other.path)
    }

    /// Whether every call of the other route is one of this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.method == other.method && fits(&self.path, &other.path)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// The path without its last segment.
fn parent(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

fn is_any(segment: &str) -> bool {
    segment.starts_with('<') || segment == "*"
}

/// Whether `path` is one of those that `pattern` means; a segment of the pattern that stands for any may be left out.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, path) = (pattern.split('/').skip(1), path.split('/').skip(1));
    let (pattern, path): (Vec<_>, Vec<_>) = (pattern.collect(), path.collect());
    let more = pattern.get(path.len()..).unwrap_or_default();
    path.len() <= pattern.len()
        && more.iter().all(|segment| is_any(segment))
        && pattern.iter().zip(&path).all(|(known, other)| is_any(known) || known == other)
}

/// The path with names of segments that need no escape in a table.
fn plain(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "*" => "<any>".to_owned(),
        segment => segment.replace("\\|", " or ").replace('…', "any"),
    });
    segments.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(column: &str, known: &[Route]) -> Vec<String> {
        Route::all_of(column, known).iter().map(Route::to_string).collect()
    }

    #[test]
    fn a_column_names_routes_whole_and_short() {
        let known: Vec<Route> = ["/usercache/putone", "/result/heatmap/incidents/<any>", "/join.group/<id>"]
            .map(|path| Route::new("POST", path))
            .into();
        assert_eq!(all("`GET /redirect/<route>`", &[]), ["GET /redirect/<route>"]);
        assert_eq!(
            all("`/usercache/put`, `/putone` and `/elsewhere`", &known),
            ["POST /usercache/put", "POST /usercache/putone", "POST /elsewhere"]
        );
        assert_eq!(
            all("`/customlabel/get`, `insert`, `delete`", &[]),
            ["POST /customlabel/get", "POST /customlabel/insert", "POST /customlabel/delete"]
        );
        assert_eq!(
            all(
                "`/result/heatmap/pop.route/<timestamp\\|local_date>`, `/incidents/*`, `/join.group`",
                &known
            ),
            [
                "POST /result/heatmap/pop.route/<timestamp or local_date>",
                "POST /result/heatmap/incidents/<any>",
                "POST /join.group/<id>"
            ]
        );
        assert_eq!(all("unknown route", &known), [""; 0]);
    }

    #[test]
    fn a_pattern_covers_what_it_means_and_nothing_else() {
        let labels = Route::new("POST", "/customlabel/<operation>");
        for (other, wanted) in [
            ("POST /customlabel/get", true),
            ("POST /customlabel/<any>", true),
            ("GET /customlabel/get", false),
            ("POST /customlabel/get/x", false),
            ("POST /usercache/get", false),
        ] {
            assert_eq!(labels.covers(&Route::read(other).expect("a route")), wanted, "{other}");
        }
        assert_eq!(Route::read("POST"), None);
    }
}
