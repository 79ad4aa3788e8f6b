//! What `cargo xtask test` runs, suite by suite. Packages are grouped so that cargo's feature unification never puts
//! `ssr` and `hydrate` into one build, and so that native code is built once for all native tests.

use std::process::{Command, ExitCode};

use crate::process::{Failure, Supervisor, say};
use crate::small_std::Std;
use crate::tally::{Counter, Tally};
use crate::workspace::Workspace;
use crate::{run, samples, setup, site, wasm_tests};

/// The libraries whose features all go together; `healthsync-app` is built with `ssr` beside them.
const LIBRARIES: [(&str, &str); 4] = [
    ("healthsync-core", "crates/core"),
    ("healthsync-imaging", "crates/imaging"),
    ("healthsync-lighthouse", "crates/lighthouse"),
    ("healthsync-net", "crates/net"),
];

/// What may be loaded before the page is there, WebAssembly and glue together, brotli.
const PAGE_BUDGET: u64 = 508_500;
/// What may be loaded after it, for all that works behind the views. Page and runtime together shall come below 600 kB;
/// this bound only stops growth. Lower it whenever the runtime shrinks.
const RUNTIME_BUDGET: u64 = 716_500;

/// What comes with the first picture, likewise: viewer, what cleans photographs, and decoders, those of TIFF and NIfTI too.
const IMAGING_BUDGET: u64 = 1_067_000;

/// One suite's surroundings.
#[derive(Debug)]
pub(crate) struct Tools<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) supervisor: &'a Supervisor,
}

/// A suite: its name on the command line and what it does.
pub(crate) type Suite = (&'static str, fn(&Tools<'_>) -> Result<Tally, Failure>);

/// In the order in which they run: the quick ones first.
pub(crate) const SUITES: [Suite; 8] = [
    ("fmt", fmt),
    ("clippy", clippy),
    ("rules", rules),
    ("rust", rust),
    ("wasm", wasm_tests::wasm),
    ("contracts", contracts),
    ("site", site_build),
    ("e2e", e2e),
];

impl Tools<'_> {
    /// A command that is one check: it passes or fails as a whole.
    fn check(&self, what: &str, command: Command) -> Result<Tally, Failure> {
        say(what);
        let status = self.supervisor.stream(command, |_| {})?;
        if !status.success() {
            say(format!("FAILED: {what}"));
        }
        Ok(Tally::of(status.success()))
    }

    /// A command that counts its own tests.
    pub(crate) fn counted(&self, what: &str, command: Command) -> Result<Tally, Failure> {
        say(what);
        let mut counter = Counter::default();
        let status = self.supervisor.stream(command, |line| counter.see(line))?;
        let tally = counter.total(status.success());
        say(format!(
            "{what}: {} passed, {} failed",
            tally.passed, tally.failed
        ));
        Ok(tally)
    }

    fn cargo(&self, words: &[&str]) -> Command {
        let mut command = self.workspace.cargo();
        command.args(words);
        command
    }

    /// The native packages with all the features that go together.
    pub(crate) fn native(&self, verb: &[&str]) -> Command {
        let mut command = self.cargo(verb);
        command.args(["-p", "healthsync-app", "-p", "server"]);
        let mut features = vec!["healthsync-app/ssr".to_owned()];
        for (package, folder) in LIBRARIES {
            command.args(["-p", package]);
            let manifest = std::fs::read_to_string(self.workspace.path(folder).join("Cargo.toml"))
                .unwrap_or_default();
            features.extend(
                features_in(&manifest)
                    .into_iter()
                    .map(|feature| format!("{package}/{feature}")),
            );
        }
        command.args(["--features", &features.join(",")]);
        command
    }
}

/// The names in a manifest's `[features]` table.
fn features_in(manifest: &str) -> Vec<String> {
    manifest
        .lines()
        .skip_while(|line| line.trim() != "[features]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with([' ', '\t', '#', ']']))
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name.trim().to_owned())
        .filter(|name| name != "default")
        .collect()
}

