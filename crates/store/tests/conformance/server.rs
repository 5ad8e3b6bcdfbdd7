//! What only a server can do to a store: end its connections, and have several nodes serve from it.

use std::sync::Arc;
use std::time::Duration;

use pombo_domain::id::{EventId, RouteId};
use pombo_domain::message::PartState;
use pombo_domain::route::UncertainPolicy;
use pombo_domain::share::Share;
use pombo_store::operation::accept::{Accept, Accepted, Campaign, Key};
use pombo_store::operation::account::{Change, Credit, Set};
use pombo_store::operation::callback_due;
use pombo_store::operation::campaign::{Find, Which};
use pombo_store::operation::recover::Recovered;
use pombo_store::operation::retention::{Forget, Forgotten};
use pombo_store::{Error, Nodes, OpenError, Options, Store};
use tokio::time::Instant;

use crate::world::{DAY, World, on_servers, parts_of, wait_until};

/// Ends every connection of ours, as a restart does.
pub(crate) const END: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
     where starts_with(application_name, 'pombo') and datname = current_database() \
     and pid <> pg_backend_pid()";

/// The number of the lock that is the turn.
const TURN: i64 = 0x706f_6d62_6f00;

/// A node that has died: nobody moves its beat.
const DEAD: &str = "insert into node (id, seen, beat, up) values (999, 0, 7, '')";

fn end_connections(w: &World) {
    w.place.database().run(END);
}

fn second(w: &World) -> Store {
    Store::open(&w.place.url(), &Options::default()).unwrap()
}

/// The same, once the first sees it.
fn seen_second(w: &World) -> Store {
    let two = second(w);
    wait_until("the first sees it", || nodes(&w.store).all().len() == 2);
    two
}

fn nodes(store: &Store) -> Arc<Nodes> {
    Arc::clone(&store.nodes().borrow())
}

fn share(store: &Store) -> Share {
    nodes(store).share()
}

#[test]
fn after_its_connections_were_ended_a_store_goes_on_and_nobody_is_refused() {
    on_servers(|w| {
        let before = w.accept(w.request(3));
        for _ in 0..3 {
            end_connections(&w);
            w.message();
        }
        let claimed = w.claim(10);
        assert_eq!(parts_of(&claimed).len(), 6);
        assert_eq!(claimed.work[0].message, before);
        wait_until("it sends on", || w.store.may_send());
        assert_eq!(share(&w.store), Share::ALL);
    });
}

#[test]
fn a_day_whose_tables_a_backup_reads_stays_for_now_and_holds_up_nobody() {
    on_servers(|w| {
        let day = w.now().day();
        w.accept(w.request(1));
        w.run(callback_due::Settle { cursor: Some(EventId(i64::MAX >> 1)), ..Default::default() });
        while w.sweep().more {}
        let forget = Forget { day, limit: 100 };
        let ask = |what: &str| w.place.database().run(what);
        let reading = format!(
            "set application_name = 'backup'; begin; \
             lock table request_{day} in access share mode; select pg_sleep(60)"
        );
        let place = &w.place;
        std::thread::scope(|scope| {
            scope.spawn(|| place.database().run_until_ended(&reading));
            let reads = "select count(1) from pg_locks join pg_stat_activity using (pid) \
                 where application_name = 'backup' and relation is not null and granted";
            wait_until("a backup reads it", || ask(reads) != "0");
            let begun = Instant::now();
            let refused = w.store.run_blocking(forget).expect_err("a backup reads it");
            assert!(refused.is_passing(), "{refused}");
            w.accept(w.request(1));
            assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits for the backup");
            ask("select pg_terminate_backend(pid) from pg_stat_activity \
                 where application_name = 'backup'");
        });
        assert_eq!(w.run(forget), Forgotten::All);
    });
}

