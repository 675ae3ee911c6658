//! `cellar study`: noisy totals over many people.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::companion::become_program;
use crate::verbs::cell::files::{read_key, read_package};
use crate::verbs::{Options, Who, carry_out, moment, show};
use data_encoding::HEXLOWER;
use ring::rand::SystemRandom;
use runtime_host::admin::{
    JoinStudy, LeaveStudy, PublishStudy, SendStudy, ShowStudies, StudiesShown, StudyResult,
};
use runtime_package::Package;
use runtime_program::Failure;
use runtime_program::typed::quoted;
use runtime_user::study::{Answer, STUDY_BYTES_MAX, SignedStudy, Study, in_epsilon, sign, totals_told};
use runtime_user::{StudyOffer, StudySent, StudyShown};
use serde::Serialize;

/// The program that speaks with aggregators, and is one.
pub(crate) const AGGREGATOR: &str = "cellar-aggregator";

/// What is done with studies.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Check a study, signed or not, and tell in words what it asks for
    #[command(after_help = "Example:\n  cellar study check study.toml --package distance.cell")]
    Check {
        /// The study
        file: PathBuf,
        /// The package of its cell: it must be the one that the study names
        #[arg(long, value_name = "FILE")]
        package: Option<PathBuf>,
    },
    /// Sign a study; a signature that it has is replaced
    #[command(after_help = "Example:\n  cellar study sign study.toml --key publisher.key")]
    Sign {
        /// The study
        file: PathBuf,
        /// The researcher's key, as for packages
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    /// Make a signed study known on this host, so that its people may join it
    #[command(after_help = "Example:\n  cellar study publish study.toml --package distance.cell")]
    Publish {
        /// The signed study
        file: PathBuf,
        /// The package of its cell
        #[arg(long, value_name = "FILE")]
        package: PathBuf,
    },
    /// Show a person what a study asks for and what is left of their privacy budget; with --yes, join it
    #[command(after_help = "Example:\n  cellar study join Ada study.toml --yes")]
    Join {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The signed study
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Agree to what is shown
        #[arg(long)]
        yes: bool,
    },
    /// End that a person takes part; what is not in an answer yet comes into none
    #[command(after_help = "Example:\n  cellar study leave Ada distance")]
    Leave {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The study: its name or id
        #[arg(value_name = "STUDY")]
        study: String,
    },
    /// List studies and where they stand, or those that a person has joined, with their privacy budget
    #[command(after_help = "Examples:\n  cellar study status distance\n  cellar study status --person Ada")]
    Status {
        /// Only this study: its name or id
        #[arg(value_name = "STUDY")]
        study: Option<String>,
        /// Only those that this person has joined
        #[arg(long, value_name = "PERSON")]
        person: Option<String>,
    },
    /// Ask for the totals of an epoch, over everybody who has joined and whose store is open
    #[command(
        after_help = "Examples:\n  cellar study result distance --epoch 0\n  cellar study result study.toml --key publisher.key --epoch 0"
    )]
    Result {
        /// The study: its name or id; with --key its signed file
        #[arg(value_name = "STUDY")]
        study: String,
        /// Which epoch, from 0; by default the one that ended last
        #[arg(long, value_name = "NUMBER")]
        epoch: Option<u32>,
        /// Ask the study's two aggregators, as the researcher whose key this is
        #[arg(long, value_name = "FILE", requires = "epoch")]
        key: Option<PathBuf>,
    },
    /// Send what the people of this host give to an epoch to the study's two aggregators
    #[command(after_help = "Example:\n  cellar study send distance --epoch 0")]
    Send {
        /// The study: its name or id
        #[arg(value_name = "STUDY")]
        study: String,
        /// Which epoch, from 0; by default the one that ended last
        #[arg(long, value_name = "NUMBER")]
        epoch: Option<u32>,
    },
}

