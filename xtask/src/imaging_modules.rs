//! The two WebAssembly modules that the page loads with its first picture: the viewer (on the page's thread) and the
//! imaging worker's decoders. Beside their glue come the two scripts written by hand; all of it goes into one folder,
//! whose files name each other relatively.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{Failure, Supervisor, say};
use crate::setup::WASM;
use crate::site::{Kind, Stamp, age, bindgen, read, wasm_opt};
use crate::small_std::Std;
use crate::workspace::Workspace;

/// Package, name of its library, and how it is optimised.
struct Module {
    package: &'static str,
    library: &'static str,
    /// Profile and folder of a release.
    profile: &'static str,
    level: &'static str,
    /// What the compiler may take for granted beyond WebAssembly's first version.
    features: Option<&'static str>,
}

/// The viewer is small first; decoders are fast first.
const MODULES: [Module; 2] = [
    Module {
        package: "healthsync-viewer",
        library: "viewer",
        profile: "wasm-release",
        level: "-Oz",
        features: None,
    },
    Module {
        package: "healthsync-imaging-worker",
        library: "decoder",
        profile: "wasm-worker",
        level: "-O3",
        // In every browser since 2023.
        features: Some("+simd128"),
    },
];

const SCRIPTS: [&str; 2] = [
    "crates/viewer/src/entry.js",
    "crates/imaging-worker/src/worker.js",
];

/// Builds what is out of date, into `staging/imaging`.
pub(crate) fn build(
    workspace: &Workspace,
    supervisor: &Supervisor,
    kind: Kind,
    std: Std,
    staging: &Path,
) -> Result<(), Failure> {
    let folder = staging.join("imaging");
    let unwritable =
        |error| Failure::new(format!("{} cannot be written: {error}.", folder.display()));
    fs::create_dir_all(&folder).map_err(unwritable)?;
    for script in SCRIPTS {
        let name = Path::new(script).file_name().unwrap_or_default();
        fs::copy(workspace.path(script), folder.join(name)).map_err(unwritable)?;
    }
    for module in MODULES {
        one(workspace, supervisor, kind, std, &folder, &module)?;
    }
    Ok(())
}

fn one(
    workspace: &Workspace,
    supervisor: &Supervisor,
    kind: Kind,
    std: Std,
    folder: &Path,
    module: &Module,
) -> Result<(), Failure> {
    let Module {
        package, library, ..
    } = *module;
    let (profile, built) = match kind {
        Kind::Release => (module.profile, module.profile),
        Kind::Dev => ("dev", "debug"),
    };
    say(format!("building the {library} (WebAssembly)"));
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "-p",
        package,
        "--target",
        WASM,
        "--profile",
        profile,
    ]);
    std.settings(&mut cargo);
    if let Some(features) = module.features {
        cargo
            .arg("--config")
            .arg(format!("build.rustflags=[\"-Ctarget-feature={features}\"]"));
    }
    supervisor.step(&format!("Building {package}"), cargo)?;
    let linked = workspace.target(&format!("{WASM}/{built}/{library}.wasm"));
    let optimiser = match kind {
        Kind::Release => wasm_opt(workspace, supervisor),
        Kind::Dev => None,
    };
    let wasm = folder.join(format!("{library}_bg.wasm"));
    let stamp = Stamp::new(
        folder.with_file_name(format!("{library}.stamp")),
        &(
            kind,
            read(&linked)?,
            age(&bindgen(workspace)),
            optimiser.as_deref().map(age),
        ),
    );
    if wasm.is_file() && stamp.is_current() {
        return Ok(());
    }
    let mut command = Command::new(bindgen(workspace));
    command
        .args(["bind", kind.name(), library])
        .arg(&linked)
        .arg(folder);
    supervisor.step("wasm-bindgen", command)?;
    if let Some(optimiser) = optimiser {
        let mut command = Command::new(optimiser);
        command.arg(module.level).arg(&wasm).arg("-o").arg(&wasm);
        supervisor.step("wasm-opt", command)?;
    }
    stamp.write()
}
