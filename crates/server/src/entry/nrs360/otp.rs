//! `POST /otp/generate` and `POST /otp/check`: one-time codes, and `otpConfig` wherever it stands.

use std::ops::RangeInclusive;

use bytes::Bytes;
use hyper::StatusCode;
use pombo_app::auth::Caller;
use pombo_app::usecase::otp as usecase;
use pombo_domain::address::Phone;
use pombo_domain::opt_out::Address;
use pombo_domain::otp::{
    APP_CHARS_MAX, ATTEMPTS, Config, GUESS_CHARS_MAX, LENGTH, Otp, Reason, VALIDITY_SECONDS,
};
use pombo_domain::sms::personal::CODE_SHOWN;

use super::body::{self, OtpIn, Scalar};
use super::error::{Code, Problem};
use super::write;
use crate::entry::{House, Response, json};

/// `POST /otp/generate`.
#[utoipa::path(
    post,
    path = "/api/rest/otp/generate",
    tag = "One-time codes",
    summary = "Make a code, and answer it; it is sent nowhere. An earlier one of the same `appId` is over",
    request_body = super::schema::OtpGenerate,
    responses(
        (status = 200, description = "The code", body = super::schema::OtpAnswer),
        (status = 400, description = "Code 125", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 409, description = "With `rejectIfPendingCode`: one is pending", body = super::schema::ErrorAnswer),
        (status = 422, description = "No recipient, or a field out of its range", body = super::schema::ErrorAnswer),
        (status = 429, description = "More than the operator's limits let; see Retry-After", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn generate(
    house: &House,
    caller: &Caller,
    body: &Bytes,
) -> Result<Response, Problem> {
    let asked = body::parse_otp(body).map_err(|body::NotAnObject| Code::InvalidJson)?;
    let recipient = recipient(&asked.recipient)?;
    let config = config(&asked, "")?;
    let made = usecase::generate(&house.app, caller, recipient.clone(), config).await?;
    let mut out = Vec::with_capacity(320);
    write_otp(&mut out, &recipient, &made.code, &made.otp);
    Ok(json(StatusCode::OK, out))
}

/// `POST /otp/check`.
#[utoipa::path(
    post,
    path = "/api/rest/otp/check",
    tag = "One-time codes",
    summary = "Compare what somebody says with their code, and count it",
    request_body = super::schema::OtpCheck,
    responses(
        (status = 200, description = "Whether it is the code", body = super::schema::OtpCheckAnswer),
        (status = 400, description = "Code 125", body = super::schema::ErrorAnswer),
        (status = 401, description = "Codes 103, 112", body = super::schema::ErrorAnswer),
        (status = 422, description = "No recipient or no code", body = super::schema::ErrorAnswer),
    ),
    security(("basic" = []))
)]
pub(super) async fn check(
    house: &House,
    caller: &Caller,
    body: &Bytes,
) -> Result<Response, Problem> {
    let asked = body::parse_otp(body).map_err(|body::NotAnObject| Code::InvalidJson)?;
    let recipient = recipient(&asked.recipient)?;
    let guess = guess(&asked.code)?;
    let app_id = app_id(&asked.app_id, "")?;
    let asked_of = (recipient.clone(), app_id);
    let checked = usecase::check(&house.app, caller, asked_of, guess.clone()).await?;
    let valid = checked.reason == Reason::Valid;
    let mut out = Vec::with_capacity(400);
    write::raw(&mut out, "{\"data\":{\"valid\":");
    write::raw(&mut out, if valid { "true" } else { "false" });
    write::raw(&mut out, ",\"reason\":");
    write::text(&mut out, checked.reason.as_str());
    write::raw(&mut out, ",\"otp\":");
    match &checked.otp {
        Some(otp) => {
            // What is not known yet to who asks is not told to them.
            let shown =
                if valid { guess.trim().to_ascii_uppercase() } else { CODE_SHOWN.to_owned() };
            write_otp(&mut out, &recipient, &shown, otp);
        }
        None => write::raw(&mut out, "null"),
    }
    write::raw(&mut out, "}}");
    Ok(json(StatusCode::OK, out))
}

