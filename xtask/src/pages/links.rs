//! What one document cites of another is there: links of Markdown, and paths in the text of documents and comments.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::root;

/// Folders of the repository whose files are read.
const FOLDERS: [&str; 8] = ["cells", "deploy", "docs", "fuzz", "handshake", "runtime", "wit", "xtask"];
/// A path that begins with one of these is of the repository, or of `docs/`.
const FIRST: [&str; 10] = [
    "cells/",
    "decisions/",
    "deploy/",
    "docs/",
    "formats/",
    "fuzz/",
    "handshake/",
    "runtime/",
    "wit/",
    "xtask/",
];
/// Endings of names in plain text that name a file; back-quoted paths need none.
const ENDINGS: [&str; 4] = [".md", ".toml", ".wit", ".json"];
/// What a build makes, or an example that a reader is to write, and so is not in the repository.
const NOT_KEPT: [&str; 3] = ["fuzz/corpus", "fuzz/artifacts", "cells/silences"];

#[derive(Debug, PartialEq, Eq)]
struct Citation {
    /// From 1.
    line: usize,
    path: String,
    /// Read from the folder of the citing file alone, as links are.
    link: bool,
}

fn documents() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let here = fs::read_dir(root()).expect("the repository").map(|entry| entry.expect("readable").path());
    paths.extend(here.filter(|path| is_read(path)));
    FOLDERS.iter().for_each(|folder| collect(&root().join(folder), &mut paths));
    paths.sort();
    paths
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("readable").path();
        if path.is_dir() && !path.ends_with("target") {
            collect(&path, into);
        } else if is_read(&path) {
            into.push(path);
        }
    }
}

fn is_read(path: &Path) -> bool {
    path.is_file()
        && path
            .extension()
            .is_some_and(|ending| ["md", "wit", "rs", "toml"].iter().any(|read| ending == *read))
}

/// What a document cites. Of a source only comments count.
fn citations(text: &str, ending: &str) -> Vec<Citation> {
    let mut found = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        let content = match ending {
            "md" => content,
            "toml" => content.split_once('#').map_or("", |(_, comment)| comment),
            _ => content.split_once("//").map_or("", |(_, comment)| comment),
        };
        if ending == "md" {
            let links = content.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
            let relative =
                links.map(|(to, _)| to).filter(|to| !to.contains("://") && !to.starts_with("mailto:"));
            found.extend(relative.map(|to| Citation { line, path: to.to_owned(), link: true }));
        }
        found.extend(paths_in(content).map(|path| Citation { line, path, link: false }));
    }
    found
}

/// Paths of the repository in plain text, or in back quotes.
fn paths_in(content: &str) -> impl Iterator<Item = String> {
    let is_of_a_path = |letter: char| letter.is_ascii_alphanumeric() || "_-./*<>…{}:@$".contains(letter);
    let words = content.split(move |letter| !is_of_a_path(letter)).map(move |word| {
        let quoted = content.contains(&format!("`{word}`"));
        (word.trim_end_matches(['.', ':', '/']), quoted)
    });
    let paths = words.filter(|(word, quoted)| {
        let whole = !word.contains(['*', '<', '>', '…', '{', '}', ':', '@', '$']) && !word.contains("..");
        let named = *quoted || ENDINGS.iter().any(|ending| word.ends_with(ending));
        whole && named && FIRST.iter().any(|first| word.starts_with(first))
    });
    paths.map(|(word, _)| word.to_owned()).collect::<Vec<_>>().into_iter()
}

/// Whether what `file` cites is there.
fn is_there(file: &Path, citation: &Citation) -> bool {
    let (path, anchor) = citation.path.split_once('#').unwrap_or((&citation.path, ""));
    let folder = file.parent().expect("in a folder");
    if !citation.link {
        let bases = [root(), root().join("docs"), folder.to_owned()];
        let module = format!("{path}.rs");
        return NOT_KEPT.iter().any(|made| path.starts_with(made))
            || bases.iter().any(|base| base.join(path).exists() || base.join(&module).exists());
    }
    let target = if path.is_empty() { file.to_owned() } else { folder.join(path) };
    target.exists() && (anchor.is_empty() || anchors(&target).contains(anchor))
}

/// What the headings of a page are called in links.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(page).unwrap_or_default();
    let headings =
        text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_matches(['#', ' ']));
    let anchor = |heading: &str| {
        let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

fn shown(path: &Path) -> String {
    let parts = path.components().filter(|part| matches!(part, Component::Normal(_)));
    let root = root();
    let own = path.strip_prefix(&root).map(Path::to_owned);
    own.unwrap_or_else(|_| parts.collect()).display().to_string()
}

#[test]
fn everything_that_a_document_or_a_comment_cites_is_there() {
    let mut missing = Vec::new();
    let mut cited = 0;
    for file in documents() {
        let text = fs::read_to_string(&file).expect("readable");
        let ending = file.extension().and_then(|ending| ending.to_str()).expect("it was chosen by it");
        for citation in citations(&text, ending) {
            cited += 1;
            if !is_there(&file, &citation) {
                missing.push(format!("{}:{}: {}", shown(&file), citation.line, citation.path));
            }
        }
    }
    assert!(cited > 200, "only {cited} citations were found");
    assert!(missing.is_empty(), "these {} are cited and not there:\n{}", missing.len(), missing.join("\n"));
}

#[test]
fn links_and_paths_are_read_as_they_are_written() {
    let found = |text: &str, ending: &str| -> Vec<String> {
        citations(text, ending).into_iter().map(|citation| citation.path).collect()
    };
    // Joined here, since this file is read like any other.
    let markdown = [
        "See [a](a.md#b), [b](https:",
        "//c/d.md) and `docs",
        "/x.md`; /etc/deploy/y.toml, cells/<name>/z.md.",
    ];
    assert_eq!(found(&markdown.concat(), "md"), ["a.md#b", &["docs", "/x.md"].concat()]);
    let source = ["let a = \"docs", "/no.md\"; // as docs", "/yes.md says, in `runtime", "/store`"].concat();
    assert_eq!(found(&source, "rs"), [["docs", "/yes.md"].concat(), ["runtime", "/store"].concat()]);
}
