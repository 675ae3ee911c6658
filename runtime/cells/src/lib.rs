//! The cells that are part of every host: embedded at build time as native code, with their manifests and schemas.
//!
//! * `build.rs` reads what `cargo xtask cells` built; it fails with that command where cells are missing or were built for
//!   another contract.
//! * Not here: what a cell may do (`runtime/user`), how it runs (`runtime/sandbox`).

include!(concat!(env!("OUT_DIR"), "/built_in_cells.rs"));

/// A cell that people install, unpacked.
#[cfg(feature = "packages")]
#[derive(Debug, Clone, Copy)]
pub struct Packed {
    /// Its name.
    pub name: &'static str,
    /// The text of its `cell.toml`.
    pub manifest: &'static str,
    /// File name and text of each schema.
    pub schemas: &'static [(&'static str, &'static str)],
    /// The component.
    pub component: &'static [u8],
}

/// When this program was built, s since 1970-01-01T00:00:00Z; 0 where that is unknown.
pub fn built_s() -> f64 {
    env!("CELLAR_BUILT_S").parse().unwrap_or(0.0)
}
