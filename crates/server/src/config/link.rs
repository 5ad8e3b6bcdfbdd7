//! The link of an SMPP route: the keys of `[[sms.routes]]` that say how the carrier is reached.

use std::path::PathBuf;
use std::time::Duration;

use super::raw::{Node, Section};
use super::route::seconds;
use super::{Secret, one_of, some_text};

/// The link to an SMPP carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Smpp {
    /// `host:port`, tried in order.
    pub addresses: Vec<String>,
    /// TLS, where wanted.
    pub tls: Option<Tls>,
    /// Our name there.
    pub system_id: String,
    /// Our password there.
    pub password: Secret,
    /// Whatever the carrier wants in this field.
    pub system_type: String,
    /// How sessions are bound.
    pub bind: Bind,
    /// Between two `enquire_link`.
    pub enquire: Duration,
    /// How long an answer may take.
    pub response: Duration,
    /// What `data_coding` 0 means there.
    pub encoding: DataCoding,
    /// How long messages are joined.
    pub long: LongBy,
    /// How flash is told.
    pub flash: FlashBy,
    /// Whether national shift tables pass.
    pub shift_tables: bool,
    /// Statuses that are worth another try there.
    pub temporary_errors: Vec<u32>,
    /// Type of number and numbering plan per kind of address, where not the usual.
    pub ton_npi: TonNpi,
}

/// TLS to the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// PEM file of the authority; `None`: the public ones.
    pub ca: Option<PathBuf>,
    /// The name in its certificate; `None`: the address's host.
    pub server_name: Option<String>,
}

/// How sessions are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// One session sends and receives.
    Transceiver,
    /// A transmitter and a receiver.
    Pair,
}

/// What `data_coding` 0 means to the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataCoding {
    /// GSM, one octet per septet.
    GsmUnpacked,
    /// GSM, packed.
    GsmPacked,
    /// ISO 8859-1.
    Latin1,
    /// ASCII.
    Ascii,
}

/// How the parts of a long message are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongBy {
    /// A user data header in each part.
    Udh,
    /// `sar_*` TLVs.
    Sar,
    /// The whole text in `message_payload`.
    Payload,
}

/// How a flash message is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlashBy {
    /// Message class 0 in `data_coding`.
    DataCoding,
    /// The `dest_addr_subunit` TLV.
    Tlv,
}

/// Type of number and numbering plan per kind of address; `None`: the usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TonNpi {
    /// Letters and digits.
    pub alphanumeric: Option<(u8, u8)>,
    /// A long number.
    pub long: Option<(u8, u8)>,
    /// A short code.
    pub short: Option<(u8, u8)>,
    /// Recipients.
    pub destination: Option<(u8, u8)>,
}

/// Reads the link's keys.
pub(super) fn link(s: &mut Section<'_>) -> Smpp {
    let binds = [("transceiver", Bind::Transceiver), ("pair", Bind::Pair)];
    let codings = [
        ("gsm-unpacked", DataCoding::GsmUnpacked),
        ("gsm-packed", DataCoding::GsmPacked),
        ("latin-1", DataCoding::Latin1),
        ("ascii", DataCoding::Ascii),
    ];
    let longs = [("udh", LongBy::Udh), ("sar", LongBy::Sar), ("payload", LongBy::Payload)];
    let flashes = [("data-coding", FlashBy::DataCoding), ("tlv", FlashBy::Tlv)];
    let one = s.get("address", host_port);
    let several = s.each("addresses", host_port).unwrap_or_default();
    Smpp {
        addresses: one.into_iter().chain(several).collect(),
        tls: tls(s),
        system_id: s.get("system_id", |n| field(n, 15)).unwrap_or_default(),
        password: password(s),
        system_type: s.get("system_type", |n| field(n, 12)).unwrap_or_default(),
        bind: s.get("bind", |n| one_of(n, &binds)).unwrap_or(Bind::Transceiver),
        enquire: s.get("enquire_s", |n| seconds(n, 1, 3_600)).unwrap_or(Duration::from_secs(30)),
        response: s.get("response_s", |n| seconds(n, 1, 3_600)).unwrap_or(Duration::from_secs(60)),
        encoding: s.get("encoding", |n| one_of(n, &codings)).unwrap_or(DataCoding::GsmUnpacked),
        long: s.get("long", |n| one_of(n, &longs)).unwrap_or(LongBy::Udh),
        flash: s.get("flash", |n| one_of(n, &flashes)).unwrap_or(FlashBy::DataCoding),
        shift_tables: s.get("shift_tables", Node::boolean).unwrap_or(true),
        temporary_errors: s.each("temporary_errors", status).unwrap_or_default(),
        ton_npi: ton_npi(s.section("ton_npi")),
    }
}

