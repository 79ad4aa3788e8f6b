//! The browser's files: WebAssembly with its glue, the stylesheet, and `public/`, in `<target>/site`. Names carry a
//! digest of the content, so files of earlier builds stay for pages that are still open. Every step is skipped when
//! what it reads has not changed.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::mpsc;

use crate::arguments::Arguments;
use crate::process::{Failure, Supervisor, say};
use crate::small_std::{self, Std};
use crate::workspace::Workspace;
use crate::{imaging_modules, setup, stylesheet};

/// What the page is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// Small: optimised for size and compressed.
    Release,
    /// Quick to build; names are kept, so that a panic's stack can be read.
    Dev,
}

impl Kind {
    /// Cargo's profile, and the folder below the target in which its results lie.
    pub(crate) fn profile(self) -> (&'static str, &'static str) {
        match self {
            Self::Release => ("wasm-release", "wasm-release"),
            Self::Dev => ("dev", "debug"),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Dev => "dev",
        }
    }
}

/// `cargo xtask site [--dev]`.
pub(crate) fn command(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    let kind = if arguments.flag("--dev") {
        Kind::Dev
    } else {
        Kind::Release
    };
    arguments.finish()?;
    let workspace = Workspace::find();
    let supervisor = Supervisor::start(None)?;
    setup::wasm_target(&workspace, &supervisor)?;
    setup::node(&workspace, &supervisor)?;
    build(&workspace, &supervisor, kind, || Ok(()))?;
    say(format!("the site is in {}", workspace.site().display()));
    Ok(ExitCode::SUCCESS)
}

/// Builds what is out of date; says which standard library the page has, and what `beside` says, which builds for this
/// machine meanwhile.
pub(crate) fn build<T: Send>(
    workspace: &Workspace,
    supervisor: &Supervisor,
    kind: Kind,
    beside: impl FnOnce() -> Result<T, Failure> + Send,
) -> Result<(Std, T), Failure> {
    let std = match kind {
        Kind::Release => small_std::prepare(workspace, supervisor),
        Kind::Dev => Std::Shipped,
    };
    let staging = workspace.target(&format!("xtask/{}", kind.name()));
    fs::create_dir_all(&staging)
        .map_err(|error| Failure::new(format!("{} cannot be made: {error}.", staging.display())))?;
    std::thread::scope(|scope| {
        let (built, tool) = mpsc::sync_channel(1);
        let host = scope.spawn(move || {
            // Nobody waits for it any more only when the page has failed.
            let _ = built.send(build_bindgen(workspace, supervisor));
            beside()
        });
        compile(workspace, supervisor, kind, std)?;
        tool.recv().map_err(|_| panicked())??;
        bind(workspace, supervisor, kind, &staging)?;
        let css = stylesheet::bundle(&workspace.path("style/main.css"))?;
        write(&staging.join("healthsync.css"), css.as_bytes())?;
        pack(workspace, supervisor, kind, &staging)?;
        copy_public(&workspace.path("public"), &workspace.site())?;
        Ok((std, host.join().map_err(|_| panicked())??))
    })
}

fn panicked() -> Failure {
    Failure::new("A thread of the build has panicked.")
}

/// The built files as the server is told of them.
#[derive(Debug)]
pub(crate) struct Manifest {
    pub(crate) js: PathBuf,
    pub(crate) wasm: PathBuf,
    /// Loads `runtime`.
    pub(crate) split: PathBuf,
    /// What works behind the views; it comes after `wasm`.
    pub(crate) runtime: PathBuf,
    pub(crate) css: PathBuf,
    /// The first script of the picture workspace.
    pub(crate) imaging: PathBuf,
}

impl Manifest {
    /// Reads `manifest.json`, when there is one and all its files are there.
    pub(crate) fn read(site: &Path) -> Option<Self> {
        let text = fs::read_to_string(site.join("manifest.json")).ok()?;
        let file = |key: &str| {
            let url = text
                .split(&format!("\"{key}\""))
                .nth(1)?
                .split('"')
                .nth(1)?;
            let path = site.join(url.strip_prefix('/')?);
            path.is_file().then_some(path)
        };
        Some(Self {
            js: file("js")?,
            wasm: file("wasm")?,
            split: file("split")?,
            runtime: file("runtime")?,
            css: file("css")?,
            imaging: file("imaging")?,
        })
    }
}

/// What the compiler may take for granted beyond WebAssembly's first version; in every browser since 2023.
const FEATURES: &str = "+simd128";

