//! Random lives against a model in memory: nothing is lost, doubled or charged wrongly.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;

use pombo_domain::campaign::{Order, Stop, Totals};
use pombo_domain::id::{MessageId, PartId, RouteId, SendingId};
use pombo_domain::message::{Lane, PartState};
use pombo_domain::money::Money;
use pombo_domain::price::Refund;
use pombo_domain::route::{ReceiptId, UncertainPolicy};
use pombo_store::operation::accept::{Accept, Accepted, Campaign, Recipient};
use pombo_store::operation::campaign::{
    self, Find, Finish, GiveBack, Lives, QueuePlace, SetStop, Which, Withdraw, recount,
};
use pombo_store::operation::queue::Heads;
use pombo_store::operation::route::Load;
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::uncertain::{CountOpen, Decide, Selection};
use proptest::prelude::*;

use crate::dump::{logically, shapes};
use crate::money::ledger;
use crate::world::{CREDIT, PRICE, World, cause, on_every_store, parts_of, phone, recipient};

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A request; bit `i` of `routes` tells recipient `i`'s route.
    Accept {
        n: usize,
        n_parts: u8,
        routes: u8,
        delay_s: u64,
        expires_s: Option<u64>,
        /// Whether it joins the campaign.
        named: bool,
    },
    Claim {
        route: usize,
        room: usize,
    },
    /// What comes of the `n`th part that is away.
    Settle {
        n: usize,
        how: How,
    },
    /// A receipt for the `n`th part that was sent.
    Receipt {
        n: usize,
        state: PartState,
    },
    Pass {
        seconds: u64,
    },
    /// A crash, and a start under this policy.
    Restart {
        policy: UncertainPolicy,
    },
    /// The operator decides on all that is in doubt.
    Decide {
        resend: bool,
    },
    /// The owner stops the campaign, or lets it go on.
    Order {
        order: Order,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    Sent,
    Refused,
    Again { wait_s: u64, elsewhere: bool },
    GivenBack,
    Doubt(UncertainPolicy),
}

fn policies() -> impl Strategy<Value = UncertainPolicy> {
    use UncertainPolicy::{Hold, Resend, Wait};
    prop_oneof![Just(Resend), Just(Wait), Just(Hold)]
}

fn hows() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Sent),
        1 => Just(How::Refused),
        2 => (0..90_u64, any::<bool>()).prop_map(|(wait_s, elsewhere)| How::Again { wait_s, elsewhere }),
        1 => Just(How::GivenBack),
        1 => policies().prop_map(How::Doubt),
    ]
}

pub(crate) fn steps() -> impl Strategy<Value = Step> {
    use PartState::{Delivered, Expired, Sent, Undelivered};
    let expiry = proptest::option::weighted(0.3, 1..120_u64);
    prop_oneof![
        3 => (1..6_usize, 1..4_u8, any::<u8>(), 0..60_u64, expiry, any::<bool>()).prop_map(
            |(n, n_parts, routes, delay_s, expires_s, named)| {
                Step::Accept { n, n_parts, routes, delay_s, expires_s, named }
            }
        ),
        5 => (0..2_usize, 1..8_usize).prop_map(|(route, room)| Step::Claim { route, room }),
        8 => (any::<usize>(), hows()).prop_map(|(n, how)| Step::Settle { n, how }),
        3 => (any::<usize>(), prop_oneof![Just(Sent), Just(Delivered), Just(Undelivered), Just(Expired)])
            .prop_map(|(n, state)| Step::Receipt { n, state }),
        3 => (1..60_u64).prop_map(|seconds| Step::Pass { seconds }),
        1 => policies().prop_map(|policy| Step::Restart { policy }),
        1 => any::<bool>().prop_map(|resend| Step::Decide { resend }),
        2 => prop_oneof![3 => Just(Order::Pause), 3 => Just(Order::Resume), 1 => Just(Order::Cancel)]
            .prop_map(|order| Step::Order { order }),
    ]
}

/// Where the model believes a part to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Queued,
    Away {
        intent: i64,
        route: RouteId,
    },
    Sent(RouteId),
    Uncertain,
    Final(PartState, RouteId),
}

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    place: Place,
    released: bool,
    /// What becomes of its price where it is not delivered.
    refund: Refund,
    /// A try of it is in doubt.
    doubted: bool,
    /// It belongs to the campaign.
    named: bool,
}

impl Known {
    fn is_charged(&self) -> bool {
        !self.released && self.refund != Refund::Given
    }
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    parts: BTreeMap<PartId, Known>,
    messages: Vec<(MessageId, u8)>,
    /// The campaign's sending, once a request has joined it.
    sending: Option<SendingId>,
    stop: Option<Stop>,
}

impl Model {
    fn of(&self, test: impl Fn(Place) -> bool) -> Vec<PartId> {
        self.parts.iter().filter(|(_, known)| test(known.place)).map(|(part, _)| *part).collect()
    }

