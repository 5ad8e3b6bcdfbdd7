//! Reads an HTTP/1.1 answer as far as a callback needs it: its status, and where it ends.
//!
//! Source: RFC 9112, sections 4 (status line), 6.3 (length of a body), 7.1 (chunks), 9.3 (whether the
//! connection stays open); RFC 9110, section 10.2.3 (Retry-After).

use std::time::Duration;

use httparse::{EMPTY_HEADER, Header, Response, Status};

/// Fields of a head, at most.
const FIELDS_MAX: usize = 100;

/// Octets of a line between chunks, at most.
const LINE_MAX: usize = 4 << 10;

/// The head of a final answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    /// Its status, from 200 on, or 101.
    pub status: u16,
    /// How long an answer from 400 on says to wait before another request, where it says so in seconds. A
    /// date is left out: it would be believed of a clock that is not ours.
    pub retry_after: Option<Duration>,
    /// Its octets, those of interim answers before it included.
    pub len: usize,
    /// How what follows is told apart from the next answer.
    pub body: Body,
    /// Whether the connection can carry another request after that.
    pub keeps_open: bool,
}

/// What is left of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// So many octets.
    Length(u64),
    /// Chunks.
    Chunks(Chunk),
    /// All up to the end of the connection.
    UntilClosed,
}

/// Where among the chunks it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunk {
    /// Before a line that says how long the next one is.
    Size,
    /// So many octets before the end of one, its line end included.
    Data(u64),
    /// After the last one, before the end of the trailer.
    Trailer,
}

/// What is no HTTP/1.1, in words.
#[derive(Debug, PartialEq, Eq)]
pub struct Bad(pub String);

impl Head {
    /// Reads a head, past interim ones (1xx); `None` where it is not all there yet.
    pub fn read(octets: &[u8]) -> Result<Option<Self>, Bad> {
        let mut start = 0;
        loop {
            let mut fields = [EMPTY_HEADER; FIELDS_MAX];
            let mut response = Response::new(&mut fields);
            let len = match response.parse(&octets[start..]) {
                Ok(Status::Complete(len)) => len,
                Ok(Status::Partial) => return Ok(None),
                Err(error) => return Err(Bad(error.to_string())),
            };
            start += len;
            let status = response.code.unwrap_or_default();
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            let (body, keeps_open) = framed(status, response.version, response.headers)?;
            let retry_after = (status >= 400).then(|| retry_after(response.headers)).flatten();
            return Ok(Some(Self { status, retry_after, len: start, body, keeps_open }));
        }
    }
}

