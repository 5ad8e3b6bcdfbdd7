//! What each endpoint may be asked, by how it has done.

use super::*;

const NOW: Instant = Instant::from_micros(1_000_000);
const SLOW: Duration = Duration::from_secs(1);
const SWIFT: Duration = Duration::from_millis(1);

fn of(account: i64, base: &str) -> Endpoint {
    Endpoint { account: AccountId(account), base: base.to_owned() }
}

fn is_free(place: Place) -> bool {
    matches!(place, Place::Free { .. })
}

fn answers(endpoints: &mut Endpoints, from: &Endpoint, took: Duration, now: Instant) {
    let stranger = endpoints.states[from].usual.is_none();
    endpoints.leave((from, stranger), &Ok(200), took, now);
}

fn fails(endpoints: &mut Endpoints, from: &Endpoint, now: Instant) {
    let stranger = endpoints.states[from].usual.is_none();
    endpoints.leave((from, stranger), &Err(Unanswered::Failed(String::new())), SLOW, now);
}

/// An endpoint that has answered, often enough to have all its places.
fn answering(to: &Endpoint, took: Duration) -> Endpoints {
    let mut endpoints = Endpoints::default();
    for _ in 0..PER_ENDPOINT {
        assert!(is_free(endpoints.place_for(to, NOW, false)));
        answers(&mut endpoints, to, took, NOW);
    }
    endpoints
}

fn fill(endpoints: &mut Endpoints, to: &Endpoint, n: usize, now: Instant) {
    for _ in 0..n {
        assert!(is_free(endpoints.place_for(to, now, false)));
    }
}

fn line_up(endpoints: &mut Endpoints, to: &Endpoint, n: usize) {
    for event in 0..n {
        let event = pombo_domain::id::EventId(i64::try_from(event).expect("few"));
        endpoints.wait(Call::callback(event, String::new(), to.clone(), None, false));
    }
}

#[test]
fn a_slow_endpoint_fills_only_its_own_places() {
    let (slow, quick) = (of(1, "http://h.example/slow"), of(1, "http://h.example/quick"));
    let mut endpoints = Endpoints::default();
    fill(&mut endpoints, &slow, PER_STRANGER, NOW);
    assert_eq!(endpoints.place_for(&slow, NOW, false), Place::Full);
    assert_eq!(endpoints.rooms(NOW)[&slow], 0);
    assert!(is_free(endpoints.place_for(&quick, NOW, false)));
    let of_another = of(2, "http://h.example/slow");
    assert!(is_free(endpoints.place_for(&of_another, NOW, false)));
}

#[test]
fn an_account_with_many_dead_endpoints_has_few_calls_on_the_way() {
    let mut endpoints = Endpoints::default();
    let taken = (0..1_000)
        .filter(|n| is_free(endpoints.place_for(&of(1, &format!("http://{n}/")), NOW, false)))
        .count();
    assert_eq!(taken, STRANGERS_PER_ACCOUNT);
    assert!(endpoints.busy().contains(&AccountId(1)));
    let mut other = of(2, "http://other/");
    assert!(is_free(endpoints.place_for(&other, NOW, false)));
    answers(&mut endpoints, &other, SWIFT, NOW);
    other.account = AccountId(1);
    assert_eq!(endpoints.place_for(&other, NOW, false), Place::Full);
    fails(&mut endpoints, &of(1, "http://0/"), NOW);
    assert!(is_free(endpoints.place_for(&other, NOW, false)));
}

#[test]
fn looking_whether_dead_endpoints_are_back_takes_no_more_calls_than_others() {
    let urls: Vec<_> = (0..100).map(|n| of(1, &format!("http://{n}/"))).collect();
    let mut endpoints = Endpoints::default();
    for url in &urls {
        for _ in 0..FAILURES_MAX {
            assert!(is_free(endpoints.place_for(url, NOW, false)));
            fails(&mut endpoints, url, NOW);
        }
    }
    let later = NOW.plus(LEFT_ALONE);
    let places = urls.iter().map(|url| endpoints.place_for(url, later, false));
    assert_eq!(places.filter(|place| is_free(*place)).count(), STRANGERS_PER_ACCOUNT);
    fails(&mut endpoints, &urls[0], later);
    let next = endpoints.place_for(&urls[STRANGERS_PER_ACCOUNT], later, false);
    assert!(is_free(next), "whoever had to wait is next");
}

