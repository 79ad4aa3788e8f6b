//! The release page is compiled together with Rust's standard library, from the source that belongs to the pinned
//! toolchain, so that what browsers never need goes: the texts and places of panics (a panic is a bare trap, which the
//! page's start script sees and reports), the machinery that formats them, and what `{:?}` writes. A development build
//! (`cargo xtask site --dev`) keeps all of it.
//!
//! These settings are unstable, and stay what they are as long as the toolchain is pinned: `RUSTC_BOOTSTRAP` allows
//! them on exactly the compiler that everybody uses.

use std::path::Path;
use std::process::Command;

use crate::process::{Supervisor, say};
use crate::setup::WASM;
use crate::workspace::Workspace;

const CRATES: &str = "-Zbuild-std=std,panic_abort";

/// Which standard library the page was built with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Std {
    /// Compiled with the page.
    Small,
    /// As the toolchain ships it.
    Shipped,
}

/// Looks for the library's source and its dependencies, and fetches what is missing. Without them the page is built as
/// well, and is larger.
pub(crate) fn prepare(workspace: &Workspace, supervisor: &Supervisor) -> Std {
    let ready = source(workspace, supervisor).and_then(|()| {
        let mut fetch = workspace.cargo();
        fetch
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["fetch", "--quiet", "--target", WASM, CRATES]);
        supervisor.step("Fetching what the standard library depends on", fetch)
    });
    match ready {
        Ok(()) => Std::Small,
        Err(failure) => {
            say(format!(
                "the page is built with the standard library as it is shipped, works as well and is a tenth larger: {failure}"
            ));
            Std::Shipped
        }
    }
}

fn source(workspace: &Workspace, supervisor: &Supervisor) -> Result<(), crate::process::Failure> {
    let mut ask = workspace.command("rustc", ".");
    ask.args(["--print", "sysroot"]);
    let sysroot = supervisor.capture("Asking rustc for its folder", ask)?;
    let library = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock");
    if library.is_file() {
        return Ok(());
    }
    say("installing the source of Rust's standard library");
    let mut add = workspace.command("rustup", ".");
    add.args(["component", "add", "rust-src"]);
    supervisor.step("Installing the source of Rust's standard library", add)
}

impl Std {
    /// What `cargo build` is told for it.
    pub(crate) fn settings(self, cargo: &mut Command) {
        match self {
            Self::Shipped => {}
            Self::Small => {
                cargo.env("RUSTC_BOOTSTRAP", "1").args([
                    CRATES,
                    "-Zbuild-std-features=optimize_for_size",
                    "-Zpanic-immediate-abort",
                    "--config",
                    "profile.wasm-release.panic=\"immediate-abort\"",
                    // Added to what .cargo/config.toml says.
                    "--config",
                    "build.rustflags=[\"-Zlocation-detail=none\", \"-Zfmt-debug=none\"]",
                ]);
            }
        }
    }
}
