//! Files under their content ids, in an object store. Written to a side name first, hashed on the way, and moved to
//! the right name only when the hash fits: what has a CID for a name has been checked once, and small ones are
//! checked again whenever they are read.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use healthsync_lighthouse::cid::{Cid, CidBuilder};
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, MultipartUpload, ObjectStore, ObjectStoreExt, WriteMultipart,
};

use super::Elsewhere;
use super::s3::older_than;

/// Up to this size a file is hashed before the first byte leaves; a larger one is hashed on the way out, and the
/// connection is cut at its end when it does not fit.
const CHECK_FIRST: u64 = 4 * 1024 * 1024;
/// Bytes per write, and writes on their way at the same time: what one upload holds in memory.
const PART: usize = 512 * 1024;
const PARTS: usize = 4;
/// An upload of which nothing comes for so long has lost its sender: it would keep its place for ever.
const STALLED: Duration = Duration::from_secs(60);

/// Why a file cannot be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The caller's: larger than allowed.
    #[error("the file is larger than {0} bytes")]
    TooLarge(u64),
    /// The caller's: other bytes than announced.
    #[error("the bytes that arrived have the content id {found}, not {expected}")]
    WrongCid { expected: Cid, found: Cid },
    /// The caller's: the upload broke off.
    #[error("the upload broke off: {0}")]
    Interrupted(String),
    #[error("no file with this content id is stored here")]
    NotFound,
    /// Ours: the disk gave other bytes than were stored.
    #[error("the stored bytes no longer fit their content id")]
    Damaged,
    /// Ours.
    #[error("storage does not answer: {0}")]
    Store(object_store::Error),
    /// Ours.
    #[error("the disk does not answer: {0}")]
    Disk(#[from] std::io::Error),
    /// The environment's: the service behind this one.
    #[error("the storage service behind this server does not do it: {0}")]
    Elsewhere(String),
}

impl From<object_store::Error> for BlobError {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            other => Self::Store(other),
        }
    }
}

/// A file that has come in whole and lies under a side name.
#[derive(Debug)]
pub struct Received {
    side_name: Path,
    /// Its content id and sizes.
    pub file: healthsync_lighthouse::cid::File,
}

/// A file being read.
pub struct Reading {
    /// Bytes of the whole file.
    pub size: u64,
    pub bytes: BoxStream<'static, Result<Bytes, BlobError>>,
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading")
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// The files of this server: in its folder, or passed on to a service elsewhere after they were proved here.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<LocalFileSystem>,
    folder: PathBuf,
    elsewhere: Option<(Elsewhere, reqwest::Client)>,
}

