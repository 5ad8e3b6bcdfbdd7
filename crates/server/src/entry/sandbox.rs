//! `/sandbox`: the simulated phones of a demo, live. It shows texts, so it is only there in a demo
//! that listens on this machine alone.

use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::Stream;
use futures_util::stream;
use pombo_channels::sandbox::{MessageView, PhoneView, Phones, Reply};
use pombo_domain::address::Phone;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::ops::{STRICT, asset, escape};

/// Pages that may watch at once.
const WATCHERS_MAX: usize = 32;

/// Between two looks at the phones: fast enough for eyes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// How long who writes waits for a carrier to take it.
const REPLY_WAIT: Duration = Duration::from_secs(5);

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
        .route("/sandbox/replies", post(reply))
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

/// What somebody writes on a simulated phone.
#[derive(serde::Deserialize)]
struct ReplyIn {
    phone: String,
    to: String,
    text: String,
}

/// Characters of what can be written.
const REPLY_CHARS_MAX: usize = 1_000;

/// Takes what somebody writes, and answers when it is stored.
async fn reply(State(sandbox): State<Sandbox>, headers: HeaderMap, body: Bytes) -> Response {
    // A page elsewhere can neither name this machine nor send JSON without being asked first.
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_this_machine(&headers) || !is_json {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Ok(ReplyIn { phone, to, text }) = serde_json::from_slice(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let is_number = (1..=15).contains(&to.len()) && to.bytes().all(|b| b.is_ascii_digit());
    let is_text = (1..=REPLY_CHARS_MAX).contains(&text.chars().count());
    let Some(from) = Phone::parse(&phone).ok().filter(|_| is_number && is_text) else {
        return StatusCode::UNPROCESSABLE_ENTITY.into_response();
    };
    let written = sandbox.phones.write(Reply { from, to, text });
    match tokio::time::timeout(REPLY_WAIT, written).await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn events(State(sandbox): State<Sandbox>, headers: HeaderMap) -> Response {
    if !is_this_machine(&headers) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let Ok(permit) = Arc::clone(&sandbox.watchers).try_acquire_owned() else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    Sse::new(changes(sandbox, permit)).keep_alive(KeepAlive::default()).into_response()
}

/// Whether the browser believes to speak to this machine: a page elsewhere whose name was made to
/// point here must not read the texts.
fn is_this_machine(headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match url::Url::parse(&format!("http://{host}/")).as_ref().map(url::Url::host) {
        Ok(Some(url::Host::Domain(name))) => name == "localhost" || name.ends_with(".localhost"),
        Ok(Some(url::Host::Ipv4(address))) => address.is_loopback(),
        Ok(Some(url::Host::Ipv6(address))) => address.is_loopback(),
        Ok(None) | Err(_) => false,
    }
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
        (m.at.micros(), m.n_arrived, m.n_parts, m.flash, m.is_own, &m.from, &m.text)
            .hash(&mut hasher);
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
        "own": m.is_own,
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
    /// On each phone, so that no picture of one deceives.
    mark: &'static str,
    connecting: &'static str,
    live: &'static str,
    lost: &'static str,
    empty: &'static str,
    empty_text: &'static str,
    flash: &'static str,
    /// `%n` stands for the parts.
    joined: &'static str,
    /// `%a` stands for the parts that arrived, `%n` for all.
    pending: &'static str,
    /// `%n` stands for how many.
    older: &'static str,
    send: &'static str,
    password: &'static str,
    magic: &'static str,
    docs: &'static str,
    home: &'static str,
    needs_script: &'static str,
    reply: &'static str,
    reply_send: &'static str,
    /// Where the last sender is a name.
    reply_never: &'static str,
    reply_failed: &'static str,
}

const ENGLISH: Words = Words {
    lang: "en",
    title: "Simulated phones",
    simulated: "Everything here is simulated: nothing reaches a real phone.",
    mark: "simulated",
    connecting: "Connecting…",
    live: "Live",
    lost: "Connection lost, trying again…",
    empty: "No message yet. Send one like this, and its phone appears below.",
    empty_text: "(empty)",
    flash: "Flash",
    joined: "%n parts, joined",
    pending: "%a of %n parts; a real phone would show nothing yet",
    older: "Older messages (%n)",
    send: "Send a message",
    password: "PASSWORD stands for the apiPassword that the demo printed when it started.",
    magic: "The numbers +34\u{a0}699\u{a0}000\u{a0}000 to 018 give every outcome that a carrier \
            can give: 000 is delivered at once, 002 never is, 005 is refused. Any other number \
            is delivered within a second.",
    docs: "API documentation",
    home: "Start page",
    needs_script: "This page needs JavaScript to show messages as they come.",
    reply: "Answer",
    reply_send: "Send",
    reply_never: "A name cannot be answered: send from a number.",
    reply_failed: "It was not sent; try again.",
};

const PORTUGUESE: Words = Words {
    lang: "pt",
    title: "Telefones simulados",
    simulated: "Tudo aqui é simulado: nada chega a um telefone real.",
    mark: "simulado",
    connecting: "A ligar…",
    live: "Em direto",
    lost: "Ligação perdida, a tentar de novo…",
    empty: "Ainda não há mensagens. Envie uma assim e o telefone aparece abaixo.",
    empty_text: "(vazia)",
    flash: "Flash",
    joined: "%n partes, unidas",
    pending: "%a de %n partes; um telefone real ainda não mostraria nada",
    older: "Mensagens anteriores (%n)",
    send: "Enviar uma mensagem",
    password: "PASSWORD é a apiPassword que a demonstração mostrou ao arrancar.",
    magic: "Os números +34\u{a0}699\u{a0}000\u{a0}000 a 018 dão todos os resultados que uma \
            operadora pode dar: 000 é entregue de imediato, 002 nunca é entregue, 005 é recusado. \
            Qualquer outro número é entregue num segundo.",
    docs: "Documentação da API",
    home: "Página inicial",
    needs_script: "Esta página precisa de JavaScript para mostrar as mensagens à medida que chegam.",
    reply: "Responder",
    reply_send: "Enviar",
    reply_never: "Não se pode responder a um nome: envie de um número.",
    reply_failed: "Não foi enviada; tente de novo.",
};

const SPANISH: Words = Words {
    lang: "es",
    title: "Teléfonos simulados",
    simulated: "Todo aquí es simulado: nada llega a un teléfono real.",
    mark: "simulado",
    connecting: "Conectando…",
    live: "En directo",
    lost: "Conexión perdida, reintentando…",
    empty: "Aún no hay mensajes. Envíe uno así y su teléfono aparecerá debajo.",
    empty_text: "(vacío)",
    flash: "Flash",
    joined: "%n partes, unidas",
    pending: "%a de %n partes; un teléfono real aún no mostraría nada",
    older: "Mensajes anteriores (%n)",
    send: "Enviar un mensaje",
    password: "PASSWORD es la apiPassword que la demostración mostró al arrancar.",
    magic: "Los números +34\u{a0}699\u{a0}000\u{a0}000 a 018 dan todos los resultados que puede \
            dar un operador: 000 se entrega al momento, 002 no se entrega nunca, 005 se \
            rechaza. Cualquier otro número se entrega en un segundo.",
    docs: "Documentación de la API",
    home: "Página de inicio",
    needs_script: "Esta página necesita JavaScript para mostrar los mensajes según llegan.",
    reply: "Responder",
    reply_send: "Enviar",
    reply_never: "A un nombre no se puede responder: envíe desde un número.",
    reply_failed: "No se ha enviado; inténtelo de nuevo.",
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

    fn places(&self) -> [(&'static str, &'static str); 23] {
        [
            ("{{LANG}}", self.lang),
            ("{{TITLE}}", self.title),
            ("{{SIMULATED}}", self.simulated),
            ("{{MARK}}", self.mark),
            ("{{CONNECTING}}", self.connecting),
            ("{{LIVE}}", self.live),
            ("{{LOST}}", self.lost),
            ("{{EMPTY}}", self.empty),
            ("{{EMPTY_TEXT}}", self.empty_text),
            ("{{FLASH}}", self.flash),
            ("{{JOINED}}", self.joined),
            ("{{PENDING}}", self.pending),
            ("{{OLDER}}", self.older),
            ("{{SEND}}", self.send),
            ("{{PASSWORD}}", self.password),
            ("{{MAGIC}}", self.magic),
            ("{{DOCS}}", self.docs),
            ("{{HOME}}", self.home),
            ("{{NEEDS_SCRIPT}}", self.needs_script),
            ("{{REPLY}}", self.reply),
            ("{{REPLY_SEND}}", self.reply_send),
            ("{{REPLY_NEVER}}", self.reply_never),
            ("{{REPLY_FAILED}}", self.reply_failed),
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

    #[test]
    fn every_language_leaves_room_for_the_numbers() {
        for words in [&ENGLISH, &PORTUGUESE, &SPANISH] {
            for (text, places) in
                [(words.joined, "%n"), (words.pending, "%a %n"), (words.older, "%n")]
            {
                assert!(places.split(' ').all(|place| text.contains(place)), "{text}");
            }
        }
    }

    #[test]
    fn every_language_tells_the_magic_numbers_from_first_to_last() {
        let last = pombo_channels::sandbox::MAGIC.len() - 1;
        for words in [&ENGLISH, &PORTUGUESE, &SPANISH] {
            assert!(words.magic.contains("+34\u{a0}699\u{a0}000\u{a0}000"), "{}", words.magic);
            assert!(words.magic.contains(&format!(" 0{last:02} ")), "{}", words.magic);
        }
    }
}
