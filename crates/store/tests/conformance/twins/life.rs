//! What happens to a store, by one who knows only what it answered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::address::Phone;
use pombo_domain::campaign::Order;
use pombo_domain::channel::Receipt;
use pombo_domain::id::{AccountId, MessageId, PartId, RouteId, SendingId};
use pombo_domain::message::{Lane, PartState};
use pombo_domain::money::Money;
use pombo_domain::route::ReceiptId;
use pombo_store::operation::accept::Accepted;
use pombo_store::operation::claim::{Claim, ClaimAll, Claimed};
use pombo_store::operation::divert::{Choose, Divert, Place};
use pombo_store::operation::expire::Expire;
use pombo_store::operation::hurry::Hurry;
use pombo_store::operation::queue::Heads;
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::status::Status;
use pombo_store::operation::uncertain::{Decide, Selection};

use super::{Deed, Id, Told, Whom, check, tell};
use crate::failover::allow;
use crate::steps::{Asked, How, Step, credit, give_order, limit, opt_out};
use crate::world::{CREDIT, DAY, HOUR, World, cause, parts_of, phone};

/// A part that is away.
#[derive(Debug, Clone, Copy)]
struct Away {
    intent: i64,
    route: RouteId,
    account: AccountId,
}

/// What became known of a store.
#[derive(Debug)]
pub(super) struct Life {
    /// Messages that were accepted and are not forgotten: whose, to whom, and of how many parts.
    pub(super) messages: BTreeMap<MessageId, (AccountId, usize, u8)>,
    away: BTreeMap<PartId, Away>,
    /// What carriers took, and under which id.
    sent: Vec<(RouteId, PartId, Id)>,
    /// Who has opted out of whose messages.
    out: BTreeSet<(AccountId, usize)>,
    /// Each account's campaign.
    pub(super) sendings: BTreeMap<AccountId, SendingId>,
    pub(super) given: BTreeMap<AccountId, Money>,
    /// What each account paid for what is forgotten.
    pub(super) paid: BTreeMap<AccountId, Money>,
    /// The newest event that was told of each message.
    pub(super) told: BTreeMap<MessageId, i64>,
    /// All that the store answered.
    pub(super) answers: Vec<String>,
}