#[test]
fn a_newcomer_has_its_share_when_the_others_act_by_its_joining_and_leaves_it_to_them() {
    on_servers(|w| {
        assert_eq!(share(&w.store), Share::ALL);
        let two = second(&w);
        assert_eq!(share(&two), Share::NONE, "the first may still do everything");
        wait_until("the first sees it", || share(&w.store) == Share::new(0, 2));
        assert!(nodes(&w.store).is_first() && !nodes(&two).is_first());
        std::thread::sleep(Duration::from_millis(1_200));
        assert_eq!(share(&two), Share::NONE, "seeing is not acting");
        w.store.act_by(nodes(&w.store).newest());
        wait_until("it has its share", || share(&two) == Share::new(1, 2));
        w.store.close();
        wait_until("it has all", || share(&two) == Share::ALL && nodes(&two).is_first());
        assert!(two.may_send());
        assert!(two.is_served());
    });
}

#[test]
fn what_one_node_has_a_link_of_the_others_know() {
    on_servers(|w| {
        let two = second(&w);
        let is_up = |store: &Store| nodes(store).is_up_elsewhere(RouteId(3));
        w.store.tell_up([RouteId(3), RouteId(11)].into());
        wait_until("it is told", || is_up(&two));
        assert!(!is_up(&w.store), "its own link is not elsewhere");
        w.store.tell_up([RouteId(11)].into());
        wait_until("it is taken back", || !is_up(&two));
    });
}

#[test]
fn a_node_is_woken_by_the_others_commits_and_not_by_its_own() {
    on_servers(|w| {
        let two = seen_second(&w);
        let (own, others) = (w.store.woken(), two.woken());
        w.message();
        wait_until("it is woken", || others.has_changed().unwrap());
        assert!(!own.has_changed().unwrap());
    });
}

#[test]
fn nodes_write_in_turn_and_each_sees_what_the_others_wrote() {
    on_servers(|w| {
        let two = second(&w);
        let mut accepted = Vec::new();
        for n in 0..20 {
            let store = if n % 2 == 0 { &w.store } else { &two };
            let answer = store.run_blocking(w.request(1)).unwrap();
            accepted.push(crate::world::first(answer));
        }
        assert!(accepted.is_sorted(), "numbers rise over all nodes");
        let claimed = w.claim(7);
        assert_eq!(parts_of(&claimed).len(), 7);
        let rest = two.run_blocking(w.to_claim(100)).unwrap();
        assert_eq!(parts_of(&rest).len(), 13, "what one has claimed is not there for the other");
        // Whoever hears of it settles it.
        let part = accepted[0].part(0);
        two.run_blocking(w.to_settle(vec![w.sent(part, "a1")])).unwrap();
        assert_eq!(w.kinds(accepted[0]).len(), 1);
    });
}

#[test]
fn what_a_node_knows_of_parts_and_balances_is_forgotten_when_another_has_written() {
    on_servers(|w| {
        let two = seen_second(&w);
        let (message, _) = w.flying();
        w.settle(vec![w.sent(message.part(0), "a1")]);
        let delivered = || w.to_settle(vec![w.receipt("a1", PartState::Delivered, 0)]);
        assert_eq!(two.run_blocking(delivered()).unwrap().n_matched, 1);
        let again = w.run(delivered());
        assert_eq!((again.n_matched, again.n_repeated), (0, 1));

        // Also where a number was spent on an event that was not written: this one has its end.
        let [one, ended] = [w.flying().0, w.flying().0];
        let sent = || vec![w.sent(one.part(0), "b1"), w.sent(ended.part(0), "c1")];
        w.settle(sent());
        w.settle(vec![w.receipt("c1", PartState::Delivered, 0)]);
        w.settle(vec![w.sent(ended.part(0), "c1")]);
        let delivered = || w.to_settle(vec![w.receipt("b1", PartState::Delivered, 0)]);
        assert_eq!(two.run_blocking(delivered()).unwrap().n_matched, 1);
        let again = w.run(delivered());
        assert_eq!((again.n_matched, again.n_repeated), (0, 1));

        let amount = -w.balance();
        let taken = Credit { name: "alpha".to_owned(), amount, now: w.now() };
        two.run_blocking(taken).unwrap();
        assert_eq!(w.run(w.request(1)), Accepted::NotEnoughCredits);
    });
}