fn retry_after(fields: &[Header<'_>]) -> Option<Duration> {
    let field = fields.iter().find(|field| field.name.eq_ignore_ascii_case("retry-after"))?;
    decimal(field.value.trim_ascii()).map(Duration::from_secs)
}

/// How a body is told apart from what follows it, and whether anything can.
fn framed(status: u16, version: Option<u8>, fields: &[Header<'_>]) -> Result<(Body, bool), Bad> {
    let mut keeps_open = version == Some(1) && status != 101;
    let mut length = None;
    let mut codings = None;
    for field in fields {
        let value = || field.value.trim_ascii();
        if field.name.eq_ignore_ascii_case("content-length") {
            let octets = decimal(value()).ok_or_else(|| Bad("invalid content-length".into()))?;
            if length.replace(octets).is_some_and(|before| before != octets) {
                return Err(Bad("two content-lengths".into()));
            }
        } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
            codings = Some(value());
        } else if field.name.eq_ignore_ascii_case("connection") {
            keeps_open &= !names(value(), "close");
            keeps_open |= version == Some(0) && names(value(), "keep-alive");
        }
    }
    let body = match (status, codings, length) {
        (204 | 304, _, _) => Body::Length(0),
        (_, Some(codings), _) if is_chunked_at_last(codings) => Body::Chunks(Chunk::Size),
        (_, Some(_), _) | (_, None, None) => Body::UntilClosed,
        (_, None, Some(length)) => Body::Length(length),
    };
    // Who says both may be trying to smuggle something (RFC 9112, section 6.1).
    let is_clear = body != Body::UntilClosed && !(codings.is_some() && length.is_some());
    Ok((body, keeps_open && is_clear))
}

fn decimal(text: &[u8]) -> Option<u64> {
    let is_decimal = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_decimal.then(|| std::str::from_utf8(text).ok()?.parse().ok())?
}

fn names(list: &[u8], wanted: &str) -> bool {
    list.split(|octet| *octet == b',')
        .any(|name| name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
}

fn is_chunked_at_last(codings: &[u8]) -> bool {
    let last = codings.rsplit(|octet| *octet == b',').next().unwrap_or_default();
    last.trim_ascii().eq_ignore_ascii_case(b"chunked")
}

impl Body {
    /// Whether nothing of it is left.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Length(0))
    }

    /// Takes what is its own of these octets: how many. It stops where it needs more to go on.
    pub fn take(&mut self, octets: &[u8]) -> Result<usize, Bad> {
        let mut taken = 0;
        loop {
            let rest = &octets[taken..];
            match self {
                Self::Length(left) => {
                    let n = own(rest, *left);
                    *left -= n as u64;
                    return Ok(taken + n);
                }
                Self::UntilClosed => return Ok(octets.len()),
                Self::Chunks(Chunk::Data(left)) => {
                    let n = own(rest, *left);
                    *left -= n as u64;
                    taken += n;
                    if *left > 0 {
                        return Ok(taken);
                    }
                    *self = Self::Chunks(Chunk::Size);
                }
                Self::Chunks(Chunk::Size) => match httparse::parse_chunk_size(rest) {
                    Ok(Status::Complete((n, 0))) => {
                        taken += n;
                        *self = Self::Chunks(Chunk::Trailer);
                    }
                    Ok(Status::Complete((n, size))) => {
                        taken += n;
                        *self = Self::Chunks(Chunk::Data(size.saturating_add(2)));
                    }
                    Ok(Status::Partial) if rest.len() < LINE_MAX => return Ok(taken),
                    _ => return Err(Bad("invalid chunk".into())),
                },
                Self::Chunks(Chunk::Trailer) => match line(rest) {
                    Some(2) => {
                        *self = Self::Length(0);
                        return Ok(taken + 2);
                    }
                    Some(n) => taken += n,
                    None if rest.len() < LINE_MAX => return Ok(taken),
                    None => return Err(Bad("invalid trailer".into())),
                },
            }
        }
    }
}

/// How many of these octets are among the next `left`.
fn own(octets: &[u8], left: u64) -> usize {
    usize::try_from(left).map_or(octets.len(), |left| left.min(octets.len()))
}

/// The octets of a line, its end included.
fn line(octets: &[u8]) -> Option<usize> {
    octets.windows(2).position(|pair| pair == b"\r\n").map(|at| at + 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn head(text: &str) -> Head {
        Head::read(text.as_bytes()).expect("it is HTTP").expect("it is whole")
    }

    #[test]
    fn a_body_ends_where_the_rfc_says() {
        for (fields, status, body, keeps_open) in [
            ("content-length: 5", 200, Body::Length(5), true),
            ("Content-Length: 5\r\ncontent-length:  5 ", 200, Body::Length(5), true),
            ("content-length: 5", 304, Body::Length(0), true),
            ("content-length: 5", 204, Body::Length(0), true),
            ("transfer-encoding: chunked", 200, Body::Chunks(Chunk::Size), true),
            ("transfer-encoding: gzip, Chunked", 200, Body::Chunks(Chunk::Size), true),
            ("transfer-encoding: gzip", 200, Body::UntilClosed, false),
            (
                "transfer-encoding: chunked\r\ncontent-length: 5",
                200,
                Body::Chunks(Chunk::Size),
                false,
            ),
            ("x: y", 200, Body::UntilClosed, false),
            ("content-length: 0\r\nconnection: Close", 200, Body::Length(0), false),
            ("content-length: 0\r\nconnection: x, close", 200, Body::Length(0), false),
            ("content-length: 0", 101, Body::Length(0), false),
        ] {
            let read = head(&format!("HTTP/1.1 {status} X\r\n{fields}\r\n\r\n"));
            assert_eq!((read.status, read.body, read.keeps_open), (status, body, keeps_open));
        }
    }

    #[test]
    fn an_older_server_keeps_open_what_it_says() {
        assert!(!head("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n").keeps_open);
        let said = "HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n";
        assert!(head(said).keeps_open);
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let read = head(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\na: b\r\n\r\nHTTP/1.1 202 Y\r\n\r\n",
        );
        assert_eq!(read.status, 202);
        assert_eq!(Head::read(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1"), Ok(None));
    }

    #[test]
    fn what_is_no_http_is_told() {
        for text in [
            "SSH-2.0-OpenSSH_9.6\r\n",
            "HTTP/2 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n",
        ] {
            assert!(Head::read(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn chunks_end_with_their_trailer() {
        for (text, over) in [
            ("0\r\n\r\n", true),
            ("4\r\nabcd\r\n0\r\n\r\n", true),
            ("4;x=y\r\nabcd\r\n0\r\nA: b\r\nC: d\r\n\r\n", true),
            ("4\r\nabcd\r\n0\r\nA: b\r\n", false),
            ("4\r\nab", false),
            ("4", false),
        ] {
            let mut body = Body::Chunks(Chunk::Size);
            let taken = body.take(text.as_bytes());
            assert_eq!(body.is_over(), over, "{text}");
            assert!(!over || taken == Ok(text.len()), "{text}");
        }
        let mut body = Body::Chunks(Chunk::Size);
        assert_eq!(body.take(b"0\r\n\r\nHTTP/1.1"), Ok(5), "what follows is not its own");
        assert!(Body::Chunks(Chunk::Size).take(b"zz\r\n").is_err());
        assert!(Body::Chunks(Chunk::Size).take(&[b'1'; LINE_MAX]).is_err());
        assert!(Body::Chunks(Chunk::Trailer).take(&[b'x'; LINE_MAX]).is_err());
    }

    proptest! {
        #[test]
        fn a_body_that_comes_in_pieces_ends_at_the_same_octet(
            sizes in prop::collection::vec(1_usize..40, 0..6),
            cuts in prop::collection::vec(1_usize..9, 1..20),
        ) {
            let chunk = |size: &usize| format!("{size:x}\r\n{}\r\n", "x".repeat(*size));
            let whole = sizes.iter().map(chunk).collect::<String>() + "0\r\nA: b\r\n\r\n";
            let mut body = Body::Chunks(Chunk::Size);
            let (mut from, mut to, mut cuts) = (0, 0, cuts.iter().cycle());
            while !body.is_over() {
                prop_assert!(to < whole.len());
                to = (to + cuts.next().expect("it goes round")).min(whole.len());
                from += body.take(&whole.as_bytes()[from..to]).expect("they are chunks");
            }
            prop_assert_eq!(from, whole.len());
        }

        #[test]
        fn no_octets_are_too_odd(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Head::read(&octets);
            for mut body in [Body::Chunks(Chunk::Size), Body::Chunks(Chunk::Trailer), Body::Length(9)] {
                if let Ok(taken) = body.take(&octets) {
                    prop_assert!(taken <= octets.len());
                }
            }
        }
    }
}
