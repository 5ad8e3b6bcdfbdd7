//! What the operator's command forgets, and what it leaves.

use std::time::Duration;

use pombo_app::operate_retention::{Progress, Retention, retention_run};
use pombo_domain::channel::Arrival;
use pombo_domain::message::EventKind;

use crate::carrier::{Carrier, Says, delivered};
use crate::house::{House, NOON, ops, route, sms, until};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Runs the command, and tells which days went and how many stayed.
fn forgotten(house: &House, is_dry: bool) -> (Vec<String>, usize) {
    let mut gone = Vec::new();
    let retention = Retention { n_days: 90, is_dry };
    let n_kept = ops(|| {
        retention_run(&house.store, &house.clock, retention, &mut |progress| {
            if let Progress::Day { day, .. } = progress {
                gone.push(day);
            }
            true
        })
    });
    (gone, n_kept.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_goes_when_it_is_older_than_what_is_kept_and_not_a_day_before() {
    let house = House::held(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let mut ids = Vec::new();
    for day in 0..2 {
        house.move_to(NOON.plus(day * DAY));
        let id = house.send(&caller, sms(1)).await[0];
        house.until_event(&caller, id, EventKind::Sent).await;
        let taken = carrier.taken().last().unwrap().clone();
        let receipt = delivered(&id.part(0).to_string(), taken.to, house.clock.now());
        house.desk("a").received(vec![Arrival::Receipt(receipt)]).await.unwrap();
        house.until_event(&caller, id, EventKind::Delivered).await;
        ids.push(id);
    }
    house.move_to(NOON.plus(90 * DAY));
    assert_eq!(forgotten(&house, true), (vec![], 0), "the first is the oldest of ninety days");
    house.move_to(NOON.plus(91 * DAY));
    until("all that became of it is read", || !forgotten(&house, true).0.is_empty()).await;
    assert_eq!(house.events(&caller, ids[0]).await.len(), 2, "it was only told");
    assert_eq!(forgotten(&house, false), (vec!["2026-03-24".to_owned()], 0));
    let found = pombo_app::usecase::status::sms_status(&house.app, &caller, &ids).await.unwrap();
    assert_eq!(found.iter().map(|sms| sms.id).collect::<Vec<_>>(), ids[1..]);
    assert_eq!(forgotten(&house, false), (vec![], 0), "and once more");
}
