//! Dependencies that a manifest names and no source file does.

use anyhow::{Context, Result};

use super::edges::{dependencies, package_name};
use super::{File, has_extension};

/// Named only to choose features or to link, never in source.
const LINKED: &[(&str, &str)] = &[];

pub(super) fn check(tree: &[File]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for file in tree.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        let manifest: toml::Table = file.text.parse().with_context(|| file.path.clone())?;
        let Some(name) = package_name(&manifest) else {
            continue;
        };
        let folder = file.path.trim_end_matches("Cargo.toml");
        let sources: Vec<&File> = tree
            .iter()
            .filter(|source| source.path.starts_with(folder) && has_extension(&source.path, "rs"))
            .collect();
        for (dependency, _) in dependencies(&manifest) {
            let linked = LINKED.contains(&(name, dependency.as_str()));
            if !linked && !sources.iter().any(|source| names(&source.text, &dependency)) {
                complaints.push(format!("{}: {dependency} is used nowhere", file.path));
            }
        }
    }
    Ok(complaints)
}

/// Whether a source text has the crate's name as a word of its own.
fn names(text: &str, dependency: &str) -> bool {
    let word = dependency.replace('-', "_");
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_is_found_by_its_whole_name() {
        assert!(names("use tokio_rustls::TlsStream;", "tokio-rustls"));
        assert!(!names("use tokio_rustls::TlsStream;", "tokio"));
        assert!(names("#[tokio::test]", "tokio"));
    }
}
