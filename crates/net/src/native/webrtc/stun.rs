//! STUN as far as a listener needs it: the binding requests of a browser's connectivity checks, and the
//! answers (RFC 8489; RFC 8445, section 7). Pure; reads slices only, so that nothing is allocated by a
//! number that a peer has named.
//!
//! We are an ICE Lite agent (libp2p/specs, webrtc/webrtc-direct.md, "Browser to public Server", step 1),
//! and the password of every request stands in its own user name. So a request can be checked and
//! answered without any memory of its sender.

use std::net::{IpAddr, SocketAddr};

use hmac::{Hmac, Mac};
use sha1::Sha1;

use crate::webrtc::credentials::{CredentialsError, Version, parse_username};

/// Message types: binding, request and success response.
const REQUEST: u16 = 0x0001;
const SUCCESS: u16 = 0x0101;
const COOKIE: u32 = 0x2112_a442;
const HEADER: usize = 20;
/// An attribute's type and length.
const ATTRIBUTE: usize = 4;
/// Attributes.
const USERNAME: u16 = 0x0006;
const MESSAGE_INTEGRITY: u16 = 0x0008;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const USE_CANDIDATE: u16 = 0x0025;
const FINGERPRINT: u16 = 0x8028;
/// What the CRC of a fingerprint is combined with ("STUN").
const FINGERPRINT_XOR: u32 = 0x5354_554e;
/// An HMAC-SHA1.
const MAC: usize = 20;

/// Why a datagram is no connectivity check that we answer. The sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StunError {
    /// Shorter than a header.
    #[error("a STUN message of {0} bytes is too short")]
    Short(usize),
    /// The magic cookie is missing.
    #[error("no STUN message: the magic cookie is missing")]
    Cookie,
    /// Anything but a binding request.
    #[error("STUN message type {0:#06x}: only binding requests are answered")]
    Type(u16),
    /// The header's length is not that of the datagram, or no multiple of four.
    #[error("a STUN message says {said} bytes and has {has}")]
    Length {
        /// What the header says.
        said: usize,
        /// What follows it.
        has: usize,
    },
    /// An attribute ends beyond the message.
    #[error("STUN attribute {0:#06x} ends beyond the message")]
    Attribute(u16),
    /// There is no user name.
    #[error("a binding request without a user name")]
    NoUsername,
    /// The user name is none of webrtc-direct.
    #[error(transparent)]
    Username(#[from] CredentialsError),
    /// The user name is no text.
    #[error("a user name that is no text")]
    Text,
    /// There is no message integrity.
    #[error("a binding request without message integrity")]
    NoIntegrity,
    /// The message integrity is not that of the password.
    #[error("a binding request with wrong message integrity")]
    Integrity,
}

/// A connectivity check whose integrity has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Which flow its sender speaks.
    pub version: Version,
    /// The whole user name; it names the session.
    pub username: &'a str,
    /// The sender wants this path to be used.
    pub nominated: bool,
    transaction: [u8; 12],
    password: &'a str,
}

impl<'a> Request<'a> {
    /// Reads a datagram and checks its integrity.
    pub fn parse(datagram: &'a [u8]) -> Result<Self, StunError> {
        let short = StunError::Short(datagram.len());
        let (header, body) = datagram.split_at_checked(HEADER).ok_or(short)?;
        let (kind, said) = (be16(header, 0), usize::from(be16(header, 2)));
        if header[4..8] != COOKIE.to_be_bytes() {
            return Err(StunError::Cookie);
        }
        if kind != REQUEST {
            return Err(StunError::Type(kind));
        }
        let has = body.len();
        if said != has || said % 4 != 0 {
            return Err(StunError::Length { said, has });
        }
        let (mut username, mut nominated, mut integrity) = (None, false, None);
        let mut at = HEADER;
        // What follows the integrity is not covered by it and says nothing to us.
        while at < datagram.len() && integrity.is_none() {
            let rest = &datagram[at..];
            let kind = rest.get(..2).map_or(0, |kind| be16(kind, 0));
            let beyond = StunError::Attribute(kind);
            let (head, rest) = rest.split_at_checked(ATTRIBUTE).ok_or(beyond)?;
            let length = usize::from(be16(head, 2));
            let value = rest.get(..length).ok_or(beyond)?;
            match kind {
                // The first one counts (RFC 8489, section 14).
                USERNAME if username.is_none() => username = Some(value),
                USE_CANDIDATE => nominated = true,
                MESSAGE_INTEGRITY => integrity = Some((at, value)),
                _ => {}
            }
            at += ATTRIBUTE + length.next_multiple_of(4);
        }
        let username = std::str::from_utf8(username.ok_or(StunError::NoUsername)?)
            .map_err(|_| StunError::Text)?;
        let (version, password) = parse_username(username)?;
        let (end, mac) = integrity.ok_or(StunError::NoIntegrity)?;
        authentication(password, &datagram[..end])
            .verify_slice(mac)
            .map_err(|_| StunError::Integrity)?;
        let mut transaction = [0; 12];
        transaction.copy_from_slice(&header[8..]);
        Ok(Self {
            version,
            username,
            nominated,
            transaction,
            password,
        })
    }

