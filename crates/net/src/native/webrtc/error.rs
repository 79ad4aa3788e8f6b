//! Why a session is over, by whose fault.

use std::{io, time::Duration};

/// A peer from which nothing has come for so long is gone. Browsers check their path each 2.5 s, others at
/// least each 6 s (RFC 7675, section 5.1), and the relay pings each 4 s.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

/// Why a session is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// DTLS failed: the peer's fault.
    #[error("DTLS: {0}")]
    Dtls(String),
    /// The peer has no certificate: its fault.
    #[error("the peer showed no certificate")]
    NoCertificate,
    /// SCTP failed: the peer's fault.
    #[error("SCTP: {0}")]
    Sctp(String),
    /// The peer closed the connection.
    #[error("the other side closed the connection")]
    ClosedByPeer,
    /// Nothing came from the peer: it or the network is gone.
    #[error("nothing was heard from the other side for {} s", SILENCE.as_secs())]
    Silent,
    /// The handshake took too long.
    #[error("the handshake took too long")]
    HandshakeTime,
    /// We closed the connection.
    #[error("the connection was closed on this side")]
    Closed,
}

impl From<SessionError> for io::Error {
    fn from(error: SessionError) -> Self {
        let kind = match error {
            SessionError::Dtls(_) | SessionError::NoCertificate | SessionError::Sctp(_) => {
                io::ErrorKind::InvalidData
            }
            SessionError::ClosedByPeer => io::ErrorKind::ConnectionReset,
            SessionError::Silent | SessionError::HandshakeTime => io::ErrorKind::TimedOut,
            SessionError::Closed => io::ErrorKind::ConnectionAborted,
        };
        io::Error::new(kind, error)
    }
}
