//! Price lists and their files, by example and by property.

use proptest::prelude::*;

use super::*;

const DAY: i64 = 86_400_000_000;

fn at(day: i64) -> Instant {
    Instant::from_micros(day * DAY)
}

fn country(letters: &str) -> Country {
    Country::parse(letters).expect(letters)
}

fn money(text: &str) -> Money {
    Money::parse(text).expect(text)
}

fn read(text: &str) -> PriceFile {
    PriceFile::read(text, at(10)).expect("a price list")
}

fn price(
    list: &PriceList,
    country: Country,
    network: Option<Network>,
    now: Instant,
) -> Option<Money> {
    list.quote(country, network, now).map(|quote| quote.price)
}

fn list(file: PriceFile) -> PriceList {
    let mut list = PriceList::default();
    for good in file.good {
        list.add(good.row);
    }
    list
}

#[test]
fn a_network_pays_its_own_price_and_the_others_the_default() {
    let list = list(read(
        "countryIso,networkName,mcc,mnc,cost\nAD,Default,213,,0.065\n\
         AD,Servei De Tele. DAndorra,213,003,0.07\nAE,DU,424,03,0.0868",
    ));
    let andorra = country("AD");
    let own = Network::parse("213", "3");
    assert_eq!(price(&list, andorra, own, at(10)), Some(money("0.07")));
    assert_eq!(price(&list, andorra, Network::parse("213", "99"), at(10)), Some(money("0.065")));
    assert_eq!(price(&list, andorra, None, at(10)), Some(money("0.065")));
    assert_eq!(price(&list, country("AE"), None, at(10)), None, "it has no default");
    assert_eq!(price(&list, andorra, own, at(9)), None, "not before it holds");
    let order: Vec<String> = list.quotes(at(10)).map(|quote| quote.scope.to_string()).collect();
    assert_eq!(order, ["AD Default", "AD 213-003", "AE 424-03"]);
}

#[test]
fn a_price_holds_from_its_day_until_the_next() {
    let list = list(read("country;price;from\nES;0,05;1970-01-12\nES;0,06;1970-01-20\n"));
    let spain = country("ES");
    let of = |day| price(&list, spain, None, at(day));
    assert_eq!([of(10), of(11), of(18)], [None, Some(money("0.05")), Some(money("0.05"))]);
    assert_eq!([of(19), of(400)], [Some(money("0.06")); 2]);
    let just_before = Instant::from_micros(19 * DAY - 1);
    assert_eq!(price(&list, spain, None, just_before), Some(money("0.05")));
    assert_eq!(list.next_change(at(11)), Some(at(19)));
    assert_eq!(list.next_change(at(19)), None);
}

#[test]
fn every_bad_row_is_told_with_its_line_and_the_good_ones_are_read() {
    let file = read(
        "country,network,mcc,mnc,price,from\nES,,214,,0.05,\nXX,,,,0.05,\nES,Movistar,,,0.05,\n\
         \"PT\",MEO,268,06,0.04,2026-13-01\nPT,MEO,268,06,free,\nPT,MEO,268,06,-0.01,\n\
         PT,MEO,68,06,0.04,\nPT,MEO,268,1234,0.04,\nPT,MEO,268,06,0.04,\nPT,MEO,268,6,0.05,\n\
         PT,Default,268,01,0.05,\nPT,,,,1000.01,\nPT\n",
    );
    let lines: Vec<usize> = file.good.iter().map(|good| good.line).collect();
    assert_eq!(lines, [2, 10]);
    let bad: Vec<String> = file.bad.iter().map(ToString::to_string).collect();
    assert_eq!(
        bad,
        [
            "line 3: \"XX\" is no country: two letters, for example ES",
            "line 4: the network \"Movistar\" has no mnc to know its numbers by",
            "line 5: \"2026-13-01\" is no day: write it as in 2026-12-31",
            "line 6: \"free\" is no price: 0 to 1000.00, at most six decimals",
            "line 7: \"-0.01\" is no price: 0 to 1000.00, at most six decimals",
            "line 8: \"68\" and \"06\" are no mcc and mnc: three digits, and one to three",
            "line 9: \"268\" and \"1234\" are no mcc and mnc: three digits, and one to three",
            "line 11: PT 268-06 has its price in line 10 already",
            "line 12: a Default row is for all other networks and has no mnc",
            "line 13: \"1000.01\" is no price: 0 to 1000.00, at most six decimals",
            "line 14: \"\" is no price: 0 to 1000.00, at most six decimals",
        ]
    );
}

