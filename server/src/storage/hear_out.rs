//! Hears a refused upload out: a client that is still sending when the connection closes sees a broken connection
//! instead of the reason.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use futures::{StreamExt, stream};
use tokio::sync::Mutex;

/// What is read of an upload that nobody wants; more than that is cut off.
const MOST: usize = 16 * 1024 * 1024;
/// And for how long.
const PATIENCE: Duration = Duration::from_secs(10);

/// Middleware: lets the handler answer, and reads what it has left of the body when the answer is a refusal.
pub(super) async fn hear_out(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let rest = Arc::new(Mutex::new(body.into_data_stream()));
    let handed = stream::unfold(rest.clone(), |rest| async move {
        let chunk = rest.lock().await.next().await?;
        Some((chunk, rest))
    });
    let request = Request::from_parts(parts, Body::from_stream(handed));
    let response = next.run(request).await;
    if !response.status().is_success() {
        let reading = async {
            let mut read = 0;
            while let Some(Ok(chunk)) = rest.lock().await.next().await {
                read += chunk.len();
                if read > MOST {
                    break;
                }
            }
        };
        // Out of patience: the connection is cut, as it would have been.
        let _ = tokio::time::timeout(PATIENCE, reading).await;
    }
    response
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use axum::Router;
    use axum::routing::post;
    use http::StatusCode;
    use tower::ServiceExt;

    use super::*;

    /// Sends `chunks` of 1 MiB to a handler that reads nothing; gives how many were taken.
    async fn taken(status: StatusCode, chunks: usize) -> usize {
        let count = Arc::new(AtomicUsize::new(0));
        let seen = count.clone();
        let body = stream::iter((0..chunks).map(move |_| {
            seen.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(vec![0; 1024 * 1024])
        }));
        let app = Router::new()
            .route("/", post(move || async move { status }))
            .layer(axum::middleware::from_fn(hear_out));
        let request = Request::post("/").body(Body::from_stream(body));
        let response = app.oneshot(request.expect("a request")).await;
        assert_eq!(response.map(|response| response.status()), Ok(status));
        count.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_refused_upload_is_read_to_its_end_within_limits() {
        assert_eq!(taken(StatusCode::UNAUTHORIZED, 5).await, 5);
        assert_eq!(taken(StatusCode::UNAUTHORIZED, 100).await, 17);
        assert_eq!(taken(StatusCode::OK, 5).await, 0);
    }
}
