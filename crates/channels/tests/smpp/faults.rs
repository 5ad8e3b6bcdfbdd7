//! Submissions to an SMSC that misbehaves.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pombo_channels::sms::smpp::Config;
use pombo_domain::channel::{LinkState, Outcome, Report};
use pombo_domain::message::PartState;
use pombo_domain::sms::Encoding;
use pombo_peers::smsc::{Behaviour, Reaction, Smsc};
use pombo_wire::smpp::status;

use crate::desk::{Channel, accepted, assert_each_once, config, message, messages, number};

fn outcome_of(reports: &[Report], n: i64) -> &Outcome {
    &reports.iter().find(|report| report.part.message().0 == n).unwrap().outcome
}

#[tokio::test]
async fn a_link_lost_in_mid_window_leaves_doubt_only_about_what_was_written() {
    let behaviour = Behaviour::recording()
        .reacting(|n, _| if n == 500 { Reaction::HangUp } else { Reaction::Accept });
    let smsc = Smsc::start(behaviour).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.give(messages(1_000));
    let reports = channel.reports(1_000).await;
    assert_each_once(&reports, 1_000);
    let seen: Vec<u64> = smsc.received().iter().map(|part| part.destination).collect();
    for report in &reports {
        let n = u64::try_from(report.part.message().0).unwrap();
        match &report.outcome {
            Outcome::Accepted { .. } | Outcome::Unknown { .. } => {}
            Outcome::Unsent => assert!(!seen.contains(&number(n)), "{n} was sent"),
            other => panic!("{n}: {other:?}"),
        }
    }
    let unknown = |r: &&Report| matches!(r.outcome, Outcome::Unknown { .. });
    let n_unknown = reports.iter().filter(unknown).count();
    assert!((1..=100).contains(&n_unknown), "at most the window: {n_unknown}");
    assert_eq!(smsc.counts().binds, 2);
    channel.stop().await;
}

#[tokio::test]
async fn a_silent_carrier_leaves_doubt_and_the_others_go_on() {
    let behaviour = Behaviour::default()
        .reacting(|n, _| if n % 10 == 0 { Reaction::AcceptSilently } else { Reaction::Accept });
    let smsc = Smsc::start(behaviour).unwrap();
    let response = Duration::from_millis(200);
    let channel = Channel::start(Config { response, ..config(smsc.addr) });
    channel.desk.give(messages(100));
    let reports = channel.reports(100).await;
    assert_each_once(&reports, 100);
    assert_eq!(accepted(&reports).len(), 90);
    assert!(matches!(outcome_of(&reports, 10), Outcome::Unknown { .. }));
    assert_eq!(smsc.counts().binds, 1);
    channel.stop().await;
}

#[tokio::test]
async fn late_answers_and_answers_given_twice_are_counted_once() {
    let behaviour = Behaviour::default().reacting(|n, _| match n % 3 {
        0 => Reaction::AcceptTwice,
        1 => Reaction::AcceptAfter(Duration::from_millis(n % 40)),
        _ => Reaction::Accept,
    });
    let smsc = Smsc::start(behaviour).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.give(messages(600));
    let reports = channel.reports(600).await;
    assert_eq!(accepted(&reports).len(), 600);
    assert_each_once(&channel.stop().await, 600);
}

#[tokio::test]
async fn an_answer_after_its_time_changes_nothing_any_more() {
    let late = Reaction::AcceptAfter(Duration::from_millis(300));
    let smsc = Smsc::start(Behaviour::default().reacting(move |_, _| late)).unwrap();
    let response = Duration::from_millis(100);
    let channel = Channel::start(Config { response, ..config(smsc.addr) });
    channel.desk.give(messages(10));
    channel.reports(10).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    let reports = channel.stop().await;
    assert_each_once(&reports, 10);
    assert!(reports.iter().all(|r| matches!(r.outcome, Outcome::Unknown { .. })));
}

#[tokio::test]
async fn throttling_costs_no_try_and_pauses_the_link() {
    let behaviour = Behaviour::default().reacting(|n, _| {
        if n == 20 { Reaction::Status(status::RTHROTTLED) } else { Reaction::Accept }
    });
    let smsc = Smsc::start(behaviour).unwrap();
    let channel = Channel::start(Config { window: 10, ..config(smsc.addr) });
    channel.desk.give(messages(100));
    let reports = channel.reports(100).await;
    assert_each_once(&reports, 100);
    let deferred = reports.iter().find(|r| matches!(r.outcome, Outcome::Deferred { .. })).unwrap();
    let Outcome::Deferred { wait, tries_max, cause } = &deferred.outcome else { unreachable!() };
    assert_eq!((*wait, *tries_max), (Duration::from_millis(50), None));
    assert_eq!((cause.code.as_str(), cause.text.as_str()), ("88", "ESME_RTHROTTLED"));
    assert_eq!(channel.desk.n_throttled.load(Ordering::SeqCst), 1);
    channel.stop().await;
}

