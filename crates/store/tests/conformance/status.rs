//! What an owner can read: all of its own, nothing of another's.

use pombo_domain::id::MessageId;
use pombo_domain::message::PartState;
use pombo_store::operation::accept::Accept;
use pombo_store::operation::settle::Item;
use pombo_store::operation::status::Status;

use crate::world::{DAY, of_parts, on_every_store};

#[test]
fn an_account_sees_its_own_messages_in_the_order_asked() {
    on_every_store(|w| {
        let ours = w.accept(w.request(3));
        let account = w.other_account;
        let theirs = w.accept(Accept { account, ..w.request(2) });
        w.pass(DAY);
        let today = w.message();
        let unknown = [0, 1, today.0 + 1_000, i64::MAX].map(MessageId);
        let mut ids = vec![today, ours.plus(2), theirs, ours, theirs.plus(1), ours.plus(3)];
        ids.extend(unknown);
        ids.push(ours.plus(2));
        let seen: Vec<_> = w.views(ids.clone()).iter().map(|view| view.id).collect();
        assert_eq!(seen, [today, ours.plus(2), ours, ours.plus(2)]);
        let seen: Vec<_> = w.ask(Status { account, ids }).iter().map(|view| view.id).collect();
        assert_eq!(seen, [theirs, theirs.plus(1), theirs], "theirs follow ours without a gap");
    });
}

#[test]
fn events_of_all_parts_are_told_in_the_order_in_which_they_happened() {
    on_every_store(|w| {
        let message = w.accept(of_parts(2, w.request(1)));
        let intent = w.claim(2).work[0].intent;
        w.settle(vec![w.sent(message.part(1), "2"), w.sent(message.part(0), "1")]);
        w.settle(vec![w.receipt("1", PartState::Delivered, 0), Item::IntentDone(intent)]);
        w.settle(vec![w.receipt("2", PartState::Rejected, 0)]);
        let view = w.view(message);
        let told: Vec<_> = view.events.iter().map(|e| (e.part_idx, e.detail.as_str())).collect();
        assert_eq!(told, [(1, "2"), (0, "1"), (0, "1"), (1, "2")]);
        assert_eq!(w.states(message), [PartState::Delivered, PartState::Rejected]);
    });
}
