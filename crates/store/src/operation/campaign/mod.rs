//! Campaigns and their sendings: joined, counted, listed, stopped, and told event by event.

pub(crate) mod join;
pub(crate) mod life;
pub(crate) mod stop;

use pombo_domain::campaign::{Stop, Totals};
use pombo_domain::id::{AccountId, CampaignId, MessageId, SendingId};
use pombo_domain::money::Money;
use pombo_domain::time::Instant;

use super::request::{self, Request};
use super::{Question, View};
use crate::error::Result;
use crate::sql::{Row, values};
use crate::statement::statements;

pub use life::{Life, LifeEvent, Lives, LivesPage, Place, recount};
pub use stop::{
    Finish, GiveBack, Given, QueuePlace, SetStop, Unfinished, UnfinishedWork, Withdraw, Withdrawn,
};

/// The columns of a campaign with its sending, before the rest of a statement.
macro_rules! campaigns {
    ($($rest:tt)*) => {
        concat!(
            "select c.id, c.name, c.tags, c.channel, c.created, s.id, s.scheduled, s.expires, \
             s.messages, s.waiting, s.sent, s.delivered, s.undelivered, s.expired, s.rejected, \
             s.cancelled, s.parts_sent, s.cost, coalesce(t.state, 0), c.account, s.clicked, \
             s.clicked_unique, s.unsubscribed from campaign c \
             join sending s on s.id = c.sending left join stopped t on t.sending = s.id ",
            $($rest)*
        )
    };
}

/// What a list is filtered by; a tag is a whole line of the campaign's.
macro_rules! filter {
    () => {
        "where c.account = $1 and c.created < $2 and c.created >= $3 \
         and ($4 = '' or c.channel = $4) \
         and ($5 = '' or replace('\n' || c.tags || '\n', '\n' || $5 || '\n', '') \
             <> '\n' || c.tags || '\n') \
         and ($6 = '' or replace('\n' || c.tags || '\n', '\n' || $6 || '\n', '') \
             <> '\n' || c.tags || '\n') \
         and ($7 = '' or replace('\n' || c.tags || '\n', '\n' || $7 || '\n', '') \
             <> '\n' || c.tags || '\n') "
    };
}

statements! {
    PAGE = campaigns!(filter!(), "order by c.id desc limit $8 offset $9");
    COUNT = concat!(
        "select count(1) from (select 1 from campaign c ", filter!(), "limit $8) as counted"
    );
    BY_CAMPAIGN = campaigns!("where c.id = $1");
    BY_SENDING = campaigns!("where s.id = $1");
    NEWEST = campaigns!("order by c.id desc limit $1");
    /// The request that has this sending to itself.
    OWN_REQUEST = "select id from request_{day} where sending = $1 and named = 0 limit 1";
    STOPPED = "select state from stopped where sending = $1";
}

/// Campaigns that a list counts, at most.
pub const COUNT_MAX: i64 = 100_000;
/// Tags that a list may be filtered by at once.
pub const FILTER_TAGS_MAX: usize = 3;

/// A campaign and its one sending.
#[derive(Debug, Clone)]
pub struct CampaignRow {
    /// Its number.
    pub id: CampaignId,
    /// Whose.
    pub account: AccountId,
    /// Its name; empty where the request named none.
    pub name: String,
    /// In the order in which they first came.
    pub tags: Vec<String>,
    /// `sms`.
    pub channel: String,
    /// When its first request came.
    pub created: Instant,
    /// The sending's number.
    pub sending: SendingId,
    /// When its messages may leave, where that is later than now and the same for all.
    pub scheduled: Option<Instant>,
    /// When its messages expire, where that is the same for all.
    pub expires: Option<Instant>,
    /// Whether it was stopped.
    pub stop: Option<Stop>,
    /// What is counted of it.
    pub totals: Totals,
}

impl CampaignRow {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        let tags: String = row.get(2)?;
        let time = |micros: i64| (micros > 0).then(|| Instant::from_micros(micros));
        Ok(Self {
            id: CampaignId(row.get(0)?),
            account: AccountId(row.get(19)?),
            name: row.get(1)?,
            tags: tags.lines().map(str::to_owned).collect(),
            channel: row.get(3)?,
            created: Instant::from_micros(row.get(4)?),
            sending: SendingId(row.get(5)?),
            scheduled: time(row.get(6)?),
            expires: time(row.get(7)?),
            stop: Stop::from_stored(row.get(18)?),
            totals: Totals {
                messages: row.get(8)?,
                waiting: row.get(9)?,
                sent: row.get(10)?,
                delivered: row.get(11)?,
                undelivered: row.get(12)?,
                expired: row.get(13)?,
                rejected: row.get(14)?,
                cancelled: row.get(15)?,
                parts_sent: row.get(16)?,
                cost: Money::from_micros(row.get(17)?),
                clicked: row.get(20)?,
                clicked_unique: row.get(21)?,
                unsubscribed: row.get(22)?,
            },
        })
    }

    /// Of a request that named no campaign; its totals are not kept, only counted anew.
    fn of_request(request: &Request, stop: Option<Stop>) -> Self {
        Self {
            id: request.campaign,
            account: request.account,
            name: String::new(),
            tags: Vec::new(),
            channel: "sms".to_owned(),
            created: request.created,
            sending: request.sending,
            scheduled: (request.due > request.created).then_some(request.due),
            expires: request.expires,
            stop,
            totals: Totals::default(),
        }
    }
}

