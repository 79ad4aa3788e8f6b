//! Keeping files at somebody else's service: Lighthouse's (or another server with its API), a Kubo node, or a bucket.
//! Browsers still send and fetch here; this server proves the content id and passes the bytes on, with an API key that no browser
//! sees.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use healthsync_lighthouse::cid::{Cid, parse_cid};
use reqwest::{Body, RequestBuilder, Response, StatusCode, Url};
use serde_json::Value;
use tokio_util::io::ReaderStream;

use super::BlobError;
use super::s3::Bucket;

/// For one transfer, as Lighthouse's client has it.
const TRANSFER: Duration = Duration::from_secs(2 * 60 * 60);
/// Bytes of an answer that is no file.
const ANSWER: usize = 64 * 1024;

/// A service that keeps files.
#[derive(Clone)]
pub(crate) enum Elsewhere {
    /// Lighthouse's API: uploads and downloads have hosts of their own there.
    Lighthouse {
        upload: Url,
        gateway: Url,
        api_key: String,
    },
    /// Kubo's RPC.
    Kubo { rpc: Url },
    /// A bucket that speaks S3.
    S3(Bucket),
}

impl fmt::Debug for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lighthouse { upload, .. } => write!(f, "Lighthouse at {upload}"),
            Self::Kubo { rpc } => write!(f, "Kubo at {rpc}"),
            Self::S3(bucket) => bucket.fmt(f),
        }
    }
}

fn at(base: &Url, path: &str) -> String {
    format!("{}{path}", base.as_str().trim_end_matches('/'))
}

fn failed(error: impl fmt::Display) -> BlobError {
    BlobError::Elsewhere(error.to_string())
}

/// Sends, and makes of a status that says no an error; 404 is "not found".
async fn answer(request: RequestBuilder) -> Result<Response, BlobError> {
    let response = request
        .send()
        .await
        .map_err(|error| failed(error.without_url()))?;
    match response.status() {
        StatusCode::NOT_FOUND => Err(BlobError::NotFound),
        status if status.is_success() => Ok(response),
        status => Err(failed(format!("it answered {status}"))),
    }
}

/// A short answer, whole.
async fn short(response: Response) -> Result<Vec<u8>, BlobError> {
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(piece) = stream.next().await {
        bytes.extend_from_slice(&piece.map_err(|error| failed(error.without_url()))?);
        if bytes.len() > ANSWER {
            return Err(failed("its answer is too long"));
        }
    }
    Ok(bytes)
}

/// One file as `multipart/form-data`.
struct Form {
    boundary: String,
    head: String,
    tail: String,
    length: u64,
}

impl Form {
    fn new(cid: &Cid, size: u64) -> Self {
        let boundary = hex::encode(rand::random::<[u8; 24]>());
        // The name says nothing: file names identify patients.
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{cid}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let length = head.len() as u64 + size + tail.len() as u64;
        Self {
            boundary,
            head,
            tail,
            length,
        }
    }

    fn kind(&self) -> String {
        format!("multipart/form-data; boundary={}", self.boundary)
    }

    fn body(self, file: tokio::fs::File) -> Body {
        let one = |text: String| futures::stream::once(async { Ok(Bytes::from(text)) });
        Body::wrap_stream(
            one(self.head)
                .chain(ReaderStream::new(file))
                .chain(one(self.tail)),
        )
    }
}

impl Elsewhere {
    /// Stores the file that lies at `file`, and compares what the service says with what it is.
    pub(super) async fn store(
        &self,
        client: &reqwest::Client,
        cid: &Cid,
        file: &Path,
        size: u64,
    ) -> Result<(), BlobError> {
        let form = Form::new(cid, size);
        let request = match self {
            Self::S3(bucket) => return bucket.store(cid, file).await,
            Self::Lighthouse {
                upload, api_key, ..
            } => client
                .post(at(
                    upload,
                    "/api/v0/add?wrap-with-directory=false&cid-version=1",
                ))
                .bearer_auth(api_key)
                .header("encryption", "true"),
            Self::Kubo { rpc } => client.post(at(
                rpc,
                "/api/v0/add?cid-version=1&raw-leaves=true&chunker=size-262144&pin=true&quieter=true",
            )),
        };
        let request = request
            .timeout(TRANSFER)
            .header("content-type", form.kind())
            .header("content-length", form.length)
            .body(form.body(tokio::fs::File::open(file).await?));
        let said = short(answer(request).await?).await?;
        let said: Value =
            serde_json::from_slice(&said).map_err(|_| failed("its answer is no JSON"))?;
        let said = said.get(0).unwrap_or(&said);
        let hash = said.get("Hash").and_then(Value::as_str).unwrap_or_default();
        if parse_cid(hash) == Ok(*cid) {
            Ok(())
        } else {
            Err(failed("it stored something under another content id"))
        }
    }