    fn put(&mut self, part: PartId, place: Place) {
        self.parts.get_mut(&part).unwrap().place = place;
    }

    fn doubt(&mut self, part: PartId, policy: UncertainPolicy) {
        self.parts.get_mut(&part).unwrap().doubted = true;
        self.put(part, doubted(policy));
    }

    fn release(&mut self, part: PartId) {
        self.parts.get_mut(&part).unwrap().released = true;
    }

    /// The parts that an intent must still name, were `part` to leave it.
    fn named(&self, intent: i64, part: PartId) -> Vec<PartId> {
        let mut named = self.of(|p| matches!(p, Place::Away { intent: i, .. } if i == intent));
        named.retain(|other| *other != part);
        named
    }
}

fn nth(parts: &[PartId], n: usize) -> Option<PartId> {
    (!parts.is_empty()).then(|| parts[n % parts.len()])
}

/// Applies a step to the store and to the model.
pub(crate) fn apply(mut w: World, model: &mut Model, step: &Step) -> World {
    match step {
        Step::Accept { .. } => accept(&w, model, step),
        Step::Claim { route, room } => {
            let route = [w.route, w.other_route][*route];
            let claimed = w.claim_on(route, *room);
            for work in &claimed.work {
                for part in parts_of_one(work.message, work.parts) {
                    let before = model.parts[&part].place;
                    assert_eq!(before, Place::Queued, "{part:?} is claimed twice");
                    let is_stopped = model.parts[&part].named && model.stop.is_some();
                    assert!(!is_stopped, "{part:?} leaves in spite of {:?}", model.stop);
                    model.put(part, Place::Away { intent: work.intent, route });
                }
            }
            notice_ended(&w, model, claimed.n_expired + claimed.n_withdrawn, route);
        }
        Step::Settle { n, how } => {
            let away = model.of(|place| matches!(place, Place::Away { .. }));
            if let Some(part) = nth(&away, *n) {
                settle(&w, model, part, *how);
            }
        }
        Step::Receipt { n, state } => {
            let told = model.of(|p| matches!(p, Place::Sent(_) | Place::Final(..)));
            if let Some(part) = nth(&told, *n) {
                receipt(&w, model, part, *state);
            }
        }
        Step::Pass { seconds } => w.pass(Duration::from_secs(*seconds)),
        Step::Restart { policy } => {
            w = w.reopened();
            let away = model.of(|place| matches!(place, Place::Away { .. }));
            assert_eq!(w.recover(*policy).n_uncertain, away.len());
            for part in away {
                model.doubt(part, *policy);
            }
        }
        Step::Decide { resend } => {
            let open = model.of(|place| place == Place::Uncertain);
            let decide = Decide { selection: Selection::All, resend: *resend, now: w.now() };
            assert_eq!(w.run(decide), open.len());
            for part in open {
                let given_up = Place::Final(PartState::Rejected, RouteId(0));
                model.put(part, if *resend { Place::Queued } else { given_up });
            }
        }
        Step::Order { order } => give_order(&w, model, *order),
    }
    w
}

/// As the use case does it.
fn give_order(w: &World, model: &mut Model, order: Order) {
    let Some(sending) = model.sending else { return };
    let account = w.account;
    model.stop = w.run(SetStop { account, sending, order, now: w.now() });
    if order == Order::Pause {
        return;
    }
    while w.run(GiveBack { now: w.now() }).more {}
    if order == Order::Cancel {
        let mut n = 0;
        for route in [w.route, w.other_route] {
            let (lane, mut at) = (Lane::Transactional, Some(QueuePlace::default()));
            while let Some(place) = at {
                let withdraw = Withdraw { account, sending, route, lane, at: place, now: w.now() };
                let done = w.run(withdraw);
                n += done.n;
                at = done.next;
            }
        }
        w.run(Finish { sending });
        notice_ended(w, model, n, w.route);
        let is_left = |part: &PartId| model.parts[part].named;
        let left = model.of(|place| place == Place::Queued).into_iter().find(is_left);
        assert_eq!(left, None, "it waits although its sending was cancelled");
    }
}

fn parts_of_one(message: MessageId, bits: u16) -> Vec<PartId> {
    (0..16).filter(|i| bits >> i & 1 == 1).map(|i| message.part(i)).collect()
}

fn doubted(policy: UncertainPolicy) -> Place {
    if policy == UncertainPolicy::Resend { Place::Queued } else { Place::Uncertain }
}

