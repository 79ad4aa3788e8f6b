//! The calls of a key node: read, prove who calls, decide, write.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use healthsync_core::{Millis, Person, Revocation, SignedRevocation};
use serde_json::json;

use super::MAX_BODY;
use super::answer::Answer;
use super::authority::{Authority, Claim, Wish};
use super::change::{Body, Change, Wanted, address};
use super::store::{Action, Entry, Record, ShareStore, StoreError};
use crate::cid::parse_cid;
use crate::conditions::shape::ChainType;
use crate::conditions::{ChainReader, Denial, allows};
use crate::seal;

/// How often a write is tried again when another came between.
const WRITE_TRIES: usize = 8;
/// Said of a file that this node has no share of, where that is no secret: whoever asks could have saved one.
pub(super) const NOTHING: &str = "Nothing is stored for this CID";

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
    /// `POST /api/setAllFilesAccess/N`: who may have all keys of the caller; replaces an earlier list.
    DelegateAll,
    /// `POST /api/retireSharedKey/N`, ours: from now on only the owner gets this key, after the file was given a new
    /// one. Names and conditions go at once.
    Retire,
    /// `POST /api/keyLog/N`, ours: to whom this node gave the caller's key, and when.
    ReadLog,
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
            Self::DelegateAll => "delegate all",
            Self::Retire => "retire",
            Self::ReadLog => "read log",
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
        let person = address(&body.address)?;
        let cid = match call {
            KeyCall::DelegateAll => String::new(),
            _ => parse_cid(&body.cid)
                .map_err(|_| Answer::refused("invalid_cid", "Invalid CID"))?
                .to_string(),
        };
        let change = Change::read(call, &body)?;
        let wish = match &change {
            Change::Save { .. } | Change::Conditions(_) | Change::Retire => Wish::Save,
            Change::Retrieve(wanted) => Wish::Get {
                seal_to: wanted.seal_to.as_deref().map(seal::key_digest),
            },
            Change::ReadLog => Wish::Log,
            Change::Share(_)
            | Change::Revoke(_)
            | Change::Transfer { .. }
            | Change::DelegateAll(_) => Wish::Other,
        };
        let device = self.authority.prove(&Claim {
            authorization: request.authorization,
            person,
            operation: call.operation(),
            cid: &cid,
            wish,
            node: self.number,
            now: request.now,
        })?;
        if let Some(device) = device
            && self.store.is_ended(device, person).await?
        {
            return Err(Answer::ended());
        }
        let caller = person;
        match &change {
            Change::Retrieve(wanted) => self.retrieve(&cid, caller, wanted, &request).await,
            Change::ReadLog => self.read_log(&cid, caller).await,
            Change::DelegateAll(delegates) => {
                self.store.set_delegates(caller, delegates).await?;
                Ok(change.success())
            }
            change => self.write(&cid, caller, change, request.now).await,
        }
    }

    /// `POST /api/endDevice/N`, ours: a wallet ends a device's right to act for it. The body is the signed revocation;
    /// whoever passes it on.
    pub async fn end_device(&self, body: &[u8], now: Millis) -> Answer {
        let ended = async {
            let signed: SignedRevocation = Some(body)
                .filter(|body| body.len() <= MAX_BODY)
                .and_then(|body| serde_json::from_slice(body).ok())
                .ok_or_else(|| Answer::bad_request("The body is not a signed revocation"))?;
            self.authority.prove_end(&signed)?;
            let Revocation { device, person, .. } = signed.revocation;
            // Whoever has seen it can bring it again, which is not to cost the person her calls.
            if self.store.is_ended(device, person).await? {
                return Ok(Answer::success());
            }
            self.authority.count(self.number, person, now)?;
            if self.store.end_device(device, person).await? {
                Ok(Answer::success())
            } else {
                let most = "This address has ended too many devices";
                Err(Answer::refused("too_many", most))
            }
        };
        ended.await.unwrap_or_else(|refusal: Answer| refusal)
    }

    /// `GET /api/fileAccessConditions/get/{cid}`: readable by anybody, as at Lighthouse.
    pub async fn conditions(&self, cid: &str) -> Answer {
        let Ok(parsed) = parse_cid(cid) else {
            return Answer::refused("invalid_cid", "Invalid CID");
        };
        let record = match self.store.get(&parsed.to_string()).await {
            Ok(Some((record, _))) => record,
            Ok(None) => return Answer::refused("unknown_cid", NOTHING),
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

    /// Decides, and looks whether anything was changed meanwhile: what was revoked while a chain was asked is not
    /// given any more. What cannot be written into the log is not given either.
    async fn retrieve(
        &self,
        cid: &str,
        caller: Person,
        wanted: &Wanted,
        request: &Request<'_>,
    ) -> Result<Answer, Answer> {
        for _ in 0..WRITE_TRIES {
            let stored = self.store.get(cid).await?;
            let (record, revision) = stored.ok_or_else(Answer::unknown_key)?;
            let action = self.grant(&record, caller, wanted).await?;
            let still = self.store.get(cid).await?;
            if still.is_none_or(|(_, now)| now != revision) {
                continue;
            }
            let payload = match &wanted.seal_to {
                None => json!(record.share),
                Some(to) => {
                    let sealed = seal::seal(&record.share, to, self.number, cid, request.random);
                    let sealed = sealed
                        .map_err(|_| Answer::bad_request("sealTo is not an X-Wing public key"))?;
                    json!({ "sealed": BASE64_STANDARD.encode(sealed), "index": self.number })
                }
            };
            let entry = Entry {
                person: caller,
                action,
                at: request.now,
            };
            self.store.log(cid, entry).await?;
            return Ok(Answer::ok(json!({ "payload": payload })));
        }
        Err(Answer::busy())
    }

    /// By what right somebody gets a share.
    async fn grant(
        &self,
        record: &Record,
        reader: Person,
        wanted: &Wanted,
    ) -> Result<Action, Answer> {
        if record.owner == reader {
            return Ok(Action::GivenToOwner);
        }
        if record.shared_to.contains(&reader) {
            return Ok(Action::GivenByName);
        }
        if wanted.of_owner == Some(record.owner)
            && self.store.delegates(record.owner).await?.contains(&reader)
        {
            return Ok(Action::GivenToDelegate);
        }
        let rules = record.rules.as_ref();
        let rules = rules.ok_or_else(|| denied(&Denial::NoConditions))?;
        allows(rules, reader, &wanted.supplied, self.chain.as_ref())
            .await
            .map_err(|denial| denied(&denial))?;
        Ok(Action::GivenByCondition)
    }

    /// The log of a key, for its owner.
    async fn read_log(&self, cid: &str, caller: Person) -> Result<Answer, Answer> {
        let stored = self.store.get(cid).await?;
        let owner = stored.map(|(record, _)| record.owner);
        // Whether somebody else has a file here is nobody's business.
        if owner != Some(caller) {
            return Err(Answer::denied());
        }
        let lines = self.store.read_log(cid).await?;
        Ok(Answer::ok(json!({ "cid": cid, "log": lines })))
    }

    /// Reads, decides and writes until no other write came between.
    async fn write(
        &self,
        cid: &str,
        caller: Person,
        change: &Change,
        now: Millis,
    ) -> Result<Answer, Answer> {
        let Some(action) = change.action() else {
            return Err(Answer::failure());
        };
        let entry = Entry {
            person: caller,
            action,
            at: now,
        };
        for _ in 0..WRITE_TRIES {
            let stored = self.store.get(cid).await?;
            let was = stored.as_ref().map_or(0, |(_, revision)| *revision);
            let record = change.apply(stored.map(|(record, _)| record), caller)?;
            if self.store.put(cid, &record, was, entry).await? {
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
