//! Codes in texts: made when their message leaves, the same when it leaves again, and the newest counts.

use std::time::Duration;

use pombo_domain::channel::Receipt;
use pombo_domain::id::MessageId;
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::opt_out::Address;
use pombo_domain::otp::{Config, KEY_BYTES, Key, Limits, Reason, Scope};
use pombo_domain::route::UncertainPolicy;
use pombo_store::operation::accept::{Accept, Accepted};
use pombo_store::operation::account::{Change, Set};
use pombo_store::operation::otp::{Check, KeepKey, Limited, Pending};

use super::world::{HOUR, World, on_every_store, phone};

const SECOND: Duration = Duration::from_secs(1);

fn with_key(test: impl Fn(World)) {
    on_every_store(|w| {
        w.run(KeepKey { key: Key::new([1; KEY_BYTES]), now: w.now() });
        test(w);
    });
}

fn coded(w: &World, n: usize, config: Config) -> Accept {
    Accept { text: "{OTP_CODE}".into(), otp: Some(config), ..w.request(n) }
}

fn long() -> Config {
    Config { length: 10, ..Config::default() }
}

fn sparing() -> Config {
    Config { reject_if_pending: true, ..long() }
}

/// The texts of what leaves now.
fn leave(w: &World) -> Vec<String> {
    w.claim(10).work.into_iter().map(|message| message.text.unwrap()).collect()
}

fn check(w: &World, guess: &str) -> Reason {
    let recipient = Address::Phone(phone(0));
    let check = Check {
        account: w.account,
        recipient,
        app: String::new(),
        guess: guess.into(),
        now: w.now(),
    };
    w.run(check).reason
}

/// Its first part may have left, and is sent again.
fn doubt(w: &World, message: MessageId) {
    w.settle(vec![w.doubt(message.part(0), UncertainPolicy::Resend)]);
}

#[test]
fn each_message_has_a_code_and_what_is_shown_of_it_has_none() {
    with_key(|w| {
        let first = w.accept(coded(&w, 2, long()));
        assert_eq!(check(&w, "1"), Reason::NotFound);
        let codes = leave(&w);
        assert!(codes.len() == 2 && codes[0] != codes[1], "{codes:?}");
        assert!(
            codes.iter().all(|code| code.len() == 10 && code.bytes().all(|c| c.is_ascii_digit()))
        );
        assert_eq!(w.view(first).text, "****");
        assert_eq!(check(&w, &codes[1]), Reason::Invalid);
        assert_eq!(check(&w, &codes[0]), Reason::Valid);
    });
}

#[test]
fn the_time_of_a_code_begins_when_its_message_leaves() {
    with_key(|w| {
        let due = w.now().plus(HOUR);
        w.accept(Accept { due, ..coded(&w, 1, long()) });
        w.pass(HOUR);
        let codes = leave(&w);
        w.pass(59 * SECOND);
        assert_eq!(check(&w, &codes[0]), Reason::Valid);
    });
}

#[test]
fn what_is_sent_again_has_the_same_code_and_the_attempts_that_are_left() {
    with_key(|w| {
        let message = w.accept(coded(&w, 1, long()));
        let codes = leave(&w);
        assert_eq!((check(&w, "1"), check(&w, "2")), (Reason::Invalid, Reason::Invalid));
        doubt(&w, message);
        w.pass(60 * SECOND);
        assert_eq!(check(&w, &codes[0]), Reason::Expired);
        assert_eq!(leave(&w), codes);
        w.pass(59 * SECOND);
        assert_eq!(check(&w, "3"), Reason::Invalid);
        assert_eq!(check(&w, &codes[0]), Reason::MaxAttempts);
    });
}

#[test]
fn the_message_that_left_last_has_the_code_and_one_sent_again_does_not_take_it_back() {
    with_key(|w| {
        let before = w.accept(coded(&w, 1, long()));
        let old = leave(&w);
        w.accept(coded(&w, 1, long()));
        let new = leave(&w);
        assert_eq!(check(&w, &old[0]), Reason::Invalid);
        doubt(&w, before);
        w.pass(30 * SECOND);
        assert_eq!(leave(&w), old);
        assert_eq!(check(&w, &new[0]), Reason::Valid);
    });
}

#[test]
fn a_request_that_spares_pending_codes_waits_for_none_that_never_comes() {
    with_key(|w| {
        let pending = || {
            let (account, now, recipients) = (w.account, w.now(), vec![phone(1), phone(0)]);
            w.ask(Pending { account, app: String::new(), recipients, now })
        };
        let day = Duration::from_secs(86_400);
        let due = w.now().plus(HOUR);
        let expires = Some(due.plus(HOUR));
        w.accept(Accept { due, expires, ..coded(&w, 1, sparing()) });
        assert_eq!(w.run(coded(&w, 1, sparing())), Accepted::CodePending);
        assert_eq!((pending(), check(&w, "1")), (vec![1], Reason::NotFound));
        w.pass(2 * HOUR);
        assert_eq!(w.claim(10).n_expired, 1);
        assert_eq!(pending(), []);
        w.accept(coded(&w, 1, sparing()));
        let codes = leave(&w);
        assert_eq!(w.run(coded(&w, 1, sparing())), Accepted::CodePending);
        assert_eq!((pending(), check(&w, &codes[0])), (vec![1], Reason::Valid));
        w.accept(Accept { due: w.now().plus(HOUR), ..coded(&w, 1, sparing()) });
        w.pass(day + 2 * HOUR);
        w.sweep();
        assert_eq!(pending(), [], "it waits for its route for too long");
        assert_eq!(check(&w, &leave(&w)[0]), Reason::Valid);
    });
}

#[test]
fn a_late_receipt_finds_its_part_by_the_text_with_the_code() {
    with_key(|w| {
        let message = w.accept(coded(&w, 1, long()));
        let codes = leave(&w);
        w.settle(vec![w.doubt(message.part(0), UncertainPolicy::Wait)]);
        let receipt = |text: &str| {
            let bare = w.bare_receipt("late", PartState::Delivered, 0);
            w.settle(vec![pombo_store::operation::settle::Item::Receipt(Receipt {
                text: text.into(),
                ..bare
            })]);
            w.kinds(message)
        };
        assert!(!receipt("**********").contains(&EventKind::Delivered));
        assert!(receipt(&codes[0]).contains(&EventKind::Delivered));
    });
}

#[test]
fn a_request_that_would_make_too_many_codes_is_refused_whole_and_costs_nothing() {
    with_key(|w| {
        let changes = vec![Change::PerDay(Some(5))];
        assert!(w.run(Set { name: "alpha".to_owned(), changes }));
        let otp_limits = Limits { account_hour: 3, ..Limits::default() };
        let ask = |n| w.run(Accept { otp_limits, ..coded(&w, n, long()) });
        assert!(matches!(ask(2), Accepted::Done { .. }));
        let (balance, until) = (w.balance(), w.now().plus(HOUR));
        let limited = Accepted::CodesLimited(Limited { scope: Scope::AccountHour, until });
        assert_eq!(ask(2), limited);
        assert_eq!(w.balance(), balance);
        assert!(matches!(ask(1), Accepted::Done { .. }));
        let plain = Accept { otp: None, ..coded(&w, 2, long()) };
        assert!(matches!(w.run(Accept { otp_limits, ..plain }), Accepted::Done { .. }));
    });
}
