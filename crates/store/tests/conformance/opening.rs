//! Marketing that its recipient's country does not allow now stays queued, whole and once.

use std::collections::BTreeMap;
use std::sync::Arc;

use pombo_domain::address::{Country, Phone};
use pombo_domain::country::{Content, Hours, Rule, Rules, Stretch, Topic, Zone};
use pombo_domain::id::{MessageId, PartId};
use pombo_domain::message::Category;
use pombo_domain::price::Prefix;
use pombo_store::operation::accept::{Accept, Held, Recipient};

use crate::world::{DAY, HOUR, NOON, World, of_parts, on_every_store, parts_of};

/// France is closed at noon, for an hour.
pub(crate) fn siesta() -> Arc<Rules> {
    let prefix = Prefix::parse("33").unwrap();
    let daily = [1, 2, 3, 4, 5, 6, 7];
    let week = ["00:00", "14:00"].iter().zip(["13:00", "24:00"]);
    let week = week.map(|(from, to)| Stretch::parse(&daily, from, to).unwrap()).collect();
    Arc::new(Rules::new(
        vec![Rule {
            country: Country::parse("FR").unwrap(),
            prefixes: vec![prefix],
            zones: vec![(prefix, Zone::get("Europe/Paris").unwrap())],
            hours: Some(Hours { week, closed: None }),
            content: Content::default(),
            approves_senders: false,
        }],
        Topic::default(),
    ))
}

/// To France where `is_french` says so, else to Spain.
fn mixed(w: &World, n: usize, is_french: impl Fn(usize) -> bool) -> Accept {
    let request = w.request(n);
    let to = |(i, recipient): (usize, &Recipient)| {
        let prefix = if is_french(i) { 33_612_345_000 } else { 34_600_000_000 };
        Recipient { to: Phone::from_stored(prefix + i as u64), ..*recipient }
    };
    let recipients = request.recipients.iter().enumerate().map(to).collect();
    Accept { recipients, category: Category::Marketing, ..request }
}

/// To France.
pub(crate) fn to_france(w: &World, n: usize) -> Accept {
    mixed(w, n, |_| true)
}

fn claim_all(w: &World, room: usize) -> Vec<PartId> {
    let mut parts = Vec::new();
    for _ in 0..1_000 {
        let claimed = w.claim(room);
        parts.extend(parts_of(&claimed));
        if claimed.next_due.is_none_or(|due| due > w.now()) {
            return parts;
        }
    }
    panic!("it never ends");
}

pub(crate) fn offsets(first: MessageId, parts: &[PartId]) -> BTreeMap<i64, usize> {
    let mut found = BTreeMap::new();
    for part in parts {
        *found.entry(part.message().0 - first.0).or_default() += 1;
    }
    found
}

#[test]
fn what_a_country_does_not_allow_now_stays_queued_and_goes_once_when_it_does() {
    on_every_store(|w| {
        // 2026-03-24T12:00Z is 13:00 in Paris.
        let w = World { rules: siesta(), ..w };
        for (n, n_parts, room) in [(1, 1, 10), (7, 1, 3), (40, 3, 4), (40, 1, 1_000)] {
            w.set_clock(NOON);
            let is_french = |i: usize| i % 5 < 3;
            let first = w.accept(of_parts(n_parts, mixed(&w, n, is_french)));
            let spain = (0..n).filter(|i| !is_french(*i)).map(|i| (i as i64, usize::from(n_parts)));
            assert_eq!(offsets(first, &claim_all(&w, room)), spain.collect());
            w.pass(HOUR - std::time::Duration::from_micros(1));
            assert_eq!(claim_all(&w, room), []);
            w.pass(std::time::Duration::from_micros(1));
            let france = (0..n).filter(|i| is_french(*i)).map(|i| (i as i64, usize::from(n_parts)));
            assert_eq!(offsets(first, &claim_all(&w, room)), france.collect());
            w.pass(DAY);
            assert_eq!(claim_all(&w, room), []);
        }
    });
}

#[test]
fn a_claim_says_when_the_country_closes() {
    on_every_store(|w| {
        let w = World { rules: siesta(), ..w };
        w.set_clock(NOON.minus(HOUR));
        w.accept(mixed(&w, 2, |i| i == 0));
        let closes: Vec<_> = w.claim(10).work.iter().map(|message| message.closes).collect();
        assert_eq!(closes, [Some(NOON), None]);
    });
}

#[test]
fn recipients_who_are_due_later_have_places_of_their_own() {
    on_every_store(|w| {
        let request = mixed(&w, 6, |_| false);
        let held = vec![
            Held { recipients: 0..1, due: NOON.plus(2 * HOUR) },
            Held { recipients: 3..5, due: NOON.plus(HOUR) },
        ];
        let first = w.accept(Accept { held, ..request });
        assert_eq!(offsets(first, &claim_all(&w, 10)), [(1, 1), (2, 1), (5, 1)].into());
        w.pass(HOUR);
        assert_eq!(offsets(first, &claim_all(&w, 10)), [(3, 1), (4, 1)].into());
        w.pass(HOUR);
        assert_eq!(offsets(first, &claim_all(&w, 10)), [(0, 1)].into());
        assert!(w.is_queue_empty());
    });
}
