//! Two aggregators, a study that names them, and hosts that send to them.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rand_mt::Mt64;
use ring::rand::SystemRandom;
use runtime_aggregator::folder::Folder;
use runtime_aggregator::send::send;
use runtime_package::PublisherKey;
use runtime_study::{Bounded, Report, ReportId, SEND_REPORTS_MAX, SendAsk, Sent, SignedStudy, Verdict, sign};

pub const NUMBERS: usize = 24;
pub const SMALLEST_GROUP: usize = 5;
/// Days of the study, all of which have ended and may be collected.
pub const EPOCHS: u32 = 10;

/// The program that is tested.
const PROGRAM: &str = env!("CARGO_BIN_EXE_cellar-aggregator");

/// A process that is an aggregator.
pub struct Running {
    child: Child,
    pub address: String,
    said: Arc<Mutex<Vec<u8>>>,
}

impl Running {
    /// Starts one, and waits until it listens.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let is_it = |line: &String| line.starts_with("{\"listen\"");
        let line = lines.by_ref().map_while(Result::ok).find(is_it).expect("it listens");
        let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let address = ready["listen"].as_str().expect("an address").to_owned();
        let (said, mut errors) = (Arc::new(Mutex::new(Vec::new())), child.stderr.take().expect("a pipe"));
        let to = Arc::clone(&said);
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = errors.read(&mut some) {
                to.lock().expect("no panic").extend_from_slice(&some[..count]);
            }
        });
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, said }
    }

    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn wait_for_the_end(&mut self) {
        let _ = self.child.wait();
    }

    /// What it has logged.
    pub fn said(&self) -> Vec<u8> {
        self.said.lock().expect("no panic").clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

pub fn serve(folder: &Path, listen: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.args(["--json", "serve"]).arg(folder).args(["--listen", listen]);
    command
}

/// Two aggregators and their study.
pub struct Pair {
    home: tempfile::TempDir,
    pub running: [Running; 2],
    pub study: SignedStudy,
    pub key: PublisherKey,
}

pub fn folder(home: &Path, which: usize) -> PathBuf {
    home.join(["leader", "helper"][which])
}

fn text(addresses: [&str; 2], keys: [&str; 2], change: &dyn Fn(String) -> String) -> String {
    // The last epoch ended yesterday or the day before.
    let until = jiff::Timestamp::now().as_second() / 86_400 * 86_400 - 86_400;
    let moment = |back: u32| {
        let moment = jiff::Timestamp::from_second(until - i64::from(back) * 86_400);
        moment.expect("a moment").to_string()
    };
    let text = format!(
        "version = 2\nname = \"hours\"\ntitle = \"Hours\"\npurpose = \"Counts hours.\"\nethics = \"none: a test\"\n\
         cell = \"zntsnvirhlbqxq6osekdyyuqt4\"\ndigest = \"{}\"\nstreams = [\"background/filtered_location\"]\n\
         from = {}\nuntil = {}\nepoch = \"day\"\nepsilon = 0.5\nl1 = 300\nsmallest-group = {SMALLEST_GROUP}\n\
         answered = \"two-aggregators\"\n[[aggregators]]\naddress = \"{}\"\nkey = \"{}\"\n[[aggregators]]\n\
         address = \"{}\"\nkey = \"{}\"\n[[numbers]]\nname = \"hours\"\nlo = 0\nhi = 100\ntimes = {NUMBERS}\n",
        "ab".repeat(32),
        moment(EPOCHS),
        moment(0),
        addresses[0],
        keys[0],
        addresses[1],
        keys[1],
    );
    change(text)
}

pub fn signed(text: &str, key: &PublisherKey) -> SignedStudy {
    let text = sign(text.as_bytes(), key, &SystemRandom::new()).expect("random bytes").expect("a study");
    SignedStudy::parse(text.as_bytes()).expect("a signed study")
}

impl Pair {
    pub fn start() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        for which in 0..2 {
            Folder::open(&folder(home.path(), which), true).expect("made");
        }
        let running = [0, 1].map(|which| Running::start(serve(&folder(home.path(), which), "127.0.0.1:0")));
        let key = PublisherKey::generate(&SystemRandom::new()).expect("random bytes");
        let pair_study = signed(&study_text(home.path(), &running, &|text| text), &key);
        let pair = Self { home, running, study: pair_study, key };
        pair.admit(&pair.study);
        pair
    }

    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// A further study of the same two.
    pub fn another(&self, change: &dyn Fn(String) -> String) -> SignedStudy {
        let study = signed(&study_text(self.home(), &self.running, change), &self.key);
        self.admit(&study);
        study
    }

    pub fn admit(&self, study: &SignedStudy) {
        for which in 0..2 {
            self.folder(which).admit(study.text().as_bytes()).expect("admitted");
        }
    }

    pub fn folder(&self, which: usize) -> Folder {
        Folder::open(&folder(self.home(), which), false).expect("it is there")
    }

    /// Starts one again, at its address.
    pub fn restart(&mut self, which: usize) {
        self.running[which].kill();
        let address = self.running[which].address.clone();
        self.running[which] = Running::start(serve(&folder(self.home(), which), &address));
    }

    pub fn ask(&self, epoch: u32, reports: &[Report]) -> SendAsk {
        SendAsk { study: self.study.text().to_owned(), epoch, reports: reports.to_vec() }
    }

    /// Sends as a host does. Returns the verdicts.
    pub fn send(&self, epoch: u32, reports: &[Report]) -> Vec<Verdict> {
        let chunks = reports.chunks(SEND_REPORTS_MAX);
        chunks.flat_map(|chunk| verdicts(send(&self.ask(epoch, chunk)))).collect()
    }

    /// What the operator is shown: counted and refused of an epoch.
    pub fn status(&self, which: usize, epoch: u32) -> (u64, u64) {
        let output =
            Command::new(PROGRAM).args(["--json", "status"]).arg(folder(self.home(), which)).output();
        let output = output.expect("it runs").stdout;
        let all: Vec<serde_json::Value> = serde_json::from_slice(&output).expect("JSON");
        let is_it = |one: &&serde_json::Value| {
            one["epoch"] == epoch && one["id"] == self.study.id().to_string().as_str()
        };
        all.iter().find(is_it).map_or((0, 0), |one| {
            (one["people"].as_u64().expect("a number"), one["refused"].as_u64().expect("a number"))
        })
    }
}

