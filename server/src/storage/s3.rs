//! Files in a bucket that speaks S3: Amazon's, or MinIO, Ceph, Garage and others by their endpoint. As everywhere behind
//! this server, a file has been hashed before it is sent there, and is hashed again when it comes back.

use std::fmt;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use healthsync_lighthouse::cid::{Cid, parse_cid};
use object_store::aws::{AmazonS3Builder, Checksum};
use object_store::buffered::BufWriter;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig};
use reqwest::Url;
use tokio::io::AsyncWriteExt;

use super::BlobError;

/// Bytes of one part of a large upload; S3 takes none below 5 MiB. A smaller file goes in one request.
const PART: usize = 8 * 1024 * 1024;
/// How long a request that failed is tried again before the uploader is told.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// Where the bucket is and who asks. What is not set comes from the machine's role, as Amazon's tools do it.
#[derive(Clone, Default, PartialEq, Eq, clap::Args)]
pub struct S3Settings {
    /// Endpoint of an S3 service that is not Amazon's, such as https://minio.example.org.
    #[arg(long = "s3-endpoint", env = "AWS_ENDPOINT_URL")]
    pub endpoint: Option<Url>,
    /// Region of the bucket.
    #[arg(long = "s3-region", env = "AWS_REGION")]
    pub region: Option<String>,
    /// Access key of the bucket.
    #[arg(long = "s3-access-key-id", env = "AWS_ACCESS_KEY_ID")]
    pub access_key_id: Option<String>,
    /// Its secret.
    #[arg(
        long = "s3-secret-access-key",
        env = "AWS_SECRET_ACCESS_KEY",
        hide_env_values = true
    )]
    pub secret_access_key: Option<String>,
    /// The session's token where access is lent for a time.
    #[arg(
        long = "s3-session-token",
        env = "AWS_SESSION_TOKEN",
        hide_env_values = true
    )]
    pub session_token: Option<String>,
}

impl fmt::Debug for S3Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3Settings")
            .field("endpoint", &self.endpoint.as_ref().map(Url::as_str))
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// A bucket, and the folder in it that is ours.
#[derive(Clone)]
pub(crate) struct Bucket {
    store: Arc<dyn ObjectStore>,
    name: String,
    folder: Path,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.name, self.folder)
    }
}

impl Bucket {
    /// Makes the client; nothing is asked yet.
    ///
    /// # Errors
    /// When the settings do not go together.
    pub(crate) fn new(
        name: &str,
        folder: &str,
        settings: &S3Settings,
    ) -> Result<Self, object_store::Error> {
        let retry = RetryConfig {
            retry_timeout: PATIENCE,
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(name)
            .with_checksum_algorithm(Checksum::SHA256)
            .with_retry(retry);
        if let Some(endpoint) = &settings.endpoint {
            builder = builder
                .with_endpoint(endpoint.as_str().trim_end_matches('/'))
                .with_allow_http(endpoint.scheme() == "http");
        }
        if let Some(region) = &settings.region {
            builder = builder.with_region(region);
        }
        if let Some(id) = &settings.access_key_id {
            builder = builder.with_access_key_id(id);
        }
        if let Some(secret) = &settings.secret_access_key {
            builder = builder.with_secret_access_key(secret);
        }
        if let Some(token) = &settings.session_token {
            builder = builder.with_token(token);
        }
        Ok(Self {
            store: Arc::new(builder.build()?),
            name: name.to_owned(),
            folder: Path::from(folder),
        })
    }

    fn path(&self, cid: &Cid) -> Path {
        self.folder.clone().join(cid.to_string())
    }

    /// Sends the file that lies at `file`; when this returns, the service has acknowledged all of it.
    pub(super) async fn store(&self, cid: &Cid, file: &FilePath) -> Result<(), BlobError> {
        let mut file = tokio::fs::File::open(file).await?;
        let mut writer = BufWriter::with_capacity(Arc::clone(&self.store), self.path(cid), PART);
        let sent = match tokio::io::copy(&mut file, &mut writer).await {
            // From here on it cannot be aborted; parts of an upload that was not completed are the bucket's to clear up.
            Ok(_) => writer.shutdown().await,
            Err(error) => {
                // Parts that nobody completes would be paid for unseen. A small file has none.
                let _ = writer.abort().await;
                Err(error)
            }
        };
        sent.map_err(|error| BlobError::Elsewhere(error.to_string()))
    }

    /// Bytes of a file.
    pub(super) async fn size(&self, cid: &Cid) -> Result<u64, BlobError> {
        let found = self.store.head(&self.path(cid)).await.map_err(failed)?;
        Ok(found.size)
    }

    /// The file's bytes, or those in `range`.
    pub(super) async fn read(
        &self,
        cid: &Cid,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, BlobError>>, BlobError> {
        let options = GetOptions {
            range: range.map(GetRange::Bounded),
            ..GetOptions::default()
        };
        let got = self.store.get_opts(&self.path(cid), options).await;
        Ok(got.map_err(failed)?.into_stream().map_err(failed).boxed())
    }

    /// Removes a file; one that is not there is fine.
    pub(super) async fn remove(&self, cid: &Cid) -> Result<(), BlobError> {
        match self.store.delete(&self.path(cid)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// The files of ours that were written before `before`, in milliseconds since 1970.
    pub(super) fn older_than(&self, before: u64) -> BoxStream<'static, Result<Cid, BlobError>> {
        older_than(self.store.list(Some(&self.folder)), before)
    }
}

fn failed(error: object_store::Error) -> BlobError {
    match error {
        object_store::Error::NotFound { .. } => BlobError::NotFound,
        other => BlobError::Elsewhere(other.to_string()),
    }
}

/// Of the objects listed, those that have a content id for a name and are older than `before`.
pub(super) fn older_than(
    listed: BoxStream<'static, object_store::Result<object_store::ObjectMeta>>,
    before: u64,
) -> BoxStream<'static, Result<Cid, BlobError>> {
    listed
        .map_err(BlobError::from)
        .try_filter_map(move |found| async move {
            let at = u64::try_from(found.last_modified.timestamp_millis()).unwrap_or(0);
            let name = found.location.filename();
            let cid = name.and_then(|name| parse_cid(name).ok());
            Ok(cid.filter(|_| at < before))
        })
        .boxed()
}
