//! Messages from handsets: joined whatever order their pieces come in, given to whom they are for,
//! and obeyed where they ask for no more.

use std::collections::HashMap;
use std::sync::Arc;

use pombo_domain::campaign::Totals;
use pombo_domain::channel::Inbound;
use pombo_domain::id::{AccountId, EventId, MessageId};
use pombo_domain::message::{EventKind, PartState};
use pombo_domain::notification::OwnEvents;
use pombo_domain::opt_out::word::{Effect, Rule};
use pombo_domain::sms::received::{Alphabet, Coded, Naming, Place};
use pombo_store::operation::accept::{Accept, Campaign};
use pombo_store::operation::callback::After;
use pombo_store::operation::campaign::{self, Which};
use pombo_store::operation::inbound::conversation::{Back, Wanted};
use pombo_store::operation::inbound::resolve::{Answered, Resolve, Resolved, Waiting};
use pombo_store::operation::inbound::{Forget, List, Message, Newest, number};
use pombo_store::operation::notification::owed::Detail;
use pombo_store::operation::opt_out;
use pombo_store::operation::opt_out_word::{Answers, Set as SetWord, SetAnswers};
use pombo_store::operation::settle::Item;

use super::world::{DAY, HOUR, World, on_every_store, phone};

const OURS: &str = "34911222333";

fn coded(text: &str) -> Coded {
    Coded { alphabet: Alphabet::Latin1, octets: text.as_bytes().to_vec() }
}

fn wrote(w: &World, from: usize, text: &str) -> Item {
    let (from, to) = (phone(from).to_string(), OURS.to_owned());
    Item::Inbound(Inbound { from, to, text: coded(text), piece: None, at: w.now() })
}

fn piece(w: &World, place: (u16, u8, u8), text: &str) -> Item {
    let (reference, total, number) = place;
    let Item::Inbound(whole) = wrote(w, 1, text) else { unreachable!() };
    let place = Place { naming: Naming::Header8, reference, total, number };
    Item::Inbound(Inbound { piece: Some(place), ..whole })
}

fn newest(w: &World) -> Vec<Message> {
    w.ask(Newest { limit: 100 })
}

fn texts(w: &World) -> Vec<String> {
    newest(w).into_iter().map(|message| message.text).collect()
}

fn give_number(w: &World, account: AccountId) -> usize {
    w.run(number::Set { number: OURS.into(), route: None, account })
}

fn waiting(w: &World) -> Vec<Message> {
    w.ask(Waiting { for_answer: false, limit: 100 })
}

/// What the app does with all that waits.
fn look(w: &World) -> Resolved {
    let mut wanted: HashMap<_, Vec<Wanted>> = HashMap::new();
    for m in waiting(w) {
        let (inbound, account, to, route) = (m.id, m.account, m.to.clone(), m.route);
        if let Ok(from) = pombo_domain::address::Phone::parse(&m.from) {
            wanted.entry(from).or_default().push(Wanted { inbound, account, to, route });
        }
    }
    let oldest_day = w.now().day() - 7;
    let back = Back { wanted: Arc::new(wanted), before: None, oldest_day, limit: 1_000 };
    let found: HashMap<i64, _> = w
        .ask(back)
        .found
        .into_iter()
        .map(|(id, account, message)| (id, (account, message)))
        .collect();
    let messages = waiting(w).iter().map(|m| (m.id, found.get(&m.id).copied())).collect();
    w.run(Resolve { messages, now: w.now() })
}

