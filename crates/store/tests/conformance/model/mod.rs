//! Random lives against a model in memory: nothing is lost, doubled or charged wrongly.

mod check;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pombo_domain::campaign::{Order, Stop};
use pombo_domain::id::{MessageId, PartId, RouteId, SendingId};
use pombo_domain::message::PartState;
use pombo_domain::money::Money;
use pombo_domain::price::Refund;
use pombo_domain::route::{ReceiptId, UncertainPolicy};
use pombo_domain::time::Instant;
use pombo_store::operation::accept::Accepted;
use pombo_store::operation::claim::Claimed;
use pombo_store::operation::queue::Heads;
use pombo_store::operation::settle::{Fate, Item};
use pombo_store::operation::uncertain::{Decide, Selection};
use proptest::prelude::*;

pub(crate) use check::check;

use crate::dump::alike_on_every_store;
use crate::steps::{Asked, How, Step, credit, give_order, limit, lives, opt_out, steps};
use crate::world::{CREDIT, PRICE, World, cause, on_two_nodes, parts_of};

/// How long a receipt is waited for.
const RECEIPT_WAIT: Duration = Duration::from_secs(72 * 3_600);
/// How long a caller's key is remembered.
const KEY_KEPT: Duration = Duration::from_secs(48 * 3_600);
/// Days for which a carrier's id is known.
const ID_DAYS: i64 = 5;

/// Where the model believes a part to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Queued,
    Away {
        intent: i64,
        route: RouteId,
    },
    Sent(RouteId),
    /// In doubt, and whether a receipt is waited for, not the operator.
    Uncertain {
        route: RouteId,
        waits: bool,
    },
    /// No receipt came: undelivered, for all that is known.
    Silent(RouteId),
    /// Undelivered, for all that is known, and no carrier's id is.
    GivenUp,
    Final(PartState, RouteId),
}

#[derive(Debug, Clone, Copy)]
struct Known {
    place: Place,
    /// Which recipient it is for.
    to: usize,
    /// When a carrier took it, or it fell into doubt.
    since: Instant,
    /// It costs something: its recipient had not opted out when it was accepted.
    priced: bool,
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
        self.priced && !self.released && self.refund != Refund::Given
    }

    /// What a receipt does, whose carrier's id is known or which was adopted; whether it moves it.
    fn told(&mut self, state: PartState, now: Instant) -> bool {
        let (before, route) = match self.place {
            Place::Sent(route) => (PartState::Sent, route),
            Place::Uncertain { route, .. } => (PartState::Uncertain, route),
            Place::Silent(route) => (PartState::Undelivered, route),
            // That is the carrier's own word.
            Place::Final(PartState::Undelivered, _) => return false,
            Place::Final(before, route) => (before, route),
            Place::Queued | Place::Away { .. } | Place::GivenUp => return false,
        };
        if !before.accepts_receipt(state) {
            return false;
        }
        if before == PartState::Uncertain {
            self.since = now;
        }
        let is_sent = state == PartState::Sent;
        self.place = if is_sent { Place::Sent(route) } else { Place::Final(state, route) };
        self.refund = self.refund.when_told(state, "");
        true
    }
}

#[derive(Debug)]
pub(crate) struct Model {
    parts: BTreeMap<PartId, Known>,
    /// With the number of their parts, and their text where they have their own.
    messages: BTreeMap<MessageId, (u8, Option<String>)>,
    /// The campaign's sending, once a request has joined it.
    sending: Option<SendingId>,
    stop: Option<Stop>,
    /// Receipts that came before the answer.
    early: BTreeMap<(RouteId, PartId), Vec<PartState>>,
    /// The recipients who have opted out.
    out: BTreeSet<usize>,
    /// What the account was given.
    given: Money,
    /// What came with callers' keys, and when: the body, and the first message.
    keys: BTreeMap<u8, (u8, MessageId, Instant)>,
    /// Messages that the account may send in a day.
    per_day: Option<u64>,
    /// Those that it sent while there was a limit, by day.
    counted: BTreeMap<i64, u64>,
}

impl Default for Model {
    fn default() -> Self {
        let (parts, messages, early) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (out, keys, counted) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
        let (sending, stop, per_day) = (None, None, None);
        Self { parts, messages, sending, stop, early, out, given: CREDIT, keys, per_day, counted }
    }
}

impl Model {
    fn of(&self, test: impl Fn(Place) -> bool) -> Vec<PartId> {
        self.parts.iter().filter(|(_, known)| test(known.place)).map(|(part, _)| *part).collect()
    }

