//! The requests that the official client really sent, in their order, against our nodes. What depends on the moment
//! is replaced (signatures, web tokens), and so are the content ids, which were made up when the requests were
//! recorded. The answers must have the status and the message that the official client was content with.

use std::collections::BTreeMap;

use super::*;
use crate::cid::{Cid, parse_cid};

fn transcript() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/wire_transcript.json")).unwrap()
}

/// Replaces made-up content ids by real ones, everywhere.
fn with_real_cids(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric();
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("bafkrei") {
        let end = rest[start..]
            .find(|c| !is_part(c))
            .map_or(rest.len(), |length| start + length);
        let recorded = &rest[start..end];
        let real = parse_cid(recorded).unwrap_or_else(|_| Cid::raw(recorded.as_bytes()));
        out.push_str(&rest[..start]);
        out.push_str(&real.to_string());
        rest = &rest[end..];
    }
    out + rest
}

fn call_of(method: &str, url: &str) -> Option<(KeyCall, usize)> {
    let (path, node) = url.rsplit_once('/')?;
    let call = match (method, path) {
        ("POST", "/api/setSharedKey") => KeyCall::Save,
        ("PUT", "/api/setSharedKey") => KeyCall::Share,
        ("DELETE", "/api/setSharedKey") => KeyCall::Revoke,
        ("POST", "/api/retrieveSharedKey") => KeyCall::Retrieve,
        ("PUT", "/api/fileAccessConditions") => KeyCall::SetConditions,
        ("POST", "/api/fileAccessConditions") => KeyCall::SaveWithConditions,
        ("POST", "/api/transferOwnership") => KeyCall::Transfer,
        _ => return None,
    };
    Some((call, node.parse().ok()?))
}

#[test]
fn every_recorded_request_to_a_key_node_is_answered_as_the_client_expects() {
    let file = transcript();
    let nodes = Nodes::new();
    let mut secrets = BTreeMap::new();
    for wallet in file["wallets"].as_object().unwrap().values() {
        let mut secret = [0; 32];
        let text = wallet["privateKey_public_test_key"].as_str().unwrap();
        hex::decode_to_slice(&text[2..], &mut secret).unwrap();
        secrets.insert(wallet["address"].as_str().unwrap().to_owned(), secret);
    }
    let (mut operation, mut signature) = ((Value::Null, Value::Null), String::new());
    let (mut jwt, mut refresh) = (String::new(), Value::Null);
    let mut bodies_of_operation: Vec<Value> = Vec::new();
    let mut replayed = 0;
    for entry in file["http"].as_array().unwrap() {
        let entry: Value = serde_json::from_str(&with_real_cids(&entry.to_string())).unwrap();
        let (method, url) = (
            entry["method"].as_str().unwrap(),
            entry["url"].as_str().unwrap(),
        );
        let recorded = entry["headers"]["authorization"]
            .as_str()
            .unwrap_or_default();
        let expected = &entry["response"];
        let mut body = entry["json"].clone();
        let secret = body["address"]
            .as_str()
            .and_then(|address| secrets.get(address));
        let label = (entry["label"].clone(), body["address"].clone());
        if let Some(secret) = secret.filter(|_| label != operation) {
            signature = nodes.signature(secret);
            operation = label;
            bodies_of_operation.clear();
        }
        let answer = if let Some((call, node)) = call_of(method, url) {
            let bearer = match recorded.trim_start_matches("Bearer ") {
                "0x00" => "0x00",
                token if token.starts_with("jwt:") => &jwt,
                _ => &signature,
            };
            nodes.call(node, call, bearer, &body)
        } else if let Some(address) = url.strip_prefix("/api/message/0x") {
            nodes
                .authority
                .message(&format!("0x{address}"), NOW, [1; 16])
        } else if url == "/api/message/get-jwt" && method == "POST" {
            if body["signature"] != "0x00" {
                body["signature"] = json!(signature);
            }
            nodes
                .authority
                .get_jwt(body.to_string().as_bytes(), NOW, [2; 32])
        } else if url == "/api/message/get-jwt" {
            body["refreshToken"] = refresh.clone();
            nodes
                .authority
                .refresh_jwt(body.to_string().as_bytes(), NOW, [3; 32])
        } else if let Some(cid) = url.strip_prefix("/api/fileAccessConditions/get/") {
            block_on(nodes.nodes[0].conditions(cid))
        } else {
            continue;
        };
        replayed += 1;
        let label = format!("{} {method} {url}: {}", entry["label"], answer.body);
        assert_eq!(json!(answer.status), expected["status"], "{label}");
        if let Some(token) = answer.body["token"].as_str() {
            jwt = token.to_owned();
            refresh = answer.body["refreshToken"].clone();
        } else if url.starts_with("/api/message/0x") && answer.status == 200 {
            assert!(answer.body[0]["message"].is_string(), "{label}");
        } else if expected["body"]["message"]
            .as_str()
            .is_some_and(|text| text.contains("null"))
        {
            assert!(
                answer.body["message"].as_str().unwrap().contains("null"),
                "{label}"
            );
        } else {
            for (field, value) in expected["body"].as_object().unwrap() {
                assert_eq!(answer.body[field], *value, "{label}");
            }
        }
        // The client compares the serialised replies of the five nodes.
        if answer.status == 200
            && method != "GET"
            && call_of(method, url).is_some_and(|(call, _)| call != KeyCall::Retrieve)
        {
            bodies_of_operation.push(answer.body);
            assert!(
                bodies_of_operation
                    .iter()
                    .all(|body| *body == bodies_of_operation[0]),
                "{label}"
            );
        }
    }
    assert!(replayed > 50, "only {replayed} requests were replayed");
}
