//! A host as its callers meet it. One program for all of it: each program links the engine, which takes long.

#![allow(clippy::unwrap_used, reason = "what is not there has failed a test already")]

mod accounting;
mod acme;
mod app;
mod attack_acme;
mod attack_connect;
mod attack_copies;
mod attack_grant;
mod attack_import;
mod attack_legacy;
mod attack_neighbour;
mod attack_owner;
mod attack_pair;
mod attack_parcels;
mod attack_routing;
mod attack_store;
mod attack_tables;
mod attack_unseen;
mod attack_web;
mod endpoint;
mod gateway;
mod http;
mod installed;
mod log;
mod modes;
mod owner;
mod page;
mod receivers;
mod support;
mod watch;
mod web;