    fn known(&mut self, part: PartId) -> &mut Known {
        self.parts.get_mut(&part).unwrap()
    }

    fn put(&mut self, part: PartId, place: Place) {
        self.known(part).place = place;
    }

    fn doubt(&mut self, part: PartId, route: RouteId, (policy, now): (UncertainPolicy, Instant)) {
        let known = self.known(part);
        (known.doubted, known.since) = (true, now);
        known.place = match policy {
            UncertainPolicy::Resend => Place::Queued,
            UncertainPolicy::Wait => Place::Uncertain { route, waits: true },
            UncertainPolicy::Hold => Place::Uncertain { route, waits: false },
        };
    }

    /// It ended before a carrier took it.
    fn release(&mut self, part: PartId, place: Place) {
        let known = self.known(part);
        (known.released, known.place) = (true, place);
    }

    /// The parts that an intent must still name, were `part` to leave it.
    fn named(&self, intent: i64, part: PartId) -> Vec<PartId> {
        let mut named = self.of(|p| matches!(p, Place::Away { intent: i, .. } if i == intent));
        named.retain(|other| *other != part);
        named
    }

    /// Whether a receipt with an id that nobody knows can only mean the part in doubt to that
    /// recipient.
    fn adopts(&self, to: usize, route: RouteId) -> bool {
        let to_them = || self.parts.values().filter(|known| known.to == to);
        let is_open =
            |k: &&Known| matches!(k.place, Place::Uncertain { route: r, .. } if r == route);
        let is_away = |k: &Known| matches!(k.place, Place::Away { route: r, .. } if r == route);
        to_them().filter(is_open).count() == 1 && !to_them().any(is_away)
    }
}

fn nth(parts: &[PartId], n: usize) -> Option<PartId> {
    (!parts.is_empty()).then(|| parts[n % parts.len()])
}

/// Applies a step to the store and to the model.
pub(crate) fn apply(mut w: World, model: &mut Model, step: &Step) -> World {
    match step {
        Step::Accept(asked) => {
            accept(&w, model, asked);
            for (route, _, claimed) in w.door.left() {
                claim(&w, model, route, &claimed);
            }
        }
        Step::Claim { route, room } => {
            let route = [w.route, w.other_route][*route];
            let claimed = w.claim_on(route, *room);
            claim(&w, model, route, &claimed);
        }
        Step::Settle { n, how } => {
            let away = model.of(|place| matches!(place, Place::Away { .. }));
            if let Some(part) = nth(&away, *n) {
                settle(&w, model, part, *how);
            }
        }
        Step::Receipt { n, state } => {
            let told = model.of(|p| !matches!(p, Place::Queued | Place::GivenUp));
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
                let Place::Away { route, .. } = model.parts[&part].place else { continue };
                model.doubt(part, route, (*policy, w.now()));
            }
        }
        Step::Decide { resend } => {
            let open = model.of(|place| matches!(place, Place::Uncertain { .. }));
            let decide = Decide { selection: Selection::All, resend: *resend, now: w.now() };
            assert_eq!(w.run(decide), open.len());
            for part in open {
                model.put(part, if *resend { Place::Queued } else { Place::GivenUp });
            }
        }
        Step::Order { order: given } => order(&w, model, *given),
        Step::OptOut { to, is_out } => {
            let changes = if *is_out { model.out.insert(*to) } else { model.out.remove(to) };
            assert_eq!(opt_out(&w, *to, *is_out), changes);
        }
        Step::Sweep => sweep(&w, model),
        Step::Credit { parts_left } => {
            let before = w.balance();
            credit(&w, *parts_left);
            model.given += w.balance() - before;
        }
        Step::Limit { per_day } => {
            limit(&w, *per_day);
            model.per_day = *per_day;
        }
    }
    w
}

/// What was claimed is away, and was nowhere else.
fn claim(w: &World, model: &mut Model, route: RouteId, claimed: &Claimed) {
    for work in &claimed.work {
        assert_eq!(work.text, model.messages[&work.message].1);
    }
    for part in parts_of(claimed) {
        let known = model.parts[&part];
        assert_eq!(known.place, Place::Queued, "{part:?} is claimed twice");
        let is_stopped = known.named && model.stop.is_some();
        assert!(!is_stopped, "{part:?} leaves in spite of {:?}", model.stop);
        assert!(!model.out.contains(&known.to), "{part:?} is for who has opted out");
        let its = claimed.work.iter().find(|work| work.message == part.message());
        model.put(part, Place::Away { intent: its.unwrap().intent, route });
    }
    let n = claimed.n_expired + claimed.n_withdrawn + claimed.n_refused;
    notice_ended(w, model, n, route);
}

