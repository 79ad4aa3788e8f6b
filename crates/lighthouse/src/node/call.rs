//! The calls of a key node: read, prove who calls, decide, write.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use healthsync_core::{Millis, Person};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::authority::{Authority, Caller, Claim, Wish};
use super::store::{Record, ShareStore, StoreError};
use super::{MAX_ADDRESSES, MAX_BODY, MAX_SHARED};
use crate::cid::{Cid, parse_cid};
use crate::conditions::shape::ChainType;
use crate::conditions::{ChainReader, Denial, Rules, Shape, allows};
use crate::seal;
use crate::shares::Share;

/// How often a write is tried again when another came between.
const WRITE_TRIES: usize = 8;
/// Most values that a reader supplies.
const MAX_SUPPLIED: usize = 32;

/// The calls that a node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCall {
    /// `POST /api/setSharedKey/N`
    Save,
    /// `PUT /api/setSharedKey/N`
    Share,
    /// `DELETE /api/setSharedKey/N`
    Revoke,
    /// `POST /api/retrieveSharedKey/N`
    Retrieve,
    /// `PUT /api/fileAccessConditions/N`
    SetConditions,
    /// `POST /api/fileAccessConditions/N`: the share and its conditions at once, so that there is no moment in
    /// which one is stored without the other.
    SaveWithConditions,
    /// `POST /api/transferOwnership/N`
    Transfer,
}

impl KeyCall {
    fn operation(self) -> &'static str {
        match self {
            Self::Save => "save",
            Self::Share => "share",
            Self::Revoke => "revoke",
            Self::Retrieve => "retrieve",
            Self::SetConditions => "conditions",
            Self::SaveWithConditions => "save with conditions",
            Self::Transfer => "transfer",
        }
    }
}

/// One HTTP request, without HTTP.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// The `Authorization` header.
    pub authorization: Option<&'a str>,
    /// The body; JSON is expected whatever the content type says.
    pub body: &'a [u8],
    /// The time of the call.
    pub now: Millis,
    /// Fresh random bytes, for sealing.
    pub random: [u8; 32],
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("bytes", &self.body.len())
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// One of the five nodes.
#[derive(Clone)]
pub struct KeyNode {
    number: u8,
    store: Arc<dyn ShareStore>,
    chain: Arc<dyn ChainReader>,
    authority: Arc<Authority>,
}

impl fmt::Debug for KeyNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyNode")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    address: String,
    cid: String,
    #[serde(default)]
    payload: Option<Value>,
    /// POST says `sharedTo`, PUT says `shareTo`.
    #[serde(default)]
    shared_to: Option<Vec<String>>,
    #[serde(default)]
    share_to: Option<Vec<String>>,
    #[serde(default)]
    revoke_to: Option<Vec<String>>,
    #[serde(default)]
    conditions: Option<Value>,
    #[serde(default)]
    aggregator: Option<Value>,
    #[serde(default)]
    chain_type: Option<Value>,
    #[serde(default)]
    decryption_type: Option<String>,
    #[serde(default)]
    dynamic_data: Option<Map<String, Value>>,
    /// Ours: an X25519 public key, 64 hexadecimal digits.
    #[serde(default)]
    seal_to: Option<String>,
    #[serde(default)]
    new_owner: Option<String>,
    #[serde(default)]
    reset_shared_to: Option<bool>,
}

impl KeyNode {
    /// Node `number` (1 to 5 at one server) on its own store.
    pub fn new(
        number: u8,
        store: Arc<dyn ShareStore>,
        chain: Arc<dyn ChainReader>,
        authority: Arc<Authority>,
    ) -> Self {
        Self {
            number,
            store,
            chain,
            authority,
        }
    }

    /// The node's number.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Answers a call. Cheap checks come before costly ones; nothing is written unless the answer is a success.
    pub async fn handle(&self, call: KeyCall, request: Request<'_>) -> Answer {
        self.answer(call, request)
            .await
            .unwrap_or_else(|refusal| refusal)
    }

    async fn answer(&self, call: KeyCall, request: Request<'_>) -> Result<Answer, Answer> {
        if request.body.len() > MAX_BODY {
            return Err(Answer::bad_request("The body is too long"));
        }
        let body: Body = serde_json::from_slice(request.body)
            .map_err(|_| Answer::bad_request("The body is not the JSON of this call"))?;
        let person: Person = body
            .address
            .parse()
            .map_err(|_| Answer::bad_request("Invalid address"))?;
        let cid = parse_cid(&body.cid).map_err(|_| Answer::bad_request("Invalid CID"))?;
        let change = Change::read(call, &body)?;
        let wish = match &change {
            Change::Save { .. } | Change::Conditions(_) => Wish::Save,
            Change::Retrieve { seal_to, .. } => Wish::Get { seal_to: *seal_to },
            Change::Share(_) | Change::Revoke(_) | Change::Transfer { .. } => Wish::Other,
        };
        let caller = self.authority.prove(&Claim {
            authorization: request.authorization,
            person,
            operation: call.operation(),
            cid: &cid.to_string(),
            wish,
            node: self.number,
            now: request.now,
        })?;
        match change {
            Change::Retrieve { supplied, .. } => {
                self.retrieve(&cid, &caller, &supplied, request.random)
                    .await
            }
            change => self.write(&cid, caller.person, &change).await,
        }
    }

