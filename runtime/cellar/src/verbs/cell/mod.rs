//! `cellar cell`: cells that come as packages, from the first line of their code to who signed them.

mod build;
pub(super) mod files;
mod inspect;
mod installed;
mod new;

use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use runtime_package::{Package, PublisherKey, pack, schemas_of};
use runtime_program::{Failure, read_text};
use serde::Serialize;

use super::{Options, show};
use crate::companion::{Arguments, become_program};
use inspect::{Inspected, Signed};

/// The program that reaches registries.
const REGISTRY: &str = "cellar-cell-registry";
/// The program that tries cells with invented people.
const TRIAL: &str = "cellar-cell-test";

/// The commands about packages.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Make a folder with a cell that builds and has tests
    #[command(after_help = "Example:\n  cellar cell new silences --lang rust --world stage")]
    New(new::Args),
    /// Build a cell's folder as a package, with the tools of its language
    #[command(after_help = "Example:\n  cellar cell build silences")]
    Build {
        /// The cell's folder, such as `cellar cell new` makes
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// What runs a cell in JavaScript; by default what its package.json says
        #[arg(long, value_name = "ENGINE", value_enum)]
        engine: Option<build::Engine>,
        /// The package; by default build/NAME.wasm in the folder
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Try a cell with invented people: late data, reset, rewind, forget, cut back-logs, narrow grants
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  cellar cell test silences\n  cellar cell test silences --users 5 --update"
    )]
    Test(Arguments),
    /// Invent a person with some days that wait for the analysis, as a file for `cellar user import`
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  cellar cell invent anna --seed 7 --days 2 --output anna.json"
    )]
    Invent(Arguments),
    /// Build and try a cell with few people whenever one of its files changes, until Ctrl-C
    #[command(disable_help_flag = true, after_help = "Example:\n  cellar cell watch silences")]
    Watch(Arguments),
    /// Draw the key with which a publisher signs
    #[command(after_help = "Example:\n  cellar cell keygen --output publisher.key")]
    Keygen {
        /// A new file for the key, for your eyes only; a lost key cannot be replaced
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Pack a component with its manifest and schemas, as `cellar cell build` does by itself
    #[command(
        after_help = "Example:\n  cellar cell pack silences --component silences.wasm --output package.wasm"
    )]
    Pack {
        /// The cell's folder, which has cell.toml and the schemas that it names
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// The component; by default build/component.wasm in the folder
        #[arg(long, value_name = "FILE")]
        component: Option<PathBuf>,
        /// The package
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Sign a package; a signature that it has is replaced
    #[command(after_help = "Example:\n  cellar cell sign package.wasm --key publisher.key")]
    Sign {
        /// The package
        file: PathBuf,
        /// The publisher's key
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Draw a new key for a publisher, which the old key names as its successor
    #[command(after_help = "Example:\n  cellar cell succeed --key publisher.key --new publisher-2.key")]
    Succeed {
        /// The publisher's key as it is now
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// A new file for the new key
        #[arg(long, value_name = "FILE")]
        new: PathBuf,
    },
    /// Tell who signed a package; exit status 1 if nobody did or it was changed
    #[command(after_help = "Example:\n  cellar cell verify package.wasm")]
    Verify {
        /// The package
        file: PathBuf,
    },
    /// Put a signed package into a registry or a folder
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  cellar cell push modes.wasm registry.example.org/cells/modes:1 --username anna --password-file secret"
    )]
    Push(Arguments),
    /// Get a package from a registry or a folder, and check who signed it
    #[command(
        disable_help_flag = true,
        after_help = "Example:\n  cellar cell pull registry.example.org/cells/modes:1 --output modes.wasm"
    )]
    Pull(Arguments),
    /// What an owner does with packages
    #[command(flatten)]
    Installed(installed::Verb),
    /// Show what a package says of itself, and who signed it
    #[command(after_help = "Example:\n  cellar cell inspect package.wasm --json")]
    Inspect {
        /// The package
        file: PathBuf,
    },
}

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(verb: Verb, options: &Options) -> Result<(), Failure> {
    match verb {
        Verb::Installed(verb) => installed::run(verb, options),
        Verb::Push(args) => Err(carry(REGISTRY, "push", args, options)),
        Verb::Pull(args) => Err(carry(REGISTRY, "pull", args, options)),
        Verb::New(args) => show(options, &new::make(&args)?, |made| {
            format!("{} has {}", made.folder.display(), made.files.join(", "))
        }),
        Verb::Build { folder, engine, output } => {
            let (output, package) = build::build(&folder, engine, output)?;
            show_package(options, &output, &package)
        }
        Verb::Test(args) => Err(carry(TRIAL, "test", args, options)),
        Verb::Invent(args) => Err(carry(TRIAL, "invent", args, options)),
        Verb::Watch(args) => Err(carry(TRIAL, "watch", args, options)),
        Verb::Keygen { output } => {
            let key = draw()?;
            files::write_key(&output, &key)?;
            show_key(options, &key, &output)
        }
        Verb::Pack { folder, component, output } => {
            let component = component.unwrap_or_else(|| folder.join(build::RESULTS).join(build::COMPONENT));
            let package = packed(&folder, &component)?;
            files::write_package(&output, &package)?;
            show_package(options, &output, &package)
        }
        Verb::Sign { file, key } => {
            let (key, package) = (files::read_key(&key)?, files::read_package(&file)?);
            let signed = key.sign(&package, &SystemRandom::new());
            let signed = signed.map_err(|error| of_package(&file, &error))?;
            files::write_package(&file, &signed)?;
            show_package(options, &file, &signed)
        }
        Verb::Succeed { key, new } => {
            let old = files::read_key(&key)?;
            let next = old.succeed(draw()?, &SystemRandom::new());
            let next = next.map_err(|error| Failure::of(&error, "go on with the key that you have"))?;
            files::write_key(&new, &next)?;
            show_key(options, &next, &new)
        }
        Verb::Verify { file } => {
            let bytes = files::read_package(&file)?;
            let package = Package::parse(&bytes).map_err(|error| of_package(&file, &error))?;
            package.verify().map_err(|error| {
                let what = format!("{}: {}", file.display(), error);
                Failure::new(what, "install nothing of it")
            })?;
            show(options, &Inspected::of(&package), Inspected::tell_signed)
        }
        Verb::Inspect { file } => {
            let bytes = files::read_package(&file)?;
            let package = Package::parse(&bytes).map_err(|error| of_package(&file, &error))?;
            show(options, &Inspected::of(&package), Inspected::tell)
        }
    }
}

