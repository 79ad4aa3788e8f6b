//! What a client says to key nodes that know Kavach's API and nothing of ours, such as the five that Lighthouse runs, and
//! how it reads what they say. Who sends it is somebody else's matter; who signs for it is [`crate::visit`]'s.
//!
//! Only calls that Lighthouse's own client makes are made here, in its shapes: a share is saved and its conditions are set
//! in two calls, because what `decryptionType` of the single one means to the service is not documented.

use healthsync_core::Person;
use serde_json::{Value, json};

use crate::shares::Share;

/// One request; the host goes before the path.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// The HTTP method.
    pub method: &'static str,
    /// From the first slash on.
    pub path: String,
    /// Null for GET.
    pub body: Value,
}

impl Call {
    fn new(method: &'static str, path: String, body: Value) -> Self {
        Self { method, path, body }
    }

    /// The text that the wallet of `person` shall sign.
    pub fn message(person: Person) -> Self {
        let path = format!("/api/message/{}", person.checksummed());
        Self::new("GET", path, Value::Null)
    }

    /// Web tokens for a signature.
    pub fn sign_in(person: Person, signature: &str) -> Self {
        let body =
            json!({ "address": person.checksummed(), "signature": signature, "chain": "ALL" });
        Self::new("POST", JWT.into(), body)
    }

    /// Web tokens for the refresh token of earlier ones.
    pub fn renew(person: Person, refresh: &str) -> Self {
        let body = json!({ "address": person.checksummed(), "refreshToken": refresh });
        Self::new("PUT", JWT.into(), body)
    }

    /// What has node `node` keep `rules` (see [`rules`]), and a share of the key that they are about.
    pub fn saving(node: u8, rules: &Value, share: Option<&Share>) -> Vec<Self> {
        let share = share.map(|share| {
            let body =
                json!({ "address": rules["address"], "cid": rules["cid"], "payload": share });
            Self::new("POST", format!("/api/setSharedKey/{node}"), body)
        });
        let path = format!("/api/fileAccessConditions/{node}");
        let rules = Self::new("PUT", path, rules.clone());
        share.into_iter().chain([rules]).collect()
    }

    /// Asks for the share of node `node`.
    pub fn retrieve(person: Person, cid: &str, node: u8) -> Self {
        let body = json!({ "address": person.checksummed(), "cid": cid, "dynamicData": {} });
        Self::new("POST", format!("/api/retrieveSharedKey/{node}"), body)
    }
}

const JWT: &str = "/api/message/get-jwt";

/// The body that says who may have a share besides its owner `person`, in place of what was said before.
pub fn rules(person: Person, cid: &str, conditions: &Value, aggregator: &str) -> Value {
    json!({
        "address": person.checksummed(),
        "cid": cid,
        "conditions": conditions,
        "aggregator": aggregator,
        "chainType": "evm",
    })
}

/// The same with a share, as nodes of ours take both in one call.
pub fn with_share(rules: &Value, share: Option<&Share>) -> Value {
    let mut rules = rules.clone();
    if let Some(share) = share {
        rules["decryptionType"] = "ADDRESS".into();
        rules["payload"] = json!(share);
    }
    rules
}

/// The share in a node's answer.
pub fn read_share(answer: &Value) -> Option<Share> {
    let payload = &answer["payload"];
    Share::from_hex(payload["key"].as_str()?, payload["index"].as_str()?).ok()
}

/// Whether a node says that it has done what it was told.
pub fn is_done(answer: &Value) -> bool {
    answer["message"] == "success"
}

/// Why a node says no. Statuses are not documented and texts differ between calls, so both are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It does not take the token, or no longer.
    SignIn,
    /// The person may not have it.
    Denied,
    /// It has no share of this key.
    NoShare,
    /// Later perhaps.
    Busy,
    /// Anything else.
    Other,
}

impl Refusal {
    /// `text` is the innermost sentence of the body.
    pub fn read(status: u16, text: &str) -> Self {
        if status == 406 || text.contains("Denied") {
            Self::Denied
        } else if matches!(status, 401 | 403) || text.contains("Invalid Signature") {
            Self::SignIn
        } else if status == 429 {
            Self::Busy
        } else if status < 500 && text.contains("null") {
            // Lighthouse's client looks for the same word.
            Self::NoShare
        } else {
            Self::Other
        }
    }

    /// After the node's name.
    pub fn words(self) -> &'static str {
        match self {
            Self::SignIn => "it did not accept the signature",
            Self::Denied => "not on the list",
            Self::NoShare => "it has no share of this key",
            Self::Busy => "it is busy",
            Self::Other => "it refused the request",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart_by_status_and_by_text() {
        for (status, text, meant) in [
            (406, "", Refusal::Denied),
            (401, "Access Denied", Refusal::Denied),
            (401, "", Refusal::SignIn),
            (400, "Invalid Signature", Refusal::SignIn),
            (500, "Invalid Signature", Refusal::SignIn),
            (403, "jwt expired", Refusal::SignIn),
            (429, "", Refusal::Busy),
            (
                400,
                "Cannot read properties of null (reading 'key')",
                Refusal::NoShare,
            ),
            (500, "null", Refusal::Other),
            (404, "", Refusal::Other),
        ] {
            assert_eq!(Refusal::read(status, text), meant, "{status} {text}");
        }
    }

    #[test]
    fn calls_have_the_shapes_of_lighthouses_client() {
        let person = Person([0xab; 20]);
        let share = Share::from_hex(&"01".repeat(32), &"02".repeat(32)).unwrap();
        let conditions = json!([{ "id": 1 }]);
        let rules = rules(person, "bafy", &conditions, "([1])");
        let alone = Call::new("PUT", "/api/fileAccessConditions/3".into(), rules.clone());
        assert_eq!(Call::saving(3, &rules, None), std::slice::from_ref(&alone));
        assert_eq!(
            alone.body,
            json!({
                "address": person.checksummed(),
                "cid": "bafy",
                "conditions": conditions,
                "aggregator": "([1])",
                "chainType": "evm",
            })
        );
        let share_first = Call::new(
            "POST",
            "/api/setSharedKey/3".into(),
            json!({
                "address": person.checksummed(),
                "cid": "bafy",
                "payload": { "key": "01".repeat(32), "index": "02".repeat(32) },
            }),
        );
        assert_eq!(Call::saving(3, &rules, Some(&share)), [share_first, alone]);
        let ask = Call::retrieve(person, "bafy", 5);
        assert_eq!(
            (ask.method, ask.path.as_str()),
            ("POST", "/api/retrieveSharedKey/5")
        );
        assert_eq!(ask.body["dynamicData"], json!({}));
        assert_eq!(
            read_share(&json!({ "payload": { "key": "01".repeat(32), "index": "02".repeat(32) } })),
            Some(share)
        );
        for odd in [
            json!({}),
            json!({ "payload": { "key": "x", "index": "02".repeat(32) } }),
            json!({ "payload": { "sealed": "…", "index": 3 } }),
            json!({ "payload": { "key": "01".repeat(32), "index": "00".repeat(32) } }),
        ] {
            assert_eq!(read_share(&odd), None, "{odd}");
        }
    }
}
