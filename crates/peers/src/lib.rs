//! The other ends, for tests and benches: peers that behave, and peers that misbehave on purpose.

pub mod cluster;
pub mod load;
pub mod postgres;
pub mod proxy;
pub mod sink;
pub mod smsc;
