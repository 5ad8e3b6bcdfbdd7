//! The house rules that neither the compiler nor clippy knows, run with the tests.

mod docs;
mod edges;
mod source;
mod translations;
mod unused;
mod words;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::run::{program, root};

/// A file of the tree: its path from the workspace's folder, and its text.
struct File {
    path: String,
    text: String,
}

/// Every breach of a house rule, one line each; empty when the tree is tidy.
pub(crate) fn check() -> Result<Vec<String>> {
    let tree = read_tree()?;
    let mut complaints = Vec::new();
    complaints.extend(source::check(&tree));
    complaints.extend(words::check(&tree));
    complaints.extend(edges::check(&tree)?);
    complaints.extend(unused::check(&tree)?);
    complaints.extend(docs::check(&tree));
    complaints.extend(translations::check(&tree));
    Ok(complaints)
}

/// The paths of all files that are committed or about to be.
pub(crate) fn files() -> Result<Vec<String>> {
    let listed = program("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .context("git ls-files")?;
    if !listed.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    }
    let mut paths: Vec<String> = String::from_utf8(listed.stdout)
        .context("a file name is not UTF-8")?
        .split_terminator('\0')
        .filter(|path| root().join(path).is_file())
        .map(str::to_owned)
        .collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

/// All text files; what is not UTF-8 (images, captured bytes) has no rules to keep.
fn read_tree() -> Result<Vec<File>> {
    let mut tree = Vec::new();
    for path in files()? {
        let bytes = std::fs::read(root().join(&path)).with_context(|| path.clone())?;
        if let Ok(text) = String::from_utf8(bytes) {
            tree.push(File { path, text });
        }
    }
    Ok(tree)
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tree_is_tidy() {
        let complaints = super::check().unwrap();
        assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
    }
}