#[tokio::test]
async fn a_carrier_whose_queue_is_full_for_everyone_is_given_a_rest() {
    let full = Reaction::Status(status::RMSGQFUL);
    let smsc = Smsc::start(Behaviour::default().reacting(move |_, _| full)).unwrap();
    let channel = Channel::start(Config { window: 5, ..config(smsc.addr) });
    channel.desk.give(messages(40));
    let reports = channel.reports(40).await;
    let tries = |r: &Report| match r.outcome {
        Outcome::Deferred { tries_max, .. } => tries_max,
        _ => panic!("{r:?}"),
    };
    assert_eq!(tries(&reports[0]), Some(2), "one recipient's queue");
    assert_eq!(tries(reports.last().unwrap()), None, "the carrier's own");
    assert!(channel.desk.n_throttled.load(Ordering::SeqCst) >= 1);
    channel.stop().await;
}

#[tokio::test]
async fn a_carrier_that_takes_nothing_as_the_route_is_set_up_stops_it_until_it_does() {
    const RINVESMCLASS: u32 = 0x43;
    let behaviour = Behaviour::default().reacting(|n, _| match n {
        ..=12 => Reaction::Status(RINVESMCLASS),
        _ => Reaction::Accept,
    });
    let smsc = Smsc::start(behaviour).unwrap();
    let channel = Channel::start(Config { window: 10, ..config(smsc.addr) });
    channel.desk.give(messages(100));
    let reports = channel.reports(100).await;
    assert_each_once(&reports, 100);
    // A window was on its way when the fifth rejection came; then one showed, and another.
    let n_refused = reports.iter().filter(|r| matches!(r.outcome, Outcome::Refused { .. })).count();
    assert_eq!((n_refused, accepted(&reports).len()), (12, 88));
    let is_misconfigured =
        |state: &LinkState| matches!(state, LinkState::Down { misconfigured: true, .. });
    let links = channel.desk.links();
    assert_eq!(links.iter().filter(|(_, state)| is_misconfigured(state)).count(), 3);
    channel.stop().await;
}

#[tokio::test]
async fn error_statuses_become_the_outcomes_of_their_class() {
    let behaviour = Behaviour::default().reacting(|_, to| match to {
        "34600000001" => Reaction::Status(0x0B),
        "34600000002" => Reaction::Status(status::RSYSERR),
        "34600000003" => Reaction::Status(0x401),
        "34600000004" => Reaction::Status(0x43),
        _ => Reaction::Accept,
    });
    let smsc = Smsc::start(behaviour).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.give(messages(5));
    let reports = channel.reports(5).await;
    for (n, text) in [(1, "ESME_RINVDSTADR"), (3, "status 0x00000401"), (4, "ESME_RINVESMCLASS")] {
        let Outcome::Refused { state: PartState::Rejected, cause } = outcome_of(&reports, n) else {
            panic!("{n}: {reports:?}")
        };
        assert_eq!(cause.text, text);
    }
    assert!(matches!(outcome_of(&reports, 2), Outcome::Deferred { tries_max: Some(2), .. }));
    assert!(matches!(outcome_of(&reports, 5), Outcome::Accepted { .. }));
    channel.stop().await;
}

#[tokio::test]
async fn what_a_route_calls_temporary_is_tried_again_whatever_the_table_says() {
    let smsc = Smsc::start(Behaviour::default().reacting(|_, to| match to {
        "34600000001" => Reaction::Status(0x45),
        "34600000002" => Reaction::Status(0x401),
        "34600000003" => Reaction::Status(0x43),
        _ => Reaction::Status(0x402),
    }))
    .unwrap();
    let temporary_errors = vec![0x43, 0x45, 0x401];
    let channel = Channel::start(Config { temporary_errors, ..config(smsc.addr) });
    channel.desk.give(messages(4));
    let reports = channel.reports(4).await;
    for n in 1..=3 {
        let outcome = outcome_of(&reports, n);
        assert!(matches!(outcome, Outcome::Deferred { tries_max: Some(3), .. }), "{outcome:?}");
    }
    assert!(matches!(outcome_of(&reports, 4), Outcome::Refused { .. }));
    channel.stop().await;
}

#[tokio::test]
async fn the_rest_of_a_refused_message_is_not_sent() {
    let smsc = Smsc::start(Behaviour::default().reacting(|_, _| Reaction::Status(0x0B))).unwrap();
    let channel = Channel::start(Config { window: 1, ..config(smsc.addr) });
    channel.desk.give([message(1, &"x".repeat(400), Encoding::Gsm)]);
    let reports = channel.reports(3).await;
    assert_eq!(smsc.counts().submits, 1);
    assert!(reports.iter().all(|report| report.outcome == reports[0].outcome));
    channel.stop().await;
}

#[tokio::test]
async fn garbage_is_answered_with_errors_and_ends_no_session() {
    let behaviour = Behaviour::default()
        .reacting(|n, _| if n % 5 == 0 { Reaction::Garbage } else { Reaction::Accept });
    let smsc = Smsc::start(behaviour).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.give(messages(50));
    let reports = channel.reports(50).await;
    assert_eq!(accepted(&reports).len(), 50);
    channel.until("refusals", |_| smsc.counts().refused == 10).await;
    assert_eq!(smsc.counts().binds, 1);
    channel.stop().await;
}

