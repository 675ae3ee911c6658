//! `docs/reference-routes.md`: a row for each route of the reference and for each route that is served beneath one of
//! its paths.
//!
//! [`write()`] makes the rows from the documentation of the reference and from what is served: the manifests of the cells
//! and the host's own table. It fills in the tests that name a route in a comment directly above them:
//!
//! ```text
//! // Route: "/usercache/putone"
//! #[test]
//! fn one_entry_is_put_like_a_list_of_one() {
//! ```
//!
//! What a row says of our answer is written by hand and kept.

mod route;
mod table;

use std::fs;
use std::path::Path;

use runtime_manifest::CellToml;

use super::differences::{FOLDERS, Marker, markers_in};
use super::{root, sources};
use crate::trouble::Trouble;
use route::Route;
use table::Table;

pub(crate) const PAGE: &str = "docs/reference-routes.md";
/// The beginning of a line that names a route.
const MARKER: &str = "// Route:";
/// The host's own paths.
const HOST: &str = "runtime/host/src/http/routes.rs";
/// Pages of the documentation: the first has every route, the second what the first runs of real clients showed.
const RESEARCH: [&str; 2] = ["emission-server.md", "emission-routes.md"];

/// `cargo xtask routes`: writes the page again, and says what is left to do by hand.
pub(crate) fn write(research: Option<&Path>) -> Result<(), Trouble> {
    let path = root().join(PAGE);
    let page = read(&path)?;
    let mut table = Table::of(&page);
    if let Some(folder) = research {
        documented(folder)?.into_iter().for_each(|route| table.add(route));
    }
    for route in served()? {
        if table.is_beneath(&route) {
            table.add(route);
        }
    }
    let mut faults = table.take_tests(&named()?);
    faults.extend(table.faults());
    fs::write(&path, table.written(&page)).map_err(Trouble::file("write", &path))?;
    faults.iter().for_each(|fault| println!("{fault}"));
    println!("{} routes in {PAGE}", table.rows.len());
    if faults.is_empty() { Ok(()) } else { Err(Trouble::Page { page: PAGE, faults: faults.len() }) }
}

fn read(path: &Path) -> Result<String, Trouble> {
    fs::read_to_string(path).map_err(Trouble::file("read", path))
}

/// Comments that name routes, with their files.
fn named() -> Result<Vec<(String, Marker)>, Trouble> {
    let of = |(path, text): (std::path::PathBuf, String)| {
        let file = path.display().to_string();
        markers_in(&text, MARKER).into_iter().map(move |marker| (file.clone(), marker))
    };
    Ok(sources(&FOLDERS)?.into_iter().flat_map(of).collect())
}

/// The routes that the documentation of the reference has.
fn documented(folder: &Path) -> Result<Vec<Route>, Trouble> {
    let [whole, tried] = RESEARCH.map(|name| read(&folder.join(name)));
    let mut routes = Vec::new();
    for row in table::documented(&whole?) {
        routes.extend(Route::all_of(&row, &routes));
    }
    for row in table::documented(&tried?) {
        for route in Route::all_of(&row, &routes) {
            if !routes.iter().any(|known| known.is_path_of(&route)) {
                routes.push(route);
            }
        }
    }
    Ok(routes)
}

/// Every route that is served: those of the manifests, and the host's own.
fn served() -> Result<Vec<Route>, Trouble> {
    let folder = root().join("cells");
    let mut routes = Vec::new();
    let mut names: Vec<_> = fs::read_dir(&folder)
        .map_err(Trouble::file("read", &folder))?
        .filter_map(|entry| Some(entry.ok()?.path().join("cell.toml")))
        .filter(|path| path.is_file())
        .collect();
    names.sort();
    for path in names {
        let manifest = CellToml::parse(&read(&path)?)
            .map_err(|error| Trouble::Manifest { path: path.clone(), why: error.to_string() })?;
        routes.extend(manifest.paths.iter().map(|path| {
            let rest = path.rest.as_ref().map(|rest| format!("/<{rest}>")).unwrap_or_default();
            Route::new("POST", &format!("/{}{rest}", path.path))
        }));
    }
    routes.extend(hosts_own(&read(&root().join(HOST))?));
    Ok(routes)
}

/// The rows of the host's table, such as `("/profile/get", Own::ProfileGet, …),`.
fn hosts_own(source: &str) -> Vec<Route> {
    let rows = source.lines().filter_map(|line| {
        let (path, rest) = line.trim().strip_prefix("(\"")?.split_once("\", Own::")?;
        let reads = ["Home", "Health", "Redirect"].iter().any(|name| rest.starts_with(&format!("{name},")));
        Some(Route::new(if reads { "GET" } else { "POST" }, path))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the documentation of the reference is kept beside the repository.
    const BESIDE: &str = "../shared/research";

    fn table() -> Table {
        Table::of(&read(&root().join(PAGE)).expect("the page"))
    }

    #[test]
    fn each_row_says_what_is_answered_and_names_the_tests_that_name_it() {
        let mut table = table();
        let written: Vec<_> = table.rows.iter().map(|row| row.tests.clone()).collect();
        let mut faults = table.take_tests(&named().expect("the sources"));
        faults.extend(table.faults());
        assert!(faults.is_empty(), "{}", faults.join("\n"));
        let now: Vec<_> = table.rows.iter().map(|row| row.tests.clone()).collect();
        assert_eq!(written, now, "`cargo xtask routes` writes the tests into {PAGE}");
    }

    #[test]
    fn each_route_that_is_served_beneath_a_path_of_the_reference_has_a_row() {
        let table = table();
        let served = served().expect("the manifests");
        assert!(served.len() > 15, "{served:?}");
        let missing: Vec<_> =
            served.iter().filter(|route| table.is_beneath(route) && !table.has(route)).collect();
        assert!(missing.is_empty(), "without a row: {missing:?}; `cargo xtask routes` adds them");
        for row in table.rows.iter().filter(|row| row.is_answered()) {
            assert!(
                served.iter().any(|route| route.covers(&row.route)),
                "nothing serves {}, which is not left out",
                row.route
            );
        }
    }

    #[test]
    fn no_route_that_is_left_out_is_served() {
        let served = served().expect("the manifests");
        for row in table().rows.iter().filter(|row| !row.is_answered()) {
            assert!(!served.iter().any(|route| route.covers(&row.route)), "{} is served", row.route);
        }
    }

    #[test]
    fn each_route_of_the_documentation_has_a_row() {
        let folder = root().join(BESIDE);
        if !folder.join(RESEARCH[0]).is_file() {
            println!("SKIPPED: no documentation of the reference in {BESIDE}");
            return;
        }
        let table = table();
        let documented = documented(&folder).expect("the documentation");
        assert!(documented.len() > 15, "{documented:?}");
        let missing: Vec<_> = documented.iter().filter(|route| !table.has(route)).collect();
        assert!(missing.is_empty(), "without a row: {missing:?}; `cargo xtask routes --research` adds them");
    }
}
