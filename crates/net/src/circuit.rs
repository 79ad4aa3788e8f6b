//! Circuit relay v2: how two browsers that can only dial reach each other through the server, for as
//! long as it takes to agree on a direct link.
//!
//! Implements the messages of the specification's sections "Hop Protocol", "Stop Protocol" and
//! "Protobuf" (libp2p/specs, relay/circuit-v2.md): [`HopMessage`] and [`StopMessage`] are the whole
//! wire format, [`client`] is what a browser does. The relay's side is `native::relay::circuits`. Our
//! relay gives no vouchers; the specification calls them advisory.

pub mod client;
pub(crate) mod transport;

pub use transport::{Finish, Linked};

use libp2p::{PeerId, StreamProtocol};

use crate::protobuf::{ProtobufError, Reader, Value, put_bytes, put_number};

/// Between a client and the relay.
pub const HOP: StreamProtocol = StreamProtocol::new("/libp2p/circuit/relay/0.2.0/hop");
/// Between the relay and the client that is called.
pub const STOP: StreamProtocol = StreamProtocol::new("/libp2p/circuit/relay/0.2.0/stop");
/// Longest message of either protocol.
pub const MESSAGE_BYTES: usize = 4 * 1024;

/// How the relay or the client that is called has answered. Numbers as in the specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// 100.
    Ok,
    /// 200.
    ReservationRefused,
    /// 201: too many circuits.
    ResourceLimitExceeded,
    /// 202: not both in one room.
    PermissionDenied,
    /// 203.
    ConnectionFailed,
    /// 204: the peer that is called has not reserved, or is gone.
    NoReservation,
    /// 400.
    MalformedMessage,
    /// 401.
    UnexpectedMessage,
    /// None of the above.
    Other(u64),
}

impl Status {
    fn number(self) -> u64 {
        match self {
            Self::Ok => 100,
            Self::ReservationRefused => 200,
            Self::ResourceLimitExceeded => 201,
            Self::PermissionDenied => 202,
            Self::ConnectionFailed => 203,
            Self::NoReservation => 204,
            Self::MalformedMessage => 400,
            Self::UnexpectedMessage => 401,
            Self::Other(number) => number,
        }
    }

    fn of(number: u64) -> Self {
        [
            Self::Ok,
            Self::ReservationRefused,
            Self::ResourceLimitExceeded,
            Self::PermissionDenied,
            Self::ConnectionFailed,
            Self::NoReservation,
            Self::MalformedMessage,
            Self::UnexpectedMessage,
        ]
        .into_iter()
        .find(|status| status.number() == number)
        .unwrap_or(Self::Other(number))
    }
}

/// What one circuit may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Seconds from its opening.
    pub seconds: u64,
    /// Bytes in each direction.
    pub bytes: u64,
}

/// Until when a client may be called, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reservation {
    /// Seconds since 1970.
    pub expire: u64,
    /// The relay's addresses in binary, each with its peer id.
    pub addresses: Vec<Vec<u8>>,
}

/// A message of the hop protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HopMessage {
    /// "I want to be callable."
    Reserve,
    /// "Call this peer for me."
    Connect(PeerId),
    /// The relay's answer to either.
    Status {
        /// Yes, or why not.
        status: Status,
        /// To `Reserve`.
        reservation: Option<Reservation>,
        /// What circuits may carry.
        limit: Option<Limit>,
    },
}

/// A message of the stop protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopMessage {
    /// "This peer calls you."
    Connect {
        /// Who calls, as the relay says; noise proves it.
        from: PeerId,
        /// What the circuit may carry.
        limit: Option<Limit>,
    },
    /// The called client's answer.
    Status(Status),
}

/// Why a message cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CircuitError {
    /// It is no protocol buffer.
    #[error("a circuit message that cannot be read: {0}")]
    Form(#[from] ProtobufError),
    /// It has a type that the specification does not know, or none.
    #[error("a circuit message of unknown type")]
    Type,
    /// It calls somebody, and does not say whom.
    #[error("a circuit message without a peer id")]
    Peer,
    /// It is a status without its number.
    #[error("a circuit message without a status")]
    Status,
}

/// The fields of both messages, as they come.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<u64>,
    inner: [Option<&'a [u8]>; 5],
    status: Option<u64>,
}

