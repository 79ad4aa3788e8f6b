//! The user interface of HealthSync: pages and components in Leptos, compiled twice.
//!
//! `ssr` renders the first page on the server and never links libp2p; `hydrate` is what browsers run.

#![recursion_limit = "256"]

pub mod api;
pub mod client;
