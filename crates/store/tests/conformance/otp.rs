//! One-time codes: as many checks are compared as may be, one is right, and time ends them exactly.

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::id::AccountId;
use pombo_domain::opt_out::Address;
use pombo_domain::otp::{Config, KEPT, KEY_BYTES, Key, Limits, Reason, SALT_BYTES, Scope};
use pombo_store::operation::otp::{Check, Checked, Generate, Generated, KeepKey, Limited, Made};

use pombo_domain::id::EventId;
use pombo_domain::message::EventKind;
use pombo_domain::notification::OwnEvents;
use pombo_store::operation::callback::After;
use pombo_store::operation::notification::owed::Detail;

use super::world::{World, on_every_store, phone};

const SECOND: Duration = Duration::from_secs(1);

fn with_key(test: impl Fn(World)) {
    on_every_store(|w| {
        w.run(KeepKey { key: Key::new([1; KEY_BYTES]), now: w.now() });
        test(w);
    });
}

fn generate(w: &World, account: AccountId, i: usize, config: Config, salt: u8) -> Option<Made> {
    match generate_within(w, (account, i), config, salt, Limits::default()) {
        Generated::Made(made) => Some(made),
        Generated::Pending => None,
        Generated::Limited(limited) => panic!("{limited:?}"),
    }
}

fn generate_within(
    w: &World,
    (account, i): (AccountId, usize),
    config: Config,
    salt: u8,
    limits: Limits,
) -> Generated {
    let (recipient, salt, now) = (Address::Phone(phone(i)), [salt; SALT_BYTES], w.now());
    w.run(Generate { account, recipient, config, limits, salt, now })
}

fn made(w: &World, config: Config, salt: u8) -> Made {
    generate(w, w.account, 1, config, salt).unwrap()
}

fn check_of(w: &World, account: AccountId, i: usize, app: &str, guess: &str) -> Checked {
    let recipient = Address::Phone(phone(i));
    w.run(Check { account, recipient, app: app.into(), guess: guess.into(), now: w.now() })
}

fn check(w: &World, guess: &str) -> Reason {
    check_of(w, w.account, 1, "", guess).reason
}

/// Another code of the same form.
fn wrong(code: &str) -> String {
    let other = if code.starts_with('7') { "8" } else { "7" };
    format!("{other}{}", &code[1..])
}

#[test]
fn a_code_is_right_once() {
    with_key(|w| {
        let Made { code, otp } = made(&w, Config::default(), 1);
        assert_eq!(check(&w, &wrong(&code)), Reason::Invalid);
        w.pass(SECOND);
        let checked = check_of(&w, w.account, 1, "", &code);
        let after = checked.otp.unwrap();
        assert_eq!((checked.reason, after.attempts, after.used), (Reason::Valid, 2, true));
        assert_eq!((after.created, after.updated), (otp.created, otp.created.plus(SECOND)));
        assert_eq!(check(&w, &code), Reason::NotFound);
    });
}

#[test]
fn a_code_that_was_compared_as_often_as_it_may_be_is_dead() {
    with_key(|w| {
        for attempts_max in [1, 3, 10] {
            let config = Config { attempts_max, ..Config::default() };
            let Made { code, .. } = made(&w, config, attempts_max);
            for _ in 0..attempts_max {
                assert_eq!(check(&w, &wrong(&code)), Reason::Invalid);
            }
            let checked = check_of(&w, w.account, 1, "", &code);
            assert_eq!(checked.reason, Reason::MaxAttempts);
            assert_eq!(checked.otp.unwrap().attempts, attempts_max, "no more are counted");
        }
    });
}

#[test]
fn a_code_is_over_exactly_when_its_time_is() {
    with_key(|w| {
        for validity_s in [30, 600] {
            let config = Config { validity_s, ..Config::default() };
            let whole = Duration::from_secs(validity_s.into());
            let first = made(&w, config.clone(), 1);
            w.pass(whole - Duration::from_micros(1));
            assert_eq!(check(&w, &first.code), Reason::Valid);
            let second = made(&w, config, 2);
            w.pass(whole);
            assert_eq!(check(&w, &second.code), Reason::Expired);
        }
    });
}

#[test]
fn a_new_code_ends_the_one_before_unless_it_was_not_to_be_made() {
    with_key(|w| {
        let config = Config { length: 10, ..Config::default() };
        let first = made(&w, config.clone(), 1);
        let asks = Config { reject_if_pending: true, ..config.clone() };
        assert_eq!(generate(&w, w.account, 1, asks.clone(), 2), None);
        let second = made(&w, config, 3);
        assert_ne!(first.code, second.code);
        assert_eq!(check(&w, &first.code), Reason::Invalid);
        assert_eq!(check(&w, &second.code), Reason::Valid);
        assert!(
            generate(&w, w.account, 1, asks.clone(), 4).is_some(),
            "a spent one is not pending"
        );
        w.pass(60 * SECOND);
        let third = generate(&w, w.account, 1, asks.clone(), 5).unwrap();
        for _ in 0..3 {
            check(&w, &wrong(&third.code));
        }
        assert!(generate(&w, w.account, 1, asks, 6).is_some(), "nor is a dead one");
    });
}

