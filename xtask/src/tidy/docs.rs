//! The map names every room, and every link in a document leads somewhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{File, has_extension};
use crate::run::root;

const MAP: &str = "ARCHITECTURE.md";

/// Folders whose own folders the map must name: the doors, and the use cases and engine.
const MAPPED: &[&str] = &["crates/server/src", "crates/app/src"];

pub(super) fn check(tree: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    // Until there is a map, nothing can be missing from it; its absence is README's broken link.
    if let Some(map) = tree.iter().find(|file| file.path == MAP) {
        complaints.extend(
            rooms(tree)
                .into_iter()
                .filter(|room| !map.text.contains(room))
                .map(|room| format!("{MAP}: does not name {room}")),
        );
    }
    for file in tree.iter().filter(|file| has_extension(&file.path, "md")) {
        complaints.extend(broken_links(file, tree));
    }
    complaints
}

/// What the map must hold: `crates/NAME` for each crate, `folder/` for each folder below [`MAPPED`].
fn rooms(tree: &[File]) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for file in tree {
        if let Some(name) = file.path.strip_prefix("crates/").and_then(|p| p.split_once('/')) {
            rooms.insert(format!("crates/{}", name.0));
        }
        for mapped in MAPPED {
            let inside = file.path.strip_prefix(mapped).and_then(|p| p.strip_prefix('/'));
            let folder = inside.and_then(|path| path.rsplit_once('/'));
            rooms.extend(folder.map(|(folder, _)| format!("{folder}/")));
        }
    }
    rooms
}

fn broken_links(file: &File, tree: &[File]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (line_idx, target) in links(&file.text) {
        let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
        let is_elsewhere = path.contains("://") || path.starts_with("mailto:");
        // A path from the server's root (`/docs`) is a page of pombo's own, not a file.
        if is_elsewhere || path.starts_with('/') {
            continue;
        }
        let found = leads_to(&file.path, path);
        let exists = root().join(&found).exists();
        let document = tree.iter().find(|other| Path::new(&other.path) == found);
        let has_anchor = anchor.is_empty()
            || document.is_none_or(|document| headings(&document.text).any(|h| h == anchor));
        if !exists || !has_anchor {
            complaints.push(format!("{}:{}: broken link: {target}", file.path, line_idx + 1));
        }
    }
    complaints
}

/// The file that a link without its anchor leads to, from the workspace's folder.
pub(super) fn leads_to(from: &str, path: &str) -> PathBuf {
    if path.is_empty() {
        return PathBuf::from(from);
    }
    normal(&Path::new(from).parent().unwrap_or(Path::new("")).join(path))
}

/// The targets of Markdown links outside code, with their zero-based lines.
pub(super) fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().flat_map(move |(line_idx, line)| {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        let line = if in_code { "" } else { line };
        // Every other piece between backticks is code.
        line.split('`').step_by(2).flat_map(move |prose| {
            prose.match_indices("](").filter_map(move |(at, mark)| {
                let target = prose[at + mark.len()..].split([')', ' ']).next()?;
                Some((line_idx, target))
            })
        })
    })
}

/// The anchors that a renderer makes of a document's headings.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        line.trim_start_matches('#')
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    })
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => drop(normal.pop()),
            Component::CurDir => {}
            other => normal.push(other),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_link_to_a_file_that_is_not_there_is_broken() {
        let tree = [file("docs/a.md", "[b](missing.md) [c](../Cargo.toml) `[d](missing.md)`")];
        assert_eq!(broken_links(&tree[0], &tree).len(), 1);
    }

    #[test]
    fn a_link_to_a_heading_needs_the_heading() {
        let tree =
            [file("xtask/Cargo.toml", "# What it is: a map\n[a](#what-it-is-a-map) [b](#no)")];
        assert_eq!(broken_links(&tree[0], &tree).len(), 1);
    }

    #[test]
    fn the_map_must_name_every_crate_and_every_folder_of_the_doors() {
        let tree = [file("crates/server/src/entry/nrs360/sms.rs", "")];
        let expected = ["crates/server", "entry/nrs360/"].map(str::to_owned);
        assert_eq!(rooms(&tree), BTreeSet::from(expected));
    }
}
