//! Requests whose unchanging bytes are written once.

use std::io::Write;

/// A POST to one address with one set of headers.
#[derive(Debug, Clone)]
pub struct Post {
    head: Vec<u8>,
}

impl Post {
    /// `headers` are whole lines without their line ends, `Authorization: Basic …` for example.
    #[must_use]
    pub fn new(host: &str, path: &str, headers: &[String]) -> Self {
        let mut head = format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n");
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("Content-Length: ");
        Self { head: head.into_bytes() }
    }

    /// Appends a request with this body.
    pub fn append(&self, body: &[u8], buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.head);
        // Writing to memory does not fail.
        let _ = write!(buffer, "{}\r\n\r\n", body.len());
        buffer.extend_from_slice(body);
    }
}

/// A GET to one host with one beginning of its path and query.
#[derive(Debug, Clone)]
pub struct Get {
    front: Vec<u8>,
    back: Vec<u8>,
}

impl Get {
    /// `path` is everything of the target that all requests share, already percent-encoded.
    #[must_use]
    pub fn new(host: &str, path: &str) -> Self {
        let front = format!("GET {path}").into_bytes();
        let back = format!(" HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes();
        Self { front, back }
    }

    /// Appends a request whose target ends in `rest`, already percent-encoded.
    pub fn append(&self, rest: &[u8], buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(&self.front);
        buffer.extend_from_slice(rest);
        buffer.extend_from_slice(&self.back);
    }
}

/// Percent-encodes all but letters, digits and `-._~` (RFC 3986, section 2.3).
#[must_use]
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_post_carries_its_length() {
        let mut buffer = Vec::new();
        Post::new("localhost", "/a", &["A: b".to_owned()]).append(b"xyz", &mut buffer);
        let expected =
            "POST /a HTTP/1.1\r\nHost: localhost\r\nA: b\r\nContent-Length: 3\r\n\r\nxyz";
        assert_eq!(String::from_utf8(buffer).unwrap(), expected);
    }

    #[test]
    fn a_query_is_encoded_byte_by_byte() {
        assert_eq!(percent_encode("a b&ñ~"), "a%20b%26%C3%B1~");
    }
}