fn fields(message: &[u8], status_field: u64) -> Result<Fields<'_>, CircuitError> {
    let mut found = Fields::default();
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Value::Number(kind)) => found.kind = Some(kind),
            (field, Value::Number(status)) if field == status_field => found.status = Some(status),
            (field @ 2..=4, Value::Bytes(bytes)) => found.inner[field as usize] = Some(bytes),
            _ => {}
        }
    }
    Ok(found)
}

fn peer(message: Option<&[u8]>) -> Result<PeerId, CircuitError> {
    let mut reader = Reader::new(message.ok_or(CircuitError::Peer)?);
    while let Some((field, value)) = reader.field()? {
        if let (1, Value::Bytes(id)) = (field, value) {
            return PeerId::from_bytes(id).map_err(|_| CircuitError::Peer);
        }
    }
    Err(CircuitError::Peer)
}

fn put_peer(out: &mut Vec<u8>, field: u64, peer: &PeerId) {
    let mut message = Vec::new();
    put_bytes(&mut message, 1, &peer.to_bytes());
    put_bytes(out, field, &message);
}

fn limit(message: Option<&[u8]>) -> Result<Option<Limit>, CircuitError> {
    let Some(message) = message else {
        return Ok(None);
    };
    let mut limit = Limit {
        seconds: 0,
        bytes: 0,
    };
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Value::Number(seconds)) => limit.seconds = seconds,
            (2, Value::Number(bytes)) => limit.bytes = bytes,
            _ => {}
        }
    }
    Ok(Some(limit))
}

fn put_limit(out: &mut Vec<u8>, field: u64, limit: Option<&Limit>) {
    if let Some(limit) = limit {
        let mut message = Vec::new();
        put_number(&mut message, 1, limit.seconds);
        put_number(&mut message, 2, limit.bytes);
        put_bytes(out, field, &message);
    }
}

fn reservation(message: Option<&[u8]>) -> Result<Option<Reservation>, CircuitError> {
    let Some(message) = message else {
        return Ok(None);
    };
    let mut reservation = Reservation::default();
    let mut reader = Reader::new(message);
    while let Some((field, value)) = reader.field()? {
        match (field, value) {
            (1, Value::Number(expire)) => reservation.expire = expire,
            (2, Value::Bytes(address)) => reservation.addresses.push(address.to_vec()),
            _ => {}
        }
    }
    Ok(Some(reservation))
}

impl HopMessage {
    /// Without the length prefix.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Reserve => put_number(&mut out, 1, 0),
            Self::Connect(peer) => {
                put_number(&mut out, 1, 1);
                put_peer(&mut out, 2, peer);
            }
            Self::Status {
                status,
                reservation,
                limit,
            } => {
                put_number(&mut out, 1, 2);
                if let Some(reservation) = reservation {
                    let mut message = Vec::new();
                    put_number(&mut message, 1, reservation.expire);
                    for address in &reservation.addresses {
                        put_bytes(&mut message, 2, address);
                    }
                    put_bytes(&mut out, 3, &message);
                }
                put_limit(&mut out, 4, limit.as_ref());
                put_number(&mut out, 5, status.number());
            }
        }
        out
    }

    /// Reads one, without the length prefix.
    pub fn decode(message: &[u8]) -> Result<Self, CircuitError> {
        let found = fields(message, 5)?;
        match found.kind {
            Some(0) => Ok(Self::Reserve),
            Some(1) => Ok(Self::Connect(peer(found.inner[2])?)),
            Some(2) => Ok(Self::Status {
                status: Status::of(found.status.ok_or(CircuitError::Status)?),
                reservation: reservation(found.inner[3])?,
                limit: limit(found.inner[4])?,
            }),
            _ => Err(CircuitError::Type),
        }
    }
}

impl StopMessage {
    /// Without the length prefix.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Connect { from, limit } => {
                put_number(&mut out, 1, 0);
                put_peer(&mut out, 2, from);
                put_limit(&mut out, 3, limit.as_ref());
            }
            Self::Status(status) => {
                put_number(&mut out, 1, 1);
                put_number(&mut out, 4, status.number());
            }
        }
        out
    }

    /// Reads one, without the length prefix.
    pub fn decode(message: &[u8]) -> Result<Self, CircuitError> {
        let found = fields(message, 4)?;
        match found.kind {
            Some(0) => Ok(Self::Connect {
                from: peer(found.inner[2])?,
                limit: limit(found.inner[3])?,
            }),
            Some(1) => {
                let status = found.status.ok_or(CircuitError::Status)?;
                Ok(Self::Status(Status::of(status)))
            }
            _ => Err(CircuitError::Type),
        }
    }
}

#[cfg(test)]
mod tests;
