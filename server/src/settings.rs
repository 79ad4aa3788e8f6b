//! What an operator can set: flags, or `HEALTHSYNC_*` in the environment. A value that cannot work is refused at
//! start with its name, the value and what would be right; nothing falls back silently.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;
use healthsync_core::Person;
use reqwest::Url;

use crate::key_nodes::lighthouse;
use crate::storage::S3Settings;

/// The local chain that `cargo xtask run` starts.
pub const LOCAL_CHAIN: u64 = 31337;

/// 100 MiB of image and the 44 bytes that encryption adds.
const DEFAULT_MAX_UPLOAD: u64 = 100 * 1024 * 1024 + 44;

/// 20 GiB.
const DEFAULT_QUOTA: u64 = 20 << 30;

/// HealthSync: pages, relay and mailbox, embedded key nodes and storage in one process.
#[derive(Clone, Debug, Parser)]
#[command(name = "healthsync", version)]
pub struct Settings {
    /// What this process is: `server`, or `key-node`, one of the five key nodes and nothing else, for an institution
    /// that keeps one share of each key.
    #[arg(long, env = "HEALTHSYNC_ROLE", default_value = "server", value_parser = role)]
    pub role: Role,

    /// Which of the five a key node is, 1 to 5.
    #[arg(long, env = "HEALTHSYNC_NODE", value_parser = node)]
    pub node: Option<u8>,

    /// Address and port for pages, API and /p2p.
    #[arg(long, env = "HEALTHSYNC_ADDR", default_value = "127.0.0.1:3000", value_parser = addr)]
    pub addr: SocketAddr,

    /// Folder for the mailbox, the key nodes' shares, the stored files and this server's identity. It is made if
    /// it does not exist, readable by this user only.
    #[arg(long, env = "HEALTHSYNC_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// Database of the mailbox: `sqlite:FILE`, or `postgres://…` for a PostgreSQL server. Default: healthsync.db in the
    /// data folder, where the index of rooms always is.
    #[arg(long, env = "HEALTHSYNC_DATABASE_URL", value_parser = database, hide_env_values = true)]
    pub database_url: Option<Database>,

    /// Forget the events of rooms in which nothing was said for so many days. Default: keep all.
    #[arg(long, env = "HEALTHSYNC_RETENTION_DAYS", value_parser = retention_days)]
    pub retention_days: Option<u64>,

    /// Who keeps the encrypted files. Empty: the data folder. `lighthouse`: Lighthouse's service, with the key in
    /// HEALTHSYNC_STORAGE_API_KEY; `lighthouse+https://…`: another server with its API. `kubo+http://127.0.0.1:5001`: an
    /// IPFS node. `s3://bucket/folder`: a bucket, with the AWS settings below. Browsers see none of these. A plain https
    /// URL: another HealthSync server, which browsers use directly.
    #[arg(long, env = "HEALTHSYNC_STORAGE_URL", default_value = "", value_parser = storage)]
    pub storage_url: Storage,

    /// API key for the storage service, used by this server only.
    #[arg(long, env = "HEALTHSYNC_STORAGE_API_KEY", hide_env_values = true, value_parser = api_key)]
    pub storage_api_key: Option<ApiKey>,

    #[command(flatten)]
    pub s3: S3Settings,

    /// Key nodes: one base URL that serves nodes 1 to 5, or five URLs separated by commas, of which the word `here`
    /// stands for a node inside this process. Empty: all five inside this process, which is for trying out, because
    /// one operator then holds all shares. `lighthouse`: the five that Lighthouse runs, all on one host of theirs, with a
    /// wallet's signature for each visit; `lighthouse+https://…`: another host that knows no more than their API.
    #[arg(long, env = "HEALTHSYNC_KEY_NODES", default_value = "", value_parser = key_nodes)]
    pub key_nodes: KeyNodes,

    /// Have browsers ask key nodes of Lighthouse's kind through this server, for networks that let browsers reach this
    /// server only. What passes is good for every key of the person, so whoever runs this server could then put keys
    /// together, and the page says so.
    #[arg(long, env = "HEALTHSYNC_KEY_NODES_THROUGH_SERVER", default_value = "false", value_parser = through_server, action = clap::ArgAction::Set)]
    pub key_nodes_through_server: bool,

