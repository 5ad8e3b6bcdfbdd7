//! The binary as it is installed: compiled twice, the second time for what the first was seen to do.
//!
//! Counters in the first binary tell which branches are taken and which functions call each other
//! while messages go all the way; the compiler lays the second one out for that
//! (<https://doc.rust-lang.org/rustc/profile-guided-optimization.html>). What never ran in that time
//! is compiled as in any other release build: the profile says nothing of it.

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};

use crate::run::{cargo, must, output, program, root, say, step};
use crate::setup;

/// What the first binary is watched at: single messages and lists of them, with receipts and
/// callbacks, in each engine of the store.
const TRAINING: &[[&str; 4]] = &[
    ["--batch", "1", "--only", "pombo"],
    ["--batch", "500", "--only", "pombo"],
    ["--batch", "1", "--only", "pombo-postgres"],
    ["--batch", "500", "--only", "pombo-postgres"],
];

/// Builds the binary, and the benches beside it; tells where the benches are.
///
/// Nothing is built or watched again whose sources have not changed.
pub(crate) fn build() -> Result<PathBuf> {
    let compiler = Compiler::ours()?;
    setup::debian(&["postgresql-15"])?;
    setup::llvm(&compiler.llvm)?;
    let folder = root().join("target/released");
    std::fs::create_dir_all(&folder)?;
    must(cargo().args(["build", "--release", "--quiet", "-p", "pombo-bench"]))?;
    let benches = root().join("target/release/pombo-bench");

    let counts = folder.join("counts");
    let counting = step("release: a binary that counts", || {
        let to = format!("profile-generate={}", counts.display());
        compiler.pombo("target/counting", &to)
    })?;
    let profile = step("release: what it is seen to do", || {
        let profile = folder.join(format!("{}.profdata", built_at(&counting)?));
        if !profile.is_file() {
            forget_profiles(&folder)?;
            watch(&counting, &benches)?;
            compiler.merge(&counts, &profile)?;
        }
        Ok(profile)
    })?;
    let binary = step("release: the binary for that", || {
        compiler.pombo("target/profiled", &format!("profile-use={}", profile.display()))
    })?;
    std::fs::copy(binary, folder.join("pombo"))?;
    std::fs::copy(benches, folder.join("pombo-bench"))?;
    say(&format!("built: {}", folder.join("pombo").display()));
    Ok(folder.join("pombo-bench"))
}

/// The compiler of this workspace, and what goes with it.
struct Compiler {
    /// Its target: a build for a named one leaves build scripts and macros as they are.
    host: String,
    /// The major version of its LLVM. Counts have a format of that version, and a C compiler
    /// of the same understands the same profile, so that SQLite is part of it.
    llvm: String,
}

impl Compiler {
    fn ours() -> Result<Self> {
        Self::read(&output(program("rustc").arg("-vV"))?)
    }

    /// From what `rustc -vV` prints.
    fn read(version: &str) -> Result<Self> {
        let field = |name: &str| {
            let value = version.lines().find_map(|line| line.strip_prefix(name));
            value.map(str::trim).with_context(|| format!("rustc -vV tells no {name}"))
        };
        let llvm = field("LLVM version:")?;
        let major = llvm.split('.').next().unwrap_or(llvm);
        Ok(Self { host: field("host:")?.to_owned(), llvm: major.to_owned() })
    }

    /// A release build of pombo with `profiling`, an option of both compilers, in a folder of
    /// its own; tells where the binary is.
    fn pombo(&self, folder: &str, profiling: &str) -> Result<PathBuf> {
        let folder = root().join(folder);
        let target = self.host.replace('-', "_");
        must(
            cargo()
                .args(["build", "--release", "--quiet", "-p", "pombo", "--target", &self.host])
                .arg("--target-dir")
                .arg(&folder)
                .env("RUSTFLAGS", format!("-C{profiling}"))
                .env(format!("CC_{target}"), format!("clang-{}", self.llvm))
                .env(format!("CFLAGS_{target}"), format!("-f{profiling}")),
        )?;
        Ok(folder.join(&self.host).join("release/pombo"))
    }

    /// One profile of all counts, without the functions that never ran.
    fn merge(&self, counts: &Path, profile: &Path) -> Result<()> {
        let mut merge = program(&format!("llvm-profdata-{}", self.llvm));
        must(merge.args(["merge", "-sparse", "-o"]).arg(profile).arg(counts))?;
        Ok(std::fs::remove_dir_all(counts)?)
    }
}

/// Sends messages through a binary; it writes its counts when it stops.
fn watch(counting: &Path, benches: &Path) -> Result<()> {
    // The benches run the binary that lies beside them.
    let benches_there = counting.with_file_name("pombo-bench");
    std::fs::copy(benches, &benches_there)?;
    for workload in TRAINING {
        must(
            program(&benches_there.to_string_lossy())
                .args(["journey", "--runs", "1", "--half-peak-s", "0"])
                .args(workload),
        )?;
    }
    Ok(())
}

/// Tells one build of a file from the next. It is part of the profile's name, because cargo
/// compiles anew for another name and not for another content.
fn built_at(binary: &Path) -> Result<u128> {
    let modified = binary.metadata()?.modified()?;
    Ok(modified.duration_since(UNIX_EPOCH)?.as_millis())
}

/// Removes what earlier builds were seen to do, and counts of one that was interrupted.
fn forget_profiles(folder: &Path) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            std::fs::remove_dir_all(path)?;
        } else if path.extension().is_some_and(|extension| extension == "profdata") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_read_by_tools_of_the_compilers_own_llvm() {
        let printed = "rustc 1.95.0 (59807616e 2026-04-14)\nbinary: rustc\n\
            host: x86_64-unknown-linux-gnu\nrelease: 1.95.0\nLLVM version: 22.1.2\n";
        let compiler = Compiler::read(printed).unwrap();
        assert_eq!((&*compiler.host, &*compiler.llvm), ("x86_64-unknown-linux-gnu", "22"));
        assert!(Compiler::read("rustc 1.95.0\n").is_err());
    }
}
