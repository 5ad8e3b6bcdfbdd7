//! One file per thing a user can ask.

pub mod account;
pub mod campaign;
pub mod certificate;
pub mod coverage;
pub mod inbound;
pub mod link;
pub mod notifications;
pub mod opt_out;
pub mod otp;
pub mod report;
pub mod scheduled;
pub mod send;
pub mod senders;
pub mod status;
