//! Writes PDUs, strictly: a field that does not fit is refused, never cut.

use super::{
    Address, Bind, BindResp, DataSm, HEADER_BYTES, PDU_BYTES_MAX, Pdu, SHORT_MESSAGE_BYTES_MAX, Sm,
    SmResp, Tlvs, command,
};

/// A value that SMPP cannot carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Longer than its field.
    #[error("{field} has {length} octets, {max} are allowed")]
    TooLong {
        /// Which field.
        field: &'static str,
        /// What it has.
        length: usize,
        /// What it may have, without the final NUL.
        max: usize,
    },
    /// A NUL would end the string early.
    #[error("{field} holds a NUL")]
    Nul {
        /// Which field.
        field: &'static str,
    },
    /// A time that is neither empty nor 16 characters.
    #[error("{field} is neither empty nor 16 characters")]
    Time {
        /// Which field.
        field: &'static str,
    },
    /// An optional parameter is cut short.
    #[error("the optional parameters are cut short")]
    Tlvs,
}

/// Characters of a password. The standard says 8; carriers that take longer ones are served too.
const PASSWORD_MAX: usize = 64;

/// Appends one PDU to `out`; on error `out` is as it was before.
///
/// Allocates only where `out` has to grow.
///
/// # Errors
/// [`EncodeError`] names the first field that does not fit.
pub fn encode(
    out: &mut Vec<u8>,
    status: u32,
    sequence: u32,
    pdu: &Pdu<'_>,
) -> Result<(), EncodeError> {
    let start = out.len();
    let mut writer = Writer(out);
    writer.header(pdu.command_id(), status, sequence);
    let written = writer.body(pdu).and_then(|()| finish(out, start));
    if written.is_err() {
        out.truncate(start);
    }
    written
}

/// Writes the length of the PDU that begins at `start`.
fn finish(out: &mut [u8], start: usize) -> Result<(), EncodeError> {
    let length = out.len() - start;
    let too_long = EncodeError::TooLong { field: "the PDU", length, max: PDU_BYTES_MAX };
    if length > PDU_BYTES_MAX {
        return Err(too_long);
    }
    let written = u32::try_from(length).map_err(|_| too_long)?;
    out[start..start + 4].copy_from_slice(&written.to_be_bytes());
    Ok(())
}

struct Writer<'a>(&'a mut Vec<u8>);

impl Writer<'_> {
    fn header(&mut self, command_id: u32, status: u32, sequence: u32) {
        let mut header = [0; HEADER_BYTES];
        header[4..8].copy_from_slice(&command_id.to_be_bytes());
        header[8..12].copy_from_slice(&status.to_be_bytes());
        header[12..].copy_from_slice(&sequence.to_be_bytes());
        self.0.extend_from_slice(&header);
    }

    fn body(&mut self, pdu: &Pdu<'_>) -> Result<(), EncodeError> {
        match pdu {
            Pdu::SubmitSm(sm) | Pdu::DeliverSm(sm) => self.sm(sm),
            Pdu::SubmitSmResp(resp) | Pdu::DeliverSmResp(resp) | Pdu::DataSmResp(resp) => {
                self.sm_resp(resp)
            }
            Pdu::DataSm(data) => self.data_sm(data),
            Pdu::Bind(_, bind) => self.bind(bind),
            Pdu::BindResp(_, resp) => self.bind_resp(resp),
            Pdu::Outbind { system_id, password } => {
                self.string("system_id", system_id, 15)?;
                self.string("password", password, PASSWORD_MAX)
            }
            Pdu::EnquireLink
            | Pdu::EnquireLinkResp
            | Pdu::Unbind
            | Pdu::UnbindResp
            | Pdu::GenericNack => Ok(()),
            Pdu::Other { command_id, body } => {
                debug_assert!(*command_id != command::SUBMIT_SM, "has its own variant");
                self.0.extend_from_slice(body);
                Ok(())
            }
        }
    }

    /// A C-octet string of at most `max` characters before its NUL.
    fn string(&mut self, field: &'static str, text: &[u8], max: usize) -> Result<(), EncodeError> {
        if text.len() > max {
            return Err(EncodeError::TooLong { field, length: text.len(), max });
        }
        if text.contains(&0) {
            return Err(EncodeError::Nul { field });
        }
        self.0.extend_from_slice(text);
        self.0.push(0);
        Ok(())
    }

    fn time(&mut self, field: &'static str, text: &[u8]) -> Result<(), EncodeError> {
        if !matches!(text.len(), 0 | 16) {
            return Err(EncodeError::Time { field });
        }
        self.string(field, text, 16)
    }

    fn address(
        &mut self,
        field: &'static str,
        address: &Address<'_>,
        max: usize,
    ) -> Result<(), EncodeError> {
        self.0.extend_from_slice(&[address.ton, address.npi]);
        self.string(field, address.value, max)
    }

    fn tlvs(&mut self, tlvs: Tlvs<'_>) -> Result<(), EncodeError> {
        if !tlvs.is_whole() {
            return Err(EncodeError::Tlvs);
        }
        self.0.extend_from_slice(tlvs.octets());
        Ok(())
    }

    fn sm(&mut self, sm: &Sm<'_>) -> Result<(), EncodeError> {
        self.string("service_type", sm.service_type, 5)?;
        self.address("source_addr", &sm.source, 20)?;
        self.address("destination_addr", &sm.destination, 20)?;
        self.0.extend_from_slice(&[sm.esm_class, sm.protocol_id, sm.priority_flag]);
        self.time("schedule_delivery_time", sm.schedule_delivery_time)?;
        self.time("validity_period", sm.validity_period)?;
        let length = sm.short_message.len();
        let max = SHORT_MESSAGE_BYTES_MAX;
        let field = "short_message";
        let sm_length = u8::try_from(length)
            .ok()
            .filter(|_| length <= max)
            .ok_or(EncodeError::TooLong { field, length, max })?;
        self.0.extend_from_slice(&[
            sm.registered_delivery,
            sm.replace_if_present,
            sm.data_coding,
            sm.sm_default_msg_id,
            sm_length,
        ]);
        self.0.extend_from_slice(sm.short_message);
        self.tlvs(sm.tlvs)
    }

    fn data_sm(&mut self, data: &DataSm<'_>) -> Result<(), EncodeError> {
        self.string("service_type", data.service_type, 5)?;
        self.address("source_addr", &data.source, 64)?;
        self.address("destination_addr", &data.destination, 64)?;
        self.0.extend_from_slice(&[data.esm_class, data.registered_delivery, data.data_coding]);
        self.tlvs(data.tlvs)
    }

    fn sm_resp(&mut self, resp: &SmResp<'_>) -> Result<(), EncodeError> {
        self.string("message_id", resp.message_id, 64)?;
        self.tlvs(resp.tlvs)
    }

    fn bind(&mut self, bind: &Bind<'_>) -> Result<(), EncodeError> {
        self.string("system_id", bind.system_id, 15)?;
        self.string("password", bind.password, PASSWORD_MAX)?;
        self.string("system_type", bind.system_type, 12)?;
        self.0.push(bind.interface_version);
        self.address("address_range", &bind.address_range, 40)
    }

    fn bind_resp(&mut self, resp: &BindResp<'_>) -> Result<(), EncodeError> {
        self.string("system_id", resp.system_id, 15)?;
        self.tlvs(resp.tlvs)
    }
}
