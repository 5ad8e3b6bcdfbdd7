//! What events owe: told, tried again, and given up.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::id::EventId;
use pombo_domain::notification::OwnEvents;
use pombo_store::operation::callback::{After, Cursor};
use pombo_store::operation::callback_due::{
    Dead, Debt, Deferred, Due, Endpoint, GiveUp, Settle, Target,
};
use pombo_store::operation::notification::ENDPOINT;

use super::life::Life;
use crate::world::World;

/// Reads the log on: what fails is filed, and the rest is told. How many events there were.
pub(super) fn tell(
    w: &World,
    life: &mut Life,
    (limit, submitted): (usize, bool),
    fails: u32,
) -> usize {
    let cursor = w.ask(Cursor);
    let audience = Arc::new([(w.account, OwnEvents::ALL)].into());
    let owed = w.ask(After { cursor, limit, submitted, audience });
    life.heard(&owed);
    let due = w.now().plus(Duration::from_secs(60));
    let does_fail = |i: usize| fails >> (i % 32) & 1 == 1;
    let mut deferred = Vec::new();
    for (i, callback) in owed.callbacks.iter().enumerate().filter(|(i, _)| does_fail(*i)) {
        let base = callback.template.split('?').next().unwrap_or_default().to_owned();
        deferred.push(Deferred {
            debt: Debt { event: callback.event, to: Target::Callback },
            due,
            tries: 1,
            url: callback.template.clone(),
            message: None,
            endpoint: Endpoint { account: callback.account, base },
            failure: format!("failure {i}"),
        });
    }
    let mut behind = HashSet::new();
    for (i, notification) in owed.notifications.iter().enumerate() {
        let message = notification.message;
        if does_fail(i) || notification.is_behind || behind.contains(&message) {
            behind.insert(message);
            deferred.push(Deferred {
                debt: Debt { event: notification.event, to: Target::Notification },
                due,
                tries: 1,
                url: String::new(),
                message: Some(message),
                endpoint: Endpoint { account: notification.account, base: ENDPOINT.to_owned() },
                failure: String::new(),
            });
        } else {
            let before = life.told.insert(message, notification.event.0);
            assert!(before < Some(notification.event.0), "{message:?} is told out of order");
        }
    }
    let cursor = Some(EventId(owed.cursor));
    w.run(Settle { cursor, deferred, ..Settle::default() });
    owed.n_seen
}

/// Tries what is due: of two bits of `fails` one says whether it fails, the other whether for good.
pub(super) fn retry(w: &World, life: &mut Life, room: usize, fails: u32) {
    let found = w.ask(Due {
        now: w.now(),
        after: Endpoint::first(),
        limit: 100,
        rooms: HashMap::new(),
        room,
        busy: HashSet::new(),
        disabled: HashSet::new(),
    });
    life.heard(&found);
    let mut settle = Settle { done: found.overtaken, ..Settle::default() };
    for (i, due) in found.callbacks.into_iter().enumerate() {
        let (debt, account) = (due.callback.debt, due.callback.endpoint.account);
        let (does_fail, is_last) = (fails >> (i % 16) & 1 == 1, fails >> (i % 16 + 16) & 1 == 1);
        let tries = due.callback.tries + 1;
        if does_fail && !is_last {
            let (due_at, failure) = (w.now().plus(Duration::from_secs(90)), "again".to_owned());
            settle.deferred.push(Deferred { due: due_at, tries, failure, ..due.callback });
            continue;
        }
        settle.done.push(debt);
        if let Some(notification) = due.notification {
            let before = life.told.insert(notification.message, debt.event.0);
            assert!(before < Some(debt.event.0), "{:?} is told out of order", notification.message);
            if does_fail {
                let failure = "for good".to_owned();
                settle.dead.push(Dead { event: debt.event, account, at: w.now(), tries, failure });
            }
        }
    }
    w.run(settle);
    for endpoint in found.stale {
        let n = w.run(GiveUp { endpoint, now: w.now() });
        life.heard(&n);
    }
}
