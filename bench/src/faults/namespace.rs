//! A network of its own for one process, whose cable can be pulled.

use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

/// This machine, as seen from there: for PostgreSQL, and for the SMSC.
pub(super) const POSTGRES: Ipv4Addr = Ipv4Addr::new(10, 213, 77, 1);
pub(super) const SMSC: Ipv4Addr = Ipv4Addr::new(10, 213, 77, 2);
/// The address there.
const THERE: &str = "10.213.77.9";
/// The cable's two ends.
const HERE_END: &str = "pombo-here";
const THERE_END: &str = "pombo-there";

/// The network; it goes when dropped.
pub(super) struct Namespace {
    name: String,
}

/// What of the cable is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// All of it.
    Whole,
    /// What goes to PostgreSQL; the SMSC is in reach.
    Postgres,
}

impl Namespace {
    /// Makes one; `None` where that is not allowed here.
    pub(super) fn new() -> Result<Option<Self>> {
        let name = format!("pombo-{}", std::process::id());
        if !ip(&["netns", "add", &name]) {
            return Ok(None);
        }
        let namespace = Self { name };
        let name = namespace.name.as_str();
        let steps: &[&[&str]] = &[
            &["link", "add", HERE_END, "type", "veth", "peer", "name", THERE_END, "netns", name],
            &["addr", "add", &format!("{POSTGRES}/24"), "dev", HERE_END],
            &["addr", "add", &format!("{SMSC}/24"), "dev", HERE_END],
            &["link", "set", HERE_END, "up"],
            &["-n", name, "addr", "add", &format!("{THERE}/24"), "dev", THERE_END],
            &["-n", name, "link", "set", THERE_END, "up"],
            &["-n", name, "link", "set", "lo", "up"],
        ];
        if steps.iter().all(|step| ip(step)) { Ok(Some(namespace)) } else { Ok(None) }
    }

    /// What `ip` is told before a program that is to run there.
    pub(super) fn prefix(&self) -> [&str; 3] {
        ["netns", "exec", &self.name]
    }

    /// Cuts it. What was on its way is lost.
    pub(super) fn cut(&self, cut: Cut) -> Result<()> {
        self.change(cut, "add", "down")
    }

    /// Mends it.
    pub(super) fn mend(&self, cut: Cut) -> Result<()> {
        self.change(cut, "del", "up")
    }

    fn change(&self, cut: Cut, route: &str, link: &str) -> Result<()> {
        let name = self.name.as_str();
        let done = match cut {
            Cut::Whole => ip(&["link", "set", HERE_END, link]),
            Cut::Postgres => {
                ip(&["-n", name, "route", route, "blackhole", &format!("{POSTGRES}/32")])
            }
        };
        if !done {
            bail!("the cable cannot be changed: {cut:?}, {link}");
        }
        Ok(())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The cable goes with either of its ends.
        ip(&["link", "del", HERE_END]);
        ip(&["netns", "del", &self.name]);
    }
}

fn ip(args: &[&str]) -> bool {
    let mut command = Command::new("ip");
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
