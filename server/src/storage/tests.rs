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

/// What a wallet signs to get an API key, and the key.
async fn api_key(server: &TestServer, wallet: u8) -> String {
    let secret = [wallet; 32];
    let person = healthsync_core::eth::person_of_secret(&secret).expect("a secret");
    let asked = format!("/api/auth/get_message?publicKey={person}");
    let (_, text) = json(server.get(&asked).await).await;
    let text = text.as_str().expect("a text");
    let hash = healthsync_core::eth::eip191_hash(text);
    let signature = healthsync_core::eth::sign_hash(&hash, &secret).expect("signs");
    let body = serde_json::json!({ "publicKey": person, "signedMessage": signature.to_string() });
    let request = Request::post("/api/auth/create_api_key")
        .body(Body::from(body.to_string()))
        .expect("a request");
    let (status, key) = json(server.send(request).await).await;
    assert_eq!(status, StatusCode::OK, "{key}");
    key.as_str().expect("a key").to_owned()
}

#[tokio::test]
async fn a_program_uploads_lists_and_deletes_with_its_key_within_its_quota() {
    let server = TestServer::start(&["--storage-quota", "1000"]).await;
    let (ada, ben) = (api_key(&server, 1).await, api_key(&server, 2).await);
    let (status, said) = json(server.send(upload(&ada, b"by a program")).await).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_eq!(said[0]["Hash"], cid_v1(b"by a program"));
    assert_eq!(said[0]["Name"], "a1b2");
    let ask = async |key: &str, method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {key}"));
        json(
            server
                .send(request.body(Body::empty()).expect("a request"))
                .await,
        )
        .await
    };
    let (_, list) = ask(&ada, "GET", "/api/user/files_uploaded?lastKey=null").await;
    assert_eq!(
        (&list["totalFiles"], &list["fileList"][0]["fileSizeInBytes"]),
        (&1.into(), &"12".into())
    );
    let id = list["fileList"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let (_, usage) = ask(&ada, "GET", "/api/user/user_data_usage").await;
    assert_eq!(
        usage,
        serde_json::json!({ "dataLimit": 1000, "dataUsed": 12 })
    );

    // The same bytes of somebody else keep the file alive.
    assert_eq!(
        server.send(upload(&ben, b"by a program")).await.status(),
        StatusCode::OK
    );
    let delete = format!("/api/user/delete_file?id={id}");
    assert_eq!(ask(&ben, "DELETE", &delete).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&ada, "DELETE", &delete).await.0, StatusCode::OK);
    let file = format!("/ipfs/{}", cid_v1(b"by a program"));
    assert_eq!(server.get(&file).await.status(), StatusCode::OK);
    let (_, list) = ask(&ben, "GET", "/api/user/files_uploaded").await;
    let delete = format!(
        "/api/user/delete_file?id={}",
        list["fileList"][0]["id"].as_str().expect("an id")
    );
    assert_eq!(ask(&ben, "DELETE", &delete).await.0, StatusCode::OK);
    assert_eq!(server.get(&file).await.status(), StatusCode::NOT_FOUND);

    let (status, said) = json(server.send(upload(&ada, &[7; 1001])).await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::FORBIDDEN, Some("quota"))
    );
    assert_eq!(
        server
            .get(&format!("/ipfs/{}", cid_v1(&[7; 1001])))
            .await
            .status(),
        StatusCode::NOT_FOUND
    );
    for path in ["/api/user/files_uploaded", "/api/user/user_data_usage"] {
        assert_eq!(
            ask("nobody's", "GET", path).await.0,
            StatusCode::UNAUTHORIZED
        );
    }
    let (status, said) = json(server.get("/api/auth/get_message?publicKey=0x12").await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("bad_address"))
    );
}

#[tokio::test]
async fn all_people_together_store_no_more_than_the_storage_is_given() {
    let server = TestServer::start(&["--storage-total", "1000"]).await;
    let (ada, ben) = (api_key(&server, 1).await, api_key(&server, 2).await);
    for (key, bytes) in [(&ada, &[1; 600][..]), (&ben, &[2; 300])] {
        let stored = server.send(upload(key, bytes)).await;
        assert_eq!(stored.status(), StatusCode::OK);
    }
    let (status, said) = json(server.send(upload(&ada, &[3; 101])).await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::INSUFFICIENT_STORAGE, Some("storage_full"))
    );
    let file = format!("/ipfs/{}", cid_v1(&[3; 101]));
    assert_eq!(server.get(&file).await.status(), StatusCode::NOT_FOUND);
}

