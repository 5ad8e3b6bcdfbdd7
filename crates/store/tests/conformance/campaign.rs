//! Campaigns: joined by name, counted, listed, paused, resumed, cancelled, told event by event.

use std::time::Duration;

use pombo_domain::campaign::{Order, Stop, Totals};
use pombo_domain::id::{AccountId, CampaignId, MessageId, SendingId};
use pombo_domain::message::{EventKind, Lane, PartState};
use pombo_domain::money::Money;
use pombo_domain::time::Instant;
use pombo_store::operation::accept::{Accept, Accepted, Campaign};
use pombo_store::operation::campaign::{
    CampaignRow, Find, Finish, GiveBack, List, Listed, Lives, Place, QueuePlace, SetStop,
    Unfinished, Which, Withdraw, recount,
};
use pombo_store::operation::route::Load;
use pombo_store::operation::settle::Item;
use pombo_store::operation::stage::{Begin, Stage};
use pombo_store::operation::text::Texts;

use crate::world::{CREDIT, DAY, HOUR, PRICE, World, of_parts, on_every_store, parts_of};

fn named(w: &World, n: usize, name: &str, tags: &[&str]) -> Accept {
    let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
    Accept { campaign: Campaign::Named { name: name.to_owned(), tags }, ..w.request(n) }
}

fn done(accepted: Accepted) -> (MessageId, CampaignId, SendingId) {
    match accepted {
        Accepted::Done { first, campaign, sending, .. } => (first, campaign, sending),
        refused => panic!("refused: {refused:?}"),
    }
}

fn row(w: &World, sending: SendingId) -> CampaignRow {
    find(w, w.account, Which::Sending(sending)).expect("there is one")
}

fn find(w: &World, account: AccountId, which: Which) -> Option<CampaignRow> {
    w.ask(Find { account: Some(account), which }).map(|found| found.row)
}

fn list(w: &World) -> List {
    List {
        account: w.account,
        before: Instant::from_micros(i64::MAX),
        after: Instant::from_micros(i64::MIN),
        channel: String::new(),
        tags: Vec::new(),
        skip: 0,
        limit: 100,
    }
}

fn names(listed: &Listed) -> Vec<&str> {
    listed.campaigns.iter().map(|row| row.name.as_str()).collect()
}

fn order(w: &World, sending: SendingId, order: Order) -> Option<Stop> {
    w.run(SetStop { account: w.account, sending, order, now: w.now() })
}

fn resume(w: &World, sending: SendingId) {
    assert_eq!(order(w, sending, Order::Resume), None);
    while w.run(GiveBack { now: w.now() }).more {}
}

/// Ends what waits; answers how many parts did.
fn withdraw(w: &World, sending: SendingId) -> usize {
    let mut n = 0;
    for route in [w.route, w.other_route] {
        for lane in Lane::ALL {
            let mut next = Some(QueuePlace::default());
            while let Some(at) = next {
                let (account, now) = (w.account, w.now());
                let done = w.run(Withdraw { account, sending, route, lane, at, now });
                n += done.n;
                next = done.next;
            }
        }
    }
    n
}

#[test]
fn requests_of_one_name_share_a_campaign_and_its_totals() {
    on_every_store(|w| {
        let (one, campaign, sending) = done(w.run(named(&w, 2, "Spring", &["a"])));
        let again = done(w.run(named(&w, 3, "Spring", &["b", "a"])));
        assert_eq!((again.1, again.2), (campaign, sending));
        let spring = row(&w, sending);
        assert_eq!(
            (spring.name.as_str(), spring.tags.as_slice()),
            ("Spring", &["a".into(), "b".into()][..])
        );
        let cost = PRICE.times(5).unwrap();
        assert_eq!(spring.totals, Totals::accepted(5, cost));
        let claimed = w.claim(2);
        let items = claimed.work.iter().map(|m| w.sent(m.message.part(0), &m.message.to_string()));
        w.settle(items.collect());
        w.settle(vec![w.receipt(&one.to_string(), PartState::Expired, 0)]);
        let before = row(&w, sending).totals;
        assert_eq!((before.waiting, before.sent, before.expired, before.delivered), (3, 2, 1, 0));
        w.settle(vec![w.receipt(&one.to_string(), PartState::Delivered, 0)]);
        let after = row(&w, sending).totals;
        assert_eq!((after.expired, after.delivered, after.parts_sent), (0, 1, 2));
        assert_eq!(find(&w, w.other_account, Which::Sending(sending)).map(|row| row.id), None);
        assert_eq!(find(&w, w.other_account, Which::Campaign(campaign)).map(|row| row.id), None);
    });
}