fn fmt(tools: &Tools<'_>) -> Result<Tally, Failure> {
    tools.check("formatting", tools.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(tools: &Tools<'_>) -> Result<Tally, Failure> {
    setup::wasm_target(tools.workspace, tools.supervisor)?;
    let strict = ["--", "-D", "warnings"];
    let mut native = tools.native(&["clippy", "--all-targets"]);
    native.args(strict);
    let mut tally = tools.check("lints of the native build", native)?;
    let mut browser = tools.cargo(&[
        "clippy",
        "-p",
        "frontend",
        "-p",
        wasm_tests::PACKAGE,
        "--target",
        setup::WASM,
    ]);
    browser.args(strict);
    tally += tools.check("lints of the browser's build", browser)?;
    let mut measured = tools.cargo(&["clippy", "-p", "healthsync-net", "--example", "page"]);
    measured.args(["--target", setup::WASM]).args(strict);
    tally += tools.check("lints of the page that `bench net` measures", measured)?;
    let mut imaging = tools.cargo(&[
        "clippy",
        "-p",
        "healthsync-viewer",
        "-p",
        "healthsync-imaging-worker",
        "--target",
        "wasm32-unknown-unknown",
    ]);
    imaging.args(strict);
    tally += tools.check("lints of the viewer and the imaging worker", imaging)?;
    let mut own = tools.cargo(&[
        "clippy",
        "-p",
        "xtask",
        "-p",
        "xtask-bindgen",
        "--all-targets",
    ]);
    own.args(strict);
    tally += tools.check("lints of xtask", own)?;
    Ok(tally)
}

/// Which crates may never be reached from which package.
fn rules(tools: &Tools<'_>) -> Result<Tally, Failure> {
    const BROWSER: &str = "wasm32-unknown-unknown";
    type Rule = (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    );
    let rules: [Rule; 6] = [
        (
            "core is pure",
            &["-p", "healthsync-core", "--all-features"],
            &[
                "tokio",
                "libp2p",
                "web-sys",
                "js-sys",
                "wasm-bindgen",
                "healthsync-",
            ],
        ),
        (
            "core is pure in the browser",
            &[
                "-p",
                "healthsync-core",
                "--all-features",
                "--target",
                BROWSER,
            ],
            &[
                "tokio",
                "libp2p",
                "web-sys",
                "js-sys",
                "wasm-bindgen",
                "healthsync-",
            ],
        ),
        (
            "imaging stands alone",
            &["-p", "healthsync-imaging", "--all-features"],
            &["tokio", "libp2p", "healthsync-"],
        ),
        (
            "lighthouse knows no network",
            &["-p", "healthsync-lighthouse", "--all-features"],
            &["libp2p", "healthsync-net", "healthsync-app"],
        ),
        (
            "the page rendered on the server links no libp2p",
            &["-p", "healthsync-app", "--features", "ssr"],
            &["libp2p", "healthsync-net"],
        ),
        (
            "the browser has no tokio runtime and no server parts",
            &["-p", "frontend", "--target", BROWSER],
            &["axum", "leptos_axum", "sqlx", "mio"],
        ),
    ];
    let mut tally = Tally::default();
    for (what, selection, refused) in rules {
        let mut command = tools.cargo(&[
            "tree", "--edges", "normal", "--prefix", "none", "--format", "{p}",
        ]);
        command.args(selection);
        let tree = tools.supervisor.capture("cargo tree", command)?;
        let own = selection[1];
        let mut found: Vec<&str> = tree
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != own && refused.iter().any(|rule| breaks(name, rule)))
            .collect();
        found.sort_unstable();
        found.dedup();
        if found.is_empty() {
            say(format!("rule kept: {what}"));
        } else {
            say(format!(
                "FAILED: rule broken: {what}; found {}",
                found.join(", ")
            ));
        }
        tally += Tally::of(found.is_empty());
    }
    Ok(tally)
}

/// `libp2p` and `healthsync-` stand for whole families, other names for one crate.
fn breaks(name: &str, rule: &str) -> bool {
    name == rule
        || (rule == "libp2p" && name.starts_with("libp2p-"))
        || (rule.ends_with('-') && name.starts_with(rule))
}

fn rust(tools: &Tools<'_>) -> Result<Tally, Failure> {
    // The server's tests of the chain want one: without its program they would pass and prove nothing.
    setup::node(tools.workspace, tools.supervisor)?;
    setup::npm_packages(tools.workspace, tools.supervisor, "contracts")?;
    if let Err(why) = setup::postgresql(tools.supervisor) {
        say(format!("skipped: the mailbox's tests on PostgreSQL. {why}"));
    }
    let mut native = tools.native(&["test", "--no-fail-fast"]);
    native.env("ANVIL", tools.workspace.anvil());
    let mut tally = tools.counted("Rust tests", native)?;
    // On the build that all native tests share.
    let images = real_files(tools, tools.native(&["test"]))?;
    tally += tools.counted("tests with real images", images)?;
    tally += tools.counted(
        "tests of xtask",
        tools.cargo(&[
            "test",
            "--no-fail-fast",
            "-p",
            "xtask",
            "-p",
            "xtask-bindgen",
        ]),
    )?;
    Ok(tally)
}

/// The tests that want real images.
fn real_files(tools: &Tools<'_>, mut cargo_test: Command) -> Result<Command, Failure> {
    let folder = samples::fetch(tools.workspace, tools.supervisor)?;
    cargo_test
        .args(["--test", "real_files", "--", "--ignored", "--nocapture"])
        .env(samples::FOLDER, folder);
    Ok(cargo_test)
}

/// `cargo xtask imaging table`: the same tests, which write their table into the documentation.
pub(crate) fn imaging_table() -> Result<ExitCode, Failure> {
    let workspace = Workspace::find();
    let supervisor = Supervisor::start(None)?;
    let tools = Tools {
        workspace: &workspace,
        supervisor: &supervisor,
    };
    let alone = tools.cargo(&["test", "-p", "healthsync-imaging", "--features", "decode"]);
    let mut command = real_files(&tools, alone)?;
    command.env("HEALTHSYNC_WRITE_TABLE", "1");
    supervisor.step("Opening every real image", command)?;
    Ok(ExitCode::SUCCESS)
}

fn contracts(tools: &Tools<'_>) -> Result<Tally, Failure> {
    setup::node(tools.workspace, tools.supervisor)?;
    setup::npm_packages(tools.workspace, tools.supervisor, "contracts")?;
    let mut command = tools.workspace.command("npm", "contracts");
    command.args(["test", "--silent"]);
    tools.counted("contract tests", command)
}

/// The page is built and weighs what it may.
fn site_build(tools: &Tools<'_>) -> Result<Tally, Failure> {
    setup::wasm_target(tools.workspace, tools.supervisor)?;
    setup::node(tools.workspace, tools.supervisor)?;
    let (std, ()) = site::build(
        tools.workspace,
        tools.supervisor,
        site::Kind::Release,
        || Ok(()),
    )?;
    let mut tally = Tally::of(true);
    if std == Std::Shipped {
        say(
            "skipped: the page's weight is limited for the build with a small standard library only",
        );
        return Ok(tally);
    }
    let Some(manifest) = site::Manifest::read(&tools.workspace.site()) else {
        return Err(Failure::new(
            "The site was built, and its manifest names files that are not there.",
        ));
    };
    let size = |path: &std::path::Path| {
        let compressed = format!("{}.br", path.display());
        std::fs::metadata(&compressed)
            .map(|metadata| metadata.len())
            .map_err(|error| Failure::new(format!("{compressed}: {error}.")))
    };
    let (page, runtime, css) = (
        size(&manifest.wasm)? + size(&manifest.js)? + size(&manifest.split)?,
        size(&manifest.runtime)?,
        size(&manifest.css)?,
    );
    let module = |name: &str| size(&manifest.imaging.with_file_name(name));
    let (viewer, decoder) = (module("viewer_bg.wasm")?, module("decoder_bg.wasm")?);
    for (what, bytes, budget) in [
        ("the page", page, PAGE_BUDGET),
        (
            "the runtime, which comes after it,",
            runtime,
            RUNTIME_BUDGET,
        ),
        (
            "what the first picture brings (viewer and decoders)",
            viewer + decoder,
            IMAGING_BUDGET,
        ),
    ] {
        let kept = bytes <= budget;
        say(format!(
            "{}{what} weighs {bytes} bytes in brotli of {budget} allowed",
            if kept { "" } else { "FAILED: " },
        ));
        tally += Tally::of(kept);
    }
    say(format!("the stylesheet weighs {css} bytes in brotli"));
    Ok(tally)
}

/// The whole job in a real browser, against the real server and a private chain.
fn e2e(tools: &Tools<'_>) -> Result<Tally, Failure> {
    let mut command = tools.workspace.command("npm", "end2end");
    command.args(["test", "--silent"]);
    surroundings(tools, &mut command)?;
    match setup::firefox(tools.supervisor) {
        Ok(firefox) => {
            command.env("FIREFOX", firefox);
        }
        Err(why) => say(format!("{why}, so the story in Firefox is skipped")),
    }
    tools.counted("end-to-end tests", command)
}

/// Everything that a script in `end2end/` needs, built, installed and named in its environment.
pub(crate) fn surroundings(tools: &Tools<'_>, command: &mut Command) -> Result<(), Failure> {
    let Tools {
        workspace,
        supervisor,
    } = *tools;
    setup::wasm_target(workspace, supervisor)?;
    setup::node(workspace, supervisor)?;
    setup::npm_packages(workspace, supervisor, "contracts")?;
    setup::npm_packages(workspace, supervisor, "end2end")?;
    setup::npm_packages(workspace, supervisor, "end2end/lighthouse")?;
    setup::npm_packages(workspace, supervisor, "end2end/interop")?;
    let chromium = setup::chromium(supervisor)?;
    let (_, (server, keys)) = site::build(workspace, supervisor, site::Kind::Release, || {
        Ok((
            run::build_server(workspace, supervisor, false)?,
            run::build_keys(workspace, supervisor, false)?,
        ))
    })?;
    command
        .env("HEALTHSYNC_BIN", server)
        .env("HEALTHSYNC_KEYS", keys)
        .env("HEALTHSYNC_SITE_ROOT", workspace.site())
        .env("ANVIL", workspace.anvil())
        .env("CHROMIUM", chromium);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_and_single_crates() {
        assert!(breaks("libp2p", "libp2p") && breaks("libp2p-core", "libp2p"));
        assert!(breaks("healthsync-net", "healthsync-"));
        assert!(breaks("tokio", "tokio") && !breaks("tokio-util", "tokio"));
    }

    #[test]
    fn reads_the_features_of_a_manifest() {
        let manifest = "[package]\nname = \"x\"\n\n[features]\ndefault = []\ndecode = [\n    \"dep:a\",\n]\nfast = []\n\n[dependencies]\nb = \"1\"\n";
        assert_eq!(features_in(manifest), ["decode", "fast"]);
        assert!(features_in("[package]\n").is_empty());
    }
}
