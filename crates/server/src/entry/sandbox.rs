//! `/sandbox`: the simulated phones of a demo, live. It shows texts, so it is only there in a demo
//! that listens on this machine alone.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures_util::Stream;
use futures_util::stream;
use pombo_channels::sandbox::{MessageView, PhoneView, Phones};
use pombo_domain::address::Phone;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::ops::{STRICT, asset, escape};

/// Pages that may watch at once.
const WATCHERS_MAX: usize = 32;

/// Between two looks at the phones: fast enough for eyes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Clone)]
struct Sandbox {
    phones: Arc<Phones>,
    stopping: watch::Receiver<bool>,
    watchers: Arc<Semaphore>,
}

/// The page, its script and its stream.
pub(super) fn router(phones: Arc<Phones>, stopping: watch::Receiver<bool>) -> axum::Router {
    let watchers = Arc::new(Semaphore::new(WATCHERS_MAX));
    axum::Router::new()
        .route("/sandbox", get(page))
        .route("/sandbox/events", get(events))
        .route("/assets/sandbox.js", get(script))
        .with_state(Sandbox { phones, stopping, watchers })
}

async fn page(headers: HeaderMap) -> impl IntoResponse {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let words = Words::of(wanted.unwrap_or_default());
    let mut page = include_str!("../../assets/sandbox.html").to_owned();
    for (place, text) in words.places() {
        page = page.replace(place, &escape(text));
    }
    ([STRICT], [(header::VARY, "accept-language")], Html(page))
}

async fn script() -> impl IntoResponse {
    asset("text/javascript; charset=utf-8", include_str!("../../assets/sandbox.js"))
}

async fn events(State(sandbox): State<Sandbox>) -> Response {
    let Ok(permit) = Arc::clone(&sandbox.watchers).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    Sse::new(changes(sandbox, permit)).keep_alive(KeepAlive::default()).into_response()
}

/// What one page has been told.
struct Watcher {
    sandbox: Sandbox,
    version: watch::Receiver<u64>,
    /// What each phone showed when it was last told, as a hash.
    told: HashMap<Phone, u64>,
    /// Events still to be sent, the last one first.
    waiting: Vec<Event>,
    _permit: OwnedSemaphorePermit,
}

/// `begin`, then a `phone` whenever one shows something else.
fn changes(
    sandbox: Sandbox,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let version = sandbox.phones.subscribe();
    let mut watcher =
        Watcher { sandbox, version, told: HashMap::new(), waiting: Vec::new(), _permit: permit };
    // What is there already is shown at once; the last one pushed goes first.
    watcher.look();
    watcher.waiting.push(Event::default().event("begin").data("{}"));
    stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await?;
        Some((Ok(event), watcher))
    })
}

