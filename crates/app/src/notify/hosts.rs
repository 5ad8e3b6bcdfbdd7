//! Each callback host has its own places: a slow one fills its own, a dead one is left alone a while.

use std::collections::HashMap;
use std::time::Duration;

use pombo_domain::time::Instant;

use super::url::host_of;

/// Callbacks to one host at a time.
const PER_HOST: usize = 256;
/// Times in a row that a host did not answer at all, after which it is left alone.
const FAILURES_MAX: u32 = 8;
/// For how long.
const LEFT_ALONE: Duration = Duration::from_secs(20);
/// Hosts remembered; beyond, those without callbacks on the way are forgotten.
const HOSTS_MAX: usize = 10_000;

/// How each host does.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    by_name: HashMap<String, Host>,
}

#[derive(Debug, Default)]
struct Host {
    on_the_way: usize,
    failures: u32,
    left_alone_until: Option<Instant>,
}

/// Whether a callback may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Yes; a place was taken.
    Free,
    /// Its places are taken.
    Full,
    /// It did not answer of late.
    Down,
}

impl Hosts {
    /// Takes a place at the URL's host, where one is free.
    pub(super) fn place_for(&mut self, url: &str, now: Instant) -> Place {
        if self.by_name.len() >= HOSTS_MAX {
            self.by_name.retain(|_, host| host.on_the_way > 0);
        }
        let name = host_of(url);
        if !self.by_name.contains_key(name) {
            self.by_name.insert(name.to_owned(), Host::default());
        }
        let Some(host) = self.by_name.get_mut(name) else {
            return Place::Full;
        };
        if let Some(until) = host.left_alone_until {
            if now < until {
                return Place::Down;
            }
            // One is let through to see.
            host.left_alone_until = Some(now.plus(LEFT_ALONE));
        } else if host.on_the_way >= PER_HOST {
            return Place::Full;
        }
        host.on_the_way += 1;
        Place::Free
    }

    /// Gives the place back and learns whether the host is alive: a refusal is an answer too, and
    /// one caller's wrong path must not cost another's callbacks.
    pub(super) fn leave(&mut self, url: &str, answered: bool, now: Instant) {
        let Some(host) = self.by_name.get_mut(host_of(url)) else {
            return;
        };
        host.on_the_way = host.on_the_way.saturating_sub(1);
        if answered {
            host.failures = 0;
            host.left_alone_until = None;
            return;
        }
        host.failures = host.failures.saturating_add(1);
        if host.failures >= FAILURES_MAX {
            host.left_alone_until = Some(now.plus(LEFT_ALONE));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_micros(1_000_000);

    #[test]
    fn a_slow_host_fills_only_its_own_places() {
        let mut hosts = Hosts::default();
        for _ in 0..PER_HOST {
            assert_eq!(hosts.place_for("http://slow.example/a", NOW), Place::Free);
        }
        assert_eq!(hosts.place_for("http://slow.example/b", NOW), Place::Full);
        assert_eq!(hosts.place_for("http://quick.example/", NOW), Place::Free);
        hosts.leave("http://slow.example/a", true, NOW);
        assert_eq!(hosts.place_for("http://slow.example/b", NOW), Place::Free);
    }

    #[test]
    fn a_dead_host_is_left_alone_and_tried_again() {
        let mut hosts = Hosts::default();
        for _ in 0..FAILURES_MAX {
            assert_eq!(hosts.place_for("http://dead.example/", NOW), Place::Free);
            hosts.leave("http://dead.example/", false, NOW);
        }
        assert_eq!(hosts.place_for("http://dead.example/", NOW), Place::Down);
        let later = NOW.plus(LEFT_ALONE);
        assert_eq!(hosts.place_for("http://dead.example/", later), Place::Free, "one to see");
        assert_eq!(hosts.place_for("http://dead.example/", later), Place::Down);
        hosts.leave("http://dead.example/", true, later);
        assert_eq!(hosts.place_for("http://dead.example/", later), Place::Free);
    }
}
