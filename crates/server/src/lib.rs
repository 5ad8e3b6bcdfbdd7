//! The doors of pombo: HTTP dialects, operations, configuration, commands.
//!
//! A library, so that tests can start the same server in their own process.

pub mod boot;
pub mod cli;
pub mod config;
pub mod entry;

mod certificate;
mod channel;
mod log;
