//! The optional parameters at the end of a PDU: tag, length, value.

use super::EncodeError;

/// `dest_addr_subunit`, 1 octet: 1 means "display at once".
pub const DEST_ADDR_SUBUNIT: u16 = 0x0005;
/// `additional_status_info_text`, a C-octet string.
pub const ADDITIONAL_STATUS_INFO_TEXT: u16 = 0x001D;
/// `receipted_message_id`, a C-octet string.
pub const RECEIPTED_MESSAGE_ID: u16 = 0x001E;
/// `user_message_reference`, 2 octets.
pub const USER_MESSAGE_REFERENCE: u16 = 0x0204;
/// `sar_msg_ref_num`, 2 octets.
pub const SAR_MSG_REF_NUM: u16 = 0x020C;
/// `sar_total_segments`, 1 octet.
pub const SAR_TOTAL_SEGMENTS: u16 = 0x020E;
/// `sar_segment_seqnum`, 1 octet, counts from 1.
pub const SAR_SEGMENT_SEQNUM: u16 = 0x020F;
/// `sc_interface_version`, 1 octet.
pub const SC_INTERFACE_VERSION: u16 = 0x0210;
/// `network_error_code`, 3 octets: network type, code.
pub const NETWORK_ERROR_CODE: u16 = 0x0423;
/// `message_payload`, any length.
pub const MESSAGE_PAYLOAD: u16 = 0x0424;
/// `delivery_failure_reason`, 1 octet.
pub const DELIVERY_FAILURE_REASON: u16 = 0x0425;
/// `message_state`, 1 octet.
pub const MESSAGE_STATE: u16 = 0x0427;

/// One optional parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// What it is.
    pub tag: u16,
    /// Its octets as they came.
    pub value: &'a [u8],
}

/// The optional parameters of a PDU, read one by one as they are asked for.
///
/// Unknown tags are kept. Where the area is cut short, what stands whole before the cut is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tlvs<'a>(&'a [u8]);

impl<'a> Tlvs<'a> {
    /// Takes the octets after the last mandatory field.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    /// The octets as they came.
    #[must_use]
    pub const fn octets(self) -> &'a [u8] {
        self.0
    }

    /// All that stand whole, in order.
    #[must_use]
    pub const fn iter(self) -> Iter<'a> {
        Iter(self.0)
    }

    /// The value of the first one with this tag.
    #[must_use]
    pub fn get(self, tag: u16) -> Option<&'a [u8]> {
        self.iter().find(|tlv| tlv.tag == tag).map(|tlv| tlv.value)
    }

    /// The value of a one-octet parameter; the last octet where a carrier sent more.
    #[must_use]
    pub fn octet(self, tag: u16) -> Option<u8> {
        self.get(tag)?.last().copied()
    }

    /// The value of a two-octet parameter; carriers also send one octet.
    #[must_use]
    pub fn word(self, tag: u16) -> Option<u16> {
        match *self.get(tag)? {
            [low] => Some(u16::from(low)),
            [.., high, low] => Some(u16::from_be_bytes([high, low])),
            [] => None,
        }
    }

    /// The value of a text parameter, without its NULs and blanks at the end.
    #[must_use]
    pub fn text(self, tag: u16) -> Option<&'a [u8]> {
        self.get(tag).map(trim_end)
    }

    /// Whether the area is whole: nothing is left over after the last parameter.
    #[must_use]
    pub fn is_whole(self) -> bool {
        let mut iter = self.iter();
        iter.by_ref().for_each(drop);
        iter.0.is_empty()
    }
}

/// Cuts NULs and blanks off the end.
pub(super) const fn trim_end(mut text: &[u8]) -> &[u8] {
    while let [rest @ .., 0 | b' ' | b'\r' | b'\n' | b'\t'] = text {
        text = rest;
    }
    text
}

/// The parameters that stand whole.
#[derive(Debug, Clone)]
pub struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = Tlv<'a>;

    fn next(&mut self) -> Option<Tlv<'a>> {
        let (&[t1, t0, l1, l0], rest) = self.0.split_first_chunk::<4>()?;
        let (value, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l1, l0])))?;
        self.0 = rest;
        Some(Tlv { tag: u16::from_be_bytes([t1, t0]), value })
    }
}

/// A reusable buffer in which the optional parameters of a PDU to be sent are written.
#[derive(Debug, Default)]
pub struct TlvBuffer(Vec<u8>);

impl TlvBuffer {
    /// Empties it, keeping its memory.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Adds one.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] for a value above 65,535 octets.
    pub fn push(&mut self, tag: u16, value: &[u8]) -> Result<(), EncodeError> {
        self.push_joined(tag, &[value])
    }

    /// Adds one whose value is these pieces one after the other.
    ///
    /// # Errors
    /// [`EncodeError::TooLong`] for a value above 65,535 octets.
    pub fn push_joined(&mut self, tag: u16, pieces: &[&[u8]]) -> Result<(), EncodeError> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        let too_long = |_| EncodeError::TooLong { field: "tlv", length, max: 0xFFFF };
        let written = u16::try_from(length).map_err(too_long)?;
        self.0.extend(tag.to_be_bytes());
        self.0.extend(written.to_be_bytes());
        for piece in pieces {
            self.0.extend_from_slice(piece);
        }
        Ok(())
    }

    /// What was written so far.
    #[must_use]
    pub fn tlvs(&self) -> Tlvs<'_> {
        Tlvs(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_before_a_cut_is_read() {
        let mut buffer = TlvBuffer::default();
        buffer.push(MESSAGE_STATE, &[2]).expect("short");
        buffer.push(RECEIPTED_MESSAGE_ID, b"abc\0").expect("short");
        let octets = buffer.tlvs().octets();
        let cut = Tlvs::new(&octets[..octets.len() - 1]);
        assert_eq!(cut.octet(MESSAGE_STATE), Some(2));
        assert_eq!(cut.text(RECEIPTED_MESSAGE_ID), None);
        assert!(!cut.is_whole());
        assert_eq!(Tlvs::new(octets).text(RECEIPTED_MESSAGE_ID), Some(&b"abc"[..]));
    }

    #[test]
    fn a_reference_of_one_octet_is_read_too() {
        let mut buffer = TlvBuffer::default();
        buffer.push(SAR_MSG_REF_NUM, &[9]).expect("short");
        assert_eq!(buffer.tlvs().word(SAR_MSG_REF_NUM), Some(9));
    }
}