/// A page of an account's campaigns, newest first.
#[derive(Debug, Clone)]
pub struct List {
    /// Whose.
    pub account: AccountId,
    /// Made before this.
    pub before: Instant,
    /// Made at or after this.
    pub after: Instant,
    /// Of this channel; empty: of any.
    pub channel: String,
    /// With all these tags, at most [`FILTER_TAGS_MAX`].
    pub tags: Vec<String>,
    /// To leave out before the first.
    pub skip: i64,
    /// To give out, at most.
    pub limit: i64,
}

/// The answer to [`List`].
#[derive(Debug)]
pub struct Listed {
    /// The page.
    pub campaigns: Vec<CampaignRow>,
    /// How many there are in all; at most [`COUNT_MAX`] are counted.
    pub total: i64,
}

impl Question for List {
    type Answer = Listed;

    fn answer(self, view: &mut View<'_>) -> Result<Listed> {
        let tag = |i: usize| self.tags.get(i).map_or("", String::as_str);
        let (before, after) = (self.before.micros(), self.after.micros());
        let account = self.account.0;
        let tags = (tag(0), tag(1), tag(2));
        let total = view.prepare(COUNT)?.one(
            values![account, before, after, self.channel, tags.0, tags.1, tags.2, COUNT_MAX],
            |row| row.get(0),
        )?;
        let page = values![
            account,
            before,
            after,
            self.channel,
            tags.0,
            tags.1,
            tags.2,
            self.limit,
            self.skip
        ];
        let campaigns = view.prepare(PAGE)?.all(page, CampaignRow::from_row)?;
        Ok(Listed { campaigns, total })
    }
}

/// Which campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// By its number.
    Campaign(CampaignId),
    /// By its sending's number.
    Sending(SendingId),
}

/// One campaign of an account, or of any; also that of a request that named none.
#[derive(Debug, Clone)]
pub struct Find {
    /// Whose; `None`: anybody's, for operators.
    pub account: Option<AccountId>,
    /// Which.
    pub which: Which,
}

/// The answer to [`Find`].
#[derive(Debug)]
pub struct Found {
    /// It.
    pub row: CampaignRow,
    /// The request, where it named no campaign: its totals must be counted.
    pub own: Option<Request>,
}

impl Question for Find {
    type Answer = Option<Found>;

    fn answer(self, view: &mut View<'_>) -> Result<Option<Found>> {
        let is_its = |account: AccountId| self.account.is_none_or(|whose| whose == account);
        let (statement, id, sending) = match self.which {
            Which::Campaign(id) => (BY_CAMPAIGN, id.0, id.own_sending()),
            Which::Sending(id) => (BY_SENDING, id.0, id),
        };
        let named = view.prepare(statement)?.first([id], CampaignRow::from_row)?;
        if let Some(row) = named {
            return Ok(is_its(row.account).then_some(Found { row, own: None }));
        }
        let mut days = view.days_since(i64::MIN)?;
        days.reverse();
        for day in days {
            let first: Option<i64> =
                view.prepare_on(OWN_REQUEST, day)?.first([sending.0], |row| row.get(0))?;
            let Some(first) = first else { continue };
            let Some(request) = request::seen(view, MessageId(first))? else { continue };
            if !is_its(request.account) {
                return Ok(None);
            }
            let stop: Option<i64> = view.prepare(STOPPED)?.first([sending.0], |row| row.get(0))?;
            let row = CampaignRow::of_request(&request, stop.and_then(Stop::from_stored));
            return Ok(Some(Found { row, own: Some(request) }));
        }
        Ok(None)
    }
}

/// The newest campaigns of all accounts, for operators.
#[derive(Debug, Clone, Copy)]
pub struct Newest {
    /// At most so many.
    pub limit: i64,
}

impl Question for Newest {
    type Answer = Vec<CampaignRow>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<CampaignRow>> {
        view.prepare(NEWEST)?.all([self.limit], CampaignRow::from_row)
    }
}
