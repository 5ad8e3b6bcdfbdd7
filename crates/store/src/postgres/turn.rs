//! The turn at the store: whoever has it writes, from the begin of a transaction to its end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::prepared::Known;

macro_rules! lock {
    () => {
        "select pg_advisory_xact_lock(123623878848256)"
    };
}

/// Waits for the lock that is the turn, and has it until the transaction ends.
pub(super) const LOCK: &str = lock!();

/// Begins a transaction with it: one that sees what the one before it wrote, because each statement
/// looks anew.
pub(super) const BEGIN: &str =
    concat!("begin isolation level read committed read write; ", lock!());

/// Everyone sees that there was a commit, the next writer whether it was another's, and this one
/// later whether it was kept; and a node whether it still is one.
pub(super) const TAKE: &str = "with taken as (update turn set number = number + 1, \
     others = others + (case when writer = $1 then 0 else 1 end), writer = $1 \
     returning number, others) \
     insert into written (writer, number) select cast($1 as bigint), number from taken \
     on conflict (writer) do update set number = excluded.number \
     returning number, (select others from taken), (select count(1) from node where id = $2), \
     (select number from shape)";

/// What the others listen to.
pub(super) const WOKEN: &str = "pombo_woken";

/// What the server says to whoever takes the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    /// The transaction's number among those of all that write.
    pub(super) number: i64,
    /// Others' commits so far.
    pub(super) others: i64,
    /// Whether the node is still one; false for what is none.
    pub(super) is_member: bool,
    /// How often tables have come and gone.
    pub(super) shape: i64,
}

impl Taken {
    /// Takes the turn, as that opening of the store and that node: [`TAKE`], known already so that one
    /// way and back is enough for it.
    pub(super) async fn ask(
        client: Arc<Client>,
        take: Arc<Known>,
        own: [i64; 2],
    ) -> Result<Self, tokio_postgres::Error> {
        let own: [&(dyn ToSql + Sync); 2] = [&own[0], &own[1]];
        let (begun, taken) =
            tokio::join!(client.batch_execute(BEGIN), client.query_one(&take.one, &own));
        begun?;
        let row = taken?;
        Ok(Self {
            number: row.try_get(0)?,
            others: row.try_get(1)?,
            is_member: row.try_get::<_, i64>(2)? > 0,
            shape: row.try_get(3)?,
        })
    }

    /// What the next one is told if nobody else writes in between.
    pub(super) const fn next(self) -> Self {
        Self { number: self.number + 1, ..self }
    }
}

/// A turn that was asked for.
pub(super) struct Ahead {
    /// There until it is told.
    pub(super) answer: Option<JoinHandle<Result<Taken, tokio_postgres::Error>>>,
    /// What it has to be, or what is done with it is void.
    pub(super) expected: Taken,
}

impl Ahead {
    /// Whether it is what was expected; asked again, or of a connection that was hung up, it is not.
    pub(super) fn is_as_expected(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Result<bool, tokio_postgres::Error>> {
        let Some(answer) = &mut self.answer else { return Poll::Ready(Ok(false)) };
        let told = ready!(Pin::new(answer).poll(context));
        self.answer = None;
        let expected = self.expected;
        Poll::Ready(told.map_or(Ok(false), |taken| taken.map(|taken| taken == expected)))
    }
}
