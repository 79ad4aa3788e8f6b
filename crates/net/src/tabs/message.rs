//! The messages between tabs. All tabs are of one origin, so nothing is signed; lengths are checked all the same,
//! because what is said ends at a relay or in a page's memory. Integers are big endian.

use healthsync_core::{Millis, Person, Request, Response, RoomId};
use libp2p::PeerId;

use super::{NodeKey, TabId};
use crate::{
    ContentId, Layout, NetError, State, Status, Transport,
    address::{key_of_peer, peer_of_key},
    blob::wire,
    gossip,
};

/// Peers that a guest names for a room.
const MEMBERS: usize = 1_024;
/// Bytes of a reason; those that the node gives are a sentence.
const REASON: usize = 16 * 1_024;

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The guest that says it, or the one to which the host says it; 0 for all of them.
    pub tab: TabId,
    /// The host's node, in either direction; zeros from a guest that knows none. A host answers for this node only.
    pub node: NodeKey,
    /// Names a question and its answers; 0 where no answer is wanted.
    pub call: u32,
    /// What.
    pub say: Say,
}

/// What is said.
#[derive(Debug, Clone, PartialEq)]
pub enum Say {
    /// A guest, to whoever is the host: who are you?
    Who,
    /// A guest: ask the relay. `Leave` is about this tab alone.
    Ask(Request),
    /// A guest: send this gossip message to a room.
    Publish(RoomId, Vec<u8>),
    /// A guest: these members of a room can be reached.
    Members(RoomId, Vec<PeerId>),
    /// A guest: look at the connection.
    Wake,
    /// A guest has content for the members of a room; its bytes come beside the message.
    Keep(RoomId, ContentId, Layout),
    /// A guest wants content of a room's members.
    Fetch {
        /// Whose members.
        room: RoomId,
        /// What.
        content: ContentId,
        /// The most bytes.
        limit: u64,
        /// Whether to wait for members that are slow.
        patient: bool,
    },
    /// The host: this is my node. Also when something of it changes.
    Here {
        /// Since when: of two that say so, the later one has the lock.
        since: Millis,
        /// Whose it is, once somebody has joined a room by it.
        person: Option<Person>,
        /// Its connection, once it has said something of it.
        status: Option<Status>,
    },
    /// The host: somebody said this in a room, as a gossip message.
    Gossip(RoomId, Vec<u8>),
    /// The host: gossip may have been lost.
    Missed,
    /// The host, to `Ask`: what the relay said, or why it said nothing.
    Answer(Result<Response, NetError>),
    /// The host, to `Fetch`, again and again: bytes that are here, and bytes in all.
    Progress(u64, u64),
    /// The host, to `Fetch`, at last: the bytes come beside the message, or there are none.
    Fetched,
}

/// No message of this kind of tabs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message between tabs that cannot be read")]
pub struct Malformed;

impl Message {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, body) = self.say.encode();
        let mut bytes = Vec::with_capacity(45 + body.len());
        bytes.push(kind);
        bytes.extend(self.tab.to_be_bytes());
        bytes.extend(self.node);
        bytes.extend(self.call.to_be_bytes());
        bytes.extend(body);
        bytes
    }

    /// Reads one and checks what is in it.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, Malformed> {
        let bytes = &mut bytes;
        let [kind] = take(bytes)?;
        Ok(Self {
            tab: number(bytes)?,
            node: take(bytes)?,
            call: u32::from_be_bytes(take(bytes)?),
            say: Say::decode(kind, bytes)?,
        })
    }
}

