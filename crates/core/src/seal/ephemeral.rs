//! Ephemeral messages: who is here, who is typing. They go by gossip only, sealed with the room's key,
//! and are never stored, so they have no place in a history.
//!
//! Layout: `version u8 = 1 ‖ room 32 ‖ nonce 12 ‖ ciphertext`, AES-256-GCM over the postcard form of
//! [`Ephemeral`], with `healthsync/ephemeral/1\0 ‖ version ‖ room` as associated data.

use serde::{Deserialize, Serialize};

use super::{NONCE, RoomKey, SealError, take};
use crate::{
    device::{self, DeviceSecret},
    ids::{DeviceKey, EventId, Millis, Person, RoomId},
    limits,
};

const VERSION: u8 = 1;
const DOMAIN: &[u8] = b"healthsync/ephemeral/1\0";

/// A passing sign of life. The receiver checks with [`crate::RoomLog::delegated`] that the device
/// speaks for the person, and drops what is old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ephemeral {
    /// The device that signs.
    pub device: DeviceKey,
    /// For whom.
    pub person: Person,
    /// When, by the device's clock.
    pub at: Millis,
    /// What.
    pub kind: EphemeralKind,
    /// By `device`, over the domain separator, the room and everything above.
    #[serde(with = "crate::bytes")]
    pub signature: [u8; 64],
}

/// What an ephemeral message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EphemeralKind {
    /// In the room; with `ask`, others answer with theirs.
    Here {
        /// Whether the sender has just come and wants to know who is here.
        ask: bool,
    },
    /// Writing.
    Typing,
    /// Leaving.
    Bye,
    /// The registry's list has changed: read it again.
    MembersChanged,
    /// Reachable for a direct link by this Ed25519 key, the one of the sender's libp2p node; each
    /// tab has its own, and it changes with every load.
    Reachable {
        /// The node's public key.
        key: [u8; 32],
    },
    /// Looking at a slice and pointing at a place on it.
    Pointing(Pointing),
}

/// Where somebody points, and what they see there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pointing {
    /// The case's event.
    pub case: EventId,
    /// Which of its images, from 0.
    pub image: u16,
    /// Which slice or frame, from 0.
    pub slice: u32,
    /// Hundredths of a pixel, across and down; `None` when the pointer has left the image.
    pub at: Option<[i32; 2]>,
    /// Window centre and width, when the person has chosen one, as [`Pointing::of_window`] writes them.
    pub window: Option<[i32; 2]>,
}

impl Pointing {
    /// A window's centre and width in whole numbers: in hundredths. Values of floating point may all lie between 0 and 1;
    /// for a width below 10 both are in millionths, where the centre fits, and the width is written as a negative number.
    /// Who knows only hundredths sees a width that is none, and keeps to the file's window.
    pub fn of_window(window: [f64; 2]) -> [i32; 2] {
        let [centre, width] = window;
        // A cast of a float holds at the type's ends.
        if width < FINE && centre.abs() < MOST_FINE {
            [
                (centre * MILLIONTHS).round() as i32,
                -((width * MILLIONTHS).round() as i32).max(1),
            ]
        } else {
            window.map(|number| (number * HUNDREDTHS).round() as i32)
        }
    }

    /// Centre and width of the window; `None` for the file's own.
    pub fn window(&self) -> Option<[f64; 2]> {
        self.window.map(|[centre, width]| {
            let parts = if width < 0 { MILLIONTHS } else { HUNDREDTHS };
            [f64::from(centre) / parts, f64::from(width).abs() / parts]
        })
    }
}

const HUNDREDTHS: f64 = 100.0;
const MILLIONTHS: f64 = 1_000_000.0;
/// Windows narrower than this are written in millionths.
const FINE: f64 = 10.0;
/// The centres of which an `i32` holds the millionths.
const MOST_FINE: f64 = 2_000.0;

impl Ephemeral {
    /// Signs one for `room`.
    pub fn sign(
        room: &RoomId,
        person: Person,
        at: Millis,
        kind: EphemeralKind,
        secret: &DeviceSecret,
    ) -> Self {
        let mut ephemeral = Self {
            device: secret.public(),
            person,
            at,
            kind,
            signature: [0; 64],
        };
        ephemeral.signature = secret.sign(&ephemeral.signed_message(room));
        ephemeral
    }

    fn signed_message(&self, room: &RoomId) -> Vec<u8> {
        let mut message = [DOMAIN, &room.0].concat();
        let said = (self.device, self.person, self.at, self.kind);
        message.extend(postcard::to_allocvec(&said).expect("plain values always encode"));
        message
    }
}

/// Seals an ephemeral message for gossip. `nonce` is random and used once.
pub fn seal_ephemeral(
    ephemeral: &Ephemeral,
    room: &RoomId,
    key: &RoomKey,
    nonce: [u8; 12],
) -> Vec<u8> {
    let plain = postcard::to_allocvec(ephemeral).expect("plain values always encode");
    let mut bytes = vec![VERSION];
    bytes.extend_from_slice(&room.0);
    bytes.extend_from_slice(&nonce);
    bytes.extend(key.encrypt(&nonce, &plain, &aad(room)));
    bytes
}

/// Opens an ephemeral message of `room` and checks its signature.
pub fn open_ephemeral(bytes: &[u8], room: &RoomId, key: &RoomKey) -> Result<Ephemeral, SealError> {
    limits::check_count("The message", "bytes", bytes.len(), limits::EPHEMERAL_BYTES)?;
    let mut rest = bytes;
    let [version] = take(&mut rest)?;
    if version != VERSION {
        return Err(SealError::Version(version));
    }
    if RoomId(take(&mut rest)?) != *room {
        return Err(SealError::Mismatch);
    }
    let nonce: [u8; NONCE] = take(&mut rest)?;
    let plain = key.decrypt(&nonce, rest, &aad(room))?;
    let (ephemeral, after) =
        postcard::take_from_bytes::<Ephemeral>(&plain).map_err(|_| SealError::Form)?;
    if !after.is_empty() {
        return Err(SealError::Length);
    }
    if !device::verify(
        &ephemeral.device,
        &ephemeral.signed_message(room),
        &ephemeral.signature,
    ) {
        return Err(SealError::Signature);
    }
    Ok(ephemeral)
}

fn aad(room: &RoomId) -> Vec<u8> {
    [DOMAIN, &[VERSION], &room.0].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(window: [f64; 2]) -> ([i32; 2], [f64; 2]) {
        let written = Pointing::of_window(window);
        let pointing = Pointing {
            case: EventId([0; 32]),
            image: 0,
            slice: 0,
            at: None,
            window: Some(written),
        };
        (written, pointing.window().unwrap())
    }

    #[test]
    fn windows_of_any_width_arrive() {
        assert_eq!(told([40.0, 400.0]), ([4_000, 40_000], [40.0, 400.0]));
        assert_eq!(told([-600.5, 1_500.0]).1, [-600.5, 1_500.0]);
        assert_eq!(told([0.001_2, 0.004]), ([1_200, -4_000], [0.001_2, 0.004]));
        assert_eq!(told([0.5, 1.0]).1, [0.5, 1.0]);
        // Nothing is too narrow to be a window, and a centre far off keeps to hundredths.
        assert!(told([0.0, 1e-9]).1[1] > 0.0);
        assert_eq!(told([30_000.0, 2.0]), ([3_000_000, 200], [30_000.0, 2.0]));
    }
}