    /// `GET /api/fileAccessConditions/get/{cid}`: readable by anybody, as at Lighthouse.
    pub async fn conditions(&self, cid: &str) -> Answer {
        let Ok(parsed) = parse_cid(cid) else {
            return Answer::bad_request("Invalid CID");
        };
        let record = match self.store.get(&parsed.to_string()).await {
            Ok(Some((record, _))) => record,
            Ok(None) => return Answer::bad_request("Nothing is stored for this CID"),
            Err(_) => return Answer::failure(),
        };
        let (mut evm, mut solana, mut aggregator) = (Vec::new(), Vec::new(), String::new());
        if let Some(rules) = record.rules {
            aggregator = rules.aggregator.unwrap_or_default();
            match rules.chain_type {
                ChainType::Solana => solana = rules.conditions,
                ChainType::Evm | ChainType::Coreum | ChainType::Radix => evm = rules.conditions,
            }
        }
        Answer::ok(json!({
            "aggregator": aggregator,
            "cid": cid,
            "conditions": evm,
            "conditionsSolana": solana,
            "owner": record.owner,
            "sharedTo": record.shared_to,
        }))
    }

    async fn retrieve(
        &self,
        cid: &Cid,
        caller: &Caller,
        supplied: &Map<String, Value>,
        random: [u8; 32],
    ) -> Result<Answer, Answer> {
        let cid = cid.to_string();
        let (record, _) = self
            .store
            .get(&cid)
            .await?
            .ok_or_else(Answer::unknown_key)?;
        if record.owner != caller.person && !record.shared_to.contains(&caller.person) {
            let rules = record
                .rules
                .as_ref()
                .ok_or_else(|| denied(&Denial::NoConditions))?;
            allows(rules, caller.person, supplied, self.chain.as_ref())
                .await
                .map_err(|denial| denied(&denial))?;
        }
        let payload = match caller.seal_to {
            None => json!(record.share),
            Some(to) => {
                let sealed = seal::seal(&record.share, &to, self.number, &cid, random);
                let sealed = sealed
                    .map_err(|_| Answer::bad_request("sealTo is not an X25519 public key"))?;
                json!({ "sealed": BASE64_STANDARD.encode(sealed), "index": self.number })
            }
        };
        Ok(Answer::ok(json!({ "payload": payload })))
    }

    /// Reads, decides and writes until no other write came between.
    async fn write(&self, cid: &Cid, caller: Person, change: &Change) -> Result<Answer, Answer> {
        let cid = cid.to_string();
        for _ in 0..WRITE_TRIES {
            let stored = self.store.get(&cid).await?;
            let was = stored.as_ref().map_or(0, |(_, revision)| *revision);
            let record = change.apply(stored.map(|(record, _)| record), caller)?;
            if self.store.put(&cid, &record, was).await? {
                return Ok(change.success());
            }
        }
        Err(Answer::busy())
    }
}

impl From<StoreError> for Answer {
    fn from(_: StoreError) -> Self {
        Self::failure()
    }
}

fn denied(denial: &Denial) -> Answer {
    Answer::denied_nested(match denial {
        Denial::Undecided(_) => "undecided",
        Denial::NoConditions | Denial::DoNotHold => "not allowed",
        Denial::Network | Denial::Aggregator(_) | Denial::UnknownCondition => "conditions",
    })
}

/// A call's content, checked.
enum Change {
    Save {
        share: Share,
        shared_to: BTreeSet<Person>,
        rules: Option<Rules>,
        decryption_type: Option<String>,
    },
    Share(BTreeSet<Person>),
    Revoke(BTreeSet<Person>),
    Conditions(Rules),
    Transfer {
        to: Person,
        reset: bool,
    },
    Retrieve {
        supplied: Map<String, Value>,
        seal_to: Option<[u8; 32]>,
    },
}

impl Change {
    fn read(call: KeyCall, body: &Body) -> Result<Self, Answer> {
        match call {
            KeyCall::Save | KeyCall::SaveWithConditions => {
                let share = body
                    .payload
                    .clone()
                    .and_then(|payload| serde_json::from_value(payload).ok());
                Ok(Self::Save {
                    share: share
                        .ok_or_else(|| Answer::bad_request("payload is not a key share"))?,
                    shared_to: people("sharedTo", body.shared_to.as_deref().unwrap_or_default())?,
                    rules: (call == KeyCall::SaveWithConditions)
                        .then(|| rules(body))
                        .transpose()?,
                    decryption_type: decryption_type(body)?,
                })
            }
            KeyCall::Share => Ok(Self::Share(some_people(
                "shareTo",
                body.share_to.as_deref(),
            )?)),
            KeyCall::Revoke => Ok(Self::Revoke(some_people(
                "revokeTo",
                body.revoke_to.as_deref(),
            )?)),
            KeyCall::SetConditions => rules(body).map(Self::Conditions),
            KeyCall::Transfer => {
                let to = body
                    .new_owner
                    .as_deref()
                    .and_then(|address| address.parse().ok());
                Ok(Self::Transfer {
                    to: to.ok_or_else(|| Answer::bad_request("newOwner is not an address"))?,
                    reset: body.reset_shared_to.unwrap_or(true),
                })
            }
            KeyCall::Retrieve => {
                let supplied = body.dynamic_data.clone().unwrap_or_default();
                if supplied.len() > MAX_SUPPLIED {
                    return Err(Answer::bad_request("dynamicData has too many values"));
                }
                Ok(Self::Retrieve {
                    supplied,
                    seal_to: body.seal_to.as_deref().map(seal_key).transpose()?,
                })
            }
        }
    }

