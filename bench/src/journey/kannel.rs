//! Kannel from Debian's packages: bearerbox and smsbox, with the settings of `bench/kannel`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::gateway::{Running, Site};
use crate::process::{Process, free_port, local, wait_for_port};

const TEMPLATE: &str = include_str!("../../kannel/kannel.conf.in");

/// Starts both boxes; done when the HTTP side listens.
pub(super) fn start(site: &Site<'_>) -> Result<Running> {
    let http_port = free_port()?;
    let folder = site.folder.path().display().to_string();
    let box_port = free_port()?;
    let config = TEMPLATE
        .replace("@ADMIN_PORT@", &free_port()?.to_string())
        .replace("@BOX_PORT@", &box_port.to_string())
        .replace("@HTTP_PORT@", &http_port.to_string())
        .replace("@SMSC_PORT@", &site.smsc.port().to_string())
        .replace("@WINDOW@", &site.window.to_string())
        .replace("@DIR@", &folder);
    let path = site.folder.join("kannel.conf");
    std::fs::write(&path, config)?;
    let patience = Duration::from_secs(20);
    let bearerbox = Process::start(
        Command::new(installed("bearerbox")?).args(["-v", "4"]).arg(&path),
        &site.folder.join("bearerbox.out"),
    )?;
    wait_for_port(local(box_port), patience)?;
    let smsbox = Process::start(
        Command::new(installed("smsbox")?).args(["-v", "4"]).arg(&path),
        &site.folder.join("smsbox.out"),
    )?;
    let http = local(http_port);
    wait_for_port(http, patience)?;
    // Asked to stop in the order in which they serve: smsbox first.
    Ok(Running { http, processes: vec![smsbox, bearerbox], server: None })
}

fn installed(name: &str) -> Result<PathBuf> {
    ["/usr/sbin", "/usr/bin"]
        .iter()
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not installed: apt-get install kannel"))
}
