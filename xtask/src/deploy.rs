//! `cargo xtask deploy --network NAME`: puts the contracts on a real network and leaves a record of it.

use std::process::ExitCode;

use crate::arguments::Arguments;
use crate::process::{Failure, Supervisor, say};
use crate::setup;
use crate::workspace::Workspace;

/// Deploys what is not there yet. Networks, chain ids and addresses are `contracts/deploy.mjs`'s to know; it refuses a
/// chain that is not the named one. The deployer's key comes from `DEPLOYER_KEY` and is never a command-line word,
/// because those can be seen by others.
pub(crate) fn deploy(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    let network = arguments
        .value::<String>("--network", "the name of a network, like calibration")?
        .ok_or_else(|| {
            Failure::new("deploy needs --network NAME: local, calibration or filecoin.")
        })?;
    let rpc = arguments.value::<String>("--rpc", "the URL of a JSON-RPC endpoint")?;
    arguments.finish()?;

    let workspace = Workspace::find();
    let supervisor = Supervisor::start(None)?;
    setup::node(&workspace, &supervisor)?;
    setup::npm_packages(&workspace, &supervisor, "contracts")?;
    let mut command = workspace.command("node", "contracts");
    command.arg("deploy.mjs").env("NETWORK", &network);
    if let Some(rpc) = rpc {
        command.env("CHAIN_RPC", rpc);
    }
    let answer = supervisor.capture("Deploying the contracts", command)?;
    say(format!(
        "the record and the verification inputs are in contracts/deployments/{network}*"
    ));
    println!("{}", answer.trim());
    Ok(ExitCode::SUCCESS)
}