    /// The record after the change, if `caller` may make it.
    fn apply(&self, stored: Option<Record>, caller: Person) -> Result<Record, Answer> {
        if let Self::Save {
            share,
            shared_to,
            rules,
            decryption_type,
        } = self
        {
            let mut record = stored.unwrap_or_else(|| Record {
                owner: caller,
                share: share.clone(),
                shared_to: BTreeSet::new(),
                rules: None,
                decryption_type: None,
            });
            if record.owner != caller {
                return Err(Answer::denied());
            }
            record.share = share.clone();
            record.rules = rules.clone().or(record.rules);
            record.decryption_type = decryption_type.clone().or(record.decryption_type);
            return with_people(record, shared_to);
        }
        let mut record =
            stored.ok_or_else(|| Answer::bad_request("Nothing is stored for this CID"))?;
        if record.owner != caller {
            return Err(match self {
                Self::Revoke(_) => Answer::denied_nested("not allowed"),
                _ => Answer::denied(),
            });
        }
        match self {
            Self::Share(people) => return with_people(record, people),
            Self::Revoke(people) => record.shared_to.retain(|person| !people.contains(person)),
            Self::Conditions(rules) => record.rules = Some(rules.clone()),
            Self::Transfer { to, reset } => {
                record.owner = *to;
                if *reset {
                    record.shared_to.clear();
                }
            }
            Self::Save { .. } | Self::Retrieve { .. } => {}
        }
        Ok(record)
    }

    fn success(&self) -> Answer {
        match self {
            Self::Save { rules: Some(_), .. } | Self::Conditions(_) | Self::Transfer { .. } => {
                Answer::success()
            }
            Self::Save { .. } | Self::Share(_) | Self::Revoke(_) | Self::Retrieve { .. } => {
                Answer::saved()
            }
        }
    }
}

fn with_people(mut record: Record, people: &BTreeSet<Person>) -> Result<Record, Answer> {
    record.shared_to.extend(people);
    if record.shared_to.len() > MAX_SHARED {
        return Err(Answer::bad_request(
            "The key is shared with too many addresses; use a condition",
        ));
    }
    Ok(record)
}

fn people(field: &str, addresses: &[String]) -> Result<BTreeSet<Person>, Answer> {
    if addresses.len() > MAX_ADDRESSES {
        return Err(Answer::bad_request(&format!(
            "{field} has too many addresses"
        )));
    }
    let people = addresses.iter().map(|address| address.parse());
    people
        .collect::<Result<_, _>>()
        .map_err(|_| Answer::bad_request("Invalid address"))
}

fn some_people(field: &str, addresses: Option<&[String]>) -> Result<BTreeSet<Person>, Answer> {
    match addresses {
        Some(addresses) if !addresses.is_empty() => people(field, addresses),
        _ => Err(Answer::bad_request(&format!(
            "{field} is a list of addresses"
        ))),
    }
}

/// The conditions of a body, by the same rules as the official client's and by those of a node.
fn rules(body: &Body) -> Result<Rules, Answer> {
    let mut input = json!({ "address": body.address, "cid": body.cid });
    for (name, value) in [
        ("conditions", &body.conditions),
        ("aggregator", &body.aggregator),
        ("chainType", &body.chain_type),
    ] {
        if let Some(value) = value {
            input[name] = value.clone();
        }
    }
    let rules =
        Rules::read(&input, Shape::Update).and_then(|rules| rules.check_for_node().map(|()| rules));
    rules.map_err(|error| Answer::bad_request(&error.to_string()))
}

fn decryption_type(body: &Body) -> Result<Option<String>, Answer> {
    let known = |text: &String| {
        ["ADDRESS", "ACCESS_CONDITIONS"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(text))
    };
    match &body.decryption_type {
        Some(text) if !known(text) => Err(Answer::bad_request(
            "decryptionType is ADDRESS or ACCESS_CONDITIONS",
        )),
        other => Ok(other.as_ref().map(|text| text.to_ascii_uppercase())),
    }
}

fn seal_key(text: &str) -> Result<[u8; 32], Answer> {
    let mut key = [0; 32];
    hex::decode_to_slice(text, &mut key)
        .map_err(|_| Answer::bad_request("sealTo is 64 hexadecimal digits"))?;
    Ok(key)
}
