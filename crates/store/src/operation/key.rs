//! The caller's key: what came with it is answered as it was the first time.

use std::time::Duration;

use pombo_domain::id::{AccountId, CampaignId, MessageId, SendingId};
use pombo_domain::time::Instant;

use super::accept::Accepted;
use crate::error::Result;
use crate::sql::{Row, values};
use crate::statement::statements;
use crate::work::Work;

statements! {
    SEEN = "select body, request, campaign, sending, at from idempotency \
        where account = $1 and key = $2";
    /// An older one may still be there: the sweep has not come by yet.
    ANSWERED = "insert into idempotency (account, key, body, request, campaign, sending, at) \
        values ($1, $2, $3, $4, $5, $6, $7) on conflict (account, key) do update set \
        body = excluded.body, request = excluded.request, campaign = excluded.campaign, \
        sending = excluded.sending, at = excluded.at";
}

/// How long a key is remembered.
pub(crate) const KEY_KEPT: Duration = Duration::from_secs(48 * 3_600);

/// The caller's key.
#[derive(Debug, Clone)]
pub struct Key {
    /// Its text.
    pub key: String,
    /// SHA-256 of the body.
    pub body: [u8; 32],
}

/// What came with a key before.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    body: Vec<u8>,
    first: MessageId,
    campaign: CampaignId,
    sending: SendingId,
    at: Instant,
}

impl Seen {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            body: row.get(0)?,
            first: MessageId(row.get(1)?),
            campaign: CampaignId(row.get(2)?),
            sending: SendingId(row.get(3)?),
            at: Instant::from_micros(row.get(4)?),
        })
    }
}

impl Key {
    /// What is answered to a request with this key, where one came with it before.
    pub(super) fn answer(
        &self,
        work: &mut Work<'_>,
        account: AccountId,
        now: Instant,
    ) -> Result<Option<Accepted>> {
        let seen = match work.known().key(account, &self.key) {
            Some(known) => known,
            None => work.prepare(SEEN)?.first(values![account.0, self.key], Seen::from_row)?,
        };
        let kept_since = now.minus(KEY_KEPT);
        Ok(seen.filter(|seen| seen.at > kept_since).map(|seen| {
            let Seen { first, campaign, sending, .. } = seen;
            match seen.body == self.body {
                true => Accepted::Done { first, campaign, sending, replayed: true },
                false => Accepted::KeyReused,
            }
        }))
    }

    /// Remembers what was answered.
    pub(super) fn answered(
        &self,
        work: &mut Work<'_>,
        account: AccountId,
        (first, campaign, sending): (MessageId, CampaignId, SendingId),
        at: Instant,
    ) -> Result<()> {
        work.prepare(ANSWERED)?.write(values![
            account.0,
            self.key,
            self.body,
            first.0,
            campaign.0,
            sending.0,
            at.micros()
        ])?;
        let seen = Seen { body: self.body.to_vec(), first, campaign, sending, at };
        work.known().keep_key(account, &self.key, Some(seen));
        Ok(())
    }
}

/// Reads what came with keys before, where looking at each takes long.
pub(super) fn read_ahead(work: &mut Work<'_>, keys: &[(AccountId, String)]) -> Result<()> {
    if keys.is_empty() {
        return Ok(());
    }
    let asked = keys.iter().map(|(account, key)| values![account.0, *key.as_str()]);
    let found = work.prepare(SEEN)?.first_of_each(asked, Seen::from_row)?;
    for ((account, key), seen) in keys.iter().zip(found) {
        work.known().keep_key(*account, key, seen);
    }
    Ok(())
}
