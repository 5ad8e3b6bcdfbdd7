//! Nobody gets marketing outside the hours of their country, whatever happened on the way.

use std::sync::Arc;
use std::time::Duration;

use pombo_app::auth::Caller;
use pombo_app::clock::Clock;
use pombo_app::operate;
use pombo_app::usecase::scheduled::{Which, reschedule, scheduled_list};
use pombo_app::usecase::send::{Fate, Recipient, SendSms, Text, send_sms};
use pombo_domain::address::{Country, Phone};
use pombo_domain::country::{
    Affixes, Content, Ending, Forbidden, Hours, Rule, Rules, Stretch, Topic, Zone,
};
use pombo_domain::message::{Category, EventKind};
use pombo_domain::price::Prefix;
use pombo_domain::sms::personal::{Template, Values};
use pombo_domain::time::Instant;
use pombo_domain::window::{AvailableTimes, Window};

use crate::carrier::{Carrier, Says};
use crate::house::{Folder, House, a_while, config, ops, route, sms, until};

const FRENCH: &str = "33612345678";

fn at(text: &str) -> Instant {
    Instant::parse_iso8601(text).unwrap()
}

/// A country whose marketing hours are 08:00 to 22:00, Monday to Saturday.
fn rule(country: &str, prefix: &str, zones: &[(&str, &str)]) -> Rule {
    let zone =
        |(prefix, zone): &(&str, &str)| (Prefix::parse(prefix).unwrap(), Zone::get(zone).unwrap());
    let week = vec![Stretch::parse(&[1, 2, 3, 4, 5, 6], "08:00", "22:00").unwrap()];
    Rule {
        country: Country::parse(country).unwrap(),
        prefixes: vec![Prefix::parse(prefix).unwrap()],
        zones: zones.iter().map(zone).collect(),
        hours: Some(Hours { week, closed: None }),
        content: Content::default(),
        approves_senders: false,
    }
}

fn rules() -> Rules {
    Rules::new(
        vec![
            rule("FR", "33", &[("33", "Europe/Paris"), ("262", "Indian/Reunion")]),
            rule("CO", "57", &[("57", "America/Bogota")]),
        ],
        Topic::default(),
    )
}

/// 2026-03-24 is a Tuesday; Paris is an hour ahead.
async fn house(now: &str) -> House {
    let config = pombo_app::Config { countries: rules(), ..config(vec![route("a")]) };
    House::with(Arc::new(Folder::new()), Clock::held(at(now)), config).await
}

fn marketing(to: &[&str]) -> SendSms {
    let recipient = |written: &&str| Recipient {
        written: (*written).to_owned(),
        phone: Some(Phone::parse_with_country(written).unwrap()),
    };
    let to = to.iter().map(recipient).collect();
    SendSms { to, category: Some(Category::Marketing), ..sms(0) }
}

