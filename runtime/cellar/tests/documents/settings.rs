//! Which settings of the configuration a document names.
//!
//! * In backticks: `[section]`, `[section] key = value`, `section.key`, `key = value`, and a name with a unit that only
//!   settings have, such as `open_max`.
//! * In blocks of TOML, each key with its value; a block with stages or a cell's manifest is none of the configuration's.

use crate::markdown::{Kind, Part};

/// The tables of the configuration.
pub const SECTIONS: [&str; 8] = ["cells", "gateway", "legacy", "limits", "log", "people", "pipeline", "tls"];
/// Keys of manifests and of the list of stages that pages write as `key = value` in running text.
const KEYS_OF_OTHERS: [&str; 10] = [
    "cell",
    "description",
    "enabled",
    "interfaces",
    "late",
    "name",
    "pipeline-stage",
    "test",
    "version",
    "world",
];
/// What only names of settings end with.
const UNITS: [&str; 3] = ["_max", "_min", "_ms"];
/// What follows the point in the name of a file.
const EXTENSIONS: [&str; 7] = ["crt", "json", "key", "md", "rs", "toml", "wit"];

/// A setting as a document names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The table that it is in; `None`: the top of the file, or any table where there is no value.
    pub section: Option<String>,
    /// `None`: the document names the whole table.
    pub key: Option<String>,
    /// As TOML, where the document gives one.
    pub value: Option<String>,
}

/// The settings that `part` names.
pub fn settings_in(part: &Part) -> Vec<Setting> {
    match part.kind {
        Kind::Span => of_span(&part.text).into_iter().collect(),
        Kind::Toml => of_configuration(&part.text),
        Kind::Line | Kind::Prose => Vec::new(),
    }
}

fn setting(section: Option<&str>, key: Option<&str>, value: Option<&str>) -> Setting {
    Setting {
        section: section.map(str::to_owned),
        key: key.map(str::to_owned),
        value: value.map(str::to_owned),
    }
}

fn of_span(text: &str) -> Option<Setting> {
    if let Some((section, rest)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return match assignment(rest) {
            _ if !is_name(section) => None,
            Some((key, value)) => Some(setting(Some(section), Some(key), Some(value))),
            None => rest.is_empty().then(|| setting(Some(section), None, None)),
        };
    }
    if let Some((key, value)) = assignment(text) {
        let (section, key) = key.split_once('.').map_or((None, key), |(section, key)| (Some(section), key));
        return (!KEYS_OF_OTHERS.contains(&key)).then(|| setting(section, Some(key), Some(value)));
    }
    if let Some((section, key)) = text.split_once('.') {
        let names = SECTIONS.contains(&section) && is_name(key) && !EXTENSIONS.contains(&key);
        return names.then(|| setting(Some(section), Some(key), None));
    }
    (is_name(text) && UNITS.iter().any(|unit| text.ends_with(unit))).then(|| setting(None, Some(text), None))
}

/// The settings of a configuration, commented out (`#key = value`) or not; none where the text is of another kind.
pub fn of_configuration(text: &str) -> Vec<Setting> {
    let (mut settings, mut section) = (Vec::new(), None);
    for line in text.lines() {
        let line = line.strip_prefix('#').unwrap_or(line).trim_end();
        if line.starts_with("[[") || line.starts_with("world ") {
            return Vec::new();
        }
        match (line.strip_prefix('[').and_then(|line| line.strip_suffix(']')), assignment(line)) {
            (Some(name), _) => {
                section = Some(name);
                settings.push(setting(section, None, None));
            }
            (None, Some((key, value))) => settings.push(setting(section, Some(key), Some(value))),
            _ => {}
        }
    }
    settings
}

/// `key = value`, without a comment behind it.
fn assignment(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once(" = ")?;
    let key = key.trim_start();
    let is_key = key.split('.').all(is_name) && text.starts_with([' ', key.chars().next()?]);
    is_key.then(|| (key, value.split(" #").next().unwrap_or(value).trim()))
}

fn is_name(text: &str) -> bool {
    let is_of_a_name =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(is_of_a_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str) -> Option<Setting> {
        of_span(text)
    }

    #[test]
    fn settings_in_running_text_are_known_by_their_form() {
        assert_eq!(named("[legacy]"), Some(setting(Some("legacy"), None, None)));
        assert_eq!(
            named("[legacy] enabled = true"),
            Some(setting(Some("legacy"), Some("enabled"), Some("true")))
        );
        assert_eq!(named("people.lease_ms"), Some(setting(Some("people"), Some("lease_ms"), None)));
        assert_eq!(named("data = \"/x\""), Some(setting(None, Some("data"), Some("\"/x\""))));
        assert_eq!(named("open_people_max"), Some(setting(None, Some("open_people_max"), None)));
        for text in [
            "pipeline.toml",
            "metadata.write_ts",
            "late = \"again\"",
            "[types.\"a\"]",
            "--max",
            "a = b(c) = d?",
            "write_ts",
        ] {
            let found = named(text);
            assert!(found.is_none() || text.starts_with("a ="), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_configuration_has_its_settings_commented_out_or_not_and_other_files_have_none() {
        let text = "# Words = more.\nlisten = \"a\" # b\n#data = 1\n[tls]\nnames = []\n";
        let settings = [
            setting(None, Some("listen"), Some("\"a\"")),
            setting(None, Some("data"), Some("1")),
            setting(Some("tls"), None, None),
            setting(Some("tls"), Some("names"), Some("[]")),
        ];
        assert_eq!(of_configuration(text), settings);
        assert_eq!(of_configuration("name = \"a\"\n[[stage]]\ncell = \"b\"\n"), []);
        assert_eq!(of_configuration("name = \"a\"\nworld = \"stage\"\n"), []);
    }
}
