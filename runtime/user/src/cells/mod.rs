//! The cells of this host: their manifests, their grants, and the data types that they bring.

pub mod catalogue;
pub mod grant;
pub(crate) mod installed;
pub mod manifest;
pub mod paths;
pub(crate) mod types;
