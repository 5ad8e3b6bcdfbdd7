//! What may happen to messages, at random: the steps that the model follows, and the twins too.

use std::time::Duration;

use pombo_domain::campaign::{Order, Stop};
use pombo_domain::id::{RouteId, SendingId};
use pombo_domain::message::{Lane, PartState};
use pombo_domain::opt_out::{Address, Source};
use pombo_domain::route::UncertainPolicy;
use pombo_store::operation::accept::{Accept, Accepted, CallbackUrls, Campaign, Key, Recipient};
use pombo_store::operation::account::{self, Change, Set};
use pombo_store::operation::campaign::{Finish, GiveBack, QueuePlace, SetStop, Withdraw};
use pombo_store::operation::opt_out::{Add, Among, Refuse, Remove, unpriced};
use pombo_store::operation::stage::{Begin, Stage};
use pombo_store::operation::text::{OwnText, Texts};
use proptest::prelude::*;

use crate::world::{CREDIT, PRICE, World, phone, recipient};

/// Recipients that there are.
const RECIPIENTS: usize = 5;
/// Recipients whose parts are staged together.
const STAGED_AT_ONCE: usize = 2;

/// So many lives; one that goes wrong is made shorter so many times.
pub(crate) fn lives(cases: u32, max_shrink_iters: u32) -> ProptestConfig {
    let failure_persistence = None;
    ProptestConfig { cases, max_shrink_iters, failure_persistence, ..ProptestConfig::default() }
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Accept(Asked),
    Claim {
        route: usize,
        room: usize,
    },
    /// What comes of the `n`th part that is away.
    Settle {
        n: usize,
        how: How,
    },
    /// A receipt for the `n`th part that a carrier may have had.
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
    /// A recipient opts out, or in again.
    OptOut {
        to: usize,
        is_out: bool,
    },
    /// What time alone changes.
    Sweep,
    /// The operator gives credit, or takes all but what so many parts cost.
    Credit {
        parts_left: Option<usize>,
    },
    /// The operator lets the account send so many messages a day, or any number.
    Limit {
        per_day: Option<u64>,
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

/// How a request comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    AtOnce,
    /// By pieces, as a large one does.
    Staged,
    /// By pieces, and its caller goes away before it is accepted.
    Abandoned,
}

/// A request; bit `i` of `routes` tells recipient `i`'s route.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) n: usize,
    n_parts: u8,
    routes: u8,
    delay_s: u64,
    expires_s: Option<u64>,
    /// Whether it joins the campaign.
    pub(crate) named: bool,
    /// Whether each message has its own text.
    personal: bool,
    /// The caller's key, and which of two bodies comes with it.
    key: Option<(u8, u8)>,
    pub(crate) way: Way,
    /// Parts that may leave at once.
    door: usize,
}

pub(crate) fn policies() -> impl Strategy<Value = UncertainPolicy> {
    use UncertainPolicy::{Hold, Resend, Wait};
    prop_oneof![Just(Resend), Just(Wait), Just(Hold)]
}

pub(crate) fn hows() -> impl Strategy<Value = How> {
    prop_oneof![
        4 => Just(How::Sent),
        1 => Just(How::Refused),
        2 => (0..90_u64, any::<bool>()).prop_map(|(wait_s, elsewhere)| How::Again { wait_s, elsewhere }),
        1 => Just(How::GivenBack),
        1 => policies().prop_map(How::Doubt),
    ]
}

pub(crate) fn told() -> impl Strategy<Value = PartState> {
    use PartState::{Delivered, Expired, Sent, Undelivered};
    prop_oneof![Just(Sent), Just(Delivered), Just(Undelivered), Just(Expired)]
}

pub(crate) fn asked() -> impl Strategy<Value = Asked> {
    let expiry = proptest::option::weighted(0.3, 1..120_u64);
    let way =
        prop_oneof![6 => Just(Way::AtOnce), 2 => Just(Way::Staged), 1 => Just(Way::Abandoned)];
    let size = (1..=RECIPIENTS, 0..4_u8, any::<u8>());
    let key = proptest::option::weighted(0.3, (0..3_u8, 0..2_u8));
    let delay = prop_oneof![1 => Just(0), 1 => 0..60_u64];
    let kind = (any::<bool>(), any::<bool>());
    (size, delay, expiry, kind, key, way, 0..4_usize).prop_map(
        |((n, n_parts, routes), delay_s, expires_s, (named, personal), key, way, door)| Asked {
            n,
            n_parts,
            routes,
            delay_s,
            expires_s,
            named,
            personal,
            key,
            way,
            door,
        },
    )
}

