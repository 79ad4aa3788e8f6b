//! The signalling protocol between two browsers (libp2p/specs, webrtc/webrtc.md, section "Signaling
//! Protocol"): its messages, what they may contain, and in which order they are taken. Pure; the
//! browser's objects are in `browser::webrtc::direct`.
//!
//! Both spellings of the protocol's name exist: the specification's text says `/webrtc-signaling`,
//! every implementation speaks [`PROTOCOL`].

use crate::protobuf::{ProtobufError, Reader, Value, put_bytes, put_number};

/// The protocol's name on a circuit.
pub const PROTOCOL: &str = "/webrtc-signaling/0.0.1";
/// Longest message.
pub const MESSAGE_BYTES: usize = 20 * 1024;
/// Longest session description; Chromium's have about 1 kB.
pub const DESCRIPTION_BYTES: usize = 16 * 1024;
/// Longest candidate.
pub const CANDIDATE_BYTES: usize = 2 * 1024;
/// Candidates of one side.
pub const CANDIDATES: usize = 64;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The caller's session description.
    Offer(String),
    /// The called side's.
    Answer(String),
    /// A candidate as JSON, as `RTCIceCandidate.toJSON` gives it.
    Candidate(String),
}

/// Which rule a message breaks. All are the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignalError {
    /// It is no protocol buffer.
    #[error("a signalling message that cannot be read: {0}")]
    Form(#[from] ProtobufError),
    /// Its type is none of the three.
    #[error("a signalling message of unknown type")]
    Type,
    /// Its text is not UTF-8.
    #[error("a signalling message that is no text")]
    Text,
    /// A description or a candidate is longer than allowed.
    #[error("a signalling message that is too long")]
    TooLong,
    /// The same side has sent more candidates than allowed.
    #[error("too many candidates")]
    TooMany,
    /// An offer where an answer belongs, or the other way round, or a second one.
    #[error("a session description out of order")]
    Order,
    /// The description does not describe exactly one data session.
    #[error("a session description for something else than data")]
    NotData,
    /// The description does not say which certificate to expect.
    #[error("a session description without a certificate's fingerprint")]
    NoFingerprint,
}

impl Message {
    /// Without the length prefix.
    pub fn encode(&self) -> Vec<u8> {
        let (kind, text) = match self {
            Self::Offer(text) => (0, text),
            Self::Answer(text) => (1, text),
            Self::Candidate(text) => (2, text),
        };
        let mut out = Vec::with_capacity(text.len() + 8);
        put_number(&mut out, 1, kind);
        put_bytes(&mut out, 2, text.as_bytes());
        out
    }

    /// Reads one, without the length prefix. A missing type is an offer, as protocol buffers leave
    /// out zeros.
    pub fn decode(message: &[u8]) -> Result<Self, SignalError> {
        let (mut kind, mut data) = (0, &[][..]);
        let mut reader = Reader::new(message);
        while let Some((field, value)) = reader.field()? {
            match (field, value) {
                (1, Value::Number(number)) => kind = number,
                (2, Value::Bytes(bytes)) => data = bytes,
                _ => {}
            }
        }
        let limit = match kind {
            0 | 1 => DESCRIPTION_BYTES,
            2 => CANDIDATE_BYTES,
            _ => return Err(SignalError::Type),
        };
        if data.len() > limit {
            return Err(SignalError::TooLong);
        }
        let text = std::str::from_utf8(data)
            .map_err(|_| SignalError::Text)?
            .to_owned();
        Ok(match kind {
            0 => Self::Offer(text),
            1 => Self::Answer(text),
            _ => Self::Candidate(text),
        })
    }
}

/// Who of the two has called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends the offer.
    Caller,
    /// Sends the answer.
    Called,
}

/// What to do with the browser's peer connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Set this as the remote description; for [`Role::Called`], make an answer then.
    Describe(String),
    /// Add this candidate, once described.
    Add(String),
}

/// One side of an exchange: takes messages, gives actions in an order that browsers accept.
#[derive(Debug)]
pub struct Exchange {
    role: Role,
    described: bool,
    early: Vec<String>,
    candidates: usize,
}

impl Exchange {
    /// Before the first message.
    pub fn new(role: Role) -> Self {
        Self {
            role,
            described: false,
            early: Vec::new(),
            candidates: 0,
        }
    }

