//! Headers, origins, states and files, over the whole router.

use axum::Router;
use axum::body::Body;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http::{Request, StatusCode, header};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::test_support::{Someone, TestServer, json, whole};

async fn with_site() -> TestServer {
    let server = TestServer::start(&[]).await;
    let site = server.folder.path().join("site");
    std::fs::create_dir_all(site.join("pkg")).expect("a folder");
    let name = "healthsync.0123456789abcdef";
    let manifest = serde_json::json!({
        "js": format!("/pkg/{name}.js"), "wasm": format!("/pkg/{name}.wasm"), "runtime": format!("/pkg/{name}.wasm"), "css": format!("/pkg/{name}.css"), "imaging": "/pkg/i-0123456789abcdef/entry.js",
    });
    std::fs::write(site.join("manifest.json"), manifest.to_string()).expect("written");
    std::fs::write(site.join(format!("pkg/{name}.js")), "plain").expect("written");
    std::fs::write(site.join(format!("pkg/{name}.js.br")), "brotli").expect("written");
    server
}

#[tokio::test]
async fn pages_carry_the_nonce_of_their_policy() {
    let server = with_site().await;
    let response = server.get("/").await;
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .expect("text")
        .to_owned();
    let nonce = policy
        .split_once("'nonce-")
        .and_then(|(_, rest)| rest.split_once('\''))
        .expect("a nonce")
        .0;
    for part in [
        "default-src 'none'",
        "connect-src 'self' ws://127.0.0.1:3000 wss://127.0.0.1:3000;",
        "img-src 'self' blob: data:",
        "worker-src 'self'",
        "'wasm-unsafe-eval'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"));
    assert_eq!(
        response.headers()[header::X_CONTENT_TYPE_OPTIONS],
        "nosniff"
    );
    assert_eq!(response.headers()[header::REFERRER_POLICY], "same-origin");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-cache");
    let (status, page) = whole(response).await;
    let page = String::from_utf8(page).expect("text");
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains(&format!("nonce=\"{nonce}\"")),
        "the page has the header's nonce"
    );
    assert!(
        page.contains("healthsync-bootstrap") && page.contains("healthsync.0123456789abcdef.wasm")
    );
    let (status, page) = whole(server.get("/no/such/page").await).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(String::from_utf8_lossy(&page).contains("<html"));
}

#[tokio::test]
async fn a_host_that_is_none_does_not_get_into_the_policy() {
    let server = TestServer::start(&[]).await;
    let request = Request::get("/healthz")
        .header("host", "evil.example; script-src *")
        .body(Body::empty());
    let response = server.send(request.expect("a request")).await;
    let policy = response.headers()[header::CONTENT_SECURITY_POLICY]
        .to_str()
        .expect("text");
    assert!(!policy.contains("evil"), "{policy}");
}

#[tokio::test]
async fn built_files_are_compressed_and_kept_only_by_hashed_names() {
    let server = with_site().await;
    let ask = |path: &str, encoding: &str| {
        Request::get(path)
            .header(header::ACCEPT_ENCODING, encoding)
            .body(Body::empty())
            .expect("a request")
    };
    let response = server
        .send(ask("/pkg/healthsync.0123456789abcdef.js", "br, gzip"))
        .await;
    assert_eq!(response.headers()[header::CONTENT_ENCODING], "br");
    assert_eq!(response.headers()[header::VARY], "accept-encoding");
    assert!(
        response.headers()[header::CACHE_CONTROL]
            .to_str()
            .expect("text")
            .contains("immutable")
    );
    assert!(
        response
            .headers()
            .contains_key(header::CONTENT_SECURITY_POLICY),
        "workers take theirs from here"
    );
    assert_eq!(whole(response).await.1, b"brotli");
    let response = server
        .send(ask("/pkg/healthsync.0123456789abcdef.js", "identity"))
        .await;
    assert_eq!(whole(response).await.1, b"plain");
    let missing = server
        .send(ask("/pkg/healthsync.fedcba9876543210.js", "br"))
        .await;
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
    assert_eq!(missing.headers()[header::CACHE_CONTROL], "no-cache");
}

#[tokio::test]
async fn requests_of_other_sites_pages_are_refused() {
    let server = with_site().await;
    let post = |path: &str, name: &str, value: &str| {
        Request::post(path)
            .header("host", "127.0.0.1:3000")
            .header(name, value)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(format!("person={}", Someone::new(1).person)))
            .expect("a request")
    };
    for path in [
        "/api/rooms_of",
        "/api/room_facts",
        "/api/key_shares",
        "/api/rpc",
        "/api/demo/fund",
    ] {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:3001"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let (status, said) = json(server.send(post(path, name, value)).await).await;
            assert_eq!(
                (status, said["code"].as_str()),
                (StatusCode::FORBIDDEN, Some("cross_origin")),
                "{path} {value}"
            );
        }
    }
    let own = server
        .send(post("/api/rooms_of", "origin", "http://127.0.0.1:3000"))
        .await;
    assert_eq!(json(own).await, (StatusCode::OK, serde_json::json!([])));
}

