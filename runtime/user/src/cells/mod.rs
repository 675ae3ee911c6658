//! The cells of this host: what each says of itself, what it is granted, and the data types that it brings.

pub mod catalogue;
pub mod grant;
pub mod manifest;
pub mod paths;
pub(crate) mod types;
