//! One lookup at all five nodes at once. Three shares are enough, so the answer does not wait for the slowest: after
//! the third good share the others have a moment left, and nobody has more than five seconds.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use healthsync_app::api::{ApiError, KeyShareRequest, NodeAnswer, NodeResult};
use healthsync_core::{DeviceToken, Scope};
use healthsync_lighthouse::kavach::Refusal;
use healthsync_lighthouse::node::{KeyCall, Request};
use serde_json::{Value, json};

use super::{KeyNodes, Place};
use crate::clock;

/// Shares that give the key.
const ENOUGH: usize = 3;
/// For the other nodes once there are enough, so that a wrong share among the first three can be told.
const GRACE: Duration = Duration::from_millis(300);
/// For the slowest.
const PATIENCE: Duration = Duration::from_secs(5);
/// Times a node is called that cannot be reached, with growing pauses between.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_millis(250);
/// Longest text of a sealed share.
const SEALED: usize = 4 * 1024;
/// Bytes of a node's answer.
const ANSWER: usize = 64 * 1024;

impl KeyNodes {
    /// Asks every node for its share and returns what each said, in node order.
    ///
    /// # Errors
    /// When the request is not one that a node could answer.
    pub async fn ask(&self, request: &KeyShareRequest) -> Result<Vec<NodeAnswer>, ApiError> {
        if self.hosted().is_some() {
            // They would answer with bare shares, which are nothing for this server.
            return Err(ApiError::BadRequest(
                "The page asks these key nodes itself.".into(),
            ));
        }
        let body = body(request)?;
        let authorization = format!("Bearer {}", request.bearer);
        let started = Instant::now();
        let mut asked: FuturesUnordered<_> = (1..=5_u8)
            .map(|node| {
                let (authorization, body) = (&authorization, &body);
                async move {
                    (
                        node,
                        self.ask_one(node, authorization, body).await,
                        elapsed_ms(started),
                    )
                }
            })
            .collect();
        let mut answers: Vec<NodeAnswer> = Vec::with_capacity(5);
        let mut until = tokio::time::Instant::now() + PATIENCE;
        let mut good = 0;
        while let Ok(Some((node, result, ms))) = tokio::time::timeout_at(until, asked.next()).await
        {
            good += usize::from(matches!(result, NodeResult::Share { .. }));
            if good >= ENOUGH && !request.all {
                until = until.min(tokio::time::Instant::now() + GRACE);
            }
            answers.push(NodeAnswer {
                node,
                name: self.name(node),
                ms,
                result,
            });
        }
        for node in 1..=5_u8 {
            if !answers.iter().any(|answer| answer.node == node) {
                let result = NodeResult::Failed {
                    reason: "no answer yet".into(),
                };
                answers.push(NodeAnswer {
                    node,
                    name: self.name(node),
                    ms: elapsed_ms(started),
                    result,
                });
            }
        }
        answers.sort_by_key(|answer| answer.node);
        Ok(answers)
    }

    async fn ask_one(&self, node: u8, authorization: &str, body: &[u8]) -> NodeResult {
        match self.places.get(usize::from(node) - 1) {
            None => failed("there is no such node"),
            Some(Place::Here { node, .. }) => {
                let request = Request {
                    authorization: Some(authorization),
                    body,
                    now: clock::now(),
                    random: rand::random(),
                };
                let answer = node.handle(KeyCall::Retrieve, request).await;
                read(answer.status, &answer.body)
            }
            Some(Place::Elsewhere(url)) => {
                let base = url.as_str().trim_end_matches('/');
                let url = format!("{base}/api/retrieveSharedKey/{node}");
                self.ask_elsewhere(&url, authorization, body)
                    .await
                    .unwrap_or_else(failed)
            }
        }
    }

