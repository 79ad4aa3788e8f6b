//! What a poll asks of its votes, and the wallet's signature under a vote (EIP-712 typed data `Vote`), for
//! polls whose readers sign each vote themselves.
//!
//! The wallet shows question and answer in words. Peers put the words of the poll in when they check the
//! signature, so a page that showed other words than it votes for gets a vote that nobody counts.

use serde::{Deserialize, Serialize};

use crate::{
    eth::{Signature65, SignatureError, recover},
    event::OptionId,
    ids::{EventId, Person, RoomId},
    typed::{Words, typed_data},
};

const VOTE_TYPE: &str = "Vote(string question,string answer,address person,uint64 number,bytes32 room,bytes32 poll,string option)";

/// Who signs the votes of a poll.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// The reader's browser, under its delegation: no prompt.
    #[default]
    Device,
    /// The reader's wallet as well, one prompt a vote: for formal readings.
    Wallet,
}

/// When a reader is shown the counts. A promise of the page, not of cryptography: every member holds the
/// room's key, and a page of their own making could count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reveal {
    /// At once.
    #[default]
    Open,
    /// Once the reader has voted.
    Voted,
    /// Once the poll is closed.
    Closed,
}

/// The registry, and the block up to which the closer had seen it: who is a member there may vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RegistryAt {
    /// Address of the contract.
    pub address: Person,
    /// Number of the block.
    pub block: u64,
}

/// The wallet's part of a vote event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WalletVote {
    /// The Lamport clock when the wallet was asked. Of one person's votes the highest number counts; it is
    /// signed, so that an earlier signature can't be sent again to undo a changed vote.
    pub number: u64,
    /// By the wallet of the event's person, over [`Ballot::signing_hash`].
    pub signature: Signature65,
}

/// Why a wallet's vote does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BallotError {
    /// No signature, or none that belongs to anybody.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A good signature by somebody else, or of other words.
    #[error("the wallet's signature is not by {named} over this question and this answer")]
    Signer {
        /// Whom the vote names.
        named: Person,
    },
}

/// What the wallet shows and signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ballot<'a> {
    /// The poll's question.
    pub question: &'a str,
    /// The text of `option`.
    pub answer: &'a str,
    /// Who votes; signs.
    pub person: Person,
    /// See [`WalletVote::number`].
    pub number: u64,
    /// The room.
    pub room: RoomId,
    /// The poll's event.
    pub poll: EventId,
    /// The choice.
    pub option: OptionId,
    /// Part of the EIP-712 domain.
    pub chain_id: u64,
}

impl Ballot<'_> {
    /// The JSON text to pass to `eth_signTypedData_v4`. Wallets show it to the person.
    pub fn typed_data_json(&self) -> String {
        let fields = serde_json::json!([
            { "name": "question", "type": "string" },
            { "name": "answer", "type": "string" },
            { "name": "person", "type": "address" },
            { "name": "number", "type": "uint64" },
            { "name": "room", "type": "bytes32" },
            { "name": "poll", "type": "bytes32" },
            { "name": "option", "type": "string" },
        ]);
        let message = serde_json::json!({
            "question": self.question,
            "answer": self.answer,
            "person": self.person.checksummed(),
            "number": self.number,
            "room": self.room,
            "poll": self.poll,
            "option": self.option,
        });
        typed_data("Vote", &fields, &message, self.chain_id)
    }

    /// The EIP-712 hash that the wallet signs: keccak256(0x1901 ‖ domain ‖ struct).
    pub fn signing_hash(&self) -> [u8; 32] {
        let mut message = Words::of(VOTE_TYPE);
        message.text(self.question);
        message.text(self.answer);
        message.right(&self.person.0);
        message.number(self.number);
        message.right(&self.room.0);
        message.right(&self.poll.0);
        message.text(&self.option.to_string());
        message.signing_hash(self.chain_id)
    }

    /// Whether `signature` is the person's.
    pub fn verify(&self, signature: &Signature65) -> Result<(), BallotError> {
        if recover(&self.signing_hash(), signature)? == self.person {
            Ok(())
        } else {
            Err(BallotError::Signer { named: self.person })
        }
    }
}