/// The page and, because they share much of what they are made of, viewer and decoders.
fn compile(
    workspace: &Workspace,
    supervisor: &Supervisor,
    kind: Kind,
    std: Std,
) -> Result<(), Failure> {
    let (profile, _) = kind.profile();
    say("building the page (WebAssembly)");
    let mut cargo = workspace.cargo();
    cargo.args(["build", "-p", "frontend"]);
    for package in imaging_modules::PACKAGES {
        cargo.args(["-p", package]);
    }
    cargo.args(["--target", setup::WASM, "--profile", profile]);
    std.settings(&mut cargo);
    cargo
        .arg("--config")
        .arg(format!("build.rustflags=[\"-Ctarget-feature={FEATURES}\"]"));
    supervisor.step("Building the page", cargo)
}

/// What has been compiled becomes what browsers load, in `staging`: the page, and the modules of the first picture beside it.
fn bind(
    workspace: &Workspace,
    supervisor: &Supervisor,
    kind: Kind,
    staging: &Path,
) -> Result<(), Failure> {
    let optimiser = match kind {
        Kind::Release => wasm_opt(workspace, supervisor),
        Kind::Dev => None,
    };
    let optimiser = optimiser.as_deref();
    std::thread::scope(|scope| {
        let imaging =
            scope.spawn(|| imaging_modules::build(workspace, supervisor, kind, optimiser, staging));
        bind_page(workspace, supervisor, kind, optimiser, staging)?;
        imaging.join().map_err(|_| panicked())?
    })
}

/// wasm-bindgen → wasm-opt for the page.
fn bind_page(
    workspace: &Workspace,
    supervisor: &Supervisor,
    kind: Kind,
    optimiser: Option<&Path>,
    staging: &Path,
) -> Result<(), Failure> {
    let (_, folder) = kind.profile();
    let linked = workspace.target(&format!("wasm32-unknown-unknown/{folder}/frontend.wasm"));
    let page = staging.join("page");
    let stamp = Stamp::new(
        staging.join("compile.stamp"),
        &(
            kind,
            read(&linked)?,
            age(&bindgen(workspace)),
            optimiser.map(age),
        ),
    );
    if page.join("healthsync.wasm").is_file() && stamp.is_current() {
        return Ok(());
    }
    say("generating the JavaScript glue");
    let mut command = Command::new(bindgen(workspace));
    command
        .args(["bind", kind.name(), "healthsync"])
        .arg(&linked)
        .arg(&page);
    supervisor.step("wasm-bindgen", command)?;
    for (bound, wasm) in [
        ("healthsync_bg.wasm", "healthsync.wasm"),
        ("split_runtime.wasm", "split_runtime.wasm"),
    ] {
        let (bound, wasm) = (page.join(bound), page.join(wasm));
        if let Some(optimiser) = optimiser {
            say("optimising the WebAssembly for its compressed size");
            let mut command = Command::new(optimiser);
            // The levels for small files give smaller ones that compress worse.
            command.arg("-O1").arg(&bound).arg("-o").arg(&bound);
            supervisor.step("wasm-opt", command)?;
        }
        fs::rename(&bound, &wasm).map_err(|error| {
            Failure::new(format!("{} cannot be renamed: {error}.", bound.display()))
        })?;
    }
    stamp.write()
}

/// Names by digest, compresses, writes the manifest.
fn pack(
    workspace: &Workspace,
    supervisor: &Supervisor,
    kind: Kind,
    staging: &Path,
) -> Result<(), Failure> {
    let site = workspace.site();
    let mut inputs = Vec::new();
    for name in [
        "page/healthsync.js",
        "page/healthsync.wasm",
        "page/split.js",
        "page/split_runtime.wasm",
        "healthsync.css",
    ] {
        inputs.push(read(&staging.join(name))?);
    }
    let (imaging, mut modules) = (staging.join("imaging"), Vec::new());
    list_files(&imaging, Path::new(""), &mut modules)?;
    modules.sort();
    for name in modules {
        inputs.push(read(&imaging.join(name))?);
    }
    // One stamp for both kinds: the manifest in the site is of one of them.
    let stamp = Stamp::new(
        workspace.target("xtask/pack.stamp"),
        &(kind, inputs, age(&bindgen(workspace)), &site),
    );
    if Manifest::read(&site).is_some() && stamp.is_current() {
        return Ok(());
    }
    let mut command = Command::new(bindgen(workspace));
    command.arg("pack").arg(staging).arg(&site);
    if kind == Kind::Release {
        say("compressing");
        command.arg(workspace.path("xtask/compress.mjs"));
    }
    supervisor.step("Packing the site", command)?;
    stamp.write()
}

