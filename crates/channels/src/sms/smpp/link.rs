//! Keeps one connection up: connects, binds, hands over to the session, and comes back after it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf, BytesMut};
use pombo_domain::channel::LinkState;
use pombo_wire::smpp::{self, Bind as BindPdu, BindKind, Frames, Header, Pdu, command, status};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::backoff::{Backoff, jitter};
use super::config::Bind;
use super::session::{End, Session};
use super::status as table;
use super::trace::{Pen, Way};
use super::{Route, tls};

/// Sessions that lasted so many first pauses were healthy: the next pause is the first again.
const HEALTHY_PAUSES: u32 = 10;

/// First pauses that a carrier which refuses the bind for now is left alone for at least.
const SLOW_PAUSES: u32 = 10;

/// A connection of either kind.
pub(super) type Connection = Box<dyn Duplex>;

/// Both directions of a connection.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Waits until the route stops.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that nobody is left who could say stop: the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Which connection of a link this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The only one, or the transmitter of a pair.
    First,
    /// The receiver of a pair.
    Second,
}

/// How a link stands: its one connection, or both of a pair taken together.
pub(super) struct Standing {
    number: usize,
    sides: Mutex<Sides>,
}

struct Sides {
    states: Vec<LinkState>,
    told: Option<LinkState>,
}

impl Standing {
    pub(super) fn new(number: usize, bind: Bind) -> Self {
        let n = match bind {
            Bind::Transceiver => 1,
            Bind::Pair => 2,
        };
        let sides = Sides { states: vec![LinkState::Connecting; n], told: None };
        Self { number, sides: Mutex::new(sides) }
    }

    /// Notes one connection's state, and tells the engine when the link's own has changed.
    fn tell(&self, route: &Route, side: Side, state: LinkState) {
        let mut sides = self.sides.lock().unwrap_or_else(PoisonError::into_inner);
        let idx = match side {
            Side::First => 0,
            Side::Second => 1,
        };
        sides.states[idx] = state;
        let is_down = |state: &&LinkState| matches!(state, LinkState::Down { .. });
        let is_up = |state: &LinkState| *state == LinkState::Up;
        let together = match sides.states.iter().find(is_down) {
            Some(down) => down.clone(),
            None if sides.states.iter().all(is_up) => LinkState::Up,
            None => LinkState::Connecting,
        };
        if sides.told.as_ref() == Some(&together) {
            return;
        }
        sides.told = Some(together.clone());
        route.desk.link(self.number, together);
    }
}

/// One connection of a route, to be kept up.
pub(super) struct Link {
    pub(super) route: Arc<Route>,
    pub(super) standing: Arc<Standing>,
    pub(super) kind: BindKind,
    pub(super) side: Side,
}

/// Why there is no bound connection.
#[derive(Debug)]
struct Unbound {
    why: String,
    misconfigured: bool,
    /// The carrier asks for a pause: too many sessions, mostly.
    is_slow: bool,
}

impl Unbound {
    fn because(what: &str, error: impl fmt::Display) -> Self {
        Self { why: format!("{what}: {error}"), misconfigured: false, is_slow: false }
    }
}

