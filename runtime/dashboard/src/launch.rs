//! Opens the link in the person's browser.
//!
//! The arguments of a program are visible to every user of a machine, so the browser is given a file that leads to the
//! link and that only the person may read.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::door::Link;

/// The program that opens a file with what its owner prefers.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
/// The name of the file.
const FILE: &str = "cellar.html";

/// Starts the person's browser with the link. The file stays in `folder`, which the caller removes.
///
/// # Errors
/// Where the file cannot be written, or no such program is there.
pub fn show_in_browser(link: &Link, folder: &Path) -> io::Result<()> {
    let path = folder.join(FILE);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    // A link has no character that means something in HTML.
    let link = link.reveal();
    write!(
        file,
        "<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=\"0; url={link}\"><title>Cellar</title>"
    )?;
    let mut opener = Command::new(OPENER);
    opener.arg(&path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    opener.spawn().map(drop)
}
