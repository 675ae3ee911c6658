//! `cellar open`: a person's page in a browser on this machine.
//!
//! The page is served on the loopback alone. As a paired device, each of its calls goes over that device's pinned
//! connection; at the console, through the control socket or to the data folder itself.

mod console;

use std::path::PathBuf;
use std::sync::Arc;

use runtime_dashboard::{Carrier, Door, Listening, Paired, PairedError, Server, is_built, show_in_browser};
use runtime_host::admin::{DEVICE_COMMANDS, ShowWebAddress};
use runtime_map::MapFile;
use runtime_program::signals::Signals;
use runtime_program::{Failure, console as output};
use serde::Serialize;

use super::phone::failed;
use super::{Options, carry_out, show, street_map};
use console::Console;

/// The example that `--help` shows.
pub const EXAMPLE: &str = "Example:\n  cellar open --state phone.json\n  cellar open Ada --browser --map town.pmtiles\n  cellar open --operator";

/// Whose page it is, and how it reaches the data.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// At the console of the host: the person, by name or id
    #[arg(value_name = "PERSON", required_unless_present_any = ["state", "operator"], conflicts_with_all = ["state", "operator"])]
    person: Option<String>,
    /// As a paired device, from wherever it is: the file that `cellar phone pair` wrote
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// At the console of the host: how the host is, with nothing about any person
    #[arg(long, conflicts_with = "state")]
    operator: bool,
    /// Only print where a browser with a passkey finds the page on the host's own port
    #[arg(long, requires = "person", conflicts_with_all = ["port", "browser", "operator"])]
    address: bool,
    /// A street map for the page: a PMTiles file. Without it, at the console, that of the configuration, if there is one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["operator", "address"])]
    map: Option<PathBuf>,
    /// The port on this machine; 0: any that is free
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Start the browser, too
    #[arg(long)]
    browser: bool,
}

/// What is printed once the page can be opened.
#[derive(Serialize)]
struct Opened {
    link: String,
    page: bool,
}

/// Carries out the verb.
///
/// # Errors
/// [`Failure`] with the remedy.
pub fn run(args: Args, options: &Options) -> Result<(), Failure> {
    if args.address {
        let person = args.person.unwrap_or_default();
        return carry_out(options, ShowWebAddress { person }, |told| told.address.clone());
    }
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let tokio = tokio.map_err(|error| Failure::of(&error, "close other programs, and try again"))?;
    let served = Served { port: args.port, browser: args.browser, map: None };
    match (args.state, args.person) {
        (Some(state), _) => tokio.block_on(async {
            let served = Served { map: street_map(args.map.as_deref())?, ..served };
            let paired = Paired::open(state, &DEVICE_COMMANDS).await.map_err(|error| match &error {
                PairedError::Phone(phone) => failed(phone),
                error => Failure::of(error, "name what `cellar phone pair` wrote"),
            })?;
            serve(paired, served, options).await
        }),
        (None, person) => {
            // The operator's page has no map.
            let map = if person.is_some() { args.map.or(options.config()?.web.map) } else { None };
            let served = Served { map: street_map(map.as_deref())?, ..served };
            let console = Console::open(options, person)?;
            let ends = console.clone();
            let served = tokio.block_on(serve(console, served, options));
            ends.close();
            served
        }
    }
}

/// How the page is served.
struct Served {
    port: u16,
    browser: bool,
    map: Option<MapFile>,
}

/// Serves until the process is told to stop.
async fn serve(carrier: impl Carrier, served: Served, options: &Options) -> Result<(), Failure> {
    let Served { port, browser, map } = served;
    let signals = Signals::handle().map_err(|error| Failure::of(&error, "try again"))?;
    let listening = Listening::at(port).await;
    let listening = listening.map_err(|error| Failure::of(&error, "name another --port"))?;
    let door = Arc::new(Door::new(listening.port()));
    let link = door.link().map_err(|error| Failure::of(&error, "try again"))?;
    let opened = Opened { link: link.reveal().to_owned(), page: is_built() };
    show(options, &opened, |opened| {
        format!("Open this link in a browser on this machine. It works once:\n  {}", opened.link)
    })?;
    if !opened.page {
        output::note("cellar: this program was built without its page; the link says how to get it");
    }
    output::note("Ctrl-C ends it.");
    let folder =
        tempfile::tempdir().map_err(|error| Failure::of(&error, "make room for a temporary file"))?;
    if browser && let Err(error) = show_in_browser(&link, folder.path()) {
        output::note(format!("cellar: no browser was started ({error}): open the link yourself"));
    }
    let server = Arc::new(Server::new(door, carrier).with_map(map));
    tokio::select! {
        () = server.serve(listening) => {}
        () = signals.until_stop(|| {}) => {}
    }
    Ok(())
}
