//! The 360NRS dialect, raw requests and raw answers.

mod account;
mod blacklist;
mod campaign;
mod certificate;
mod country;
mod errors;
mod idempotency;
mod notifications;
mod older;
mod otp;
mod otp_texts;
mod parameters;
mod personal;
mod report;
mod scheduled;
mod senders;
mod status;
mod table;
