//! `cargo xtask run`: from a fresh checkout to a running page.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc;

use crate::arguments::Arguments;
use crate::data::DataFolder;
use crate::local_chain::{self, Chain};
use crate::process::{Ended, Failure, Supervisor, say};
use crate::workspace::Workspace;
use crate::{setup, site};

const PORT: u16 = 3000;

/// Sets up, builds, starts, and stays until it is stopped or something that it started ends.
pub(crate) fn run(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    let port = arguments
        .value::<u16>("--port", "a port number from 1 to 65535")?
        .unwrap_or(PORT);
    let wanted_chain_port =
        arguments.value::<u16>("--chain-port", "a port number from 1 to 65535")?;
    let folder = arguments.path("--data")?;
    let release = arguments.flag("--release");
    arguments.finish()?;

    let workspace = Workspace::find();
    let folder = folder.unwrap_or_else(|| workspace.path("data"));
    let (data, lock) = DataFolder::open(&folder)?;
    if !local_chain::is_free(port) {
        return Err(Failure::new(format!(
            "Port {port} is in use by another program. Stop that program, or choose another port with --port."
        )));
    }
    let foreign = foreign_chain()?;
    let chain_port = if foreign.is_none() {
        Some(local_chain::chain_port(wanted_chain_port)?)
    } else {
        None
    };

    let supervisor = Supervisor::start(Some(lock))?;
    let outcome = start_and_stay(
        &workspace,
        &supervisor,
        &data,
        port,
        chain_port,
        foreign,
        release,
    );
    if outcome.is_err() {
        supervisor.stop_all();
    }
    outcome
}

fn start_and_stay(
    workspace: &Workspace,
    supervisor: &std::sync::Arc<Supervisor>,
    data: &DataFolder,
    port: u16,
    chain_port: Option<u16>,
    foreign: Option<Chain>,
    release: bool,
) -> Result<ExitCode, Failure> {
    setup::wasm_target(workspace, supervisor)?;
    setup::node(workspace, supervisor)?;
    site::build(workspace, supervisor, site::Kind::Release, || {
        setup::npm_packages(workspace, supervisor, "contracts")?;
        build_server(workspace, supervisor, release)
    })?;

    let ended = mpsc::sync_channel::<Ended>(4);
    let mut running = Vec::new();
    let chain = match (foreign, chain_port) {
        (Some(chain), _) => {
            say(format!("using the chain {} at {}", chain.id, chain.rpc));
            chain
        }
        (None, chain_port) => {
            let chain_port = chain_port
                .ok_or_else(|| Failure::new("No port was chosen for the local chain."))?;
            say(format!("starting the local chain on port {chain_port}"));
            running.push(local_chain::start_anvil(
                workspace, supervisor, data, chain_port, &ended,
            )?);
            let rpc = format!("http://127.0.0.1:{chain_port}");
            let chain = local_chain::deploy(workspace, supervisor, rpc)?;
            say(format!("the room registry is at {}", chain.registry));
            chain
        }
    };
    say("starting the server");
    running.push(local_chain::start_server(
        workspace, supervisor, data, &chain, port, release, &ended,
    )?);
    supervisor.stopping_is_success();
    say(format!(
        "data and logs are in {}; Ctrl-C stops everything",
        data.root().display()
    ));
    println!("ready http://127.0.0.1:{port}");

    let end = ended
        .1
        .recv()
        .map_err(|_| Failure::new("Nobody watches the started processes any more."))?;
    match running.iter().find(|process| process.name == end.name) {
        Some(process) => Err(process.death(&end)),
        None => Err(Failure::new(format!("{} has stopped by itself.", end.name))),
    }
}

/// Builds the server's binary.
pub(crate) fn build_server(
    workspace: &Workspace,
    supervisor: &Supervisor,
    release: bool,
) -> Result<PathBuf, Failure> {
    say("building the server");
    let mut command = workspace.build_for_this_machine();
    command.args(["--bin", "healthsync"]);
    if release {
        command.arg("--release");
    }
    supervisor.step("Building the server", command)?;
    Ok(workspace.server(release))
}

/// The keys program, with which tests and benchmarks compare us with Lighthouse's own client.
pub(crate) fn build_keys(
    workspace: &Workspace,
    supervisor: &Supervisor,
    release: bool,
) -> Result<PathBuf, Failure> {
    let mut command = workspace.build_for_this_machine();
    command.args(["-p", "healthsync-lighthouse", "--example", "keys"]);
    if release {
        command.arg("--release");
    }
    supervisor.step("Building the keys program", command)?;
    Ok(workspace.target(if release {
        "release/examples/keys"
    } else {
        "debug/examples/keys"
    }))
}

/// A chain of somebody else's, when the environment names one.
fn foreign_chain() -> Result<Option<Chain>, Failure> {
    let setting = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(rpc) = setting("HEALTHSYNC_CHAIN_RPC") else {
        return Ok(None);
    };
    let needed = |name: &str| {
        setting(name).ok_or_else(|| {
            Failure::new(format!(
                "HEALTHSYNC_CHAIN_RPC is set, so {name} must be set, too."
            ))
        })
    };
    let id = needed("HEALTHSYNC_CHAIN_ID")?;
    let id = id.parse().map_err(|_| {
        Failure::new(format!(
            "HEALTHSYNC_CHAIN_ID is `{id}`; it must be a number, like 314159."
        ))
    })?;
    Ok(Some(Chain {
        rpc,
        id,
        registry: needed("HEALTHSYNC_REGISTRY")?,
        token: setting("HEALTHSYNC_TOKEN"),
    }))
}
