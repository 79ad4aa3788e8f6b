//! All parts of the server, put together: what is opened at start, in which order, and closed at the end.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use healthsync_app::client::model::{Bootstrap, ChainInfo, Contracts, StorageInfo};
use healthsync_lighthouse::node::AuthorityConfig;
use healthsync_net::{Multiaddr, Relay, RelayConfig, RelayError, RelayHandle, websocket_multiaddr};
use tokio::task::JoinHandle;

use crate::chain::watcher::{ChainStatus, Watcher};
use crate::chain::{
    Chain, ChainError, Code, NamedChains, OtherCode, RegistryIndex, TokenIndex, holders,
};
use crate::database::OpenError;
use crate::http::metrics::Counters;
use crate::http::rpc::RpcLimits;
use crate::http::security::Guard;
use crate::identity::{Identity, IdentityError};
use crate::key_nodes::{self, Embedded, KeyNodes, share_key};
use crate::mailbox::{self, Mailbox};
use crate::policy::RoomPolicy;
use crate::relays;
use crate::settings::{self, Settings};
use crate::storage::{BlobError, Blobs, Bucket, Elsewhere, Limits, StorageState, sweep_for_ever};

/// Everything that requests need.
#[derive(Debug)]
pub struct Services {
    pub settings: Settings,
    pub mailbox: Mailbox,
    pub index: RegistryIndex,
    pub tokens: TokenIndex,
    pub chain: Arc<Chain>,
    pub chain_status: Arc<ChainStatus>,
    pub key_nodes: KeyNodes,
    /// `None`: files are kept elsewhere.
    pub storage: Option<StorageState>,
    pub relay: RelayHandle,
    pub http: reqwest::Client,
    pub guard: Arc<Guard>,
    pub counters: Arc<Counters>,
    pub rpc_limits: RpcLimits,
    pub bootstrap: Bootstrap,
    relay_task: JoinHandle<()>,
    /// One for each other relay.
    following_tasks: Vec<JoinHandle<()>>,
    watcher_task: JoinHandle<()>,
    sweep_task: Option<JoinHandle<()>>,
    holders_task: JoinHandle<()>,
    forgetting_task: JoinHandle<()>,
}

/// The services as handlers get them.
pub type Shared = Arc<Services>;

/// Why the server does not start: each of them the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("HEALTHSYNC_DATA_DIR is {folder}, which cannot be used: {error}")]
    DataDir {
        folder: String,
        error: std::io::Error,
    },
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("the database {file} cannot be opened: {error}")]
    Database { file: String, error: OpenError },
    #[error("the file {file} of a key node cannot be used: {error}")]
    KeyNode {
        file: String,
        error: key_nodes::OpenError,
    },
    #[error(transparent)]
    KeyNodesSettings(#[from] key_nodes::Unsuitable),
    #[error(
        "HEALTHSYNC_STORAGE_API_KEY is not set; a service with Lighthouse's API takes files only with a key"
    )]
    NoApiKey,
    #[error(
        "HEALTHSYNC_STORAGE_URL names a bucket whose settings (AWS_REGION, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, \
         AWS_SECRET_ACCESS_KEY) do not go together: {0}"
    )]
    S3(object_store::Error),
    #[error("the folder for files cannot be used: {0}")]
    Blobs(#[from] BlobError),
    #[error(
        "HEALTHSYNC_CHAIN_ID is {expected}, but the chain at HEALTHSYNC_CHAIN_RPC says {found}; set the one that is meant"
    )]
    WrongChain { expected: u64, found: u64 },
    #[error(transparent)]
    OtherCode(#[from] OtherCode),
    #[error("HEALTHSYNC_P2P_WEBRTC_PORT is {port}: {error}. Choose a free UDP port, or 0 for any")]
    WebRtc { port: u16, error: RelayError },
    #[error("the relay does not start: {0}")]
    Relay(RelayError),
    #[error("no HTTP client: {0}")]
    Client(reqwest::Error),
}