/// npm's binaryen. Without it the page works as well and is a little larger.
pub(crate) fn wasm_opt(workspace: &Workspace, supervisor: &Supervisor) -> Option<PathBuf> {
    if let Err(failure) = setup::npm_packages(workspace, supervisor, "xtask") {
        say(format!("going on without wasm-opt: {failure}"));
    }
    Some(workspace.path("xtask/node_modules/.bin/wasm-opt")).filter(|path| path.is_file())
}

/// The tool that turns the compiler's WebAssembly into what browsers load.
pub(crate) fn bindgen(workspace: &Workspace) -> PathBuf {
    workspace.target("debug/xtask-bindgen")
}

/// Builds that tool.
pub(crate) fn build_bindgen(workspace: &Workspace, supervisor: &Supervisor) -> Result<(), Failure> {
    let mut cargo = workspace.build_for_this_machine();
    cargo.args(["--bin", "xtask-bindgen"]);
    supervisor.step("Building xtask-bindgen", cargo)
}

/// Makes the site's other files equal to `public`.
fn copy_public(public: &Path, site: &Path) -> Result<(), Failure> {
    let mut wanted = Vec::new();
    list_files(public, Path::new(""), &mut wanted)?;
    for file in &wanted {
        let bytes = read(&public.join(file))?;
        if fs::read(site.join(file)).ok().as_ref() != Some(&bytes) {
            write(&site.join(file), &bytes)?;
        }
    }
    let mut present = Vec::new();
    list_files(site, Path::new(""), &mut present)?;
    for file in present {
        if !file.starts_with("pkg") && file != Path::new("manifest.json") && !wanted.contains(&file)
        {
            let _ = fs::remove_file(site.join(file));
        }
    }
    Ok(())
}

fn list_files(root: &Path, below: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let folder = root.join(below);
    let unreadable = |error| Failure::new(format!("{} cannot be read: {error}.", folder.display()));
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = below.join(entry.file_name());
        if entry.path().is_dir() {
            list_files(root, &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}.", path.display())))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}.", path.display())))
}

/// Enough of a tool to notice that it was replaced.
pub(crate) fn age(tool: &Path) -> Option<(u64, std::time::SystemTime)> {
    let metadata = tool.metadata().ok()?;
    Some((metadata.len(), metadata.modified().ok()?))
}

/// Remembers what a step has read, so that it need not be done again.
#[derive(Debug)]
pub(crate) struct Stamp {
    file: PathBuf,
    value: String,
}

impl Stamp {
    pub(crate) fn new(file: PathBuf, inputs: &impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        inputs.hash(&mut hasher);
        Self {
            file,
            value: format!("{:016x}", hasher.finish()),
        }
    }

    pub(crate) fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|text| text == self.value)
    }

    pub(crate) fn write(&self) -> Result<(), Failure> {
        write(&self.file, self.value.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_counts_only_with_all_its_files() {
        let site = std::env::temp_dir().join(format!("healthsync-site-{}", std::process::id()));
        write(
            &site.join("manifest.json"),
            br#"{"js":"/pkg/a.js","wasm":"/pkg/a.wasm","split":"/pkg/b.js","runtime":"/pkg/b.wasm","css":"/pkg/a.css","imaging":"/pkg/i/entry.js"}"#,
        )
        .unwrap();
        for name in ["a.js", "a.wasm", "b.js", "b.wasm"] {
            write(&site.join("pkg").join(name), b"").unwrap();
        }
        assert!(Manifest::read(&site).is_none());
        write(&site.join("pkg/a.css"), b"").unwrap();
        assert!(Manifest::read(&site).is_none());
        write(&site.join("pkg/i/entry.js"), b"").unwrap();
        assert_eq!(Manifest::read(&site).unwrap().js, site.join("pkg/a.js"));
        fs::remove_dir_all(&site).unwrap();
    }

    #[test]
    fn the_site_follows_public() {
        let root = std::env::temp_dir().join(format!("healthsync-public-{}", std::process::id()));
        let (public, site) = (root.join("public"), root.join("site"));
        write(&public.join("icons/a.svg"), b"one").unwrap();
        write(&site.join("old.txt"), b"gone").unwrap();
        write(&site.join("pkg/kept.js"), b"kept").unwrap();
        copy_public(&public, &site).unwrap();
        assert_eq!(fs::read(site.join("icons/a.svg")).unwrap(), b"one");
        assert!(!site.join("old.txt").exists());
        assert!(site.join("pkg/kept.js").exists());
        fs::remove_dir_all(&root).unwrap();
    }
}
