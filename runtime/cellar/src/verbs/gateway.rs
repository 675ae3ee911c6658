//! `cellar gateway`: one address for many hosts. It runs until it is stopped.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Serialize;

use super::Options;
use super::ready::ReadyFile;
use runtime_gateway::{Gateway, GatewayLimits, GatewayParts, GatewaySecret};
use runtime_program::Failure;
use runtime_program::console;
use runtime_program::logs;
use runtime_program::logs::LogFormat;
use runtime_program::resources::Files;
use runtime_program::signals::Signals;

/// The example that `--help` shows.
pub const EXAMPLE: &str = "Example:\n  cellar gateway --listen 0.0.0.0:443 --register 10.0.0.1:8444 --secret /etc/cellar/gateway.secret\n\n\
    Each host then has in its cellar.toml: public_address, and in [gateway] trusted, register and secret.\n\n\
    Exit status: 0 stopped cleanly, 1 could not start, 2 bad arguments.";

/// The options of a gateway.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address and port for clients; port 0 takes a free one, which is printed
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// Address and port where hosts register: on the loopback or a private network
    #[arg(long, value_name = "ADDR")]
    register: SocketAddr,
    /// The secret that hosts prove to know; created if there is no such file. Copy it to each host, mode 600
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
    /// The host for clients that name no person: one with a front for older phones
    #[arg(long, value_name = "HOST:PORT")]
    legacy: Option<String>,
    /// The format of log lines
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// Write both addresses to this file, as JSON, when clients can connect; removed at the end
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
}

/// Passes clients on until SIGINT or SIGTERM.
///
/// # Errors
/// [`Failure`] where the gateway cannot start.
pub fn run(args: &Args, options: &Options) -> Result<(), Failure> {
    if !is_private(args.register.ip()) {
        let what = format!("{} is no address of a private network", args.register.ip());
        return Err(Failure::new(
            what,
            "what hosts tell is not encrypted: name a private address of this machine",
        ));
    }
    let _log = logs::start(args.log_format, "info").map_err(|error| Failure::of(&error, "report this"))?;
    let mut limits = GatewayLimits::default();
    // Each client needs two sockets: its own, and one to the host.
    let files = Files { connections: 2 * limits.connections_max, others: limits.hosts_max }.allow()?;
    (limits.connections_max, limits.hosts_max) = ((files.connections / 2).max(1), files.others);
    let is_new = std::fs::symlink_metadata(&args.secret).is_err();
    let secret = GatewaySecret::load_or_make(&args.secret);
    let secret = secret.map_err(|error| {
        Failure::of(&error, "put back the file that the hosts have a copy of; only you may read it")
    })?;
    if is_new {
        tracing::warn!(
            "a secret was made: hosts that have another one cannot register until they get a copy"
        );
    }
    let parts = GatewayParts {
        listen: args.listen,
        register: args.register,
        secret,
        legacy: args.legacy.clone(),
        limits,
    };
    let tokio = tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("cellar-gate").build();
    let tokio = tokio.map_err(|error| Failure::of(&error, "raise the limit on threads"))?;
    tokio.block_on(serve(args, parts, options.json))
}

async fn serve(args: &Args, parts: GatewayParts, as_json: bool) -> Result<(), Failure> {
    let signals = Signals::handle().map_err(|error| Failure::of(&error, "report this"))?;
    let ready_file = args.ready_file.as_deref().map(ReadyFile::prepare).transpose()?;
    let gateway = Gateway::bind(parts).await;
    let gateway = gateway
        .map_err(|error| Failure::of(&error, "choose other addresses with --listen and --register"))?;
    announce(&gateway, ready_file.as_ref(), as_json)?;
    gateway.serve(signals.until_stop(|| tracing::info!("a gateway has nothing to reload"))).await;
    tracing::info!("gateway stopped");
    Ok(())
}

/// The JSON that scripts read when clients can connect.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    listen: String,
    register: String,
}

fn announce(gateway: &Gateway, ready_file: Option<&ReadyFile>, as_json: bool) -> Result<(), Failure> {
    let report = |error: std::io::Error| Failure::of(&error, "report this");
    let (listen, register) =
        (gateway.address().map_err(report)?, gateway.register_address().map_err(report)?);
    let ready = Ready { ready: true, listen: listen.to_string(), register: register.to_string() };
    let ready = serde_json::to_string(&ready).map_err(|error| Failure::of(&error, "report this"))?;
    ready_file.map_or(Ok(()), |file| file.write(&format!("{ready}\n")))?;
    let text = if as_json {
        format!("{ready}\n")
    } else {
        format!("listening at {listen}\nhosts register at {register}\n")
    };
    // A closed stdout is no reason to stop.
    if let Err(error) = console::text(text) {
        tracing::warn!(error = error.what, "the addresses were not shown");
    }
    Ok(())
}

/// Whether the address can be reached only through a private network.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_private() || address.is_link_local(),
        IpAddr::V6(address) => {
            address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_register_on_private_networks_alone() {
        for (address, want) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("192.168.0.1", true),
            ("fd00::1", true),
            ("::1", true),
            ("0.0.0.0", false),
            ("::", false),
            ("203.0.113.1", false),
            ("::ffff:203.0.113.1", false),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(address.parse().expect("an address")), want, "{address}");
        }
    }
}
