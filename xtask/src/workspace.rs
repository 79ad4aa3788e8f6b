//! Where things are: the checkout, cargo's target folder wherever it was put, and the site that the server serves.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::setup::on_path;

/// The folders that every command works with.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    /// Cargo tells where the checkout is; our own executable lies in `<target>/<profile>/`, whatever
    /// `CARGO_TARGET_DIR` or a cargo configuration says.
    pub(crate) fn find() -> Self {
        let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest
            .parent()
            .map_or_else(|| manifest.clone(), Path::to_path_buf);
        let target = std::env::current_exe()
            .ok()
            .and_then(|exe| exe.parent()?.parent().map(Path::to_path_buf))
            .unwrap_or_else(|| root.join("target"));
        Self { root, target }
    }

    /// A path below the checkout.
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// A path below cargo's target folder.
    pub(crate) fn target(&self, below: &str) -> PathBuf {
        self.target.join(below)
    }

    /// The folder that the server serves files from.
    pub(crate) fn site(&self) -> PathBuf {
        self.target.join("site")
    }

    /// The server's binary.
    pub(crate) fn server(&self, release: bool) -> PathBuf {
        self.target(if release {
            "release/healthsync"
        } else {
            "debug/healthsync"
        })
    }

    /// anvil: `ANVIL` when set, else the one of the contracts' npm packages.
    pub(crate) fn anvil(&self) -> PathBuf {
        std::env::var_os("ANVIL").map_or_else(
            || self.path("contracts/node_modules/.bin/anvil"),
            PathBuf::from,
        )
    }

    /// cargo, the one that started us, working in the checkout and on the same target folder.
    pub(crate) fn cargo(&self) -> Command {
        self.at_home(Command::new(cargo()))
    }

    fn at_home(&self, mut command: Command) -> Command {
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        // What cargo told us about xtask is no news for the packages built from here.
        for (name, _) in std::env::vars_os() {
            let Some(name) = name.to_str() else { continue };
            if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// `cargo build` for one of the programs that run on this machine; the caller names it. What one program needs of a
    /// dependency decides how it is compiled for all that are built together, so these are always chosen together: built
    /// on their own, each would have its dependencies compiled anew.
    ///
    /// It leaves the processor to what is built beside it: the page's parts wait for each other, and linking them keeps one
    /// core busy for minutes, when the rest of this fits on the others.
    pub(crate) fn build_for_this_machine(&self) -> Command {
        let command = match on_path("nice") {
            Some(nice) => {
                let mut command = Command::new(nice);
                command.args(["-n", "10"]).arg(cargo());
                command
            }
            None => Command::new(cargo()),
        };
        let mut command = self.at_home(command);
        command.args(["build", "-p", "server", "-p", "xtask-bindgen"]);
        command
    }

    /// A program run in a folder of the checkout.
    pub(crate) fn command(&self, program: &str, folder: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.path(folder));
        command
    }
}

fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
