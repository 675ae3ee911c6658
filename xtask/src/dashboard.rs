//! Builds the owner's page with node and npm, where they are: to `dashboard/` in cargo's target folder, which the build
//! of `runtime-dashboard` embeds.
//!
//! The sources are copied to `page-build/` there, because npm writes beside them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::UNIX_EPOCH;

use crate::cells::write_if_changed;
use crate::command::{run, succeeds};
use crate::step::{skipped, step};
use crate::trouble::Trouble;
use crate::workspace::Workspace;

/// What the page is built from, in `runtime/dashboard`.
const SOURCES: [&str; 7] = [
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "svelte.config.js",
    "vite.config.ts",
    "page",
    "browser",
];
/// The file that says of which sources the page is.
const STAMP: &str = "made-of";

/// Builds the page unless it is of these sources already. Without node or npm it says so, and the host says it again in
/// the place of the page.
pub(crate) fn build(workspace: &Workspace) -> Result<(), Trouble> {
    let has = |program: &str| succeeds(Command::new(program).arg("--version"));
    if !has("node") || !has("npm") {
        skipped("page", "since node and npm are not installed; the host will say so in its place");
        return Ok(());
    }
    let (from, home) = (workspace.root.join("runtime/dashboard"), workspace.target.join("page-build"));
    let pages = workspace.target.join("dashboard");
    let mut files = Vec::new();
    for name in SOURCES {
        list(&from.join(name), &mut files)?;
    }
    files.sort();
    let made_of = made_of(&from, &files)?;
    let stamp = home.join(STAMP);
    let is_known = fs::read_to_string(&stamp).is_ok_and(|known| known == made_of);
    if is_known && pages.join("files.txt").exists() && home.join("node_modules").exists() {
        return Ok(());
    }
    step("page", "building the owner's page", || {
        copy(&from, &home, &files)?;
        let npm = |arguments: &[&str]| {
            let mut command = Command::new("npm");
            command.args(arguments).current_dir(&home).env("CELLAR_DASHBOARD", &pages);
            command
        };
        let lock = fs::read_to_string(home.join("package-lock.json")).unwrap_or_default();
        let installed = home.join("node_modules/installed-lock.json");
        if fs::read_to_string(&installed).is_ok_and(|known| known == lock) {
            // Its libraries are there.
        } else {
            let install = &["ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
            run(&mut npm(install), "npm fetches the page's libraries from its registry: is it reachable?")?;
            fs::write(&installed, lock).map_err(Trouble::file("write", &installed))?;
        }
        let remedy = "correct what is said above";
        run(&mut npm(&["run", "--silent", "check"]), remedy)?;
        run(&mut npm(&["run", "--silent", "build"]), remedy)?;
        fs::write(&stamp, made_of).map_err(Trouble::file("write", &stamp))?;
        Ok(((), pages.display().to_string()))
    })
}

/// Says so where the tests that need a browser will be left out.
pub(crate) fn look_for_browser() {
    let named = std::env::var("CELLAR_CHROMIUM").ok();
    let usual = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].map(str::to_owned);
    if !named.into_iter().chain(usual).any(|path| Path::new(&path).is_file()) {
        skipped(
            "browser",
            "since there is no Chromium at /usr/bin/chromium (CELLAR_CHROMIUM names another place)",
        );
    }
}

/// The files at and below a path.
fn list(path: &Path, into: &mut Vec<PathBuf>) -> Result<(), Trouble> {
    if path.is_dir() {
        for entry in fs::read_dir(path).map_err(Trouble::file("read", path))? {
            list(&entry.map_err(Trouble::file("read", path))?.path(), into)?;
        }
    } else {
        into.push(path.to_owned());
    }
    Ok(())
}

/// Name, size and time of each file: another state of the sources has another text.
fn made_of(from: &Path, files: &[PathBuf]) -> Result<String, Trouble> {
    let mut text = String::new();
    for path in files {
        let known = fs::metadata(path).and_then(|known| Ok((known.len(), known.modified()?)));
        let (bytes, changed) = known.map_err(Trouble::file("read", path))?;
        let since = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        let name = path.strip_prefix(from).unwrap_or(path);
        text.push_str(&format!("{} {bytes} B at {} ns\n", name.display(), since.as_nanos()));
    }
    Ok(text)
}

/// Copies the sources; those that are no more are removed.
fn copy(from: &Path, home: &Path, files: &[PathBuf]) -> Result<(), Trouble> {
    let mut there = Vec::new();
    for name in ["page", "browser"].map(|name| home.join(name)) {
        if name.exists() {
            list(&name, &mut there)?;
        }
    }
    for path in files {
        let to = home.join(path.strip_prefix(from).unwrap_or(path));
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(Trouble::file("make", folder))?;
        }
        write_if_changed(&to, &fs::read(path).map_err(Trouble::file("read", path))?)?;
        there.retain(|known| *known != to);
    }
    there.iter().try_for_each(|gone| fs::remove_file(gone).map_err(Trouble::file("remove", gone)))
}
