//! Messages from handsets: kept as they come, then looked at: whose they are, what they answer, and
//! whether they opt out.

pub mod conversation;
pub(crate) mod join;
pub mod number;
pub mod resolve;

use pombo_domain::address::Phone;
use pombo_domain::channel::Inbound;
use pombo_domain::id::{AccountId, MessageId, RouteId};
use pombo_domain::opt_out::word::Effect;
use pombo_domain::time::Instant;

use super::{Operation, Question, View, opt_out_word};
use crate::error::Result;
use crate::sql::{Row, values};
use crate::statement::statements;
use crate::work::Work;

/// The columns of a message, before the rest of a statement.
macro_rules! messages {
    ($($rest:tt)*) => {
        concat!(
            "select i.id, i.account, i.route, i.sender, i.recipient, i.text, i.at, i.pieces, \
             i.missing, i.message, i.effect, i.answer from inbound i ",
            $($rest)*
        )
    };
}

/// What a list is filtered by.
macro_rules! filter {
    () => {
        "where i.account = $1 and (i.sender = $2 or $2 = '') and (i.recipient = $3 or $3 = '') \
         and i.at >= $4 and i.at < $5 "
    };
}

statements! {
    NEW = "insert into inbound (account, route, sender, recipient, text, at, pieces, missing, \
        todo, message, effect, answer) values ($1, $2, $3, $4, $5, $6, $7, $8, 1, 0, $9, 0)";
    OWNER = "select account from inbound_number where number = $1 and (route = $2 or route = 0) \
        order by route desc limit 1";
    PAGE = messages!(filter!(), "order by i.id desc limit $6 offset $7");
    COUNT = concat!("select count(1) from (select 1 from inbound i ", filter!(), "limit $6) as counted");
    NEWEST = messages!("order by i.id desc limit $1");
    BY_ID = messages!("where i.id = $1");
    OLD = "delete from inbound where id in (select id from inbound where at < $1 order by id limit $2)";
}

/// Messages that a list counts, at most.
pub const COUNT_MAX: i64 = 100_000;

/// A message from a handset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its number.
    pub id: i64,
    /// Whose; `None`: nobody's yet.
    pub account: Option<AccountId>,
    /// The route it came by.
    pub route: RouteId,
    /// Who wrote, as the carrier gave it, without a plus.
    pub from: String,
    /// The number or short code written to.
    pub to: String,
    /// What it says.
    pub text: String,
    /// When it was whole.
    pub at: Instant,
    /// Pieces that it was sent in.
    pub n_pieces: u8,
    /// Of them that never came.
    pub n_missing: u8,
    /// Ours that it answers.
    pub answers: Option<MessageId>,
    /// What it did to the opt-out list of its account.
    pub effect: Option<Effect>,
    /// Our answer to it.
    pub answered_by: Option<MessageId>,
}

impl Message {
    pub(super) fn from_row(row: &Row<'_>) -> Result<Self> {
        let some = |n: i64| (n != 0).then_some(n);
        Ok(Self {
            id: row.get(0)?,
            account: some(row.get(1)?).map(AccountId),
            route: RouteId(row.get(2)?),
            from: row.get(3)?,
            to: row.get(4)?,
            text: row.get(5)?,
            at: Instant::from_micros(row.get(6)?),
            n_pieces: row.get(7)?,
            n_missing: row.get(8)?,
            answers: some(row.get(9)?).map(MessageId),
            effect: effect_from(row.get(10)?),
            answered_by: some(row.get(11)?).map(MessageId),
        })
    }
}

const fn effect_from(number: i64) -> Option<Effect> {
    match number {
        1 => Some(Effect::Out),
        2 => Some(Effect::In),
        _ => None,
    }
}

const fn effect_number(effect: Option<Effect>) -> i64 {
    match effect {
        None => 0,
        Some(Effect::Out) => 1,
        Some(Effect::In) => 2,
    }
}

/// One that is whole.
struct Whole<'a> {
    route: RouteId,
    from: &'a str,
    to: &'a str,
    text: String,
    at: Instant,
    n_pieces: u8,
    n_missing: u8,
}

