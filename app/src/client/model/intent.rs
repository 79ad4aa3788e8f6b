//! What a person can ask for.

use healthsync_core::{DeviceKey, EventId, OptionId, Person, RoomId, Sign};
use healthsync_imaging::stage::Say;

use super::{CopyIntent, Files, PollRules, Priced, Profile, RegistryIntent, TokenIntent};

/// What a person asks for. Every one of them is answered by a change of a signal.
#[derive(Clone, Debug)]
pub enum Intent {
    /// Look for wallets again (the choice was opened).
    FindWallets,
    /// Connect and go straight on to the delegation.
    Connect {
        wallet: String,
    },
    /// Ask for the delegation again after it was declined or has ended.
    SignAgain,
    CancelWallet,
    Disconnect,
    LoadRooms,
    CreateRoom {
        name: String,
        members: Vec<Person>,
    },
    ResetNewRoom,
    OpenRoom(RoomId),
    CloseRoom(RoomId),
    AddMembers(Vec<Person>),
    RemoveMember(Person),
    Registry(RegistryIntent),
    /// Ask the chain what this would cost for these people.
    Price(Priced, Vec<Person>),
    Copy(CopyIntent),
    /// Stop waiting for the wallet to send a transaction: the number of its [`TxState::Wallet`](super::TxState::Wallet).
    StopWaiting(u32),
    /// What failed about people or the room was read.
    DismissMemberError,
    KeepDraft(String),
    Typing,
    /// Text alone is a message; with pictures it is the caption of a new case.
    Send {
        text: String,
        /// The message that it answers.
        to: Option<EventId>,
        mentions: Vec<Person>,
        /// Whether what is attached goes with it. The text stays in the field until it has gone.
        pictures: bool,
    },
    /// Other words for one's own message.
    Edit {
        of: EventId,
        text: String,
    },
    /// Take back one's own message.
    Retract(EventId),
    React {
        to: EventId,
        sign: Sign,
        on: bool,
    },
    Pin {
        of: EventId,
        on: bool,
    },
    SetProfile(Profile),
    /// End the right of another browser to write for this person.
    RevokeDevice(DeviceKey),
    /// More of what was said before.
    ShowOlder,
    /// Tell of news while the page is in the background, or do not; the browser asks the person.
    Notify(bool),
    /// Send again what the relay refused of this.
    Retry(EventId),
    /// Send again everything in this room that the relay refused.
    RetryAll,
    Attach(Files),
    /// Not all that was dropped could be attached: a sentence for the person.
    LeftOut(String),
    Detach(u32),
    /// Look at an attached series, and at what was removed from it.
    Review(u32),
    CancelUpload,
    Unlock {
        case: EventId,
    },
    CancelUnlock {
        case: EventId,
    },
    /// Ask the key nodes to whom they gave the key of one's own case.
    Readers {
        case: EventId,
    },
    /// Give the images of one's own case new keys.
    NewKey {
        case: EventId,
    },
    /// The pictures of this case are on screen now.
    LookAt(EventId),
    /// Something that the picture workspace of a case asks.
    Look {
        case: EventId,
        say: Say,
    },
    Ask {
        case: EventId,
        question: String,
        options: Vec<String>,
        rules: PollRules,
    },
    AddOption {
        poll: EventId,
        text: String,
    },
    Vote {
        poll: EventId,
        option: OptionId,
    },
    /// Stop waiting for the wallet.
    CancelVote {
        poll: EventId,
    },
    ClosePoll {
        poll: EventId,
    },
    /// The result of a closed poll as a file.
    SaveResult {
        poll: EventId,
    },
    Token(TokenIntent),
    DismissToast(u32),
    CopyText(String),
}
