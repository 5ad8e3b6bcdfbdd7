//! Bytes to values and back: protocol codecs without a socket, a clock or a domain word.

pub mod pdf;
pub mod smpp;
pub mod sms;
