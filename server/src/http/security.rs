//! What every answer carries and every request must pass: content security policy, the other headers, the origin
//! check for requests that change something, rate limits, and a sentence instead of a dead connection on a panic.

use std::net::{IpAddr, SocketAddr};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use futures::FutureExt;
use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use leptos::nonce::Nonce;

use super::failure::Failure;
use super::metrics::Counters;
use super::rate::{RateLimit, caller};

/// What the layers need to know.
#[derive(Debug)]
pub struct Guard {
    /// Origins beside our own that pages connect to.
    pub origins: Vec<String>,
    /// The outside `host[:port]`, beside what the Host header says.
    pub public_host: Option<String>,
    pub behind_proxy: bool,
    pub per_caller: RateLimit<IpAddr>,
    pub counters: Arc<Counters>,
}

impl Guard {
    pub fn new(
        origins: Vec<String>,
        public_host: Option<String>,
        behind_proxy: bool,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            origins,
            public_host,
            behind_proxy,
            per_caller: RateLimit::new(1_200, 200.0),
            counters,
        }
    }

    /// Who asks, for rate limits.
    pub fn caller(&self, request: &Request) -> IpAddr {
        let direct = request
            .extensions()
            .get::<ConnectInfo<SocketAddr>>()
            .map(|info| info.0.ip());
        let forwarded = || {
            let last = request
                .headers()
                .get_all("x-forwarded-for")
                .iter()
                .next_back()?
                .to_str()
                .ok()?;
            last.rsplit(',').next()?.trim().parse().ok()
        };
        let ip = if self.behind_proxy {
            forwarded().or(direct)
        } else {
            direct
        };
        caller(ip.unwrap_or(IpAddr::from([0, 0, 0, 0])))
    }

    fn policy(&self, nonce: &Nonce, host: Option<&str>) -> String {
        // Older Safari does not count WebSockets as 'self'.
        let mut connect = host
            .map(|host| format!(" ws://{host} wss://{host}"))
            .unwrap_or_default();
        for origin in &self.origins {
            connect.push(' ');
            connect.push_str(origin);
        }
        format!(
            "default-src 'none'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'; form-action 'self'; \
             script-src 'self' 'nonce-{nonce}' 'wasm-unsafe-eval'; style-src 'self' 'nonce-{nonce}'; \
             img-src 'self' blob: data:; font-src 'self'; connect-src 'self'{connect}; worker-src 'self'; \
             manifest-src 'self'"
        )
    }
}

/// The host that the caller used, if it is one; anything else must not get into a header.
fn host<'a>(headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a str> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
        .or_else(|| uri.authority().map(http::uri::Authority::as_str))?;
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']' | '_');
    (!host.is_empty() && host.len() <= 255 && host.chars().all(plain)).then_some(host)
}

/// One nonce for the header and, through the request's extensions, for the page.
pub async fn headers(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    let nonce = Nonce::new();
    let policy = guard.policy(&nonce, host(request.headers(), request.uri()));
    request.extensions_mut().insert(nonce);
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if let (false, Ok(policy)) = (
        headers.contains_key(header::CONTENT_SECURITY_POLICY),
        HeaderValue::from_str(&policy),
    ) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    const FIXED: [(HeaderName, &str); 4] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(), microphone=(), geolocation=(), payment=(), usb=(), browsing-topics=()",
        ),
        // Wallets may open windows of their own, and those must be able to answer.
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin-allow-popups",
        ),
    ];
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-cache"));
    response
}

/// Refuses what another site's page sends here: browsers tell with `Origin` or `Sec-Fetch-Site` on every request
/// that may change something. Programs that are no browsers send neither and have no one's authority to abuse.
pub async fn same_origin(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    if matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    ) {
        return Ok(next.run(request).await);
    }
    if from_own_page(&guard, &request) {
        return Ok(next.run(request).await);
    }
    Err(Failure::new(
        StatusCode::FORBIDDEN,
        "cross_origin",
        "This request came from another site's page and was refused.",
    ))
}

fn from_own_page(guard: &Guard, request: &Request) -> bool {
    let text = |name: HeaderName| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or(""))
    };
    let own_site = text(HeaderName::from_static("sec-fetch-site"))
        .is_none_or(|site| matches!(site, "same-origin" | "none"));
    let own_origin = text(header::ORIGIN).is_none_or(|origin| {
        let origin = origin.split_once("://").map_or("", |(_, host)| host);
        let hosts = [
            host(request.headers(), request.uri()),
            guard.public_host.as_deref(),
        ];
        !origin.is_empty()
            && hosts
                .into_iter()
                .flatten()
                .any(|host| host.eq_ignore_ascii_case(origin))
    });
    own_site && own_origin
}

/// So many requests per caller; pages and API together.
pub async fn rate_limit(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Result<Response, Failure> {
    if !guard.per_caller.allow(guard.caller(&request)) {
        return Err(Failure::rate_limited());
    }
    Ok(next.run(request).await)
}

/// Counts answers, turns a panic into a 500 with a sentence, and gives refusals of the framework our JSON form.
pub async fn answer(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let api = request.uri().path().starts_with("/api/");
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    let response = match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(_) => {
            guard.counters.panicked();
            let failure = Failure::internal("a handler panicked");
            if wants_page && !api {
                let page = format!(
                    "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><title>HealthSync</title><p>{}</p>",
                    failure.message
                );
                (failure.status, Html(page)).into_response()
            } else {
                failure.into_response()
            }
        }
    };
    guard.counters.answered(response.status());
    if api { in_our_form(response) } else { response }
}

/// Refusals that axum makes by itself (a body that is too large, a wrong method) are plain text.
fn in_our_form(response: Response) -> Response {
    let status = response.status();
    let ours = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"))
        || response.headers().contains_key("serverfnerror");
    if !(status.is_client_error() || status.is_server_error()) || ours {
        return response;
    }
    let (code, message) = match status {
        StatusCode::NOT_FOUND => return Failure::not_found().into_response(),
        StatusCode::METHOD_NOT_ALLOWED => ("method", "This address takes another method."),
        StatusCode::PAYLOAD_TOO_LARGE => (
            "too_large",
            "The request is larger than this address takes.",
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("media_type", "This address takes another kind of content.")
        }
        status if status.is_server_error() => {
            ("internal", "Something went wrong in the server. Try again.")
        }
        _ => ("bad_request", "The request cannot be read."),
    };
    Failure::new(status, code, message).into_response()
}
