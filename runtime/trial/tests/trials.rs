//! Cells with planted faults: each fault is found by its scenario and made small, and sound cells pass.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use runtime_manifest::World;
use runtime_package::pack;
use runtime_trial::people::FailureFile;
use runtime_trial::report::Report;
use runtime_trial::scenario::Scenario;
use runtime_trial::stand::Stand;
use runtime_trial::subject::Subject;
use runtime_trial::trial::{self, Options};
use serde_json::{Value, json};

/// The program under test; what compiles cells is beside it.
const PROGRAM: &str = env!("CARGO_BIN_EXE_cellar-cell-test");
/// The fault `gives-up` of the cell `faulty` needs so many fixes.
const GIVES_UP_AT: usize = 12;

/// The program that compiles cells, if it was built; says so where it was not.
fn compiler() -> Option<PathBuf> {
    let path = Path::new(PROGRAM).with_file_name("cellar-cell-compiler");
    let there = path.is_file().then_some(path);
    if there.is_none() {
        println!("SKIPPED: no cellar-cell-compiler beside cellar-cell-test");
    }
    there
}

/// A package of this repository, with its manifest changed, and a folder for its tests.
struct Tried {
    stand: Stand,
    folder: tempfile::TempDir,
}

impl Tried {
    fn of(compiler: &Path, package: &[u8], folder: tempfile::TempDir) -> Self {
        let subject = Subject::of(Path::new("cell"), package, Some(folder.path().to_owned()));
        let stand = Stand::start(Arc::new(subject.expect("a cell")), Some(compiler.to_owned()));
        Self { stand: stand.expect("a runtime starts"), folder }
    }

    fn run(&self, users: u64, scenarios: &[Scenario]) -> Report {
        self.run_as(users, scenarios, false)
    }

    fn run_as(&self, users: u64, scenarios: &[Scenario], update: bool) -> Report {
        let options =
            Options { users, seed: 7, days: 2, scenarios: scenarios.to_vec(), update, shrinks: true };
        let report = trial::run(&self.stand, &options, &AtomicBool::new(false)).expect("it was tried");
        println!("{}", report.tell());
        report
    }
}