#[test]
fn pieces_in_any_order_and_twice_and_after_a_restart_are_one_message() {
    on_every_store(|w| {
        let all = ["one ", "two ", "three"];
        let of = |w: &World, number: u8| piece(w, (7, 3, number), all[usize::from(number) - 1]);
        assert_eq!(w.settle(vec![of(&w, 3), of(&w, 1), of(&w, 3)]).n_inbound, 0);
        let w = w.reopened();
        assert_eq!(texts(&w), [""; 0]);
        assert_eq!(w.settle(vec![of(&w, 1)]).n_inbound, 0);
        assert_eq!(w.settle(vec![of(&w, 2)]).n_inbound, 1);
        assert_eq!(w.settle(vec![of(&w, 2), of(&w, 1), of(&w, 3)]).n_inbound, 0, "it came");
        assert_eq!(texts(&w), ["one two three"]);
        let whole = &newest(&w)[0];
        assert_eq!((whole.n_pieces, whole.n_missing, whole.account), (3, 0, None));
        // Once it is long over, the same pieces are another message.
        w.pass(2 * HOUR);
        w.sweep();
        assert_eq!(w.settle(vec![of(&w, 2), of(&w, 1), of(&w, 3)]).n_inbound, 1);
    });
}

#[test]
fn references_of_other_senders_kinds_and_routes_are_not_mixed() {
    on_every_store(|w| {
        let Item::Inbound(first) = piece(&w, (7, 2, 1), "a") else { unreachable!() };
        let place = Place { naming: Naming::Sar, ..first.piece.unwrap() };
        let other = Place { total: 3, ..first.piece.unwrap() };
        w.settle(vec![
            Item::Inbound(first.clone()),
            Item::Inbound(Inbound { piece: Some(Place { number: 2, ..place }), ..first.clone() }),
            Item::Inbound(Inbound { piece: Some(Place { number: 2, ..other }), ..first.clone() }),
            Item::Inbound(Inbound {
                from: phone(2).to_string(),
                piece: Some(Place { number: 2, ..first.piece.unwrap() }),
                ..first.clone()
            }),
        ]);
        let second = Some(Place { number: 2, ..first.piece.unwrap() });
        let spelling = pombo_domain::route::ReceiptId::Same;
        let by_other = Item::Inbound(Inbound { piece: second, ..first });
        w.settle_on(w.other_route, spelling, vec![by_other]);
        assert_eq!(texts(&w), [""; 0]);
    });
}

#[test]
fn what_never_becomes_whole_is_kept_as_it_came_after_an_hour() {
    on_every_store(|w| {
        w.settle(vec![piece(&w, (7, 3, 1), "one "), piece(&w, (7, 3, 3), "three")]);
        w.pass(HOUR);
        w.sweep();
        assert_eq!(texts(&w), [""; 0]);
        w.pass(HOUR);
        w.sweep();
        assert_eq!(texts(&w), ["one […]three"]);
        let partial = &newest(&w)[0];
        assert_eq!((partial.n_pieces, partial.n_missing), (3, 1));
        assert_eq!(waiting(&w).len(), 1, "it is looked at like every other");
    });
}

#[test]
fn another_message_under_the_same_reference_loses_neither() {
    on_every_store(|w| {
        w.settle(vec![piece(&w, (7, 2, 1), "old "), piece(&w, (7, 2, 1), "new ")]);
        w.settle(vec![piece(&w, (7, 2, 2), "text")]);
        assert_eq!(texts(&w), ["new text", "old […]"]);
        w.settle(vec![piece(&w, (7, 2, 2), "more"), piece(&w, (7, 2, 1), "even ")]);
        assert_eq!(texts(&w), ["even more", "new text", "old […]"]);
    });
}

