//! The words of a certificate, in the languages we speak.

use pombo_domain::message::{EventKind, PartState};

/// All words in one language.
pub(super) struct Words {
    pub(super) lang: &'static str,
    pub(super) title: &'static str,
    /// What it is; `%b` is the brand.
    pub(super) intro: &'static str,
    pub(super) message: &'static str,
    pub(super) id: &'static str,
    pub(super) account: &'static str,
    pub(super) sender: &'static str,
    pub(super) recipient: &'static str,
    pub(super) text: &'static str,
    pub(super) parts: &'static str,
    pub(super) encoding: &'static str,
    pub(super) accepted: &'static str,
    pub(super) scheduled: &'static str,
    pub(super) expires: &'static str,
    pub(super) price: &'static str,
    pub(super) outcome: &'static str,
    pub(super) part: &'static str,
    pub(super) history: &'static str,
    pub(super) times: &'static str,
    pub(super) route: &'static str,
    pub(super) carrier_id: &'static str,
    pub(super) status: &'static str,
    pub(super) error: &'static str,
    pub(super) detail: &'static str,
    pub(super) chain: &'static str,
    /// How to check it; `%f` is the file inside.
    pub(super) check: &'static str,
    pub(super) head: &'static str,
    pub(super) first: &'static str,
    pub(super) help: &'static str,
    states: [&'static str; 8],
    kinds: [&'static str; 15],
}

impl Words {
    /// The language of this name, as in `pt` or `pt-BR`; English where we do not speak it.
    pub(super) fn of(language: &str) -> &'static Self {
        let main = language.split(['-', '_']).next().unwrap_or_default();
        let spoken = [&ENGLISH, &PORTUGUESE, &SPANISH];
        spoken.into_iter().find(|words| words.lang.eq_ignore_ascii_case(main)).unwrap_or(&ENGLISH)
    }

    pub(super) const fn state(&self, state: PartState) -> &'static str {
        self.states[state as usize]
    }

    pub(super) const fn kind(&self, kind: EventKind) -> &'static str {
        self.kinds[kind as usize - 1]
    }
}

const ENGLISH: Words = Words {
    lang: "en",
    title: "Certificate of a text message",
    intro: "%b certifies what it has stored of this message, and that what is stored has not been changed since it was written. A file inside this document holds the same evidence for machines.",
    message: "Message",
    id: "Number",
    account: "Account",
    sender: "Sender",
    recipient: "Recipient",
    text: "Text",
    parts: "Parts",
    encoding: "Encoding",
    accepted: "Accepted",
    scheduled: "To be sent from",
    expires: "Expires",
    price: "Price",
    outcome: "Outcome",
    part: "Part",
    history: "What happened",
    times: "All times are UTC.",
    route: "route",
    carrier_id: "carrier's number",
    status: "status",
    error: "error",
    detail: "note",
    chain: "Hash chain",
    check: "Each line is the SHA-256 of the line before and of what it tells; %f says how to check it.",
    head: "Head",
    first: "accepted",
    help: "Questions",
    states: [
        "queued",
        "sent",
        "delivered",
        "undelivered",
        "expired",
        "rejected",
        "uncertain",
        "cancelled",
    ],
    kinds: [
        "taken by the carrier",
        "delivered",
        "not delivered",
        "expired",
        "rejected by the network",
        "refused when it was submitted",
        "on its way, says the carrier",
        "no answer: it may have been sent",
        "put back for another try",
        "withdrawn",
        "the recipient followed a link",
        "the recipient wrote back",
        "the recipient wants no more messages",
        "the recipient wants messages again",
        "too many codes",
    ],
};

