//! `cellar serve`: a host that runs until it is stopped.

mod reload;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runtime_user::Runtime;
use serde::Serialize;
use tokio::sync::{Notify, watch};

use super::ready::ReadyFile;
use super::{Options, data_of, identity, open_runtime, street_map};
use reload::{Reloader, ShownFiles};
use runtime_acme::Certificates;
use runtime_gateway::{GatewaySecret, Names, keep_registered};
use runtime_host::Host;
use runtime_host::acme::forget_status;
use runtime_host::admin::{
    Ask, Claim, Context, ControlSocket, OpenPairing, PairingOpened, PhoneAddress, claim,
};
use runtime_host::config::Config;
use runtime_host::http::service::now;
use runtime_host::port::PageFiles;
use runtime_program::Failure;
use runtime_program::console;
use runtime_program::logs::LogFormat;
use runtime_program::logs::{self, Log};
use runtime_program::resources::{self, Files};
use runtime_program::signals::Signals;
use runtime_wire::tls::Identity;

/// The example that `--help` shows.
pub const EXAMPLE: &str = "Example:\n  cellar serve --listen 0.0.0.0:8443\n  cellar serve --data ~/cellar --check\n\n\
    Exit status: 0 stopped cleanly, 1 could not start, 2 bad arguments.";

/// How long the first person's code is valid.
const FIRST_PAIRING_MINUTES: u64 = 15;

/// The options of a host.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Address and port; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Read the settings, print what would be used, and exit
    #[arg(long)]
    check: bool,
    /// Open the front for phones that cannot pair: the operator of this host can read what they send
    #[arg(long)]
    legacy: bool,
    /// The format of log lines
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Write address and pin to this file, as JSON, when phones can connect; removed at the end
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

impl Args {
    /// The settings of the file, with those that the command line replaces.
    fn config(&self, options: &Options) -> Result<Config, Failure> {
        let mut config = options.config()?;
        config.listen = self.listen.unwrap_or(config.listen);
        config.log.format = self.log_format.unwrap_or(config.log.format);
        config.legacy.enabled |= self.legacy;
        Ok(config)
    }
}

/// Serves until SIGINT, SIGTERM or SIGQUIT.
///
/// # Errors
/// [`Failure`] where the host cannot start.
pub fn run(args: &Args, options: &Options) -> Result<(), Failure> {
    let mut config = args.config(options)?;
    if args.check {
        return print_settings(&config, options.json);
    }
    let data = data_of(&config)?.to_owned();
    let log = logs::start(config.log.format, &config.log.filter);
    // The log ends last, so that messages at the end are written too.
    let log = Arc::new(log.map_err(|error| Failure::of(&error, "change log.filter"))?);
    let files = Files { connections: config.limits.connections_max, others: config.people.open_max };
    let files = files.allow()?;
    (config.limits.connections_max, config.people.open_max) = (files.connections, files.others);
    resources::check_maps(config.cells.slots);
    let claimed = claim(&data).map_err(|error| Failure::of(&error, "name a folder that you may write to"))?;
    let Claim::Ours(_lock) = claimed else {
        let what = format!("another process uses {}", data.display());
        return Err(Failure::new(what, "stop it, or name another folder"));
    };
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("cellar-net").build();
    let tokio = tokio.map_err(|error| Failure::of(&error, "raise the limit on threads"))?;
    tokio.block_on(serve(args, options, &config, &data, &log))
}

fn print_settings(config: &Config, as_json: bool) -> Result<(), Failure> {
    if as_json {
        return console::json(config);
    }
    console::text(toml::to_string(config).map_err(|error| Failure::of(&error, "report this"))?)
}

