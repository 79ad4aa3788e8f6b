//! The embedded nodes over HTTP and asked together, without a chain.

use axum::body::Body;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use healthsync_app::api::{KeyShareRequest, NodeResult};
use healthsync_core::Scope;
use healthsync_lighthouse::{SealKeyPair, cid_v1, recover};
use http::{Request, StatusCode, header};
use serde_json::{Value, json as value};
use tower::ServiceExt;

use crate::test_support::{Someone, TestServer, json};

fn call(method: &str, path: &str, bearer: &str, body: &Value) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, format!("Bearer {bearer}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body.to_string()))
        .expect("a request")
}

fn request(who: &Someone, cid: &str, pair: &SealKeyPair) -> KeyShareRequest {
    let bearer = who.bearer(Scope::GetKey {
        cid: cid.into(),
        seal_to: pair.digest(),
    });
    KeyShareRequest {
        cid: cid.into(),
        bearer,
        seal_to: BASE64_STANDARD.encode(pair.public()),
        all: false,
    }
}

/// Saves a fresh key at all five nodes, with these conditions if any.
pub(crate) async fn save(
    server: &TestServer,
    owner: &Someone,
    cid: &str,
    conditions: Option<Value>,
) -> String {
    let (key, shares) =
        healthsync_lighthouse::generate(3, 5, |bytes| *bytes = rand::random()).expect("a key");
    for (n, share) in shares.iter().enumerate() {
        let bearer = owner.bearer(Scope::SaveKey {
            cid: cid.into(),
            node: n as u8 + 1,
        });
        let mut body = value!({ "address": owner.person, "cid": cid, "payload": share });
        let mut path = format!("/api/setSharedKey/{}", n + 1);
        if let Some(conditions) = &conditions {
            body["conditions"] = conditions.clone();
            body["decryptionType"] = "ADDRESS".into();
            path = format!("/api/fileAccessConditions/{}", n + 1);
        }
        let (status, said) = json(server.send(call("POST", &path, &bearer, &body)).await).await;
        assert_eq!(
            (status, said["message"].as_str()),
            (StatusCode::OK, Some("success")),
            "{said}"
        );
    }
    key.hex().to_string()
}

#[tokio::test]
async fn an_owner_gets_sealed_shares_that_give_the_key_back_after_a_restart() {
    let server = TestServer::start(&[]).await;
    let (ada, eve) = (Someone::new(1), Someone::new(2));
    let cid = cid_v1(b"a file");
    let key = save(&server, &ada, &cid, None).await;
    let pair = SealKeyPair::from_seed([9; 32]);
    let answers = server
        .services
        .key_nodes
        .ask(&request(&ada, &cid, &pair))
        .await
        .expect("answers");
    assert_eq!(
        answers.iter().map(|answer| answer.node).collect::<Vec<_>>(),
        [1, 2, 3, 4, 5]
    );
    let mut shares = Vec::new();
    for answer in &answers {
        let NodeResult::Share { sealed } = &answer.result else {
            panic!("{answer:?}")
        };
        let sealed = BASE64_STANDARD.decode(sealed).expect("base64");
        shares.push(pair.open(&sealed, answer.node, &cid).expect("opens"));
    }
    assert_eq!(recover(&shares[..3]).expect("a key").hex().to_string(), key);

    let answers = server
        .services
        .key_nodes
        .ask(&request(&eve, &cid, &pair))
        .await
        .expect("answers");
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer.result, NodeResult::Denied { .. })),
        "{answers:?}"
    );
    let answers = server
        .services
        .key_nodes
        .ask(&request(&ada, &cid_v1(b"?"), &pair))
        .await
        .expect("answers");
    let none = NodeResult::Failed {
        reason: "it has no share of this key".into(),
    };
    assert!(
        answers.iter().all(|answer| answer.result == none),
        "{answers:?}"
    );
}

