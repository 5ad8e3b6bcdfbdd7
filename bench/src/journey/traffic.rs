//! The requests of a run, in each gateway's own way of asking.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use pombo_peers::load::{Get, Post, Traffic, percent_encode};

use super::gateway::Gateway;
use super::ledger::Ledger;
use crate::pombo::authorization;

/// 95 characters, the same for every gateway.
pub(crate) const TEXT: &str = "Your parcel 1Z 999 will be with you today between 10 and 12. \
    Somebody must sign. Thank you all!";

/// As long, with ten variables to fill.
const PERSONAL: &str = "{name|capitalize}, parcel {code} of {shop|upper} comes {day} from {from} \
    to {to} by {van}. {who} must sign. {thanks} {end}!";

/// What is particular about pombo's requests.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Kind {
    /// A text of its own for each recipient, of ten variables.
    pub(crate) is_personal: bool,
    /// All join one campaign by its name.
    pub(crate) is_named: bool,
}

/// Sends `batch` messages a request, and counts those that were accepted.
pub(crate) struct Messages {
    ledger: Arc<Ledger>,
    batch: u64,
    callbacks: Option<SocketAddr>,
    kind: Kind,
    way: Way,
    body: Vec<u8>,
    /// Messages that the gateway took.
    pub(crate) accepted: u64,
    /// Requests that were answered with anything but success, the first of them in words.
    pub(crate) refused: Option<(u16, String)>,
}

enum Way {
    Pombo(Post),
    /// A peer's: a GET for each message.
    OneByOne {
        get: Get,
        /// What accepts.
        status: u16,
        /// Asks that the final receipt is reported to the URL after it.
        asks_for_call: &'static str,
    },
}

/// Name and password of the one user of a peer, and of its bind.
const USER: &str = "bench";

impl Messages {
    pub(crate) fn new(
        gateway: Gateway,
        http: SocketAddr,
        ledger: Arc<Ledger>,
        batch: u64,
        callbacks: Option<SocketAddr>,
    ) -> Self {
        let host = http.to_string();
        let way = match gateway {
            Gateway::Pombo | Gateway::PomboPostgres => {
                let headers = [authorization(), "Content-Type: application/json".to_owned()];
                Way::Pombo(Post::new(&host, "/api/rest/sms", &headers))
            }
            Gateway::Kannel => Way::OneByOne {
                get: get(&host, "/cgi-bin/sendsms", "text"),
                status: 202,
                asks_for_call: "&dlr-mask=3&dlr-url=",
            },
            Gateway::Jasmin => Way::OneByOne {
                get: get(&host, "/send", "content"),
                status: 200,
                asks_for_call: "&dlr=yes&dlr-level=2&dlr-method=GET&dlr-url=",
            },
        };
        Self {
            ledger,
            batch,
            callbacks,
            kind: Kind::default(),
            way,
            body: Vec::new(),
            accepted: 0,
            refused: None,
        }
    }

    /// The same, of that kind.
    pub(crate) fn of(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }
}

impl Traffic for Messages {
    fn request(&mut self, idx: u64, due: Instant, buffer: &mut Vec<u8>) {
        let first = idx * self.batch;
        let all = first..first + self.batch;
        for message in all.clone() {
            self.ledger.due(usize::try_from(message).unwrap_or(usize::MAX), due);
        }
        match &self.way {
            Way::Pombo(post) => {
                self.body.clear();
                write_json(&mut self.body, all, self.callbacks, self.kind);
                post.append(&self.body, buffer);
            }
            Way::OneByOne { get, asks_for_call, .. } => {
                let rest = query(first, asks_for_call, self.callbacks);
                get.append(rest.as_bytes(), buffer);
            }
        }
    }

    fn answer(&mut self, _idx: u64, status: u16, body: &[u8]) {
        let n = match &self.way {
            Way::OneByOne { status: accepts, .. } => u64::from(status == *accepts),
            Way::Pombo(_) if self.batch == 1 => u64::from(status == 202),
            Way::Pombo(_) => occurrences(body, b"\"accepted\":true"),
        };
        self.accepted += n;
        if n < self.batch && self.refused.is_none() {
            let start = body.get(..300).unwrap_or(body);
            self.refused = Some((status, String::from_utf8_lossy(start).into_owned()));
        }
    }
}