async fn serve(
    args: &Args,
    options: &Options,
    config: &Config,
    data: &Path,
    log: &Arc<Log>,
) -> Result<(), Failure> {
    // Signals are handled before anything is announced: a stop request may come as soon as the host is ready.
    let signals = Signals::handle().map_err(|error| Failure::of(&error, "report this"))?;
    let ready_file = args.ready_file.as_deref().map(ReadyFile::prepare).transpose()?;
    let map = street_map(config.web.map.as_deref())?;
    let opening = (config.clone(), data.to_owned());
    let opened = tokio::task::spawn_blocking(move || open_runtime(&opening.0, &opening.1)).await;
    let runtime = opened.map_err(|error| Failure::of(&error, "report this"))??;
    let shown = ShownFiles::of(config);
    let identity = identity(config, data, &runtime)?;
    let tls = config.legacy.enabled.then(|| identity.server_config()).transpose();
    let tls = tls.map_err(|error| Failure::of(&error, "check that tls.key belongs to tls.certificate"))?;
    let web = web_identity(config)?;
    let certificates = certificates(config, &runtime, data)?;
    let registration = registration(config)?;
    let host = Host::bind(config, &runtime, tls).await.map_err(|error| {
        Failure::new(
            format!("cannot listen at {}: {error}", config.listen),
            "choose another address with --listen, or end what has this one",
        )
    })?;
    let mut host = host.with_page(PageFiles { find: runtime_dashboard::page_file, map: map.map(Arc::new) });
    if let Some(certificates) = certificates {
        host = host.with_certificates(certificates);
    }
    let (address, front) = (host.address(), host.front());
    front.show_web(web);
    let phone_address = PhoneAddress { address: config.phones_reach(address), pin: identity.pin() };
    let control_socket = ControlSocket::open(data).map_err(|error| {
        Failure::new(
            format!("cannot open {}: {error}", data.join("control.sock").display()),
            "verbs reach the host through it: name a folder of a local disk that you may write to",
        )
    })?;
    // Secrets are created and shown only now, after everything that could stop the start was checked.
    let seen = options.json || std::io::stdout().is_terminal();
    let first = first_person(&runtime, &phone_address, config.legacy.enabled, seen)?;
    announce(address, &phone_address, &first, ready_file.as_ref(), options.json)?;
    let (phone_address, current_address) = watch::channel(phone_address);
    if config.legacy.enabled {
        tracing::warn!(
            "the front for phones that cannot pair is open: it ends their TLS, so this host can read what they send"
        );
    }

    let registering = registration.map(|(gateway, secret)| {
        tokio::spawn(keep_registered(names(&runtime), gateway, secret, address.port()))
    });
    let keeping = tokio::spawn(keep_house(Arc::clone(&runtime)));
    let scheduled = Arc::clone(&runtime);
    let scheduling = config.pipeline.automatic.then(|| {
        // Runs that a stop cuts off are pending again at the next start.
        tokio::spawn(async move { scheduled.keep_schedule(now).await })
    });
    let for_verbs = Arc::clone(&runtime);
    let listening = tokio::spawn(async move { control_socket.answer(for_verbs, current_address).await });
    let asked = Arc::new(Notify::new());
    let reloader = Reloader {
        args: args.clone(),
        options: options.clone(),
        data: data.to_owned(),
        started: config.clone(),
        runtime: Arc::clone(&runtime),
        log: Arc::clone(log),
        front,
        phone_address,
    };
    let reloading = tokio::spawn(reloader.keep(shown, Arc::clone(&asked)));
    tracing::info!(%address, people = runtime.people().count(), "host started");
    host.serve(signals.until_stop(|| asked.notify_one())).await;
    for task in [listening, reloading] {
        task.abort();
        // The socket's file is removed before the folder is released.
        let _ = task.await;
    }
    keeping.abort();
    for task in [registering, scheduling].into_iter().flatten() {
        task.abort();
    }
    let closing = tokio::task::spawn_blocking(move || runtime.shutdown());
    if tokio::time::timeout(Duration::from_millis(config.limits.grace_ms), closing).await.is_err() {
        tracing::warn!(
            "stores are still closing at the end of the grace period; nothing acknowledged is lost"
        );
    }
    tracing::info!("host stopped");
    Ok(())
}

/// The names that lead to this host, for its gateway.
fn names(runtime: &Arc<Runtime>) -> Names<impl Fn() -> Vec<String> + use<>> {
    let known = Arc::clone(runtime);
    Names { all: move || known.owners().names(), changed: runtime.owners().names_changed() }
}

/// The certificate of people's own names, if there is one.
fn web_identity(config: &Config) -> Result<Option<Identity>, Failure> {
    config.web.identity().map_err(|error| {
        Failure::of(&error, "check that web.key belongs to web.certificate, and that this user may read both")
    })
}

/// The server that gives people's own names certificates, if there is one.
fn certificates(
    config: &Config,
    runtime: &Arc<Runtime>,
    data: &Path,
) -> Result<Option<Arc<Certificates>>, Failure> {
    let Some(acme) = &config.web.acme else {
        forget_status(data);
        return Ok(None);
    };
    let certificates = acme.certificates(runtime, data);
    certificates.map(Some).map_err(|error| {
        Failure::of(
            &error,
            "check web.acme.directory and web.acme.roots; without roots, install ca-certificates",
        )
    })
}

/// The gateway in front of this host, if there is one, and the secret that they share.
fn registration(config: &Config) -> Result<Option<(SocketAddr, GatewaySecret)>, Failure> {
    let (Some(gateway), Some(path)) = (config.gateway.register, &config.gateway.secret) else {
        return Ok(None);
    };
    let secret = GatewaySecret::load(path);
    let secret =
        secret.map_err(|error| Failure::of(&error, "`cellar gateway` makes the file: copy it from there"))?;
    Ok(Some((gateway, secret)))
}

/// What the first person's phone needs, shown once.
#[derive(Default)]
struct First {
    /// The connection string for a phone that cannot pair.
    connect: Option<String>,
    /// The codes with which the owner's phone pairs.
    pair: Option<PairingOpened>,
    /// A line with the command that shows either, for where nobody sees them now.
    next: &'static str,
}