#[test]
fn names_that_are_stored_alike_are_one_campaign_whoever_is_remembered() {
    on_every_store(|w| {
        let mut sendings = Vec::new();
        for (name, tag) in [("a\0b", "x"), ("a\u{FFFD}b", "y"), ("a\0b", "z")] {
            sendings.push(done(w.run(named(&w, 1, name, &[tag]))).2);
        }
        assert_eq!(sendings, [sendings[0]; 3]);
        let tags = row(&w, sendings[0]).tags;
        assert_eq!(tags, ["x", "y", "z"].map(String::from));
    });
}

#[test]
fn a_staged_request_is_counted_when_it_is_accepted() {
    on_every_store(|w| {
        let request = named(&w, 1_200, "Large", &[]);
        let (account, campaign) = (w.account, request.campaign.clone());
        let begin = Begin { account, campaign, n_messages: 1_200, now: w.now() };
        let (first, sending) = w.run(begin);
        let stage = |range| Stage {
            certified: false,
            first,
            texts: Texts::Same,
            recipients: request.recipients.clone(),
            sending,
            callbacks: request.callbacks.clone(),
            range,
        };
        w.run(stage(0..600));
        w.run(stage(600..1_200));
        let sending = sending.expect("it is named");
        assert_eq!(row(&w, sending).totals, Totals::default());
        done(w.run(Accept { staged: Some(first), ..request }));
        w.claim(1);
        w.settle(vec![w.sent(first.part(0), "1")]);
        let totals = row(&w, sending).totals;
        assert_eq!((totals.messages, totals.waiting, totals.sent), (1_200, 1_199, 1));
    });
}

#[test]
fn a_sending_has_times_as_long_as_its_requests_agree() {
    on_every_store(|w| {
        let (due, expires) = (w.now().plus(HOUR), Some(w.now().plus(DAY)));
        let request = |due| Accept { due, expires, ..named(&w, 1, "Spring", &[]) };
        let (.., sending) = done(w.run(request(due)));
        w.run(request(due));
        assert_eq!((row(&w, sending).scheduled, row(&w, sending).expires), (Some(due), expires));
        w.run(request(w.now().plus(2 * HOUR)));
        w.run(request(due));
        assert_eq!((row(&w, sending).scheduled, row(&w, sending).expires), (None, expires));
    });
}

#[test]
fn lists_are_filtered_paged_and_the_accounts_own() {
    on_every_store(|w| {
        for (name, tags) in [("one", &["a", "x%"][..]), ("two", &["a", "b"]), ("three", &["ab"])] {
            w.run(named(&w, 1, name, tags));
            w.pass(HOUR);
        }
        w.run(Accept { account: w.other_account, ..named(&w, 1, "theirs", &["a"]) });
        w.message();
        let all = w.ask(list(&w));
        assert_eq!((names(&all), all.total), (vec!["three", "two", "one"], 3));
        let page = w.ask(List { skip: 1, limit: 1, ..list(&w) });
        assert_eq!((names(&page), page.total), (vec!["two"], 3));
        for (tags, found) in [
            (&["a"][..], &["two", "one"][..]),
            (&["a", "b"], &["two"]),
            (&["ab"], &["three"]),
            (&["A"], &[]),
            (&["x%"], &["one"]),
            (&["x_"], &[]),
        ] {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let listed = w.ask(List { tags, ..list(&w) });
            assert_eq!(names(&listed), found);
            assert_eq!(usize::try_from(listed.total).unwrap(), found.len());
        }
        let (before, after) = (w.now().minus(HOUR), w.now().minus(2 * HOUR));
        assert_eq!(names(&w.ask(List { before, after, ..list(&w) })), ["two"]);
        let of = |channel: &str| w.ask(List { channel: channel.to_owned(), ..list(&w) }).total;
        assert_eq!((of("sms"), of("mailing")), (3, 0));
    });
}

