//! What operators do from the command line, on the open store; works beside a running `serve`.

use std::collections::HashMap;

use pombo_domain::address::Country;
use pombo_domain::campaign::Order;
use pombo_domain::id::{AccountId, CampaignId, PartId, RouteId, SendingId};
use pombo_domain::limits::ROWS_PER_OPERATION_MAX;
use pombo_domain::link::Target;
use pombo_domain::message::Category;
use pombo_domain::money::Money;
use pombo_store::Store;
use pombo_store::operation as op;
pub use pombo_store::operation::account::Account;
use pombo_store::operation::account::Change;
pub use pombo_store::operation::campaign::CampaignRow;
use pombo_store::operation::campaign::Which;
pub use pombo_store::operation::route::HealthRow;
pub use pombo_store::operation::uncertain::UncertainRow;
pub use pombo_store::operation::unmatched::UnmatchedRow;

use crate::auth;
use crate::clock::Clock;
use crate::usecase::campaign::Walk;

/// Why a command was not done: one line that says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The store.
    #[error("{0}; check the disk and the file of store.url, then try again")]
    Store(pombo_store::Error),
    /// The command cannot be done as it was given.
    #[error("{0}")]
    Refused(String),
    /// None of the parts named is in doubt.
    #[error(
        "none of these parts is in doubt; `pombo uncertain list` shows those that are open or waiting"
    )]
    NotInDoubt,
    /// No such account.
    #[error("there is no account {0:?}; `pombo account list` shows them all")]
    NoAccount(String),
    /// The name is taken.
    #[error("there is an account {0:?} already; choose another name, or `pombo account set {0}`")]
    NameTaken(String),
    /// Not a name.
    #[error("{0:?} is no account name: 1 to 64 letters, digits, '.', '-', '_' or '@'")]
    BadName(String),
    /// No such route.
    #[error("there is no route {0:?}; `pombo routes list` shows them all")]
    NoRoute(String),
    /// No such campaign.
    #[error("there is no campaign and no sending {0}; `pombo campaign list` shows them")]
    NoCampaign(i64),
    /// No such sender.
    #[error("there is no sender {0}; `pombo senders list` shows them with their numbers")]
    NoSender(i64),
    /// Not an address or range.
    #[error("{0:?} is neither an address nor a range such as 192.0.2.0/24")]
    BadRange(String),
    /// Not the beginning of short links.
    #[error("{0:?} is no address that short links can begin with, such as https://go.example.com")]
    BadLinkUrl(String),
    /// An empty or over-long password.
    #[error("an apiPassword has 1 to 256 characters")]
    BadPassword,
    /// Not a currency.
    #[error("{0:?} is no currency code; write three capital letters, for example EUR")]
    BadCurrency(String),
    /// Hashing failed.
    #[error("the password could not be hashed: {0}; try again with more free memory")]
    Hash(String),
}

impl From<pombo_store::Error> for Problem {
    fn from(error: pombo_store::Error) -> Self {
        match error {
            pombo_store::Error::Refused(why) => Self::Refused(why),
            error => Self::Store(error),
        }
    }
}

/// A new account.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// The API's username.
    pub name: String,
    /// Its password; one is made where absent.
    pub api_password: Option<String>,
    /// The opening balance.
    pub credit: Money,
    /// ISO 4217 code.
    pub currency: String,
}

/// An account was made.
#[derive(Debug, Clone)]
pub struct Added {
    /// Its number.
    pub id: AccountId,
    /// The password, where one was made; it is shown once and not kept.
    pub api_password_made: Option<String>,
}

/// Hashes the given password, or a fresh one that is given back.
fn password(given: Option<String>) -> Result<(String, Option<String>), Problem> {
    let (password, made) = match given {
        Some(given) if !(1..=256).contains(&given.chars().count()) => {
            return Err(Problem::BadPassword);
        }
        Some(given) => (given, None),
        None => {
            let fresh = auth::new_password();
            (fresh.clone(), Some(fresh))
        }
    };
    Ok((auth::hash_password(&password).map_err(Problem::Hash)?, made))
}

