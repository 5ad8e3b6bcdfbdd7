//! Personal texts and short links: each message says its own, and a click is its event.

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::id::MessageId;
use pombo_domain::limits::LINK_CLICKS_MAX;
use pombo_domain::link::{self, Code, Device, Target, Visitor};
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::money::Money;
use pombo_store::operation::accept::{Accept, Recipient};
use pombo_store::operation::divert::{self, Divert};
use pombo_store::operation::link::{Click, Find};
use pombo_store::operation::queue::Heads;
use pombo_store::operation::schedule::{self, Change, ChangeAll, ChangeThese};
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::stage::{Begin, Stage};
use pombo_store::operation::text::{NewLink, OwnText, Texts};

use crate::world::{CREDIT, HOUR, PRICE, World, cause, on_every_store, parts_of, phone, recipient};

const VISITOR: Visitor = Visitor { device: Device::Mobile, browser: "Chrome", system: "Android" };

fn own(text: &str) -> OwnText {
    OwnText { text: text.to_owned(), links: Vec::new() }
}

/// A request whose messages have so many parts, and texts that say which they are.
fn personal(w: &World, n_parts: &[u8]) -> Accept {
    let to =
        |(i, n): (usize, &u8)| Recipient { n_parts: *n, ..recipient(phone(i), w.route, PRICE) };
    let texts: Arc<[OwnText]> = (0..n_parts.len()).map(|i| own(&format!("text {i}"))).collect();
    Accept {
        text: "text {n}".to_owned(),
        texts: Texts::Each(texts),
        recipients: n_parts.iter().enumerate().map(to).collect(),
        ..w.request(1)
    }
}

fn with_link(w: &World, chance: u64) -> (MessageId, Code) {
    let code = Code::new(w.now().day(), chance);
    let target = Target::parse("https://example.com/a").unwrap();
    let texts = [OwnText { links: vec![NewLink { code, target }], ..own("see") }];
    let request = Accept { texts: Texts::Each(Arc::new(texts)), ..w.request(1) };
    (w.accept(request), code)
}

fn send(w: &World, message: MessageId) {
    w.claim(1);
    w.settle(vec![w.sent(message.part(0), "abc")]);
}

#[test]
fn each_message_keeps_its_own_text_and_length() {
    on_every_store(|w| {
        let first = w.accept(personal(&w, &[1, 3, 2]));
        for (i, n) in [1, 3, 2].into_iter().enumerate() {
            let view = w.view(first.plus(i));
            assert_eq!((view.text, view.parts.len()), (format!("text {i}"), n));
        }
        assert_eq!(w.balance(), Money::from_micros(CREDIT.micros() - 6 * PRICE.micros()));
        let claimed = w.claim(9);
        let texts: Vec<_> = claimed.work.iter().map(|work| work.text.as_deref()).collect();
        assert_eq!(texts, [Some("text 0"), Some("text 1"), Some("text 2")]);
        assert_eq!(parts_of(&claimed).len(), 6);
        assert!(w.is_queue_empty());
    });
}

#[test]
fn a_request_that_says_the_same_to_all_carries_no_text_of_its_own() {
    on_every_store(|w| {
        let message = w.message();
        assert_eq!(w.view(message).text, "Hello, this is a text of some length");
        assert_eq!(w.claim(1).work[0].text, None);
    });
}

#[test]
fn a_message_whose_parts_come_back_at_different_times_is_claimed_once_with_its_text() {
    on_every_store(|w| {
        let first = w.accept(personal(&w, &[2, 2]));
        let intent = w.claim(9).work[0].intent;
        let parts = [(0, 0), (1, 0), (0, 1), (1, 1)];
        let again = (0..).zip(parts).map(|(wait, (i, idx))| {
            let due = w.now().plus(Duration::from_secs(wait));
            let fate = Fate::Again { due, route: w.route, tries: 1, cause: Some(cause("busy")) };
            w.settled(first.plus(i).part(idx), fate)
        });
        w.settle(again.chain([Item::IntentDone(intent)]).collect());
        w.pass(Duration::from_secs(10));
        let claimed = w.claim(9);
        let work: Vec<_> = claimed
            .work
            .iter()
            .map(|work| (work.message, work.text.as_deref(), work.parts))
            .collect();
        assert_eq!(work, [(first, Some("text 0"), 0b11), (first.plus(1), Some("text 1"), 0b11)]);
        assert_eq!(parts_of(&claimed).len(), 4);
    });
}

#[test]
fn a_claim_ends_between_messages_of_any_length() {
    on_every_store(|w| {
        let lengths = [3, 1, 15, 2, 2, 1, 4];
        w.accept(personal(&w, &lengths));
        let mut seen = Vec::new();
        while !w.is_queue_empty() {
            let claimed = w.claim(2);
            seen.extend(claimed.work.iter().map(|work| work.parts.count_ones()));
        }
        assert_eq!(seen, lengths.map(u32::from));
    });
}

/// A thousand parts and more, so that no look sees them all.
const UNEVEN: [u8; 8] = [3, 1, 15, 2, 2, 1, 4, 7];

