//! What a call asks for: its body, read and checked, and what it makes of the stored record.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use healthsync_core::Person;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::Answer;
use super::call::{KeyCall, NOTHING};
use super::store::{Action, Record};
use super::{MAX_ADDRESSES, MAX_SHARED};
use crate::conditions::{Rules, Shape};
use crate::seal::PUBLIC_KEY;
use crate::shares::Share;

/// Most values that a reader supplies.
const MAX_SUPPLIED: usize = 32;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Body {
    pub(super) address: String,
    /// Missing only where a call is about all files of a person.
    #[serde(default)]
    pub(super) cid: String,
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
    /// Ours: the key to seal the answer to, as base64.
    #[serde(default)]
    seal_to: Option<String>,
    #[serde(default)]
    new_owner: Option<String>,
    #[serde(default)]
    reset_shared_to: Option<bool>,
    #[serde(default)]
    all_files_access: Option<Vec<String>>,
    #[serde(default)]
    owner_address: Option<String>,
}

/// A call's content, checked.
pub(super) enum Change {
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
    Retire,
    Retrieve(Wanted),
    ReadLog,
    DelegateAll(BTreeSet<Person>),
}

/// What a reader brings with her.
pub(super) struct Wanted {
    pub(super) supplied: Map<String, Value>,
    /// An X-Wing public key.
    pub(super) seal_to: Option<Vec<u8>>,
    /// Whose file it is, as a delegate for all files of that person says.
    pub(super) of_owner: Option<Person>,
}

impl Change {
    pub(super) fn read(call: KeyCall, body: &Body) -> Result<Self, Answer> {
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
                let to = body.new_owner.as_deref().unwrap_or_default().parse();
                Ok(Self::Transfer {
                    to: to.map_err(|_| {
                        Answer::refused("invalid_address", "newOwner is not an address")
                    })?,
                    reset: body.reset_shared_to.unwrap_or(true),
                })
            }
            KeyCall::Retrieve => {
                let supplied = body.dynamic_data.clone().unwrap_or_default();
                if supplied.len() > MAX_SUPPLIED {
                    return Err(Answer::bad_request("dynamicData has too many values"));
                }
                let owner = body.owner_address.as_deref().map(address).transpose()?;
                Ok(Self::Retrieve(Wanted {
                    supplied,
                    seal_to: body.seal_to.as_deref().map(seal_key).transpose()?,
                    of_owner: owner,
                }))
            }
            KeyCall::Retire => Ok(Self::Retire),
            KeyCall::ReadLog => Ok(Self::ReadLog),
            KeyCall::DelegateAll => match body.all_files_access.as_deref() {
                Some(addresses) => people("allFilesAccess", addresses).map(Self::DelegateAll),
                None => Err(Answer::bad_request("allFilesAccess is a list of addresses")),
            },
        }
    }

    /// The record after the change, if `caller` may make it.
    pub(super) fn apply(&self, stored: Option<Record>, caller: Person) -> Result<Record, Answer> {
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
        let mut record = stored.ok_or_else(|| Answer::refused("unknown_cid", NOTHING))?;
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
            Self::Retire => {
                record.shared_to.clear();
                record.rules = None;
            }
            Self::Save { .. } | Self::Retrieve(_) | Self::ReadLog | Self::DelegateAll(_) => {}
        }
        Ok(record)
    }

    pub(super) fn success(&self) -> Answer {
        match self {
            Self::Save { rules: Some(_), .. }
            | Self::Conditions(_)
            | Self::Transfer { .. }
            | Self::Retire
            | Self::DelegateAll(_) => Answer::success(),
            Self::Save { .. }
            | Self::Share(_)
            | Self::Revoke(_)
            | Self::Retrieve(_)
            | Self::ReadLog => Answer::saved(),
        }
    }

    /// What the log calls it; `None` for what changes no record.
    pub(super) fn action(&self) -> Option<Action> {
        match self {
            Self::Save { .. } => Some(Action::Saved),
            Self::Share(_) => Some(Action::Shared),
            Self::Revoke(_) | Self::Retire => Some(Action::Revoked),
            Self::Conditions(_) => Some(Action::ConditionsSet),
            Self::Transfer { .. } => Some(Action::Transferred),
            Self::Retrieve(_) | Self::ReadLog | Self::DelegateAll(_) => None,
        }
    }
}

fn with_people(mut record: Record, people: &BTreeSet<Person>) -> Result<Record, Answer> {
    record.shared_to.extend(people);
    if record.shared_to.len() > MAX_SHARED {
        return Err(Answer::refused(
            "too_many",
            "The key is shared with too many addresses; use a condition",
        ));
    }
    Ok(record)
}

fn people(field: &str, addresses: &[String]) -> Result<BTreeSet<Person>, Answer> {
    if addresses.len() > MAX_ADDRESSES {
        return Err(Answer::refused(
            "too_many",
            &format!("{field} has too many addresses"),
        ));
    }
    addresses.iter().map(|text| address(text)).collect()
}

pub(super) fn address(text: &str) -> Result<Person, Answer> {
    text.parse()
        .map_err(|_| Answer::refused("invalid_address", "Invalid address"))
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
    rules.map_err(|error| Answer::refused("invalid_conditions", &error.to_string()))
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

fn seal_key(text: &str) -> Result<Vec<u8>, Answer> {
    BASE64_STANDARD
        .decode(text)
        .ok()
        .filter(|key| key.len() == PUBLIC_KEY)
        .ok_or_else(|| Answer::bad_request("sealTo is not an X-Wing public key in base64"))
}