impl Blobs {
    /// Opens or makes the folder; throws away uploads that an earlier run did not finish.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn open(folder: &FilePath) -> Result<Self, BlobError> {
        let incoming = folder.join("incoming");
        if incoming.exists() {
            std::fs::remove_dir_all(&incoming)?;
        }
        std::fs::create_dir_all(&incoming)?;
        std::fs::create_dir_all(folder.join("files"))?;
        let store = LocalFileSystem::new_with_prefix(folder)?;
        Ok(Self {
            store: Arc::new(store),
            folder: folder.to_owned(),
            elsewhere: None,
        })
    }

    /// Keeps files at a service from now on; the folder is only for what is coming in.
    pub(crate) fn kept_at(self, service: Elsewhere, client: reqwest::Client) -> Self {
        Self {
            elsewhere: Some((service, client)),
            ..self
        }
    }

    /// Takes in a file that comes as a stream, if it is not larger than `limit` and, where `expected` says one, has
    /// that content id. It lies under a side name until [`Self::keep`].
    ///
    /// # Errors
    /// See [`BlobError`]; nothing is left then.
    pub async fn receive<S, E>(
        &self,
        expected: Option<Cid>,
        limit: u64,
        bytes: S,
    ) -> Result<Received, BlobError>
    where
        S: futures::Stream<Item = Result<Bytes, E>>,
        E: std::fmt::Display,
    {
        let side_name = Path::from(format!(
            "incoming/{}",
            hex::encode(rand::random::<[u8; 16]>())
        ));
        let upload: Box<dyn MultipartUpload> = self.store.put_multipart(&side_name).await?;
        let mut write = WriteMultipart::new_with_chunk_size(upload, PART);
        match receive(&mut write, limit, STALLED, bytes).await {
            Ok(file) => match expected.filter(|expected| *expected != file.cid) {
                None => {
                    write.finish().await?;
                    Ok(Received { side_name, file })
                }
                Some(expected) => {
                    write.abort().await?;
                    Err(BlobError::WrongCid {
                        expected,
                        found: file.cid,
                    })
                }
            },
            Err(error) => {
                write.abort().await?;
                Err(error)
            }
        }
    }

    /// Moves a received file to its name. Keeping the same file again is fine. When this returns, it is on disk.
    ///
    /// # Errors
    /// When the disk does not do it.
    pub async fn keep(&self, received: Received) -> Result<(), BlobError> {
        if let Some((service, client)) = &self.elsewhere {
            let Received { side_name, file } = &received;
            let path = self.folder.join(side_name.as_ref());
            let stored = service.store(client, &file.cid, &path, file.size).await;
            self.discard(received).await;
            return stored;
        }
        self.settle(&received.side_name, &file_path(&received.file.cid))
            .await
    }

    /// Throws a received file away.
    pub async fn discard(&self, received: Received) {
        if let Err(error) = self.store.delete(&received.side_name).await {
            tracing::warn!(%error, "a refused upload lies about until the next start");
        }
    }

    /// Removes a file; one that is not there is fine.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn remove(&self, cid: &Cid) -> Result<(), BlobError> {
        if let Some((service, client)) = &self.elsewhere {
            return service.remove(client, cid).await;
        }
        match self.store.delete(&file_path(cid)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The files that were last written before `before`, in milliseconds since 1970.
    pub fn older_than(&self, before: u64) -> BoxStream<'static, Result<Cid, BlobError>> {
        if let Some((service, _)) = &self.elsewhere {
            return service.older_than(before);
        }
        older_than(self.store.list(Some(&Path::from("files"))), before)
    }

    /// Moves a finished upload to its name, and both file and folder onto the disk: only then may the uploader be
    /// told that it is stored.
    async fn settle(&self, side_name: &Path, name: &Path) -> Result<(), BlobError> {
        let (from, to) = (
            self.folder.join(side_name.as_ref()),
            self.folder.join(name.as_ref()),
        );
        let moved = tokio::task::spawn_blocking(move || {
            std::fs::File::open(&from)?.sync_all()?;
            std::fs::rename(&from, &to)?;
            let folder = to.parent().unwrap_or(FilePath::new("."));
            std::fs::File::open(folder)?.sync_all()
        });
        moved.await.map_err(std::io::Error::other)??;
        Ok(())
    }

    /// Bytes of a file.
    pub async fn size(&self, cid: &Cid) -> Result<u64, BlobError> {
        if let Some((service, client)) = &self.elsewhere {
            return service.size(client, cid).await;
        }
        Ok(self.store.head(&file_path(cid)).await?.size)
    }

    /// Reads a file, or the part of it that `range` says (which must lie inside).
    pub async fn get(
        &self,
        cid: &Cid,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Reading, BlobError> {
        let size = self.size(cid).await?;
        if size <= CHECK_FIRST {
            let bytes = collected(self.stream(cid, None).await?, size).await?;
            let (bytes, found) = tokio::task::spawn_blocking(move || {
                let mut builder = CidBuilder::new();
                builder.update(&bytes);
                (bytes, builder.finish().cid)
            })
            .await
            .map_err(std::io::Error::other)?;
            if found != *cid {
                tracing::error!(%cid, "a stored file is damaged");
                return Err(BlobError::Damaged);
            }
            let bytes = match range {
                Some(range) => slice(&bytes, range),
                None => bytes,
            };
            return Ok(Reading {
                size,
                bytes: futures::stream::once(async { Ok(bytes) }).boxed(),
            });
        }
        let whole = range.is_none();
        let bytes = self.stream(cid, range).await?;
        let bytes = if whole { checked(bytes, *cid) } else { bytes };
        Ok(Reading { size, bytes })
    }

    /// The bytes as they are kept, not checked yet.
    async fn stream(
        &self,
        cid: &Cid,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, BlobError>>, BlobError> {
        if let Some((service, client)) = &self.elsewhere {
            return service.read(client, cid, range).await;
        }
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let got = self.store.get_opts(&file_path(cid), options).await?;
        Ok(got.into_stream().map_err(BlobError::from).boxed())
    }
}

/// A small file, whole; more than `size` is not taken.
async fn collected(
    mut stream: BoxStream<'static, Result<Bytes, BlobError>>,
    size: u64,
) -> Result<Bytes, BlobError> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    while let Some(piece) = stream.try_next().await? {
        bytes.extend_from_slice(&piece);
        if bytes.len() as u64 > size {
            return Err(BlobError::Damaged);
        }
    }
    Ok(bytes.into())
}