#[tokio::test]
async fn an_impossible_length_or_an_unbind_ends_the_session_and_a_new_one_comes() {
    for fault in [Reaction::BadLength, Reaction::Unbind] {
        let react = move |n, _: &str| if n == 5 { fault } else { Reaction::Accept };
        let smsc = Smsc::start(Behaviour::default().reacting(react)).unwrap();
        let channel = Channel::start(Config { window: 1, ..config(smsc.addr) });
        channel.desk.give(messages(20));
        let reports = channel.reports(20).await;
        assert_each_once(&reports, 20);
        assert!(accepted(&reports).len() >= 19, "{fault:?}");
        assert_eq!(smsc.counts().binds, 2, "{fault:?}");
        channel.stop().await;
    }
}

#[tokio::test]
async fn a_peer_that_does_not_answer_enquire_link_is_left() {
    let smsc =
        Smsc::start(Behaviour { ignores_enquire_link: true, ..Behaviour::default() }).unwrap();
    let (enquire, response) = (Duration::from_millis(50), Duration::from_millis(50));
    let channel = Channel::start(Config { enquire, response, ..config(smsc.addr) });
    channel.until("a second bind", |_| smsc.counts().binds >= 2).await;
    let why = |(_, state): &(usize, LinkState)| match state {
        LinkState::Down { why, .. } => why.contains("enquire_link"),
        _ => false,
    };
    assert!(channel.desk.links().iter().any(why));
    channel.stop().await;
}

#[tokio::test]
async fn a_peer_that_answers_enquire_link_is_kept() {
    let smsc = Smsc::start(Behaviour::default()).unwrap();
    let enquire = Duration::from_millis(20);
    let channel = Channel::start(Config { enquire, ..config(smsc.addr) });
    channel.up().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(smsc.counts().binds, 1);
    channel.stop().await;
}

#[tokio::test]
async fn a_wrong_password_is_the_operators_business() {
    let bind_status = status::RINVPASWD;
    let smsc = Smsc::start(Behaviour { bind_status, ..Behaviour::default() }).unwrap();
    let channel = Channel::to(&smsc);
    let is_misconfigured = |(_, state): &(usize, LinkState)| matches!(state, LinkState::Down { misconfigured: true, why } if why.contains("ESME_RINVPASWD"));
    channel.until("refused", |desk| desk.links().iter().any(is_misconfigured)).await;
    channel.stop().await;
}

#[tokio::test]
async fn already_bound_counts_as_bound() {
    let bind_status = status::RALYBND;
    let smsc = Smsc::start(Behaviour { bind_status, ..Behaviour::default() }).unwrap();
    let channel = Channel::to(&smsc);
    channel.desk.give(messages(1));
    assert_eq!(accepted(&channel.reports(1).await).len(), 1);
    channel.stop().await;
}

#[tokio::test]
async fn whatever_goes_wrong_each_part_is_reported_once_and_truthfully() {
    let behaviour = Behaviour::recording().reacting(|n, _| match n {
        _ if n % 701 == 0 => Reaction::HangUp,
        _ if n % 503 == 0 => Reaction::Unbind,
        _ if n % 401 == 0 => Reaction::BadLength,
        _ if n % 211 == 0 => Reaction::Status(status::RTHROTTLED),
        _ if n % 101 == 0 => Reaction::AcceptSilently,
        _ if n % 97 == 0 => Reaction::Garbage,
        _ if n % 53 == 0 => Reaction::Status(status::RSYSERR),
        _ if n % 13 == 0 => Reaction::AcceptAfter(Duration::from_millis(n % 50)),
        _ if n % 7 == 0 => Reaction::AcceptTwice,
        _ => Reaction::Accept,
    });
    let smsc = Smsc::start(behaviour).unwrap();
    let response = Duration::from_millis(300);
    let channel = Channel::start(Config { binds: 2, window: 20, response, ..config(smsc.addr) });
    channel.desk.give(messages(5_000));
    channel.reports(5_000).await;
    let reports = channel.stop().await;
    assert_each_once(&reports, 5_000);
    let theirs: std::collections::HashMap<u64, (u64, u32)> =
        smsc.received().iter().map(|part| (part.destination, (part.id, part.status))).collect();
    for report in &reports {
        let n = u64::try_from(report.part.message().0).unwrap();
        let seen = theirs.get(&number(n));
        match &report.outcome {
            Outcome::Accepted { carrier_id } => {
                assert_eq!(seen.unwrap().0.to_string(), *carrier_id);
            }
            Outcome::Unsent => assert_eq!(seen, None),
            Outcome::Deferred { .. } => assert_ne!(seen.unwrap().1, 0),
            Outcome::Unknown { .. } => {}
            Outcome::Refused { .. } => panic!("{n}: nothing was refused for good"),
        }
    }
}