#[test]
fn a_request_without_a_name_is_found_by_its_numbers() {
    on_every_store(|w| {
        w.message();
        w.pass(2 * DAY);
        let (first, campaign, sending) = done(w.run(w.request(3)));
        w.pass(DAY);
        w.message();
        for which in [Which::Campaign(campaign), Which::Sending(sending)] {
            let found = w.ask(Find { account: Some(w.account), which: which.clone() }).unwrap();
            assert_eq!((found.row.id, found.row.sending), (campaign, sending));
            assert_eq!(found.own.unwrap().id, first);
            assert!(find(&w, w.other_account, which).is_none());
        }
        w.claim(1);
        w.claim(1);
        let claimed = w.claim(1);
        let part = parts_of(&claimed)[0];
        w.settle(vec![w.sent(part, "1")]);
        let page = w.ask(Lives { sending, at: Place::default(), limit: 100 });
        let totals = recount(&page.lives);
        assert_eq!((totals.messages, totals.sent, totals.waiting), (3, 1, 2));
        assert!(find(&w, w.account, Which::Sending(SendingId(7))).is_none());
    });
}

#[test]
fn lives_are_told_in_order_page_by_page_over_days() {
    on_every_store(|w| {
        let (first, _, sending) = done(w.run(of_parts(2, named(&w, 2, "Spring", &[]))));
        w.pass(DAY);
        let (second, ..) = done(w.run(named(&w, 3, "Spring", &[])));
        w.run(w.request(2));
        w.claim(2);
        let one = w.sent(first.part(0), "1");
        w.settle(vec![one, w.sent(first.part(1), "2")]);
        w.pass(Duration::from_secs(1));
        w.settle(vec![w.receipt("1", PartState::Delivered, 0)]);
        for limit in [1, 2, 3, 100] {
            let mut lives = Vec::new();
            let mut next = Some(Place::default());
            while let Some(at) = next {
                let page = w.ask(Lives { sending, at, limit });
                assert!(page.lives.len() <= limit.next_multiple_of(2));
                lives.extend(page.lives);
                next = page.next;
            }
            let parts: Vec<_> = lives.iter().map(|life| life.part).collect();
            let expected = [
                first.part(0),
                first.part(1),
                first.plus(1).part(0),
                first.plus(1).part(1),
                second.part(0),
                second.plus(1).part(0),
                second.plus(2).part(0),
            ];
            assert_eq!(parts, expected, "{limit}");
            let kinds: Vec<_> = lives[0].events.iter().map(|event| event.kind).collect();
            assert_eq!(kinds, [EventKind::Sent, EventKind::Delivered]);
        }
    });
}

#[test]
fn a_paused_sending_is_held_and_goes_on_where_it_was() {
    on_every_store(|w| {
        let late = Accept { due: w.now().plus(HOUR), ..named(&w, 2, "Spring", &[]) };
        let (_, _, sending) = done(w.run(late));
        let (now, ..) = done(w.run(named(&w, 5, "Spring", &[])));
        assert_eq!(parts_of(&w.claim(2)), [now.part(0), now.plus(1).part(0)]);
        assert_eq!(order(&w, sending, Order::Pause), Some(Stop::Paused));
        let other = w.message();
        let claimed = w.claim(100);
        assert_eq!(parts_of(&claimed), [other.part(0)], "only its messages are held");
        let w = w.reopened();
        w.run(GiveBack { now: w.now() });
        w.pass(2 * HOUR);
        assert!(w.claim(100).work.is_empty());
        assert_eq!(w.ask(Load { route: w.route }).queued, 5, "what is held is owed");
        assert_eq!(row(&w, sending).stop, Some(Stop::Paused));
        assert!(w.is_queue_empty());
        resume(&w, sending);
        let parts = parts_of(&w.claim(100));
        assert_eq!(parts.len(), 5, "{parts:?}");
        assert_eq!(parts[0], now.plus(2).part(0), "in the order in which they were due");
        assert!(!w.ask(Unfinished { now: w.now() }).to_give_back);
    });
}

#[test]
fn what_a_pause_holds_expires_in_time() {
    on_every_store(|w| {
        let expires = Some(w.now().plus(HOUR));
        let (first, _, sending) = done(w.run(Accept { expires, ..named(&w, 2, "Spring", &[]) }));
        order(&w, sending, Order::Pause);
        assert!(w.claim(100).work.is_empty());
        assert!(!w.ask(Unfinished { now: w.now() }).to_give_back);
        w.pass(HOUR);
        assert!(w.ask(Unfinished { now: w.now() }).to_give_back);
        w.run(GiveBack { now: w.now() });
        assert_eq!(w.claim(100).n_expired, 2);
        assert_eq!(w.state(first), PartState::Expired);
        assert_eq!(w.balance(), CREDIT);
        let totals = row(&w, sending).totals;
        assert_eq!((totals.expired, totals.cost, totals.processed()), (2, Money::ZERO, 2));
    });
}

