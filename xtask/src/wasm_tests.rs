//! The suite `wasm`: Rust tests compiled to WebAssembly, run in Chromium by `end2end/wasm/run.test.mjs`.

use std::process::Command;

use crate::process::Failure;
use crate::suites::Tools;
use crate::tally::Tally;
use crate::{setup, site};

pub(crate) const PACKAGE: &str = "healthsync-browser-tests";

/// Builds the tests as a development build, whose panics say what was expected, and runs each in the browser.
pub(crate) fn wasm(tools: &Tools<'_>) -> Result<Tally, Failure> {
    let Tools {
        workspace,
        supervisor,
    } = *tools;
    setup::wasm_target(workspace, supervisor)?;
    setup::node(workspace, supervisor)?;
    setup::npm_packages(workspace, supervisor, "end2end")?;
    setup::npm_packages(workspace, supervisor, "end2end/interop")?;
    let chromium = setup::chromium(supervisor)?;

    let mut cargo = workspace.cargo();
    cargo.args(["build", "-p", PACKAGE, "--target", setup::WASM]);
    supervisor.step("Building the tests for the browser", cargo)?;
    let peer = tools.native(&["build", "--example", "echo"]);
    supervisor.step("Building the peer of the network's tests", peer)?;
    site::build_bindgen(workspace, supervisor)?;
    let folder = workspace.target("xtask/wasm-tests");
    let file = format!("{}.wasm", PACKAGE.replace('-', "_"));
    let mut bind = Command::new(site::bindgen(workspace));
    bind.args(["bind", "dev", "tests"])
        .arg(workspace.target(&format!("{}/debug/{file}", setup::WASM)))
        .arg(&folder);
    supervisor.step("wasm-bindgen", bind)?;

    let mut run = workspace.command("node", "end2end");
    run.args(["--test", "wasm/run.test.mjs"])
        .env("HEALTHSYNC_WASM_TESTS", &folder)
        .env("HEALTHSYNC_ECHO", workspace.target("debug/examples/echo"))
        .env("CHROMIUM", chromium);
    tools.counted("Rust tests in Chromium", run)
}
