//! The configuration as it is used; all mistakes of the typed one are told at once.

mod env;
mod link;
mod otp;
mod raw;
mod route;
mod rules;
mod secret;
mod show;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use pombo_app::auth::Cidr;
use pombo_domain::money::Money;
use pombo_domain::otp::Guard;
use pombo_domain::route::Choose;
use url::Url;

use raw::{Mistakes, Node, Section};

pub(crate) use env::demo_password;
pub use link::{Bind, DataCoding, FlashBy, LongBy, Smpp, Tls, TonNpi};
pub use route::{RouteConfig, Transport};
pub use rules::{DEFAULT as DEFAULT_RULES, Rules};
pub use secret::Secret;

/// The commented configuration with every key and its default.
pub const EXAMPLE: &str = include_str!("../../config.default.toml");

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The HTTP door.
    pub http: Http,
    /// Where messages are kept.
    pub store: Store,
    /// Whose name the product bears.
    pub brand: Brand,
    /// What messages cost.
    pub prices: Prices,
    /// Status callbacks to customers.
    pub callbacks: Callbacks,
    /// What is written to standard error.
    pub log: Log,
    /// `[otp]`: how many one-time codes accounts may have made.
    pub otp: Guard,
    /// `sms.choose`: what decides among routes that take a message.
    pub choose: Choose,
    /// What countries allow.
    pub rules: Rules,
    /// The carriers, in the order of the file.
    pub routes: Vec<RouteConfig>,
}

/// `[http]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The address others know us by, without a slash at its end; `None`: made from `listen`.
    pub public_url: Option<String>,
    /// Whose `X-Forwarded-For` is believed: addresses and networks.
    pub trusted_proxies: Vec<String>,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    /// `sqlite:PATH`, relative to the working directory, or `postgres://…`.
    pub url: String,
}

/// `[brand]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brand {
    /// The product's name.
    pub name: String,
    /// Where users ask for help.
    pub support_email: String,
}

/// `[prices]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prices {
    /// Of one part of an SMS.
    pub sms_default: Money,
    /// Of a certified message, beside its parts.
    pub sms_certified: Money,
}

/// `[callbacks]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Callbacks {
    /// Whether callbacks may go to private, loopback and link-local addresses.
    pub allow_private_networks: bool,
    /// Whether a carrier's acceptance is called back too (`%d` = 4).
    pub submitted: bool,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// How lines look.
    pub format: LogFormat,
    /// The least level, or directives per module (`info,pombo_channels=debug`).
    pub level: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            http: Http {
                listen: SocketAddr::from(([127, 0, 0, 1], 8360)),
                public_url: None,
                trusted_proxies: Vec::new(),
            },
            store: Store { url: "sqlite:pombo-data/pombo.db".into() },
            brand: Brand { name: "pombo".into(), support_email: "support@example.com".into() },
            prices: Prices { sms_default: Money::from_micros(50_000), sms_certified: Money::ZERO },
            callbacks: Callbacks { allow_private_networks: false, submitted: false },
            log: Log { format: LogFormat::Text, level: "info".into() },
            otp: Guard::default(),
            choose: Choose::default(),
            rules: Rules::default(),
            routes: Vec::new(),
        }
    }
}

impl Config {
    /// Whose `X-Forwarded-For` is believed.
    #[must_use]
    pub fn trusted_proxies(&self) -> Vec<Cidr> {
        self.http.trusted_proxies.iter().filter_map(|text| Cidr::parse(text)).collect()
    }

    /// The address in links: the configured one, or made from where we listen.
    #[must_use]
    pub fn public_url(&self, listen: SocketAddr) -> String {
        self.http.public_url.clone().unwrap_or_else(|| url_of(listen))
    }
}

/// The URL at which this machine finds who listens there.
#[must_use]
pub fn url_of(mut listen: SocketAddr) -> String {
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        });
    }
    format!("http://{listen}")
}

/// Reads the file, where one is named, and the environment; tells every mistake, one a line.
pub fn load(file: Option<&Path>) -> Result<Config, Vec<String>> {
    let text = match file {
        Some(path) => Some((path.display().to_string(), read(path)?)),
        None => None,
    };
    resolve(text.as_ref().map(|(name, text)| (name.as_str(), text.as_str())), &env::variables())
}

fn read(path: &Path) -> Result<String, Vec<String>> {
    std::fs::read_to_string(path).map_err(|e| {
        let path = path.display();
        vec![format!("{path}: cannot read the configuration: {e}; name a readable file")]
    })
}

/// The configuration from a text with its name, and variables.
pub fn resolve(
    file: Option<(&str, &str)>,
    variables: &[(String, String)],
) -> Result<Config, Vec<String>> {
    let mistakes = Mistakes::default();
    let mut tree = match file {
        Some((name, text)) => raw::parse(text, name)?,
        None => raw::Table::new(),
    };
    env::overlay(&mut tree, variables, &mistakes);
    let config = config(Section::new(String::new(), tree, &mistakes), &mistakes);
    let lines = mistakes.into_lines();
    if lines.is_empty() { Ok(config) } else { Err(lines) }
}

