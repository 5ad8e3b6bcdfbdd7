//! Each callback host has its own places and a short line before them; what is beyond waits in
//! the store. A dead host is left alone a while.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use pombo_domain::time::Instant;

use super::notifier::Call;
use super::url::host_of;

/// Callbacks to one host at a time, once it has shown that it answers.
const PER_HOST: usize = 32;
/// And before it has: each answer brings a place more, each failure halves them.
pub(super) const PER_STRANGER: usize = 4;
/// Times in a row that a host did not answer at all, after which it is left alone.
const FAILURES_MAX: u32 = 8;
/// For how long.
const LEFT_ALONE: Duration = Duration::from_secs(20);
/// The line before a host is no longer than what it answers within this time.
const LINE: Duration = Duration::from_millis(200);
/// The line before a host, at most.
const LINE_MAX: usize = 1_000;
/// Answers a second from which a host is fast: who reads the log may wait for it a little.
const FAST: u128 = 1_000;
/// A host that owes answers and has given none for this long has no line.
const STILL_QUICK: Duration = Duration::from_millis(500);
/// Hosts remembered; beyond, those without callbacks on the way are forgotten.
const HOSTS_MAX: usize = 10_000;

/// How each host does.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    by_name: HashMap<String, Host>,
    n_waiting: usize,
}

#[derive(Debug)]
struct Host {
    on_the_way: usize,
    places: usize,
    failures: u32,
    left_alone_until: Option<Instant>,
    waiting: VecDeque<Call>,
    /// How long answers took of late.
    usual: Option<Duration>,
    /// Since when it owes an answer: the last one, or the call after a time without any.
    owes_since: Instant,
}

impl Host {
    fn new(now: Instant) -> Self {
        Self {
            on_the_way: 0,
            places: PER_STRANGER,
            failures: 0,
            left_alone_until: None,
            waiting: VecDeque::new(),
            usual: None,
            owes_since: now,
        }
    }

    /// How many it answers within `time`.
    fn answers_within(&self, time: Duration, now: Instant) -> u128 {
        let is_late = self.on_the_way > 0 && now.since(self.owes_since) >= STILL_QUICK;
        match self.usual {
            Some(usual) if !is_late && self.left_alone_until.is_none() => {
                time.as_micros() * self.places as u128 / usual.as_micros().max(1)
            }
            _ => 0,
        }
    }

    fn is_fast(&self, now: Instant) -> bool {
        self.answers_within(Duration::from_secs(1), now) >= FAST
    }

    /// How many may wait in line.
    fn line(&self, now: Instant) -> usize {
        usize::try_from(self.answers_within(LINE, now)).unwrap_or(LINE_MAX).min(LINE_MAX)
    }

    /// How many more it could take.
    fn room(&self, now: Instant) -> usize {
        match self.left_alone_until {
            Some(until) if now < until => return LINE_MAX, // They fail at once.
            Some(_) => return 1,                           // To see whether it is back.
            None => {}
        }
        let busy = self.on_the_way + self.waiting.len();
        (self.places + self.line(now)).saturating_sub(busy)
    }

    fn answered(&mut self, took: Duration, now: Instant) {
        self.usual = Some(self.usual.map_or(took, |usual| (usual * 7 + took) / 8));
        self.owes_since = now;
        self.failures = 0;
        self.left_alone_until = None;
        self.places = (self.places + 1).min(PER_HOST);
    }

    fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        self.places = (self.places / 2).max(PER_STRANGER);
        if self.failures >= FAILURES_MAX {
            self.left_alone_until = Some(now.plus(LEFT_ALONE));
        }
    }
}

/// Whether a callback may go now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Yes; a place was taken.
    Free,
    /// Its places are taken, for a short while.
    Soon,
    /// Its places are taken, and the line before them is long.
    Full,
    /// It did not answer of late.
    Down,
}

