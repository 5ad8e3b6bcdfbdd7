//! The harness: a fresh store with two accounts and two routes, and short words for what tests do.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pombo_domain::address::Phone;
use pombo_domain::campaign::{Tally, Totals};
use pombo_domain::channel::{Cause, Receipt};
use pombo_domain::id::{AccountId, MessageId, PartId, RouteId, SendingId};
use pombo_domain::message::{Category, EventKind, Lane, PartState};
use pombo_domain::money::Money;
use pombo_domain::otp::Limits;
use pombo_domain::route::{ReceiptId, UncertainPolicy};
use pombo_domain::sms::Encoding;
use pombo_domain::time::Instant;
use pombo_peers::postgres::Database;
use pombo_store::Store;
use pombo_store::operation::accept::{Accept, Accepted, CallbackUrls, Campaign, Recipient};
use pombo_store::operation::claim::{Claim, Claimed};
use pombo_store::operation::failover::Failover;
use pombo_store::operation::queue::Heads;
use pombo_store::operation::settle::{Fate, Item, Settle, Settled, Settlement};
use pombo_store::operation::status::{MessageView, Status};
use pombo_store::operation::text::Texts;
use pombo_store::operation::{Operation, Question, account, campaign, recover, route, sweep};

use crate::outlet::Door;
use crate::place::{Folder, Place};

/// 2026-03-24T12:00:00Z, a Tuesday.
pub(crate) const NOON: Instant = Instant::from_micros(1_774_353_600_000_000);
/// What every part costs here.
pub(crate) const PRICE: Money = Money::from_micros(50_000);
/// What both accounts begin with.
pub(crate) const CREDIT: Money = Money::from_micros(10_000_000_000);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// The request, with so many parts to each message.
pub(crate) fn of_parts(n_parts: u8, request: Accept) -> Accept {
    let longer = |recipient: &Recipient| Recipient { n_parts, ..*recipient };
    Accept { recipients: request.recipients.iter().map(longer).collect(), ..request }
}
pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// A store with two accounts and two routes.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) place: Place,
    pub(crate) account: AccountId,
    pub(crate) other_account: AccountId,
    pub(crate) route: RouteId,
    pub(crate) other_route: RouteId,
    /// What countries allow when something is claimed.
    pub(crate) rules: Arc<pombo_domain::country::Rules>,
    pub(crate) clock: Cell<Instant>,
    /// What leaves at once: nothing, until it is opened.
    pub(crate) door: Arc<Door>,
    /// What becomes of what carriers do not deliver.
    pub(crate) failover: RefCell<Option<Failover>>,
    /// Another node, which runs a third of all commands, and how many there were.
    pub(crate) second: Option<(Store, Cell<usize>)>,
}

/// Every engine there is, each with a fresh store.
pub(crate) fn stores() -> Vec<(&'static str, World)> {
    vec![("sqlite", World::sqlite()), ("postgres", World::postgres())]
}

/// Runs a test of what only files have.
pub(crate) fn on_files(test: impl Fn(World)) {
    test(World::sqlite());
}

/// Runs a test of what only servers have.
pub(crate) fn on_servers(test: impl Fn(World)) {
    test(World::postgres());
}

/// Runs a test on a server whose store two nodes serve.
pub(crate) fn on_two_nodes(test: impl Fn(World)) {
    let world = World::postgres();
    let second = world.place.open();
    for store in [&world.store, &second] {
        wait_until("they see each other", || store.nodes().borrow().all().len() == 2);
    }
    world.door.keep(&second, [world.route, world.other_route]);
    test(World { second: Some((second, Cell::new(0))), ..world });
}

/// Runs a test on every engine.
pub(crate) fn on_every_store(test: impl Fn(World)) {
    for (name, world) in stores() {
        // Shown only where the test fails.
        eprintln!("engine: {name}");
        test(world);
    }
}

impl World {
    fn sqlite() -> Self {
        Self::at(Place::Sqlite(Folder::new()))
    }

    fn postgres() -> Self {
        Self::at(Place::Postgres(Database::fresh()))
    }