#[tokio::test]
async fn answers_over_http_have_lighthouses_shapes() {
    let server = TestServer::start(&[]).await;
    let (ada, eve) = (Someone::new(1), Someone::new(2));
    let cid = cid_v1(b"a file");
    save(&server, &ada, &cid, None).await;
    let pair = SealKeyPair::from_seed([9; 32]);
    let get = |who: &Someone, cid: &str| {
        let bearer = who.bearer(Scope::GetKey {
            cid: cid.into(),
            seal_to: pair.digest(),
        });
        let body = value!({
            "address": who.person, "cid": cid, "dynamicData": {}, "sealTo": BASE64_STANDARD.encode(pair.public()),
        });
        call("POST", "/api/retrieveSharedKey/2", &bearer, &body)
    };
    let (status, said) = json(server.send(get(&eve, &cid)).await).await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(
        said.pointer("/message/message/message"),
        Some(&value!("Access Denied"))
    );
    let (status, said) = json(server.send(get(&ada, &cid_v1(b"?"))).await).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(said["message"].as_str().expect("text").contains("null"));
    let (status, said) = json(server.send(call("POST", "/api/setSharedKey/1", "0x00", &value!({
        "address": ada.person, "cid": cid, "payload": { "key": "0".repeat(63) + "1", "index": "0".repeat(63) + "2" },
    }))).await).await;
    assert_eq!(
        (status, said),
        (
            StatusCode::UNAUTHORIZED,
            value!({ "message": "Invalid Signature", "code": "invalid_signature" })
        )
    );
    for path in [
        "/api/setSharedKey/6",
        "/api/setSharedKey/0",
        "/api/setSharedKey/x",
    ] {
        assert_eq!(
            json(server.send(call("POST", path, "", &value!({}))).await)
                .await
                .0,
            StatusCode::BAD_REQUEST
        );
    }
    let (status, _) = json(server.get("/api/message/0x12").await).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (_, said) = json(server.get(&format!("/api/message/{}", ada.person)).await).await;
    assert!(
        said[0]["message"]
            .as_str()
            .expect("text")
            .starts_with("Please sign this message")
    );
    let long = Request::post("/api/setSharedKey/1")
        .body(Body::from(vec![b' '; 70_000]))
        .expect("a request");
    assert_eq!(
        json(server.send(long).await).await.0,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn without_a_chain_conditions_grant_nothing_and_nodes_say_why() {
    let server = TestServer::start(&[]).await;
    let (ada, eve) = (Someone::new(1), Someone::new(2));
    let cid = cid_v1(b"a file");
    let room = healthsync_core::RoomId([3; 32]);
    let conditions = healthsync_lighthouse::room_member_condition(
        "local CHAIN",
        alloy_primitives::Address::repeat_byte(1),
        &room,
    );
    save(&server, &ada, &cid, Some(conditions)).await;
    let pair = SealKeyPair::from_seed([9; 32]);
    let answers = server
        .services
        .key_nodes
        .ask(&request(&eve, &cid, &pair))
        .await
        .expect("answers");
    let why = NodeResult::Failed {
        reason: "it could not ask the chain".into(),
    };
    assert!(
        answers.iter().all(|answer| answer.result == why),
        "{answers:?}"
    );
}

#[tokio::test]
async fn nodes_that_are_down_are_named_and_do_not_hold_up_the_rest() {
    let server = TestServer::start(&["--key-nodes", "http://127.0.0.1:9"]).await;
    let nodes = &server.services.key_nodes;
    let pair = SealKeyPair::from_seed([9; 32]);
    let answers = nodes
        .ask(&request(&Someone::new(1), &cid_v1(b"x"), &pair))
        .await
        .expect("answers");
    let down = NodeResult::Failed {
        reason: "cannot be reached".into(),
    };
    assert_eq!(answers.len(), 5);
    assert!(
        answers.iter().all(|answer| answer.result == down),
        "{answers:?}"
    );
}

#[tokio::test]
async fn nodes_of_lighthouses_kind_are_asked_by_the_page_alone() {
    let theirs = ["--key-nodes", "lighthouse+http://127.0.0.1:9"];
    let server = TestServer::start(&theirs).await;
    let told = &server.services.bootstrap;
    assert_eq!(told.hosted.as_deref(), Some("http://127.0.0.1:9"));
    assert!(told.key_nodes.iter().all(|node| !node.embedded));
    let folder = server.folder.path().join("data");
    assert!(!folder.join("key-node-1.db").exists());
    let pair = SealKeyPair::from_seed([9; 32]);
    let asked = request(&Someone::new(1), &cid_v1(b"a file"), &pair);
    assert!(server.services.key_nodes.ask(&asked).await.is_err());

    let call = |server: &TestServer| {
        let path = "/lighthouse/api/retrieveSharedKey/1";
        let mut request = call("POST", path, "jwt:x", &value!({}));
        let own = "http://127.0.0.1:3000".parse().expect("a header");
        request.headers_mut().insert(header::ORIGIN, own);
        let host = "127.0.0.1:3000".parse().expect("a header");
        request.headers_mut().insert(header::HOST, host);
        server.router().oneshot(request)
    };
    let said = json(call(&server).await.expect("infallible")).await;
    assert_ne!(said.1["code"], "key_nodes", "nothing is passed on unasked");
    let through = [&theirs[..], &["--key-nodes-through-server", "true"]].concat();
    let server = TestServer::start(&through).await;
    let said = json(call(&server).await.expect("infallible")).await;
    assert_eq!(
        (said.0, said.1["code"].as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, Some("key_nodes"))
    );
}
