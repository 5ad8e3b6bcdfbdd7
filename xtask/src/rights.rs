//! What this process may do to the system, which the fault suite needs for some of its scenarios.

/// The right to mount and to make namespaces, among Linux's (`capabilities(7)`).
const SYS_ADMIN: u32 = 21;

/// Whether it may mount a file system and run a program in namespaces of its own. Elsewhere than on
/// Linux it may not, whoever runs it.
pub(crate) fn may_mount() -> bool {
    std::fs::read_to_string("/proc/self/status").is_ok_and(|status| has(&status, SYS_ADMIN))
}

/// Whether a right is among those that a process makes use of, by its `status` in `/proc`.
fn has(status: &str, right: u32) -> bool {
    let rights = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let rights = rights.and_then(|rights| u64::from_str_radix(rights.trim(), 16).ok());
    rights.is_some_and(|rights| rights >> right & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_may_mount_unless_its_container_took_that_right_away() {
        let status = |rights: &str| format!("Name:\tx\nCapEff:\t{rights}\nSeccomp:\t0\n");
        assert!(has(&status("000001ffffffffff"), SYS_ADMIN));
        assert!(!has(&status("00000000a80425fb"), SYS_ADMIN));
        assert!(!has(&status("0000000000000000"), SYS_ADMIN));
        assert!(!has("", SYS_ADMIN));
    }
}
