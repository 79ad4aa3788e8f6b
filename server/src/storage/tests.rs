//! The storage API over the whole router.

use axum::body::Body;
use healthsync_core::Scope;
use healthsync_lighthouse::cid_v1;
use http::{Request, Response, StatusCode, header};

use crate::test_support::{Someone, TestServer, json, whole};

fn upload(bearer: &str, bytes: &[u8]) -> Request<Body> {
    let mut body = b"--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a1b2\"\r\n\
        Content-Type: application/octet-stream\r\n\r\n"
        .to_vec();
    body.extend_from_slice(bytes);
    body.extend_from_slice(b"\r\n--xyz--\r\n");
    Request::post("/api/v0/add?wrap-with-directory=false&cid-version=1")
        .header(header::AUTHORIZATION, format!("Bearer {bearer}"))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=xyz")
        .header("encryption", "true")
        .header(header::ORIGIN, "https://another.example")
        .body(Body::from(body))
        .expect("a request")
}

async fn put(server: &TestServer, who: &Someone, cid: &str, bytes: &[u8]) -> Response<Body> {
    server
        .send(upload(
            &who.bearer(Scope::Upload { cid: cid.into() }),
            bytes,
        ))
        .await
}

fn incoming(server: &TestServer) -> usize {
    std::fs::read_dir(server.folder.path().join("data/blobs/incoming"))
        .expect("a folder")
        .count()
}

#[tokio::test]
async fn a_file_comes_back_whole_and_in_parts() {
    let server = TestServer::start(&[]).await;
    let ada = Someone::new(1);
    for size in [0, 44, 262_144, 5 * 1024 * 1024 + 17] {
        let bytes: Vec<u8> = (0..size).map(|n: u32| ((n * 31) >> 3) as u8).collect();
        let cid = cid_v1(&bytes);
        for _ in 0..2 {
            let (status, said) = json(put(&server, &ada, &cid, &bytes).await).await;
            assert_eq!(
                (status, said[0]["Hash"].as_str()),
                (StatusCode::OK, Some(cid.as_str())),
                "{said}"
            );
        }
        let response = server.get(&format!("/ipfs/{cid}")).await;
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
            .to_str()
            .expect("text");
        assert!(policy.contains("sandbox"));
        assert_eq!(
            response.headers()[header::X_CONTENT_TYPE_OPTIONS],
            "nosniff"
        );
        assert!(
            response.headers()[header::CACHE_CONTROL]
                .to_str()
                .expect("text")
                .contains("immutable")
        );
        assert_eq!(whole(response).await, (StatusCode::OK, bytes.clone()));
        let cat = Request::post(format!("/api/v0/cat/{cid}"))
            .body(Body::empty())
            .expect("a request");
        assert_eq!(whole(server.send(cat).await).await.1, bytes);
        if size > 10 {
            let part = Request::get(format!("/ipfs/{cid}")).header(header::RANGE, "bytes=3-6");
            let part = server
                .send(part.body(Body::empty()).expect("a request"))
                .await;
            assert_eq!(
                part.headers()[header::CONTENT_RANGE],
                format!("bytes 3-6/{size}")
            );
            assert_eq!(
                whole(part).await,
                (StatusCode::PARTIAL_CONTENT, bytes[3..=6].to_vec())
            );
        }
        let outside = Request::get(format!("/ipfs/{cid}")).header(header::RANGE, "bytes=99999999-");
        let outside = server
            .send(outside.body(Body::empty()).expect("a request"))
            .await;
        assert_eq!(outside.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    }
    assert_eq!(incoming(&server), 0);
}

#[tokio::test]
async fn what_is_not_announced_or_too_large_is_refused_and_not_kept() {
    let server = TestServer::start(&["--max-upload", "100000"]).await;
    let ada = Someone::new(1);
    let (status, said) = json(put(&server, &ada, &cid_v1(b"other"), b"these").await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("wrong_cid"))
    );
    let large = vec![0; 100_001];
    let (status, said) = json(put(&server, &ada, &cid_v1(&large), &large).await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::PAYLOAD_TOO_LARGE, Some("too_large"))
    );
    let huge = vec![0; 400_000];
    let (status, _) = json(put(&server, &ada, &cid_v1(&huge), &huge).await).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let gone = server.get(&format!("/ipfs/{}", cid_v1(&large))).await;
    assert_eq!(json(gone).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        json(server.get("/ipfs/nonsense").await).await.0,
        StatusCode::BAD_REQUEST
    );
    // Aborting removes the side file in the background.
    for _ in 0..1_000 {
        if incoming(&server) == 0 {
            return;
        }
        tokio::task::yield_now().await;
        tokio::task::spawn_blocking(|| ()).await.expect("runs");
    }
    panic!("an aborted upload was left behind");
}

#[tokio::test]
async fn only_upload_tokens_upload() {
    let server = TestServer::start(&[]).await;
    let ada = Someone::new(1);
    let cid = cid_v1(b"bytes");
    for bearer in [
        "",
        "an-api-key",
        "device:AAAA",
        &ada.bearer(Scope::SaveKey {
            cid: cid.clone(),
            node: 1,
        }),
    ] {
        let (status, said) = json(server.send(upload(bearer, b"bytes")).await).await;
        assert_eq!(
            (status, said["code"].as_str()),
            (StatusCode::UNAUTHORIZED, Some("unauthorized")),
            "{bearer}"
        );
    }
}

#[tokio::test]
async fn a_damaged_file_is_not_served() {
    let server = TestServer::start(&[]).await;
    let ada = Someone::new(1);
    let cid = cid_v1(b"as it was");
    assert_eq!(
        put(&server, &ada, &cid, b"as it was").await.status(),
        StatusCode::OK
    );
    std::fs::write(
        server.folder.path().join("data/blobs/files").join(&cid),
        b"as it is!",
    )
    .expect("written");
    let (status, said) = json(server.get(&format!("/ipfs/{cid}")).await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, Some("damaged"))
    );
}

#[tokio::test]
async fn pages_of_other_origins_may_use_storage() {
    let server = TestServer::start(&[]).await;
    let preflight = Request::options("/api/v0/add")
        .header(header::ORIGIN, "https://another.example")
        .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
        .header(
            header::ACCESS_CONTROL_REQUEST_HEADERS,
            "authorization,content-type,encryption,mime-type,x-storage-type",
        )
        .body(Body::empty())
        .expect("a request");
    let response = server.send(preflight).await;
    let allowed = response.headers()[header::ACCESS_CONTROL_ALLOW_HEADERS]
        .to_str()
        .expect("text")
        .to_lowercase();
    for name in [
        "authorization",
        "content-type",
        "encryption",
        "mime-type",
        "x-storage-type",
    ] {
        assert!(allowed.contains(name), "{allowed}");
    }
}