/// An error status of SMPP.
fn status(node: &Node) -> Result<u32, String> {
    let n = node.integer()?;
    u32::try_from(n)
        .ok()
        .filter(|status| *status > 0)
        .ok_or_else(|| format!("is {n}, but must be an error status, as in 0x45"))
}

/// What every certificate of a PEM file begins with.
const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

fn tls(s: &mut Section<'_>) -> Option<Tls> {
    let on = s.get("tls", Node::boolean).unwrap_or(false);
    let ca = s.get("tls_ca", |node| {
        let path = some_text(node)?;
        match std::fs::read(&path) {
            Ok(pem) if pem.windows(CERTIFICATE.len()).any(|text| text == CERTIFICATE) => {
                Ok(PathBuf::from(path))
            }
            Ok(_) => Err(format!("names {path}, which holds no certificate; name a PEM file")),
            Err(e) => Err(format!("names {path}, which cannot be read: {e}; name a PEM file")),
        }
    });
    let server_name = s.get("tls_server_name", some_text);
    on.then_some(Tls { ca, server_name })
}

/// `password`, or the first line of `password_file`.
fn password(s: &mut Section<'_>) -> Secret {
    let typed = s.get("password", |node| node.text().map_err(|_| "must be text in quotes".into()));
    let from_file = s.get("password_file", |node| {
        let path = some_text(node)?;
        let text = std::fs::read_to_string(&path).map_err(|e| {
            format!("names {path}, which cannot be read: {e}; name a readable file")
        })?;
        if typed.is_some() {
            return Err("stands beside password; keep one of the two".into());
        }
        match text.lines().next().filter(|line| !line.is_empty()) {
            Some(line) => Ok(line.to_owned()),
            None => {
                Err(format!("names {path}, whose first line is empty; write the password there"))
            }
        }
    });
    Secret::new(typed.or(from_file).unwrap_or_default())
}

fn ton_npi(mut s: Section<'_>) -> TonNpi {
    let out = TonNpi {
        alphanumeric: s.get("alphanumeric", pair),
        long: s.get("long", pair),
        short: s.get("short", pair),
        destination: s.get("destination", pair),
    };
    s.finish();
    out
}

/// `[ton, npi]`.
fn pair(node: &Node) -> Result<(u8, u8), String> {
    let wanted =
        || "must be two numbers, [type of number, numbering plan], as in [3, 0]".to_owned();
    let items = node.list()?;
    let octet = |n: &Node| n.integer().ok().and_then(|n| u8::try_from(n).ok()).ok_or_else(wanted);
    match items.as_slice() {
        [ton, npi] => Ok((octet(ton)?, octet(npi)?)),
        _ => Err(wanted()),
    }
}

fn host_port(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    let is_one = text.rsplit_once(':').is_some_and(|(host, port)| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || ".-_:[]%".contains(c);
        let has_host = !host.is_empty() && host.chars().all(is_name);
        has_host && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    if is_one {
        return Ok(text);
    }
    Err(format!("is {text:?}, but must be a host and a port, as in \"smpp.example.com:2775\""))
}

/// A text field of a bind, with its longest length in the protocol.
fn field(node: &Node, chars_max: usize) -> Result<String, String> {
    let text = node.text()?;
    if text.len() > chars_max || !text.is_ascii() {
        return Err(format!("is {text:?}, but the protocol allows {chars_max} ASCII characters"));
    }
    Ok(text)
}
