//! What an operator can set: flags, or `HEALTHSYNC_*` in the environment. A value that cannot work is refused at
//! start with its name, the value and what would be right; nothing falls back silently.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;
use healthsync_core::Person;
use reqwest::Url;

/// The local chain that `cargo xtask run` starts.
pub const LOCAL_CHAIN: u64 = 31337;

/// 100 MiB of image and the 44 bytes that encryption adds.
const DEFAULT_MAX_UPLOAD: u64 = 100 * 1024 * 1024 + 44;

/// HealthSync: pages, relay and mailbox, embedded key nodes and storage in one process.
#[derive(Clone, Debug, Parser)]
#[command(name = "healthsync", version)]
pub struct Settings {
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

    /// Storage service with the Lighthouse API, as an https URL. Empty: the data folder of this server.
    #[arg(long, env = "HEALTHSYNC_STORAGE_URL", default_value = "", value_parser = storage)]
    pub storage_url: Storage,

    /// Key nodes: one base URL that serves nodes 1 to 5, or five URLs separated by commas. Empty: five nodes inside
    /// this process, which is for trying out, because one operator then holds all shares.
    #[arg(long, env = "HEALTHSYNC_KEY_NODES", default_value = "", value_parser = key_nodes)]
    pub key_nodes: KeyNodes,

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

    /// Address of the token contract, once there is one.
    #[arg(long, env = "HEALTHSYNC_TOKEN", value_parser = token)]
    pub token: Option<Person>,

    /// UDP port for WebRTC; 0 takes any free one. Default: the number of the HTTP port.
    #[arg(long, env = "HEALTHSYNC_P2P_WEBRTC_PORT", value_parser = webrtc_port)]
    pub p2p_webrtc_port: Option<u16>,

    /// Name or address, with an optional port, under which browsers reach this server, such as
    /// `rooms.example.org:443`; port 443 stands for TLS in front. Default: the listening address.
    #[arg(long, env = "HEALTHSYNC_PUBLIC_HOST", value_parser = public_host)]
    pub public_host: Option<PublicHost>,

    /// Trust the last entry of X-Forwarded-For. Only behind a proxy of your own, otherwise anyone can choose the
    /// address that rate limits count.
    #[arg(long, env = "HEALTHSYNC_BEHIND_PROXY", default_value = "false", value_parser = behind_proxy, action = clap::ArgAction::Set)]
    pub behind_proxy: bool,

    /// Largest upload in bytes, encrypted.
    #[arg(long, env = "HEALTHSYNC_MAX_UPLOAD", default_value_t = DEFAULT_MAX_UPLOAD, value_parser = max_upload)]
    pub max_upload: u64,

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
    Embedded,
    Remote(Url),
}

/// Who keeps the key shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyNodes {
    Embedded,
    /// Base URL of node 1 to 5; node N is asked at `…/N`.
    Remote(Box<[Url; 5]>),
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
        match self.chain_id {
            LOCAL_CHAIN => "Local chain".into(),
            314 => "Filecoin".into(),
            314_159 => "Calibration".into(),
            other => format!("Chain {other}"),
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

    /// Origins beside our own that the page talks to, for the content security policy.
    pub fn page_origins(&self) -> Vec<String> {
        let mut origins = Vec::new();
        if let Storage::Remote(url) = &self.storage_url {
            origins.push(url.origin().ascii_serialization());
        }
        if let KeyNodes::Remote(urls) = &self.key_nodes {
            origins.extend(urls.iter().map(|url| url.origin().ascii_serialization()));
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
    if text.is_empty() {
        return Ok(Storage::Embedded);
    }
    http_url(text).filter(|url| url.query().is_none()).map(Storage::Remote).ok_or_else(|| {
        "HEALTHSYNC_STORAGE_URL takes an http or https URL without user name and query, such as \
         https://storage.example.org, or nothing for the data folder"
            .into()
    })
}

fn key_nodes(text: &str) -> Result<KeyNodes, String> {
    if text.is_empty() {
        return Ok(KeyNodes::Embedded);
    }
    let right = "HEALTHSYNC_KEY_NODES takes one base URL or five of them separated by commas, such as \
                 https://keys.example.org, or nothing for the embedded five";
    let mut urls = Vec::new();
    for part in text.split(',') {
        urls.push(
            http_url(part.trim())
                .filter(|url| url.query().is_none())
                .ok_or(right)?,
        );
    }
    if urls.len() == 1 {
        urls = vec![urls[0].clone(); 5];
    }
    let urls: [Url; 5] = urls.try_into().map_err(|_| right)?;
    Ok(KeyNodes::Remote(Box::new(urls)))
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
            (LOCAL_CHAIN, KeyNodes::Embedded)
        );
        assert_eq!(settings.storage_url, Storage::Embedded);
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
