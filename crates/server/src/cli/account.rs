//! `pombo account`: who may send, with which credit, from where and how fast.

use clap::{Args, Subcommand};
use pombo_app::clock::Clock;
use pombo_app::operate::{self, Account, NewAccount, Settings};
use pombo_app::operate_notifications::{self, Change};
use pombo_domain::address::Country;
use pombo_domain::message::Category;
use pombo_domain::money::Money;
use pombo_domain::notification::{Format, OwnEvents};
use pombo_store::Store;
use serde_json::json;

use super::out::{or_dash, yes_no};
use super::{Failure, make_store, open_store, out};
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Open an account; prints its apiPassword when it made one.
    Add(Add),
    /// All accounts.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Change limits and the default category.
    Set(Set),
    /// Give a new apiPassword; makes one when none is given.
    Passwd {
        name: String,
        #[arg(long, value_name = "P")]
        api_password: Option<String>,
    },
    /// Add to the balance; a negative amount takes away.
    Credit {
        name: String,
        #[arg(allow_hyphen_values = true, value_parser = Money::parse)]
        amount: Money,
    },
    /// Addresses and networks (CIDR) that may use the account; none: all may.
    Allow { name: String, cidr: Vec<String> },
    /// Refuse its credentials; --undo accepts them again.
    Disable {
        name: String,
        #[arg(long)]
        undo: bool,
    },
}

#[derive(Args)]
pub(super) struct Add {
    name: String,
    /// Its apiPassword; made and printed when absent.
    #[arg(long, value_name = "P")]
    api_password: Option<String>,
    /// Its opening balance.
    #[arg(long, default_value = "0", value_parser = Money::parse)]
    credit: Money,
    /// Three letters.
    #[arg(long, default_value = "EUR", value_parser = currency)]
    currency: String,
}

#[derive(Args)]
pub(super) struct Set {
    name: String,
    /// Messages a second; `none` for no limit.
    #[arg(long, value_name = "N", value_parser = limit::<u32>)]
    rate: Option<Limit<u32>>,
    /// Messages a day; `none` for no limit.
    #[arg(long, value_name = "N", value_parser = limit::<u64>)]
    per_day: Option<Limit<u64>>,
    /// What its messages are when a request does not say.
    #[arg(long, value_parser = category)]
    category: Option<Category>,
    /// What its short links begin with, its own domain; `none` for this server's address.
    #[arg(long, value_name = "URL")]
    link_url: Option<String>,
    /// Where its events are told; `none` for nowhere. Prints the signing secret when it made one.
    #[arg(long, value_name = "URL", alias = "notification-url")]
    notify_url: Option<String>,
    /// How they are written: form, as the original, or json.
    #[arg(long, value_name = "FORMAT", value_parser = format)]
    notify_format: Option<Format>,
    /// Events beyond the API document's that are told too, with commas; `none` for none.
    #[arg(long, value_name = "NAMES", value_parser = own_events)]
    notify_events: Option<OwnEvents>,
    /// What it may spend a day, in its currency; `none` for no limit.
    #[arg(long, value_name = "AMOUNT", value_parser = spend_cap)]
    spend_cap: Option<Limit<Money>>,
    /// Countries it may send to, as in ES,PT; `all` for all.
    #[arg(long, value_name = "LIST", value_parser = countries)]
    countries: Option<Countries>,
    /// What its messages may show as their sender: any, or only what was approved.
    #[arg(long, value_name = "WHICH", value_parser = senders)]
    senders: Option<Senders>,
    /// Whether it has verified that its recipients are adults.
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    ages_verified: Option<bool>,
    /// What is added to marketing that says no way to end the subscription; `refuse` to refuse such
    /// texts; `none` to send them as they are.
    #[arg(long, value_name = "TEXT", value_parser = opt_out_text)]
    opt_out_text: Option<OptOutText>,
}