/// The sweep gives up on what has waited too long for its receipt.
fn sweep(w: &World, model: &mut Model) {
    let last = w.now().minus(RECEIPT_WAIT);
    let mut n = 0;
    for known in model.parts.values_mut().filter(|known| known.since < last) {
        known.place = match known.place {
            Place::Sent(route) => Place::Silent(route),
            Place::Uncertain { waits: true, .. } => Place::GivenUp,
            _ => continue,
        };
        n += 1;
    }
    assert_eq!(w.sweep().n_silent, n);
}

fn order(w: &World, model: &mut Model, order: Order) {
    let Some(sending) = model.sending else { return };
    let (stop, n_withdrawn) = give_order(w, sending, order);
    model.stop = stop;
    notice_ended(w, model, n_withdrawn, w.route);
    if order == Order::Cancel {
        let is_left = |part: &PartId| model.parts[part].named;
        let left = model.of(|place| place == Place::Queued).into_iter().find(is_left);
        assert_eq!(left, None, "it waits although its sending was cancelled");
    }
}

fn accept(w: &World, model: &mut Model, asked: &Asked) {
    let is_in = |i: &usize| !model.out.contains(i);
    let n_priced: usize = (0..asked.n).filter(is_in).map(|i| usize::from(asked.n_parts(i))).sum();
    let is_poor = PRICE.times(n_priced).unwrap() > w.balance();
    let is_cancelled = asked.named && model.stop == Some(Stop::Cancelled);
    let today = *model.counted.entry(w.now().day()).or_default() + asked.n as u64;
    let is_too_many = model.per_day.is_some_and(|limit| today > limit);
    let (key, body) = asked.key().unzip();
    let since = w.now().minus(KEY_KEPT);
    let seen = key.and_then(|key| model.keys.get(&key)).filter(|(.., at)| *at > since).copied();
    let (accepted, joined) = asked.accept(w);
    model.sending = model.sending.or(joined);
    let (first, sending) = match accepted {
        None => return,
        Some(Accepted::Done { first, replayed: true, .. }) => {
            return assert_eq!(
                seen.map(|(body, first, _)| (Some(body), first)),
                Some((body, first))
            );
        }
        Some(Accepted::KeyReused) => return assert!(seen.is_some_and(|seen| Some(seen.0) != body)),
        Some(Accepted::Done { first, sending, .. }) => (first, sending),
        Some(Accepted::CampaignCancelled) => return assert!(is_cancelled),
        Some(Accepted::DailyLimit) => return assert!(is_too_many),
        Some(refused) => {
            assert_eq!(refused, Accepted::NotEnoughCredits);
            return assert!(is_poor);
        }
    };
    assert!(!is_poor && !is_cancelled && !is_too_many && seen.is_none());
    if let Some((key, body)) = key.zip(body) {
        model.keys.insert(key, (body, first, w.now()));
    }
    if model.per_day.is_some() {
        model.counted.insert(w.now().day(), today);
    }
    if asked.named {
        assert_eq!(*model.sending.get_or_insert(sending), sending);
    }
    for i in 0..asked.n {
        let message = first.plus(i);
        model.messages.insert(message, (asked.n_parts(i), asked.text(i)));
        let is_out = model.out.contains(&i);
        let refused = Place::Final(PartState::Rejected, asked.route(w, i));
        for part in 0..asked.n_parts(i) {
            let known = Known {
                place: if is_out { refused } else { Place::Queued },
                to: i,
                since: w.now(),
                priced: !is_out,
                released: is_out,
                refund: Refund::promised(asked.refunds(i)),
                doubted: false,
                named: asked.named,
            };
            model.parts.insert(message.part(part), known);
        }
    }
}

