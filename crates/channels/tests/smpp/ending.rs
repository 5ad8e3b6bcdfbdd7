//! How a route stops: nothing is lost, and nothing is claimed that is not known.

use std::time::Duration;

use pombo_channels::sms::smpp::{Config, Timings};
use pombo_domain::channel::Outcome;
use pombo_peers::smsc::{Behaviour, Reaction, Smsc};

use crate::desk::{Channel, accepted, assert_each_once, config, messages};

#[tokio::test]
async fn a_stop_waits_for_open_answers_and_unbinds() {
    let late = Reaction::AcceptAfter(Duration::from_millis(300));
    let smsc = Smsc::start(Behaviour::default().reacting(move |_, _| late)).unwrap();
    let channel = Channel::start(Config { window: 10, ..config(smsc.addr) });
    channel.desk.give(messages(30));
    channel.until("ten on their way", |_| smsc.counts().submits >= 10).await;
    let desk = std::sync::Arc::clone(&channel.desk);
    let reports = channel.stop().await;
    let n_left = desk.n_waiting();
    assert!(n_left >= 10, "no more work is taken: {n_left}");
    assert_eq!(accepted(&reports).len() + n_left, 30);
    assert_eq!(smsc.counts().unbinds, 1);
    assert_eq!((smsc.counts().open, smsc.counts().most_open), (0, 1));
}

#[tokio::test]
async fn what_is_not_answered_in_the_grace_is_in_doubt() {
    let silent = Reaction::AcceptSilently;
    let smsc = Smsc::start(Behaviour::default().reacting(move |_, _| silent)).unwrap();
    let timings = Timings { drain: Duration::from_millis(100), ..config(smsc.addr).timings };
    let channel = Channel::start(Config { timings, ..config(smsc.addr) });
    channel.desk.give(messages(20));
    channel.until("all on their way", |_| smsc.counts().submits >= 20).await;
    let reports = channel.stop().await;
    assert_each_once(&reports, 20);
    assert!(reports.iter().all(|r| matches!(r.outcome, Outcome::Unknown { .. })));
}

#[tokio::test]
async fn what_waits_behind_a_full_window_goes_back_unsent() {
    let silent = Reaction::AcceptSilently;
    let smsc = Smsc::start(Behaviour::default().reacting(move |_, _| silent)).unwrap();
    let timings = Timings { drain: Duration::from_millis(50), ..config(smsc.addr).timings };
    let channel = Channel::start(Config { window: 1, timings, ..config(smsc.addr) });
    let long = crate::desk::message(1, &"x".repeat(400), pombo_domain::sms::Encoding::Gsm);
    channel.desk.give([long]);
    channel.until("one on its way", |_| smsc.counts().submits >= 1).await;
    let mut reports = channel.stop().await;
    reports.sort_by_key(|report| report.part);
    assert_eq!(reports.len(), 3);
    assert!(matches!(reports[0].outcome, Outcome::Unknown { .. }));
    assert_eq!(reports[1].outcome, Outcome::Unsent);
    assert_eq!(reports[2].outcome, Outcome::Unsent);
}

#[tokio::test]
async fn a_route_that_never_came_up_stops_at_once() {
    let dead = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let channel = Channel::start(config(dead));
    channel.until("a failure", |desk| desk.links().len() >= 2).await;
    assert!(channel.stop().await.is_empty());
}
