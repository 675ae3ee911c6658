//! `docs/limits.md` has the figures of the code: each row names the items that define its figures, in the order of the
//! figures.
//!
//! A name is one of
//! * a constant: `NAME`, or `file::NAME` where several constants have that name; the file without its extension, or its
//!   folder for a `mod.rs`;
//! * a part of a constant or of the result of a function: `file::NAME.field`, `file::function.field`;
//! * a setting of `deploy/cellar.toml`: `section.name`. A test of the host compares that file with the defaults of the
//!   code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::{root, sources};

const FOLDERS: [&str; 3] = ["cells", "handshake", "runtime"];
/// The folders in which public constants that end with `_MAX` must have a row.
const WATCHED: [&str; 9] = [
    "cells/contract/src/",
    "handshake/src/",
    "runtime/acme/src/",
    "runtime/host/src/",
    "runtime/manifest/src/",
    "runtime/map/src/",
    "runtime/package/src/",
    "runtime/sandbox/src/",
    "runtime/user/src/",
];
/// Public limits without a row, and the reason.
const WITHOUT_A_ROW: [(&str, &str); 31] = [
    ("KEY_PART_BYTES_MAX", "the form of a key"),
    ("EXTENSIONS_MAX", "the form of a hello"),
    ("PROTOCOLS_MAX", "the form of a hello"),
    ("LABELS_PER_USER_MAX", "follows from devices and windows"),
    ("SELECTORS_PER_USER_MAX", "follows from windows"),
    ("BODY_BYTES_MAX", "the protocol's own messages: handshake.md"),
    ("DEPTH_MAX", "the protocol's own messages: handshake.md"),
    ("INTEGER_MAX", "the protocol's own messages: handshake.md"),
    ("NEXT_PINS_MAX", "the protocol's own messages: handshake.md"),
    ("SCOPES_MAX", "the protocol's own messages: handshake.md"),
    ("SCOPE_BYTES_MAX", "the protocol's own messages: handshake.md"),
    ("WANT_MAX", "the protocol's own messages: handshake.md"),
    ("IDEMPOTENCY_KEYS_MAX", "the protocol's own messages: handshake.md"),
    ("PBKDF2_ROUNDS_MAX", "the protocol's own messages: handshake.md"),
    ("PKCS8_BYTES_MAX", "the form of a key"),
    ("QR_HOST_BYTES_MAX", "the form of a QR code"),
    ("SIGNATURE_BYTES_MAX", "the form of a signature"),
    ("ANSWERS_MAX", "the protocol's own messages: handshake.md"),
    ("ROSTERS_MAX", "the protocol's own messages: handshake.md"),
    ("ROSTER_BYTES_MAX", "follows from devices and tokens"),
    ("SIGNED_ROSTER_BYTES_MAX", "follows from devices and tokens"),
    ("SEGMENTS_MAX", "the form of a path"),
    ("INBOX_ITEM_BYTES_MAX", "follows from the largest body"),
    ("CELL_NAME_BYTES_MAX", "the form of a path"),
    ("DEVICE_NAME_BYTES_MAX", "the form of a name"),
    ("SCHEMA_NAME_BYTES_MAX", "the form of a name"),
    ("STUDY_CHARS_MAX", "the form of a token"),
    ("TRAP_FRAMES_MAX", "how a trap is told"),
    ("SMALL_BYTES_MAX", "which bodies are read at once"),
    ("PROFILE_BYTES_MAX", "a profile is a document"),
    ("STAMP_BYTES_MAX", "the form of a stamp"),
];

/// A figure with its unit: bytes, milliseconds, or neither.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figure {
    value: f64,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    None,
    Bytes,
    Millis,
    /// Number in a minute.
    PerMinute,
}

/// A row of a table: its location, its subject, its figures, and the names of the items that define them.
#[derive(Debug)]
struct Row {
    line: usize,
    what: String,
    figures: Vec<Figure>,
    names: Vec<String>,
}