pub(crate) fn steps() -> impl Strategy<Value = Step> {
    let seconds = prop_oneof![6 => 1..60_u64, 1 => 3_600..90 * 3_600_u64];
    let order =
        prop_oneof![3 => Just(Order::Pause), 3 => Just(Order::Resume), 1 => Just(Order::Cancel)];
    prop_oneof![
        6 => asked().prop_map(Step::Accept),
        10 => (0..2_usize, 1..8_usize).prop_map(|(route, room)| Step::Claim { route, room }),
        16 => (any::<usize>(), hows()).prop_map(|(n, how)| Step::Settle { n, how }),
        7 => (any::<usize>(), told()).prop_map(|(n, state)| Step::Receipt { n, state }),
        7 => seconds.prop_map(|seconds| Step::Pass { seconds }),
        2 => policies().prop_map(|policy| Step::Restart { policy }),
        2 => any::<bool>().prop_map(|resend| Step::Decide { resend }),
        4 => order.prop_map(|order| Step::Order { order }),
        3 => (0..RECIPIENTS, any::<bool>()).prop_map(|(to, is_out)| Step::OptOut { to, is_out }),
        2 => Just(Step::Sweep),
        2 => proptest::option::weighted(0.4, 0..30_usize)
            .prop_map(|parts_left| Step::Credit { parts_left }),
        1 => proptest::option::weighted(0.7, 0..12_u64).prop_map(|per_day| Step::Limit { per_day }),
    ]
}

impl Asked {
    pub(crate) fn route(&self, w: &World, i: usize) -> RouteId {
        if self.routes >> i & 1 == 1 { w.other_route } else { w.route }
    }

    /// The second route's are given back what is not delivered.
    pub(crate) fn refunds(&self, i: usize) -> bool {
        self.routes >> i & 1 == 1
    }

    /// Messages of one request may differ in length, as personal ones do, or all have one part.
    pub(crate) fn n_parts(&self, i: usize) -> u8 {
        if self.n_parts == 0 {
            return 1;
        }
        1 + u8::try_from((usize::from(self.n_parts) + i) % 3).unwrap()
    }

    /// What it says to its `i`th recipient, where that is not what it says to all.
    pub(crate) fn text(&self, i: usize) -> Option<String> {
        self.personal.then(|| format!("Hello, this is text {i}"))
    }

    fn texts(&self, from: usize, to: usize) -> Texts {
        let own = |text| OwnText { text, links: Vec::new() };
        let texts: Option<Vec<OwnText>> = (from..to).map(|i| self.text(i).map(own)).collect();
        texts.map_or(Texts::Same, |texts| Texts::Each(texts.into()))
    }

    /// The caller's key, with its body; a large request has none here.
    pub(crate) fn key(&self) -> Option<(u8, u8)> {
        self.key.filter(|_| self.way == Way::AtOnce)
    }

    fn callbacks(&self) -> CallbackUrls {
        let url = |i: usize| format!("https://example.com/{i}?s=%d");
        match self.routes % 3 {
            0 => CallbackUrls::None,
            1 => CallbackUrls::One(url(0)),
            _ => CallbackUrls::Each((0..self.n).map(url).collect()),
        }
    }

    fn request(&self, w: &World) -> Accept {
        let to = |i| Recipient {
            n_parts: self.n_parts(i),
            refunds: self.refunds(i),
            ..recipient(phone(i), self.route(w, i), PRICE)
        };
        let due = w.now().plus(Duration::from_secs(self.delay_s));
        Accept {
            recipients: (0..self.n).map(to).collect(),
            due,
            expires: self.expires_s.map(|s| due.plus(Duration::from_secs(s))),
            campaign: match self.named {
                true => Campaign::Named { name: "Spring".to_owned(), tags: Vec::new() },
                false => Campaign::Own,
            },
            texts: self.texts(0, self.n),
            callbacks: self.callbacks(),
            certified: self.n % 2 == 1,
            key: self.key().map(|(key, body)| Key { key: key.to_string(), body: [body; 32] }),
            ..w.request(1)
        }
    }

