//! What is in flight: parts whose intent is durable and whose outcome is not, and their intents.

use std::collections::HashMap;
use std::sync::Arc;

use pombo_domain::address::Phone;
use pombo_domain::campaign::Tally;
use pombo_domain::channel::SmsBody;
use pombo_domain::id::{AccountId, PartId};
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