/// What is asked of codes; `of` is what the fields' names begin with.
pub(super) fn config(asked: &OtpIn<'_>, of: &str) -> Result<Config, Problem> {
    let usual = Config::default();
    let flag = |name: &str, value: &Scalar<'_>| {
        let wrong = || Problem::wrong_type(&format!("{of}{name}"), "true or false");
        value.truth().ok_or_else(wrong)
    };
    let length = number((of, "length"), &asked.length, &LENGTH)?;
    let attempts = number((of, "maxAttempts"), &asked.max_attempts, &ATTEMPTS)?;
    let validity = &asked.max_seconds_validity;
    let validity = number((of, "maxSecondsValidity"), validity, &VALIDITY_SECONDS)?;
    Ok(Config {
        alpha: flag("alpha", &asked.alpha)?,
        length: length.unwrap_or(usual.length),
        attempts_max: attempts.unwrap_or(usual.attempts_max),
        validity_s: validity.unwrap_or(usual.validity_s),
        app: app_id(&asked.app_id, of)?,
        reject_if_pending: flag("rejectIfPendingCode", &asked.reject_if_pending_code)?,
    })
}

/// A number of a range; `None` where it is absent.
fn number<T>(
    (of, name): (&str, &str),
    value: &Scalar<'_>,
    range: &RangeInclusive<T>,
) -> Result<Option<T>, Problem>
where
    T: TryFrom<i64> + PartialOrd + std::fmt::Display,
{
    if value.is_null() {
        return Ok(None);
    }
    let field = format!("{of}{name}");
    let whole = value.whole().ok_or_else(|| Problem::wrong_type(&field, "an integer"))?;
    let found = T::try_from(whole).ok().filter(|n| range.contains(n)).map(Some);
    let (least, most) = (range.start(), range.end());
    found.ok_or_else(|| Problem::wrong_type(&field, &format!("between {least} and {most}")))
}

fn app_id(value: &Scalar<'_>, of: &str) -> Result<String, Problem> {
    let text = match value {
        Scalar::Null => return Ok(String::new()),
        Scalar::Text(_) | Scalar::Integer(_) => value.spelling(),
        _ => return Err(Problem::wrong_type(&format!("{of}appId"), "a string")),
    };
    if text.chars().count() > APP_CHARS_MAX || text.contains('\0') {
        return Err(Problem::invalid(format!(
            "The {of}appId field must not be greater than {APP_CHARS_MAX} characters."
        )));
    }
    Ok(text.into_owned())
}

fn recipient(value: &Scalar<'_>) -> Result<Address, Problem> {
    let address = match value {
        Scalar::Null => return Err(required("recipient")),
        Scalar::Text(text) if text.is_empty() => return Err(required("recipient")),
        Scalar::Text(text) => Address::parse(text),
        Scalar::Integer(n) if *n > 0 => Phone::parse(&n.to_string()).ok().map(Address::Phone),
        _ => None,
    };
    address.ok_or_else(|| Problem::wrong_type("recipient", "a valid phone or email"))
}

fn guess(value: &Scalar<'_>) -> Result<String, Problem> {
    match value {
        Scalar::Null => Err(required("code")),
        Scalar::Text(text) if text.trim().is_empty() => Err(required("code")),
        Scalar::Text(text) if text.chars().count() > GUESS_CHARS_MAX => Err(Problem::invalid(
            format!("The code field must not be greater than {GUESS_CHARS_MAX} characters."),
        )),
        Scalar::Text(_) | Scalar::Integer(_) => Ok(value.spelling().into_owned()),
        _ => Err(Problem::wrong_type("code", "a string")),
    }
}

fn required(field: &str) -> Problem {
    Problem::invalid(format!("The {field} field is required."))
}

fn write_otp(out: &mut Vec<u8>, recipient: &Address, code: &str, otp: &Otp) {
    write::raw(out, "{\"data\":{\"recipient\":");
    write::text(out, &recipient.to_string());
    write::raw(out, ",\"code\":");
    write::text(out, code);
    for (key, n) in [
        (",\"attempts\":", otp.attempts.into()),
        (",\"maxAttempts\":", otp.config.attempts_max.into()),
        (",\"maxSecondsValidity\":", otp.config.validity_s.into()),
    ] {
        write::raw(out, key);
        write::integer(out, n);
    }
    for (key, value) in [
        (",\"appId\":", otp.config.app.clone()),
        (",\"createdAt\":", otp.created.iso8601()),
        (",\"updatedAt\":", otp.updated.iso8601()),
        (",\"expiresAt\":", otp.expires.iso8601()),
    ] {
        write::raw(out, key);
        write::text(out, &value);
    }
    write::raw(out, "}}");
}