    async fn ask_elsewhere(
        &self,
        url: &str,
        authorization: &str,
        body: &[u8],
    ) -> Result<NodeResult, &'static str> {
        let mut tried = 0;
        let answer = loop {
            let sent = self
                .client
                .post(url)
                .header("authorization", authorization)
                .header("content-type", "application/json")
                .timeout(PATIENCE)
                .body(body.to_vec())
                .send()
                .await;
            tried += 1;
            match sent {
                Ok(answer) => break answer,
                Err(error) if error.is_timeout() => return Err("no answer within 5 s"),
                // Nothing of the request has arrived, so the token is not used yet.
                Err(error) if error.is_connect() && tried < TRIES => {
                    tokio::time::sleep(PAUSE * tried).await;
                }
                Err(_) => return Err("cannot be reached"),
            }
        };
        let status = answer.status().as_u16();
        let mut bytes = Vec::new();
        let mut stream = answer.bytes_stream();
        while let Some(piece) = stream.next().await {
            let piece = piece.map_err(|_| "its answer broke off")?;
            if bytes.len() + piece.len() > ANSWER {
                return Err("its answer is too long");
            }
            bytes.extend_from_slice(&piece);
        }
        let body = serde_json::from_slice(&bytes).map_err(|_| "its answer cannot be read")?;
        Ok(read(status, &body))
    }
}

fn elapsed_ms(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX)
}

fn failed(reason: &str) -> NodeResult {
    NodeResult::Failed {
        reason: reason.into(),
    }
}

/// The body that all nodes get. The token says for whom; the nodes check it.
fn body(request: &KeyShareRequest) -> Result<Vec<u8>, ApiError> {
    let token = DeviceToken::from_bearer(&request.bearer)
        .map_err(|error| ApiError::BadRequest(format!("The key cannot be asked for: {error}.")))?;
    if !matches!(token.scope, Scope::GetKey { .. }) {
        return Err(ApiError::BadRequest(
            "The key cannot be asked for: the token is for something else.".into(),
        ));
    }
    let body = json!({
        "address": token.delegation.delegation.person,
        "cid": request.cid,
        "dynamicData": {},
        "sealTo": request.seal_to,
    });
    Ok(body.to_string().into_bytes())
}

/// Reads what a node said, ours or Lighthouse's: texts may be nested.
fn read(status: u16, body: &Value) -> NodeResult {
    if (200..300).contains(&status) {
        let sealed = body.pointer("/payload/sealed").and_then(Value::as_str);
        return match sealed {
            Some(sealed) if sealed.len() <= SEALED => NodeResult::Share {
                sealed: sealed.to_owned(),
            },
            _ => failed("its answer holds no sealed share"),
        };
    }
    let text = deepest_text(body).unwrap_or_default();
    if body.get("reason").and_then(Value::as_str) == Some("undecided") {
        return failed("it could not ask the chain");
    }
    match Refusal::read(status, text) {
        Refusal::Denied => NodeResult::Denied {
            reason: Refusal::Denied.words().into(),
        },
        other => failed(other.words()),
    }
}

fn deepest_text(body: &Value) -> Option<&str> {
    let mut value = body.get("message").or_else(|| body.get("error"))?;
    while let Some(inner) = value.get("message") {
        value = inner;
    }
    value.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nodes_say_is_told_apart() {
        let nested = json!({ "message": { "message": { "message": "Access Denied" } } });
        assert!(matches!(read(406, &nested), NodeResult::Denied { .. }));
        assert!(matches!(read(500, &nested), NodeResult::Denied { .. }));
        let undecided = json!({ "message": { "message": { "message": "Access Denied" } }, "reason": "undecided" });
        assert_eq!(read(406, &undecided), failed("it could not ask the chain"));
        let unknown = json!({ "message": "Cannot read properties of null" });
        assert_eq!(read(400, &unknown), failed("it has no share of this key"));
        let share = json!({ "payload": { "sealed": "AAAA", "index": 1 } });
        assert_eq!(
            read(200, &share),
            NodeResult::Share {
                sealed: "AAAA".into()
            }
        );
        // A bare share is not passed on: this server must not be able to read it.
        let bare = json!({ "payload": { "key": "00", "index": "01" } });
        assert!(matches!(read(200, &bare), NodeResult::Failed { .. }));
        assert!(matches!(read(200, &json!([])), NodeResult::Failed { .. }));
    }
}
