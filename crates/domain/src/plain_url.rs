//! http URLs as nearly all are written, read at a glance.
//!
//! What is read here means the same by the rules of the WHATWG, letter for letter. What those would
//! change, decode or look into is left to the `url` crate, which takes ten times as long: user info,
//! capitals and other scripts in a host, addresses but for four decimals, dots that are steps.

use url::Host;

/// An absolute http or https URL that those rules leave as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainUrl<'a> {
    /// Whether it is https.
    pub tls: bool,
    /// Whose it is.
    pub host: Host<&'a str>,
    /// The port, the scheme's default where the URL names none.
    pub port: u16,
    /// Path and query, from the slash.
    pub target: &'a str,
}

impl<'a> PlainUrl<'a> {
    /// Reads a URL; `None` where it is not that plain, and may be one all the same.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (tls, rest) = match text.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix("http://")?),
        };
        let (authority, target) = rest.split_at(rest.find('/')?);
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, read_port(port)?),
            None => (authority, if tls { 443 } else { 80 }),
        };
        let host = read_host(host)?;
        is_kept(target).then_some(Self { tls, host, port, target })
    }
}

/// An address of four decimals, or a name in small letters.
fn read_host(text: &str) -> Option<Host<&str>> {
    if let Ok(address) = text.parse() {
        return Some(Host::Ipv4(address));
    }
    // A last label that begins with a digit may be a part of an address.
    let last = text.rsplit('.').next()?;
    let is_name = text.len() <= 253
        && last.starts_with(|first: char| first.is_ascii_lowercase())
        && text.split('.').all(is_label);
    is_name.then_some(Host::Domain(text))
}

/// A label of a name; two hyphens may say that it stands for another script.
fn is_label(label: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = label.as_bytes();
    bytes.len() <= 63
        && bytes.first().is_some_and(|&first| is_letter(first))
        && bytes.last().is_some_and(|&last| is_letter(last))
        && bytes.iter().all(|&byte| is_letter(byte) || byte == b'-')
        && !label.contains("--")
}

fn read_port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// Whether nothing of a path and a query is encoded, and no segment of the path is a step.
fn is_kept(target: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&()*+,;=:@%/".contains(&byte);
    let encodes_dot =
        || path.split('%').skip(1).any(|code| code.starts_with("2e") || code.starts_with("2E"));
    path.bytes().all(is_plain)
        && query.bytes().all(|byte| is_plain(byte) || byte == b'?')
        && !path.contains("/.")
        && !encodes_dot()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::{Position, Url};

    use super::*;

    #[test]
    fn urls_as_customers_write_them_are_plain() {
        let name = || Host::Domain("example.com");
        for (text, tls, host, port, target) in [
            ("https://example.com/dlr?id=7&d=1", true, name(), 443, "/dlr?id=7&d=1"),
            ("http://example.com:8080/", false, name(), 8080, "/"),
            (
                "http://127.0.0.1:80/a/b?t=2020-09-21%2014%3A18",
                false,
                Host::Ipv4([127, 0, 0, 1].into()),
                80,
                "/a/b?t=2020-09-21%2014%3A18",
            ),
            ("http://sink/?", false, Host::Domain("sink"), 80, "/?"),
        ] {
            assert_eq!(PlainUrl::read(text), Some(PlainUrl { tls, host, port, target }), "{text}");
        }
    }

    #[test]
    fn what_has_to_be_looked_into_is_not() {
        for text in [
            "https://example.com",
            "https://example.com?x",
            "HTTPS://example.com/",
            "https://Example.com/",
            "https://us:er@example.com/",
            "https://example.com./",
            "https://xn--espaa-rta.example/",
            "https://españa.example/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://example.com:/",
            "http://example.com:99999/",
            "http://example.com/a/../b",
            "http://example.com/a/%2E%2e/b",
            "http://example.com/a b",
            "http://example.com/a\\b",
            "http://example.com/?a='",
            "http://example.com/a#b",
            "ftp://example.com/",
        ] {
            assert_eq!(PlainUrl::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_plain_means_the_same_by_the_rules_of_the_whatwg(
            text in "https?://[a-zA-F0-9x.-]{1,16}(:[0-9]{1,5})?[/?#\\\\@]?\\PC{0,8}[a-zA-Z0-9%./?&=_~'@:;-]{0,24}"
        ) {
            is_the_same(&text)?;
        }

        #[test]
        fn also_where_nearly_all_are_plain(
            text in "https?://([a-z0-9]([a-z0-9-]{0,3}[a-z0-9])?\\.){0,3}[a-z0-9]{1,4}(:[0-9]{1,5})?/[a-zA-Z0-9%./?&=_~@:;,!$()*+-]{0,24}"
        ) {
            is_the_same(&text)?;
        }
    }

    fn is_the_same(text: &str) -> Result<(), TestCaseError> {
        let Some(plain) = PlainUrl::read(text) else { return Ok(()) };
        let url = Url::parse(text).map_err(|why| TestCaseError::fail(format!("{text}: {why}")))?;
        prop_assert_eq!(url.host(), Some(plain.host));
        prop_assert_eq!(url.port_or_known_default(), Some(plain.port));
        prop_assert_eq!(url.scheme(), if plain.tls { "https" } else { "http" });
        prop_assert_eq!(&url[Position::BeforePath..], plain.target);
        prop_assert_eq!((url.username(), url.password()), ("", None));
        Ok(())
    }
}
