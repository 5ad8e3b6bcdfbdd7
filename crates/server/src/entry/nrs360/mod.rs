//! The 360NRS dialect: `/api/rest/…`. Field names, codes and formats are known here and nowhere
//! else; what is decided, use cases decide.

mod account;
mod auth;
mod blacklist;
mod body;
mod campaign;
mod certificate;
mod coverage;
pub mod error;
mod inbound;
mod notifications;
mod older;
mod otp;
mod page;
mod query;
mod report;
mod scheduled;
mod schema;
mod senders;
mod sms;
mod sms_in;
mod write;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::{Method, Request};
use metrics::Counter;
use pombo_app::auth::Caller;
use pombo_domain::campaign::Order;

use super::body::Unread;
use super::{House, Response};
use error::Problem;
use older::Door;

/// What every path of this dialect begins with.
const PREFIX: &str = "/api/rest";

/// A resource and its method.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// `GET`, `POST`, `PUT` or `DELETE`.
    pub method: &'static str,
    /// The path below the prefix; `{…}` stands for one segment.
    pub path: &'static str,
    action: Action,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    SendSms,
    SmsStatus,
    SmsCertificate,
    Account,
    Coverage,
    CoverageCountries,
    OlderMessage,
    ListScheduled,
    MoveScheduled,
    CancelScheduled,
    Blacklist,
    AddToBlacklist,
    RemoveFromBlacklist,
    Inbound,
    GenerateOtp,
    CheckOtp,
    Senders,
    AskForSender,
    WithdrawSender,
    Notifications,
    SetNotifications,
    RotateSecret,
    Replay,
    DeadLetters,
    Campaigns,
    Campaign,
    OrderCampaign(Order),
    CampaignEvents,
    Sendings,
    Sending,
    OrderSending(Order),
    SendingEvents,
}

impl Action {
    /// Whether the request's body says more.
    const fn reads_a_body(self) -> bool {
        matches!(
            self,
            Self::OlderMessage
                | Self::ListScheduled
                | Self::MoveScheduled
                | Self::CancelScheduled
                | Self::AddToBlacklist
                | Self::RemoveFromBlacklist
                | Self::GenerateOtp
                | Self::CheckOtp
                | Self::AskForSender
                | Self::SetNotifications
                | Self::RotateSecret
                | Self::Replay
        )
    }
}

/// Every route of the dialect.
pub const ROUTES: &[Route] = &[
    Route { method: "POST", path: "/sms", action: Action::SendSms },
    Route { method: "GET", path: "/sms/{ids}", action: Action::SmsStatus },
    Route { method: "GET", path: "/sms/certificates/{id}", action: Action::SmsCertificate },
    Route { method: "GET", path: "/account", action: Action::Account },
    Route { method: "GET", path: "/coverage/sms", action: Action::Coverage },
    Route { method: "GET", path: "/coverage/sms/countries", action: Action::CoverageCountries },
    Route { method: "POST", path: "/message", action: Action::OlderMessage },
    Route { method: "GET", path: "/scheduled", action: Action::ListScheduled },
    Route { method: "PUT", path: "/scheduled", action: Action::MoveScheduled },
    Route { method: "DELETE", path: "/scheduled", action: Action::CancelScheduled },
    Route { method: "GET", path: "/blacklist", action: Action::Blacklist },
    Route { method: "POST", path: "/blacklist", action: Action::AddToBlacklist },
    Route { method: "DELETE", path: "/blacklist", action: Action::RemoveFromBlacklist },
    Route { method: "GET", path: "/inbound", action: Action::Inbound },
    Route { method: "POST", path: "/otp/generate", action: Action::GenerateOtp },
    Route { method: "POST", path: "/otp/check", action: Action::CheckOtp },
    Route { method: "GET", path: "/senders", action: Action::Senders },
    Route { method: "POST", path: "/senders", action: Action::AskForSender },
    Route { method: "DELETE", path: "/senders/{id}", action: Action::WithdrawSender },
    Route { method: "GET", path: "/account/notifications", action: Action::Notifications },
    Route { method: "PUT", path: "/account/notifications", action: Action::SetNotifications },
    Route { method: "POST", path: "/account/notifications/secret", action: Action::RotateSecret },
    Route { method: "POST", path: "/account/notifications/replay", action: Action::Replay },
    Route { method: "GET", path: "/account/notifications/dead", action: Action::DeadLetters },
    Route { method: "GET", path: "/campaigns", action: Action::Campaigns },
    Route { method: "GET", path: "/campaigns/{id}", action: Action::Campaign },
    Route {
        method: "POST",
        path: "/campaigns/{id}/pause",
        action: Action::OrderCampaign(Order::Pause),
    },
    Route {
        method: "POST",
        path: "/campaigns/{id}/resume",
        action: Action::OrderCampaign(Order::Resume),
    },
    Route {
        method: "POST",
        path: "/campaigns/{id}/cancel",
        action: Action::OrderCampaign(Order::Cancel),
    },
    Route { method: "GET", path: "/campaigns/{id}/reports/events", action: Action::CampaignEvents },
    Route { method: "GET", path: "/sendings", action: Action::Sendings },
    Route { method: "GET", path: "/sendings/{id}", action: Action::Sending },
    Route {
        method: "POST",
        path: "/sendings/{id}/pause",
        action: Action::OrderSending(Order::Pause),
    },
    Route {
        method: "POST",
        path: "/sendings/{id}/resume",
        action: Action::OrderSending(Order::Resume),
    },
    Route {
        method: "POST",
        path: "/sendings/{id}/cancel",
        action: Action::OrderSending(Order::Cancel),
    },
    Route { method: "GET", path: "/sendings/{id}/reports/events", action: Action::SendingEvents },
];

