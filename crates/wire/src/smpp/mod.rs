//! SMPP 3.4: the values that travel in PDUs.
//!
//! Decoding is lenient, because carriers deviate: what cannot be read of one field never costs
//! the fields before it. Encoding is strict: a field that does not fit is refused, never cut.
//! Values borrow from the bytes they were read from.

mod decode;
mod encode;
pub mod frame;
pub mod receipt;
pub mod time;
pub mod tlv;

pub use decode::{DecodeError, decode};
pub use encode::{EncodeError, encode};
pub use frame::{Frame, FrameError, Frames, Header};
pub use tlv::{Tlv, TlvBuffer, Tlvs};

/// Octets of every PDU's header.
pub const HEADER_BYTES: usize = 16;

/// Octets of one PDU at most: a 64 KiB body and the header. A longer one ends the session.
pub const PDU_BYTES_MAX: usize = (64 << 10) + HEADER_BYTES;

/// Octets of `short_message` at most; a longer text goes into a `message_payload` TLV.
pub const SHORT_MESSAGE_BYTES_MAX: usize = 254;

/// The highest sequence number; the next one after it is 1.
pub const SEQUENCE_MAX: u32 = 0x7FFF_FFFF;

/// Set in the id of every response.
pub const RESPONSE: u32 = 0x8000_0000;

/// Command ids (SMPP 3.4, section 5.1.2.1).
pub mod command {
    /// Receive only.
    pub const BIND_RECEIVER: u32 = 0x01;
    /// Submit only.
    pub const BIND_TRANSMITTER: u32 = 0x02;
    /// Asks for a message's state.
    pub const QUERY_SM: u32 = 0x03;
    /// Submits a message.
    pub const SUBMIT_SM: u32 = 0x04;
    /// Hands over a message or a receipt.
    pub const DELIVER_SM: u32 = 0x05;
    /// Ends the session.
    pub const UNBIND: u32 = 0x06;
    /// Replaces a message not yet delivered.
    pub const REPLACE_SM: u32 = 0x07;
    /// Withdraws a message not yet delivered.
    pub const CANCEL_SM: u32 = 0x08;
    /// Submit and receive on one connection.
    pub const BIND_TRANSCEIVER: u32 = 0x09;
    /// The carrier asks to be bound to.
    pub const OUTBIND: u32 = 0x0B;
    /// Are you there?
    pub const ENQUIRE_LINK: u32 = 0x15;
    /// Submits to several recipients.
    pub const SUBMIT_MULTI: u32 = 0x21;
    /// A handset is there again; has no response.
    pub const ALERT_NOTIFICATION: u32 = 0x102;
    /// A message in either direction, text in a TLV.
    pub const DATA_SM: u32 = 0x103;
    /// The PDU with this sequence number was not understood.
    pub const GENERIC_NACK: u32 = 0x8000_0000;

    /// The name of a command, for traces; `None` for an id that SMPP 3.4 does not know.
    #[must_use]
    pub const fn name(id: u32) -> Option<&'static str> {
        const RESP: u32 = super::RESPONSE;
        const BIND_RECEIVER_RESP: u32 = BIND_RECEIVER | RESP;
        const BIND_TRANSMITTER_RESP: u32 = BIND_TRANSMITTER | RESP;
        const QUERY_SM_RESP: u32 = QUERY_SM | RESP;
        const SUBMIT_SM_RESP: u32 = SUBMIT_SM | RESP;
        const DELIVER_SM_RESP: u32 = DELIVER_SM | RESP;
        const UNBIND_RESP: u32 = UNBIND | RESP;
        const REPLACE_SM_RESP: u32 = REPLACE_SM | RESP;
        const CANCEL_SM_RESP: u32 = CANCEL_SM | RESP;
        const BIND_TRANSCEIVER_RESP: u32 = BIND_TRANSCEIVER | RESP;
        const ENQUIRE_LINK_RESP: u32 = ENQUIRE_LINK | RESP;
        const SUBMIT_MULTI_RESP: u32 = SUBMIT_MULTI | RESP;
        const DATA_SM_RESP: u32 = DATA_SM | RESP;
        Some(match id {
            BIND_RECEIVER => "bind_receiver",
            BIND_RECEIVER_RESP => "bind_receiver_resp",
            BIND_TRANSMITTER => "bind_transmitter",
            BIND_TRANSMITTER_RESP => "bind_transmitter_resp",
            BIND_TRANSCEIVER => "bind_transceiver",
            BIND_TRANSCEIVER_RESP => "bind_transceiver_resp",
            QUERY_SM => "query_sm",
            QUERY_SM_RESP => "query_sm_resp",
            SUBMIT_SM => "submit_sm",
            SUBMIT_SM_RESP => "submit_sm_resp",
            DELIVER_SM => "deliver_sm",
            DELIVER_SM_RESP => "deliver_sm_resp",
            UNBIND => "unbind",
            UNBIND_RESP => "unbind_resp",
            REPLACE_SM => "replace_sm",
            REPLACE_SM_RESP => "replace_sm_resp",
            CANCEL_SM => "cancel_sm",
            CANCEL_SM_RESP => "cancel_sm_resp",
            OUTBIND => "outbind",
            ENQUIRE_LINK => "enquire_link",
            ENQUIRE_LINK_RESP => "enquire_link_resp",
            SUBMIT_MULTI => "submit_multi",
            SUBMIT_MULTI_RESP => "submit_multi_resp",
            ALERT_NOTIFICATION => "alert_notification",
            DATA_SM => "data_sm",
            DATA_SM_RESP => "data_sm_resp",
            GENERIC_NACK => "generic_nack",
            _ => return None,
        })
    }
}