fn held(fate: &Fate) -> Option<String> {
    match fate {
        Fate::Accepted { held, .. } => held.map(Instant::iso8601),
        Fate::Planned(planned) => Some(planned.earliest.iso8601()),
        other => panic!("not accepted: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_of_a_request_waits_for_the_hours_of_their_own_country() {
    let house = house("2026-03-24T21:30:00Z").await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let to = [FRENCH, "34600000000", "573001234567", "262692123456", "33612345679"];
    let sent = send_sms(&house.app, &caller, marketing(&to)).await.unwrap();
    let found: Vec<_> = sent.fates.iter().map(|(_, fate)| held(fate)).collect();
    let (paris, reunion) = ("2026-03-25T07:00:00+00:00", "2026-03-25T04:00:00+00:00");
    let is_held = |text: &str| Some(text.to_owned());
    assert_eq!(found, [is_held(paris), None, None, is_held(reunion), is_held(paris)]);
    let asked = SendSms { dry_run: true, ..marketing(&[FRENCH]) };
    let asked = send_sms(&house.app, &caller, asked).await.unwrap();
    assert_eq!(held(&asked.fates[0].1), is_held(paris));
    until("who may be reached is", || carrier.n_taken() == 2).await;
    let page = (std::num::NonZeroUsize::MIN, 10);
    let listed = scheduled_list(&house.app, &caller, page).await.unwrap();
    let due: Vec<_> = listed.messages.iter().map(|message| message.due.iso8601()).collect();
    assert_eq!(due, [paris, reunion, paris]);
    house.move_to(at("2026-03-25T03:59:59Z"));
    a_while().await;
    assert_eq!(carrier.n_taken(), 2);
    house.move_to(at("2026-03-25T04:00:00Z"));
    until("the island wakes", || carrier.n_taken() == 3).await;
    house.move_to(at("2026-03-25T07:00:00Z"));
    until("Paris wakes", || carrier.n_taken() == 5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_transactional_waits_for_no_hours() {
    let house = house("2026-03-24T23:00:00Z").await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    house.send(&caller, SendSms { category: None, ..marketing(&[FRENCH]) }).await;
    until("it goes", || carrier.n_taken() == 1).await;
    assert_eq!(carrier.taken()[0].expires, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_became_late_because_its_route_was_down_waits_for_the_next_opening() {
    let house = house("2026-03-24T20:30:00Z").await;
    let caller = house.account("one").await;
    house.send(&caller, marketing(&[FRENCH, "573001234567", "33612345679"])).await;
    house.move_to(at("2026-03-24T21:00:00Z"));
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    until("it is still day in Bogota", || carrier.n_taken() == 1).await;
    a_while().await;
    assert_eq!(carrier.n_taken(), 1);
    house.move_to(at("2026-03-25T07:00:00Z"));
    until("Paris wakes", || carrier.n_taken() == 3).await;
    assert_eq!(carrier.taken()[2].expires, Some(at("2026-03-25T21:00:00Z")), "carriers stop too");
    a_while().await;
    assert_eq!(carrier.n_taken(), 3, "and each went once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_would_come_at_night_comes_in_the_morning() {
    let house = house("2026-03-24T20:30:00Z").await;
    let caller = house.account("one").await;
    let hour = Duration::from_secs(3_600);
    let mut tries = 0;
    let carrier = Carrier::start(house.desk("a"), move |_, _| {
        tries += 1;
        if tries == 1 { Says::Defer(hour, Some(3)) } else { Says::Accept }
    });
    let id = house.send(&caller, marketing(&[FRENCH])).await[0];
    house.until_event(&caller, id, EventKind::Deferred).await;
    house.move_to(at("2026-03-24T21:30:00Z"));
    a_while().await;
    assert_eq!(carrier.n_taken(), 1);
    house.move_to(at("2026-03-25T07:00:00Z"));
    house.until_event(&caller, id, EventKind::Sent).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lies_on_the_desk_when_the_hours_end_goes_back_and_waits() {
    let house = house("2026-03-24T20:59:00Z").await;
    let caller = house.account("one").await;
    let to: Vec<String> = (0..15).map(|i| format!("336123456{i:02}")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Hold);
    house.send(&caller, marketing(&to)).await;
    until("the window is full", || carrier.n_taken() == 10).await;
    until("all are claimed", || house.row("a").in_flight == 15).await;
    house.move_to(at("2026-03-24T21:00:00Z"));
    carrier.answer_held(10);
    until("the rest is back in its queue", || house.row("a").queued == 5).await;
    assert_eq!(carrier.n_taken(), 10);
    house.move_to(at("2026-03-25T07:00:00Z"));
    until("the rest goes in the morning", || carrier.n_taken() == 15).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_owner_moves_into_the_night_waits_for_the_morning_and_stays_theirs_to_move() {
    let house = house("2026-03-24T12:00:00Z").await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let schedule = Some(at("2026-03-24T13:00:00Z"));
    house.send(&caller, SendSms { schedule, ..marketing(&[FRENCH]) }).await;
    let night = at("2026-03-24T23:00:00Z");
    assert_eq!(reschedule(&house.app, &caller, Which::All, night).await.unwrap(), 1);
    house.move_to(night);
    let page = (std::num::NonZeroUsize::MIN, 10);
    let morning = at("2026-03-25T07:00:00Z");
    for _ in 0..1_000 {
        let listed = scheduled_list(&house.app, &caller, page).await.unwrap();
        if listed.messages.first().is_some_and(|message| message.due == morning) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let listed = scheduled_list(&house.app, &caller, page).await.unwrap();
    assert_eq!(listed.messages[0].due, morning);
    assert_eq!(carrier.n_taken(), 0);
    house.move_to(morning);
    until("it goes in the morning", || carrier.n_taken() == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_expires_before_the_hours_begin_expires_and_costs_nothing() {
    let house = house("2026-03-24T23:00:00Z").await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let expires = Some(at("2026-03-25T01:00:00Z"));
    let id = house.send(&caller, SendSms { expires, ..marketing(&[FRENCH]) }).await[0];
    house.move_to(at("2026-03-25T01:00:00Z"));
    house.until_event(&caller, id, EventKind::Expired).await;
    assert_eq!(carrier.n_taken(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn times_of_their_owner_that_never_meet_the_countrys_are_refused() {
    let house = house("2026-03-24T12:00:00Z").await;
    let caller = house.account("one").await;
    let sundays = AvailableTimes::new(vec![Window::parse(Some(7), "10:00", "12:00").unwrap()]);
    let send = SendSms { windows: Some(sundays.unwrap()), ..marketing(&[FRENCH, "34600000000"]) };
    let sent = send_sms(&house.app, &caller, send).await.unwrap();
    let france = Country::parse("FR").unwrap();
    assert_eq!(sent.fates[0].1, Fate::Forbidden(Forbidden::NoTime(france)));
    assert_eq!(held(&sent.fates[1].1), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_rules_hold_for_what_waits_already() {
    let house = house("2026-03-24T12:00:00Z").await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    let schedule = Some(at("2026-03-24T13:00:00Z"));
    house.send(&caller, SendSms { schedule, ..marketing(&[FRENCH]) }).await;
    let mut stricter = rule("FR", "33", &[("33", "Europe/Paris")]);
    let week = vec![Stretch::parse(&[3], "09:00", "10:00").unwrap()];
    stricter.hours = Some(Hours { week, closed: None });
    let countries = Rules::new(vec![stricter], Topic::default());
    let config = pombo_app::Config { countries, ..config(vec![route("a")]) };
    house.app.reload(config).await.unwrap();
    house.move_to(at("2026-03-24T13:00:00Z"));
    a_while().await;
    assert_eq!(carrier.n_taken(), 0);
    house.move_to(at("2026-03-25T08:00:00Z"));
    until("Wednesday at nine", || carrier.n_taken() == 1).await;
}

/// France wants an ending, Spain no casinos, Colombia a name before.
fn texts() -> Rules {
    let mut fr = rule("FR", "33", &[("33", "Europe/Paris")]);
    let ending =
        Ending { text: "STOP au [STOP_CODE]".into(), code: Some("36111".into()), is_added: true };
    fr.content.ending = Some(ending);
    let mut es = rule("ES", "34", &[]);
    es.content.prohibited = vec![Topic::new("gambling", &["casino".to_owned()])];
    let mut co = rule("CO", "57", &[]);
    co.content.before = "ACME: ".into();
    Rules::new(vec![fr, es, co], Topic::new("ways out", &["baja".to_owned()]))
}

async fn strict_house() -> House {
    let config = pombo_app::Config { countries: texts(), ..config(vec![route("a")]) };
    House::with(Arc::new(Folder::new()), Clock::held(at("2026-03-24T12:00:00Z")), config).await
}

async fn text_of(house: &House, caller: &Caller, fate: &Fate) -> String {
    let Fate::Accepted { id, .. } = fate else { panic!("{fate:?}") };
    house.status(caller, *id).await.text
}

fn says(text: &str, to: &[&str]) -> SendSms {
    SendSms { text: Text::Same(text.into()), ..marketing(to) }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_gets_the_text_that_their_country_wants_and_pays_for_its_parts() {
    let house = strict_house().await;
    let caller = house.account("one").await;
    let text = "0123456789".repeat(15);
    let to = [FRENCH, "351910000000", "573001234567"];
    let sent = send_sms(&house.app, &caller, says(&text, &to)).await.unwrap();
    let parts: Vec<u8> = sent
        .fates
        .iter()
        .map(|(_, fate)| match fate {
            Fate::Accepted { n_parts, .. } => *n_parts,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parts, [2, 1, 1]);
    assert_eq!(text_of(&house, &caller, &sent.fates[0].1).await, format!("{text} STOP au 36111"));
    assert_eq!(text_of(&house, &caller, &sent.fates[1].1).await, text);
    assert_eq!(text_of(&house, &caller, &sent.fates[2].1).await, format!("ACME: {text}"));
    let long = SendSms { parts_max: 1, ..says(&text, &to[..1]) };
    let fate = send_sms(&house.app, &caller, long).await.unwrap().fates.remove(0).1;
    assert_eq!(fate, Fate::Unfit(pombo_domain::sms::Unfit::TooLong));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_is_refused_for_the_country_that_prohibits_it_and_in_marketing_only() {
    let house = strict_house().await;
    let caller = house.account("one").await;
    let to = ["34600000000", "351910000000"];
    let sent = send_sms(&house.app, &caller, says("El CASINò te espera", &to)).await.unwrap();
    let spain = Country::parse("ES").unwrap();
    assert_eq!(sent.fates[0].1, Fate::Forbidden(Forbidden::Topic(spain, "gambling".into())));
    assert_eq!(text_of(&house, &caller, &sent.fates[1].1).await, "El CASINò te espera");
    let told = SendSms { category: None, ..says("Tu cita en el casino es a las 9", &to) };
    house.send(&caller, told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn personal_texts_are_judged_and_completed_one_by_one() {
    let house = strict_house().await;
    let caller = house.account("one").await;
    let template = Template::parse("Hola {name}").unwrap();
    let mut values = Values::new(1, 3);
    for name in ["Ana", "Casino", "Eva"] {
        values.push([name]);
    }
    let to = [FRENCH, "34600000000", "34600000001"];
    let send = SendSms { text: Text::Personal(template, values), ..marketing(&to) };
    let sent = send_sms(&house.app, &caller, send).await.unwrap();
    assert_eq!(text_of(&house, &caller, &sent.fates[0].1).await, "Hola Ana STOP au 36111");
    assert!(matches!(sent.fates[1].1, Fate::Forbidden(Forbidden::Topic(..))));
    assert_eq!(text_of(&house, &caller, &sent.fates[2].1).await, "Hola Eva");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_way_out_is_added_or_asked_for_as_it_says() {
    let house = strict_house().await;
    let set = |text: &str| {
        let settings = operate::Settings {
            opt_out_text: Some(Some(text.to_owned())),
            ..operate::Settings::default()
        };
        ops(|| operate::account_set(&house.store, &house.clock, "one", settings)).unwrap();
    };
    house.account("one").await;
    set("BAJA al 1234");
    let to = ["34600000000", FRENCH];
    let is_longer = |fate: &Fate| matches!(fate, Fate::Planned(planned) if planned.n_parts == 2);
    let (text, caller) = until_fate(&house, &to, is_longer).await;
    let sent = send_sms(&house.app, &caller, says(&text, &to)).await.unwrap();
    assert_eq!(text_of(&house, &caller, &sent.fates[0].1).await, format!("{text} BAJA al 1234"));
    assert_eq!(text_of(&house, &caller, &sent.fates[1].1).await, format!("{text} STOP au 36111"));
    let sent = send_sms(&house.app, &caller, says("Rebajas. Baja: 99", &to[..1])).await.unwrap();
    assert_eq!(text_of(&house, &caller, &sent.fates[0].1).await, "Rebajas. Baja: 99");
    set("");
    let is_refused = |fate: &Fate| matches!(fate, Fate::Forbidden(Forbidden::NoWayOut(_)));
    until_fate(&house, &to[..1], is_refused).await;
}

/// Asks, for a text that just fits into one part, until the server has seen a change of the account.
async fn until_fate(house: &House, to: &[&str], is_so: impl Fn(&Fate) -> bool) -> (String, Caller) {
    let text = "0123456789".repeat(16);
    for _ in 0..2_000 {
        let caller = house.account("one").await;
        let asked = SendSms { dry_run: true, ..says(&text, to) };
        if is_so(&send_sms(&house.app, &caller, asked).await.unwrap().fates[0].1) {
            return (text, caller);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the change was not seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_has_verified_ages_may_write_what_is_for_adults() {
    let mut gb = rule("GB", "44", &[]);
    gb.content.for_adults = vec![Topic::new("gambling", &["poker".to_owned()])];
    let countries = Rules::new(vec![gb], Topic::default());
    let config = pombo_app::Config { countries, ..config(vec![route("a")]) };
    let clock = Clock::held(at("2026-03-24T12:00:00Z"));
    let house = House::with(Arc::new(Folder::new()), clock, config).await;
    let caller = house.account("one").await;
    let asked = || SendSms { dry_run: true, ..says("Poker", &["447400000000"]) };
    let fate = send_sms(&house.app, &caller, asked()).await.unwrap().fates.remove(0).1;
    assert!(matches!(fate, Fate::Forbidden(Forbidden::ForAdults(..))), "{fate:?}");
    let settings = operate::Settings { ages_verified: Some(true), ..operate::Settings::default() };
    ops(|| operate::account_set(&house.store, &house.clock, "one", settings)).unwrap();
    for _ in 0..2_000 {
        let caller = house.account("one").await;
        let sent = send_sms(&house.app, &caller, asked()).await.unwrap();
        if matches!(sent.fates[0].1, Fate::Planned(_)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the change was not seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_countries_come_to_one_text_the_request_has_it() {
    let house = strict_house().await;
    let caller = house.account("one").await;
    let carrier = Carrier::start(house.desk("a"), |_, _| Says::Accept);
    // Spain has rules that change nothing here, Portugal has none.
    house.send(&caller, says("Rebajas", &["34600000000", "351910000000"])).await;
    until("both go", || carrier.n_taken() == 2).await;
    let taken = carrier.taken();
    assert!(Arc::ptr_eq(&taken[0].body, &taken[1].body), "{taken:?}");
    let two = [FRENCH, "351910000000"];
    house.send(&caller, says("Rebajas", &two)).await;
    until("these too", || carrier.n_taken() == 4).await;
    let taken = carrier.taken();
    assert!(!Arc::ptr_eq(&taken[2].body, &taken[3].body), "{taken:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_text_is_made_for_the_route_that_is_chosen_and_goes_unchanged_by_another() {
    let mut first = route("a");
    first.countries = vec!["ES".into()];
    first.affixes = Affixes { prefix: "[SENDER] ".into(), ..Affixes::default() };
    let mut second = route("b");
    second.priority = 20;
    second.affixes = Affixes { suffix: " via b".into(), ..Affixes::default() };
    let clock = Clock::held(at("2026-03-24T12:00:00Z"));
    let house = House::with(Arc::new(Folder::new()), clock, config(vec![first, second])).await;
    let caller = house.account("one").await;
    let a = Carrier::start(house.desk("a"), |_, _| Says::Defer(Duration::from_secs(30), Some(2)));
    let b = Carrier::start(house.desk("b"), |_, _| Says::Accept);
    let send = says("Rebajas", &["34600000000", "351910000000"]);
    let from = send.from.to_string();
    let sent = send_sms(&house.app, &caller, send).await.unwrap();
    until("the second has both", || b.n_taken() == 2).await;
    assert_eq!(a.n_taken(), 1);
    assert_eq!(text_of(&house, &caller, &sent.fates[0].1).await, format!("{from} Rebajas"));
    assert_eq!(text_of(&house, &caller, &sent.fates[1].1).await, "Rebajas via b");
    let told = SendSms { category: None, ..says("Su cita es a las 9", &["351910000000"]) };
    let sent = send_sms(&house.app, &caller, told).await.unwrap();
    assert_eq!(text_of(&house, &caller, &sent.fates[0].1).await, "Su cita es a las 9");
}
