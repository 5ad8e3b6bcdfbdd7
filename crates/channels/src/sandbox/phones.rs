//! The simulated handsets: what the last recipients have on their screens.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pombo_domain::address::Phone;
use pombo_domain::channel::{NotStored, SmsBody};
use pombo_domain::sms::{Encoding, decode_gsm, decode_utf16be};
use pombo_domain::time::Instant;
use tokio::sync::watch;

use super::reply::{Letterbox, Posted, Reply};

/// Stands for a part of a long message that has not come.
const MISSING: &str = "[…]";

/// Simulated handsets, in memory only: the phones that got something last, with their last
/// messages. Bodies are shared with the carrier and decoded only when somebody looks.
pub struct Phones {
    phones_max: usize,
    messages_max: usize,
    handsets: Mutex<Handsets>,
    version: watch::Sender<u64>,
    letterbox: Letterbox,
}

/// A phone as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhoneView {
    /// Its number.
    pub phone: Phone,
    /// Its messages, the newest last.
    pub messages: Vec<MessageView>,
}

/// A message as the handset shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// The sender; of what was written here, to whom.
    pub from: String,
    /// It was written here.
    pub is_own: bool,
    /// The parts that came, joined; `[…]` for each that did not.
    pub text: String,
    /// Shown at once, over everything else.
    pub flash: bool,
    /// Parts in all; 1 for a short message.
    pub n_parts: usize,
    /// Parts that came.
    pub n_arrived: usize,
    /// When its first part came.
    pub at: Instant,
}

impl MessageView {
    /// Whether parts are missing: a real handset shows nothing yet.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.n_arrived < self.n_parts
    }
}

/// One part on its way to a handset.
#[derive(Debug, Clone)]
pub struct Piece {
    /// To whom.
    pub to: Phone,
    /// The message it is of.
    pub body: Arc<SmsBody>,
    /// Its zero-based index in there.
    pub part_idx: u8,
    /// What joins the parts of a long message.
    pub concat_ref: u16,
}

#[derive(Default)]
struct Handsets {
    by_phone: HashMap<Phone, Handset>,
    /// Counts arrivals: tells which phone got something last.
    clock: u64,
}

#[derive(Default)]
struct Handset {
    touched: u64,
    messages: VecDeque<Held>,
}

/// A message in a handset's memory.
struct Held {
    concat_ref: u16,
    /// One place per part; each part brings its own body, as real parts do.
    pieces: Vec<Option<Arc<SmsBody>>>,
    /// The index of the first piece that came, in its body.
    first_idx: usize,
    /// It was written here.
    written: Option<Reply>,
    at: Instant,
}

impl Default for Phones {
    fn default() -> Self {
        Self::new(200, 50)
    }
}

impl Phones {
    /// At most so many phones, with so many messages each; the oldest give way.
    #[must_use]
    pub fn new(phones_max: usize, messages_max: usize) -> Self {
        Self {
            phones_max: phones_max.max(1),
            messages_max: messages_max.max(1),
            handsets: Mutex::default(),
            version: watch::Sender::new(0),
            letterbox: Letterbox::default(),
        }
    }

    /// Puts parts on their handsets.
    pub fn show(&self, pieces: &[Piece], at: Instant) {
        if pieces.is_empty() {
            return;
        }
        let mut handsets = self.handsets();
        for piece in pieces {
            handsets.show(piece, at, self.messages_max);
        }
        handsets.forget_beyond(self.phones_max);
        drop(handsets);
        self.version.send_modify(|version| *version += 1);
    }

    /// Sends what somebody writes on a handset, and waits until a carrier has had it stored.
    pub async fn write(&self, reply: Reply) -> Result<(), NotStored> {
        self.letterbox.post(reply).await
    }

    /// The next message that was written, for the carrier that asks first. Cancel-safe.
    pub(super) async fn collect(&self) -> Posted {
        self.letterbox.collect().await
    }

    /// Shows on its handset what was written there.
    pub(super) fn show_written(&self, reply: Reply, at: Instant) {
        let mut handsets = self.handsets();
        handsets.clock += 1;
        let touched = handsets.clock;
        let handset = handsets.by_phone.entry(reply.from).or_default();
        handset.touched = touched;
        handset.push(Held::written(reply, at), self.messages_max);
        handsets.forget_beyond(self.phones_max);
        drop(handsets);
        self.version.send_modify(|version| *version += 1);
    }

    /// All phones with what they show, the one that got something last first.
    #[must_use]
    pub fn snapshot(&self) -> Vec<PhoneView> {
        let handsets = self.handsets();
        let mut phones: Vec<_> = handsets.by_phone.iter().collect();
        phones.sort_unstable_by_key(|(_, handset)| std::cmp::Reverse(handset.touched));
        phones
            .into_iter()
            .take(self.phones_max)
            .map(|(&phone, handset)| PhoneView {
                phone,
                messages: handset.messages.iter().map(Held::view).collect(),
            })
            .collect()
    }

