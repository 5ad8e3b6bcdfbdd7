//! Parts whose bytes may have left: by the route's policy, counted, and never for ever.

use pombo_app::operate;
use pombo_app::usecase::send::{SendSms, Text};
use pombo_domain::channel::Arrival;
use pombo_domain::message::{Category, EventKind};
use pombo_domain::route::{UncertainPolicies, UncertainPolicy};

use crate::carrier::{Carrier, Says, delivered};
use crate::house::{House, a_while, long_text, ops, route, sms, until};

fn with(policy: UncertainPolicy) -> pombo_domain::route::Route {
    pombo_domain::route::Route { uncertain: policy.into(), ..route("a") }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_doubtful_part_is_sent_again_under_the_same_reference() {
    let house = House::new(vec![with(UncertainPolicy::Resend)]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |attempt, idx| match (attempt.try_number, idx) {
        (1, 2) => Says::Unknown,
        _ => Says::Accept,
    });
    let id = house.send(&caller, SendSms { text: Text::Same(long_text()), ..sms(1) }).await[0];
    until("it is sent again", || carrier.n_taken() == 4).await;
    let taken = carrier.taken();
    assert_eq!((taken[0].parts, taken[1].parts), (0b111, 0b100));
    assert_eq!(taken[0].concat_ref, taken[1].concat_ref);
    let rows = ops(|| operate::uncertain_list(&house.store, 10)).unwrap();
    assert_eq!(rows.iter().map(|row| row.part).collect::<Vec<_>>(), [id.part(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_breaks_every_link_is_at_last_held_for_the_operator() {
    let house = House::new(vec![with(UncertainPolicy::Resend)]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Unknown);
    house.send(&caller, sms(1)).await;
    until("it is held", || house.row("a").uncertain == 1).await;
    a_while().await;
    assert_eq!(carrier.n_taken(), 5);
    let rows = ops(|| operate::uncertain_list(&house.store, 10)).unwrap();
    assert_eq!(rows[0].resolution.as_str(), "open");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_waits_is_told_by_a_receipt_that_fits_only_it() {
    let house = House::new(vec![with(UncertainPolicy::Wait)]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Unknown);
    let ids = house.send(&caller, sms(2)).await;
    until("both wait", || house.row("a").uncertain == 2).await;
    let taken = carrier.taken();
    let first = taken.iter().find(|attempt| attempt.message == ids[0]).unwrap();
    let desk = house.desk("a");
    let receipt = delivered("never-told", first.to, desk.now());
    desk.received(vec![Arrival::Receipt(receipt)]).await.unwrap();
    let events = house.events(&caller, ids[0]).await;
    assert_eq!(events, [EventKind::Uncertain, EventKind::Delivered]);
    assert_eq!(house.events(&caller, ids[1]).await, [EventKind::Uncertain]);
    assert_eq!(carrier.n_taken(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_category_may_have_a_policy_of_its_own() {
    let uncertain = UncertainPolicies {
        transactional: UncertainPolicy::Hold,
        marketing: UncertainPolicy::Resend,
    };
    let by_kind = pombo_domain::route::Route { uncertain, ..route("a") };
    let house = House::new(vec![by_kind]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |attempt, _| match attempt.try_number {
        1 => Says::Unknown,
        _ => Says::Accept,
    });
    let of_kind = |category| SendSms { category: Some(category), ..sms(1) };
    let code = house.send(&caller, of_kind(Category::Transactional)).await[0];
    let offer = house.send(&caller, of_kind(Category::Marketing)).await[0];
    until("the offer is sent again", || carrier.n_taken() == 3).await;
    a_while().await;
    assert_eq!(house.events(&caller, code).await, [EventKind::Uncertain]);
    assert_eq!(house.events(&caller, offer).await, [EventKind::Uncertain, EventKind::Sent]);
}
