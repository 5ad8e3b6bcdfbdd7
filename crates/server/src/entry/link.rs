//! `/s/{code}`: short links, for whoever got one in a message.

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use pombo_app::App;
use pombo_app::usecase::link::follow;
use pombo_domain::link::{Visit, visit};

use super::ops::{STRICT, escape};
use crate::config::Brand;

/// Bytes of a User-Agent that are looked at.
const USER_AGENT_BYTES_MAX: usize = 1_024;

/// Nobody keeps the answer, follows it for an index, or learns by which link someone came.
const DISCREET: [(HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("x-robots-tag"), "noindex"),
];

#[derive(Clone)]
struct Door {
    app: App,
    brand: Brand,
}

/// The door of short links.
pub(super) fn router(app: App, brand: Brand) -> axum::Router {
    axum::Router::new().route("/s/{code}", get(open)).with_state(Door { app, brand })
}

/// Their documentation, for `/openapi.json`.
#[derive(utoipa::OpenApi)]
#[openapi(paths(open))]
pub(super) struct Documentation;

/// 302 to where the link leads, or a page that says that it leads nowhere.
#[utoipa::path(
    get,
    path = "/s/{code}",
    tag = "Short links",
    summary = "Open a short link of a message",
    params(("code" = String, Path, description = "12 letters and digits")),
    responses(
        (status = 302, description = "To the address that the message was to lead to"),
        (status = 404, description = "There is no such link (any more): a page that says so"),
        (status = 503, description = "It cannot be looked up now; see Retry-After"),
    ),
)]
async fn open(
    State(door): State<Door>,
    method: Method,
    headers: HeaderMap,
    Path(code): Path<String>,
) -> Response {
    match follow(&door.app, &code, visit_of(&method, &headers)).await {
        Ok(Some(target)) => {
            let to = [(header::LOCATION, target.as_str())];
            (StatusCode::FOUND, DISCREET, to).into_response()
        }
        Ok(None) => {
            let page = include_str!("../../assets/no-link.html")
                .replace("{{NAME}}", &escape(&door.brand.name))
                .replace("{{SUPPORT_EMAIL}}", &escape(&door.brand.support_email));
            (StatusCode::NOT_FOUND, DISCREET, [STRICT], Html(page)).into_response()
        }
        Err(fault) => {
            super::failing::log("a link was not looked up", &fault);
            let later = [(header::RETRY_AFTER, "5")];
            (StatusCode::SERVICE_UNAVAILABLE, DISCREET, later).into_response()
        }
    }
}

/// Who comes. A HEAD, and a request that says that it is made ahead of its user, is no visit.
fn visit_of(method: &Method, headers: &HeaderMap) -> Visit {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let ahead = ["sec-purpose", "purpose", "x-purpose", "x-moz"].into_iter().any(|name| {
        text(name).is_some_and(|why| why.contains("prefetch") || why.contains("preview"))
    });
    let user_agent = text("user-agent").unwrap_or_default();
    let end = user_agent.len().min(USER_AGENT_BYTES_MAX);
    visit(&user_agent[..end], ahead || method == Method::HEAD)
}
