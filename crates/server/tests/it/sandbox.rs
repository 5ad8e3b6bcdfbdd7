//! The simulated phones' page.

use std::io::{BufRead, BufReader, Write};

use crate::house::House;

/// Reads the stream until a phone shows `text`; gives that phone back.
fn phone_with(house: &House, text: &str) -> serde_json::Value {
    let mut stream = house.connect();
    stream.write_all(b"GET /sandbox/events HTTP/1.1\r\nHost: localhost:1\r\n\r\n").unwrap();
    for line in BufReader::new(stream).lines() {
        let line = line.expect("the stream goes on");
        let Some(data) = line.strip_prefix("data: ") else { continue };
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        let texts = data["messages"].as_array().into_iter().flatten();
        if texts.clone().any(|m| m["text"] == text && m["arrived"] == m["parts"]) {
            return data;
        }
    }
    panic!("the stream ended");
}

#[test]
fn a_phone_shows_what_was_sent_parts_joined() {
    let house = House::open();
    let text = format!("<b>{}</b>", "a".repeat(300));
    let json = format!(
        r#"{{"to":["34666555444"],"from":"TEST","message":"{text}","parts":3,"flash":true}}"#
    );
    assert_eq!(house.send(&json).status, 202);
    let phone = phone_with(&house, &text);
    assert_eq!(phone["phone"], "34666555444");
    let message = &phone["messages"][0];
    assert_eq!((&message["from"], &message["flash"]), (&"TEST".into(), &true.into()));
}

#[test]
fn a_page_of_another_name_does_not_get_the_texts() {
    let house = House::open();
    for host in ["evil.example", "localhost.evil.example", "192.0.2.1", ""] {
        let request = format!("GET /sandbox/events HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let mut stream = house.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut first = String::new();
        BufReader::new(stream).read_line(&mut first).unwrap();
        assert!(first.starts_with("HTTP/1.1 403"), "{host}: {first}");
    }
}

#[test]
fn the_page_says_that_it_is_simulated_in_the_readers_language() {
    let house = House::open();
    for (language, sentence) in [
        ("en", "Everything here is simulated"),
        ("pt-BR", "Tudo aqui é simulado"),
        ("es", "Todo aquí es simulado"),
    ] {
        let page = house.call_with("GET", "/sandbox", &[("Accept-Language", language)], b"");
        assert!(page.body.contains(sentence), "{language}: {}", page.body);
        assert!(!page.body.contains("<script>") && !page.body.contains("http://"));
        assert!(page.header("content-security-policy").unwrap().contains("script-src 'self'"));
    }
    for asset in ["/assets/sandbox.js", "/assets/pombo.css"] {
        assert_eq!(house.call_with("GET", asset, &[], b"").status, 200, "{asset}");
    }
}

#[test]
fn the_magic_numbers_are_documented() {
    let page = include_str!("../../../../docs/sandbox.md");
    for (nn, what) in pombo_channels::sandbox::MAGIC {
        let row = format!("| +34 699 000 0{nn:02} | {what} |");
        assert!(page.contains(&row), "docs/sandbox.md lacks: {row}");
    }
}
