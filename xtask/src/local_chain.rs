//! The local chain and the server as processes: start, know when they answer, deploy the contracts.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use crate::data::{ChainState, DataFolder, last_lines};
use crate::process::{Ended, Failure, Supervisor, describe, say};
use crate::workspace::Workspace;

/// The chain id of the local chain: anvil's own, so that it never collides with a real network in a wallet.
pub(crate) const LOCAL_CHAIN_ID: u64 = 31337;

/// The first of anvil's ten accounts. It is public knowledge and worth nothing anywhere else.
const ANVIL_ACCOUNT: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";

/// Where the contracts are and how to reach their chain.
#[derive(Debug, Clone)]
pub(crate) struct Chain {
    pub(crate) rpc: String,
    pub(crate) id: u64,
    pub(crate) registry: String,
    /// Without it there are rooms and no tokens.
    pub(crate) token: Option<String>,
}

/// What a running process is called and where it writes.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) name: &'static str,
    pub(crate) log: PathBuf,
}

impl Running {
    /// The sentence for its unexpected end.
    pub(crate) fn death(&self, ended: &Ended) -> Failure {
        if ended.name != self.name {
            return Failure::new(format!(
                "{} has stopped by itself ({}).",
                ended.name,
                describe(ended.status)
            ));
        }
        Failure::new(format!(
            "{} has stopped by itself ({}). The last lines of {}:\n{}",
            self.name,
            describe(ended.status),
            self.log.display(),
            last_lines(&self.log, 20).trim_end()
        ))
    }

    /// Asks `answers` again and again until it is true, the process ends, or `within` is over.
    pub(crate) fn wait_until(
        &self,
        ended: &mpsc::Receiver<Ended>,
        within: Duration,
        answers: impl Fn() -> bool,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + within;
        while !answers() {
            match ended.recv_timeout(Duration::from_millis(50)) {
                Ok(end) => return Err(self.death(&end)),
                Err(_) if Instant::now() > deadline => {
                    return Err(Failure::new(format!(
                        "{} does not answer after {} seconds. The last lines of {}:\n{}",
                        self.name,
                        within.as_secs(),
                        self.log.display(),
                        last_lines(&self.log, 20).trim_end()
                    )));
                }
                Err(_) => {}
            }
        }
        Ok(())
    }
}

/// Starts anvil on the state kept in `data` and waits until it answers.
pub(crate) fn start_anvil(
    workspace: &Workspace,
    supervisor: &Arc<Supervisor>,
    data: &DataFolder,
    port: u16,
    ended: &(mpsc::SyncSender<Ended>, mpsc::Receiver<Ended>),
) -> Result<Running, Failure> {
    let state = ChainState::within(data.root());
    state.mend()?;
    let (log, file) = data.log("anvil")?;
    let mut command = Command::new(workspace.anvil());
    command
        .args([
            "--host",
            "127.0.0.1",
            "--port",
            &port.to_string(),
            "--chain-id",
            &LOCAL_CHAIN_ID.to_string(),
        ])
        .args([
            "--hardfork",
            "cancun",
            "--silent",
            "--state-interval",
            "1",
            "--state",
        ])
        .arg(state.file())
        .current_dir(data.root());
    supervisor.serve("anvil", command, file, ended.0.clone())?;
    let running = Running { name: "anvil", log };
    let expected = format!("{LOCAL_CHAIN_ID:#x}");
    running.wait_until(&ended.1, Duration::from_secs(60), || {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}"#;
        request(port, "POST", "/", body)
            .is_some_and(|(status, answer)| status == 200 && answer.contains(&expected))
    })?;
    state.keep_whole_copy();
    Ok(running)
}

/// Deploys the contracts on the local chain unless they are there.
pub(crate) fn deploy(
    workspace: &Workspace,
    supervisor: &Supervisor,
    rpc: String,
) -> Result<Chain, Failure> {
    let mut command = workspace.command("node", "contracts");
    command
        .arg("deploy.mjs")
        .env("CHAIN_RPC", &rpc)
        .env("DEPLOYER_KEY", ANVIL_ACCOUNT)
        .env("CHAIN_ID", LOCAL_CHAIN_ID.to_string())
        .env_remove("NETWORK")
        .env_remove("CREATE2_FACTORY");
    let answer = supervisor.capture("Deploying the contracts", command)?;
    match (
        address_in(&answer, "registry"),
        address_in(&answer, "token"),
    ) {
        (Some(registry), Some(token)) => Ok(Chain {
            rpc,
            id: LOCAL_CHAIN_ID,
            registry,
            token: Some(token),
        }),
        _ => Err(Failure::new(format!(
            "Deploying the contracts gave no addresses but: {}",
            answer.trim()
        ))),
    }
}

