//! The generated bindings of `wit/cell.wit`, which documents the contract.

// Values cross between two memories as raw bytes: the generator writes those moves, no code here does.
#![allow(unsafe_code)]
#![allow(missing_docs, clippy::all, unused_qualifications, rust_2018_idioms)]

/// The world `endpoint`, and every interface that both worlds import.
pub mod endpoint {
    wit_bindgen::generate!({ path: "wit", world: "endpoint", pub_export_macro: true });
}

/// The world `stage`, over the same interfaces.
pub mod stage {
    wit_bindgen::generate!({
        path: "wit",
        world: "stage",
        pub_export_macro: true,
        with: {
            "cellar:cell/types@0.1.0": crate::guest::bindings::endpoint::cellar::cell::types,
            "cellar:cell/timeseries-read@0.1.0": crate::guest::bindings::endpoint::cellar::cell::timeseries_read,
            "cellar:cell/timeseries-write@0.1.0": crate::guest::bindings::endpoint::cellar::cell::timeseries_write,
            "cellar:cell/usercache@0.1.0": crate::guest::bindings::endpoint::cellar::cell::usercache,
            "cellar:cell/documents@0.1.0": crate::guest::bindings::endpoint::cellar::cell::documents,
            "cellar:cell/log@0.1.0": crate::guest::bindings::endpoint::cellar::cell::log,
        },
    });
}