fn config(mut root: Section<'_>, mistakes: &Mistakes) -> Config {
    let default = Config::default();
    let mut config = Config {
        http: http(root.section("http"), default.http),
        store: store(root.section("store"), default.store),
        brand: brand(root.section("brand"), default.brand),
        prices: prices(root.section("prices"), default.prices),
        callbacks: callbacks(root.section("callbacks"), default.callbacks),
        otp: otp::otp(root.section("otp"), mistakes),
        log: log(root.section("log"), default.log),
        rules: rules::rules(root.section("rules"), mistakes),
        ..default
    };
    (config.choose, config.routes) = sms(root.section("sms"), mistakes);
    root.finish();
    config
}

fn http(mut section: Section<'_>, default: Http) -> Http {
    let http = Http {
        listen: section.get("listen", listen).unwrap_or(default.listen),
        public_url: section.get("public_url", public_url),
        trusted_proxies: section
            .each("trusted_proxies", network)
            .unwrap_or(default.trusted_proxies),
    };
    section.finish();
    http
}

fn listen(node: &Node) -> Result<SocketAddr, String> {
    let text = node.text()?;
    let plain = text.replace("localhost:", "127.0.0.1:");
    plain.parse().map_err(|_| {
        format!("is {text:?}, but must be an address and a port, as in \"127.0.0.1:8360\"")
    })
}

fn public_url(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    let is_web = Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
    });
    if is_web {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    Err(format!("is {text:?}, but must be a web address, as in \"https://sms.example.com\""))
}

fn network(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    if Cidr::parse(&text).is_some() {
        return Ok(text);
    }
    Err(format!("is {text:?}, but must be an address or a network, as in \"10.0.0.0/8\""))
}

fn store(mut section: Section<'_>, default: Store) -> Store {
    let url = section.get("url", |node| {
        let text = node.text()?;
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(text),
            Some(("postgres" | "postgresql", place)) if place.starts_with("//") => Ok(text),
            _ => Err("must be \"sqlite:PATH\", as in \"sqlite:pombo-data/pombo.db\", or \
                      \"postgres://USER:PASSWORD@HOST/DATABASE\""
                .into()),
        }
    });
    section.finish();
    Store { url: url.unwrap_or(default.url) }
}

fn brand(mut section: Section<'_>, default: Brand) -> Brand {
    let brand = Brand {
        name: section.get("name", some_text).unwrap_or(default.name),
        support_email: section.get("support_email", some_text).unwrap_or(default.support_email),
    };
    section.finish();
    brand
}

fn prices(mut section: Section<'_>, default: Prices) -> Prices {
    let prices = Prices {
        sms_default: section.get("sms_default", price).unwrap_or(default.sms_default),
        sms_certified: section.get("sms_certified", price).unwrap_or(default.sms_certified),
    };
    section.finish();
    prices
}

fn callbacks(mut section: Section<'_>, default: Callbacks) -> Callbacks {
    let callbacks = Callbacks {
        allow_private_networks: section
            .get("allow_private_networks", Node::boolean)
            .unwrap_or(default.allow_private_networks),
        submitted: section.get("submitted", Node::boolean).unwrap_or(default.submitted),
    };
    section.finish();
    callbacks
}

fn log(mut section: Section<'_>, default: Log) -> Log {
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let log = Log {
        format: section.get("format", |node| one_of(node, &formats)).unwrap_or(default.format),
        level: section.get("level", level).unwrap_or(default.level),
    };
    section.finish();
    log
}

fn level(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    // A bare word that is no level would be taken for the name of a module.
    let is_known = |directive: &str| {
        directive.contains('=') || LEVELS.contains(&directive.trim().to_ascii_lowercase().as_str())
    };
    match tracing_subscriber::EnvFilter::builder().parse(&text) {
        Ok(_) if text.split(',').all(is_known) => Ok(text),
        _ => Err(format!("is {text:?}, but must be one of {}", LEVELS.join(", "))),
    }
}

fn sms(mut section: Section<'_>, mistakes: &Mistakes) -> (Choose, Vec<RouteConfig>) {
    let words = [
        ("priority", Choose::Priority),
        ("cost", Choose::Cost),
        ("priority-then-cost", Choose::PriorityThenCost),
    ];
    let choose = section.get("choose", |node| one_of(node, &words)).unwrap_or_default();
    let nodes = section.get("routes", Node::list).unwrap_or_default();
    section.finish();
    (choose, route::routes(nodes, mistakes))
}

/// Text that is not empty.
fn some_text(node: &Node) -> Result<String, String> {
    let text = node.text()?;
    if text.trim().is_empty() { Err("is empty; write some text".into()) } else { Ok(text) }
}

/// A price: an amount that is not negative, as text or as a whole number.
fn price(node: &Node) -> Result<Money, String> {
    let text = node
        .text()
        .or_else(|_| node.integer().map(|n| n.to_string()))
        .map_err(|_| "must be an amount in quotes, as in \"0.05\"".to_owned())?;
    match Money::parse(text.trim()) {
        Ok(money) if money >= Money::ZERO => Ok(money),
        Ok(_) => Err(format!("is {text:?}, but a price cannot be negative")),
        Err(e) => Err(format!("is wrong: {e}")),
    }
}

/// One of several words.
fn one_of<T: Copy>(node: &Node, words: &[(&str, T)]) -> Result<T, String> {
    let text = node.text()?;
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("is {text:?}, but must be one of {}", known.join(", "))
    })
}