fn rows(page: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut in_table = false;
    for (line, text) in (1..).zip(page.lines()) {
        if !text.starts_with('|') {
            in_table = false;
        } else if text.ends_with("| held by |") {
            in_table = true;
        } else if in_table && !text.starts_with("|---") {
            let cells: Vec<&str> = text.split('|').map(str::trim).collect();
            let [_, what, limits @ .., _, held, _] = &cells[..] else {
                panic!("line {line} has too few columns")
            };
            let figures = limits.iter().flat_map(|cell| figures_in(cell)).collect();
            let names = held.split('`').skip(1).step_by(2).map(str::to_owned).collect();
            rows.push(Row { line, what: (*what).to_owned(), figures, names });
        }
    }
    rows
}

/// The figures of a text, without those in back quotes.
fn figures_in(text: &str) -> Vec<Figure> {
    let plain: String = text.split('`').step_by(2).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let mut figures = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let digits = word.trim_matches(['(', ')', ',', ';']).replace(',', "");
        let Ok(number) = digits.parse::<f64>() else { continue };
        let behind = |more: usize| words.get(at + more).map_or("", |word| word.trim_matches([')', ',', ';']));
        let each = match (behind(1), behind(2), behind(3)) {
            ("a", "second", _) => Some(60.0),
            ("a", "minute", _) => Some(1.0),
            _ => None,
        };
        let (factor, unit) = match (each, behind(1)) {
            (Some(factor), _) => (factor, Unit::PerMinute),
            (_, "B" | "bytes") => (1.0, Unit::Bytes),
            (_, "KiB") => (1024.0, Unit::Bytes),
            (_, "MiB") => (1_048_576.0, Unit::Bytes),
            (_, "GiB") => (1_073_741_824.0, Unit::Bytes),
            (_, "ms") => (1.0, Unit::Millis),
            (_, "s") => (1e3, Unit::Millis),
            (_, "min") => (6e4, Unit::Millis),
            (_, "h") => (3.6e6, Unit::Millis),
            (_, "days") => (8.64e7, Unit::Millis),
            _ => (1.0, Unit::None),
        };
        figures.push(Figure { value: number * factor, unit });
        // `4 KiB to 1 MiB` has two units; in `1 to 15 min` the first figure has the unit of the second.
        if let [.., first, second] = &mut figures[..]
            && first.unit == Unit::None
            && at >= 2
            && words[at - 1] == "to"
        {
            *first = Figure { value: first.value * factor, unit: second.unit };
        }
    }
    figures
}

/// The sources and the settings in which names are looked up.
struct Code {
    /// File, its name without the extension, and its text without its tests.
    sources: Vec<(String, String, String)>,
    settings: BTreeMap<String, String>,
}

impl Code {
    fn read() -> Self {
        let all = sources(&FOLDERS).expect("the repository's sources").into_iter();
        let own = all.filter(|(path, _)| !path.components().any(|part| part.as_os_str() == "tests"));
        let sources = own.map(|(path, text)| {
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
            (path.display().to_string(), stem(&path), text)
        });
        let settings = fs::read_to_string(root().join("deploy/cellar.toml")).expect("the settings");
        Self { sources: sources.collect(), settings: settings_in(&settings) }
    }

    /// The value of a name: one figure, or the two ends of a range.
    fn figures(&self, name: &str) -> Result<Vec<Figure>, String> {
        if let Some(value) = self.settings.get(name) {
            let value = evaluate(value, &|_| None).ok_or_else(|| format!("{name} is {value}, no number"))?;
            return Ok(vec![figure(name, value)]);
        }
        let (file, item) = name.split_once("::").map_or((None, name), |(file, item)| (Some(file), item));
        let (item, field) = item.split_once('.').map_or((item, None), |(item, field)| (item, Some(field)));
        let mut found: Vec<Vec<Figure>> = Vec::new();
        for (path, stem, text) in &self.sources {
            if file.is_some_and(|file| file != stem) {
                continue;
            }
            for expression in expressions(text, item, field) {
                let local = |name: &str| value_of(text, name);
                let ends: Vec<&str> = expression.split("..=").collect();
                let values: Option<Vec<f64>> = ends.iter().map(|end| evaluate(end, &local)).collect();
                let values =
                    values.ok_or_else(|| format!("{name} in {path} is {expression}, which is not read"))?;
                let named = field.unwrap_or(item);
                let seconds = if expression.contains("Duration::from_secs(") { 1e3 } else { 1.0 };
                let timed = expression.contains("Duration::from_");
                let of = |value: f64| match timed {
                    true => Figure { value: value * seconds, unit: Unit::Millis },
                    false => figure(named, value),
                };
                let figures = values.into_iter().map(of).collect();
                if !found.contains(&figures) {
                    found.push(figures);
                }
            }
        }
        match found.len() {
            0 => Err(format!("there is no {name}")),
            1 => Ok(found.remove(0)),
            _ => Err(format!("{name} is several constants: name the file too, file::NAME")),
        }
    }
}

