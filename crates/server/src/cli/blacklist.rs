//! `pombo blacklist`: whom accounts do not message any more, and their lists from files.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::Subcommand;
use pombo_app::clock::Clock;
use pombo_app::operate_inbound as inbound;
use pombo_app::operate_opt_out::{self as operate, Ended, Entry};
use pombo_domain::opt_out::word::{self, Rule};
use pombo_domain::opt_out::{Address, BadRow, Channel, FILE_BYTES_MAX, File, REASON_CHARS_MAX};
use pombo_store::Store;
use serde_json::json;

use super::{Failure, open_store, out};
use crate::config::Config;

/// Entries shown where nobody says.
const ROWS: usize = 10_000;

#[derive(Subcommand)]
pub(super) enum Command {
    /// The newest entries of an account's list.
    List {
        name: String,
        /// Only those of a channel: sms or mailing.
        #[arg(long, value_parser = channel)]
        channel: Option<Channel>,
        /// Those that were taken off it again.
        #[arg(long)]
        ended: bool,
        /// So many at most.
        #[arg(long, value_name = "N", default_value_t = ROWS)]
        limit: usize,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Message somebody no more: telephone numbers or e-mail addresses.
    Add {
        name: String,
        #[arg(required = true, value_name = "ADDRESS", value_parser = address)]
        addresses: Vec<Address>,
        /// Why; kept with the entry.
        #[arg(long, value_name = "TEXT", default_value = "", value_parser = reason)]
        reason: String,
    },
    /// Message somebody again.
    Remove {
        name: String,
        #[arg(required = true, value_name = "ADDRESS", value_parser = address)]
        addresses: Vec<Address>,
        /// Why; kept with the entry that ends.
        #[arg(long, value_name = "TEXT", default_value = "", value_parser = reason)]
        reason: String,
    },
    /// Words that opt out and in when a recipient sends them.
    #[command(subcommand)]
    Words(Words),
    /// What an account answers, once, to who opts out or in by such a word.
    Answer {
        name: String,
        /// To who opted out; `none`: nothing.
        #[arg(long, value_name = "TEXT")]
        out: Option<String>,
        /// To who opted in again; `none`: nothing.
        #[arg(long = "in", value_name = "TEXT")]
        again: Option<String>,
    },
    /// Add the addresses of a CSV file with a heading `phone`, `email` or both, and maybe `reason`.
    Import {
        name: String,
        file: PathBuf,
        /// The reason of rows that give none.
        #[arg(long, value_name = "TEXT", default_value = "", value_parser = reason)]
        reason: String,
    },
}

#[derive(Subcommand)]
pub(super) enum Words {
    /// Those that were set here, and with `--all` those that come with pombo.
    List {
        #[arg(long)]
        all: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what a word does: out (as the whole message), out-first (also as the first word of a
    /// short one), in, or off.
    Set {
        word: String,
        #[arg(value_parser = rule)]
        rule: Rule,
        /// For this account only.
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
    },
    /// Let a word do again what it does without being set.
    Unset {
        word: String,
        /// As it was set.
        #[arg(long, value_name = "NAME")]
        account: Option<String>,
    },
}

fn rule(text: &str) -> Result<Rule, String> {
    Rule::parse(text).ok_or_else(|| "write out, out-first, in or off".to_owned())
}

fn channel(text: &str) -> Result<Channel, String> {
    Channel::parse(text).ok_or_else(|| "write sms or mailing".to_owned())
}

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).ok_or_else(|| {
        "write a telephone number with its country code, or an e-mail address".into()
    })
}

fn reason(text: &str) -> Result<String, String> {
    match text.chars().count() > REASON_CHARS_MAX {
        true => Err(format!("write at most {REASON_CHARS_MAX} characters")),
        false => Ok(text.to_owned()),
    }
}

pub(super) fn run(command: Command, config: &Config) -> Result<(), Failure> {
    let store = open_store(config)?;
    let clock = Clock::system();
    match command {
        Command::List { name, ended: true, limit, json, .. } => {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            list_ended(&operate::ended(&store, &name, limit)?, json)
        }
        Command::List { name, channel, limit, json, .. } => {
            list(&operate::list(&store, &name, channel, limit)?, json)
        }
        Command::Add { name, addresses, reason } => {
            let account = operate::account_named(&store, &name)?;
            let to = (&store, &clock);
            let n = operate::add(to, account, &addresses, &reason, &mut |_| {})?;
            out::line(&format!("{n} added; {} were on the list", addresses.len() - n))
        }
        Command::Remove { name, addresses, reason } => {
            let account = operate::account_named(&store, &name)?;
            let n = operate::remove((&store, &clock), account, &addresses, &reason)?;
            out::line(&format!("{n} removed; {} were not on the list", addresses.len() - n))
        }
        Command::Words(command) => words(&store, command),
        Command::Answer { name, out, again } => answer(&store, &name, (out, again)),
        Command::Import { name, file, reason } => {
            let account = operate::account_named(&store, &name)?;
            let File { good, bad } = read(&file)?;
            complain(&bad)?;
            let n_good = good.len();
            let mut n = 0;
            let mut done = 0;
            let mut progress = progress(n_good);
            for (own, addresses) in by_reason(good) {
                let reason = if own.is_empty() { &reason } else { &own };
                let told = &mut |piece| progress(done + piece);
                n += operate::add((&store, &clock), account, &addresses, reason, told)?;
                done += addresses.len();
            }
            let (known, bad) = (n_good - n, bad.len());
            out::line(&format!("{n} added, {known} were on the list, {bad} bad rows are left out"))
        }
    }
}

fn words(store: &Store, command: Words) -> Result<(), Failure> {
    match command {
        Words::List { all, json } => {
            let mut rows: Vec<(String, String, Rule)> = inbound::words(store)?;
            if all {
                let table = word::table().map(|(w, rule)| ("(pombo)".into(), w.into(), rule));
                rows.extend(table);
            }
            if json {
                let row = |(account, word, rule): &(String, String, Rule)| json!({"account": account, "word": word, "rule": rule.as_str()});
                return out::json(&rows.iter().map(row).collect::<Vec<_>>());
            }
            let row = |(account, word, rule): (String, String, Rule)| {
                let whose = if account.is_empty() { "(all)".to_owned() } else { account };
                vec![word, rule.as_str().to_owned(), whose]
            };
            let rows: Vec<Vec<String>> = rows.into_iter().map(row).collect();
            out::table(&["word", "does", "account"], &rows)
        }
        Words::Set { word, rule, account } => {
            let word = inbound::set_word(store, account.as_deref(), &word, Some(rule))?;
            out::line(&format!("{word} is {} now", rule.as_str()))
        }
        Words::Unset { word, account } => {
            let word = inbound::set_word(store, account.as_deref(), &word, None)?;
            out::line(&format!("{word} is not set any more"))
        }
    }
}

fn answer(
    store: &Store,
    name: &str,
    (out, again): (Option<String>, Option<String>),
) -> Result<(), Failure> {
    let text = |text: String| if text == "none" { String::new() } else { text };
    let answers = inbound::set_answers(store, name, (out.map(text), again.map(text)))?;
    let shown = |text: &str| out::or_dash(Some(text).filter(|text| !text.is_empty()));
    out::line(&format!("to who opts out: {}", shown(&answers.opted_out)))?;
    out::line(&format!("to who opts in again: {}", shown(&answers.opted_in)))
}

/// The addresses of each reason, so that they are added together.
fn by_reason(rows: Vec<(Address, String)>) -> Vec<(String, Vec<Address>)> {
    let mut reasons: Vec<(String, Vec<Address>)> = Vec::new();
    let mut place = std::collections::HashMap::new();
    for (address, reason) in rows {
        let at = *place.entry(reason.clone()).or_insert_with(|| {
            reasons.push((reason, Vec::new()));
            reasons.len() - 1
        });
        if let Some((_, addresses)) = reasons.get_mut(at) {
            addresses.push(address);
        }
    }
    reasons
}

fn read(file: &Path) -> Result<File, Failure> {
    let failed = |why: &dyn std::fmt::Display| {
        Failure::Failed(format!("{}: {why}; name a CSV file in UTF-8", file.display()))
    };
    let size = std::fs::metadata(file).map_err(|e| failed(&e))?.len();
    if size > FILE_BYTES_MAX {
        return Err(failed(&format!("it is larger than {} MiB", FILE_BYTES_MAX >> 20)));
    }
    let text = std::fs::read_to_string(file).map_err(|e| failed(&e))?;
    File::read(&text).map_err(|why| Failure::Failed(format!("{}: {why}", file.display())))
}

fn complain(bad: &[BadRow]) -> Result<(), Failure> {
    let mut stderr = std::io::stderr().lock();
    for row in bad {
        writeln!(stderr, "pombo: {row}")?;
    }
    Ok(())
}

/// Shows how many rows are done, to those who watch.
fn progress(n: usize) -> impl FnMut(usize) {
    let is_shown = std::io::stderr().is_terminal();
    move |done| {
        if is_shown {
            let end = if done == n { "\n" } else { "" };
            // Progress never stops the work.
            let _ = write!(std::io::stderr(), "\r{done} of {n}{end}");
        }
    }
}

fn list(entries: &[Entry], as_json: bool) -> Result<(), Failure> {
    if as_json {
        return out::json(&entries.iter().map(entry_json).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = entries.iter().map(cells).collect();
    out::table(&["address", "channel", "since", "by", "reason"], &rows)
}

fn cells(entry: &Entry) -> Vec<String> {
    vec![
        entry.address.to_string(),
        entry.address.channel().as_str().to_owned(),
        entry.at.iso8601(),
        entry.source.as_str().to_owned(),
        out::or_dash(Some(&entry.reason).filter(|reason| !reason.is_empty())),
    ]
}

fn entry_json(entry: &Entry) -> serde_json::Value {
    json!({
        "id": entry.id,
        "channel": entry.address.channel().as_str(),
        "address": entry.address.to_string(),
        "createdAt": entry.at.iso8601(),
        "source": entry.source.as_str(),
        "reason": entry.reason,
    })
}

fn list_ended(ended: &[Ended], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let json = |ended: &Ended| {
            let mut json = entry_json(&ended.entry);
            json["endedAt"] = ended.at.iso8601().into();
            json["endedBy"] = ended.source.as_str().into();
            json["endedReason"] = ended.reason.clone().into();
            json
        };
        return out::json(&ended.iter().map(json).collect::<Vec<_>>());
    }
    let row = |ended: &Ended| {
        let mut row = cells(&ended.entry);
        let why = Some(&ended.reason).filter(|reason| !reason.is_empty());
        row.extend([ended.at.iso8601(), ended.source.as_str().to_owned(), out::or_dash(why)]);
        row
    };
    let rows: Vec<Vec<String>> = ended.iter().map(row).collect();
    let headings =
        ["address", "channel", "since", "by", "reason", "ended", "ended by", "ended because"];
    out::table(&headings, &rows)
}