    /// Bytes of a file.
    pub(super) async fn size(&self, client: &reqwest::Client, cid: &Cid) -> Result<u64, BlobError> {
        match self {
            Self::S3(bucket) => bucket.size(cid).await,
            Self::Lighthouse { gateway, .. } => {
                let response = answer(client.head(at(gateway, &format!("/ipfs/{cid}")))).await?;
                response
                    .headers()
                    .get("content-length")
                    .and_then(|length| length.to_str().ok()?.parse().ok())
                    .ok_or_else(|| failed("it does not say how long the file is"))
            }
            Self::Kubo { rpc } => {
                let path = format!("/api/v0/files/stat?arg=/ipfs/{cid}");
                let said = short(answer(client.post(at(rpc, &path))).await?).await?;
                let said: Value =
                    serde_json::from_slice(&said).map_err(|_| failed("its answer is no JSON"))?;
                said.get("Size")
                    .and_then(Value::as_u64)
                    .ok_or_else(|| failed("it does not say how long the file is"))
            }
        }
    }

    /// The file's bytes, or those in `range`.
    pub(super) async fn read(
        &self,
        client: &reqwest::Client,
        cid: &Cid,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<BoxStream<'static, Result<Bytes, BlobError>>, BlobError> {
        let part = range.is_some();
        let request = match (self, range) {
            (Self::S3(bucket), range) => return bucket.read(cid, range).await,
            (Self::Lighthouse { gateway, .. }, range) => {
                let request = client.get(at(gateway, &format!("/ipfs/{cid}")));
                match range {
                    Some(range) => request.header(
                        "range",
                        format!("bytes={}-{}", range.start, range.end.saturating_sub(1)),
                    ),
                    None => request,
                }
            }
            (Self::Kubo { rpc }, None) => client.post(at(rpc, &format!("/api/v0/cat?arg={cid}"))),
            (Self::Kubo { rpc }, Some(range)) => client.post(at(
                rpc,
                &format!(
                    "/api/v0/cat?arg={cid}&offset={}&length={}",
                    range.start,
                    range.end - range.start
                ),
            )),
        };
        let response = answer(request.timeout(TRANSFER)).await?;
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        if part && !partial && matches!(self, Self::Lighthouse { .. }) {
            return Err(failed("it does not give parts of files"));
        }
        let bytes = response.bytes_stream();
        Ok(bytes
            .map_err(|error| BlobError::Interrupted(error.without_url().to_string()))
            .boxed())
    }

    /// Lets go of a file, as far as the service can be asked to.
    pub(super) async fn remove(
        &self,
        client: &reqwest::Client,
        cid: &Cid,
    ) -> Result<(), BlobError> {
        match self {
            Self::S3(bucket) => bucket.remove(cid).await,
            // Deleting there goes by an id that only its own lists know.
            Self::Lighthouse { .. } => Ok(()),
            Self::Kubo { rpc } => {
                let unpinned = client
                    .post(at(rpc, &format!("/api/v0/pin/rm?arg={cid}")))
                    .send()
                    .await;
                // "Not pinned" is an error there and fine here.
                unpinned
                    .map(|_| ())
                    .map_err(|error| failed(error.without_url()))
            }
        }
    }

    /// The files that were last written before `before`, in milliseconds since 1970, where the service can be asked.
    /// The others hold files of other people too.
    pub(super) fn older_than(&self, before: u64) -> BoxStream<'static, Result<Cid, BlobError>> {
        match self {
            Self::S3(bucket) => bucket.older_than(before),
            Self::Lighthouse { .. } | Self::Kubo { .. } => futures::stream::empty().boxed(),
        }
    }
}
