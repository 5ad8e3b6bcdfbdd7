//! `report`: what happened to the messages of a sending, event by event, a page at a time.

use pombo_domain::address::Phone;
use pombo_domain::id::{MessageId, SendingId};
use pombo_domain::link::Click;
use pombo_domain::message::EventKind;
use pombo_domain::time::Instant;
use pombo_store::Store;
use pombo_store::operation::campaign::{LifeEvent, Lives, Place};

use super::campaign::CampaignView;
use crate::App;
use crate::error::Fault;

/// Parts read in one look: some milliseconds of a reader, and as much in memory as one page.
const PARTS_AT_ONCE: usize = 1_000;

/// One thing that happened to a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// The message.
    pub message: MessageId,
    /// To whom.
    pub to: Phone,
    /// Which part, from 1; `None` where the message has no other.
    pub part: Option<u8>,
    /// What.
    pub kind: EventKind,
    /// The API's word for it.
    pub event: &'static str,
    /// When.
    pub at: Instant,
    /// Who followed which link, of a click.
    pub click: Option<Box<Click>>,
}

/// A report that is being read. Nothing is held between two pages.
#[derive(Debug)]
pub struct Report {
    store: Store,
    sending: SendingId,
    before: Instant,
    after: Instant,
    next: Option<Place>,
}

impl Report {
    /// Of a campaign that the caller was shown: the events that the API has words for, before and
    /// at or after these times.
    #[must_use]
    pub fn of(
        app: &App,
        campaign: &CampaignView,
        (before, after): (Option<Instant>, Option<Instant>),
    ) -> Self {
        Self {
            store: app.inner.store.clone(),
            sending: campaign.row.sending,
            before: before.unwrap_or(Instant::from_micros(i64::MAX)),
            after: after.unwrap_or(Instant::from_micros(i64::MIN)),
            next: Some(Place::default()),
        }
    }

    /// The next rows, perhaps none of a long stretch; `None`: that was all.
    pub async fn page(&mut self) -> Result<Option<Vec<ReportRow>>, Fault> {
        let Some(at) = self.next else { return Ok(None) };
        let lives = Lives { sending: self.sending, at, limit: PARTS_AT_ONCE };
        let page = self.store.ask(lives).await?;
        self.next = page.next;
        let mut rows = Vec::with_capacity(page.lives.len() * 2);
        for life in page.lives {
            for LifeEvent { kind, at, click } in life.events {
                let Some(event) = kind.api_name() else { continue };
                if at < self.before && at >= self.after {
                    let part = (life.n_parts > 1).then(|| life.part.idx() + 1);
                    let message = life.part.message();
                    rows.push(ReportRow { message, to: life.to, part, kind, event, at, click });
                }
            }
        }
        Ok(Some(rows))
    }
}
