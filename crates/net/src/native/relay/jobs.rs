//! What the relay has to ask of the policy, one job after the other for each peer. Jobs run beside
//! the swarm, so that a slow disk or chain never stops the network.

use std::sync::Arc;

use healthsync_core::{
    Envelope, RefusalCode, Response, RoomId, SignedDelegation, VersionVector, limits,
};
use libp2p::{PeerId, gossipsub::MessageId, request_response::ResponseChannel};

use super::{
    super::{Admission, Outcome, Policy, Refusal},
    rooms::Admitted,
};

/// Bytes of a response that are not envelopes: version, enum tag, count, flag.
const PAGE_OVERHEAD: usize = 64;
/// Length prefix of each envelope in a page.
const ENVELOPE_OVERHEAD: usize = 4;

/// Something to ask, already checked for size, membership and rate.
#[derive(Debug)]
pub(super) enum Job {
    Join {
        room: RoomId,
        delegation: SignedDelegation,
        signature: [u8; 64],
        channel: ResponseChannel<Response>,
    },
    Push {
        room: RoomId,
        envelopes: Vec<Vec<u8>>,
        channel: ResponseChannel<Response>,
    },
    Pull {
        room: RoomId,
        have: VersionVector,
        /// The newest up to here first; without it the oldest first.
        upto: Option<VersionVector>,
        limit: u32,
        channel: ResponseChannel<Response>,
    },
    Leave {
        room: RoomId,
        channel: ResponseChannel<Response>,
    },
    /// Decides whether it is passed on.
    Gossip {
        room: RoomId,
        message: MessageId,
        envelope: Vec<u8>,
    },
    /// Follows a gossip message that was passed on.
    Keep {
        admitted: Admitted,
        envelope: Vec<u8>,
    },
}

/// What came of a job; the actor acts on it.
#[derive(Debug)]
pub(super) enum Done {
    Join {
        room: RoomId,
        result: Result<Admission, Refusal>,
        channel: ResponseChannel<Response>,
    },
    /// `new` are the envelopes that the room has not heard of yet.
    Push {
        room: RoomId,
        new: Vec<Vec<u8>>,
        response: Response,
        channel: ResponseChannel<Response>,
    },
    Answer {
        response: Response,
        channel: ResponseChannel<Response>,
    },
    Leave {
        room: RoomId,
        channel: ResponseChannel<Response>,
    },
    /// `Ok` is what has to be kept now.
    Gossip {
        room: RoomId,
        message: MessageId,
        result: Result<(Admitted, Vec<u8>), Refusal>,
    },
    Kept,
}

impl Job {
    /// Whether the job needs an admission, and to which room.
    pub(super) fn needs_admission(&self) -> Option<RoomId> {
        match self {
            Self::Join { .. } | Self::Leave { .. } | Self::Keep { .. } => None,
            Self::Push { room, .. } | Self::Pull { room, .. } | Self::Gossip { room, .. } => {
                Some(*room)
            }
        }
    }

    /// The job's end when the peer is not (or no longer) in the room.
    pub(super) fn not_joined(self) -> Done {
        let refusal = Refusal::new(
            RefusalCode::NotJoined,
            "This connection is not in the room. Join it first.",
        );
        match self {
            Self::Gossip { room, message, .. } => Done::Gossip {
                room,
                message,
                result: Err(refusal),
            },
            Self::Keep { .. } => Done::Kept,
            Self::Join { channel, .. }
            | Self::Push { channel, .. }
            | Self::Pull { channel, .. }
            | Self::Leave { channel, .. } => Done::Answer {
                response: refused(refusal),
                channel,
            },
        }
    }