/// Makes an account.
pub fn account_add(store: &Store, clock: &Clock, new: NewAccount) -> Result<Added, Problem> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_@".contains(c);
    if !(1..=64).contains(&new.name.len()) || !new.name.chars().all(fits) {
        return Err(Problem::BadName(new.name));
    }
    if new.currency.len() != 3 || !new.currency.bytes().all(|b| b.is_ascii_uppercase()) {
        return Err(Problem::BadCurrency(new.currency));
    }
    let (password_hash, api_password_made) = password(new.api_password)?;
    let add = op::account::Add {
        name: new.name.clone(),
        password_hash,
        credit: new.credit,
        currency: new.currency,
        now: clock.now(),
    };
    let id = store.run_blocking(add)?.ok_or(Problem::NameTaken(new.name))?;
    Ok(Added { id, api_password_made })
}

/// All accounts, by name.
pub fn account_list(store: &Store) -> Result<Vec<Account>, Problem> {
    Ok(store.ask_blocking(op::account::List)?)
}

/// What may be set; `None` leaves a thing as it is.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Parts a second; inner `None`: no limit.
    pub rate_per_s: Option<Option<u32>>,
    /// Messages a day; inner `None`: no limit.
    pub per_day: Option<Option<u64>>,
    /// The law's kind where a request does not say.
    pub category: Option<Category>,
    /// What its short links begin with; inner `None`: the server's own address.
    pub link_url: Option<Option<String>>,
    /// What it may spend a UTC day; inner `None`: no limit.
    pub spend_cap: Option<Option<Money>>,
    /// Countries it may send to; inner empty: all.
    pub countries: Option<Vec<Country>>,
    /// Whether it has verified its recipients' ages.
    pub ages_verified: Option<bool>,
    /// Added to marketing that says no way to end the subscription; inner `None`: nothing.
    pub opt_out_text: Option<Option<String>>,
    /// Whether its messages may only show senders that were approved.
    pub approved_senders: Option<bool>,
}

fn set(store: &Store, name: &str, changes: Vec<Change>) -> Result<(), Problem> {
    let known = store.run_blocking(op::account::Set { name: name.to_owned(), changes })?;
    if known { Ok(()) } else { Err(Problem::NoAccount(name.to_owned())) }
}

/// A URL that `/s/` and a code can follow; without a slash at its end.
fn link_base(text: &str) -> Option<String> {
    let target = Target::parse(text).ok()?;
    let base = target.as_str().trim_end_matches('/');
    (!base.contains(['?', '#', '@'])).then(|| base.to_owned())
}

/// Changes an account's settings.
pub fn account_set(
    store: &Store,
    clock: &Clock,
    name: &str,
    settings: Settings,
) -> Result<(), Problem> {
    let link_url = match settings.link_url {
        Some(Some(url)) => Some(Some(link_base(&url).ok_or(Problem::BadLinkUrl(url))?)),
        other => other,
    };
    let changes = [
        settings.rate_per_s.map(Change::RatePerSecond),
        settings.per_day.map(Change::PerDay),
        settings.category.map(Change::Category),
        link_url.map(Change::LinkUrl),
        settings.spend_cap.map(|cap| Change::SpendCap(cap, clock.now())),
        settings.countries.map(Change::Countries),
        settings.approved_senders.map(Change::ApprovedSenders),
        settings.ages_verified.map(Change::AgesVerified),
        settings.opt_out_text.map(Change::OptOutText),
    ];
    set(store, name, changes.into_iter().flatten().collect())
}

/// Gives an account a new password; answers the one that was made, where none was given.
pub fn account_passwd(
    store: &Store,
    name: &str,
    given: Option<String>,
) -> Result<Option<String>, Problem> {
    let (hash, made) = password(given)?;
    set(store, name, vec![Change::PasswordHash(hash)])?;
    Ok(made)
}

