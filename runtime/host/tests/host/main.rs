//! A host as its callers meet it. One program for all of it: each program links the engine, which takes long.

mod accounting;
mod attack_connect;
mod attack_grant;
mod attack_legacy;
mod attack_pair;
mod attack_routing;
mod attack_store;
mod endpoint;
mod gateway;
mod http;
mod log;
mod modes;
mod owner;
mod page;
mod support;
