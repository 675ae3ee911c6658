//! `cellar bench`: does the runtime reach its target figures, and compared with what?
//!
//! Every figure is a ratio taken in one run, with both sides in turns. The middle half of the rounds' ratios is printed
//! beside it as the noise of the machine. A build without optimisation shows nothing: use a release build.

mod cadence;
mod cells;
mod command;
mod disk;
mod endpoint;
mod handshake;
mod history;
mod import;
mod instance;
mod limits;
mod memory;
mod memory_of;
mod native;
mod neighbours;
mod network;
mod page;
mod people;
mod pipeline;
mod put;
mod rounds;
mod sample;
mod scan;
mod served;
mod table;
mod wake;

use std::io;

use clap::Args as ClapArgs;

use runtime_program::Failure;
use runtime_program::console;

pub use command::{Command, main};
pub use rounds::Comparison;

/// The choice of benchmarks.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// One of instance, endpoint, handshake, put, scan, disk, people, pipeline, limits, wake, memory, neighbours, cells, page, import, history, cadence; all of them if none is named
    name: Option<String>,
}

/// Why a measurement failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BenchError {
    /// No benchmark of that name.
    #[error(
        "no benchmark is called {0}: use instance, endpoint, handshake, put, scan, disk, people, pipeline, limits, wake, memory, neighbours, cells, page, import, history or cadence"
    )]
    Unknown(String),
    /// The result cannot be printed.
    #[error(transparent)]
    Output(#[from] Failure),
    /// The operating system refused.
    #[error("the operating system refused")]
    System(#[from] io::Error),
    /// The runtime does not start.
    #[error("the runtime does not start")]
    Start(#[from] runtime_user::StartError),
    /// People cannot be added.
    #[error("people cannot be added")]
    People(#[from] runtime_user::people::PeopleError),
    /// A call failed.
    #[error("a call failed")]
    Call(#[from] runtime_user::CallError),
    /// A cell failed.
    #[error("a cell failed")]
    Cell(#[from] runtime_sandbox::RunError),
    /// The host has no identity.
    #[error("the host has no identity")]
    Identity(#[from] runtime_wire::tls::IdentityError),
    /// The server or the phone failed.
    #[error("{0}")]
    Network(String),
}

/// The results of one benchmark.
pub type Figures = Result<Vec<Comparison>, BenchError>;

/// One benchmark: its name, its question, and the function that answers it.
type Benchmark = (&'static str, &'static str, fn() -> Figures);

const BENCHMARKS: [Benchmark; 17] = [
    ("instance", "What does a fresh instance cost, and do two threads make twice as many?", instance::run),
    ("endpoint", "What does a cell add to a request?", endpoint::run),
    ("handshake", "What does it cost the host to let a paired phone in?", handshake::run),
    ("put", "How long does a phone wait for 1,000 entries to be durable?", put::run),
    ("scan", "How fast do 100,000 entries come back?", scan::run),
    ("disk", "What does an entry take on disk?", disk::run),
    ("people", "What do 10,000 idle people cost?", people::run),
    ("pipeline", "What does a person's day cost, from the phone's entries to the diary?", pipeline::run),
    ("limits", "How far from its limits does each stage's cell stay?", limits::run),
    ("wake", "How long does an idle person's first reply take?", wake::run),
    ("memory", "What do a put and a run cost this build, in processor time?", memory::run),
    ("neighbours", "How much slower are others while one attacks?", neighbours::run),
    ("cells", "What does a cell from elsewhere cost, in each language?", cells::run),
    ("page", "How long does an owner wait for their page, with ten years of data?", page::run),
    ("import", "How fast and in how much memory is a large history imported?", import::run),
    (
        "history",
        "What does a file of 2 GB cost a host, and is anything lost when the host is killed meanwhile?",
        history::run,
    ),
    (
        "cadence",
        "Are trips as good at the cadence of another app as at e-mission's? (seeds 1 to 10, 20 days each)",
        cadence::run,
    ),
];

/// Runs the named benchmark, or all of them; prints each table when it is ready, or everything as JSON.
pub fn run(args: &Args, as_json: bool) -> Result<(), BenchError> {
    let chosen: Vec<_> = BENCHMARKS
        .iter()
        .filter(|(name, ..)| args.name.as_deref().is_none_or(|wanted| wanted == *name))
        .collect();
    if chosen.is_empty() {
        return Err(BenchError::Unknown(args.name.clone().unwrap_or_default()));
    }
    if cfg!(debug_assertions) && !as_json {
        console::line("this is a build for development: only a release build's figures mean something")?;
    }
    let mut all = serde_json::Map::new();
    for (name, question, benchmark) in chosen {
        if !console::has_reader() {
            break;
        }
        let figures = benchmark()?;
        if as_json {
            let figures = serde_json::to_value(&figures).map_err(io::Error::other)?;
            all.insert((*name).to_owned(), figures);
        } else {
            console::line(format!("{name}: {question}\n{}", table::table(&figures)))?;
        }
    }
    if as_json {
        console::line(serde_json::Value::Object(all))?;
    }
    Ok(())
}
