//! Which path means what. The template, never the path itself, is what logs show.

use hyper::Method;

use super::refusal::Refusal;
use super::scan::Check;

/// What a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// `GET /`: what this is.
    Home,
    /// `GET /health`: whether the host answers.
    Health,
    /// `/profile/create`
    ProfileCreate,
    /// `/profile/get`
    ProfileGet,
    /// `/profile/update`
    ProfileUpdate,
    /// `/pipeline/get_range_ts`
    PipelineRange,
    /// `/pipeline/get_complete_ts`
    PipelineComplete,
    /// A path that leads to a cell.
    Cell {
        /// The path that the cell is granted, such as `usercache/put`.
        path: &'static str,
        /// What stands behind it: 0 to 32 of a-z, 0-9 and `_`.
        rest: String,
    },
}

/// The paths that cells answer, each with whether something follows it and the template that logs show.
const CELL_PATHS: [(&str, bool, &str); 5] = [
    ("usercache/put", false, "/usercache/put"),
    ("usercache/putone", false, "/usercache/putone"),
    ("usercache/get", false, "/usercache/get"),
    ("datastreams/get", false, "/datastreams/get"),
    ("datastreams/find_entries", true, "/datastreams/find_entries/<time_type>"),
];

impl Route {
    /// Finds the route of a path. Empty segments do not count: phones put `//` between a base URL and a path.
    ///
    /// # Errors
    /// A [`Refusal`] with status 404 or 405.
    pub fn find(method: &Method, path: &str) -> Result<Self, Refusal> {
        Self::of_segments(method, &segments(path))
    }

    /// As [`Self::find`]; one leading `api` does not count either, where a route follows it. Phones that cannot pair have
    /// base URLs that end in `/api/`, which a proxy before the reference takes away. Nothing else of a path is changed:
    /// no `.`, `..` or escape means anything.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub fn find_behind_api(method: &Method, path: &str) -> Result<Self, Refusal> {
        let segments = segments(path);
        match &segments[..] {
            ["api", route @ ..] if !route.is_empty() => Self::of_segments(method, route),
            all => Self::of_segments(method, all),
        }
    }

    fn of_segments(method: &Method, segments: &[&str]) -> Result<Self, Refusal> {
        let route = Self::of(segments).ok_or_else(Refusal::unknown_route)?;
        let (right, allow) = match route {
            Self::Home | Self::Health => (matches!(*method, Method::GET | Method::HEAD), "GET, HEAD"),
            _ => (*method == Method::POST, "POST"),
        };
        if right { Ok(route) } else { Err(Refusal::wrong_method(allow)) }
    }

    fn of(segments: &[&str]) -> Option<Self> {
        Some(match segments {
            [] => Self::Home,
            ["health"] => Self::Health,
            ["profile", "create"] => Self::ProfileCreate,
            ["profile", "get"] => Self::ProfileGet,
            ["profile", "update"] => Self::ProfileUpdate,
            ["pipeline", "get_range_ts"] => Self::PipelineRange,
            ["pipeline", "get_complete_ts"] => Self::PipelineComplete,
            [family, name, rest @ ..] => {
                let is = |path: &str| path.split_once('/') == Some((*family, *name));
                let (path, followed, _) = CELL_PATHS.into_iter().find(|(path, ..)| is(path))?;
                let rest = match (followed, rest) {
                    (false, []) => String::new(),
                    (true, [rest]) if is_plain(rest) => (*rest).to_owned(),
                    _ => return None,
                };
                Self::Cell { path, rest }
            }
            _ => return None,
        })
    }

    /// The route as logs show it.
    pub fn template(&self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Health => "/health",
            Self::ProfileCreate => "/profile/create",
            Self::ProfileGet => "/profile/get",
            Self::ProfileUpdate => "/profile/update",
            Self::PipelineRange => "/pipeline/get_range_ts",
            Self::PipelineComplete => "/pipeline/get_complete_ts",
            Self::Cell { path, .. } => {
                CELL_PATHS.iter().find(|(known, ..)| known == path).map_or("/", |(_, _, template)| template)
            }
        }
    }

    /// Whether its body is kept whole, for a cell; a body that the host reads itself is smaller.
    pub fn is_cell(&self) -> bool {
        matches!(self, Self::Cell { .. })
    }

    /// How closely its body is looked at: a bad text within one entry of a put must not refuse the others.
    pub fn check(&self) -> Check {
        if self.brings_data() { Check::Structure } else { Check::Grammar }
    }

    /// Whether a success means that there is something for the pipeline to do.
    pub fn brings_data(&self) -> bool {
        matches!(self, Self::Cell { path: "usercache/put" | "usercache/putone", .. })
    }
}

