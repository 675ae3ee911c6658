//! Every command and every setting that a document shows is one that the program takes.
//!
//! * Commands are given to the command line's own parser, settings to the configuration. What cannot be read fails too.
//! * Files that a document or a comment points to exist.
//! * A verb in running text, such as `cellar user export`, must exist and may lack its arguments.

mod commands;
mod links;
mod markdown;
mod settings;
mod shell;
mod sources;

use std::path::{Path, PathBuf};

use clap::CommandFactory;
use clap::error::ErrorKind;
use runtime_host::config::Config;

use commands::Found;
use settings::{SECTIONS, Setting};
use sources::{documents, files};

/// So many calls and settings there are at least: with fewer, documents are not read any more.
const CALLS_MIN: usize = 150;
const SETTINGS_MIN: usize = 60;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All verbs, with the arguments of those that are programs of their own.
fn command() -> clap::Command {
    let demo = runtime_demo::Command::command().name("demo");
    let bench = runtime_bench::Command::command().name("bench");
    let aggregator = runtime_aggregator::Command::command();
    let programs = [runtime_trial::Command::command(), runtime_registry::Command::command()];
    let cell = |mut cell: clap::Command| {
        for verb in programs.iter().flat_map(clap::Command::get_subcommands) {
            cell = cell.mut_subcommand(verb.get_name(), |_| verb.clone());
        }
        cell
    };
    let command = runtime_cellar::cli::command();
    let command = command.mut_subcommand("demo", |_| demo).mut_subcommand("bench", |_| bench);
    command.mut_subcommand("aggregator", |_| aggregator).mut_subcommand("cell", cell)
}

/// What the parser of the command line says to `arguments`.
fn parse(arguments: &[String]) -> Result<(), String> {
    let name = std::iter::once("cellar");
    match command().try_get_matches_from(name.chain(arguments.iter().map(String::as_str))) {
        Ok(_) => Ok(()),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => Ok(()),
        Err(error) => Err(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

/// Whether `words` lead to a verb, whatever arguments it needs.
fn is_verb(words: &[String]) -> bool {
    let mut command = command();
    words.iter().all(|word| match command.find_subcommand(word).cloned() {
        Some(inner) => {
            command = inner;
            true
        }
        None => false,
    })
}

/// What the configuration says to a setting.
fn look_up(setting: &Setting) -> Result<(), String> {
    let Setting { section, key, value } = setting;
    let table = |section: &str| format!("[{section}]\n");
    // Without a value, one that no setting has: the error tells whether it is the name that is wrong.
    let line = key
        .as_ref()
        .map_or_else(String::new, |key| format!("{key} = {}\n", value.as_deref().unwrap_or("[[[]]]")));
    let texts: Vec<String> = match section {
        Some(section) => vec![table(section) + &line],
        None if value.is_some() => vec![line],
        None => SECTIONS.iter().map(|section| table(section) + &line).chain([line.clone()]).collect(),
    };
    let reads = |text: &String| match toml::from_str::<Config>(text) {
        Ok(_) => Ok(()),
        Err(error) if value.is_none() && !error.message().starts_with("unknown field") => Ok(()),
        Err(error) => Err(error.message().to_owned()),
    };
    let answers: Vec<Result<(), String>> = texts.iter().map(reads).collect();
    answers.iter().find(|answer| answer.is_ok()).unwrap_or(&answers[0]).clone()
}

#[test]
fn every_command_in_a_document_is_one_that_the_command_line_takes() {
    let (mut faults, mut calls) = (Vec::new(), 0);
    for document in documents(&root()) {
        for part in &document.parts {
            let mut report =
                |why: &str| faults.push(format!("{}:{}: `{}`: {why}", document.path, part.line, part.text));
            for found in commands::found_in(part) {
                calls += 1;
                match found {
                    Found::Fault(why) => report(&why),
                    Found::Verb(lists) if lists.iter().all(|words| is_verb(words)) => {}
                    Found::Verb(lists) | Found::Call(lists) => {
                        lists.iter().filter_map(|list| parse(list).err()).for_each(|why| report(&why));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(calls >= CALLS_MIN, "only {calls} calls were found");
}

#[test]
fn every_setting_in_a_document_is_one_that_the_configuration_has() {
    let (mut faults, mut count) = (Vec::new(), 0);
    for document in documents(&root()).iter().filter(|document| document.names_settings) {
        let mut look = |line: usize, setting: &Setting| {
            count += 1;
            if let Err(why) = look_up(setting) {
                faults.push(format!("{}:{line}: {setting:?}: {why}", document.path));
            }
        };
        for part in &document.parts {
            settings::settings_in(part).iter().for_each(|setting| look(part.line, setting));
        }
        let whole = document.configuration.as_deref().map(settings::of_configuration).unwrap_or_default();
        whole.iter().for_each(|setting| look(0, setting));
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(count >= SETTINGS_MIN, "only {count} settings were found");
}

#[test]
fn every_file_that_a_document_points_to_exists() {
    let root = root();
    let pointers = files(&root, &["md", "rs", "toml", "wit"]);
    let missing = pointers.iter().flat_map(|(path, text)| {
        links::missing(&root, path, text).into_iter().map(move |file| format!("{path}: {file}"))
    });
    let missing: Vec<String> = missing.collect();
    assert!(missing.is_empty(), "{} files are not there:\n{}", missing.len(), missing.join("\n"));
}