impl Services {
    /// Opens everything. `listening` is where HTTP is served.
    ///
    /// # Errors
    /// See [`StartError`]. A chain that does not answer is no error: rooms then wait for it.
    pub async fn start(settings: Settings, listening: SocketAddr) -> Result<Shared, StartError> {
        // Fails only when a provider is installed already, which is then the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        key_nodes::lighthouse::check(&settings)?;
        let data = settings.data_dir.as_path();
        private_folder(data).map_err(|error| StartError::DataDir {
            folder: data.display().to_string(),
            error,
        })?;
        let identity = Identity::load(data)?;
        let http = http_client().map_err(StartError::Client)?;

        let database = |file: &Path| {
            let file = file.display().to_string();
            move |error| StartError::Database { file, error }
        };
        let file = settings.database();
        let mailbox = match &settings.database_url {
            Some(settings::Database::Postgres(url)) => {
                let embedded = mailbox::embedded(&file).await.map_err(database(&file))?;
                let opened = Mailbox::postgres(url.expose(), embedded).await;
                opened.map_err(|error| StartError::Database {
                    file: url.to_string(),
                    error,
                })?
            }
            Some(settings::Database::Sqlite(_)) | None => {
                Mailbox::open(&file).await.map_err(database(&file))?
            }
        };
        let forgetting = mailbox.clone().forget_regularly(settings.retention_days);
        let forgetting_task = tokio::spawn(forgetting);
        let index = RegistryIndex::new(mailbox.database().clone());
        let tokens = TokenIndex::new(mailbox.database().clone());
        let chain = Arc::new(connect(&settings, &http).await?);
        let chain_status = Arc::new(ChainStatus::default());
        let embedded = Embedded {
            chain: Arc::new(NamedChains::new(chain.clone(), &settings, &http)),
            authority: AuthorityConfig {
                jwt_key: identity.derive("key-node-jwt"),
                chain_id: settings.chain_id,
            },
            key: share_key(&settings)?,
        };
        let key_nodes = KeyNodes::open(data, &settings, embedded, http.clone())
            .await
            .map_err(|(number, error)| StartError::KeyNode {
                file: data
                    .join(format!("key-node-{number}.db"))
                    .display()
                    .to_string(),
                error,
            })?;
        let storage = match elsewhere(&settings)? {
            Kept::ByAnotherServer => None,
            kept => {
                let blobs = Blobs::open(&data.join("blobs"))?;
                let blobs = match kept {
                    Kept::Elsewhere(service) => blobs.kept_at(service, http.clone()),
                    Kept::Here | Kept::ByAnotherServer => blobs,
                };
                Some(StorageState::new(
                    blobs,
                    mailbox.clone(),
                    settings.chain_id,
                    Limits {
                        upload: settings.max_upload,
                        person: settings.storage_quota,
                        all: settings.storage_total,
                    },
                ))
            }
        };
        let policy = Arc::new(RoomPolicy::new(
            chain.clone(),
            mailbox.clone(),
            identity.derive("topic"),
        ));
        let (relay, relay_task) =
            start_relay(&settings, listening, &identity, policy.clone()).await?;
        let following_tasks = relays::follow(&settings, &relay, &http);

        let kick = relay.clone();
        let watcher = Watcher::new(
            chain.clone(),
            index.clone(),
            chain_status.clone(),
            move |room, person| {
                policy.removed(room, person);
                let kick = kick.clone();
                tokio::spawn(async move { kick.kick(room, person).await });
            },
        );
        let watcher_task = tokio::spawn(watcher.run());
        let sweep_task = storage
            .clone()
            .map(|state| tokio::spawn(sweep_for_ever(state, Arc::new(key_nodes.clone()))));
        let holders_task = tokio::spawn(holders::follow(chain.clone(), tokens.clone()));
        let counters = Arc::new(Counters::default());
        let public_host = settings.public_host.as_ref().map(|host| match host.port {
            None | Some(80 | 443) => host.host.clone(),
            Some(port) => format!("{}:{port}", host.host),
        });
        let guard = Arc::new(Guard::new(
            settings.page_origins(),
            public_host,
            settings.behind_proxy,
            counters.clone(),
        ));
        let bootstrap = bootstrap(
            &settings,
            &chain,
            &key_nodes,
            addresses(&settings, listening, &relay).await,
            &relay,
        );
        Ok(Arc::new(Self {
            settings,
            mailbox,
            index,
            tokens,
            chain,
            chain_status,
            key_nodes,
            storage,
            sweep_task,
            relay,
            http,
            guard,
            counters,
            rpc_limits: RpcLimits::default(),
            bootstrap,
            relay_task,
            following_tasks,
            watcher_task,
            holders_task,
            forgetting_task,
        }))
    }