/// The address in `{"name":"0x…"}`.
fn address_in(answer: &str, name: &str) -> Option<String> {
    let after = answer.split(&format!("\"{name}\"")).nth(1)?;
    let address = after.split('"').nth(1)?;
    let hex = address.strip_prefix("0x")?;
    (hex.len() == 40 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then(|| address.to_owned())
}

/// Starts the server and waits until it is ready.
pub(crate) fn start_server(
    workspace: &Workspace,
    supervisor: &Arc<Supervisor>,
    data: &DataFolder,
    chain: &Chain,
    port: u16,
    release: bool,
    ended: &(mpsc::SyncSender<Ended>, mpsc::Receiver<Ended>),
) -> Result<Running, Failure> {
    let (log, file) = data.log("server")?;
    let mut command = Command::new(workspace.server(release));
    command
        .current_dir(data.root())
        .env("HEALTHSYNC_ADDR", format!("127.0.0.1:{port}"))
        .env("HEALTHSYNC_DATA_DIR", data.root())
        .env("HEALTHSYNC_SITE_ROOT", workspace.site())
        .env("HEALTHSYNC_CHAIN_RPC", &chain.rpc)
        .env("HEALTHSYNC_CHAIN_ID", chain.id.to_string())
        .env("HEALTHSYNC_REGISTRY", &chain.registry);
    if let Some(token) = &chain.token {
        command.env("HEALTHSYNC_TOKEN", token);
    }
    if std::env::var_os("HEALTHSYNC_P2P_WEBRTC_PORT").is_none() {
        command.env("HEALTHSYNC_P2P_WEBRTC_PORT", udp_port(port)?.to_string());
    }
    supervisor.serve("The server", command, file, ended.0.clone())?;
    let running = Running {
        name: "The server",
        log,
    };
    running.wait_until(&ended.1, Duration::from_secs(60), || {
        request(port, "GET", "/healthz", "").is_some_and(|(status, _)| status == 200)
    })?;
    Ok(running)
}

/// The same number for UDP as for TCP when it is free, so that the address stays the same from run to run.
fn udp_port(preferred: u16) -> Result<u16, Failure> {
    let free = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, preferred))
        .or_else(|_| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)));
    free.and_then(|socket| socket.local_addr())
        .map(|address| address.port())
        .map_err(|error| Failure::new(format!("No UDP port is free for WebRTC: {error}.")))
}

/// Whether nothing listens on this port of the machine's own address.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The port for the local chain: the given one, else the usual one, else any that is free.
pub(crate) fn chain_port(given: Option<u16>) -> Result<u16, Failure> {
    const USUAL: u16 = 8545;
    match given {
        Some(port) if is_free(port) => Ok(port),
        Some(port) => Err(Failure::new(format!(
            "Port {port} is in use; choose another for the local chain with --chain-port."
        ))),
        None if is_free(USUAL) => Ok(USUAL),
        None => {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .and_then(|listener| listener.local_addr());
            let port = free
                .map_err(|error| {
                    Failure::new(format!("No port is free for the local chain: {error}."))
                })?
                .port();
            say(format!(
                "port {USUAL} is in use, so the local chain takes {port}"
            ));
            Ok(port)
        }
    }
}

/// One small HTTP request to our own machine: status and body, or nothing when nobody answers in time.
fn request(port: u16, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body.as_bytes()))
        .ok()?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1)?.parse().ok()?;
    let body = answer
        .split_once("\r\n\r\n")
        .map(|(_, body)| body.to_owned())
        .unwrap_or_default();
    Some((status, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_an_address_and_nothing_else() {
        let address = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
        assert_eq!(
            address_in(
                &format!("{{\"registry\":null,\"token\":\"{address}\"}}\n"),
                "token"
            )
            .as_deref(),
            Some(address)
        );
        assert_eq!(address_in("{\"token\": null}", "token"), None);
        assert_eq!(address_in("{\"token\":\"0x12\"}", "token"), None);
        assert_eq!(address_in("", "token"), None);
    }

    #[test]
    fn a_port_in_use_is_seen() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(!is_free(port));
        assert!(chain_port(Some(port)).is_err());
        drop(listener);
        assert!(is_free(port));
    }
}
