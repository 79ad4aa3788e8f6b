//! What an operator can set: flags, or `HEALTHSYNC_*` in the environment. A value that cannot work is refused at
//! start with its name, the value unless it may hold a secret, and what would be right; nothing falls back silently.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use clap::error::{ContextKind, ContextValue};
use healthsync_core::Person;
use reqwest::Url;

use crate::key_nodes::lighthouse;
use crate::storage::S3Settings;

mod read;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use read::rpc_url;
pub use values::{
    ApiKey, ConditionChain, Database, KeyNodes, PostgresUrl, PublicHost, Relays, Role, Storage,
};

/// The local chain that `cargo xtask run` starts.
pub const LOCAL_CHAIN: u64 = 31337;

/// 100 MiB of image and the 44 bytes that encryption adds.
const DEFAULT_MAX_UPLOAD: u64 = 100 * 1024 * 1024 + 44;

/// 20 GiB.
const DEFAULT_QUOTA: u64 = 20 << 30;

/// Reads the settings, or whatever has them among other things. What clap says of a bad value goes to logs: a value that
/// may hold a secret is left out there.
///
/// # Errors
/// What to print, also when that is only the help.
pub fn parse<P: Parser>(args: impl IntoIterator<Item = OsString>) -> Result<P, clap::Error> {
    P::try_parse_from(args).map_err(|mut error| {
        let of = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.as_str(),
            _ => "",
        };
        // `--flag <VALUE>`
        let flag = of(ContextKind::InvalidArg).split([' ', '=']).next();
        let flag = flag.and_then(|flag| flag.strip_prefix("--"));
        let command = P::command();
        let mut arguments = command.get_arguments();
        let secret = arguments.any(|arg| arg.is_hide_env_values_set() && arg.get_long() == flag)
            // A user name and a password in a URL that takes none.
            || of(ContextKind::InvalidValue).contains('@');
        if secret {
            let instead = ContextValue::String("(not shown, it may hold a secret)".into());
            error.insert(ContextKind::InvalidValue, instead);
        }
        error
    })
}

/// HealthSync: pages, relay and mailbox, embedded key nodes and storage in one process.
#[derive(Clone, Debug, Parser)]
#[command(name = "healthsync", version)]
pub struct Settings {
    /// What this process is: `server`, or `key-node`, one of the five key nodes and nothing else, for an institution
    /// that keeps one share of each key.
    #[arg(long, env = "HEALTHSYNC_ROLE", default_value = "server", value_parser = read::role)]
    pub role: Role,

    /// Which of the five a key node is, 1 to 5.
    #[arg(long, env = "HEALTHSYNC_NODE", value_parser = read::node)]
    pub node: Option<u8>,

    /// Address and port for pages, API and /p2p.
    #[arg(long, env = "HEALTHSYNC_ADDR", default_value = "127.0.0.1:3000", value_parser = read::addr)]
    pub addr: SocketAddr,

    /// Folder for the mailbox, the key nodes' shares, the stored files and this server's identity. It is made if
    /// it does not exist, readable by this user only.
    #[arg(long, env = "HEALTHSYNC_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// Database of the mailbox: `sqlite:FILE`, or `postgres://…` for a PostgreSQL server. Default: healthsync.db in the
    /// data folder, where the index of rooms always is.
    #[arg(long, env = "HEALTHSYNC_DATABASE_URL", value_parser = read::database, hide_env_values = true)]
    pub database_url: Option<Database>,

    /// Forget the events of rooms in which nothing was said for so many days. Default: keep all.
    #[arg(long, env = "HEALTHSYNC_RETENTION_DAYS", value_parser = read::retention_days)]
    pub retention_days: Option<u64>,

    /// Who keeps the encrypted files. Empty: the data folder. `lighthouse`: Lighthouse's service, with the key in
    /// HEALTHSYNC_STORAGE_API_KEY; `lighthouse+https://…`: another server with its API. `kubo+http://127.0.0.1:5001`: an
    /// IPFS node. `s3://bucket/folder`: a bucket, with the AWS settings below. Browsers see none of these. A plain https
    /// URL: another HealthSync server, which browsers use directly.
    #[arg(long, env = "HEALTHSYNC_STORAGE_URL", default_value = "", value_parser = read::storage)]
    pub storage_url: Storage,

    /// API key for the storage service, used by this server only.
    #[arg(long, env = "HEALTHSYNC_STORAGE_API_KEY", hide_env_values = true, value_parser = read::api_key)]
    pub storage_api_key: Option<ApiKey>,

    #[command(flatten)]
    pub s3: S3Settings,

    /// Key nodes: one base URL that serves nodes 1 to 5, or five URLs separated by commas, of which the word `here`
    /// stands for a node inside this process. Empty: all five inside this process, which is for trying out, because
    /// one operator then holds all shares. `lighthouse`: the five that Lighthouse runs, all on one host of theirs, with a
    /// wallet's signature for each visit; `lighthouse+https://…`: another host that knows no more than their API.
    #[arg(long, env = "HEALTHSYNC_KEY_NODES", default_value = "", value_parser = read::key_nodes)]
    pub key_nodes: KeyNodes,