    /// Whether the relay's task lives.
    pub fn relay_runs(&self) -> bool {
        !self.relay_task.is_finished()
    }

    /// Ends connections and closes files.
    pub async fn stop(&self) {
        self.watcher_task.abort();
        if let Some(task) = &self.sweep_task {
            task.abort();
        }
        self.holders_task.abort();
        self.forgetting_task.abort();
        for task in &self.following_tasks {
            task.abort();
        }
        self.relay.stop().await;
        let relay_ended = async {
            while self.relay_runs() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(3), relay_ended).await;
        self.key_nodes.close().await;
        self.mailbox.close().await;
    }
}

/// Where files end up.
enum Kept {
    Here,
    Elsewhere(Elsewhere),
    /// Browsers use it directly.
    ByAnotherServer,
}

fn elsewhere(settings: &Settings) -> Result<Kept, StartError> {
    Ok(match &settings.storage_url {
        settings::Storage::Embedded => Kept::Here,
        settings::Storage::Remote(_) => Kept::ByAnotherServer,
        settings::Storage::Lighthouse { upload, gateway } => {
            let api_key = settings.storage_api_key.as_ref();
            Kept::Elsewhere(Elsewhere::Lighthouse {
                upload: upload.clone(),
                gateway: gateway.clone(),
                api_key: api_key.ok_or(StartError::NoApiKey)?.0.clone(),
            })
        }
        settings::Storage::Kubo(rpc) => Kept::Elsewhere(Elsewhere::Kubo { rpc: rpc.clone() }),
        settings::Storage::S3 { bucket, folder } => {
            let bucket = Bucket::new(bucket, folder, &settings.s3).map_err(StartError::S3)?;
            Kept::Elsewhere(Elsewhere::S3(bucket))
        }
    })
}

/// The client for everything that this process asks of others.
pub(crate) fn http_client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(3))
        .timeout(Duration::from_secs(10))
        .user_agent(concat!("healthsync/", env!("CARGO_PKG_VERSION")))
        .build()
}

pub(crate) fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // It may have been there already, made by somebody less careful.
    #[cfg(unix)]
    std::fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    // Found out now, not by the first person who uploads.
    let probe = folder.join(".writable");
    std::fs::write(&probe, b"")?;
    std::fs::remove_file(probe)
}

/// The chain as far as it can be checked now. Without code at the registry's address, rooms are off, and likewise
/// tokens; with somebody else's code there, the server does not start. While the chain does not answer, both wait, and
/// the watcher looks at the code when it does.
async fn connect(settings: &Settings, http: &reqwest::Client) -> Result<Chain, StartError> {
    let chain = |registry, token| {
        Chain::new(
            http.clone(),
            settings.chain_rpc.clone(),
            settings.chain_id,
            registry,
        )
        .with_token(token)
    };
    let (mut registry, mut token) = (settings.registry, settings.token);
    let connected = chain(registry, token);
    match connected.check().await {
        Ok(_) => {}
        Err(ChainError::WrongChain { expected, found }) => {
            return Err(StartError::WrongChain { expected, found });
        }
        Err(error) => {
            tracing::warn!(%error, "the chain at HEALTHSYNC_CHAIN_RPC does not answer; rooms wait for it");
            return Ok(connected);
        }
    }
    // Where the chain stops answering in the middle of this, the watcher looks again.
    if let Ok(Some(other)) = connected.other_code().await {
        return Err(other.into());
    }
    match connected.registry_code().await {
        Ok(Code::Missing) => {
            tracing::warn!(
                ?registry,
                "there is no contract at HEALTHSYNC_REGISTRY on this chain; rooms are off"
            );
            registry = None;
        }
        Err(ChainError::NoRegistry) => {
            tracing::warn!("HEALTHSYNC_REGISTRY is not set; rooms are off");
        }
        Ok(Code::Ours | Code::Other) | Err(_) => {}
    }
    match connected.token_code().await {
        Ok(Code::Missing) => {
            tracing::warn!(
                ?token,
                "there is no contract at HEALTHSYNC_TOKEN on this chain; tokens are off"
            );
            token = None;
        }
        Ok(Code::Ours | Code::Other) | Err(_) => {}
    }
    Ok(chain(registry, token))
}