#[test]
fn both_codes_may_stand_in_one_column() {
    let file =
        read("Country ISO\tMCCMNC\tOperator\tPrice\nES\t21407\tMovistar\t0.05\nES\t\t\t0.06");
    let scopes: Vec<String> = file.good.iter().map(|good| good.row.scope.to_string()).collect();
    assert_eq!((scopes.join(", ").as_str(), file.bad.len()), ("ES 214-07, ES Default", 0));
}

#[test]
fn a_file_without_its_columns_is_refused_whole() {
    assert_eq!(PriceFile::read("", at(0)), Err(Unreadable::Empty));
    assert_eq!(PriceFile::read("a,b\nES,1", at(0)), Err(Unreadable::NoColumn("countryIso")));
    assert_eq!(PriceFile::read("country\nES", at(0)), Err(Unreadable::NoColumn("price")));
    assert_eq!(RangeFile::read("mcc,mnc\n214,1"), Err(Unreadable::NoColumn("prefix")));
    let without = Err(Unreadable::NoColumn("mcc and mnc, or mccmnc"));
    assert_eq!(RangeFile::read("prefix,mcc\n34,214"), without);
}

#[test]
fn a_table_of_prefixes_is_read_with_its_bad_rows_told() {
    let file = RangeFile::read(
        "prefix,mccmnc\n34666,21407\n+34655,21401\n0034,21401\n34666,21403\n34677,\n34688,21\n",
    )
    .expect("a table");
    let lines: Vec<usize> = file.good.iter().map(|good| good.line).collect();
    assert_eq!(lines, [2, 3]);
    let bad: Vec<String> = file.bad.iter().map(ToString::to_string).collect();
    assert_eq!(
        bad,
        [
            "line 4: \"0034\" is no prefix: 1 to 15 digits, country code first",
            "line 5: 34666 stands in line 2 already",
            "line 6: it names no network",
            "line 7: \"21\" and \"\" are no mcc and mnc: three digits, and one to three",
        ]
    );
}

#[test]
fn what_a_file_would_change_is_known_before() {
    let before = list(read("country,price\nES,0.05\nPT,0.04\nFR,0.03"));
    let file = PriceFile::read("country,price\nES,0.06\nPT,0.04\nIT,0.07", at(20)).expect("a list");
    let rows: Vec<Row> = file.good.into_iter().map(|good| good.row).collect();
    let tell = |replaces| -> Vec<(String, Option<Money>, Option<Money>, bool)> {
        let changes = before.changes(&rows, replaces);
        let each = |c: Change| {
            (c.row.scope.country.to_string(), c.before.map(|b| b.price), c.row.price, c.stays)
        };
        changes.into_iter().map(each).collect()
    };
    let some = |text| Some(money(text));
    let mut wanted = vec![
        ("ES".to_owned(), some("0.05"), some("0.06"), false),
        ("PT".to_owned(), some("0.04"), some("0.04"), true),
        ("IT".to_owned(), None, some("0.07"), false),
    ];
    assert_eq!(tell(None), wanted);
    wanted.push(("FR".to_owned(), some("0.03"), None, false));
    assert_eq!(tell(Some(at(20))), wanted);
}

