//! Which files a text points to: links of Markdown, from the page's own folder, with the heading behind `#`; and paths
//! from the root such as `docs/limits.md`, also in comments of code. In back quotes these may be folders or modules.

use std::fs;
use std::path::Path;

/// Folders whose files are pointed to by their whole path.
const FOLDERS: [&str; 6] = ["deploy/", "docs/", "handshake/vectors/", "runtime/", "wit/", "xtask/"];
/// The same in back quotes.
const QUOTED: [&str; 8] = ["cells/", "deploy/", "docs/", "fuzz/", "handshake/", "runtime/", "wit/", "xtask/"];
/// What a build makes or a reader is to write.
const NOT_KEPT: [&str; 3] = ["fuzz/corpus", "fuzz/artifacts", "cells/silences"];
/// How the name of a file ends that is pointed to so.
const ENDINGS: [&str; 5] = [".md", ".toml", ".wit", ".service", ".json"];

/// The files that `text` points to and that are not there; `path` is its own path from `root`.
pub fn missing(root: &Path, path: &str, text: &str) -> Vec<String> {
    let folder = root.join(path).parent().expect("a file has a folder").to_owned();
    let links =
        text.split("](").skip(1).filter_map(|behind| behind.split_once(')')).map(|(target, _)| target);
    let links = links.filter(|target| path.ends_with(".md") && !target.contains("://"));
    let broken = links.filter(|target| {
        let (file, heading) = target.split_once('#').unwrap_or((target, ""));
        let file = if file.is_empty() { root.join(path) } else { folder.join(file) };
        !file.exists() || !heading.is_empty() && !has_heading(&file, heading)
    });
    let is_there = |named: &str| root.join(named).exists() || folder.join(named).exists();
    let named = paths_from_root(text).filter(|named| !is_there(named));
    let quoted = quoted_from_root(text)
        .filter(|named| !is_there(named) && !is_there(&format!("{named}.rs")) && !is_module(root, named));
    let mut missing: Vec<String> = broken.chain(named).chain(quoted).map(str::to_owned).collect();
    missing.sort();
    missing.dedup();
    missing
}

/// Whether a page has a heading that is called so in links.
fn has_heading(page: &Path, called: &str) -> bool {
    let text = fs::read_to_string(page).unwrap_or_default();
    let anchor = |line: &str| {
        let heading = line.trim_start_matches('#').trim();
        let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    text.lines().any(|line| line.starts_with('#') && anchor(line) == called)
}

/// Whether it is a module of a package of the runtime, as in "`runtime/user` (`cells/paths`)".
fn is_module(root: &Path, named: &str) -> bool {
    let packages = fs::read_dir(root.join("runtime")).expect("a folder of the repository");
    let mut sources = packages.flatten().map(|package| package.path().join("src"));
    sources.any(|source| source.join(named).is_dir() || source.join(format!("{named}.rs")).exists())
}

/// Paths in back quotes: of a folder, a package or a module.
fn quoted_from_root(text: &str) -> impl Iterator<Item = &str> {
    let of_a_path = |letter: char| letter.is_ascii_alphanumeric() || "/.-_".contains(letter);
    let quoted = text.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.filter(move |word| {
        QUOTED.iter().any(|folder| word.starts_with(folder))
            && word.chars().all(of_a_path)
            && !NOT_KEPT.iter().any(|made| word.starts_with(made))
    })
}

fn paths_from_root(text: &str) -> impl Iterator<Item = &str> {
    let is_of_a_path =
        |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '/' | '.' | '-' | '_');
    let words = text.split(move |letter| !is_of_a_path(letter)).map(|word| word.trim_end_matches('.'));
    words.filter(|word| {
        FOLDERS.iter().any(|folder| word.starts_with(folder))
            && ENDINGS.iter().any(|ending| word.ends_with(ending))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_and_paths_to_files_that_are_not_there_are_reported() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let text = "See [a](limits.md#while-it-runs), [b](no.md), [c](https://a.b/c.md), docs/limits.md, docs/none.md.";
        assert_eq!(missing(&root, "docs/owner.md", text), ["docs/none.md", "no.md"]);
        let text =
            "[a](limits.md#nothing), [b](#limits), `runtime/host/src/port`, `runtime/none`, `runtime/*`";
        assert_eq!(missing(&root, "docs/limits.md", text), ["limits.md#nothing", "runtime/none"]);
        assert_eq!(
            missing(&root, "wit/0.2/cell.wit", "as docs/formats/none.md says](no.md)"),
            ["docs/formats/none.md"]
        );
    }
}
