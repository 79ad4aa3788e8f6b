//! Our own tokens for clients that sign once and call often: `jwt:` and a JSON Web Token (RFC 7519, HS256), renewed
//! with an `r:` token of the same form. Exactly one header is written and read, so there is no algorithm to confuse.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use healthsync_core::{Millis, Person};
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// base64url of `{"alg":"HS256","typ":"JWT"}`.
const HEADER: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
const MAX_LENGTH: usize = 1024;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Use {
    /// Calls, for an hour.
    Access,
    /// A new pair of tokens, for a week.
    Refresh,
}

impl Use {
    fn prefix(self) -> &'static str {
        match self {
            Self::Access => "jwt:",
            Self::Refresh => "r:",
        }
    }

    fn seconds(self) -> u64 {
        match self {
            Self::Access => 60 * 60,
            Self::Refresh => 7 * 24 * 60 * 60,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claims {
    sub: Person,
    iat: u64,
    exp: u64,
    jti: String,
    #[serde(rename = "use")]
    usage: Use,
}

/// A valid token's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Valid {
    pub(super) person: Person,
    pub(super) id: String,
    pub(super) until: Millis,
}

/// Writes a token; `id` is random.
pub(super) fn issue(key: &[u8; 32], usage: Use, person: Person, now: Millis, id: &[u8]) -> String {
    let iat = now.0 / 1000;
    let claims = Claims {
        sub: person,
        iat,
        exp: iat + usage.seconds(),
        jti: hex::encode(id),
        usage,
    };
    let claims = BASE64_URL_SAFE_NO_PAD
        .encode(serde_json::to_vec(&claims).expect("claims have only text keys"));
    let signed = format!("{HEADER}.{claims}");
    let tag = BASE64_URL_SAFE_NO_PAD.encode(mac(key, &signed).finalize().into_bytes());
    format!("{}{signed}.{tag}", usage.prefix())
}

/// Reads a token: ours, unchanged, for this use, not expired.
pub(super) fn read(key: &[u8; 32], usage: Use, text: &str, now: Millis) -> Option<Valid> {
    let (signed, tag) = text
        .strip_prefix(usage.prefix())
        .filter(|_| text.len() <= MAX_LENGTH)?
        .rsplit_once('.')?;
    let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).ok()?;
    mac(key, signed).verify_slice(&tag).ok()?;
    let claims = signed.strip_prefix(HEADER)?.strip_prefix('.')?;
    let claims: Claims =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let live = claims.usage == usage && now.0 / 1000 < claims.exp;
    live.then(|| Valid {
        person: claims.sub,
        id: claims.jti,
        until: Millis(claims.exp.saturating_mul(1000)),
    })
}

fn mac(key: &[u8; 32], signed: &str) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key)
        .expect("HMAC takes a key of any length")
        .chain_update(signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];
    const PERSON: Person = Person([1; 20]);

    #[test]
    fn a_token_lives_its_time_for_its_use_under_its_key() {
        let now = Millis(1_000_000_000);
        let token = issue(&KEY, Use::Access, PERSON, now, &[1; 16]);
        assert!(token.starts_with("jwt:"));
        assert_eq!(read(&KEY, Use::Access, &token, now).unwrap().person, PERSON);
        assert_eq!(
            read(&KEY, Use::Access, &token, Millis(now.0 + 3_599_999))
                .unwrap()
                .person,
            PERSON
        );
        assert_eq!(
            read(&KEY, Use::Access, &token, Millis(now.0 + 3_600_000)),
            None
        );
        assert_eq!(read(&[8; 32], Use::Access, &token, now), None);
        let as_refresh = token.replacen("jwt:", "r:", 1);
        assert_eq!(read(&KEY, Use::Refresh, &as_refresh, now), None);
    }

    #[test]
    fn a_changed_token_is_none() {
        let now = Millis(1_000_000_000);
        let token = issue(&KEY, Use::Refresh, PERSON, now, &[1; 16]);
        for position in 2..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
            assert_eq!(
                read(&KEY, Use::Refresh, &String::from_utf8(bytes).unwrap(), now),
                None
            );
        }
        let none = format!(
            "r:{}.{}.",
            BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#),
            "e30"
        );
        assert_eq!(read(&KEY, Use::Refresh, &none, now), None);
    }
}
