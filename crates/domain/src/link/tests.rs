//! Codes there and back, targets, and User-Agents as they are met on the road.

use proptest::prelude::*;

use super::*;

const USER_AGENTS: &str = include_str!("../../data/user_agents.tsv");

#[test]
fn each_visitor_is_known_by_its_user_agent() {
    let mut n = 0;
    for line in USER_AGENTS.lines().filter(|line| !line.starts_with('#')).skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let [device, browser, system, user_agent] = cells[..] else { panic!("{line}") };
        let found = match visit(user_agent, false) {
            Visit::Machine => ("machine", "", ""),
            Visit::Person(v) => (v.device.as_str(), v.browser, v.system),
        };
        assert_eq!(found, (device, browser, system), "{user_agent}");
        n += 1;
    }
    assert!(n >= 60, "{n} rows");
}

#[test]
fn what_looks_ahead_for_its_user_is_no_click() {
    let chrome = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) \
                  Chrome/126.0.0.0 Mobile Safari/537.36";
    assert!(matches!(visit(chrome, false), Visit::Person(_)));
    assert_eq!(visit(chrome, true), Visit::Machine);
}

#[test]
fn only_absolute_http_urls_are_targets() {
    for (written, kept) in [
        ("https://example.com", "https://example.com/"),
        (" HTTP://Example.com/a?b=c#d ", "http://example.com/a?b=c#d"),
        ("https://señal.example/ñ", "https://xn--seal-hqa.example/%C3%B1"),
        ("https://example.com/%7Bx%7D", "https://example.com/%7Bx%7D"),
    ] {
        assert_eq!(Target::parse(written).as_ref().map(Target::as_str), Ok(kept), "{written}");
    }
    let long = format!("https://example.com/{}", "a".repeat(LINK_TARGET_BYTES_MAX));
    for bad in [
        "",
        "example.com",
        "//example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.com",
        "https:/example.com",
        "https://",
        "https:///x",
        "mailto:a@b.example",
        "https://exa mple.com",
        "https://example.com/\r\nSet-Cookie:x",
        "http://[::1",
        &long,
        "\u{e9}\u{e9}\u{e9}\u{e9}",
    ] {
        assert_eq!(Target::parse(bad), Err(NotATarget), "{bad}");
    }
}

#[test]
fn a_code_is_twelve_letters_and_digits() {
    let code = Code::new(20_785, 0x0123_4567_89ab_cdef);
    assert_eq!(code.to_string(), "6l4BH3BDLqXP");
    assert_eq!(short_url("https://go.example", code), "https://go.example/s/6l4BH3BDLqXP");
}

#[test]
fn what_is_no_code_is_told_by_its_look() {
    for bad in ["", "short", "6l4BH3BDLqXPx", "4aZlKJ3Ee2Z.", "../../../../", "zzzzzzzzzzzz"] {
        assert_eq!(Code::parse(bad, 20_785), None, "{bad}");
    }
}

#[test]
fn a_click_is_kept_on_one_line() {
    let click = Click {
        device: "mobile".to_owned(),
        browser: "Chrome".to_owned(),
        system: "Android".to_owned(),
        is_mobile: true,
        url: "https://example.com/a?b=c".to_owned(),
    };
    assert_eq!(click.to_stored(), "mobile\tChrome\tAndroid\t1\thttps://example.com/a?b=c");
    assert_eq!(Click::from_stored(&click.to_stored()), click);
    assert_eq!(Click::from_stored(""), Click::default());
}

proptest! {
    #[test]
    fn every_code_reads_back_for_as_long_as_history_may_be_kept(
        day in 19_000_i64..40_000, age in 0_i64..2_046, chance: u64,
    ) {
        let code = Code::new(day, chance);
        let text = code.to_string();
        prop_assert_eq!(text.len(), Code::CHARS);
        prop_assert_eq!(Code::parse(&text, day + age), Some(code));
    }

    #[test]
    fn any_user_agent_is_judged(user_agent in ".*") {
        let _ = visit(&user_agent, false);
    }
}