/// Gives credit, or takes it where negative; answers the new balance.
pub fn account_credit(
    store: &Store,
    clock: &Clock,
    name: &str,
    amount: Money,
) -> Result<Money, Problem> {
    let credit = op::account::Credit { name: name.to_owned(), amount, now: clock.now() };
    store.run_blocking(credit)?.ok_or_else(|| Problem::NoAccount(name.to_owned()))
}

/// Sets the addresses an account may call from; none means everywhere.
pub fn account_allow(store: &Store, name: &str, ranges: Vec<String>) -> Result<(), Problem> {
    for range in &ranges {
        if auth::Cidr::parse(range).is_none() {
            return Err(Problem::BadRange(range.clone()));
        }
    }
    set(store, name, vec![Change::Allow(ranges)])
}

/// Refuses an account at the door, or lets it in again.
pub fn account_disable(store: &Store, name: &str, disabled: bool) -> Result<(), Problem> {
    set(store, name, vec![Change::Disabled(disabled)])
}

/// A route and what waits on it.
#[derive(Debug, Clone)]
pub struct RouteRow {
    /// Its name.
    pub name: String,
    /// Whether claiming is stopped.
    pub paused: bool,
    /// Messages waiting.
    pub queued: u64,
    /// Parts on their way.
    pub in_flight: u64,
    /// Parts in doubt.
    pub uncertain: u64,
    /// How its links stood last; empty where it never ran.
    pub link: String,
}

/// All routes ever seen.
pub fn routes_list(store: &Store) -> Result<Vec<RouteRow>, Problem> {
    let mut rows = Vec::new();
    // How links stood last says nothing once nobody keeps them.
    let is_served = store.is_served();
    for route in store.ask_blocking(op::route::List)? {
        let load = store.ask_blocking(op::route::Load { route: route.id })?;
        rows.push(RouteRow {
            name: route.name,
            paused: route.paused,
            queued: load.queued,
            in_flight: load.in_flight,
            uncertain: load.uncertain,
            link: if is_served { route.link } else { "pombo does not run".to_owned() },
        });
    }
    Ok(rows)
}

/// The number of each route that the store knows, by name.
pub fn route_numbers(store: &Store) -> Result<HashMap<String, RouteId>, Problem> {
    let routes = store.ask_blocking(op::route::List)?;
    Ok(routes.into_iter().map(|route| (route.name, route.id)).collect())
}

/// The number of one route.
pub fn route_named(store: &Store, name: &str) -> Result<RouteId, Problem> {
    route_numbers(store)?.remove(name).ok_or_else(|| Problem::NoRoute(name.to_owned()))
}

/// How all routes did in the last minutes, in all and by country.
pub fn routes_health(store: &Store) -> Result<Vec<HealthRow>, Problem> {
    Ok(store.ask_blocking(op::route::Health)?)
}

/// Stops or resumes a route.
pub fn routes_pause(store: &Store, name: &str, paused: bool) -> Result<(), Problem> {
    let known = store.run_blocking(op::route::Pause { name: name.to_owned(), paused })?;
    if known { Ok(()) } else { Err(Problem::NoRoute(name.to_owned())) }
}

/// Which parts in doubt are meant.
#[derive(Debug, Clone)]
pub enum Selection {
    /// All that are open.
    All,
    /// These.
    Parts(Vec<PartId>),
    /// Those of a route.
    Route(String),
}

