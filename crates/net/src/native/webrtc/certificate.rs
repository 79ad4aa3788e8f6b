//! The listener's DTLS certificate. Its hash is part of the address, so it is kept: as PEM with the blocks
//! `EXPIRES` (seconds since 1970, little endian), `PRIVATE_KEY` (PKCS #8) and `CERTIFICATE` (DER), which
//! is what libp2p-webrtc reads and writes.

use dimpl::DtlsCertificate;
use pem::Pem;

use crate::webrtc::Fingerprint;

/// Why a certificate cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is no PEM.
    #[error("it is no PEM: {0}")]
    Pem(String),
    /// A block is missing.
    #[error("there is no {0} block")]
    Missing(&'static str),
    /// None can be made.
    #[error("none can be made: {0}")]
    Generate(String),
}

/// A certificate and its key.
#[derive(Debug, Clone)]
pub(super) struct Certificate(DtlsCertificate);

impl Certificate {
    pub(super) fn from_pem(text: &str) -> Result<Self, CertificateError> {
        let blocks = pem::parse_many(text).map_err(|e| CertificateError::Pem(e.to_string()))?;
        let block = |tag| {
            blocks
                .iter()
                .find(|block| block.tag() == tag)
                .map(|block| block.contents().to_vec())
                .ok_or(CertificateError::Missing(tag))
        };
        Ok(Self(DtlsCertificate {
            private_key: block("PRIVATE_KEY")?,
            certificate: block("CERTIFICATE")?,
        }))
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_certificate(&self.0.certificate)
    }

    pub(super) fn dtls(&self) -> DtlsCertificate {
        self.0.clone()
    }
}

/// A fresh certificate as PEM: ECDSA on P-256, under a name that says nothing.
pub(crate) fn generate() -> Result<String, CertificateError> {
    let failed = |error: rcgen::Error| CertificateError::Generate(error.to_string());
    let key = rcgen::KeyPair::generate().map_err(failed)?;
    let params = rcgen::CertificateParams::new(vec!["webrtc".to_owned()]).map_err(failed)?;
    let expires = params.not_after.unix_timestamp();
    let certificate = params.self_signed(&key).map_err(failed)?;
    let blocks = [
        Pem::new("EXPIRES", expires.to_le_bytes()),
        Pem::new("PRIVATE_KEY", key.serialize_der()),
        Pem::new("CERTIFICATE", certificate.der().to_vec()),
    ];
    Ok(blocks.map(|block| pem::encode(&block)).join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_survives_its_file() {
        let text = generate().unwrap();
        let (one, two) = (Certificate::from_pem(&text), Certificate::from_pem(&text));
        assert_eq!(one.unwrap().fingerprint(), two.unwrap().fingerprint());
    }

    #[test]
    fn what_is_missing_is_named() {
        let text = generate().unwrap();
        let cut = text.replace("CERTIFICATE", "SOMETHING");
        let missing = Certificate::from_pem(&cut).unwrap_err();
        assert_eq!(missing, CertificateError::Missing("CERTIFICATE"));
        assert!(matches!(
            Certificate::from_pem("-----BEGIN X-----"),
            Err(CertificateError::Pem(_) | CertificateError::Missing(_))
        ));
    }
}
