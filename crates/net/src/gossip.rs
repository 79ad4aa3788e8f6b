//! What travels live: one byte of kind, then the sealed bytes. The relay and the client speak
//! gossipsub; a room is a star around the relay.
//!
//! Gossip is the fast path only: nothing here promises delivery, the mailbox and `sync` do.

use std::time::Duration;

use healthsync_core::limits;
use libp2p::{
    PeerId,
    gossipsub::{
        self, AllowAllSubscriptionFilter, IdentityTransform, MaxCountSubscriptionFilter, MessageId,
        ValidationMode,
    },
    identity::Keypair,
};
use sha2::{Digest, Sha256};

/// Gossipsub with a bound on how many topics a peer may name.
pub type Gossip =
    gossipsub::Behaviour<IdentityTransform, MaxCountSubscriptionFilter<AllowAllSubscriptionFilter>>;

/// Topics one side may announce. Gossipsub puts all of them into one hello message, so this and
/// [`MAX_RPC`] belong together: 80 bytes are enough for each.
pub const MAX_TOPICS: usize = 3_000;
/// Longest gossipsub message on the wire; only a relay's hello with many topics comes near it.
const MAX_RPC: usize = MAX_TOPICS * 80 + 16 * 1024;

/// What a gossip message carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GossipKind {
    /// A sealed event: stored by the relay before it is passed on.
    Envelope,
    /// A sealed ephemeral: passed on, never stored.
    Ephemeral,
}

impl GossipKind {
    fn byte(self) -> u8 {
        match self {
            Self::Envelope => 1,
            Self::Ephemeral => 2,
        }
    }

    /// Longest content of this kind in bytes.
    pub fn limit(self) -> usize {
        match self {
            Self::Envelope => limits::ENVELOPE_BYTES,
            Self::Ephemeral => limits::EPHEMERAL_BYTES,
        }
    }
}

/// Kind byte and content as one gossip message; `None` when the content is too long.
pub fn encode(kind: GossipKind, content: &[u8]) -> Option<Vec<u8>> {
    (content.len() <= kind.limit()).then(|| {
        let mut data = Vec::with_capacity(content.len() + 1);
        data.push(kind.byte());
        data.extend_from_slice(content);
        data
    })
}

/// Splits a gossip message; `None` for an unknown kind, nothing inside, or too much.
pub fn decode(data: &[u8]) -> Option<(GossipKind, &[u8])> {
    let (kind, content) = data.split_first()?;
    let kind = match kind {
        1 => GossipKind::Envelope,
        2 => GossipKind::Ephemeral,
        _ => return None,
    };
    (!content.is_empty() && content.len() <= kind.limit()).then_some((kind, content))
}

/// To a member the id of a message is the hash of its data: the same envelope, sent by its author and published again
/// by the relay, is one message.
fn id_at_member(message: &gossipsub::Message) -> MessageId {
    MessageId::new(&Sha256::digest(&message.data))
}

/// To the relay they are two: it must be able to tell a room what gossipsub has taken for known and not passed on,
/// because it could not be checked then, or not in time. That it tells nothing twice it sees to itself.
fn id_at_relay(message: &gossipsub::Message) -> MessageId {
    let mut hash = Sha256::new();
    hash.update(message.source.map_or_else(Vec::new, PeerId::to_bytes));
    hash.update(&message.data);
    MessageId::new(&hash.finalize())
}

/// Gossipsub of a member: see [`behaviour_of_relay`].
pub fn behaviour(keypair: &Keypair) -> Gossip {
    with_ids(keypair, id_at_member)
}

/// Gossipsub for the middle of a star.
///
/// Both ends name the other an explicit peer once they know it (the relay: everybody it has let
/// into a room), so that every message goes to every member at once. The mesh would not do: with its
/// defaults everyone beyond the twelfth member gets messages a second late, and at any size a
/// message that arrives between SUBSCRIBE and GRAFT is never passed on.
pub fn behaviour_of_relay(keypair: &Keypair) -> Gossip {
    with_ids(keypair, id_at_relay)
}

fn with_ids(keypair: &Keypair, id: fn(&gossipsub::Message) -> MessageId) -> Gossip {
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .message_id_fn(id)
        .max_transmit_size(MAX_RPC)
        .duplicate_cache_time(Duration::from_secs(120))
        .flood_publish(true)
        .mesh_n_low(1)
        .mesh_outbound_min(0)
        // Redialling is the link's business, and the relay cannot dial browsers at all.
        .check_explicit_peers_ticks(u64::MAX)
        // 5,000 waiting messages for one slow peer would be a fifth of a gigabyte.
        .connection_handler_queue_len(1_024)
        .build()
        .expect("the numbers above obey gossipsub's rules");
    let filter = MaxCountSubscriptionFilter {
        filter: AllowAllSubscriptionFilter {},
        max_subscribed_topics: MAX_TOPICS,
        max_subscriptions_per_request: MAX_TOPICS,
    };
    gossipsub::Behaviour::new_with_subscription_filter(
        gossipsub::MessageAuthenticity::Signed(keypair.clone()),
        config,
        filter,
    )
    .expect("signing agrees with strict validation")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gossipsub_accepts_the_configuration() {
        let keypair = Keypair::generate_ed25519();
        behaviour(&keypair);
        behaviour_of_relay(&keypair);
    }

    #[test]
    fn messages_survive_encoding_and_odd_ones_are_refused() {
        for kind in [GossipKind::Envelope, GossipKind::Ephemeral] {
            let data = encode(kind, b"sealed").unwrap();
            assert_eq!(decode(&data), Some((kind, &b"sealed"[..])));
            assert!(encode(kind, &vec![0; kind.limit()]).is_some());
            assert!(encode(kind, &vec![0; kind.limit() + 1]).is_none());
        }
        assert_eq!(decode(b""), None);
        assert_eq!(decode(&[1]), None);
        assert_eq!(decode(&[3, 0]), None);
        assert_eq!(decode(&vec![2; limits::EPHEMERAL_BYTES + 2]), None);
        assert_eq!(decode(&vec![1; limits::ENVELOPE_BYTES + 2]), None);
    }
}
