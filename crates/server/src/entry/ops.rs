//! What operators and their tools look at: life, readiness, metrics, documentation, front page.

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{Html, IntoResponse, Json};
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use pombo_app::App;
use pombo_channels::sandbox::Phones;
use pombo_domain::channel::LinkState;
use serde::Serialize;
use tokio::sync::watch;
use utoipa::OpenApi as _;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, ContactBuilder, InfoBuilder, OpenApi, OpenApiBuilder};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::{link, nrs360, sandbox};
use crate::config::Brand;

/// Every metric and what it means; the page of alarm thresholds names them all.
const METRICS: &[(Kind, &str, &str)] = &[
    (Kind::Counter, "pombo_messages_accepted_total", "Messages answered as accepted"),
    (Kind::Counter, "pombo_http_requests_total", "Requests of a dialect by the kind of answer"),
    (Kind::Gauge, "pombo_route_up", "Links of a route that are bound"),
    (Kind::Gauge, "pombo_route_rate", "Parts a second that a carrier took, over 15 minutes"),
    (Kind::Gauge, "pombo_route_answer_seconds", "Mean time to a carrier's answer, over 15 minutes"),
    (
        Kind::Gauge,
        "pombo_route_delivery_ratio",
        "Parts delivered of those that ended, over 15 minutes",
    ),
    (Kind::Gauge, "pombo_route_delivery_seconds", "Mean time to a delivery, over 15 minutes"),
    (Kind::Counter, "pombo_route_submit_total", "Submissions by the carrier's answer"),
    (Kind::Counter, "pombo_pdu_errors_total", "PDUs that could not be read"),
    (Kind::Counter, "pombo_receipts_total", "Receipts by what they matched"),
    (Kind::Gauge, "pombo_receipts_unmatched", "Receipts kept that belong to no message"),
    (Kind::Counter, "pombo_receipts_missing_total", "Parts given up without a receipt"),
    (Kind::Gauge, "pombo_uncertain", "Parts in doubt that wait for a receipt or an operator"),
    (Kind::Gauge, "pombo_oldest_ready_seconds", "How long the oldest message that could go waits"),
    (Kind::Gauge, "pombo_store_backlog_rows", "Rows waiting for the store's writer"),
    (Kind::Counter, "pombo_callbacks_total", "Callbacks by what became of the try"),
];

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
}

/// Pages carry no script and no style of their own, and load nothing from elsewhere.
pub(super) const STRICT: (HeaderName, &str) = (
    header::CONTENT_SECURITY_POLICY,
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// What the doors beside the dialects need.
pub(crate) struct Doors {
    pub(crate) app: App,
    pub(crate) brand: Brand,
    pub(crate) public_url: String,
    /// The simulated phones, where they may be shown: they show texts.
    pub(crate) phones: Option<Arc<Phones>>,
    /// Becomes true when it is time to end what streams.
    pub(crate) stopping: watch::Receiver<bool>,
}

#[derive(Clone)]
struct Ops {
    app: App,
    brand: Brand,
    shows_phones: bool,
}

/// All doors beside the dialects.
pub(crate) fn router(doors: Doors) -> axum::Router {
    let link = link::router(doors.app.clone(), doors.brand.clone());
    let ops =
        Ops { app: doors.app, brand: doors.brand.clone(), shows_phones: doors.phones.is_some() };
    let documentation = documentation(&doors.brand, &doors.public_url);
    let swagger = SwaggerUi::new("/docs")
        .url("/openapi.json", documentation)
        .config(Config::default().validator_url("none"));
    let router = axum::Router::new()
        .route("/", get(front))
        .route("/assets/pombo.css", get(stylesheet))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render_metrics))
        .with_state(ops)
        .merge(link)
        .merge(swagger)
        .fallback(not_found);
    match doors.phones {
        Some(phones) => router.merge(sandbox::router(phones, doors.stopping)),
        None => router,
    }
}

/// The recorder behind every metric of the process; installed at the first call.
pub(crate) fn metrics_recorder() -> &'static PrometheusHandle {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    HANDLE.get_or_init(|| {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is in place; /metrics will be empty");
        }
        for &(kind, name, help) in METRICS {
            match kind {
                Kind::Counter => metrics::describe_counter!(name, help),
                Kind::Gauge => metrics::describe_gauge!(name, help),
            }
        }
        // There from the start, so that an alarm sees them rise.
        metrics::counter!("pombo_messages_accepted_total").absolute(0);
        metrics::counter!("pombo_receipts_missing_total").absolute(0);
        handle
    })
}

async fn healthz() -> impl IntoResponse {
    Json(serde_json::json!({ "status": "alive" }))
}

/// The answer of `/readyz`.
#[derive(Serialize)]
struct ReadyAnswer {
    ready: bool,
    store: String,
    routes: Vec<RouteAnswer>,
    /// What is missing, in words; empty when ready.
    reasons: Vec<String>,
}