/// What stands between the slashes of a path, one more than any route has at the most.
fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).take(6).collect()
}

fn is_plain(segment: &str) -> bool {
    segment.len() <= 32 && segment.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(method: Method, path: &str) -> u16 {
        Route::find(&method, path).map_or_else(|refusal| refusal.status, |_| 200)
    }

    // Row: "`//` in a path"
    #[test]
    fn phones_may_double_the_slash() {
        let route = Route::find(&Method::POST, "//usercache//put").expect("known");
        assert_eq!(route.template(), "/usercache/put");
        assert!(route.brings_data());
    }

    fn behind_api(path: &str) -> u16 {
        Route::find_behind_api(&Method::POST, path).map_or_else(|refusal| refusal.status, |_| 200)
    }

    #[test]
    fn the_prefix_of_the_phones_base_url_reaches_the_same_routes() {
        for path in [
            "/usercache/put",
            "//usercache/put",
            "/api/usercache/put",
            "/api//usercache/put",
            "//api///usercache//put//",
            "/api/datastreams/find_entries/timestamp",
            "/api/profile/get",
            "/api/pipeline/get_range_ts/",
        ] {
            assert_eq!(behind_api(path), 200, "{path}");
        }
        let get = |path: &str| Route::find_behind_api(&Method::GET, path).ok();
        assert_eq!(get("/api/health"), Some(Route::Health));
        assert_eq!(get("/"), Some(Route::Home));
        assert_eq!(get("/api/usercache/put"), None, "the method counts behind it, too");
    }

    #[test]
    fn no_other_path_leads_to_a_route_by_the_prefix() {
        for path in [
            "/api",
            "/api/",
            "/api//",
            "/api/api/usercache/put",
            "/apiary/usercache/put",
            "/API/usercache/put",
            "/api%2fusercache/put",
            "/%61pi/usercache/put",
            "/api/../usercache/put",
            "/api/./usercache/put",
            "/api/%2e%2e/usercache/put",
            "/x/../api/usercache/put",
            "/usercache/api/put",
            "/usercache/put/api",
            "/api/usercache/put/..",
            "/api/usercache/put/x",
            "/api/usercache%2fput",
            "/api;x/usercache/put",
            "/api/.upc/v1/session",
            "/api/c/usercache-put/12345678/usercache/put",
            "/api/datastreams/find_entries/../timestamp",
            "/api/a/b/c/d/e/f",
        ] {
            assert_eq!(behind_api(path), 404, "{path}");
        }
        assert_eq!(status(Method::POST, "/api/usercache/put"), 404, "a paired phone knows its host's paths");
    }

    #[test]
    fn what_follows_a_path_reaches_the_cell_and_not_the_log() {
        let route = Route::find(&Method::POST, "/datastreams/find_entries/timestamp").expect("known");
        let want = Route::Cell { path: "datastreams/find_entries", rest: "timestamp".to_owned() };
        assert_eq!((&route, route.template()), (&want, "/datastreams/find_entries/<time_type>"));
    }

    // Row: "Answers the app's dashboard, custom labels"
    #[test]
    fn routes_of_the_reference_that_are_left_out_are_unknown() {
        for path in [
            "/result/metrics/timestamp",
            "/result/metrics/yyyy_mm_dd",
            "/customlabel/get",
            "/customlabel/insert",
            "/customlabel/update",
            "/customlabel/delete",
            "/timeline/getTrips/2016-07-27",
            "/result/heatmap/pop.route/timestamp",
            "/incidents",
            "/join.group",
            "/habiticaRegister",
            "/habiticaProxy",
            "/redirect/join",
        ] {
            assert_eq!(status(Method::POST, path), 404, "{path}");
        }
    }

    #[test]
    fn other_paths_are_unknown_and_other_methods_are_refused() {
        for path in [
            "/usercache",
            "/usercache/put/x",
            "/datastreams/find_entries",
            "/datastreams/find_entries/a/b",
            "/datastreams/find_entries/%2e",
            "/profile/create/x",
            "/a/b/c/d/e/f",
            "/index.html",
        ] {
            assert_eq!(status(Method::POST, path), 404, "{path}");
        }
        assert_eq!(status(Method::GET, "/usercache/put"), 405);
        assert_eq!(status(Method::POST, "/"), 405);
        assert_eq!(status(Method::HEAD, "/health"), 200);
        let long = format!("/datastreams/find_entries/{}", "a".repeat(33));
        assert_eq!(status(Method::POST, &long), 404);
    }
}