fn write_json(
    body: &mut Vec<u8>,
    all: std::ops::Range<u64>,
    callbacks: Option<SocketAddr>,
    kind: Kind,
) {
    let alone = all.end - all.start == 1;
    body.extend_from_slice(b"{\"to\":[");
    for message in all.clone() {
        if message > all.start {
            body.push(b',');
        }
        body.extend_from_slice(format!("\"{}\"", Ledger::recipient(message)).as_bytes());
    }
    let text = if kind.is_personal { PERSONAL } else { TEXT };
    body.extend_from_slice(format!("],\"from\":\"pombo\",\"message\":\"{text}\"").as_bytes());
    if kind.is_personal {
        body.extend_from_slice(b",\"sub\":[");
        for message in all.clone() {
            if message > all.start {
                body.push(b',');
            }
            write_variables(body, message);
        }
        body.push(b']');
    }
    if let Some(sink) = callbacks {
        // Alone, a message names itself, as in Kannel's requests; among others, pombo names it.
        let name = if alone { Ledger::recipient(all.start).to_string() } else { "%P".to_owned() };
        body.extend_from_slice(
            format!(",\"notificationUrl\":\"http://{sink}/dlr?t={name}&d=%d\"").as_bytes(),
        );
    }
    if kind.is_named {
        body.extend_from_slice(b",\"campaignName\":\"spring\"");
    }
    body.push(b'}');
}

/// What fills [`PERSONAL`] for one recipient.
fn write_variables(body: &mut Vec<u8>, message: u64) {
    let code = message % 1_000_000;
    body.extend_from_slice(
        format!(
            "{{\"name\":\"joana\",\"code\":\"1Z{code:06}\",\"shop\":\"acme\",\"day\":\"today\",\
             \"from\":\"10\",\"to\":\"12\",\"van\":\"van {}\",\"who\":\"Somebody\",\
             \"thanks\":\"Thank you\",\"end\":\"all\"}}",
            message % 9
        )
        .as_bytes(),
    );
}

/// A peer's request up to the recipient; `text` names the text's parameter.
fn get(host: &str, path: &str, text: &str) -> Get {
    let words = percent_encode(TEXT);
    Get::new(host, &format!("{path}?username={USER}&password={USER}&from=pombo&{text}={words}&to="))
}

/// The end of a peer's query: the recipient, and where its final receipt is reported.
fn query(message: u64, asks_for_call: &str, callbacks: Option<SocketAddr>) -> String {
    let recipient = Ledger::recipient(message);
    match callbacks {
        None => recipient.to_string(),
        Some(sink) => {
            let url = percent_encode(&format!("http://{sink}/dlr?t={recipient}&d=%d"));
            format!("{recipient}{asks_for_call}{url}")
        }
    }
}

/// The recipient in a callback's target.
pub(crate) fn recipient_of(target: &str) -> &str {
    let after = target.split_once("t=").map_or("", |(_, after)| after);
    after.split('&').next().unwrap_or_default().trim_start_matches("%2B")
}

fn occurrences(haystack: &[u8], needle: &[u8]) -> u64 {
    let mut count = 0;
    let mut rest = haystack;
    while let Some(at) = rest.iter().position(|byte| Some(byte) == needle.first()) {
        let found = rest[at..].starts_with(needle);
        count += u64::from(found);
        rest = &rest[at + if found { needle.len() } else { 1 }..];
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_has_the_length_that_the_figures_name() {
        assert_eq!(TEXT.len(), 95);
    }

    #[test]
    fn a_callback_names_its_message() {
        assert_eq!(recipient_of("/dlr?t=34600000007&d=1"), "34600000007");
        assert_eq!(recipient_of("/other"), "");
    }

    #[test]
    fn accepted_messages_are_counted_in_the_answer() {
        let body = br#"{"result":[{"accepted":true},{"accepted":false},{"accepted":true}]}"#;
        assert_eq!(occurrences(body, b"\"accepted\":true"), 2);
    }
}