#[derive(Serialize)]
struct RouteAnswer {
    name: String,
    state: &'static str,
    paused: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    why: String,
}

async fn readyz(State(ops): State<Ops>) -> impl IntoResponse {
    let readiness = ops.app.readiness().await;
    let mut reasons = Vec::new();
    if let Err(why) = &readiness.store {
        reasons.push(format!("the store: {why}"));
    }
    if readiness.routes.is_empty() {
        reasons.push("no route is configured".to_owned());
    } else if !readiness.routes.iter().any(|(_, state, _)| matches!(state, LinkState::Up)) {
        reasons.push("no route is up".to_owned());
    }
    let routes = readiness.routes.into_iter().map(|(name, state, paused)| {
        let (state, why) = match state {
            LinkState::Up => ("up", String::new()),
            LinkState::Connecting => ("connecting", String::new()),
            LinkState::Down { why, .. } => ("down", why),
        };
        RouteAnswer { name, state, paused, why }
    });
    let answer = ReadyAnswer {
        ready: reasons.is_empty(),
        store: readiness.store.map_or_else(|why| why, |()| "ok".to_owned()),
        routes: routes.collect(),
        reasons,
    };
    let status = if answer.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(answer))
}

async fn render_metrics() -> impl IntoResponse {
    let handle = metrics_recorder();
    handle.run_upkeep();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], handle.render())
}

async fn stylesheet() -> impl IntoResponse {
    asset("text/css; charset=utf-8", include_str!("../../assets/pombo.css"))
}

/// An embedded file.
pub(super) fn asset(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-cache")], text)
}

async fn front(State(ops): State<Ops>) -> impl IntoResponse {
    let phones = if ops.shows_phones {
        "<li><a href=\"/sandbox\">Simulated phones</a>: every message of this demo, as a handset \
         would show it.</li>"
    } else {
        ""
    };
    let page = include_str!("../../assets/front.html")
        .replace("{{NAME}}", &escape(&ops.brand.name))
        .replace("{{SUPPORT_EMAIL}}", &escape(&ops.brand.support_email))
        .replace("{{PHONES}}", phones);
    ([STRICT], Html(page))
}

/// Text for HTML.
pub(super) fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
        out
    })
}

async fn not_found() -> impl IntoResponse {
    let body = serde_json::json!({ "error": { "code": 404, "description": "Resource not found" } });
    (StatusCode::NOT_FOUND, Json(body))
}

/// The OpenAPI document, made from the handlers.
pub(crate) fn documentation(brand: &Brand, public_url: &str) -> OpenApi {
    let contact = ContactBuilder::new()
        .name(Some(brand.name.as_str()))
        .email(Some(brand.support_email.as_str()))
        .build();
    let info = InfoBuilder::new()
        .title(format!("{} API", brand.name))
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "The 360NRS dialect. Errors are `{\"error\":{\"code\":…,\"description\":…}}`. Marketing must \
             obey the rules of each recipient's country; they change, and the sender answers for \
             obeying them.",
        ))
        .contact(Some(contact))
        .build();
    let mut components = Components::new();
    let basic = HttpBuilder::new()
        .scheme(HttpAuthScheme::Basic)
        .description(Some("The account's name and its apiPassword"))
        .build();
    components.add_security_scheme("basic", SecurityScheme::Http(basic));
    let server = utoipa::openapi::ServerBuilder::new().url(public_url).build();
    let mut document = OpenApiBuilder::new()
        .info(info)
        .servers(Some([server]))
        .components(Some(components))
        .build();
    document.merge(nrs360::Documentation::openapi());
    document.merge(link::Documentation::openapi());
    document
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_of_the_dialect_is_documented() {
        let brand = Brand { name: "pombo".into(), support_email: "a@example.com".into() };
        let document = documentation(&brand, "http://127.0.0.1:8360");
        let json = serde_json::to_value(&document).expect("a document");
        for route in nrs360::ROUTES {
            // Pause, resume and cancel are documented as one.
            let orders = ["/pause", "/resume", "/cancel"];
            let order = orders.iter().find_map(|order| route.path.strip_suffix(order));
            let path = order.map_or(route.path.to_owned(), |path| format!("{path}/{{order}}"));
            let path = format!("/api/rest{path}");
            let operation = &json["paths"][&path][route.method.to_ascii_lowercase()];
            assert!(operation.is_object(), "{} {path} is not in the document", route.method);
        }
    }

    #[test]
    fn every_metric_has_its_alarm() {
        let page = include_str!("../../../../docs/operate/metrics.md");
        for (_, name, _) in METRICS {
            assert!(page.contains(&format!("| `{name}` |")), "metrics.md lacks {name}");
        }
    }

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(escape("<a href='x'>\"&"), "&lt;a href=&#39;x&#39;&gt;&quot;&amp;");
    }
}