/// What is added; empty: such texts are refused; `None`: nothing.
#[derive(Debug, Clone)]
struct OptOutText(Option<String>);

fn opt_out_text(text: &str) -> Result<OptOutText, String> {
    match text.trim() {
        "none" => Ok(OptOutText(None)),
        "refuse" => Ok(OptOutText(Some(String::new()))),
        "" => Err("write the text, refuse, or none".to_owned()),
        text if text.len() > 200 || text.contains(['{', '}']) => {
            Err("write at most 200 bytes without braces".to_owned())
        }
        text => Ok(OptOutText(Some(text.to_owned()))),
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("write yes or no".to_owned()),
    }
}

fn format(name: &str) -> Result<Format, String> {
    Format::parse(name).ok_or_else(|| "write form or json".to_owned())
}

fn own_events(names: &str) -> Result<OwnEvents, String> {
    if names == "none" {
        return Ok(OwnEvents::NONE);
    }
    OwnEvents::parse(names.split(',').map(str::trim)).map_err(|unknown| unknown.to_string())
}

/// Countries; none means all.
#[derive(Debug, Clone)]
struct Countries(Vec<Country>);

fn countries(text: &str) -> Result<Countries, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Countries(Vec::new()));
    }
    let read =
        |letters: &str| Country::parse(letters.trim()).filter(|country| country.row().is_some());
    let list: Option<Vec<Country>> = text.split(',').map(read).collect();
    list.map(Countries)
        .ok_or_else(|| "write countries by two letters, as in ES,PT, or all".to_owned())
}

/// Whether senders must have been approved.
#[derive(Debug, Clone, Copy)]
struct Senders {
    approved_only: bool,
}

fn senders(word: &str) -> Result<Senders, String> {
    match word {
        "any" => Ok(Senders { approved_only: false }),
        "approved" => Ok(Senders { approved_only: true }),
        _ => Err("write any or approved".to_owned()),
    }
}

fn spend_cap(text: &str) -> Result<Limit<Money>, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    let amount = Money::parse(text).ok().filter(|amount| *amount >= Money::ZERO);
    amount.map(|amount| Limit(Some(amount))).ok_or_else(|| "write an amount, or none".to_owned())
}

/// A number, or no limit.
#[derive(Debug, Clone, Copy)]
struct Limit<T>(Option<T>);

fn limit<T: std::str::FromStr>(text: &str) -> Result<Limit<T>, String> {
    if text == "none" {
        return Ok(Limit(None));
    }
    text.parse().map(|n| Limit(Some(n))).map_err(|_| "write a number, or none".to_owned())
}

fn category(text: &str) -> Result<Category, String> {
    match text {
        "marketing" => Ok(Category::Marketing),
        "transactional" => Ok(Category::Transactional),
        _ => Err("write marketing or transactional".to_owned()),
    }
}

fn currency(text: &str) -> Result<String, String> {
    if text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic()) {
        return Ok(text.to_ascii_uppercase());
    }
    Err("write three letters, as in EUR".to_owned())
}