impl Say {
    fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Who => (0, Vec::new()),
            Self::Ask(request) => (1, request.encode()),
            Self::Publish(room, data) => (2, [&room.0, &data[..]].concat()),
            Self::Members(room, members) => {
                let keys: Vec<NodeKey> = members.iter().filter_map(key_of_peer).collect();
                (3, [&room.0, keys.as_flattened()].concat())
            }
            Self::Wake => (4, Vec::new()),
            Self::Keep(room, content, layout) => {
                let layout = wire::Answer::Layout(layout.clone()).encode();
                (5, [&room.0, &content[..], &layout].concat())
            }
            Self::Fetch {
                room,
                content,
                limit,
                patient,
            } => {
                let limit = limit.to_be_bytes();
                let body = [&room.0, &content[..], &limit, &[u8::from(*patient)]].concat();
                (6, body)
            }
            Self::Here {
                since,
                person,
                status,
            } => {
                let person = person.as_ref().map_or(&[][..], |person| &person.0);
                let status = status.as_ref().map(encode_status).unwrap_or_default();
                let since = since.0.to_be_bytes();
                let body = [&since[..], &[person.len() as u8], person, &status].concat();
                (16, body)
            }
            Self::Gossip(room, data) => (17, [&room.0, &data[..]].concat()),
            Self::Missed => (18, Vec::new()),
            Self::Answer(answer) => (19, encode_answer(answer)),
            Self::Progress(have, all) => (20, [have.to_be_bytes(), all.to_be_bytes()].concat()),
            Self::Fetched => (21, Vec::new()),
        }
    }

    fn decode(kind: u8, bytes: &mut &[u8]) -> Result<Self, Malformed> {
        let say = match kind {
            0 => Self::Who,
            1 => Self::Ask(Request::decode(rest(bytes)).map_err(|_| Malformed)?),
            2 => Self::Publish(RoomId(take(bytes)?), gossip(bytes)?),
            3 => {
                let room = RoomId(take(bytes)?);
                let (keys, over) = rest(bytes).as_chunks::<32>();
                if !over.is_empty() || keys.len() > MEMBERS {
                    return Err(Malformed);
                }
                Self::Members(room, keys.iter().filter_map(peer_of_key).collect())
            }
            4 => Self::Wake,
            5 => {
                let (room, content) = (RoomId(take(bytes)?), take(bytes)?);
                let Ok(wire::Answer::Layout(layout)) = wire::Answer::decode(rest(bytes)) else {
                    return Err(Malformed);
                };
                Self::Keep(room, content, layout)
            }
            6 => Self::Fetch {
                room: RoomId(take(bytes)?),
                content: take(bytes)?,
                limit: number(bytes)?,
                patient: take(bytes)? != [0],
            },
            16 => Self::Here {
                since: Millis(number(bytes)?),
                person: match take(bytes)? {
                    [0] => None,
                    [20] => Some(Person(take(bytes)?)),
                    _ => return Err(Malformed),
                },
                status: match bytes.is_empty() {
                    true => None,
                    false => Some(decode_status(bytes)?),
                },
            },
            17 => Self::Gossip(RoomId(take(bytes)?), gossip(bytes)?),
            18 => Self::Missed,
            19 => Self::Answer(decode_answer(bytes)?),
            20 => Self::Progress(number(bytes)?, number(bytes)?),
            21 => Self::Fetched,
            _ => return Err(Malformed),
        };
        // Nothing may follow.
        bytes.is_empty().then_some(say).ok_or(Malformed)
    }
}