    /// File with the 32 bytes that seal the key shares on disk. It is made if it does not exist. Keep it apart from
    /// backups of the data folder. Default: shares.key in the data folder.
    #[arg(long, env = "HEALTHSYNC_SHARE_KEY_FILE")]
    pub share_key_file: Option<PathBuf>,

    /// Other chains that access conditions may ask, as NAME=ID@URL separated by commas, such as
    /// `Ethereum=1@https://rpc.example.org`.
    #[arg(long, env = "HEALTHSYNC_CONDITION_CHAINS", value_delimiter = ',', value_parser = condition_chain)]
    pub condition_chains: Vec<ConditionChain>,

    /// JSON-RPC URL of the chain. Browsers and wallets are told it too, so it must hold no secret.
    #[arg(long, env = "HEALTHSYNC_CHAIN_RPC", default_value = "http://127.0.0.1:8545", value_parser = chain_rpc)]
    pub chain_rpc: Url,

    /// Chain id that the RPC must answer with. 31337 is a local anvil, 314159 Filecoin Calibration.
    #[arg(long, env = "HEALTHSYNC_CHAIN_ID", default_value = "31337", value_parser = chain_id)]
    pub chain_id: u64,

    /// Name of the chain on screen and in access conditions. Default: by chain id.
    #[arg(long, env = "HEALTHSYNC_CHAIN_NAME", value_parser = chain_name)]
    pub chain_name: Option<String>,

    /// Address of the RoomRegistry contract. Without it rooms can be neither created nor joined.
    #[arg(long, env = "HEALTHSYNC_REGISTRY", value_parser = registry)]
    pub registry: Option<Person>,

    /// Address of the ConversationToken contract. Without it cases cannot become tokens.
    #[arg(long, env = "HEALTHSYNC_TOKEN", value_parser = token)]
    pub token: Option<Person>,

    /// UDP port for WebRTC; 0 takes any free one. Default: the number of the HTTP port.
    #[arg(long, env = "HEALTHSYNC_P2P_WEBRTC_PORT", value_parser = webrtc_port)]
    pub p2p_webrtc_port: Option<u16>,

    /// Name or address, with an optional port, under which browsers reach this server, such as
    /// `rooms.example.org:443`; port 443 stands for TLS in front. Default: the listening address.
    #[arg(long, env = "HEALTHSYNC_PUBLIC_HOST", value_parser = public_host)]
    pub public_host: Option<PublicHost>,

    /// STUN servers for links between browsers, as `stun:host:port`, separated by commas. They learn the addresses of
    /// browsers and nothing else. Empty: only browsers that see each other directly find a link; all others go by
    /// this server, as before.
    #[arg(long, env = "HEALTHSYNC_STUN", default_value = "", value_parser = stun_url, value_delimiter = ',')]
    pub stun: Vec<String>,

    /// Other servers of the same rooms, as `https://host` separated by commas: same chain and registry, same key nodes.
    /// Each names the others here. People may then be connected to any of them, and what one missed it gets from the
    /// others.
    #[arg(long, env = "HEALTHSYNC_RELAYS", default_value = "", value_parser = relays)]
    pub relays: Relays,

    /// Trust the last entry of X-Forwarded-For. Only behind a proxy of your own, otherwise anyone can choose the
    /// address that rate limits count.
    #[arg(long, env = "HEALTHSYNC_BEHIND_PROXY", default_value = "false", value_parser = behind_proxy, action = clap::ArgAction::Set)]
    pub behind_proxy: bool,

    /// Largest upload in bytes, encrypted.
    #[arg(long, env = "HEALTHSYNC_MAX_UPLOAD", default_value_t = DEFAULT_MAX_UPLOAD, value_parser = max_upload)]
    pub max_upload: u64,

    /// What one person may store here, in bytes.
    #[arg(long, env = "HEALTHSYNC_STORAGE_QUOTA", default_value_t = DEFAULT_QUOTA, value_parser = storage_quota)]
    pub storage_quota: u64,

