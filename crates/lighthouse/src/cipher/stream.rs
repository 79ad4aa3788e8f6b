//! The same file in pieces, for files that are larger than memory: from a [`Read`] into a [`Write`], 64 KiB at a time.
//!
//! AES-256-GCM out of its parts (counter mode and GHASH), since one-shot interfaces want the whole file. Whoever decrypts
//! reads twice: the first time only the tag is computed, and nothing is written before it holds. Native builds only: what
//! browsers have, WebCrypto, takes and gives a whole file.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::ControlFlow;

use aes::Aes256;
use aes::cipher::{BlockEncrypt, InnerIvInit, KeyInit, StreamCipher, StreamCipherCoreWrapper};
use ctr::CtrCore;
use ctr::flavors::Ctr32BE;
use ghash::{GHash, universal_hash::UniversalHash};
use zeroize::Zeroizing;

use super::{CipherError, IV, OVERHEAD, SALT, TAG};
use crate::platform::derive;
use crate::shares::MasterKey;

/// Bytes in memory at a time.
pub const PIECE: usize = 64 * 1024;
/// Most plain bytes that one key and IV may encrypt, by the standard (NIST SP 800-38D): 2^36 - 32.
const MOST: u64 = (1 << 36) - 32;
const BLOCK: usize = 16;

/// Why a stream could not be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// As for files in memory. Nothing was written.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// Longer than AES-GCM allows for one key.
    #[error("a file has at most {MOST} bytes")]
    TooLong,
    /// The file changed between its two readings. What was written is to be thrown away.
    #[error(
        "the file was changed while it was being decrypted; what was written of it is not to be used"
    )]
    Changed,
    /// The caller had enough. What was written is no whole file.
    #[error("cancelled")]
    Cancelled,
    /// The source failed.
    #[error("it could not be read: {0}")]
    Read(#[source] io::Error),
    /// The destination failed.
    #[error("it could not be written: {0}")]
    Write(#[source] io::Error),
}

/// Told after each piece how many bytes are through; breaking stops.
pub type Progress<'a> = &'a mut dyn FnMut(u64) -> ControlFlow<()>;

/// Encrypts all of `plain` into `file`; gives how many bytes it read. `salt` and `iv` come fresh from a cryptographic
/// source for every file. After an error `file` holds no whole file.
pub fn encrypt_stream(
    plain: impl Read,
    mut file: impl Write,
    key: &MasterKey,
    salt: [u8; SALT],
    iv: [u8; IV],
    progress: Progress<'_>,
) -> Result<u64, StreamError> {
    let mut gcm = Gcm::new(key.hex().as_bytes(), &salt, &iv);
    file.write_all(&salt).map_err(StreamError::Write)?;
    file.write_all(&iv).map_err(StreamError::Write)?;
    let read = pieces(plain, MOST + 1, progress, |piece| {
        gcm.encrypt(piece)?;
        file.write_all(piece).map_err(StreamError::Write)
    })?;
    file.write_all(&gcm.tag()).map_err(StreamError::Write)?;
    file.flush().map_err(StreamError::Write)?;
    Ok(read)
}

/// Decrypts `file`, from its start to its end, into `plain`; gives how many bytes it wrote. With a wrong key or one flipped
/// bit nothing is written. `progress` is told bytes of both readings, one after the other.
pub fn decrypt_stream(
    mut file: impl Read + Seek,
    mut plain: impl Write,
    key: &MasterKey,
    progress: Progress<'_>,
) -> Result<u64, StreamError> {
    let length = file.seek(SeekFrom::End(0)).map_err(StreamError::Read)?;
    let Some(body) = length.checked_sub(OVERHEAD as u64) else {
        // Less than OVERHEAD, so it fits.
        return Err(CipherError::TooShort(length as usize).into());
    };
    if body > MOST {
        return Err(StreamError::TooLong);
    }
    let (mut salt, mut iv) = ([0; SALT], [0; IV]);
    let mut head = |file: &mut dyn Read| {
        file.read_exact(&mut salt)?;
        file.read_exact(&mut iv)
    };
    file.rewind().map_err(StreamError::Read)?;
    head(&mut file).map_err(StreamError::Read)?;
    let fresh = Gcm::new(key.hex().as_bytes(), &salt, &iv);

    let mut gcm = fresh.clone();
    pieces(file.by_ref(), body, progress, |piece| {
        gcm.hash(piece);
        Ok(())
    })?;
    if !tag_fits(gcm, file.by_ref())? {
        return Err(CipherError::DoesNotOpen.into());
    }

    let mut gcm = fresh;
    let after_head = SeekFrom::Start((SALT + IV) as u64);
    file.seek(after_head).map_err(StreamError::Read)?;
    let mut told = |bytes| progress(body + bytes);
    let written = pieces(file.by_ref(), body, &mut told, |piece| {
        gcm.decrypt(piece)?;
        plain.write_all(piece).map_err(StreamError::Write)
    })?;
    if written != body || !tag_fits(gcm, file)? {
        return Err(StreamError::Changed);
    }
    plain.flush().map_err(StreamError::Write)?;
    Ok(written)
}

fn tag_fits(gcm: Gcm, mut file: impl Read) -> Result<bool, StreamError> {
    let mut tag = [0; TAG];
    file.read_exact(&mut tag).map_err(StreamError::Read)?;
    let differing = gcm
        .tag()
        .iter()
        .zip(tag)
        .fold(0, |all, (a, b)| all | (a ^ b));
    Ok(differing == 0)
}

/// Gives `with` what `from` has, at most `most` bytes, in whole pieces but for the last.
fn pieces(
    from: impl Read,
    most: u64,
    progress: Progress<'_>,
    mut with: impl FnMut(&mut [u8]) -> Result<(), StreamError>,
) -> Result<u64, StreamError> {
    let mut from = from.take(most);
    let mut buffer = Zeroizing::new(vec![0; PIECE]);
    let mut through = 0;
    loop {
        let mut filled = 0;
        while filled < PIECE {
            match from.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(more) => filled += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StreamError::Read(error)),
            }
        }
        with(&mut buffer[..filled])?;
        through += filled as u64;
        if through > MOST {
            return Err(StreamError::TooLong);
        }
        if progress(through).is_break() {
            return Err(StreamError::Cancelled);
        }
        if filled < PIECE {
            return Ok(through);
        }
    }
}

