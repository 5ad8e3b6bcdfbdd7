//! Receipts: stored before they are answered, matched early, late and twice, in every spelling.

use std::sync::Arc;

use pombo_app::operate;
use pombo_domain::channel::{Arrival, Attempt, Desk, LinkState, Outcome, Report};
use pombo_domain::id::MessageId;
use pombo_domain::message::EventKind;
use pombo_domain::route::ReceiptId;
use pombo_store::operation as op;

use crate::carrier::delivered;
use crate::house::{House, ops, route, sms};

/// A carrier in the test's own hands.
struct Hand {
    desk: Arc<dyn Desk>,
    attempts: Vec<Attempt>,
}

impl Hand {
    async fn takes(house: &House, n: usize) -> Self {
        let desk = house.desk("a");
        desk.link(0, LinkState::Up);
        let mut attempts = Vec::new();
        while attempts.len() < n {
            attempts.extend(desk.next(10).await);
        }
        attempts.sort_by_key(|attempt| attempt.message);
        Self { desk, attempts }
    }

    fn accepts(&self, at: usize, carrier_id: &str) {
        let attempt = &self.attempts[at];
        let outcome = Outcome::Accepted { carrier_id: carrier_id.into() };
        let part = attempt.message.part(0);
        let report = Report { part, try_number: attempt.try_number, at: self.desk.now(), outcome };
        self.desk.report(vec![report]);
    }

    async fn receives(&self, at: usize, carrier_id: &str) {
        let receipt = delivered(carrier_id, self.attempts[at].to, self.desk.now());
        self.desk.received(vec![Arrival::Receipt(receipt)]).await.unwrap();
    }
}

async fn house() -> (House, pombo_app::auth::Caller) {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    (house, caller)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_answered_when_it_can_be_read_back() {
    let (house, caller) = house().await;
    let id = house.send(&caller, sms(1)).await[0];
    let hand = Hand::takes(&house, 1).await;
    hand.accepts(0, "77");
    hand.receives(0, "77").await;
    assert_eq!(house.events(&caller, id).await, [EventKind::Sent, EventKind::Delivered]);
    assert!(house.status(&caller, id).await.delivered);
    hand.receives(0, "77").await;
    assert_eq!(house.events(&caller, id).await.len(), 2, "told twice, counted once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_before_its_answer_waits_for_it() {
    let (house, caller) = house().await;
    let id = house.send(&caller, sms(1)).await[0];
    let hand = Hand::takes(&house, 1).await;
    hand.receives(0, "77").await;
    assert_eq!(ops(|| operate::receipts_unmatched(&house.store, 10)).unwrap().len(), 1);
    hand.accepts(0, "77");
    house.until_event(&caller, id, EventKind::Delivered).await;
    assert_eq!(ops(|| operate::receipts_unmatched(&house.store, 10)).unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_that_fits_nothing_is_kept_and_shown() {
    let (house, caller) = house().await;
    house.send(&caller, sms(1)).await;
    let hand = Hand::takes(&house, 1).await;
    hand.receives(0, "of-nobody").await;
    let kept = ops(|| operate::receipts_unmatched(&house.store, 10)).unwrap();
    assert_eq!(kept[0].carrier_id, "of-nobody");
}

async fn learned(house: &House) -> Option<ReceiptId> {
    house.store.ask(op::route::List).await.unwrap()[0].learned
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spelling_of_ids_is_learned_from_what_can_mean_only_one_thing() {
    let (house, caller) = house().await;
    let ids: Vec<MessageId> = house.send(&caller, sms(12)).await;
    let hand = Hand::takes(&house, 12).await;
    for at in 0..12_usize {
        // Hexadecimal in the answer, decimal in the receipt.
        let number = 0xabc0_0000_usize + at;
        hand.accepts(at, &format!("{number:X}"));
        hand.receives(at, &number.to_string()).await;
        if at < 9 {
            assert_eq!(learned(&house).await, None, "after {} receipts", at + 1);
        }
    }
    // It is learned after the receipt that taught it was answered.
    for _ in 0..6_000 {
        if learned(&house).await.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(learned(&house).await, Some(ReceiptId::HexToDec));
    for id in ids {
        assert!(house.status(&caller, id).await.delivered);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_learned_from_spellings_that_contradict_each_other() {
    let (house, caller) = house().await;
    house.send(&caller, sms(20)).await;
    let hand = Hand::takes(&house, 20).await;
    for at in 0..20_usize {
        let number = 0xabc0_0000_usize + at;
        hand.accepts(at, &format!("{number:X}"));
        let receipt = if at == 3 { format!("{number:X}") } else { number.to_string() };
        hand.receives(at, &receipt).await;
    }
    assert_eq!(learned(&house).await, None);
}