    /// Folder with the built page: manifest.json, pkg/ and the public files.
    #[arg(long, env = "HEALTHSYNC_SITE_ROOT", default_value = "target/site")]
    pub site_root: PathBuf,

    /// What to log, as `info` or `warn,server=debug`.
    #[arg(long, env = "HEALTHSYNC_LOG", default_value = "info")]
    pub log: String,
}

/// Where the mailbox is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite(PathBuf),
    Postgres(PostgresUrl),
}

/// A URL that may hold a password: shown without it.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Url);

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

impl std::fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

impl std::fmt::Debug for ConditionChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
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

impl Settings {
    /// Name of the chain on screen and in conditions.
    pub fn chain_name(&self) -> String {
        if let Some(name) = &self.chain_name {
            return name.clone();
        }
        match (self.chain_id, lighthouse::chain_of(self.chain_id)) {
            (LOCAL_CHAIN, _) => "Local chain".into(),
            (_, Some(name)) => name.into(),
            (other, None) => format!("Chain {other}"),
        }
    }

    /// Symbol of the chain's own coin.
    pub fn currency(&self) -> &'static str {
        match self.chain_id {
            314 => "FIL",
            314_159 => "tFIL",
            _ => "ETH",
        }
    }

    /// A block explorer, where one is known.
    pub fn explorer(&self) -> Option<String> {
        match self.chain_id {
            314 => Some("https://filfox.info/en".into()),
            314_159 => Some("https://calibration.filfox.info/en".into()),
            _ => None,
        }
    }

    /// The embedded database: index and uploads, and the mailbox unless it is elsewhere.
    pub fn database(&self) -> PathBuf {
        match &self.database_url {
            Some(Database::Sqlite(path)) => path.clone(),
            Some(Database::Postgres(_)) | None => self.data_dir.join("healthsync.db"),
        }
    }

    /// The STUN servers; an empty setting is none.
    pub fn stun_servers(&self) -> Vec<String> {
        let set = self.stun.iter().filter(|url| !url.is_empty());
        set.cloned().collect()
    }

    /// Origins beside our own that the page talks to, for the content security policy.
    pub fn page_origins(&self) -> Vec<String> {
        let mut origins = Vec::new();
        if let Storage::Remote(url) = &self.storage_url {
            origins.push(url.origin().ascii_serialization());
        }
        if !self.key_nodes_through_server {
            let nodes = self.key_nodes.urls();
            origins.extend(nodes.map(|url| url.origin().ascii_serialization()));
        }
        origins.sort();
        origins.dedup();
        origins
    }
}

fn addr(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "HEALTHSYNC_ADDR takes an IP address and a port, such as 127.0.0.1:3000 or 0.0.0.0:3000"
            .into()
    })
}

fn database(text: &str) -> Result<Database, String> {
    let right = "HEALTHSYNC_DATABASE_URL takes sqlite:FILE, such as sqlite:/var/lib/healthsync/mailbox.db, or \
                 postgres://USER:PASSWORD@HOST/DATABASE";
    if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        let url = Url::parse(text).map_err(|_| right)?;
        return Ok(Database::Postgres(PostgresUrl(url)));
    }
    let path = text
        .strip_prefix("sqlite://")
        .or_else(|| text.strip_prefix("sqlite:"))
        .ok_or(right)?;
    if path.is_empty() || path.contains('?') || path.contains(":memory:") {
        return Err(right.into());
    }
    Ok(Database::Sqlite(path.into()))
}

fn retention_days(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|days| (1..=36_500).contains(days)).ok_or_else(|| {
        "HEALTHSYNC_RETENTION_DAYS takes a number of days from 1 to 36500, or is left out to keep all".into()
    })
}

fn http_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let usable = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none();
    usable.then_some(url)
}

