//! A simulated SMSC: fast enough for benches, and faulty on demand for tests.
//!
//! It runs on a thread of its own, so that it neither helps nor hinders the runtime under test.

mod behaviour;
mod connection;
mod handset;
mod receipt;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};
use tokio::task::LocalSet;

pub use behaviour::{Behaviour, Ids, React, Reaction, Receipts, Record};
pub use handset::Handset;
use receipt::Owed;

/// One submission as the SMSC saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Which connection brought it, counting from 1.
    pub connection: u32,
    /// Its sequence number there.
    pub sequence: u32,
    /// The recipient's digits as a number; 0 where there are others.
    pub destination: u64,
    /// The id it was given, as a number; 0 where it was refused.
    pub id: u64,
    /// The status it was answered with.
    pub status: u32,
    /// A hash of its text's octets, header included; the same in every run.
    pub text_hash: u64,
    /// Reference, total and number, where it is a part of a long message.
    pub piece: Option<(u16, u8, u8)>,
    /// When it came, counted from the start of the SMSC.
    pub at: Duration,
    /// The rest, with [`Record::Whole`].
    pub whole: Option<Box<Whole>>,
}

/// The fields of a submission that tests look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The sender: type of number, numbering plan, value.
    pub source: (u8, u8, String),
    /// The recipient: type of number, numbering plan, value.
    pub destination: (u8, u8, String),
    /// Its esm_class.
    pub esm_class: u8,
    /// Its data_coding.
    pub data_coding: u8,
    /// Its validity_period.
    pub validity_period: String,
    /// Its registered_delivery.
    pub registered_delivery: u8,
    /// Its text (or message_payload), header included.
    pub text: Vec<u8>,
}

/// What the SMSC has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Successful binds.
    pub binds: u64,
    /// Submissions that came.
    pub submits: u64,
    /// Submissions that were accepted.
    pub accepted: u64,
    /// Receipts sent, copies included.
    pub receipts: u64,
    /// deliver_sm that were answered with status 0.
    pub delivered: u64,
    /// deliver_sm that were answered with an error.
    pub refused: u64,
    /// PDUs that could not be read.
    pub unreadable: u64,
    /// Connections that ended with an unbind.
    pub unbinds: u64,
    /// Binds that are open now: neither unbound nor cut.
    pub open: u64,
    /// The most that were ever open at a time.
    pub most_open: u64,
}

/// The counters behind [`Counts`].
#[derive(Debug, Default)]
struct Counters {
    binds: AtomicU64,
    submits: AtomicU64,
    accepted: AtomicU64,
    receipts: AtomicU64,
    delivered: AtomicU64,
    refused: AtomicU64,
    unreadable: AtomicU64,
    unbinds: AtomicU64,
    open: AtomicU64,
    most_open: AtomicU64,
}

/// What the SMSC's thread shares with its owner.
#[derive(Default)]
struct Shared {
    parts: Mutex<Vec<Part>>,
    counters: Counters,
    /// PDUs that a test wants to be sent on any connection that receives.
    to_say: Mutex<VecDeque<Vec<u8>>>,
    /// Something is to be sent, or a receipt is owed.
    bell: Notify,
}

/// What the connections share on the SMSC's thread.
struct House {
    behaviour: Behaviour,
    shared: Arc<Shared>,
    started: Instant,
    next_id: Cell<u64>,
    connections: Cell<u32>,
    owed: RefCell<VecDeque<Owed>>,
}

/// What the owner asks for; each value closes what is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    /// Serve.
    Serve,
    /// Close all connections and go on; the number makes each order differ from the last.
    HangUp(u32),
    /// Close all and end.
    Stop,
}

/// A running SMSC. Stops when dropped.
pub struct Smsc {
    /// Where it listens.
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    order: watch::Sender<Order>,
    thread: Option<JoinHandle<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Smsc {
    /// Starts one on a free port of the loopback interface.
    ///
    /// # Errors
    /// Where the port or the thread cannot be had.
    pub fn start(behaviour: Behaviour) -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), behaviour)
    }

    /// Starts one at this address.
    ///
    /// # Errors
    /// Where the address or the thread cannot be had.
    pub fn start_at(addr: SocketAddr, behaviour: Behaviour) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let (order, orders) = watch::channel(Order::Serve);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let in_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("smsc".to_owned()).spawn(move || {
            let house = Rc::new(House {
                shared: in_thread,
                started: Instant::now(),
                next_id: Cell::new(1_000_000_001 + behaviour.ids_from),
                behaviour,
                connections: Cell::new(0),
                owed: RefCell::default(),
            });
            LocalSet::new().block_on(&runtime, serve(listener, house, orders));
        })?;
        Ok(Self { addr, shared, order, thread: Some(thread) })
    }

    /// Everything recorded so far.
    #[must_use]
    pub fn received(&self) -> Vec<Part> {
        lock(&self.shared.parts).clone()
    }

    /// What was counted so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let c = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            binds: read(&c.binds),
            submits: read(&c.submits),
            accepted: read(&c.accepted),
            receipts: read(&c.receipts),
            delivered: read(&c.delivered),
            refused: read(&c.refused),
            unreadable: read(&c.unreadable),
            unbinds: read(&c.unbinds),
            open: read(&c.open),
            most_open: read(&c.most_open),
        }
    }

    /// Sends these octets, as they are, on a connection that receives.
    pub fn say(&self, octets: Vec<u8>) {
        lock(&self.shared.to_say).push_back(octets);
        self.shared.bell.notify_waiters();
    }

    /// Closes all connections, without a word.
    pub fn hang_up(&self) {
        self.order.send_modify(|order| {
            *order = match *order {
                Order::HangUp(n) => Order::HangUp(n.wrapping_add(1)),
                Order::Serve => Order::HangUp(1),
                Order::Stop => Order::Stop,
            };
        });
    }

    /// Closes everything and waits for the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.order.send_replace(Order::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}

impl Drop for Smsc {
    fn drop(&mut self) {
        self.end();
    }
}

async fn serve(listener: TcpListener, house: Rc<House>, mut orders: watch::Receiver<Order>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            stopped = orders.wait_for(|order| *order == Order::Stop) => {
                drop(stopped);
                return;
            }
        };
        let Ok((stream, _)) = stream else { continue };
        let (house, orders) = (Rc::clone(&house), orders.clone());
        tokio::task::spawn_local(connection::serve(stream, house, orders));
    }
}
