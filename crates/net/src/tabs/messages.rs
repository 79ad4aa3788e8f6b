//! What tabs say to each other: one version byte, then postcard; trailing bytes are refused. All tabs are the same
//! origin's, so nothing here is signed; lengths are checked, because a tab may run an older or newer page.

use std::ops::Range;

use healthsync_core::{Person, Request, Response, RoomId, SyncError, limits};
use serde::{Deserialize, Serialize};

use crate::{
    ContentId, GossipKind, Layout, NetError, Status,
    blob::{CHUNK, CHUNKS},
    gossip,
};

/// Another number is another set of tabs: they share locks and channel only with their like.
pub const VERSION: u8 = 1;

/// Longest message: the relay's longest answer, or the layout of the longest content.
pub const MESSAGE_BYTES: usize = limits::RESPONSE_BYTES + 64 * 1024;
/// Peers that a guest names for a room.
const MEMBERS: usize = 1_024;

/// One tab, as long as its page lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TabId(pub u64);

impl std::fmt::Display for TabId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it.
    pub from: TabId,
    /// To whom; `None` for every tab.
    pub to: Option<TabId>,
    /// What.
    pub say: Say,
}

/// How the holder's node is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Here {
    /// The key of its peer id: what a guest's device signs to join.
    pub peer: [u8; 32],
    /// Whose node it is, once somebody has joined a room by it.
    pub person: Option<Person>,
    /// Whether the holder's page is hidden, so that the browser slows it down.
    pub hidden: bool,
    /// Its connection, once it has said something of it.
    pub status: Option<Status>,
}

/// What is said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Say {
    /// Anybody: who has the node?
    Who,
    /// The holder: I have, and it is so. Also when that changes.
    Here(Here),
    /// Whoever was the holder: not any more.
    Gone,
    /// The holder: somebody said this in a room.
    Gossip {
        /// Where.
        room: RoomId,
        /// What it carries.
        kind: GossipKind,
        /// The sealed bytes.
        bytes: Vec<u8>,
    },
    /// The holder: gossip may have been lost.
    Missed,
    /// A guest: ask the relay this, an encoded [`Request`].
    Ask {
        /// Names the answer.
        call: u32,
        /// The encoded request.
        request: Vec<u8>,
    },
    /// A guest: get this from other members.
    Fetch {
        /// Names the answer.
        call: u32,
        /// Whose members.
        room: RoomId,
        /// What.
        #[serde(with = "content")]
        content: ContentId,
        /// The most bytes.
        limit: u64,
        /// How long members may say nothing.
        patience_ms: Option<u32>,
    },
    /// A guest: nobody waits for this any more.
    Stop {
        /// Which.
        call: u32,
    },
    /// A guest has closed a room.
    Leave(RoomId),
    /// A guest: send this gossip message.
    Publish(RoomId, Vec<u8>),
    /// A guest: these peers are members of a room, by their keys.
    Members(RoomId, Vec<[u8; 32]>),
    /// A guest: look at the connection.
    Wake,
    /// A guest has content for members of a room; the bytes come beside the message.
    Keep {
        /// Whose members.
        room: RoomId,
        /// Which.
        #[serde(with = "content")]
        content: ContentId,
        /// How it is cut.
        layout: Layout,
    },
    /// The holder: to what a guest has asked.
    Answer {
        /// The call.
        call: u32,
        /// What came of it.
        answer: Answer,
    },
}

/// What came of a guest's call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// To `Ask`: the relay's encoded [`Response`].
    Response(Vec<u8>),
    /// To `Ask`.
    Failed(NetError),
    /// To `Ask`: the node belongs to somebody else.
    NotYours,
    /// To `Fetch`, again and again: bytes proved, bytes in all.
    Progress(u64, u64),
    /// To `Fetch`: what was found; all bytes come beside the message.
    Found(Layout, Vec<Range<u64>>),
    /// To `Fetch`.
    Nothing,
}

