//! The meaning of each path: the host's own paths are listed here, those of cells in their manifests. Logs show the
//! template, never the path itself.

use std::fmt;
use std::sync::Arc;

use handshake::device::Scope;
use hyper::Method;
use runtime_user::paths::{EndpointPath, Paths, SEGMENTS_MAX, Target};

use super::refusal::Refusal;
use super::scan::Check;

/// The purpose of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// One of the host's own paths.
    Own(Own),
    /// A path of a cell.
    Cell(Target),
}

/// The paths that the host itself answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Own {
    /// `GET /`: what this server is.
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
    /// `/owner/ask`: a command of the person over a paired device's connection; nowhere else.
    OwnerAsk,
    /// `GET /redirect/<route>`: sends a browser to the e-mission app.
    Redirect,
}

/// Path, meaning, and the scope that a paired device needs.
const OWN: [(&str, Own, Option<Scope>); 9] = [
    ("/", Own::Home, None),
    ("/health", Own::Health, None),
    ("/profile/create", Own::ProfileCreate, Some(Scope::Profile)),
    ("/profile/get", Own::ProfileGet, Some(Scope::Profile)),
    ("/profile/update", Own::ProfileUpdate, Some(Scope::Profile)),
    ("/pipeline/get_range_ts", Own::PipelineRange, Some(Scope::PipelineRead)),
    ("/pipeline/get_complete_ts", Own::PipelineComplete, Some(Scope::PipelineRead)),
    // Each command has a scope of its own.
    ("/owner/ask", Own::OwnerAsk, None),
    ("/redirect/<route>", Own::Redirect, None),
];
/// The longest name of a page of the app, and the longest query for it, bytes.
pub const REDIRECT_BYTES_MAX: usize = 2 << 10;

impl Own {
    fn entry(self) -> &'static (&'static str, Self, Option<Scope>) {
        OWN.iter().find(|(_, own, _)| *own == self).expect("the table has every one")
    }

    /// The scope that a paired device needs.
    pub fn scope(self) -> Option<Scope> {
        self.entry().2
    }
}

