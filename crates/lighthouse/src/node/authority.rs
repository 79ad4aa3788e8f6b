//! Who is calling. One authority serves all nodes of a process, because they share the texts that wallets sign;
//! what has been used is still counted per node.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use healthsync_core::token::FRESH;
use healthsync_core::{DeviceKey, DeviceToken, Millis, Person, Scope, SignedRevocation};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::answer::Answer;
use super::budget::Budget;
use super::jwt::{self, Use};
use super::messages::{Messages, NO_NODE, Purpose};
use super::used::Used;

/// Device tokens and refresh tokens that are remembered as used. One person's budget is 34,500 device tokens in the time
/// that they are remembered at five nodes. Beyond this number the oldest are forgotten, so that many people cannot lock
/// out the others: whoever has caught a token may then use it once more, until it ends.
const REMEMBERED: usize = 200_000;
/// From a device token's own time on: as long as it is fresh, and a little longer.
const TOKEN_MEMORY: u64 = FRESH + 60 * 1000;
/// Longest text of a bearer that is looked at.
const MAX_BEARER: usize = 8192;

/// What an [`Authority`] is set up with.
pub struct AuthorityConfig {
    /// Signs our own web tokens; keep it across restarts, or the tokens end.
    pub jwt_key: [u8; 32],
    /// The chain whose id delegations carry.
    pub chain_id: u64,
}

impl fmt::Debug for AuthorityConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorityConfig")
            .field("chain_id", &self.chain_id)
            .finish_non_exhaustive()
    }
}

/// Checks who calls, and remembers what has been used.
pub struct Authority {
    jwt_key: Zeroizing<[u8; 32]>,
    chain_id: u64,
    messages: Mutex<Messages>,
    tokens: Mutex<Used<(u8, DeviceKey, [u8; 16])>>,
    refreshed: Mutex<Used<String>>,
    budget: Mutex<Budget>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("chain_id", &self.chain_id)
            .finish_non_exhaustive()
    }
}

/// What a caller wants to do with a key, as far as the proof of identity depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// Save, or set conditions.
    Save,
    /// Get the share, sealed to the key with this digest if one was named.
    Get { seal_to: Option<[u8; 32]> },
    /// Read the log of a key.
    Log,
    /// Anything else.
    Other,
}

/// One call as the proof of identity sees it.
pub(super) struct Claim<'a> {
    pub(super) authorization: Option<&'a str>,
    /// The address that the body claims.
    pub(super) person: Person,
    pub(super) operation: &'static str,
    /// Canonical.
    pub(super) cid: &'a str,
    pub(super) wish: Wish,
    pub(super) node: u8,
    pub(super) now: Millis,
}

impl Authority {
    /// An authority without any open texts.
    pub fn new(config: AuthorityConfig) -> Self {
        Self {
            jwt_key: Zeroizing::new(config.jwt_key),
            chain_id: config.chain_id,
            messages: Mutex::default(),
            tokens: Mutex::new(Used::new(REMEMBERED)),
            refreshed: Mutex::new(Used::new(REMEMBERED)),
            budget: Mutex::default(),
        }
    }

    /// `GET /api/message/{address}`: a new text to sign, in a list as Lighthouse has it.
    pub fn message(&self, address: &str, now: Millis, random: [u8; 16]) -> Answer {
        let Ok(person) = address.parse() else {
            return Answer::refused("invalid_address", "Invalid address");
        };
        let text = lock(&self.messages).issue(person, now, random);
        Answer::ok(json!([{ "message": text }]))
    }

    /// `POST /api/message/get-jwt`, body `{address, signature, chain}`: tokens for many calls.
    pub fn get_jwt(&self, body: &[u8], now: Millis, random: [u8; 32]) -> Answer {
        let Some((person, signature)) = address_and(body, "signature") else {
            return Answer::invalid_signature();
        };
        if self.sign_in("jwt", person, &signature, now) {
            self.jwt_pair(person, now, random)
        } else {
            Answer::invalid_signature()
        }
    }

    /// True, once, if `signature` is by `person` under one of her open texts: for what is done at no single node,
    /// such as getting web tokens or an API key.
    pub fn sign_in(
        &self,
        operation: &'static str,
        person: Person,
        signature: &str,
        now: Millis,
    ) -> bool {
        let purpose = Purpose {
            operation,
            cid: String::new(),
        };
        signature.parse().is_ok_and(|signature| {
            lock(&self.messages).accept(person, &signature, &purpose, NO_NODE, now)
        })
    }

    /// `PUT /api/message/get-jwt`, body `{address, refreshToken}`: a new pair; the old refresh token ends.
    pub fn refresh_jwt(&self, body: &[u8], now: Millis, random: [u8; 32]) -> Answer {
        let Some((person, token)) = address_and(body, "refreshToken") else {
            return Answer::invalid_signature();
        };
        let valid = jwt::read(&self.jwt_key, Use::Refresh, &token, now)
            .filter(|valid| valid.person == person);
        let Some(valid) = valid else {
            return Answer::invalid_signature();
        };
        let mut refreshed = lock(&self.refreshed);
        // One that may have been used ends early, and the wallet signs again.
        if valid.until <= refreshed.forgotten() || !refreshed.mark((valid.until, valid.id), now) {
            return Answer::invalid_signature();
        }
        self.jwt_pair(person, now, random)
    }