/// Adds a person to an empty host: the one who starts it. `seen`: whether somebody sees the secrets that are made for
/// their phone. Otherwise none is shown: a journal keeps what is written to it.
fn first_person(
    runtime: &Runtime,
    phone_address: &PhoneAddress,
    legacy: bool,
    seen: bool,
) -> Result<First, Failure> {
    if runtime.people().count() > 0 {
        return Ok(First::default());
    }
    let remedy = "check the data folder and its rights";
    if legacy {
        let added = runtime.people().add("owner", now());
        let (_, token) = added.map_err(|error| Failure::of(&error, remedy))?;
        let connect = seen.then(|| phone_address.connection(token.reveal()));
        let next = "first person: owner. Make a secret for their phone: cellar user token owner\n";
        return Ok(First { connect, pair: None, next });
    }
    runtime.people().add_owner("owner", now()).map_err(|error| Failure::of(&error, remedy))?;
    let next = "first person: owner. Show the code for their phone: cellar pair owner --admin\n";
    if !seen {
        return Ok(First { connect: None, pair: None, next });
    }
    let open = OpenPairing {
        person: "owner".to_owned(),
        lifetime_ms: Some(FIRST_PAIRING_MINUTES * 60_000),
        typed: true,
        admin: true,
        recovery: None,
    };
    // If there is no address to give to phones, the host still serves.
    let pair = open.answer(&Context { runtime, phone_address });
    if let Err(error) = &pair {
        tracing::warn!(%error, "no code for the first person's phone");
    }
    Ok(First { connect: None, pair: pair.ok(), next })
}

/// The JSON that scripts read when phones can connect.
#[derive(Serialize)]
struct Ready<'a> {
    ready: bool,
    listen: String,
    pin: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pair: Option<&'a PairingOpened>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connect: Option<&'a str>,
}

impl Ready<'_> {
    fn line(&self) -> Result<String, Failure> {
        let text = serde_json::to_string(self).map_err(|error| Failure::of(&error, "report this"))?;
        Ok(format!("{text}\n"))
    }
}

/// Announces to people and scripts that phones can connect: lines on stdout, and the ready file. Lines that go to a
/// service's journal or a file name the command that shows a secret and not the secret; `--json` is for a script that
/// reads it.
fn announce(
    address: SocketAddr,
    phone_address: &PhoneAddress,
    first: &First,
    ready_file: Option<&ReadyFile>,
    as_json: bool,
) -> Result<(), Failure> {
    let (listen, pin) = (address.to_string(), phone_address.pin.to_string());
    let ready = Ready { ready: true, listen, pin, pair: None, connect: None };
    // The file contains no secret.
    ready_file.map_or(Ok(()), |file| file.write(&ready.line()?))?;
    let text = if as_json {
        Ready { pair: first.pair.as_ref(), connect: first.connect.as_deref(), ..ready }.line()?
    } else {
        let person = match &first.connect {
            Some(connect) => format!(
                "first person: owner. Their phone connects with this secret, which is shown only now:\n{connect}\n"
            ),
            None => first.pair.as_ref().map_or_else(|| first.next.to_owned(), |pair| {
                let code = super::pair::shown(pair, FIRST_PAIRING_MINUTES).unwrap_or_default();
                format!(
                    "first person: owner. {code}\nThen, in another terminal, compare and let it in: cellar device approve owner DIGITS\nA recovery phrase, or another code: cellar pair owner\n"
                )
            }),
        };
        format!("{person}pin {}\nlistening at {address}\n{}", phone_address.pin, page_line(address))
    };
    // A closed stdout is no reason to stop.
    if let Err(error) = console::text(text) {
        tracing::warn!(error = error.what, "the address and the first person's codes were not shown");
    }
    Ok(())
}

/// The line about the page that a browser on this machine can open, where the port can be reached on the loopback.
fn page_line(address: SocketAddr) -> String {
    let here = runtime_host::config::reachable(address);
    if here.ip().is_loopback() {
        format!("for a browser on this machine: http://{here}/\n")
    } else {
        String::new()
    }
}

/// Closes the stores of people who were idle for a while.
async fn keep_house(runtime: Arc<Runtime>) {
    let mut every = tokio::time::interval(Duration::from_secs(5));
    loop {
        every.tick().await;
        let runtime = Arc::clone(&runtime);
        let kept = tokio::task::spawn_blocking(move || {
            runtime.locks().lock_expired();
            runtime.diaries().end_locked_intakes();
            runtime.owners().tick();
            runtime.clocks().keep();
            runtime.drain_again();
            runtime.open_people().close_idle();
        });
        if let Err(error) = kept.await {
            tracing::error!(%error, "people could not be put to sleep");
        }
    }
}