/// The few status codes that a session itself answers or looks for; the channel has them all.
pub mod status {
    /// Done.
    pub const ROK: u32 = 0x00;
    /// `short_message` is longer than the field allows.
    pub const RINVMSGLEN: u32 = 0x01;
    /// The PDU's length makes no sense.
    pub const RINVCMDLEN: u32 = 0x02;
    /// The command is not known here.
    pub const RINVCMDID: u32 = 0x03;
    /// The command is not allowed in this state of the session.
    pub const RINVBNDSTS: u32 = 0x04;
    /// Already bound.
    pub const RALYBND: u32 = 0x05;
    /// System error.
    pub const RSYSERR: u32 = 0x08;
    /// Bind refused.
    pub const RBINDFAIL: u32 = 0x0D;
    /// Wrong password.
    pub const RINVPASWD: u32 = 0x0E;
    /// Wrong system_id.
    pub const RINVSYSID: u32 = 0x0F;
    /// A queue is full.
    pub const RMSGQFUL: u32 = 0x14;
    /// Wrong system_type.
    pub const RINVSYSTYP: u32 = 0x53;
    /// Too fast.
    pub const RTHROTTLED: u32 = 0x58;
    /// The receiver cannot take it now: send it again later.
    pub const RX_T_APPN: u32 = 0x64;
    /// The receiver refuses this one message: never send it again.
    pub const RX_R_APPN: u32 = 0x66;
    /// Nobody knows.
    pub const RUNKNOWNERR: u32 = 0xFF;
}

/// Bits of `esm_class` (SMPP 3.4, section 5.2.12).
pub mod esm {
    /// The text starts with a user data header.
    pub const UDHI: u8 = 0x40;
    /// The bits that tell what kind of message this is.
    pub const TYPE_MASK: u8 = 0x3C;
    /// A delivery receipt.
    pub const RECEIPT: u8 = 0x04;
    /// A handset's acknowledgement that it was delivered.
    pub const DELIVERY_ACK: u8 = 0x08;
    /// A person's acknowledgement.
    pub const MANUAL_ACK: u8 = 0x10;
    /// An intermediate notification.
    pub const INTERMEDIATE: u8 = 0x20;
}

/// How a session may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BindKind {
    /// Receives messages and receipts.
    Receiver,
    /// Submits.
    Transmitter,
    /// Both.
    Transceiver,
}

impl BindKind {
    /// The command that asks for it.
    #[must_use]
    pub const fn command(self) -> u32 {
        match self {
            Self::Receiver => command::BIND_RECEIVER,
            Self::Transmitter => command::BIND_TRANSMITTER,
            Self::Transceiver => command::BIND_TRANSCEIVER,
        }
    }

    /// Whether messages may be submitted.
    #[must_use]
    pub const fn submits(self) -> bool {
        !matches!(self, Self::Receiver)
    }

    /// Whether messages and receipts come in.
    #[must_use]
    pub const fn receives(self) -> bool {
        !matches!(self, Self::Transmitter)
    }
}

/// An address as SMPP writes it: type of number, numbering plan, digits or name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Address<'a> {
    /// Type of number: 1 international, 3 network specific, 5 alphanumeric, …
    pub ton: u8,
    /// Numbering plan: 1 E.164, 0 unknown, …
    pub npi: u8,
    /// The digits or the name, without the final NUL.
    pub value: &'a [u8],
}

/// A bind request of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bind<'a> {
    /// Who binds.
    pub system_id: &'a [u8],
    /// The secret. The standard ends it at 8 characters; several carriers take more.
    pub password: &'a [u8],
    /// A category some carriers ask for.
    pub system_type: &'a [u8],
    /// 0x34 for SMPP 3.4.
    pub interface_version: u8,
    /// Which addresses this session serves; mostly empty.
    pub address_range: Address<'a>,
}

/// The answer to a bind. May be wholly empty when its status is an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BindResp<'a> {
    /// The carrier's name for itself.
    pub system_id: &'a [u8],
    /// Mostly `sc_interface_version`.
    pub tlvs: Tlvs<'a>,
}

