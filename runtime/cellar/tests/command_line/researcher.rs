//! `docs/researcher.md`, followed line by line outside of the repository: what stands there is typed into a shell, and
//! nothing else. Only the package `cells-sdk` comes from this workspace, and no line may use the network.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use runtime_package::Package;
use runtime_simulator::{Person, Phone};
use serde_json::Value;

use crate::cells::{TARGET, can_build, can_compile};
use crate::languages::tools;
use crate::support::binary::{CELLAR, Running, text};

/// A researcher's folder, and the shell in which lines are typed.
struct Desk {
    home: tempfile::TempDir,
    /// What `export` has set.
    set: Vec<(String, String)>,
    host: Option<Running>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository")
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        // In the place of the registry, from which cells-sdk cannot come.
        fs::create_dir(home.path().join(".cargo")).expect("made");
        let sdk = format!("[patch.crates-io]\ncells-sdk = {{ path = {:?} }}\n", root().join("cells/sdk"));
        fs::write(home.path().join(".cargo/config.toml"), sdk).expect("written");
        Self { home, set: Vec::new(), host: None }
    }

    fn shell(&self, line: &str) -> Command {
        let mut shell = Command::new("bash");
        let beside = Path::new(CELLAR).parent().expect("a folder").to_owned();
        let usual = tools();
        let path = std::env::join_paths([beside].into_iter().chain(std::env::split_paths(&usual)));
        shell.args(["-euc", line]).current_dir(self.home.path()).stdin(Stdio::null());
        shell.env("PATH", path.expect("no colon in a path")).env("CELLAR_CONFIG", "/dev/null");
        shell.env("CARGO_NET_OFFLINE", "true").env("CARGO_TARGET_DIR", TARGET).env_remove("RUSTFLAGS");
        shell.envs(self.set.iter().map(|(name, value)| (name, value)));
        shell
    }

    /// Types one line; answers what it printed.
    fn type_in(&mut self, line: &str) -> String {
        if let Some((name, value)) = line.strip_prefix("export ").and_then(|set| set.split_once('=')) {
            self.set.push((name.to_owned(), value.to_owned()));
            return String::new();
        }
        if line.starts_with("cellar serve") {
            let mut host = self.shell(&format!("exec {line} --json"));
            let mut host = Running::start(host.stdout(Stdio::piped()).stderr(Stdio::null()));
            let mut ready = String::new();
            BufReader::new(host.stdout.take().expect("piped")).read_line(&mut ready).expect("a line");
            self.host = Some(host);
            return ready;
        }
        let ended = self.shell(line).output().expect("bash");
        assert!(
            ended.status.success(),
            "{line}\n{}{}",
            text(&ended.stdout)
                .chars()
                .rev()
                .take(3_000)
                .collect::<Vec<_>>()
                .iter()
                .rev()
                .collect::<String>(),
            text(&ended.stderr)
        );
        // The versions of this workspace are there without a network.
        if let Some(name) = line.strip_prefix("cellar cell new ").and_then(|rest| rest.split(' ').next()) {
            let folder = self.home.path().join(name);
            if folder.join("Cargo.toml").is_file() {
                fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).expect("copied");
            }
        }
        text(&ended.stdout)
    }

    /// Writes the cell and the digest of a package, which stand in these words, into the draft of its study.
    fn fill_in(&self, cell: &str, words: &str) {
        let package = self.home.path().join(cell).join(format!("build/{cell}.wasm"));
        let package = fs::read(package).expect("built");
        let digest =
            data_encoding::HEXLOWER.encode(ring::digest::digest(&ring::digest::SHA256, &package).as_ref());
        let id = Package::parse(&package).expect("a package").verify().expect("signed").cell.to_string();
        assert!(words.contains(&digest) && words.contains(&id), "{words}");
        let path = self.home.path().join(cell).join("study.toml");
        let draft = fs::read_to_string(&path).expect("a draft");
        let filled = draft.replace(&"a".repeat(26), &id).replace(&"0".repeat(64), &digest);
        assert_ne!(draft, filled);
        fs::write(&path, filled).expect("written");
    }

    fn export(&self, name: &str) -> String {
        fs::read_to_string(self.home.path().join(name)).expect("an export")
    }
}

/// The lines of the blocks of commands that follow this text, until the next heading; without their comments.
fn lines_behind(start: &str) -> Vec<String> {
    let page = fs::read_to_string(root().join("docs/researcher.md")).expect("the page");
    let (_, rest) = page.split_once(start).unwrap_or_else(|| panic!("the page has no {start:?}"));
    let part = rest.split("\n`cells/examples").next().and_then(|part| part.split("\n**").next());
    let typed = part.unwrap_or_default().lines().filter_map(|line| line.strip_prefix("    "));
    typed.map(|line| line.split("  #").next().unwrap_or_default().trim().to_owned()).collect()
}

/// When the day begins that the page has forgotten, by the clock of the person that it invents, s: 2024-03-05.
fn forgotten() -> f64 {
    Person::invent(7, Phone::Ios).plan(19_787).midnight_ts as f64
}