    /// A number that changes whenever a snapshot would.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    fn handsets(&self) -> MutexGuard<'_, Handsets> {
        // A panic half way leaves at worst a message too few on a simulated phone.
        self.handsets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handsets {
    fn show(&mut self, piece: &Piece, at: Instant, messages_max: usize) {
        self.clock += 1;
        let handset = self.by_phone.entry(piece.to).or_default();
        handset.touched = self.clock;
        if handset.joins(piece) {
            return;
        }
        handset.push(Held::new(piece, at), messages_max);
    }

    /// Forgets the phones that have been quiet longest. A quarter too many is let in first, so
    /// that a campaign does not sort them at every step.
    fn forget_beyond(&mut self, phones_max: usize) {
        if self.by_phone.len() <= phones_max + phones_max / 4 {
            return;
        }
        let mut touched: Vec<u64> = self.by_phone.values().map(|one| one.touched).collect();
        touched.sort_unstable_by(|a, b| b.cmp(a));
        let oldest_kept = touched[phones_max - 1];
        self.by_phone.retain(|_, handset| handset.touched >= oldest_kept);
    }
}

impl Handset {
    fn push(&mut self, held: Held, messages_max: usize) {
        if self.messages.len() >= messages_max {
            self.messages.pop_front();
        }
        self.messages.push_back(held);
    }

    /// Adds a part to the message that waits for it; false where none does.
    fn joins(&mut self, piece: &Piece) -> bool {
        let segmented = &piece.body.segmented;
        if !segmented.is_concatenated() {
            return false;
        }
        let idx = usize::from(piece.part_idx);
        // The newest first: references come round again.
        let waiting = self.messages.iter_mut().rev().find(|held| {
            held.concat_ref == piece.concat_ref
                && held.pieces.len() == segmented.n_parts()
                && held.pieces.get(idx).is_some_and(Option::is_none)
                && held.body().is_some_and(|body| body.from == piece.body.from)
        });
        match waiting {
            Some(held) => {
                held.pieces[idx] = Some(Arc::clone(&piece.body));
                true
            }
            None => false,
        }
    }
}

impl Held {
    fn new(piece: &Piece, at: Instant) -> Self {
        let segmented = &piece.body.segmented;
        let part_idx = usize::from(piece.part_idx);
        let (n_places, place) =
            if segmented.is_concatenated() { (segmented.n_parts(), part_idx) } else { (1, 0) };
        let mut pieces = vec![None; n_places];
        if let Some(slot) = pieces.get_mut(place) {
            *slot = Some(Arc::clone(&piece.body));
        }
        Self { concat_ref: piece.concat_ref, pieces, first_idx: part_idx, written: None, at }
    }

    fn written(reply: Reply, at: Instant) -> Self {
        Self { concat_ref: 0, pieces: Vec::new(), first_idx: 0, written: Some(reply), at }
    }

    /// The body of any part that came.
    fn body(&self) -> Option<&SmsBody> {
        self.pieces.iter().flatten().next().map(Arc::as_ref)
    }

    fn view(&self) -> MessageView {
        if let Some(Reply { to, text, .. }) = &self.written {
            return MessageView {
                from: to.clone(),
                is_own: true,
                text: text.clone(),
                flash: false,
                n_parts: 1,
                n_arrived: 1,
                at: self.at,
            };
        }
        let mut text = String::new();
        for (place, piece) in self.pieces.iter().enumerate() {
            let idx = if self.pieces.len() == 1 { self.first_idx } else { place };
            match piece {
                Some(body) => text.push_str(&decoded(body, idx)),
                None => text.push_str(MISSING),
            }
        }
        MessageView {
            from: self.body().map(|body| body.from.to_string()).unwrap_or_default(),
            is_own: false,
            text,
            flash: self.body().is_some_and(|body| body.flash),
            n_parts: self.pieces.len(),
            n_arrived: self.pieces.iter().flatten().count(),
            at: self.at,
        }
    }
}

/// The text of one part.
pub(super) fn decoded(body: &SmsBody, part_idx: usize) -> String {
    let segmented = &body.segmented;
    if part_idx >= segmented.n_parts() {
        return String::new();
    }
    let bytes = segmented.part(part_idx).septets_or_octets;
    match segmented.encoding() {
        Encoding::Gsm | Encoding::GsmPt => decode_gsm(bytes, segmented.tables()),
        Encoding::Utf16 => decode_utf16be(bytes),
    }
}
