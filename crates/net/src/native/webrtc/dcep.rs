//! How a data channel is opened inside its SCTP stream (RFC 8832).

/// Message types.
const ACK: u8 = 0x02;
const OPEN: u8 = 0x03;
/// Reliable and ordered, the only kind that carries a byte stream.
const RELIABLE: u8 = 0x00;
const HEADER: usize = 12;

/// Why a channel is not taken. The peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum DcepError {
    /// The first message is no DATA_CHANNEL_OPEN.
    #[error("a channel that does not begin with its opening")]
    Type,
    /// The opening is cut.
    #[error("the opening of a channel is cut")]
    Short,
    /// The channel may lose messages or change their order.
    #[error("a channel of kind {0:#04x}: only reliable and ordered ones carry streams")]
    Kind(u8),
}

/// DATA_CHANNEL_ACK.
pub(super) const ACKNOWLEDGE: [u8; 1] = [ACK];

/// DATA_CHANNEL_OPEN with an empty label, as the specification wants (libp2p/specs, webrtc/README.md,
/// "`RTCDataChannel` label").
pub(super) const OPENING: [u8; HEADER] = [OPEN, RELIABLE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Checks an opening. Label and protocol may be anything.
pub(super) fn check_opening(message: &[u8]) -> Result<(), DcepError> {
    match message.first() {
        Some(&OPEN) => {}
        _ => return Err(DcepError::Type),
    }
    let header = message.get(..HEADER).ok_or(DcepError::Short)?;
    if header[1] != RELIABLE {
        return Err(DcepError::Kind(header[1]));
    }
    let text = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
    if message.len() < HEADER + text(8) + text(10) {
        return Err(DcepError::Short);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openings_are_checked() {
        assert_eq!(check_opening(&OPENING), Ok(()));
        let mut labelled = OPENING.to_vec();
        labelled[9] = 4;
        assert_eq!(check_opening(&labelled), Err(DcepError::Short));
        labelled.extend(b"init");
        assert_eq!(check_opening(&labelled), Ok(()));
        labelled[1] = 0x81;
        assert_eq!(check_opening(&labelled), Err(DcepError::Kind(0x81)));
        assert_eq!(check_opening(&[OPEN, 0]), Err(DcepError::Short));
        assert_eq!(check_opening(&ACKNOWLEDGE), Err(DcepError::Type));
        assert_eq!(check_opening(&[]), Err(DcepError::Type));
    }
}
