//! Each callback host has its own places: a quick one's callbacks wait in line for them, a slow one's
//! are filed, a dead one is left alone a while.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use pombo_domain::time::Instant;

use super::notifier::Call;
use super::url::host_of;

/// Callbacks to one host at a time.
const PER_HOST: usize = 256;
/// Times in a row that a host did not answer at all, after which it is left alone.
const FAILURES_MAX: u32 = 8;
/// For how long.
const LEFT_ALONE: Duration = Duration::from_secs(20);
/// A host that answers within this is quick: a line before it is a short wait.
const QUICK: Duration = Duration::from_millis(100);
/// A quick host that has not answered for this long is quick no more.
const STILL_QUICK: Duration = Duration::from_millis(500);
/// Hosts remembered; beyond, those without callbacks on the way are forgotten.
const HOSTS_MAX: usize = 10_000;

/// How each host does.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    by_name: HashMap<String, Host>,
    n_waiting: usize,
}

#[derive(Debug, Default)]
struct Host {
    on_the_way: usize,
    failures: u32,
    left_alone_until: Option<Instant>,
    waiting: VecDeque<Call>,
    /// How long answers took of late, and when the last one came.
    answers: Option<(Duration, Instant)>,
}

impl Host {
    fn is_quick(&self, now: Instant) -> bool {
        self.left_alone_until.is_none()
            && self
                .answers
                .is_some_and(|(took, last)| took < QUICK && now.since(last) < STILL_QUICK)
    }

    fn answered(&mut self, took: Duration, now: Instant) {
        let usual = self.answers.map_or(took, |(usual, _)| (usual * 7 + took) / 8);
        self.answers = Some((usual, now));
    }
}

/// Whether a callback may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Yes; a place was taken.
    Free,
    /// Its places are taken, for a short while.
    Soon,
    /// Its places are taken.
    Full,
    /// It did not answer of late.
    Down,
}

impl Hosts {
    /// Takes a place at the URL's host, where one is free.
    pub(super) fn place_for(&mut self, url: &str, now: Instant) -> Place {
        if self.by_name.len() >= HOSTS_MAX {
            self.by_name.retain(|_, host| host.on_the_way > 0 || !host.waiting.is_empty());
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
            return if host.is_quick(now) { Place::Soon } else { Place::Full };
        }
        host.on_the_way += 1;
        Place::Free
    }

    /// Gives the place back and learns whether the host is alive: a refusal is an answer too, and
    /// one caller's wrong path must not cost another's callbacks.
    pub(super) fn leave(&mut self, url: &str, answered: bool, took: Duration, now: Instant) {
        let Some(host) = self.by_name.get_mut(host_of(url)) else {
            return;
        };
        host.on_the_way = host.on_the_way.saturating_sub(1);
        if answered {
            host.answered(took, now);
            host.failures = 0;
            host.left_alone_until = None;
            return;
        }
        host.failures = host.failures.saturating_add(1);
        if host.failures >= FAILURES_MAX {
            host.left_alone_until = Some(now.plus(LEFT_ALONE));
        }
    }

    /// Puts a callback in line for a place that comes [`Place::Soon`].
    pub(super) fn wait(&mut self, call: Call) {
        if let Some(host) = self.by_name.get_mut(host_of(&call.url)) {
            host.waiting.push_back(call);
            self.n_waiting += 1;
        }
    }

    /// Callbacks in line, over all hosts.
    pub(super) fn n_waiting(&self) -> usize {
        self.n_waiting
    }

    /// The next in line at the URL's host.
    pub(super) fn next_waiting(&mut self, url: &str) -> Option<Call> {
        let next = self.by_name.get_mut(host_of(url))?.waiting.pop_front()?;
        self.n_waiting -= 1;
        Some(next)
    }

    /// The lines before hosts that are quick no more.
    pub(super) fn tired(&mut self, now: Instant) -> Vec<Call> {
        let mut calls = Vec::new();
        if self.n_waiting > 0 {
            for host in self.by_name.values_mut() {
                if !host.waiting.is_empty() && !host.is_quick(now) {
                    calls.extend(host.waiting.drain(..));
                }
            }
            self.n_waiting -= calls.len();
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::from_micros(1_000_000);
    const SLOW: Duration = Duration::from_secs(1);
    const SWIFT: Duration = Duration::from_millis(1);

    #[test]
    fn a_slow_host_fills_only_its_own_places() {
        let mut hosts = Hosts::default();
        for _ in 0..PER_HOST {
            assert_eq!(hosts.place_for("http://slow.example/a", NOW), Place::Free);
        }
        assert_eq!(hosts.place_for("http://slow.example/b", NOW), Place::Full);
        assert_eq!(hosts.place_for("http://quick.example/", NOW), Place::Free);
        hosts.leave("http://slow.example/a", true, SLOW, NOW);
        assert_eq!(hosts.place_for("http://slow.example/b", NOW), Place::Free);
    }

    #[test]
    fn a_dead_host_is_left_alone_and_tried_again() {
        let mut hosts = Hosts::default();
        for _ in 0..FAILURES_MAX {
            assert_eq!(hosts.place_for("http://dead.example/", NOW), Place::Free);
            hosts.leave("http://dead.example/", false, SLOW, NOW);
        }
        assert_eq!(hosts.place_for("http://dead.example/", NOW), Place::Down);
        let later = NOW.plus(LEFT_ALONE);
        assert_eq!(hosts.place_for("http://dead.example/", later), Place::Free, "one to see");
        assert_eq!(hosts.place_for("http://dead.example/", later), Place::Down);
        hosts.leave("http://dead.example/", true, SLOW, later);
        assert_eq!(hosts.place_for("http://dead.example/", later), Place::Free);
    }

    #[test]
    fn a_quick_hosts_callbacks_wait_in_line_until_it_is_quick_no_more() {
        let url = "http://quick.example/";
        let mut hosts = Hosts::default();
        assert_eq!(hosts.place_for(url, NOW), Place::Free);
        hosts.leave(url, true, SWIFT, NOW);
        for _ in 0..PER_HOST {
            assert_eq!(hosts.place_for(url, NOW), Place::Free);
        }
        assert_eq!(hosts.place_for(url, NOW), Place::Soon);
        for event in 1..=2 {
            let event = pombo_domain::id::EventId(event);
            hosts.wait(Call::first(event, url.to_owned(), None, false));
        }
        assert!(hosts.tired(NOW).is_empty());
        assert_eq!(hosts.next_waiting(url).map(|call| call.event.0), Some(1));
        let later = NOW.plus(STILL_QUICK);
        assert_eq!(hosts.tired(later).len(), 1);
        assert_eq!(hosts.n_waiting(), 0);
        assert_eq!(hosts.place_for(url, later), Place::Full);
    }
}
