//! Minting a case, and tokens, as the views see them.

use std::sync::Arc;

use healthsync_core::{EventId, Millis, Person, TokenId};
use healthsync_imaging::stage::Mark;

use super::{ImageRow, MessageRow, PollRow, Trouble, TxState};
use crate::api::TokenFacts;

/// What somebody wants to mint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintPlan {
    pub case: EventId,
    /// In hundredths of a percent; whoever is not named is left out with everything they said.
    pub shares: Vec<(Person, u16)>,
    /// With messages that were written beside the case and do not answer it.
    pub discussion: bool,
    /// Of each resale, in hundredths of a percent.
    pub royalty: u16,
    /// Contributors that it takes to withdraw the conversation.
    pub quorum: u8,
    /// An edition for each member of the room.
    pub editions: bool,
}

/// What a plan would be about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MintPreview {
    pub case: Option<EventId>,
    /// Everybody who has a part in it, and how many entries each.
    pub people: Vec<(Person, usize)>,
    pub entries: usize,
    pub images: usize,
    /// Members of the room, who would each get an edition.
    pub members: usize,
    /// What the transaction would cost about, in the chain's currency.
    pub cost: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Missing,
    Signed,
    Declined,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentRow {
    pub person: Person,
    /// In hundredths of a percent.
    pub share: u16,
    pub you: bool,
    pub answer: Answer,
}

/// What this browser is doing for a proposal, or for a case that is about to become one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MintWork {
    /// The step that it is at.
    Preparing(&'static str),
    /// The wallet shows the terms.
    Signing,
    Chain(TxState),
    Failed(Trouble),
}

/// A proposal in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MintRow {
    pub id: EventId,
    pub case: EventId,
    pub proposer: Person,
    pub you_proposed: bool,
    pub token: TokenId,
    pub holder: Person,
    pub consents: Vec<ConsentRow>,
    pub editions: usize,
    pub quorum: u8,
    pub royalty: u16,
    pub deadline: Millis,
    pub entries: usize,
    pub minted: bool,
    pub work: Option<MintWork>,
}

impl MintRow {
    /// Who has declined.
    pub fn declined(&self) -> Option<Person> {
        let mut rows = self.consents.iter();
        rows.find(|row| row.answer == Answer::Declined)
            .map(|row| row.person)
    }

    /// Whether everybody has signed.
    pub fn is_complete(&self) -> bool {
        self.consents.iter().all(|row| row.answer == Answer::Signed)
    }

    /// Whether this person has still to answer.
    pub fn waits_for_you(&self) -> bool {
        let waits = |row: &ConsentRow| row.you && row.answer == Answer::Missing;
        !self.minted && self.declined().is_none() && self.consents.iter().any(waits)
    }
}

/// A token's content on its page.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenCase {
    Closed,
    /// The step that it is at.
    Opening(&'static str),
    Open(Box<OpenCase>),
    /// The key nodes say no.
    Denied {
        person: Person,
    },
    Failed(Trouble),
}

#[derive(Clone, Debug, PartialEq)]
pub struct OpenCase {
    pub id: EventId,
    pub caption: String,
    pub author: Person,
    /// What was said is there before the last image has been opened.
    pub images: Vec<ImageRow>,
    /// Measurements on them.
    pub marks: Arc<Vec<Mark>>,
    pub messages: Vec<MessageRow>,
    pub polls: Vec<PollRow>,
}

/// The token on screen.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenView {
    pub token: TokenId,
    /// As last read from the chain.
    pub facts: Option<TokenFacts>,
    pub case: TokenCase,
    /// A withdrawal or claim on its way.
    pub work: Option<TxState>,
}

impl TokenView {
    pub fn new(token: TokenId, facts: Option<TokenFacts>) -> Self {
        Self {
            token,
            facts,
            case: TokenCase::Closed,
            work: None,
        }
    }
}

/// The tokens of whoever is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenList {
    Loading,
    Loaded(Vec<TokenId>),
    Failed(Trouble),
}

/// What a person asks for about tokens.
#[derive(Clone, Debug)]
pub enum TokenIntent {
    /// Fill `mint_preview` for this case.
    Preview {
        case: EventId,
        discussion: bool,
    },
    Propose(MintPlan),
    Answer {
        proposal: EventId,
        agree: bool,
    },
    Mint {
        proposal: EventId,
    },
    /// Forget what has failed, and stop waiting for the wallet.
    Dismiss {
        of: EventId,
    },
    Show(TokenId, Option<Box<TokenFacts>>),
    Leave,
    OpenCase,
    /// Ask for withdrawal, as a contributor.
    Retract,
    /// Fetch one's royalties.
    Claim,
    List,
}
