//! What people write on the simulated handsets: cut into pieces as a real handset cuts it, and given
//! to a simulated carrier that is there.

use pombo_domain::address::Phone;
use pombo_domain::channel::{Arrival, Inbound, NotStored};
use pombo_domain::sms::received::{Alphabet, Coded, Naming, Place};
use pombo_domain::sms::{Cut, Encoding, TableChoice, segment};
use pombo_domain::time::Instant;
use tokio::sync::{Mutex, mpsc, oneshot};

/// Answers that wait for a carrier; beyond, nobody can write.
const WAITING_MAX: usize = 16;

/// A message that somebody writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// On this handset.
    pub from: Phone,
    /// To this number or short code.
    pub to: String,
    /// What it says.
    pub text: String,
}

/// A message on its way to a carrier, and who waits until it is stored.
#[derive(Debug)]
pub(super) struct Posted {
    pub(super) reply: Reply,
    pub(super) done: oneshot::Sender<Result<(), NotStored>>,
}

/// Where handsets post and carriers collect.
#[derive(Debug)]
pub(super) struct Letterbox {
    slot: mpsc::Sender<Posted>,
    letters: Mutex<mpsc::Receiver<Posted>>,
}

impl Default for Letterbox {
    fn default() -> Self {
        let (slot, letters) = mpsc::channel(WAITING_MAX);
        Self { slot, letters: Mutex::new(letters) }
    }
}

impl Letterbox {
    /// Posts a message, and waits until a carrier has had it stored.
    pub(super) async fn post(&self, reply: Reply) -> Result<(), NotStored> {
        let (done, is_done) = oneshot::channel();
        self.slot.try_send(Posted { reply, done }).map_err(|_| NotStored)?;
        is_done.await.unwrap_or(Err(NotStored))
    }

    /// The next one, for the first carrier that asks. Cancel-safe.
    pub(super) async fn collect(&self) -> Posted {
        let letter = self.letters.lock().await.recv().await;
        match letter {
            Some(posted) => posted,
            // The slot is ours too: it never closes.
            None => std::future::pending().await,
        }
    }
}

impl Reply {
    /// As the carrier hands it over, in pieces where it is long; `reference` is the handset's.
    #[must_use]
    pub fn arrivals(&self, reference: u8, at: Instant) -> Vec<Arrival> {
        let cut = |encoding| Cut { encoding, tables: TableChoice::Auto, split: false };
        let plain = segment(&self.text, cut(Encoding::Gsm));
        let (alphabet, cut) = match plain {
            Ok(cut) => (Alphabet::Gsm, cut),
            // UTF-16 carries everything.
            Err(_) => {
                let wide = segment(&self.text, cut(Encoding::Utf16)).unwrap_or_default();
                (Alphabet::Utf16, wide)
            }
        };
        let total = u8::try_from(cut.n_parts()).unwrap_or(u8::MAX);
        let arrival = |number: u8| {
            let octets = cut.part(usize::from(number) - 1).septets_or_octets.to_vec();
            let place =
                Place { naming: Naming::Header8, reference: reference.into(), total, number };
            Arrival::Inbound(Inbound {
                from: self.from.to_string(),
                to: self.to.clone(),
                text: Coded { alphabet, octets },
                piece: (total > 1).then_some(place),
                at,
            })
        };
        (1..=total).map(arrival).collect()
    }
}
