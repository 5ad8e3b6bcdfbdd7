//! What must be true of any store, whatever happened to it.

use std::collections::BTreeMap;

use pombo_domain::campaign::Totals;
use pombo_domain::id::{AccountId, MessageId, PartId, SendingId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::money::Money;
use pombo_domain::price::charged;
use pombo_store::operation::audit;
use pombo_store::operation::campaign::{Find, Which};
use pombo_store::operation::retention::{DayOfHistory, Days, Forget, Forgotten};
use pombo_store::operation::status::{MessageView, Status};

use super::life::Life;
use crate::world::World;

/// Every message that is not forgotten.
fn views(w: &World, life: &Life) -> Vec<MessageView> {
    let of = |account: &AccountId| {
        let its = life.messages.iter().filter(|(_, (whose, ..))| whose == account);
        w.ask(Status { account: *account, ids: its.map(|(message, _)| *message).collect() })
    };
    life.given.keys().flat_map(of).collect()
}

/// What a message costs by all that happened to it.
fn cost(view: &MessageView) -> Money {
    let of = |(idx, part): (usize, &pombo_store::operation::status::PartView)| {
        let its = view.events.iter().filter(|event| usize::from(event.part_idx) == idx);
        let kinds: Vec<EventKind> = its.map(|event| event.kind).collect();
        charged(part.price, part.refund, part.state, &kinds)
    };
    view.parts.iter().enumerate().map(of).sum()
}

/// Whose each message is, and what it costs.
pub(super) fn costs(w: &World, life: &Life) -> BTreeMap<MessageId, (AccountId, Money)> {
    let views = views(w, life);
    views.iter().map(|view| (view.id, (view.request.account, cost(view)))).collect()
}

pub(super) fn check(w: &World, life: &Life) {
    let views = views(w, life);
    assert_eq!(views.len(), life.messages.len());
    let (mut paid, mut of_sending) = (life.paid.clone(), BTreeMap::new());
    for view in &views {
        let (account, to, n_parts) = life.messages[&view.id];
        assert_eq!((view.to, view.parts.len()), (crate::world::phone(to), n_parts.into()));
        crate::certificate::agrees(w, view);
        let cost = cost(view);
        *paid.entry(account).or_default() += cost;
        *of_sending.entry(view.request.sending).or_default() += cost;
    }
    for (account, given) in &life.given {
        let paid = paid.get(account).copied().unwrap_or_default();
        assert_eq!(w.balance_of(*account), *given - paid, "{account:?}");
    }
    check_ledger(w);
    if life.paid.is_empty() {
        for sending in life.sendings.values() {
            check_totals(w, *sending, of_sending.get(sending).copied().unwrap_or_default());
        }
    }
}

/// As an audit looks at it.
fn check_ledger(w: &World) {
    let head = w.ask(audit::Head);
    let days = head.days.clone();
    let (sums, stray) = w.ask(audit::Slice { after: 0, to: head.newest, days });
    assert_eq!(stray, 0);
    let balances = sums.iter().map(|(account, sums)| (*account, sums.balance())).collect();
    assert_eq!(head.balances, balances);
    let mut reserved: BTreeMap<AccountId, Money> = BTreeMap::new();
    for day in head.days {
        for request in w.ask(audit::Requests { day, after: MessageId(0), limit: 1_000 }) {
            assert!(request.is_whole, "{request:?}");
            assert_eq!(request.reserved, request.parts, "{request:?}");
            *reserved.entry(request.account).or_default() += request.reserved;
        }
    }
    for (account, sums) in sums {
        let reserved = reserved.remove(&account).unwrap_or_default();
        assert_eq!(reserved, sums.reserved_of_days, "{account:?}");
    }
}

/// A campaign's totals are what its events come to.
fn check_totals(w: &World, sending: SendingId, cost: Money) {
    let find = Find { account: None, which: Which::Sending(sending) };
    let totals = w.ask(find).expect("it was joined").row.totals;
    assert_eq!(totals, Totals { cost, ..w.recounted(sending) });
}

/// No part waits that nobody would find.
pub(super) fn nothing_waits_but(w: &World, life: &Life, is_away: impl Fn(PartId) -> bool) {
    for view in views(w, life) {
        for (idx, part) in (0..).zip(&view.parts) {
            let id = view.id.part(idx);
            assert!(part.state != PartState::Queued || is_away(id), "{id:?} is lost");
        }
    }
}

pub(super) fn all_is_over(w: &World, life: &Life) {
    for view in views(w, life) {
        assert!(view.parts.iter().all(|part| part.state.is_final()), "{view:?}");
    }
}

/// Forgets the days that are over, as far as they were read.
pub(super) fn forget_days(w: &World) -> Vec<(DayOfHistory, Forgotten)> {
    let today = w.now().day();
    let days = w.ask(Days { before: today, quiet_since: today - 2 });
    let forget = |day: DayOfHistory| {
        loop {
            match w.run(Forget { day: day.day, limit: 3 }) {
                Forgotten::Some(_) => {} // Some engines forget a day at once.
                end => return (day, end),
            }
        }
    };
    let is_over = |day: &DayOfHistory| day.n_open + day.n_lively == 0 && !day.is_needed;
    days.into_iter().filter(is_over).map(forget).collect()
}