fn package(name: &str, change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let cell = runtime_cells::PACKAGES.iter().find(|cell| cell.name == name).expect("it is built");
    pack(cell.component, &change(cell.manifest), cell.schemas).expect("a package")
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// The cell `faulty` with that fault.
fn faulty(compiler: &Path, fault: &str) -> Tried {
    let named = package("faulty", |manifest| manifest.replace("Fault: none", &format!("Fault: {fault}")));
    Tried::of(compiler, &named, folder())
}

/// Tries a fault in these scenarios: only `scenario` fails, its smallest person is written down and fails again, and the
/// same person does not fail without the fault. Returns the words and the smallest person.
fn found(fault: &str, scenarios: &[Scenario], scenario: Scenario) -> Option<(String, FailureFile)> {
    let compiler = compiler()?;
    let tried = faulty(&compiler, fault);
    let report = tried.run(2, scenarios);
    let failed: Vec<_> = report.failures.iter().map(|failure| failure.scenario).collect();
    assert_eq!(failed, [scenario], "{fault}");
    let failure = &report.failures[0];
    assert_eq!(failure.people, [7, 8], "{fault}");
    let path = failure.file.as_ref().expect("it was written");
    assert_eq!(path, &tried.folder.path().join(format!("failures/{}.json", scenario.name())));
    assert!(failure.command.as_ref().is_some_and(|command| command.contains("--replay")), "{failure:?}");
    let again = trial::replay(&tried.stand, path).expect("it was played");
    assert!(!again.passed && again.failures[0].what == failure.what, "{}", again.tell());
    let sound = trial::replay(&faulty(&compiler, "none").stand, path).expect("it was played");
    assert!(sound.passed, "{}", sound.tell());
    Some((failure.what.clone(), FailureFile::read(path).expect("it reads")))
}

fn entries(file: &FailureFile) -> usize {
    file.days.iter().map(|day| day.entries.len()).sum()
}

#[test]
fn sound_stages_pass_every_scenario_and_are_told_what_they_read_wrote_and_used() {
    let Some(compiler) = compiler() else { return };
    for (name, read, written) in [
        ("mode-share", "analysis/inferred_section", "study.mode-share/month"),
        ("faulty", "background/filtered_location", "study.faulty/count"),
    ] {
        let tried = Tried::of(&compiler, &package(name, str::to_owned), folder());
        let report = tried.run(2, &Scenario::ALL);
        assert!(report.passed, "{}", report.tell());
        for scenario in &report.scenarios {
            assert_eq!((scenario.people, scenario.failed, scenario.not_compared), (2, 0, 0), "{scenario:?}");
        }
        let reads = report.reads.iter().find(|told| told.streams == read).expect("it was read");
        assert!(reads.entries > 0 && report.written[written] > 0, "{}", report.tell());
        assert!(report.runs > 20 && 0 < report.median_us && report.median_us <= report.longest_us);
        for limit in &report.limits {
            assert!(0 < limit.used && limit.used < limit.of, "{limit:?}");
        }
    }
}

#[test]
fn output_that_depends_on_how_a_back_log_is_cut_is_found_and_made_small() {
    let Some((what, file)) = found("counts-runs", &Scenario::ALL, Scenario::Cut) else { return };
    assert!(what.contains("how the back-log is cut"), "{what}");
    // Two fixes in two batches would do.
    assert!(entries(&file) <= 6, "{}", entries(&file));
}

#[test]
fn a_stage_that_asks_for_results_by_when_they_were_written_is_told_what_to_ask_for() {
    let Some((what, file)) = found("wrong-time", &Scenario::ALL, Scenario::Plain) else { return };
    assert!(what.contains("it asked for analysis/inferred_section by write_ts"), "{what}");
    assert!(what.contains("ask by data.end_ts") && what.contains("TimeField::EndTs"), "{what}");
    assert_eq!(file.days.len(), 1);
}

#[test]
fn a_stage_that_asks_by_a_time_that_entries_do_not_have_is_told_which_they_have() {
    let Some((what, _)) = found("no-such-time", &Scenario::ALL, Scenario::Plain) else { return };
    assert!(what.contains("by data.ts, which none of its") && what.contains("data.end_ts"), "{what}");
}

#[test]
fn output_that_depends_on_the_seed_or_the_moment_of_a_run_is_found() {
    for fault in ["seed", "now"] {
        let scenarios = [Scenario::Plain, Scenario::Twice, Scenario::Moment];
        let Some((what, file)) = found(fault, &scenarios, Scenario::Moment) else { return };
        assert!(what.contains("`now` or on `seed`"), "{what}");
        assert!(entries(&file) <= 2, "{}", entries(&file));
    }
}

#[test]
fn a_stage_that_traps_where_nothing_is_granted_is_found() {
    let Some((what, _)) = found("traps", &Scenario::ALL, Scenario::Nothing) else { return };
    assert!(what.contains("trapped"), "{what}");
}

#[test]
fn a_failure_is_made_as_small_as_it_can_be() {
    let Some((what, file)) = found("gives-up", &[Scenario::Plain], Scenario::Plain) else { return };
    assert!(what.contains(&format!("{GIVES_UP_AT} fixes are too many")), "{what}");
    assert_eq!((file.days.len(), entries(&file)), (1, GIVES_UP_AT));
}

#[test]
fn what_was_forgotten_is_in_no_result_even_of_a_cell_that_keeps_everything_in_its_state() {
    let Some(compiler) = compiler() else { return };
    // Without a fault it adds to a number in its state and in its one entry: the runtime takes both back.
    let report = faulty(&compiler, "none").run(4, &[Scenario::Forget]);
    assert!(report.passed, "{}", report.tell());
    assert_eq!((report.scenarios[0].people, report.scenarios[0].not_compared), (4, 0));
}

#[test]
fn endpoints_are_asked_the_requests_of_their_folder() {
    let Some(compiler) = compiler() else { return };
    let with_request = folder();
    let requests = with_request.path().join("requests");
    std::fs::create_dir(&requests).expect("made");
    let request = json!({ "body": { "find": "entries", "keys": ["analysis/inferred_section"] } });
    std::fs::write(requests.join("sections.json"), request.to_string()).expect("written");
    let tried = Tried::of(&compiler, &package("reader", str::to_owned), with_request);
    let scenarios: Vec<_> = Scenario::ALL.into_iter().filter(|one| one.is_for(World::Endpoint)).collect();
    let report = tried.run_as(2, &scenarios, true);
    assert!(report.passed, "{}", report.tell());
    assert!(report.scenarios.iter().all(|told| told.not_compared == 0), "{}", report.tell());
    assert!(report.said.keys().any(|said| said.contains("asked for entries")), "{}", report.tell());
    let golden = std::fs::read_to_string(tried.folder.path().join("goldens/7.json")).expect("written");
    let golden: Value = serde_json::from_str(&golden).expect("JSON");
    let output = &golden["outputs"][0];
    assert_eq!((&output["request"], &output["status"]), (&json!("sections"), &json!(200)));
    assert!(output["body"]["entries"].as_array().is_some_and(|entries| !entries.is_empty()), "{golden}");

    let report = Tried::of(&compiler, &package("moment", str::to_owned), folder()).run(1, &scenarios);
    let [failure] = &report.failures[..] else { panic!("{}", report.tell()) };
    assert_eq!(failure.scenario, Scenario::Twice);
    assert!(failure.what.contains("asked again a second later"), "{failure:?}");
}

/// A study of kilometres by mode, week by week; `l1`: the most that all of them count together.
fn study_of_distances(home: &Path, numbers: usize, km_max: i64, l1: i64) -> PathBuf {
    let modes = ["walking", "bicycling", "bus", "train", "car", "air", "other"].iter().take(numbers);
    let bounds = modes
        .map(|mode| format!("[[numbers]]\nname = \"{mode}\"\nlo = 0\nhi = {km_max}\n"))
        .collect::<String>();
    let text = format!(
        "version = 1\nname = \"distance\"\ntitle = \"Distance\"\npurpose = \"Counts kilometres.\"\n\
         ethics = \"A committee, 1\"\ncell = \"{}\"\ndigest = \"{}\"\nstreams = [\"analysis/inferred_section\"]\n\
         from = 2030-01-07\nuntil = 2030-01-21\nepoch = \"week\"\nepsilon = 0.5\nl1 = {l1}\nsmallest-group = 5\n\
         answered = \"one-host\"\n{bounds}",
        "a".repeat(26),
        "0".repeat(64)
    );
    let path = home.join("study.toml");
    std::fs::write(&path, text).expect("written");
    path
}

/// The cell `distance-by-mode`, for a study.
fn of_distances(compiler: &Path, study: Option<&Path>, may_clamp: bool) -> Tried {
    let folder = folder();
    let package = package("distance-by-mode", str::to_owned);
    let subject = Subject::of(Path::new("cell"), &package, Some(folder.path().to_owned())).expect("a cell");
    let subject = subject.with_study(study, may_clamp).expect("a study");
    let stand = Stand::start(Arc::new(subject), Some(compiler.to_owned())).expect("a runtime starts");
    Tried { stand, folder }
}

fn of_studies() -> Vec<Scenario> {
    Scenario::ALL.into_iter().filter(|one| one.is_for(World::Contribution)).collect()
}

#[test]
fn a_contribution_is_asked_for_each_epoch_and_its_numbers_are_told_beside_their_bounds() {
    let Some(compiler) = compiler() else { return };
    let home = folder();
    let study = study_of_distances(home.path(), 7, 1_000, 1_000);
    for (tried, bounds) in [
        (of_distances(&compiler, None, false), None),
        (of_distances(&compiler, Some(&study), false), Some((0, 1_000))),
    ] {
        let report = tried.run(2, &of_studies());
        assert!(report.passed, "{}", report.tell());
        let scenarios = report.scenarios.iter().map(|told| told.scenario.name());
        assert!(scenarios.eq(["plain", "twice", "late", "reset", "forget"]), "{}", report.tell());
        assert!(report.scenarios.iter().all(|told| (told.people, told.not_compared) == (2, 0)));
        // Each person has an epoch with data, and one without.
        assert_eq!((report.contributions, report.clamped, report.numbers.len()), (4, 0, 7));
        assert!(report.numbers.iter().all(|number| number.least == 0.0 && number.bounds == bounds));
        assert!(report.numbers.iter().any(|number| number.most > 1.0), "{}", report.tell());
        let read = report.reads.iter().find(|told| told.streams == "analysis/inferred_section");
        assert!(read.is_some_and(|read| read.entries > 0 && read.by == "position"), "{}", report.tell());
        assert!(report.limits.iter().any(|limit| limit.limit == "memory-bytes" && limit.used > 0));
    }
}

#[test]
fn a_contribution_outside_of_its_bounds_or_of_another_length_is_found_and_made_small() {
    let Some(compiler) = compiler() else { return };
    let home = folder();
    for (numbers, km_max, l1, words) in [
        (7, 1, 1, "outside of 0 to 1; a host clamps that"),
        (7, 1_000, 1, "together, more than the 1 of `l1`"),
        (6, 1_000, 1_000, "the cell gave 7 numbers; the study has 6"),
    ] {
        let study = study_of_distances(home.path(), numbers, km_max, l1);
        let tried = of_distances(&compiler, Some(&study), false);
        let report = tried.run(1, &of_studies());
        let [failure] = &report.failures[..] else { panic!("{}", report.tell()) };
        assert_eq!((failure.scenario, report.passed), (Scenario::Plain, false));
        assert!(failure.what.contains(words) && failure.days == 1, "{failure:?}");
        let path = failure.file.as_ref().expect("it was written");
        let again = trial::replay(&tried.stand, path).expect("it was played");
        assert!(!again.passed && again.failures[0].what == failure.what, "{}", again.tell());
        // Clamping may be meant, another length never is.
        let report = of_distances(&compiler, Some(&study), true).run(1, &[Scenario::Plain]);
        assert_eq!((report.passed, report.clamped > 0), (numbers == 7, numbers == 7), "{}", report.tell());
    }
}

#[test]
fn only_a_contribution_has_a_study_and_it_reads_what_the_study_names() {
    let home = folder();
    let study = study_of_distances(home.path(), 7, 10, 10);
    let subject =
        |name: &str| Subject::of(Path::new("cell"), &package(name, str::to_owned), None).expect("a cell");
    let refused =
        |subject: Subject, study| subject.with_study(study, study.is_none()).err().expect("refused").what;
    assert!(refused(subject("mode-share"), Some(&study)).contains("only a contribution"));
    assert!(refused(subject("mode-share"), None).contains("only a contribution"));
    assert!(refused(subject("distance-by-mode"), None).contains("nothing has bounds"));
    let other = refused(subject("heatmap"), Some(&study));
    assert!(other.contains("\"analysis/inferred_section\", which the cell does not read"), "{other}");
    std::fs::write(&study, "version = 2").expect("written");
    assert!(
        refused(subject("distance-by-mode"), Some(&study)).contains("study.toml: the study does not read")
    );
}

#[test]
fn goldens_are_written_compared_and_told_where_they_differ() {
    let Some(compiler) = compiler() else { return };
    let plain = [Scenario::Plain];
    let tried = faulty(&compiler, "none");
    assert!(tried.run(2, &plain).tell().contains("goldens: none; --update"));
    assert_eq!(tried.run_as(2, &plain, true).goldens.written, 2);
    let report = tried.run(1, &plain);
    assert_eq!((report.passed, report.goldens.people), (true, 2), "{}", report.tell());
    // Another version of the cell, over the same folder.
    let Tried { stand, folder } = tried;
    drop(stand);
    let changed = package("faulty", |manifest| manifest.replace("Fault: none", "Fault: counts-runs"));
    let tried = Tried::of(&compiler, &changed, folder);
    let report = tried.run(1, &plain);
    assert!(!report.passed && report.goldens.differ.len() == 2, "{}", report.tell());
    let difference = &report.goldens.differ[0].difference;
    let has = |sign: char| difference.iter().any(|line| line.starts_with(sign) && line.contains("\"fault\""));
    assert!(has('-') && has('+'), "{difference:?}");
    assert_eq!(tried.run_as(1, &plain, true).goldens.written, 2);
    assert!(tried.run(1, &plain).passed);
}

#[test]
fn the_program_tells_in_words_or_json_and_its_status_is_that_of_the_cell() {
    if compiler().is_none() {
        return;
    }
    let home = folder();
    let status = |fault: &str, more: &[&str]| -> (Option<i32>, String, String) {
        let path = home.path().join(format!("{fault}.wasm"));
        let named = package("faulty", |manifest| manifest.replace("Fault: none", &format!("Fault: {fault}")));
        std::fs::write(&path, named).expect("written");
        let mut program = Command::new(PROGRAM);
        program.args(["test", path.to_str().expect("UTF-8"), "--users", "1", "--days", "1"]).args(more);
        let ended = program.output().expect("it starts");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (ended.status.code(), text(ended.stdout), text(ended.stderr))
    };
    let (code, out, err) = status("none", &["--only", "twice", "--only", "idle"]);
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.contains("twice        1 people  ok") && out.contains("passed: 1 invented person"), "{out}");
    let (code, out, err) = status("traps", &["--only", "nothing", "--json"]);
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(
        (code, &report["passed"], &report["scenarios"][0]["failed"]),
        (Some(1), &json!(false), &json!(1))
    );
    assert!(err.contains("the cell did not pass"), "{err}");
    // A folder for tests is not there, so nothing was written beside the package.
    assert_eq!(report["failures"][0]["file"], Value::Null);
    let (code, _, err) = status("none", &["--replay", "absent.json"]);
    assert!(code == Some(1) && err.contains("absent.json"), "{err}");
}
