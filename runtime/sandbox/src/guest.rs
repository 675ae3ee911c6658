//! The exports of a cell as the host calls them, in both versions of the contract: the same arguments in, the same
//! results out.

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

use crate::admission::Admitted;
use crate::bindings::{endpoint, stage, v0_2};
use crate::call::Arguments;
use crate::state::RunState;
use crate::{Outcome, Request, Response, Run, Version, World, imports};

/// A component, linked once for all people.
pub(crate) enum Linked {
    Endpoint(endpoint::EndpointPre<RunState>),
    Stage(stage::StagePre<RunState>),
    EndpointV0_2(v0_2::endpoint::EndpointAllPre<RunState>),
    StageV0_2(v0_2::stage::StageAllPre<RunState>),
    Contribution(v0_2::contribution::ContributionCellPre<RunState>),
}

impl Linked {
    /// Fails if a function of the component has another type than the contract's.
    pub(crate) fn link(
        engine: &Engine,
        component: &Component,
        admitted: &Admitted,
    ) -> wasmtime::Result<Self> {
        let mut linker = Linker::new(engine);
        imports::link(&mut linker, admitted.version, admitted.imports)?;
        let pre = linker.instantiate_pre(component)?;
        Ok(match (admitted.version, admitted.world) {
            (Version::V0_1, World::Endpoint) => Self::Endpoint(endpoint::EndpointPre::new(pre)?),
            (Version::V0_1, World::Stage) => Self::Stage(stage::StagePre::new(pre)?),
            (Version::V0_2, World::Endpoint) => Self::EndpointV0_2(v0_2::endpoint::EndpointAllPre::new(pre)?),
            (Version::V0_2, World::Stage) => Self::StageV0_2(v0_2::stage::StageAllPre::new(pre)?),
            // 0.1 has no contributions, so admission never says so.
            (_, World::Contribution) => {
                Self::Contribution(v0_2::contribution::ContributionCellPre::new(pre)?)
            }
        })
    }

    pub(crate) fn engine(&self) -> &Engine {
        match self {
            Self::Endpoint(pre) => pre.engine(),
            Self::Stage(pre) => pre.engine(),
            Self::EndpointV0_2(pre) => pre.engine(),
            Self::StageV0_2(pre) => pre.engine(),
            Self::Contribution(pre) => pre.engine(),
        }
    }

    /// `None`: a cell of another kind.
    pub(crate) fn endpoint(&self, store: &mut Store<RunState>) -> Option<wasmtime::Result<EndpointGuest>> {
        match self {
            Self::Endpoint(pre) => Some(pre.instantiate(store).map(EndpointGuest::V0_1)),
            Self::EndpointV0_2(pre) => Some(pre.instantiate(store).map(EndpointGuest::V0_2)),
            _ => None,
        }
    }

    /// `None`: a cell of another kind.
    pub(crate) fn stage(&self, store: &mut Store<RunState>) -> Option<wasmtime::Result<StageGuest>> {
        match self {
            Self::Stage(pre) => Some(pre.instantiate(store).map(StageGuest::V0_1)),
            Self::StageV0_2(pre) => Some(pre.instantiate(store).map(StageGuest::V0_2)),
            _ => None,
        }
    }

    /// `None`: a cell of another kind.
    pub(crate) fn contribution(
        &self,
        store: &mut Store<RunState>,
    ) -> Option<wasmtime::Result<ContributionGuest>> {
        match self {
            Self::Contribution(pre) => Some(pre.instantiate(store).map(ContributionGuest)),
            _ => None,
        }
    }
}

/// The engine's error ends the run; an inner `Err` has the cell's own words.
type Called<T> = wasmtime::Result<Result<T, String>>;

/// An instance that answers requests.
pub(crate) enum EndpointGuest {
    V0_1(endpoint::Endpoint),
    V0_2(v0_2::endpoint::EndpointAll),
}

impl EndpointGuest {
    pub(crate) fn handle(&self, store: &mut Store<RunState>, request: Request) -> Called<Response> {
        match self {
            Self::V0_1(guest) => {
                let Request { rest, now, body_bytes } = request;
                let request = endpoint::Request { rest, now, body_bytes };
                let called = guest.call_handle(store, &request)?;
                Ok(called.map(|response| {
                    let endpoint::Response { status, content_type, body } = response;
                    Response { status, content_type, body }
                }))
            }
            Self::V0_2(guest) => {
                begin(store, request);
                let called = guest.cellar_cell_endpoint().call_handle(&mut *store)?;
                let results = std::mem::take(&mut store.data_mut().results);
                Ok(called.map(|body| results.response(body)).map_err(words))
            }
        }
    }
}

/// An instance that does one run of a stage.
pub(crate) enum StageGuest {
    V0_1(stage::Stage),
    V0_2(v0_2::stage::StageAll),
}

impl StageGuest {
    pub(crate) fn run(&self, store: &mut Store<RunState>, run: Run) -> Called<Outcome> {
        match self {
            Self::V0_1(guest) => {
                let Run { now, start, end, seed, state } = run;
                let called = guest.call_run(store, &stage::Run { now, start, end, seed, state })?;
                Ok(called.map(|outcome| {
                    let stage::Outcome { processed_through, state, more } = outcome;
                    Outcome { processed_through, state, more }
                }))
            }
            Self::V0_2(guest) => {
                begin(store, run);
                let called = guest.cellar_cell_stage().call_run(&mut *store)?;
                let state = store.data_mut();
                let (results, arguments) =
                    (std::mem::take(&mut state.results), std::mem::take(&mut state.arguments));
                Ok(called.map(|()| results.outcome(arguments)).map_err(words))
            }
        }
    }
}

/// An instance that gives numbers to a study.
pub(crate) struct ContributionGuest(v0_2::contribution::ContributionCell);

impl ContributionGuest {
    pub(crate) fn contribute(&self, store: &mut Store<RunState>, run: Run) -> Called<Vec<f64>> {
        begin(store, run);
        Ok(self.0.cellar_cell_contribution().call_contribute(store)?.map_err(words))
    }
}

fn begin(store: &mut Store<RunState>, arguments: impl Into<Arguments>) {
    let state = store.data_mut();
    state.arguments = arguments.into();
    state.results = Default::default();
}

/// A cell's failure, for its owner.
fn words(failure: v0_2::endpoint::cellar::cell::types::Failure) -> String {
    let (code, text) = (failure.code, failure.text);
    match (code.as_str(), text.as_str()) {
        ("", _) => text,
        (_, "") => code,
        _ => format!("{code}: {text}"),
    }
}
