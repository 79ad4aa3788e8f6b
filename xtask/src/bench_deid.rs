//! What the benchmark `deid` needs: real images, our command as it is released, and the two programs beside it.

use std::path::PathBuf;
use std::process::Command;

use crate::process::{Failure, Supervisor, say};
use crate::workspace::Workspace;
use crate::{samples, setup};

const FOLDER: &str = "end2end/bench/deid";

/// Builds, installs and names everything in the script's environment.
pub(crate) fn surroundings(
    workspace: &Workspace,
    supervisor: &Supervisor,
    command: &mut Command,
) -> Result<(), Failure> {
    setup::node(workspace, supervisor)?;
    setup::npm_packages(workspace, supervisor, FOLDER)?;
    let python = python(workspace, supervisor)?;
    let samples = samples::fetch(workspace, supervisor)?;
    let mut build = workspace.cargo();
    build.args(["build", "--release", "-p", "healthsync-imaging"]);
    build.args(["--features", "decode", "--bin", "imaging"]);
    supervisor.step("Building the imaging command", build)?;
    command
        .env("HEALTHSYNC_IMAGING", workspace.target("release/imaging"))
        .env("HEALTHSYNC_PYTHON", python)
        .env(samples::FOLDER, samples);
    Ok(())
}

/// A Python of its own with the packages that the benchmark names.
fn python(workspace: &Workspace, supervisor: &Supervisor) -> Result<PathBuf, Failure> {
    let folder = workspace.target("xtask/bench-deid-python");
    let python = folder.join("bin/python");
    let whole = folder.join("whole");
    if whole.exists() {
        return Ok(python);
    }
    say("installing dicom-anonymizer into a Python environment of its own");
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(&folder);
    supervisor.step("Making a Python environment", make)?;
    let mut install = Command::new(&python);
    install
        .args(["-m", "pip", "install", "--quiet", "-r"])
        .arg(workspace.path(FOLDER).join("requirements.txt"));
    supervisor.step("Installing dicom-anonymizer", install)?;
    std::fs::write(&whole, "").map_err(|error| {
        Failure::new(format!("{} cannot be written: {error}.", whole.display()))
    })?;
    Ok(python)
}
