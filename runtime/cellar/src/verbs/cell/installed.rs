//! `cellar cell`, the part for owners: what cells from elsewhere are allowed.

use std::path::PathBuf;

use crate::verbs::{Options, Who, carry_out, moment, user};
use runtime_host::admin::{
    CellAndRuns, CellChange, CellPreviewed, ChangeCell, InstallCell, ListCells, Narrower, PreviewCell,
    RemoveCell, ShowCell, UpdateCell,
};
use runtime_program::Failure;
use runtime_program::typed::quoted;
use runtime_program::when::When;
use runtime_user::consent::{Place, Time};
use runtime_user::{CellShown, EntryPreview};

/// What an owner does with cells from elsewhere.
#[derive(Debug, clap::Subcommand)]
pub enum Verb {
    /// Show what a package would be allowed, in words and numbers; with --yes, install it
    #[command(
        after_help = "Examples:\n  cellar cell install Ada modes.cell\n  cellar cell install Ada modes.cell --from 2026-01-01 --place 1km --expires 2027-01-01 --yes"
    )]
    Install {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The package
        #[arg(value_name = "FILE")]
        package: PathBuf,
        #[command(flatten)]
        /// What is granted less.
        less: Less,
        /// Agree to what is shown
        #[arg(long)]
        yes: bool,
    },
    /// Replace an installed cell by a newer version that asks for no more
    #[command(after_help = "Example:\n  cellar cell update Ada modes-2.cell")]
    Update {
        #[command(flatten)]
        /// The person.
        who: Who,
        /// The package
        #[arg(value_name = "FILE")]
        package: PathBuf,
    },
    /// List a person's installed cells
    #[command(after_help = "Example:\n  cellar cell list Ada")]
    List(Who),
    /// Show what an installed cell is allowed
    #[command(after_help = "Example:\n  cellar cell show Ada modes")]
    Show(Which),
    /// Show the runs of an installed cell: what each read, how it ended, what it said
    #[command(after_help = "Example:\n  cellar cell logs Ada modes")]
    Logs(Which),
    /// Show what an installed cell would be shown if it ran now, as coarse and as incomplete as it would be
    #[command(after_help = "Example:\n  cellar cell preview Ada modes --each 2")]
    Preview {
        #[command(flatten)]
        /// The cell.
        which: Which,
        /// How many of the newest entries of each stream
        #[arg(long, value_name = "COUNT", default_value_t = 1)]
        each: usize,
    },
    /// Grant an installed cell less
    #[command(after_help = "Example:\n  cellar cell narrow Ada modes --place 10km --without accuracy")]
    Narrow {
        #[command(flatten)]
        /// The cell.
        which: Which,
        #[command(flatten)]
        /// What is granted less.
        less: Less,
    },
    /// Stop an installed cell until it is resumed
    #[command(after_help = "Example:\n  cellar cell pause Ada modes")]
    Pause(Which),
    /// Let a paused cell run again
    #[command(after_help = "Example:\n  cellar cell resume Ada modes")]
    Resume(Which),
    /// End what an installed cell is allowed; what it has made stays
    #[command(after_help = "Example:\n  cellar cell revoke Ada modes")]
    Revoke(Which),
    /// Remove an installed cell; with --with-output, everything that it has made, too
    #[command(after_help = "Example:\n  cellar cell remove Ada modes --with-output")]
    Remove {
        #[command(flatten)]
        /// The cell.
        which: Which,
        /// Also remove every entry that it has made
        #[arg(long)]
        with_output: bool,
    },
}

/// One installed cell.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    #[command(flatten)]
    who: Who,
    /// The cell: its name or id
    #[arg(value_name = "CELL")]
    cell: String,
}

/// What is granted less than is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Less {
    /// Only these streams, such as background/location or manual/*
    #[arg(long, value_name = "STREAM")]
    only: Vec<String>,
    /// The bounds that follow are for these streams alone
    #[arg(long, value_name = "STREAM")]
    on: Option<String>,
    /// Only entries about this day or moment and later ones
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    from: Option<When>,
    /// Only entries about this day or moment and earlier ones
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    to: Option<When>,
    /// Places only to 100m, 1km or 10km
    #[arg(long, value_name = "SIZE")]
    place: Option<Place>,
    /// Times only to the hour or the day
    #[arg(long, value_name = "UNIT")]
    time: Option<Time>,
    /// Leave this member out of every entry
    #[arg(long, value_name = "MEMBER")]
    without: Vec<String>,
    /// When it ends
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    expires: Option<When>,
    /// For what, in your words
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
}

