//! One file per thing a user can ask.

pub mod account;
pub mod link;
pub mod notifications;
pub mod scheduled;
pub mod send;
pub mod status;