#[test]
fn a_row_says_whether_its_price_is_given_back_and_nothing_said_is_no() {
    let file = read(
        "country,price,refund\nES,0.05,yes\nPT,0.04,NO\nFR,0.03,\nIT,0.02\nGB,0.06,1\nDE,0.01,maybe\n",
    );
    let said: Vec<_> = file.good.iter().map(|good| (good.line, good.row.refunds)).collect();
    assert_eq!(said, [(2, true), (3, false), (4, false), (5, false), (6, true)]);
    let bad: Vec<String> = file.bad.iter().map(ToString::to_string).collect();
    assert_eq!(bad, ["line 7: \"maybe\" does not say whether it is given back: yes or no"]);
    let list = list(file);
    let spain = list.quote(country("ES"), None, at(10)).map(|quote| quote.refunds);
    assert_eq!(spain, Some(true));
    // The same prices in a list that does not say are other prices.
    let rows: Vec<Row> =
        read("country,price\nES,0.05\nPT,0.04").good.into_iter().map(|good| good.row).collect();
    let stays: Vec<bool> = list.changes(&rows, None).iter().map(|change| change.stays).collect();
    assert_eq!(stays, [false, true]);
}

#[test]
fn a_route_that_costs_more_than_it_brings_has_a_negative_margin() {
    assert_eq!(margin(money("0.05"), money("0.03")), money("0.02"));
    assert_eq!(margin(money("0.03"), money("0.05")), money("-0.02"));
}

proptest! {
    #[test]
    fn no_file_makes_it_panic(text: String, lines in prop::collection::vec("[A-Z]{2},[0-9]{0,4},[0-9]{0,4},[-0-9.,]{0,9}", 0..9)) {
        let _ = (PriceFile::read(&text, at(0)), RangeFile::read(&text));
        let file = read(&format!("country,mcc,mnc,price\n{}", lines.join("\n")));
        prop_assert_eq!(file.good.len() + file.bad.len(), lines.len());
        prop_assert!(file.good.iter().all(|good| good.row.price.is_some_and(|p| p >= Money::ZERO)));
    }

    #[test]
    fn the_newest_price_that_has_begun_holds_in_whatever_order_they_came(
        steps in prop::collection::vec((0_i64..20, 1_i64..100), 1..20), day in 0_i64..25,
    ) {
        let mut list = PriceList::default();
        let scope = Scope { country: country("ES"), network: None };
        for (since, price) in &steps {
            let price = Some(Money::from_micros(*price));
            list.add(Row { scope, name: DEFAULT.to_owned(), price, refunds: false, since: at(*since) });
        }
        let wanted = steps.iter().enumerate().filter(|(_, (since, _))| *since <= day)
            .max_by_key(|(i, (since, _))| (*since, *i)).map(|(_, (_, price))| Money::from_micros(*price));
        prop_assert_eq!(price(&list, scope.country, None, at(day)), wanted);
    }

    #[test]
    fn applying_a_whole_file_leaves_just_what_it_says(prices in prop::collection::vec((0_usize..6, 1_i64..9), 0..6), old in prop::collection::vec((0_usize..6, 1_i64..9), 0..6)) {
        let letters = ["ES", "PT", "FR", "IT", "DE", "GB"];
        let rows = |of: &[(usize, i64)], since| -> Vec<Row> {
            let each: BTreeMap<usize, i64> = of.iter().copied().collect();
            each.into_iter().map(|(i, price)| Row {
                scope: Scope { country: country(letters[i]), network: None },
                name: DEFAULT.to_owned(), price: Some(Money::from_micros(price)), refunds: false, since,
            }).collect()
        };
        let mut list = PriceList::default();
        rows(&old, at(1)).into_iter().for_each(|row| list.add(row));
        let file = rows(&prices, at(5));
        for change in list.changes(&file, Some(at(5))) {
            if !change.stays { list.add(change.row); }
        }
        let left: Vec<_> = list.quotes(at(5)).map(|q| (q.scope, Some(q.price))).collect();
        let said: Vec<_> = file.iter().map(|row| (row.scope, row.price)).collect::<BTreeMap<_, _>>().into_iter().collect();
        prop_assert_eq!(left, said);
    }
}
