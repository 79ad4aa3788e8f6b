//! The two WebAssembly modules that the page loads with its first picture: the viewer (on the page's thread) and the
//! imaging worker's decoders. Beside their glue come the two scripts written by hand; all of it goes into one folder,
//! whose files name each other relatively.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::process::{Failure, Supervisor};
use crate::setup::WASM;
use crate::site::{Kind, Stamp, age, bindgen, read};
use crate::workspace::Workspace;

/// Their packages, compiled together with the page.
pub(crate) const PACKAGES: [&str; 2] = ["healthsync-viewer", "healthsync-imaging-worker"];
/// What wasm-opt is told. Browsers run a function as it was compiled in haste until it is called anew: a decoder that is
/// merged into its one caller is called once for an image, and would decode the first one slowly.
const DECODER_OPTIMISED: &[&str] = &["-O3", "--one-caller-inline-max-function-size=100"];

const SCRIPTS: [&str; 3] = [
    "crates/viewer/src/entry.js",
    "crates/viewer/src/photos.js",
    "crates/imaging-worker/src/worker.js",
];

/// Makes what is out of date, in `staging/imaging`, of what has been compiled with the page.
pub(crate) fn build(
    workspace: &Workspace,
    supervisor: &Supervisor,
    kind: Kind,
    optimiser: Option<&Path>,
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
    for (library, optimise) in [("viewer", &["-Oz"][..]), ("decoder", DECODER_OPTIMISED)] {
        let optimise = optimiser.map(|optimiser| (optimiser, optimise));
        bind(workspace, supervisor, kind, &folder, library, optimise)?;
    }
    Ok(())
}

/// wasm-bindgen and wasm-opt for `library`.
fn bind(
    workspace: &Workspace,
    supervisor: &Supervisor,
    kind: Kind,
    folder: &Path,
    library: &str,
    optimise: Option<(&Path, &[&str])>,
) -> Result<(), Failure> {
    let (_, built) = kind.profile();
    let linked = workspace.target(&format!("{WASM}/{built}/{library}.wasm"));
    let wasm = folder.join(format!("{library}_bg.wasm"));
    let stamp = Stamp::new(
        folder.with_file_name(format!("{library}.stamp")),
        &(
            kind,
            read(&linked)?,
            age(&bindgen(workspace)),
            optimise.map(|(optimiser, words)| (age(optimiser), words)),
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
    if let Some((optimiser, words)) = optimise {
        let mut command = Command::new(optimiser);
        command.args(words).arg(&wasm).arg("-o").arg(&wasm);
        supervisor.step("wasm-opt", command)?;
    }
    stamp.write()
}
