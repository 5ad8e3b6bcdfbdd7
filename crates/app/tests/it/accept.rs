//! What a request is answered, and what that costs the store.

use std::collections::HashSet;

use pombo_app::error::{Error, Refusal};
use pombo_app::usecase::send::{
    Callbacks, CampaignRef, Fate, Idempotency, Recipient, SendSms, Text, send_sms,
};
use pombo_domain::callback::Template;
use pombo_domain::money::Money;
use pombo_store::operation as op;

use crate::carrier::{Carrier, Says};
use crate::house::{House, a_while, ids, long_text, ops, poll_once, route, sms, until};

async fn balance(house: &House) -> Money {
    let find = op::account::Find::Name("one".into());
    house.store.ask(find).await.unwrap().unwrap().balance
}

fn keyed(key: &str, body: u8, send: SendSms) -> SendSms {
    let idempotency = Some(Idempotency { key: key.into(), body_sha256: [body; 32] });
    SendSms { idempotency, ..send }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_recipients_are_one_request() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let ids = house.send(&caller, sms(100_000)).await;
    assert!(ids.windows(2).all(|pair| pair[1] == pair[0].plus(1)), "one block of ids");
    assert_eq!(house.row("a").queued, 100_000);
    let last = house.status(&caller, ids[99_999]).await;
    assert_eq!(last.to, "34600099999");
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    until("it leaves", || carrier.n_taken() >= 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_request_without_credit_leaves_nothing_behind() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let all = balance(&house).await;
    ops(|| pombo_app::operate::account_credit(&house.store, &house.clock, "one", -all)).unwrap();
    let refused = send_sms(&house.app, &caller, sms(5_000)).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NotEnoughCredits))), "{refused:?}");
    assert_eq!(house.row("a").queued, 0);
    assert_eq!(balance(&house).await, Money::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_recipients_keep_their_place_and_cost_nothing() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let before = balance(&house).await;
    let mut to = crate::house::numbers(4);
    let invalid = |written: &str| Recipient { written: written.into(), phone: None };
    to.insert(0, invalid("first"));
    to.insert(3, invalid("middle"));
    to.push(invalid("last"));
    let sent = send_sms(&house.app, &caller, SendSms { to, ..sms(0) }).await.unwrap();
    let shown: Vec<_> = sent.fates.iter().map(|(written, _)| written.as_str()).collect();
    assert_eq!(
        shown,
        ["first", "34600000000", "34600000001", "middle", "34600000002", "34600000003", "last"]
    );
    let ids: Vec<_> = sent
        .fates
        .iter()
        .filter_map(|(to, fate)| match fate {
            Fate::Accepted { id, .. } => Some((to.clone(), *id)),
            _ => None,
        })
        .collect();
    assert_eq!(ids.len(), 4);
    for (to, id) in ids {
        assert_eq!(house.status(&caller, id).await.to, to);
    }
    assert_eq!(before - balance(&house).await, Money::parse("0.20").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_to_send_to_is_a_refusal() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let to = vec![Recipient { written: "x".into(), phone: None }];
    let refused = send_sms(&house.app, &caller, SendSms { to, ..sms(0) }).await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::NoValidRecipients))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicates_in_to_are_messages_of_their_own_each_with_its_callback() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let mut to = crate::house::numbers(1);
    to.push(Recipient { written: "x".into(), phone: None });
    to.extend(crate::house::numbers(1));
    let template = |n: usize| Template::parse(&format!("http://example.com/{n}")).unwrap();
    let callbacks = Callbacks::Each((0..3).map(template).collect());
    let sent = send_sms(&house.app, &caller, SendSms { to, callbacks, ..sms(0) }).await.unwrap();
    let [(_, Fate::Accepted { id: first, .. }), (_, Fate::NoValidRecipient), (_, second)] =
        &sent.fates[..]
    else {
        panic!("{sent:?}");
    };
    let Fate::Accepted { id: second, .. } = second else { panic!("{sent:?}") };
    assert_ne!(first, second);
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    until("both are sent", || carrier.n_taken() == 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_and_body_is_answered_the_same_and_sent_once() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    for n in [3, 2_500] {
        let key = format!("key-{n}");
        let first = send_sms(&house.app, &caller, keyed(&key, 1, sms(n))).await.unwrap();
        let after_first = balance(&house).await;
        let second = send_sms(&house.app, &caller, keyed(&key, 1, sms(n))).await.unwrap();
        assert_eq!(first.fates, second.fates);
        assert_eq!((first.campaign, first.sending), (second.campaign, second.sending));
        assert_eq!(balance(&house).await, after_first, "paid once");
        let other = send_sms(&house.app, &caller, keyed(&key, 2, sms(n))).await;
        assert!(matches!(other, Err(Error::Refused(Refusal::IdempotencyMismatch))), "{other:?}");
    }
    let stranger = house.account("stranger").await;
    send_sms(&house.app, &stranger, keyed("key-3", 9, sms(1))).await.unwrap();
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    until("all are sent", || carrier.n_taken() == 2_504).await;
    a_while().await;
    assert_eq!(carrier.n_taken(), 2_504);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_at_once_with_one_key_get_one_answer() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let send = || send_sms(&house.app, &caller, keyed("k", 1, sms(1_500)));
    let (first, second) = tokio::join!(send(), send());
    assert_eq!(first.unwrap().fates, second.unwrap().fates);
    assert_eq!(house.row("a").queued, 1_500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_plans_and_writes_nothing() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let before = balance(&house).await;
    let mut wrote = true;
    // The house may write something of its own beside one of them, but not beside each.
    for _ in 0..20 {
        let version = house.store.version().await.unwrap();
        let plan = SendSms { dry_run: true, text: Text::Same(long_text()), ..sms(2) };
        let sent = send_sms(&house.app, &caller, plan).await.unwrap();
        for (_, fate) in &sent.fates {
            let Fate::Planned(planned) = fate else { panic!("{fate:?}") };
            let told = (planned.n_parts, planned.cost, planned.route.as_str());
            assert_eq!(told, (3, Money::parse("0.15").unwrap(), "a"));
        }
        assert_eq!((balance(&house).await, house.row("a").queued), (before, 0));
        wrote &= house.store.version().await.unwrap() != version;
    }
    assert!(!wrote);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_requests_of_one_campaign_join_it() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let campaign = || Some(CampaignRef { name: "spring".into(), tags: vec!["x".into()] });
    let mut seen = HashSet::new();
    for _ in 0..2 {
        let send = SendSms { campaign: campaign(), ..sms(1) };
        let sent = send_sms(&house.app, &caller, send).await.unwrap();
        seen.insert((sent.campaign, sent.sending));
    }
    let own = send_sms(&house.app, &caller, sms(1)).await.unwrap();
    assert_eq!(seen.len(), 1);
    assert!(!seen.contains(&(own.campaign, own.sending)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_while_it_is_stored_loses_nothing_that_is() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    for steps in 0..40_u32 {
        let mut send = std::pin::pin!(send_sms(&house.app, &caller, sms(1_500)));
        for _ in 0..steps {
            if poll_once(send.as_mut()).await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // Whatever was accepted is in the queues, and leaves without anybody ringing.
    until("the queue is empty", || house.row("a").queued == 0).await;
    until("nothing is away", || house.row("a").in_flight == 0).await;
    let paid = Money::parse("1000000").unwrap() - balance(&house).await;
    assert_eq!(Money::parse("0.05").unwrap().times(carrier.n_taken()).unwrap(), paid);
    let again = send_sms(&house.app, &caller, sms(1)).await.unwrap();
    assert_eq!(ids(&again).len(), 1);
}
