//! A small world for tests: its own data folder, real cells in the real sandbox over real stores, and people.
//!
//! * Invariants: nothing listens on a port, nothing outside the temporary folder is touched, a test sets the time.
//! * Not here: HTTP and TLS, which `runtime/host` tests with its own phone.

mod disks;
mod random;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use runtime_user::catalogue::BuiltIn;
use runtime_user::{
    Answer, Area, Body, Call, CallError, Head, PipelineReport, Runtime, Settings, Stamp, UserId,
};
use serde_json::{Value, json};

pub use disks::Disks;
pub use random::{Random, seeds};

/// The folder of recorded cases, if it exists: the folder that `CELLAR_SHARED` names, or `shared` beside the
/// repository. A test that needs it prints that it is skipped where it does not exist.
pub fn shared() -> Option<PathBuf> {
    let beside = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let folder = std::env::var_os("CELLAR_SHARED").map_or_else(beside, PathBuf::from);
    folder.join("goldens").is_dir().then_some(folder)
}

/// A runtime in a temporary folder, which is removed with the world.
pub struct World {
    /// The runtime itself.
    pub runtime: Arc<Runtime>,
    tokio: tokio::runtime::Runtime,
    cells: Vec<BuiltIn>,
    folder: tempfile::TempDir,
}

/// The answer of a cell: its status and its whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// 200 to 599.
    pub status: u16,
    /// The whole body, also where it came in pieces.
    pub body: Vec<u8>,
}

impl Answered {
    /// The body as JSON; `null` where it is empty.
    ///
    /// # Panics
    /// Where it is not JSON: a failure of the test.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).expect("a cell answers JSON")
    }
}

impl World {
    /// A world with the standard pipeline, test cells included.
    pub fn start() -> Self {
        Self::with(|_| {})
    }

