//! What the carrier's PDUs do to a session.

use bytes::Buf;
use pombo_domain::channel::Outcome;
use pombo_domain::id::MessageId;
use pombo_domain::time::Instant as Moment;
use pombo_wire::smpp::{self, Frames, Header, Pdu, SmResp, status};
use tokio::time::Instant;

use super::super::inbound;
use super::super::inbox::Answer;
use super::super::status as table;
use super::super::trace::{Page, Way};
use super::settle::{push_parts, push_reports};
use super::{End, Phase, Session};

/// Rejections for the route's settings, without an acceptance between them, that stop the route.
const MISFITS_MAX: u32 = 5;

impl Session<'_> {
    /// Reads all PDUs that are whole.
    pub(super) fn on_input(&mut self) -> Option<End> {
        let mut input = std::mem::take(&mut self.input);
        let at = self.route.desk.now();
        let pen = self.pen.clone();
        let mut page = pen.open(at);
        let mut frames = Frames::new(&input);
        let mut end = None;
        for frame in frames.by_ref() {
            match frame {
                Ok(frame) => self.on_frame(&frame, at, &mut page),
                Err(error) => {
                    self.route.meter.pdu_error();
                    end = Some(End::Lost(error.to_string()));
                }
            }
        }
        let consumed = frames.consumed();
        drop(page);
        input.advance(consumed);
        self.input = input;
        end
    }

    fn on_frame(&mut self, frame: &smpp::Frame<'_>, at: Moment, page: &mut Page<'_>) {
        let header = frame.header;
        let pdu = match smpp::decode(frame) {
            Ok(pdu) => pdu,
            Err(error) => {
                page.unreadable(Way::In, header, error.field);
                self.on_unreadable(header);
                return;
            }
        };
        page.pdu(Way::In, header, &pdu);
        let encoding = self.route.config.encoding;
        let sequence = header.sequence;
        match pdu {
            Pdu::SubmitSmResp(resp) => self.on_answer(header, &resp, at),
            Pdu::DeliverSm(sm) => {
                let answer = Answer { sequence, is_data: false };
                self.inbox.push(inbound::arrival(&sm, encoding, at), answer);
            }
            Pdu::DataSm(data) => {
                let answer = Answer { sequence, is_data: true };
                let sm = smpp::Sm::from_data(&data);
                self.inbox.push(inbound::arrival(&sm, encoding, at), answer);
            }
            Pdu::EnquireLink => self.send(0, sequence, &Pdu::EnquireLinkResp),
            Pdu::GenericNack => self.on_answer(header, &SmResp::default(), at),
            Pdu::Unbind => self.on_unbind(sequence),
            Pdu::UnbindResp => {
                if let Phase::Closing { unbound, .. } = &mut self.phase {
                    *unbound = true;
                }
            }
            _ => self.on_unexpected(header),
        }
    }

    /// A body without its mandatory fields: answered with an error, and the session goes on.
    fn on_unreadable(&mut self, header: Header) {
        self.route.meter.pdu_error();
        let refusal = match header.command_id {
            smpp::command::DELIVER_SM => Pdu::DeliverSmResp(SmResp::default()),
            smpp::command::DATA_SM => Pdu::DataSmResp(SmResp::default()),
            _ => {
                if !header.is_response() {
                    self.send(status::RINVCMDLEN, header.sequence, &Pdu::GenericNack);
                }
                return;
            }
        };
        self.send(status::RX_R_APPN, header.sequence, &refusal);
    }

    /// A PDU that has no place in this session.
    fn on_unexpected(&mut self, header: Header) {
        let is_harmless = header.is_response()
            || matches!(
                header.command_id,
                smpp::command::ALERT_NOTIFICATION | smpp::command::OUTBIND
            );
        if !is_harmless {
            self.route.meter.pdu_error();
            self.send(status::RINVCMDID, header.sequence, &Pdu::GenericNack);
        }
    }

    fn on_unbind(&mut self, sequence: u32) {
        self.send(0, sequence, &Pdu::UnbindResp);
        self.give_back_queue();
        let until = Instant::now() + self.route.config.timings.unbind;
        let end = match &self.phase {
            Phase::Open => End::Lost("unbound by the peer".to_owned()),
            Phase::Draining { end, .. } | Phase::Closing { end, .. } => end.clone(),
        };
        self.phase = Phase::Closing { until, end, unbound: true };
    }

    /// The answer to a submission. One that belongs to none (late, or twice) changes nothing.
    fn on_answer(&mut self, header: Header, resp: &SmResp<'_>, at: Moment) {
        let Some(on_its_way) = self.window.take(header.sequence) else {
            self.route.meter.pdu_error();
            return;
        };
        let code = match header.command_status {
            // A generic_nack says no, whatever its status.
            0 if header.command_id == smpp::command::GENERIC_NACK => status::RUNKNOWNERR,
            code => code,
        };
        let outcome = if code == status::ROK {
            self.n_accepted += 1;
            (self.n_misfits, self.is_probing) = (0, false);
            self.pace.accepted();
            let id = resp.message_id.trim_ascii();
            Outcome::Accepted { carrier_id: String::from_utf8_lossy(id).into_owned() }
        } else {
            self.route.meter.refused(code);
            self.refusal(code, resp)
        };
        push_parts(&mut self.reports, &on_its_way, at, &outcome);
        if matches!(outcome, Outcome::Refused { .. }) {
            self.refuse_rest(on_its_way.message, at, &outcome);
        }
    }

    /// What an error status means here and now.
    fn refusal(&mut self, code: u32, resp: &SmResp<'_>) -> Outcome {
        let now = Instant::now();
        let detail = detail(resp);
        let is_throttled =
            code == status::RTHROTTLED || (code == status::RMSGQFUL && self.pace.full());
        if is_throttled {
            if self.pace.throttled(now) {
                self.route.desk.throttled();
            }
            let cause = table::cause(code, &detail);
            return Outcome::Deferred { wait: self.pace.pause(), tries_max: None, cause };
        }
        if self.route.config.temporary_errors.contains(&code) {
            return table::try_later(code, &detail);
        }
        match table::find(code).map(|row| row.class) {
            Some(table::Class::Config) => self.on_misfit(now, code),
            Some(table::Class::Session) => {
                self.drain(now, End::Lost(format!("submit_sm was answered {}", table::name(code))));
            }
            _ => {}
        }
        table::outcome(code, &detail)
    }

    /// The carrier rejects how the route is set up. Where it takes nothing at all, the route stops
    /// rather than have all that waits for it rejected.
    fn on_misfit(&mut self, now: Instant, code: u32) {
        self.complain(now, code);
        self.n_misfits += 1;
        if self.is_probing || self.n_misfits >= MISFITS_MAX {
            let why = format!("submit_sm was answered {}; correct the route", table::name(code));
            self.drain(now, End::Misconfigured(why));
        }
    }

    /// Tells the operator of a defect, at most once a minute.
    fn complain(&mut self, now: Instant, code: u32) {
        const PAUSE: std::time::Duration = std::time::Duration::from_secs(60);
        if self.complained.is_none_or(|last| now - last >= PAUSE) {
            self.complained = Some(now);
            let (route, status) = (&self.route.config.route, table::name(code));
            tracing::error!(route, status, "the carrier rejects how this route is set up");
        }
    }

    /// A part was refused for good: those of its message that are not written yet share its fate.
    fn refuse_rest(&mut self, message: MessageId, at: Moment, outcome: &Outcome) {
        let reports = &mut self.reports;
        self.queue.retain(|attempt| {
            if attempt.message == message {
                push_reports(reports, attempt, at, outcome);
            }
            attempt.message != message
        });
    }
}

/// What the carrier adds to an error in words.
fn detail(resp: &SmResp<'_>) -> String {
    let text = resp.tlvs.text(smpp::tlv::ADDITIONAL_STATUS_INFO_TEXT).unwrap_or_default();
    String::from_utf8_lossy(text).chars().filter(|c| !c.is_control()).take(200).collect()
}