fn encode_status(status: &Status) -> Vec<u8> {
    let state = match status.state {
        State::Connecting => 0,
        State::Connected => 1,
        State::Offline => 2,
    };
    let transport = match status.transport {
        None => 0,
        Some(Transport::WebRtc) => 1,
        Some(Transport::WebSocket) => 2,
    };
    let reason = status.reason.as_deref();
    let mut bytes = vec![state, transport, u8::from(reason.is_some())];
    bytes.extend(status.rtt_ms.unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(status.direct_peers.to_be_bytes());
    bytes.extend(status.since.0.to_be_bytes());
    bytes.extend(reason.unwrap_or_default().as_bytes());
    bytes
}

fn decode_status(bytes: &mut &[u8]) -> Result<Status, Malformed> {
    let [state, transport, has_reason] = take(bytes)?;
    let state = match state {
        0 => State::Connecting,
        1 => State::Connected,
        2 => State::Offline,
        _ => return Err(Malformed),
    };
    let transport = match transport {
        0 => None,
        1 => Some(Transport::WebRtc),
        2 => Some(Transport::WebSocket),
        _ => return Err(Malformed),
    };
    let rtt = u32::from_be_bytes(take(bytes)?);
    let status = Status {
        state,
        transport,
        rtt_ms: (rtt != u32::MAX).then_some(rtt),
        relay_peers: u32::from(state == State::Connected),
        direct_peers: u32::from_be_bytes(take(bytes)?),
        since: Millis(number(bytes)?),
        reason: match has_reason {
            0 => None,
            _ => Some(text(bytes)?),
        },
    };
    Ok(status)
}

fn encode_answer(answer: &Result<Response, NetError>) -> Vec<u8> {
    let (kind, rest) = match answer {
        Ok(response) => (0, response.encode()),
        Err(NetError::Offline) => (1, Vec::new()),
        Err(NetError::Timeout) => (2, Vec::new()),
        // A handle makes this of a response itself.
        Err(NetError::Refused { message, .. } | NetError::Protocol(message)) => {
            (3, message.as_bytes().to_vec())
        }
    };
    [&[kind], &rest[..]].concat()
}

fn decode_answer(bytes: &mut &[u8]) -> Result<Result<Response, NetError>, Malformed> {
    Ok(match take(bytes)? {
        [0] => Ok(Response::decode(rest(bytes)).map_err(|_| Malformed)?),
        [1] => Err(NetError::Offline),
        [2] => Err(NetError::Timeout),
        [3] => Err(NetError::Protocol(text(bytes)?)),
        _ => return Err(Malformed),
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], Malformed> {
    let (head, rest) = bytes.split_first_chunk().ok_or(Malformed)?;
    *bytes = rest;
    Ok(*head)
}

fn number(bytes: &mut &[u8]) -> Result<u64, Malformed> {
    take(bytes).map(u64::from_be_bytes)
}

fn rest<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    std::mem::take(bytes)
}

fn gossip(bytes: &mut &[u8]) -> Result<Vec<u8>, Malformed> {
    let data = rest(bytes);
    gossip::decode(data).map(|_| data.to_vec()).ok_or(Malformed)
}

fn text(bytes: &mut &[u8]) -> Result<String, Malformed> {
    let text = std::str::from_utf8(rest(bytes)).map_err(|_| Malformed)?;
    let fits = text.len() <= REASON;
    fits.then(|| text.to_owned()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use healthsync_core::{RefusalCode, limits};

    use super::*;
    use crate::{GossipKind, Keypair, blob::CHUNK};

    const ROOM: RoomId = RoomId([7; 32]);

    fn layout() -> Layout {
        Layout {
            size: CHUNK as u64 + 5,
            digests: vec![[1; 32], [2; 32]],
        }
    }

    fn peer() -> PeerId {
        Keypair::generate_ed25519().public().to_peer_id()
    }

    fn says() -> Vec<Say> {
        let data = gossip::encode(GossipKind::Envelope, b"sealed").unwrap();
        let connected = Status {
            state: State::Connected,
            transport: Some(Transport::WebRtc),
            rtt_ms: Some(12),
            relay_peers: 1,
            direct_peers: 3,
            reason: Some("why".to_owned()),
            since: Millis(9),
        };
        let offline = Status {
            state: State::Offline,
            transport: None,
            rtt_ms: None,
            relay_peers: 0,
            reason: None,
            ..connected.clone()
        };
        let here = |person, status| Say::Here {
            since: Millis(5),
            person,
            status,
        };
        let refused = Response::Refused {
            code: RefusalCode::NotAllowed,
            message: "no".to_owned(),
        };
        vec![
            Say::Who,
            Say::Ask(Request::Leave { room: ROOM }),
            Say::Publish(ROOM, data.clone()),
            Say::Members(ROOM, vec![peer(), peer()]),
            Say::Members(ROOM, vec![]),
            Say::Wake,
            Say::Keep(ROOM, [4; 36], layout()),
            Say::Fetch {
                room: ROOM,
                content: std::array::from_fn(|i| i as u8),
                limit: u64::MAX,
                patient: true,
            },
            here(None, None),
            here(Some(Person([2; 20])), None),
            here(None, Some(offline)),
            here(Some(Person([2; 20])), Some(connected)),
            Say::Gossip(ROOM, data),
            Say::Missed,
            Say::Answer(Ok(Response::Left)),
            Say::Answer(Ok(refused)),
            Say::Answer(Err(NetError::Offline)),
            Say::Answer(Err(NetError::Timeout)),
            Say::Answer(Err(NetError::Protocol("odd".to_owned()))),
            Say::Progress(1, 2),
            Say::Fetched,
        ]
    }

    fn message(say: Say) -> Message {
        Message {
            tab: 1,
            node: [8; 32],
            call: 300,
            say,
        }
    }

    #[test]
    fn every_message_survives() {
        for say in says() {
            let message = message(say);
            assert_eq!(Message::decode(&message.encode()), Ok(message));
        }
    }

    /// What ends in a text may be longer or shorter; nothing else may.
    #[test]
    fn nothing_may_follow_or_be_missing() {
        for say in says() {
            let bytes = message(say.clone()).encode();
            for cut in 0..bytes.len() {
                let read = Message::decode(&bytes[..cut]);
                assert!(read != Ok(message(say.clone())), "{say:?} without its end");
                // Neither a part of it nor anything made of it takes more than it is.
                assert!(read.is_err() || cut >= 45);
            }
            let longer = [&bytes[..], &[0]].concat();
            assert_ne!(Message::decode(&longer), Ok(message(say)));
        }
        for say in [
            Say::Who,
            Say::Wake,
            Say::Missed,
            Say::Fetched,
            Say::Progress(1, 2),
        ] {
            let longer = [&message(say).encode()[..], &[0]].concat();
            assert_eq!(Message::decode(&longer), Err(Malformed));
        }
    }

    /// Tabs of two releases may be open side by side: what changes here needs another number in the name.
    #[test]
    fn the_form_stays() {
        let bytes = message(Say::Progress(1, 2)).encode();
        let head = [&[20, 0, 0, 0, 0, 0, 0, 0, 1][..], &[8; 32], &[0, 0, 1, 44]].concat();
        let body = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2];
        assert_eq!(bytes, [&head[..], &body].concat());
    }

    #[test]
    fn what_is_too_long_or_odd_is_refused() {
        let read = |kind: u8, body: &[u8]| {
            let mut bytes = message(Say::Who).encode();
            bytes[0] = kind;
            bytes.extend(body);
            Message::decode(&bytes)
        };
        let room = ROOM.0;
        let longest = [&[2], &vec![0; limits::EPHEMERAL_BYTES][..]].concat();
        for kind in [2, 17] {
            assert!(read(kind, &[&room, &longest[..]].concat()).is_ok());
            assert!(read(kind, &[&room, &longest[..], &[0]].concat()).is_err());
            assert!(
                read(kind, &[&room[..], &[9, 9]].concat()).is_err(),
                "no such kind"
            );
            assert!(read(kind, &room).is_err(), "nothing in it");
        }
        assert!(read(1, &[1, 250]).is_err(), "no such request");
        assert!(read(1, &vec![0; limits::REQUEST_BYTES + 1]).is_err());
        assert!(read(3, &[&room[..], &[0; 31]].concat()).is_err());
        assert!(read(3, &[&room[..], &vec![0; 32 * (MEMBERS + 1)]].concat()).is_err());
        let mut odd = layout();
        odd.digests.pop();
        let keep = message(Say::Keep(ROOM, [0; 36], odd));
        assert_eq!(Message::decode(&keep.encode()), Err(Malformed));
        assert!(read(16, &[&[0; 8][..], &[19], &[0; 19]].concat()).is_err());
        for status in [[3, 0, 0], [0, 3, 0]] {
            let body = [&[0; 9][..], &status, &[0; 16]].concat();
            assert!(read(16, &body).is_err(), "no such state or transport");
        }
        assert!(read(19, &[4]).is_err());
        assert!(read(19, &[0, 1, 250]).is_err(), "no such response");
        assert!(read(19, &[3, 255]).is_err(), "no text");
        assert!(read(19, &vec![3; REASON + 1]).is_ok());
        assert!(read(19, &vec![3; REASON + 2]).is_err());
        for kind in (7..16).chain(22..=255) {
            assert!(read(kind, &[]).is_err());
        }
        assert_eq!(Message::decode(&[]), Err(Malformed));
    }
}