/// The handlers' documentation, for `/openapi.json`.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        sms::send,
        sms::status,
        certificate::view,
        account::view,
        coverage::networks,
        coverage::countries,
        older::message,
        older::send_php,
        campaign::list_campaigns,
        campaign::one_campaign,
        campaign::order_campaign,
        campaign::list_sendings,
        campaign::one_sending,
        campaign::order_sending,
        report::of_campaign,
        report::of_sending,
        scheduled::list,
        scheduled::update,
        scheduled::delete,
        inbound::list,
        blacklist::list,
        blacklist::add,
        blacklist::remove,
        otp::generate,
        otp::check,
        senders::list,
        senders::ask,
        senders::withdraw,
        notifications::view,
        notifications::set,
        notifications::rotate,
        notifications::replay,
        notifications::dead
    ),
    components(schemas(
        schema::SmsRequest,
        schema::SmsAnswer,
        schema::StatusAnswer,
        schema::AccountAnswer,
        schema::CoverageAnswer,
        schema::CountryCoverageAnswer,
        schema::OlderMessage,
        schema::OlderFate,
        schema::ScheduledAnswer,
        schema::ScheduledChange,
        schema::ScheduledFilter,
        schema::UpdatedAnswer,
        schema::DeletedAnswer,
        schema::InboundAnswer,
        schema::BlacklistAnswer,
        schema::BlacklistAdd,
        schema::BlacklistAdded,
        schema::BlacklistRemove,
        schema::OtpGenerate,
        schema::OtpAnswer,
        schema::OtpCheck,
        schema::OtpCheckAnswer,
        schema::SendersAnswer,
        schema::SenderAnswer,
        schema::SenderRequest,
        schema::NotificationsAnswer,
        schema::NotificationsChange,
        schema::RotateRequest,
        schema::ReplayRequest,
        schema::DeadLettersAnswer,
        schema::CampaignsAnswer,
        schema::CampaignAnswer,
        schema::SendingsAnswer,
        schema::SendingAnswer,
        schema::ErrorAnswer
    ))
)]
pub(super) struct Documentation;

/// Requests by the kind of answer, counted without a look-up.
pub(crate) struct Counters([Counter; 4]);

impl Counters {
    /// Registers them.
    pub(crate) fn new() -> Self {
        let of = |class: &'static str| metrics::counter!("pombo_http_requests_total", "dialect" => "360nrs", "answer" => class);
        Self([of("accepted"), of("refused"), of("busy"), of("failed")])
    }

    fn count(&self, status: u16) {
        let class = match status {
            429 | 503 => 2,
            500.. => 3,
            400.. => 1,
            _ => 0,
        };
        self.0[class].increment(1);
    }
}

/// Whether a path belongs to this dialect.
pub(super) fn is_ours(path: &str) -> bool {
    path.strip_prefix(PREFIX).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        || Door::at(path).is_some()
}

/// How long a request may take once its body is here. Nothing takes as long while the store answers.
const ANSWER_MAX: Duration = Duration::from_secs(90);

/// Answers a request.
pub(super) async fn answer(house: &House, peer: IpAddr, request: Request<Incoming>) -> Response {
    let response = match act(house, peer, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    };
    house.counters.count(response.status().as_u16());
    response
}

/// What is asked for less often has a place of its own, so that a request to send, which is moved
/// until it is begun, is no larger than it must be.
async fn act(house: &House, peer: IpAddr, request: Request<Incoming>) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let (action, argument) = match Door::at(path) {
        Some(Door::SendPhp) => {
            Door::SendPhp.allow(&head.method)?;
            let sent = older::send_php(house, &head.headers, peer, head.uri.query());
            return Ok(Box::pin(sent).await);
        }
        Some(Door::Message) => {
            Door::Message.allow(&head.method)?;
            (Action::OlderMessage, "")
        }
        None => find(&head.method, path.strip_prefix(PREFIX).unwrap_or(path))?,
    };
    let caller = auth::caller(house, &head.headers, peer).await?;
    match action {
        Action::SendSms => {
            let (body, _taken) = super::body::read(body, &house.bodies).await?;
            let asked = sms::Asked { headers: &head.headers, query: head.uri.query() };
            patiently(sms::send(house, &caller, asked, body)).await
        }
        action if action.reads_a_body() => {
            let (body, _taken) = super::body::read(body, &house.bodies).await?;
            patiently(Box::pin(act_with(house, &caller, action, (head.uri.query(), &body)))).await
        }
        action => {
            patiently(Box::pin(look(house, &caller, action, (argument, head.uri.query())))).await
        }
    }
}

