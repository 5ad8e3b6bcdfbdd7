//! Text messages: how they are carried.

pub mod smpp;
