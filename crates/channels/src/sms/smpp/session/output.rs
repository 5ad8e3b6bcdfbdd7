//! The octets of one connection that wait to be written, counted from its start.

use super::WRITE_BYTES_HIGH;

/// What is waiting to be written.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Where PDUs are appended.
    pub(super) bytes: Vec<u8>,
    /// How many of `bytes` are written.
    done: usize,
    /// Octets of the stream before `bytes`.
    before: u64,
}

impl Output {
    pub(super) fn waiting(&self) -> &[u8] {
        &self.bytes[self.done..]
    }

    /// Octets of the stream that have been given to the connection.
    pub(super) fn written(&self) -> u64 {
        self.before + self.done as u64
    }

    /// Octets of the stream up to the end of what is waiting.
    pub(super) fn end(&self) -> u64 {
        self.before + self.bytes.len() as u64
    }

    pub(super) fn wrote(&mut self, n: usize) {
        self.done += n;
        if self.done == self.bytes.len() {
            self.before += self.done as u64;
            self.bytes.clear();
            self.done = 0;
        } else if self.done > WRITE_BYTES_HIGH {
            self.bytes.drain(..self.done);
            self.before += self.done as u64;
            self.done = 0;
        }
    }
}
