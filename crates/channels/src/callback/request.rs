//! Writes a request, whole: one write sends it.

use std::io::Write as _;

use super::Content;
use super::target::Target;

/// A GET, or a POST where there is content. Fields whose value cannot be written are left out.
pub(super) fn written(
    (host, target): (&str, &Target),
    user_agent: &str,
    content: Option<&Content>,
) -> Vec<u8> {
    let body = content.map_or(&[][..], |content| &content.body);
    let mut request = Vec::with_capacity(512 + target.path.len() + body.len());
    let method = if content.is_some() { "POST" } else { "GET" };
    request.extend_from_slice(method.as_bytes());
    request.push(b' ');
    request.extend_from_slice(target.path.as_bytes());
    request.extend_from_slice(b" HTTP/1.1\r\n");
    field(&mut request, "host", host);
    field(&mut request, "user-agent", user_agent);
    field(&mut request, "accept", "*/*");
    if let Some(authorization) = &target.authorization {
        field(&mut request, "authorization", authorization);
    }
    if let Some(content) = content {
        field(&mut request, "content-type", content.media_type);
        for (name, value) in &content.headers {
            field(&mut request, name, value);
        }
        // A vector takes whatever is written to it.
        let _ = write!(request, "content-length: {}\r\n", body.len());
    }
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    request
}

fn field(request: &mut Vec<u8>, name: &str, value: &str) {
    if value.bytes().all(|octet| octet == b'\t' || octet >= b' ' && octet != 0x7f) {
        for piece in [name, ": ", value, "\r\n"] {
            request.extend_from_slice(piece.as_bytes());
        }
    }
}
