//! The command line of `cellar-cell-registry`: what follows `cellar cell`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use runtime_package::{PACKAGE_BYTES_MAX, PublisherId};
use runtime_program::{Failure, console, exit};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::admit::{Admitted, Expected, NotAdmitted};
use crate::remote::{Access, Login, RemoteError};
use crate::{FolderError, Place, PullError, PushError};

const PROGRAM: &str = "cellar";
/// Longest password, bytes.
const PASSWORD_BYTES_MAX: u64 = 4 << 10;
/// Largest file of certificates, bytes.
const AUTHORITIES_BYTES_MAX: u64 = 1 << 20;
/// The word for standard input in the place of a file.
const STANDARD_INPUT: &str = "-";

/// The program's arguments.
#[derive(Debug, Parser)]
#[command(name = "cell", about = "Carry packages to and from registries and folders")]
pub struct Command {
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Put a signed package into a registry or a folder
    #[command(
        after_help = "Example:\n  cellar cell push modes.wasm registry.example.org/cells/modes:1 --username anna --password-file secret\n  cellar cell push modes.wasm dir:cells:modes-1"
    )]
    Push {
        /// The package
        file: PathBuf,
        /// HOST[:PORT]/NAME:TAG, or dir:PATH[:TAG]
        reference: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Get a package from a registry or a folder, and check who signed it
    #[command(
        after_help = "Example:\n  cellar cell pull registry.example.org/cells/modes:1 --output modes.wasm\n  cellar cell pull dir:cells:modes-1 --output modes.wasm"
    )]
    Pull {
        /// HOST[:PORT]/NAME:TAG or HOST[:PORT]/NAME@DIGEST, or dir:PATH[:TAG]
        reference: String,
        /// Where it is written; a version that is there is replaced by a later one of the same cell alone
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
        /// The only publisher whose package is taken
        #[arg(long, value_name = "ID")]
        publisher: Option<PublisherId>,
        #[command(flatten)]
        reach: Reach,
    },
}

/// How a registry is reached.
#[derive(Debug, Args)]
struct Reach {
    /// The name by which to log in; the password comes from a file or from standard input
    #[arg(long, value_name = "NAME", requires = "password_file")]
    username: Option<String>,
    /// The file with the password, `-` for standard input
    #[arg(long, value_name = "FILE", requires = "username")]
    password_file: Option<PathBuf>,
    /// A further host that the registry may send to, for its tokens or contents; may be repeated
    #[arg(long, value_name = "HOST[:PORT]")]
    also: Vec<String>,
    /// Trust only the authorities in this file, PEM, in place of the system's
    #[arg(long, value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// Without TLS: for a registry on this machine alone
    #[arg(long, conflicts_with = "authorities")]
    plain_http: bool,
}

/// What is told of a push.
#[derive(Serialize)]
struct Pushed<'a> {
    reference: &'a str,
    digest: String,
}

/// What is told of a pull.
#[derive(Serialize)]
struct Pulled<'a> {
    file: &'a Path,
    #[serde(flatten)]
    package: Admitted,
}

/// Reads the arguments of the process and carries them out.
pub fn main() -> ExitCode {
    exit::main(PROGRAM, run)
}

fn run(command: Command) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of(&error, "do it again later"))?;
    match command.verb {
        Verb::Push { file, reference, reach } => {
            let (place, access) = (place(&reference)?, reach.access()?);
            let package = read(&file, PACKAGE_BYTES_MAX as u64, "name a package")?;
            let pushed = runtime.block_on(crate::push(&place, &access, &package));
            let digest = pushed.map_err(|error| not_pushed(&error))?;
            let told = Pushed { reference: &reference, digest };
            show(command.json, &told, |told| format!("{}: {}", told.reference, told.digest))
        }
        Verb::Pull { reference, output, publisher, reach } => {
            let (place, access) = (place(&reference)?, reach.access()?);
            let before = there(&output)?;
            let expected = Expected { publisher, before: before.as_deref() };
            let pulled = runtime.block_on(crate::pull(&place, &access, &expected));
            let (bytes, package) = pulled.map_err(|error| not_pulled(&error))?;
            crate::folder::write(&output, &bytes).map_err(|error| Failure::of_file(&output, &error))?;
            show(command.json, &Pulled { file: &output, package }, |told| {
                let Admitted { name, version, publisher, cell, successions, bytes } = &told.package;
                format!(
                    "{}: {name} version {version}, {bytes} bytes, signed by publisher {publisher} with key {}: cell {cell}",
                    told.file.display(),
                    successions + 1
                )
            })
        }
    }
}

fn show<T: Serialize>(json: bool, told: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
    if json { console::json(told) } else { console::line(text(told)) }
}

fn place(reference: &str) -> Result<Place, Failure> {
    reference.parse().map_err(|error| Failure::of(&error, "`cellar cell push --help` has examples"))
}

