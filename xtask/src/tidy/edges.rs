//! Which crate may name which: the table of docs/STYLE.md as data, read against every manifest.

use anyhow::{Context, Result};

use super::File;

/// What one of our crates may use of ours: at run time, and besides in its tests.
struct Edges {
    of: &'static str,
    may_use: &'static [&'static str],
    tests_may_use: &'static [&'static str],
}

const OURS: &[Edges] = &[
    Edges { of: "pombo-domain", may_use: &[], tests_may_use: &[] },
    Edges { of: "pombo-wire", may_use: &[], tests_may_use: &[] },
    Edges { of: "pombo-store", may_use: &["pombo-domain"], tests_may_use: &["pombo-peers"] },
    Edges {
        of: "pombo-channels",
        may_use: &["pombo-domain", "pombo-wire"],
        tests_may_use: &["pombo-peers"],
    },
    Edges { of: "pombo-app", may_use: &["pombo-domain", "pombo-store"], tests_may_use: &[] },
    Edges {
        of: "pombo",
        may_use: &["pombo-domain", "pombo-wire", "pombo-store", "pombo-channels", "pombo-app"],
        tests_may_use: &["pombo-peers"],
    },
    Edges { of: "pombo-peers", may_use: &["pombo-wire"], tests_may_use: &[] },
    Edges {
        of: "pombo-bench",
        may_use: &["pombo-domain", "pombo-wire", "pombo-store", "pombo", "pombo-peers"],
        tests_may_use: &[],
    },
    Edges {
        of: "pombo-fuzz",
        may_use: &["pombo-domain", "pombo-wire", "pombo-channels"],
        tests_may_use: &[],
    },
    Edges { of: "xtask", may_use: &[], tests_may_use: &[] },
];

/// Crates of others that only these of ours may name; every other crate of others is free.
const THEIRS: &[(&str, &[&str])] = &[
    ("rusqlite", &["pombo-store"]),
    ("tokio-postgres", &["pombo-store"]),
    ("axum", &["pombo"]),
    ("utoipa", &["pombo"]),
    ("tracing-subscriber", &["pombo"]),
    ("hyper", &["pombo-channels", "pombo"]),
    ("rustls", &["pombo-store", "pombo-channels", "pombo"]),
    // Chance is an argument, like time: only `app` makes any.
    ("getrandom", &["pombo-app"]),
    ("rand", &[]),
    // Never in `domain` and `wire`, which are pure.
    (
        "tokio",
        &["pombo-store", "pombo-channels", "pombo-app", "pombo", "pombo-peers", "pombo-bench"],
    ),
    ("serde", &["pombo", "pombo-bench"]),
];

pub(super) fn check(tree: &[File]) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for file in tree.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        let manifest: toml::Table = file.text.parse().with_context(|| file.path.clone())?;
        let Some(name) = package_name(&manifest) else {
            continue;
        };
        for (dependency, in_tests) in dependencies(&manifest) {
            if let Some(complaint) = judge(name, &dependency, in_tests) {
                complaints.push(format!("{}: {complaint}", file.path));
            }
        }
    }
    Ok(complaints)
}

/// The `package.name` of a manifest.
pub(super) fn package_name(manifest: &toml::Table) -> Option<&str> {
    manifest.get("package")?.get("name")?.as_str()
}

/// All that a manifest depends on; `true` for what only tests use.
pub(super) fn dependencies(manifest: &toml::Table) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for (section, in_tests) in
        [("dependencies", false), ("build-dependencies", false), ("dev-dependencies", true)]
    {
        let table = manifest.get(section).and_then(|section| section.as_table());
        found.extend(table.into_iter().flat_map(|t| t.keys().cloned()).map(|key| (key, in_tests)));
    }
    found
}

fn judge(name: &str, dependency: &str, in_tests: bool) -> Option<String> {
    let Some(edges) = OURS.iter().find(|edges| edges.of == name) else {
        return Some(format!("{name} is not in the table of edges (xtask/src/tidy/edges.rs)"));
    };
    if dependency.starts_with("pombo-") {
        let allowed = edges.may_use.contains(&dependency)
            || in_tests && edges.tests_may_use.contains(&dependency);
        return (!allowed).then(|| format!("{name} may not name {dependency}"));
    }
    let (_, users) = THEIRS.iter().find(|(theirs, _)| *theirs == dependency)?;
    let allowed = in_tests || users.contains(&name);
    (!allowed).then(|| format!("{name} may not use {dependency}; only {users:?} may"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_imports_upward() {
        assert_eq!(judge("pombo-app", "pombo-store", false), None);
        assert!(judge("pombo-store", "pombo-app", false).is_some());
        assert!(judge("pombo-app", "pombo-channels", false).is_some());
        assert!(judge("pombo-channels", "pombo-peers", false).is_some());
        assert_eq!(judge("pombo-channels", "pombo-peers", true), None);
    }

    #[test]
    fn only_the_store_names_a_database_driver() {
        assert_eq!(judge("pombo-store", "rusqlite", false), None);
        assert!(judge("pombo-app", "rusqlite", false).is_some());
        assert!(judge("pombo-domain", "tokio", false).is_some());
    }

    #[test]
    fn a_new_crate_must_be_placed_in_the_table() {
        assert!(judge("pombo-extra", "bytes", false).is_some());
    }
}