/// Becomes the program that carries out this verb of `cell`; returns only where that is not possible.
fn carry(program: &str, verb: &str, Arguments { arguments }: Arguments, options: &Options) -> Failure {
    let words: Vec<_> = std::iter::once(verb.into()).chain(arguments).collect();
    become_program(program, &words, options.json)
}

fn draw() -> Result<PublisherKey, Failure> {
    PublisherKey::generate(&SystemRandom::new()).map_err(|error| Failure::of(&error, "report this"))
}

fn packed(folder: &Path, component: &Path) -> Result<Vec<u8>, Failure> {
    let path = folder.join("cell.toml");
    let unread = |path: &Path, error: &std::io::Error| {
        Failure::new(format!("cannot read {}: {error}", path.display()), "name the folder of a cell")
    };
    let manifest = read_text(&path).map_err(|error| unread(&path, &error))?;
    let of_manifest = |error: &dyn std::error::Error| {
        Failure::new(format!("{}: {error}", path.display()), "docs/researcher.md explains the manifest")
    };
    let mut schemas = Vec::new();
    for (name, file) in schemas_of(&manifest).map_err(|error| of_manifest(&error))? {
        let path = folder.join(file);
        schemas.push((name, read_text(&path).map_err(|error| unread(&path, &error))?));
    }
    let schemas: Vec<_> = schemas.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let component = files::read_package(component)?;
    pack(&component, &manifest, &schemas).map_err(|error| of_manifest(&error))
}

fn of_package(file: &Path, error: &dyn std::error::Error) -> Failure {
    let what = format!("{}: {error}", file.display());
    Failure::new(what, "get it again from its publisher, or pack it again")
}

/// What is told of a key: nothing of its private half.
#[derive(Serialize)]
struct KeyTold<'k> {
    file: &'k Path,
    publisher: String,
    public_key: String,
    successions: usize,
}

fn show_key(options: &Options, key: &PublisherKey, file: &Path) -> Result<(), Failure> {
    let told = KeyTold {
        file,
        publisher: key.publisher().to_string(),
        public_key: key.public().to_string(),
        successions: key.chain_len(),
    };
    show(options, &told, |told| {
        format!(
            "publisher {}, key {} of them, in {}\nKeep a copy where nobody else finds it: whoever has it publishes in \
             your name, and nobody can replace it.",
            told.publisher,
            told.successions + 1,
            told.file.display()
        )
    })
}

fn show_package(options: &Options, file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let package = Package::parse(bytes).map_err(|error| Failure::of(&error, "report this"))?;
    show(options, &Inspected::of(&package), |inspected| match inspected.signed {
        Signed::By { .. } => format!("{}: {}", file.display(), inspected.tell_signed()),
        _ => format!("{}: {}, not signed yet", file.display(), inspected.tell_size()),
    })
}
