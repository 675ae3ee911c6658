//! What surrounds the binary: where its output goes, the signals that it gets, the limits of its system.

use crate::support::binary;

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use binary::{
    CELLAR, Running, Serving, cellar, json, parse, program, refused, serve_at, text, until, within, write_day,
};
use runtime_wire::tls::Identity;
use rustix::process::{Pid, Signal, kill_process};

/// A disk that is full; `None`, said aloud, where the system has no such device.
fn full() -> Option<File> {
    let opened = OpenOptions::new().write(true).open("/dev/full");
    opened.inspect_err(|error| eprintln!("skipped: no /dev/full: {error}")).ok()
}

/// A pipe that nobody reads from.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn ended(command: &mut Command) -> Output {
    command.stdin(Stdio::null()).output().expect("it starts")
}

/// A folder with one person.
fn with_somebody(folder: &Path) -> String {
    let data = within(folder, "data");
    json(&["user", "add", "--data", &data, "--unattended", "Ada"]);
    data
}

#[test]
fn output_on_a_full_disk_is_one_line_and_exit_status_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = with_somebody(folder.path());
    for args in [
        &["user", "list", "--data", &data][..],
        &["user", "list", "--json", "--data", &data],
        &["user", "show", "--data", &data, "Ada"],
        &["user", "token", "--data", &data, "Ada"],
        &["pipeline", "status", "--data", &data, "Ada"],
        &["export", "--data", &data, "Ada", "--format", "csv"],
        &["device", "list", "--data", &data, "Ada"],
        &["serve", "--check", "--data", &data],
        &["types"],
        &["--help"],
        &["--version"],
        &["user", "--help"],
    ] {
        let Some(disk) = full() else { return };
        let output = ended(program(CELLAR).args(args).stdout(disk));
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {told}");
        assert!(told.lines().count() == 1 && told.contains("standard output"), "{args:?}: {told}");
    }
    // What is wrong is told where standard error is full, too: by the status.
    let Some(disk) = full() else { return };
    let output = ended(program(CELLAR).args(["user", "show", "--data", &data, "nobody"]).stderr(disk));
    assert_eq!(output.status.code(), Some(1));
    let Some(disk) = full() else { return };
    assert_eq!(ended(program(CELLAR).arg("--nonsense").stderr(disk)).status.code(), Some(2));
}

#[test]
fn a_reader_that_has_left_is_no_failure() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = with_somebody(folder.path());
    for args in [
        &["user", "list", "--data", &data][..],
        &["export", "--data", &data, "Ada", "--format", "gpx"],
        &["types"],
        &["--help"],
        &["serve", "--check", "--data", &data],
    ] {
        let output = ended(program(CELLAR).args(args).stdout(unread()));
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{args:?}");
    }
    let nobody = ["user", "show", "--data", &data, "nobody"];
    let output = ended(program(CELLAR).args(nobody).stdout(unread()).stderr(unread()));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn closed_standard_files_are_no_files_of_ours() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = with_somebody(folder.path());
    for closed in [">&-", "2>&-", "<&- >&- 2>&-"] {
        let script = format!("exec \"$0\" user list --data \"$1\" {closed}");
        let output = ended(program("sh").args(["-c", &script, CELLAR, &data]));
        assert_eq!(output.status.code(), Some(0), "{closed}: {}", text(&output.stderr));
    }
    assert_eq!(
        json(&["user", "list", "--data", &data])[0]["name"],
        "Ada",
        "nothing was written into a data file"
    );
}

/// A host that is ready; where its output goes is the test's.
fn start(data: &str, more: &[&str], set: impl FnOnce(&mut Command)) -> Serving {
    let ready = format!("{data}.ready");
    let mut command = program(CELLAR);
    command
        .args(["serve", "--data", data, "--listen", "127.0.0.1:0", "--legacy", "--ready-file", &ready])
        .args(more);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    set(&mut command);
    let mut child = Running::start(&mut command);
    until("the host is ready", || {
        let over = child.try_wait().expect("it can be waited for");
        assert!(over.is_none(), "the host ended: {over:?}");
        Path::new(&ready).exists()
    });
    let said = fs::read_to_string(&ready).expect("there");
    Serving { child, ready: parse(&said) }
}

fn stop(child: &mut Child, signal: Signal) -> Option<i32> {
    kill_process(Pid::from_child(child), signal).expect("it runs");
    let status = child.wait().expect("it ends");
    assert_eq!(status.signal(), None, "{signal:?}");
    status.code()
}

