//! Submissions to an SMSC that behaves.

use std::collections::HashMap;
use std::time::Duration;

use pombo_channels::sms::smpp::{Bind, Config, Trace};
use pombo_domain::channel::{Attempt, Desk as _, LinkState, Outcome};
use pombo_domain::sms::Encoding;
use pombo_peers::smsc::{Behaviour, Ids, Reaction, Receipts, Smsc};

use crate::desk::{Channel, accepted, assert_each_once, config, message, messages, number};

#[tokio::test]
async fn every_message_gets_the_id_that_the_carrier_gave_it() {
    let smsc = Smsc::start(Behaviour { reverses: true, ..Behaviour::recording() }).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.give(messages(2_000));
    let reports = channel.reports(2_000).await;
    assert_each_once(&reports, 2_000);
    let theirs: HashMap<u64, u64> = smsc.received().iter().map(|p| (p.destination, p.id)).collect();
    for (n, id) in accepted(&reports) {
        assert_eq!(theirs[&number(n)].to_string(), id);
    }
    assert_eq!(smsc.counts().submits, 2_000);
    channel.stop().await;
    assert_eq!(smsc.counts().unbinds, 1);
}

#[tokio::test]
async fn a_bind_carries_the_fields_of_a_submission() {
    let smsc = Smsc::start(Behaviour::recording()).unwrap();
    let channel = Channel::to(&smsc);
    let expires = Some(channel.desk.now().plus(Duration::from_secs(3_600)));
    let attempt = Attempt { expires, ..message(1, "olá", Encoding::GsmPt) };
    channel.desk.give([attempt]);
    channel.reports(1).await;
    let part = smsc.received().remove(0);
    let whole = part.whole.unwrap();
    assert_eq!(whole.source, (5, 0, "TEST".to_owned()));
    assert_eq!(whole.destination, (1, 1, number(1).to_string()));
    assert_eq!(whole.registered_delivery, 1);
    assert!(
        whole.validity_period.starts_with("0000000") && whole.validity_period.ends_with("000R"),
        "{}",
        whole.validity_period
    );
    assert_eq!(whole.esm_class, 0x40, "the locking table is announced in a header");
    channel.stop().await;
}

#[tokio::test]
async fn parts_of_a_long_message_go_in_order_on_one_link() {
    let smsc = Smsc::start(Behaviour::recording()).unwrap();
    let channel = Channel::start(Config { binds: 3, window: 4, ..config(smsc.addr) });
    let text = "0123456789".repeat(200);
    channel.desk.give((1..=20).map(|n| message(n, &text, Encoding::Gsm)));
    let n_parts = message(1, &text, Encoding::Gsm).n_parts();
    let reports = channel.reports(20 * n_parts).await;
    assert_eq!(accepted(&reports).len(), 20 * n_parts);
    for n in 1..=20 {
        let parts = smsc.received().into_iter().filter(|p| p.destination == number(n));
        let parts: Vec<_> = parts.map(|p| (p.connection, p.piece.unwrap())).collect();
        let connection = parts[0].0;
        let total = u8::try_from(n_parts).unwrap();
        let expected: Vec<_> = (1..=total)
            .map(|number| (connection, (u16::try_from(n).unwrap(), total, number)))
            .collect();
        assert_eq!(parts, expected);
    }
    channel.stop().await;
}

#[tokio::test]
async fn the_window_is_never_exceeded() {
    let behaviour = Behaviour::default().reacting(|_, _| Reaction::AcceptSilently);
    let smsc = Smsc::start(behaviour).unwrap();
    let response = Duration::from_millis(300);
    let channel = Channel::start(Config { window: 7, response, ..config(smsc.addr) });
    channel.desk.give(messages(30));
    let mut seen = 0;
    while seen < 30 {
        // What the SMSC has more than the reports show is on its way.
        let reported = channel.desk.reports().len();
        seen = usize::try_from(smsc.counts().submits).unwrap();
        let reported_after = channel.desk.reports().len();
        assert!(seen <= reported_after.max(reported) + 7, "{seen} {reported_after}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let reports = channel.reports(30).await;
    assert_each_once(&reports, 30);
    assert!(reports.iter().all(|r| matches!(r.outcome, Outcome::Unknown { .. })));
    channel.stop().await;
}

#[tokio::test]
async fn a_pair_submits_on_one_connection_and_receives_on_the_other() {
    let receipts = Receipts { ids: Some(Ids::Hex), ..Receipts::default() };
    let smsc = Smsc::start(Behaviour::recording().with_receipts(receipts)).unwrap();
    let channel = Channel::start(Config { bind: Bind::Pair, ..config(smsc.addr) });
    channel.desk.give(messages(100));
    channel.reports(100).await;
    let receipts = channel.receipts(100).await;
    assert_eq!(smsc.counts().binds, 2);
    assert!(receipts.iter().all(|receipt| u64::from_str_radix(&receipt.carrier_id, 16).is_ok()));
    assert_eq!(
        smsc.received().iter().map(|p| p.connection).max(),
        smsc.received().iter().map(|p| p.connection).min()
    );
    channel.stop().await;
}

#[tokio::test]
async fn parallel_binds_all_come_up_and_say_so() {
    let smsc = Smsc::start(Behaviour::default()).unwrap();
    let channel = Channel::start(Config { binds: 3, ..config(smsc.addr) });
    let up = |links: &[(usize, LinkState)], n| links.contains(&(n, LinkState::Up));
    channel.until("three links", |desk| (0..3).all(|n| up(&desk.links(), n))).await;
    let desk = std::sync::Arc::clone(&channel.desk);
    channel.stop().await;
    let stopped = LinkState::Down { why: "stopped".to_owned(), misconfigured: false };
    assert!((0..3).all(|n| desk.links().contains(&(n, stopped.clone()))));
}

#[tokio::test]
async fn addresses_are_tried_in_turn() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let smsc = Smsc::start(Behaviour::default()).unwrap();
    let addresses = vec![dead.to_string(), smsc.addr.to_string()];
    let channel = Channel::start(Config { addresses, ..config(dead) });
    channel.up().await;
    channel.stop().await;
}

#[tokio::test]
async fn the_trace_tells_all_but_texts_and_whole_numbers() {
    let smsc = Smsc::start(Behaviour::default()).unwrap();
    let trace = Trace::new(50);
    let channel = Channel::start(Config { trace: trace.clone(), ..config(smsc.addr) });
    channel.desk.give([message(7, "TopSecret", Encoding::Gsm)]);
    channel.reports(1).await;
    channel.stop().await;
    let lines = trace.lines().join("\n");
    for word in ["submit_sm seq=", "submit_sm_resp seq=", "to=3460000****", "text=9B", "ESME_ROK"] {
        assert!(lines.contains(word), "{word} in\n{lines}");
    }
    for secret in ["TopSecret", "34600000007", "secret"] {
        assert!(!lines.contains(secret), "{secret} in\n{lines}");
    }
}