/// What the answer is, or that the store keeps it waiting too long.
async fn patiently(
    answer: impl Future<Output = Result<Response, Problem>>,
) -> Result<Response, Problem> {
    let given_up = |_| Err(Problem::unanswered());
    tokio::time::timeout(ANSWER_MAX, answer).await.unwrap_or_else(given_up)
}

/// The actions that read no body.
async fn look(
    house: &House,
    caller: &Caller,
    action: Action,
    (argument, query): (&str, Option<&str>),
) -> Result<Response, Problem> {
    match action {
        Action::SmsStatus => sms::status(house, caller, argument, query).await,
        Action::SmsCertificate => certificate::view(house, caller, argument, query).await,
        Action::Account => account::view(house, caller).await,
        Action::Notifications => notifications::view(house, caller).await,
        Action::DeadLetters => notifications::dead(house, caller, query).await,
        Action::Blacklist => blacklist::list(house, caller, query).await,
        Action::Inbound => inbound::list(house, caller, query).await,
        Action::Senders => senders::list(house, caller).await,
        Action::WithdrawSender => senders::withdraw(house, caller, argument).await,
        Action::Campaigns => campaign::list_campaigns(house, caller, query).await,
        Action::Campaign => campaign::one_campaign(house, caller, argument).await,
        Action::OrderCampaign(order) => {
            campaign::order_campaign(house, caller, argument, order).await
        }
        Action::CampaignEvents => report::of_campaign(house, caller, argument, query).await,
        Action::Sendings => campaign::list_sendings(house, caller, query).await,
        Action::Sending => campaign::one_sending(house, caller, argument).await,
        Action::OrderSending(order) => {
            campaign::order_sending(house, caller, argument, order).await
        }
        Action::SendingEvents => report::of_sending(house, caller, argument, query).await,
        Action::Coverage => coverage::networks(house, caller, query).await,
        Action::CoverageCountries => coverage::countries(house, caller, query).await,
        _ => Err(Problem::not_found()), // None of the others comes here.
    }
}

/// The actions that read a body.
async fn act_with(
    house: &House,
    caller: &Caller,
    action: Action,
    (query, body): (Option<&str>, &Bytes),
) -> Result<Response, Problem> {
    match action {
        Action::SetNotifications => notifications::set(house, caller, body).await,
        Action::RotateSecret => notifications::rotate(house, caller, body).await,
        Action::Replay => notifications::replay(house, caller, body).await,
        Action::AddToBlacklist => blacklist::add(house, caller, body).await,
        Action::RemoveFromBlacklist => blacklist::remove(house, caller, query, body).await,
        Action::GenerateOtp => otp::generate(house, caller, body).await,
        Action::CheckOtp => otp::check(house, caller, body).await,
        Action::AskForSender => senders::ask(house, caller, body).await,
        Action::OlderMessage => older::message(house, caller, body.clone()).await,
        Action::ListScheduled => scheduled::list(house, caller, query, body).await,
        Action::MoveScheduled => scheduled::update(house, caller, query, body).await,
        Action::CancelScheduled => scheduled::delete(house, caller, query, body).await,
        _ => Err(Problem::not_found()), // None of the others comes here.
    }
}

/// The action for a method and a path below the prefix, with the path's argument.
fn find<'p>(method: &Method, path: &'p str) -> Result<(Action, &'p str), Problem> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let mut allowed = Vec::new();
    for route in ROUTES {
        let Some(argument) = matched(route.path, path) else { continue };
        if route.method == method.as_str() {
            return Ok((route.action, argument));
        }
        allowed.push(route.method);
    }
    Err(match allowed.as_slice() {
        [] => Problem::not_found(),
        allowed => Problem::method_not_allowed(&allowed.join(", ")),
    })
}

/// Whether `path` is of the pattern, and its argument; empty where the pattern has none.
fn matched<'p>(pattern: &str, path: &'p str) -> Option<&'p str> {
    match pattern.split_once('{') {
        None => (pattern == path).then_some(""),
        Some((before, rest)) => {
            let after = rest.split_once('}').map_or("", |(_, after)| after);
            let argument = path.strip_prefix(before)?.strip_suffix(after)?;
            (!argument.is_empty() && !argument.contains('/')).then_some(argument)
        }
    }
}

impl From<Unread> for Problem {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::TooLarge => Self::body_too_large(),
            Unread::Full => Self::busy("Too many large requests", Duration::from_secs(1)),
            Unread::TooSlow | Unread::Broken => Self::body_too_slow(),
        }
    }
}

/// Whether `json` would be taken as the body of some request: what a fuzzer calls.
#[doc(hidden)]
#[must_use]
pub fn takes(json: &[u8], now: pombo_domain::time::Instant) -> bool {
    let around = || sms_in::Around { dry_run: false, idempotency: None, now };
    let sms = sms_in::parse(json, around()).is_ok();
    let older = body::parse_older(json).is_ok_and(|sms| sms_in::command(&sms, around()).is_ok());
    sms || older || scheduled::is_filter(json)
}
