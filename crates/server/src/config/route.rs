//! `[[sms.routes]]`: how a carrier is reached, and what it is given to carry.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use pombo_domain::message::Category;
use pombo_domain::money::Money;
use pombo_domain::route::{ReceiptId, UncertainPolicy};

use super::raw::{Mistakes, Node, Origin, Section};
use super::{Secret, one_of, price, some_text};

/// The longest validity where none is configured: 48 hours.
const VALIDITY_MAX: Duration = Duration::from_secs(172_800);

/// One route.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteConfig {
    /// Its name, unique.
    pub name: String,
    /// How it is reached.
    pub transport: Transport,
    /// ISO 3166 codes it carries to; `*` means all.
    pub countries: Vec<String>,
    /// Senders it carries; empty means all.
    pub senders: Vec<String>,
    /// Names of the accounts it serves; empty means all.
    pub accounts: Vec<String>,
    /// Categories it carries; empty means both.
    pub categories: Vec<Category>,
    /// Lower is tried first.
    pub priority: u32,
    /// Share among routes of one priority.
    pub weight: u32,
    /// What the carrier asks per part, where known.
    pub buy_price: Option<Money>,
    /// Parts a second over all links; `None`: no limit.
    pub rate: Option<f64>,
    /// Unanswered parts per link.
    pub window: usize,
    /// Parallel links.
    pub binds: usize,
    /// What to do with parts in doubt.
    pub uncertain: UncertainPolicy,
    /// How receipts spell ids.
    pub receipt_id: ReceiptId,
    /// Longest validity the carrier allows.
    pub validity_max: Duration,
}

impl RouteConfig {
    /// A route to simulated phones that takes everything.
    #[must_use]
    pub fn sandbox(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            transport: Transport::Sandbox,
            countries: vec!["*".into()],
            senders: Vec::new(),
            accounts: Vec::new(),
            categories: Vec::new(),
            priority: 10,
            weight: 1,
            buy_price: None,
            rate: None,
            window: 100,
            binds: 1,
            uncertain: UncertainPolicy::Resend,
            receipt_id: ReceiptId::Auto,
            validity_max: VALIDITY_MAX,
        }
    }
}

/// How a route is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// SMPP 3.4 to a carrier.
    Smpp(Box<Smpp>),
    /// Simulated phones.
    Sandbox,
}

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

/// Reads all routes; the faulty ones are left out and their mistakes noted.
pub(super) fn routes(nodes: Vec<Node>, mistakes: &Mistakes) -> Vec<RouteConfig> {
    let mut names = BTreeSet::new();
    let mut out = Vec::with_capacity(nodes.len());
    for (i, node) in nodes.into_iter().enumerate() {
        let path = format!("sms.routes[{i}]");
        let table = match node.table() {
            Ok(table) => table,
            Err(what) => {
                mistakes.add(&node.origin, &path, &what);
                continue;
            }
        };
        let Some(route) =
            route(Section::new(path.clone(), table, mistakes), &node.origin, mistakes)
        else {
            continue;
        };
        if !names.insert(route.name.clone()) {
            let what = format!("names {:?} a second time; give each route its own", route.name);
            mistakes.add(&node.origin, &format!("{path}.name"), &what);
        }
        out.push(route);
    }
    out
}

fn route(mut s: Section<'_>, origin: &Origin, mistakes: &Mistakes) -> Option<RouteConfig> {
    let missing = |s: &Section<'_>, key: &str, example: &str| {
        mistakes.add(origin, &s.name(key), &format!("is missing; write {key} = {example}"));
    };
    let named = s.take("name").map(|node| (name(&node), node));
    let name = match named {
        Some((Ok(name), _)) => name,
        Some((Err(what), node)) => {
            mistakes.add(&node.origin, &s.name("name"), &what);
            "?".to_owned()
        }
        None => {
            missing(&s, "name", "\"carrier-a\"");
            "?".to_owned()
        }
    };
    let kinds = [("smpp", false), ("sandbox", true)];
    let sandbox = s.get("kind", |n| one_of(n, &kinds)).unwrap_or(false);
    let link = link(&mut s);
    let transport = if sandbox {
        Transport::Sandbox
    } else {
        if link.addresses.is_empty() {
            missing(&s, "address", "\"smpp.example.com:2775\"");
        }
        if link.system_id.is_empty() {
            missing(&s, "system_id", "\"the name the carrier gave you\"");
        }
        Transport::Smpp(Box::new(link))
    };
    Some(rest(s, name, transport))
}