fn stem(path: &Path) -> String {
    let own = path.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str()).unwrap_or_default();
    (if own == "mod" { folder } else { own }).to_owned()
}

/// `section.name` → value, of a file whose tables are not nested.
fn settings_in(text: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    let mut section = "";
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if let Some((name, value)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
            settings.insert(format!("{section}.{name}"), value.to_owned());
        }
    }
    settings
}

/// The figure with the unit that the end of the name shows.
fn figure(name: &str, value: f64) -> Figure {
    let name = name.to_ascii_lowercase();
    let name = name.rsplit('.').next().unwrap_or_default();
    let part = |part: &str| name.split('_').any(|one| one == part);
    let (factor, unit) = match () {
        () if part("kib") => (1024.0, Unit::Bytes),
        () if name.contains("bytes_per_s") => (1.0, Unit::Bytes),
        () if name.contains("per_minute") => (1.0, Unit::PerMinute),
        () if name.ends_with("per_s") => (60.0, Unit::PerMinute),
        () if part("ms") => (1.0, Unit::Millis),
        () if part("s") => (1e3, Unit::Millis),
        () if part("bytes") => (1.0, Unit::Bytes),
        () => (1.0, Unit::None),
    };
    Figure { value: value * factor, unit }
}

/// The text after `const item: … =`, or after the first `field:` in that constant or function.
fn expressions<'t>(text: &'t str, item: &str, field: Option<&str>) -> Vec<&'t str> {
    let constant = format!("const {item}: ");
    let function = format!("fn {item}(");
    let starts =
        text.match_indices(&constant).chain(text.match_indices(&function).filter(|_| field.is_some()));
    let found = starts.filter_map(|(at, head)| {
        let rest = &text[at + head.len()..];
        match field {
            None => rest.split_once(" = ")?.1.split_once(';').map(|(expression, _)| expression.trim()),
            Some(field) => {
                let end = rest.find("\n}\n").or_else(|| rest.find("\n    }\n")).unwrap_or(rest.len());
                let end = rest.find("\n    }\n").map_or(end, |inner| inner.min(end)).max(1);
                let field = format!(" {field}: ");
                let value = rest[..end].split_once(&field)?.1;
                Some(value[..value.find([',', '}', '\n'])?].trim())
            }
        }
    });
    found.collect()
}

/// The value of a constant of that name in a source.
fn value_of(text: &str, name: &str) -> Option<f64> {
    let expression = *expressions(text, name, None).first()?;
    evaluate(expression, &|inner| (inner != name).then(|| value_of(text, inner)).flatten())
}

/// Evaluates sums, products and shifts of numbers, of names, and of the arguments of `Duration`'s constructors.
fn evaluate(expression: &str, name: &impl Fn(&str) -> Option<f64>) -> Option<f64> {
    let mut reader = Reader { rest: expression.trim(), name };
    let value = reader.shift()?;
    reader.rest.trim().is_empty().then_some(value)
}

struct Reader<'e, N> {
    rest: &'e str,
    name: &'e N,
}