fn study_text(home: &Path, running: &[Running; 2], change: &dyn Fn(String) -> String) -> String {
    let keys = [0, 1].map(|which| Folder::open(&folder(home, which), false).expect("there").key_name());
    text([&running[0].address, &running[1].address], [&keys[0], &keys[1]], change)
}

pub fn verdicts(sent: Sent) -> Vec<Verdict> {
    match sent {
        Sent::Verdicts(verdicts) => verdicts,
        Sent::Failed { why } => panic!("{why}"),
    }
}

/// Invented people of one host, some of whom would be far out of bounds, and the sums of what is sent.
pub fn people(study: &SignedStudy, host: u8, count: usize, seed: u64) -> (Vec<Report>, Vec<i64>) {
    let mut random = Mt64::new(seed ^ u64::from(host) << 32);
    let mut sums = vec![0; NUMBERS];
    let reports = (0..count).map(|number| {
        let given: Vec<f64> = (0..NUMBERS).map(|_| (random.next_u64() % 200) as f64 / 3.0 - 20.0).collect();
        let bounded = Bounded::of(study.study(), &given).expect("the right length");
        bounded.add_to(&mut sums);
        Report { id: id(host, number), numbers: bounded.numbers().to_vec() }
    });
    let reports: Vec<Report> = reports.collect();
    (reports, sums)
}

pub fn id(host: u8, number: usize) -> ReportId {
    let mut id = [host; 16];
    id[8..].copy_from_slice(&(number as u64).to_be_bytes());
    ReportId(id)
}

/// Everything that lies in a folder.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder).expect("a folder") {
        let path = item.expect("an item").path();
        match path.is_dir() {
            true => found.extend(files(&path)),
            false => found.push((path.display().to_string(), fs::read(&path).expect("read"))),
        }
    }
    found
}