fn accept(w: &World, model: &mut Model, step: &Step) {
    let Step::Accept { n, n_parts, routes, delay_s, expires_s, named } = step else { return };
    let route = |i: usize| if routes >> i & 1 == 1 { w.other_route } else { w.route };
    // The second route's are given back what is not delivered.
    let refunds = |i: usize| routes >> i & 1 == 1;
    // Messages of one request may differ in length, as personal ones do.
    let n_parts = |i: usize| 1 + u8::try_from((usize::from(*n_parts) + i) % 3).unwrap();
    let of = |i| Recipient { n_parts: n_parts(i), ..recipient(phone(i), route(i), PRICE) };
    let recipients = (0..*n).map(|i| Recipient { refunds: refunds(i), ..of(i) }).collect();
    let due = w.now().plus(Duration::from_secs(*delay_s));
    let expires = expires_s.map(|s| due.plus(Duration::from_secs(s)));
    let campaign = match named {
        true => Campaign::Named { name: "Spring".to_owned(), tags: Vec::new() },
        false => Campaign::Own,
    };
    let request = Accept { recipients, due, expires, campaign, ..w.request(1) };
    let request = Accept { certified: n % 2 == 1, ..request };
    let (first, sending) = match w.run(request) {
        Accepted::Done { first, sending, .. } => (first, sending),
        refused => {
            assert_eq!(refused, Accepted::CampaignCancelled);
            assert!(*named && model.stop == Some(Stop::Cancelled));
            return;
        }
    };
    if *named {
        assert_ne!(model.stop, Some(Stop::Cancelled));
        assert_eq!(*model.sending.get_or_insert(sending), sending);
    }
    for i in 0..*n {
        model.messages.push((first.plus(i), n_parts(i)));
        for part in 0..n_parts(i) {
            let refund = Refund::promised(refunds(i));
            let known = Known { refund, named: *named, ..Known::default() };
            model.parts.insert(first.plus(i).part(part), known);
        }
    }
}

/// A claim says only how many ended; the store knows which.
fn notice_ended(w: &World, model: &mut Model, n: usize, route: RouteId) {
    let mut seen = 0;
    let waiting = if n > 0 { model.of(|place| place == Place::Queued) } else { Vec::new() };
    for part in waiting {
        let state = w.states(part.message())[usize::from(part.idx())];
        if matches!(state, PartState::Expired | PartState::Cancelled) {
            model.put(part, Place::Final(state, route));
            model.release(part);
            seen += 1;
        } else if state == PartState::Undelivered && model.parts[&part].doubted {
            model.put(part, Place::Final(PartState::Rejected, RouteId(0)));
            seen += 1;
        }
    }
    assert_eq!(seen, n);
}

fn settle(w: &World, model: &mut Model, part: PartId, how: How) {
    let Place::Away { intent, route } = model.parts[&part].place else { return };
    let other = if route == w.route { w.other_route } else { w.route };
    let again = |wait_s, route, cause| {
        let due = w.now().plus(Duration::from_secs(wait_s));
        Fate::Again { due, route, tries: 1, cause }
    };
    let (fate, place) = match how {
        How::Sent => {
            let carrier_id = part.to_string();
            (Fate::Sent { carrier_id }, Place::Sent(route))
        }
        How::Refused => {
            let fate = Fate::Ended { state: PartState::Rejected, cause: cause("no") };
            if model.parts[&part].doubted {
                // It may have been delivered: undelivered for all that is known, and charged.
                (fate, Place::Final(PartState::Rejected, RouteId(0)))
            } else {
                model.release(part);
                (fate, Place::Final(PartState::Rejected, route))
            }
        }
        How::Again { wait_s, elsewhere } => {
            let route = if elsewhere { other } else { route };
            (again(wait_s, route, Some(cause("busy"))), Place::Queued)
        }
        How::GivenBack => (again(0, route, None), Place::Queued),
        How::Doubt(policy) => {
            (Fate::Doubt { policy, tries: 1, cause: cause("lost") }, doubted(policy))
        }
    };
    let rest = model.named(intent, part);
    let left =
        if rest.is_empty() { Item::IntentDone(intent) } else { Item::IntentShrunk(intent, rest) };
    w.settle_on(route, ReceiptId::Same, vec![w.settled(part, fate), left]);
    model.put(part, place);
    if let How::Doubt(policy) = how {
        model.doubt(part, policy);
    }
}

fn receipt(w: &World, model: &mut Model, part: PartId, state: PartState) {
    let (before, route) = match model.parts[&part].place {
        Place::Sent(route) => (PartState::Sent, route),
        Place::Final(before, route) => (before, route),
        _ => return,
    };
    // Nobody's carrier ever had it: its receipt would be kept.
    if model.parts[&part].released || route == RouteId(0) {
        return;
    }
    let mut told = w.bare_receipt(&part.to_string(), state, 0);
    told.addresses[0] = w.view(part.message()).to.to_string();
    let done = w.settle_on(route, ReceiptId::Same, vec![Item::Receipt(told)]);
    let moves = before.accepts_receipt(state) && before != PartState::Undelivered;
    assert_eq!((done.n_matched == 1, done.n_unmatched), (moves, 0));
    if moves && state != PartState::Sent {
        model.put(part, Place::Final(state, route));
        let refund = &mut model.parts.get_mut(&part).unwrap().refund;
        *refund = refund.when_told(state, "");
    }
}