/// Keeps what came; answers whether a message is whole now. Where its number is an account's, who
/// asks for no more messages is on the account's list from this commit on.
pub(super) fn keep(work: &mut Work<'_>, route: RouteId, inbound: &Inbound) -> Result<bool> {
    let Some(place) = inbound.piece else {
        let whole = Whole {
            route,
            from: &inbound.from,
            to: &inbound.to,
            text: inbound.text.text(),
            at: inbound.at,
            n_pieces: 1,
            n_missing: 0,
        };
        insert(work, whole)?;
        return Ok(true);
    };
    join::keep(work, route, inbound, place)
}

fn insert(work: &mut Work<'_>, whole: Whole<'_>) -> Result<()> {
    let text = storable(&whole.text);
    let owner: Option<i64> =
        work.prepare(OWNER)?.first(values![whole.to, whole.route.0], |row| row.get(0))?;
    let account = owner.map(AccountId);
    let effect = match account {
        Some(account) => opt_out_word::obey(work, account, (whole.from, &text), whole.at)?,
        None => None,
    };
    work.prepare(NEW)?.execute(values![
        owner.unwrap_or(0),
        whole.route.0,
        whole.from,
        whole.to,
        text,
        whole.at.micros(),
        whole.n_pieces,
        whole.n_missing,
        effect_number(effect)
    ])?;
    Ok(())
}

/// Text that both engines store: one of them takes no NUL.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// A page of an account's messages, newest first.
#[derive(Debug, Clone)]
pub struct List {
    /// Whose; `None`: those that are nobody's.
    pub account: Option<AccountId>,
    /// From this number only; empty: from any.
    pub from: String,
    /// To this number only; empty: to any.
    pub to: String,
    /// At or after this.
    pub after: Instant,
    /// Before this.
    pub before: Instant,
    /// Messages to leave out before the first.
    pub skip: i64,
    /// Messages at most.
    pub limit: i64,
}

/// The answer to [`List`].
#[derive(Debug, Default)]
pub struct Listed {
    /// Some of them.
    pub messages: Vec<Message>,
    /// How many there are in all, counted up to [`COUNT_MAX`].
    pub total: i64,
}

impl Question for List {
    type Answer = Listed;

    fn answer(self, view: &mut View<'_>) -> Result<Listed> {
        let account = self.account.map_or(0, |account| account.0);
        let (after, before) = (self.after.micros(), self.before.micros());
        let messages = view.prepare(PAGE)?.all(
            values![account, self.from, self.to, after, before, self.limit, self.skip],
            Message::from_row,
        )?;
        let total = view
            .prepare(COUNT)?
            .one(values![account, self.from, self.to, after, before, COUNT_MAX], |row| {
                row.get(0)
            })?;
        Ok(Listed { messages, total })
    }
}

/// The newest messages of all accounts and of nobody.
#[derive(Debug, Clone, Copy)]
pub struct Newest {
    /// At most.
    pub limit: i64,
}

impl Question for Newest {
    type Answer = Vec<Message>;

    fn answer(self, view: &mut View<'_>) -> Result<Vec<Message>> {
        view.prepare(NEWEST)?.all([self.limit], Message::from_row)
    }
}

/// One message, for what tells of it.
pub(super) fn seen(view: &mut View<'_>, id: i64) -> Result<Option<Message>> {
    view.prepare(BY_ID)?.first([id], Message::from_row)
}

/// Forgets messages that came before a time: so many at a time, to be run until it answers 0.
#[derive(Debug, Clone, Copy)]
pub struct Forget {
    /// Those before this.
    pub before: Instant,
    /// At most.
    pub limit: i64,
}

impl Operation for Forget {
    /// How many went.
    type Answer = usize;

    fn rows(&self) -> usize {
        usize::try_from(self.limit).unwrap_or(usize::MAX)
    }

    fn run(&self, work: &mut Work<'_>) -> Result<usize> {
        work.prepare(OLD)?.execute([self.before.micros(), self.limit])
    }
}

/// The telephone of whoever wrote, where it is one: a short code or a name is none.
pub(super) fn phone_of(from: &str) -> Option<Phone> {
    Phone::parse(from).ok()
}