/// A route in the form that logs show.
#[derive(Debug, Clone)]
pub enum Template {
    /// One of the host's own, or a fixed word where the path is no route.
    Own(&'static str),
    /// A path of a cell.
    Cell(Arc<EndpointPath>),
}

impl Template {
    /// The text of the template.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Own(text) => text,
            Self::Cell(path) => path.template(),
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Route {
    /// Finds the route of a path. Empty segments are ignored: phones put `//` between a base URL and a path.
    ///
    /// # Errors
    /// A [`Refusal`] with status 404 or 405.
    pub fn find(paths: &Paths, method: &Method, path: &str) -> Result<Self, Refusal> {
        Self::of_segments(paths, method, &segments(path))
    }

    /// Like [`Self::find`], but one leading `api` is ignored too, where a route follows it. The base URLs of phones
    /// that cannot pair end in `/api/`, which a proxy in front of the reference removes. Nothing else of a path is
    /// changed: `.`, `..` and escapes have no meaning. The commands of an owner are no route here: a token is no device.
    ///
    /// # Errors
    /// As for [`Self::find`].
    pub fn find_behind_api(paths: &Paths, method: &Method, path: &str) -> Result<Self, Refusal> {
        let segments = segments(path);
        let found = match &segments[..] {
            ["api", route @ ..] if !route.is_empty() => Self::of_segments(paths, method, route),
            all => Self::of_segments(paths, method, all),
        };
        match found {
            Ok(Self::Own(Own::OwnerAsk)) => Err(Refusal::unknown_route()),
            found => found,
        }
    }

    fn of_segments(paths: &Paths, method: &Method, segments: &[&str]) -> Result<Self, Refusal> {
        let own = || {
            let text = match segments {
                ["redirect", name] if is_page(name) => "/redirect/<route>".to_owned(),
                ["redirect", ..] => return None,
                all => format!("/{}", all.join("/")),
            };
            OWN.iter().find(|(path, ..)| *path == text).map(|(_, own, _)| Self::Own(*own))
        };
        // What only receivers reach has a path of its own for each of them.
        let open = paths.find(segments).filter(|target| !target.path.by_receiver);
        let route = open.map(Self::Cell).or_else(own).ok_or_else(Refusal::unknown_route)?;
        let (right, allow) = match &route {
            Self::Own(Own::Home | Own::Health | Own::Redirect) => {
                (matches!(*method, Method::GET | Method::HEAD), "GET, HEAD")
            }
            Self::Cell(target) if target.is_installed() => {
                (matches!(*method, Method::GET | Method::POST), "GET, POST")
            }
            _ => (*method == Method::POST, "POST"),
        };
        if right { Ok(route) } else { Err(Refusal::wrong_method(allow)) }
    }

    /// The route in the form that logs show.
    pub fn template(&self) -> Template {
        match self {
            Self::Own(own) => Template::Own(own.entry().0),
            Self::Cell(target) => Template::Cell(Arc::clone(&target.path)),
        }
    }

    /// Whether the body is kept whole, for a cell; a body that the host reads itself is smaller.
    pub fn is_cell(&self) -> bool {
        matches!(self, Self::Cell(_))
    }

    /// How closely the body is checked: a bad text within one entry of a put must not refuse the other entries.
    pub fn check(&self) -> Check {
        let brings_data = matches!(self, Self::Cell(target) if target.path.brings_data);
        if brings_data { Check::Structure } else { Check::Grammar }
    }
}

/// Whether it is the name of a page of the app: nothing that would end the host of the address that it becomes.
fn is_page(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    (1..=REDIRECT_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}

/// Where `/redirect/<route>` sends a browser: `join` to this host's own set-up page, everything else to the app, by the
/// address form that the app registers. `None` if the query is too long.
pub fn redirected(path: &str, query: Option<&str>) -> Option<String> {
    let query = query.unwrap_or_default();
    let page = segments(path).pop().filter(|_| query.len() <= REDIRECT_BYTES_MAX)?;
    Some(if page == "join" { format!("/#/setup?{query}") } else { format!("emission://{page}?{query}") })
}

/// The segments between the slashes of a path: at most `/api` plus as many as the longest route has, plus one too many.
fn segments(path: &str) -> Vec<&str> {
    path.split('/').filter(|segment| !segment.is_empty()).take(SEGMENTS_MAX + 2).collect()
}

#[cfg(test)]
mod tests {
    use handshake::device::HOSTS_OWN;
    use runtime_user::manifest::Manifest;

    use super::*;

    #[test]
    fn no_cell_can_have_a_path_of_the_hosts() {
        for (path, own, _) in OWN {
            assert_eq!(own.entry().0, path);
            let first = path.split('/').nth(1).expect("a slash");
            assert!(first.is_empty() || HOSTS_OWN.contains(&first), "{path}");
        }
    }

    /// The paths of the cells that a phone of e-mission calls.
    fn paths() -> Paths {
        let mut paths = Paths::default();
        for manifest in [
            include_str!("../../../../cells/usercache-put/cell.toml"),
            include_str!("../../../../cells/usercache-get/cell.toml"),
            include_str!("../../../../cells/datastreams-get/cell.toml"),
            include_str!("../../../../cells/custom-labels/cell.toml"),
            include_str!("../../../../cells/result-metrics/cell.toml"),
            include_str!("../../../../cells/result-heatmap/cell.toml"),
            include_str!("../../../../cells/receivers/cell.toml"),
        ] {
            paths.add(&Manifest::parse(manifest).expect("a manifest")).expect("paths of their own");
        }
        paths
    }

    fn status(method: Method, path: &str) -> u16 {
        Route::find(&paths(), &method, path).map_or_else(|refusal| refusal.status, |_| 200)
    }

    // Row: "`//` in a path"
    #[test]
    fn phones_may_double_the_slash() {
        let route = Route::find(&paths(), &Method::POST, "//usercache//put").expect("known");
        assert_eq!(route.template().as_str(), "/usercache/put");
        assert_eq!(route.check(), Check::Structure);
    }

    #[test]
    fn the_apps_labels_and_dashboard_are_paths_of_cells() {
        for (path, cell, rest) in [
            ("/api//customlabel/get", "custom-labels", "get"),
            ("/api//customlabel/update", "custom-labels", "update"),
            ("/api//result/metrics/yyyy_mm_dd", "result-metrics", "yyyy_mm_dd"),
            ("/api//result/heatmap/pop.route/local_date", "result-heatmap", "local_date"),
        ] {
            let Ok(Route::Cell(target)) = Route::find_behind_api(&paths(), &Method::POST, path) else {
                panic!("{path}");
            };
            assert_eq!((&*target.cell, target.rest.as_str()), (cell, rest));
        }
    }

    // Route: "/datastreams/get"
    #[test]
    fn entries_are_asked_for_without_a_type_of_time_as_well() {
        let Ok(Route::Cell(target)) = Route::find(&paths(), &Method::POST, "/datastreams/get") else {
            panic!("a path of a cell");
        };
        assert_eq!((&*target.cell, target.rest.as_str()), ("datastreams-get", ""));
    }

    fn behind_api(path: &str) -> u16 {
        Route::find_behind_api(&paths(), &Method::POST, path).map_or_else(|refusal| refusal.status, |_| 200)
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
        let get = |path: &str| Route::find_behind_api(&paths(), &Method::GET, path).ok();
        assert_eq!(get("/api/health"), Some(Route::Own(Own::Health)));
        assert_eq!(get("/"), Some(Route::Own(Own::Home)));
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
            "/api/owner/ask",
            "/owner/ask",
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
        let route =
            Route::find(&paths(), &Method::POST, "/datastreams/find_entries/timestamp").expect("known");
        assert_eq!(route.template().as_str(), "/datastreams/find_entries/<time_type>");
        let Route::Cell(target) = route else { panic!("{route:?}") };
        assert_eq!((&*target.cell, target.rest.as_str()), ("datastreams-get", "timestamp"));
    }

    // Row: "`GET /redirect/<route>`"
    // Route: "/redirect/<route>"
    #[test]
    fn a_redirect_leads_to_the_app_and_to_no_other_host() {
        for (path, query, wanted) in [
            ("/redirect/join", Some("study=a&token=b"), "/#/setup?study=a&token=b"),
            ("/redirect/join", None, "/#/setup?"),
            ("/api//redirect/change_client", Some("x=1%262"), "emission://change_client?x=1%262"),
        ] {
            assert_eq!(redirected(path, query).as_deref(), Some(wanted));
            let found = Route::find_behind_api(&paths(), &Method::GET, path).expect("a route");
            assert_eq!(found.template().as_str(), "/redirect/<route>");
        }
        assert_eq!(redirected("/redirect/join", Some(&"q".repeat(REDIRECT_BYTES_MAX + 1))), None);
        for path in [
            "/redirect",
            "/redirect/",
            "/redirect/a/b",
            "/redirect/evil.example",
            "/redirect/a%2f",
            "/redirect/..",
        ] {
            assert_eq!(status(Method::GET, path), 404, "{path}");
        }
        assert_eq!(status(Method::POST, "/redirect/join"), 405);
    }

    // Row: "Answers the app's old timeline"
    // Route: "/timeline/getTrips/<YYYY-MM-DD>"
    // Route: "/result/heatmap/incidents/<any>"
    // Route: "/join.group/<id>"
    // Route: "/habiticaRegister"
    // Route: "/habiticaProxy"
    #[test]
    fn routes_of_the_reference_that_are_left_out_are_unknown() {
        for path in [
            "/timeline/getTrips/2016-07-27",
            "/join.group/1",
            "/habiticaRegister",
            "/habiticaProxy",
            "/result/heatmap/incidents/local_date",
        ] {
            assert_eq!(status(Method::POST, path), 404, "{path}");
        }
    }

    #[test]
    fn a_cell_that_people_install_is_called_by_get_as_well() {
        for (method, wanted) in [
            (Method::GET, 200),
            (Method::POST, 200),
            (Method::HEAD, 405),
            (Method::PUT, 405),
            (Method::DELETE, 405),
        ] {
            assert_eq!(status(method.clone(), "/x/reader"), wanted, "{method}");
            assert_eq!(status(method.clone(), "/x/reader/a/b"), wanted, "{method}");
        }
        assert_eq!(status(Method::GET, "/x"), 404);
    }

    #[test]
    fn other_paths_are_unknown_and_other_methods_are_refused() {
        for path in [
            "/usercache",
            "/receive/owntracks",
            "/receive",
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