#[test]
fn each_answer_brings_a_place_and_failures_take_them_away() {
    let to = of(1, "http://quick.example/");
    let mut endpoints = answering(&to, SWIFT);
    fill(&mut endpoints, &to, PER_ENDPOINT, NOW);
    assert!(!is_free(endpoints.place_for(&to, NOW, false)));
    for _ in 0..PER_ENDPOINT - PER_STRANGER {
        fails(&mut endpoints, &to, NOW);
    }
    let later = NOW.plus(LEFT_ALONE);
    for _ in 0..PER_STRANGER {
        answers(&mut endpoints, &to, SWIFT, later);
    }
    fill(&mut endpoints, &to, 2 * PER_STRANGER, later);
    assert!(!is_free(endpoints.place_for(&to, later, false)));
}

#[test]
fn a_dead_endpoint_is_left_alone_and_tried_again() {
    let to = of(1, "http://dead.example/");
    let mut endpoints = Endpoints::default();
    for _ in 0..FAILURES_MAX {
        assert!(is_free(endpoints.place_for(&to, NOW, false)));
        fails(&mut endpoints, &to, NOW);
    }
    assert_eq!(endpoints.place_for(&to, NOW, false), Place::Down);
    assert_eq!(endpoints.rooms(NOW)[&to], 0, "what is filed waits");
    let later = NOW.plus(LEFT_ALONE);
    assert_eq!(endpoints.rooms(later)[&to], 1);
    assert!(is_free(endpoints.place_for(&to, later, false)), "one to see");
    assert_eq!(endpoints.place_for(&to, later, false), Place::Down);
    answers(&mut endpoints, &to, SWIFT, later);
    assert!(is_free(endpoints.place_for(&to, later, false)));
}

#[test]
fn calls_to_a_quick_endpoint_wait_in_line_until_it_is_quick_no_more() {
    let to = of(1, "http://quick.example/");
    let mut endpoints = answering(&to, SWIFT);
    let busy = NOW.plus(LEFT_ALONE);
    fill(&mut endpoints, &to, PER_ENDPOINT, busy);
    let place = endpoints.place_for(&to, busy, false);
    assert_eq!(place, Place::Soon, "it owed nothing for a while");
    line_up(&mut endpoints, &to, 2);
    assert!(endpoints.tired(busy, false).is_empty());
    assert!(endpoints.next_waiting(&to).is_none(), "no place is free");
    answers(&mut endpoints, &to, SWIFT, busy);
    assert_eq!(endpoints.next_waiting(&to).map(|call| call.debt.event.0), Some(0));
    let later = busy.plus(STILL_QUICK);
    assert_eq!(endpoints.tired(later, false).len(), 1);
    assert_eq!(endpoints.n_waiting(), 0);
}

#[test]
fn a_line_is_no_longer_than_what_is_answered_soon() {
    let to = of(1, "http://far.example/");
    let mut endpoints = answering(&to, LINE / 2);
    fill(&mut endpoints, &to, PER_ENDPOINT, NOW);
    line_up(&mut endpoints, &to, 2 * PER_ENDPOINT - 1);
    assert_eq!(endpoints.place_for(&to, NOW, false), Place::Soon);
    line_up(&mut endpoints, &to, 1);
    assert_eq!(endpoints.place_for(&to, NOW, false), Place::Full);
    let place = endpoints.place_for(&to, NOW, true);
    assert_eq!(place, Place::Full, "not fast enough to wait for");
    assert_eq!(endpoints.rooms(NOW)[&to], 0);
}

#[test]
fn a_reader_with_patience_may_wait_for_a_fast_endpoint() {
    let to = of(1, "http://quick.example/");
    let mut endpoints = answering(&to, SWIFT);
    fill(&mut endpoints, &to, PER_ENDPOINT, NOW);
    line_up(&mut endpoints, &to, LINE_MAX);
    assert_eq!(endpoints.place_for(&to, NOW, false), Place::Full);
    assert_eq!(endpoints.place_for(&to, NOW, true), Place::Soon);
}

#[test]
fn room_for_what_is_filed_is_told_when_places_are_free() {
    let to = of(1, "http://far.example/");
    let mut endpoints = answering(&to, SLOW);
    fill(&mut endpoints, &to, PER_ENDPOINT, NOW);
    endpoints.has_filed(&to, NOW);
    for _ in 1..PER_ENDPOINT / 4 {
        answers(&mut endpoints, &to, SLOW, NOW);
    }
    assert!(!endpoints.take_room_for_filed());
    for _ in 0..PER_ENDPOINT / 2 {
        answers(&mut endpoints, &to, SLOW, NOW);
    }
    assert!(endpoints.take_room_for_filed());
    assert!(!endpoints.take_room_for_filed(), "once");
}
