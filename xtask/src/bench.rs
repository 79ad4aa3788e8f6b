//! `cargo xtask bench [NAME] [--json FILE]`: runs the measuring scripts of `end2end/bench`. Each starts a private
//! instance (own chain, own data folder, own ports) and prints its table; with `--json` the numbers go to a file.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::arguments::Arguments;
use crate::process::{Failure, Supervisor, say};
use crate::suites::{Tools, surroundings};
use crate::workspace::Workspace;
use crate::{bench_deid, bench_net, samples};

/// What runs when no name is given.
const ALL: [&str; 7] = ["room", "rooms", "keys", "deid", "imaging", "loads", "net"];
/// What runs by its name only: ten minutes, or `BENCH_MINUTES`.
const LONG: &str = "soak";

/// Builds everything and runs the benchmarks.
pub(crate) fn bench(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    let json = arguments
        .path("--json")?
        .map(std::path::absolute)
        .transpose()
        .map_err(|error| Failure::new(format!("--json: {error}.")))?;
    let name = arguments.next_word();
    arguments.finish()?;
    let workspace = Workspace::find();
    let names: Vec<String> =
        name.map_or_else(|| ALL.map(str::to_owned).to_vec(), |name| vec![name]);
    for name in &names {
        if !workspace
            .path("end2end/bench")
            .join(format!("{name}.mjs"))
            .is_file()
        {
            return Err(Failure::new(format!(
                "There is no benchmark `{name}`. There are: {} {LONG}.",
                ALL.join(" ")
            )));
        }
    }
    let supervisor = Supervisor::start(None)?;
    let tools = Tools {
        workspace: &workspace,
        supervisor: &supervisor,
    };
    let mut results = Vec::new();
    for name in &names {
        let mut command = workspace.command("node", "end2end");
        command.arg(format!("bench/{name}.mjs"));
        if name == "deid" {
            bench_deid::surroundings(&workspace, &supervisor, &mut command)?;
        } else {
            surroundings(&tools, &mut command)?;
        }
        if name == "keys" {
            let keys = crate::run::build_keys(&workspace, &supervisor, true)?;
            command.env("HEALTHSYNC_KEYS", keys);
        }
        if name == "imaging" {
            command.env(samples::FOLDER, samples::fetch(&workspace, &supervisor)?);
        }
        if name == "net" {
            bench_net::page(&workspace, &supervisor, &mut command)?;
        }
        let part: PathBuf = workspace.target(&format!("xtask/bench-{name}.json"));
        command.env("BENCH_JSON", &part);
        say(format!("measuring: {name}"));
        supervisor.step(&format!("The benchmark {name}"), command)?;
        let numbers = std::fs::read_to_string(&part).map_err(|error| {
            Failure::new(format!(
                "The benchmark {name} has left no numbers: {error}."
            ))
        })?;
        results.push(format!("\"{name}\": {}", numbers.trim()));
    }
    if let Some(file) = json {
        std::fs::write(&file, format!("{{{}}}\n", results.join(",\n"))).map_err(|error| {
            Failure::new(format!("{} cannot be written: {error}.", file.display()))
        })?;
    }
    Ok(ExitCode::SUCCESS)
}