#[test]
fn a_message_is_its_numbers_owners_else_the_last_conversations_else_nobodys() {
    on_every_store(|w| {
        let request = |sender: &str, account, n| {
            let sender = sender.to_owned();
            Accept { sender, account, ..w.request(n) }
        };
        // Three of whom two got something that left.
        let first = w.accept(request(OURS, w.account, 2));
        for claimed in w.claim(10).work {
            w.settle(vec![w.sent(claimed.message.part(0), "1"), Item::IntentDone(claimed.intent)]);
        }
        w.accept(Accept { due: w.now().plus(HOUR), ..request(OURS, w.account, 3) });
        w.settle(vec![
            wrote(&w, 0, "hi"),
            wrote(&w, 2, "nothing left for me"),
            wrote(&w, 9, "who?"),
        ]);
        let resolved = look(&w);
        assert_eq!((resolved.n_owned, resolved.n_unowned), (1, 2));
        let found = newest(&w);
        let whose: Vec<_> = found.iter().map(|m| (m.account, m.answers)).collect();
        assert_eq!(whose, [(None, None), (None, None), (Some(w.account), Some(first))]);
        // What is nobody's is the number's owner's, once there is one.
        assert_eq!(give_number(&w, w.other_account), 2);
        assert_eq!(look(&w).n_owned, 2);
        w.settle(vec![wrote(&w, 0, "again")]);
        look(&w);
        let again = &newest(&w)[0];
        assert_eq!((again.account, again.answers), (Some(w.other_account), None), "not another's");
        let of = |account| {
            let all = List {
                account,
                from: String::new(),
                to: String::new(),
                after: pombo_domain::time::Instant::from_micros(0),
                before: w.now().plus(HOUR),
                skip: 0,
                limit: 10,
            };
            let from = List { from: phone(0).to_string(), ..all.clone() };
            let later = List { after: w.now().plus(HOUR), ..all.clone() };
            [w.ask(all).total, w.ask(from).total, w.ask(later).total]
        };
        assert_eq!(of(Some(w.account)), [1, 1, 0]);
        assert_eq!(of(Some(w.other_account)), [3, 1, 0]);
        assert_eq!(of(None), [0, 0, 0]);
        assert_eq!(w.run(Forget { before: w.now().plus(DAY), limit: 10 }), 4);
    });
}

#[test]
fn a_short_code_may_be_anothers_by_another_route() {
    on_every_store(|w| {
        give_number(&w, w.account);
        let route = Some(w.other_route);
        w.run(number::Set { number: OURS.into(), route, account: w.other_account });
        let spelling = pombo_domain::route::ReceiptId::Same;
        w.settle_on(w.other_route, spelling, vec![wrote(&w, 1, "hi")]);
        w.settle(vec![wrote(&w, 1, "hi")]);
        let whose: Vec<_> = newest(&w).iter().map(|m| m.account).collect();
        assert_eq!(whose, [Some(w.account), Some(w.other_account)]);
        assert_eq!(w.ask(number::List).len(), 2);
        assert!(w.run(number::Remove { number: OURS.into(), route }));
        assert!(!w.run(number::Remove { number: OURS.into(), route }));
        w.settle_on(w.other_route, spelling, vec![wrote(&w, 2, "hi")]);
        assert_eq!(newest(&w)[0].account, Some(w.account));
    });
}

#[test]
fn the_last_message_that_could_be_meant_is_the_one_that_is_answered() {
    on_every_store(|w| {
        let send = |sender: &str, carrier: &str| {
            let first = w.accept(Accept { sender: sender.to_owned(), ..w.request(1) });
            let claimed = w.claim(10);
            let intent = claimed.work[0].intent;
            w.settle(vec![w.sent(first.part(0), carrier), Item::IntentDone(intent)]);
            first
        };
        let from_ours = send(OURS, "1");
        let from_a_name = send("SHOP", "2");
        w.settle(vec![wrote(&w, 0, "by the same route")]);
        let spelling = pombo_domain::route::ReceiptId::Same;
        w.settle_on(w.other_route, spelling, vec![wrote(&w, 0, "by another")]);
        look(&w);
        let answers: Vec<_> = newest(&w).iter().map(|m| m.answers).collect();
        assert_eq!(answers, [Some(from_ours), Some(from_a_name)]);
        assert_eq!(w.kinds(from_ours), [EventKind::Sent, EventKind::Inbound]);
        // A look that ends between two goes on where it was.
        let wanted = Wanted { inbound: 1, account: None, to: OURS.into(), route: w.other_route };
        let wanted = Arc::new(HashMap::from([(phone(0), vec![wanted])]));
        let oldest_day = w.now().day();
        let back = Back { wanted, before: None, oldest_day, limit: 1 };
        let one = w.ask(back.clone());
        assert_eq!((one.found, one.n_seen), (vec![], 1));
        let two = w.ask(Back { before: one.next, ..back });
        assert_eq!(two.found, [(1, w.account, from_ours)]);
    });
}