fn storage(text: &str) -> Result<Storage, String> {
    let right = "HEALTHSYNC_STORAGE_URL takes nothing (the data folder), lighthouse, or an http or https URL without \
                 user name and query, such as https://storage.example.org; before it lighthouse+ for Lighthouse's API, \
                 kubo+ for an IPFS node; or s3://bucket/folder";
    let base = |text: &str| {
        http_url(text)
            .filter(|url| url.query().is_none())
            .ok_or(right)
    };
    if text.is_empty() {
        return Ok(Storage::Embedded);
    }
    if text == "lighthouse" {
        return Ok(Storage::Lighthouse {
            upload: base("https://upload.lighthouse.storage")?,
            gateway: base("https://gateway.lighthouse.storage")?,
        });
    }
    if let Some(url) = text.strip_prefix("lighthouse+") {
        return Ok(Storage::Lighthouse {
            upload: base(url)?,
            gateway: base(url)?,
        });
    }
    if let Some(url) = text.strip_prefix("kubo+") {
        return Ok(Storage::Kubo(base(url)?));
    }
    if let Some(place) = text.strip_prefix("s3://") {
        let (bucket, folder) = place.split_once('/').unwrap_or((place, ""));
        let named = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte))
        };
        if bucket.is_empty() || !named(bucket) || !named(folder) {
            return Err(right.into());
        }
        return Ok(Storage::S3 {
            bucket: bucket.to_owned(),
            folder: folder.trim_matches('/').to_owned(),
        });
    }
    Ok(Storage::Remote(base(text)?))
}

fn key_nodes(text: &str) -> Result<KeyNodes, String> {
    let right = "HEALTHSYNC_KEY_NODES takes one base URL or five of them separated by commas, such as \
                 https://keys.example.org, with the word `here` for a node in this process, or nothing for all \
                 five in this process; or lighthouse, or lighthouse+ and one base URL";
    let base = |text: &str| {
        http_url(text)
            .filter(|url| url.query().is_none())
            .ok_or(right)
    };
    if text.is_empty() {
        return Ok(KeyNodes::default());
    }
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    if parts.iter().any(|part| part.starts_with("lighthouse")) {
        return match parts.as_slice() {
            ["lighthouse"] => Ok(KeyNodes::Lighthouse(base(lighthouse::KEY_NODES)?)),
            [only] => {
                let url = only.strip_prefix("lighthouse+").ok_or(right)?;
                Ok(KeyNodes::Lighthouse(base(url)?))
            }
            // Keys would be as safe as the weaker kind, and a person would have to sign for it all the same.
            _ => Err(
                "HEALTHSYNC_KEY_NODES names Lighthouse's kind beside others; it takes the five nodes of one \
                 lighthouse host, or five of HealthSync's own kind"
                    .into(),
            ),
        };
    }
    let mut nodes = Vec::new();
    for part in parts {
        nodes.push(match part {
            "here" => None,
            url => Some(base(url)?),
        });
    }
    if nodes.len() == 1 {
        nodes = vec![nodes[0].clone(); 5];
    }
    let nodes: [Option<Url>; 5] = nodes.try_into().map_err(|_| right)?;
    Ok(KeyNodes::Ours(Box::new(nodes)))
}

fn through_server(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| "HEALTHSYNC_KEY_NODES_THROUGH_SERVER takes true or false".into())
}

fn api_key(text: &str) -> Result<ApiKey, String> {
    if text.is_empty() || !text.chars().all(|c| c.is_ascii_graphic()) {
        // The value is not repeated.
        return Err("HEALTHSYNC_STORAGE_API_KEY takes the key as the service gave it".into());
    }
    Ok(ApiKey(text.into()))
}

fn role(text: &str) -> Result<Role, String> {
    match text {
        "server" => Ok(Role::Server),
        "key-node" => Ok(Role::KeyNode),
        _ => Err("HEALTHSYNC_ROLE takes server or key-node".into()),
    }
}

fn node(text: &str) -> Result<u8, String> {
    text.parse()
        .ok()
        .filter(|number| (1..=5).contains(number))
        .ok_or_else(|| "HEALTHSYNC_NODE takes a number from 1 to 5".into())
}

