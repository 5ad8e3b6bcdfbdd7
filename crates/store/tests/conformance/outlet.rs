//! What an outlet has room for is claimed when it is accepted: once, whole, and by all the rules of a
//! claim. What has no room waits in its queue, and the outlet is told so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pombo_domain::campaign::Order;
use pombo_domain::country::Rules;
use pombo_domain::id::{AccountId, RouteId};
use pombo_domain::message::{Category, Lane, PartState};
use pombo_domain::route::UncertainPolicy;
use pombo_domain::time::Instant;
use pombo_store::operation::Operation;
use pombo_store::operation::accept::{Accept, Campaign, Key, Recipient};
use pombo_store::operation::claim::{Claim, Claimed};
use pombo_store::operation::settle::Item;
use pombo_store::{Error, Outlet, Store, Work};

use crate::opening::{offsets, siesta, to_france};
use crate::place::Place;
use crate::steps::{give_order, opt_out};
use crate::world::{HOUR, NOON, PRICE, World, of_parts, on_every_store, parts_of, wait_until};

/// What leaves at once, by either route.
#[derive(Debug, Default)]
pub(crate) struct Door {
    inner: Mutex<Inner>,
    /// Whoever has it keeps the writer waiting.
    gate: Mutex<()>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Parts that may leave, and what else a claim asks.
    room: usize,
    now: Option<Instant>,
    rules: Arc<Rules>,
    /// How often it was asked.
    n_asked: usize,
    /// The route whose side breaks down when it is asked.
    broken: Option<RouteId>,
    left: Vec<(RouteId, AccountId, Claimed)>,
    failed: Vec<Error>,
    waits: Vec<(RouteId, AccountId, Instant)>,
    ways: Vec<Arc<dyn Outlet>>,
}

/// One route's side of it.
#[derive(Debug)]
struct Way(RouteId, Arc<Door>);

impl Door {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands at the routes of a store.
    pub(crate) fn keep(self: &Arc<Self>, store: &Store, routes: [RouteId; 2]) {
        for route in routes {
            let way: Arc<dyn Outlet> = Arc::new(Way(route, Arc::clone(self)));
            store.set_outlet(route, Arc::downgrade(&way));
            self.inner().ways.push(way);
        }
    }

    /// So many parts may leave until it is opened or shut again.
    pub(crate) fn open(&self, w: &World, room: usize) {
        let mut inner = self.inner();
        (inner.room, inner.now, inner.rules) = (room, Some(w.now()), Arc::clone(&w.rules));
    }

    pub(crate) fn shut(&self) {
        self.inner().room = 0;
    }

    /// What has left since the last look.
    pub(crate) fn left(&self) -> Vec<(RouteId, AccountId, Claimed)> {
        std::mem::take(&mut self.inner().left)
    }

    /// What waits since the last look.
    fn waits(&self) -> Vec<(RouteId, AccountId, Instant)> {
        std::mem::take(&mut self.inner().waits)
    }
}

impl Outlet for Way {
    fn claims(&self, fresh: &[(Lane, AccountId, usize)]) -> Vec<Claim> {
        let Self(route, door) = self;
        door.inner().n_asked += 1;
        drop(door.gate.lock());
        let mut inner = door.inner();
        assert_ne!(inner.broken, Some(*route), "it breaks down");
        let Some(now) = inner.now else { return Vec::new() };
        let mut claims = Vec::new();
        for &(lane, account, n_parts) in fresh {
            let room = n_parts.min(inner.room);
            inner.room -= room;
            let (route, rules) = (*route, Arc::clone(&inner.rules));
            claims.push(Claim { route, lane, account, room, rules, now });
        }
        claims.retain(|claim| claim.room > 0);
        claims
    }

    fn claimed(&self, claim: Claim, claimed: Result<Claimed, Error>) {
        match claimed {
            Ok(claimed) => self.1.inner().left.push((claim.route, claim.account, claimed)),
            Err(error) => self.1.inner().failed.push(error),
        }
    }

    fn queued(&self, _lane: Lane, account: AccountId, due: Instant) {
        self.1.inner().waits.push((self.0, account, due));
    }
}

/// What left, where that was one claim.
fn one(w: &World) -> Claimed {
    let mut left = w.door.left();
    assert_eq!(left.len(), 1, "{left:?}");
    let (route, account, claimed) = left.remove(0);
    assert_eq!((route, account), (w.route, w.account));
    claimed
}

#[test]
fn what_has_room_is_claimed_when_it_is_accepted() {
    on_every_store(|w| {
        w.door.open(&w, 10);
        let message = w.message();
        let claimed = one(&w);
        let work = &claimed.work[0];
        assert_eq!((work.message, work.parts, work.tries), (message, 1, 1));
        assert_eq!(work.request.text, "Hello, this is a text of some length");
        assert!(w.is_queue_empty() && w.door.waits().is_empty());
        assert!(w.claim(10).work.is_empty(), "what has left is not claimed again");
        w.settle(vec![w.sent(message.part(0), "A1"), Item::IntentDone(work.intent)]);
        w.settle(vec![w.receipt("A1", PartState::Delivered, 0)]);
        assert_eq!((w.state(message), w.spent()), (PartState::Delivered, PRICE));
    });
}