/// A claim says only how many ended; the store knows which.
fn notice_ended(w: &World, model: &mut Model, n: usize, route: RouteId) {
    let mut seen = 0;
    let waiting = if n > 0 { model.of(|place| place == Place::Queued) } else { Vec::new() };
    for part in waiting {
        let state = w.states(part.message())[usize::from(part.idx())];
        let known = model.parts[&part];
        match state {
            PartState::Rejected => assert!(model.out.contains(&known.to), "{part:?}"),
            PartState::Expired | PartState::Cancelled => {}
            PartState::Undelivered if known.doubted => {
                model.put(part, Place::GivenUp);
                seen += 1;
                continue;
            }
            _ => continue,
        }
        model.release(part, Place::Final(state, route));
        seen += 1;
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
    let fate = match how {
        How::Sent => Fate::Sent { carrier_id: part.to_string() },
        How::Refused => Fate::Ended { state: PartState::Rejected, cause: cause("no") },
        How::Again { wait_s, elsewhere } => {
            again(wait_s, if elsewhere { other } else { route }, Some(cause("busy")))
        }
        How::GivenBack => again(0, route, None),
        How::Doubt(policy) => Fate::Doubt { policy, tries: 1, cause: cause("lost") },
    };
    let rest = model.named(intent, part);
    let left =
        if rest.is_empty() { Item::IntentDone(intent) } else { Item::IntentShrunk(intent, rest) };
    let done = w.settle_on(route, ReceiptId::Same, vec![w.settled(part, fate), left]);
    match how {
        How::Sent => {
            let now = w.now();
            let known = model.parts.get_mut(&part).unwrap();
            (known.place, known.since) = (Place::Sent(route), now);
            let early = model.early.remove(&(route, part)).unwrap_or_default();
            let moved = early.iter().filter(|state| known.told(**state, now)).count();
            assert_eq!((done.n_matched, done.n_repeated), (moved, early.len() - moved));
        }
        // It may have been delivered: undelivered for all that is known, and charged.
        How::Refused if model.parts[&part].doubted => model.put(part, Place::GivenUp),
        How::Refused => model.release(part, Place::Final(PartState::Rejected, route)),
        How::Again { .. } | How::GivenBack => model.put(part, Place::Queued),
        How::Doubt(policy) => model.doubt(part, route, (policy, w.now())),
    }
}

fn receipt(w: &World, model: &mut Model, part: PartId, state: PartState) {
    let known = model.parts[&part];
    let (route, is_known) = match known.place {
        Place::Away { route, .. } => (route, false),
        Place::Uncertain { route, .. } => (route, model.adopts(known.to, route)),
        Place::Sent(route) | Place::Silent(route) | Place::Final(_, route) => (route, true),
        Place::Queued | Place::GivenUp => return,
    };
    // Nobody's carrier ever had it, or nobody knows its id any more: its receipt would be kept.
    if known.released || known.since.day() < w.now().day() - ID_DAYS {
        return;
    }
    let mut told = w.bare_receipt(&part.to_string(), state, known.to);
    told.at = w.now();
    let done = w.settle_on(route, ReceiptId::Same, vec![Item::Receipt(told)]);
    let counts = (done.n_matched, done.n_repeated, done.n_unmatched);
    if !is_known {
        model.early.entry((route, part)).or_default().push(state);
        assert_eq!(counts, (0, 0, 1), "{known:?}");
    } else if model.known(part).told(state, w.now()) {
        assert_eq!(counts, (1, 0, 0), "{known:?}");
    } else {
        assert_eq!(counts, (0, 1, 0), "{known:?}");
    }
}

/// Lets time pass until the queues are empty: whatever waited is claimed once, or has expired.
pub(crate) fn drain(w: &World, model: &mut Model) {
    w.pass(Duration::from_secs(3_600));
    if model.stop == Some(Stop::Paused) {
        order(w, model, Order::Resume);
    }
    for route in [w.route, w.other_route] {
        while !w.ask(Heads { route }).is_empty() {
            let claimed = w.claim_on(route, 5);
            claim(w, model, route, &claimed);
        }
    }
    assert_eq!(model.of(|place| place == Place::Queued), [], "nothing accepted is lost");
    check(w, model);
}

/// A life, to its end.
fn live(mut world: World, steps: &[Step]) -> World {
    let mut model = Model::default();
    for step in steps {
        world = apply(world, &mut model, step);
    }
    check(&world, &model);
    drain(&world, &mut model);
    world
}

proptest! {
    #![proptest_config(lives(48, 2_000))]

    #[test]
    fn whatever_happens_nothing_is_lost_doubled_or_charged_wrongly(
        steps in proptest::collection::vec(steps(), 1..60)
    ) {
        alike_on_every_store(|world| live(world, &steps));
    }
}

proptest! {
    #![proptest_config(lives(24, 2_000))]

    #[test]
    fn whatever_happens_on_two_nodes_neither_goes_by_what_the_other_has_changed(
        steps in proptest::collection::vec(steps(), 1..60)
    ) {
        on_two_nodes(|world| drop(live(world, &steps)));
    }
}
