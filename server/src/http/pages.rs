//! Pages and server functions: Leptos inside our layers.

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::any;
use healthsync_app::api::SharedBackend;
use healthsync_app::{App, shell};
use leptos::config::LeptosOptions;
use leptos::nonce::Nonce;
use leptos::prelude::{provide_context, use_context};
use leptos_axum::{LeptosRoutes, file_and_error_handler_with_context, generate_route_list};

use super::failure::Failure;
use super::site;
use crate::services::Shared;

/// Pages, server functions and the built files. When the site has not been built, everything but the pages works.
pub(super) fn pages(services: &Shared) -> Router {
    let root = &services.settings.site_root;
    let assets = match site::assets(root) {
        Ok(assets) => assets,
        Err(why) => {
            tracing::warn!("no pages: {why}");
            return Router::new().fallback(any(async || {
                Failure::unavailable("no_pages", "This server's pages have not been built.")
            }));
        }
    };
    let options = LeptosOptions::builder()
        .output_name("healthsync")
        .site_root(root.display().to_string())
        .site_addr(services.settings.addr)
        .build();
    let backend = SharedBackend(services.clone());
    let context = move || {
        provide_context(backend.clone());
        // The nonce of the header, instead of the one that leptos_axum has just made.
        let nonce = use_context::<http::request::Parts>()
            .and_then(|parts| parts.extensions.get::<Nonce>().cloned());
        if let Some(nonce) = nonce {
            provide_context(nonce);
        }
    };
    let bootstrap = services.bootstrap.clone();
    let document = move |options: LeptosOptions| shell(options, assets.clone(), bootstrap.clone());
    let page = {
        let (document, options) = (document.clone(), options.clone());
        move || document(options.clone())
    };
    Router::new()
        .leptos_routes_with_context(&options, generate_route_list(App), context.clone(), page)
        .fallback(file_and_error_handler_with_context(context, document))
        .layer(from_fn(site::caching))
        .with_state(options)
        .merge(site::pkg(root))
}