    /// Have browsers ask key nodes of Lighthouse's kind through this server, for networks that let browsers reach this
    /// server only. What passes is good for every key of the person, so whoever runs this server could then put keys
    /// together, and the page says so.
    #[arg(long, env = "HEALTHSYNC_KEY_NODES_THROUGH_SERVER", default_value = "false", value_parser = read::through_server, action = clap::ArgAction::Set)]
    pub key_nodes_through_server: bool,

    /// File with the 32 bytes that seal the key shares on disk. It is made if it does not exist. Keep it apart from
    /// backups of the data folder. Default: shares.key in the data folder.
    #[arg(long, env = "HEALTHSYNC_SHARE_KEY_FILE")]
    pub share_key_file: Option<PathBuf>,

    /// Other chains that access conditions may ask, as NAME=ID@URL separated by commas, such as
    /// `Ethereum=1@https://rpc.example.org`.
    #[arg(long, env = "HEALTHSYNC_CONDITION_CHAINS", value_delimiter = ',', value_parser = read::condition_chain, hide_env_values = true)]
    pub condition_chains: Vec<ConditionChain>,

    /// JSON-RPC URL of the chain. Browsers and wallets are told it too, so it must hold no secret.
    #[arg(long, env = "HEALTHSYNC_CHAIN_RPC", default_value = "http://127.0.0.1:8545", value_parser = read::chain_rpc)]
    pub chain_rpc: Url,

    /// Chain id that the RPC must answer with. 31337 is a local anvil, 314159 Filecoin Calibration.
    #[arg(long, env = "HEALTHSYNC_CHAIN_ID", default_value = "31337", value_parser = read::chain_id)]
    pub chain_id: u64,

    /// Name of the chain on screen and in access conditions. Default: by chain id.
    #[arg(long, env = "HEALTHSYNC_CHAIN_NAME", value_parser = read::chain_name)]
    pub chain_name: Option<String>,

    /// Address of the RoomRegistry contract. Without it rooms can be neither created nor joined.
    #[arg(long, env = "HEALTHSYNC_REGISTRY", value_parser = read::registry)]
    pub registry: Option<Person>,

    /// Address of the ConversationToken contract. Without it cases cannot become tokens.
    #[arg(long, env = "HEALTHSYNC_TOKEN", value_parser = read::token)]
    pub token: Option<Person>,

    /// UDP port for WebRTC; 0 takes any free one. Default: the number of the HTTP port.
    #[arg(long, env = "HEALTHSYNC_P2P_WEBRTC_PORT", value_parser = read::webrtc_port)]
    pub p2p_webrtc_port: Option<u16>,

    /// Name or address, with an optional port, under which browsers reach this server, such as
    /// `rooms.example.org:443`; port 443 stands for TLS in front. Default: the listening address.
    #[arg(long, env = "HEALTHSYNC_PUBLIC_HOST", value_parser = read::public_host)]
    pub public_host: Option<PublicHost>,

    /// STUN servers for links between browsers, as `stun:host:port`, separated by commas. They learn the addresses of
    /// browsers and nothing else. Empty: only browsers that see each other directly find a link; all others go by
    /// this server, as before.
    #[arg(long, env = "HEALTHSYNC_STUN", default_value = "", value_parser = read::stun_url, value_delimiter = ',')]
    pub stun: Vec<String>,

    /// Other servers of the same rooms, as `https://host` separated by commas: same chain and registry, same key nodes.
    /// Each names the others here. People may then be connected to any of them, and what one missed it gets from the
    /// others.
    #[arg(long, env = "HEALTHSYNC_RELAYS", default_value = "", value_parser = read::relays)]
    pub relays: Relays,

    /// Trust the last entry of X-Forwarded-For. Only behind a proxy of your own, otherwise anyone can choose the
    /// address that rate limits count.
    #[arg(long, env = "HEALTHSYNC_BEHIND_PROXY", default_value = "false", value_parser = read::behind_proxy, action = clap::ArgAction::Set)]
    pub behind_proxy: bool,

    /// Largest upload in bytes, encrypted.
    #[arg(long, env = "HEALTHSYNC_MAX_UPLOAD", default_value_t = DEFAULT_MAX_UPLOAD, value_parser = read::max_upload)]
    pub max_upload: u64,

    /// What one person may store here, in bytes.
    #[arg(long, env = "HEALTHSYNC_STORAGE_QUOTA", default_value_t = DEFAULT_QUOTA, value_parser = read::storage_quota)]
    pub storage_quota: u64,

    /// What all people together may store here, in bytes. Wallets cost nothing, so a quota for each of them does not bound
    /// a disk. Default: what the disk holds.
    #[arg(long, env = "HEALTHSYNC_STORAGE_TOTAL", value_parser = read::storage_total)]
    pub storage_total: Option<u64>,

    /// Folder with the built page: manifest.json, pkg/ and the public files.
    #[arg(long, env = "HEALTHSYNC_SITE_ROOT", default_value = "target/site")]
    pub site_root: PathBuf,

    /// What to log, as `info` or `warn,server=debug`.
    #[arg(long, env = "HEALTHSYNC_LOG", default_value = "info")]
    pub log: String,
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
