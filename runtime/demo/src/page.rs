//! The page with the invented person's diary, until the process is told to stop.

use std::io;
use std::sync::Arc;

use runtime_dashboard::{Door, Listening, NoPort, Paired, PairedError, Server, is_built, show_in_browser};
use runtime_host::admin::DEVICE_COMMANDS;
use runtime_phone::{BadPhoneFile, Phone};
use runtime_program::signals::Signals;
use runtime_program::{Failure, console};

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// A file or the signals are not available.
    #[error("the operating system refused")]
    System(#[from] io::Error),
    /// The phone's keys cannot be kept for the page.
    #[error("the phone's keys cannot be kept for the page")]
    File(#[from] BadPhoneFile),
    /// The phone does not reach its host.
    #[error("the phone does not reach its host")]
    Paired(#[from] PairedError),
    /// No port.
    #[error(transparent)]
    Port(#[from] NoPort),
    /// No link.
    #[error("there is no randomness for a link")]
    NoLink,
    /// The link cannot be printed.
    #[error(transparent)]
    Output(#[from] Failure),
}

/// Prints a link, and serves the page over the phone's own connection.
pub(super) async fn show(phone: Phone) -> Result<(), PageError> {
    let signals = Signals::handle()?;
    let folder = tempfile::tempdir()?;
    let state = folder.path().join("phone.json");
    if let Some(file) = phone.file() {
        file.store(&state)?;
    }
    drop(phone);
    let paired = Paired::open(state, &DEVICE_COMMANDS).await?;
    let listening = Listening::at(0).await?;
    let door = Arc::new(Door::new(listening.port()));
    let link = door.link().map_err(|_| PageError::NoLink)?;
    let hint = if is_built() {
        ""
    } else {
        "\nThis program was built without its page: `cargo xtask dashboard` builds it."
    };
    console::note(format!(
        "\nThe diary in a browser on this machine, once:\n  {}{hint}\nCtrl-C ends it.",
        link.reveal()
    ));
    // Where there is no screen, the link is for a browser elsewhere, through a tunnel.
    let has_screen = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| std::env::var_os(name).is_some());
    if (has_screen || cfg!(target_os = "macos"))
        && let Err(error) = show_in_browser(&link, folder.path())
    {
        console::note(format!("No browser was started ({error}): open the link yourself."));
    }
    tokio::select! {
        () = Arc::new(Server::new(door, paired)).serve(listening) => {}
        () = signals.until_stop(|| {}) => {}
    }
    Ok(())
}
