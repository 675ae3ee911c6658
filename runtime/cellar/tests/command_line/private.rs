//! What a host keeps to itself: the secrets of a first start, and the files of its data folder.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;

use crate::support::binary::{CELLAR, Running, json, program, until, within};

/// Everything below a folder whose mode gives somebody else a right.
fn open_to_others(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let mode = fs::symlink_metadata(&path).expect("there").permissions().mode();
        if mode & 0o077 != 0 {
            found.push(format!("{} {:o}", path.display(), mode & 0o777));
        }
        if path.is_dir() {
            found.extend(open_to_others(&path));
        }
    }
    found
}

#[test]
fn attack_103_a_first_start_writes_no_secret_to_a_journal() {
    for (more, command) in [(&[][..], "cellar pair owner"), (&["--legacy"], "cellar user token owner")] {
        let folder = tempfile::tempdir().expect("a folder");
        let (data, journal) = (within(folder.path(), "data"), folder.path().join("journal"));
        let file = File::create(&journal).expect("made");
        let mut host = program(CELLAR);
        host.args(["serve", "--data", &data, "--listen", "127.0.0.1:0"]).args(more).stdin(Stdio::null());
        let host = Running::start(host.stderr(file.try_clone().expect("a second handle")).stdout(file));
        let written = || fs::read_to_string(&journal).expect("text");
        until("it listens", || written().contains("listening at"));
        // What the journal names can be done now: no window is open that would be in its way.
        let made = match more.is_empty() {
            true => json(&["pair", "--data", &data, "--detach", "--no-phrase", "owner"]),
            false => json(&["user", "token", "--data", &data, "owner"]),
        };
        host.stop(Signal::TERM);
        let journal = written();
        assert!(journal.contains(command), "{journal}");
        for secret in ["UPC1:", "cellar://", "Or type", "token=", "\u{2588}", "\u{2580}"] {
            assert!(!journal.contains(secret), "{secret:?}: {journal}");
        }
        let texts = made.as_object().expect("an answer").values().filter_map(|value| value.as_str());
        for text in texts.filter(|text| text.len() > 12) {
            assert!(!journal.contains(text) || text.parse::<std::net::SocketAddr>().is_ok(), "{journal}");
        }
    }
}

#[test]
fn attack_102_no_file_of_a_host_is_open_to_others_whatever_the_mask_of_its_caller() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = within(folder.path(), "data");
    let ready = within(folder.path(), "ready");
    // The mask of a service manager that sets none.
    let open_mask = |args: &[&str]| {
        let mut command = program("sh");
        command.args(["-c", "umask 000; exec \"$0\" \"$@\"", CELLAR]).args(args);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command
    };
    let added = open_mask(&["user", "add", "--data", &data, "--unattended", "Ada"]).status();
    assert!(added.expect("it starts").success());
    let listen = ["--listen", "127.0.0.1:0", "--legacy", "--ready-file", &ready];
    let host = Running::start(&mut open_mask(&[&["serve", "--data", &data], &listen[..]].concat()));
    until("the host is ready", || Path::new(&ready).exists());
    // The store is opened, so that its files are there.
    json(&["user", "status", "--data", &data, "Ada"]);
    let open = open_to_others(Path::new(&data));
    host.stop(Signal::TERM);
    assert_eq!(open, Vec::<String>::new());
    assert_eq!(fs::metadata(&data).expect("there").permissions().mode() & 0o777, 0o700);
}
