//! The certificate of a message: its evidence as a document for people, with the same inside for
//! machines. The same evidence gives the same bytes.

mod words;

use pombo_app::usecase::certificate::Evidence;
use pombo_app::usecase::status::StatusEvent;
use pombo_domain::link::Click;
use pombo_domain::message::EventKind;
use pombo_domain::money::Money;
use pombo_wire::pdf::{self, Attached, Block, FontFailed, Paper};
use serde::Serialize;

use crate::config::Brand;
use words::Words;

/// The name of the file inside.
const FILE: &str = "evidence.json";

/// How to check the file inside, in the one language that everybody reads who does it.
const HOW: &str = "hash = SHA-256(octets of the hash before, none for the first, followed by each \
                   text as LENGTH:TEXT, with its length in octets of UTF-8)";

/// What a browser calls the file.
pub(crate) fn file_name(evidence: &Evidence) -> String {
    format!("certificate-{}.pdf", evidence.message.id)
}

/// Writes it, in the language of this name.
pub(crate) fn write(
    evidence: &Evidence,
    brand: &Brand,
    language: &str,
) -> Result<Vec<u8>, FontFailed> {
    let words = Words::of(language);
    let message = &evidence.message;
    let title = format!("{} {}", words.title, message.id);
    let head = evidence.head();
    let date = evidence.last().iso8601();
    let content = machine_readable(evidence, brand);
    pdf::write(&Paper {
        title: &title,
        author: &brand.name,
        language: words.lang,
        date: &date,
        id: *head.stored(),
        blocks: blocks(evidence, brand, words),
        footer: &format!("{} · {} {head}", message.id, words.head),
        attached: Attached {
            name: FILE,
            about: words.chain,
            mime: "application/json",
            content: content.as_bytes(),
        },
    })
}

fn blocks(evidence: &Evidence, brand: &Brand, words: &Words) -> Vec<Block> {
    let message = &evidence.message;
    let row = |name: &str, value: String| Block::Row(name.to_owned(), value);
    let mut blocks = vec![
        Block::Title(words.title.to_owned()),
        Block::Text(words.intro.replace("%b", &brand.name)),
        Block::Heading(words.message.to_owned()),
        row(words.id, message.id.to_string()),
        row(words.account, evidence.account.clone()),
        row(words.sender, message.from.clone()),
        row(words.recipient, format!("+{}", message.to)),
        row(words.text, message.text.clone()),
        row(words.parts, message.parts.len().to_string()),
        row(words.encoding, evidence.encoding.as_str().to_owned()),
        row(words.accepted, evidence.accepted.civil_seconds()),
    ];
    let times = [(words.scheduled, evidence.scheduled), (words.expires, evidence.expires)];
    for (name, at) in times {
        blocks.extend(at.map(|at| row(name, at.civil_seconds())));
    }
    let price: Money = message.parts.iter().map(|part| part.cost).sum();
    blocks.push(row(words.price, format!("{price} {}", evidence.currency)));
    blocks.push(Block::Heading(words.outcome.to_owned()));
    for (n, part) in message.parts.iter().enumerate() {
        let name = format!("{} {}", words.part, n + 1);
        blocks.push(row(&name, words.state(part.state).to_owned()));
    }
    blocks.push(Block::Heading(words.history.to_owned()));
    blocks.push(Block::Text(words.times.to_owned()));
    for event in &message.events {
        blocks.push(row(&event.at.civil_seconds(), told(event, message.parts.len(), words)));
    }
    blocks.push(Block::Heading(words.chain.to_owned()));
    blocks.push(Block::Text(words.check.replace("%f", FILE)));
    for (n, link) in evidence.links.iter().enumerate() {
        let name = if n == 0 { format!("0 ({})", words.first) } else { n.to_string() };
        blocks.push(row(&name, link.hash.to_string()));
    }
    blocks.push(row(words.head, evidence.head().to_string()));
    blocks.push(row(words.help, brand.support_email.clone()));
    blocks
}

/// One thing that happened, in a line or a few.
fn told(event: &StatusEvent, n_parts: usize, words: &Words) -> String {
    let mut lines = vec![words.kind(event.kind).to_owned()];
    if n_parts > 1 {
        lines[0] = format!("{} {}: {}", words.part, event.part, lines[0]);
    }
    let detail = match event.kind {
        EventKind::Clicked => {
            let click = Click::from_stored(&event.detail);
            (words.detail, format!("{} ({}, {})", click.url, click.browser, click.system))
        }
        // What a carrier says of a message, it says under its own number for it.
        EventKind::Sent
        | EventKind::Delivered
        | EventKind::Undelivered
        | EventKind::Expired
        | EventKind::Rejected
        | EventKind::Buffered => (words.carrier_id, event.detail.clone()),
        _ => (words.detail, event.detail.clone()),
    };
    let values = [
        (words.route, event.route.clone()),
        (words.status, event.word.clone()),
        (words.error, event.code.clone()),
        detail,
    ];
    let values: Vec<String> = values
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    lines.extend((!values.is_empty()).then(|| values.join(", ")));
    lines.join("\n")
}

/// The file inside.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Machine<'a> {
    issuer: &'a str,
    message: String,
    account: &'a str,
    sender: &'a str,
    recipient: &'a str,
    text: &'a str,
    encoding: &'a str,
    accepted: String,
    scheduled: Option<String>,
    expires: Option<String>,
    price: String,
    currency: &'a str,
    /// Where each part stands.
    parts: Vec<&'a str>,
    events: Vec<MachineEvent<'a>>,
    how: &'a str,
    chain: Vec<MachineLink<'a>>,
    head: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MachineEvent<'a> {
    part: u8,
    event: &'a str,
    at: String,
    route: &'a str,
    status: &'a str,
    error: &'a str,
    detail: &'a str,
}

#[derive(Serialize)]
struct MachineLink<'a> {
    names: &'a [&'a str],
    texts: &'a [String],
    hash: String,
}

fn machine_readable(evidence: &Evidence, brand: &Brand) -> String {
    let message = &evidence.message;
    let price: Money = message.parts.iter().map(|part| part.cost).sum();
    let file = Machine {
        issuer: &brand.name,
        message: message.id.to_string(),
        account: &evidence.account,
        sender: &message.from,
        recipient: &message.to,
        text: &message.text,
        encoding: evidence.encoding.as_str(),
        accepted: evidence.accepted.iso8601(),
        scheduled: evidence.scheduled.map(|at| at.iso8601()),
        expires: evidence.expires.map(|at| at.iso8601()),
        price: price.to_string(),
        currency: &evidence.currency,
        parts: message.parts.iter().map(|part| part.state.as_str()).collect(),
        events: message
            .events
            .iter()
            .map(|told| MachineEvent {
                part: told.part,
                event: told.kind.as_str(),
                at: told.at.iso8601(),
                route: &told.route,
                status: &told.word,
                error: &told.code,
                detail: &told.detail,
            })
            .collect(),
        how: HOW,
        chain: evidence
            .links
            .iter()
            .map(|link| MachineLink {
                names: link.names,
                texts: &link.texts,
                hash: link.hash.to_string(),
            })
            .collect(),
        head: evidence.head().to_string(),
    };
    // Texts and lists of texts: nothing that JSON lacks.
    serde_json::to_string_pretty(&file).unwrap_or_default()
}
