//! What the carrier hands over: receipts in time, early, twice; messages from handsets.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pombo_domain::message::PartState;
use pombo_domain::sms::received::{Naming, Place};
use pombo_peers::smsc::{Behaviour, Receipts, Smsc};
use pombo_wire::smpp::{Address, Pdu, Sm, encode, esm};
use tokio::time::sleep;

use crate::desk::{Channel, accepted, messages, number};

/// A message from a handset.
fn stop() -> Sm<'static> {
    let address = |value| Address { ton: 1, npi: 1, value };
    Sm {
        source: address(b"34600000009"),
        destination: address(b"3000"),
        short_message: b"STOP",
        ..Sm::default()
    }
}

#[tokio::test]
async fn receipts_name_the_ids_of_the_answers() {
    let smsc = Smsc::start(Behaviour::default().with_receipts(Receipts::default())).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.give(messages(500));
    let mut ids: Vec<String> =
        accepted(&channel.reports(500).await).into_iter().map(|(_, id)| id).collect();
    let receipts = channel.receipts(500).await;
    let mut theirs: Vec<String> = receipts.iter().map(|r| r.carrier_id.clone()).collect();
    ids.sort_unstable();
    theirs.sort_unstable();
    assert_eq!(ids, theirs);
    assert!(receipts.iter().all(|r| r.state == PartState::Delivered && r.word == "DELIVRD"));
    assert!(receipts.iter().any(|r| r.addresses.contains(&number(7).to_string())));
    channel.until("answers", |_| smsc.counts().delivered == 500).await;
    channel.stop().await;
}

#[tokio::test]
async fn receipts_before_the_answer_and_twice_all_arrive() {
    let receipts = Receipts { before_answer: true, copies: 2, ..Receipts::default() };
    let smsc = Smsc::start(Behaviour::default().with_receipts(receipts)).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.give(messages(100));
    channel.reports(100).await;
    channel.receipts(200).await;
    channel.until("answers", |_| smsc.counts().delivered == 200).await;
    channel.stop().await;
}

#[tokio::test]
async fn what_is_not_stored_is_asked_for_again() {
    let smsc = Smsc::start(Behaviour::default().with_receipts(Receipts::default())).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.n_failing.store(1, Ordering::SeqCst);
    channel.desk.give(messages(10));
    channel.receipts(10).await;
    channel.until("answers", |_| smsc.counts().delivered == 10).await;
    assert!(smsc.counts().refused >= 1);
    channel.stop().await;
}

#[tokio::test]
async fn a_store_that_hangs_stops_neither_reading_nor_sending() {
    let smsc = Smsc::start(Behaviour::default().with_receipts(Receipts::default())).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.is_stuck.store(true, Ordering::SeqCst);
    channel.desk.give(messages(2_000));
    assert_eq!(accepted(&channel.reports(2_000).await).len(), 2_000);
    assert_eq!(smsc.counts().delivered, 0, "nothing is acknowledged before it is stored");
}

#[tokio::test]
async fn of_what_cannot_be_stored_no_more_than_ten_thousand_are_read() {
    let smsc = Smsc::start(Behaviour::default()).unwrap();
    let channel = Channel::to(&smsc);
    channel.up().await;
    channel.desk.is_stuck.store(true, Ordering::SeqCst);
    // Many more, because what was read at once is kept.
    let n = 20_000;
    let mut octets = Vec::new();
    for sequence in 1..=n {
        encode(&mut octets, 0, sequence, &Pdu::DeliverSm(stop())).unwrap();
    }
    smsc.say(octets);
    channel.until("the first", |desk| desk.n_asked.load(Ordering::SeqCst) > 0).await;
    // Its answer comes behind them all.
    channel.desk.give(messages(1));
    channel.until("a submission", |_| smsc.counts().submits == 1).await;
    sleep(Duration::from_millis(300)).await;
    assert_eq!(channel.desk.reports().len(), 0, "all were read");
    channel.desk.is_stuck.store(false, Ordering::SeqCst);
    assert_eq!(accepted(&channel.reports(1).await).len(), 1);
    channel.until("answers", |_| smsc.counts().delivered == u64::from(n)).await;
    assert_eq!(channel.desk.inbound().len(), 20_000);
    channel.stop().await;
}

#[tokio::test]
async fn receipts_that_were_not_acknowledged_come_again_on_the_next_link() {
    let delay = Duration::from_millis(100);
    let receipts = Receipts { delay, ..Receipts::default() };
    let smsc = Smsc::start(Behaviour::default().with_receipts(receipts)).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.give(messages(50));
    channel.reports(50).await;
    smsc.hang_up();
    channel.receipts(50).await;
    assert_eq!(smsc.counts().binds, 2);
    channel.stop().await;
}

#[tokio::test]
async fn messages_from_handsets_arrive_decoded() {
    let smsc = Smsc::start(Behaviour::default()).unwrap();
    let channel = Channel::to(&smsc);
    channel.up().await;
    let mut octets = Vec::new();
    let plain = stop();
    let piece = Sm {
        esm_class: esm::UDHI,
        data_coding: 8,
        short_message: b"\x05\x00\x03\x07\x02\x01\x00o\x00l\x00\xe1",
        ..plain
    };
    encode(&mut octets, 0, 1, &Pdu::DeliverSm(plain)).unwrap();
    encode(&mut octets, 0, 2, &Pdu::DeliverSm(piece)).unwrap();
    smsc.say(octets);
    channel.until("two messages", |desk| desk.inbound().len() == 2).await;
    let inbound = channel.desk.inbound();
    assert_eq!((inbound[0].from.as_str(), inbound[0].to.as_str()), ("34600000009", "3000"));
    assert_eq!((inbound[0].text.text().as_str(), inbound[0].piece), ("STOP", None));
    let place = Place { naming: Naming::Header8, reference: 7, total: 2, number: 1 };
    assert_eq!((inbound[1].text.text().as_str(), inbound[1].piece), ("olá", Some(place)));
    channel.until("answers", |_| smsc.counts().delivered == 2).await;
    channel.stop().await;
}