#[test]
fn a_long_message_leaves_whole_however_little_room_there_is() {
    on_every_store(|w| {
        w.door.open(&w, 1);
        let message = w.accept(of_parts(3, w.request(1)));
        assert_eq!(parts_of(&one(&w)), [0, 1, 2].map(|idx| message.part(idx)));
        assert!(w.is_queue_empty());
    });
}

#[test]
fn what_has_no_room_waits_and_its_outlet_is_told_when_it_is_due() {
    on_every_store(|w| {
        let later = w.now().plus(HOUR);
        let of_two = w.request(2);
        let scheduled = Accept { due: later, ..w.request(1) };
        for (room, request, due) in
            [(0, w.request(1), NOON), (9, of_two, NOON), (9, scheduled, later)]
        {
            w.door.open(&w, room);
            let n = request.recipients.len();
            let first = w.accept(request);
            assert!(w.door.left().is_empty());
            assert_eq!(w.door.waits(), [(w.route, w.account, due)]);
            w.set_clock(due);
            let claimed = w.claim(10);
            assert_eq!(offsets(first, &parts_of(&claimed)).len(), n);
        }
    });
}

#[test]
fn what_left_at_once_is_in_doubt_after_a_crash() {
    on_every_store(|w| {
        w.door.open(&w, 1);
        let message = w.message();
        one(&w);
        let w = w.reopened();
        assert_eq!(w.recover(UncertainPolicy::Resend).n_uncertain, 1);
        assert_eq!(parts_of(&w.claim(10)), [message.part(0)]);
    });
}

#[test]
fn a_request_that_comes_again_under_its_key_leaves_once() {
    on_every_store(|w| {
        w.door.open(&w, 10);
        let key = Some(Key { key: "k".to_owned(), body: [1; 32] });
        let request = Accept { key, ..w.request(1) };
        let message = w.accept(request.clone());
        assert_eq!(w.accept(request), message);
        assert_eq!(parts_of(&one(&w)), [message.part(0)]);
    });
}

#[test]
fn what_may_not_leave_does_not_leave_at_once_either() {
    on_every_store(|w| {
        // To whom has opted out.
        opt_out(&w, 0, true);
        w.door.open(&w, 10);
        let refused = w.message();
        assert!(one(&w).work.is_empty());
        assert_eq!((w.state(refused), w.is_queue_empty()), (PartState::Rejected, true));
        opt_out(&w, 0, false);
        // Of a campaign that is paused.
        let campaign = Campaign::Named { name: "Spring".to_owned(), tags: Vec::new() };
        let named = Accept { campaign, ..w.request(1) };
        w.accept(named.clone());
        one(&w);
        let sending = w.view(w.accept(named.clone())).request.sending;
        one(&w);
        give_order(&w, sending, Order::Pause);
        let held = w.accept(named);
        assert!(one(&w).work.is_empty());
        give_order(&w, sending, Order::Resume);
        assert_eq!(parts_of(&w.claim(10)), [held.part(0)]);
    });
}

#[test]
fn what_its_country_does_not_allow_now_waits_until_it_does() {
    on_every_store(|w| {
        let w = World { rules: siesta(), ..w };
        w.door.open(&w, 10);
        let first = w.accept(Accept { category: Category::Marketing, ..to_france(&w, 1) });
        let claimed = one(&w);
        assert!(claimed.work.is_empty());
        assert_eq!(claimed.next_due, Some(NOON.plus(HOUR)));
        w.pass(HOUR);
        assert_eq!(parts_of(&w.claim(10)), [first.part(0)]);
    });
}

/// Runs commands in one transaction: they come while the writer is held up.
pub(crate) fn together<R: Send>(w: &World, others: impl FnOnce(&dyn Fn(usize)) -> R) -> R {
    let gate = w.door.gate.lock().unwrap();
    let n_asked = w.door.inner().n_asked;
    let (store, request) = (w.store.clone(), w.request(1));
    std::thread::scope(|scope| {
        scope.spawn(move || store.run_blocking(request).unwrap());
        wait_until("the writer is held up", || w.door.inner().n_asked > n_asked);
        let come = |rows| wait_until("it has come", || w.store.backlog() >= rows);
        let done = others(&come);
        drop(gate);
        done
    })
}