async fn start_relay(
    settings: &Settings,
    listening: SocketAddr,
    identity: &Identity,
    policy: Arc<RoomPolicy>,
) -> Result<(RelayHandle, JoinHandle<()>), StartError> {
    let ip = concrete_ip(settings, listening);
    let port = settings.p2p_webrtc_port.unwrap_or(listening.port());
    let config = |port| RelayConfig {
        keypair: identity.keypair.clone(),
        webrtc: Some((SocketAddr::new(ip, port), identity.certificate.clone())),
    };
    match Relay::start(config(port), policy.clone()).await {
        Err(error @ RelayError::Listen { .. }) if settings.p2p_webrtc_port.is_some() => {
            Err(StartError::WebRtc { port, error })
        }
        // Nobody asked for this port: another one serves as well.
        Err(error @ RelayError::Listen { .. }) => {
            tracing::warn!(%error, "WebRTC takes another UDP port");
            Relay::start(config(0), policy)
                .await
                .map_err(StartError::Relay)
        }
        other => other.map_err(StartError::Relay),
    }
}

/// An address of this machine that WebRTC can listen on: the one that HTTP listens on, or the one by which packets
/// leave.
fn concrete_ip(settings: &Settings, listening: SocketAddr) -> IpAddr {
    if !listening.ip().is_unspecified() {
        return listening.ip();
    }
    let public = settings
        .public_host
        .as_ref()
        .and_then(|host| host.host.parse::<IpAddr>().ok());
    let is_ours = |ip: &IpAddr| std::net::UdpSocket::bind((*ip, 0)).is_ok();
    let outgoing = || {
        // Nothing is sent: connecting a UDP socket only chooses a route.
        let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
        socket.local_addr().ok().map(|address| address.ip())
    };
    public
        .filter(is_ours)
        .or_else(outgoing)
        .unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// The addresses to publish: WebSocket on the page's own host and port, and WebRTC.
async fn addresses(settings: &Settings, listening: SocketAddr, relay: &RelayHandle) -> Vec<String> {
    let own = concrete_ip(settings, listening);
    let (host, port) = match &settings.public_host {
        Some(public) => (public.host.clone(), public.port.unwrap_or(listening.port())),
        None => (own.to_string(), listening.port()),
    };
    let websocket = websocket_multiaddr(&host, port, port == 443, "/p2p");
    let mut addresses = vec![format!("{websocket}/p2p/{}", relay.peer_id())];
    // Browsers need a number here, also where the server has a name.
    let outside: Option<IpAddr> = match host.parse() {
        Ok(ip) => Some(ip),
        Err(_) => tokio::net::lookup_host((host.as_str(), port))
            .await
            .ok()
            .and_then(|mut found| found.next().map(|a| a.ip())),
    };
    addresses.extend(
        relay
            .addresses()
            .iter()
            .map(|address| with_ip(address, outside.unwrap_or(own)).to_string()),
    );
    addresses
}

/// The same address as seen from outside.
fn with_ip(address: &Multiaddr, ip: IpAddr) -> Multiaddr {
    let mut outside = Multiaddr::from(ip);
    for part in address.iter().skip(1) {
        outside.push(part);
    }
    outside
}

fn bootstrap(
    settings: &Settings,
    chain: &Chain,
    key_nodes: &KeyNodes,
    addresses: Vec<String>,
    relay: &RelayHandle,
) -> Bootstrap {
    let storage_url = match &settings.storage_url {
        settings::Storage::Remote(url) => url.as_str().trim_end_matches('/').to_owned(),
        settings::Storage::Embedded
        | settings::Storage::Lighthouse { .. }
        | settings::Storage::Kubo(_)
        | settings::Storage::S3 { .. } => String::new(),
    };
    Bootstrap {
        peer_id: relay.peer_id().to_string(),
        addresses,
        chain: ChainInfo {
            id: settings.chain_id,
            name: settings.chain_name(),
            rpc: settings.chain_rpc.as_str().trim_end_matches('/').to_owned(),
            currency: settings.currency().to_owned(),
            explorer: settings.explorer(),
        },
        contracts: Contracts {
            registry: settings.registry.filter(|_| chain.registry().is_some()),
            token: settings.token.filter(|_| chain.token().is_some()),
        },
        key_nodes: key_nodes.infos(),
        hosted: key_nodes.hosted().map(str::to_owned),
        key_warning: key_nodes.warning(),
        storage: StorageInfo {
            url: storage_url,
            max_upload: settings.max_upload,
        },
        stun: settings.stun_servers(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
