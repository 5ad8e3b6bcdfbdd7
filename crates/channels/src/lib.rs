//! Protocols spoken well. One line per channel; each keeps the contract of
//! `pombo_domain::channel` and knows no tenant, price or campaign.

pub mod callback;
pub mod sandbox;
pub mod sharing;
pub mod sms;
