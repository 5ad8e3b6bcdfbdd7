//! How one route does: counted as outcomes come, by country too, and judged against its floor.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pombo_domain::address::Country;
use pombo_domain::health::{Counts, Floor, Window};
use pombo_domain::time::Instant;
use pombo_store::operation::settle::Told;

use super::desk::lock;

/// What is known of a route's last minutes.
#[derive(Debug, Default)]
pub(super) struct Health {
    all: Mutex<Window>,
    by_country: Mutex<HashMap<Country, Window>>,
    /// Where it delivers too little; the country is `None` for all together.
    below: Mutex<Vec<Option<Country>>>,
    is_below: AtomicBool,
    /// What was written down last.
    written: Mutex<Vec<(String, Counts, bool)>>,
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

impl Health {
    /// Counts a carrier's answers: each with the time since it was handed to the route, and whether
    /// it took the part.
    pub(super) fn answered(&self, now: Instant, answers: &[(Duration, bool)]) {
        let mut counts = Counts::default();
        for (span, is_taken) in answers {
            counts.answered += 1;
            counts.taken += u64::from(*is_taken);
            counts.answer_ms = counts.answer_ms.saturating_add(millis(*span));
        }
        if counts.answered > 0 {
            lock(&self.all).add(now, &counts);
        }
    }

    /// Counts what receipts told.
    pub(super) fn told(&self, now: Instant, told: &[Told]) {
        if told.is_empty() {
            return;
        }
        let (mut all, mut by_country) = (lock(&self.all), lock(&self.by_country));
        for told in told {
            let is_delivered = told.is_delivered;
            let counts = Counts {
                ended: 1,
                delivered: u64::from(is_delivered),
                delivery_ms: if is_delivered { millis(told.after) } else { 0 },
                ..Counts::default()
            };
            all.add(now, &counts);
            by_country.entry(told.to.country()).or_default().add(now, &counts);
        }
    }

    /// The counts of all together, and of each country of which something is known.
    pub(super) fn counts(&self, now: Instant) -> Vec<(Option<Country>, Counts)> {
        let mut counts = vec![(None, lock(&self.all).counts(now))];
        let mut by_country = lock(&self.by_country);
        by_country.retain(|country, window| {
            let own = window.counts(now);
            let is_known = own != Counts::default();
            if is_known {
                counts.push((Some(*country), own));
            }
            is_known
        });
        drop(by_country);
        counts.sort_by_key(|(country, _)| *country);
        counts
    }

    /// Judges the counts; answers what is below the floor since the last time.
    pub(super) fn judge(
        &self,
        floor: Floor,
        counts: &[(Option<Country>, Counts)],
    ) -> Vec<Option<Country>> {
        let is_below = |(_, counts): &&(Option<Country>, Counts)| floor.is_above(counts);
        let now: Vec<_> = counts.iter().filter(is_below).map(|(country, _)| *country).collect();
        self.is_below.store(!now.is_empty(), Ordering::Relaxed);
        let before = std::mem::replace(&mut *lock(&self.below), now.clone());
        now.into_iter().filter(|country| !before.contains(country)).collect()
    }

    /// Whether these are others than the last time.
    pub(super) fn is_news(&self, counts: &[(String, Counts, bool)]) -> bool {
        let mut written = lock(&self.written);
        let is_news = *written != counts;
        if is_news {
            written.clear();
            written.extend_from_slice(counts);
        }
        is_news
    }

    /// Whether it delivers enough, in all and to this country.
    pub(super) fn is_fit(&self, country: Country) -> bool {
        if !self.is_below.load(Ordering::Relaxed) {
            return true;
        }
        let below = lock(&self.below);
        !below.iter().any(|below| below.is_none_or(|below| below == country))
    }
}
