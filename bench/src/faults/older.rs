//! An older pombo, built from this repository's history: the last one whose tables were of another form.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

use crate::table::note;

/// The steps that change tables.
const MIGRATIONS: &str = "crates/store/migrations/*.sql";

/// The step since which several nodes can serve from one database.
const NODES: &str = "crates/store/migrations/0019_node.sql";

/// A build of it, or why there is none.
pub(super) enum Older {
    Built(Build),
    Missing(String),
}

/// A build.
pub(super) struct Build {
    pub(super) binary: PathBuf,
    /// Its number in the history, as people write it.
    pub(super) name: String,
}

/// Builds the one before the last change of the tables, with the profile of this program, into a folder
/// of its own beside this program's; one that is there already is taken as it is.
pub(super) fn build() -> Result<Older> {
    let Some(last) = git(&["log", "--diff-filter=A", "-1", "--format=%H", "--", MIGRATIONS])?
    else {
        return Ok(Older::Missing("the repository's history is not there".into()));
    };
    let Some(commit) = git(&["rev-parse", "--verify", "--quiet", &format!("{last}^")])? else {
        return Ok(Older::Missing("the history does not go back to another form of tables".into()));
    };
    if git(&["cat-file", "-e", &format!("{commit}:{NODES}")])?.is_none() {
        let why = "no step has changed the tables since several nodes can serve from one database";
        return Ok(Older::Missing(why.into()));
    }
    let name = git(&["log", "-1", "--format=%h", &commit])?.unwrap_or_default();
    let me = std::env::current_exe()?;
    let profile = me.parent().context("this program lies in no folder")?;
    let target = profile.parent().context("this program lies in no target folder")?;
    let folder = profile_name(profile)?;
    let older = target.join("older");
    let kept = older.join(format!("pombo-{folder}-{commit}"));
    if !kept.is_file() {
        note(&format!("building the pombo of {name}; this takes minutes"));
        let source = older.join("source");
        unpack(&commit, &source)?;
        let made = compile(&source, &older.join("target"), folder)?;
        std::fs::rename(made, &kept)?;
    }
    Ok(Older::Built(Build { binary: kept, name }))
}

/// The folder's name is the profile's, but for the usual one's.
fn profile_name(folder: &Path) -> Result<&str> {
    folder.file_name().and_then(|name| name.to_str()).context("a folder without a name")
}

/// The files of a commit, as of now: the compiler goes by their age.
fn unpack(commit: &str, source: &Path) -> Result<()> {
    if source.exists() {
        std::fs::remove_dir_all(source)?;
    }
    std::fs::create_dir_all(source)?;
    let tar = source.with_extension("tar");
    let archive = run(repository(&["archive", "--format=tar", "-o"]).arg(&tar).arg(commit))?;
    must(&archive)?;
    must(&run(Command::new("tar").arg("-xmf").arg(&tar).arg("-C").arg(source))?)?;
    std::fs::remove_file(tar)?;
    Ok(())
}

fn compile(source: &Path, target: &Path, folder: &str) -> Result<PathBuf> {
    let profile = if folder == "debug" { "dev" } else { folder };
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--quiet", "--locked", "-p", "pombo", "--profile", profile]);
    cargo.arg("--target-dir").arg(target).current_dir(source);
    must(&run(&mut cargo)?)?;
    Ok(target.join(folder).join("pombo"))
}

/// What git says; nothing where it refuses, or is not there.
fn git(args: &[&str]) -> Result<Option<String>> {
    let Ok(output) = repository(args).output() else { return Ok(None) };
    let text = String::from_utf8(output.stdout)?.trim().to_owned();
    // Some of its words only say yes or no.
    let is_answer = !text.is_empty() || args.contains(&"-e");
    Ok((output.status.success() && is_answer).then_some(text))
}

fn repository(args: &[&str]) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).args(args);
    git
}

fn run(command: &mut Command) -> Result<Output> {
    command.output().with_context(|| format!("{command:?}"))
}

fn must(output: &Output) -> Result<()> {
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
