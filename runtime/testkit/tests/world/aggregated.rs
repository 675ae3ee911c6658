//! Studies over two hosts with two aggregators: real cells, real stores, real processes over TLS on the loopback.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use runtime_package::PublisherKey;
use runtime_testkit::{Disks, World};
use runtime_user::study::Answer;
use runtime_user::{BUDGET_MICRO, CollectError, RunOutcome, StudySent, UserId};
use serde_json::Value;

use crate::studies::{
    CAR, CELL, EPSILON, NOW, files, join, key, left, package, programs, sections, study, total, with_sections,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_testkit-aggregator");

/// A process that is an aggregator.
struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(folder: &Path, listen: &str) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["--json", "serve"]).arg(folder).args(["--listen", listen]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        let ready: Value = serde_json::from_str(&line).expect("JSON");
        Self { child, address: ready["listen"].as_str().expect("an address").to_owned() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two aggregators, and a researcher with a study of a cell.
struct Pair {
    home: tempfile::TempDir,
    running: Vec<Running>,
    key: PublisherKey,
    package: Vec<u8>,
    study: Vec<u8>,
}

impl Pair {
    fn start() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let (mut running, mut named) = (Vec::new(), String::new());
        for which in ["leader", "helper"] {
            let folder = home.path().join(which);
            let made = json(&["init", folder.to_str().expect("text")]);
            let process = Running::start(&folder, "127.0.0.1:0");
            let (address, key) = (&process.address, made["key"].as_str().expect("a key"));
            named.push_str(&format!("[[aggregators]]\naddress = \"{address}\"\nkey = \"{key}\"\n"));
            running.push(process);
        }
        let key = key();
        let package = package(CELL, &key);
        let study = study(&package, &key, |text| {
            let text = text.replace("version = 1", "version = 2").replace("2026-01-01", &moment(FROM_DAYS));
            let text = text.replace("2026-01-15", &moment(FROM_DAYS - 7));
            text.replace("answered = \"one-host\"\n", &format!("answered = \"two-aggregators\"\n{named}"))
        });
        let pair = Self { home, running, key, package, study };
        std::fs::write(pair.file("study.toml"), &pair.study).expect("written");
        std::fs::write(pair.file("publisher.key"), pair.key.to_file().as_bytes()).expect("written");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(pair.file("publisher.key"), mode).expect("changed");
        for which in ["leader", "helper"] {
            json(&["admit", &pair.file(which), &pair.file("study.toml")]);
        }
        pair
    }

    fn file(&self, name: &str) -> String {
        self.home.path().join(name).to_str().expect("text").to_owned()
    }

    fn stop(&mut self, which: usize) {
        let _ = self.running[which].child.kill();
        let _ = self.running[which].child.wait();
    }

    fn restart(&mut self, which: usize) {
        self.stop(which);
        let folder = self.home.path().join(["leader", "helper"][which]);
        self.running[which] = Running::start(&folder, &self.running[which].address.clone());
    }

    /// A host that knows the study.
    fn host(&self) -> World {
        let world = World::with(with_aggregator);
        world.runtime.studies().publish(&self.study, &self.package, NOW).expect("published");
        world
    }

    fn result(&self) -> Result<Answer, String> {
        let (study, key) = (self.file("study.toml"), self.file("publisher.key"));
        let output = run(&["result", &study, "--key", &key, "--epoch", "0"]);
        match output.status.success() {
            true => Ok(serde_json::from_slice(&output.stdout).expect("an answer")),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }

    fn counted(&self, which: &str) -> u64 {
        let status = json(&["status", &self.file(which)]);
        status[0]["people"].as_u64().unwrap_or(0)
    }
}

fn with_aggregator(settings: &mut runtime_user::Settings) {
    programs(settings);
    settings.aggregator = Some(PROGRAM.into());
}

fn run(arguments: &[&str]) -> std::process::Output {
    Command::new(PROGRAM).arg("--json").args(arguments).output().expect("it runs")
}

fn json(arguments: &[&str]) -> Value {
    let output = run(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn send(world: &World) -> StudySent {
    world.runtime.studies().send("distance", None, now()).expect("sent")
}

/// The moment that aggregators see, too.
fn now() -> f64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// The study has one week, which began so many days ago and has ended.
const FROM_DAYS: i64 = 9;

fn moment(days_ago: i64) -> String {
    let today = now() as i64 / 86_400 * 86_400;
    jiff::Timestamp::from_second(today - days_ago * 86_400).expect("a moment").to_string()
}

/// A moment inside the week.
fn inside() -> f64 {
    now() - (FROM_DAYS - 3) as f64 * 86_400.0
}

/// People who have gone 500 km by car in that week.
fn drivers(world: &World, numbers: std::ops::RangeInclusive<u8>) -> Vec<UserId> {
    let told = [(inside(), CAR, 300.0), (inside() + 3_600.0, CAR, 200.0), (inside() - 1e7, CAR, 9e5)];
    numbers.map(|number| with_sections(world, number, &told)).collect()
}

#[test]
fn a_total_is_of_the_people_of_both_hosts_and_costs_each_their_share_once() {
    let pair = Pair::start();
    let hosts = [pair.host(), pair.host()];
    let people = [drivers(&hosts[0], 1..=15), drivers(&hosts[1], 1..=15)];
    for (host, people) in hosts.iter().zip(&people) {
        join(host, people, &pair.study);
        assert!(people.iter().all(|user| left(host, *user) == BUDGET_MICRO));
    }
    let studies = hosts[0].runtime.studies();
    assert!(matches!(studies.result("distance", None, now()), Err(CollectError::Aggregators)));
    for host in &hosts {
        let sent = send(host);
        assert_eq!((sent.counted, sent.refused, sent.open, sent.why), (15, 0, 0, None));
    }
    let answer = pair.result().expect("an answer");
    let far = 3 * i64::try_from(answer.error_bar).expect("small");
    assert!((total(&answer, "car") - 30 * 500).abs() <= far, "{answer:?}");
    assert!(total(&answer, "train").abs() <= far, "{answer:?}");
    assert_eq!((pair.counted("leader"), pair.counted("helper")), (30, 30));
    for (host, people) in hosts.iter().zip(&people) {
        // Sent again, nothing is counted or charged again.
        assert_eq!(send(host).counted, 15);
        for user in people {
            assert_eq!(left(host, *user), BUDGET_MICRO - EPSILON);
            let budget = host.runtime.studies().budget(*user).expect("a budget");
            assert!(budget.charges.len() == 1 && budget.charges[0].spent, "{budget:?}");
        }
    }
    assert_eq!(pair.result().expect("the same"), answer);
    let person = hosts[0].runtime.person(people[0][0]).expect("open");
    let lines = person.audit(None, Some(CELL)).expect("an audit");
    assert_eq!((lines.len(), lines[0].outcome, lines[0].entries_read), (1, RunOutcome::Done, 2));
}

#[test]
fn what_was_not_counted_is_sent_again_and_is_never_given_back() {
    let mut pair = Pair::start();
    let host = pair.host();
    let people = drivers(&host, 1..=6);
    join(&host, &people, &pair.study);
    pair.stop(1);
    let sent = send(&host);
    assert_eq!((sent.counted, sent.open), (0, 6));
    assert!(sent.why.as_deref().is_some_and(|why| why.contains("helper")), "{sent:?}");
    assert!(people.iter().all(|user| left(&host, *user) == BUDGET_MICRO - EPSILON));
    // Nobody gets ε back for what an aggregator says, by leaving, by joining again or after a restart.
    host.runtime.studies().leave(people[0], "distance", now()).expect("left");
    let host = host.restart(|_| {});
    assert_eq!(left(&host, people[0]), BUDGET_MICRO - EPSILON);
    pair.restart(1);
    let sent = send(&host);
    assert_eq!((sent.counted, sent.refused, sent.open), (5, 0, 0));
    // The leader is gone after the helper has its shares.
    pair.stop(0);
    join(&host, &people[..1], &pair.study);
    assert_eq!(send(&host).open, 1);
    pair.restart(0);
    assert_eq!(send(&host).counted, 6);
    assert_eq!((pair.counted("leader"), pair.counted("helper")), (6, 6));
    for user in &people {
        let budget = host.runtime.studies().budget(*user).expect("a budget");
        assert_eq!((budget.left_micro, budget.charges.len()), (BUDGET_MICRO - EPSILON, 1));
    }
    assert!(pair.result().is_ok());
    // Once the epoch is closed, whoever comes late is refused, and pays: the aggregator may lie.
    let late = drivers(&host, 7..=7);
    join(&host, &late, &pair.study);
    let sent = send(&host);
    assert_eq!((sent.counted, sent.refused), (6, 1));
    assert_eq!(left(&host, late[0]), BUDGET_MICRO - EPSILON);
}

#[test]
fn a_host_without_the_program_that_sends_shares_sends_nothing_and_spends_nothing() {
    let pair = Pair::start();
    let host = World::with(programs);
    host.runtime.studies().publish(&pair.study, &pair.package, NOW).expect("published");
    let people = drivers(&host, 1..=2);
    join(&host, &people, &pair.study);
    let refused = host.runtime.studies().send("distance", None, now()).expect_err("no program");
    assert!(matches!(refused, CollectError::Send(_)), "{refused}");
    assert!(people.iter().all(|user| left(&host, *user) == BUDGET_MICRO));
    // And one that is not it: what became of the shares is not known.
    let host = host.restart(|settings| settings.aggregator = Some("/bin/false".into()));
    assert_eq!(send(&host).open, 2);
    let host = host.restart(with_aggregator);
    assert_eq!(send(&host).counted, 2);
}

#[test]
fn attack_169_a_contribution_that_is_split_is_in_no_file_of_its_host_or_of_an_aggregator() {
    /// What one person gives, km, and no noise is likely to be.
    const MARKER: i64 = 613;
    let pair = Pair::start();
    let host = pair.host();
    let mut people = drivers(&host, 1..=5);
    people.push(with_sections(&host, 6, &[(inside(), CAR, MARKER as f64)]));
    join(&host, &people, &pair.study);
    assert_eq!(send(&host).counted, 6);
    assert!(pair.result().is_ok());
    // A vector of the person's numbers: in the order of the study, as the pipe and the field have them.
    let texts = [
        b"[0,0,0,0,613,0,0]".to_vec(),
        [0_i64, MARKER, 0].iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>(),
        [0_i128, i128::from(MARKER), 0].iter().flat_map(|number| number.to_be_bytes()).collect(),
        [0_f64, MARKER as f64, 0.0].iter().flat_map(|number| number.to_le_bytes()).collect(),
    ];
    let mut places = files(&host.runtime.settings().data);
    places.extend(files(pair.home.path()));
    assert!(places.iter().filter(|(name, _)| name.ends_with("ledger.redb")).count() == 2);
    for (name, content) in &places {
        for text in &texts {
            assert!(!content.windows(text.len()).any(|window| window == text), "{name} has the contribution");
        }
    }
}

/// Power goes at each write of one person's disk while shares are sent: they are counted once, and charged once.
#[test]
fn a_host_killed_at_any_write_of_a_sending_counts_and_charges_everybody_once() {
    let mut killed = 0;
    for point in 0.. {
        let pair = Pair::start();
        let disks = Disks::default();
        let host = disks.world_with(with_aggregator);
        host.runtime.studies().publish(&pair.study, &pair.package, NOW).expect("published");
        let people: Vec<_> = (1..=5).map(|number| host.person(&format!("person {number}"))).collect();
        for user in &people {
            sections(&host.runtime.person(*user).expect("open").store, &[(inside(), CAR, 500.0)])
                .expect("stored");
        }
        join(&host, &people, &pair.study);
        let (victim, disk) = (people[0], disks.of(people[0]));
        let before = disk.points();
        disk.die_at(before + point);
        let sent = send(&host);
        assert!(sent.counted >= 4 && sent.refused == 0, "{point}: {sent:?}");
        let died = disk.points() > before + point;
        while !host.runtime.open_people().close(victim) {
            std::thread::yield_now();
        }
        disk.revive(point);
        // Whatever has left is charged, also before anything is sent again.
        let counted = pair.counted("leader");
        let at_once = left(&host, victim);
        assert!(counted == 4 || at_once == BUDGET_MICRO - EPSILON, "{point}: counted, and not charged");
        let again = send(&host);
        assert_eq!((again.counted, again.refused, again.open), (5, 0, 0), "{point}");
        assert_eq!((pair.counted("leader"), pair.counted("helper")), (5, 5), "{point}");
        let budget = host.runtime.studies().budget(victim).expect("it reads");
        assert!(budget.charges.len() == 1 && budget.charges[0].spent, "{point}: {budget:?}");
        assert_eq!(budget.left_micro, BUDGET_MICRO - EPSILON, "{point}");
        killed += u64::from(died);
        if !died {
            break;
        }
    }
    println!("killed at {killed} points");
    assert!(killed >= 3, "killed at only {killed} points");
}
