//! Installs what is missing, and nothing that is there already.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::process::{Failure, Supervisor, say};
use crate::workspace::Workspace;

/// What the page is compiled for.
pub(crate) const WASM: &str = "wasm32-unknown-unknown";

/// The compiler's standard library for the browser.
pub(crate) fn wasm_target(workspace: &Workspace, supervisor: &Supervisor) -> Result<(), Failure> {
    let mut ask = workspace.command("rustc", ".");
    ask.args(["--print", "target-libdir", "--target", WASM]);
    let folder = supervisor.capture("Asking rustc for its targets", ask)?;
    if Path::new(folder.trim()).is_dir() {
        return Ok(());
    }
    say(format!("installing the Rust target {WASM}"));
    let mut add = workspace.command("rustup", ".");
    add.args(["target", "add", WASM]);
    supervisor.step(&format!("Installing the Rust target {WASM}"), add)
}

/// Node.js with npm, which bring anvil, the Solidity compiler and the browser tests.
pub(crate) fn node(workspace: &Workspace, supervisor: &Supervisor) -> Result<(), Failure> {
    const NEEDED: &str = "Node.js 20 or newer with npm is needed on PATH";
    let mut ask = workspace.command("node", ".");
    ask.arg("--version");
    let version = supervisor
        .capture("Asking node for its version", ask)
        .map_err(|error| Failure::new(format!("{NEEDED}. {error}")))?;
    let major = version
        .trim()
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    if major.is_some_and(|major| major < 20) {
        return Err(Failure::new(format!(
            "{NEEDED}; this is {}.",
            version.trim()
        )));
    }
    Ok(())
}

/// The npm packages that `folder` locks.
pub(crate) fn npm_packages(
    workspace: &Workspace,
    supervisor: &Supervisor,
    folder: &str,
) -> Result<(), Failure> {
    let lock = workspace.path(folder).join("package-lock.json");
    let installed = workspace
        .path(folder)
        .join("node_modules/.package-lock.json");
    if is_newer(&installed, &lock) {
        return Ok(());
    }
    say(format!("installing the npm packages of {folder}/"));
    let mut install = workspace.command("npm", folder);
    install.args([
        "ci",
        "--ignore-scripts",
        "--no-fund",
        "--no-audit",
        "--loglevel=error",
    ]);
    supervisor.step(
        &format!("Installing the npm packages of {folder}/"),
        install,
    )
}

/// npm writes the lock and its own record of what it installed at nearly the same time, in either order.
fn is_newer(installed: &Path, lock: &Path) -> bool {
    let changed = |path: &Path| -> Option<SystemTime> { path.metadata().ok()?.modified().ok() };
    match (changed(installed), changed(lock)) {
        (Some(installed), Some(lock)) => installed + Duration::from_secs(10) >= lock,
        _ => false,
    }
}

/// A Chromium for the browser tests: `CHROMIUM`, one on PATH, or Debian's, installed when we may.
pub(crate) fn chromium(supervisor: &Supervisor) -> Result<PathBuf, Failure> {
    if let Some(given) = std::env::var_os("CHROMIUM") {
        return Ok(PathBuf::from(given));
    }
    if let Some(found) = find_chromium() {
        return Ok(found);
    }
    const MISSING: &str = "The browser tests need Chromium: install it, or name one with CHROMIUM";
    if !may_install() {
        return Err(Failure::new(format!(
            "{MISSING}. xtask installs it itself only as root on Debian."
        )));
    }
    debian_package(supervisor, "chromium")?;
    find_chromium().ok_or_else(|| {
        Failure::new(format!(
            "{MISSING}. Debian's package was installed and brought none."
        ))
    })
}

/// A Firefox for one of the browser tests: `FIREFOX`, one on PATH, or Debian's, installed when we may. `Err` holds why
/// there is none: that test is then skipped.
pub(crate) fn firefox(supervisor: &Supervisor) -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os("FIREFOX") {
        return Ok(PathBuf::from(given));
    }
    let find = || ["firefox-esr", "firefox"].into_iter().find_map(on_path);
    if let Some(found) = find() {
        return Ok(found);
    }
    if !may_install() {
        return Err(
            "Firefox is not installed; xtask installs it only as root on Debian".to_owned(),
        );
    }
    debian_package(supervisor, "firefox-esr").map_err(|failure| failure.to_string())?;
    find().ok_or_else(|| "Debian's package firefox-esr was installed and brought none".to_owned())
}

/// PostgreSQL's programs for the tests of the mailbox, installed when we may. `Err` holds why there are none: those
/// tests are then skipped.
pub(crate) fn postgresql(supervisor: &Supervisor) -> Result<(), String> {
    if has_postgresql() {
        return Ok(());
    }
    if !may_install() {
        return Err(
            "PostgreSQL is not installed; xtask installs it only as root on Debian".to_owned(),
        );
    }
    debian_package(supervisor, "postgresql").map_err(|failure| failure.to_string())?;
    if has_postgresql() {
        Ok(())
    } else {
        Err("Debian's package postgresql was installed and brought no server".to_owned())
    }
}

/// Debian keeps `initdb` off PATH, in a folder for each version.
fn has_postgresql() -> bool {
    let debians = std::fs::read_dir("/usr/lib/postgresql");
    let mut debians = debians.into_iter().flatten().flatten();
    debians.any(|version| version.path().join("bin/initdb").is_file())
        || on_path("initdb").is_some()
}

fn may_install() -> bool {
    rustix::process::geteuid().is_root() && on_path("apt-get").is_some()
}

fn debian_package(supervisor: &Supervisor, package: &str) -> Result<(), Failure> {
    say(format!("installing Debian's {package}"));
    for words in [
        &["update", "-qq"][..],
        &["install", "-y", "-qq", "--no-install-recommends", package][..],
    ] {
        let mut apt = Command::new("apt-get");
        apt.args(words).env("DEBIAN_FRONTEND", "noninteractive");
        supervisor.step(&format!("`apt-get {}`", words.join(" ")), apt)?;
    }
    Ok(())
}

fn find_chromium() -> Option<PathBuf> {
    [
        "chromium",
        "chromium-browser",
        "google-chrome-stable",
        "google-chrome",
    ]
    .into_iter()
    .find_map(on_path)
}

/// Where a program is, when it is on PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}