#[test]
fn what_a_node_knows_of_keys_campaigns_and_limits_is_forgotten_when_another_has_written() {
    on_servers(|w| {
        let two = second(&w);
        let there = |request: Accept| two.run_blocking(request).unwrap();
        w.run(Set { name: "alpha".to_owned(), changes: vec![Change::PerDay(Some(9))] });
        let named = |tag: &str| {
            let (name, tags) = ("spring".to_owned(), vec![tag.to_owned()]);
            Accept { campaign: Campaign::Named { name, tags }, ..w.request(2) }
        };
        let keyed = |body| {
            let key = Key { key: "once".to_owned(), body: [body; 32] };
            Accept { key: Some(key), ..w.request(1) }
        };
        // It knows that there is no such key and no such campaign, and what the day counts.
        w.accept(w.request(1));
        let Accepted::Done { campaign, first, .. } = there(keyed(1)) else { panic!("it is new") };
        assert!(matches!(w.run(keyed(1)), Accepted::Done { first: same, .. } if same == first));
        assert_eq!(w.run(keyed(2)), Accepted::KeyReused);
        for (store, tag, tags) in [(&two, "a", "a"), (&w.store, "b", "ab"), (&two, "c", "abc")] {
            let accepted = store.run_blocking(named(tag)).unwrap();
            let Accepted::Done { campaign: joined, .. } = accepted else { panic!("{accepted:?}") };
            assert_ne!(joined, campaign);
            let find = Find { account: None, which: Which::Campaign(joined) };
            assert_eq!(w.ask(find).unwrap().row.tags.concat(), tags);
        }
        // One, one, and three times two: eight of nine.
        assert_eq!(w.run(w.request(2)), Accepted::DailyLimit);
        assert_eq!(there(w.request(2)), Accepted::DailyLimit);
        there(w.request(1));
        assert_eq!(w.run(w.request(1)), Accepted::DailyLimit);
    });
}

#[test]
fn a_server_that_was_called_again_may_lack_what_was_committed_last() {
    on_servers(|w| {
        w.message();
        // As a standby has it that was promoted before it had the last commits.
        w.place.database().run("update account set balance = 0");
        end_connections(&w);
        assert_eq!(w.run(w.request(1)), Accepted::NotEnoughCredits);
    });
}

#[test]
fn what_a_gone_node_had_claimed_is_in_doubt_and_what_living_ones_have_is_not() {
    on_servers(|w| {
        let two = second(&w);
        let (theirs, ours) = (w.message(), w.message());
        assert_eq!(parts_of(&two.run_blocking(w.to_claim(1)).unwrap()), [theirs.part(0)]);
        assert_eq!(parts_of(&w.claim(1)), [ours.part(0)]);
        assert_eq!(w.recover(UncertainPolicy::Hold), Recovered::default(), "both live");
        two.close();
        assert_eq!(w.recover(UncertainPolicy::Hold).n_uncertain, 1);
        assert_eq!(w.kinds(ours), []);
        assert_eq!(w.kinds(theirs).len(), 1);
        assert_eq!(w.recover(UncertainPolicy::Hold), Recovered::default(), "once is enough");
    });
}

#[test]
fn a_node_that_stands_still_is_taken_over_when_it_sends_nothing_more() {
    on_servers(|w| {
        let begun = Instant::now();
        w.place.database().run(DEAD);
        wait_until("it is seen", || nodes(&w.store).all().len() == 2);
        wait_until("it is gone", || nodes(&w.store).all().len() == 1);
        let took = begun.elapsed();
        assert!(took > Duration::from_secs(4), "it may have been sending: {took:?}");
        assert!(took < Duration::from_secs(12), "{took:?}");
        assert!(w.store.may_send());
    });
}

