//! Answers in exactly the shapes that the official client understands: JSON objects on every path, never a 404, and
//! the words that it gives a meaning to ("null", "fetch") only where that meaning is meant. Refusals have a `code`
//! besides, which stays the same when a sentence is put better.

use serde_json::{Value, json};

/// Status and body of an answer; the body is sent as `application/json`.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: Value,
}

impl Answer {
    pub(super) fn ok(body: Value) -> Self {
        Self { status: 200, body }
    }

    /// Save, share, revoke: the official client compares the five bodies without `data`.
    pub(super) fn saved() -> Self {
        Self::ok(json!({ "message": "success", "data": [] }))
    }

    /// Conditions, transfer.
    pub(super) fn success() -> Self {
        Self::ok(json!({ "message": "success" }))
    }

    /// The caller's fault, in words. On key retrieval the official client reads "null" as "no such file" and retries
    /// on "fetch", so a text that quotes the caller is cut down when it has one of them.
    pub fn bad_request(text: &str) -> Self {
        Self::refused("bad_request", text)
    }

    /// The caller's fault, with a code of its own.
    pub fn refused(code: &str, text: &str) -> Self {
        let lower = text.to_ascii_lowercase();
        let text = if lower.contains("null") || lower.contains("fetch") {
            "Invalid request"
        } else {
            text
        };
        Self {
            status: 400,
            body: json!({ "message": text, "code": code }),
        }
    }

    /// No, or no longer, a valid proof of the address.
    pub(super) fn invalid_signature() -> Self {
        Self {
            status: 401,
            body: json!({ "message": "Invalid Signature", "code": "invalid_signature" }),
        }
    }

    /// A good device token for something else.
    pub(super) fn wrong_scope() -> Self {
        Self {
            status: 401,
            body: json!({ "message": "This token is for another call", "code": "wrong_scope" }),
        }
    }

    /// A good token of a device whose right was ended.
    pub(super) fn ended() -> Self {
        Self {
            status: 401,
            body: json!({ "message": "This device may not act for this address any more", "code": "device_ended" }),
        }
    }

    /// Not allowed, in the form of save, share, conditions and transfer.
    pub(super) fn denied() -> Self {
        Self {
            status: 406,
            body: json!({ "message": "Access Denied", "code": "denied" }),
        }
    }

    /// Not allowed, in the form of retrieve and revoke. `reason` is ours: it lets our client tell "not a member" from
    /// "the chain could not be asked".
    pub(super) fn denied_nested(reason: &str) -> Self {
        let message = json!({ "message": { "message": "Access Denied" } });
        Self {
            status: 406,
            body: json!({ "message": message, "reason": reason, "code": "denied" }),
        }
    }

    /// Retrieval of a key that this node does not have; the official client turns "null" into `cid not found`.
    pub(super) fn unknown_key() -> Self {
        Self {
            status: 400,
            body: json!({ "message": "The key of this CID is null here: nothing is stored", "code": "unknown_cid" }),
        }
    }

    /// Too many calls.
    pub fn busy() -> Self {
        Self {
            status: 429,
            body: json!({ "message": "Too many calls at the moment; try again in a minute", "code": "busy" }),
        }
    }

    /// Our fault. Says nothing about the inside.
    pub fn failure() -> Self {
        Self {
            status: 500,
            body: json!({ "message": "This key node has a fault; nothing was changed", "code": "fault" }),
        }
    }
}