pub(super) fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let store = match command {
        Command::Add(_) => make_store(config)?,
        _ => open_store(config)?,
    };
    let clock = Clock::system();
    match command {
        Command::Add(new) => add(&store, &clock, new),
        Command::List { json } => list(&store, json),
        Command::Set(set) => {
            let settings = Settings {
                rate_per_s: set.rate.map(|limit| limit.0),
                per_day: set.per_day.map(|limit| limit.0),
                category: set.category,
                ages_verified: set.ages_verified,
                opt_out_text: set.opt_out_text.map(|text| text.0),
                link_url: set.link_url.map(|url| Some(url).filter(|url| url != "none")),
                spend_cap: set.spend_cap.map(|limit| limit.0),
                countries: set.countries.map(|countries| countries.0),
                approved_senders: set.senders.map(|senders| senders.approved_only),
            };
            operate::account_set(&store, &Clock::system(), &set.name, settings)?;
            let url = set.notify_url.map(|url| if url == "none" { String::new() } else { url });
            let change =
                Change { url, format: set.notify_format, events: set.notify_events, enabled: None };
            let made = if change.is_empty() {
                None
            } else {
                operate_notifications::set(&store, &clock, &set.name, change)?
            };
            out::line(&format!("{} is set", set.name))?;
            made.map_or(Ok(()), |secret| out::line(&format!("secret {secret}")))
        }
        Command::Passwd { name, api_password } => {
            match operate::account_passwd(&store, &name, api_password)? {
                Some(made) => out::line(&format!("apiPassword {made}")),
                None => out::line(&format!("{name} has its new apiPassword")),
            }
        }
        Command::Credit { name, amount } => {
            let balance = operate::account_credit(&store, &clock, &name, amount)?;
            out::line(&format!("balance {balance}"))
        }
        Command::Allow { name, cidr } => {
            let all = cidr.is_empty();
            operate::account_allow(&store, &name, cidr)?;
            out::line(&format!("{name} may call from {}", if all { "anywhere" } else { "there" }))
        }
        Command::Disable { name, undo } => {
            operate::account_disable(&store, &name, !undo)?;
            out::line(&format!("{name} is {}", if undo { "enabled" } else { "disabled" }))
        }
    }
}

fn add(store: &Store, clock: &Clock, new: Add) -> Result<(), Failure> {
    let name = new.name.clone();
    let account = NewAccount {
        name: new.name,
        api_password: new.api_password,
        credit: new.credit,
        currency: new.currency,
    };
    let added = operate::account_add(store, clock, account)?;
    out::line(&format!("account {name} is open (number {})", added.id))?;
    added.api_password_made.map_or(Ok(()), |made| out::line(&format!("apiPassword {made}")))
}

fn list(store: &Store, as_json: bool) -> Result<(), Failure> {
    let accounts = operate::account_list(store)?;
    if as_json {
        return out::json(&accounts.iter().map(row_json).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = accounts.iter().map(row).collect();
    let headings = [
        "id",
        "name",
        "balance",
        "currency",
        "disabled",
        "rate/s",
        "per day",
        "category",
        "spend cap/day",
        "countries",
        "senders",
        "allowed from",
        "created",
    ];
    out::table(&headings, &rows)
}

fn row(account: &Account) -> Vec<String> {
    let allowed =
        if account.allow.is_empty() { "anywhere".to_owned() } else { account.allow.join(" ") };
    vec![
        account.id.to_string(),
        account.name.clone(),
        account.balance.to_string(),
        account.currency.clone(),
        yes_no(account.disabled),
        or_dash(account.rate_per_s),
        or_dash(account.per_day),
        account.category.as_str().to_owned(),
        or_dash(account.spend_cap),
        if account.countries.is_empty() {
            "all".to_owned()
        } else {
            country_words(account).join(" ")
        },
        sender_word(account).to_owned(),
        allowed,
        account.created.iso8601(),
    ]
}

fn row_json(account: &Account) -> serde_json::Value {
    json!({
        "id": account.id.0,
        "name": account.name,
        "balance": account.balance.to_string(),
        "currency": account.currency,
        "disabled": account.disabled,
        "ratePerSecond": account.rate_per_s,
        "perDay": account.per_day,
        "category": account.category.as_str(),
        "linkUrl": account.link_url,
        "spendCap": account.spend_cap.map(|cap| cap.to_string()),
        "countries": country_words(account),
        "agesVerified": account.ages_verified,
        "optOutText": account.opt_out_text,
        "senders": sender_word(account),
        "allow": account.allow,
        "createdAt": account.created.iso8601(),
    })
}

fn country_words(account: &Account) -> Vec<String> {
    account.countries.iter().map(ToString::to_string).collect()
}

fn sender_word(account: &Account) -> &'static str {
    if account.approved_senders { "approved" } else { "any" }
}
