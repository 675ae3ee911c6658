//! Which files a text points to: links of Markdown, from the page's own folder, and paths from the root such as
//! `docs/limits.md`, also in comments of code.

use std::path::Path;

/// Folders whose files are pointed to by their whole path.
const FOLDERS: [&str; 6] = ["deploy/", "docs/", "handshake/vectors/", "runtime/", "wit/", "xtask/"];
/// How the name of a file ends that is pointed to so.
const ENDINGS: [&str; 5] = [".md", ".toml", ".wit", ".service", ".json"];

/// The files that `text` points to and that are not there; `path` is its own path from `root`.
pub fn missing(root: &Path, path: &str, text: &str) -> Vec<String> {
    let folder = root.join(path).parent().expect("a file has a folder").to_owned();
    let links =
        text.split("](").skip(1).filter_map(|behind| behind.split_once(')')).map(|(target, _)| target);
    let links =
        links.filter(|target| path.ends_with(".md") && !target.contains("://") && !target.starts_with('#'));
    let links = links.map(|target| target.split('#').next().unwrap_or(target));
    let broken = links.filter(|target| !folder.join(target).exists());
    let named =
        paths_from_root(text).filter(|named| !root.join(named).exists() && !folder.join(named).exists());
    let mut missing: Vec<String> = broken.chain(named).map(str::to_owned).collect();
    missing.sort();
    missing.dedup();
    missing
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
        let text = "See [a](limits.md#all), [b](no.md), [c](https://a.b/c.md), [d](#e), docs/limits.md and docs/none.md.";
        assert_eq!(missing(&root, "docs/owner.md", text), ["docs/none.md", "no.md"]);
        assert_eq!(
            missing(&root, "wit/cell.wit", "as docs/formats/none.md says](no.md)"),
            ["docs/formats/none.md"]
        );
    }
}
