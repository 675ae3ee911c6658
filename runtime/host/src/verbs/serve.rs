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
use crate::admin::{Claim, Desk, Door, claim};
use crate::cells;
use crate::config::{Config, LogFormat};
use crate::failure::Failure;
use crate::http::service::now;
use crate::http::{App, Budget, Server};
use crate::logs;

/// What `--help` shows.
pub const EXAMPLE: &str = "Example:\n  cellar serve --data ~/cellar --listen 0.0.0.0:8443\n\n\
    Exit status: 0 stopped cleanly, 1 could not start, 2 bad arguments.";

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
    let tls = identity.server_config();
    let tls = tls.map_err(|error| Failure::of(&error, "check that tls.key belongs to tls.certificate"))?;
    let server = Server::bind(config.listen, tls, config.server()).await.map_err(|error| {
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
    let first = first_person(&runtime, &door)?;
    let desk = Desk::open(data);
    announce(address, &door, first.as_deref(), ready_file, as_json)?;

    let budget = Budget::new(config.limits.bodies_bytes_max);
    let app = App { backend: Arc::clone(&runtime), limits: config.bodies(), budget };
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
    server.serve(Arc::new(app), stop).await;
    listening.abort();
    keeping.abort();
    if let Some(scheduling) = scheduling {
        scheduling.abort();
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

fn first_person(runtime: &Runtime, door: &Door) -> Result<Option<String>, Failure> {
    if runtime.people().count() > 0 {
        return Ok(None);
    }
    let added = runtime.people().add("owner", now());
    let (_, token) = added.map_err(|error| Failure::of(&error, "check the data folder and its rights"))?;
    Ok(Some(door.connection(token.reveal())))
}

/// Tells people and scripts that phones can connect: lines on stdout, and the ready file.
fn announce(
    address: SocketAddr,
    door: &Door,
    first: Option<&str>,
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
        if let Some(connect) = first {
            ready["connect"] = connect.into();
        }
        format!("{ready}\n")
    } else {
        let person = first.map_or_else(String::new, |connect| {
            format!("first person: owner. Their phone connects with this secret, which is shown only now:\n{connect}\n")
        });
        format!("{person}pin {}\nlistening at https://{address}/\n", door.pin)
    };
    let mut out = std::io::stdout().lock();
    // A script that reads no further is no reason to stop.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    Ok(())
}

fn stop_signal() -> std::io::Result<impl Future<Output = ()> + Send> {
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
        if let Err(error) = tokio::task::spawn_blocking(move || runtime.close_idle()).await {
            tracing::error!(%error, "people could not be put to sleep");
        }
    }
}
