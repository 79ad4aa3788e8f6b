//! `cargo xtask …`: everything a newcomer or CI has to do. Each command lives in a file of its own; this one only
//! reads the command line.

mod arguments;
mod bench;
mod bench_deid;
mod bench_net;
mod data;
mod deploy;
mod fuzz;
mod guard;
mod imaging_modules;
mod local_chain;
mod process;
mod run;
mod samples;
mod setup;
mod site;
mod small_std;
mod stylesheet;
mod suites;
mod tally;
mod test;
mod wasm_tests;
mod workspace;

use std::process::ExitCode;

use arguments::Arguments;
use process::Failure;

const HELP: &str = "\
cargo xtask run [--port N] [--chain-port N] [--data DIR] [--release]
    Sets up what is missing, builds, starts a local chain (anvil, id 31337), deploys the contracts, starts the
    server and prints `ready http://127.0.0.1:3000`. Ctrl-C stops what it started; the data stays in DIR (./data).
    With HEALTHSYNC_CHAIN_RPC set (and HEALTHSYNC_CHAIN_ID, HEALTHSYNC_REGISTRY, HEALTHSYNC_TOKEN) it uses that
    chain and starts none.
    Every other HEALTHSYNC_* setting is passed on to the server, except HEALTHSYNC_ADDR, HEALTHSYNC_DATA_DIR and
    HEALTHSYNC_SITE_ROOT: --port and --data say the first two, and the page is the one that was built.

cargo xtask test [SUITE…]
    Runs every test there is and ends with `N passed, N failed`. Suites: fmt clippy rules rust wasm
    contracts site e2e.

cargo xtask bench [NAME] [--json FILE]
    Measures: one table per benchmark in end2end/bench, each against a private instance of its own.

cargo xtask fuzz [CRATE[/TARGET]] [--seconds N]
    Runs fuzz targets, all or those named, N seconds each (60); what it finds lies in target/fuzz/found. Needs a C++
    compiler, for libFuzzer.

cargo xtask deploy --network NAME [--rpc URL]
    Deploys the contracts with the key in DEPLOYER_KEY, unless they are there; NAME is local, calibration or
    filecoin. Writes a record and the block explorer's verification input to contracts/deployments/.

cargo xtask site [--dev]
    Builds only the browser's files. --dev: fast to build, not compressed, panics name their line.

cargo xtask imaging …
    Images by command: `imaging inspect FILE…`, `imaging deidentify IN OUT`, `imaging check RECEIPT FILE…`.
    `imaging table` opens every real file that the tests know and writes the table in docs/imaging.md anew.
";

fn main() -> ExitCode {
    let mut arguments = Arguments::from_command_line();
    let command = arguments.next_word();
    let outcome = match command.as_deref() {
        None | Some("help") => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Some("run") => run::run(arguments),
        Some("test") => test::test(arguments),
        Some("bench") => bench::bench(arguments),
        Some("deploy") => deploy::deploy(arguments),
        Some("fuzz") => fuzz::fuzz(arguments),
        Some("site") => site::command(arguments),
        Some("imaging") if arguments.is_next("table") => suites::imaging_table(),
        Some("imaging") => return imaging(arguments),
        Some("guard") => return guard::guard(),
        Some(other) => Err(Failure::new(format!(
            "There is no command `{other}`. `cargo xtask` lists them."
        ))),
    };
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Hands everything to the imaging command, whose exit status is ours.
fn imaging(arguments: Arguments) -> ExitCode {
    let workspace = workspace::Workspace::find();
    let mut command = workspace.cargo();
    command.args([
        "run",
        "--quiet",
        "-p",
        "healthsync-imaging",
        "--features",
        "decode",
    ]);
    command
        .args(["--bin", "imaging", "--manifest-path"])
        .arg(workspace.path("Cargo.toml"));
    // The paths given are relative to where the person stands, not to the workspace.
    if let Ok(here) = std::env::current_dir() {
        command.current_dir(here);
    }
    command.arg("--");
    command.args(arguments.rest());
    match command.status() {
        Ok(status) => ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1)),
        Err(error) => {
            eprintln!("cargo could not be started: {error}.");
            ExitCode::FAILURE
        }
    }
}
