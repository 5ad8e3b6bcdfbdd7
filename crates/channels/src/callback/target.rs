//! Reads a callback URL: where to connect, and what to ask for there.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pombo_domain::plain_url::PlainUrl;
use url::{Host, Position, Url};

use super::failure::CallFailed;

/// Bytes of a URL after its escapes were replaced; many servers refuse longer ones.
const URL_BYTES_MAX: usize = 16 << 10;

/// A server: what a pool of connections is kept for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    /// Whether TLS is spoken.
    pub(super) tls: bool,
    /// A name, or an address in its canonical form.
    pub(super) host: Host<String>,
    /// The port, the scheme's default where the URL names none.
    pub(super) port: u16,
}

/// A URL, split.
pub(super) struct Target {
    /// The server.
    pub(super) origin: Origin,
    /// Path and query, as the request line has them.
    pub(super) path: String,
    /// The Basic credentials of the URL's user info, as a field has them.
    pub(super) authorization: Option<String>,
}

impl Target {
    /// Reads an absolute http or https URL by the rules of the WHATWG, as browsers do: an address
    /// written in decimal, octal, hexadecimal or short form becomes the address it means. A fragment
    /// is dropped.
    pub(super) fn parse(text: &str) -> Result<Self, CallFailed> {
        if text.len() > URL_BYTES_MAX {
            return Err(CallFailed::BadUrl("it is too long"));
        }
        if let Some(PlainUrl { tls, host, port, target }) = PlainUrl::read(text) {
            let origin = Origin { tls, host: host.to_owned(), port };
            return Ok(Self { origin, path: target.to_owned(), authorization: None });
        }
        let url = Url::parse(text).map_err(|_| CallFailed::BadUrl("it is no absolute URL"))?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(CallFailed::BadUrl("its scheme is neither http nor https")),
        };
        let host = url.host().ok_or(CallFailed::BadUrl("it has no host"))?.to_owned();
        let port = url.port_or_known_default().ok_or(CallFailed::BadUrl("it has no port"))?;
        let path = &url[Position::BeforePath..Position::AfterQuery];
        if !path.bytes().all(|octet| octet.is_ascii_graphic()) {
            return Err(CallFailed::BadUrl("its path or query cannot be written in a request"));
        }
        let (path, authorization) = (path.to_owned(), authorization(&url));
        Ok(Self { origin: Origin { tls, host, port }, path, authorization })
    }
}

impl Origin {
    /// The value of the Host header: the port only where it is not the scheme's own.
    pub(super) fn host_header(&self) -> String {
        let default = if self.tls { 443 } else { 80 };
        if self.port == default {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn authorization(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut plain = percent_decoded(url.username());
    plain.push(b':');
    plain.extend(percent_decoded(url.password().unwrap_or_default()));
    Some(format!("Basic {}", STANDARD.encode(plain)))
}

/// Replaces `%HH`; anything else stays as it is.
fn percent_decoded(text: &str) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let byte = match (first, tail) {
            (b'%', [high, low, ..]) => hex_value(*high).zip(hex_value(*low)),
            _ => None,
        };
        if let Some((high, low)) = byte {
            decoded.push(high << 4 | low);
            rest = &tail[2..];
        } else {
            decoded.push(first);
            rest = tail;
        }
    }
    decoded
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_spellings_of_an_address_become_the_address() {
        let table = [
            "http://2130706433/",
            "http://0x7f000001/",
            "http://0177.0.0.1/",
            "http://127.1/",
            "http://0x7f.1/",
            "http://127.0.0.1./",
            "http://%31%32%37.0.0.1/",
            "http://①②⑦.0.0.1/",
        ];
        for text in table {
            let target = Target::parse(text).unwrap();
            assert_eq!(target.origin.host, Host::<String>::Ipv4([127, 0, 0, 1].into()), "{text}");
        }
    }

    #[test]
    fn the_request_line_has_path_and_query_and_no_fragment() {
        let target = Target::parse("https://example.com:8443/a b?x=%20&y={z}|^`#frag").unwrap();
        assert_eq!(target.path, "/a%20b?x=%20&y={z}|^`");
        assert_eq!(target.origin.host_header(), "example.com:8443");
        let bare = Target::parse("http://EXAMPLE.com:80?x").unwrap();
        assert_eq!(bare.path, "/?x");
        assert_eq!(bare.origin.host_header(), "example.com");
    }

    #[test]
    fn user_info_becomes_basic_credentials() {
        let target = Target::parse("http://us%20er:p%3Ass@example.com/").unwrap();
        assert_eq!(target.authorization.unwrap(), "Basic dXMgZXI6cDpzcw==");
        let without = Target::parse("http://example.com/").unwrap();
        assert!(without.authorization.is_none());
    }

    #[test]
    fn only_absolute_http_and_https_urls_are_read() {
        let table = [
            "",
            "/x",
            "example.com",
            "ftp://example.com/",
            "file:///etc/passwd",
            "http://",
            "http:///",
        ];
        for text in table {
            assert!(matches!(Target::parse(text), Err(CallFailed::BadUrl(_))), "{text:?}");
        }
        let long = format!("http://example.com/{}", "x".repeat(URL_BYTES_MAX));
        assert!(matches!(Target::parse(&long), Err(CallFailed::BadUrl(_))));
    }
}