/// Puts a day as a phone, and runs the pipeline.
fn use_it(folder: &Path, data: &str, name: &str) {
    let dump = within(folder, "day.json");
    let count = write_day(Path::new(&dump));
    let added = json(&["user", "add", "--data", data, "--unattended", name]);
    let connect = added["connect"].as_str().expect("a way in");
    assert_eq!(json(&["phone", "put", "--connect", connect, "--input", &dump])["entries"], count);
    json(&["pipeline", "run", "--data", data, name]);
}

#[test]
fn a_host_whose_log_cannot_be_written_serves_on_and_stops_in_good_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let closed = |command: &mut Command| {
        let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        *command = program("sh");
        command.args(["-c", "exec \"$0\" \"$@\" >&- 2>&-", CELLAR]).args(args);
    };
    let full_disk = |command: &mut Command| {
        if let (Some(out), Some(err)) = (full(), full()) {
            command.stdout(out).stderr(err);
        }
    };
    let nobody = |command: &mut Command| {
        command.stdout(unread()).stderr(unread());
    };
    let check = |name: &str, way: &dyn Fn(&mut Command)| {
        let data = within(folder.path(), name);
        let mut host = start(&data, &[], |command| way(command));
        use_it(folder.path(), &data, name);
        assert_eq!(stop(&mut host.child, Signal::TERM), Some(0), "{name}");
    };
    check("nobody", &nobody);
    check("full", &full_disk);
    check("closed", &closed);
}

#[test]
fn a_host_whose_log_is_never_read_answers_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, config) = (within(folder.path(), "data"), within(folder.path(), "cellar.toml"));
    fs::write(&config, "[log]\nfilter = \"trace\"\n").expect("written");
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let mut host = start(&data, &["--config", &config], |command| {
        command.stderr(writer);
    });
    for name in ["Ada", "Bert", "Cleo"] {
        use_it(folder.path(), &data, name);
    }
    assert_eq!(stop(&mut host.child, Signal::TERM), Some(0));
}

#[test]
fn signals_end_a_host_in_good_order_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, last) in [("term", Signal::TERM), ("int", Signal::INT), ("quit", Signal::QUIT)] {
        let data = within(folder.path(), name);
        let mut host = start(&data, &[], |command| {
            command.stderr(Stdio::null());
        });
        for signal in [
            Signal::HUP,
            Signal::USR1,
            Signal::USR2,
            Signal::PIPE,
            Signal::ALARM,
            Signal::VTALARM,
            Signal::PROF,
            Signal::IO,
            Signal::XFSZ,
            Signal::HUP,
        ] {
            kill_process(Pid::from_child(&host.child), signal).expect("it runs");
        }
        assert_eq!(json(&["user", "list", "--data", &data])[0]["name"], "owner");
        assert_eq!(stop(&mut host.child, last), Some(0), "{last:?}");
        assert!(
            !Path::new(&data).join("control.sock").exists() && !Path::new(&format!("{data}.ready")).exists()
        );
    }
}

#[test]
fn a_hangup_takes_up_another_certificate_and_another_filter_and_nothing_that_does_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| within(folder.path(), name);
    let (data, config, certificate, key) = (at("data"), at("cellar.toml"), at("tls.crt"), at("tls.key"));
    let show = |name: &str| {
        let made = Identity::load_or_make(&folder.path().join(name), &[]).expect("made");
        fs::copy(folder.path().join(name).join("host.crt"), &certificate).expect("copied");
        fs::copy(folder.path().join(name).join("host.tls.key"), &key).expect("copied");
        made.pin().to_string()
    };
    let configure = |filter: &str| {
        let tls = format!("[tls]\ncertificate = '{certificate}'\nkey = '{key}'\n");
        fs::write(&config, format!("{tls}[log]\nfilter = '{filter}'\n")).expect("written");
    };
    let first = show("first");
    configure("warn");
    let log = at("log");
    let mut host = start(&data, &["--config", &config], |command| {
        command.stderr(File::create(&log).expect("a file"));
    });
    assert_eq!(host.ready["pin"], first.as_str());
    let hang_up = || kill_process(Pid::from_child(&host.child), Signal::HUP).expect("it runs");
    let told = || fs::read_to_string(&log).expect("a log");
    let connect = || {
        let token = json(&["user", "token", "--data", &data, "owner"]);
        token["connect"].as_str().expect("a way in").to_owned()
    };
    let gets = |connect: &str| {
        cellar(&["phone", "get", "--connect", connect, "--key", "segmentation/raw_trip"]).status.success()
    };
    let before = connect();
    assert!(before.contains(&first) && gets(&before));

    let second = show("second");
    configure("info");
    hang_up();
    until("the settings are reloaded", || told().contains("settings reloaded"));
    let after = connect();
    assert!(after.contains(&second) && gets(&after), "the new certificate is shown");
    assert!(!gets(&before), "a phone that pinned the old key is not served by the new one");

    // Half a change is none: neither the filter nor the certificate is taken.
    fs::write(&certificate, "nonsense").expect("written");
    configure("error");
    hang_up();
    until("the refusal is told", || told().contains("settings not reloaded"));
    assert!(told().contains("tls.crt"), "{}", told());
    assert!(gets(&connect()), "the one before is still shown");
    configure("info,nonsense=x=y");
    show("second");
    hang_up();
    until("the refusal is told", || told().contains("log.filter"));
    assert_eq!(stop(&mut host.child, Signal::TERM), Some(0));
    assert!(told().contains("host stopped"), "the filter is still the one before: {}", told());
}

