//! What makes this server the same server after a restart: its libp2p key and its WebRTC certificate, kept in the
//! data folder for its owner's eyes only.

use std::io::{ErrorKind, Write};
use std::path::Path;

use healthsync_net::{Keypair, new_certificate};
use sha2::{Digest, Sha256};

/// Key and certificate of the relay.
pub(crate) struct Identity {
    pub keypair: Keypair,
    /// Certificate with its private key, as the relay reads it.
    pub certificate: String,
    secret: [u8; 32],
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity")
            .field("peer_id", &self.keypair.public().to_peer_id())
            .finish_non_exhaustive()
    }
}

/// Why there is no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("{file} cannot be read or written: {error}")]
    File { file: String, error: std::io::Error },
    #[error(
        "{file} is damaged: {what}. Restore it from a backup, or delete it to get a new identity"
    )]
    Damaged { file: String, what: String },
}

impl Identity {
    /// Reads the identity from the data folder, or makes one.
    ///
    /// # Errors
    /// When a file cannot be read or written, or holds something else. A damaged file is never replaced silently:
    /// that would change the server's address.
    pub(crate) fn load(folder: &Path) -> Result<Self, IdentityError> {
        let file = folder.join("identity.key");
        let secret = secret(&file)?;
        let keypair = Keypair::ed25519_from_bytes(secret)
            .map_err(|error| damaged(&file, &error.to_string()))?;
        let file = folder.join("webrtc.pem");
        let bytes = read_or_make(&file, || {
            new_certificate()
                .expect("a self-signed certificate with default values")
                .into_bytes()
        })?;
        let certificate =
            String::from_utf8(bytes).map_err(|_| damaged(&file, "it is no PEM text"))?;
        Ok(Self {
            keypair,
            certificate,
            secret,
        })
    }

    /// A secret for one purpose, the same after every restart.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        Sha256::new()
            .chain_update(b"healthsync/server-secret/1\0")
            .chain_update(self.secret)
            .chain_update(purpose.as_bytes())
            .finalize()
            .into()
    }
}

/// 32 secret bytes in a file of their own, made at the first start.
///
/// # Errors
/// When the file cannot be read or written, or has another length.
pub(crate) fn secret(file: &Path) -> Result<[u8; 32], IdentityError> {
    let bytes = read_or_make(file, || rand::random::<[u8; 32]>().to_vec())?;
    bytes
        .try_into()
        .map_err(|_| damaged(file, "it must have 32 bytes"))
}

fn damaged(file: &Path, what: &str) -> IdentityError {
    IdentityError::Damaged {
        file: file.display().to_string(),
        what: what.into(),
    }
}

fn read_or_make(file: &Path, make: impl FnOnce() -> Vec<u8>) -> Result<Vec<u8>, IdentityError> {
    let failed = |error| IdentityError::File {
        file: file.display().to_string(),
        error,
    };
    match std::fs::read(file) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let bytes = make();
            write_private(file, &bytes).map_err(failed)?;
            Ok(bytes)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Writes a side file and renames it, so that a crash leaves either nothing or the whole.
fn write_private(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let side = file.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut written = options.open(&side)?;
    written.write_all(bytes)?;
    written.sync_all()?;
    std::fs::rename(side, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_survives_a_restart_and_is_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Identity::load(folder.path()).expect("made");
        let second = Identity::load(folder.path()).expect("read");
        assert_eq!(first.keypair.public(), second.keypair.public());
        assert_eq!(first.certificate, second.certificate);
        assert_eq!(first.derive("a"), second.derive("a"));
        assert_ne!(first.derive("a"), first.derive("b"));
        #[cfg(unix)]
        for name in ["identity.key", "webrtc.pem"] {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(folder.path().join(name))
                .expect("there")
                .permissions()
                .mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }
    }

    #[test]
    fn a_damaged_identity_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("identity.key"), b"short").expect("written");
        let error = Identity::load(folder.path()).expect_err("damaged");
        assert!(error.to_string().contains("damaged"), "{error}");
    }
}