/// A key node's answer to whether it has a share.
struct Holders(std::collections::BTreeMap<String, Option<bool>>);

#[async_trait::async_trait]
impl super::KeyHolders for Holders {
    async fn hold(&self, cid: &healthsync_lighthouse::Cid) -> Option<bool> {
        self.0.get(&cid.to_string()).copied().flatten()
    }
}

/// As a page does that is going to save shares of the key.
async fn put_awaiting_shares(server: &TestServer, who: &Someone, bytes: &[u8]) {
    let bearer = who.bearer(Scope::Upload { cid: cid_v1(bytes) });
    let mut request = upload(&bearer, bytes);
    let uri = format!("{}&key-shares=awaited", request.uri());
    *request.uri_mut() = uri.parse().expect("an address");
    assert_eq!(server.send(request).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_sweep_removes_old_files_without_a_key_and_nothing_else() {
    let server = TestServer::start(&[]).await;
    let ada = Someone::new(1);
    let names: [&[u8]; 3] = [b"with a key", b"without a key", b"nobody knows"];
    for bytes in names {
        put_awaiting_shares(&server, &ada, bytes).await;
    }
    // A piece of a series: its key is in the list of them, and no node ever has a share of it.
    let piece: &[u8] = b"a piece";
    let stored = put(&server, &ada, &cid_v1(piece), piece).await;
    assert_eq!(stored.status(), StatusCode::OK);
    let state = server.services.storage.clone().expect("storage");
    let blobs = server.folder.path().join("data/blobs/files");
    std::fs::write(blobs.join(cid_v1(b"left over")), b"left over").expect("written");
    let holders = Holders(
        [
            (cid_v1(names[0]), Some(true)),
            (cid_v1(names[1]), Some(false)),
            (cid_v1(names[2]), None),
            (cid_v1(piece), Some(false)),
        ]
        .into(),
    );
    let now = crate::clock::now().0;
    let sweep = async |at| {
        super::sweep::sweep(&state, &holders, at)
            .await
            .expect("sweeps")
    };
    assert_eq!(sweep(now).await, 0, "everything is young");
    let week = 7 * 24 * 60 * 60 * 1000 + 1000;
    assert_eq!(sweep(now + week).await, 2);
    for (bytes, kept) in [
        (names[0], true),
        (names[1], false),
        (names[2], true),
        (piece, true),
        (b"left over", false),
    ] {
        let status = server
            .get(&format!("/ipfs/{}", cid_v1(bytes)))
            .await
            .status();
        assert_eq!(
            status == StatusCode::OK,
            kept,
            "{}",
            String::from_utf8_lossy(bytes)
        );
    }
    assert_eq!(sweep(now + week).await, 0);
}

/// Serves a router on a port of its own, as an operator would run it.
async fn listening(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = router.into_make_service_with_connect_info::<std::net::SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

#[tokio::test]
async fn files_can_be_kept_at_a_service_with_lighthouses_api() {
    // The service is another server of ours, which Lighthouse's own client is content with.
    let service = TestServer::start(&[]).await;
    let key = api_key(&service, 9).await;
    let url = format!("lighthouse+{}", listening(service.router()).await);
    let server = TestServer::start(&["--storage-url", &url, "--storage-api-key", &key]).await;
    let ada = Someone::new(1);
    for size in [44, 5 * 1024 * 1024 + 17] {
        let bytes: Vec<u8> = (0..size).map(|n: u32| ((n * 31) >> 3) as u8).collect();
        let cid = cid_v1(&bytes);
        assert_eq!(
            put(&server, &ada, &cid, &bytes).await.status(),
            StatusCode::OK
        );
        let path = format!("/ipfs/{cid}");
        assert_eq!(
            whole(server.get(&path).await).await,
            (StatusCode::OK, bytes.clone())
        );
        assert_eq!(whole(service.get(&path).await).await.1, bytes);
        let part = Request::get(&path).header(header::RANGE, "bytes=3-6");
        let part = server
            .send(part.body(Body::empty()).expect("a request"))
            .await;
        assert_eq!(
            whole(part).await,
            (StatusCode::PARTIAL_CONTENT, bytes[3..=6].to_vec())
        );
        assert!(
            !server
                .folder
                .path()
                .join("data/blobs/files")
                .join(&cid)
                .exists()
        );
    }
    assert_eq!(incoming(&server), 0);
    assert_eq!(
        server
            .get(&format!("/ipfs/{}", cid_v1(b"?")))
            .await
            .status(),
        StatusCode::NOT_FOUND
    );

    let wrong =
        TestServer::start(&["--storage-url", &url, "--storage-api-key", "no-such-key"]).await;
    let (status, said) = json(put(&wrong, &ada, &cid_v1(b"x"), b"x").await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("storage_unavailable"))
    );
    assert!(!said.to_string().contains("no-such-key"));
}

/// What Kubo's RPC answers to the four calls that are used of it.
fn kubo() -> axum::Router {
    use std::collections::HashMap;
    use std::sync::{Arc, Mutex};

    use axum::extract::{Multipart, Query, State};
    use axum::routing::post;

    type Files = Arc<Mutex<HashMap<String, Vec<u8>>>>;
    type Arguments = Query<HashMap<String, String>>;
    fn find(files: &Files, arguments: &Arguments) -> Result<Vec<u8>, StatusCode> {
        let name = arguments["arg"].trim_start_matches("/ipfs/").to_owned();
        let found = files.lock().expect("not poisoned").get(&name).cloned();
        found.ok_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
    axum::Router::new()
        .route("/api/v0/add", post(async |State(files): State<Files>, arguments: Arguments, mut form: Multipart| {
            assert_eq!((arguments["cid-version"].as_str(), arguments["raw-leaves"].as_str()), ("1", "true"));
            let field = form.next_field().await.expect("a form").expect("a field");
            let bytes = field.bytes().await.expect("bytes").to_vec();
            let cid = cid_v1(&bytes);
            let said = serde_json::json!({ "Name": cid, "Hash": cid, "Size": bytes.len().to_string() });
            files.lock().expect("not poisoned").insert(cid, bytes);
            said.to_string()
        }))
        .route("/api/v0/files/stat", post(async |State(files): State<Files>, arguments: Arguments| {
            find(&files, &arguments).map(|bytes| serde_json::json!({ "Size": bytes.len() }).to_string())
        }))
        .route("/api/v0/cat", post(async |State(files): State<Files>, arguments: Arguments| {
            let number = |name: &str| arguments.get(name).map(|text| text.parse::<usize>().expect("a number"));
            find(&files, &arguments).map(|bytes| {
                let start = number("offset").unwrap_or(0);
                let end = number("length").map_or(bytes.len(), |length| start + length);
                bytes[start..end].to_vec()
            })
        }))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(Files::default())
}

#[tokio::test]
async fn files_can_be_kept_at_a_kubo_node() {
    let url = format!("kubo+{}", listening(kubo()).await);
    let server = TestServer::start(&["--storage-url", &url]).await;
    let ada = Someone::new(1);
    let bytes: Vec<u8> = (0..5 * 1024 * 1024 + 17)
        .map(|n: u32| ((n * 31) >> 3) as u8)
        .collect();
    for bytes in [&bytes[..44], &bytes[..]] {
        let cid = cid_v1(bytes);
        assert_eq!(
            put(&server, &ada, &cid, bytes).await.status(),
            StatusCode::OK
        );
        let path = format!("/ipfs/{cid}");
        assert_eq!(
            whole(server.get(&path).await).await,
            (StatusCode::OK, bytes.to_vec())
        );
        let part = Request::get(&path).header(header::RANGE, "bytes=3-6");
        let part = server
            .send(part.body(Body::empty()).expect("a request"))
            .await;
        assert_eq!(
            whole(part).await,
            (StatusCode::PARTIAL_CONTENT, bytes[3..=6].to_vec())
        );
    }
}

#[tokio::test]
async fn what_is_passed_on_is_kept_also_when_nobody_waits_for_the_answer_any_more() {
    use std::sync::Arc;

    use axum::extract::Request as Asked;
    use axum::middleware::{Next, from_fn};
    use tokio::sync::Semaphore;

    let (reached, goes_on) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let slow = {
        let (reached, goes_on) = (reached.clone(), goes_on.clone());
        kubo().layer(from_fn(move |asked: Asked, next: Next| {
            let (reached, goes_on) = (reached.clone(), goes_on.clone());
            async move {
                reached.add_permits(1);
                let _open = goes_on.acquire().await.expect("never closed");
                next.run(asked).await
            }
        }))
    };
    let url = format!("kubo+{}", listening(slow).await);
    let server = TestServer::start(&["--storage-url", &url]).await;
    let ada = api_key(&server, 1).await;
    let ask = async |method: &str, path: &str| {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::AUTHORIZATION, format!("Bearer {ada}"));
        let request = request.body(Body::empty()).expect("a request");
        json(server.send(request).await).await
    };
    tokio::select! {
        _ = server.send(upload(&ada, b"by a program")) => panic!("the service has not answered"),
        _ = reached.acquire() => {} // The program has gone.
    }
    // Whoever wants to remove something waits for that, and keeps nobody out for long.
    let (status, said) = ask("DELETE", "/api/user/delete_file?id=any").await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("busy"))
    );
    goes_on.add_permits(1);
    while ask("GET", "/api/user/user_data_usage").await.1["dataUsed"] != 12 {
        tokio::task::yield_now().await;
    }
    assert_eq!(incoming(&server), 0);
    let (status, _) = ask("DELETE", "/api/user/delete_file?id=any").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

/// An S3 service that checks signatures, over a folder.
async fn s3(folder: &std::path::Path) -> String {
    let files = s3s_fs::FileSystem::new(folder).expect("a folder");
    let mut service = s3s::service::S3ServiceBuilder::new(files);
    service.set_auth(s3s::auth::SimpleAuth::from_single("reader", "s3cr3t"));
    let service = axum::error_handling::HandleError::new(service.build(), async |_| {
        StatusCode::INTERNAL_SERVER_ERROR
    });
    listening(axum::Router::new().fallback_service(service)).await
}

#[tokio::test]
async fn files_can_be_kept_in_a_bucket() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("images")).expect("a bucket");
    let endpoint = s3(folder.path()).await;
    let settings = |secret: &'static str| {
        [
            "--storage-url",
            "s3://images/ward/7",
            "--s3-endpoint",
            &endpoint,
            "--s3-region",
            "eu-central-1",
            "--s3-access-key-id",
            "reader",
            "--s3-secret-access-key",
            secret,
        ]
        .map(str::to_owned)
    };
    let start = async |secret| {
        let settings = settings(secret);
        TestServer::start(&settings.each_ref().map(String::as_str)).await
    };
    let server = start("s3cr3t").await;
    let ada = Someone::new(1);
    // In one request, and in parts.
    let bytes: Vec<u8> = (0..17 * 1024 * 1024 + 17)
        .map(|n: u32| ((n * 31) >> 3) as u8)
        .collect();
    for bytes in [&bytes[..0], &bytes[..44], &bytes[..]] {
        let cid = cid_v1(bytes);
        let (status, said) = json(put(&server, &ada, &cid, bytes).await).await;
        assert_eq!(status, StatusCode::OK, "{said}");
        let lies = std::fs::read(folder.path().join("images/ward/7").join(&cid));
        assert!(lies.expect("it is in the bucket") == bytes);
        let path = format!("/ipfs/{cid}");
        let (status, got) = whole(server.get(&path).await).await;
        assert!(status == StatusCode::OK && got == bytes);
        if bytes.len() > 7 {
            let part = Request::get(&path).header(header::RANGE, "bytes=3-6");
            let part = part.body(Body::empty()).expect("a request");
            assert_eq!(
                whole(server.send(part).await).await,
                (StatusCode::PARTIAL_CONTENT, bytes[3..=6].to_vec())
            );
        }
    }
    assert_eq!(incoming(&server), 0);

    let missing = format!("/ipfs/{}", cid_v1(b"?"));
    assert_eq!(server.get(&missing).await.status(), StatusCode::NOT_FOUND);

    // What the bucket gives is hashed again.
    let cid = cid_v1(&bytes[..44]);
    std::fs::write(folder.path().join("images/ward/7").join(&cid), [7; 44]).expect("written");
    let (status, said) = json(server.get(&format!("/ipfs/{cid}")).await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, Some("damaged"))
    );

    let (status, said) = json(put(&start("wr0ng").await, &ada, &cid, &bytes[..44]).await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("storage_unavailable"))
    );
    assert!(!said.to_string().contains("wr0ng"));
}

#[tokio::test]
async fn a_revoked_device_stores_nothing() {
    let server = TestServer::start(&[]).await;
    let ada = Someone::new(1);
    let (bytes, mailbox) = (b"a picture", &server.services.mailbox);
    let cid = cid_v1(bytes);
    let revocation = ada.revokes(ada.device.public());
    assert!(mailbox.revoke_any_device(&revocation).await.expect("kept"));
    let (status, said) = json(put(&server, &ada, &cid, bytes).await).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{said}");
    let found = server.get(&format!("/ipfs/{cid}")).await;
    assert_eq!(found.status(), StatusCode::NOT_FOUND);
}
