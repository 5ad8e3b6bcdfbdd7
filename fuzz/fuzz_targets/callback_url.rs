//! A callback's URL, read at a glance: it must mean what it means by the rules of the WHATWG.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pombo_domain::plain_url::PlainUrl;
use url::{Position, Url};

fuzz_target!(|text: &str| {
    let Some(plain) = PlainUrl::read(text) else { return };
    let url = Url::parse(text).expect("what is plain is a URL");
    assert_eq!(url.host(), Some(plain.host));
    assert_eq!(url.port_or_known_default(), Some(plain.port));
    assert_eq!(url.scheme(), if plain.tls { "https" } else { "http" });
    assert_eq!(&url[Position::BeforePath..], plain.target);
    assert_eq!((url.username(), url.password()), ("", None));
});