    /// Asks the policy. `admitted` is there for jobs that need an admission.
    pub(super) async fn run(
        self,
        peer: PeerId,
        admitted: Option<Admitted>,
        policy: Arc<dyn Policy>,
    ) -> Done {
        match (self, admitted) {
            (
                Self::Join {
                    room,
                    delegation,
                    signature,
                    channel,
                },
                _,
            ) => {
                let result = policy
                    .join(peer.to_bytes(), room, &delegation, &signature)
                    .await;
                Done::Join {
                    room,
                    result,
                    channel,
                }
            }
            (Self::Leave { room, channel }, _) => Done::Leave { room, channel },
            (
                Self::Push {
                    room,
                    envelopes,
                    channel,
                },
                Some(admitted),
            ) => {
                let mut new = Vec::new();
                let response = push(&*policy, admitted, room, envelopes, &mut new)
                    .await
                    .unwrap_or_else(refused);
                Done::Push {
                    room,
                    new,
                    response,
                    channel,
                }
            }
            (
                Self::Pull {
                    room,
                    have,
                    upto,
                    limit,
                    channel,
                },
                Some(_),
            ) => Done::Answer {
                response: pull(&*policy, room, have, upto, limit)
                    .await
                    .unwrap_or_else(refused),
                channel,
            },
            (
                Self::Gossip {
                    room,
                    message,
                    envelope,
                    ..
                },
                Some(admitted),
            ) => Done::Gossip {
                room,
                message,
                result: policy
                    .check(admitted, room, &envelope)
                    .await
                    .map(|()| (admitted, envelope)),
            },
            (Self::Keep { admitted, envelope }, _) => {
                // Who wrote it hears of a failure from the push that follows, and pushes until it is kept.
                if let Err(refusal) = policy.keep(admitted, envelope).await {
                    tracing::debug!(%refusal, "an envelope was passed on and could not be kept");
                }
                Done::Kept
            }
            (job, None) => job.not_joined(),
        }
    }
}

/// Whether the bytes are an envelope for this room, before anything costly is done with them.
pub(super) fn names_room(envelope: &[u8], room: RoomId) -> bool {
    Envelope::decode_unverified(envelope).is_ok_and(|envelope| envelope.room == room)
}

/// A refusal as a response; its text fits the protocol's limit.
pub(super) fn refused(refusal: Refusal) -> Response {
    Response::Refused {
        code: refusal.code,
        message: sentence(refusal.message),
    }
}

fn sentence(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(limits::REASON_BYTES));
    text
}

async fn push(
    policy: &dyn Policy,
    admitted: Admitted,
    room: RoomId,
    envelopes: Vec<Vec<u8>>,
    new: &mut Vec<Vec<u8>>,
) -> Result<Response, Refusal> {
    let mut rejected = Vec::new();
    for (index, envelope) in (0..).zip(envelopes) {
        if !names_room(&envelope, room) {
            rejected.push((index, "This is no envelope of this room.".to_owned()));
            continue;
        }
        match policy.store(admitted, room, envelope.clone()).await {
            Ok(Outcome::New) => new.push(envelope),
            Ok(Outcome::Known) => {}
            // What follows one that was not taken is refused for the gap, too, and the first reason must not be lost.
            Err(refusal)
                if refusal.about_envelope
                    || (refusal.code == RefusalCode::NotAllowed && !rejected.is_empty()) =>
            {
                rejected.push((index, sentence(refusal.message)));
            }
            // What is stored so far stays stored and goes out; the sender asks again for the rest.
            Err(refusal) => return Err(refusal),
        }
    }
    Ok(Response::Stored {
        have: policy.heads(room).await?,
        rejected,
    })
}

async fn pull(
    policy: &dyn Policy,
    room: RoomId,
    have: VersionVector,
    upto: Option<VersionVector>,
    limit: u32,
) -> Result<Response, Refusal> {
    let limit = limit.min(u32::try_from(limits::ENVELOPES).unwrap_or(u32::MAX));
    let page = match upto {
        None => policy.page(room, have, limit).await?,
        Some(upto) => policy.newest(room, have, upto, limit).await?,
    };
    let mut room_left = limits::RESPONSE_BYTES - PAGE_OVERHEAD;
    let fitting = page
        .envelopes
        .iter()
        .take(limits::ENVELOPES)
        .take_while(|envelope| {
            let size = envelope.len() + ENVELOPE_OVERHEAD;
            let fits = size <= room_left;
            room_left = room_left.saturating_sub(size);
            fits
        })
        .count();
    let more = page.more || fitting < page.envelopes.len();
    let mut envelopes = page.envelopes;
    envelopes.truncate(fitting);
    Ok(Response::Page { envelopes, more })
}
