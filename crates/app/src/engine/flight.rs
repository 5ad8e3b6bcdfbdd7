//! What is in flight: parts whose intent is durable and whose outcome is not, and their intents.

use std::collections::HashMap;
use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::campaign::Tally;
use pombo_domain::channel::{Outcome, SmsBody};
use pombo_domain::id::{AccountId, MessageId, PartId};
use pombo_domain::message::{Category, Lane};
use pombo_domain::time::Instant;
use pombo_store::operation::settle::Item;

/// What the engine must remember of a part while it is away.
#[derive(Debug, Clone)]
pub(crate) struct Flying {
    pub(crate) intent: i64,
    pub(crate) account: AccountId,
    pub(crate) lane: Lane,
    pub(crate) category: Category,
    /// Counted tries, this one included.
    pub(crate) tries: u8,
    pub(crate) expires: Option<Instant>,
    pub(crate) to: Phone,
    pub(crate) body: Arc<SmsBody>,
    /// Whether the message has no other part.
    pub(crate) alone: bool,
    /// Whether all its parts are away on this try, so that no carrier is known to have any.
    pub(crate) whole: bool,
    /// When it was handed to the route.
    pub(crate) since: Instant,
    /// Whose totals it moves.
    pub(crate) tally: Tally,
}

#[derive(Debug, Default)]
struct Intent {
    parts: Vec<PartId>,
    n_open: usize,
}

/// Parts away and their intents.
#[derive(Debug, Default)]
pub(crate) struct Flight {
    parts: HashMap<PartId, Flying>,
    intents: HashMap<i64, Intent>,
    changed: Vec<i64>,
    /// Parts of long messages that their carrier put off, while their siblings are still away.
    put_off: HashMap<MessageId, Vec<(PartId, Flying, Outcome)>>,
}

impl Flight {
    /// Parts away.
    pub(crate) fn len(&self) -> usize {
        self.parts.len()
    }

    /// A part leaves.
    pub(crate) fn depart(&mut self, part: PartId, flying: Flying) {
        let intent = self.intents.entry(flying.intent).or_default();
        intent.parts.push(part);
        intent.n_open += 1;
        self.parts.insert(part, flying);
    }

    /// A part is back from try `try_number`; `None` when it was not away on that try (an outcome
    /// told twice).
    pub(crate) fn land(&mut self, part: PartId, try_number: u8) -> Option<Flying> {
        if self.parts.get(&part)?.tries != try_number {
            return None;
        }
        let flying = self.parts.remove(&part)?;
        if let Some(intent) = self.intents.get_mut(&flying.intent) {
            intent.n_open -= 1;
            if intent.n_open == 0 {
                self.changed.push(flying.intent);
            }
        }
        Some(flying)
    }

    /// Keeps a part that was put off until the last of its message is back: only then it is known
    /// whether the message may go by another route as a whole. Its intent names it as long.
    pub(crate) fn keeps(&mut self, part: PartId, flying: &Flying, outcome: &Outcome) -> bool {
        let message = part.message();
        let is_put_off = matches!(outcome, Outcome::Deferred { tries_max: Some(_), .. });
        let keeps = is_put_off
            && !flying.alone
            && flying.whole
            && (0..16).any(|idx| self.parts.contains_key(&message.part(idx)));
        if keeps {
            let kept = (part, flying.clone(), outcome.clone());
            self.put_off.entry(message).or_default().push(kept);
        }
        keeps
    }

    /// The parts that were kept for the one that is back now, if it is the last of its message.
    pub(crate) fn kept(&mut self, part: PartId) -> Vec<(PartId, Flying, Outcome)> {
        let message = part.message();
        let is_last = !self.put_off.is_empty()
            && !(0..16).any(|idx| self.parts.contains_key(&message.part(idx)));
        if is_last { self.put_off.remove(&message).unwrap_or_default() } else { Vec::new() }
    }

    /// A part that has landed goes to a queue again: its intent must not name it any more.
    pub(crate) fn unname(&mut self, part: PartId, intent: i64) {
        if let Some(open) = self.intents.get_mut(&intent) {
            open.parts.retain(|named| *named != part);
            if open.n_open > 0 {
                self.changed.push(intent);
            }
        }
    }

    /// What has to be stored of the intents that changed since the last call.
    pub(crate) fn changes(&mut self) -> Vec<Item> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        let mut items = Vec::with_capacity(changed.len());
        for id in changed {
            match self.intents.get(&id) {
                Some(intent) if intent.n_open == 0 => {
                    self.intents.remove(&id);
                    items.push(Item::IntentDone(id));
                }
                Some(intent) => items.push(Item::IntentShrunk(id, intent.parts.clone())),
                None => {}
            }
        }
        items
    }
}
