//! How the two sides of webrtc-direct agree on ICE credentials without telling each other any: the user name
//! of the client's connectivity checks says it all (libp2p/specs, webrtc/webrtc-direct.md).
//!
//! | | client's ufrag | client's password | server's ufrag and password |
//! | --- | --- | --- | --- |
//! | version 1 | `libp2p+webrtc+v1/…` | the same | the same |
//! | version 2 | the browser's | the browser's | `libp2p+webrtc+v2/` and the client's password |

use std::ops::RangeInclusive;

use super::frame::MAX_FRAME;

/// ICE's bounds (RFC 8839, section 5.4).
const UFRAG: RangeInclusive<usize> = 4..=256;
const PASSWORD: RangeInclusive<usize> = 22..=256;

/// Which flow of webrtc-direct a peer speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// "Browser to public Server v1 (SDP munging)".
    V1,
    /// "Browser to public Server v2 (no SDP munging)".
    V2,
}

/// Why credentials are none. The peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// There is no colon in the user name.
    #[error("a user name of one part only")]
    OnePart,
    /// A part of the user name has other characters than ICE allows, or too few or many of them.
    #[error("the {0} ufrag is no ICE ufrag")]
    Ufrag(&'static str),
    /// The server's part names no version that we know.
    #[error("the server's ufrag names no known version of webrtc-direct")]
    Version,
    /// Version 1 has one ufrag for both sides.
    #[error("version 1 with two different ufrags")]
    Different,
    /// The password that an ufrag contains is none.
    #[error("the client's password is no ICE password")]
    Password,
}

impl Version {
    /// What the server's ufrag begins with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::V1 => "libp2p+webrtc+v1/",
            Self::V2 => "libp2p+webrtc+v2/",
        }
    }

    /// The longest message for a data channel of a peer that speaks this version. Peers on webrtc-rs speak
    /// version 1 only, read with a buffer of 8 KiB, and lose what is longer.
    pub fn max_frame(self) -> usize {
        match self {
            Self::V1 => 8 * 1024,
            Self::V2 => MAX_FRAME,
        }
    }
}

/// Splits a user name ("v2", version selection and steps 4 and 5; "v1", step 6). Gives the version and the
/// server's part, which is the server's password as well.
pub fn parse_username(username: &str) -> Result<(Version, &str), CredentialsError> {
    let (server, client) = username.split_once(':').ok_or(CredentialsError::OnePart)?;
    for (whose, ufrag) in [("server's", server), ("client's", client)] {
        if !is_made_of_ice_chars(ufrag, UFRAG) {
            return Err(CredentialsError::Ufrag(whose));
        }
    }
    let version = [Version::V1, Version::V2]
        .into_iter()
        .find(|version| server.starts_with(version.prefix()))
        .ok_or(CredentialsError::Version)?;
    let password = match version {
        Version::V1 if server != client => return Err(CredentialsError::Different),
        Version::V1 => server,
        Version::V2 => &server[version.prefix().len()..],
    };
    if !is_made_of_ice_chars(password, PASSWORD) {
        return Err(CredentialsError::Password);
    }
    Ok((version, server))
}

/// The server's ufrag and password in version 2, from the client's password ("v2", step 3).
pub fn server_of(client_password: &str) -> Result<String, CredentialsError> {
    let server = format!("{}{client_password}", Version::V2.prefix());
    match is_made_of_ice_chars(client_password, PASSWORD) && UFRAG.contains(&server.len()) {
        true => Ok(server),
        false => Err(CredentialsError::Password),
    }
}

/// Both sides' ufrag and password in version 1 ("v1", step 4), of 32 random bytes.
pub fn of_both(random: [u8; 32]) -> String {
    let hex: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}{hex}", Version::V1.prefix())
}

fn is_made_of_ice_chars(text: &str, lengths: RangeInclusive<usize>) -> bool {
    let is_ice_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    lengths.contains(&text.len()) && text.bytes().all(is_ice_char)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PWD: &str = "abcdefghijklmnopqrstuv+/";

    #[test]
    fn what_one_side_makes_the_other_reads() {
        let two = server_of(PWD).unwrap();
        let name = format!("{two}:Ab1+");
        assert_eq!(parse_username(&name), Ok((Version::V2, two.as_str())));
        let one = of_both([7; 32]);
        let name = format!("{one}:{one}");
        assert_eq!(parse_username(&name), Ok((Version::V1, one.as_str())));
        for wrong in [
            "",
            "tooshort",
            "with a space, but long enough",
            &"a".repeat(240),
        ] {
            assert_eq!(server_of(wrong), Err(CredentialsError::Password), "{wrong}");
        }
    }

    #[test]
    fn user_names_are_held_to_every_rule() {
        use CredentialsError::*;
        let two = server_of(PWD).unwrap();
        let one = of_both([7; 32]);
        let long = "a".repeat(257);
        for (name, error) in [
            (two.clone(), OnePart),
            (format!("{two}:abc"), Ufrag("client's")),
            (format!("{two}:ab:cd"), Ufrag("client's")),
            (format!("{two}:ab\r\ncd"), Ufrag("client's")),
            (format!("{two}:{long}"), Ufrag("client's")),
            (format!("{two}{}:abcd", "a".repeat(216)), Ufrag("server's")),
            (
                "libp2p+webrtc+v2/a\r\na=candidate:abcd".to_owned(),
                Ufrag("server's"),
            ),
            ("libp2p+webrtc+v2/short:abcd".to_owned(), Password),
            (
                "libp2p+webrtc+v1/abc:libp2p+webrtc+v1/abc".to_owned(),
                Password,
            ),
            (format!("{one}:{two}"), Different),
            (format!("libp2p+webrtc+v3/{PWD}:abcd"), Version),
            (format!("{PWD}:abcd"), Version),
        ] {
            assert_eq!(parse_username(&name), Err(error), "{name}");
        }
    }
}
