//! The 360NRS dialect, raw requests and raw answers.

mod account;
mod errors;
mod idempotency;
mod older;
mod parameters;
mod scheduled;
mod status;