impl From<Less> for Narrower {
    fn from(less: Less) -> Self {
        let Less { only, on, from, to, place, time, without, expires, purpose } = less;
        Self { only, on, from, to, place, time, without, expires, purpose }
    }
}

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(verb: Verb, options: &Options) -> Result<(), Failure> {
    match verb {
        Verb::Install { who, package, less, yes } => {
            let (person, package) = (who.name(), absolute(package)?.into());
            let ask = InstallCell { person: person.clone(), package, narrower: less.into(), agreed: yes };
            carry_out(options, ask, |cell| match yes {
                true => format!("{}\n\nIt is installed, and runs with the next analysis.", told(cell)),
                false => format!(
                    "{}\n\nNothing has changed. To agree, give the same command with --yes; options such as --from, --place \
                     and --only grant less.",
                    told(cell)
                ),
            })
        }
        Verb::Update { who, package } => {
            let ask = UpdateCell { person: who.name(), package: absolute(package)?.into(), agreed: true };
            carry_out(options, ask, told)
        }
        Verb::List(who) => {
            let person = who.name();
            carry_out(options, ListCells { person: person.clone() }, |cells| tell_list(cells, &person))
        }
        Verb::Show(which) => carry_out(options, show_of(which), |shown: &CellAndRuns| told(&shown.cell)),
        Verb::Logs(which) => {
            carry_out(options, show_of(which), |shown: &CellAndRuns| user::runs_told(&shown.runs))
        }
        Verb::Preview { which, each } => {
            let ask = PreviewCell { person: which.who.name(), cell: which.cell, each };
            carry_out(options, ask, tell_preview)
        }
        Verb::Narrow { which, less } => change(which, CellChange::Narrow(less.into()), options),
        Verb::Pause(which) => change(which, CellChange::Pause, options),
        Verb::Resume(which) => change(which, CellChange::Resume, options),
        Verb::Revoke(which) => change(which, CellChange::Revoke, options),
        Verb::Remove { which, with_output } => {
            let ask = RemoveCell { person: which.who.name(), cell: which.cell, with_output };
            carry_out(options, ask, |removed| match with_output {
                true => {
                    format!("{} is removed, with {} entries that it had made", removed.cell, removed.entries)
                }
                false => format!("{} is removed; what it made stays", removed.cell),
            })
        }
    }
}

fn show_of(which: Which) -> ShowCell {
    ShowCell { person: which.who.name(), cell: which.cell }
}

fn change(which: Which, change: CellChange, options: &Options) -> Result<(), Failure> {
    carry_out(options, ChangeCell { person: which.who.name(), cell: which.cell, change }, told)
}

fn absolute(path: PathBuf) -> Result<PathBuf, Failure> {
    std::path::absolute(&path).map_err(|error| Failure::of(&error, "name the file with its whole path"))
}

/// What an owner reads about a cell.
fn told(cell: &CellShown) -> String {
    let mut lines = vec![
        format!("{} (`{}`, version {}): {}", cell.title, cell.name, cell.version, cell.state),
        format!("Signed by the publisher {}; the package is {}.", cell.publisher, short(&cell.digest)),
    ];
    lines.extend(cell.trouble.iter().map(|why| format!("It cannot run here: {why}.")));
    lines.extend(cell.words.iter().cloned());
    lines.push(format!("Agreed to on {}.", moment(cell.consent.granted)));
    if cell.state == "offered" {
        lines.pop();
    }
    lines.join("\n")
}

fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn tell_preview(preview: &CellPreviewed) -> String {
    let mut lines = Vec::new();
    for stream in &preview.streams {
        lines.push(format!("{}: {} entries", stream.key, stream.entries));
        let data = |entry: &EntryPreview| format!("  {}{}", entry.data, if entry.cut { " …" } else { "" });
        lines.extend(stream.newest.iter().map(data));
    }
    if lines.is_empty() { "it would be shown nothing".to_owned() } else { lines.join("\n") }
}

fn tell_list(cells: &[CellShown], person: &str) -> String {
    let line = |cell: &CellShown| {
        format!(
            "{:24} version {:<4} {:8} {:8} by {}",
            cell.name, cell.version, cell.world, cell.state, cell.publisher
        )
    };
    match cells {
        [] => format!(
            "no cells are installed: `cellar cell install {} FILE` shows what one would be allowed",
            quoted(person.trim())
        ),
        cells => cells.iter().map(line).collect::<Vec<_>>().join("\n"),
    }
}