/// The body shared by submit_sm and deliver_sm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sm<'a> {
    /// Mostly empty.
    pub service_type: &'a [u8],
    /// Who it comes from.
    pub source: Address<'a>,
    /// Who it goes to.
    pub destination: Address<'a>,
    /// See [`esm`].
    pub esm_class: u8,
    /// 0 for ordinary messages.
    pub protocol_id: u8,
    /// 0 to 3.
    pub priority_flag: u8,
    /// Empty: at once. See [`time`].
    pub schedule_delivery_time: &'a [u8],
    /// Empty: the carrier's default. See [`time`].
    pub validity_period: &'a [u8],
    /// 1 asks for a receipt of success and failure.
    pub registered_delivery: u8,
    /// 0.
    pub replace_if_present: u8,
    /// What the octets of the text mean.
    pub data_coding: u8,
    /// 0.
    pub sm_default_msg_id: u8,
    /// The text, a header included where `esm_class` says so.
    pub short_message: &'a [u8],
    /// What follows.
    pub tlvs: Tlvs<'a>,
}

impl<'a> Sm<'a> {
    /// The text: `short_message`, or the `message_payload` TLV where that is empty.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        if self.short_message.is_empty() {
            self.tlvs.get(tlv::MESSAGE_PAYLOAD).unwrap_or_default()
        } else {
            self.short_message
        }
    }

    /// The same message as a data_sm would have carried it, and the other way round.
    #[must_use]
    pub const fn from_data(data: &DataSm<'a>) -> Self {
        Self {
            service_type: data.service_type,
            source: data.source,
            destination: data.destination,
            esm_class: data.esm_class,
            protocol_id: 0,
            priority_flag: 0,
            schedule_delivery_time: &[],
            validity_period: &[],
            registered_delivery: data.registered_delivery,
            replace_if_present: 0,
            data_coding: data.data_coding,
            sm_default_msg_id: 0,
            short_message: &[],
            tlvs: data.tlvs,
        }
    }
}

/// The body of data_sm: its text is in a `message_payload` TLV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DataSm<'a> {
    /// Mostly empty.
    pub service_type: &'a [u8],
    /// Who it comes from; up to 64 characters here.
    pub source: Address<'a>,
    /// Who it goes to; up to 64 characters here.
    pub destination: Address<'a>,
    /// See [`esm`].
    pub esm_class: u8,
    /// As in [`Sm`].
    pub registered_delivery: u8,
    /// As in [`Sm`].
    pub data_coding: u8,
    /// What follows.
    pub tlvs: Tlvs<'a>,
}

/// The answer to a submit_sm, deliver_sm or data_sm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SmResp<'a> {
    /// The carrier's id, in its own spelling; empty in a deliver_sm_resp and mostly in errors.
    pub message_id: &'a [u8],
    /// What follows, for instance `additional_status_info_text`.
    pub tlvs: Tlvs<'a>,
}

/// Any PDU's body, told apart by the command id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pdu<'a> {
    /// bind_receiver, bind_transmitter, bind_transceiver.
    Bind(BindKind, Bind<'a>),
    /// Their responses.
    BindResp(BindKind, BindResp<'a>),
    /// The carrier asks to be bound to.
    Outbind {
        /// The carrier's name.
        system_id: &'a [u8],
        /// The carrier's secret.
        password: &'a [u8],
    },
    /// submit_sm.
    SubmitSm(Sm<'a>),
    /// submit_sm_resp.
    SubmitSmResp(SmResp<'a>),
    /// deliver_sm.
    DeliverSm(Sm<'a>),
    /// deliver_sm_resp.
    DeliverSmResp(SmResp<'a>),
    /// data_sm, in either direction.
    DataSm(DataSm<'a>),
    /// data_sm_resp.
    DataSmResp(SmResp<'a>),
    /// enquire_link.
    EnquireLink,
    /// enquire_link_resp.
    EnquireLinkResp,
    /// unbind.
    Unbind,
    /// unbind_resp.
    UnbindResp,
    /// generic_nack; the reason is the header's status.
    GenericNack,
    /// A PDU of SMPP 3.4 that a message sender has no use for (query, cancel, replace,
    /// submit_multi, alert_notification and their responses), or one that SMPP 3.4 does not know.
    Other {
        /// Its command id.
        command_id: u32,
        /// Its body as it came.
        body: &'a [u8],
    },
}

impl Pdu<'_> {
    /// The command id that stands in the header.
    #[must_use]
    pub const fn command_id(&self) -> u32 {
        match self {
            Self::Bind(kind, _) => kind.command(),
            Self::BindResp(kind, _) => kind.command() | RESPONSE,
            Self::Outbind { .. } => command::OUTBIND,
            Self::SubmitSm(_) => command::SUBMIT_SM,
            Self::SubmitSmResp(_) => command::SUBMIT_SM | RESPONSE,
            Self::DeliverSm(_) => command::DELIVER_SM,
            Self::DeliverSmResp(_) => command::DELIVER_SM | RESPONSE,
            Self::DataSm(_) => command::DATA_SM,
            Self::DataSmResp(_) => command::DATA_SM | RESPONSE,
            Self::EnquireLink => command::ENQUIRE_LINK,
            Self::EnquireLinkResp => command::ENQUIRE_LINK | RESPONSE,
            Self::Unbind => command::UNBIND,
            Self::UnbindResp => command::UNBIND | RESPONSE,
            Self::GenericNack => command::GENERIC_NACK,
            Self::Other { command_id, .. } => *command_id,
        }
    }
}
