//! Cuts a growing buffer into PDUs by their `command_length`, without looking into the bodies.

use super::{HEADER_BYTES, PDU_BYTES_MAX};

/// The first 16 octets of every PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Octets of the whole PDU, these 16 included.
    pub command_length: u32,
    /// What it is.
    pub command_id: u32,
    /// How it went; 0 in requests.
    pub command_status: u32,
    /// Joins a response to its request.
    pub sequence: u32,
}

impl Header {
    /// Whether this is a response (or a generic_nack).
    #[must_use]
    pub const fn is_response(&self) -> bool {
        self.command_id & super::RESPONSE != 0
    }
}

/// One whole PDU: its header, read, and its body, not yet read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The header.
    pub header: Header,
    /// What follows it, exactly as long as the header says.
    pub body: &'a [u8],
}

/// The stream cannot be followed any further: the session must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("command_length {command_length} is below {HEADER_BYTES} or above {PDU_BYTES_MAX}")]
pub struct FrameError {
    /// What the header said.
    pub command_length: u32,
}

/// The whole PDUs at the front of a buffer, in order.
///
/// Ends at the first PDU that is not whole yet; [`Frames::consumed`] then tells how many octets
/// the caller may drop. After an error it yields nothing more.
#[derive(Debug)]
pub struct Frames<'a> {
    buffer: &'a [u8],
    consumed: usize,
    broken: bool,
}

impl<'a> Frames<'a> {
    /// Starts at the front of `buffer`.
    #[must_use]
    pub const fn new(buffer: &'a [u8]) -> Self {
        Self { buffer, consumed: 0, broken: false }
    }

    /// Octets of all PDUs given out so far.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// Reads the frame at the front of `rest`; `None` while it is not whole.
    fn first(rest: &'a [u8]) -> Option<Result<(Frame<'a>, usize), FrameError>> {
        let (length, _) = rest.split_first_chunk::<4>()?;
        let command_length = u32::from_be_bytes(*length);
        let total = usize::try_from(command_length).unwrap_or(usize::MAX);
        if !(HEADER_BYTES..=PDU_BYTES_MAX).contains(&total) {
            return Some(Err(FrameError { command_length }));
        }
        let pdu = rest.get(..total)?;
        let (head, body) = pdu.split_at(HEADER_BYTES);
        let word =
            |at: usize| head[at..].first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
        let header = Header {
            command_length,
            command_id: word(4),
            command_status: word(8),
            sequence: word(12),
        };
        Some(Ok((Frame { header, body }, total)))
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.broken {
            return None;
        }
        match Self::first(&self.buffer[self.consumed..])? {
            Ok((frame, total)) => {
                self.consumed += total;
                Some(Ok(frame))
            }
            Err(error) => {
                self.broken = true;
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pdu(length: u32, body: &[u8]) -> Vec<u8> {
        let mut out = length.to_be_bytes().to_vec();
        out.extend([0, 0, 0, 0x15, 0, 0, 0, 0, 0, 0, 0, 7]);
        out.extend(body);
        out
    }

    #[test]
    fn a_pdu_cut_anywhere_waits_for_its_rest() {
        let mut whole = pdu(16, b"");
        whole.extend(pdu(19, b"abc"));
        for cut in 0..whole.len() {
            let mut frames = Frames::new(&whole[..cut]);
            let n = frames.by_ref().filter(Result::is_ok).count();
            assert_eq!((n, frames.consumed()), if cut < 16 { (0, 0) } else { (1, 16) });
        }
        let mut frames = Frames::new(&whole);
        let bodies: Vec<_> = frames.by_ref().map(|f| f.expect("no error").body).collect();
        assert_eq!(bodies, [&b""[..], b"abc"]);
        assert_eq!(frames.consumed(), whole.len());
    }

    #[test]
    fn a_length_that_cannot_be_ends_the_stream() {
        for length in [0, 15, 65_553, u32::MAX] {
            let bytes = pdu(length, b"");
            let mut frames = Frames::new(&bytes);
            assert_eq!(frames.next(), Some(Err(FrameError { command_length: length })));
            assert_eq!(frames.next(), None);
        }
    }
}