fn listed(w: &World, i: usize) -> bool {
    let addresses = vec![pombo_domain::opt_out::Address::Phone(phone(i))];
    !w.ask(opt_out::Find { account: w.account, addresses }).is_empty()
}

#[test]
fn who_writes_stop_is_on_the_list_before_the_carrier_is_answered() {
    on_every_store(|w| {
        give_number(&w, w.account);
        let campaign = Campaign::Named { name: "Spring".into(), tags: vec![] };
        let first = w.accept(Accept { campaign, ..w.request(1) });
        let intent = w.claim(1).work[0].intent;
        w.settle(vec![w.sent(first.part(0), "1"), Item::IntentDone(intent)]);
        w.settle(vec![wrote(&w, 0, "Stop."), wrote(&w, 1, "no, stop that, it is not for me")]);
        assert_eq!((listed(&w, 0), listed(&w, 1)), (true, false));
        let later = w.message();
        assert_eq!(w.state(later), PartState::Rejected);
        let resolved = look(&w);
        assert_eq!((resolved.n_owned, resolved.n_out, resolved.n_to_answer), (2, 1, 0));
        assert_eq!(w.kinds(first), [EventKind::Sent, EventKind::Inbound, EventKind::Unsubscribed]);
        assert_eq!(w.state(first), PartState::Sent);
        let which = Which::Campaign(w.view(first).request.campaign);
        let found = w.ask(campaign::Find { account: Some(w.account), which }).unwrap();
        let totals = found.row.totals;
        assert_eq!(Totals { sent: 1, messages: 1, unsubscribed: 1, ..totals }, totals);
        // Again: nothing is new.
        w.settle(vec![wrote(&w, 0, "STOP")]);
        assert_eq!((look(&w).n_out, newest(&w)[0].effect), (0, None));
        w.settle(vec![wrote(&w, 0, "start")]);
        assert!(!listed(&w, 0));
        look(&w);
        assert_eq!(newest(&w)[0].effect, Some(Effect::In));
        assert_eq!(w.kinds(first).last(), Some(&EventKind::Resubscribed));
    });
}

#[test]
fn who_writes_stop_to_a_number_of_nobodys_is_on_the_list_of_the_last_conversation() {
    on_every_store(|w| {
        let (message, intent) = w.flying();
        w.settle(vec![w.sent(message.part(0), "1"), Item::IntentDone(intent)]);
        w.settle(vec![wrote(&w, 0, "BAJA"), wrote(&w, 5, "BAJA")]);
        assert!(!listed(&w, 0));
        assert_eq!(look(&w).n_out, 1);
        assert_eq!((listed(&w, 0), listed(&w, 5)), (true, false));
    });
}

#[test]
fn operators_and_accounts_have_words_of_their_own() {
    on_every_store(|w| {
        give_number(&w, w.account);
        let set = |account, word: &str, rule| w.run(SetWord { account, word: word.into(), rule });
        assert!(set(None, "STOP", Some(Rule::Off)));
        assert!(set(None, "BASTA", Some(Rule::OutFirst)));
        assert!(set(Some(w.account), "FUERA", Some(Rule::OutAlone)));
        assert!(set(Some(w.other_account), "ADIOS", Some(Rule::OutAlone)));
        w.settle(vec![
            wrote(&w, 1, "stop"),
            wrote(&w, 2, "Basta ya!"),
            wrote(&w, 3, "fuera"),
            wrote(&w, 4, "adios"),
            wrote(&w, 5, "quit"),
        ]);
        let on: Vec<bool> = (1..6).map(|i| listed(&w, i)).collect();
        assert_eq!(on, [false, true, true, false, true]);
        assert!(set(None, "STOP", None));
        assert!(!set(None, "STOP", None));
        w.settle(vec![wrote(&w, 1, "stop")]);
        assert!(listed(&w, 1));
    });
}

