//! Sealing: what leaves a browser. An [`Envelope`] is a signed event encrypted with the room's key, signed
//! once more on the outside, so that a relay can check and order it without reading it.
//!
//! Layout, all integers big-endian:
//! `version u8 = 1 ‖ room 32 ‖ epoch u32 ‖ device 32 ‖ seq u64 ‖ nonce 12 ‖ len u32 ‖ ciphertext len ‖ signature 64`.
//! AES-256-GCM over `event signature 64 ‖ event bytes`, with everything before the nonce as associated data;
//! the outer signature is over `healthsync/envelope/1\0` and all bytes before it.

use std::fmt;

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    device::{self, DeviceSecret},
    event::{EventError, SignedEvent},
    ids::{DeviceKey, EnvelopeId, RoomId},
    limits::{self, LimitError},
};

mod ephemeral;

pub use ephemeral::{Ephemeral, EphemeralKind, Pointing, open_ephemeral, seal_ephemeral};

const VERSION: u8 = 1;
const DOMAIN: &[u8] = b"healthsync/envelope/1\0";
/// Bytes before the nonce: the associated data.
const HEAD: usize = 1 + 32 + 4 + 32 + 8;
const NONCE: usize = 12;
const TAG: usize = 16;
const SIGNATURE: usize = 64;

/// Why something sealed is refused.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Too long.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A format of another version.
    #[error("the envelope has version {0}; this program reads version {VERSION}")]
    Version(u8),
    /// Too short, or its length field does not fit its length.
    #[error("the envelope's length is wrong")]
    Length,
    /// Not signed by the device that it names.
    #[error("the envelope's signature is wrong")]
    Signature,
    /// Another key, or altered.
    #[error("the envelope does not open with this key")]
    Key,
    /// The event inside is not the one that the outside names.
    #[error("the envelope holds another event than it says")]
    Mismatch,
    /// The event inside is refused.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The ephemeral message inside cannot be read.
    #[error("the message cannot be read")]
    Form,
}

/// The key of one room epoch. Wiped from memory when dropped, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct RoomKey([u8; 32]);

impl RoomKey {
    /// Derives the key from the master key that the key nodes hold in shares: HKDF-SHA256, salt
    /// `healthsync/room-key/1`, info `room ‖ epoch`.
    pub fn from_master(master: &[u8; 32], room: &RoomId, epoch: u32) -> Self {
        let mut info = [0; 36];
        info[..32].copy_from_slice(&room.0);
        info[32..].copy_from_slice(&epoch.to_be_bytes());
        let mut key = [0; 32];
        Hkdf::<Sha256>::new(Some(b"healthsync/room-key/1"), master)
            .expand(&info, &mut key)
            .expect("32 bytes are fewer than HKDF's limit of 8,160");
        Self(key)
    }

    fn encrypt(&self, nonce: &[u8; NONCE], plain: &[u8], aad: &[u8]) -> Vec<u8> {
        Aes256Gcm::new(&self.0.into())
            .encrypt(nonce.into(), Payload { msg: plain, aad })
            .expect("AES-GCM takes up to 64 GiB")
    }

    fn decrypt(
        &self,
        nonce: &[u8; NONCE],
        sealed: &[u8],
        aad: &[u8],
    ) -> Result<Vec<u8>, SealError> {
        Aes256Gcm::new(&self.0.into())
            .decrypt(nonce.into(), Payload { msg: sealed, aad })
            .map_err(|_| SealError::Key)
    }
}

impl fmt::Debug for RoomKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoomKey(…)")
    }
}

/// A sealed event as it travels and as mailboxes keep it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The room.
    pub room: RoomId,
    /// Which of the room's keys seals it.
    pub epoch: u32,
    /// The device that made the event and sealed it.
    pub device: DeviceKey,
    /// The event's number among the device's events in the room.
    pub seq: u64,
    nonce: [u8; NONCE],
    sealed: Vec<u8>,
    signature: [u8; SIGNATURE],
}

impl Envelope {
    /// Seals `event`. `nonce` is random and used once; `secret` is the key of the event's own device,
    /// since nobody opens an envelope whose outside and inside differ.
    pub fn seal(
        event: &SignedEvent,
        key: &RoomKey,
        epoch: u32,
        nonce: [u8; 12],
        secret: &DeviceSecret,
    ) -> Self {
        let mut envelope = Self {
            room: event.event.room,
            epoch,
            device: secret.public(),
            seq: event.event.seq,
            nonce,
            sealed: Vec::new(),
            signature: [0; SIGNATURE],
        };
        let mut plain = event.signature.to_vec();
        plain.extend_from_slice(&event.bytes);
        envelope.sealed = key.encrypt(&nonce, &plain, &envelope.head());
        envelope.signature = secret.sign(&envelope.signed_message());
        envelope
    }

