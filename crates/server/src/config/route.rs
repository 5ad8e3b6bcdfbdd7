//! `[[sms.routes]]`: what a carrier is given to carry, and how.

use std::collections::BTreeSet;
use std::time::Duration;

use pombo_domain::country::Affixes;
use pombo_domain::health::Floor;
use pombo_domain::message::Category;
use pombo_domain::money::Money;
use pombo_domain::route::{
    Failover, Failure, Networks, ReceiptId, SenderPattern, UncertainPolicies, UncertainPolicy,
};

use super::link::{Smpp, link};
use super::raw::{Mistakes, Node, Origin, Section};
use super::rules::{affix, stop_code};
use super::{one_of, price, some_text};

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
    /// Networks it carries to; empty means all.
    pub networks: Vec<Networks>,
    /// Senders it carries; empty means all.
    pub senders: Vec<SenderPattern>,
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
    pub uncertain: UncertainPolicies,
    /// When a carrier did not deliver.
    pub failover: Failover,
    /// What it must deliver to be chosen.
    pub floor: Floor,
    /// How receipts spell ids.
    pub receipt_id: ReceiptId,
    /// Longest validity the carrier allows.
    pub validity_max: Duration,
    /// What the carrier wants of marketing.
    pub affixes: Affixes,
}

impl RouteConfig {
    /// A route to simulated phones that takes everything.
    #[must_use]
    pub fn sandbox(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            transport: Transport::Sandbox,
            countries: vec!["*".into()],
            networks: Vec::new(),
            senders: Vec::new(),
            accounts: Vec::new(),
            categories: Vec::new(),
            priority: 10,
            weight: 1,
            buy_price: None,
            rate: None,
            window: 100,
            binds: 1,
            uncertain: UncertainPolicy::Resend.into(),
            failover: Failover::default(),
            floor: Floor::default(),
            receipt_id: ReceiptId::Auto,
            validity_max: VALIDITY_MAX,
            affixes: Affixes::default(),
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
        // A value that is wrong is not missing besides.
        if link.addresses.is_empty() && !mistakes.are_about(&s.name("address")) {
            missing(&s, "address", "\"smpp.example.com:2775\"");
        }
        if link.system_id.is_empty() && !mistakes.are_about(&s.name("system_id")) {
            missing(&s, "system_id", "\"the name the carrier gave you\"");
        }
        Transport::Smpp(Box::new(link))
    };
    Some(rest(s, name, transport))
}

/// Everything that is not about the link.
fn rest(mut s: Section<'_>, name: String, transport: Transport) -> RouteConfig {
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
        networks: s.each("networks", networks).unwrap_or_default(),
        senders: s
            .each("senders", |n| some_text(n).map(|text| SenderPattern::new(&text)))
            .unwrap_or_default(),
        accounts: s.each("accounts", some_text).unwrap_or_default(),
        categories: s.each("categories", |n| one_of(n, &categories)).unwrap_or_default(),
        priority: s.get("priority", |n| whole(n, 0, 1_000_000)).unwrap_or(10),
        weight: s.get("weight", |n| whole(n, 0, 1_000_000)).unwrap_or(1),
        buy_price: s.get("buy_price", price),
        rate: s.get("rate", rate).flatten(),
        window: s.get("window", |n| whole(n, 1, 10_000)).unwrap_or(100),
        binds: s.get("binds", |n| whole(n, 1, 64)).unwrap_or(1),
        uncertain: uncertain(&mut s),
        failover: failover(&mut s),
        floor: Floor {
            percent: s.get("delivery_min_percent", |n| whole(n, 0, 100)).unwrap_or(0),
            of: s.get("delivery_min_of", |n| whole(n, 1, 1_000_000)).unwrap_or(Floor::default().of),
        },
        receipt_id: s.get("receipt_id", |n| one_of(n, &spellings)).unwrap_or(ReceiptId::Auto),
        validity_max: s
            .get("validity_max_s", |n| seconds(n, 60, 63 * 86_400))
            .unwrap_or(VALIDITY_MAX),
        affixes: Affixes {
            prefix: s.get("prefix", affix).unwrap_or_default(),
            suffix: s.get("suffix", affix).unwrap_or_default(),
            stop_code: s.get("stop_code", stop_code).flatten(),
        },
    };
    s.finish();
    route
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

fn networks(node: &Node) -> Result<Networks, String> {
    let text = node.text().or_else(|_| node.integer().map(|n| n.to_string()))?;
    Networks::parse(&text).ok_or_else(|| {
        format!(
            "is {text:?}, but must be a network, as in \"214-07\", or a country's, as in \"214\""
        )
    })
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

pub(super) fn seconds(node: &Node, least: i64, most: i64) -> Result<Duration, String> {
    whole::<u64>(node, least, most).map(Duration::from_secs)
}

/// When a part that the carrier took goes by another route.
fn failover(s: &mut Section<'_>) -> Failover {
    let failure = |node: &Node| {
        let text = node.text()?;
        Failure::parse(&text).ok_or_else(|| {
            format!(
                "is {text:?}, but must be UNDELIV, REJECTD, EXPIRED, DELETED or UNKNOWN, or with \
                 the carrier's error code, as in \"UNDELIV:34\""
            )
        })
    };
    let default = Failover::default();
    Failover {
        on: s.each("failover_on_receipt", failure).unwrap_or_default(),
        within: s
            .get("failover_within_s", |n| seconds(n, 1, 63 * 86_400))
            .unwrap_or(default.within),
        tries_max: s.get("failover_tries", |n| whole(n, 1, 10)).unwrap_or(default.tries_max),
    }
}

/// The policy for parts in doubt, and what one category has instead.
fn uncertain(s: &mut Section<'_>) -> UncertainPolicies {
    let words = [
        ("resend", UncertainPolicy::Resend),
        ("wait", UncertainPolicy::Wait),
        ("hold", UncertainPolicy::Hold),
    ];
    let usual = s.get("uncertain", |n| one_of(n, &words)).unwrap_or(UncertainPolicy::Resend);
    UncertainPolicies {
        transactional: s.get("uncertain_transactional", |n| one_of(n, &words)).unwrap_or(usual),
        marketing: s.get("uncertain_marketing", |n| one_of(n, &words)).unwrap_or(usual),
    }
}