impl Message {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        postcard::to_extend(self, vec![VERSION]).expect("plain values always encode")
    }

    /// Reads and checks lengths and counts.
    pub fn decode(bytes: &[u8]) -> Result<Self, SyncError> {
        limits::check_count("The message", "bytes", bytes.len(), MESSAGE_BYTES)?;
        let Some((&VERSION, rest)) = bytes.split_first() else {
            return Err(SyncError::Version);
        };
        let (message, after): (Self, _) =
            postcard::take_from_bytes(rest).map_err(|_| SyncError::Form)?;
        if !after.is_empty() {
            return Err(SyncError::Trailing(after.len()));
        }
        message.say.check()?;
        Ok(message)
    }
}

impl Say {
    fn check(&self) -> Result<(), SyncError> {
        let sound = match self {
            Self::Gossip { kind, bytes, .. } => !bytes.is_empty() && bytes.len() <= kind.limit(),
            Self::Publish(_, data) => gossip::decode(data).is_some(),
            Self::Members(_, members) => members.len() <= MEMBERS,
            Self::Keep { layout, .. } => layout.is_sound(),
            Self::Answer { answer, .. } => match answer {
                Answer::Found(layout, gaps) => layout.is_sound() && gaps_fit(layout, gaps),
                Answer::Response(_)
                | Answer::Failed(_)
                | Answer::NotYours
                | Answer::Progress(..)
                | Answer::Nothing => true,
            },
            Self::Who
            | Self::Here(_)
            | Self::Gone
            | Self::Missed
            | Self::Ask { .. }
            | Self::Fetch { .. }
            | Self::Stop { .. }
            | Self::Leave(_)
            | Self::Wake => true,
        };
        sound.then_some(()).ok_or(SyncError::Form)
    }
}

/// A request as the guest's handle made it; the relay's own limits hold.
pub fn request(bytes: &[u8]) -> Result<Request, NetError> {
    Request::decode(bytes).map_err(|error| NetError::Protocol(error.to_string()))
}

/// The relay's answer as the holder got it.
pub fn response(bytes: &[u8]) -> Result<Response, NetError> {
    Response::decode(bytes).map_err(|error| NetError::Protocol(error.to_string()))
}

fn gaps_fit(layout: &Layout, gaps: &[Range<u64>]) -> bool {
    gaps.len() <= CHUNKS
        && gaps.iter().all(|gap| {
            gap.start < gap.end && gap.end <= layout.size && gap.start.is_multiple_of(CHUNK as u64)
        })
}

/// Serde has no arrays of 36.
mod content {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::ContentId;