impl Link {
    /// Keeps the connection up until the route stops.
    pub(super) async fn run(self, mut stop: watch::Receiver<bool>) {
        let config = &self.route.config;
        let timings = config.timings;
        let pen = config.trace.pen(format!("link {} {}", self.standing.number, self.word()));
        let mut backoff = Backoff::new(timings.reconnect_min, timings.reconnect_max);
        let mut took_nothing = false;
        loop {
            self.tell(LinkState::Connecting);
            let bound = tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                bound = self.bind_in_turn(&pen) => bound,
            };
            let down = match bound {
                Ok((connection, input)) => {
                    tracing::info!(
                        route = config.route,
                        link = self.standing.number,
                        kind = self.word(),
                        "bound"
                    );
                    self.tell(LinkState::Up);
                    let since = Instant::now();
                    let submits = self.kind.submits();
                    let bound = (connection, input);
                    let session = Session::new(&self.route, submits, pen.clone(), bound);
                    let end = session.probing(took_nothing).run(&mut stop).await;
                    if since.elapsed() >= timings.reconnect_min * HEALTHY_PAUSES {
                        backoff.reset();
                    }
                    took_nothing = matches!(end, End::Misconfigured(_));
                    match end {
                        End::Stopped => break,
                        End::Lost(why) => Unbound { why, misconfigured: false, is_slow: false },
                        End::Misconfigured(why) => {
                            Unbound { why, misconfigured: true, is_slow: false }
                        }
                    }
                }
                Err(unbound) => unbound,
            };
            let pause = match &down {
                Unbound { misconfigured: true, .. } => timings.reconnect_max,
                Unbound { is_slow: true, .. } => {
                    backoff.pause().max(timings.reconnect_min * SLOW_PAUSES)
                }
                _ => backoff.pause(),
            };
            self.tell_down(down);
            let seed = self.route.desk.now().micros().unsigned_abs()
                ^ ((self.standing.number as u64) << 1);
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                () = sleep(jitter(pause, seed)) => {}
            }
        }
        self.tell(LinkState::Down { why: "stopped".to_owned(), misconfigured: false });
    }

    const fn word(&self) -> &'static str {
        match self.kind {
            BindKind::Transceiver => "transceiver",
            BindKind::Transmitter => "transmitter",
            BindKind::Receiver => "receiver",
        }
    }

    fn tell(&self, state: LinkState) {
        self.standing.tell(&self.route, self.side, state);
    }

    fn tell_down(&self, down: Unbound) {
        let Unbound { why, misconfigured, .. } = down;
        let (route, link) = (&self.route.config.route, self.standing.number);
        if misconfigured {
            tracing::error!(route, link, why, "the carrier refuses this route; correct it");
        } else {
            tracing::warn!(route, link, why, "link down");
        }
        self.tell(LinkState::Down { why, misconfigured });
    }

    /// Tries each address once; the last failure tells why none will do.
    async fn bind_in_turn(&self, pen: &Pen) -> Result<(Connection, BytesMut), Unbound> {
        let mut last = Unbound::because("no address", "the route has none");
        for address in &self.route.config.addresses {
            match self.bind_at(address, pen).await {
                Ok(bound) => return Ok(bound),
                Err(unbound) if unbound.misconfigured => return Err(unbound),
                Err(unbound) => last = unbound,
            }
        }
        Err(last)
    }

    async fn bind_at(&self, address: &str, pen: &Pen) -> Result<(Connection, BytesMut), Unbound> {
        let limit = self.route.config.timings.bind_timeout;
        let late = |what| move |_| Unbound::because(what, "no answer in time");
        let connection = timeout(limit, self.connect(address)).await.map_err(late(address))??;
        timeout(limit, self.bind(connection, pen)).await.map_err(late("bind"))?
    }

    async fn connect(&self, address: &str) -> Result<Connection, Unbound> {
        let failed = |error| Unbound::because(address, error);
        let stream = TcpStream::connect(address).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        Ok(match &self.route.config.tls {
            None => Box::new(stream),
            Some(settings) => {
                Box::new(tls::shake_hands(settings, address, stream).await.map_err(failed)?)
            }
        })
    }

    /// Sends the bind and reads up to its answer; what came after the answer is given back.
    async fn bind(
        &self,
        mut connection: Connection,
        pen: &Pen,
    ) -> Result<(Connection, BytesMut), Unbound> {
        let config = &self.route.config;
        let request = BindPdu {
            system_id: config.system_id.as_bytes(),
            password: config.password.expose().as_bytes(),
            system_type: config.system_type.as_bytes(),
            interface_version: 0x34,
            ..BindPdu::default()
        };
        let mut out = Vec::new();
        smpp::encode(&mut out, 0, 1, &Pdu::Bind(self.kind, request))
            .map_err(|error| Unbound { misconfigured: true, ..Unbound::because("bind", error) })?;
        let header = Header {
            command_length: 0,
            command_id: self.kind.command(),
            command_status: 0,
            sequence: 1,
        };
        pen.open(self.route.desk.now()).bare(Way::Out, header);
        let failed = |error: std::io::Error| Unbound::because("bind", error);
        connection.write_all(&out).await.map_err(failed)?;
        connection.flush().await.map_err(failed)?;
        let mut input = BytesMut::with_capacity(4 << 10);
        loop {
            if connection.read_buf(&mut input).await.map_err(failed)? == 0 {
                return Err(Unbound::because("bind", "closed by the peer"));
            }
            let mut replies = Vec::new();
            if let Some(code) = self.bind_answer(&mut input, &mut replies, pen)? {
                return match code {
                    status::ROK | status::RALYBND => Ok((connection, input)),
                    code => Err(Unbound {
                        why: format!("bind refused: {}", table::name(code)),
                        misconfigured: table::is_misconfigured(code),
                        is_slow: code == status::RBINDFAIL,
                    }),
                };
            }
            connection.write_all(&replies).await.map_err(failed)?;
        }
    }

    /// Looks for the bind's answer among the PDUs that are whole, and takes those up to it out.
    fn bind_answer(
        &self,
        input: &mut BytesMut,
        replies: &mut Vec<u8>,
        pen: &Pen,
    ) -> Result<Option<u32>, Unbound> {
        let mut frames = Frames::new(input);
        let mut answer = None;
        let mut page = pen.open(self.route.desk.now());
        for frame in frames.by_ref() {
            let frame = frame.map_err(|error| Unbound::because("bind", error))?;
            let header = frame.header;
            if let Ok(pdu) = smpp::decode(&frame) {
                page.pdu(Way::In, header, &pdu);
            }
            let is_answer = header.command_id == self.kind.command() | smpp::RESPONSE;
            if is_answer || header.command_id == command::GENERIC_NACK {
                // A generic_nack without a reason is a refusal all the same.
                let is_bare = !is_answer && header.command_status == 0;
                answer = Some(if is_bare { status::RBINDFAIL } else { header.command_status });
                break;
            }
            let reply = match header.command_id {
                command::ENQUIRE_LINK => Some((0, Pdu::EnquireLinkResp)),
                _ if header.is_response() => None,
                _ => Some((status::RINVBNDSTS, Pdu::GenericNack)),
            };
            if let Some((code, pdu)) = reply {
                let unwritable = |error| Unbound::because("bind", error);
                smpp::encode(replies, code, header.sequence, &pdu).map_err(unwritable)?;
            }
        }
        let consumed = frames.consumed();
        input.advance(consumed);
        Ok(answer)
    }
}