#[test]
fn a_cancelled_sending_ends_gives_its_credit_back_and_takes_nothing_more() {
    on_every_store(|w| {
        let due = w.now().plus(HOUR);
        let (late, _, sending) = done(w.run(Accept { due, ..named(&w, 1_500, "Spring", &[]) }));
        let (now, ..) = done(w.run(named(&w, 3, "Spring", &[])));
        let (other, ..) = done(w.run(named(&w, 1, "Other", &[])));
        let claimed = w.claim(1);
        let intent = claimed.work[0].intent;
        order(&w, sending, Order::Pause);
        assert_eq!(parts_of(&w.claim(1)), [other.part(0)]);
        assert_eq!(order(&w, sending, Order::Cancel), Some(Stop::Cancelled));
        assert_eq!(order(&w, sending, Order::Pause), Some(Stop::Cancelled));
        let unfinished = w.ask(Unfinished { now: w.now() });
        assert_eq!(unfinished.to_withdraw, [(sending, w.account)]);
        assert!(unfinished.to_give_back);
        while w.run(GiveBack { now: w.now() }).more {}
        assert_eq!(withdraw(&w, sending), 1_502);
        w.run(Finish { sending });
        assert!(w.ask(Unfinished { now: w.now() }).to_withdraw.is_empty());
        for id in [late, late.plus(1_499), now.plus(1), now.plus(2)] {
            assert_eq!(
                (w.state(id), w.kinds(id)),
                (PartState::Cancelled, vec![EventKind::Cancelled])
            );
        }
        assert_eq!(w.spent(), PRICE.times(2).unwrap(), "one is away, one is another's");
        let refused = w.run(named(&w, 1, "Spring", &[]));
        assert_eq!(refused, Accepted::CampaignCancelled);
        // What was away comes back for another try: it ends.
        let again = w.settled(
            now.part(0),
            pombo_store::operation::settle::Fate::Again {
                due: w.now(),
                route: w.route,
                tries: 1,
                cause: None,
            },
        );
        w.settle(vec![again, Item::IntentDone(intent)]);
        assert_eq!(w.claim(10).n_withdrawn, 1);
        assert_eq!(w.state(now), PartState::Cancelled);
        let totals = row(&w, sending).totals;
        assert_eq!((totals.cancelled, totals.waiting, totals.cost), (1_503, 0, Money::ZERO));
        resume(&w, sending);
        done(w.run(named(&w, 1, "Spring", &[])));
        assert_eq!(w.claim(10).work.len(), 1);
    });
}

#[test]
fn what_a_cancelling_had_not_reached_when_it_was_called_off_keeps_its_time() {
    on_every_store(|w| {
        let due = w.now().plus(HOUR);
        let (late, _, sending) = done(w.run(Accept { due, ..named(&w, 1_500, "Spring", &[]) }));
        order(&w, sending, Order::Cancel);
        let (account, route, now) = (w.account, w.route, w.now());
        let step =
            |lane| Withdraw { account, sending, route, lane, at: QueuePlace::default(), now };
        let n: usize = Lane::ALL.into_iter().map(|lane| w.run(step(lane)).n).sum();
        assert_eq!(n, 1_000, "a piece of it");
        resume(&w, sending);
        assert_eq!((w.state(late), w.state(late.plus(1_499))), {
            (PartState::Cancelled, PartState::Queued)
        });
        w.pass(HOUR / 2);
        assert!(w.claim(10).work.is_empty(), "nothing leaves before its time");
        w.pass(HOUR / 2);
        assert_eq!(parts_of(&w.claim(1)), [late.plus(1_000).part(0)]);
    });
}

#[test]
fn a_cancelling_finds_what_is_not_due_among_others() {
    on_every_store(|w| {
        let due = w.now().plus(HOUR);
        let mut sending = None;
        for i in 0..450 {
            let name = if i % 2 == 0 { "Even" } else { "Odd" };
            let (.., id) = done(w.run(Accept { due, ..named(&w, 1, name, &[]) }));
            sending.get_or_insert(id);
        }
        let sending = sending.unwrap();
        order(&w, sending, Order::Cancel);
        assert_eq!(withdraw(&w, sending), 225);
        w.pass(HOUR);
        assert_eq!(parts_of(&w.claim(1_000)).len(), 225);
    });
}
