//! What this process may do to the system, which the fault suite needs for some of its scenarios.

/// The rights to mount and to make networks, among Linux's (`capabilities(7)`).
const SYS_ADMIN: u32 = 21;
const NET_ADMIN: u32 = 12;

/// Whether it may mount a file system, and run a program in a network of its own. Elsewhere than on
/// Linux it may not, whoever runs it.
pub(crate) fn may_change_the_system() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| has_all(&status))
}

/// Whether the rights are among those that a process makes use of, by its `status` in `/proc`.
fn has_all(status: &str) -> bool {
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let rights = rights.and_then(|rights| u64::from_str_radix(rights.trim(), 16).ok());
    rights.is_some_and(|rights| [SYS_ADMIN, NET_ADMIN].iter().all(|right| rights >> right & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_may_unless_its_container_took_that_right_away() {
        let status = |rights: &str| format!("Name:\tx\nCapEff:\t{rights}\nSeccomp:\t0\n");
        assert!(has_all(&status("000001ffffffffff")));
        assert!(!has_all(&status("00000000a80425fb")));
        assert!(!has_all(&status("00000000a82425fb")), "no network");
        assert!(!has_all(&status("0000000000000000")));
        assert!(!has_all(""));
    }
}