/// Compares the store with the model.
pub(crate) fn check(w: &World, model: &Model) {
    for (message, n_parts) in &model.messages {
        let view = w.view(*message);
        assert_eq!(view.parts.len(), usize::from(*n_parts));
        for (idx, state) in (0..*n_parts).zip(view.parts.iter().map(|part| part.state)) {
            let agrees = match model.parts[&message.part(idx)].place {
                Place::Queued | Place::Away { .. } => state == PartState::Queued,
                Place::Sent(_) => state == PartState::Sent,
                Place::Uncertain => state == PartState::Uncertain,
                Place::Final(_, RouteId(0)) => state == PartState::Undelivered,
                Place::Final(expected, _) => state == expected,
            };
            assert!(agrees, "{message:?}/{idx}: {state:?}");
        }
        crate::certificate::agrees(w, &view);
    }
    let count = |test: fn(&Known) -> bool| model.parts.values().filter(|k| test(k)).count();
    let times = |n: usize| PRICE.times(n).unwrap_or(Money::ZERO);
    assert_eq!(w.balance(), CREDIT - times(count(Known::is_charged)));
    let given_back = count(|known| known.refund == Refund::Given);
    let wanted = [model.parts.len(), count(|known| known.released), given_back];
    assert_eq!(ledger(w), wanted.map(times));
    check_totals(w, model);
    let open = model.of(|place| place == Place::Uncertain).len();
    assert_eq!(w.ask(CountOpen), i64::try_from(open).unwrap());
    for route in [w.route, w.other_route] {
        let load = w.ask(Load { route });
        let away = model.of(|p| matches!(p, Place::Away { route: r, .. } if r == route)).len();
        assert_eq!(load.in_flight, away as u64);
    }
}

/// The campaign's totals are what its events come to, and what the model knows.
fn check_totals(w: &World, model: &Model) {
    let Some(sending) = model.sending else { return };
    let find = Find { account: Some(w.account), which: Which::Sending(sending) };
    let totals = w.ask(find).expect("it was joined").row.totals;
    let mut recounted = Totals::default();
    let mut at = Some(campaign::Place::default());
    while let Some(place) = at {
        // Pages of a few parts, so that requests and messages lie across them.
        let page = w.ask(Lives { sending, at: place, limit: 4 });
        recounted += recount(&page.lives);
        at = page.next;
    }
    let named = || model.parts.values().filter(|known| known.named);
    let charged = named().filter(|known| known.is_charged()).count();
    recounted.cost = PRICE.times(charged).unwrap();
    assert_eq!(totals, recounted);
    let firsts = model.parts.iter().filter(|(part, known)| known.named && part.idx() == 0);
    assert_eq!(totals.messages, i64::try_from(firsts.count()).unwrap());
}

/// Lets time pass until the queues are empty: whatever waited is claimed once, or has expired.
pub(crate) fn drain(w: &World, model: &mut Model) {
    w.pass(Duration::from_secs(3_600));
    if model.stop == Some(Stop::Paused) {
        give_order(w, model, Order::Resume);
    }
    for route in [w.route, w.other_route] {
        while !w.ask(Heads { route }).is_empty() {
            let claimed = w.claim_on(route, 5);
            for part in parts_of(&claimed) {
                assert_eq!(model.parts[&part].place, Place::Queued, "{part:?} is claimed twice");
                model.put(part, Place::Away { intent: claimed.work[0].intent, route });
            }
            notice_ended(w, model, claimed.n_expired + claimed.n_withdrawn, route);
        }
    }
    assert_eq!(model.of(|place| place == Place::Queued), [], "nothing accepted is lost");
    check(w, model);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 48,
        max_shrink_iters: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_nothing_is_lost_doubled_or_charged_wrongly(
        steps in proptest::collection::vec(steps(), 1..60)
    ) {
        // The embedded engine comes first, and tells which tables there are.
        let (tables, dumps) = (OnceCell::new(), RefCell::new(Vec::new()));
        on_every_store(|world| {
            let mut world = world;
            let mut model = Model::default();
            for step in &steps {
                world = apply(world, &mut model, step);
            }
            check(&world, &model);
            drain(&world, &mut model);
            let tables = tables.get_or_init(|| shapes(&world));
            dumps.borrow_mut().push(logically(&world, tables));
        });
        let dumps = dumps.into_inner();
        for (table, rows) in &dumps[0] {
            assert_eq!(rows, &dumps[1][table], "{table} differs between the engines");
        }
    }
}