    fn jwt_pair(&self, person: Person, now: Millis, random: [u8; 32]) -> Answer {
        let (access, refresh) = random.split_at(16);
        Answer::ok(json!({
            "token": jwt::issue(&self.jwt_key, Use::Access, person, now, access),
            "refreshToken": jwt::issue(&self.jwt_key, Use::Refresh, person, now, refresh),
        }))
    }

    /// Proves that the caller is the person that the body claims, for this call, and that she has not called too
    /// often. Gives the device that acts for her, if one does.
    pub(super) fn prove(&self, claim: &Claim<'_>) -> Result<Option<DeviceKey>, Answer> {
        let bearer = bearer(claim.authorization).ok_or_else(Answer::invalid_signature)?;
        if bearer.starts_with("device:") {
            return self.prove_device(bearer, claim).map(Some);
        }
        self.prove_person(bearer, claim)?;
        self.count(claim.node, claim.person, claim.now)?;
        Ok(None)
    }

    /// A wallet's word that a device acts for its person no more. Counts nothing, since whoever has seen it may bring it.
    pub(super) fn prove_end(&self, signed: &SignedRevocation) -> Result<(), Answer> {
        signed
            .verify(self.chain_id)
            .map_err(|_| Answer::invalid_signature())
    }

    /// Takes a call of `person` at `node` from her budget.
    pub(super) fn count(&self, node: u8, person: Person, now: Millis) -> Result<(), Answer> {
        if lock(&self.budget).take(node, person, now) {
            Ok(())
        } else {
            Err(Answer::busy())
        }
    }

    fn prove_person(&self, bearer: &str, claim: &Claim<'_>) -> Result<(), Answer> {
        let proved = if bearer.starts_with("jwt:") {
            let valid = jwt::read(&self.jwt_key, Use::Access, bearer, claim.now);
            valid.is_some_and(|valid| valid.person == claim.person)
        } else {
            let purpose = Purpose {
                operation: claim.operation,
                cid: claim.cid.to_owned(),
            };
            let accept = |signature| {
                lock(&self.messages).accept(
                    claim.person,
                    &signature,
                    &purpose,
                    claim.node,
                    claim.now,
                )
            };
            bearer.starts_with("0x") && bearer.parse().is_ok_and(accept)
        };
        if proved {
            Ok(())
        } else {
            Err(Answer::invalid_signature())
        }
    }

    /// A token that a device signed for exactly this wish. Each node takes it once.
    fn prove_device(&self, bearer: &str, claim: &Claim<'_>) -> Result<DeviceKey, Answer> {
        let token = DeviceToken::from_bearer(bearer).map_err(|_| Answer::invalid_signature())?;
        let fits = match (&token.scope, claim.wish) {
            (Scope::SaveKey { cid, node }, Wish::Save) => {
                same_cid(cid, claim.cid) && *node == claim.node
            }
            (Scope::GetKey { cid, seal_to }, Wish::Get { seal_to: asked }) => {
                same_cid(cid, claim.cid) && asked == Some(*seal_to)
            }
            (Scope::KeyLog { cid }, Wish::Log) => same_cid(cid, claim.cid),
            _ => false,
        };
        if !fits {
            return Err(Answer::wrong_scope());
        }
        let person = token
            .verify(self.chain_id, claim.now)
            .map_err(|_| Answer::invalid_signature())?;
        if person != claim.person {
            return Err(Answer::invalid_signature());
        }
        let device = token.delegation.delegation.device;
        let until = Millis(token.at.0 + TOKEN_MEMORY);
        let used = (until, (claim.node, device, token.nonce));
        let mut tokens = lock(&self.tokens);
        // In this order: a token that comes again costs its person nothing, and one beyond the budget is not remembered.
        if tokens.has(&used) {
            return Err(Answer::invalid_signature());
        }
        self.count(claim.node, person, claim.now)?;
        tokens.mark(used, claim.now);
        Ok(device)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn same_cid(token: &str, canonical: &str) -> bool {
    crate::cid::parse_cid(token).is_ok_and(|cid| cid.to_string() == canonical)
}

fn bearer(authorization: Option<&str>) -> Option<&str> {
    let (scheme, token) = authorization?.trim().split_once(' ')?;
    let token = token.trim();
    let usable =
        scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.len() <= MAX_BEARER;
    usable.then_some(token)
}

/// The address and one text field of a small JSON body.
fn address_and(body: &[u8], field: &str) -> Option<(Person, String)> {
    if body.len() > MAX_BEARER {
        return None;
    }
    let body: Value = serde_json::from_slice(body).ok()?;
    let person = body.get("address")?.as_str()?.parse().ok()?;
    Some((person, body.get(field)?.as_str()?.to_owned()))
}