    pub(super) fn serialize<S: Serializer>(id: &ContentId, to: S) -> Result<S::Ok, S::Error> {
        let (head, digest) = id.split_at(4);
        (
            <[u8; 4]>::try_from(head).expect("four of 36"),
            <[u8; 32]>::try_from(digest).expect("the other 32"),
        )
            .serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<ContentId, D::Error> {
        let (head, digest) = <([u8; 4], [u8; 32])>::deserialize(from)?;
        let mut id = [0; 36];
        id[..4].copy_from_slice(&head);
        id[4..].copy_from_slice(&digest);
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use healthsync_core::{Millis, RefusalCode};

    use super::*;
    use crate::{State, Transport};

    const ROOM: RoomId = RoomId([7; 32]);

    fn layout() -> Layout {
        Layout {
            size: CHUNK as u64 + 5,
            digests: vec![[1; 32], [2; 32]],
        }
    }

    fn says() -> Vec<Say> {
        let here = Here {
            peer: [1; 32],
            person: Some(Person([2; 20])),
            hidden: true,
            status: Some(Status {
                state: State::Connected,
                transport: Some(Transport::WebRtc),
                rtt_ms: Some(12),
                relay_peers: 1,
                direct_peers: 3,
                reason: Some("why".to_owned()),
                since: Millis(9),
            }),
        };
        let request = Request::Leave { room: ROOM }.encode();
        let mut says = vec![
            Say::Who,
            Say::Here(here),
            Say::Gone,
            Say::Gossip {
                room: ROOM,
                kind: GossipKind::Ephemeral,
                bytes: vec![1],
            },
            Say::Missed,
            Say::Ask { call: 300, request },
            Say::Fetch {
                call: 1,
                room: ROOM,
                content: std::array::from_fn(|i| i as u8),
                limit: u64::MAX,
                patience_ms: Some(2_000),
            },
            Say::Stop { call: 1 },
            Say::Leave(ROOM),
            Say::Publish(
                ROOM,
                gossip::encode(GossipKind::Envelope, b"sealed").unwrap(),
            ),
            Say::Members(ROOM, vec![[3; 32]; 2]),
            Say::Wake,
            Say::Keep {
                room: ROOM,
                content: [4; 36],
                layout: layout(),
            },
        ];
        let gap = CHUNK as u64..CHUNK as u64 + 5;
        says.extend(
            [
                Answer::Response(Response::Left.encode()),
                Answer::Failed(NetError::Refused {
                    code: RefusalCode::NotAllowed,
                    message: "no".to_owned(),
                }),
                Answer::NotYours,
                Answer::Progress(1, 2),
                Answer::Found(layout(), vec![gap]),
                Answer::Nothing,
            ]
            .map(|answer| Say::Answer { call: 5, answer }),
        );
        says
    }

    fn message(say: Say) -> Message {
        Message {
            from: TabId(1),
            to: Some(TabId(u64::MAX)),
            say,
        }
    }

    #[test]
    fn every_message_survives_and_nothing_may_follow_or_be_missing() {
        for say in says() {
            let message = message(say);
            let bytes = message.encode();
            assert_eq!(Message::decode(&bytes).unwrap(), message);
            let longer = [&bytes[..], &[0]].concat();
            assert_eq!(Message::decode(&longer), Err(SyncError::Trailing(1)));
            assert!(Message::decode(&bytes[..bytes.len() - 1]).is_err());
            let newer = [&[VERSION + 1], &bytes[1..]].concat();
            assert_eq!(Message::decode(&newer), Err(SyncError::Version));
        }
        assert_eq!(Message::decode(&[]), Err(SyncError::Version));
    }

    /// Tabs of two releases may be open side by side: what changes here needs another [`VERSION`].
    #[test]
    fn the_form_stays() {
        let bytes = message(Say::Members(ROOM, vec![[3; 32]])).encode();
        let id = [vec![1, 1, 1], vec![255; 9], vec![1]].concat();
        let say = [vec![10, 32], vec![7; 32], vec![1], vec![3; 32]].concat();
        assert_eq!(bytes, [id, say].concat());
    }

    #[test]
    fn what_is_too_long_or_odd_is_refused() {
        let refused = |say| Message::decode(&message(say).encode()).is_err();
        let gossip = |bytes| Say::Gossip {
            room: ROOM,
            kind: GossipKind::Ephemeral,
            bytes,
        };
        assert!(!refused(gossip(vec![0; limits::EPHEMERAL_BYTES])));
        assert!(refused(gossip(vec![0; limits::EPHEMERAL_BYTES + 1])));
        assert!(refused(gossip(Vec::new())));
        assert!(refused(Say::Publish(ROOM, vec![9, 9])));
        assert!(refused(Say::Members(ROOM, vec![[0; 32]; MEMBERS + 1])));
        let mut odd = layout();
        odd.digests.pop();
        assert!(refused(Say::Keep {
            room: ROOM,
            content: [0; 36],
            layout: odd,
        }));
        for gap in [1..2, 0..0, 0..CHUNK as u64 * 2] {
            let answer = Answer::Found(layout(), vec![gap]);
            assert!(refused(Say::Answer { call: 0, answer }));
        }
        let request = vec![0; MESSAGE_BYTES];
        assert!(refused(Say::Ask { call: 0, request }));
        assert!(request_is_refused(&[1, 250]));
    }

    fn request_is_refused(bytes: &[u8]) -> bool {
        matches!(request(bytes), Err(NetError::Protocol(_)))
    }

    #[test]
    fn the_longest_layout_and_the_longest_answer_fit() {
        let longest = Layout {
            size: (CHUNKS * CHUNK) as u64,
            digests: vec![[255; 32]; CHUNKS],
        };
        // Every second chunk is missing.
        let gaps = (0..CHUNKS as u64 / 2)
            .map(|i| i * 2 * CHUNK as u64..(i * 2 + 1) * CHUNK as u64)
            .collect();
        let mut answers = vec![Answer::Found(longest, gaps)];
        answers.push(Answer::Response(vec![0; limits::RESPONSE_BYTES]));
        for answer in answers {
            let message = message(Say::Answer { call: 1, answer });
            assert_eq!(Message::decode(&message.encode()).unwrap(), message);
        }
    }
}
