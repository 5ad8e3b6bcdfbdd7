//! Stopping well leaves nothing in doubt; stopping hard leaves in doubt what was on its way.

use std::sync::Arc;
use std::time::Duration;

use pombo_app::clock::Clock;
use pombo_app::operate;
use pombo_domain::message::EventKind;
use pombo_domain::route::UncertainPolicy;

use crate::carrier::{Carrier, Says};
use crate::house::{Folder, House, ops, route, sms, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_gives_back_what_was_claimed_and_a_restart_finds_nothing_in_doubt() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Hold);
    let ids = house.send(&caller, sms(100)).await;
    until("two windows are claimed", || house.row("a").in_flight == 20).await;
    carrier.answer_held(3);
    carrier.stop(&Says::Unsent);
    let folder = Arc::clone(&house.folder);
    house.app.stop(Duration::from_secs(10)).await;
    drop((house, caller));

    let house = House::on(folder, Clock::system(), vec![route("a")]).await;
    let caller = house.account("one").await;
    assert_eq!(ops(|| operate::uncertain_list(&house.store, 10)).unwrap().len(), 0);
    let row = house.row("a");
    assert_eq!((row.in_flight, row.uncertain), (0, 0));
    let n_sent = 100 - usize::try_from(row.queued).unwrap();
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    until("the rest is sent", || carrier.n_taken() == 100 - n_sent).await;
    for id in ids {
        house.until_event(&caller, id, EventKind::Sent).await;
        assert_eq!(house.events(&caller, id).await.len(), 1);
    }
}

/// Runs a house with ten parts at the carrier, two of them answered, ten on the desk, and stops it
/// as a power cut does: no task says anything more.
fn cut_off(policy: UncertainPolicy) -> Arc<Folder> {
    let folder = Arc::new(Folder::new());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut cut = route("a");
        cut.uncertain = policy.into();
        let house = House::on(Arc::clone(&folder), Clock::system(), vec![cut]).await;
        let caller = house.account("one").await;
        let ids = house.send(&caller, sms(20)).await;
        let carrier = Carrier::start(house.desk("a"), |_, _| Says::Hold);
        until("all are claimed", || house.row("a").in_flight == 20).await;
        until("ten are taken", || carrier.n_taken() == 10).await;
        carrier.answer_held(2);
        house.until_event(&caller, ids[1], EventKind::Sent).await;
    });
    drop(runtime);
    folder
}

async fn after_the_cut(policy: UncertainPolicy) -> (House, Carrier, Vec<operate::UncertainRow>) {
    let folder = tokio::task::spawn_blocking(move || cut_off(policy)).await.unwrap();
    let mut again = route("a");
    again.uncertain = policy.into();
    let house = House::on(folder, Clock::system(), vec![again]).await;
    let doubtful = ops(|| operate::uncertain_list(&house.store, 100)).unwrap();
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    (house, carrier, doubtful)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_hard_stop_exactly_what_was_away_is_sent_again() {
    let (house, carrier, doubtful) = after_the_cut(UncertainPolicy::Resend).await;
    assert_eq!(doubtful.len(), 18);
    assert!(doubtful.iter().all(|row| row.resolution.as_str() == "resent"), "{doubtful:?}");
    until("they are sent again", || carrier.n_taken() == 18 && house.row("a").queued == 0).await;
    assert!(carrier.taken().iter().all(|attempt| attempt.try_number == 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_hard_stop_what_was_away_waits_for_its_receipt_or_is_held_as_the_route_says() {
    for (policy, word) in [(UncertainPolicy::Wait, "waiting"), (UncertainPolicy::Hold, "open")] {
        let (house, carrier, doubtful) = after_the_cut(policy).await;
        assert_eq!(doubtful.len(), 18);
        assert!(doubtful.iter().all(|row| row.resolution.as_str() == word), "{doubtful:?}");
        crate::house::a_while().await;
        assert_eq!(carrier.n_taken(), 0);
        assert_eq!(house.row("a").uncertain, 18);
        let clock = Clock::system();
        let n = ops(|| operate::uncertain_resend(&house.store, &clock, operate::Selection::All))
            .unwrap();
        assert_eq!(n, 18);
        until("the operator has them sent again", || carrier.n_taken() == 18).await;
    }
}
