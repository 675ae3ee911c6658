//! Where a verb works: the data folder and the settings come from the command line, the environment or the settings.

use crate::support::binary;

use std::fs;
use std::path::Path;
use std::process::Command;

use binary::{CELLAR, cellar, json, parse, program, refused, text, within};

/// A data folder with somebody of that name.
fn with(folder: &Path, name: &str) -> String {
    let data = within(folder, name);
    json(&["user", "add", "--data", &data, name]);
    data
}

/// The name of the one person that is found.
fn found(command: &mut Command) -> String {
    let output = command.args(["user", "list", "--json"]).output().expect("it starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    parse(&text(&output.stdout))[0]["name"].as_str().expect("a name").to_owned()
}

#[test]
fn the_command_line_comes_before_the_environment_and_the_environment_before_the_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let [one, two, three] = ["one", "two", "three"].map(|name| with(folder.path(), name));
    let settings = within(folder.path(), "cellar.toml");
    fs::write(&settings, format!("data = {three:?}\n")).expect("written");
    assert_eq!(found(program(CELLAR).args(["--data", &one]).env("CELLAR_DATA", &two)), "one");
    assert_eq!(found(program(CELLAR).env("CELLAR_DATA", &two).env("CELLAR_CONFIG", &settings)), "two");
    assert_eq!(found(program(CELLAR).env("CELLAR_CONFIG", &settings)), "three");
    assert_eq!(found(program(CELLAR).args(["--config", &settings])), "three");
    assert_eq!(found(program(CELLAR).env("CELLAR_DATA", "").args(["--config", &settings])), "three");
    let checked = json(&["serve", "--check", "--config", &settings]);
    assert_eq!(checked["data"], three);
}

#[test]
fn a_verb_without_a_data_folder_says_how_to_name_one() {
    for args in [&["user", "list"][..], &["serve"], &["pair", "Ada"], &["export", "Ada", "--format", "csv"]] {
        let told = refused(args);
        assert!(told.contains("--data DIR") && told.contains("CELLAR_DATA"), "{args:?}: {told}");
    }
    assert!(cellar(&["serve", "--check"]).status.success(), "settings are shown without one");
}

#[test]
fn options_stand_before_and_behind_the_verb() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = with(folder.path(), "Ada");
    for args in [
        &["--json", "--data", &data, "user", "status", "Ada"][..],
        &["user", "--data", &data, "status", "--json", "Ada"],
        &["user", "status", "Ada", "--json", "--data", &data],
    ] {
        let output = cellar(args);
        assert_eq!(parse(&text(&output.stdout))["store"], "absent", "{args:?}: {}", text(&output.stderr));
    }
}

#[test]
fn spellings_of_earlier_versions_are_still_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = within(folder.path(), "data");
    json(&["user", "add", "--data", &data, "Ada", "--unattended"]);
    let dump = within(folder.path(), "dump.json");
    fs::write(&dump, "[]").expect("written");
    let imported = json(&["user", "import", "--data", &data, "--into", "Ada", "--input", &dump]);
    assert_eq!(imported["entries"]["timeseries"], 0);
    assert!(json(&["pipeline", "status", "--data", &data, "--user", "Ada"])["stages"].is_array());
    let exported = json(&["export", "--data", &data, "--user", "Ada", "--format", "csv"]);
    assert_eq!(exported["trips"], 0);
    let help = text(&cellar(&["pipeline", "status", "--help"]).stdout);
    assert!(help.contains("<PERSON>") && !help.contains("--user"), "{help}");
    for twice in [
        &["pipeline", "status", "--data", &data, "--user", "Ada", "Ada"][..],
        &["user", "import", "--data", &data, "--input", &dump, &dump],
    ] {
        assert_eq!(cellar(twice).status.code(), Some(2), "{twice:?}");
    }
}