    /// The answer: yes, and this is where you are seen. It is shorter than the request, so nobody's
    /// traffic is amplified.
    pub fn answer(&self, seen: SocketAddr) -> Vec<u8> {
        let mut message = Vec::with_capacity(96);
        message.extend(SUCCESS.to_be_bytes());
        message.extend([0, 0]);
        message.extend(COOKIE.to_be_bytes());
        message.extend(self.transaction);
        put(&mut message, XOR_MAPPED_ADDRESS, &self.mapped(seen));
        let mac = authentication(self.password, &message)
            .finalize()
            .into_bytes();
        put(&mut message, MESSAGE_INTEGRITY, &mac);
        set_length(&mut message, ATTRIBUTE + 4);
        let crc = crc32fast::hash(&message) ^ FINGERPRINT_XOR;
        put(&mut message, FINGERPRINT, &crc.to_be_bytes());
        set_length(&mut message, 0);
        message
    }

    /// RFC 8489, section 14.2.
    fn mapped(&self, seen: SocketAddr) -> Vec<u8> {
        let cookie = COOKIE.to_be_bytes();
        let mut value = vec![0, if seen.is_ipv4() { 1 } else { 2 }];
        value.extend((seen.port() ^ u16::from_be_bytes([cookie[0], cookie[1]])).to_be_bytes());
        let mask = cookie.iter().chain(&self.transaction);
        match seen.ip() {
            IpAddr::V4(ip) => value.extend(ip.octets().iter().zip(mask).map(|(a, b)| a ^ b)),
            IpAddr::V6(ip) => value.extend(ip.octets().iter().zip(mask).map(|(a, b)| a ^ b)),
        }
        value
    }
}

/// The HMAC over what precedes the integrity attribute, with a length as if the message ended with it
/// (RFC 8489, section 14.5).
fn authentication(password: &str, before: &[u8]) -> Hmac<Sha1> {
    let mut hmac = <Hmac<Sha1> as Mac>::new_from_slice(password.as_bytes())
        .expect("HMAC takes keys of any length");
    let length = before.len() - HEADER + ATTRIBUTE + MAC;
    let length = u16::try_from(length).expect("a datagram has at most 65,535 bytes");
    hmac.update(&before[..2]);
    hmac.update(&length.to_be_bytes());
    hmac.update(&before[4..]);
    hmac
}

fn put(message: &mut Vec<u8>, kind: u16, value: &[u8]) {
    message.extend(kind.to_be_bytes());
    // Ours are a dozen bytes long, and multiples of four.
    message.extend((value.len() as u16).to_be_bytes());
    message.extend(value);
}

/// The length as it will be once `more` bytes have followed.
fn set_length(message: &mut [u8], more: usize) {
    let length = (message.len() - HEADER + more) as u16;
    message[2..4].copy_from_slice(&length.to_be_bytes());
}

fn be16(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// A connectivity check as a browser sends it. For tests and for measuring.
#[doc(hidden)]
pub fn request(username: &str, password: &str, nominated: bool) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend(REQUEST.to_be_bytes());
    message.extend([0, 0]);
    message.extend(COOKIE.to_be_bytes());
    message.extend(*b"transaction!");
    put(&mut message, USERNAME, username.as_bytes());
    message.resize(message.len().next_multiple_of(4), 0);
    if nominated {
        put(&mut message, USE_CANDIDATE, &[]);
    }
    let mac = authentication(password, &message).finalize().into_bytes();
    put(&mut message, MESSAGE_INTEGRITY, &mac);
    set_length(&mut message, 0);
    message
}

#[cfg(test)]
mod tests;