impl<N: Fn(&str) -> Option<f64>> Reader<'_, N> {
    fn takes(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        let found = rest.strip_prefix(token);
        self.rest = found.unwrap_or(rest);
        found.is_some()
    }

    fn shift(&mut self) -> Option<f64> {
        let mut value = self.sum()?;
        while self.takes("<<") {
            value *= self.sum()?.exp2();
        }
        Some(value)
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product()?;
        while self.takes("+") {
            value += self.product()?;
        }
        Some(value)
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.one()?;
        while self.takes("*") {
            value *= self.one()?;
        }
        Some(value)
    }

    fn one(&mut self) -> Option<f64> {
        for opening in ["Duration::from_secs(", "Duration::from_millis(", "("] {
            if self.takes(opening) {
                let value = self.shift()?;
                return self.takes(")").then_some(value);
            }
        }
        let rest = self.rest.trim_start();
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && !"_.".contains(letter));
        let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
        self.rest = rest;
        word.replace('_', "").parse().ok().or_else(|| (self.name)(word))
    }
}

#[test]
fn every_row_has_the_figures_of_what_it_names() {
    let page = fs::read_to_string(root().join("docs/limits.md")).expect("the page");
    let (rows, code) = (rows(&page), Code::read());
    assert!(rows.len() > 70, "only {} rows name what holds them", rows.len());
    let mut wrong = Vec::new();
    for row in &rows {
        let named: Result<Vec<_>, _> = row.names.iter().map(|name| code.figures(name)).collect();
        let why = match named.map(|figures| figures.concat()) {
            Err(why) => why,
            Ok(figures) if figures == row.figures => continue,
            Ok(figures) => format!("the row says {:?}, the code {figures:?}", row.figures),
        };
        wrong.push(format!("docs/limits.md:{}: {}: {why}", row.line, row.what));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_public_limit_has_a_row() {
    let page = fs::read_to_string(root().join("docs/limits.md")).expect("the page");
    let last = |name: &str| name.rsplit("::").next().unwrap_or(name).to_owned();
    let named: BTreeSet<String> =
        rows(&page).iter().flat_map(|row| &row.names).map(|name| last(name)).collect();
    let mut missing = BTreeSet::new();
    let mut excused: BTreeSet<&str> = WITHOUT_A_ROW.iter().map(|(name, _)| *name).collect();
    for (path, _, text) in Code::read().sources {
        if !WATCHED.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        for name in text.split("\npub").skip(1).filter_map(constant_of) {
            let has_reason = WITHOUT_A_ROW.iter().any(|(known, _)| *known == name);
            excused.remove(name);
            if name.ends_with("_MAX") && !named.contains(name) && !has_reason {
                missing.insert(format!("{path}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "docs/limits.md has no row for these:\n{missing:#?}");
    assert!(excused.is_empty(), "these are gone and still excused: {excused:?}");
}

/// The text after `pub`: the name of a constant, if it is one.
fn constant_of(text: &str) -> Option<&str> {
    let text = text.strip_prefix(' ').or_else(|| Some(text.strip_prefix('(')?.split_once(") ")?.1))?;
    text.strip_prefix("const ")?.split_once(':').map(|(name, _)| name)
}

#[test]
fn figures_and_expressions_are_read_as_they_are_written() {
    let of = |text: &str| figures_in(text).into_iter().map(|figure| figure.value).collect::<Vec<_>>();
    assert_eq!(of("60 s, 2 GiB, 180 s, in a process"), [60_000.0, 2_147_483_648.0, 180_000.0]);
    assert_eq!(of("1, 4, 20,000, `cell@0.1` 8"), [1.0, 4.0, 20_000.0, 8.0]);
    assert_eq!(of("20 a second, 40 at once"), [1_200.0, 40.0]);
    assert_eq!(of("for 1 to 15 min"), [60_000.0, 900_000.0]);
    let day = |name: &str| (name == "DAY_MS").then_some(864e5);
    assert_eq!(evaluate("7 * DAY_MS", &day), Some(6.048e8));
    assert_eq!(evaluate("(64 << 20) + 1_024", &day), Some(67_109_888.0));
    assert_eq!(evaluate("Duration::from_secs(24 * 3_600)", &day), Some(86_400.0));
    assert_eq!(evaluate("X", &day), None);
    let source = "const A: R = R { first: 2 * 3, last: 1 };\nfn made() -> R {\n    R { first: 5 }\n}\n";
    assert_eq!(expressions(source, "A", Some("first")), ["2 * 3"]);
    assert_eq!(expressions(source, "made", Some("first")), ["5"]);
}
