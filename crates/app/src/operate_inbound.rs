//! What operators do about messages from handsets from the command line, on the open store.

use std::collections::HashMap;

use pombo_domain::id::AccountId;
use pombo_domain::opt_out::word::{Rule, fold_word};
use pombo_store::Store;
pub use pombo_store::operation::inbound::Message;
pub use pombo_store::operation::inbound::number::Number;
use pombo_store::operation::inbound::{self as op, number};
use pombo_store::operation::opt_out_word as words;
pub use pombo_store::operation::opt_out_word::Answers;
use pombo_store::operation::{account, route};

use crate::operate::{Problem, route_named};
use crate::operate_opt_out::account_named;

/// A message with the names of its account and route; the account's is empty where it is nobody's.
#[derive(Debug, Clone)]
pub struct Row {
    /// The account's name.
    pub account: String,
    /// The route's name.
    pub route: String,
    /// The message.
    pub message: Message,
}

/// The newest messages: of an account, of nobody (`Some("")`), or of all.
pub fn list(store: &Store, of: Option<&str>, limit: i64) -> Result<Vec<Row>, Problem> {
    let messages = match of {
        None => store.ask_blocking(op::Newest { limit })?,
        Some(name) => {
            let account = match name {
                "" => None,
                name => Some(account_named(store, name)?),
            };
            let all = op::List {
                account,
                from: String::new(),
                to: String::new(),
                after: pombo_domain::time::Instant::from_micros(i64::MIN),
                before: pombo_domain::time::Instant::from_micros(i64::MAX),
                skip: 0,
                limit,
            };
            store.ask_blocking(all)?.messages
        }
    };
    let accounts: HashMap<AccountId, String> =
        store.ask_blocking(account::List)?.into_iter().map(|a| (a.id, a.name)).collect();
    let routes: HashMap<_, String> =
        store.ask_blocking(route::List)?.into_iter().map(|r| (r.id, r.name)).collect();
    let row = |message: Message| Row {
        account: message.account.and_then(|id| accounts.get(&id).cloned()).unwrap_or_default(),
        route: routes.get(&message.route).cloned().unwrap_or_default(),
        message,
    };
    Ok(messages.into_iter().map(row).collect())
}

/// The digits of a number or short code that people write to.
pub fn number_of(text: &str) -> Result<String, Problem> {
    let digits: String = text.chars().filter(|c| !" -.()".contains(*c)).collect();
    let digits = digits.strip_prefix('+').or_else(|| digits.strip_prefix("00")).unwrap_or(&digits);
    let is_one = (3..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if is_one {
        return Ok(digits.to_owned());
    }
    Err(Problem::Refused(format!("{text:?} is no number: write 3 to 15 digits")))
}

/// Gives a number to an account; answers how many messages that were nobody's are the account's now.
pub fn give_number(
    store: &Store,
    number: &str,
    name: &str,
    route: Option<&str>,
) -> Result<usize, Problem> {
    let route = route.map(|route| route_named(store, route)).transpose()?;
    let (number, account) = (number_of(number)?, account_named(store, name)?);
    Ok(store.run_blocking(number::Set { number, route, account })?)
}

/// Takes a number from its account.
pub fn take_number(store: &Store, number: &str, route: Option<&str>) -> Result<(), Problem> {
    let route = route.map(|route| route_named(store, route)).transpose()?;
    let digits = number_of(number)?;
    if store.run_blocking(number::Remove { number: digits, route })? {
        return Ok(());
    }
    Err(Problem::Refused(format!("{number} is nobody's; `pombo numbers list` shows them all")))
}

/// Every number that is an account's.
pub fn numbers(store: &Store) -> Result<Vec<Number>, Problem> {
    Ok(store.ask_blocking(number::List)?)
}

/// Says what a word does, for one account or for all; answers the word as it is compared.
pub fn set_word(
    store: &Store,
    name: Option<&str>,
    word: &str,
    rule: Option<Rule>,
) -> Result<String, Problem> {
    let account = name.map(|name| account_named(store, name)).transpose()?;
    let folded = fold_word(word).ok_or_else(|| {
        Problem::Refused(format!("{word:?} is no single word of at most 32 letters and digits"))
    })?;
    let set = words::Set { account, word: folded.clone(), rule };
    if store.run_blocking(set)? {
        return Ok(folded);
    }
    Err(Problem::Refused(format!("{folded} was not set; `pombo words list` shows those that are")))
}

/// The words that operators set: the account's name (empty: for all), the word, what it does.
pub fn words(store: &Store) -> Result<Vec<(String, String, Rule)>, Problem> {
    Ok(store.ask_blocking(words::List)?)
}

/// Sets what an account answers; what is `None` stays.
pub fn set_answers(
    store: &Store,
    name: &str,
    (opted_out, opted_in): (Option<String>, Option<String>),
) -> Result<Answers, Problem> {
    let account = account_named(store, name)?;
    let before = store.ask_blocking(words::FindAnswers(account))?;
    let answers = Answers {
        opted_out: opted_out.unwrap_or(before.opted_out),
        opted_in: opted_in.unwrap_or(before.opted_in),
    };
    store.run_blocking(words::SetAnswers { account, answers: answers.clone() })?;
    Ok(answers)
}
