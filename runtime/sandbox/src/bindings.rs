//! The bindings that the engine's generator creates from `wit/cell.wit`. Nothing here is public: `contract` has the
//! public types.

#![allow(missing_docs, clippy::all)]

/// The world `endpoint`, and every interface that both worlds import.
pub(crate) mod endpoint {
    wasmtime::component::bindgen!({
        path: "../../wit",
        world: "endpoint",
        with: {
            "cellar:cell/timeseries-read.cursor": crate::state::Pages,
            "cellar:cell/timeseries-read.location-cursor": crate::state::Columns,
        },
    });
}

/// The world `stage`, over the same interfaces.
pub(crate) mod stage {
    wasmtime::component::bindgen!({
        path: "../../wit",
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
