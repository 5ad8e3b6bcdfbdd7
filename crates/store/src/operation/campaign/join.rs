//! A request joins its campaign: found by its name, or made.

use pombo_domain::campaign::Stop;
use pombo_domain::id::{AccountId, CampaignId, SendingId};
use pombo_domain::limits::TAGS_MAX;
use pombo_domain::time::Instant;

use crate::error::Result;
use crate::sql::{Row, values};
use crate::statement::statements;
use crate::work::Work;

statements! {
    FIND = "select c.id, s.id, c.tags, s.scheduled, s.expires from campaign c \
        join sending s on s.id = c.sending \
        where c.account = $1 and c.channel = 'sms' and c.name = $2";
    NEW_CAMPAIGN = "insert into campaign (id, account, channel, name, tags, sending, created) \
        values ($1, $2, 'sms', $3, $4, $5, $6)";
    NEW_SENDING = "insert into sending (id, campaign, account, scheduled, expires) \
        values ($1, $2, $3, -1, -1)";
    SET_TAGS = "update campaign set tags = $1 where id = $2";
    SET_TIMES = "update sending set scheduled = $1, expires = $2 where id = $3";
}

/// Of a sending that has no request yet.
const NO_TIME_YET: i64 = -1;

/// A campaign with its sending, as it stood when a request came to join it.
#[derive(Debug, Clone)]
pub(crate) struct Joined {
    pub(crate) campaign: CampaignId,
    pub(crate) sending: SendingId,
    /// One a line.
    pub(crate) tags: String,
    pub(crate) stop: Option<Stop>,
    scheduled: i64,
    expires: i64,
}

/// The account's campaign of that name.
pub(crate) fn find(work: &mut Work<'_>, account: AccountId, name: &str) -> Result<Option<Joined>> {
    let mut found = work.known().campaign(account, name);
    if found.is_none() {
        found = work.prepare(FIND)?.first(values![account.0, name], Joined::from_row)?;
        found.iter().for_each(|found| work.known().keep_campaign(account, name, found));
    }
    Ok(found.map(|found| Joined { stop: work.stopped().get(&found.sending).copied(), ..found }))
}

impl Joined {
    fn from_row(row: &Row<'_>) -> Result<Self> {
        Ok(Self {
            campaign: CampaignId(row.get(0)?),
            sending: SendingId(row.get(1)?),
            tags: row.get(2)?,
            stop: None,
            scheduled: row.get(3)?,
            expires: row.get(4)?,
        })
    }
}

/// Makes the campaign, with the one sending that it has.
pub(crate) fn make(
    work: &mut Work<'_>,
    (account, name): (AccountId, &str),
    tags: &str,
    now: Instant,
) -> Result<Joined> {
    let campaign = work.new_campaign()?;
    let sending = campaign.own_sending();
    work.prepare(NEW_CAMPAIGN)?.execute(values![
        campaign.0,
        account.0,
        name,
        tags,
        sending.0,
        now.micros()
    ])?;
    work.prepare(NEW_SENDING)?.execute([sending.0, campaign.0, account.0])?;
    let (scheduled, expires) = (NO_TIME_YET, NO_TIME_YET);
    Ok(Joined { campaign, sending, tags: tags.to_owned(), stop: None, scheduled, expires })
}

/// Gives the campaign these tags.
pub(crate) fn tag(work: &Work<'_>, joined: &mut Joined, tags: String) -> Result<()> {
    if tags != joined.tags {
        work.prepare(SET_TAGS)?.write(values![tags, joined.campaign.0])?;
        joined.tags = tags;
    }
    Ok(())
}

/// Tells the sending when a request's messages may leave, and when they expire. It has times of its
/// own only as long as those of all its requests agree.
pub(crate) fn set_times(
    work: &Work<'_>,
    joined: &mut Joined,
    (scheduled, expires): (Option<Instant>, Option<Instant>),
) -> Result<()> {
    let agreed = |before: i64, time: Option<Instant>| match time.map_or(0, Instant::micros) {
        time if before == NO_TIME_YET || before == time => time,
        _ => 0,
    };
    let times = (agreed(joined.scheduled, scheduled), agreed(joined.expires, expires));
    if times != (joined.scheduled, joined.expires) {
        work.prepare(SET_TIMES)?.write([times.0, times.1, joined.sending.0])?;
        (joined.scheduled, joined.expires) = times;
    }
    Ok(())
}

/// Tags are stored one a line, in the order in which they first came; those beyond the maximum
/// are left out.
pub(crate) fn merge_tags(before: &str, tags: &[String]) -> String {
    let mut merged: Vec<&str> = before.lines().collect();
    for tag in tags {
        if merged.len() < TAGS_MAX && !merged.contains(&tag.as_str()) {
            merged.push(tag);
        }
    }
    merged.join("\n")
}
