//! From built files to what is served: names by digest, brotli and gzip beside each file, one manifest. Files of
//! earlier builds stay for a week, because a page that is still open may ask for them.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Fills `site/pkg` from `folder` and writes `site/manifest.json`. `compress` is the script that compresses the files of
/// a release.
pub(crate) fn pack(
    compress: Option<&Path>,
    folder: &Path,
    site: &Path,
) -> Result<(), Box<dyn Error>> {
    let pkg = site.join("pkg");
    fs::create_dir_all(&pkg)?;
    // The page's scripts name each other, so they stay together, in a folder named by the content of all.
    let page = folder.join("page");
    let mut parts = Vec::new();
    list(&page, &mut parts)?;
    parts.sort();
    let mut all = Sha256::new();
    for path in &parts {
        all.update(path.strip_prefix(&page)?.to_string_lossy().as_bytes());
        all.update(fs::read(path)?);
    }
    let named = format!("page-{}", short(&all.finalize()));
    let mut files: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    for path in &parts {
        files.push((
            pkg.join(&named).join(path.strip_prefix(&page)?),
            fs::read(path)?,
        ));
    }
    // Likewise those of the picture workspace.
    let mut modules = Vec::new();
    list(&folder.join("imaging"), &mut modules)?;
    modules.sort();
    let mut all = Sha256::new();
    for path in &modules {
        all.update(path.strip_prefix(folder)?.to_string_lossy().as_bytes());
        all.update(fs::read(path)?);
    }
    let imaging = format!("i-{}", short(&all.finalize()));
    for path in &modules {
        let below = path.strip_prefix(folder.join("imaging"))?;
        files.push((pkg.join(&imaging).join(below), fs::read(path)?));
    }
    let style = fs::read(folder.join("healthsync.css"))?;
    let css = format!("healthsync.{}.css", short(&Sha256::digest(&style)));
    files.push((pkg.join(&css), style));
    let manifest = format!(
        "{{\"js\":\"/pkg/{named}/healthsync.js\",\"wasm\":\"/pkg/{named}/healthsync.wasm\",\
         \"split\":\"/pkg/{named}/split.js\",\"runtime\":\"/pkg/{named}/split_runtime.wasm\",\
         \"css\":\"/pkg/{css}\",\"imaging\":\"/pkg/{imaging}/entry.js\"}}\n"
    );

    for (path, bytes) in &files {
        put(path, bytes)?;
    }
    let current: Vec<PathBuf> = files.into_iter().map(|(path, _)| path).collect();
    if let Some(script) = compress {
        let node = Command::new("node").arg(script).args(&current).status();
        if !node.map_err(|error| format!("node: {error}"))?.success() {
            return Err("node could not compress the site".into());
        }
    }
    forget_old(&pkg, &current)?;
    // Last and in one step, so that a server never reads of files that are not there yet.
    let fresh = site.join("manifest.json.new");
    fs::write(&fresh, manifest)?;
    fs::rename(fresh, site.join("manifest.json"))?;
    Ok(())
}

/// 80 bits of a digest, as text that fits a file name.
fn short(digest: &[u8]) -> String {
    digest
        .iter()
        .take(10)
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Writes a file. The name stands for the content, so what is there is right.
fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    if path.exists() {
        return Ok(());
    }
    write_whole(path, bytes)
}

/// A file that exists is complete: written beside and renamed.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let fresh = PathBuf::from(format!("{}.new", path.display()));
    fs::write(&fresh, bytes)?;
    fs::rename(fresh, path)
}

/// Removes files of builds that no open page can still want.
fn forget_old(pkg: &Path, current: &[PathBuf]) -> std::io::Result<()> {
    let now = SystemTime::now();
    let mut present = Vec::new();
    list(pkg, &mut present)?;
    for path in present {
        let is_current = current
            .iter()
            .any(|kept| path.to_string_lossy().starts_with(&*kept.to_string_lossy()));
        let age = now
            .duration_since(path.metadata()?.modified()?)
            .unwrap_or_default();
        if !is_current && age > KEPT {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn list(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, found)?
        } else {
            found.push(path)
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packs_by_content_compresses_and_keeps_the_earlier_build() {
        let root = std::env::temp_dir().join(format!("healthsync-pack-{}", std::process::id()));
        let (folder, site) = (root.join("built"), root.join("site"));
        let page = folder.join("page");
        fs::create_dir_all(page.join("snippets/a-1")).unwrap();
        for (name, content) in [
            ("snippets/a-1/inline0.js", "export const a = 1;".to_owned()),
            (
                "healthsync.js",
                "import { a } from './snippets/a-1/inline0.js';".to_owned(),
            ),
            ("healthsync.wasm", "wasm ".repeat(100)),
            ("split_runtime.wasm", "more ".repeat(100)),
            ("split.js", String::new()),
        ] {
            fs::write(page.join(name), content).unwrap();
        }
        fs::write(folder.join("healthsync.css"), "p {}").unwrap();
        fs::create_dir_all(folder.join("imaging")).unwrap();
        fs::write(folder.join("imaging/entry.js"), "import './viewer.js';").unwrap();
        fs::write(folder.join("imaging/viewer.js"), "1").unwrap();
        // Where it is now: the program may have been built when the checkout was elsewhere.
        let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap();
        let script = Path::new(&here).join("../compress.mjs");
        pack(Some(&script), &folder, &site).unwrap();
        let first = fs::read_to_string(site.join("manifest.json")).unwrap();

        let url = |manifest: &str, kind: &str| {
            manifest
                .split(&format!("\"{kind}\":\"/"))
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap()
                .to_owned()
        };
        let js = site.join(url(&first, "js"));
        assert!(js.is_file() && site.join(url(&first, "runtime")).is_file());
        assert!(js.with_file_name("snippets/a-1/inline0.js").is_file());
        let entry = site.join(url(&first, "imaging"));
        assert!(entry.is_file() && entry.with_file_name("viewer.js").is_file());
        let wasm = site.join(url(&first, "wasm"));
        let compressed = fs::read(format!("{}.br", wasm.display())).unwrap();
        let mut plain = Vec::new();
        brotli_decompressor::BrotliDecompress(&mut &compressed[..], &mut plain).unwrap();
        assert_eq!(plain, fs::read(&wasm).unwrap());
        assert!(Path::new(&format!("{}.gz", wasm.display())).is_file());

        fs::write(folder.join("healthsync.css"), "q {}").unwrap();
        pack(None, &folder, &site).unwrap();
        let second = fs::read_to_string(site.join("manifest.json")).unwrap();
        assert_eq!(url(&first, "wasm"), url(&second, "wasm"));
        assert_ne!(url(&first, "css"), url(&second, "css"));
        assert!(site.join(url(&first, "css")).is_file());
        fs::remove_dir_all(&root).unwrap();
    }
}