    fn at(place: Place) -> Self {
        let store = place.open();
        let add = |name: &str| account::Add {
            name: name.to_owned(),
            password_hash: "hash".to_owned(),
            credit: CREDIT,
            currency: "EUR".to_owned(),
            now: NOON,
        };
        let account = store.run_blocking(add("alpha")).unwrap().unwrap();
        let other_account = store.run_blocking(add("beta")).unwrap().unwrap();
        let names = vec!["one".to_owned(), "two".to_owned()];
        let routes = store.run_blocking(route::Number { names }).unwrap();
        let clock = Cell::new(NOON);
        let (route, other_route) = (routes[0], routes[1]);
        let (failover, rules) = (RefCell::default(), Arc::default());
        let door = Arc::new(Door::default());
        door.keep(&store, [route, other_route]);
        Self {
            store,
            place,
            account,
            other_account,
            route,
            other_route,
            rules,
            clock,
            door,
            failover,
            second: None,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.get()
    }

    /// Time passes.
    pub(crate) fn pass(&self, span: Duration) {
        self.clock.set(self.now().plus(span));
    }

    pub(crate) fn set_clock(&self, now: Instant) {
        self.clock.set(now);
    }

    pub(crate) fn run<O: Operation>(&self, operation: O) -> O::Answer {
        let is_its = |n: &Cell<usize>| n.replace(n.get() + 1) % 3 == 1;
        let second = self.second.as_ref().filter(|(_, n)| is_its(n)).map(|(store, _)| store);
        second.unwrap_or(&self.store).run_blocking(operation).unwrap()
    }

    pub(crate) fn ask<Q: Question>(&self, question: Q) -> Q::Answer {
        self.store.ask_blocking(question).unwrap()
    }

    /// Closes the store as a crash would leave it, and opens it again.
    pub(crate) fn reopened(self) -> Self {
        let Self { store, second, .. } = self;
        store.close();
        drop(store);
        second.iter().for_each(|(store, _)| store.close());
        let store = self.place.open();
        let second = second.map(|(_, n)| (self.place.open(), n));
        for store in second.iter().map(|(store, _)| store).chain([&store]) {
            self.door.keep(store, [self.route, self.other_route]);
        }
        Self { store, second, ..self }
    }

    /// Closes the store; its place stays.
    pub(crate) fn close(self) -> Place {
        self.store.close();
        self.place
    }

    /// Closes the store, has its file copied, and opens the copy.
    pub(crate) fn moved(self, to: Database, copy: impl FnOnce(&Path)) -> Self {
        let Self { store, place, .. } = self;
        store.close();
        drop(store);
        copy(&place.folder().file());
        let place = Place::Postgres(to);
        let store = place.open();
        Self { store, place, ..self }
    }

    /// A request for `n` recipients of one part each, to be changed as the test likes.
    pub(crate) fn request(&self, n: usize) -> Accept {
        let to = |i: usize| recipient(phone(i), self.route, PRICE);
        Accept {
            account: self.account,
            now: self.now(),
            sender: "SENDER".to_owned(),
            text: "Hello, this is a text of some length".to_owned(),
            texts: Texts::Same,
            encoding: Encoding::Gsm,
            split: false,
            flash: false,
            category: Category::Transactional,
            lane: Lane::Transactional,
            concat_ref: 7,
            due: self.now(),
            expires: None,
            windows: String::new(),
            campaign: Campaign::Own,
            callbacks: CallbackUrls::None,
            recipients: (0..n).map(to).collect(),
            otp: None,
            otp_limits: Limits::default(),
            held: Vec::new(),
            key: None,
            answers_opt_out: false,
            certified: false,
            staged: None,
        }
    }

    /// Accepts a request that nothing speaks against.
    pub(crate) fn accept(&self, request: Accept) -> MessageId {
        first(self.run(request))
    }

    /// Accepts a message of one part.
    pub(crate) fn message(&self) -> MessageId {
        self.accept(self.request(1))
    }

    fn to_claim_on(&self, route: RouteId, room: usize) -> Claim {
        let (account, now) = (self.account, self.now());
        Claim { route, lane: Lane::Transactional, account, room, rules: self.rules.clone(), now }
    }

    pub(crate) fn claim_on(&self, route: RouteId, room: usize) -> Claimed {
        self.run(self.to_claim_on(route, room))
    }

    /// A claim, to be run by whom the test likes.
    pub(crate) fn to_claim(&self, room: usize) -> Claim {
        self.to_claim_on(self.route, room)
    }

    pub(crate) fn claim(&self, room: usize) -> Claimed {
        self.claim_on(self.route, room)
    }

    /// A message that is away, and its intent.
    pub(crate) fn flying(&self) -> (MessageId, i64) {
        let message = self.message();
        let claimed = self.claim(1);
        assert_eq!(claimed.work.len(), 1);
        (message, claimed.work[0].intent)
    }

    fn to_settle_on(&self, route: RouteId, spelling: ReceiptId, items: Vec<Item>) -> Settle {
        let validity_max = 48 * HOUR;
        let (items, now) = (Arc::new(items), self.now());
        let failover = self.failover.borrow().clone();
        Settle { route, spelling, failover, validity_max, items, now }
    }

    pub(crate) fn settle_on(
        &self,
        route: RouteId,
        spelling: ReceiptId,
        items: Vec<Item>,
    ) -> Settlement {
        self.run(self.to_settle_on(route, spelling, items))
    }

    /// What came of it, to be run by whom the test likes.
    pub(crate) fn to_settle(&self, items: Vec<Item>) -> Settle {
        self.to_settle_on(self.route, ReceiptId::Same, items)
    }

    pub(crate) fn settle(&self, items: Vec<Item>) -> Settlement {
        self.settle_on(self.route, ReceiptId::Same, items)
    }

    pub(crate) fn settled(&self, part: PartId, fate: Fate) -> Item {
        let (account, at) = (self.account, self.now());
        let tally = self.tally_of(part);
        Item::Settled(Settled { part, account, lane: Lane::Transactional, at, tally, fate })
    }

    /// What the engine knows of a part: whose totals it moves.
    fn tally_of(&self, part: PartId) -> Tally {
        let views = self.views(vec![part.message()]);
        let tally =
            |view: &MessageView| view.request.tally(u8::try_from(view.parts.len()).unwrap());
        views.first().map_or(Tally::NONE, tally)
    }

    pub(crate) fn sent(&self, part: PartId, carrier_id: &str) -> Item {
        self.settled(part, Fate::Sent { carrier_id: carrier_id.to_owned() })
    }

    pub(crate) fn doubt(&self, part: PartId, policy: UncertainPolicy) -> Item {
        self.settled(part, Fate::Doubt { policy, tries: 1, cause: cause("link lost") })
    }

    pub(crate) fn receipt(&self, carrier_id: &str, state: PartState, to: usize) -> Item {
        Item::Receipt(self.bare_receipt(carrier_id, state, to))
    }

    pub(crate) fn bare_receipt(&self, carrier_id: &str, state: PartState, to: usize) -> Receipt {
        Receipt {
            carrier_id: carrier_id.to_owned(),
            state,
            word: match state {
                PartState::Delivered => "DELIVRD",
                PartState::Expired => "EXPIRED",
                PartState::Undelivered => "UNDELIV",
                PartState::Rejected => "REJECTD",
                _ => "ACCEPTD",
            },
            error: String::new(),
            addresses: [phone(to).to_string(), "SENDER".to_owned()],
            text: String::new(),
            at: self.now(),
        }
    }

    /// A message that a carrier took under this id.
    pub(crate) fn sent_message(&self, carrier_id: &str) -> MessageId {
        let (message, intent) = self.flying();
        self.settle(vec![self.sent(message.part(0), carrier_id), Item::IntentDone(intent)]);
        message
    }

    pub(crate) fn views(&self, ids: Vec<MessageId>) -> Vec<MessageView> {
        self.ask(Status { account: self.account, ids })
    }

    pub(crate) fn view(&self, id: MessageId) -> MessageView {
        self.views(vec![id]).pop().unwrap()
    }

    /// The states of a message's parts.
    pub(crate) fn states(&self, id: MessageId) -> Vec<PartState> {
        self.view(id).parts.iter().map(|part| part.state).collect()
    }

    /// The state of a message's first part.
    pub(crate) fn state(&self, id: MessageId) -> PartState {
        self.states(id)[0]
    }

    pub(crate) fn kinds(&self, id: MessageId) -> Vec<EventKind> {
        self.view(id).events.iter().map(|event| event.kind).collect()
    }

    pub(crate) fn balance(&self) -> Money {
        self.balance_of(self.account)
    }

    pub(crate) fn balance_of(&self, account: AccountId) -> Money {
        let found = self.ask(account::Find::Id(account)).unwrap();
        assert_eq!(found.balance, self.ask(account::LedgerSum(account)), "the ledger tells");
        found.balance
    }

    pub(crate) fn spent(&self) -> Money {
        CREDIT - self.balance()
    }

    /// A campaign's totals as its events come to; nobody recounts what it cost.
    pub(crate) fn recounted(&self, sending: SendingId) -> Totals {
        let mut recounted = Totals::default();
        let mut at = Some(campaign::Place::default());
        while let Some(place) = at {
            // Pages of a few parts, so that requests and messages lie across them.
            let page = self.ask(campaign::Lives { sending, at: place, limit: 4 });
            recounted += campaign::recount(&page.lives);
            at = page.next;
        }
        recounted
    }

    pub(crate) fn is_queue_empty(&self) -> bool {
        [self.route, self.other_route].iter().all(|&route| self.ask(Heads { route }).is_empty())
    }

    pub(crate) fn recover(&self, policy: UncertainPolicy) -> recover::Recovered {
        let policies = [(self.route, policy.into()), (self.other_route, policy.into())].into();
        self.run(recover::Recover { policies, now: self.now() })
    }

    pub(crate) fn sweep(&self) -> sweep::Swept {
        let (now, limit) = (self.now(), 1_000);
        let unheard = self.ask(sweep::Silent { before: now.minus(72 * HOUR), limit });
        self.run(sweep::Sweep { now, unheard, limit })
    }
}

/// Who gets a message of one part.
pub(crate) fn recipient(to: Phone, route: RouteId, price: Money) -> Recipient {
    Recipient { to, route, price, refunds: false, extra: Money::ZERO, n_parts: 1 }
}

/// Waits for what another thread or process does.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let start = tokio::time::Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn phone(i: usize) -> Phone {
    Phone::from_stored(34_600_000_000 + i as u64)
}

pub(crate) fn first(accepted: Accepted) -> MessageId {
    match accepted {
        Accepted::Done { first, .. } => first,
        refused => panic!("refused: {refused:?}"),
    }
}

pub(crate) fn cause(text: &str) -> Cause {
    Cause { code: "8".to_owned(), text: text.to_owned() }
}

/// Every part that was claimed.
pub(crate) fn parts_of(claimed: &Claimed) -> Vec<PartId> {
    let mut parts = Vec::new();
    for work in &claimed.work {
        parts.extend((0..16).filter(|i| work.parts >> i & 1 == 1).map(|i| work.message.part(i)));
    }
    parts
}