fn condition_chain(text: &str) -> Result<ConditionChain, String> {
    // The value is not repeated here: a URL may hold a secret.
    let right = "HEALTHSYNC_CONDITION_CHAINS takes NAME=ID@URL, several separated by commas, such as \
                 Ethereum=1@https://rpc.example.org";
    let (name, rest) = text.split_once('=').ok_or(right)?;
    let (id, url) = rest.split_once('@').ok_or(right)?;
    Ok(ConditionChain {
        name: chain_name(name).map_err(|_| right)?,
        id: chain_id(id).map_err(|_| right)?,
        rpc: http_url(url).ok_or(right)?,
    })
}

/// The URL of a chain's RPC on the command line.
pub(crate) fn rpc_url(text: &str) -> Result<Url, String> {
    http_url(text).ok_or_else(|| {
        "--rpc takes an http or https URL without user name, such as http://127.0.0.1:8545".into()
    })
}

fn chain_rpc(text: &str) -> Result<Url, String> {
    http_url(text).ok_or_else(|| {
        "HEALTHSYNC_CHAIN_RPC takes an http or https URL without user name, such as http://127.0.0.1:8545".into()
    })
}

fn chain_id(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|id| *id > 0).ok_or_else(|| {
        "HEALTHSYNC_CHAIN_ID takes a decimal number above 0, such as 31337 (local) or 314159 (Calibration)".into()
    })
}

fn chain_name(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > 40 || name.chars().any(char::is_control) {
        return Err("HEALTHSYNC_CHAIN_NAME takes 1 to 40 characters, such as Calibration".into());
    }
    Ok(name.into())
}

fn contract(name: &str, text: &str) -> Result<Person, String> {
    text.parse::<Person>()
        .map_err(|error| format!("{name} takes a contract address, 0x and 40 hex digits. {error}"))
}

fn registry(text: &str) -> Result<Person, String> {
    contract("HEALTHSYNC_REGISTRY", text)
}

fn token(text: &str) -> Result<Person, String> {
    contract("HEALTHSYNC_TOKEN", text)
}

fn webrtc_port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| {
        "HEALTHSYNC_P2P_WEBRTC_PORT takes a UDP port from 1 to 65535, or 0 for any free one".into()
    })
}

fn stun_url(text: &str) -> Result<String, String> {
    let right = "HEALTHSYNC_STUN takes addresses of STUN servers separated by commas, such as \
                 stun:stun.example.org:3478, or nothing";
    let text = text.trim();
    let place = text
        .strip_prefix("stun:")
        .or_else(|| text.strip_prefix("stuns:"));
    let usable = place
        .is_some_and(|place| public_host(place).is_ok() && !place.chars().any(char::is_whitespace));
    if text.is_empty() || usable {
        Ok(text.to_owned())
    } else {
        Err(right.into())
    }
}

fn relays(text: &str) -> Result<Relays, String> {
    let right = "HEALTHSYNC_RELAYS takes the addresses of the other servers as https://host or https://host:port, \
                 separated by commas, each once and at most 16, or nothing; http:// only for servers on this machine, \
                 because whoever stands between could pass for the other one";
    let mut origins: Vec<Url> = Vec::new();
    for part in text.split(',').map(str::trim) {
        if part.is_empty() && text.is_empty() {
            continue;
        }
        let url = http_url(part).filter(|url| url.path() == "/" && url.query().is_none());
        let url = url.ok_or(right)?;
        let here = match url.host_str().unwrap_or_default() {
            "localhost" => true,
            host => host
                .trim_matches(['[', ']'])
                .parse::<IpAddr>()
                .is_ok_and(|ip| ip.is_loopback()),
        };
        if (url.scheme() != "https" && !here) || origins.contains(&url) || origins.len() >= 16 {
            return Err(right.into());
        }
        origins.push(url);
    }
    Ok(Relays(origins))
}