/// Everything that is not about the link.
fn rest(mut s: Section<'_>, name: String, transport: Transport) -> RouteConfig {
    let policies = [
        ("resend", UncertainPolicy::Resend),
        ("wait", UncertainPolicy::Wait),
        ("hold", UncertainPolicy::Hold),
    ];
    let spellings = [
        ("auto", ReceiptId::Auto),
        ("same", ReceiptId::Same),
        ("hex_to_dec", ReceiptId::HexToDec),
        ("dec_to_hex", ReceiptId::DecToHex),
    ];
    let categories =
        [("marketing", Category::Marketing), ("transactional", Category::Transactional)];
    let route = RouteConfig {
        name,
        transport,
        countries: s.each("countries", country).unwrap_or_else(|| vec!["*".into()]),
        senders: s.each("senders", some_text).unwrap_or_default(),
        accounts: s.each("accounts", some_text).unwrap_or_default(),
        categories: s.each("categories", |n| one_of(n, &categories)).unwrap_or_default(),
        priority: s.get("priority", |n| whole(n, 0, 1_000_000)).unwrap_or(10),
        weight: s.get("weight", |n| whole(n, 0, 1_000_000)).unwrap_or(1),
        buy_price: s.get("buy_price", price),
        rate: s.get("rate", rate).flatten(),
        window: s.get("window", |n| whole(n, 1, 10_000)).unwrap_or(100),
        binds: s.get("binds", |n| whole(n, 1, 64)).unwrap_or(1),
        uncertain: s.get("uncertain", |n| one_of(n, &policies)).unwrap_or(UncertainPolicy::Resend),
        receipt_id: s.get("receipt_id", |n| one_of(n, &spellings)).unwrap_or(ReceiptId::Auto),
        validity_max: s
            .get("validity_max_s", |n| seconds(n, 60, 63 * 86_400))
            .unwrap_or(VALIDITY_MAX),
    };
    s.finish();
    route
}

fn link(s: &mut Section<'_>) -> Smpp {
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
        ton_npi: ton_npi(s.section("ton_npi")),
    }
}

fn tls(s: &mut Section<'_>) -> Option<Tls> {
    let on = s.get("tls", Node::boolean).unwrap_or(false);
    let ca = s.get("tls_ca", |node| {
        let path = some_text(node)?;
        match std::fs::File::open(&path) {
            Ok(_) => Ok(PathBuf::from(path)),
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
        Ok(text.lines().next().unwrap_or_default().to_owned())
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

fn name(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !text.is_empty() && text.len() <= 64 && text.chars().all(plain) {
        return Ok(text);
    }
    Err(format!("is {text:?}, but must be 1 to 64 letters, digits, points, dashes or underlines"))
}

fn country(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    if text == "*" || (text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic())) {
        return Ok(text.to_ascii_uppercase());
    }
    Err(format!("is {text:?}, but must be two letters, as in \"ES\", or \"*\" for all"))
}

fn host_port(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    let is_one = text.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
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

fn rate(node: &Node) -> Result<Option<f64>, String> {
    let n = node.number()?;
    if !(0.0..=1_000_000.0).contains(&n) {
        return Err(format!("is {n}, but must be from 0 (no limit) to 1000000"));
    }
    Ok((n > 0.0).then_some(n))
}

fn whole<T: TryFrom<i64>>(node: &Node, least: i64, most: i64) -> Result<T, String> {
    let n = node.integer()?;
    let wanted = || format!("is {n}, but must be from {least} to {most}");
    if !(least..=most).contains(&n) {
        return Err(wanted());
    }
    T::try_from(n).map_err(|_| wanted())
}

fn seconds(node: &Node, least: i64, most: i64) -> Result<Duration, String> {
    whole::<u64>(node, least, most).map(Duration::from_secs)
}
