//! How a route's carrier is spoken to: the smpp keys of `[[sms.routes]]`, resolved.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use pombo_domain::address::SenderKind;

use super::trace::Trace;

/// A text that never shows in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps `text` out of sight.
    #[must_use]
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    pub(super) const fn expose(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Everything a route's links need to know. [`Config::new`] has the defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// The route's name, for logs and metrics.
    pub route: String,
    /// Where the carrier listens, `host:port`; several are tried in turn. Must not be empty.
    pub addresses: Vec<String>,
    /// TLS, where the carrier speaks it.
    pub tls: Option<Tls>,
    /// Who binds.
    pub system_id: String,
    /// The secret of the bind.
    pub password: Secret,
    /// A category some carriers ask for.
    pub system_type: String,
    /// One connection for both directions, or one for each.
    pub bind: Bind,
    /// Parallel links, of all nodes together.
    pub binds: usize,
    /// Unanswered submissions per link.
    pub window: usize,
    /// Silence after which the peer is asked whether it is there.
    pub enquire: Duration,
    /// How long an answer may take.
    pub response: Duration,
    /// The longest validity the carrier allows.
    pub validity_max: Duration,
    /// What data_coding 0 means there.
    pub encoding: DefaultEncoding,
    /// How the parts of a long message say that they belong together.
    pub long: Long,
    /// How a flash message is marked.
    pub flash: Flash,
    /// Whether the carrier passes national shift tables on.
    pub shift_tables: bool,
    /// Error statuses that this carrier gives for what passes: its own codes, and those that the
    /// table takes for final.
    pub temporary_errors: Vec<u32>,
    /// Type of number and numbering plan of each kind of address.
    pub ton_npi: TonNpi,
    /// Pauses and limits that hardly anyone needs to change.
    pub timings: Timings,
    /// Where the last PDUs are kept for the operator.
    pub trace: Trace,
}

impl Config {
    /// A route to one carrier with the defaults of the documentation.
    #[must_use]
    pub fn new(route: &str, address: &str, system_id: &str, password: &str) -> Self {
        Self {
            route: route.to_owned(),
            addresses: vec![address.to_owned()],
            tls: None,
            system_id: system_id.to_owned(),
            password: Secret::new(password.to_owned()),
            system_type: String::new(),
            bind: Bind::Transceiver,
            binds: 1,
            window: 100,
            enquire: Duration::from_secs(30),
            response: Duration::from_secs(60),
            validity_max: Duration::from_secs(172_800),
            encoding: DefaultEncoding::GsmUnpacked,
            long: Long::Udh,
            flash: Flash::DataCoding,
            shift_tables: true,
            temporary_errors: Vec::new(),
            ton_npi: TonNpi::default(),
            timings: Timings::default(),
            trace: Trace::default(),
        }
    }
}

/// How the carrier's certificate is checked.
#[derive(Debug, Clone, Default)]
pub struct Tls {
    /// A PEM file with the authorities to trust; `None`: those of the web.
    pub ca: Option<PathBuf>,
    /// The name in the certificate; `None`: the host of the address.
    pub server_name: Option<String>,
}

/// How a link is made of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bind {
    /// One connection, bound as transceiver.
    Transceiver,
    /// Two connections, a transmitter and a receiver.
    Pair,
}

/// What the octets of a text with data_coding 0 mean to the carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultEncoding {
    /// GSM 03.38, one septet per octet.
    GsmUnpacked,
    /// GSM 03.38, packed.
    GsmPacked,
    /// ISO 8859-1.
    Latin1,
    /// ASCII.
    Ascii,
}

/// How long messages are sent. One way per route, never mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Long {
    /// A user data header before each part.
    Udh,
    /// SAR parameters with each part; the carrier makes the header.
    Sar,
    /// The whole text in one PDU; the carrier cuts it.
    Payload,
}

/// How a flash message is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flash {
    /// By a message class in data_coding.
    DataCoding,
    /// By the `dest_addr_subunit` parameter.
    Tlv,
}

/// Type of number and numbering plan of each kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TonNpi {
    /// Senders with letters.
    pub alphanumeric: (u8, u8),
    /// Senders that are whole numbers.
    pub long: (u8, u8),
    /// Senders that are short codes.
    pub short: (u8, u8),
    /// Recipients.
    pub destination: (u8, u8),
}

impl Default for TonNpi {
    fn default() -> Self {
        Self { alphanumeric: (5, 0), long: (1, 1), short: (3, 0), destination: (1, 1) }
    }
}

impl TonNpi {
    pub(super) const fn of(&self, kind: SenderKind) -> (u8, u8) {
        match kind {
            SenderKind::Alphanumeric => self.alphanumeric,
            SenderKind::Long => self.long,
            SenderKind::Short => self.short,
        }
    }
}

/// Pauses and limits inside the channel.
#[derive(Debug, Clone, Copy)]
pub struct Timings {
    /// For connecting, and again for the answer to the bind.
    pub bind_timeout: Duration,
    /// The first pause before connecting again; doubles with each failure.
    pub reconnect_min: Duration,
    /// The longest pause before connecting again; also the one after a wrong password.
    pub reconnect_max: Duration,
    /// The first pause after the carrier asked for less speed; doubles each time.
    pub throttle_min: Duration,
    /// The longest such pause.
    pub throttle_max: Duration,
    /// How long open answers are waited for when the route stops.
    pub drain: Duration,
    /// How long the answer to an unbind is waited for.
    pub unbind: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            bind_timeout: Duration::from_secs(30),
            reconnect_min: Duration::from_secs(1),
            reconnect_max: Duration::from_secs(300),
            throttle_min: Duration::from_secs(1),
            throttle_max: Duration::from_secs(30),
            drain: Duration::from_secs(7),
            unbind: Duration::from_secs(1),
        }
    }
}