    /// The peer has sent this. Candidates that come before the description wait for it.
    pub fn received(&mut self, message: Message) -> Result<Vec<Action>, SignalError> {
        match (message, self.role) {
            (Message::Offer(sdp), Role::Called) | (Message::Answer(sdp), Role::Caller) => {
                if self.described {
                    return Err(SignalError::Order);
                }
                check_description(&sdp)?;
                self.described = true;
                let early = std::mem::take(&mut self.early);
                let mut actions = vec![Action::Describe(sdp)];
                actions.extend(early.into_iter().map(Action::Add));
                Ok(actions)
            }
            (Message::Offer(_) | Message::Answer(_), _) => Err(SignalError::Order),
            (Message::Candidate(json), _) => {
                self.candidates += 1;
                if self.candidates > CANDIDATES {
                    return Err(SignalError::TooMany);
                }
                // "null" and the empty text end the list.
                if matches!(json.as_str(), "null" | "" | "\"\"") {
                    return Ok(Vec::new());
                }
                if self.described {
                    return Ok(vec![Action::Add(json)]);
                }
                self.early.push(json);
                Ok(Vec::new())
            }
        }
    }
}

/// Exactly one media section, for data, and a SHA-256 fingerprint to hold the certificate against.
fn check_description(sdp: &str) -> Result<(), SignalError> {
    let mut media = sdp.lines().filter(|line| line.starts_with("m="));
    let data = media
        .next()
        .is_some_and(|line| line.starts_with("m=application "));
    if !data || media.next().is_some() {
        return Err(SignalError::NotData);
    }
    let fingerprint = sdp.lines().any(|line| {
        line.strip_prefix("a=fingerprint:").is_some_and(|rest| {
            let (hash, hex) = rest.split_once(' ').unwrap_or((rest, ""));
            hash.eq_ignore_ascii_case("sha-256") && hex.split(':').count() == 32
        })
    });
    if fingerprint {
        Ok(())
    } else {
        Err(SignalError::NoFingerprint)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sdp() -> String {
        let hex = vec!["AB"; 32].join(":");
        format!(
            "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=fingerprint:sha-256 {hex}\r\n"
        )
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        assert_eq!(
            Message::Candidate("null".into()).encode(),
            b"\x08\x02\x12\x04null"
        );
        assert_eq!(
            Message::decode(b"\x12\x03v=0"),
            Ok(Message::Offer("v=0".into()))
        );
        assert_eq!(Message::decode(b"\x08\x03"), Err(SignalError::Type));
        assert_eq!(Message::decode(b"\x12\x01\xff"), Err(SignalError::Text));
        let long = Message::Candidate("x".repeat(CANDIDATE_BYTES + 1));
        assert_eq!(Message::decode(&long.encode()), Err(SignalError::TooLong));
    }

    #[test]
    fn candidates_wait_for_the_description() {
        let mut called = Exchange::new(Role::Called);
        let candidate = |name: &str| Message::Candidate(name.to_owned());
        assert_eq!(called.received(candidate("{1}")), Ok(vec![]));
        assert_eq!(called.received(candidate("null")), Ok(vec![]));
        assert_eq!(
            called.received(Message::Offer(sdp())),
            Ok(vec![Action::Describe(sdp()), Action::Add("{1}".into())])
        );
        assert_eq!(
            called.received(candidate("{2}")),
            Ok(vec![Action::Add("{2}".into())])
        );
        assert_eq!(
            called.received(Message::Offer(sdp())),
            Err(SignalError::Order)
        );
    }

    #[test]
    fn wrong_descriptions_are_refused_by_the_rule_they_break() {
        let refused = |sdp: &str| Exchange::new(Role::Caller).received(Message::Answer(sdp.into()));
        let audio = sdp() + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
        let weak = sdp().replace("sha-256", "sha-1");
        let short = sdp().replace("AB:AB", "AB");
        for (sdp, rule) in [
            ("", SignalError::NotData),
            ("garbage \u{0} \r\r\n", SignalError::NotData),
            (&audio, SignalError::NotData),
            (&weak, SignalError::NoFingerprint),
            (&short, SignalError::NoFingerprint),
        ] {
            assert_eq!(refused(sdp), Err(rule), "{sdp}");
        }
        let mut caller = Exchange::new(Role::Caller);
        assert_eq!(
            caller.received(Message::Offer(sdp())),
            Err(SignalError::Order)
        );
        for _ in 0..CANDIDATES {
            caller.received(Message::Candidate("{}".into())).unwrap();
        }
        assert_eq!(
            caller.received(Message::Candidate("{}".into())),
            Err(SignalError::TooMany)
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            if let Ok(message) = Message::decode(&bytes) {
                let _ = Exchange::new(Role::Called).received(message);
            }
        }

        #[test]
        fn messages_survive(text in ".{0,200}") {
            for message in [
                Message::Offer(text.clone()),
                Message::Answer(text.clone()),
                Message::Candidate(text.clone()),
            ] {
                prop_assert_eq!(Message::decode(&message.encode()), Ok(message));
            }
        }
    }
}