/// AES-256-GCM without associated data, for pieces of which all but the last are whole blocks.
#[derive(Clone)]
struct Gcm {
    keystream: StreamCipherCoreWrapper<CtrCore<Aes256, Ctr32BE>>,
    hash: GHash,
    /// The encrypted first counter, which covers the tag.
    mask: Zeroizing<[u8; BLOCK]>,
    hashed: u64,
}

impl Gcm {
    fn new(password: &[u8], salt: &[u8; SALT], iv: &[u8; IV]) -> Self {
        let aes = Aes256::new((&*derive(password, salt)).into());
        let encrypted = |block: [u8; BLOCK]| {
            let mut block = Zeroizing::new(block);
            aes.encrypt_block((&mut *block).into());
            block
        };
        let counter = |number: u32| {
            let mut block = [0; BLOCK];
            block[..IV].copy_from_slice(iv);
            block[IV..].copy_from_slice(&number.to_be_bytes());
            block
        };
        let hash = GHash::new((&*encrypted([0; BLOCK])).into());
        let mask = encrypted(counter(1));
        let core = CtrCore::inner_iv_init(aes, (&counter(2)).into());
        Self {
            keystream: StreamCipherCoreWrapper::from_core(core),
            hash,
            mask,
            hashed: 0,
        }
    }

    fn encrypt(&mut self, piece: &mut [u8]) -> Result<(), StreamError> {
        self.apply(piece)?;
        self.hash(piece);
        Ok(())
    }

    fn decrypt(&mut self, piece: &mut [u8]) -> Result<(), StreamError> {
        self.hash(piece);
        self.apply(piece)
    }

    fn apply(&mut self, piece: &mut [u8]) -> Result<(), StreamError> {
        (self.keystream.try_apply_keystream(piece)).map_err(|_| StreamError::TooLong)
    }

    fn hash(&mut self, piece: &[u8]) {
        self.hash.update_padded(piece);
        self.hashed += piece.len() as u64;
    }

    fn tag(mut self) -> [u8; TAG] {
        let mut lengths = [0; BLOCK];
        lengths[BLOCK / 2..].copy_from_slice(&(self.hashed * 8).to_be_bytes());
        self.hash.update(&[lengths.into()]);
        let mut tag: [u8; TAG] = self.hash.finalize().into();
        for (byte, mask) in tag.iter_mut().zip(*self.mask) {
            *byte ^= mask;
        }
        tag
    }
}

#[cfg(test)]
mod tests;
