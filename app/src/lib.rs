//! The user interface of HealthSync: pages and components in Leptos, compiled twice.
//!
//! `ssr` renders the first page on the server and never links libp2p; `hydrate` is what browsers run.
//! There the page is rendered anew and put in the place of what the server has sent (see [`take_over`]): leptos' own
//! hydration would cost every view the code for a third way of coming to be, a twentieth of the download.
//! [`shell`] is the document around [`App`]; pages read [`client::Client`] and send it intents, nothing else.

#![recursion_limit = "256"]

pub mod api;
#[allow(unreachable_pub, reason = "`#[component]` writes `pub`")]
mod app;
pub mod client;
#[allow(unreachable_pub, reason = "`#[component]` writes `pub`")]
mod components;
#[allow(unreachable_pub, reason = "`#[component]` writes `pub`")]
mod pages;
#[cfg(feature = "ssr")]
#[allow(unreachable_pub, reason = "`#[component]` writes `pub`")]
mod shell;

#[cfg(feature = "hydrate")]
mod take_over;

#[cfg(all(test, feature = "ssr"))]
mod hostile_text_tests;

pub use app::App;
#[cfg(feature = "ssr")]
pub use shell::{Assets, shell};
#[cfg(feature = "hydrate")]
pub use {app::Go, take_over::take_over};
