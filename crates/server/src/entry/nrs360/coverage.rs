//! `GET /coverage/sms` and `/coverage/sms/countries`: where the caller can send to, at which cost.

use hyper::StatusCode;
use pombo_app::auth::Caller;
use pombo_app::usecase::coverage::{Coverage, Covered, coverage};
use pombo_domain::address::Country;

use super::error::Problem;
use super::query::pairs;
use super::write;
use crate::entry::{House, Response, json};

/// `GET /coverage/sms`: by network.
#[utoipa::path(
    get,
    path = "/api/rest/coverage/sms",
    tag = "Coverage",
    summary = "List the networks that can be reached, with the cost of a part",
    params(("countryIso" = Option<String>, Query, description = "Only this country, by its two letters")),
    responses(
        (status = 200, description = "A `Default` row for each country, and one for each network with a price of its own", body = super::schema::CoverageAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "`countryIso` is not two letters", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
#[expect(clippy::unused_async, reason = "handlers are alike")]
pub(super) async fn networks(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let found = coverage(&house.app, caller, country_iso(query)?);
    let mut out = Vec::with_capacity(found.networks.len() * 160);
    write::raw(&mut out, "{\"data\":[");
    for (i, row) in found.networks.iter().enumerate() {
        write_country(&mut out, i, row);
        write::raw(&mut out, ",\"networkName\":");
        write::text(&mut out, &row.name);
        let mcc = row.network.map_or(row.country.mcc, |network| network.mcc);
        write::raw(&mut out, &format!(",\"mcc\":\"{mcc:03}\",\"mnc\":"));
        match row.network {
            Some(network) => write::text(&mut out, &network.mnc_written()),
            None => write::raw(&mut out, "null"),
        }
        write::raw(&mut out, ",\"cost\":");
        write::money(&mut out, row.cost);
        write_currency(&mut out, &found);
    }
    write::raw(&mut out, "]}");
    Ok(json(StatusCode::OK, out))
}

/// `GET /coverage/sms/countries`: by country.
#[utoipa::path(
    get,
    path = "/api/rest/coverage/sms/countries",
    tag = "Coverage",
    summary = "List the countries that can be reached, with the least and the most that a part costs",
    params(("countryIso" = Option<String>, Query, description = "Only this country, by its two letters")),
    responses(
        (status = 200, description = "The countries", body = super::schema::CountryCoverageAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "`countryIso` is not two letters", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
#[expect(clippy::unused_async, reason = "handlers are alike")]
pub(super) async fn countries(
    house: &House,
    caller: &Caller,
    query: Option<&str>,
) -> Result<Response, Problem> {
    let found = coverage(&house.app, caller, country_iso(query)?);
    let mut out = Vec::with_capacity(found.networks.len() * 160);
    write::raw(&mut out, "{\"data\":[");
    let same = |a: &Covered, b: &Covered| a.country.country == b.country.country;
    for (i, rows) in found.networks.chunk_by(same).enumerate() {
        write_country(&mut out, i, &rows[0]);
        write::raw(&mut out, ",\"networks\":[");
        let named = rows.iter().filter(|row| row.network.is_some());
        for (j, row) in named.enumerate() {
            write::raw(&mut out, if j == 0 { "" } else { "," });
            write::text(&mut out, &row.name);
        }
        for (key, cost) in [
            ("],\"minCost\":", rows.iter().map(|row| row.cost).min()),
            (",\"maxCost\":", rows.iter().map(|row| row.cost).max()),
        ] {
            write::raw(&mut out, key);
            write::money(&mut out, cost.unwrap_or_default());
        }
        write_currency(&mut out, &found);
    }
    write::raw(&mut out, "]}");
    Ok(json(StatusCode::OK, out))
}

fn write_country(out: &mut Vec<u8>, idx: usize, row: &Covered) {
    write::raw(out, if idx == 0 { "{\"countryIso\":" } else { ",{\"countryIso\":" });
    write::text(out, row.country.country.as_str());
    write::raw(out, ",\"countryName\":");
    write::text(out, row.country.name);
}

fn write_currency(out: &mut Vec<u8>, found: &Coverage) {
    write::raw(out, ",\"currencyCode\":");
    write::text(out, &found.currency);
    write::raw(out, ",\"currencySymbol\":");
    write::text(out, symbol(&found.currency));
    out.push(b'}');
}

/// How a currency is written; its code where it has no sign of its own.
fn symbol(currency: &str) -> &str {
    match currency {
        "EUR" => "€",
        "USD" => "$",
        "GBP" => "£",
        "BRL" => "R$",
        "MXN" => "MX$",
        "JPY" => "¥",
        "INR" => "₹",
        "PEN" => "S/",
        code => code,
    }
}

fn country_iso(query: Option<&str>) -> Result<Option<Country>, Problem> {
    let mut pairs = pairs(query);
    let given =
        pairs.find(|(key, _)| key == "countryIso").filter(|(_, letters)| !letters.is_empty());
    let Some((_, letters)) = given else { return Ok(None) };
    let country = Country::parse(&letters);
    country.map(Some).ok_or_else(|| Problem::invalid("The countryIso field must be 2 letters."))
}
