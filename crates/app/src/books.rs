//! What operators do about money from the command line: import prices, audit the ledger, export
//! what every part cost.

use std::collections::BTreeMap;

use pombo_domain::id::{AccountId, MessageId, PartId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::money::Money;
use pombo_domain::price::{Network, Prefix, Row};
use pombo_domain::time::Instant;
use pombo_store::Store;
use pombo_store::operation as op;
use pombo_store::operation::audit::Sums;
pub use pombo_store::operation::cdr::Record;
pub use pombo_store::operation::price::{Import, Kind};

use crate::clock::Clock;
use crate::operate::Problem;

/// Brings rows of prices into force, as a whole. `progress` is told how many are kept so far.
pub fn import_prices(
    store: &Store,
    clock: &Clock,
    kept: (Kind, Instant),
    rows: &[Row],
    progress: &mut dyn FnMut(usize),
) -> Result<(), Problem> {
    let add = |import, rows| op::price::AddPrices { import, rows };
    import((store, clock), kept, rows, add, progress)
}

/// The same for number prefixes; one without a network is nobody's from then on.
pub fn import_ranges(
    store: &Store,
    clock: &Clock,
    since: Instant,
    rows: &[(Prefix, Option<Network>)],
    progress: &mut dyn FnMut(usize),
) -> Result<(), Problem> {
    let add = |import, rows| op::price::AddRanges { import, rows };
    import((store, clock), (Kind::Ranges, since), rows, add, progress)
}

fn import<R: Clone, O: op::Operation<Answer = ()>>(
    (store, clock): (&Store, &Clock),
    (kind, since): (Kind, Instant),
    rows: &[R],
    add: impl Fn(i64, Vec<R>) -> O,
    progress: &mut dyn FnMut(usize),
) -> Result<(), Problem> {
    let import = store.run_blocking(op::price::Begin { kind, since, now: clock.now() })?;
    let mut n_kept = 0;
    for piece in rows.chunks(ROWS_PER_OPERATION_MAX) {
        store.run_blocking(add(import, piece.to_vec()))?;
        n_kept += piece.len();
        progress(n_kept);
    }
    Ok(store.run_blocking(op::price::Finish { import, n_rows: rows.len() })?)
}

/// The files in force, in the order in which they came.
pub fn imports(store: &Store) -> Result<Vec<Import>, Problem> {
    Ok(store.ask_blocking(op::price::Imports)?)
}

/// One account's books.
#[derive(Debug, Clone)]
pub struct AccountBooks {
    /// Its name.
    pub name: String,
    /// ISO 4217.
    pub currency: String,
    /// Its balance.
    pub balance: Money,
    /// What its ledger says.
    pub sums: Sums,
    /// Balance and ledger differ.
    pub is_off: bool,
    /// What its requests set aside, where history has them, differs from the ledger.
    pub requests_are_off: bool,
}

/// What an audit found.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// Every account, by name.
    pub accounts: Vec<AccountBooks>,
    /// Requests whose parts do not cost together what was set aside.
    pub requests: Vec<MessageId>,
    /// Rows of the ledger that are nobody's, or of no kind.
    pub n_stray: u64,
    /// Requests looked at.
    pub n_requests: usize,
}

impl Audit {
    /// Whether everything adds up.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        let off = |books: &AccountBooks| books.is_off || books.requests_are_off;
        self.n_stray == 0 && self.requests.is_empty() && !self.accounts.iter().any(off)
    }
}

/// Rows of the ledger, and requests, that one look reads.
const LEDGER_AT_ONCE: i64 = 100_000;
const REQUESTS_AT_ONCE: i64 = 2_000;

/// Checks every account's balance against its ledger, the ledger against the requests that history
/// still has, and each request against its parts. Beside a running server a request may come in
/// between two looks: what does not add up is looked at again before it is told.
pub fn audit(store: &Store, progress: &mut dyn FnMut(usize)) -> Result<Audit, Problem> {
    let mut found = audit_once(store, progress)?;
    for _ in 0..2 {
        if found.is_clean() {
            break;
        }
        found = audit_once(store, progress)?;
    }
    Ok(found)
}

fn audit_once(store: &Store, progress: &mut dyn FnMut(usize)) -> Result<Audit, Problem> {
    let head = store.ask_blocking(op::audit::Head)?;
    let mut audit = Audit::default();
    let mut sums: BTreeMap<AccountId, Sums> = BTreeMap::new();
    let mut after = 0;
    while after < head.newest {
        let to = head.newest.min(after.saturating_add(LEDGER_AT_ONCE));
        let (slice, stray) =
            store.ask_blocking(op::audit::Slice { after, to, days: head.days.clone() })?;
        for (account, more) in slice {
            let before = sums.entry(account).or_default();
            *before = before.with(more);
        }
        audit.n_stray += stray;
        after = to;
    }
    let mut by_requests: BTreeMap<AccountId, Money> = BTreeMap::new();
    for day in &head.days {
        let mut after = MessageId(0);
        loop {
            let limit = REQUESTS_AT_ONCE;
            let page = store.ask_blocking(op::audit::Requests { day: *day, after, limit })?;
            let Some(last) = page.last() else { break };
            after = last.id;
            // What came in since the ledger was read is for the next audit.
            for request in page.iter().filter(|request| request.id <= head.newest_request) {
                *by_requests.entry(request.account).or_default() += request.reserved;
                if request.parts != request.reserved || !request.is_whole {
                    audit.requests.push(request.id);
                }
            }
            audit.n_requests += page.len();
            progress(audit.n_requests);
        }
    }
    for account in store.ask_blocking(op::account::List)? {
        // One that was opened meanwhile is for the next audit.
        let Some(&balance) = head.balances.get(&account.id) else { continue };
        let sums = sums.remove(&account.id).unwrap_or_default();
        let mut is_off = sums.balance() != balance;
        if is_off
            && let Some((now, ledger)) = store.ask_blocking(op::audit::Standing(account.id))?
        {
            is_off = now != ledger;
        }
        let requests = by_requests.remove(&account.id).unwrap_or_default();
        audit.accounts.push(AccountBooks {
            name: account.name,
            currency: account.currency,
            balance,
            sums,
            is_off,
            requests_are_off: requests != sums.reserved_of_days,
        });
    }
    Ok(audit)
}

/// Parts of a page of the export.
const RECORDS_AT_ONCE: i64 = 1_000;

/// Gives every part that was accepted from `from` on and before `to`, in the order of acceptance, a
/// page at a time; `each` says whether to go on.
pub fn cdr(
    store: &Store,
    (from, to): (Instant, Instant),
    each: &mut dyn FnMut(&Record) -> bool,
) -> Result<usize, Problem> {
    let mut n = 0;
    // A clock that was set back may have left a message in the tables of a later day.
    for day in store.ask_blocking(op::audit::Head)?.days {
        if day < from.day() || day > to.day() + 1 {
            continue;
        }
        let mut after = PartId(0);
        loop {
            let page = op::cdr::Page { day, after, limit: RECORDS_AT_ONCE };
            let (records, last) = store.ask_blocking(page)?;
            let Some(last) = last else { break };
            after = last;
            for record in records {
                if (from..to).contains(&record.request.created) {
                    n += 1;
                    if !each(&record) {
                        return Ok(n);
                    }
                }
            }
        }
    }
    Ok(n)
}