#[tokio::test]
async fn health_and_bootstrap_answer_without_a_chain() {
    let server = TestServer::start(&[]).await;
    let (status, health) = json(server.get("/healthz").await).await;
    assert_eq!(
        (status, &health["chain"]["reachable"]),
        (StatusCode::OK, &false.into())
    );
    assert_eq!(health["chain"]["contracts"], "unchecked");
    let (status, facts) = json(server.get("/api/bootstrap").await).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(facts["chain"]["id"], 31337);
    assert_eq!(facts["key_nodes"].as_array().map(Vec::len), Some(5));
    let addresses = facts["addresses"].to_string();
    assert!(
        addresses.contains("/tcp/3000/") && addresses.contains("/webrtc-direct/certhash/"),
        "{addresses}"
    );
    assert!(facts["contracts"]["token"].is_null());
    let metrics = String::from_utf8(whole(server.get("/metrics").await).await.1).expect("text");
    assert!(
        metrics.contains("healthsync_chain_reachable 0\n"),
        "{metrics}"
    );
    server.services.stop().await;
    let (status, health) = json(server.get("/healthz").await).await;
    assert_eq!(
        (status, &health["relay"]),
        (StatusCode::SERVICE_UNAVAILABLE, &false.into())
    );
}

#[tokio::test]
async fn the_rpc_lets_pass_what_is_allowed_and_says_when_the_chain_is_down() {
    let server = TestServer::start(&[]).await;
    let call = |body: &str| {
        Request::post("/api/rpc")
            .body(Body::from(body.to_owned()))
            .expect("a request")
    };
    let (_, said) = json(
        server
            .send(call(r#"{"id":7,"method":"anvil_setBalance"}"#))
            .await,
    )
    .await;
    assert_eq!(
        (said["id"].as_u64(), said["error"]["code"].as_i64()),
        (Some(7), Some(-32601))
    );
    let batch = r#"[{"id":1,"method":"eth_chainId"},{"id":2,"method":"evm_mine"}]"#;
    let (_, said) = json(server.send(call(batch)).await).await;
    assert_eq!(said["error"]["code"], -32601);
    let (status, said) = json(
        server
            .send(call(r#"{"id":1,"method":"eth_chainId"}"#))
            .await,
    )
    .await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("chain_unavailable"))
    );
    let (status, said) = json(server.send(call("nonsense")).await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::BAD_REQUEST, Some("no_json"))
    );
    let (status, _) = json(server.send(call(&" ".repeat(300_000))).await).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let (status, said) = json(server.get("/api/no/such/thing").await).await;
    assert!(status.is_client_error() || status.is_server_error());
    assert!(said["error"].is_string());
    let (status, said) = json(server.get("/api/rpc").await).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::METHOD_NOT_ALLOWED, Some("method"))
    );
}

#[tokio::test]
async fn the_rpc_sends_on_what_it_has_looked_at_and_nothing_else() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let rpc = format!("http://{}", listener.local_addr().expect("an address"));
    // What is sent comes back.
    let echo = Router::new().fallback(|body: String| async { body });
    tokio::spawn(axum::serve(listener, echo).into_future());
    let server = TestServer::start(&["--chain-rpc", &rpc]).await;
    let sent = async |body: &str| {
        let request = Request::post("/api/rpc").body(Body::from(body.to_owned()));
        whole(server.send(request.expect("a request")).await)
            .await
            .1
    };
    let plain = r#"{"id":1,"jsonrpc":"2.0","method":"eth_chainId","params":[]}"#;
    let more = r#"{"METHOD":"admin_peers","id":1,"method":"admin_peers","method":"eth_chainId","Method":"admin_peers","params":[],"auth":1}"#;
    for (body, expected) in [
        (more.to_owned(), plain.to_owned()),
        (format!("[{more}, {plain}]"), format!("[{plain},{plain}]")),
    ] {
        let there: serde_json::Value = serde_json::from_slice(&sent(&body).await).expect("JSON");
        let expected: serde_json::Value = serde_json::from_str(&expected).expect("JSON");
        assert_eq!(there, expected);
        let text = String::from_utf8(sent(&body).await).expect("text");
        assert!(!text.contains("admin_peers"), "{text}");
    }
}

#[tokio::test]
async fn a_count_that_the_database_does_not_give_is_left_out() {
    let server = TestServer::start(&[]).await;
    let metrics = async || {
        let (_, text) = whole(server.get("/metrics").await).await;
        String::from_utf8(text).expect("text")
    };
    let counts = [
        "healthsync_envelopes_total 0\n",
        "healthsync_rooms_indexed 0\n",
    ];
    let there = metrics().await;
    assert!(counts.iter().all(|count| there.contains(count)), "{there}");
    server.services.mailbox.close().await;
    let there = metrics().await;
    assert!(
        there.contains("healthsync_gossip_accepted_total 0\n"),
        "{there}"
    );
    for name in ["envelopes_total", "rooms_indexed"] {
        assert!(!there.contains(name), "{there}");
    }
}

#[tokio::test]
async fn a_panic_becomes_a_sentence() {
    async fn broken() -> &'static str {
        panic!("on purpose")
    }
    let server = TestServer::start(&[]).await;
    let app = Router::new()
        .route("/api/broken", get(broken))
        .route("/broken", get(broken))
        .layer(from_fn_with_state(
            server.services.guard.clone(),
            super::security::answer,
        ));
    let request = Request::get("/api/broken")
        .body(Body::empty())
        .expect("a request");
    let (status, said) = json(app.clone().oneshot(request).await.expect("an answer")).await;
    assert_eq!(
        (status, said["code"].as_str()),
        (StatusCode::INTERNAL_SERVER_ERROR, Some("internal"))
    );
    let request = Request::get("/broken")
        .header(header::ACCEPT, "text/html")
        .body(Body::empty());
    let (status, page) = whole(
        app.oneshot(request.expect("a request"))
            .await
            .expect("an answer"),
    )
    .await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(&page).contains("<p>Something went wrong"));
}