fn slice(bytes: &Bytes, range: std::ops::Range<u64>) -> Bytes {
    let end = usize::try_from(range.end)
        .unwrap_or(usize::MAX)
        .min(bytes.len());
    let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
    bytes.slice(start..end)
}

fn file_path(cid: &Cid) -> Path {
    Path::from(format!("files/{cid}"))
}

async fn receive<S, E>(
    write: &mut WriteMultipart,
    limit: u64,
    stalled: Duration,
    bytes: S,
) -> Result<healthsync_lighthouse::cid::File, BlobError>
where
    S: futures::Stream<Item = Result<Bytes, E>>,
    E: std::fmt::Display,
{
    let mut builder = CidBuilder::new();
    let mut size = 0;
    let mut bytes = std::pin::pin!(bytes);
    loop {
        let next = tokio::time::timeout(stalled, bytes.next()).await;
        let nothing = |_| BlobError::Interrupted(format!("nothing came for {stalled:?}"));
        let Some(piece) = next.map_err(nothing)? else {
            break;
        };
        let piece = piece.map_err(|error| BlobError::Interrupted(error.to_string()))?;
        size += piece.len() as u64;
        if size > limit {
            return Err(BlobError::TooLarge(limit));
        }
        builder.update(&piece);
        write.wait_for_capacity(PARTS).await?;
        write.put(piece);
    }
    Ok(builder.finish())
}

/// Passes the bytes on and ends with an error when they do not fit, which cuts the connection before its end.
fn checked(
    bytes: BoxStream<'static, Result<Bytes, BlobError>>,
    cid: Cid,
) -> BoxStream<'static, Result<Bytes, BlobError>> {
    let start = (bytes, Some(CidBuilder::new()));
    futures::stream::try_unfold(start, move |(mut bytes, builder)| async move {
        let Some(mut builder) = builder else {
            return Ok(None);
        };
        match bytes.try_next().await? {
            Some(piece) => {
                builder.update(&piece);
                Ok(Some((piece, (bytes, Some(builder)))))
            }
            None if builder.finish().cid == cid => Ok(None),
            None => {
                tracing::error!(%cid, "a stored file is damaged");
                Err(BlobError::Damaged)
            }
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_upload_whose_sender_has_vanished_ends() {
        let store = object_store::memory::InMemory::new();
        let upload = store.put_multipart(&Path::from("incoming/1")).await;
        let mut write = WriteMultipart::new_with_chunk_size(upload.expect("an upload"), PART);
        let begun = futures::stream::iter([Ok::<_, String>(Bytes::from_static(b"begun"))]);
        let bytes = begun.chain(futures::stream::pending());
        let received = receive(&mut write, 100, Duration::from_millis(1), bytes).await;
        let error = received.expect_err("nothing came any more").to_string();
        assert_eq!(error, "the upload broke off: nothing came for 1ms");
    }
}
