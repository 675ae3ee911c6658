//! The bindings that the engine's generator creates from `wit/`. Nothing here is public: `contract` has the
//! public types.

#![allow(missing_docs, clippy::all)]

/// The world `endpoint` of version 0.1, and every interface that both worlds import.
pub(crate) mod endpoint {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1",
        world: "endpoint",
        with: {
            "cellar:cell/timeseries-read.cursor": crate::state::Pages,
            "cellar:cell/timeseries-read.location-cursor": crate::state::Columns,
        },
    });
}

/// The world `stage` of version 0.1, over the same interfaces.
pub(crate) mod stage {
    wasmtime::component::bindgen!({
        path: "../../wit/0.1",
        world: "stage",
        with: {
            "cellar:cell/types": crate::bindings::endpoint::cellar::cell::types,
            "cellar:cell/timeseries-read": crate::bindings::endpoint::cellar::cell::timeseries_read,
            "cellar:cell/timeseries-write": crate::bindings::endpoint::cellar::cell::timeseries_write,
            "cellar:cell/usercache": crate::bindings::endpoint::cellar::cell::usercache,
            "cellar:cell/documents": crate::bindings::endpoint::cellar::cell::documents,
            "cellar:cell/log": crate::bindings::endpoint::cellar::cell::log,
        },
    });
}

/// Version 0.2.
pub(crate) mod v0_2 {
    /// What an endpoint can be granted, and every interface that it shares with the other kinds.
    pub(crate) mod endpoint {
        wasmtime::component::bindgen!({
            path: "../../wit/0.2",
            world: "endpoint-all",
            with: {
                "cellar:cell/timeseries-read.query": crate::draft::Draft,
                "cellar:cell/timeseries-read.cursor": crate::state::Pages,
                "cellar:cell/timeseries-read.location-cursor": crate::state::Columns,
            },
        });
    }

    /// What a stage can be granted.
    pub(crate) mod stage {
        wasmtime::component::bindgen!({
            path: "../../wit/0.2",
            world: "stage-all",
            with: {
                "cellar:cell/types": crate::bindings::v0_2::endpoint::cellar::cell::types,
                "cellar:cell/context": crate::bindings::v0_2::endpoint::cellar::cell::context,
                "cellar:cell/timeseries-read": crate::bindings::v0_2::endpoint::cellar::cell::timeseries_read,
                "cellar:cell/timeseries-write": crate::bindings::v0_2::endpoint::cellar::cell::timeseries_write,
                "cellar:cell/usercache": crate::bindings::v0_2::endpoint::cellar::cell::usercache,
                "cellar:cell/documents": crate::bindings::v0_2::endpoint::cellar::cell::documents,
                "cellar:cell/state": crate::bindings::v0_2::endpoint::cellar::cell::state,
                "cellar:cell/log": crate::bindings::v0_2::endpoint::cellar::cell::log,
            },
        });
    }

    /// What a contribution imports.
    pub(crate) mod contribution {
        wasmtime::component::bindgen!({
            path: "../../wit/0.2",
            world: "contribution-cell",
            with: {
                "cellar:cell/types": crate::bindings::v0_2::endpoint::cellar::cell::types,
                "cellar:cell/context": crate::bindings::v0_2::endpoint::cellar::cell::context,
                "cellar:cell/timeseries-read": crate::bindings::v0_2::endpoint::cellar::cell::timeseries_read,
                "cellar:cell/log": crate::bindings::v0_2::endpoint::cellar::cell::log,
            },
        });
    }
}
