//! Where documents stand in the repository, and which text of each is looked at.
//!
//! * Pages: every `.md` file.
//! * Files for deployment: comments are text; what they start is a command.
//! * Rust: documentation comments, and what a program says: its string literals. Tests are left out.

use std::fs;
use std::path::{Path, PathBuf};

use crate::markdown::{Kind, Part, Unnamed, parts};

/// Literals that look like a call and are none: what the phone of the command line calls itself.
const NAMES: [&str; 1] = ["cellar phone"];

/// A file of the repository, as far as it says something to people.
pub struct Document {
    /// From the root of the repository.
    pub path: String,
    pub parts: Vec<Part>,
    /// The text, of a file that is a configuration as a whole.
    pub configuration: Option<String>,
    /// Whether names of settings in it are those of the configuration; in Rust they may be anything.
    pub names_settings: bool,
}

/// Every document below `root`.
pub fn documents(root: &Path) -> Vec<Document> {
    files(root, &["md", "rs"]).into_iter().map(document).collect()
}

/// Every file below `root` with one of these `extensions`, and all of `deploy/`: path from there, and text. Tests and what
/// is built are left out.
pub fn files(root: &Path, extensions: &[&str]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect(root, &mut found);
    found.sort();
    let relative = |file: PathBuf| {
        let path =
            file.strip_prefix(root).expect("it was found below the root").to_string_lossy().into_owned();
        (extensions.contains(&extension(&path)) || path.starts_with("deploy/")).then_some((file, path))
    };
    let read = |(file, path): (PathBuf, String)| {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("cannot read {path}: {error}"));
        (path, text)
    };
    found.into_iter().filter_map(relative).map(read).collect()
}

fn extension(path: &str) -> &str {
    Path::new(path).extension().and_then(|extension| extension.to_str()).unwrap_or_default()
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display()));
    for entry in entries {
        let path = entry.unwrap_or_else(|error| panic!("cannot read {}: {error}", folder.display())).path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !path.is_dir() {
            into.push(path);
        } else if !name.starts_with('.') && !matches!(name.as_str(), "target" | "tests" | "node_modules") {
            collect(&path, into);
        }
    }
}

fn document((path, text): (String, String)) -> Document {
    let parts = match extension(&path) {
        "md" => parts((1..).zip(text.lines()), Unnamed::Text),
        "rs" => of_rust(&text),
        _ => of_deployment(&text),
    };
    let names_settings = extension(&path) != "rs";
    let configuration = (path == "deploy/cellar.toml").then_some(text);
    Document { path, parts, configuration, names_settings }
}

/// Comments as text; of other lines, what is started.
fn of_deployment(text: &str) -> Vec<Part> {
    let lines = || (1..).zip(text.lines());
    let comment = |text: &'_ str| {
        text.strip_prefix('#').map(|comment| comment.strip_prefix(' ').unwrap_or(comment).to_owned())
    };
    let comments: Vec<(usize, String)> =
        lines().map(|(line, text)| (line, comment(text).unwrap_or_default())).collect();
    let mut found = parts(comments.iter().map(|(line, text)| (*line, text.as_str())), Unnamed::Text);
    let mut entry = String::new();
    for (line, text) in lines().filter(|(_, text)| !text.starts_with('#')) {
        let text = text.trim();
        let started = if let Some(list) = text.strip_prefix("ENTRYPOINT ") {
            entry = words_of_list(list);
            continue;
        } else if let Some(list) = text.strip_prefix("CMD ") {
            format!("{entry} {}", words_of_list(list))
        } else if let Some((_, command)) =
            text.split_once('=').filter(|(name, _)| name.starts_with("ExecStart"))
        {
            command.to_owned()
        } else {
            let command = text.strip_prefix("RUN ").or_else(|| text.strip_prefix("&& ")).unwrap_or(text);
            command.trim_end_matches('\\').to_owned()
        };
        found.push(Part { line, text: started, kind: Kind::Line });
    }
    found
}

/// `["a", "b"]` as words of a shell.
fn words_of_list(list: &str) -> String {
    let words = list.trim_matches(['[', ']']).split(',').map(|word| word.trim().trim_matches('"'));
    words.collect::<Vec<_>>().join(" ")
}

