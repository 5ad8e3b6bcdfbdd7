//! `GET /account`: who the caller is and what is left of the credit.

use hyper::StatusCode;
use pombo_app::auth::Caller;
use pombo_app::usecase::account::account_view;

use super::error::Problem;
use super::write;
use crate::entry::{House, Response, json};

/// `GET /account`.
#[utoipa::path(
    get,
    path = "/api/rest/account",
    tag = "Account",
    summary = "Read the account and its balance",
    responses(
        (status = 200, description = "The account", body = super::schema::AccountAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn view(house: &House, caller: &Caller) -> Result<Response, Problem> {
    let account = account_view(&house.app, caller).await?;
    let mut out = Vec::with_capacity(192);
    write::raw(&mut out, "{\"data\":{\"username\":");
    write::text(&mut out, &account.name);
    write::raw(&mut out, ",\"email\":\"\",\"balance\":");
    write::money(&mut out, account.balance);
    write::raw(&mut out, ",\"currency\":");
    write::text(&mut out, &account.currency);
    write::raw(&mut out, ",\"billingType\":\"prepaid\",\"countryIso\":\"\",\"createdAt\":");
    write::text(&mut out, &account.created.iso8601());
    write::raw(&mut out, "}}");
    Ok(json(StatusCode::OK, out))
}
