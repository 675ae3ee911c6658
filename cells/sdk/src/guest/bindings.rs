//! The generated bindings of `wit/0.2/cell.wit`, which documents the contract.

// Values cross between two memories as raw bytes: the generator writes those moves, no code here does.
#![allow(unsafe_code)]
#![allow(missing_docs, clippy::all, unused_qualifications, rust_2018_idioms)]

/// What an endpoint can be granted, and every interface that it shares with the other kinds.
pub mod endpoint {
    wit_bindgen::generate!({ path: "wit", world: "endpoint-all", pub_export_macro: true });
}

/// What a stage can be granted, over the same interfaces.
pub mod stage {
    wit_bindgen::generate!({
        path: "wit",
        world: "stage-all",
        pub_export_macro: true,
        with: {
            "cellar:cell/types@0.2.0": crate::guest::bindings::endpoint::cellar::cell::types,
            "cellar:cell/context@0.2.0": crate::guest::bindings::endpoint::cellar::cell::context,
            "cellar:cell/timeseries-read@0.2.0": crate::guest::bindings::endpoint::cellar::cell::timeseries_read,
            "cellar:cell/timeseries-write@0.2.0": crate::guest::bindings::endpoint::cellar::cell::timeseries_write,
            "cellar:cell/usercache@0.2.0": crate::guest::bindings::endpoint::cellar::cell::usercache,
            "cellar:cell/documents@0.2.0": crate::guest::bindings::endpoint::cellar::cell::documents,
            "cellar:cell/state@0.2.0": crate::guest::bindings::endpoint::cellar::cell::state,
            "cellar:cell/log@0.2.0": crate::guest::bindings::endpoint::cellar::cell::log,
        },
    });
}

/// What a contribution imports, over the same interfaces.
pub mod contribution {
    wit_bindgen::generate!({
        path: "wit",
        world: "contribution-cell",
        pub_export_macro: true,
        with: {
            "cellar:cell/types@0.2.0": crate::guest::bindings::endpoint::cellar::cell::types,
            "cellar:cell/context@0.2.0": crate::guest::bindings::endpoint::cellar::cell::context,
            "cellar:cell/timeseries-read@0.2.0": crate::guest::bindings::endpoint::cellar::cell::timeseries_read,
            "cellar:cell/log@0.2.0": crate::guest::bindings::endpoint::cellar::cell::log,
        },
    });
}
