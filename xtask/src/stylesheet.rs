//! One stylesheet out of many: `style/main.css` names the others by `@import "name.css";`, in the order that counts,
//! and each is put in its place. `@import "name.css" layer(name);` wraps it in that layer.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::Failure;

/// The text of `file` with all its imports in place.
pub(crate) fn bundle(file: &Path) -> Result<String, Failure> {
    let mut css = String::new();
    include(file, &mut Vec::new(), &mut css)?;
    Ok(css)
}

fn include(file: &Path, open: &mut Vec<PathBuf>, css: &mut String) -> Result<(), Failure> {
    if open.iter().any(|known| known == file) {
        return Err(Failure::new(format!("{} imports itself.", file.display())));
    }
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(format!(
            "The stylesheet {} cannot be read: {error}.",
            file.display()
        ))
    })?;
    open.push(file.to_path_buf());
    for line in text.lines() {
        let Some(import) = line.trim_start().strip_prefix("@import") else {
            css.push_str(line);
            css.push('\n');
            continue;
        };
        let (name, layer) = parse(import).ok_or_else(|| {
            Failure::new(format!(
                "{}: `{}` is not understood; write @import \"name.css\"; or add layer(name).",
                file.display(),
                line.trim()
            ))
        })?;
        let imported = file.parent().unwrap_or(Path::new(".")).join(name);
        match layer {
            Some(layer) => {
                css.push_str(&format!("@layer {layer} {{\n"));
                include(&imported, open, css)?;
                css.push_str("}\n");
            }
            None => include(&imported, open, css)?,
        }
    }
    open.pop();
    Ok(())
}

/// `"name.css" layer(x);` or `url("name.css");` → name and layer.
fn parse(import: &str) -> Option<(&str, Option<&str>)> {
    let rest = import.trim().strip_suffix(';')?.trim();
    let (quoted, in_url) = match rest.strip_prefix("url(") {
        Some(inner) => (inner, true),
        None => (rest, false),
    };
    let quote = quoted
        .chars()
        .next()
        .filter(|first| matches!(first, '"' | '\''))?;
    let (name, after) = quoted[1..].split_once(quote)?;
    let after = if in_url {
        after.strip_prefix(')')?
    } else {
        after
    }
    .trim();
    if after.is_empty() {
        return Some((name, None));
    }
    let layer = after.strip_prefix("layer(")?.strip_suffix(')')?;
    Some((name, Some(layer.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_are_put_in_their_place_in_order() {
        let folder = std::env::temp_dir().join(format!("healthsync-style-{}", std::process::id()));
        fs::create_dir_all(folder.join("deep")).unwrap();
        fs::write(
            folder.join("main.css"),
            "@layer a, b;\n@import \"one.css\" layer(a);\n@import url('deep/two.css');\np {}\n",
        )
        .unwrap();
        fs::write(folder.join("one.css"), "a {}\n").unwrap();
        fs::write(
            folder.join("deep/two.css"),
            "@import \"three.css\";\nb {}\n",
        )
        .unwrap();
        fs::write(folder.join("deep/three.css"), "c {}\n").unwrap();
        assert_eq!(
            bundle(&folder.join("main.css")).unwrap(),
            "@layer a, b;\n@layer a {\na {}\n}\nc {}\nb {}\np {}\n"
        );
        fs::write(folder.join("one.css"), "@import \"main.css\";").unwrap();
        assert!(
            bundle(&folder.join("main.css"))
                .unwrap_err()
                .to_string()
                .contains("imports itself")
        );
        fs::write(folder.join("main.css"), "@import \"none.css\";").unwrap();
        assert!(
            bundle(&folder.join("main.css"))
                .unwrap_err()
                .to_string()
                .contains("none.css")
        );
        fs::write(folder.join("main.css"), "@import \"one.css\" screen;").unwrap();
        assert!(
            bundle(&folder.join("main.css"))
                .unwrap_err()
                .to_string()
                .contains("not understood")
        );
        fs::remove_dir_all(&folder).unwrap();
    }
}
