//! What no committed file may hold: paths of one machine, registry hosts, the tools of its writers.

use super::File;

/// Each is split, so that this file does not hold it. All in small letters.
const NEVER: &[(&str, &str)] = &[
    (concat!("/wo", "rk/"), "a path of one machine"),
    (concat!("/ro", "ot/"), "a path of one machine"),
    (concat!("/tmp/", "pombo"), "a path of one machine; ask for a temporary folder"),
    (concat!("../", "shared"), "a path outside the repository"),
    (concat!("crates", ".io/"), "a registry host"),
    (concat!("index.crates", ".io"), "a registry host"),
    (concat!("crates.io", "-index"), "a registry host"),
    (concat!("npm", "js.org"), "a registry host"),
    (concat!("npm", "js.com"), "a registry host"),
    (concat!("py", "pi.org"), "a registry host"),
    (concat!("deb.", "debian.org"), "a registry host"),
    (concat!("python", "hosted.org"), "a registry host"),
    (concat!("clau", "de"), "how a text was written is not its reader's business"),
    (concat!("anthro", "pic"), "how a text was written is not its reader's business"),
    (concat!("chat", "gpt"), "how a text was written is not its reader's business"),
    (concat!("co", "pilot"), "how a text was written is not its reader's business"),
    (concat!("sub", "agent"), "how a text was written is not its reader's business"),
    (concat!("language ", "model"), "how a text was written is not its reader's business"),
    (concat!("begin private", " key"), "a secret"),
    (concat!("begin rsa private", " key"), "a secret"),
];

pub(super) fn check(tree: &[File]) -> Vec<String> {
    tree.iter().filter(|file| !is_lock_file(file)).flat_map(in_file).collect()
}

/// Cargo writes the registry's address into its lock file and offers no other way.
fn is_lock_file(file: &File) -> bool {
    file.path.ends_with("Cargo.lock")
}

fn in_file(file: &File) -> Vec<String> {
    let text = file.text.to_lowercase();
    let mut complaints = Vec::new();
    for (word, why) in NEVER {
        // A test's own key is no secret, and says so by where it lies.
        if *why == "a secret" && file.path.contains("/tests/") {
            continue;
        }
        for (at, _) in text.match_indices(word) {
            let line = text[..at].lines().count().max(1);
            complaints.push(format!("{}:{line}: holds \"{word}\": {why}", file.path));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machines_path_is_found_with_its_line() {
        let text = format!("a\nb {}main\n", NEVER[0].0.to_uppercase());
        let complaints = in_file(&File { path: "README.md".to_owned(), text });
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("README.md:2: "), "{complaints:?}");
    }
}
