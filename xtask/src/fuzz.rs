//! `cargo xtask fuzz`: libFuzzer on the stable compiler. The targets are `crates/*/fuzz/fuzz_targets/*.rs`, laid out as
//! cargo-fuzz wants them, so `cargo +nightly fuzz run` works on them too; here no nightly compiler is needed, only a
//! C++ compiler for libFuzzer itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::arguments::Arguments;
use crate::process::{Failure, Supervisor, say};
use crate::workspace::Workspace;

/// Counters in every branch and comparisons that libFuzzer sees, checks of arithmetic, and no sanitizer: the code that
/// is fuzzed is safe Rust.
const FLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions=yes -Coverflow-checks=yes \
    -Ccodegen-units=1 --cfg fuzzing";

/// One target.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Target {
    /// The crate's folder below `crates/`.
    part: String,
    name: String,
}

/// Builds and runs the targets that are meant, one after the other, each for the time given.
pub(crate) fn fuzz(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    let seconds = arguments
        .value::<u32>("--seconds", "a whole number of seconds")?
        .unwrap_or(60);
    let wanted = arguments.next_word();
    arguments.finish()?;
    let workspace = Workspace::find();
    let all = targets(&workspace.path("crates"));
    let chosen: Vec<Target> = all
        .iter()
        .filter(|target| wanted.as_deref().is_none_or(|wanted| target.is(wanted)))
        .cloned()
        .collect();
    if chosen.is_empty() {
        let names: Vec<String> = all.iter().map(Target::path).collect();
        return Err(Failure::new(format!(
            "There is no fuzz target `{}`. There are: {}.",
            wanted.unwrap_or_default(),
            names.join(" ")
        )));
    }
    let supervisor = Supervisor::start(None)?;
    let mut found = Vec::new();
    for target in &chosen {
        let binary = build(&workspace, &supervisor, target)?;
        if !run(&workspace, &supervisor, target, &binary, seconds)? {
            found.push(target.path());
        }
    }
    if found.is_empty() {
        println!("{} fuzz targets, nothing found", chosen.len());
        Ok(ExitCode::SUCCESS)
    } else {
        println!("found something: {}", found.join(" "));
        Ok(ExitCode::FAILURE)
    }
}

impl Target {
    fn path(&self) -> String {
        format!("{}/{}", self.part, self.name)
    }

    /// `imaging` means all of that crate, `imaging/rle` one.
    fn is(&self, wanted: &str) -> bool {
        self.part == wanted || self.path() == wanted
    }
}

/// All targets, by crate and name: the bins of the manifests.
fn targets(crates: &Path) -> Vec<Target> {
    let mut all = Vec::new();
    for folder in fs::read_dir(crates).into_iter().flatten().flatten() {
        let manifest =
            fs::read_to_string(folder.path().join("fuzz/Cargo.toml")).unwrap_or_default();
        all.extend(bins(&manifest).into_iter().map(|name| Target {
            part: folder.file_name().to_string_lossy().into_owned(),
            name,
        }));
    }
    all.sort_by_key(Target::path);
    all
}

fn bins(manifest: &str) -> Vec<String> {
    manifest
        .split("[[bin]]")
        .skip(1)
        .filter_map(|bin| {
            let line = bin.lines().find(|line| line.starts_with("name"))?;
            Some(line.split('"').nth(1)?.to_owned())
        })
        .collect()
}

fn build(
    workspace: &Workspace,
    supervisor: &Supervisor,
    target: &Target,
) -> Result<PathBuf, Failure> {
    let folder = workspace.path(&format!("crates/{}/fuzz", target.part));
    let lock = folder.join("Cargo.lock");
    if !lock.exists() {
        // The versions that the product has; cargo adds what only fuzzing needs.
        fs::copy(workspace.path("Cargo.lock"), &lock).map_err(|error| {
            Failure::new(format!("{} cannot be written: {error}.", lock.display()))
        })?;
    }
    let mut ask = workspace.command("rustc", ".");
    ask.args(["--print", "host-tuple"]);
    let host = supervisor.capture("Asking rustc for the machine", ask)?;
    let host = host.trim();
    let mut cargo = workspace.cargo();
    cargo
        .args([
            "build",
            "--release",
            "--bin",
            &target.name,
            "--target",
            host,
        ])
        .arg("--manifest-path")
        .arg(folder.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", workspace.target("fuzz"))
        .env("RUSTFLAGS", FLAGS);
    supervisor.step(
        &format!("Building the fuzz target {}", target.path()),
        cargo,
    )?;
    Ok(workspace.target(&format!("fuzz/{host}/release/{}", target.name)))
}

/// Whether it ran its time without finding anything. What was found lies in `target/fuzz/found`.
fn run(
    workspace: &Workspace,
    supervisor: &Supervisor,
    target: &Target,
    binary: &Path,
    seconds: u32,
) -> Result<bool, Failure> {
    let corpus = workspace.target(&format!("fuzz/corpus/{}", target.path()));
    let found = workspace.target("fuzz/found");
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).map_err(|error| {
            Failure::new(format!("{} cannot be made: {error}.", folder.display()))
        })?;
    }
    say(format!("{} for {seconds} seconds", target.path()));
    let mut command = workspace.command(&binary.to_string_lossy(), ".");
    command
        .arg(format!("-max_total_time={seconds}"))
        .args([
            "-timeout=20",
            "-rss_limit_mb=3000",
            "-malloc_limit_mb=1500",
            "-max_len=65536",
        ])
        .args(["-print_final_stats=1", "-verbosity=1"])
        .arg(format!(
            "-artifact_prefix={}/{}-{}-",
            found.display(),
            target.part,
            target.name
        ))
        .arg(&corpus);
    let seeds = workspace.path(&format!(
        "crates/{}/fuzz/seeds/{}",
        target.part, target.name
    ));
    if seeds.is_dir() {
        command.arg(seeds);
    }
    Ok(supervisor.step(&target.path(), command).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_bins_of_a_manifest() {
        let manifest = "[package]\nname = \"x\"\n\n[[bin]]\nname = \"rle\"\npath = \"a.rs\"\n\n[[bin]]\npath = \"b.rs\"\nname = \"zip\"\n";
        assert_eq!(bins(manifest), ["rle", "zip"]);
    }

    #[test]
    fn a_crate_means_all_its_targets() {
        let target = Target {
            part: "imaging".to_owned(),
            name: "rle".to_owned(),
        };
        assert!(target.is("imaging") && target.is("imaging/rle"));
        assert!(!target.is("imaging/jpeg") && !target.is("net"));
    }
}