/// Carries out a verb.
pub fn run(verb: Verb, options: &Options) -> Result<(), Failure> {
    match verb {
        Verb::Check { file, package } => check(&file, package.as_deref(), options),
        Verb::Sign { file, key } => {
            let (key, text) = (read_key(&key)?, read_study(&file)?);
            let signed = sign(&text, &key, &SystemRandom::new());
            let signed = signed.map_err(|error| Failure::of(&error, "report this"))?;
            let signed = signed.map_err(|error| of_study(&file, &error))?;
            replace(&file, signed.as_bytes())?;
            check(&file, None, options)
        }
        Verb::Publish { file, package } => {
            let ask = PublishStudy { study: absolute(file)?, package: absolute(package)? };
            carry_out(options, ask, told)
        }
        Verb::Join { who, file, yes } => {
            let (person, study) = (who.name(), absolute(file)?);
            let ask = JoinStudy { person: person.clone(), study: study.clone(), agreed: yes };
            carry_out(options, ask, |offer: &StudyOffer| {
                let state = match (offer.joined, yes) {
                    (true, _) => format!("{} takes part.", person.trim()),
                    (false, _) => format!(
                        "Nothing is joined yet: `cellar study join {} {} --yes` does that.",
                        quoted(person.trim()),
                        quoted(&study.display().to_string())
                    ),
                };
                [told(&offer.study), budget_told(offer.budget.left_micro, offer.budget.limit_micro), state]
                    .join("\n")
            })
        }
        Verb::Leave { who, study } => {
            let person = who.name();
            carry_out(options, LeaveStudy { person: person.clone(), study }, |offer: &StudyOffer| {
                format!(
                    "{} takes no part in {} any more.\n{}",
                    person.trim(),
                    offer.study.name,
                    budget_told(offer.budget.left_micro, offer.budget.limit_micro)
                )
            })
        }
        Verb::Status { study, person } => carry_out(options, ShowStudies { study, person }, status_told),
        Verb::Result { study, epoch: Some(epoch), key: Some(key) } => {
            let epoch = epoch.to_string();
            let arguments: [&OsStr; 6] = [
                "result".as_ref(),
                study.as_ref(),
                "--key".as_ref(),
                key.as_ref(),
                "--epoch".as_ref(),
                epoch.as_ref(),
            ];
            Err(become_program(AGGREGATOR, &arguments.map(ToOwned::to_owned), options.json))
        }
        Verb::Result { study, epoch, .. } => carry_out(options, StudyResult { study, epoch }, answer_told),
        Verb::Send { study, epoch } => carry_out(options, SendStudy { study, epoch }, sent_told),
    }
}

/// What is told of a study's file.
#[derive(Serialize)]
struct Checked {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<String>,
    words: Vec<String>,
}

fn check(file: &Path, package: Option<&Path>, options: &Options) -> Result<(), Failure> {
    use runtime_user::study::BadStudy;
    let text = read_study(file)?;
    let (study, signed) = match SignedStudy::parse(&text) {
        Ok(signed) => (signed.study().clone(), Some(signed)),
        Err(BadStudy::Unsigned) => {
            let text = str::from_utf8(&text).map_err(|_| of_study(file, &BadStudy::NoText))?;
            (Study::parse(text).map_err(|error| of_study(file, &error))?, None)
        }
        Err(error) => return Err(of_study(file, &error)),
    };
    if let Some(package) = package {
        check_package(&study, package)?;
    }
    let checked = Checked {
        name: study.name.clone(),
        id: signed.as_ref().map(|signed| signed.id().to_string()),
        publisher: signed.as_ref().map(|signed| signed.signed().publisher.to_string()),
        words: study.words(),
    };
    show(options, &checked, |checked| {
        let whose = match (&checked.id, &checked.publisher) {
            (Some(id), Some(publisher)) => format!("{} ({id}), signed by {publisher}", checked.name),
            _ => format!("{}, not signed yet", checked.name),
        };
        [vec![whose], checked.words.clone()].concat().join("\n")
    })
}

