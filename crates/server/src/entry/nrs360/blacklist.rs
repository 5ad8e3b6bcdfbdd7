//! `GET`, `POST` and `DELETE /blacklist`: whom the account does not message any more. The document
//! knows the word and what it does; the requests are ours.

use std::num::NonZeroUsize;

use bytes::Bytes;
use hyper::StatusCode;
use pombo_app::auth::Caller;
use pombo_app::usecase::opt_out::{Entry, opt_in, opt_out, opt_outs, opted_out};
use pombo_domain::address::Phone;
use pombo_domain::limits::{OPT_OUTS_AT_ONCE_MAX, OPT_OUTS_PAGE_MAX};
use pombo_domain::opt_out::{Address, Channel, REASON_CHARS_MAX};

use super::body::{self, BlacklistIn, Many, Scalar};
use super::error::{Code, Problem};
use super::page::{Page, number};
use super::query::pairs;
use super::write;
use crate::entry::{House, Response, json};

/// Entries of a page where the request does not say.
const PAGE: usize = 100;

/// `GET /blacklist`.
#[utoipa::path(
    get,
    path = "/api/rest/blacklist",
    tag = "Opt-outs",
    summary = "List whom the account does not message any more, newest first; or look some up",
    params(
        ("phone" = Option<String>, Query, description = "Only these, where they are on it; several with commas or as `phone[]`"),
        ("email" = Option<String>, Query, description = "The same for e-mail addresses"),
        ("channel" = Option<String>, Query, description = "`sms` or `mailing`; absent: both"),
        ("page" = Option<u64>, Query, description = "From 1"),
        ("limit" = Option<u64>, Query, description = "Entries of a page, up to 1,000; default 100"),
    ),
    responses(
        (status = 200, description = "A page; at most 1,000,000 are counted", body = super::schema::BlacklistAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "A filter of a wrong type or kind", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn list(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let (mut page, mut limit) = (NonZeroUsize::MIN, PAGE);
    for (key, value) in pairs(query) {
        match key.as_ref() {
            "page" if !value.is_empty() => page = number("page", &value)?,
            "limit" if !value.is_empty() => {
                limit = number("limit", &value)?.get().min(OPT_OUTS_PAGE_MAX);
            }
            _ => {}
        }
    }
    let asked = of_query(query);
    let channel = channel_of(&asked.channel)?;
    let (entries, total) = if asked.names_some() {
        let addresses = Addresses::read(&asked, channel)?.only_good()?;
        let found = opted_out(&house.app, caller, &addresses).await?;
        limit = limit.max(found.len());
        let total = found.len();
        (found, total)
    } else {
        let listed = opt_outs(&house.app, caller, channel, (page, limit)).await?;
        (listed.entries, usize::try_from(listed.total).unwrap_or(usize::MAX))
    };
    let mut out = Vec::with_capacity(128 + 128 * entries.len());
    write::raw(&mut out, "{\"data\":");
    write_entries(&mut out, &entries);
    out.push(b',');
    let url = format!("{}/api/rest/blacklist", house.public_url);
    Page { url: &url, query, number: page.get(), limit, count: entries.len(), total }
        .write_meta(&mut out);
    out.push(b'}');
    Ok(json(StatusCode::OK, out))
}

/// `POST /blacklist`.
#[utoipa::path(
    post,
    path = "/api/rest/blacklist",
    tag = "Opt-outs",
    summary = "Message somebody no more",
    request_body = super::schema::BlacklistAdd,
    responses(
        (status = 201, description = "Their entries; who was on the list keeps what was known", body = super::schema::BlacklistAdded),
        (status = 207, description = "Some are no addresses: `invalid` names them, the others are on the list", body = super::schema::BlacklistAdded),
        (status = 400, description = "Code 125", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "No address, or a field of a wrong type", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn add(house: &House, caller: &Caller, body: &Bytes) -> Result<Response, Problem> {
    let asked = body::parse_blacklist(body).map_err(|body::NotAnObject| Code::InvalidJson)?;
    let addresses = Addresses::read(&asked, channel_of(&asked.channel)?)?;
    let reason = reason_of(&asked.reason)?;
    let Addresses { good, bad } = addresses;
    let status = if bad.is_empty() { StatusCode::CREATED } else { StatusCode::MULTI_STATUS };
    let entries = opt_out(&house.app, caller, good, &reason).await?;
    let mut out = Vec::with_capacity(64 + 128 * entries.len());
    write::raw(&mut out, "{\"data\":");
    write_entries(&mut out, &entries);
    if !bad.is_empty() {
        write::raw(&mut out, ",\"invalid\":[");
        for (i, written) in bad.iter().enumerate() {
            write::raw(&mut out, if i == 0 { "" } else { "," });
            write::text(&mut out, written);
        }
        out.push(b']');
    }
    out.push(b'}');
    Ok(json(status, out))
}

/// `DELETE /blacklist`.
#[utoipa::path(
    delete,
    path = "/api/rest/blacklist",
    tag = "Opt-outs",
    summary = "Message somebody again who asked for it; named in the query or in the body",
    params(
        ("phone" = Option<String>, Query, description = "Several with commas or as `phone[]`"),
        ("email" = Option<String>, Query, description = "The same"),
    ),
    request_body(content = super::schema::BlacklistRemove, description = "Instead of the query"),
    responses(
        (status = 200, description = "How many were on the list", body = super::schema::DeletedAnswer),
        (status = 400, description = "Code 125", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "No address, or one that is none", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn remove(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
    body: &Bytes,
) -> Result<Response, Problem> {
    let asked = if body.iter().all(u8::is_ascii_whitespace) {
        of_query(query)
    } else {
        body::parse_blacklist(body).map_err(|body::NotAnObject| Code::InvalidJson)?
    };
    let addresses = Addresses::read(&asked, channel_of(&asked.channel)?)?.only_good()?;
    let n = opt_in(&house.app, caller, &addresses, &reason_of(&asked.reason)?).await?;
    Ok(json(StatusCode::OK, format!("{{\"result\":{{\"deleted\":{n}}}}}").into_bytes()))
}

impl BlacklistIn<'_> {
    /// Whether it has addresses.
    fn names_some(&self) -> bool {
        self.phone != Many::Absent || self.email != Many::Absent
    }
}

/// The addresses of a query: one, several with commas, or a list.
fn of_query(query: Option<&str>) -> BlacklistIn<'_> {
    let mut asked = BlacklistIn::default();
    let (mut phones, mut emails) = (Vec::new(), Vec::new());
    for (key, value) in pairs(query) {
        let name = key.split_once('[').map_or(key.as_ref(), |(name, _)| name);
        let each = value.split(',').map(|one| Scalar::Text(one.trim().to_owned().into()));
        match name {
            _ if value.is_empty() => {}
            "phone" => phones.extend(each),
            "email" => emails.extend(each),
            "channel" => asked.channel = Scalar::Text(value),
            "reason" => asked.reason = Scalar::Text(value),
            _ => {}
        }
    }
    let many = |items: Vec<Scalar<'static>>| {
        if items.is_empty() { Many::Absent } else { Many::Items(items) }
    };
    (asked.phone, asked.email) = (many(phones), many(emails));
    asked
}

/// What was named.
struct Addresses {
    good: Vec<Address>,
    /// What is none, as it was written.
    bad: Vec<String>,
}

impl Addresses {
    /// Reads them; refuses where none is one.
    fn read(asked: &BlacklistIn<'_>, channel: Option<Channel>) -> Result<Self, Problem> {
        let phones = items("phone", &asked.phone)?;
        let emails = items("email", &asked.email)?;
        if phones.is_empty() && emails.is_empty() {
            let words = "The phone field is required when email is not present.";
            return Err(Problem::invalid(words));
        }
        if phones.len() + emails.len() > OPT_OUTS_AT_ONCE_MAX {
            let words = format!("At most {OPT_OUTS_AT_ONCE_MAX} addresses can be named at a time.");
            return Err(Problem::invalid(words));
        }
        let reached = |by: Channel, items: &[Scalar<'_>]| {
            items.is_empty() || channel.is_none_or(|asked| asked == by)
        };
        if !reached(Channel::Sms, phones) || !reached(Channel::Mailing, emails) {
            return Err(Problem::invalid("The selected channel is invalid."));
        }
        let mut addresses = Self { good: Vec::new(), bad: Vec::new() };
        for item in phones {
            let phone = match item {
                Scalar::Text(_) | Scalar::Integer(_) => Phone::parse(&item.spelling()).ok(),
                _ => None,
            };
            addresses.put(phone.map(Address::Phone), item);
        }
        for item in emails {
            let email = match item {
                Scalar::Text(text) => Address::parse_email(text).ok(),
                _ => None,
            };
            addresses.put(email, item);
        }
        if addresses.good.is_empty() {
            return Err(addresses.problem(phones.is_empty()));
        }
        Ok(addresses)
    }

    fn put(&mut self, address: Option<Address>, item: &Scalar<'_>) {
        match address {
            Some(address) => self.good.push(address),
            None => self.bad.push(item.spelling().into_owned()),
        }
    }

    fn problem(&self, is_email: bool) -> Problem {
        match is_email {
            true => Problem::wrong_type("email", "a valid email address"),
            false => Problem::wrong_type("phone", "a valid phone number"),
        }
    }

    /// Refuses where some are none.
    fn only_good(self) -> Result<Vec<Address>, Problem> {
        let is_email = self.good.iter().all(|address| address.channel() == Channel::Mailing);
        if self.bad.is_empty() { Ok(self.good) } else { Err(self.problem(is_email)) }
    }
}

fn items<'a, 'v>(field: &str, many: &'v Many<'a>) -> Result<&'v [Scalar<'a>], Problem> {
    match many {
        Many::Absent => Ok(&[]),
        Many::One(one) => Ok(std::slice::from_ref(one)),
        Many::Items(items) => Ok(items),
        Many::Excess => Err(Problem::wrong_type(field, "a list of at most 10,000 items")),
    }
}

fn channel_of(channel: &Scalar<'_>) -> Result<Option<Channel>, Problem> {
    match channel {
        Scalar::Null => Ok(None),
        Scalar::Text(name) if name.is_empty() => Ok(None),
        Scalar::Text(name) => Channel::parse(name)
            .map(Some)
            .ok_or_else(|| Problem::invalid("The selected channel is invalid.")),
        _ => Err(Problem::wrong_type("channel", "a string")),
    }
}

fn reason_of(reason: &Scalar<'_>) -> Result<String, Problem> {
    match reason {
        Scalar::Null => Ok(String::new()),
        Scalar::Text(text) if text.chars().count() > REASON_CHARS_MAX => Err(Problem::invalid(
            format!("The reason field must not be greater than {REASON_CHARS_MAX} characters."),
        )),
        Scalar::Text(text) => Ok(text.trim().to_owned()),
        _ => Err(Problem::wrong_type("reason", "a string")),
    }
}

fn write_entries(out: &mut Vec<u8>, entries: &[Entry]) {
    out.push(b'[');
    for (i, entry) in entries.iter().enumerate() {
        write::raw(out, if i == 0 { "{\"channel\":" } else { ",{\"channel\":" });
        write::text(out, entry.address.channel().as_str());
        let (phone, email) = match &entry.address {
            Address::Phone(_) => (Some(entry.address.to_string()), None),
            Address::Email(email) => (None, Some(email.clone())),
        };
        for (key, value) in [(",\"phone\":", phone), (",\"email\":", email)] {
            write::raw(out, key);
            match value {
                Some(value) => write::text(out, &value),
                None => write::raw(out, "null"),
            }
        }
        for (key, value) in [
            (",\"source\":", entry.source.as_str()),
            (",\"reason\":", &entry.reason),
            (",\"createdAt\":", &entry.at.iso8601()),
        ] {
            write::raw(out, key);
            write::text(out, value);
        }
        out.push(b'}');
    }
    out.push(b']');
}
