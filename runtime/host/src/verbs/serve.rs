//! `cellar serve`: a host that runs until it is told to stop.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runtime_user::Runtime;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::{Place, identity};
use crate::admin::{Claim, Command, Desk, Door, OwnerCommand, claim, execute};
use crate::cells;
use crate::config::{Config, LogFormat};
use crate::failure::Failure;
use crate::gateway::{GatewaySecret, keep_registered};
use crate::http::service::now;
use crate::http::{App, Budget, Server};
use crate::logs;
use crate::port::{PortFront, PortParts};

/// What `--help` shows.
pub const EXAMPLE: &str = "Example:\n  cellar serve --data ~/cellar --listen 0.0.0.0:8443\n\n\
    Exit status: 0 stopped cleanly, 1 could not start, 2 bad arguments.";

/// How long the first person's code is good for.
const FIRST_PAIRING_MINUTES: u64 = 15;

/// Where and how to serve.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Address and port; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Read the settings, print what would be used, and exit
    #[arg(long)]
    check: bool,
    /// Open the front for phones that cannot pair: whoever runs this host can read what they send
    #[arg(long)]
    legacy: bool,
    /// How log lines look
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Write address and pin to this file, as JSON, when phones can connect; removed at the end
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// [`Failure`] where the host cannot start.
pub fn run(args: &Args, as_json: bool) -> Result<(), Failure> {
    let mut config = args.place.config()?;
    config.listen = args.listen.unwrap_or(config.listen);
    config.log.format = args.log_format.unwrap_or(config.log.format);
    config.legacy.enabled |= args.legacy;
    if args.check {
        return print_settings(&config, as_json);
    }
    logs::start(config.log.format, &config.log.filter)
        .map_err(|error| Failure::of(&error, "change log.filter"))?;
    let data = &args.place.data;
    let claimed = claim(data).map_err(|error| Failure::of(&error, "name a folder that you may write to"))?;
    let Claim::Ours(_lock) = claimed else {
        let what = format!("another process uses {}", data.display());
        return Err(Failure::new(what, "stop it, or name another folder"));
    };
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("cellar-net").build();
    let tokio = tokio.map_err(|error| Failure::of(&error, "raise the limit on threads"))?;
    tokio.block_on(serve(&config, data, args.ready_file.as_deref(), as_json))
}

fn print_settings(config: &Config, as_json: bool) -> Result<(), Failure> {
    let remedy = "report this";
    if as_json {
        println!("{}", serde_json::to_string(config).map_err(|error| Failure::of(&error, remedy))?);
    } else {
        print!("{}", toml::to_string(config).map_err(|error| Failure::of(&error, remedy))?);
    }
    Ok(())
}

async fn serve(
    config: &Config,
    data: &Path,
    ready_file: Option<&Path>,
    as_json: bool,
) -> Result<(), Failure> {
    // Before anything is announced: who stops us as soon as we are ready means it.
    let stop = stop_signal().map_err(|error| Failure::of(&error, "report this"))?;
    let identity = identity(config, data)
        .map_err(|error| Failure::of(&error, "check the tls settings and the data folder"))?;
    let settings = config.runtime(data).map_err(|error| Failure::of(&error, "check pipeline.stages"))?;
    let opened = tokio::task::spawn_blocking(move || Runtime::open(settings, cells::BUILT_IN)).await;
    let opened = opened.map_err(|error| Failure::of(&error, "report this"))?;
    let runtime = opened.map_err(|error| Failure::of(&error, "check the data folder and its rights"))?;
    let tls = config.legacy.enabled.then(|| identity.server_config()).transpose();
    let tls = tls.map_err(|error| Failure::of(&error, "check that tls.key belongs to tls.certificate"))?;
    let registration = registration(config)?;
    let budget = Budget::new(config.limits.bodies_bytes_max);
    let app = Arc::new(App { backend: Arc::clone(&runtime), limits: config.bodies(), budget });
    let front = PortFront::new(PortParts {
        runtime: Arc::clone(&runtime),
        host: config.public_host(),
        legacy: tls,
        gateways: config.gateway.trusted.clone(),
        native: Arc::new(config.native(Arc::clone(&app))),
        limits: config.server(),
    });
    let server = Server::bind(config.listen, front, config.server()).await.map_err(|error| {
        Failure::new(
            format!("cannot listen at {}: {error}", config.listen),
            "choose another address with --listen",
        )
    })?;
    let address = server.address().map_err(|error| Failure::of(&error, "report this"))?;
    let door = Door {
        address: config.public_address.clone().unwrap_or_else(|| reachable(address).to_string()),
        pin: identity.pin(),
    };
    let first = first_person(&runtime, &door, config.legacy.enabled)?;
    let desk = Desk::open(data);
    announce(address, &door, &first, ready_file, as_json)?;
    if config.legacy.enabled {
        tracing::warn!(
            "the front for phones that cannot pair is open: it ends their TLS, so this host can read what they send"
        );
    }

    let registering = registration.map(|(gateway, secret)| {
        tokio::spawn(keep_registered(Arc::clone(&runtime), gateway, secret, address.port()))
    });
    let keeping = tokio::spawn(keep_house(Arc::clone(&runtime)));
    let scheduled = Arc::clone(&runtime);
    let scheduling = config.pipeline.automatic.then(|| {
        // Runs that a stop cuts off are pending again at the next start.
        tokio::spawn(async move { scheduled.keep_schedule(now).await })
    });
    let for_verbs = Arc::clone(&runtime);
    let listening = tokio::spawn(async move {
        let ended = match desk {
            Ok(desk) => desk.answer(for_verbs, door).await,
            Err(error) => Err(error),
        };
        if let Err(error) = ended {
            tracing::error!(%error, "verbs cannot reach this host while it runs");
        }
    });
    tracing::info!(%address, people = runtime.people().count(), "host started");
    server.serve(app, stop).await;
    listening.abort();
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
    for path in [Some(data.join("control.sock").as_path()), ready_file].into_iter().flatten() {
        let _ = fs::remove_file(path);
    }
    tracing::info!("host stopped");
    Ok(())
}

