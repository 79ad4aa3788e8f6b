//! The heavy half of the site build, called by xtask only:
//!
//! - `xtask-bindgen bind KIND NAME INPUT.wasm FOLDER`: the JavaScript glue and the WebAssembly that fits it. The page's,
//!   whose NAME is `healthsync`, is divided at the seam that `wasm_split` has marked in it.
//! - `xtask-bindgen pack FOLDER SITE [SCRIPT]`: names the files by their content, has SCRIPT compress them, writes the
//!   manifest.
//!
//! KIND is `release` or `dev`; `dev` keeps names for readable stacks.

mod pack;

use std::error::Error;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use wasm_bindgen_cli_support::Bindgen;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["bind", kind @ ("release" | "dev"), name, input, folder] => bind(
            *kind == "release",
            name,
            Path::new(input),
            Path::new(folder),
        ),
        ["pack", folder, site] => pack::pack(None, Path::new(folder), Path::new(site)),
        ["pack", folder, site, script] => {
            pack::pack(Some(Path::new(script)), Path::new(folder), Path::new(site))
        }
        _ => Err("xtask-bindgen is called by `cargo xtask`; it has no other use.".into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask-bindgen: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The module that is divided.
const PAGE: &str = "healthsync";

/// Writes `NAME.js`, `NAME_bg.wasm` and, when a crate brings JavaScript of its own, `snippets/`; for the page besides
/// `split_runtime.wasm`, the part behind the seam, and `split.js`, which loads it.
fn bind(release: bool, name: &str, input: &Path, folder: &Path) -> Result<(), Box<dyn Error>> {
    let snippets = folder.join("snippets");
    if snippets.exists() {
        fs::remove_dir_all(&snippets)?;
    }
    fs::create_dir_all(folder)?;
    let divided = name == PAGE;
    let main = folder.join("main.wasm");
    if divided {
        let whole = fs::read(input)?;
        let mut options = wasm_split_cli_support::Options::new(&whole);
        options.output_dir = folder;
        options.main_out_path = &main;
        options.main_module = "./healthsync.js";
        options.link_name = "./split.js";
        wasm_split_cli_support::transform(options)?;
    }

    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(if divided { &main } else { input })
        // The other file finds its counterparts by the linker's names.
        .keep_lld_exports(divided)
        .demangle(!divided)
        .out_name(name)
        .web(true)?
        .typescript(false)
        // Names are a third of what would travel; wasm-opt and browsers do not need them.
        .remove_name_section(release)
        .remove_producers_section(release)
        .debug(!release)
        .keep_debug(false);
    bindgen
        .generate(folder)
        .map_err(|error| format!("{error:#}"))?;
    if divided {
        fs::remove_file(main)?;
    }
    Ok(())
}