#[test]
fn a_node_whose_process_has_ended_on_this_machine_is_taken_over_at_once() {
    on_servers(|w| {
        let read = |path: &str| std::fs::read_to_string(path).unwrap();
        let boot = read("/proc/sys/kernel/random/boot_id");
        let space = std::fs::read_link("/proc/self/ns/pid").unwrap();
        let mut process = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let stat = read(&format!("/proc/{}/stat", process.id()));
        let began = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap();
        let name = format!("{}/{}/{}/{began}", boot.trim(), space.display(), process.id());
        w.place.database().run(&format!(
            "insert into node (id, seen, beat, up, process) values (999, 0, 7, '', '{name}')"
        ));
        wait_until("it is seen", || nodes(&w.store).all().len() == 2);
        std::thread::sleep(Duration::from_secs(2));
        assert_eq!(nodes(&w.store).all().len(), 2, "it lives");
        process.kill().unwrap();
        process.wait().unwrap();
        let killed = Instant::now();
        wait_until("it is gone", || nodes(&w.store).all().len() == 1);
        assert!(killed.elapsed() < Duration::from_millis(2_500), "{:?}", killed.elapsed());
    });
}

/// Counts who has the turn or waits for it in this database, which is one of many of its server.
const TURNS: &str = "select count(1) from pg_locks where locktype = 'advisory' \
     and database = (select oid from pg_database where datname = current_database())";

#[test]
fn the_turn_is_taken_from_a_node_that_died_with_it() {
    on_servers(|w| {
        let holding = format!(
            "set application_name = 'pombo node 999'; begin; \
             select pg_advisory_xact_lock({TURN}); select pg_sleep(60)"
        );
        std::thread::scope(|scope| {
            scope.spawn(|| w.place.database().run_until_ended(&holding));
            wait_until("it has the turn", || w.place.database().run(TURNS) == "1");
            let begun = Instant::now();
            w.place.database().run(DEAD);
            // Its patience for a lock is ten seconds.
            w.message();
            assert!(begun.elapsed() < Duration::from_secs(10));
        });
    });
}

#[test]
fn what_comes_while_a_node_waits_for_its_turn_is_written_in_that_turn() {
    on_servers(|w| {
        let _two = seen_second(&w);
        let ask = |what: &str| w.place.database().run(what).parse::<i64>().unwrap();
        let before = ask("select number from turn");
        let holding = format!(
            "set application_name = 'holder'; select pg_advisory_xact_lock({TURN}), pg_sleep(60)"
        );
        let locks = |granted| ask(&format!("{TURNS} and granted = {granted}"));
        let (place, store) = (&w.place, &w.store);
        let [one, other] = [w.request(1), w.request(1)];
        std::thread::scope(|scope| {
            scope.spawn(|| place.database().run_until_ended(&holding));
            wait_until("somebody has the turn", || locks(true) == 1);
            scope.spawn(|| store.run_blocking(one).unwrap());
            wait_until("one waits for it", || locks(false) == 1);
            scope.spawn(|| store.run_blocking(other).unwrap());
            wait_until("another has come", || store.backlog() > 0);
            ask("select count(pg_terminate_backend(pid)) from pg_stat_activity \
                 where application_name = 'holder'");
        });
        assert_eq!(ask("select number from turn"), before + 1);
    });
}

#[test]
fn who_was_taken_over_sends_and_writes_nothing_more() {
    on_servers(|w| {
        let (message, _) = w.flying();
        w.place.database().run("delete from node");
        let written = w.store.run_blocking(w.request(1));
        assert!(matches!(written, Err(Error::Unavailable(_))));
        assert!(!w.store.may_send());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let ended =
            async { tokio::time::timeout(Duration::from_secs(20), w.store.superseded()).await };
        let why = runtime.block_on(ended).unwrap();
        assert!(why.contains("another has taken over"), "{why}");
        for _ in 0..3 {
            assert!(!w.store.may_send());
            let settled = w.store.run_blocking(w.to_settle(vec![w.sent(message.part(0), "a1")]));
            assert!(matches!(settled, Err(Error::Unavailable(_))));
        }
        assert_eq!(w.kinds(message), []);
    });
}

