//! The SMPP channel against SMSCs: ours with every fault, and foreign ones.

#![expect(clippy::unwrap_used, reason = "tests may panic")]

mod desk;
mod ending;
mod faults;
mod foreign;
mod inbound;
mod sending;
mod tls;
