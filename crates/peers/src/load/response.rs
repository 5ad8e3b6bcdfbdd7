//! Reads HTTP/1.1 answers: just enough to know where one ends and what it says.

/// An answer whose last byte has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    /// Bytes of the buffer that it took.
    pub(super) taken: usize,
    /// The server closes the connection after it.
    pub(super) closes: bool,
    /// It says when to come again.
    pub(super) has_retry_after: bool,
}

/// What arrived is not HTTP/1.1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Garbage;

/// How the end of a body is known.
enum Length {
    Known(usize),
    Chunked,
}

/// Reads one answer from the front of `buffer`; `None` until all of it is there.
pub(super) fn parse(buffer: &[u8]) -> Result<Option<Response>, Garbage> {
    let Some(head_len) = find(buffer, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&buffer[..head_len]).map_err(|_| Garbage)?;
    let mut lines = head.split("\r\n");
    let status_line = lines.next().ok_or(Garbage)?;
    let version_and_rest = status_line.split_once(' ').ok_or(Garbage)?;
    let status = version_and_rest.1.get(..3).and_then(|digits| digits.parse().ok());
    let status = status.ok_or(Garbage)?;
    let mut length = Length::Known(0);
    let mut closes = version_and_rest.0 == "HTTP/1.0";
    let mut has_retry_after = false;
    for line in lines {
        let (name, value) = line.split_once(':').ok_or(Garbage)?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("content-length") {
            length = Length::Known(value.parse().map_err(|_| Garbage)?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            length = Length::Chunked;
        } else if name.eq_ignore_ascii_case("connection") {
            closes = value.eq_ignore_ascii_case("close");
        } else if name.eq_ignore_ascii_case("retry-after") {
            has_retry_after = value.parse::<u32>().is_ok();
        }
    }
    let rest = &buffer[head_len + 4..];
    let found = match length {
        Length::Known(n) => rest.get(..n).map(|body| (body.to_vec(), n)),
        Length::Chunked => dechunk(rest)?,
    };
    let response = |(body, len)| {
        let taken = head_len + 4 + len;
        Response { status, body, taken, closes, has_retry_after }
    };
    Ok(found.map(response))
}

/// Joins the chunks of a body; `None` until the last one is there.
fn dechunk(mut rest: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Garbage> {
    let all = rest.len();
    let mut body = Vec::new();
    loop {
        let Some(line_len) = find(rest, b"\r\n") else {
            return Ok(None);
        };
        let line = std::str::from_utf8(&rest[..line_len]).map_err(|_| Garbage)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).map_err(|_| Garbage)?;
        let end = line_len + 2 + size;
        let Some(chunk) = rest.get(line_len + 2..end) else {
            return Ok(None);
        };
        let Some(after) = rest.get(end..end + 2) else {
            return Ok(None);
        };
        if after != b"\r\n" {
            return Err(Garbage);
        }
        body.extend_from_slice(chunk);
        rest = &rest[end + 2..];
        if size == 0 {
            return Ok(Some((body, all - rest.len())));
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_when_its_last_byte_is_there_and_not_before() {
        let whole = b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 4";
        let answer_len = whole.len() - 10;
        for n in 0..answer_len {
            assert_eq!(parse(&whole[..n]), Ok(None), "{n}");
        }
        let response = parse(whole).unwrap().unwrap();
        assert_eq!((response.status, response.body.as_slice()), (202, b"hello".as_slice()));
        assert_eq!((response.taken, response.closes), (answer_len, false));
    }

    #[test]
    fn chunks_are_joined() {
        let whole = b"HTTP/1.1 207 Multi\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        for n in 0..whole.len() {
            assert_eq!(parse(&whole[..n]), Ok(None), "{n}");
        }
        assert_eq!(parse(whole).unwrap().unwrap().body, b"abcde");
    }

    #[test]
    fn what_is_no_answer_is_called_so() {
        assert_eq!(parse(b"hello\r\n\r\n"), Err(Garbage));
        assert_eq!(parse(b"HTTP/1.1 abc\r\n\r\n"), Err(Garbage));
    }
}
