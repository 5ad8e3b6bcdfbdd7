//! Several servers, of which one can be written: a standby that is promoted, and an old primary that
//! comes back.

use pombo_peers::cluster::Cluster;
use pombo_store::operation::account;
use pombo_store::{Error, Store};

use crate::place::{Folder, SHARED};
use crate::world::{CREDIT, NOON, wait_until};

fn add(store: &Store, name: &str) -> Result<(), Error> {
    let add = account::Add {
        name: name.to_owned(),
        password_hash: "hash".to_owned(),
        credit: CREDIT,
        currency: "EUR".to_owned(),
        now: NOON,
    };
    store.run_blocking(add).map(drop)
}

#[test]
fn of_several_servers_the_newest_that_can_be_written_is_used() {
    let folder = Folder::new();
    let primary = Cluster::start(&folder.path().join("primary"));
    let standby = primary.standby(&folder.path().join("standby"));
    let open = |clusters: &[&Cluster]| Store::open(&Cluster::url_of_all(clusters), &SHARED);
    let has = |cluster: &Cluster, name: &str| {
        cluster.run(&format!("select count(1) from account where name = '{name}'")) == "1"
    };

    let why = open(&[&standby]).unwrap_err().to_string();
    assert!(why.contains("it is a standby"), "{why}");
    let store = open(&[&standby, &primary]).unwrap();
    add(&store, "one").unwrap();
    // A commit waits until the standby has it on disk; until it can be read there, it takes a moment.
    let end = primary.run("select pg_current_wal_flush_lsn()");
    let shown = format!("select pg_last_wal_replay_lsn() >= '{end}'");
    wait_until("the standby shows what it has", || standby.run(&shown) == "t");
    assert!(has(&standby, "one"));

    primary.kill();
    let why = add(&store, "two").unwrap_err().to_string();
    assert!(
        why.contains("primary:5432: ") && why.contains("standby:5432: it is a standby"),
        "{why}"
    );
    standby.promote();
    add(&store, "two").unwrap();

    // The old one is back, and the only one that answers.
    primary.start_again();
    primary.stand_alone();
    standby.stop();
    let why = add(&store, "three").unwrap_err().to_string();
    assert!(why.contains("it is on timeline 1, and a server on timeline 2"), "{why}");
    standby.start_again();
    add(&store, "three").unwrap();

    // Who has seen neither asks both.
    let fresh = open(&[&primary, &standby]).unwrap();
    add(&fresh, "four").unwrap();
    for name in ["two", "three", "four"] {
        assert!(has(&standby, name) && !has(&primary, name), "{name}");
    }
}
