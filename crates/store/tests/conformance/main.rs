//! The promises of the store, kept by every engine: each test runs on each of `world::stores`.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod accept;
mod callback;
mod campaign;
mod certificate;
mod claim;
mod commit;
mod copy;
mod damage;
mod days;
mod divert;
mod dump;
mod engine;
mod failover;
mod hurry;
mod inbound;
mod model;
mod money;
mod notification;
mod opening;
mod opt_out;
mod otp;
mod otp_texts;
mod outlet;
mod personal;
mod place;
mod price;
mod receipt;
mod recover;
mod refund;
mod retention;
mod schedule;
mod sender;
mod server;
mod standby;
mod status;
mod steps;
mod tls;
mod twins;
mod uncertain;
mod world;
