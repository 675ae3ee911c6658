//! People's runtimes behind the port, and a pipeline that runs when data has arrived.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runtime_user::{Answer, Call, CallError, Runtime, UserId};
use serde_json::{Map, Value};

use crate::config::Pipeline;
use crate::http::service::now;
use crate::http::{Backend, Refusal};

/// What `cellar serve` puts behind its port.
#[derive(Clone)]
pub(super) struct Host {
    runtime: Arc<Runtime>,
    /// How long after a put the pipeline runs; none: never by itself.
    after_put: Option<Duration>,
    /// Whose run is to come.
    waiting: Arc<Mutex<HashSet<UserId>>>,
}

impl Host {
    pub(super) fn new(runtime: Arc<Runtime>, pipeline: &Pipeline) -> Self {
        let after_put = pipeline.automatic.then_some(Duration::from_millis(pipeline.after_put_ms));
        Self { runtime, after_put, waiting: Arc::default() }
    }

    fn waiting<T>(&self, with: impl FnOnce(&mut HashSet<UserId>) -> T) -> T {
        with(&mut self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn run_later(self, user: UserId, after: Duration) {
        loop {
            tokio::time::sleep(after).await;
            // From here on another put asks for another run: this one may have read too early for it.
            self.waiting(|waiting| waiting.remove(&user));
            let who = user.short();
            match self.runtime.queue_pipeline(user, now()).await {
                Ok(report) if report.succeeded() => {
                    let elapsed_us: u64 = report.stages.iter().map(|stage| stage.elapsed_us).sum();
                    tracing::info!(user = %who, elapsed_us, "pipeline run");
                    return;
                }
                Ok(report) => {
                    // A stage's own words may hold data: they are in the person's audit log.
                    let stage = report.stages.iter().find(|stage| stage.failure.is_some());
                    let stage = stage.map_or("", |stage| stage.stage.as_str());
                    tracing::warn!(user = %who, stage, "pipeline stopped at a stage that failed");
                    return;
                }
                Err(CallError::Overloaded(_)) if self.waiting(|waiting| waiting.insert(user)) => {}
                Err(CallError::Overloaded(_)) => return,
                Err(error) => {
                    tracing::error!(user = %who, code = error.code(), "pipeline not run");
                    return;
                }
            }
        }
    }
}

impl Backend for Host {
    fn authenticate(&self, token: &str) -> Option<UserId> {
        Backend::authenticate(&self.runtime, token)
    }

    async fn call(&self, user: UserId, call: Call) -> Result<Answer, Refusal> {
        Backend::call(&self.runtime, user, call).await
    }

    fn profile(&self, user: UserId) -> Result<Map<String, Value>, Refusal> {
        Backend::profile(&self.runtime, user)
    }

    fn update_profile(&self, user: UserId, fields: Map<String, Value>) -> Result<(), Refusal> {
        Backend::update_profile(&self.runtime, user, fields)
    }

    fn pipeline_range(&self, user: UserId) -> Result<(Option<f64>, Option<f64>), Refusal> {
        Backend::pipeline_range(&self.runtime, user)
    }

    fn pipeline_complete(&self, user: UserId) -> Result<Option<f64>, Refusal> {
        Backend::pipeline_complete(&self.runtime, user)
    }

    fn data_arrived(&self, user: UserId) {
        let Some(after) = self.after_put else { return };
        if self.waiting(|waiting| waiting.insert(user)) {
            tokio::spawn(self.clone().run_later(user, after));
        }
    }
}