impl Watcher {
    /// The next event; `None` when the server stops.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.waiting.pop() {
                return Some(event);
            }
            tokio::select! {
                changed = self.version.changed() => changed.ok()?,
                () = stopped(&mut self.sandbox.stopping) => return None,
            }
            tokio::time::sleep(LOOK_EVERY).await;
            self.version.mark_unchanged();
            self.look();
        }
    }

    /// Prepares an event for each phone that shows something new, the newest phone sent last.
    fn look(&mut self) {
        let snapshot = self.sandbox.phones.snapshot();
        self.told.retain(|phone, _| snapshot.iter().any(|view| view.phone == *phone));
        for view in snapshot {
            let now = fingerprint(&view);
            if self.told.insert(view.phone, now) != Some(now) {
                let data = phone_json(&view).to_string();
                self.waiting.push(Event::default().event("phone").data(data));
            }
        }
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

fn fingerprint(view: &PhoneView) -> u64 {
    let mut hasher = DefaultHasher::new();
    for m in &view.messages {
        (m.at.micros(), m.n_arrived, m.n_parts, m.flash, &m.from, &m.text).hash(&mut hasher);
    }
    hasher.finish()
}

fn phone_json(view: &PhoneView) -> serde_json::Value {
    let messages: Vec<_> = view.messages.iter().map(message_json).collect();
    json!({ "phone": view.phone.to_string(), "messages": messages })
}

fn message_json(m: &MessageView) -> serde_json::Value {
    json!({
        "from": m.from,
        "text": m.text,
        "flash": m.flash,
        "parts": m.n_parts,
        "arrived": m.n_arrived,
        "at": m.at.iso8601(),
    })
}

/// The page's words in one language.
struct Words {
    lang: &'static str,
    title: &'static str,
    simulated: &'static str,
    connecting: &'static str,
    live: &'static str,
    lost: &'static str,
    empty: &'static str,
    empty_text: &'static str,
    flash: &'static str,
    pending: &'static str,
    needs_script: &'static str,
}

const ENGLISH: Words = Words {
    lang: "en",
    title: "Simulated phones",
    simulated: "Everything here is simulated: no message on this page has reached a real phone.",
    connecting: "Connecting…",
    live: "Live",
    lost: "Connection lost, trying again…",
    empty: "No message yet. Send one, and its phone appears here.",
    empty_text: "(empty)",
    flash: "Flash",
    pending: "parts have arrived; a real phone would show nothing yet",
    needs_script: "This page needs JavaScript to show messages as they come.",
};

const PORTUGUESE: Words = Words {
    lang: "pt",
    title: "Telefones simulados",
    simulated: "Tudo aqui é simulado: nenhuma mensagem desta página chegou a um telefone real.",
    connecting: "A ligar…",
    live: "Em direto",
    lost: "Ligação perdida, a tentar de novo…",
    empty: "Ainda não há mensagens. Envie uma e o telefone aparece aqui.",
    empty_text: "(vazia)",
    flash: "Flash",
    pending: "partes recebidas; um telefone real ainda não mostraria nada",
    needs_script: "Esta página precisa de JavaScript para mostrar as mensagens à medida que chegam.",
};

const SPANISH: Words = Words {
    lang: "es",
    title: "Teléfonos simulados",
    simulated: "Todo aquí es simulado: ningún mensaje de esta página ha llegado a un teléfono real.",
    connecting: "Conectando…",
    live: "En directo",
    lost: "Conexión perdida, reintentando…",
    empty: "Aún no hay mensajes. Envíe uno y su teléfono aparecerá aquí.",
    empty_text: "(vacío)",
    flash: "Flash",
    pending: "partes recibidas; un teléfono real aún no mostraría nada",
    needs_script: "Esta página necesita JavaScript para mostrar los mensajes según llegan.",
};

impl Words {
    /// The first language of `Accept-Language` that we speak; English otherwise.
    fn of(accept_language: &str) -> &'static Self {
        let spoken = [&ENGLISH, &PORTUGUESE, &SPANISH];
        let wanted = accept_language.split(',').map(|entry| entry.trim().get(..2).unwrap_or(""));
        wanted
            .filter_map(|lang| {
                spoken.iter().find(|words| words.lang.eq_ignore_ascii_case(lang)).copied()
            })
            .next()
            .unwrap_or(&ENGLISH)
    }

    fn places(&self) -> [(&'static str, &'static str); 11] {
        [
            ("{{LANG}}", self.lang),
            ("{{TITLE}}", self.title),
            ("{{SIMULATED}}", self.simulated),
            ("{{CONNECTING}}", self.connecting),
            ("{{LIVE}}", self.live),
            ("{{LOST}}", self.lost),
            ("{{EMPTY}}", self.empty),
            ("{{EMPTY_TEXT}}", self.empty_text),
            ("{{FLASH}}", self.flash),
            ("{{PENDING}}", self.pending),
            ("{{NEEDS_SCRIPT}}", self.needs_script),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_speaks_the_readers_language() {
        for (wanted, lang) in [
            ("", "en"),
            ("fr", "en"),
            ("pt-BR,pt;q=0.9", "pt"),
            ("fr, es-ES;q=0.8, en;q=0.5", "es"),
            ("ES", "es"),
            ("é", "en"),
        ] {
            assert_eq!(Words::of(wanted).lang, lang, "{wanted:?}");
        }
    }

    #[test]
    fn every_place_of_the_page_is_filled() {
        let mut page = include_str!("../../assets/sandbox.html").to_owned();
        for (place, text) in SPANISH.places() {
            assert!(page.contains(place), "{place} is not in the page");
            page = page.replace(place, &escape(text));
        }
        assert!(!page.contains("{{"), "{page}");
    }
}