    /// The same with other settings.
    pub fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_cells(runtime_cells::BUILT_IN.to_vec(), change)
    }

    /// The same with other cells.
    ///
    /// # Panics
    /// Where the operating system refuses: a failure of the test.
    pub fn with_cells(cells: Vec<BuiltIn>, change: impl FnOnce(&mut Settings)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut settings = Settings::at(folder.path());
        settings.test_cells = true;
        change(&mut settings);
        Self::over(folder, cells, settings)
    }

    fn over(folder: tempfile::TempDir, cells: Vec<BuiltIn>, settings: Settings) -> Self {
        let runtime = Runtime::open(settings, &cells).expect("a runtime starts");
        let tokio = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("threads start");
        Self { runtime, tokio, cells, folder }
    }

    /// The world after a restart of its host, with other settings where a test changes them.
    ///
    /// # Panics
    /// Where the operating system refuses: a failure of the test.
    #[must_use]
    pub fn restart(self, change: impl FnOnce(&mut Settings)) -> Self {
        let Self { runtime, tokio, cells, folder } = self;
        let mut settings = runtime.settings().clone();
        change(&mut settings);
        // Everything that holds the runtime ends first, since a store can be open only once.
        drop(tokio);
        runtime.shutdown();
        drop(runtime);
        Self::over(folder, cells, settings)
    }

    /// Everything that is stored about a person except the audit log, in a form that does not depend on ids and clocks.
    ///
    /// # Panics
    /// Where it cannot be read: a failure of the test.
    pub fn canonical(&self, user: UserId) -> Vec<String> {
        let mut entries = Vec::new();
        let areas = [Area::Timeseries, Area::Usercache, Area::Errors];
        let read = self.runtime.person(user).expect("open").each_entry(&areas, |area, text| {
            let mut entry: Value = serde_json::from_str(text).expect("an entry is JSON");
            entry["area"] = format!("{area:?}").into();
            entries.push(entry);
            Ok(())
        });
        read.expect("entries are read");
        canonical(&entries)
    }

    /// Adds another person.
    ///
    /// # Panics
    /// Where the disk refuses: a failure of the test.
    pub fn person(&self, name: &str) -> UserId {
        self.runtime.people().add(name, 0.0).expect("a person is added").0
    }

    /// Starts a task that runs beside the test.
    pub fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.tokio.spawn(future)
    }

    /// Waits for something that needs the network's threads.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.tokio.block_on(future)
    }

    /// Calls the cell that a path leads to.
    pub fn call(
        &self,
        user: UserId,
        path: &str,
        rest: &str,
        body: &[u8],
        now: f64,
    ) -> Result<Answered, CallError> {
        self.block_on(call(&self.runtime, user, path, rest, body, now))
    }

    /// Puts entries as that device does, and expects them to be accepted.
    ///
    /// # Panics
    /// Where they are not: a failure of the test.
    pub fn put_from(&self, user: UserId, device: &Stamp, entries: &[String], now: f64) {
        let body = put_body(entries);
        let answered = self.block_on(async {
            let body = Body::from_chunks(vec![Bytes::copy_from_slice(body.as_bytes())]);
            let target = self.runtime.catalogue().target("usercache/put").expect("a cell has it");
            let call = Call { target, now, head: Head::default(), body, device: Some(device.clone()) };
            self.runtime.call(user, call).await
        });
        let taken = matches!(answered, Ok(Answer::Whole { status: 200, .. }));
        assert!(taken, "{answered:?}");
    }

    /// Puts entries as a phone does, and expects them to be accepted.
    ///
    /// # Panics
    /// Where they are not: a failure of the test.
    pub fn put(&self, user: UserId, entries: &[String], now: f64) {
        let body = put_body(entries);
        let answered = self.call(user, "usercache/put", "", body.as_bytes(), now).expect("the cell answers");
        assert_eq!(answered.status, 200, "{}", String::from_utf8_lossy(&answered.body));
    }

    /// The answer of `datastreams/find_entries` for these keys, for all times.
    ///
    /// # Panics
    /// Where the answer contains no entries: a failure of the test.
    pub fn entries(&self, user: UserId, keys: &[&str]) -> Vec<Value> {
        let body =
            json!({ "key_list": keys, "start_time": 0, "end_time": 1e10, "key_time": "metadata.write_ts" });
        let body = body.to_string();
        let path = "datastreams/find_entries";
        let answered = self.call(user, path, "timestamp", body.as_bytes(), 1e10).expect("the cell answers");
        assert_eq!(answered.status, 200, "{}", String::from_utf8_lossy(&answered.body));
        let Value::Object(mut answer) = answered.json() else { panic!("no object") };
        match answer.remove("phone_data") {
            Some(Value::Array(entries)) => entries,
            other => panic!("phone_data is {other:?}"),
        }
    }

    /// Runs the pipeline, and expects every stage to succeed.
    ///
    /// # Panics
    /// Where one does not: a failure of the test.
    pub fn pipeline(&self, user: UserId, now: f64) -> PipelineReport {
        let report = self.runtime.pipelines().run(user, now).expect("the pipeline runs");
        assert!(report.succeeded(), "{report:?}");
        report
    }
}

/// One text for each entry, sorted: equal for runs that did the same, whatever ids and clocks were.
pub fn canonical(entries: &[Value]) -> Vec<String> {
    let values = runtime_trial::canonical::canonical(entries, &HashMap::new());
    let mut texts: Vec<_> = values.iter().map(Value::to_string).collect();
    texts.sort();
    texts
}

/// Calls a cell and collects its answer.
pub async fn call(
    runtime: &Arc<Runtime>,
    user: UserId,
    path: &str,
    rest: &str,
    body: &[u8],
    now: f64,
) -> Result<Answered, CallError> {
    let body = Body::from_chunks(vec![Bytes::copy_from_slice(body)]);
    let path = if rest.is_empty() { path.to_owned() } else { format!("{path}/{rest}") };
    let target = runtime.catalogue().target(&path)?;
    let call = Call { target, now, head: Head::default(), body, device: None };
    match runtime.call(user, call).await? {
        Answer::Whole { status, body, .. } => Ok(Answered { status, body }),
        Answer::Pieces { status, mut pieces, .. } => {
            let mut body = Vec::new();
            while let Some(piece) = pieces.recv().await {
                match piece {
                    Ok(piece) => body.extend_from_slice(&piece),
                    Err(_) => return Err(CallError::Lost),
                }
            }
            Ok(Answered { status, body })
        }
    }
}

/// The body of a put, as a phone sends it.
pub fn put_body(entries: &[String]) -> String {
    format!(r#"{{"user":"x","phone_to_server":[{}]}}"#, entries.join(","))
}
