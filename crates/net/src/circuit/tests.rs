//! The wire format: its bytes, what survives a round trip, and what is refused.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
};

use futures::{
    executor::block_on,
    future::{Either, join, pending, select, try_join},
};
use libp2p::{
    core::{
        muxing::{StreamMuxer, StreamMuxerBox, SubstreamBox},
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, Version},
    },
    identity::Keypair,
    yamux,
};
use multistream_select::dialer_select_proto;
use proptest::prelude::*;
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::*;
use crate::signal;

fn somebody() -> PeerId {
    Keypair::ed25519_from_bytes([7; 32])
        .unwrap()
        .public()
        .to_peer_id()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_are_those_of_the_specification() {
    let id = hex(&somebody().to_bytes());
    let limit = Some(Limit {
        seconds: 60,
        bytes: 65_536,
    });
    assert_eq!(hex(&HopMessage::Reserve.encode()), "0800");
    assert_eq!(
        hex(&HopMessage::Connect(somebody()).encode()),
        format!("080112280a26{id}")
    );
    let accepted = HopMessage::Status {
        status: Status::Ok,
        reservation: Some(Reservation {
            expire: 1_900_000_000,
            addresses: vec![vec![1, 2]],
        }),
        limit,
    };
    assert_eq!(
        hex(&accepted.encode()),
        "08021a0a0880e6fe890712020102 2206083c10808004 2864".replace(' ', "")
    );
    let calls = StopMessage::Connect {
        from: somebody(),
        limit,
    };
    assert_eq!(
        hex(&calls.encode()),
        format!("080012280a26{id}1a06083c10808004")
    );
    assert_eq!(
        hex(&StopMessage::Status(Status::PermissionDenied).encode()),
        "080120ca01"
    );
    assert_eq!(HopMessage::decode(&accepted.encode()), Ok(accepted));
    assert_eq!(StopMessage::decode(&calls.encode()), Ok(calls));
}

#[test]
fn what_breaks_a_rule_is_refused_by_that_rule() {
    assert_eq!(HopMessage::decode(&[]), Err(CircuitError::Type));
    assert_eq!(HopMessage::decode(&[8, 9]), Err(CircuitError::Type));
    assert_eq!(HopMessage::decode(&[8, 1]), Err(CircuitError::Peer));
    assert_eq!(HopMessage::decode(&[8, 2]), Err(CircuitError::Status));
    assert_eq!(StopMessage::decode(&[8, 0]), Err(CircuitError::Peer));
    assert_eq!(StopMessage::decode(&[8, 1]), Err(CircuitError::Status));
    // A peer id that is none.
    assert_eq!(
        HopMessage::decode(&[8, 1, 18, 4, 10, 2, 1, 2]),
        Err(CircuitError::Peer)
    );
    assert_eq!(
        HopMessage::decode(&[0x80; 16]),
        Err(CircuitError::Form(ProtobufError::Varint))
    );
}

async fn opened(muxer: &mut StreamMuxerBox) -> SubstreamBox {
    poll_fn(|cx| Pin::new(&mut *muxer).poll_outbound(cx))
        .await
        .unwrap()
}

/// js-libp2p asks on a circuit who we are, at the same time as it signals.
#[test]
fn the_stream_for_signalling_is_found_beside_others() {
    block_on(async {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (mut caller, mut called) = try_join(
            yamux::Config::default().upgrade_outbound(near.compat(), "/yamux/1.0.0"),
            yamux::Config::default().upgrade_inbound(far.compat(), "/yamux/1.0.0"),
        )
        .await
        .map(|(caller, called)| (StreamMuxerBox::new(caller), StreamMuxerBox::new(called)))
        .unwrap();
        let calls = async {
            let (one, other) = (opened(&mut caller).await, opened(&mut caller).await);
            let both = join(
                dialer_select_proto(one, ["/ipfs/id/1.0.0"], Version::V1),
                dialer_select_proto(other, [signal::PROTOCOL], Version::V1),
            );
            client::drive(&mut caller, both).await.unwrap()
        };
        let answers = async {
            let signals = client::signalling(&mut called, signal::PROTOCOL, false).await;
            // What was said on a stream leaves while the multiplexer is polled.
            client::drive(&mut called, pending::<()>()).await?;
            signals.map(drop)
        };
        match select(pin!(calls), pin!(answers)).await {
            Either::Left(((identify, signals), _)) => {
                assert!(identify.is_err(), "declined");
                assert!(signals.is_ok());
            }
            Either::Right((broken, _)) => panic!("{broken:?}"),
        }
    });
}

fn status() -> impl Strategy<Value = Status> {
    any::<u64>().prop_map(Status::of)
}

proptest! {
    #[test]
    fn answers_survive(status in status(), expire: u64, seconds: u64, bytes: u64, address: Vec<u8>) {
        let hop = HopMessage::Status {
            status,
            reservation: Some(Reservation { expire, addresses: vec![address] }),
            limit: Some(Limit { seconds, bytes }),
        };
        prop_assert_eq!(HopMessage::decode(&hop.encode()), Ok(hop));
        let stop = StopMessage::Status(status);
        prop_assert_eq!(StopMessage::decode(&stop.encode()), Ok(stop));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = HopMessage::decode(&bytes);
        let _ = StopMessage::decode(&bytes);
    }
}