    /// Brings it in, as the use case does. `None`: its caller went away. Where it was staged, the
    /// campaign that it joined was found or made before.
    pub(crate) fn accept(&self, w: &World) -> (Option<Accepted>, Option<SendingId>) {
        let request = self.request(w);
        if self.way == Way::AtOnce {
            w.door.open(w, self.door);
            let accepted = w.run(request);
            w.door.shut();
            return (Some(accepted), None);
        }
        let (account, now) = (w.account, w.now());
        let phones = request.recipients.iter().map(|recipient| recipient.to).collect();
        let listed = w.ask(Among { account, recipients: phones });
        let recipients = unpriced(&request.recipients, &listed);
        let request = Accept { recipients, ..request };
        if request.cost().unwrap() > w.balance() {
            return (Some(Accepted::NotEnoughCredits), None);
        }
        let campaign = request.campaign.clone();
        let (first, sending) = w.run(Begin { account, campaign, n_messages: self.n, now });
        for from in (0..self.n).step_by(STAGED_AT_ONCE) {
            let to = self.n.min(from + STAGED_AT_ONCE);
            w.run(Stage {
                first,
                recipients: request.recipients.clone(),
                sending,
                certified: request.certified,
                callbacks: request.callbacks.clone(),
                texts: self.texts(from, to),
                range: from..to,
            });
        }
        if self.way == Way::Abandoned {
            return (None, sending);
        }
        let messages = listed.iter().map(|i| (first.plus(*i), request.recipients[*i])).collect();
        let accepted = w.run(Accept { staged: Some(first), ..request });
        if matches!(accepted, Accepted::Done { .. }) {
            w.run(Refuse { account, messages, now });
        }
        (Some(accepted), sending)
    }
}

/// A recipient opts out, or in again; whether that changes anything.
pub(crate) fn opt_out(w: &World, to: usize, is_out: bool) -> bool {
    let (account, now, addresses) = (w.account, w.now(), vec![Address::Phone(phone(to))]);
    let (source, reason) = (Source::Recipient, "STOP".to_owned());
    let n = match is_out {
        true => w.run(Add { account, addresses, source, reason, now }),
        false => w.run(Remove { account, addresses, source, reason, now }),
    };
    n == 1
}

/// The operator gives what the account began with, or leaves it what so many parts cost.
pub(crate) fn credit(w: &World, parts_left: Option<usize>) {
    let left = parts_left.map_or(CREDIT, |n| PRICE.times(n).unwrap());
    let amount = left - w.balance();
    let name = w.ask(account::Find::Id(w.account)).unwrap().name;
    assert_eq!(w.run(account::Credit { name, amount, now: w.now() }), Some(left));
}

/// The operator limits what the account may send in a day.
pub(crate) fn limit(w: &World, per_day: Option<u64>) {
    let name = w.ask(account::Find::Id(w.account)).unwrap().name;
    assert!(w.run(Set { name, changes: vec![Change::PerDay(per_day)] }));
}

/// The owner stops a sending or lets it go on, as the use case does: how it stands then, and how
/// many parts were withdrawn.
pub(crate) fn give_order(w: &World, sending: SendingId, order: Order) -> (Option<Stop>, usize) {
    let account = w.account;
    let stop = w.run(SetStop { account, sending, order, now: w.now() });
    let mut n_withdrawn = 0;
    if order == Order::Pause {
        return (stop, n_withdrawn);
    }
    while w.run(GiveBack { now: w.now() }).more {}
    if order == Order::Cancel {
        for route in [w.route, w.other_route] {
            let (lane, mut at) = (Lane::Transactional, Some(QueuePlace::default()));
            while let Some(place) = at {
                let withdraw = Withdraw { account, sending, route, lane, at: place, now: w.now() };
                let done = w.run(withdraw);
                n_withdrawn += done.n;
                at = done.next;
            }
        }
        w.run(Finish { sending });
    }
    (stop, n_withdrawn)
}