/// How many entries of a cell's streams an export has, and how many of them end before the day that was forgotten.
fn results(export: &str, cell: &str) -> (usize, usize) {
    let export: Value = serde_json::from_str(export).expect("JSON");
    let family = format!("study.{cell}/");
    let entries = export["timeseries"].as_array().expect("entries");
    let own = entries
        .iter()
        .filter(|entry| entry["metadata"]["key"].as_str().is_some_and(|key| key.starts_with(&family)));
    let own: Vec<&Value> = own.collect();
    let kept = own.iter().filter(|entry| {
        ["end_ts", "ts"]
            .iter()
            .find_map(|name| entry["data"][*name].as_f64())
            .is_some_and(|ts| ts < forgotten())
    });
    (own.len(), kept.count())
}

/// The lines from a host to the end, for a cell of that name.
fn owners_lines(cell: &str) -> Vec<String> {
    let lines = lines_behind("To see it as an owner does");
    assert!(lines.len() > 12 && lines.iter().any(|line| line.contains("remove anna silences")), "{lines:?}");
    lines.into_iter().map(|line| line.replace("silences", cell)).collect()
}

/// From the host to the end: results are there, go with what is forgotten, and go with the cell.
fn follow_to_the_end(desk: &mut Desk, cell: &str) {
    let mut said = Vec::new();
    for line in owners_lines(cell) {
        said.push((line.clone(), desk.type_in(&line)));
    }
    let of = |part: &str| -> String {
        let found = said.iter().filter(|(line, _)| line.contains(part)).map(|(_, said)| said.as_str());
        found.collect()
    };
    assert!(of("cell install").contains("background/filtered_location"), "{}", of("cell install"));
    let ((before, kept), (after, kept_after)) =
        (results(&desk.export("before.json"), cell), results(&desk.export("after.json"), cell));
    println!("{cell}: {before} results, {after} after a day was forgotten");
    assert!(before > 0 && after < before, "{cell}: {before} {after}");
    assert_eq!(
        (kept_after, after),
        (kept, kept),
        "{cell}: the other day's results are made again, and no more"
    );
    desk.type_in("cellar user export anna --output end.json");
    assert_eq!(results(&desk.export("end.json"), cell).0, 0);
}

#[test]
fn the_page_for_researchers_is_followed_line_by_line_in_rust() {
    if !can_build() || !can_compile() {
        return;
    }
    let mut desk = Desk::new();
    let lines = lines_behind("From nothing to a result, line by line:");
    let own: Vec<_> = lines.iter().take_while(|line| !line.starts_with("export ")).cloned().collect();
    assert!(own.len() == 8 && own[0] == "cellar cell new silences", "{own:?}");
    for line in &own {
        let said = desk.type_in(line);
        assert!(!line.contains("cell verify") || said.contains("signed by publisher"), "{said}");
    }
    follow_to_the_end(&mut desk, "silences");
}

#[test]
fn the_page_for_researchers_is_followed_from_a_question_to_a_signed_study() {
    if !can_build() || !can_compile() {
        return;
    }
    let mut desk = Desk::new();
    let lines = lines_behind("From a question to a study that can be signed, line by line:");
    assert!(lines.len() == 8 && lines[0] == "cellar cell new phone-hours --world contribution", "{lines:?}");
    for line in &lines {
        if line.starts_with("cellar study check") {
            // The draft names no cell: the refusal says what to fill in.
            let refused = desk.shell(line).output().expect("bash");
            let words = text(&refused.stderr);
            assert!(
                !refused.status.success() && words.contains("the package is not the one of the study"),
                "{words}"
            );
            desk.fill_in("phone-hours", &words);
        }
        let said = desk.type_in(line);
        if line.starts_with("cellar cell test") {
            assert!(said.contains("gave 2 numbers in each of") && said.contains("passed: 3"), "{said}");
            assert!(said.contains("within 0 to 168"), "{said}");
        }
        assert!(!line.starts_with("cellar study") || said.contains("hours (0 to 168)"), "{said}");
    }
}

#[test]
fn the_page_for_researchers_is_followed_line_by_line_in_python_and_javascript() {
    if !can_build() || !can_compile() {
        return;
    }
    for (start, name) in [("**Python** needs", "quiet-times"), ("**JavaScript** needs", "long-gaps")] {
        let mut desk = Desk::new();
        let is_followed = lines_behind(start).iter().all(|line| {
            // Tools are not fetched here: `.ci/tools` has installed them, or the language is left out.
            let fetches =
                line.contains("pip install") || line.contains("npm install") || line.contains("-m venv");
            if fetches {
                return true;
            }
            if line.starts_with("cellar cell build") {
                let ended = desk.shell(line).output().expect("bash");
                let words = text(&ended.stderr);
                if words.contains(" is neither in ") {
                    println!("SKIPPED: {name}: {words}");
                    return false;
                }
                assert!(ended.status.success(), "{words}");
                return true;
            }
            desk.type_in(line);
            true
        });
        if !is_followed {
            continue;
        }
        let package = format!("{name}/build/{name}.wasm");
        desk.type_in("cellar cell keygen --output publisher.key");
        desk.type_in(&format!("cellar cell sign {package} --key publisher.key"));
        follow_to_the_end(&mut desk, name);
    }
}