impl Life {
    pub(super) fn of(w: &World) -> Self {
        Self {
            messages: BTreeMap::new(),
            away: BTreeMap::new(),
            sent: Vec::new(),
            out: BTreeSet::new(),
            sendings: BTreeMap::new(),
            given: [(w.account, CREDIT), (w.other_account, CREDIT)].into(),
            paid: BTreeMap::new(),
            told: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    pub(super) fn heard(&mut self, answer: &impl std::fmt::Debug) {
        self.answers.push(format!("{answer:?}"));
    }

    pub(super) fn live(&mut self, mut w: World, deed: &Deed) -> World {
        self.heard(deed);
        let routes = [w.route, w.other_route];
        match deed {
            Deed::Step(step) => return self.step(w, step),
            Deed::Turn => std::mem::swap(&mut w.account, &mut w.other_account),
            Deed::ClaimAll { route, room } => self.claim_all(&w, routes[*route], *room),
            Deed::Settle { route, spelling, hows, receipts } => {
                self.settle(&w, (routes[*route], *spelling), hows, receipts);
            }
            Deed::Failover { is_on: true } => allow(&w),
            Deed::Failover { is_on: false } => *w.failover.borrow_mut() = None,
            Deed::Divert { route, all } => self.divert(&w, *route, *all),
            Deed::Expire { route } => {
                let (lane, account, now) = (Lane::Transactional, w.account, w.now());
                let n = w.run(Expire {
                    route: routes[*route],
                    lane,
                    account,
                    after: Default::default(),
                    now,
                });
                self.heard(&n);
            }
            Deed::SetBack { seconds } => {
                w.set_clock(w.now().minus(Duration::from_secs(*seconds)));
                let hurried = w.run(Hurry { now: w.now(), limit: 1_000 });
                self.heard(&hurried);
            }
            Deed::Tell { limit, submitted, fails } => {
                tell::tell(&w, self, (*limit, *submitted), *fails);
            }
            Deed::Retry { room, fails } => tell::retry(&w, self, *room, *fails),
            Deed::Silence => {
                w.pass(4 * DAY);
                let swept = w.sweep();
                self.heard(&swept);
            }
            Deed::Forget => self.forget(&w),
        }
        w
    }

    fn step(&mut self, mut w: World, step: &Step) -> World {
        let routes = [w.route, w.other_route];
        match step {
            Step::Accept(asked) => {
                self.accept(&w, asked);
                for (route, account, claimed) in w.door.left() {
                    self.claimed(&w, (route, account), &claimed);
                }
            }
            Step::Claim { route, room } => {
                let claimed = w.claim_on(routes[*route], *room);
                self.claimed(&w, (routes[*route], w.account), &claimed);
            }
            Step::Settle { n, how } => {
                let told = self.away.values().nth(n % self.away.len().max(1)).copied();
                if let Some(away) = told {
                    self.settle(&w, (away.route, ReceiptId::Same), &[(*how, Id::Own)], &[]);
                }
            }
            Step::Receipt { n, state } => {
                let told = Told { n: *n, id: None, state: *state, whom: Whom::ItsRecipient };
                self.settle(&w, (routes[n % 2], ReceiptId::Same), &[], &[told]);
            }
            Step::Pass { seconds } => w.pass(Duration::from_secs(*seconds)),
            Step::Restart { policy } => {
                w = w.reopened();
                let recovered = w.recover(*policy);
                self.heard(&recovered);
                self.away.clear();
            }
            Step::Decide { resend } => self.decide(&w, *resend),
            Step::Order { order } => self.order(&w, *order),
            Step::OptOut { to, is_out } => {
                let changed = opt_out(&w, *to, *is_out);
                self.heard(&changed);
                match is_out {
                    true => self.out.insert((w.account, *to)),
                    false => self.out.remove(&(w.account, *to)),
                };
            }
            Step::Sweep => {
                let swept = w.sweep();
                self.heard(&swept);
            }
            Step::Credit { parts_left } => {
                let before = w.balance();
                credit(&w, *parts_left);
                *self.given.entry(w.account).or_default() += w.balance() - before;
            }
            Step::Limit { per_day } => limit(&w, *per_day),
        }
        w
    }

    fn accept(&mut self, w: &World, asked: &Asked) {
        let (accepted, joined) = asked.accept(w);
        self.heard(&accepted);
        if let Some(sending) = joined {
            self.sendings.insert(w.account, sending);
        }
        let Some(Accepted::Done { first, sending, replayed: false, .. }) = accepted else { return };
        if asked.named {
            self.sendings.insert(w.account, sending);
        }
        for i in 0..asked.n {
            self.messages.insert(first.plus(i), (w.account, i, asked.n_parts(i)));
        }
    }

    fn claim_all(&mut self, w: &World, route: RouteId, room: usize) {
        let lane = Lane::Transactional;
        let (rules, now) = (Arc::clone(&w.rules), w.now());
        let of = |account| Claim { route, lane, account, room, rules: rules.clone(), now };
        // One of them twice: it finds what the first left.
        let accounts = [w.account, w.other_account, w.account];
        let claimed = w.run(ClaimAll { claims: accounts.map(of).into() });
        for (account, claimed) in accounts.into_iter().zip(claimed) {
            self.claimed(w, (route, account), &claimed);
        }
    }

    /// What is claimed waited and is nowhere else, and nobody gets it who wants none.
    fn claimed(&mut self, w: &World, (route, account): (RouteId, AccountId), claimed: &Claimed) {
        for work in &claimed.work {
            let (whose, to, _) = self.messages[&work.message];
            assert_eq!((whose, phone(to)), (account, work.to));
            assert!(!self.out.contains(&(account, to)), "{:?} opted out", work.message);
            self.heard(&(work.message, work.parts, work.tries, &work.text));
        }
        for part in parts_of(claimed) {
            let its = claimed.work.iter().find(|work| work.message == part.message()).unwrap();
            let before = self.away.insert(part, Away { intent: its.intent, route, account });
            assert!(before.is_none(), "{part:?} is claimed twice");
            let found = w.ask(Status { account, ids: vec![part.message()] });
            assert_eq!(found[0].parts[usize::from(part.idx())].state, PartState::Queued);
        }
        let Claimed { next_due, n_expired, n_withdrawn, n_refused, .. } = claimed;
        self.heard(&(next_due, n_expired, n_withdrawn, n_refused));
    }

    fn settle(
        &mut self,
        w: &World,
        (route, spelling): (RouteId, ReceiptId),
        hows: &[(How, Id)],
        receipts: &[Told],
    ) {
        let away: Vec<(PartId, Away)> =
            self.away.iter().map(|(part, away)| (*part, *away)).collect();
        let of_route = away.into_iter().filter(|(_, away)| away.route == route);
        let settled: Vec<_> = of_route.zip(hows).collect();
        let mut items = Vec::new();
        for ((part, away), (how, id)) in &settled {
            self.away.remove(part);
            if matches!(how, How::Sent) {
                self.sent.push((route, *part, *id));
            }
            let Item::Settled(mut settled) = w.settled(*part, fate(w, route, *how, (*part, *id)))
            else {
                continue;
            };
            settled.account = away.account;
            items.push(Item::Settled(settled));
        }
        let intents: BTreeSet<i64> = settled.iter().map(|((_, away), _)| away.intent).collect();
        for intent in intents {
            let rest = self.away.iter().filter(|(_, away)| away.intent == intent);
            let rest: Vec<PartId> = rest.map(|(part, _)| *part).collect();
            items.push(match rest.is_empty() {
                true => Item::IntentDone(intent),
                false => Item::IntentShrunk(intent, rest),
            });
        }
        items.extend(receipts.iter().filter_map(|told| self.receipt(w, route, told)));
        if !items.is_empty() {
            let done = w.settle_on(route, spelling, items);
            self.heard(&done);
        }
    }

    fn receipt(&self, w: &World, route: RouteId, told: &Told) -> Option<Item> {
        let part = |(id, (.., n)): (&MessageId, &(AccountId, usize, u8))| {
            let id = *id;
            (0..*n).map(move |part| id.part(part))
        };
        let known: Vec<(PartId, Id)> = match told.id {
            Some(id) => self.messages.iter().flat_map(part).map(|part| (part, id)).collect(),
            None => {
                let its = self.sent.iter().filter(|(of, ..)| *of == route);
                its.map(|(_, part, id)| (*part, *id)).collect()
            }
        };
        let (part, id) = *known.get(told.n % known.len().max(1))?;
        let (_, to, _) = *self.messages.get(&part.message())?;
        let to = if matches!(told.whom, Whom::SomebodyElse) { to + 1 } else { to };
        let bare = w.bare_receipt(&carrier_id(part, id), told.state, to);
        Some(Item::Receipt(match told.whom {
            Whom::Nobody => Receipt { addresses: Default::default(), ..bare },
            Whom::ItsRecipient | Whom::SomebodyElse => bare,
        }))
    }

    fn divert(&mut self, w: &World, route: usize, all: bool) {
        let routes = [w.route, w.other_route];
        let (from, to) = (routes[route], routes[1 - route]);
        let takes = move |phone: Phone| all || phone.digits().is_multiple_of(2);
        let choose: Choose = Arc::new(move |_, phone| takes(phone).then_some(to));
        let (lane, account, now) = (Lane::Transactional, w.account, w.now());
        let mut at = Some(Place::default());
        while let Some(place) = at {
            let choose = Arc::clone(&choose);
            let done = w.run(Divert { from, lane, account, at: place, choose, now });
            self.heard(&done);
            at = done.next;
        }
    }

    fn decide(&mut self, w: &World, resend: bool) {
        let n = w.run(Decide { selection: Selection::All, resend, now: w.now() });
        self.heard(&n);
    }

    fn order(&mut self, w: &World, order: Order) {
        if let Some(sending) = self.sendings.get(&w.account) {
            let done = give_order(w, *sending, order);
            self.heard(&done);
        }
    }

    /// Days that are over go, once all who read their events have: what they cost stays paid.
    fn forget(&mut self, w: &World) {
        while w.sweep().more {}
        while tell::tell(w, self, (100, true), 0) > 0 {}
        let before = check::costs(w, self);
        let days = check::forget_days(w);
        self.heard(&days);
        let left = check::costs(w, self);
        for (message, (account, cost)) in before {
            if !left.contains_key(&message) {
                *self.paid.entry(account).or_default() += cost;
                self.messages.remove(&message);
            }
        }
    }

    /// Whatever waits is claimed once, or has ended; carriers take it, tell nothing, and all of it
    /// is over in the end.
    pub(super) fn end(&mut self, w: &mut World) {
        w.pass(HOUR);
        for _ in 0..2 {
            std::mem::swap(&mut w.account, &mut w.other_account);
            self.order(w, Order::Resume);
        }
        self.claim_all_that_waits(w);
        for route in [w.route, w.other_route] {
            let sent = vec![(How::Sent, Id::Own); self.away.len()];
            self.settle(w, (route, ReceiptId::Same), &sent, &[]);
        }
        // Early receipts may have sent some by the other route.
        *w.failover.borrow_mut() = None;
        self.claim_all_that_waits(w);
        for route in [w.route, w.other_route] {
            let sent = vec![(How::Sent, Id::Own); self.away.len()];
            self.settle(w, (route, ReceiptId::Same), &sent, &[]);
        }
        assert!(self.away.is_empty());
        self.decide(w, false);
        w.pass(5 * DAY);
        while w.sweep().more {}
        check::all_is_over(w, self);
        check::check(w, self);
        w.pass(3 * DAY);
        self.forget(w);
        assert!(self.messages.is_empty(), "nothing keeps a day that is over");
    }

    fn claim_all_that_waits(&mut self, w: &World) {
        for route in [w.route, w.other_route] {
            while let Some(head) = w.ask(Heads { route }).first() {
                w.set_clock(w.now().max(head.due));
                let (lane, account, now) = (head.lane, head.account, w.now());
                let rules = Arc::clone(&w.rules);
                let claimed = w.run(Claim { route, lane, account, room: 5, rules, now });
                self.claimed(w, (route, account), &claimed);
            }
        }
        check::nothing_waits_but(w, self, |part| self.away.contains_key(&part));
    }
}

fn carrier_id(part: PartId, id: Id) -> String {
    match id {
        Id::Own => part.to_string(),
        Id::OfMessage => part.message().to_string(),
        Id::Shared(n) => ["10", "16", "A", "22"][n].to_owned(),
    }
}

fn fate(w: &World, route: RouteId, how: How, (part, id): (PartId, Id)) -> Fate {
    let other = if route == w.route { w.other_route } else { w.route };
    let again = |wait_s, route, cause| {
        let due = w.now().plus(Duration::from_secs(wait_s));
        Fate::Again { due, route, tries: 1, cause }
    };
    match how {
        How::Sent => Fate::Sent { carrier_id: carrier_id(part, id) },
        How::Refused => Fate::Ended { state: PartState::Rejected, cause: cause("no") },
        How::Again { wait_s, elsewhere } => {
            again(wait_s, if elsewhere { other } else { route }, Some(cause("busy")))
        }
        How::GivenBack => again(0, route, None),
        How::Doubt(policy) => Fate::Doubt { policy, tries: 1, cause: cause("lost") },
    }
}