#[test]
fn whoever_looks_at_a_queue_finds_what_was_accepted_just_before() {
    on_every_store(|w| {
        w.door.open(&w, 10);
        let (request, claim) = (w.request(1), w.to_claim(10));
        let (accepting, claiming) = together(&w, |come| {
            let store = w.store.clone();
            let accepting = std::thread::spawn(move || store.run_blocking(request).unwrap());
            come(1);
            let rows = w.store.backlog() + claim.rows();
            let store = w.store.clone();
            let claiming = std::thread::spawn(move || store.run_blocking(claim).unwrap());
            come(rows);
            (accepting, claiming)
        });
        let message = crate::world::first(accepting.join().unwrap());
        let claimed = claiming.join().unwrap();
        assert_eq!(parts_of(&claimed), [message.part(0)]);
        let left: Vec<_> =
            w.door.left().iter().flat_map(|(.., claimed)| parts_of(claimed)).collect();
        assert_eq!(left.len(), 1, "only the message that held up the writer left at once");
        assert_ne!(left[0], message.part(0));
    });
}

/// A command that fails.
struct Fail;

impl Operation for Fail {
    type Answer = ();

    const LOOKS_AT_QUEUES: bool = false;

    fn run(&self, _work: &mut Work<'_>) -> Result<(), Error> {
        Err(Error::Failed("it fails".into()))
    }
}

#[test]
fn where_a_transaction_fails_what_would_have_left_waits() {
    on_every_store(|w| {
        w.door.open(&w, 10);
        let request = w.request(1);
        let (accepting, failing) = together(&w, |come| {
            let store = w.store.clone();
            let accepting = std::thread::spawn(move || store.run_blocking(request).unwrap());
            come(1);
            let rows = w.store.backlog() + 1;
            let store = w.store.clone();
            let failing = std::thread::spawn(move || store.run_blocking(Fail));
            come(rows);
            (accepting, failing)
        });
        let message = crate::world::first(accepting.join().unwrap());
        assert!(failing.join().unwrap().is_err());
        one(&w); // The message that held up the writer.
        assert_eq!(w.door.waits(), [(w.route, w.account, w.now())]);
        assert_eq!(parts_of(&w.claim(10)), [message.part(0)]);
    });
}

#[test]
fn where_an_outlet_breaks_down_all_waits_and_the_others_are_told() {
    on_every_store(|w| {
        w.door.open(&w, 10);
        w.door.inner().broken = Some(w.other_route);
        let mut request = w.request(2);
        // One by each route, so that both leave alone.
        let by = |(i, recipient): (usize, &Recipient)| Recipient {
            route: if i == 0 { w.route } else { w.other_route },
            ..*recipient
        };
        request.recipients = request.recipients.iter().enumerate().map(by).collect();
        let first = w.accept(request);
        assert!(w.door.left().is_empty());
        assert_eq!(std::mem::take(&mut w.door.inner().failed).len(), 1);
        let waits = [w.route, w.other_route].map(|route| (route, w.account, w.now()));
        assert_eq!(w.door.waits(), waits);
        assert_eq!(parts_of(&w.claim(10)), [first.part(0)]);
        assert_eq!(parts_of(&w.claim_on(w.other_route, 10)), [first.plus(1).part(0)]);
    });
}

/// No intent can be written for an account.
fn refuse_intents(w: &World, account: AccountId) {
    let AccountId(account) = account;
    match &w.place {
        Place::Sqlite(folder) => rusqlite::Connection::open(folder.file())
            .unwrap()
            .execute_batch(&format!(
                "create trigger refused before insert on intent when new.account = {account} \
                 begin select raise(abort, 'refused'); end"
            ))
            .unwrap(),
        Place::Postgres(database) => {
            database.run(&format!("alter table intent add check (account <> {account})"));
        }
    }
}

#[test]
fn where_a_claim_fails_its_message_is_accepted_and_waits() {
    on_every_store(|w| {
        refuse_intents(&w, w.account);
        w.door.open(&w, 10);
        let message = w.message();
        assert_eq!(w.door.inner().failed.len(), 1);
        assert_eq!(w.door.waits(), [(w.route, w.account, w.now())]);
        assert_eq!((w.state(message), w.is_queue_empty()), (PartState::Queued, false));
    });
}

#[test]
fn where_a_claim_fails_its_outlet_is_told_of_all() {
    on_every_store(|w| {
        refuse_intents(&w, w.account);
        w.door.open(&w, 10);
        let both = [w.account, w.other_account];
        let accepting = together(&w, |come| {
            both.map(|account| {
                let (request, rows) = (Accept { account, ..w.request(1) }, w.store.backlog() + 1);
                let store = w.store.clone();
                let accepting = std::thread::spawn(move || store.run_blocking(request).unwrap());
                come(rows);
                accepting
            })
        });
        for accepting in accepting {
            accepting.join().unwrap();
        }
        // That of the message which held up the writer is one of them.
        assert_eq!(w.door.inner().failed.len(), 3);
        assert!(w.door.left().is_empty());
        let waits: Vec<_> = w.door.waits().iter().map(|(_, account, _)| *account).collect();
        assert_eq!(waits, [w.account, w.account, w.other_account]);
    });
}