#[test]
fn messages_of_any_length_move_whole_to_another_route() {
    on_every_store(|w| {
        let lengths = UNEVEN.repeat(50);
        let first = w.accept(personal(&w, &lengths));
        let (to, mut at, mut n_moved) = (w.other_route, Some(divert::Place::default()), 0);
        while let Some(place) = at {
            let done = w.run(Divert {
                from: w.route,
                lane: Lane::Transactional,
                account: w.account,
                at: place,
                choose: Arc::new(move |_, _| Some(to)),
                now: w.now(),
            });
            (at, n_moved) = (done.next, n_moved + done.n_moved);
        }
        assert_eq!(n_moved, lengths.iter().map(|n| usize::from(*n)).sum::<usize>());
        assert!(w.ask(Heads { route: w.route }).is_empty());
        let mut seen = Vec::new();
        while !w.ask(Heads { route: to }).is_empty() {
            seen.extend(
                w.claim_on(to, 100).work.into_iter().map(|work| (work.message, work.parts)),
            );
        }
        let whole = |(i, n): (usize, &u8)| (first.plus(i), (1 << n) - 1);
        assert_eq!(seen, lengths.iter().enumerate().map(whole).collect::<Vec<_>>());
    });
}

#[test]
fn messages_of_any_length_are_withdrawn_whole() {
    on_every_store(|w| {
        let lengths = UNEVEN.repeat(50);
        let later = w.now().plus(HOUR);
        let first = w.accept(Accept { due: later, ..personal(&w, &lengths) });
        // One by its id, whose length is not the longest; then all that is left, piece by piece.
        let (account, now) = (w.account, w.now());
        let ids = vec![first.plus(1), first.plus(3)];
        let these = w.run(ChangeThese { account, ids, change: Change::Cancel, now });
        assert_eq!((these.n, w.states(first.plus(3))), (2, vec![PartState::Cancelled; 2]));
        let (mut at, mut n) = (Some(schedule::Place::default()), 0);
        while let Some(place) = at {
            let done = w.run(ChangeAll { account, at: place, change: Change::Cancel, now });
            (at, n) = (done.next, n + done.n);
        }
        assert_eq!(n, 398);
        assert!(w.is_queue_empty());
        assert_eq!(w.balance(), CREDIT);
    });
}

#[test]
fn a_large_personal_request_comes_in_by_pieces() {
    on_every_store(|w| {
        let lengths: Vec<u8> = [1, 2, 3].repeat(300);
        let request = personal(&w, &lengths);
        let Texts::Each(texts) = &request.texts else { panic!("personal") };
        let (account, campaign) = (w.account, request.campaign.clone());
        let begin = Begin { account, campaign, n_messages: 900, now: w.now() };
        let (first, sending) = w.run(begin);
        for start in (0..900).step_by(300) {
            let range = start..start + 300;
            let texts = Texts::Each(texts[range.clone()].into());
            let recipients = Arc::clone(&request.recipients);
            let callbacks = request.callbacks.clone();
            let certified = false;
            w.run(Stage { first, recipients, sending, certified, callbacks, texts, range });
        }
        let texts = Texts::Each(Arc::default());
        w.accept(Accept { staged: Some(first), texts, ..request.clone() });
        assert_eq!(w.view(first.plus(899)).text, "text 899");
        let mut n_parts = 0;
        while !w.ask(Heads { route: w.route }).is_empty() {
            for work in w.claim(1_000).work {
                let i = usize::try_from(work.message.0 - first.0).unwrap();
                assert_eq!(work.text, Some(format!("text {i}")));
                assert_eq!(work.parts.count_ones(), u32::from(lengths[i]));
                n_parts += work.parts.count_ones();
            }
        }
        assert_eq!(n_parts, 1_800);
    });
}

#[test]
fn a_click_is_an_event_that_changes_no_state() {
    on_every_store(|w| {
        let (message, code) = with_link(&w, 7);
        let target = w.ask(Find(code));
        assert_eq!(target.as_ref().map(Target::as_str), Some("https://example.com/a"));
        send(&w, message);
        assert!(w.run(Click { code, visitor: VISITOR, now: w.now() }));
        assert_eq!(w.kinds(message), [EventKind::Sent, EventKind::Clicked]);
        assert_eq!(w.states(message), [PartState::Sent]);
        let event = w.view(message).events.pop().unwrap();
        let click = link::Click::of(&VISITOR, "https://example.com/a");
        assert_eq!(link::Click::from_stored(&event.detail), click);
        // The receipt comes after it all the same.
        w.settle(vec![w.receipt("abc", PartState::Delivered, 0)]);
        assert_eq!(w.states(message), [PartState::Delivered]);
    });
}

#[test]
fn a_click_takes_no_message_out_of_the_queue() {
    on_every_store(|w| {
        let (message, code) = with_link(&w, 7);
        assert!(w.run(Click { code, visitor: VISITOR, now: w.now() }));
        assert_eq!(w.claim(1).work[0].message, message);
    });
}

#[test]
fn a_link_keeps_so_many_clicks_and_no_more() {
    on_every_store(|w| {
        let (message, code) = with_link(&w, 7);
        send(&w, message);
        let click = Click { code, visitor: VISITOR, now: w.now() };
        let kept = (0..LINK_CLICKS_MAX + 5).filter(|_| w.run(click)).count();
        assert_eq!(kept, LINK_CLICKS_MAX as usize);
        assert_eq!(w.view(message).events.len(), LINK_CLICKS_MAX as usize + 1);
    });
}

#[test]
fn a_code_that_was_never_given_leads_nowhere() {
    on_every_store(|w| {
        let (_, code) = with_link(&w, 7);
        for code in [Code::new(code.day(), 8), Code::new(code.day() - 1, 7)] {
            assert_eq!(w.ask(Find(code)), None);
            assert!(!w.run(Click { code, visitor: VISITOR, now: w.now() }));
        }
    });
}