#[test]
fn an_opt_out_is_answered_once_a_day_and_never_to_what_may_answer_back() {
    on_every_store(|w| {
        give_number(&w, w.account);
        let answers = Answers { opted_out: "Done".into(), opted_in: "Welcome".into() };
        w.run(SetAnswers { account: w.account, answers });
        let owed = |text: &str, from: &str| {
            let Item::Inbound(usual) = wrote(&w, 0, text) else { unreachable!() };
            w.settle(vec![Item::Inbound(Inbound { from: from.to_owned(), ..usual })]);
            let n = look(&w).n_to_answer;
            for message in w.ask(Waiting { for_answer: true, limit: 10 }) {
                w.run(Answered { id: message.id, by: Some(MessageId(7)) });
            }
            n
        };
        let someone = phone(0).to_string();
        assert_eq!(owed("hello", &someone), 0);
        assert_eq!(owed("STOP", &someone), 1);
        assert_eq!(newest(&w)[0].answered_by, Some(MessageId(7)));
        assert_eq!(owed("STOP", &someone), 0, "it changed nothing");
        assert_eq!((owed("START", &someone), owed("STOP", &someone)), (0, 0), "on one day");
        w.pass(DAY + HOUR);
        w.sweep();
        assert_eq!(owed("START", &someone), 1);
        for other in ["3000", "SHOP", OURS, ""] {
            assert_eq!(owed("STOP", other), 0, "{other}");
        }
    });
}

#[test]
fn an_answer_reaches_who_has_just_opted_out_and_nothing_else_does() {
    on_every_store(|w| {
        give_number(&w, w.account);
        w.settle(vec![wrote(&w, 0, "STOP")]);
        let answer = w.accept(Accept { answers_opt_out: true, ..w.request(1) });
        let other = w.message();
        let claimed = w.claim(10);
        assert_eq!(claimed.work.iter().map(|m| m.message).collect::<Vec<_>>(), [answer]);
        assert_eq!(w.state(other), PartState::Rejected);
    });
}

#[test]
fn answers_are_told_to_who_asked_and_opt_outs_to_all_whether_or_not_they_answer_something() {
    on_every_store(|w| {
        give_number(&w, w.account);
        let sent = w.sent_message("1");
        w.settle(vec![wrote(&w, 0, "STOP"), wrote(&w, 1, "BAJA ya")]);
        look(&w);
        let told = |account, asked| {
            let audience = Arc::new([(account, asked)].into());
            let after = After { cursor: EventId(0), limit: 100, submitted: false, audience };
            w.ask(after).notifications
        };
        assert_eq!(told(w.other_account, OwnEvents::ALL), []);
        let all = told(w.account, OwnEvents::ALL);
        let kinds: Vec<_> = all.iter().map(|owed| owed.kind).collect();
        let (inbound, out) = (EventKind::Inbound, EventKind::Unsubscribed);
        assert_eq!(kinds, [EventKind::Sent, inbound, out, inbound, out]);
        let wrote: Vec<_> = all
            .iter()
            .filter_map(|owed| match &owed.detail {
                Detail::Written(message) => Some(message.text.as_str()),
                _ => None,
            })
            .collect();
        assert_eq!(wrote, ["STOP", "STOP", "BAJA ya", "BAJA ya"]);
        assert_eq!(all[1].message, sent);
        assert!(all[3].message.0 < 0, "it is about none of ours");
        let usual: Vec<_> = told(w.account, OwnEvents::NONE).iter().map(|owed| owed.kind).collect();
        assert_eq!(usual, [EventKind::Sent, out, out]);
    });
}

#[test]
fn what_no_text_may_hold_is_stored_all_the_same() {
    on_every_store(|w| {
        w.settle(vec![
            wrote(&w, 1, "a\0b"),
            piece(&w, (1, 2, 1), "\0"),
            piece(&w, (1, 2, 2), "\0"),
        ]);
        assert_eq!(texts(&w), ["\u{FFFD}\u{FFFD}", "a\u{FFFD}b"]);
    });
}
