//! The command line. Exit status: 0 done, 1 failed with one line on stderr, 2 bad arguments.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use runtime_program::Failure;
use runtime_program::exit::{finish, usage};

use crate::companion::{Arguments, become_program};
use crate::verbs::{
    Options, cell, device, export, gateway, host, import, open, pair, phone, pipeline, receiver, serve, show,
    study, types, user,
};

const PROGRAM: &str = "cellar";

#[derive(Debug, Parser)]
#[command(
    name = "cellar",
    version,
    about = "A private server for people's own data",
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Answer phones on one port and run each person's cells
    #[command(after_help = serve::EXAMPLE)]
    Serve(serve::Args),
    /// Accept clients for many hosts at one address, and pass each on to its host
    #[command(after_help = gateway::EXAMPLE)]
    Gateway(gateway::Args),
    /// Show a day of an invented person, from phone to diary
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  cellar demo\n  cellar demo --open\n  cellar demo --keep /tmp/demo"
    )]
    Demo(Arguments),
    /// Run the pipeline over dumps and write the result
    #[command(
        after_help = "Example:\n  cellar replay --input day1.json.gz --input day2.json.gz --output result.json"
    )]
    Replay(runtime_replay::Args),
    /// Add, list, suspend, export, import and erase people
    #[command(subcommand)]
    User(user::Verb),
    /// Write a person's diary as GeoJSON, GPX, KML or CSV
    #[command(after_help = export::EXAMPLE)]
    Export(export::Args),
    /// Read a person's history from files of other programs: Google, GPX, GeoJSON, KML, FIT, TCX, CSV, OwnTracks, Traccar
    #[command(after_help = import::EXAMPLE)]
    Import(import::Args),
    /// Show a code with which a phone becomes one of a person's devices
    #[command(after_help = pair::EXAMPLE)]
    Pair(pair::Args),
    /// List, approve, rename and revoke a person's devices
    #[command(subcommand)]
    Device(device::Verb),
    /// Show a person's own page in a browser on this machine: diary, who read what, cells, phones
    #[command(after_help = open::EXAMPLE)]
    Open(open::Args),
    /// Act as a phone
    #[command(subcommand)]
    Phone(phone::Verb),
    /// Add, list and revoke trackers from the shops: OwnTracks, Overland, Traccar Client, GPSLogger
    #[command(subcommand)]
    Receiver(receiver::Verb),
    /// Run, look at and reset a person's pipeline
    #[command(subcommand)]
    Pipeline(pipeline::Verb),
    /// Make, sign and look at cells that come as packages
    #[command(subcommand)]
    Cell(cell::Verb),
    /// Noisy totals over many people: check, sign, publish and join studies, and ask for their results
    #[command(subcommand)]
    Study(study::Verb),
    /// Show how many people are here, how the machine is, and the version; nothing about any person
    #[command(after_help = "Example:\n  cellar host")]
    Host,
    /// Add shares of contributions to studies over many hosts, as one of two aggregators
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  cellar aggregator init /var/lib/cellar-aggregator\n  cellar aggregator serve /var/lib/cellar-aggregator --listen 0.0.0.0:8450"
    )]
    Aggregator(Arguments),
    /// List the data types that are known, each with the cell that brought it
    #[command(after_help = "Example:\n  cellar types --json")]
    Types,
    /// Measure, and print ratios taken in one run
    #[command(disable_help_flag = true, after_help = "Example:\n  cellar bench put")]
    Bench(Arguments),
}

/// The definition of all verbs. `demo`, `bench`, `aggregator` and four verbs of `cell` accept any arguments, which their programs read.
pub fn command() -> clap::Command {
    Cli::command()
}

/// Reads the arguments of the process and carries them out.
pub fn main() -> ExitCode {
    // Whatever a library creates, such as the files of a store, is the owner's alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let Cli { options, verb } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) => return usage(PROGRAM, &help),
    };
    let options = &options;
    let done = match verb {
        Verb::Serve(args) => serve::run(&args, options),
        Verb::Gateway(args) => gateway::run(&args, options),
        Verb::Demo(Arguments { arguments }) => Err(become_program("cellar-demo", &arguments, options.json)),
        Verb::Replay(args) => run_replay(&args, options),
        Verb::User(verb) => user::run(verb, options),
        Verb::Export(args) => export::run(args, options),
        Verb::Import(args) => import::run(args, options),
        Verb::Pair(args) => pair::run(&args, options),
        Verb::Device(verb) => device::run(verb, options),
        Verb::Open(args) => open::run(args, options),
        Verb::Phone(verb) => phone::run(verb, options),
        Verb::Receiver(verb) => receiver::run(verb, options),
        Verb::Pipeline(verb) => pipeline::run(verb, options),
        Verb::Cell(verb) => cell::run(verb, options),
        Verb::Study(verb) => study::run(verb, options),
        Verb::Host => host::run(options),
        Verb::Aggregator(Arguments { arguments }) => {
            Err(become_program(study::AGGREGATOR, &arguments, options.json))
        }
        Verb::Types => types::run(options),
        Verb::Bench(Arguments { arguments }) => Err(become_program("cellar-bench", &arguments, options.json)),
    };
    finish(PROGRAM, done)
}

fn run_replay(args: &runtime_replay::Args, options: &Options) -> Result<(), Failure> {
    let replayed = runtime_replay::run(args)
        .map_err(|error| Failure::of(&error, "a dump is a JSON array of entries with metadata and data"))?;
    show(options, &replayed, |replayed| {
        let mut told = format!(
            "{} entries imported, {} stored at the end; pipeline {:.3} s of CPU (start {:.3} s, import {:.3} s, export {:.3} s)",
            replayed.imported,
            replayed.entries,
            replayed.pipeline_cpu_s,
            replayed.start_s,
            replayed.import_s,
            replayed.export_s
        );
        if replayed.set_aside > 0 {
            told.push_str(&format!(
                "\n{} entries could not be read, and stand among the errors with the reason",
                replayed.set_aside
            ));
        }
        told
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_sound() {
        command().debug_assert();
    }

    #[test]
    fn every_verb_shows_an_example() {
        fn check(command: &clap::Command, path: &str) {
            let mut inner = command.get_subcommands().filter(|inner| !inner.is_hide_set()).peekable();
            if inner.peek().is_none() {
                let help = command.clone().render_long_help().to_string();
                assert!(help.contains("cellar ") && help.contains("Example"), "{path}: {help}");
            }
            for inner in inner {
                check(inner, &format!("{path} {}", inner.get_name()));
            }
        }
        check(&command(), "cellar");
    }
}