#[test]
fn each_account_app_and_recipient_has_a_code_of_its_own() {
    with_key(|w| {
        let config = |app: &str| Config { length: 10, app: app.into(), ..Config::default() };
        let codes: Vec<String> = [
            generate(&w, w.account, 1, config(""), 1),
            generate(&w, w.account, 1, config("shop"), 2),
            generate(&w, w.account, 2, config(""), 3),
            generate(&w, w.other_account, 1, config(""), 4),
        ]
        .map(|made| made.unwrap().code)
        .into();
        let right = |account, i, app, code: &str| check_of(&w, account, i, app, code).reason;
        assert_eq!(right(w.other_account, 1, "", &codes[0]), Reason::Invalid);
        assert_eq!(right(w.other_account, 2, "", &codes[2]), Reason::NotFound);
        assert_eq!(right(w.account, 1, "bank", &codes[1]), Reason::NotFound);
        assert_eq!(right(w.account, 1, "", &codes[0]), Reason::Valid);
        assert_eq!(right(w.account, 1, "shop", &codes[1]), Reason::Valid);
        assert_eq!(right(w.account, 2, "", &codes[2]), Reason::Valid);
        assert_eq!(right(w.other_account, 1, "", &codes[3]), Reason::Valid);
    });
}

#[test]
fn a_code_that_is_long_over_is_forgotten() {
    with_key(|w| {
        let Made { code, otp } = made(&w, Config::default(), 1);
        w.set_clock(otp.expires.plus(KEPT));
        w.sweep();
        assert_eq!(check(&w, &code), Reason::Expired);
        w.pass(SECOND);
        w.sweep();
        assert_eq!(check(&w, &code), Reason::NotFound);
    });
}

#[test]
fn the_first_key_stays() {
    with_key(|w| {
        let before = made(&w, Config::default(), 1).code;
        w.run(KeepKey { key: Key::new([2; KEY_BYTES]), now: w.now() });
        assert_eq!(made(&w, Config::default(), 1).code, before);
        let w = w.reopened();
        assert_eq!(check(&w, &before), Reason::Valid);
    });
}

#[test]
fn no_more_codes_are_made_than_the_limits_let_and_what_is_refused_counts_nothing() {
    with_key(|w| {
        let ask = |account, i, limits| {
            let generated = generate_within(&w, (account, i), Config::default(), 1, limits);
            match generated {
                Generated::Limited(Limited { scope, until }) => Err((scope, until)),
                _ => Ok(()),
            }
        };
        let none = Limits::default();
        let hour = w.now().plus(3_600 * SECOND); // The clock stands at noon.
        let day = w.now().plus(12 * 3_600 * SECOND);
        let recipient = Limits { recipient_hour: 2, recipient_day: 3, ..none };
        assert_eq!([ask(w.account, 1, recipient), ask(w.account, 1, recipient)], [Ok(()), Ok(())]);
        for _ in 0..3 {
            assert_eq!(ask(w.account, 1, recipient), Err((Scope::RecipientHour, hour)));
        }
        assert_eq!(ask(w.account, 2, recipient), Ok(()), "another recipient");
        assert_eq!(ask(w.other_account, 1, recipient), Ok(()), "another account");
        assert_eq!(ask(w.account, 1, none), Ok(()), "no limit, nothing counted");
        w.pass(3_600 * SECOND);
        w.sweep();
        assert_eq!(ask(w.account, 1, recipient), Ok(()));
        assert_eq!(ask(w.account, 1, recipient), Err((Scope::RecipientDay, day)));
        let range = Limits { range_hour: 1, ..none };
        assert_eq!(ask(w.account, 3, range), Ok(()));
        assert_eq!(ask(w.account, 4, range).map_err(|(scope, _)| scope), Err(Scope::RangeHour));
        let account = Limits { account_hour: 1, ..none };
        assert_eq!(ask(w.account, 5, account), Ok(()));
        assert_eq!(ask(w.account, 6, account).map_err(|(scope, _)| scope), Err(Scope::AccountHour));
    });
}

#[test]
fn a_limit_that_is_met_is_told_once_to_its_account_where_it_asked_for_that() {
    with_key(|w| {
        let limits = Limits { recipient_hour: 1, range_hour: 2, ..Limits::default() };
        let ask = |i| generate_within(&w, (w.account, i), Config::default(), 1, limits);
        let told = |account, asked| {
            let audience = Arc::new([(account, asked)].into());
            let after = After { cursor: EventId(0), limit: 100, submitted: false, audience };
            w.ask(after).notifications
        };
        assert!(matches!(ask(1), Generated::Made(_)));
        assert_eq!(told(w.account, OwnEvents::ALL), []);
        for _ in 0..3 {
            assert!(matches!(ask(1), Generated::Limited(_)));
        }
        assert!(matches!(ask(2), Generated::Made(_)));
        assert!(matches!(ask(3), Generated::Limited(_)));
        assert!(matches!(ask(4), Generated::Limited(_)));
        let seen = told(w.account, OwnEvents::ALL);
        let extras: Vec<&str> = seen
            .iter()
            .map(|owed| match &owed.detail {
                Detail::Kept(extra) => extra.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        let (number, until) = (phone(1).to_string(), w.now().plus(3_600 * SECOND).iso8601());
        let range = &number[..number.len() - 4];
        assert_eq!(
            extras,
            [
                format!(r#"{{"scope":"recipient","of":"{number}","limit":1,"until":"{until}"}}"#),
                format!(r#"{{"scope":"range","of":"{range}","limit":2,"until":"{until}"}}"#),
            ]
        );
        assert!(seen.iter().all(|owed| owed.kind == EventKind::CodesLimited));
        assert!(seen.iter().all(|owed| owed.message.0 < 0), "they are of no message");
        assert_eq!(told(w.account, OwnEvents::NONE), []);
        assert_eq!(told(w.other_account, OwnEvents::ALL), []);
        // An hour later it is met anew.
        w.pass(3_600 * SECOND);
        assert!(matches!((ask(1), ask(1)), (Generated::Made(_), Generated::Limited(_))));
        assert_eq!(told(w.account, OwnEvents::ALL).len(), 3);
    });
}
