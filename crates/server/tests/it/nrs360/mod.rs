//! The 360NRS dialect, raw requests and raw answers.

mod account;
mod errors;
mod idempotency;
mod notifications;
mod older;
mod parameters;
mod personal;
mod scheduled;
mod status;
