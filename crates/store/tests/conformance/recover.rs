//! After a crash: every part that was away is in doubt, and nothing else is.

use pombo_domain::message::{Category, PartState};
use pombo_domain::route::{UncertainPolicies, UncertainPolicy};
use pombo_store::operation::accept::Accept;
use pombo_store::operation::route::{Load, RouteLoad};
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::uncertain::CountOpen;

use crate::world::{PRICE, cause, on_every_store, parts_of};

#[test]
fn an_open_intent_becomes_uncertain_by_the_routes_policy() {
    let cases = [
        (UncertainPolicy::Resend, PartState::Queued, 0),
        (UncertainPolicy::Wait, PartState::Uncertain, 1),
        (UncertainPolicy::Hold, PartState::Uncertain, 1),
    ];
    for (policy, state, open) in cases {
        on_every_store(|w| {
            let (message, _) = w.flying();
            let w = w.reopened();
            assert!(w.is_queue_empty());
            assert_eq!(w.recover(policy).n_uncertain, 1);
            assert_eq!((w.state(message), w.ask(CountOpen)), (state, open));
            assert_eq!(w.recover(policy).n_uncertain, 0, "once is enough");
            let again = parts_of(&w.claim(10));
            assert_eq!(again.len(), usize::from(policy == UncertainPolicy::Resend));
            assert!(w.claim(10).work.is_empty());
            assert_eq!(w.spent(), PRICE);
        });
    }
}

#[test]
fn what_is_in_doubt_after_each_of_five_starts_is_not_sent_again_by_itself() {
    on_every_store(|mut w| {
        let message = w.message();
        for n in 1..=5 {
            assert_eq!(parts_of(&w.claim(1)), [message.part(0)], "try {n}");
            w = w.reopened();
            assert_eq!(w.recover(UncertainPolicy::Resend).n_uncertain, 1);
        }
        assert_eq!((w.state(message), w.ask(CountOpen)), (PartState::Uncertain, 1));
        assert!(w.claim(1).work.is_empty());
    });
}

#[test]
fn a_route_that_is_no_longer_configured_holds_its_parts() {
    on_every_store(|w| {
        let (message, _) = w.flying();
        let w = w.reopened();
        let policies = std::collections::HashMap::new();
        w.run(pombo_store::operation::recover::Recover { policies, now: w.now() });
        assert_eq!((w.state(message), w.ask(CountOpen)), (PartState::Uncertain, 1));
    });
}

#[test]
fn after_a_crash_each_category_has_its_own_policy() {
    on_every_store(|w| {
        let code = w.accept(w.request(1));
        let offer = Accept { category: Category::Marketing, ..w.request(1) };
        let offer = w.accept(offer);
        assert_eq!(parts_of(&w.claim(10)).len(), 2);
        let w = w.reopened();
        let policies = UncertainPolicies {
            transactional: UncertainPolicy::Hold,
            marketing: UncertainPolicy::Resend,
        };
        let policies = [(w.route, policies)].into();
        w.run(pombo_store::operation::recover::Recover { policies, now: w.now() });
        assert_eq!((w.state(code), w.state(offer)), (PartState::Uncertain, PartState::Queued));
    });
}

#[test]
fn what_was_settled_or_given_back_is_not_in_doubt() {
    on_every_store(|w| {
        let first = w.accept(w.request(6));
        let claimed = w.claim(6);
        let intent = claimed.work[0].intent;
        let part = |i| first.plus(i).part(0);
        let again = Fate::Again { due: w.now(), route: w.route, tries: 0, cause: None };
        let ended = Fate::Ended { state: PartState::Rejected, cause: cause("no") };
        w.settle(vec![
            w.sent(part(0), "1"),
            w.settled(part(1), ended),
            w.settled(part(2), again),
            w.doubt(part(3), UncertainPolicy::Hold),
            w.doubt(part(4), UncertainPolicy::Resend),
            Item::IntentShrunk(intent, vec![part(0), part(1), part(3), part(5)]),
        ]);
        let load = w.ask(Load { route: w.route });
        assert_eq!(load, RouteLoad { queued: 2, in_flight: 4, uncertain: 1 });
        let w = w.reopened();
        assert_eq!(w.recover(UncertainPolicy::Wait).n_uncertain, 1);
        let states: Vec<_> = (0..6).map(|i| w.state(first.plus(i))).collect();
        use PartState::{Queued, Rejected, Sent, Uncertain};
        assert_eq!(states, [Sent, Rejected, Queued, Uncertain, Queued, Uncertain]);
        let mut again = parts_of(&w.claim(10));
        again.extend(parts_of(&w.claim(10)));
        again.sort_unstable();
        assert_eq!(again, [part(2), part(4)]);
    });
}

#[test]
fn reopening_keeps_everything() {
    on_every_store(|w| {
        let sent = w.sent_message("1");
        let waiting = w.message();
        w.settle(vec![w.receipt("1", PartState::Delivered, 0)]);
        let before = (w.balance(), w.kinds(sent));
        let w = w.reopened();
        assert_eq!(w.recover(UncertainPolicy::Resend), Default::default());
        assert_eq!((w.balance(), w.kinds(sent)), before);
        assert_eq!(w.view(sent).request.sender, "SENDER");
        let next = w.message();
        assert!(next > waiting, "ids go on");
        assert_eq!(parts_of(&w.claim(10)), [waiting.part(0), next.part(0)]);
    });
}
