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

/// The viewer's package. It is small first like the page, and compiled together with it.
pub(crate) const VIEWER: &str = "healthsync-viewer";
/// The decoders' package.
const DECODER: &str = "healthsync-imaging-worker";
/// Decoders are fast first.
const DECODER_PROFILE: &str = "wasm-worker";
/// What the compiler may take for granted beyond WebAssembly's first version; in every browser since 2023.
const DECODER_FEATURES: &str = "+simd128";
/// What wasm-opt is told. Browsers run a function as it was compiled in haste until it is called anew: a decoder that is
/// merged into its one caller is called once for an image, and would decode the first one slowly.
const DECODER_OPTIMISED: &[&str] = &["-O3", "--one-caller-inline-max-function-size=100"];

const SCRIPTS: [&str; 2] = [
    "crates/viewer/src/entry.js",
    "crates/imaging-worker/src/worker.js",
];

/// Builds what is out of date, into `staging/imaging`; the viewer has been compiled with the page.
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
    let (profile, built) = kind.profile();
    bind(
        workspace,
        supervisor,
        kind,
        &folder,
        "viewer",
        built,
        &["-Oz"],
    )?;

    let (profile, built) = match kind {
        Kind::Release => (DECODER_PROFILE, DECODER_PROFILE),
        Kind::Dev => (profile, built),
    };
    say("building the decoders (WebAssembly)");
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "-p",
        DECODER,
        "--target",
        WASM,
        "--profile",
        profile,
    ]);
    std.settings(&mut cargo);
    cargo.arg("--config").arg(format!(
        "build.rustflags=[\"-Ctarget-feature={DECODER_FEATURES}\"]"
    ));
    supervisor.step("Building the decoders", cargo)?;
    bind(
        workspace,
        supervisor,
        kind,
        &folder,
        "decoder",
        built,
        DECODER_OPTIMISED,
    )
}

/// wasm-bindgen and wasm-opt for `library`, which cargo has put into the folder `built`.
fn bind(
    workspace: &Workspace,
    supervisor: &Supervisor,
    kind: Kind,
    folder: &Path,
    library: &str,
    built: &str,
    optimise: &[&str],
) -> Result<(), Failure> {
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
            optimise,
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
        command.args(optimise).arg(&wasm).arg("-o").arg(&wasm);
        supervisor.step("wasm-opt", command)?;
    }
    stamp.write()
}