const PORTUGUESE: Words = Words {
    lang: "pt",
    title: "Certificado de uma mensagem de texto",
    intro: "%b certifica o que guardou desta mensagem, e que o que está guardado não foi alterado desde que foi escrito. Um ficheiro dentro deste documento contém a mesma prova para máquinas.",
    message: "Mensagem",
    id: "Número",
    account: "Conta",
    sender: "Remetente",
    recipient: "Destinatário",
    text: "Texto",
    parts: "Partes",
    encoding: "Codificação",
    accepted: "Aceite",
    scheduled: "A enviar a partir de",
    expires: "Expira",
    price: "Preço",
    outcome: "Resultado",
    part: "Parte",
    history: "O que aconteceu",
    times: "Todas as horas são UTC.",
    route: "rota",
    carrier_id: "número da operadora",
    status: "estado",
    error: "erro",
    detail: "nota",
    chain: "Cadeia de hashes",
    check: "Cada linha é o SHA-256 da linha anterior e do que ela conta; %f diz como a verificar.",
    head: "Último hash",
    first: "aceite",
    help: "Perguntas",
    states: [
        "em fila",
        "enviada",
        "entregue",
        "não entregue",
        "expirada",
        "rejeitada",
        "incerta",
        "cancelada",
    ],
    kinds: [
        "aceite pela operadora",
        "entregue",
        "não entregue",
        "expirada",
        "rejeitada pela rede",
        "recusada no envio",
        "a caminho, diz a operadora",
        "sem resposta: pode ter sido enviada",
        "adiada para outra tentativa",
        "retirada",
        "o destinatário seguiu um link",
        "o destinatário respondeu",
        "o destinatário não quer mais mensagens",
        "o destinatário quer mensagens de novo",
        "demasiados códigos",
    ],
};

const SPANISH: Words = Words {
    lang: "es",
    title: "Certificado de un mensaje de texto",
    intro: "%b certifica lo que ha guardado de este mensaje, y que lo guardado no se ha cambiado desde que se escribió. Un archivo dentro de este documento contiene la misma prueba para máquinas.",
    message: "Mensaje",
    id: "Número",
    account: "Cuenta",
    sender: "Remitente",
    recipient: "Destinatario",
    text: "Texto",
    parts: "Partes",
    encoding: "Codificación",
    accepted: "Aceptado",
    scheduled: "Para enviar desde",
    expires: "Caduca",
    price: "Precio",
    outcome: "Resultado",
    part: "Parte",
    history: "Lo que ocurrió",
    times: "Todas las horas son UTC.",
    route: "ruta",
    carrier_id: "número del operador",
    status: "estado",
    error: "error",
    detail: "nota",
    chain: "Cadena de hashes",
    check: "Cada línea es el SHA-256 de la línea anterior y de lo que cuenta; %f dice cómo comprobarla.",
    head: "Último hash",
    first: "aceptado",
    help: "Preguntas",
    states: [
        "en cola",
        "enviado",
        "entregado",
        "no entregado",
        "caducado",
        "rechazado",
        "incierto",
        "cancelado",
    ],
    kinds: [
        "aceptado por el operador",
        "entregado",
        "no entregado",
        "caducado",
        "rechazado por la red",
        "rechazado al enviarlo",
        "en camino, dice el operador",
        "sin respuesta: puede haberse enviado",
        "aplazado para otro intento",
        "retirado",
        "el destinatario siguió un enlace",
        "el destinatario respondió",
        "el destinatario no quiere más mensajes",
        "el destinatario quiere mensajes de nuevo",
        "demasiados códigos",
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_speaks_the_language_asked_for_or_english() {
        for (asked, lang) in
            [("en", "en"), ("pt-BR", "pt"), ("ES", "es"), ("es_AR", "es"), ("fr", "en"), ("", "en")]
        {
            assert_eq!(Words::of(asked).lang, lang, "{asked}");
        }
    }

    #[test]
    fn every_language_leaves_room_for_the_brand_and_the_file() {
        for words in [&ENGLISH, &PORTUGUESE, &SPANISH] {
            assert!(words.intro.contains("%b") && words.check.contains("%f"), "{}", words.lang);
        }
    }

    #[test]
    fn every_state_and_every_kind_of_event_has_its_word() {
        for n in 0..8 {
            let state = PartState::from_stored(n).expect("a state");
            assert!(!ENGLISH.state(state).is_empty());
        }
        assert_eq!(ENGLISH.state(PartState::Delivered), "delivered");
        assert_eq!(SPANISH.state(PartState::Cancelled), "cancelado");
        let last = (1..).map_while(EventKind::from_stored).last().expect("a kind");
        assert_eq!(PORTUGUESE.kind(last), "demasiados códigos");
        assert_eq!(PORTUGUESE.kind(EventKind::Sent), "aceite pela operadora");
    }
}