fn of_rust(source: &str) -> Vec<Part> {
    let source = without_tests(source);
    let mut found = Vec::new();
    let mut comment: Vec<(usize, &str)> = Vec::new();
    for (line, text) in (1..).zip(source.lines().chain([""])) {
        let text = text.trim_start();
        match text.strip_prefix("///").or_else(|| text.strip_prefix("//!")) {
            Some(text) => comment.push((line, text.strip_prefix(' ').unwrap_or(text))),
            None => found.extend(parts(std::mem::take(&mut comment), Unnamed::Rust)),
        }
    }
    for (line, text) in literals(source).iter().filter(|(_, text)| !NAMES.contains(&text.as_str())) {
        let has_commands = text.contains("Example") || text.lines().count() == 1;
        for (line, text) in (*line..).zip(text.lines()) {
            let text = text.trim();
            // Examples of `--help`, and commands that are all of a literal, are not in backticks.
            if has_commands && text.starts_with("cellar ") {
                found.push(Part { line, text: text.to_owned(), kind: Kind::Line });
            } else {
                found.extend(parts([(line, text)], Unnamed::Text));
            }
        }
    }
    found
}

/// The source before its module of tests.
fn without_tests(source: &str) -> &str {
    source.find("#[cfg(test)]\nmod tests {").map_or(source, |at| &source[..at])
}

/// String literals with the numbers of their first lines, escapes undone. Byte strings say nothing to people.
fn literals(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '\'' => length_of_character(rest),
            '"' => {
                let (text, length) = literal(&rest[1..]);
                found.push((line, text));
                1 + length
            }
            'r' if raw_hashes(rest).is_some() => {
                let close = format!("\"{}", "#".repeat(raw_hashes(rest).expect("it was looked at")));
                let open = 1 + close.len();
                let end = rest[open..].find(&close).map_or(rest.len(), |end| open + end);
                found.push((line, rest[open..end].to_owned()));
                (end + close.len()).min(rest.len())
            }
            'b' if rest.starts_with("b\"") => 2 + literal(&rest[2..]).1,
            // The rest of a name, so that its last letter does not begin a literal.
            letter if letter.is_alphanumeric() || letter == '_' => {
                rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(rest.len())
            }
            other => other.len_utf8(),
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    found
}

/// The number of `#` of a raw string that begins here, if one does.
fn raw_hashes(rest: &str) -> Option<usize> {
    let behind = rest[1..].trim_start_matches('#');
    behind.starts_with('"').then(|| rest.len() - 1 - behind.len())
}

/// Of a character in quotes; 1 for a lifetime.
fn length_of_character(rest: &str) -> usize {
    let inside = &rest[1..];
    let length = match inside.chars().next() {
        Some('\\') => inside[2.min(inside.len())..].find('\'').map(|end| 2 + end),
        Some(letter) => inside[letter.len_utf8()..].starts_with('\'').then_some(letter.len_utf8()),
        None => None,
    };
    length.map_or(1, |length| length + 2)
}

/// What a literal says whose opening quote is passed, and how long it is with the closing one.
fn literal(source: &str) -> (String, usize) {
    let mut text = String::new();
    let mut letters = source.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (text, at + 1),
            '\\' => match letters.next().map(|(_, escaped)| escaped) {
                Some('n') => text.push('\n'),
                // A literal that goes on in the next line, behind its indentation.
                Some('\n') => {
                    let behind = letters.as_str();
                    let blank = behind.len() - behind.trim_start().len();
                    letters.by_ref().take(behind[..blank].chars().count()).for_each(drop);
                }
                Some(escaped) => text.push(escaped),
                None => {}
            },
            other => text.push(other),
        }
    }
    (text, source.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(parts: Vec<Part>) -> Vec<(usize, String)> {
        let code = parts.into_iter().filter(|part| part.kind != Kind::Prose && part.text.contains("cellar "));
        code.map(|part| (part.line, part.text)).collect()
    }

    #[test]
    fn of_rust_comments_and_literals_are_read_and_tests_are_not() {
        let source = "//! `cellar a`\nfn b<'c>() {\n  // `cellar no`\n  let d = ('\"', '\\'', r#\"`cellar e`\"#, b\"`cellar no`\");\n  \
            let f = \"Example:\\n  cellar g \\\n     h\";\n}\n#[cfg(test)]\nmod tests {\n/// `cellar no`\n";
        let found = [(1, "cellar a"), (4, "cellar e"), (6, "cellar g h")];
        assert_eq!(code(of_rust(source)), found.map(|(line, text)| (line, text.to_owned())));
    }

    #[test]
    fn of_deployment_comments_and_what_is_started_are_read() {
        let file = "# Say `cellar a`.\nExecStart=/bin/cellar b --c\nRUN install -o cellar x && y\n\
            ENTRYPOINT [\"/bin/cellar\"]\nCMD [\"d\", \"--e\"]\n";
        let found = [
            (1, "cellar a"),
            (2, "/bin/cellar b --c"),
            (3, "install -o cellar x && y"),
            (5, "/bin/cellar d --e"),
        ];
        assert_eq!(code(of_deployment(file)), found.map(|(line, text)| (line, text.to_owned())));
    }
}
