//! Which process this is, and whether another of this machine is surely no more: then nobody needs to
//! wait until it has not been heard of for long enough.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

/// Its name among all processes of all machines: the boot of the machine, the system's space of process
/// numbers, the number, and when it began, in the clock's ticks since the boot. Empty where the system
/// does not tell (it is Linux's `/proc` that does).
pub(crate) fn own() -> String {
    let space = space();
    let number = std::process::id();
    match (space, began(number)) {
        (Some(space), Some(began)) => format!("{space}/{number}/{began}"),
        _ => String::new(),
    }
}

/// Whether the process of that name ran here, and surely runs no more. Copies of one machine that were
/// made while it ran cannot be told apart.
pub(crate) fn is_gone(name: &str) -> bool {
    let Some(space) = space() else { return false };
    let Some(rest) = name.strip_prefix(&space).and_then(|rest| rest.strip_prefix('/')) else {
        return false; // Of another machine, or another boot; nobody knows.
    };
    let Some((number, was_begun)) = rest.split_once('/') else { return false };
    let Ok(number) = number.parse() else { return false };
    match began(number) {
        Some(began) => began != was_begun,
        None => has_ended(number),
    }
}

/// Whether no process has that number, or one that has ended and waits to be looked after. One that
/// belongs to others may be hidden, and is there.
fn has_ended(number: u32) -> bool {
    let Some(process) = i32::try_from(number).ok().and_then(Pid::from_raw) else { return false };
    match test_kill_process(process) {
        Ok(()) => stat(number).is_some_and(|(has_ended, _)| has_ended),
        Err(why) => why == Errno::SRCH,
    }
}

/// The boot of this machine, and this process's space of numbers.
fn space() -> Option<String> {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let numbers = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{}/{}", boot.trim(), numbers.display()))
}

/// When a process began that runs; `None` where that cannot be read.
fn began(number: u32) -> Option<String> {
    stat(number).filter(|(has_ended, _)| !has_ended).map(|(_, began)| began)
}

/// Whether it has ended and only its number is left, and when it began.
fn stat(number: u32) -> Option<(bool, String)> {
    let stat = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // Its second field is a name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let has_ended = matches!(fields.next()?, "Z" | "X");
    Some((has_ended, fields.nth(18)?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_gone_when_it_has_ended_and_not_before() {
        let own = own();
        assert!(!own.is_empty(), "the tests run where /proc is");
        assert!(!is_gone(&own));
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("it runs");
        let space = space().expect("it is told");
        let name = format!("{space}/{}/{}", child.id(), began(child.id()).expect("it runs"));
        assert!(!is_gone(&name));
        child.kill().expect("it can be killed");
        child.wait().expect("it has ended");
        assert!(is_gone(&name));
    }

    #[test]
    fn another_process_of_the_same_number_is_another() {
        let (before, _) =
            own().rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("three parts");
        assert!(is_gone(&format!("{before}/1")));
    }

    #[test]
    fn of_other_machines_nothing_is_known() {
        for name in ["", "a", "a/b/1/2", "0000/pid:[1]/4000000000/7"] {
            assert!(!is_gone(name), "{name}");
        }
    }
}
