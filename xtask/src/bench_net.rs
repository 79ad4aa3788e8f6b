//! What the benchmark `net` needs: our node in a page, compiled as the page that browsers get.

use std::process::Command;

use crate::process::{Failure, Supervisor};
use crate::setup::WASM;
use crate::workspace::Workspace;
use crate::{site, small_std};

/// Builds the page and names its folder in the script's environment.
pub(crate) fn page(
    workspace: &Workspace,
    supervisor: &Supervisor,
    command: &mut Command,
) -> Result<(), Failure> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "-p", "healthsync-net", "--example", "page"]);
    cargo.args(["--target", WASM, "--profile", "wasm-release"]);
    small_std::prepare(workspace, supervisor).settings(&mut cargo);
    supervisor.step("Building a page without views", cargo)?;
    site::build_bindgen(workspace, supervisor)?;
    let folder = workspace.target("xtask/net-page");
    let mut bind = Command::new(site::bindgen(workspace));
    bind.args(["bind", "release", "page"])
        .arg(workspace.target(&format!("{WASM}/wasm-release/examples/page.wasm")))
        .arg(&folder);
    supervisor.step("wasm-bindgen", bind)?;
    if let Some(optimiser) = site::wasm_opt(workspace, supervisor) {
        let wasm = folder.join("page_bg.wasm");
        let mut optimise = Command::new(optimiser);
        optimise.arg("-O1").arg(&wasm).arg("-o").arg(&wasm);
        supervisor.step("wasm-opt", optimise)?;
    }
    command.env("HEALTHSYNC_NET_PAGE", folder);
    Ok(())
}
