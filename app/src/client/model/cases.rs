//! Cases: their images behind locks, their questions, and what is attached to become one.

use std::sync::Arc;

use healthsync_core::{
    EventId, ImageRef, Millis, OptionId, Person, PhotoReceipt, SeriesRef, display,
};
use healthsync_imaging::stage::Mark;

use super::{Blobs, Casting, Delivery, KeyNodeInfo, PollRules, Trouble};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeShare {
    Asked,
    Good {
        ms: u32,
    },
    Denied {
        reason: String,
    },
    Down {
        reason: String,
    },
    /// Its share does not fit the others.
    Wrong,
}

/// Shares of one key: one entry a node, in node order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProgress {
    pub needed: u8,
    pub nodes: Vec<(KeyNodeInfo, NodeShare)>,
}

impl KeyProgress {
    pub fn good(&self) -> usize {
        self.nodes
            .iter()
            .filter(|(_, s)| matches!(s, NodeShare::Good { .. }))
            .count()
    }
}

/// The lock on one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageLock {
    Locked,
    /// It was open, and made way for others.
    LockedAgain,
    Shares(KeyProgress),
    Fetching {
        received: u64,
        total: u64,
    },
    Decrypting,
    /// `wrong_nodes` names key nodes whose share was left out.
    Open {
        /// A `blob:` URL of a photograph; empty for a series.
        url: String,
        /// Of a small copy for lists, once there is one.
        small: Arc<str>,
        /// Files of a series, as far as they have come.
        files: Blobs,
        wrong_nodes: Vec<String>,
    },
    Denied {
        person: Person,
    },
    Failed(Trouble),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRow {
    pub cid: String,
    pub name: String,
    pub mime: String,
    pub size: u64,
    pub width: u32,
    pub height: u32,
    pub series: Option<SeriesRef>,
    pub receipt: Option<PhotoReceipt>,
    pub lock: ImageLock,
}

impl ImageRow {
    pub fn new(image: &ImageRef, lock: ImageLock) -> Self {
        Self {
            cid: image.cid.clone(),
            name: display(&image.name).into_owned(),
            mime: image.mime.clone(),
            size: image.size,
            width: image.width,
            height: image.height,
            series: image.series.clone(),
            receipt: image.receipt.clone(),
            lock,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionRow {
    pub id: OptionId,
    pub text: String,
    pub by: Person,
    pub count: u32,
    pub voters: Vec<Person>,
    pub mine: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollRow {
    pub id: EventId,
    pub case: EventId,
    pub asker: Person,
    pub you_asked: bool,
    pub question: String,
    pub options: Vec<OptionRow>,
    pub voted: u32,
    pub rules: PollRules,
    pub closed_at: Option<Millis>,
    /// The asker has signed two ends that differ.
    pub contradicted: bool,
    pub my_vote: Option<OptionId>,
    /// This person's vote that came too late, or that the asker had not seen.
    pub my_late_vote: Option<OptionId>,
    /// Votes that the close does not certify.
    pub late: u32,
    /// This person's vote on its way through the wallet.
    pub casting: Option<Casting>,
    /// This person's newest vote, or the poll itself before there is one.
    pub said: EventId,
    /// Of `said`.
    pub delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CaseRow {
    pub id: EventId,
    /// Place in the room's order.
    pub order: u64,
    pub author: Person,
    pub you: bool,
    pub caption: String,
    pub at: Millis,
    pub images: Vec<ImageRow>,
    pub polls: Vec<PollRow>,
    /// Measurements on its images.
    pub marks: Arc<Vec<Mark>>,
    /// When its images were last encrypted again under a new key.
    pub renewed: Option<Millis>,
    pub delivery: Delivery,
}

/// Stage of one attached image, from picking to shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Cleaned of metadata; `removed` counts what was taken out.
    Ready {
        removed: u32,
    },
    Checking,
    /// A series whose pixels a person has to look at before it can be shared.
    Unseen,
    Encrypting,
    Uploading {
        sent: u64,
        total: u64,
    },
    SavingShares {
        stored: u8,
        of: u8,
    },
    /// Stored, and being told to the room.
    Done,
    Failed(Trouble),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub id: u32,
    pub name: String,
    pub size: u64,
    /// A `blob:` URL of the cleaned picture.
    pub preview: Option<String>,
    pub stage: Stage,
    /// DICOM files, which can be looked at before they are shared.
    pub series: bool,
    /// Whether it goes with what is sent next: also what failed on its way before, and what is still being cleaned.
    pub goes: bool,
}