impl Reach {
    fn access(&self) -> Result<Access, Failure> {
        let login = match (&self.username, &self.password_file) {
            (Some(username), Some(file)) => {
                Some(Login { username: username.clone(), password: password(file)? })
            }
            _ => None,
        };
        let authorities = self.authorities.as_deref();
        let authorities =
            authorities.map(|file| read(file, AUTHORITIES_BYTES_MAX, "name a file of certificates"));
        Ok(Access {
            plain: self.plain_http,
            login,
            also: self.also.clone(),
            authorities: authorities.transpose()?,
            bounds: crate::Bounds::default(),
        })
    }
}

/// The first line of the file.
fn password(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let unread = |error: io::Error| {
        Failure::new(
            format!("cannot read the password from {}: {error}", file.display()),
            "name a file with the password, or - for standard input",
        )
    };
    let mut text = Zeroizing::new(String::with_capacity(PASSWORD_BYTES_MAX as usize));
    if file.as_os_str() == STANDARD_INPUT {
        io::stdin().lock().take(PASSWORD_BYTES_MAX).read_to_string(&mut text).map_err(unread)?;
    } else {
        let opened = File::open(file).map_err(unread)?;
        opened.take(PASSWORD_BYTES_MAX).read_to_string(&mut text).map_err(unread)?;
    }
    let password = text.lines().next().unwrap_or_default();
    if password.is_empty() {
        return Err(unread(io::Error::other("its first line is empty")));
    }
    Ok(Zeroizing::new(password.to_owned()))
}

/// Reads a file; one that is larger than `bytes_max` is refused.
fn read(path: &Path, bytes_max: u64, remedy: &str) -> Result<Vec<u8>, Failure> {
    let unread = |error: &io::Error| Failure::new(format!("cannot read {}: {error}", path.display()), remedy);
    let file = File::open(path).map_err(|error| unread(&error))?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| unread(&error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(unread(&io::Error::other(format!("it has more than {bytes_max} bytes"))));
    }
    Ok(bytes)
}

/// What the output would replace.
fn there(output: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match output.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => read(output, PACKAGE_BYTES_MAX as u64, "name a new file").map(Some),
    }
}

fn not_pushed(error: &PushError) -> Failure {
    let remedy = match error {
        PushError::Package(_) => "pack it with `cellar cell pack` or `cellar cell build`",
        PushError::Signature(_) => "sign it with `cellar cell sign`",
        PushError::Remote(error) => of_registry(error),
        PushError::Folder(error) => of_folder(error),
    };
    Failure::of(error, remedy)
}

fn not_pulled(error: &PullError) -> Failure {
    let remedy = match error {
        PullError::NotAdmitted(NotAdmitted::Package(_) | NotAdmitted::Signature(_)) => {
            "nothing was written; ask its publisher for another reference"
        }
        PullError::NotAdmitted(NotAdmitted::Before(_) | NotAdmitted::OtherCell { .. }) => {
            "nothing was written; name another file with --output"
        }
        PullError::NotAdmitted(_) => "nothing was written; keep what you have, and ask its publisher",
        PullError::Remote(error) => of_registry(error),
        PullError::Folder(error) => of_folder(error),
    };
    Failure::of(error, remedy)
}

fn of_registry(error: &RemoteError) -> &'static str {
    match error {
        RemoteError::PlainElsewhere { .. } => "leave out --plain-http",
        RemoteError::Host { .. } => "write a name and, after a colon, a port",
        RemoteError::NoTag => "end the reference with a tag, such as :1",
        RemoteError::Elsewhere { .. } => {
            "if the registry is right and the host belongs to it, name the host with --also"
        }
        RemoteError::Login => "log in with --username and --password-file",
        RemoteError::NotThere => "compare the reference with what its publisher says",
        RemoteError::TooMuch { .. } | RemoteError::Artifact(_) => {
            "nothing was written; ask its publisher for another reference"
        }
        RemoteError::TooLong { .. } | RemoteError::Unreachable { .. } => "do it again later",
        RemoteError::Answer { .. } | RemoteError::System(_) => "ask whoever runs the registry",
    }
}

fn of_folder(error: &FolderError) -> &'static str {
    match error {
        FolderError::NotALayout { .. } => "or name an empty one",
        FolderError::NoSuchTag { .. } => "name one of them behind a colon, as in dir:PATH:TAG",
        FolderError::Disk { .. } => "name a folder that you may use",
        _ => "push the package into a new folder again",
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Command::command().debug_assert();
    }

    #[test]
    fn no_password_is_an_argument_and_no_name_goes_without_one() {
        let parse = |words: &[&str]| {
            Command::try_parse_from([&["cell", "pull", "a.b/c:1", "--output", "f"], words].concat())
        };
        assert!(parse(&[]).is_ok());
        assert!(parse(&["--username", "anna", "--password-file", "-"]).is_ok());
        for wrong in [
            &["--username", "anna"][..],
            &["--password-file", "f"],
            &["--password", "secret"],
            &["--username", "anna", "--password", "secret"],
            &["--plain-http", "--authorities", "f"],
        ] {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_password_is_the_first_line_of_its_file_and_not_empty() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "secret word\nrest").expect("written");
        assert_eq!(password(file.path()).expect("there").as_str(), "secret word");
        std::fs::write(file.path(), "\n").expect("written");
        let refused = password(file.path()).expect_err("empty");
        assert!(refused.what.contains("is empty"), "{refused}");
    }
}