impl Hosts {
    /// Takes a place at the URL's host, where one is free. With `patience` the line before a fast
    /// host may be as long as the caller likes.
    pub(super) fn place_for(&mut self, url: &str, now: Instant, patience: bool) -> Place {
        if self.by_name.len() >= HOSTS_MAX {
            self.by_name.retain(|_, host| host.on_the_way > 0 || !host.waiting.is_empty());
        }
        let name = host_of(url);
        if !self.by_name.contains_key(name) {
            self.by_name.insert(name.to_owned(), Host::new(now));
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
        } else if host.on_the_way >= host.places {
            let is_short = host.waiting.len() < host.line(now) || (patience && host.is_fast(now));
            return if is_short { Place::Soon } else { Place::Full };
        }
        if host.on_the_way == 0 {
            host.owes_since = now;
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
        if answered { host.answered(took, now) } else { host.failed(now) }
    }

    /// How many more callbacks the hosts known here could take; others take [`PER_STRANGER`].
    pub(super) fn rooms(&self, now: Instant) -> HashMap<String, usize> {
        self.by_name.iter().map(|(name, host)| (name.clone(), host.room(now))).collect()
    }

    /// Puts a callback in line.
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

    /// The next in line at the URL's host, where there is a place for it.
    pub(super) fn next_waiting(&mut self, url: &str) -> Option<Call> {
        let host = self.by_name.get_mut(host_of(url))?;
        if host.left_alone_until.is_none() && host.on_the_way >= host.places {
            return None;
        }
        let next = host.waiting.pop_front()?;
        self.n_waiting -= 1;
        Some(next)
    }

    /// The lines before hosts that are quick no more.
    pub(super) fn tired(&mut self, now: Instant) -> Vec<Call> {
        let mut calls = Vec::new();
        if self.n_waiting > 0 {
            for host in self.by_name.values_mut() {
                if !host.waiting.is_empty() && host.line(now) == 0 {
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

    /// A host that has answered quickly, often enough to have all its places.
    fn quick(url: &str) -> Hosts {
        let mut hosts = Hosts::default();
        for _ in 0..PER_HOST {
            assert_eq!(hosts.place_for(url, NOW, false), Place::Free);
            hosts.leave(url, true, SWIFT, NOW);
        }
        hosts
    }

    fn fill(hosts: &mut Hosts, url: &str, n: usize, now: Instant) {
        for _ in 0..n {
            assert_eq!(hosts.place_for(url, now, false), Place::Free);
        }
    }

    #[test]
    fn a_slow_host_fills_only_its_own_places() {
        let mut hosts = Hosts::default();
        fill(&mut hosts, "http://slow.example/a", PER_STRANGER, NOW);
        assert_eq!(hosts.place_for("http://slow.example/b", NOW, false), Place::Full);
        assert_eq!(hosts.rooms(NOW)["http://slow.example"], 0);
        assert_eq!(hosts.place_for("http://quick.example/", NOW, false), Place::Free);
    }

    #[test]
    fn each_answer_brings_a_place_and_failures_take_them_away() {
        let url = "http://quick.example/";
        let mut hosts = quick(url);
        fill(&mut hosts, url, PER_HOST, NOW);
        assert_ne!(hosts.place_for(url, NOW, false), Place::Free);
        for _ in 0..PER_HOST - PER_STRANGER {
            hosts.leave(url, false, SLOW, NOW);
        }
        let later = NOW.plus(LEFT_ALONE);
        for _ in 0..PER_STRANGER {
            hosts.leave(url, true, SWIFT, later);
        }
        fill(&mut hosts, url, 2 * PER_STRANGER, later);
        assert_ne!(hosts.place_for(url, later, false), Place::Free);
    }

    #[test]
    fn a_dead_host_is_left_alone_and_tried_again() {
        let mut hosts = Hosts::default();
        for _ in 0..FAILURES_MAX {
            assert_eq!(hosts.place_for("http://dead.example/", NOW, false), Place::Free);
            hosts.leave("http://dead.example/", false, SLOW, NOW);
        }
        assert_eq!(hosts.place_for("http://dead.example/", NOW, false), Place::Down);
        let later = NOW.plus(LEFT_ALONE);
        assert_eq!(
            hosts.place_for("http://dead.example/", later, false),
            Place::Free,
            "one to see"
        );
        assert_eq!(hosts.place_for("http://dead.example/", later, false), Place::Down);
        hosts.leave("http://dead.example/", true, SLOW, later);
        assert_eq!(hosts.place_for("http://dead.example/", later, false), Place::Free);
    }

    #[test]
    fn a_quick_hosts_callbacks_wait_in_line_until_it_is_quick_no_more() {
        let url = "http://quick.example/";
        let mut hosts = quick(url);
        let busy = NOW.plus(LEFT_ALONE);
        fill(&mut hosts, url, PER_HOST, busy);
        assert_eq!(hosts.place_for(url, busy, false), Place::Soon, "it owed nothing for a while");
        for event in 1..=2 {
            let event = pombo_domain::id::EventId(event);
            hosts.wait(Call::first(event, url.to_owned(), None, false));
        }
        assert!(hosts.tired(busy).is_empty());
        assert!(hosts.next_waiting(url).is_none(), "no place is free");
        hosts.leave(url, true, SWIFT, busy);
        assert_eq!(hosts.next_waiting(url).map(|call| call.event.0), Some(1));
        let later = busy.plus(STILL_QUICK);
        assert_eq!(hosts.tired(later).len(), 1);
        assert_eq!(hosts.n_waiting(), 0);
    }

    #[test]
    fn a_line_is_no_longer_than_what_is_answered_soon() {
        let url = "http://far.example/";
        let mut hosts = Hosts::default();
        let took = LINE / 2;
        for _ in 0..PER_HOST {
            assert_eq!(hosts.place_for(url, NOW, false), Place::Free);
            hosts.leave(url, true, took, NOW);
        }
        fill(&mut hosts, url, PER_HOST, NOW);
        for event in 1..=2 * PER_HOST {
            assert_eq!(hosts.place_for(url, NOW, false), Place::Soon);
            let event = pombo_domain::id::EventId(i64::try_from(event).expect("few"));
            hosts.wait(Call::first(event, url.to_owned(), None, false));
        }
        assert_eq!(hosts.place_for(url, NOW, false), Place::Full);
        assert_eq!(hosts.place_for(url, NOW, true), Place::Full, "not fast enough to wait for");
        assert_eq!(hosts.rooms(NOW)["http://far.example"], 0);
    }

    #[test]
    fn a_reader_with_patience_may_wait_for_a_fast_host() {
        let url = "http://quick.example/";
        let mut hosts = quick(url);
        fill(&mut hosts, url, PER_HOST, NOW);
        for event in 0..LINE_MAX {
            let event = pombo_domain::id::EventId(i64::try_from(event).expect("few"));
            hosts.wait(Call::first(event, url.to_owned(), None, false));
        }
        assert_eq!(hosts.place_for(url, NOW, false), Place::Full);
        assert_eq!(hosts.place_for(url, NOW, true), Place::Soon);
    }
}