/// Keeps every node's pulse from beating for longer than its word is good.
const HELD_UP: &str = "begin; lock table node in exclusive mode; select pg_sleep(8)";

#[test]
fn who_may_not_send_leaves_its_share_to_the_others_until_it_is_heard_again() {
    on_servers(|w| {
        let two = second(&w);
        wait_until("the first sees it", || share(&w.store) == Share::new(0, 2));
        w.store.act_by(nodes(&w.store).newest());
        wait_until("both have their shares", || share(&two) == Share::new(1, 2));
        std::thread::scope(|scope| {
            scope.spawn(|| w.place.database().run_until_ended(HELD_UP));
            for store in [&w.store, &two] {
                wait_until("it leaves its share", || share(store) == Share::NONE);
                assert!(!store.may_send());
            }
        });
        wait_until("it is heard again", || share(&w.store) == Share::new(0, 2));
        wait_until("so is the other", || share(&two) == Share::new(1, 2) && two.may_send());
    });
}

#[test]
fn who_serves_alone_keeps_its_share_while_the_server_is_away() {
    on_servers(|w| {
        std::thread::scope(|scope| {
            scope.spawn(|| w.place.database().run_until_ended(HELD_UP));
            wait_until("it may not send", || !w.store.may_send());
            while !w.store.may_send() {
                assert_eq!(share(&w.store), Share::ALL);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
    });
}

#[test]
fn a_node_at_rest_learns_that_it_was_taken_over() {
    on_servers(|w| {
        w.place.database().run("delete from node");
        wait_until("it sends nothing", || !w.store.may_send());
    });
}

/// As if a newer pombo had changed the tables, or, with `-`, as if it had not.
fn change_tables(w: &World, sign: char) {
    w.place.database().run(&format!("update schema_version set version = version {sign} 1"));
}

#[test]
fn beside_a_newer_pombo_an_older_node_goes_on_with_the_days_there_are_and_begins_none() {
    on_servers(|w| {
        let two = second(&w);
        let before = w.message();
        change_tables(&w, '+');
        assert!(matches!(
            Store::open(&w.place.url(), &Options::default()),
            Err(OpenError::Newer { .. })
        ));
        let after = w.message();
        assert_eq!(parts_of(&w.claim(10)), [before.part(0), after.part(0)]);
        w.settle(vec![w.sent(before.part(0), "b1"), w.sent(after.part(0), "a1")]);
        w.settle(vec![w.receipt("b1", PartState::Delivered, 0)]);

        w.pass(DAY);
        let words = |done: Result<_, Error>| match done {
            Err(Error::Unavailable(why)) => why,
            _ => panic!("it must not know what a day's tables look like now"),
        };
        let accepted = w.store.run_blocking(w.request(1)).map(drop);
        let told = w.to_settle(vec![w.receipt("a1", PartState::Delivered, 0)]);
        let told = w.store.run_blocking(told).map(drop);
        for why in [words(accepted), words(told)] {
            assert!(why.contains("stop this one, and start the newer"), "{why}");
        }
        assert_eq!(w.states(before), [PartState::Delivered]);
        assert_eq!(w.states(after), [PartState::Sent]);

        // The newer one begins the day, and the older one goes on with it.
        change_tables(&w, '-');
        two.run_blocking(w.request(1)).unwrap();
        change_tables(&w, '+');
        w.settle(vec![w.receipt("a1", PartState::Delivered, 0)]);
        assert_eq!(w.states(after), [PartState::Delivered]);
        assert_eq!(w.states(w.message()), [PartState::Queued]);
    });
}