#[test]
fn verbs_reach_a_host_however_long_the_path_of_its_folder_is() {
    let folder = tempfile::tempdir().expect("a folder");
    for levels in [3, 12] {
        let deep = "a-rather-long-folder-name-for-volumes/".repeat(levels);
        let data = within(folder.path(), &format!("{deep}data"));
        fs::create_dir_all(Path::new(&data).parent().expect("a parent")).expect("made");
        let host = serve_at(&data, "127.0.0.1:0", &[]);
        json(&["user", "add", "--data", &data, "Bert"]);
        json(&["pair", "--data", &data, "--detach", "--no-phrase", "Bert"]);
        host.stop();
        assert_eq!(json(&["user", "list", "--data", &data]).as_array().expect("people").len(), 2);
    }
}

#[test]
fn what_the_system_refuses_is_named_at_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = within(folder.path(), "data");
    let host = serve_at(&data, "127.0.0.1:0", &[]);
    let listen = host.ready["listen"].as_str().expect("an address").to_owned();
    let other = within(folder.path(), "other");
    let taken = refused(&["serve", "--data", &other, "--listen", &listen]);
    assert!(taken.contains(&listen) && taken.contains("--listen"), "{taken}");
    assert!(refused(&["serve", "--data", &data]).contains("another process uses"));
    host.stop();

    let ready = within(folder.path(), "no/such/folder/ready");
    let socket = within(folder.path(), "socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    for file in [&ready, &socket, &data] {
        let told = refused(&["serve", "--data", &other, "--listen", "127.0.0.1:0", "--ready-file", file]);
        assert!(told.contains(file) && told.contains("--ready-file"), "{told}");
    }
    assert!(Path::new(&socket).exists() && Path::new(&data).is_dir(), "what was refused is left as it was");
    fs::create_dir(Path::new(&other).join("control.sock")).expect("made");
    let told = refused(&["serve", "--data", &other, "--listen", "127.0.0.1:0"]);
    assert!(told.contains("control.sock"), "{told}");

    let limited = |limit: &str| {
        let script = format!("ulimit {limit}; exec \"$0\" serve --data \"$1\" --listen 127.0.0.1:0");
        ended(program("sh").args(["-c", &script, CELLAR, &other]))
    };
    let told = limited("-n 64");
    assert_eq!(told.status.code(), Some(1));
    assert!(text(&told.stderr).contains("LimitNOFILE"), "{}", text(&told.stderr));
    let told = limited("-v 3000000");
    assert_eq!(told.status.code(), Some(1), "{}", text(&told.stderr));
    assert!(
        text(&told.stderr).lines().last().is_some_and(|line| line.contains("ulimit -v")),
        "{}",
        text(&told.stderr)
    );
}

#[test]
fn few_open_files_make_a_smaller_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = within(folder.path(), "data");
    let log = within(folder.path(), "log");
    let mut host = start(&data, &[], |command| {
        let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        *command = program("sh");
        command.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\"", CELLAR]).args(args);
        command.stdout(Stdio::null()).stderr(File::create(&log).expect("a file"));
    });
    use_it(folder.path(), &data, "Ada");
    assert_eq!(stop(&mut host.child, Signal::TERM), Some(0));
    let told = fs::read_to_string(&log).expect("a log");
    assert!(told.contains("few files may be open") && told.contains("allowed=256"), "{told}");
}
