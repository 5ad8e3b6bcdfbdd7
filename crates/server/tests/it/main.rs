//! One integration binary: the server from outside, as integrators and operators see it.
//!
//! `house` starts servers and speaks raw HTTP to them; the other modules tell stories.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends there")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests wait in real time, and clean their environment"
)]

mod carrier;
mod cli;
mod docs;
mod house;
mod inbound;
mod limits;
mod nrs360;
mod openapi;
mod ops;
mod sandbox;
mod strangers;