fn public_host(text: &str) -> Result<PublicHost, String> {
    let right = "HEALTHSYNC_PUBLIC_HOST takes a name or an address with an optional port, such as \
                 rooms.example.org:443 or 192.0.2.7";
    // A lone IPv6 address has colons of its own.
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(PublicHost {
            host: ip.to_string(),
            port: None,
        });
    }
    let url = Url::parse(&format!("http://{text}/")).map_err(|_| right)?;
    let plain = url.path() == "/"
        && url.username().is_empty()
        && url.query().is_none()
        && url.fragment().is_none();
    let host = url
        .host_str()
        .filter(|_| plain && !text.contains('/') && !text.is_empty())
        .ok_or(right)?;
    // `Url` drops the default port 80, so look at the text.
    let port = text
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok());
    Ok(PublicHost {
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
    })
}

fn behind_proxy(text: &str) -> Result<bool, String> {
    text.parse()
        .map_err(|_| "HEALTHSYNC_BEHIND_PROXY takes true or false".into())
}

fn max_upload(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|bytes| (1024..=64 << 30).contains(bytes)).ok_or_else(|| {
        "HEALTHSYNC_MAX_UPLOAD takes a number of bytes from 1024 to 68719476736, such as 104857644".into()
    })
}

fn storage_quota(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "HEALTHSYNC_STORAGE_QUOTA takes a number of bytes, such as 21474836480".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Settings, String> {
        Settings::try_parse_from(std::iter::once("healthsync").chain(args.iter().copied()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_bad_value_is_refused_with_name_value_and_what_is_right() {
        let cases = [
            ("--addr", "localhost", "HEALTHSYNC_ADDR", "127.0.0.1:3000"),
            (
                "--database-url",
                "mysql://db/hs",
                "HEALTHSYNC_DATABASE_URL",
                "sqlite:FILE",
            ),
            (
                "--storage-url",
                "ftp://x",
                "HEALTHSYNC_STORAGE_URL",
                "https://storage.example.org",
            ),
            (
                "--key-nodes",
                "https://a,https://b",
                "HEALTHSYNC_KEY_NODES",
                "five",
            ),
            ("--role", "cook", "HEALTHSYNC_ROLE", "key-node"),
            ("--node", "6", "HEALTHSYNC_NODE", "1 to 5"),
            (
                "--condition-chains",
                "Ethereum=https://x",
                "HEALTHSYNC_CONDITION_CHAINS",
                "NAME=ID@URL",
            ),
            (
                "--chain-rpc",
                "8545",
                "HEALTHSYNC_CHAIN_RPC",
                "http://127.0.0.1:8545",
            ),
            ("--chain-id", "0x7a69", "HEALTHSYNC_CHAIN_ID", "31337"),
            (
                "--registry",
                "0x1234",
                "HEALTHSYNC_REGISTRY",
                "40 hex digits",
            ),
            (
                "--p2p-webrtc-port",
                "70000",
                "HEALTHSYNC_P2P_WEBRTC_PORT",
                "65535",
            ),
            (
                "--public-host",
                "http://a/b",
                "HEALTHSYNC_PUBLIC_HOST",
                "rooms.example.org",
            ),
            (
                "--stun",
                "https://stun.example.org",
                "HEALTHSYNC_STUN",
                "stun:stun.example.org:3478",
            ),
            (
                "--relays",
                "http://rooms.example.org",
                "HEALTHSYNC_RELAYS",
                "https://host",
            ),
            (
                "--max-upload",
                "100MB",
                "HEALTHSYNC_MAX_UPLOAD",
                "104857644",
            ),
            (
                "--behind-proxy",
                "maybe",
                "HEALTHSYNC_BEHIND_PROXY",
                "true or false",
            ),
        ];
        for (flag, value, name, right) in cases {
            let said = parse(&[flag, value]).expect_err(flag);
            assert!(
                said.contains(value) && said.contains(name) && said.contains(right),
                "{said}"
            );
        }
    }

    #[test]
    fn the_defaults_are_those_of_the_design() {
        let settings = parse(&[]).expect("defaults parse");
        assert_eq!(settings.addr.to_string(), "127.0.0.1:3000");
        assert_eq!(
            (settings.chain_id, settings.key_nodes),
            (LOCAL_CHAIN, KeyNodes::default())
        );
        assert_eq!(settings.storage_url, Storage::Embedded);
    }

    #[test]
    fn stun_servers_are_a_list_and_none_by_default() {
        let stun = |args: &[&str]| parse(args).expect("they parse").stun_servers();
        assert_eq!(stun(&[]), Vec::<String>::new());
        assert_eq!(
            stun(&["--stun", "stun:a.example:3478,stuns:b.example"]),
            ["stun:a.example:3478", "stuns:b.example"]
        );
    }

    #[test]
    fn other_servers_are_named_by_their_origins() {
        let read = |text: &str| {
            let origins = |found: Relays| found.0.iter().map(Url::to_string).collect::<Vec<_>>();
            relays(text).map(origins)
        };
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(
            read("https://b.example, https://c.example:8443,http://127.0.0.1:3001"),
            Ok(vec![
                "https://b.example/".into(),
                "https://c.example:8443/".into(),
                "http://127.0.0.1:3001/".into()
            ])
        );
        for wrong in [
            "b.example",
            "http://10.0.0.2:3000",
            "https://b.example/rooms",
            "https://b.example,",
            "https://b.example,https://b.example/",
            "/dns4/b.example/tcp/443/tls/ws",
            "https://me:secret@b.example",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn key_nodes_may_be_here_and_elsewhere() {
        let places = |text: &str| {
            key_nodes(text).map(|nodes| match nodes {
                KeyNodes::Ours(places) => places.map(|url| url.is_some()),
                KeyNodes::Lighthouse(url) => panic!("{url}"),
            })
        };
        assert_eq!(places(""), Ok([false; 5]));
        assert_eq!(places("https://a.example"), Ok([true; 5]));
        assert_eq!(
            places("here, https://b.example,here,https://d.example/x,here"),
            Ok([false, true, false, true, false])
        );
        assert!(places("here,there,here,here,here").is_err());
        let chain = condition_chain("Base=8453@https://rpc.example/v1?key=secret").expect("reads");
        assert_eq!((chain.name.as_str(), chain.id), ("Base", 8453));
        assert!(!format!("{chain:?}").contains("secret"));
    }

    #[test]
    fn key_nodes_of_lighthouses_kind_are_one_host_and_no_mixture() {
        let url = |text: &str| match key_nodes(text) {
            Ok(KeyNodes::Lighthouse(url)) => Ok(url.to_string()),
            Ok(KeyNodes::Ours(_)) => Err("ours".to_owned()),
            Err(why) => Err(why),
        };
        assert_eq!(
            url("lighthouse"),
            Ok("https://encryption.lighthouse.storage/".into())
        );
        assert_eq!(
            url("lighthouse+https://keys.example/x"),
            Ok("https://keys.example/x".into())
        );
        for wrong in [
            "lighthouse,here,here,here,here",
            "https://a.example,lighthouse+https://b.example",
            "lighthouse+https://a.example,lighthouse+https://b.example",
        ] {
            let why = url(wrong).expect_err(wrong);
            assert!(why.contains("beside others"), "{why}");
        }
        assert!(url("lighthouse+ftp://keys.example").is_err());
        assert!(url("lighthouse+").is_err());
        let origins = |more: &[&str]| parse(more).expect("parses").page_origins();
        let there = ["--key-nodes", "lighthouse+https://keys.example/x"];
        assert_eq!(origins(&there), ["https://keys.example"]);
        let through = [&there[..], &["--key-nodes-through-server", "true"]].concat();
        assert!(origins(&through).is_empty());
    }

    #[test]
    fn public_hosts_are_read_with_and_without_port() {
        let host = |text: &str| public_host(text).map(|h| (h.host, h.port));
        assert_eq!(
            host("rooms.example.org:443"),
            Ok(("rooms.example.org".into(), Some(443)))
        );
        assert_eq!(
            host("rooms.example.org:80"),
            Ok(("rooms.example.org".into(), Some(80)))
        );
        assert_eq!(host("192.0.2.7"), Ok(("192.0.2.7".into(), None)));
        assert_eq!(host("::1"), Ok(("::1".into(), None)));
        assert_eq!(host("[::1]:3000"), Ok(("::1".into(), Some(3000))));
        assert!(host("").is_err());
    }
}