/// Refuses a package that is not the one of the study.
fn check_package(study: &Study, file: &Path) -> Result<(), Failure> {
    let bytes = read_package(file)?;
    let of_package = |error: &dyn std::error::Error| {
        Failure::new(format!("{}: {error}", file.display()), "name the signed package of the study's cell")
    };
    let package = Package::parse(&bytes).map_err(|error| of_package(&error))?;
    let verified = package.verify().map_err(|error| of_package(&error))?;
    let digest = HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref());
    if study.digest == digest && study.cell == verified.cell {
        return Ok(());
    }
    let what = format!("{}: the package is not the one of the study", file.display());
    Err(Failure::new(what, format!("its lines are: cell = \"{}\" and digest = \"{digest}\"", verified.cell)))
}

fn read_study(file: &Path) -> Result<Vec<u8>, Failure> {
    use std::io::Read as _;
    let of_file = |error: std::io::Error| {
        Failure::new(format!("cannot read {}: {error}", file.display()), "name the file of a study")
    };
    let mut text = Vec::new();
    let open = std::fs::File::open(file).map_err(of_file)?;
    open.take(STUDY_BYTES_MAX as u64 + 1).read_to_end(&mut text).map_err(of_file)?;
    Ok(text)
}

/// Replaces a file in one step.
fn replace(file: &Path, content: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    let failed = |error: &std::io::Error| Failure::of_file(file, error);
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut half = tempfile::NamedTempFile::new_in(folder).map_err(|error| failed(&error))?;
    half.write_all(content).and_then(|()| half.as_file().sync_all()).map_err(|error| failed(&error))?;
    half.persist(file).map_err(|error| failed(&error.error))?;
    Ok(())
}

fn of_study(file: &Path, error: &runtime_user::study::BadStudy) -> Failure {
    let what = format!("{}: {}", file.display(), runtime_user::chain(error));
    Failure::new(what, "docs/formats/study.md explains the form")
}

fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(&path).map_err(|error| Failure::of(&error, "name the file with its whole path"))
}

fn told(study: &StudyShown) -> String {
    let mut lines =
        vec![format!("{} (`{}`), signed by the publisher {}", study.title, study.name, study.publisher)];
    lines.extend(study.words.iter().cloned());
    lines.extend(study.people.map(|people| format!("{people} people have joined whose stores are open.")));
    lines.join("\n")
}

fn budget_told(left_micro: u64, limit_micro: u64) -> String {
    format!("Of the privacy budget of {}, {} is left.", in_epsilon(limit_micro), in_epsilon(left_micro))
}

fn status_told(shown: &StudiesShown) -> String {
    let mut lines = Vec::new();
    for study in &shown.studies {
        let people = study.people.map(|people| format!(", {people} have joined")).unwrap_or_default();
        lines.push(format!(
            "{} ({}): {}{people}",
            study.name,
            &study.id[..study.id.len().min(12)],
            study.title
        ));
        lines.extend(study.epochs.iter().map(|epoch| {
            let (from, until) = (epoch.epoch.from_s as f64, epoch.epoch.until_s as f64);
            format!("  epoch {:<3} {} to {}  {}", epoch.epoch.index, moment(from), moment(until), epoch.state)
        }));
    }
    if lines.is_empty() {
        lines.push("no studies: `cellar study publish FILE --package FILE` makes one known".to_owned());
    }
    lines.extend(shown.budget.as_ref().map(|budget| budget_told(budget.left_micro, budget.limit_micro)));
    lines.join("\n")
}

fn sent_told(sent: &StudySent) -> String {
    let mut lines = vec![format!(
        "epoch {}: {} counted, {} refused, {} may be sent again",
        sent.epoch, sent.counted, sent.refused, sent.open
    )];
    lines.extend(sent.why.clone());
    lines.join("\n")
}

fn answer_told(answer: &Answer) -> String {
    let (from, until) = (moment(answer.from_s as f64), moment(answer.until_s as f64));
    let mut lines = vec![format!("{}, epoch {}: {from} to {until}", answer.name, answer.epoch)];
    lines.extend(totals_told(answer));
    lines.join("\n")
}
