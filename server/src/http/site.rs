//! The built page: `manifest.json` read once, files with hashed names kept by browsers for good, all others asked
//! for anew each time.

use std::path::Path;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use healthsync_app::Assets;
use http::{HeaderValue, StatusCode, header};
use tower_http::services::ServeDir;

/// Reads which files make up the page.
///
/// # Errors
/// A sentence for the operator, when the site has not been built.
pub fn assets(root: &Path) -> Result<Assets, String> {
    let file = root.join("manifest.json");
    let text = std::fs::read_to_string(&file).map_err(|error| {
        format!(
            "{} cannot be read ({error}); build the site first",
            file.display()
        )
    })?;
    let names: std::collections::BTreeMap<String, String> = serde_json::from_str(&text)
        .map_err(|error| format!("{} is no manifest ({error})", file.display()))?;
    let name = |kind: &str| {
        let name = names
            .get(kind)
            .ok_or_else(|| format!("{} names no {kind}", file.display()))?;
        Ok::<_, String>(if name.starts_with('/') {
            name.clone()
        } else {
            format!("/{name}")
        })
    };
    Ok(Assets {
        js: name("js")?,
        wasm: name("wasm")?,
        later: vec![name("runtime")?],
        css: name("css")?,
        imaging: name("imaging")?,
    })
}

/// `/pkg/*`, from files that were compressed when they were built.
pub fn pkg(root: &Path) -> Router {
    Router::new()
        .nest_service("/pkg", folder(&root.join("pkg")))
        .layer(from_fn(caching))
}

/// Any other file of the site; what is none is for the pages to answer.
pub fn folder(folder: &Path) -> ServeDir {
    ServeDir::new(folder)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip()
}

/// `Vary` always, `immutable` only for what cannot change and is there.
pub async fn caching(request: Request, next: Next) -> Response {
    let lasting = is_hashed(request.uri().path());
    let mut response = next.run(request).await;
    let found = matches!(
        response.status(),
        StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
    );
    let rule = if lasting && found {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(rule));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    response
}

/// Whether a name carries a content hash: `name.HASH.ext`, or a folder `w-HASH`.
fn is_hashed(path: &str) -> bool {
    let hash = |part: &str| {
        part.len() >= 12
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
    };
    let Some(path) = path.strip_prefix("/pkg/") else {
        return false;
    };
    let (folders, file) = path.rsplit_once('/').unwrap_or(("", path));
    let parts: Vec<&str> = file.split('.').collect();
    (parts.len() >= 3 && parts[1..parts.len() - 1].iter().any(|part| hash(part)))
        || folders
            .split('/')
            .any(|folder| folder.split_once('-').is_some_and(|(_, part)| hash(part)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hashed_names_last() {
        assert!(is_hashed("/pkg/healthsync.AbCdEfGhIjKlMnOpQrStUv.js"));
        assert!(is_hashed("/pkg/healthsync.0123456789abcdef.wasm"));
        assert!(is_hashed("/pkg/w-0123456789abcdef/worker.js"));
        for name in [
            "/pkg/healthsync.js",
            "/pkg/a.min.js",
            "/favicon.svg",
            "/x.0123456789abcdef.js",
        ] {
            assert!(!is_hashed(name), "{name}");
        }
    }
}
