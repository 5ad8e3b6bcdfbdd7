//! Reads a PDU's body, leniently.
//!
//! Accepted beyond the standard: C-octet strings longer than the standard allows, a last string
//! without its NUL, responses without a body, a TLV area that is cut short, a `short_message`
//! followed by octets that are no TLVs. Refused: a body that ends before its mandatory fields.

use super::{
    Address, Bind, BindKind, BindResp, DataSm, Frame, Pdu, RESPONSE, Sm, SmResp, Tlvs, command,
};

/// The body does not hold the fields that its command demands. The session goes on without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body ends before {field}")]
pub struct DecodeError {
    /// The first field that is not there.
    pub field: &'static str,
}

/// Reads the body of `frame`.
///
/// # Errors
/// [`DecodeError`] where mandatory fields are missing; the header stays known to the caller.
pub fn decode<'a>(frame: &Frame<'a>) -> Result<Pdu<'a>, DecodeError> {
    const BIND_RECEIVER_RESP: u32 = command::BIND_RECEIVER | RESPONSE;
    const BIND_TRANSMITTER_RESP: u32 = command::BIND_TRANSMITTER | RESPONSE;
    const BIND_TRANSCEIVER_RESP: u32 = command::BIND_TRANSCEIVER | RESPONSE;
    const SUBMIT_SM_RESP: u32 = command::SUBMIT_SM | RESPONSE;
    const DELIVER_SM_RESP: u32 = command::DELIVER_SM | RESPONSE;
    const DATA_SM_RESP: u32 = command::DATA_SM | RESPONSE;
    const ENQUIRE_LINK_RESP: u32 = command::ENQUIRE_LINK | RESPONSE;
    const UNBIND_RESP: u32 = command::UNBIND | RESPONSE;

    let mut body = Reader(frame.body);
    Ok(match frame.header.command_id {
        command::SUBMIT_SM => Pdu::SubmitSm(body.sm()?),
        SUBMIT_SM_RESP => Pdu::SubmitSmResp(body.sm_resp()),
        command::DELIVER_SM => Pdu::DeliverSm(body.sm()?),
        DELIVER_SM_RESP => Pdu::DeliverSmResp(body.sm_resp()),
        command::DATA_SM => Pdu::DataSm(body.data_sm()?),
        DATA_SM_RESP => Pdu::DataSmResp(body.sm_resp()),
        command::ENQUIRE_LINK => Pdu::EnquireLink,
        ENQUIRE_LINK_RESP => Pdu::EnquireLinkResp,
        command::UNBIND => Pdu::Unbind,
        UNBIND_RESP => Pdu::UnbindResp,
        command::GENERIC_NACK => Pdu::GenericNack,
        command::BIND_RECEIVER => Pdu::Bind(BindKind::Receiver, body.bind()?),
        command::BIND_TRANSMITTER => Pdu::Bind(BindKind::Transmitter, body.bind()?),
        command::BIND_TRANSCEIVER => Pdu::Bind(BindKind::Transceiver, body.bind()?),
        BIND_RECEIVER_RESP => Pdu::BindResp(BindKind::Receiver, body.bind_resp()),
        BIND_TRANSMITTER_RESP => Pdu::BindResp(BindKind::Transmitter, body.bind_resp()),
        BIND_TRANSCEIVER_RESP => Pdu::BindResp(BindKind::Transceiver, body.bind_resp()),
        command::OUTBIND => {
            let system_id = body.string("system_id")?;
            Pdu::Outbind { system_id, password: body.last_string() }
        }
        command_id => Pdu::Other { command_id, body: frame.body },
    })
}

/// What is left of a body.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn octet(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        let (&octet, rest) = self.0.split_first().ok_or(DecodeError { field })?;
        self.0 = rest;
        Ok(octet)
    }

    /// A C-octet string of any length; its NUL must be there.
    fn string(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        // Most of these strings are empty or short: a plain loop beats a general search.
        let end = self.0.iter().position(|&octet| octet == 0).ok_or(DecodeError { field })?;
        let text = &self.0[..end];
        self.0 = &self.0[end + 1..];
        Ok(text)
    }

    /// The last C-octet string of a body, which some peers send without its NUL or not at all.
    fn last_string(&mut self) -> &'a [u8] {
        self.string("").unwrap_or_else(|_| std::mem::take(&mut self.0))
    }

    fn address(&mut self, field: &'static str) -> Result<Address<'a>, DecodeError> {
        let (ton, npi) = (self.octet(field)?, self.octet(field)?);
        Ok(Address { ton, npi, value: self.string(field)? })
    }

    fn tlvs(&mut self) -> Tlvs<'a> {
        Tlvs::new(std::mem::take(&mut self.0))
    }

    fn sm(&mut self) -> Result<Sm<'a>, DecodeError> {
        Ok(Sm {
            service_type: self.string("service_type")?,
            source: self.address("source_addr")?,
            destination: self.address("destination_addr")?,
            esm_class: self.octet("esm_class")?,
            protocol_id: self.octet("protocol_id")?,
            priority_flag: self.octet("priority_flag")?,
            schedule_delivery_time: self.string("schedule_delivery_time")?,
            validity_period: self.string("validity_period")?,
            registered_delivery: self.octet("registered_delivery")?,
            replace_if_present: self.octet("replace_if_present_flag")?,
            data_coding: self.octet("data_coding")?,
            sm_default_msg_id: self.octet("sm_default_msg_id")?,
            short_message: self.short_message()?,
            tlvs: self.tlvs(),
        })
    }

    fn short_message(&mut self) -> Result<&'a [u8], DecodeError> {
        const FIELD: &str = "short_message";
        let length = usize::from(self.octet("sm_length")?);
        let missing = DecodeError { field: FIELD };
        let (text, rest) = self.0.split_at_checked(length).ok_or(missing)?;
        // Some peers count a final NUL out of sm_length and send it all the same; no tag of one
        // octet can stand there.
        self.0 = if rest == [0] { &[] } else { rest };
        Ok(text)
    }

    fn data_sm(&mut self) -> Result<DataSm<'a>, DecodeError> {
        Ok(DataSm {
            service_type: self.string("service_type")?,
            source: self.address("source_addr")?,
            destination: self.address("destination_addr")?,
            esm_class: self.octet("esm_class")?,
            registered_delivery: self.octet("registered_delivery")?,
            data_coding: self.octet("data_coding")?,
            tlvs: self.tlvs(),
        })
    }

    fn sm_resp(&mut self) -> SmResp<'a> {
        SmResp { message_id: self.last_string(), tlvs: self.tlvs() }
    }

    fn bind(&mut self) -> Result<Bind<'a>, DecodeError> {
        Ok(Bind {
            system_id: self.string("system_id")?,
            password: self.string("password")?,
            system_type: self.string("system_type")?,
            interface_version: self.octet("interface_version")?,
            address_range: Address {
                ton: self.octet("addr_ton")?,
                npi: self.octet("addr_npi")?,
                value: self.last_string(),
            },
        })
    }

    fn bind_resp(&mut self) -> BindResp<'a> {
        BindResp { system_id: self.last_string(), tlvs: self.tlvs() }
    }
}
