//! What settings hold once they have been read.

use std::fmt;
use std::path::PathBuf;

use reqwest::Url;

/// Where the mailbox is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// A URL that may hold a password: shown without it.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(pub(super) Url);

impl PostgresUrl {
    /// With the password, to connect with.
    pub fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or("this machine");
        write!(f, "postgres://{host}{}", self.0.path())
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresUrl({self})")
    }
}

/// Who keeps the encrypted files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// The data folder.
    Embedded,
    /// Another HealthSync server; browsers use it directly.
    Remote(Url),
    /// A service with Lighthouse's API, reached by this server.
    Lighthouse { upload: Url, gateway: Url },
    /// A Kubo node, reached by this server.
    Kubo(Url),
    /// A folder in a bucket that speaks S3, reached by this server.
    S3 { bucket: String, folder: String },
}

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Pages, relay, mailbox, storage, and the key nodes that are not elsewhere.
    Server,
    /// One key node.
    KeyNode,
}

/// A secret that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(pub String);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(..)")
    }
}

/// Who keeps the key shares; node N is asked at `…/N`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyNodes {
    /// Nodes of our kind, by the base URL of node 1 to 5; `None` for one that runs inside this process.
    Ours(Box<[Option<Url>; 5]>),
    /// One host with Lighthouse's API and one sign-in for its five nodes.
    Lighthouse(Url),
}

impl Default for KeyNodes {
    fn default() -> Self {
        Self::Ours(Box::default())
    }
}

impl KeyNodes {
    /// The base URLs that are not this process.
    pub fn urls(&self) -> impl Iterator<Item = &Url> {
        let (ours, theirs) = match self {
            Self::Ours(places) => (Some(places.iter().flatten()), None),
            Self::Lighthouse(url) => (None, Some(url)),
        };
        ours.into_iter().flatten().chain(theirs)
    }
}

/// The origins of other servers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relays(pub Vec<Url>);

/// A chain that conditions may ask.
#[derive(Clone, PartialEq, Eq)]
pub struct ConditionChain {
    /// As conditions name it; letter case does not count.
    pub name: String,
    /// What its RPC must say.
    pub id: u64,
    /// Where it is asked. May hold a secret, so it is shown nowhere.
    pub rpc: Url,
}

impl fmt::Debug for ConditionChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConditionChain")
            .field("name", &self.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The outside name of this server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicHost {
    /// DNS name or IP address, the latter without brackets.
    pub host: String,
    pub port: Option<u16>,
}