    /// Seals an event, that has not been sent yet, with another key. Always in the same way: two tabs of one browser
    /// that do it make the same envelope. The nonce follows from the event's id, which no other event has.
    pub fn seal_anew(
        event: &SignedEvent,
        key: &RoomKey,
        epoch: u32,
        secret: &DeviceSecret,
    ) -> Self {
        let digest = Sha256::new()
            .chain_update(b"healthsync/nonce/1\0")
            .chain_update(event.id().0)
            .chain_update(epoch.to_be_bytes())
            .finalize();
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&digest[..NONCE]);
        Self::seal(event, key, epoch, nonce, secret)
    }

    /// Opens the envelope and checks the event inside, and that it is the one the outside names.
    pub fn open(&self, key: &RoomKey) -> Result<SignedEvent, SealError> {
        let plain = key.decrypt(&self.nonce, &self.sealed, &self.head())?;
        let (signature, bytes) = plain.split_first_chunk().ok_or(SealError::Length)?;
        let inner = SignedEvent::decode(bytes.to_vec(), *signature)?;
        let event = &inner.event;
        if (event.room, event.device, event.seq) != (self.room, self.device, self.seq) {
            return Err(SealError::Mismatch);
        }
        Ok(inner)
    }

    /// The bytes to send and keep.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.unsigned();
        bytes.extend_from_slice(&self.signature);
        bytes
    }

    /// Reads an envelope and checks its outer signature.
    pub fn decode(bytes: &[u8]) -> Result<Self, SealError> {
        let envelope = Self::decode_unverified(bytes)?;
        if !device::verify(
            &envelope.device,
            &envelope.signed_message(),
            &envelope.signature,
        ) {
            return Err(SealError::Signature);
        }
        Ok(envelope)
    }

    /// Reads an envelope that was checked before (from one's own storage), or whose room and device
    /// decide whether it is worth checking.
    pub fn decode_unverified(bytes: &[u8]) -> Result<Self, SealError> {
        limits::check_count("The envelope", "bytes", bytes.len(), limits::ENVELOPE_BYTES)?;
        let mut rest = bytes;
        let [version] = take(&mut rest)?;
        if version != VERSION {
            return Err(SealError::Version(version));
        }
        let envelope = Self {
            room: RoomId(take(&mut rest)?),
            epoch: u32::from_be_bytes(take(&mut rest)?),
            device: DeviceKey(take(&mut rest)?),
            seq: u64::from_be_bytes(take(&mut rest)?),
            nonce: take(&mut rest)?,
            sealed: {
                let len = u32::from_be_bytes(take(&mut rest)?) as usize;
                let (sealed, after) = rest.split_at_checked(len).ok_or(SealError::Length)?;
                rest = after;
                sealed.to_vec()
            },
            signature: take(&mut rest)?,
        };
        if !rest.is_empty() || envelope.sealed.len() < SIGNATURE + TAG {
            return Err(SealError::Length);
        }
        if !(1..=limits::CLOCK).contains(&envelope.seq) {
            return Err(SealError::Event(EventError::Place));
        }
        Ok(envelope)
    }

    /// SHA-256 of the encoding.
    pub fn id(&self) -> EnvelopeId {
        EnvelopeId(Sha256::digest(self.encode()).into())
    }

    fn head(&self) -> [u8; HEAD] {
        let mut head = [0; HEAD];
        head[0] = VERSION;
        head[1..33].copy_from_slice(&self.room.0);
        head[33..37].copy_from_slice(&self.epoch.to_be_bytes());
        head[37..69].copy_from_slice(&self.device.0);
        head[69..].copy_from_slice(&self.seq.to_be_bytes());
        head
    }

    fn unsigned(&self) -> Vec<u8> {
        let len = u32::try_from(self.sealed.len()).expect("an event has at most 32 KiB");
        let mut bytes = Vec::with_capacity(HEAD + NONCE + 4 + self.sealed.len() + SIGNATURE);
        bytes.extend_from_slice(&self.head());
        bytes.extend_from_slice(&self.nonce);
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(&self.sealed);
        bytes
    }

    fn signed_message(&self) -> Vec<u8> {
        [DOMAIN, &self.unsigned()].concat()
    }
}

fn take<const N: usize>(from: &mut &[u8]) -> Result<[u8; N], SealError> {
    let (head, rest) = from.split_first_chunk().ok_or(SealError::Length)?;
    *from = rest;
    Ok(*head)
}