/// The gateway in front of this host, if there is one, and the secret that it knows the host by.
fn registration(config: &Config) -> Result<Option<(SocketAddr, GatewaySecret)>, Failure> {
    let (Some(gateway), Some(path)) = (config.gateway.register, &config.gateway.secret) else {
        return Ok(None);
    };
    let secret = GatewaySecret::load(path);
    let secret =
        secret.map_err(|error| Failure::of(&error, "`cellar gateway` makes the file: copy it from there"))?;
    Ok(Some((gateway, secret)))
}

/// Where a phone on this machine reaches a host that listens everywhere.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr = match address {
            SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        };
        address.set_ip(loopback);
    }
    address
}

/// What the first person's phone needs, shown once.
#[derive(Default)]
struct First {
    /// For a phone that cannot pair.
    connect: Option<String>,
    /// The codes with which the owner's phone pairs.
    pair: Option<serde_json::Value>,
}

/// Adds somebody to an empty host: whoever starts it.
fn first_person(runtime: &Runtime, door: &Door, legacy: bool) -> Result<First, Failure> {
    if runtime.people().count() > 0 {
        return Ok(First::default());
    }
    let remedy = "check the data folder and its rights";
    if legacy {
        let added = runtime.people().add("owner", now());
        let (_, token) = added.map_err(|error| Failure::of(&error, remedy))?;
        return Ok(First { connect: Some(door.connection(token.reveal())), pair: None });
    }
    runtime.people().add_owner("owner", now()).map_err(|error| Failure::of(&error, remedy))?;
    let open = OwnerCommand::PairOpen {
        user: "owner".to_owned(),
        lifetime_ms: Some(FIRST_PAIRING_MINUTES * 60_000),
        typed: true,
        admin: true,
        recovery: None,
    };
    // An address that no phone can be told is no reason not to serve.
    let pair = execute(runtime, door, Command::Owner(open));
    if let Err(error) = &pair {
        tracing::warn!(%error, "no code for the first person's phone");
    }
    Ok(First { connect: None, pair: pair.ok() })
}

/// Tells people and scripts that phones can connect: lines on stdout, and the ready file.
fn announce(
    address: SocketAddr,
    door: &Door,
    first: &First,
    ready_file: Option<&Path>,
    as_json: bool,
) -> Result<(), Failure> {
    let mut ready = json!({ "ready": true, "listen": address.to_string(), "pin": door.pin.to_string() });
    if let Some(path) = ready_file {
        // By rename, so that whoever waits for the file never reads half of it. It holds no secret.
        let half = path.with_extension("half");
        let written = fs::write(&half, format!("{ready}\n")).and_then(|()| fs::rename(&half, path));
        written.map_err(|error| {
            Failure::new(format!("cannot write {}: {error}", path.display()), "name another ready file")
        })?;
    }
    let text = if as_json {
        if let Some(pair) = &first.pair {
            ready["pair"] = pair.clone();
        }
        if let Some(connect) = &first.connect {
            ready["connect"] = connect.as_str().into();
        }
        format!("{ready}\n")
    } else {
        let person = match &first.connect {
            Some(connect) => format!(
                "first person: owner. Their phone connects with this secret, which is shown only now:\n{connect}\n"
            ),
            None => first.pair.as_ref().map_or_else(String::new, |pair| {
                let code = super::pair::shown(pair, FIRST_PAIRING_MINUTES).unwrap_or_default();
                format!(
                    "first person: owner. {code}\nThen, in another terminal, compare and let it in: cellar device approve --data DIR owner DIGITS\nA recovery phrase, or another code: cellar pair --data DIR owner\n"
                )
            }),
        };
        format!("{person}pin {}\nlistening at https://{address}/\n", door.pin)
    };
    let mut out = std::io::stdout().lock();
    // A script that reads no further is no reason to stop.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

pub(super) fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("asked to stop");
    })
}

/// Puts people to sleep whom nobody asked for in a while.
async fn keep_house(runtime: Arc<Runtime>) {
    let mut every = tokio::time::interval(Duration::from_secs(5));
    loop {
        every.tick().await;
        let runtime = Arc::clone(&runtime);
        let kept = tokio::task::spawn_blocking(move || {
            runtime.lock_expired();
            runtime.tick_doors();
            runtime.keep_time();
            runtime.drain_again();
            runtime.close_idle();
        });
        if let Err(error) = kept.await {
            tracing::error!(%error, "people could not be put to sleep");
        }
    }
}
