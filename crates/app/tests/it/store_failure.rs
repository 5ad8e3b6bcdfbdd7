//! A full disk: what a carrier answered is kept until it can be stored, what it sends is not
//! acknowledged, and nothing is accepted at the door.
#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use pombo_app::error::{Error, Fault};
use pombo_app::usecase::send::send_sms;
use pombo_domain::channel::{Arrival, NotStored};
use pombo_domain::message::EventKind;

use crate::carrier::{Carrier, Says, delivered};
use crate::house::{House, route, sms, until};

/// Makes every write of this process fail, as a full disk does, or lets them succeed again.
fn disk_is_full(full: bool) {
    let limit = if full { "--fsize=1:" } else { "--fsize=unlimited:" };
    let pid = std::process::id().to_string();
    let done = Command::new("prlimit").args(["--pid", &pid, limit]).status().unwrap();
    assert!(done.success(), "prlimit (of util-linux)");
}

/// The limit would kill a process that does not ignore its signal: so the test runs in a process
/// of its own, that does.
#[test]
fn a_full_disk_loses_no_answer_and_acknowledges_no_receipt() {
    let done = Command::new("env")
        .arg("--ignore-signal=XFSZ")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "store_failure::on_a_full_disk", "--ignored", "--nocapture"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{out}\n{err}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above, in a process that may fill its disk"]
async fn on_a_full_disk() {
    let house = House::new(vec![route("a")]).await;
    let caller = house.account("one").await;
    let ids = house.send(&caller, sms(10)).await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Hold);
    until("all are taken", || carrier.n_taken() == 10).await;
    let desk = house.desk("a");
    let first = carrier.taken()[0].clone();

    disk_is_full(true);
    let refused = send_sms(&house.app, &caller, sms(1)).await;
    assert!(matches!(refused, Err(Error::Failed(Fault::StoreUnavailable(_)))), "{refused:?}");
    carrier.answer_held(10);
    for _ in 0..3 {
        let receipt = delivered(&first.message.part(0).to_string(), first.to, desk.now());
        let answer = desk.received(vec![Arrival::Receipt(receipt)]).await;
        assert_eq!(answer, Err(NotStored));
    }
    assert!(house.events(&caller, ids[0]).await.is_empty());

    disk_is_full(false);
    for id in &ids {
        house.until_event(&caller, *id, EventKind::Sent).await;
    }
    let receipt = delivered(&first.message.part(0).to_string(), first.to, desk.now());
    desk.received(vec![Arrival::Receipt(receipt)]).await.unwrap();
    let events = house.events(&caller, first.message).await;
    assert_eq!(events, [EventKind::Sent, EventKind::Delivered]);
    house.send(&caller, sms(5)).await;
    until("it goes on", || carrier.n_taken() == 15).await;
}
