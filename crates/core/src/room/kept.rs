//! An event as a log keeps it. A room has very many and needs nearly none of them again, so what the fold has taken out
//! of an event is not here a second time: only its place and the bytes that do not follow from that.

use crate::{
    event::{Event, Kind, SignedEvent, VERSION},
    ids::{DeviceKey, EventId, Millis, Person, RoomId},
};

/// What stands for the kind in [`Kept::head`].
const NO_KIND: &[u8] = br#"{"type":"unknown"}}"#;

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub(super) id: EventId,
    pub(super) prev: Option<EventId>,
    pub(super) lamport: u64,
    person: Person,
    at: Millis,
    signature: [u8; 64],
    /// The signed bytes after [`Self::head`]; all of them where they do not begin with it.
    rest: Box<[u8]>,
    whole: bool,
}

impl Kept {
    pub(super) fn new(signed: &SignedEvent) -> Self {
        let event = &signed.event;
        let mut kept = Self {
            id: signed.id(),
            prev: event.prev,
            lamport: event.lamport,
            person: event.person,
            at: event.at,
            signature: signed.signature,
            rest: Box::default(),
            whole: false,
        };
        let head = kept.head(event.room, (event.device, event.seq));
        let rest = signed.bytes.strip_prefix(&head[..]);
        kept.whole = rest.is_none();
        kept.rest = rest.unwrap_or(&signed.bytes).into();
        kept
    }

    /// The event again, with exactly the bytes that were signed.
    pub(super) fn event(&self, room: RoomId, at: (DeviceKey, u64)) -> SignedEvent {
        let mut bytes = match self.whole {
            true => Vec::new(),
            false => self.head(room, at),
        };
        bytes.extend_from_slice(&self.rest);
        SignedEvent::again(bytes, self.signature, self.id)
    }

    /// How an event of this place begins, up to its kind, when it is written as it should be.
    fn head(&self, room: RoomId, (device, seq): (DeviceKey, u64)) -> Vec<u8> {
        let event = Event {
            v: VERSION,
            room,
            person: self.person,
            device,
            seq,
            prev: self.prev,
            lamport: self.lamport,
            at: self.at,
            kind: Kind::Unknown,
        };
        let mut bytes = event.encode();
        bytes.truncate(bytes.len() - NO_KIND.len());
        bytes
    }
}