fn decide(
    store: &Store,
    clock: &Clock,
    selection: Selection,
    resend: bool,
) -> Result<usize, Problem> {
    let names_parts = matches!(selection, Selection::Parts(_));
    let selection = match selection {
        Selection::All => op::uncertain::Selection::All,
        Selection::Parts(parts) => op::uncertain::Selection::Parts(parts),
        Selection::Route(name) => op::uncertain::Selection::Route(route_named(store, &name)?),
    };
    let mut n = 0;
    loop {
        let selection = selection.clone();
        let decide = op::uncertain::Decide { selection, resend, now: clock.now() };
        let touched = store.run_blocking(decide)?;
        n += touched;
        if touched < ROWS_PER_OPERATION_MAX {
            let none_of_those = n == 0 && names_parts;
            return if none_of_those { Err(Problem::NotInDoubt) } else { Ok(n) };
        }
    }
}

/// The newest parts in doubt, also the resolved ones.
pub fn uncertain_list(store: &Store, limit: i64) -> Result<Vec<UncertainRow>, Problem> {
    Ok(store.ask_blocking(op::uncertain::List { limit })?)
}

/// Submits parts in doubt again; answers how many.
pub fn uncertain_resend(
    store: &Store,
    clock: &Clock,
    selection: Selection,
) -> Result<usize, Problem> {
    decide(store, clock, selection, true)
}

/// Gives parts in doubt up; answers how many.
pub fn uncertain_drop(
    store: &Store,
    clock: &Clock,
    selection: Selection,
) -> Result<usize, Problem> {
    decide(store, clock, selection, false)
}

/// The newest receipts that fit nothing.
pub fn receipts_unmatched(store: &Store, limit: i64) -> Result<Vec<UnmatchedRow>, Problem> {
    Ok(store.ask_blocking(op::unmatched::Unmatched { limit })?)
}

/// A campaign and whose it is.
#[derive(Debug, Clone)]
pub struct CampaignOfAccount {
    /// The account's name.
    pub account: String,
    /// The campaign.
    pub campaign: CampaignRow,
}

/// The newest campaigns of all accounts.
pub fn campaign_list(store: &Store, limit: i64) -> Result<Vec<CampaignOfAccount>, Problem> {
    let accounts = store.ask_blocking(op::account::List)?;
    let name = |id: AccountId| accounts.iter().find(|a| a.id == id).map(|a| a.name.clone());
    let rows = store.ask_blocking(op::campaign::Newest { limit })?;
    let row = |campaign: CampaignRow| CampaignOfAccount {
        account: name(campaign.account).unwrap_or_default(),
        campaign,
    };
    Ok(rows.into_iter().map(row).collect())
}

/// Pauses, resumes or cancels a campaign, by its number or its sending's. A running server may end
/// what waits of a cancelled one before this does; what is away ends when it comes back.
pub fn campaign_order(
    store: &Store,
    clock: &Clock,
    number: i64,
    order: Order,
) -> Result<(), Problem> {
    let by = [Which::Campaign(CampaignId(number)), Which::Sending(SendingId(number))];
    let mut found = None;
    for which in by {
        found = match found {
            None => store.ask_blocking(op::campaign::Find { account: None, which })?,
            found => found,
        };
    }
    let row = found.ok_or(Problem::NoCampaign(number))?.row;
    let (account, sending) = (row.account, row.sending);
    store.run_blocking(op::campaign::SetStop { account, sending, order, now: clock.now() })?;
    if order == Order::Pause {
        return Ok(());
    }
    while store.run_blocking(op::campaign::GiveBack { now: clock.now() })?.more {}
    if order == Order::Resume {
        return Ok(());
    }
    let routes = store.ask_blocking(op::route::List)?;
    let mut walk = Walk::new(routes.iter().map(|route| route.id), sending, account);
    while let Some(piece) = walk.next(clock.now()) {
        let withdrawn = store.run_blocking(piece)?;
        walk.took(&withdrawn);
    }
    store.run_blocking(op::campaign::Finish { sending })?;
    Ok(())
}

/// Copies a live store.
pub fn backup(
    store: &Store,
    to: &std::path::Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<(), Problem> {
    Ok(store.backup(to, progress)?)
}
